/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Streams of the C library on our files. Those read and write by themselves, past read and write:
 * ours have functions of their own, and a buffer of the size that files of the kernel ask for.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "impl/shim/preload_paths.h"

#undef fread_unlocked /* a macro where it is inlined */

struct stream {
	int fd;
	FILE *file;
	struct stream *next;
	char buffer[4096];
};

static struct {
	pthread_mutex_t lock;
	struct stream *first; /* atomic, as far as whether there is one */
} streams = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void add(struct stream *stream)
{
	pthread_mutex_lock(&streams.lock);
	stream->next = streams.first;
	__atomic_store_n(&streams.first, stream, __ATOMIC_RELAXED);
	pthread_mutex_unlock(&streams.lock);
}

static void remove_stream(const struct stream *stream)
{
	struct stream **link;

	pthread_mutex_lock(&streams.lock);
	for (link = &streams.first; *link && *link != stream; link = &(*link)->next)
		;
	if (*link)
		__atomic_store_n(link, stream->next, __ATOMIC_RELAXED);
	pthread_mutex_unlock(&streams.lock);
}

static bool is_ours(const FILE *file)
{
	const struct stream *stream;

	if (!__atomic_load_n(&streams.first, __ATOMIC_RELAXED))
		return false;
	pthread_mutex_lock(&streams.lock);
	for (stream = streams.first; stream && stream->file != file; stream = stream->next)
		;
	pthread_mutex_unlock(&streams.lock);
	return stream != NULL;
}

static ssize_t stream_read(void *cookie, char *bytes, size_t count)
{
	return read(((struct stream *)cookie)->fd, bytes, count);
}

static ssize_t stream_write(void *cookie, const char *bytes, size_t count)
{
	ssize_t done = write(((struct stream *)cookie)->fd, bytes, count);

	/* To the C library, 0 is an error. */
	return done < 0 ? 0 : done;
}

static int stream_seek(void *cookie, off64_t *offset, int whence)
{
	*offset = lseek64(((struct stream *)cookie)->fd, *offset, whence);
	return *offset < 0 ? -1 : 0;
}

static int stream_close(void *cookie)
{
	struct stream *stream = cookie;
	int result = close(stream->fd);

	remove_stream(stream);
	free(stream);
	return result;
}

/* Takes fd over unless it fails. */
static FILE *open_stream(int fd, const char *mode)
{
	static const cookie_io_functions_t functions = {.read = stream_read,
		.write = stream_write,
		.seek = stream_seek,
		.close = stream_close};
	struct stream *stream = malloc(sizeof(*stream));
	FILE *opened;

	if (!stream)
		return NULL;
	stream->fd = fd;
	opened = fopencookie(stream, mode, functions);
	if (!opened) {
		free(stream);
		return NULL;
	}
	opened->_fileno = fd; /* for fileno */
	stream->file = opened;
	add(stream);
	setvbuf(opened, stream->buffer, _IOFBF, sizeof(stream->buffer));
	return opened;
}

/* -1: no mode. */
static int flags_of(const char *mode)
{
	int flags;

	switch (*mode) {
	case 'r': flags = O_RDONLY; break;
	case 'w': flags = O_WRONLY | O_CREAT | O_TRUNC; break;
	case 'a': flags = O_WRONLY | O_CREAT | O_APPEND; break;
	default: return -1;
	}
	if (strchr(mode, '+'))
		flags = (flags & ~O_ACCMODE) | O_RDWR;
	return flags | (strchr(mode, 'e') ? O_CLOEXEC : 0) | (strchr(mode, 'x') ? O_EXCL : 0);
}

static FILE *stream_on(int fd, const char *mode)
{
	FILE *stream = fd < 0 ? NULL : open_stream(fd, mode);

	if (fd >= 0 && !stream)
		close(fd);
	return stream;
}

static bool fopen_ours(const char *text, const char *mode, FILE **stream)
{
	struct path path;
	enum path_kind kind = path_look(AT_FDCWD, text, &path);
	int flags = mode ? flags_of(mode) : -1, fd;

	if (flags < 0)
		return false;
	if (kind == PATH_OTHER && path_is_link(AT_FDCWD, text))
		kind = path_follow(AT_FDCWD, text, &path);
	switch (kind) {
	case PATH_OTHER: return false;
	case PATH_MOVED: *stream = NEXT(fopen64)(path.real, mode); break;
	case PATH_DESCRIPTOR:
		fd = open(text, flags);
		*stream = fd < 0 ? NULL : fdopen(fd, mode);
		break;
	case PATH_STATUS:
		fd = path_open_status(path.text, flags);
		*stream = fd < 0 ? NULL : NEXT(fdopen)(fd, mode);
		break;
	default: *stream = stream_on(path_open(&path, kind, flags), mode);
	}
	return true;
}

/* Straight to the caller's memory. False: the end, or an error. */
static bool read_past_buffer(FILE *file, char **to, size_t *wanted)
{
	size_t block = (size_t)(file->_IO_buf_end - file->_IO_buf_base);
	ssize_t got = read(file->_fileno, *to, *wanted - (block >= 128 ? *wanted % block : 0));

	if (got <= 0) {
		file->_flags |= got ? _IO_ERR_SEEN : _IO_EOF_SEEN;
		return false;
	}
	*to += got;
	*wanted -= (size_t)got;
	return true;
}

/* What is larger than its buffer a stream of a file reads at once, one with functions does not. */
static size_t read_all(FILE *file, char *to, size_t wanted)
{
	size_t all = wanted, have;

	while (wanted) {
		have = (size_t)(file->_IO_read_end - file->_IO_read_ptr);
		if (!have && wanted >= (size_t)(file->_IO_buf_end - file->_IO_buf_base)) {
			if (!read_past_buffer(file, &to, &wanted))
				break;
			continue;
		}
		have = have && have < wanted ? have : wanted;
		have = NEXT(fread_unlocked)(to, 1, have, file);
		if (!have)
			break;
		to += have;
		wanted -= have;
	}
	return all - wanted;
}

SHIM_EXPORT size_t fread_unlocked(void *to, size_t size, size_t count, FILE *file)
{
	if (!is_ours(file) || !size || !count)
		return NEXT(fread_unlocked)(to, size, count, file);
	return read_all(file, to, size * count) / size;
}

SHIM_EXPORT size_t fread(void *to, size_t size, size_t count, FILE *file)
{
	size_t done;

	if (!is_ours(file))
		return NEXT(fread)(to, size, count, file);
	flockfile(file);
	done = fread_unlocked(to, size, count, file);
	funlockfile(file);
	return done;
}

SHIM_EXPORT FILE *fdopen(int fd, const char *mode)
{
	struct shim_reply reply;

	if (mode && flags_of(mode) >= 0 && link_describe(fd, &reply))
		return open_stream(fd, mode);
	return NEXT(fdopen)(fd, mode);
}

SHIM_EXPORT FILE *fopen(const char *path, const char *mode)
{
	FILE *stream;

	return fopen_ours(path, mode, &stream) ? stream : NEXT(fopen)(path, mode);
}

SHIM_EXPORT FILE *fopen64(const char *path, const char *mode)
{
	FILE *stream;

	return fopen_ours(path, mode, &stream) ? stream : NEXT(fopen64)(path, mode);
}
