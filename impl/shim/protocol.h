/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the preload library and the server say to each other, over a SOCK_SEQPACKET connection that
 * each thread of a shimmed program has of its own: a request, then replies until one of kind
 * RESULT.
 */
#ifndef IOMMUZZ_SHIM_PROTOCOL_H
#define IOMMUZZ_SHIM_PROTOCOL_H

#include <stdint.h>

/* The name of the server's abstract socket, without the leading zero. */
#define SHIM_VARIABLE "IOMMUZZ_SHIM"

enum shim_call {
	SHIM_HELLO, /* argument[0]: 1 from a program that has just started; [1]: thread id, 0: any
		     */
	SHIM_OPEN,  /* path; argument[0]: flags */
	SHIM_IOCTL, /* fd; argument[0]: command, [1]: argument */
	SHIM_READ,  /* fd; argument[0]: address, [1]: count, [2]: position or -1 */
	SHIM_WRITE, /* the same */
	SHIM_MMAP,  /* fd; argument[0]: address, [1]: length, [2]: protection | flags << 32, [3]:
		       offset */
	SHIM_KIND, /* fd; result: enum shim_kind; value: [0] SHIM_IS_* and flags of the open file <<
		      32, [1] size of a dma-buf; name */
	SHIM_SETTLE, /* a descriptor was closed: returns when that has had its effect */
	SHIM_GOES,  /* argument[0]: address, [1]: length of memory that is about to go, [2]: 1: with
		       the bytes of the files that are mapped there */
	SHIM_MOVED, /* argument[0]: from, [1]: to, [2]: length */
	SHIM_LEAVES, /* argument[0]: a pid, 0: itself, -1: everybody; all memory is about to go */
	SHIM_STAYED, /* it did not: exec failed */
	SHIM_STATUS, /* argument[0]: pid; result: whether known; value: VmLck and VmPin in KiB */
	SHIM_CUT,    /* bytes [argument[0], argument[1]) of the file are about to go */
	SHIM_CLOSES, /* fd: is about to be closed; only where the server observes */
	SHIM_BORN,   /* argument[0]: pid of a new child */
	SHIM_CALL_COUNT
};

/* What a descriptor is, for those calls whose answer depends on it alone. */
enum shim_kind {
	SHIM_KIND_FOREIGN, /* none of ours */
	SHIM_KIND_PLAIN,   /* no poll: not for epoll */
	SHIM_KIND_QUEUE,   /* poll: readable when there are events, always writable */
	SHIM_KIND_STREAM,  /* poll: readable when there are events, never writable */
};

/* What a descriptor does, too. */
enum shim_trait {
	SHIM_IS_NODE = 1,	/* a device's, opened by its path */
	SHIM_IS_READABLE = 2,	/* has a read function */
	SHIM_IS_WRITABLE = 4,	/* a write function */
	SHIM_IS_POSITIONED = 8, /* pread is read */
	SHIM_IS_CONTAINER = 16, /* the node is /dev/vfio/vfio */
};

/* How /proc/PID/maps names a driver's pages (impl/sim/mm/real_region.c makes them). */
#define SHIM_REGION "/memfd:iommufd (deleted)"

#define SHIM_FRAMES 24
#define SHIM_PATH   128

struct shim_request {
	uint32_t call; /* enum shim_call */
	int32_t fd;
	uint64_t device, inode; /* of fd, as fstat says */
	uint64_t argument[5];
	uint32_t uid, euid; /* real and effective user id */
	uint32_t thread;    /* that calls, 0: that whose connection it is */
	uint32_t frames;    /* how many of frame are set */
	uint64_t frame[SHIM_FRAMES];
	char path[SHIM_PATH];
};

enum shim_reply_kind {
	SHIM_RESULT,
	SHIM_TAKE, /* with a descriptor: install it, answer with struct shim_taken */
	SHIM_DROP, /* close the descriptor with number result */
	SHIM_MAP,  /* with a descriptor: map it; value: address, length; result: prot | flags << 32
		    */
	SHIM_SHARED, /* with a descriptor: memory to read, struct shim_shared */
};

struct shim_reply {
	uint32_t kind;	/* enum shim_reply_kind */
	uint32_t ours;	/* RESULT: 0 when the descriptor is none of ours: make the real call */
	int64_t result; /* >= 0 or negative errno */
	uint64_t value[2];
	char name[48]; /* KIND: what the link in /proc/PID/fd says */
};

/* What all programs see at any time. */
struct shim_shared {
	uint64_t pins;			  /* atomic: that the machine has */
	uint32_t regions;		  /* atomic: whether pages of drivers are mapped */
	uint32_t observed;		  /* the server wants to hear of all memory that goes */
	uint32_t backtraces;		  /* whether requests say where they come from */
	uint64_t root_device, root_inode; /* where the nodes are: not behind chroot */
	char tree[64];			  /* a folder that has dev/ and sys/kernel/debug/ */
};

struct shim_taken {
	int64_t fd; /* or negative errno; answering MAP: the address */
};

#endif
