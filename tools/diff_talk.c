/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages of `iommuzz diff` to its machine and back. A machine under test may stop reading or
 * answering at any byte, so neither side of the talk waits for ever.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "tools/diff.h"
#include "tools/tool.h"

#define SILENCE_SECONDS 30u   /* an agent gives a call up after 22, and tells of progress */
#define ANSWER_SECONDS	3600u /* of one answer, however much progress it tells of */
#define LATE_SILENCE	5u    /* of silence, once --seconds are over */
#define LATE_SECONDS	10u   /* behind --seconds, for a machine that is slow */
#define LOOK_MILLIS	200
#define SECOND		UINT64_C(1000000)

struct patience {
	uint64_t began, heard;
	bool timed; /* --seconds count */
};

bool diff_time_up(const struct diff *diff)
{
	return diff->seconds && tool_clock() - diff->started >= diff->seconds * SECOND;
}

static bool may_wait(struct diff *diff, const struct patience *patience)
{
	uint64_t now = tool_clock(), end = diff->started + diff->seconds * SECOND;
	bool late = patience->timed && diff->seconds && now > end;

	/* Silence counts from the end on: this process may have been busy itself until then. */
	late = late && (now - end > LATE_SECONDS * SECOND ||
			       (now - patience->heard > LATE_SILENCE * SECOND &&
				       now - end > LATE_SILENCE * SECOND));
	bool silent = now - patience->heard > (late ? LATE_SILENCE : SILENCE_SECONDS) * SECOND ||
		      now - patience->began > ANSWER_SECONDS * SECOND;
	diff->late = diff->late || late;
	diff->machine.silent = diff->machine.silent || silent;
	diff->machine.abandoned = diff->machine.abandoned || silent || late;
	return !late && !silent && !agent_interrupted();
}

/* False: the machine is gone, or there is no more patience. */
static bool wait_for(struct diff *diff, short events, const struct patience *patience)
{
	while (may_wait(diff, patience)) {
		struct pollfd wait = {.fd = diff->machine.channel, .events = events};
		int ready = poll(&wait, 1, LOOK_MILLIS);

		if (ready > 0)
			return true;
		if (ready < 0 && errno != EINTR)
			return false;
	}
	return false;
}

bool diff_send(struct diff *diff, uint32_t type, uint32_t count, const void *bytes, size_t size)
{
	struct agent_batch head = {
		.count = count, .kernel = diff->kernel, .call_seconds = diff->call_seconds};
	struct agent_header header = {type, (uint32_t)(sizeof(head) + size)};
	struct patience patience = {
		tool_clock(), tool_clock(), type == AGENT_BATCH && !diff->recovering};
	size_t length = sizeof(header) + header.length, used = 0;

	if (diff->machine.channel < 0 || size > AGENT_MESSAGE_MAX - sizeof(head))
		return false;
	uint8_t *message = tool_grow(NULL, length, 1);
	memcpy(message, &header, sizeof(header));
	memcpy(message + sizeof(header), &head, sizeof(head));
	memcpy(message + sizeof(header) + sizeof(head), bytes, size);
	while (used < length && wait_for(diff, POLLOUT, &patience)) {
		ssize_t sent = send(diff->machine.channel, message + used, length - used,
			MSG_DONTWAIT | MSG_NOSIGNAL);

		if (sent > 0) {
			used += (size_t)sent;
			patience.heard = tool_clock();
		} else if (sent < 0 && errno != EAGAIN && errno != EINTR) {
			break;
		}
	}
	free(message);
	return used == length;
}

void *diff_receive(struct diff *diff, uint32_t type, size_t *size)
{
	struct patience patience = {
		tool_clock(), tool_clock(), type == AGENT_TRACES && !diff->recovering};
	struct agent_header header;
	void *body;

	while (diff->machine.channel >= 0 && wait_for(diff, POLLIN, &patience) &&
		agent_receive(diff->machine.channel, LATE_SECONDS, &header, &body, NULL)) {
		*size = header.length;
		if (header.type == type)
			return body;
		if (header.type == AGENT_LOG)
			tool_error("%s", (const char *)body);
		free(body);
		if (header.type == AGENT_BEGIN)
			patience.heard = tool_clock();
		else if (header.type != AGENT_LOG)
			break;
	}
	return NULL;
}
