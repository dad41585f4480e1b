/* SPDX-License-Identifier: Apache-2.0 */
/* Random programs of the whole language, built with the prog_* API alone. */
#ifndef IOMMUZZ_TESTS_PROG_RANDOM_PROG_H
#define IOMMUZZ_TESTS_PROG_RANDOM_PROG_H

#include "fuzz/prog/prog.h"

struct random {
	uint64_t state;
};

/* The next 64 bits (splitmix64). */
uint64_t random_next(struct random *random);
/* A number below limit, which is not 0. */
uint32_t random_below(struct random *random, uint32_t limit);
bool random_one_in(struct random *random, uint32_t n);

/* Replaces the program by a random one that is in the language: prog_repair must find nothing. */
void random_prog(struct random *random, struct prog *prog);
/* Damages the program's arrays in ways that prog_repair promises to mend. */
void random_damage(struct random *random, struct prog *prog);
/* Changes one thing that prog_equal must see. False when the program is empty. */
bool random_alter(struct random *random, struct prog *prog);
/* Gives a text that wraps the program names, comments, a header and expectations. */
void random_text(struct random *random, struct prog_text *text);

#endif
