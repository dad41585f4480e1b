/* SPDX-License-Identifier: Apache-2.0 */
/* AGENT_EXECUTE: foreign programs on the machine under test. */
#ifndef IOMMUZZ_TOOLS_AGENT_EXECUTE_H
#define IOMMUZZ_TOOLS_AGENT_EXECUTE_H

#include "tools/agent.h"

#define AGENT_OUTPUT_MAX (8u << 20) /* bytes kept of each of a program's streams */

struct agent_execute {
	uint32_t timeout; /* seconds */
	char path[260];	  /* of the program in the machine */
};

/* Answer: this, then what the program printed, its errors, and what the kernel's log said. */
struct agent_executed {
	int32_t status;		      /* as waitpid gives it */
	uint8_t started;	      /* 0: there was no process to run it in */
	uint8_t timed_out;	      /* it was killed */
	uint32_t output, errors, log; /* bytes */
};

struct kernel_log;
/* Runs one program to its end and answers AGENT_EXECUTED. False when the stream broke. */
bool agent_answer_execute(int out, struct kernel_log *log, const void *body, size_t length);

#endif
