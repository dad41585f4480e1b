/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The program: a list of calls in flat arrays. The one representation of a test, a crash and a
 * fuzzer input. Text form: docs/PROGRAMS.md (parse.h, print.h). Binary form: binary.h.
 */
#ifndef IOMMUZZ_FUZZ_PROG_PROG_H
#define IOMMUZZ_FUZZ_PROG_PROG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "impl/abi/catalogue.h"

#define PROG_CALL_MAX	  4096
#define PROG_VALUE_MAX	  65536
#define PROG_BYTES_MAX	  (1u << 20)
#define PROG_SWITCH_MAX	  4096
#define PROG_SCHEDULE_MAX 64			  /* schedule bytes */
#define PROG_PAGES_MAX	  (1u << 20)		  /* pages of mem: 4 GiB */
#define PROG_LOCK_CLASSES 64			  /* schedule_switch.object is at most this */
#define PROG_THREAD_MAX	  8			  /* A to H; thread 0 is the main thread */
#define PROG_PROCESS_MAX  8			  /* P1 to P8; index 0 is P1 */
#define PROG_MEM_BASE	  UINT64_C(0x10000000000) /* address of mem on every target */

enum value_kind {
	VALUE_UNSET,  /* 0, or the field's own default (size word, count field of a literal) */
	VALUE_NUMBER, /* number */
	VALUE_HANDLE, /* output `output` of call `call`, plus number */
	VALUE_MEM,    /* PROG_MEM_BASE + number */
	VALUE_BYTES,  /* bytes[start .. start + count) */
	VALUE_STRUCT, /* one element of the pointee: values[start .. start + count), a value per
			 field */
	VALUE_ARRAY,  /* count elements: values[start .. start + count), each a VALUE_STRUCT */
};

struct value {
	uint8_t kind;	/* enum value_kind */
	uint8_t output; /* HANDLE: index among the producer's outputs (call_outputs) */
	uint16_t call;	/* HANDLE: index of the producer in prog.calls, always smaller than the
			   user's */
	uint32_t count; /* BYTES, STRUCT, ARRAY */
	union {
		uint64_t number; /* NUMBER; HANDLE and MEM: offset */
		uint64_t start;	 /* BYTES, STRUCT, ARRAY: first index */
	};
};

enum fail_kind {
	FAIL_NONE,
	FAIL_POINT, /* the nth pass of `point` */
	FAIL_NTH,   /* the nth pass of any point */
	FAIL_SWEEP, /* fail-nth * */
};

struct call {
	uint16_t row;	      /* enum call_id */
	uint8_t thread;	      /* 0 main, 1..8 A..H */
	uint8_t process;      /* 0..7 for P1..P8 */
	uint8_t fail;	      /* enum fail_kind */
	uint8_t fail_point;   /* enum fault_point (impl/abi/fault_points.def) */
	uint16_t fail_nth;    /* from 1 */
	uint16_t repeat;      /* times; 0 and 1 are once */
	uint16_t body;	      /* 0: top level; else 1 + index of the `on` call whose body it is in.
				 Body calls stand directly behind their `on` call. */
	uint32_t first_value; /* values[first_value .. + row.field_count): one per field, subject
				 first */
};

/* A forced switch: A.2@lock(iova_rwsem)#1 -> B. */
struct schedule_switch {
	uint8_t thread; /* who is switched away from */
	uint8_t to;
	uint8_t point; /* enum schedule_point (impl/abi/schedule_points.def) */
	uint8_t reserved;
	uint16_t call;	     /* index of the call among the top-level calls of the thread, from 0 */
	uint16_t occurrence; /* from 1 */
	uint32_t object;     /* 1 + class of the lock (impl/sim/lock_classes.def), or 0 */
};

/* Machine options of the header line `sim`. Zero means the default. */
struct prog_options {
	uint16_t kernel; /* LINUX(..); 0: the runner's default */
	uint16_t bug; /* enum sim_bug, 0 none; names exist only in bugs builds, the number always */
	uint32_t pages; /* pages of mem; 0: 16384 (64M) */
	uint32_t seed;
	uint64_t memlock; /* bytes; 0: the default of 8 MiB */
	uint32_t flags;	  /* enum prog_option_flags */
	uint32_t compat;  /* bit n - 1: quirk Q-n has the compatible personality; n from 1 to 32 */
};

enum prog_option_flags {
	PROG_OPTION_CAPS_NONE = 1 << 0,	  /* P1 starts without capabilities */
	PROG_OPTION_MEMLOCK_SET = 1 << 1, /* memlock is meant, also when 0 */
	PROG_OPTION_IOASID_X2 =
		1 << 2, /* ioasid=x2 and ioasid=x3: other generations of the API; at most one */
	PROG_OPTION_IOASID_X3 = 1 << 3,
	PROG_OPTION_DMABUF_FD = 1 << 4, /* DMABUF_GET returns its descriptor */
	PROG_OPTION_HUGETLB = 1 << 5,	/* there are huge pages of 2 MiB */
	PROG_OPTION_CONTAINER = 1 << 6, /* /dev/vfio/vfio is an iommufd */
	PROG_OPTION_NOIOMMU = 1 << 7,	/* there are mock devices without an IOMMU */
	PROG_OPTION_ALL = (1 << 8) - 1,
};

struct prog {
	struct prog_options options;
	uint32_t call_count, value_count, byte_count, switch_count;
	uint32_t call_room, value_room, byte_room, switch_room;
	struct call *calls;
	struct value *values;
	uint8_t *bytes;
	struct schedule_switch *switches;
	/*
	 * Schedule bytes, another way to decide who runs (fuzz/schedule/strategy.h): only programs
	 * with threads and without forced switches have some. `schedule-bytes 0x...` in text.
	 */
	uint32_t schedule_count; /* at most PROG_SCHEDULE_MAX */
	uint8_t schedule[PROG_SCHEDULE_MAX];
};

/* An empty program; needs no memory until something is added. Ended by prog_free, reused by
 * prog_clear. */
void prog_init(struct prog *prog);
void prog_clear(struct prog *prog);
void prog_free(struct prog *prog);
/* Deep copy into an initialised program. False when memory is short. */
bool prog_copy(struct prog *to, const struct prog *from);
/* Whether two programs are the same: options, calls, values (by content, not by index), bytes,
 * switches, schedule bytes. */
bool prog_equal(const struct prog *a, const struct prog *b);

/*
 * Appends a call of that row with all values unset; NULL when the program is full. The pointer is
 * valid until the next append. prog_value gives its field's value.
 */
struct call *prog_add_call(struct prog *prog, enum call_id row);
/* Appends n unset values, returns the index of the first, or UINT32_MAX when full. */
uint32_t prog_add_values(struct prog *prog, uint32_t n);
/* Appends bytes, returns the index of the first, or UINT32_MAX when full. */
uint32_t prog_add_bytes(struct prog *prog, const void *bytes, uint32_t n);
/* Appends a zeroed switch, NULL when full. */
struct schedule_switch *prog_add_switch(struct prog *prog);

static inline const struct call_row *prog_row(const struct call *call)
{
	return &call_rows[call->row];
}
/* The bytes of a VALUE_BYTES; never NULL, also for none. */
static inline const uint8_t *prog_value_bytes(const struct prog *prog, const struct value *value)
{
	return value->count ? prog->bytes + value->start : (const uint8_t *)"";
}
static inline struct value *prog_value(
	const struct prog *prog, const struct call *call, unsigned field)
{
	return &prog->values[call->first_value + field];
}

/* Whether `open` of that path (enum call_open_path) gives an iommufd on the program's machine. */
bool prog_opens_iommufd(const struct prog *prog, uint64_t path);
/*
 * What output `output` of call `call` is. The catalogue's answer, except for descriptors whose type
 * the call's arguments decide (open by path; dup and pass by their subject). RESOURCE_NONE if there
 * is no such output.
 */
enum resource prog_output_resource(const struct prog *prog, uint32_t call, unsigned output);
/*
 * Whether a value of that kind may stand in the field. depth is 0 for a call's fields and one more
 * in each literal; literals end at PROG_DEPTH_MAX.
 */
#define PROG_DEPTH_MAX 4
bool prog_field_takes(const struct field *field, enum value_kind kind, unsigned depth);
/*
 * The number as the field holds it: cut to the field's width, sign extended if is_signed.
 * FIELD_NAME holds 0 to 7 for P1 to P8, 0 for main and 1 to 8 for threads A to H, or an enum
 * fault_point, by the field's name.
 */
uint64_t prog_field_number(const struct field *field, uint64_t number);
/* Whether a handle in call `user` may name an output of call `producer`: earlier, and not in
 * another body. */
bool prog_handle_reaches(const struct prog *prog, uint32_t user, uint32_t producer);
/* Whether calls of that row are followed by a body (`on`). */
bool prog_has_body(uint16_t row);

/*
 * Brings any program into the language: handles point backwards to calls with such an output and,
 * in a body, not into other bodies; bodies are contiguous and nested once; unset values where the
 * row has no such field. decode, generate, mutate and minimise end with it. Returns the number of
 * corrections.
 */
unsigned prog_repair(struct prog *prog);
/* The part of it that concerns options and switches. */
unsigned prog_repair_options(struct prog *prog);
/* The part of it that concerns schedule bytes: none without threads, or where switches are forced.
 */
unsigned prog_repair_schedule(struct prog *prog);

/*
 * Removes calls marked in `drop` (call_count bytes), the bodies of removed `on` calls and the
 * switches of removed calls, and turns handles to them into VALUE_UNSET. Schedule bytes stay while
 * there are threads. drop: call_count bytes, nonzero is dropped.
 */
void prog_remove_calls(struct prog *prog, const uint8_t *drop);

/* Whether any call runs in a thread other than the main one. */
bool prog_has_threads(const struct prog *prog);
/*
 * Calls of a thread are numbered at top level, from 0, in the whole program: the index of the nth,
 * UINT32_MAX if there is none; and how many stand before index `end`.
 */
uint32_t prog_nth_call(const struct prog *prog, unsigned thread, uint32_t nth);
uint32_t prog_calls_before(const struct prog *prog, unsigned thread, uint32_t end);
/*
 * Makes a program that one thread runs: every call in the main thread, no schedule, no `barrier`,
 * `join` or `wait`. For fuzz_iommufd, which stays fast without threads; fuzz_race has them.
 */
void prog_strip_threads(struct prog *prog);
/*
 * Makes a top-level call, its body included, run in that thread. Switches go on naming the calls
 * they named, by their new numbers; those that would switch to their own thread are dropped.
 */
void prog_move_call(struct prog *prog, uint32_t index, uint8_t thread);
/*
 * Makes all calls of thread `from` run in thread `to`, where they stand. Switches are renumbered,
 * those between the two dropped; `wait` for one becomes `wait` for the other, or `wait` goes where
 * the thread would wait for itself.
 */
void prog_merge_threads(struct prog *prog, uint8_t from, uint8_t to);
/*
 * Removes what could make threads wait for each other for ever by the program's own fault, which
 * is nobody's defect: `wait` for a thread that does not come earlier in the alphabet, `wait` beside
 * `barrier`, and both in bodies. For programs made at random.
 */
void prog_drop_endless_waits(struct prog *prog);
/*
 * Moves one call to index `to`; it has no body and is in none, and `to` is not inside one. Handles
 * and switches follow; handles that now point forwards are left to prog_repair.
 */
void prog_place_call(struct prog *prog, uint32_t from, uint32_t to);
/* Moves calls [from, call_count) before call `at`, which is in no body; handles follow. */
void prog_move_tail(struct prog *prog, uint32_t from, uint32_t at);

/*
 * Appends a copy of call `index` of another program with all its values, unrepaired (call indices
 * in its handles and its body stay as they are). False when `to` is full; to and from must differ.
 */
bool prog_copy_call(struct prog *to, const struct prog *from, uint32_t index);
/* Frees values and bytes that no call uses. Indices of values change. */
void prog_compact(struct prog *prog);

/*
 * Text side: what the binary form does not hold. Arrays run parallel to prog.calls. Strings belong
 * to the text and are freed with it.
 */
enum expect_result {
	EXPECT_NONE,
	EXPECT_OK,    /* any success */
	EXPECT_VALUE, /* result equals value (>= 0) */
	EXPECT_ERRNO, /* fails with value */
};

struct expect_alternative {
	uint8_t result;		/* enum expect_result */
	uint16_t since, before; /* kernel profile range [since, before), 0: open */
	int32_t value;
};

struct expect_field {
	uint8_t field;	    /* index in the row */
	struct value value; /* NUMBER, HANDLE or MEM */
};

struct expectation {
	uint8_t alternative_count, field_count;
	struct expect_alternative alternatives[4];
	struct expect_field fields[6];
};

struct prog_header {
	char *id; /* NULL when absent */
	char **requirements;
	uint32_t requirement_count;
	uint16_t since, until; /* LINUX(..) or 0 */
	uint32_t needs;	       /* enum call_needs and enum prog_needs */
	char *known_fail;      /* the text behind known-fail, or NULL */
	char *twin;
	char *description; /* the first comment lines of the file, without '#' */
};

enum prog_needs { /* continues enum call_needs */
	PROG_NEEDS_HUGETLB = 1 << 16,
	PROG_NEEDS_MEMFD = 1 << 17,
	PROG_NEEDS_ROOT = 1 << 18,
	PROG_NEEDS_USER = 1 << 19,
};

struct prog_text {
	struct prog prog;
	struct prog_header header;
	char **comments; /* per call: comment lines before it, or NULL; one more entry at the end */
	char *(*names)[CALL_OUTPUT_MAX];  /* per call: names of its outputs, NULL where unnamed */
	struct expectation *expectations; /* per call */
	uint32_t *lines;		  /* per call: line in the file, from 1 */
	uint32_t room;
};

/* An empty program; needs no memory. prog_text_free is due when it is no longer needed. */
void prog_text_init(struct prog_text *text);
/* Frees everything that the text owns and leaves an empty program. */
void prog_text_free(struct prog_text *text);
/* Makes the arrays hold that many calls; new entries are zero. False when memory is short. */
bool prog_text_reserve(struct prog_text *text, uint32_t calls);
/* Wraps a copy of a bare program: names are made up (fd, as, as2, acc, iova, ...) when it is
 * printed. */
bool prog_text_from(struct prog_text *text, const struct prog *prog);

#endif
