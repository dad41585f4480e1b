/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of `iommuzz bench` share: measurements by name, each one number a run. */
#ifndef IOMMUZZ_TOOLS_BENCH_H
#define IOMMUZZ_TOOLS_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bench {
	double seconds; /* that one measurement shall take; those of ratios take what they need */
	bool brief;	/* --short */
	const char *reason; /* why the last measurement could not be made */
};

struct measurement {
	const char *name, *unit;
	const char *budget; /* of DESIGN.md section 8, NULL without one */
	const char *what;
	bool once; /* too slow to be repeated with --short */
	/* One run. A negative number: not to be had here, for bench->reason. */
	double (*measure)(struct bench *bench);
};

extern const struct measurement bench_programs[]; /* ended by name NULL */
extern const struct measurement bench_machine[];
extern const struct measurement bench_threads[];
extern const struct measurement bench_domain[];

/* Nanoseconds that the process has run: what others do on the machine does not count. */
uint64_t bench_clock(void);
/* Whether to go on: doubles *batch until a batch is long enough for the clock not to count. */
struct bench_loop {
	uint64_t start, limit, batch, done;
};
struct bench_loop bench_loop_begin(const struct bench *bench);
bool bench_loop_more(struct bench_loop *loop);
/* Repetitions in a second, and nanoseconds of one, after the last bench_loop_more. */
double bench_loop_rate(const struct bench_loop *loop);
double bench_loop_cost(const struct bench_loop *loop);

#define BENCH_FAILED (-1.0)

#endif
