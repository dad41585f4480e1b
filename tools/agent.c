/* SPDX-License-Identifier: Apache-2.0 */
/* Messages between agent and judge, and the agent's loop. */
#include "tools/agent.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "tools/agent_check.h"
#include "tools/agent_execute.h"
#include "tools/tool.h"

/* -- messages -- */

/* A channel that is a socket, a pipe or a serial port: whichever takes only a part gets the rest.
 */
static bool write_all(int fd, struct iovec *parts, int count)
{
	while (count) {
		ssize_t written = writev(fd, parts, count);

		if (written < 0 && errno == EINTR)
			continue;
		if (written < 0 && errno == EAGAIN) {
			struct pollfd wait = {.fd = fd, .events = POLLOUT};

			if (poll(&wait, 1, -1) >= 0 || errno == EINTR)
				continue;
		}
		if (written < 0)
			return false;
		size_t left = (size_t)written;
		while (count && left >= parts->iov_len) {
			left -= parts->iov_len;
			parts++;
			count--;
		}
		if (count) {
			parts->iov_base = (char *)parts->iov_base + left;
			parts->iov_len -= left;
		}
	}
	return true;
}

bool agent_send2(
	int fd, uint32_t type, const void *a, size_t a_length, const void *b, size_t b_length)
{
	struct agent_header header = {.type = type};
	struct iovec parts[] = {
		{&header, sizeof(header)},
		{(void *)(uintptr_t)a, a_length},
		{(void *)(uintptr_t)b, b_length},
	};

	if (a_length > AGENT_MESSAGE_MAX || b_length > AGENT_MESSAGE_MAX - a_length)
		return false;
	header.length = (uint32_t)(a_length + b_length);
	return write_all(fd, parts, 3);
}

bool agent_send(int fd, uint32_t type, const void *body, size_t length)
{
	return agent_send2(fd, type, body, length, NULL, 0);
}

/* Silence of that many seconds ends the wait; bytes that trickle in do not. */
static bool read_all(int fd, unsigned seconds, void *to, size_t length, bool *timed_out)
{
	for (size_t used = 0; used < length;) {
		struct pollfd wait = {.fd = fd, .events = POLLIN};
		int limit = seconds > 2000000 ? 2000000000 : (int)seconds * 1000;
		int ready = poll(&wait, 1, seconds ? limit : -1);

		if (ready < 0 && errno == EINTR)
			continue;
		*timed_out = ready == 0;
		if (ready <= 0)
			return false;
		ssize_t count = read(fd, (char *)to + used, length - used);
		if (count < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (count <= 0)
			return false;
		used += (size_t)count;
	}
	return true;
}

static bool is_message(const struct agent_header *header)
{
	bool known = (header->type >= AGENT_HELLO && header->type <= AGENT_LOG) ||
		     (header->type >= AGENT_CHECK && header->type <= AGENT_QUIT);

	return known && header->length <= AGENT_MESSAGE_MAX;
}

bool agent_receive(
	int fd, unsigned seconds, struct agent_header *header, void **body, bool *timed_out)
{
	bool silence = false;
	char *bytes = NULL;

	*body = NULL;
	bool whole = read_all(fd, seconds, header, sizeof(*header), &silence) && is_message(header);
	/* Texts end with a 0 byte of ours. */
	if (whole)
		bytes = calloc(1, (size_t)header->length + 1);
	whole = bytes && read_all(fd, seconds, bytes, header->length, &silence);
	if (timed_out)
		*timed_out = silence;
	if (!whole) {
		free(bytes);
		return false;
	}
	*body = bytes;
	return true;
}

/* -- the loop -- */

bool agent_log(int out, const char *format, ...)
{
	char text[1000];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	return agent_send(out, AGENT_LOG, text, strlen(text));
}

static bool answer(int out, struct agent_suite *suite, uint16_t bug,
	const struct agent_header *header, const void *body)
{
	switch (header->type) {
	case AGENT_CHECK: return agent_answer_check(out, suite, body, header->length);
	case AGENT_BATCH:
		return agent_answer_batch(out, suite->config.target, bug, body, header->length);
	case AGENT_PROGRAM:
		return agent_answer_program(out, suite->config.target, bug, body, header->length);
	case AGENT_EXECUTE: return agent_answer_execute(out, suite->log, body, header->length);
	default:
		return agent_log(out, "agent: message %u is no request", header->type) &&
		       agent_send(out, AGENT_DONE, NULL, 0);
	}
}

int agent_serve(int in, int out, const struct target_class *target, uint16_t bug)
{
	struct agent_suite suite;
	struct agent_header header;
	struct agent_hello hello;
	void *body;

	agent_suite_open(&suite, target, bug);
	agent_suite_hello(&suite, &hello);
	bool going = agent_send(out, AGENT_HELLO, &hello, sizeof(hello));
	while (going && agent_receive(in, 0, &header, &body, NULL)) {
		going = header.type != AGENT_QUIT && answer(out, &suite, bug, &header, body);
		free(body);
	}
	agent_suite_close(&suite);
	return TOOL_OK;
}
