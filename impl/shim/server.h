/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The machine that shimmed programs share: a sim whose threads serve connections. Thread-safe
 * inside; the functions here are for its owner, one thread.
 */
#ifndef IOMMUZZ_SHIM_SERVER_H
#define IOMMUZZ_SHIM_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct file;
struct mm;
struct shim_server;

/* A file that programs have open: the same for every descriptor of it. */
struct shim_key {
	uint64_t device, inode;
};

/* A call that a program has made. What the pointers lead to is there during the report only. */
struct shim_seen {
	uint32_t call; /* enum shim_call: OPEN, IOCTL, READ, WRITE, MMAP, GOES, MOVED, CUT */
	int pid, parent, pidfd;
	uint32_t capabilities; /* SIM_CAP_ bits */
	uint64_t memlock;
	int fd; /* that it was made on, with the file behind it and its kind */
	struct shim_key key;
	uint32_t kind;		  /* enum file_kind */
	const char *path;	  /* OPEN */
	const uint64_t *argument; /* 5, as in struct shim_request */
	/* IOCTL: the struct as it was and is, as far as it can be read. */
	const uint8_t *before, *after;
	size_t before_size, after_size;
	int64_t result;
	/* A descriptor that the program got, -1: none. */
	int new_fd;
	struct shim_key new_key;
	bool no_descriptor; /* it failed since the program could have no more of them */
	uint32_t failed_at; /* the pass of a fault point at which a failure was injected, 0: none */
	uint32_t pins;	    /* GOES: pinned pages in the range */
	uint32_t origin;    /* what the observer's origin has said of it */
	const struct file *file; /* that it was made on, or NULL */
	const struct mm *mm;	 /* the caller's memory */
};

/* A file whose last descriptor is gone, just before it is released. */
struct shim_closed {
	struct shim_key key;
	const struct file *file;
	int fd;	       /* as which it was made */
	bool by_close; /* not by the end of a process */
};

/* Told of all calls, one at a time. All may be NULL. */
struct shim_observer {
	void *context;
	void (*seen)(void *context, const struct shim_seen *seen);
	/* Before a call: the number by which what it makes is told apart (task_origin); frames: the
	 * return addresses in the program. */
	uint32_t (*origin)(void *context, int pid, const uint64_t *frames, uint32_t count);
	void (*closed)(void *context, const struct shim_closed *closed);
	void (*exited)(void *context, int pid);
	void (*warned)(void *context, const char *rule, const char *message);
};

struct shim_options {
	uint16_t kernel; /* 0: newest */
	uint16_t bug;	 /* enum sim_bug */
	uint32_t seed;
	bool vfio_container;  /* /dev/vfio/vfio is there */
	bool noiommu;	      /* mock devices can lack an IOMMU */
	uint32_t fail_nth;    /* each thread's pass of a fault point that fails, 0: none */
	uint32_t fail_random; /* passes of fault points on average from failure to failure of a
			       * thread, by the seed; 0: none */
	bool backtraces;      /* programs say where their calls come from */
	const struct shim_observer *observer; /* or NULL */
};

/* Bytes of the caller's memory; how many could be read. */
size_t shim_peek(const struct shim_seen *seen, uint64_t address, void *to, size_t count);
/* What is behind a descriptor of the caller. False: it is not open. */
bool shim_identify(const struct shim_seen *seen, int fd, struct shim_key *key);

/* NULL: errno says why. Serves at once. */
struct shim_server *shim_server_start(const struct shim_options *options);
/* What programs find in SHIM_VARIABLE. */
const char *shim_server_address(const struct shim_server *server);
/* Returns when no process is connected any more. */
void shim_server_wait(struct shim_server *server);
/* Threads whose fail_nth was reached. */
unsigned shim_server_failed(const struct shim_server *server);
/* Ends the machine. No connection is left. */
void shim_server_stop(struct shim_server *server);

#endif
