/* SPDX-License-Identifier: Apache-2.0 */
/* Which programs mean the same on a live kernel and in the implementation, as far as it goes. */
#ifndef IOMMUZZ_FUZZ_PROG_LIVE_H
#define IOMMUZZ_FUZZ_PROG_LIVE_H

#include "fuzz/prog/prog.h"

/*
 * Why call `index` cannot be compared between the implementation and a live kernel, or NULL: calls
 * of drivers and their callbacks, injected failures, threads, what the implementation does not have
 * yet, nodes and huge pages that depend on the machine, and raw ioctls that the kernel answers for
 * any file (docs/LIVE.md).
 */
const char *prog_live_obstacle(const struct prog *prog, uint32_t index);
/* The first such reason of the whole program (options too), or NULL. */
const char *prog_live_refused(const struct prog *prog);
/* Removes or changes calls until there is no obstacle. For generated programs. */
void prog_live_mend(struct prog *prog);

#endif
