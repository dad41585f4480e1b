/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs that end in a crash: what the process wrote, and what it had done until then. The dying
 * process leaves a record, from which the one that waits for it draws the picture.
 */
#ifndef IOMMUZZ_TOOLS_CRASH_H
#define IOMMUZZ_TOOLS_CRASH_H

#include <stdio.h>

#include "fuzz/exec/trace.h"
#include "fuzz/oracle/oracle.h"
#include "fuzz/schedule/scheduler.h"

/* "AddressSanitizer: heap-use-after-free", "Segmentation fault", ...; report: what the process
 * wrote on standard error, or NULL. status: of waitpid. */
void crash_name(FILE *report, int status, char *name, size_t size);
/* What a sanitizer said first, without addresses and process ids, which every run has other ones
 * of; without a sanitizer that it ended. */
void crash_message(FILE *report, int status, char *text, size_t size);
/* The whole report to standard error. */
void crash_copy(FILE *report);

/* What a run had done. Freed by crash_record_free. */
struct crash_record {
	bool finished; /* it did not crash: the rest is not set */
	bool active;   /* in a section of threads, otherwise in the main thread */
	uint8_t thread;
	uint32_t step_count, hold_count, entry_count;
	struct scheduler_step *steps; /* the last one is made up: TIMELINE_CRASH */
	struct scheduler_hold *holds;
	struct trace_entry *entries; /* kind, depth, call and result are right */
};

/*
 * From here on, until crash_record_done, the death of this process (a sanitizer's, or by a signal)
 * writes what the run has done to that file. The run stays the caller's.
 */
void crash_record_arm(FILE *to, struct oracle_run *run);
/* The run is over: a later death says nothing of it. */
void crash_record_done(void);
/* False: the process has left none, or memory is short. */
bool crash_record_read(FILE *from, struct crash_record *record);
void crash_record_free(struct crash_record *record);

#endif
