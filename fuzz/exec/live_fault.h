/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Failures that the running kernel injects itself (specification 14): each task has a knob fail-nth
 * that makes the N-th decision to fail or not come out as a failure.
 */
#ifndef IOMMUZZ_FUZZ_EXEC_LIVE_FAULT_H
#define IOMMUZZ_FUZZ_EXEC_LIVE_FAULT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Whether this process may inject failures here; else reason says what lacks. */
bool live_fault_available(char *reason, size_t size);

/*
 * Lets allocations that may sleep fail too, and fail without a message, as 14 wants it; the knobs
 * are the whole kernel's. restore gives them what they had before. False: not to be had.
 */
bool live_fault_prepare(void);
void live_fault_restore(void);

/*
 * The knob of the calling thread, above the programs' descriptors; -1: not to be had. Between arm
 * and disarm nothing but the call in question should run. disarm tells whether the failure was
 * reached: what the knob itself fails with counts as not reached.
 */
int live_fault_open(void);
void live_fault_arm(int knob, uint16_t nth);
bool live_fault_disarm(int knob);

/* Errnos that an injected failure may end a call with: ENOMEM and those of 14's points. */
bool live_fault_error_allowed(int64_t error);

#endif
