/* SPDX-License-Identifier: Apache-2.0 */
/* The agent's side of AGENT_CHECK: the suite that is compiled in, run test by test. */
#ifndef IOMMUZZ_TOOLS_AGENT_CHECK_H
#define IOMMUZZ_TOOLS_AGENT_CHECK_H

#include "tools/agent.h"

struct agent_suite {
	struct suite suite; /* all of it; requests name tests by their index */
	struct suite_config config;
	struct live_probe probe; /* only the release unless the target is live */
	struct kernel_log *log;	 /* NULL: not a real kernel, or it cannot be read (no_log) */
	const char *no_log;
};

/* Loads the suite and probes the machine. The suite points into itself: it must not move. */
void agent_suite_open(struct agent_suite *suite, const struct target_class *target, uint16_t bug);
void agent_suite_close(struct agent_suite *suite);
void agent_suite_hello(const struct agent_suite *suite, struct agent_hello *hello);
/* Answers one AGENT_CHECK whose body is given. False when the stream broke. */
bool agent_answer_check(int out, const struct agent_suite *suite, const void *body, size_t length);
/* Sends one line for the judge's user. False when the stream broke. */
bool agent_log(int out, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
