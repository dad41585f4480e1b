/* SPDX-License-Identifier: Apache-2.0 */
/* The order of the model's steps: depth first over all choices, the likeliest first. */
#ifndef IOMMUZZ_FUZZ_ORACLE_INTERLEAVE_SEARCH_H
#define IOMMUZZ_FUZZ_ORACLE_INTERLEAVE_SEARCH_H

#include "fuzz/exec/trace.h"
#include "fuzz/schedule/strategy.h"

struct search;

/* NULL when memory is short. */
struct search *search_open(void);
void search_close(struct search *search);
/* A new search. seen: the implementation's run, whose steps and taken locks are the hint. */
void search_begin(struct search *search, const struct scheduler *seen);
/* The same for threads that ran at once: what is known is in which order their calls ended. */
void search_begin_ends(struct search *search, const struct prog *prog, const struct trace *trace);
struct strategy *search_strategy(struct search *search);

#endif
