/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bodies of AGENT_BATCH, AGENT_TRACES, AGENT_PROGRAM and AGENT_TRACE (tools/agent.h): how
 * `iommuzz diff` asks a machine what programs do there.
 */
#ifndef IOMMUZZ_TOOLS_DIFF_WIRE_H
#define IOMMUZZ_TOOLS_DIFF_WIRE_H

#include <stdint.h>

#define DIFF_BATCH_MAX	 4096u /* programs in one batch at most */
#define DIFF_REASON_SIZE 160

/*
 * AGENT_BATCH: this, then for each program its length (uint32_t) and its binary form. AGENT_PROGRAM
 * is the same, and asks for the trace of the last one.
 */
struct agent_batch {
	uint32_t count;
	uint16_t kernel;       /* profile of programs that name none; 0 newest */
	uint16_t call_seconds; /* longest time of one call; more is a hang */
};

/* What became of a program on the machine. */
enum agent_outcome {
	AGENT_RAN,
	AGENT_NOT_RUN, /* reason says why */
	AGENT_DIED,    /* its process ended in call `call` (signal, or 0 for an exit) */
	AGENT_HUNG,    /* call `call` did not come back */
	AGENT_REPORT,  /* the kernel wrote a warning or worse; reason is its title */
};

struct agent_digest {
	uint64_t digest; /* trace_stream_digest; AGENT_RAN only */
	uint8_t outcome; /* enum agent_outcome */
	uint8_t signal;
	uint16_t call;	 /* 1 + index in the program, 0: between calls */
	uint32_t reason; /* 1 + index of a text, 0: none */
};

/* AGENT_TRACES: this, `count` digests, `reasons` texts of DIFF_REASON_SIZE bytes. */
struct agent_traces {
	uint32_t count, reasons;
	char title[DIFF_REASON_SIZE]; /* the kernel's report that no program alone brings again */
	char text[4096];	      /* the first report of the batch, whoever caused it */
};

/* AGENT_TRACE: this, then the trace (trace_stream.h) when outcome is AGENT_RAN or AGENT_REPORT. */
struct agent_trace {
	uint8_t outcome, signal;
	uint16_t call;
	char reason[DIFF_REASON_SIZE];
	char text[4096]; /* the kernel's report */
};

#endif
