/* SPDX-License-Identifier: Apache-2.0 */
/* Between the process that hunts and the one that waits for it. */
#ifndef IOMMUZZ_TOOLS_HUNT_PRIVATE_H
#define IOMMUZZ_TOOLS_HUNT_PRIVATE_H

#include "tools/hunt.h"

/* hunt.c: the work, in its process. Frees nothing. Changes hunt->test. */
void hunt_work(const struct hunt *hunt, struct hunt_result *result);
/* Adds a finding, or counts it with one like it; its switches are those of the run that goes on. */
void hunt_add(struct hunt_result *result, const struct hunt_finding *finding);

#endif
