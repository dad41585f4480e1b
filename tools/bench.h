/* SPDX-License-Identifier: Apache-2.0 */
/* One measurement of `iommuzz bench`: what it is called, its budget, and how to take it once. */
#ifndef IOMMUZZ_TOOLS_BENCH_H
#define IOMMUZZ_TOOLS_BENCH_H

#include <stdbool.h>
#include <stdint.h>

struct bench_size {
	uint32_t programs; /* standard programs in one measurement */
	uint32_t calls;	   /* calls in one measurement */
	uint32_t areas;	   /* areas of the large IOAS */
};

struct measurement {
	const char *name, *unit;
	const char *budget; /* of DESIGN.md section 8, or "" */
	bool high_is_good;
	/* The value, or a negative number after an error was printed. */
	double (*take)(const struct bench_size *size);
};

/* Ended by a name of NULL. */
extern const struct measurement bench_programs[], bench_machine[], bench_areas[];

#endif
