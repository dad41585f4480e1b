/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of a trace: lines, names, processes, memory, buffers, ioctls. One thread at a time. */
#ifndef IOMMUZZ_TOOLS_SHIM_TRACE_PRIVATE_H
#define IOMMUZZ_TOOLS_SHIM_TRACE_PRIVATE_H

#include "fuzz/prog/prog.h"
#include "impl/abi/catalogue.h"
#include "impl/sim/sim.h"
#include "tools/shim_trace.h"
#include "tools/shim_trace_memory.h"

/* ---- shim_trace_names.c ---- */

enum name_class { CLASS_OBJECT, CLASS_ITEM, CLASS_COOKIE, CLASS_IOVA };

/* The name of an object id in a context, or of a descriptor in a process. */
struct trace_name {
	bool descriptor;
	unsigned process;    /* descriptor */
	struct shim_key key; /* the context, or the file */
	uint8_t class;	     /* ids: enum name_class */
	uint64_t id;
	uint64_t length; /* of a CLASS_IOVA, from id on; of a memory file: its size */
	unsigned number; /* the name is o<number> */
};

/* An address of the program in the bytes of a `put`. */
struct trace_moved {
	uint32_t call; /* index in the program */
	uint16_t offset;
};

struct trace_process {
	int pid; /* 0: it has ended, and another can take its place */
	uint32_t capabilities;
	uint64_t memlock;
	struct trace_space space;
};

struct shim_trace {
	struct shim_trace_options options;
	/* shim_trace_lines.c */
	FILE *lines;
	char *text;
	size_t size, complete; /* complete: up to the end of the last call of the program */
	uint64_t calls, values, bytes, events;
	bool full; /* nothing is added any more */
	/* shim_trace_names.c */
	struct trace_name *names;
	unsigned name_count, name_room, names_given;
	/* shim_trace_process.c */
	struct trace_process processes[PROG_PROCESS_MAX];
	unsigned process_count;
	uint32_t first_capabilities;
	uint64_t first_memlock;
	/* shim_trace_buffer.c: offsets in mem; [odd, odd_end) has other rights than all of mem */
	uint64_t scratch, odd, odd_end;
	struct trace_places places;
	struct trace_moved *moved;
	unsigned moved_count, moved_room;
	bool dmabuf, hugetlb; /* options of the machine that are needed */
};

/* The call that is being written; lines that it needs go before it. */
struct trace_call {
	struct shim_trace *trace;
	const struct shim_seen *seen;
	struct trace_maps maps;	    /* of the process */
	const struct call_row *row; /* ioctls */
	uint8_t *image; /* ioctls: the struct, with addresses of the program, at moved */
	uint16_t moved[CALL_FIELD_MAX];
	unsigned moved_count;
	unsigned process; /* index in trace->processes */
	FILE *words;	  /* what stands behind the subject */
};

/* The newest name; NULL: none. */
struct trace_name *trace_find_descriptor(
	struct shim_trace *trace, unsigned process, struct shim_key key);
/* Number of the newest name; 0: none. */
unsigned trace_find_id(
	const struct shim_trace *trace, struct shim_key context, uint8_t class, uint64_t id);
/* The IOVA that a call chose by itself, of which that one is a part. */
const struct trace_name *trace_find_iova(
	const struct shim_trace *trace, struct shim_key context, uint64_t iova);
/* Returns name->number. */
unsigned trace_add_name(struct shim_trace *trace, const struct trace_name *name);
/* Number of a descriptor in a process, passed to it from another if need be; 0: none. */
unsigned trace_descriptor(struct shim_trace *trace, unsigned process, struct shim_key key);
/* A child has what its parent had. */
void trace_fork_names(struct shim_trace *trace, unsigned parent, unsigned child);
/* The file is gone, closed in each process that had it. */
void trace_close_names(struct shim_trace *trace, struct shim_key key);
/* The process has ended. */
void trace_end_names(struct shim_trace *trace, unsigned process);

/* ---- shim_trace_lines.c ---- */

/* Begins a line of that call; the caller prints the rest of it, with the newline. */
FILE *trace_begin(struct shim_trace *trace, unsigned process, enum call_id call);
/* A whole line, its newline excepted. */
void trace_line(struct shim_trace *trace, unsigned process, enum call_id call, const char *format,
	...) __attribute__((format(printf, 4, 5)));
/* ` -> RESULT` and a newline. A descriptor's number is the host's affair. */
void trace_result(FILE *out, int64_t result, bool descriptor);
/* put BYTES */
void trace_put(
	struct shim_trace *trace, unsigned process, uint64_t at, const void *bytes, size_t count);
/* Whether an address of the program is in mem: the others are outside of all processes. */
bool trace_is_mem(uint64_t address);
/* mem+OFFSET where it is in mem, or the number */
void trace_print_address(FILE *out, uint64_t address);
/* The put that was written last has addresses of the program, at these offsets. */
void trace_put_moves(struct shim_trace *trace, const uint16_t *offsets, unsigned count);
/* READ|WRITE, 0 */
void trace_print_protection(FILE *out, unsigned protection);
/* False: no program can have the file's name; *message says so. */
bool trace_check_name(const char *path, char *message, size_t room);
/* The call of the program is written: from here the trace cannot go back. */
void trace_complete(struct shim_trace *trace);
/* The trace ends with the last call that is complete; says why, at once. */
void trace_cut(struct shim_trace *trace, const char *reason);

/* ---- shim_trace_process.c ---- */

/* The process that calls, as it is now. False: the program has no room for it. */
bool trace_current_process(
	struct shim_trace *trace, const struct shim_seen *seen, unsigned *number);
/* The process that calls has a new child. */
void trace_born(struct shim_trace *trace, const struct shim_seen *seen, unsigned parent, int pid);
void trace_process_ended(struct shim_trace *trace, int pid);

/* ---- shim_trace_region.c ---- */

/*
 * The place in mem of an address of the process, whose length bytes from there are there as they
 * are in the process. False: the program has no such place; the number stands for itself.
 */
bool trace_address(struct trace_call *call, uint64_t address, uint64_t length, uint64_t *at);
/* ` NAME=ADDRESS`, as trace_address. Returns the number that is written. */
uint64_t trace_write_address(
	struct trace_call *call, const char *name, uint64_t address, uint64_t length);
/* The name of a file of memory, found at path, in a process. 0: another kind of file. */
unsigned trace_memory_file(
	struct shim_trace *trace, unsigned process, const char *path, struct shim_key key);
/* The process may have changed the rights of what is known of its memory, or the memory. */
void trace_memory_changes(struct trace_call *call);
/* A mapping of a descriptor of ours. */
void trace_mmap(struct trace_call *call);
/* Memory that is about to go. */
void trace_goes(struct trace_call *call, uint64_t address, uint64_t length);

/* ---- shim_trace_buffer.c ---- */

/*
 * A buffer of the call: count bytes at address, as a place in mem with as much of it there, and
 * as much that can be written, as in the process. bytes is what it held, NULL: as it is now.
 * direction: enum field_direction. False: the address stands for itself.
 */
bool trace_buffer(struct trace_call *call, unsigned direction, uint64_t address, uint64_t count,
	const void *bytes, size_t known, uint64_t *at);
/* ` NAME=ADDRESS`, as trace_buffer. Returns the number that is written. */
uint64_t trace_write_buffer(struct trace_call *call, const char *name, unsigned direction,
	uint64_t address, uint64_t count);
/* Whether the process can read and write all of it. */
bool trace_has_rights(const struct trace_call *call, uint64_t address, uint64_t count);
/* Behind the call's line: buffers have the rights of all memory again. */
void trace_buffers_end(struct trace_call *call);

/* ---- shim_trace_ioctl.c ---- */

void trace_ioctl(struct trace_call *call);

#endif
