/* SPDX-License-Identifier: Apache-2.0 */
/* The forms of `iommuzz vm`. */
#ifndef IOMMUZZ_TOOLS_VM_CHECK_H
#define IOMMUZZ_TOOLS_VM_CHECK_H

#include "tools/report.h"
#include "tools/vm.h"

struct vm_check {
	struct vm_config vm;
	const char *command;			      /* starts agents instead of VMs, or NULL */
	const char *filter, *json, *die_at, *hang_at; /* NULL: none */
	const char *warn_at;			      /* likewise */
	enum report_format format;
	bool list;	  /* only prints the ids of the tests */
	unsigned timeout; /* seconds a test */
	uint16_t kernel;  /* profile, 0: what runs there */
};

/* Boots, runs the suite, prints and writes results. An exit code. */
int vm_check(const struct vm_check *check);

struct vm_run {
	struct vm_config vm; /* but for its content */
	const char *const *programs;
	size_t program_count;
	const char *const *with; /* files and folders that they need */
	size_t with_count;
	const char *folder; /* for what they print, NULL: standard output */
	unsigned timeout;   /* seconds a program */
};

/* Boots and runs the programs one after another; one that breaks the machine costs a boot. Their
 * output goes into FOLDER/NAME, their errors to standard error. An exit code. */
int vm_run(const struct vm_run *run);

/* Prints the results of several runs (files written by --json) as one table, test x kernel. all:
 * rows of tests that pass everywhere too. An exit code. */
int vm_table(const char *const *paths, size_t count, bool all);

#endif
