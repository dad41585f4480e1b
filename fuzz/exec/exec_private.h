/* SPDX-License-Identifier: Apache-2.0 */
/* The executor's own structures, shared by exec*.c only. */
#ifndef IOMMUZZ_FUZZ_EXEC_EXEC_PRIVATE_H
#define IOMMUZZ_FUZZ_EXEC_EXEC_PRIVATE_H

#include <pthread.h>
#include <string.h>

#include "fuzz/exec/exec.h"
#include "fuzz/schedule/scheduler.h"

#define EXEC_DEPTH_MAX	     4 /* callbacks around a call at most */
#define EXEC_FRAMES	     (EXEC_DEPTH_MAX + 1)
#define EXEC_MEMLOCK_DEFAULT (UINT64_C(8) << 20) /* bytes of RLIMIT_MEMLOCK of a process */
#define EXEC_FD_MAX                                                                                \
	1024 /* descriptors of a process that are renamed; the machine allows no more              \
	      */
#define EXEC_NAMES_EACH 4096 /* names of descriptors of one thread */
#define EXEC_ACCESS_MAX 256  /* in-kernel accesses that can have a body at a time */
#define EXEC_FIRST_FD	3    /* descriptors of programs */

/* What the executor needs to know of a row, computed once. */
struct row_plan {
	uint8_t output_count;
	uint8_t outputs[CALL_OUTPUT_MAX];   /* field indices */
	int8_t size, tail, at, bytes, name; /* field indices or -1 */
	uint8_t defaults[CALL_STRUCT_MAX];  /* the struct with no field given */
	bool has_descriptors; /* some field in the struct is a descriptor: rename it in traces */
	bool result_is_descriptor;
};

/* What an executed call yielded. */
struct call_state {
	uint64_t outputs[CALL_OUTPUT_MAX];
	bool valid; /* ran and succeeded */
};

/* User memory that a call changed: count bytes before it, then count bytes after it, at start. */
struct memory_write {
	uint64_t address;
	uint32_t start, count;
};

struct buffer {
	uint8_t *bytes;
	uint32_t used, room;
};

/* One call under way; callbacks nest. */
struct frame {
	struct resolved_call call;
	struct buffer image, literal_bytes, written;
	struct resolved_literal *literals;
	struct memory_write *writes;
	uint32_t literal_count, literal_room, write_count, write_room;
	uint64_t window, window_used; /* argument area of this frame */
	uint64_t own_from, own_to; /* user addresses of the struct itself: in the image, not among
				      the changes */
};

struct pin {
	uint64_t handle, iova, length;
};

/* An in-kernel access and the `on unmap` call in force for it. */
struct access_slot {
	uint64_t handle;
	uint16_t creator; /* call that made it */
	uint16_t on;	  /* 1 + index of the `on` call, 0: none */
};

struct callback_range {
	uint64_t handle, iova, length;
};

/* A thread of the program, and what it is at. */
struct exec_thread {
	unsigned number; /* 0 main, 1..8 A to H */
	unsigned depth;	 /* callbacks around the running call */
	bool running;	 /* a target call is under way in frames[depth] */
	struct frame frames[EXEC_FRAMES];
	uint32_t callback_count; /* of the running top-level call */
	uint8_t fail; /* overrides the program's failure for this step unless FAIL_SWEEP */
	uint16_t fail_nth;
	bool use_injected; /* the step is class->injected with injected_error */
	bool injected_allowed;
	int64_t injected_error;
	uint8_t injected_point; /* what failed in the implementation, for the model */
	uint16_t injected_nth;
	uint32_t fd_count; /* descriptors that it made so far */
	/* The section that runs. */
	bool in_section, ended;
	unsigned barriers, arrived; /* that it has; that it reached */
	unsigned calls_before;	    /* top-level calls in earlier sections */
	/* Where threads run at once. */
	uint32_t at;	 /* the top-level call, for who waits for the end */
	uint64_t random; /* of delays */
	uint32_t rarity; /* one point in so many is delayed; 0: none */
};

struct exec {
	const struct target_class *class;
	struct target *target;
	struct target_events events;
	struct target_config config; /* of the machine that target is */
	uint16_t kernel, bug;
	bool scattered;
	uint64_t work_limit;
	const struct prog *prog;
	struct trace trace;
	struct row_plan *plans;
	struct call_state *states;
	uint32_t state_room;

	struct exec_thread threads[EXEC_THREADS];
	struct exec_thread *now; /* who runs, where threads run in turns */
	bool parallel;		 /* threads run at once: books are kept under `lock` */
	pthread_mutex_t lock;
	struct scheduler *scheduler; /* threads run in turns by it, NULL: none */
	bool abandoned;		     /* the section did not end: the machine is unfit for more */
	bool (*watch)(void *context, uint32_t entry);
	void *watch_context;
	bool cut_short;			   /* threads end behind the call that they are in */
	uint32_t main_call, main_calls;	   /* 1 + index of main's last call; how many it made */
	uint32_t section_from, section_to; /* calls of the section that runs */
	pthread_cond_t told;		   /* where threads run at once: barriers, ends */
	struct exec_parallel parallel_options;
	uint32_t starting; /* threads that are not there yet */

	bool has_resolved;
	uint8_t reached_point; /* what failed here */
	uint16_t reached_nth;
	bool injected;
	uint32_t faults_passed;

	uint32_t fd_highest[PROG_PROCESS_MAX]; /* above it fd_names is 0 */
	uint16_t fd_names[PROG_PROCESS_MAX]
			 [EXEC_FD_MAX]; /* what a descriptor is called in the trace, 0: as is */

	struct access_slot accesses[EXEC_ACCESS_MAX];
	uint32_t access_count;
	struct pin *pins;
	uint32_t pin_count, pin_room;
};

/* Around the executor's books, while threads run at once; never held in a target. */
static inline void exec_enter(struct exec *exec)
{
	if (exec->parallel)
		pthread_mutex_lock(&exec->lock);
}
static inline void exec_leave(struct exec *exec)
{
	if (exec->parallel)
		pthread_mutex_unlock(&exec->lock);
}

/* field_get and field_set where each call of a program passes; fields are little endian, as are
 * hosts. */
static inline void image_set(const struct field *field, uint8_t *image, uint64_t value)
{
	uint8_t *at = image + field->offset;

	switch (field->width) {
	case 1: memcpy(at, &value, 1); break;
	case 2: memcpy(at, &value, 2); break;
	case 4: memcpy(at, &value, 4); break;
	default: memcpy(at, &value, 8); break;
	}
}

static inline uint64_t image_get(const struct field *field, const uint8_t *image)
{
	uint64_t number = 0;

	if (field->width == 8)
		memcpy(&number, image + field->offset, 8);
	else if (field->width == 4 && !field->is_signed)
		memcpy(&number, image + field->offset, 4);
	else
		number = field_get(field, image);
	return number;
}

/* exec_resolve.c: the call with handles, image and literals, in frames[depth]. False when memory is
 * short. */
bool exec_resolve(
	struct exec *exec, const struct exec_thread *thread, uint32_t i, struct frame *frame);
uint64_t exec_value(const struct exec *exec, const struct value *value);
bool buffer_reserve(struct buffer *buffer, uint32_t room);

/* exec_memory.c: changes of user memory. */
void exec_memory_event(
	void *context, uint64_t address, const void *old, const void *bytes, uint32_t count);
void exec_memory_record(struct exec *exec, struct frame *frame);

/* exec_callback.c: accesses, their pins and callbacks. */
bool exec_unmap_event(
	void *context, unsigned thread, uint64_t handle, uint64_t iova, uint64_t length);
/* Keeps the books after a call: accesses made and ended, pins taken and given back. */
void exec_note_access(struct exec *exec, uint32_t i, const struct resolved_call *call,
	const struct call_outcome *outcome);
/* Runs a call of kind CALL_CONTROL; range is that of the callback around it, or NULL. */
int64_t exec_control(struct exec *exec, struct exec_thread *thread, uint32_t i,
	const struct callback_range *range);

/* exec_threads.c */
void exec_barrier(struct exec *exec, struct exec_thread *thread);
void exec_wait_thread(struct exec *exec, const struct exec_thread *thread, unsigned other);
/* Whether everything that calls of the row share with others lies under locks or is marked. */
bool exec_is_locked(uint16_t row);
void exec_phase_event(void *context, const char *what, bool blocked);
/* Sets the threads of calls [from, to) up; their bits. Then each runs once. */
uint32_t exec_prepare_section(struct exec *exec, uint32_t from, uint32_t to);
void exec_run_thread(struct exec *exec, unsigned number);

/* exec_parallel.c */
/* As exec_run_section, with threads that run at once. */
enum scheduler_end exec_run_at_once(struct exec *exec, uint32_t from, uint32_t to);
/* Between two calls of a thread. */
void exec_delay(struct exec_thread *thread);
void exec_point_event(void *context, unsigned thread);

/* exec.c */
int64_t exec_run_call(struct exec *exec, struct exec_thread *thread, uint32_t i,
	const struct callback_range *range);
/* A target call that the program does not name (the unpins of unpin-all); not traced. */
int64_t exec_quiet_call(struct exec *exec, struct exec_thread *thread, uint32_t i, enum call_id row,
	uint64_t subject, const void *image, uint32_t size);

#endif
