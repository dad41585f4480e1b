/* SPDX-License-Identifier: Apache-2.0 */
/* The real kernel that a command works on: what it offers, its log, the devices lent to programs.
 */
#ifndef IOMMUZZ_TOOLS_MACHINE_H
#define IOMMUZZ_TOOLS_MACHINE_H

#include "fuzz/exec/live_device.h"
#include "fuzz/exec/target_live.h"

struct machine {
	struct live_probe probe;
	struct kernel_log *log; /* NULL: cannot be read, no_log says why */
	const char *no_log;
	const char *named[LIVE_DEVICE_MAX]; /* arguments of --device */
	unsigned named_count;
	int keeper; /* see machine_open; -1: none */
	int keeper_pid;
};

/* An argument of --device, which must look like a PCI address. False after an error. */
bool machine_name_device(struct machine *machine, const char *address);
/*
 * Binds the named devices, probes, opens the log. -1, or an exit code after one line on standard
 * error: TOOL_SKIPPED where there is no /dev/iommu, TOOL_BROKEN where a device cannot be had. A
 * keeper process gives the devices back when this process ends, however it ends.
 */
int machine_open(struct machine *machine, const char *command);
/* The first part of it alone, with the keeper. False after an error. */
bool machine_bind_devices(struct machine *machine);
/* Gives the devices back. False after an error. */
bool machine_close(struct machine *machine);
/* As suite_pool.kernel_log wants it: log is a struct kernel_log. */
bool machine_log(void *log, char *title, size_t title_size, char *text, size_t size);

/* inproc, model or live by name; NULL after an error. */
const struct target_class *machine_target(const char *name);

#endif
