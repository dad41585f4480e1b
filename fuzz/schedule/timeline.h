/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A picture of one run with threads, as text for a terminal and as SVG: a lane a thread, steps
 * downwards, what was passed, who held which lock, where somebody else was made to run and where it
 * failed. The main thread has no lane: it runs alone, so its calls stand above and below the
 * section that comes between them. Nothing here reads a clock or prints an address: the same run
 * gives the same picture.
 */
#ifndef IOMMUZZ_FUZZ_SCHEDULE_TIMELINE_H
#define IOMMUZZ_FUZZ_SCHEDULE_TIMELINE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "fuzz/schedule/scheduler.h"

/* Point of a step that no scheduler made: here the process died. */
#define TIMELINE_CRASH 255

struct timeline_call {
	uint8_t thread;	    /* 0 main, 1 to 8: A to H */
	uint16_t call;	    /* index among the top-level calls of the thread, from 0 */
	uint16_t section;   /* in which it is, from 0; of main: how many ran before it */
	const char *text;   /* the call as the program has it, one line without its end */
	const char *result; /* "0", "EBUSY"; NULL: it did not return */
};

/*
 * What there is to draw. All pointers stay the caller's and must live for the time of the drawing;
 * the steps and holds of a scheduler do until its next run.
 */
struct timeline {
	const char *title; /* of the program, or NULL */
	const struct scheduler_step *steps;
	uint32_t step_count;
	const struct scheduler_hold *holds; /* with scheduler_keep_locks; may be none */
	uint32_t hold_count;
	const struct timeline_call *calls; /* in any order */
	uint32_t call_count;
	uint32_t failed_step; /* where something was found wrong; SCHEDULER_NONE: nowhere */
	const char *rule;     /* of the report; NULL: nothing was wrong */
	const char *message;  /* what was wrong */
};

struct timeline_style {
	unsigned width; /* of the terminal in columns, 40 to 400; no line is longer */
	bool colour;	/* ANSI sequences */
	bool ascii;	/* no characters beyond ASCII */
	bool every; /* every point has its row; otherwise what nobody else took part in is folded
		     */
};

/* Draws it for a terminal. False: host memory is short (something may have been written). */
bool timeline_text(const struct timeline *timeline, const struct timeline_style *style, FILE *out);
/* Draws it as one SVG file that refers to nothing outside. every: as in timeline_style. */
bool timeline_svg(const struct timeline *timeline, bool every, FILE *out);

#endif
