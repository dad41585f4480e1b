/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The machine that shimmed programs share: a sim whose threads serve connections. Thread-safe
 * inside; the functions here are for its owner, one thread.
 */
#ifndef IOMMUZZ_SHIM_SERVER_H
#define IOMMUZZ_SHIM_SERVER_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct shim_server;

struct shim_options {
	uint16_t kernel; /* 0: newest */
	uint32_t seed;
};

/* NULL: errno says why. Serves at once. */
struct shim_server *shim_server_start(const struct shim_options *options);
/* What programs find in SHIM_VARIABLE. */
const char *shim_server_address(const struct shim_server *server);
/* Returns when no process is connected any more. */
void shim_server_wait(struct shim_server *server);
/* Ends the machine. No connection is left. */
void shim_server_stop(struct shim_server *server);

#endif
