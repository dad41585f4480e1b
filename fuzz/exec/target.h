/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A target runs resolved calls: the in-process implementation (target_inproc), the reference model
 * (target_model), a live kernel. The executor (exec.h) resolves handles, keeps outputs, runs
 * threads and callback bodies, and writes the trace; targets know nothing of programs.
 */
#ifndef IOMMUZZ_FUZZ_EXEC_TARGET_H
#define IOMMUZZ_FUZZ_EXEC_TARGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "impl/abi/catalogue.h"
#include "impl/abi/points.h"

/* Where the executor puts structs and literals of a call, one page-aligned window per thread, 64
 * KiB each. */
#define EXEC_ARGUMENT_BASE UINT64_C(0x20000000000)
#define EXEC_ARGUMENT_SIZE 0x10000u
#define EXEC_THREADS	   9 /* main and A to H */

struct target_config {
	uint16_t kernel;    /* LINUX(..) profile */
	uint16_t bug;	    /* defect switched on (bugs builds), 0 none */
	uint32_t mem_pages; /* pages of mem at PROG_MEM_BASE */
	uint32_t seed;
	uint64_t memlock; /* RLIMIT_MEMLOCK of P1 in bytes */
	bool caps_none; /* P1 has no capabilities (and uid 1000); otherwise all capabilities and uid
			   0 */
	bool dmabuf_descriptor; /* DMABUF_GET returns its descriptor (10.24) */
	bool huge_pages;	/* there are some of 2 MiB */
	bool vfio_container;	/* /dev/vfio/vfio is an iommufd (1.1) */
	bool scattered;		/* no two pages lie side by side physically */
	bool noiommu;		/* there are devices without an IOMMU (4.22) */
	uint32_t compat;
	/* Of the program that follows, for targets whose processes are real: */
	bool threads;	     /* calls come from threads that run in turns (events.phase, fibers) */
	bool uses_processes; /* calls make or end processes, or pass descriptors */
	bool first_ends;     /* P1 calls exec or exit */
	bool unreadable;     /* has memory that may be written or run, but not read */
};

/* A call with every handle replaced by what it stands for on this target. */
struct resolved_call {
	const struct call_row *row;
	uint16_t call;	 /* index in the program */
	uint8_t thread;	 /* 0 main, 1..8 */
	uint8_t process; /* 0..7 */
	uint8_t depth;	 /* callback nesting, 0 at top level */
	bool early;   /* has outputs of other threads as they were before it began: they may go on
			 before   its first step */
	uint8_t fail; /* enum fail_kind POINT or NTH, or NONE */
	uint8_t fail_point; /* enum fault_point */
	uint16_t fail_nth;
	uint64_t name;	  /* FIELD_NAME argument: the process of fork, pass and process (0..7) */
	uint64_t subject; /* descriptor number, object id or access handle; (uint64_t)-1 for a
			     failed producer */
	uint64_t at; /* user address of the struct. The target writes image[0..image_size) there, in
			the caller's memory, before the call, and leaves out pages that are not
			there or not writable, so that a bad address faults inside the call itself.
			This write is not reported as a change. For ioctls only. The raw `ioctl` has
			struct call_ioctl in image and writes image[4..image_size): the size word,
			then the tail */
	uint32_t image_size;  /* bytes of the struct plus tail; 0 for calls without struct in user
				 memory */
	uint32_t struct_size; /* bytes of image that the row's struct takes; kernel and system calls
			read their arguments here (kernel_calls.h) */
	const uint8_t *image;
	const uint8_t *bytes; /* FIELD_BYTES argument (put, expect), or NULL */
	uint32_t byte_count;
	uint32_t literal_count; /* literals for user pointers, written to user memory before the
				   call */
	const struct resolved_literal {
		uint64_t address;
		const uint8_t *bytes;
		uint32_t count;
	} *literals;
};

/* What a call did. Filled by the target; buffers belong to it and stay valid until its next call.
 */
struct call_outcome {
	int64_t result; /* >= 0 or negative errno. For calls that make descriptors: the number */
	bool injected;	/* the failure asked for was reached */
	uint8_t fail_point;	/* then: which enum fault_point, */
	uint16_t fail_nth;	/* and which pass of that point it was, from 1 */
	uint32_t faults_passed; /* fault points passed in all (for fail-nth sweeps) */
	uint32_t image_size;
	const uint8_t *image; /* the struct (sizeof, without tail) as it stands in user memory after
				 the call; for kernel and system calls: the argument struct with its
				 OUT fields set */
};

/*
 * Runs the body of the callback of access `handle` (as access_create or CREATE_ACCESS returned it).
 * Called by targets from inside target_call, without any lock of the target that unpin needs. The
 * executor answers with the calls of the `on` body, made on the same target, or returns false when
 * the program has none: then the target itself behaves as a correct driver and unpins what
 * intersects. thread: that of the call around it.
 */
typedef bool (*target_unmap_fn)(
	void *context, unsigned thread, uint64_t handle, uint64_t iova, uint64_t length);

struct target_events {
	void *context;
	target_unmap_fn unmap;
	/* user memory changed during the current call: [address, +count) now holds bytes, held old
	 * before */
	void (*memory)(void *context, uint64_t address, const void *old, const void *bytes,
		uint32_t count);
	/*
	 * Model only: the running call stands before a step of its own that calls of other threads
	 * may come between (specification 3.7, 3.9, 7.3, 12). what: the lock that the specification
	 * names for the step ("object_table", "iova_rwsem", "domains_rwsem", "ioas_mutex", ...), or
	 * "put", "callback", "user-copy". blocked: the step cannot be taken as things are; asked
	 * again after every step of another thread. NULL when calls come one at a time.
	 */
	void (*phase)(void *context, const char *what, bool blocked);
	/*
	 * Machines in this process whose threads run at once only: a thread is at a scheduling
	 * point, and may be delayed there. Called by many threads.
	 */
	void (*point)(void *context, unsigned thread);
};

struct target;
struct scheduler;

/* One vtable a target; const, shared by all its instances. */
struct target_class {
	const char *name; /* "inproc", "model", "live" */
	/* A fresh machine. NULL when it cannot be had; then *reason says why. events stays valid
	 * until close. */
	struct target *(*open)(const struct target_config *config,
		const struct target_events *events, const char **reason);
	/* Closes everything the program left open (all processes exit), frees the machine. */
	void (*close)(struct target *target);
	/*
	 * Back to a machine as open gives it, keeping memory for speed. False: not supported, use
	 * close and open.
	 */
	bool (*reset)(struct target *target, const struct target_config *config);
	void (*call)(struct target *target, const struct resolved_call *call,
		struct call_outcome *outcome);
	/*
	 * Model only (else NULL): the implementation has failed this call with `error` (negative
	 * errno) because a fault was injected. Applies to the model what specification 14 and I9
	 * say remains of such a call, and fills outcome as expected; false when that error is not
	 * allowed there.
	 */
	bool (*injected)(struct target *target, const struct resolved_call *call, int64_t error,
		struct call_outcome *outcome);
	/* Whether all needs (enum call_needs) can be met; else *reason. */
	bool (*has)(struct target *target, uint32_t needs, const char **reason);
	/*
	 * For targets whose threads are fibers (config.threads), else NULL: who decides when they
	 * take turns; before the first call. And: frees a machine whose threads were left in the
	 * middle of calls, without ending the program in an orderly way.
	 */
	void (*schedule)(struct target *target, struct scheduler *scheduler);
	void (*abandon)(struct target *target);
	/* Every process exits and every descriptor is closed, as at the end of a program; the
	 * machine stays for audits. */
	void (*finish)(struct target *target);
	/*
	 * Real machines only (else NULL): what the machine complained of since it was asked last,
	 * first line and text. False: nothing, or it cannot be asked. As kernel_log_report.
	 */
	bool (*report)(char *title, size_t title_size, char *text, size_t size);
};

extern const struct target_class target_inproc;
extern const struct target_class target_model;

#endif
