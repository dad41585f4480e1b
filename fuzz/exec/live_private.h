/* SPDX-License-Identifier: Apache-2.0 */
/* The live target's own structures, shared by target_live.c and live_*.c only. */
#ifndef IOMMUZZ_FUZZ_EXEC_LIVE_PRIVATE_H
#define IOMMUZZ_FUZZ_EXEC_LIVE_PRIVATE_H

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "fuzz/exec/target_live.h"
#include "fuzz/prog/prog.h"

#define LIVE_PAGE	UINT64_C(4096)
#define LIVE_TASK_SIZE	((UINT64_C(1) << 47) - LIVE_PAGE) /* also where there is more */
#define LIVE_FIRST_FD	3    /* descriptors of programs, as in-process; below are closed ones */
#define LIVE_FDS	1024 /* and their limit; those of the harness lie above */
#define LIVE_HARNESS_FD 1500
#define LIVE_WINDOWS	((uint64_t)EXEC_THREADS * EXEC_ARGUMENT_SIZE)
#define LIVE_UNMAPPED	UINT64_C(0x6f0000000000) /* nothing is ever there */
#define LIVE_VMA_MAX	4096
#define LIVE_MAPPED_MAX 256

/* A mapping of the program. */
struct live_vma {
	uint64_t first, end; /* bytes */
	uint32_t protection; /* enum call_prot */
	bool private;
	uint64_t device, inode; /* what it shares; 0, 0: nothing */
	uint64_t offset;	/* in that, of first */
};

/* A piece of user memory as it stood before a call. */
struct live_piece {
	uint64_t address, count;
	size_t start; /* in saved */
	bool absent;  /* no page stood there: zeroes, not saved */
};

/* Memory that may be reached by an IOVA of some context. A superset: it is never taken back. */
struct live_mapped {
	uint64_t iova, length, address;
};

struct live_memory {
	uint64_t mem_bytes;
	bool altered;	       /* the mappings are not those of the start any more */
	bool shares;	       /* some mapping shares memory with another one */
	bool check_all;	       /* debugging: each call may change everything */
	struct live_vma *vmas; /* by address; mem and the windows too */
	uint32_t vma_count;
	uint64_t shared_count; /* shared anonymous mappings made, for their names */
	struct {
		uint64_t first, end;
	} harness[2];			     /* where the harness itself lives */
	uint64_t touched_first, touched_end; /* of mem: what may not be zero */
	uint64_t windows_used[EXEC_THREADS]; /* bytes of them that may not be zero */
	uint64_t populated; /* bytes of mem that calls have asked to pin, at most */

	struct live_mapped mapped[LIVE_MAPPED_MAX];
	uint32_t mapped_count;
	bool mapped_unknown;

	struct live_piece *pieces;
	uint32_t piece_count, piece_room;
	uint8_t *saved;
	size_t saved_used, saved_room;
};

/* What a process of the program needs to run calls: in direct mode the harness itself. */
struct live_process {
	struct live_memory memory;
	struct target_events events;
	bool stray_fds;	     /* descriptors that are not in open_fds */
	bool temp_limit_set; /* SET_TEMP_MEMORY_LIMIT succeeded */
	bool pins_moved;     /* CHANGE_PROCESS: VmPin may stay wrong for good (11) */
	uint64_t pinned; /* VmPin while nothing is pinned, bytes; what programs see is without */
	bool limits_changed;
	uint32_t uid, caps; /* the user, and which enum call_caps are in effect */
	bool is_user;	    /* the user or the capabilities are not those of the harness */
	uint32_t open_count;
	uint64_t open_fds[LIVE_FDS / 64];
	uint8_t image[CALL_STRUCT_MAX];
	const char *excuse; /* why results of this program cannot be compared, or NULL */
	bool injected;	    /* the failure that the call asked for was reached */
	uint8_t row_traits[CALL_ID_COUNT];
	pthread_mutex_t lock; /* of all this, while threads run at once */
	uint8_t thread_images[EXEC_THREADS][CALL_STRUCT_MAX];
};

/* -- live_memory.c -- */
/* Maps mem and the windows; NULL, or why that cannot be. */
const char *live_memory_open(struct live_memory *memory, uint32_t pages);
void live_memory_close(struct live_memory *memory);
/* As after open. False when mem has gone. */
bool live_memory_reset(struct live_memory *memory, uint32_t pages);
/* An address that may be given to the kernel: those of the harness become one where nothing is. */
uint64_t live_memory_address(const struct live_memory *memory, uint64_t address);
/* Stores and loads of the process itself; they stop where it would fault. Bytes done. */
uint64_t live_poke(struct live_memory *memory, uint64_t to, const void *from, uint64_t count);
uint64_t live_peek(const struct live_memory *memory, uint64_t from, void *to, uint64_t count);
int64_t live_mmap(struct live_process *process, const uint8_t *image);
int64_t live_munmap(struct live_memory *memory, const uint8_t *image);
int64_t live_mprotect(struct live_memory *memory, const uint8_t *image);
/* Installs the handler that lets live_poke and live_peek survive faults. */
void live_memory_guard(void);

/* -- live_changes.c -- */
/* The kernel may write there during the call. */
void live_watch(struct live_memory *memory, uint64_t address, uint64_t length);
void live_watch_all(struct live_memory *memory);
/* Ends the watching; reports what has changed. */
void live_report(struct live_memory *memory, const struct target_events *events);
/* Not zero any more, perhaps. */
void live_touch(struct live_memory *memory, uint64_t address, uint64_t length);
int64_t live_store(struct live_process *process, uint64_t to, const void *from, uint64_t count);

/* -- live_call.c -- */
enum live_trait {
	LIVE_MAKES_FD = 1 << 0,
	LIVE_WRITES = 1 << 1,	 /* beside its own struct */
	LIVE_PROCESSES = 1 << 2, /* concerns other processes */
	LIVE_CHAINS = 1 << 3,	 /* behind its own struct, as far as argsz says */
};
void live_call_init(struct live_process *process);
/* Runs the call in the calling process. */
void live_run(struct live_process *process, const struct resolved_call *call,
	struct call_outcome *outcome);
/*
 * The same for a thread that runs beside others: an ioctl is in the kernel together with theirs,
 * other calls have their turn one by one. What it changes in memory is not watched.
 */
void live_run_thread(struct live_process *process, const struct resolved_call *call,
	struct call_outcome *outcome);

/* -- live_process.c: who a process is -- */
/* Another user, those capabilities and limit. 0 or negative errno. */
int live_become(struct live_process *process, uint32_t uid, uint32_t caps, uint64_t memlock);
/* What the harness was. False: no way back. */
bool live_become_harness(struct live_process *process);
int live_set_caps(struct live_process *process, uint32_t caps);
/* Fills a struct call_memory_usage, VmPin less `pinned` bytes. */
int64_t live_memory_usage(uint8_t *image, uint64_t pinned);
/* Nodes have permissions of the machine, which are not the program's matter. */
int live_open_node(const struct live_process *process, const char *name);

/* -- live_actor.c: processes of a program beside the harness -- */
struct live_actors;
/* Room for them, made at the first need and kept until closed. NULL: not to be had. */
struct live_actors *live_actors_open(void);
void live_actors_close(struct live_actors *actors);
/*
 * Begins a program, whose P1 is the calling process (direct) or one of its own (then -errno when
 * that cannot be started). Processes that are started later come from a fork made here.
 */
int live_actors_begin(struct live_actors *actors, struct live_process *direct,
	const struct target_config *config, bool first_apart);
/* All processes exit, in order. */
void live_actors_finish(struct live_actors *actors);
/* Runs a call in its process. */
void live_actors_call(
	struct live_actors *actors, const struct resolved_call *call, struct call_outcome *outcome);

/* Descriptors outside the program's range are none, whatever the harness has there. */
static inline int live_descriptor(const struct resolved_call *call)
{
	return call->subject < LIVE_FIRST_FD || call->subject >= LIVE_FDS ? -1 : (int)call->subject;
}

static inline int64_t live_result(int64_t result)
{
	return result < 0 ? -errno : result;
}

static inline const struct live_vma *live_vma_at(const struct live_memory *memory, uint64_t address)
{
	uint32_t low = 0, high = memory->vma_count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (memory->vmas[middle].end <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low < memory->vma_count && memory->vmas[low].first <= address ? &memory->vmas[low]
									     : NULL;
}

#endif
