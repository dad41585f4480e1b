/* SPDX-License-Identifier: Apache-2.0 */
/* Which lines of a kernel log are a report. Apart from /dev/kmsg, so that it can be tested. */
#ifndef IOMMUZZ_FUZZ_EXEC_KERNEL_LOG_H
#define IOMMUZZ_FUZZ_EXEC_KERNEL_LOG_H

#include <errno.h>
#include <string.h>

#include "fuzz/exec/target_live.h"

/* Whether a line (kernel_log_message) is the first of a warning, oops, sanitizer report, ... */
bool kernel_log_starts_report(const char *line);
/* The line without time and process in front; points into it. */
const char *kernel_log_message(const char *line);

struct kernel_log_reader {
	char *title, *text;
	size_t title_size, size, used;
	bool found, inside;
	bool after_ruler; /* the last line was one of '=' */
	bool until_ruler; /* the report goes on to the next such line */
};

/*
 * Collects reports line by line: the first one's first line in title, all their lines in text, cut
 * at whole lines. Both belong to the caller and are strings from the beginning on.
 */
void kernel_log_reader_begin(
	struct kernel_log_reader *reader, char *title, size_t title_size, char *text, size_t size);
void kernel_log_reader_line(struct kernel_log_reader *reader, const char *line);

/*
 * Negative controls. live_warn makes the kernel itself warn and leaves it damaged; false: there are
 * no PASIDs of mock devices (before 6.15). kernel_log_provoke writes what looks like a warning into
 * the log (as root), and lets the next kernel_log_report take lines of processes for the kernel's
 * own, which it never does otherwise.
 */
bool live_warn(void);
void kernel_log_provoke(struct kernel_log *log);

#endif
