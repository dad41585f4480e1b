/* SPDX-License-Identifier: Apache-2.0 */
/* The picture of a program's last run (fuzz/schedule/timeline.h), for commands. */
#ifndef IOMMUZZ_TOOLS_PICTURE_H
#define IOMMUZZ_TOOLS_PICTURE_H

#include "fuzz/oracle/oracle.h"
#include "fuzz/prog/text.h"
#include "tools/crash.h"

struct picture {
	bool text;	 /* on standard output */
	bool every;	 /* every point has its row */
	const char *svg; /* a file, or NULL */
};

/*
 * Draws the last run of that program by oracle_run_program, with its finding (oracle 0: none).
 * False after an error was printed.
 */
bool picture_draw(const struct picture *picture, const char *title, const struct prog_text *text,
	struct oracle_run *run, const struct finding *finding);
/*
 * Draws a run that ended in a crash, up to there. Of the finding, rule and message are shown; call
 * is the main thread's that did not return, or UINT32_MAX.
 */
bool picture_draw_crash(const struct picture *picture, const char *title,
	const struct prog_text *text, const struct crash_record *record,
	const struct finding *finding);

#endif
