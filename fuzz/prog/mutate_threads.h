/* SPDX-License-Identifier: Apache-2.0 */
/* Mutations of threads and schedules, for mutate.c. Each leaves the program to prog_repair. */
#ifndef IOMMUZZ_FUZZ_PROG_MUTATE_THREADS_H
#define IOMMUZZ_FUZZ_PROG_MUTATE_THREADS_H

#include "fuzz/prog/prog.h"
#include "fuzz/prog/random.h"

/* Moves a call to another thread; gives a program without threads some. */
void mutate_thread(struct prog *prog, struct random *random);
/* Two calls change threads. */
void mutate_thread_swap(struct prog *prog, struct random *random);
/* Copies a call of a thread into another one. */
void mutate_thread_copy(struct prog *prog, struct random *random);
/* Adds or removes `barrier`, `join` or `wait`. */
void mutate_meeting(struct prog *prog, struct random *random);
/* Changes, inserts, removes or copies schedule bytes; drops forced switches. */
void mutate_schedule(struct prog *prog, struct random *random);
/* Makes calls [at, at + count), just inserted, run in a thread of their neighbours, mostly. */
void mutate_adopt(struct prog *prog, uint32_t at, uint32_t count, struct random *random);

#endif
