/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fibers: call stacks of one OS thread that hand the processor to each other. The switch is our own
 * on x86-64 and aarch64 (callee-saved registers and the stack pointer; no system call) and
 * swapcontext elsewhere. AddressSanitizer and ThreadSanitizer are told of each one.
 */
#ifndef IOMMUZZ_SIM_FIBER_H
#define IOMMUZZ_SIM_FIBER_H

#include <stddef.h>

struct fiber;

/* The fiber of the calling OS thread itself, on its own stack. NULL when host memory is short. */
struct fiber *fiber_adopt(void);
/* A fiber with a stack of its own (256 KiB, a guard page below). NULL when host memory is short. */
struct fiber *fiber_create(void);
/* Frees it; it must not be running. Whatever its stack holds is abandoned. NULL is ignored. */
void fiber_free(struct fiber *fiber);
/*
 * The next switch to it calls entry(argument) on an empty stack, whatever it was doing before. When
 * entry returns, the fiber that it names goes on. One that has returned starts again at little
 * cost; one left in the middle is laid out anew.
 */
void fiber_start(struct fiber *fiber, struct fiber *(*entry)(void *), void *argument);
/* Leaves `from`, which runs, for `to`; returns when somebody switches back. */
void fiber_switch(struct fiber *from, struct fiber *to);

#endif
