/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a program under `iommuzz shim` left behind and did wrong. What is left is read from the
 * machine when the last descriptor of a file is gone.
 */
#ifndef IOMMUZZ_TOOLS_SHIM_REPORT_H
#define IOMMUZZ_TOOLS_SHIM_REPORT_H

#include <stdint.h>
#include <stdio.h>

#include "impl/shim/server.h"

struct shim_report;

/* NULL: memory. */
struct shim_report *shim_report_start(void);
/* As the observer's functions. */
uint32_t shim_report_origin(
	struct shim_report *report, int pid, const uint64_t *frames, uint32_t count);
void shim_report_seen(struct shim_report *report, const struct shim_seen *seen);
void shim_report_closed(struct shim_report *report, const struct shim_closed *closed);
void shim_report_warned(struct shim_report *report, const char *rule, const char *message);
void shim_report_print(struct shim_report *report, FILE *out);
void shim_report_end(struct shim_report *report);

#endif
