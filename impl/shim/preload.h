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

/*
 * Everything here may be called by any thread, in signal handlers and in children of vfork, unless
 * it says otherwise. Nobody holds a lock meanwhile. errno stays where nothing else is said.
 */

/* -- preload_link.c -- */
/* Whether the program runs under a server: SHIM_VARIABLE was set when it started. */
bool link_there(void);
/*
 * Makes a request and waits for its result, installing the descriptors and mappings that come on
 * the way. request: call and what belongs to it, the caller's; who calls is filled in. reply:
 * filled in if true. False: no server, or no connection to it: the program goes on as without the
 * shim. Uses the thread's connection, which is made when first needed, or one for this call alone
 * where that is in use (a signal handler), or the process's reserve where there is no room for it.
 */
bool link_call(struct shim_request *request, struct shim_reply *reply);
/* Whether the server wants to hear of more than it has to: it traces or reports. */
bool link_is_observed(void);
/* Whether pages of drivers are mapped by any process of the machine. */
bool link_has_regions(void);
/* Whether the process's root is that of the server, where the nodes are: false behind chroot. */
bool link_at_root(void);
/* The folder that has dev/ and sys/kernel/debug/ of the machine; "": none. Never freed. */
const char *link_tree(void);
/* Whether the descriptor is one of the library's own: to the program it is not open. Any fd. */
bool link_owns(int fd);
/*
 * Fills in request's fd, and device and inode if true. False: it cannot be one of the server's, as
 * those are pipes open for reading and writing; it is not open, or something else. Asks no server.
 */
bool link_identify(struct shim_request *request, int fd);
/*
 * Makes a request about a descriptor. True: it is one of the server's, and *result as the C library
 * gives it (-1 and errno). False: it is not, errno stays.
 */
bool link_call_on(int fd, struct shim_request *request, long *result);
/* Whether a descriptor is one of the server's; if so *reply is the answer to SHIM_KIND. */
bool link_describe(int fd, struct shim_reply *reply);
/* Whether anything is pinned in the machine, or the server observes: memory that goes is told. */
bool link_has_pins(void);
/* A result of the server as the C library gives it: itself, or -1 and errno. */
long link_result(int64_t result);
/* Closes a descriptor, without a look at whose it is. */
void link_close_real(int fd);

/* -- preload_memory.c -- */
/*
 * Before memory goes: the server copies what is pinned there, so that it keeps its contents. Any
 * range, also one where nothing is; nothing happens while nothing is pinned.
 */
void memory_goes(const void *address, size_t length);
/* Before bytes [from, to) of the file go: it is cut, or holes are made. The same. */
void memory_cut(int fd, off64_t from, off64_t to);
/* Copies the program's memory. False: it is not all there, and to is not to be used. No signal. */
bool memory_peek(void *to, const void *from, size_t count);
/* Before all of the process's memory goes (exec, exit), as memory_goes; and when it has not. */
void memory_leaves(void);
void memory_stays(void);

/* -- preload_region.c -- */
/*
 * Whether pages of a driver are mapped in the range, which need not be aligned. Reads
 * /proc/self/maps while there are such pages anywhere, and is cheap else.
 */
bool region_touches(const void *address, size_t length);
/* What a kernel answers to madvise, or to mremap, of those: an errno; 0: they may. */
int region_refuses_advice(int advice);
int region_refuses_move(size_t old_length, size_t length, int flags);

#endif
