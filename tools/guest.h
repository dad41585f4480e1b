/* SPDX-License-Identifier: Apache-2.0 */
/* The command as the only program of a machine: what init does in a VM for tests. */
#ifndef IOMMUZZ_TOOLS_GUEST_H
#define IOMMUZZ_TOOLS_GUEST_H

#include <stdbool.h>

/* Name of the virtio port through which agent and judge talk. */
#define GUEST_CHANNEL "iommuzz"

/* Whether this process is init of such a machine, not of a container that happens to run it. */
bool guest_is_init(void);
/*
 * Mounts, makes devices, serves the judge with target live in a child, reaps orphans, powers off.
 * When the child was killed by a signal, init ends too and so panics the kernel: its judge reads
 * that on the console. Returns only if the machine cannot be powered off.
 */
int guest_init(void);

#endif
