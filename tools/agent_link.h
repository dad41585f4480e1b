/* SPDX-License-Identifier: Apache-2.0 */
/* The judge's side of a conversation: greeting an agent, and where agents come from. */
#ifndef IOMMUZZ_TOOLS_AGENT_LINK_H
#define IOMMUZZ_TOOLS_AGENT_LINK_H

#include <sys/types.h>

#include "tools/agent.h"

/*
 * Waits at most that many seconds for the hello and checks that the agent is a build of the same
 * sources. What it logs before is printed. False with one line in reason.
 */
bool agent_greet(
	int channel, unsigned seconds, struct agent_hello *hello, char *reason, size_t reason_size);

/*
 * The line on a console that tells of what a kernel died: its panic, or the exception that led to
 * it; earlier reports are those of earlier tests. *length: its bytes, 0 where there is none.
 */
const char *agent_cause(const char *text, int *length);

/* Starts agents, again and again, since machines under test die. */
struct agent_source {
	/* An open stream to a fresh agent that was greeted; -1 with one line in reason. */
	int (*start)(void *context, struct agent_hello *hello, char *reason, size_t size);
	/* Ends the last one started. text: the last lines that it or its machine has printed. */
	void (*stop)(void *context, char *text, size_t size);
	void *context;
};

/* Agents that a shell command starts, as 'ssh HOST iommuzz agent'; it talks on its standard input
 * and output. */
struct agent_command {
	const char *command;
	pid_t pid;
	int channel;
};
struct agent_source agent_command_source(struct agent_command *command);

/* Ctrl-C and the like end conversations (agent_receive then sees the end of the stream) instead of
 * the process, while one is watched and the signal would otherwise kill. */
void agent_watch(int channel);
void agent_unwatch(int channel);
/* Whether that has happened. */
bool agent_interrupted(void);

#endif
