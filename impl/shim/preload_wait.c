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

#define WRITABLE (POLLOUT | POLLWRNORM | POLLWRBAND)

static enum shim_kind kind_of(int fd)
{
	struct shim_request request = {.call = SHIM_KIND};
	struct shim_reply reply;

	if (!link_identify(&request, fd) || !link_call(&request, &reply) || !reply.ours)
		return SHIM_KIND_FOREIGN;
	return (enum shim_kind)reply.result;
}

SHIM_EXPORT int epoll_ctl(int epoll, int operation, int fd, struct epoll_event *event)
{
	enum shim_kind kind = operation == EPOLL_CTL_DEL ? SHIM_KIND_FOREIGN : kind_of(fd);
	struct epoll_event readable;

	if (kind == SHIM_KIND_PLAIN) {
		errno = EPERM;
		return -1;
	}
	if (kind == SHIM_KIND_STREAM && event) {
		readable = *event;
		readable.events &= ~(uint32_t)(EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND);
		event = &readable;
	}
	return NEXT(epoll_ctl)(epoll, operation, fd, event);
}

/* Takes back what streams were asked for in vain; how many there are. */
static unsigned narrow(struct pollfd *fds, nfds_t count, short *asked)
{
	unsigned streams = 0;

	for (nfds_t n = 0; n < count; n++) {
		asked[n] = fds[n].events;
		if (!(fds[n].events & WRITABLE) || kind_of(fds[n].fd) != SHIM_KIND_STREAM)
			continue;
		fds[n].events &= (short)~WRITABLE;
		streams++;
	}
	return streams;
}

static void restore(struct pollfd *fds, nfds_t count, const short *asked)
{
	for (nfds_t n = 0; n < count; n++)
		fds[n].events = asked[n];
}

#define ASKED_MAX 1024

SHIM_EXPORT int poll(struct pollfd *fds, nfds_t count, int timeout)
{
	short asked[ASKED_MAX];
	int result;

	if (!link_there() || count > ASKED_MAX || !fds || !narrow(fds, count, asked))
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

	if (!link_there() || count > ASKED_MAX || !fds || !narrow(fds, count, asked))
		return NEXT(ppoll)(fds, count, timeout, mask);
	result = NEXT(ppoll)(fds, count, timeout, mask);
	restore(fds, count, asked);
	return result;
}

static void narrow_set(int count, fd_set *writes)
{
	for (int fd = 0; writes && fd < count && fd < FD_SETSIZE; fd++) {
		if (FD_ISSET(fd, writes) && kind_of(fd) == SHIM_KIND_STREAM)
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
