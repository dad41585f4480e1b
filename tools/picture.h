/* SPDX-License-Identifier: Apache-2.0 */
/* The picture of a program's last run (fuzz/schedule/timeline.h), for commands. */
#ifndef IOMMUZZ_TOOLS_PICTURE_H
#define IOMMUZZ_TOOLS_PICTURE_H

#include "fuzz/oracle/oracle.h"
#include "fuzz/prog/text.h"

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

#endif
