/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The conversation between a machine under test (`iommuzz agent`, in a VM started by init) and the
 * tool that judges (`iommuzz vm`, `iommuzz diff`). One stream each way; both ends are the same
 * build, so structs travel as they are; AGENT_HELLO proves that they are the same.
 *
 * A message is struct agent_header and `length` bytes. The agent speaks first (AGENT_HELLO), then
 * answers one request after another. It runs programs in child processes and survives their deaths.
 */
#ifndef IOMMUZZ_TOOLS_AGENT_H
#define IOMMUZZ_TOOLS_AGENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fuzz/exec/target_live.h"
#include "tools/suite.h"

#define AGENT_VERSION	  4
#define AGENT_MESSAGE_MAX (64u << 20)

enum agent_message {
	/* agent to judge */
	AGENT_HELLO = 1, /* struct agent_hello */
	AGENT_BEGIN,	 /* uint32_t: index of the test that starts; of the program, now and then,
			    in a batch that takes longer than a second */
	AGENT_RESULT,	 /* struct test_result, log text behind it */
	AGENT_TRACES,	 /* answer to AGENT_BATCH: see agent_traces in diff's part */
	AGENT_TRACE,	 /* answer to AGENT_PROGRAM: one serialised trace */
	AGENT_DONE,	 /* nothing more to the last request; no body */
	AGENT_EXECUTED,	 /* answer to AGENT_EXECUTE: struct agent_executed */
	AGENT_LOG,	 /* text for the judge's user */
	/* judge to agent */
	AGENT_CHECK = 64, /* struct agent_check: run the embedded suite */
	AGENT_BATCH,	  /* struct agent_batch: programs in binary form, for digests */
	AGENT_PROGRAM,	  /* one program in binary form, for its whole trace */
	AGENT_EXECUTE,	  /* struct agent_execute: run a foreign program */
	AGENT_QUIT,	  /* end; a VM powers off */
};

struct agent_header {
	uint32_t type, length;
};

struct agent_hello {
	uint32_t version;      /* AGENT_VERSION */
	uint32_t test_count;   /* of the embedded suite */
	uint64_t suite_digest; /* XXH64 over the embedded suite and the catalogue */
	struct live_probe probe;
	char no_log[80]; /* why the kernel's log is not read; empty: it is */
};

/*
 * Runs `count` tests from index `from` (0: all from there) whose id matches filter (glob, empty:
 * all), each answered by AGENT_BEGIN and AGENT_RESULT, all together by AGENT_DONE.
 */
struct agent_check {
	uint32_t from, count;
	uint32_t timeout;   /* seconds a test */
	uint32_t break_at;  /* 1 + index of the test in which the agent breaks, 0: none */
	uint16_t break_how; /* enum agent_break */
	uint16_t kernel;    /* profile, 0: the running kernel's */
	char filter[256];
};

/* Negative controls: what a machine under test may do in the middle of a test. */
enum agent_break {
	AGENT_BREAK_NONE,
	AGENT_BREAK_DIE,  /* the agent dies of a signal; as init it takes its kernel along */
	AGENT_BREAK_HANG, /* the agent falls silent */
	AGENT_BREAK_WARN, /* the kernel's log shows a warning during the test */
};

/*
 * Sends and receives whole messages; false when the other end is gone or the message is no
 * message. agent_receive allocates *body (freed by the caller); seconds 0: waits for ever, and
 * *timed_out tells a silence from an end.
 */
bool agent_send(int fd, uint32_t type, const void *body, size_t length);
bool agent_send2(
	int fd, uint32_t type, const void *a, size_t a_length, const void *b, size_t b_length);
bool agent_receive(
	int fd, unsigned seconds, struct agent_header *header, void **body, bool *timed_out);

/* The loop: says hello, answers requests until the end of the stream or AGENT_QUIT. Exit code. */
int agent_serve(int in, int out, const struct target_class *target, uint16_t bug);

/* diff_agent.c: answers AGENT_BATCH and AGENT_PROGRAM. False when the stream broke. */
bool agent_answer_batch(
	int out, const struct target_class *target, uint16_t bug, const void *body, size_t length);
bool agent_answer_program(
	int out, const struct target_class *target, uint16_t bug, const void *body, size_t length);

#endif
