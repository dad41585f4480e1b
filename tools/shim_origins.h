/* SPDX-License-Identifier: Apache-2.0 */
/* Where calls of a program under `iommuzz shim` were made: a number for each backtrace. */
#ifndef IOMMUZZ_TOOLS_SHIM_ORIGINS_H
#define IOMMUZZ_TOOLS_SHIM_ORIGINS_H

#include <stdint.h>
#include <stdio.h>

struct shim_origins;

/* NULL: memory. */
struct shim_origins *shim_origins_start(void);
void shim_origins_end(struct shim_origins *origins);
/* The number, from 1 on, of a backtrace in a process that is there. */
uint32_t shim_origins_number(
	struct shim_origins *origins, int pid, const uint64_t *frames, uint32_t count);
/* The process; 0 for number 0. */
int shim_origins_pid(const struct shim_origins *origins, uint32_t number);
/* A line for each frame, with that indentation; none for number 0. */
void shim_origins_print(
	struct shim_origins *origins, uint32_t number, const char *indentation, FILE *out);

#endif
