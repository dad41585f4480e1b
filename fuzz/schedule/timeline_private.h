/* SPDX-License-Identifier: Apache-2.0 */
/* What both pictures are made from: rows in the order of time. */
#ifndef IOMMUZZ_FUZZ_SCHEDULE_TIMELINE_PRIVATE_H
#define IOMMUZZ_FUZZ_SCHEDULE_TIMELINE_PRIVATE_H

#include "fuzz/schedule/timeline.h"

#define ROW_TEXT 240 /* bytes of what a row says, with the final 0 */

enum row_kind {
	ROW_MAIN,    /* a call of the main thread, with its result */
	ROW_SECTION, /* threads begin */
	ROW_CALL,    /* a call begins */
	ROW_RESULT,  /* it returns */
	ROW_POINT,   /* one step */
	ROW_FOLD,    /* several steps that nobody else took part in */
	ROW_TAKEN,   /* a lock is taken, later than at its own point */
	ROW_STUCK,   /* at the end: what a blocked thread waits for */
};

/* What a thread is at in a row. */
enum lane_state { LANE_NONE, LANE_READY, LANE_RUNS, LANE_BLOCKED };

struct row {
	uint8_t kind; /* enum row_kind */
	uint8_t thread;
	uint8_t next;	     /* who runs behind it */
	uint8_t ready;	     /* bit t - 1: thread t could run */
	uint8_t alive;	     /* bit t - 1: thread t has not ended */
	bool forced;	     /* next runs although thread could go on */
	bool failed;	     /* the point of the report */
	uint32_t step;	     /* the (first) step; of other rows the one before */
	uint32_t step_count; /* FOLD */
	uint32_t call;	     /* MAIN, CALL, RESULT: index of timeline.calls */
	uint32_t hold;	     /* TAKEN: index of timeline.holds */
};

/* A lock as a bar. */
struct bar {
	uint32_t hold;	      /* index of timeline.holds */
	uint32_t first, last; /* rows; last: where it was given back */
	uint8_t slot;	      /* column beside the lane, from 0 */
	bool open;	      /* never given back */
};

/* A call as a rectangle. */
struct span {
	uint32_t call;
	uint32_t first, last; /* rows */
	bool open;	      /* never returned */
};

struct layout {
	const struct timeline *timeline;
	struct row *rows;
	struct bar *bars;   /* by first row */
	struct span *spans; /* by first row */
	uint32_t row_count, row_room, bar_count, span_count;
	unsigned lane_count;
	uint8_t lanes[SCHEDULER_THREADS]; /* threads, left to right */
	uint8_t lane_of[SCHEDULER_THREADS];
	uint8_t slots[SCHEDULER_THREADS]; /* columns for locks beside that thread's lane */
	unsigned sections, forced;	  /* forced: switches */
};

/* NULL when host memory is short. */
struct layout *layout_open(const struct timeline *timeline, bool every);
void layout_close(struct layout *layout);

enum lane_state layout_state(const struct row *row, unsigned thread);
/* What the row says, one line; longer than ROW_TEXT: cut off with "...". */
void layout_row_text(const struct layout *layout, const struct row *row, char text[ROW_TEXT]);
/* The lock class that the row is about, or -1. */
int layout_row_class(const struct layout *layout, const struct row *row);
/* "main", "A". */
const char *layout_thread_name(unsigned thread);
/* Where and what, for above the report's message: "step 12, thread A: deadlock". */
void layout_failure_text(const struct layout *layout, char text[ROW_TEXT]);

/* The code point at *text, which moves behind it; '?' for what is no text. */
uint32_t layout_rune(const char **text);
/*
 * End of the line that starts at text and has at most `room` (>= 1) columns, broken at a blank
 * where there is one. *columns: how many it has.
 */
const char *layout_wrap(const char *text, unsigned room, unsigned *columns);
/* Where the next line starts; NULL: there is none. */
const char *layout_wrap_next(const char *end);

#endif
