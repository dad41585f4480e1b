/* SPDX-License-Identifier: Apache-2.0 */
/* Runs the suite through agents that may die or fall silent at any test. */
#ifndef IOMMUZZ_TOOLS_AGENT_RUN_H
#define IOMMUZZ_TOOLS_AGENT_RUN_H

#include "tools/agent_link.h"

struct agent_run {
	const struct suite *suite; /* whole and unfiltered: agents know tests by their index */
	const struct suite_config *config; /* for known failures */
	const struct agent_source *source;
	struct test_result *results; /* per test, filled for those that were wanted */
	bool *wanted;		     /* per test; becomes false when its result is there */
	unsigned timeout;	     /* seconds a test */
	unsigned margin;	     /* seconds beyond in which an agent must speak, 0: 10 */
	unsigned starts_max;	     /* agents that may be started, the first one included */
	uint16_t kernel;	     /* profile, 0: the running kernel's */
	uint32_t break_at;	     /* negative controls: struct agent_check */
	uint16_t break_how;
	/* A result came. log: what the kernel said during the test, or "". */
	void (*done)(void *context, const struct test *test, const struct test_result *result,
		const char *log);
	void *context;
	/* What was seen. */
	struct agent_hello hello;	  /* of the last agent */
	unsigned starts, started, deaths; /* starts counts towards starts_max */
	unsigned renewals;		  /* after tests that hung or made the kernel complain */
	uint64_t start_microseconds;	  /* all starts together */
};

/*
 * Runs all wanted tests. A test in which an agent dies (rule guest-died) or says nothing for its
 * time limit and a margin (guest-hung) has failed, and the run goes on with a fresh agent; when no
 * agent can be started any more, the rest is broken. A call that hung, and whatever the kernel
 * said, cost the agent too, since its kernel is then no longer as it was. False when interrupted,
 * or when not even the first agent could be started (reason).
 */
bool agent_run(struct agent_run *run, char *reason, size_t size);

#endif
