/* SPDX-License-Identifier: Apache-2.0 */
/* The judge's side of a conversation: greeting, agents started by a command, Ctrl-C. */
#include "tools/agent_link.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tools/embedded.h"
#include "tools/tool.h"

#define GREETING_SECONDS 30
#define WATCHED_MAX	 16

/* -- Ctrl-C -- */

/* Numbers of the streams that are watched, -1 where there is none; for a signal handler. */
static volatile sig_atomic_t watched[WATCHED_MAX];
static volatile sig_atomic_t watched_count, interrupted;

static void on_signal(int number)
{
	interrupted = number;
	for (int i = 0; i < watched_count; i++)
		if (watched[i] >= 0)
			shutdown(watched[i], SHUT_RDWR);
}

static void catch (int number)
{
	/* A second signal finds the default again. */
	struct sigaction action = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND}, old;

	if (sigaction(number, NULL, &old) == 0 && old.sa_handler == SIG_DFL && !interrupted)
		sigaction(number, &action, NULL);
}

void agent_watch(int channel)
{
	int slot = 0;

	while (slot < watched_count && watched[slot] >= 0)
		slot++;
	if (slot == WATCHED_MAX)
		return;
	watched[slot] = channel;
	if (slot == watched_count)
		watched_count = slot + 1;
	catch (SIGINT);
	catch (SIGTERM);
	catch (SIGHUP);
}

void agent_unwatch(int channel)
{
	for (int i = 0; i < watched_count; i++)
		if (watched[i] == channel)
			watched[i] = -1;
}

bool agent_interrupted(void)
{
	return interrupted != 0;
}

/* -- greeting -- */

static bool hello_fits(
	const struct agent_hello *hello, uint32_t length, char *reason, size_t reason_size)
{
	if (length != sizeof(*hello) || hello->version != AGENT_VERSION)
		snprintf(reason, reason_size, "the agent is another version of iommuzz");
	else if (hello->suite_digest != embedded_digest())
		snprintf(reason, reason_size,
			"the agent's suite is not this one's; build both from the same sources");
	else
		return true;
	return false;
}

bool agent_greet(
	int channel, unsigned seconds, struct agent_hello *hello, char *reason, size_t reason_size)
{
	struct agent_header header;
	bool timed_out, fits = false;
	void *body;

	memset(hello, 0, sizeof(*hello));
	while (agent_receive(channel, seconds, &header, &body, &timed_out)) {
		if (header.type == AGENT_LOG) {
			tool_error("%s", (const char *)body);
			free(body);
			continue;
		}
		if (header.type == AGENT_HELLO && header.length >= sizeof(uint32_t)) {
			size_t length =
				header.length < sizeof(*hello) ? header.length : sizeof(*hello);
			memcpy(hello, body, length);
			fits = hello_fits(hello, header.length, reason, reason_size);
		} else {
			snprintf(reason, reason_size, "message %u where a hello was expected",
				header.type);
		}
		free(body);
		return fits;
	}
	if (agent_interrupted())
		snprintf(reason, reason_size, "interrupted");
	else if (timed_out)
		snprintf(reason, reason_size, "no agent answered within %u s", seconds);
	else
		snprintf(reason, reason_size, "ended before its agent said hello");
	return false;
}

/* -- deaths -- */

static const char *last_of(const char *text, const char *sign)
{
	const char *found = NULL;

	for (const char *at = text; (at = strstr(at, sign)); at++)
		found = at;
	return found;
}

const char *agent_cause(const char *text, int *length)
{
	static const char *const exceptions[] = {"kernel BUG at", "BUG: ", "general protection",
		"divide error", "double fault", "soft lockup", "blocked for more than"};
	const char *panic = last_of(text, "Kernel panic"), *found = NULL;

	if (panic && !strstr(panic, "Fatal exception"))
		found = panic;
	for (size_t i = 0; !found && i < sizeof(exceptions) / sizeof(exceptions[0]); i++)
		found = last_of(text, exceptions[i]);
	if (!found)
		found = panic;
	while (found && found > text && found[-1] != '\n')
		found--;
	/* Time stamps differ from run to run. */
	if (found && *found == '[' && strchr(found, ']'))
		found = strchr(found, ']') + 1 + (strchr(found, ']')[1] == ' ');
	*length = found ? (int)strcspn(found, "\n") : 0;
	return found ? found : "";
}

/* -- agents that a command starts -- */

static void become_command(const char *command, int channel)
{
	/* Nothing survives its judge. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setpgid(0, 0);
	dup2(channel, STDIN_FILENO);
	dup2(channel, STDOUT_FILENO);
	execl("/bin/sh", "sh", "-c", command, (char *)NULL);
	_exit(TOOL_BROKEN);
}

static void stop_command(void *context, char *text, size_t size)
{
	struct agent_command *command = context;

	if (size)
		*text = '\0';
	agent_unwatch(command->channel);
	close(command->channel);
	kill(-command->pid, SIGKILL);
	while (waitpid(command->pid, NULL, 0) < 0 && errno == EINTR)
		;
}

static int start_command(void *context, struct agent_hello *hello, char *reason, size_t size)
{
	struct agent_command *command = context;
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
		snprintf(reason, size, "cannot make a socket: %s", strerror(errno));
		return -1;
	}
	fflush(stdout);
	command->channel = ends[0];
	command->pid = fork();
	if (command->pid == 0)
		become_command(command->command, ends[1]);
	close(ends[1]);
	if (command->pid < 0) {
		snprintf(reason, size, "cannot start a process: %s", strerror(errno));
		close(ends[0]);
		return -1;
	}
	/* Both sides do it: whoever comes first. */
	setpgid(command->pid, command->pid);
	agent_watch(ends[0]);
	if (agent_greet(ends[0], GREETING_SECONDS, hello, reason, size))
		return ends[0];
	stop_command(command, NULL, 0);
	return -1;
}

struct agent_source agent_command_source(struct agent_command *command)
{
	return (struct agent_source){
		.start = start_command, .stop = stop_command, .context = command};
}
