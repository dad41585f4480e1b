/* SPDX-License-Identifier: Apache-2.0 */
/* Named fault points: every step that can fail passes one. Specification 14. */
#ifndef IOMMUZZ_SIM_FAULT_H
#define IOMMUZZ_SIM_FAULT_H

#include <stdbool.h>
#include <stdint.h>

#include "impl/abi/points.h"

struct task;

/* True when the armed failure is reached here: the caller fails with the point's errno. Counts the
 * pass. */
bool fault_here(struct task *task, enum fault_point point);

/* Arms one failure for the next calls of this task: the nth pass (from 1) of point, or of any point
 * when any. */
void fault_arm(struct task *task, enum fault_point point, bool any, uint32_t nth);
/*
 * Whether the armed failure was reached; which point it was, and which pass of that point since
 * arming. A failure of "any" point can so be named.
 */
bool fault_reached(const struct task *task, enum fault_point *point, uint32_t *nth);
/* How many points were passed since arming. */
uint32_t fault_passed(const struct task *task);
/*
 * Passes do not count while paused: what runs in a driver's callback is not the call's own. Returns
 * whether it counted; who gets true resumes, so that callbacks within callbacks stay paused.
 */
bool fault_pause(struct task *task);
void fault_resume(struct task *task);
/* Disarms; returns whether it was reached and, if passed is not NULL, how many points were passed
 * since arming. */
bool fault_disarm(struct task *task, uint32_t *passed);

/* The name of a fault point as programs write it; never NULL. */
const char *fault_point_name(enum fault_point point);
/* The errno (positive) that goes with a point. */
int fault_point_error(enum fault_point point);
/* The point of that name, or FAULT_POINT_COUNT. */
enum fault_point fault_point_find(const char *name, unsigned length);

#endif
