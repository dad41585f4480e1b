/* SPDX-License-Identifier: Apache-2.0 */
/* The insides of libiommuzz_shim.so, which is preloaded into programs. */
#ifndef IOMMUZZ_SHIM_PRELOAD_H
#define IOMMUZZ_SHIM_PRELOAD_H

#include <dlfcn.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "impl/shim/protocol.h"

#define SHIM_EXPORT __attribute__((visibility("default")))

/* The function that the program would call without us, of the type of the own one. */
#define NEXT(name)                                                                                 \
	({                                                                                         \
		static __typeof__(&name) next_##name;                                              \
		__typeof__(&name) found_##name = __atomic_load_n(&next_##name, __ATOMIC_ACQUIRE);  \
		if (!found_##name) {                                                               \
			*(void **)&found_##name = dlsym(RTLD_NEXT, #name);                         \
			__atomic_store_n(&next_##name, found_##name, __ATOMIC_RELEASE);            \
		}                                                                                  \
		found_##name;                                                                      \
	})

#define SHIM_OWN_MAX 4096 /* descriptors below can be the library's own */

/* -- preload_link.c -- */
/* Whether the program runs under a server. */
bool link_there(void);
/*
 * Makes a request and waits for its result, installing what comes on the way. False: no server.
 * Fills in who calls. errno stays. Any thread, signal handlers and children of vfork included.
 */
bool link_call(struct shim_request *request, struct shim_reply *reply);
/* Whether the server wants to hear of more than it has to. */
bool link_is_observed(void);
/* Whether pages of drivers are mapped by anybody. */
bool link_has_regions(void);
/* Whether the process's root is that of the server, where the nodes are. */
bool link_at_root(void);
/* The folder that stands for /sys/kernel/debug, "": none. */
const char *link_tree(void);
/* Whether the descriptor is one of the library's own: to the program it is not open. */
bool link_owns(int fd);
/* Fills in fd and what identifies it. False: it cannot be one of the server's. */
bool link_identify(struct shim_request *request, int fd);
/*
 * Makes a request about a descriptor. True: it is one of the server's, and *result as the C library
 * gives it (-1 and errno). False: it is not, errno stays.
 */
bool link_call_on(int fd, struct shim_request *request, long *result);
/* Whether a descriptor is one of the server's, and what it is: the answer to SHIM_KIND. errno
 * stays. */
bool link_describe(int fd, struct shim_reply *reply);
/* Whether anything is pinned in the machine. */
bool link_has_pins(void);
/* The result of a call as the C library gives it: -1 and errno. */
long link_result(int64_t result);
/* errno stays as it was: closes a descriptor really. */
void link_close_real(int fd);

/* -- preload_memory.c -- */
/* Before memory goes: what is pinned there keeps its contents. Any range. */
void memory_goes(const void *address, size_t length);
/* Before bytes [from, to) of the file go: it is cut, or holes are made. errno stays. */
void memory_cut(int fd, off64_t from, off64_t to);
/* Copies the program's memory. False: it is not all there. errno stays; no signal. */
bool memory_peek(void *to, const void *from, size_t count);
/* Before all of it goes, and when it has not. */
void memory_leaves(void);
void memory_stays(void);

/* -- preload_region.c -- */
/* Whether pages of a driver are mapped in the range. errno stays. */
bool region_touches(const void *address, size_t length);
/* What a kernel answers to madvise, or to mremap, of those: an errno; 0: they may. */
int region_refuses_advice(int advice);
int region_refuses_move(size_t old_length, size_t length, int flags);

#endif
