/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waiting for descriptors. The pipes that stand for them are ready as they should be, with two
 * exceptions: files without poll are nothing for epoll, and streams of events can never be written.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>

#include "impl/shim/preload.h"

#define WRITABLE  (POLLOUT | POLLWRNORM | POLLWRBAND)
#define ASKED_MAX 1024
#define BANDS	  (POLLWRNORM | POLLWRBAND)

static enum shim_kind kind_of(int fd)
{
	struct shim_reply reply;

	return link_describe(fd, &reply) ? (enum shim_kind)reply.result : SHIM_KIND_FOREIGN;
}

SHIM_EXPORT int epoll_ctl(int epoll, int operation, int fd, struct epoll_event *event)
{
	enum shim_kind kind = operation == EPOLL_CTL_DEL ? SHIM_KIND_FOREIGN : kind_of(fd);
	struct epoll_event own;
	uint32_t never = 0;

	if (kind == SHIM_KIND_PLAIN) {
		errno = EPERM;
		return -1;
	}
	if (kind == SHIM_KIND_STREAM)
		never = EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND;
	else if (kind == SHIM_KIND_QUEUE)
		never = EPOLLWRNORM | EPOLLWRBAND;
	if (never && memory_peek(&own, event, sizeof(own))) {
		own.events &= ~never;
		event = &own;
	}
	return NEXT(epoll_ctl)(epoll, operation, fd, event);
}

/* What a pipe says and the file would not. */
static short never_of(int fd)
{
	switch (kind_of(fd)) {
	case SHIM_KIND_STREAM: return WRITABLE;
	case SHIM_KIND_QUEUE: return BANDS;
	default: return 0;
	}
}

/* Takes back what they were asked for in vain; how many there are. */
static unsigned narrow(struct pollfd *fds, nfds_t count, short *asked)
{
	unsigned narrowed = 0;

	for (nfds_t n = 0; n < count; n++) {
		asked[n] = fds[n].events;
		if (!(fds[n].events & WRITABLE))
			continue;
		fds[n].events &= (short)~never_of(fds[n].fd);
		narrowed += fds[n].events != asked[n];
	}
	return narrowed;
}

/* False: as the kernel answers, also where there is nothing to look at. */
static bool is_narrowed(struct pollfd *fds, nfds_t count, short *asked)
{
	struct pollfd seen[ASKED_MAX];

	return link_there() && count && count <= ASKED_MAX &&
	       memory_peek(seen, fds, count * sizeof(*fds)) && narrow(fds, count, asked);
}

static void restore(struct pollfd *fds, nfds_t count, const short *asked)
{
	for (nfds_t n = 0; n < count; n++)
		fds[n].events = asked[n];
}

SHIM_EXPORT int poll(struct pollfd *fds, nfds_t count, int timeout)
{
	short asked[ASKED_MAX];
	int result;

	if (!is_narrowed(fds, count, asked))
		return NEXT(poll)(fds, count, timeout);
	result = NEXT(poll)(fds, count, timeout);
	restore(fds, count, asked);
	return result;
}

SHIM_EXPORT int ppoll(
	struct pollfd *fds, nfds_t count, const struct timespec *timeout, const sigset_t *mask)
{
	short asked[ASKED_MAX];
	int result;

	if (!is_narrowed(fds, count, asked))
		return NEXT(ppoll)(fds, count, timeout, mask);
	result = NEXT(ppoll)(fds, count, timeout, mask);
	restore(fds, count, asked);
	return result;
}

static void narrow_set(int count, fd_set *writes)
{
	fd_set seen;

	/* A set of fewer than FD_SETSIZE may end before. */
	if (!link_there() || count <= 0 || count > FD_SETSIZE || !writes ||
		!memory_peek(&seen, writes, ((size_t)count + 63) / 64 * 8))
		return;
	for (int fd = 0; fd < count; fd++) {
		if (FD_ISSET(fd, &seen) && kind_of(fd) == SHIM_KIND_STREAM)
			FD_CLR(fd, writes);
	}
}

SHIM_EXPORT int select(
	int count, fd_set *reads, fd_set *writes, fd_set *exceptions, struct timeval *timeout)
{
	narrow_set(count, writes);
	return NEXT(select)(count, reads, writes, exceptions, timeout);
}

SHIM_EXPORT int pselect(int count, fd_set *reads, fd_set *writes, fd_set *exceptions,
	const struct timespec *timeout, const sigset_t *mask)
{
	narrow_set(count, writes);
	return NEXT(pselect)(count, reads, writes, exceptions, timeout, mask);
}
