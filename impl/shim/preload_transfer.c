/* SPDX-License-Identifier: Apache-2.0 */
/* System calls that move bytes to and from descriptors. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/sendfile.h>
#include <sys/uio.h>
#include <unistd.h>

#include "impl/shim/preload.h"

#define NO_POSITION UINT64_MAX

static bool transfer_ours(
	enum shim_call call, int fd, uintptr_t address, size_t count, uint64_t position, long *done)
{
	struct shim_request request = {.call = call, .argument = {address, count, position}};

	return link_call_on(fd, &request, done);
}

SHIM_EXPORT ssize_t read(int fd, void *bytes, size_t count)
{
	long done;

	return transfer_ours(SHIM_READ, fd, (uintptr_t)bytes, count, NO_POSITION, &done)
		       ? done
		       : NEXT(read)(fd, bytes, count);
}

SHIM_EXPORT ssize_t write(int fd, const void *bytes, size_t count)
{
	long done;

	return transfer_ours(SHIM_WRITE, fd, (uintptr_t)bytes, count, NO_POSITION, &done)
		       ? done
		       : NEXT(write)(fd, bytes, count);
}

#define PREAD(name, offset_type)                                                                   \
	SHIM_EXPORT ssize_t name(int fd, void *bytes, size_t count, offset_type offset)            \
	{                                                                                          \
		long done;                                                                         \
		if (offset >= 0 && transfer_ours(SHIM_READ, fd, (uintptr_t)bytes, count,           \
					   (uint64_t)offset, &done))                               \
			return done;                                                               \
		return NEXT(name)(fd, bytes, count, offset);                                       \
	}
#define PWRITE(name, offset_type)                                                                  \
	SHIM_EXPORT ssize_t name(int fd, const void *bytes, size_t count, offset_type offset)      \
	{                                                                                          \
		long done;                                                                         \
		if (offset >= 0 && transfer_ours(SHIM_WRITE, fd, (uintptr_t)bytes, count,          \
					   (uint64_t)offset, &done))                               \
			return done;                                                               \
		return NEXT(name)(fd, bytes, count, offset);                                       \
	}
PREAD(pread, off_t)
PREAD(pread64, off64_t)
PWRITE(pwrite, off_t)
PWRITE(pwrite64, off64_t)

/* With _FORTIFY_SOURCE reads into memory of known size are these. */
ssize_t __read_chk(int fd, void *bytes, size_t count, size_t room);
ssize_t __pread_chk(int fd, void *bytes, size_t count, off_t offset, size_t room);
ssize_t __pread64_chk(int fd, void *bytes, size_t count, off64_t offset, size_t room);

SHIM_EXPORT ssize_t __read_chk(int fd, void *bytes, size_t count, size_t room)
{
	return count > room ? NEXT(__read_chk)(fd, bytes, count, room) : read(fd, bytes, count);
}

SHIM_EXPORT ssize_t __pread_chk(int fd, void *bytes, size_t count, off_t offset, size_t room)
{
	return count > room ? NEXT(__pread_chk)(fd, bytes, count, offset, room)
			    : pread(fd, bytes, count, offset);
}

SHIM_EXPORT ssize_t __pread64_chk(int fd, void *bytes, size_t count, off64_t offset, size_t room)
{
	return count > room ? NEXT(__pread64_chk)(fd, bytes, count, offset, room)
			    : pread64(fd, bytes, count, offset);
}

/* -- vectors: drivers that know only read and write are called piece by piece -- */

struct vector {
	enum shim_call call;
	const struct iovec *pieces;
	int count;
	off64_t position; /* -1: none */
	int flags;	  /* RWF_ */
};

/* What stops the call before the driver is asked: negative errno, or the bytes in all pieces. */
static long total_of(const struct vector *vector, struct iovec *pieces)
{
	size_t total = 0, size;

	if (vector->count < 0 || vector->count > IOV_MAX)
		return -EINVAL;
	size = (size_t)vector->count * sizeof(*pieces);
	if (size && !memory_peek(pieces, vector->pieces, size))
		return -EFAULT;
	for (int n = 0; n < vector->count; n++) {
		if (pieces[n].iov_len > SSIZE_MAX - total)
			return -EINVAL;
		total += pieces[n].iov_len;
	}
	return (long)total;
}

/* An empty piece is one, too, unless nothing comes after it. */
static long call_for_pieces(
	int fd, const struct vector *vector, const struct iovec *pieces, long wanted)
{
	long done = 0, total = 0;

	for (int n = 0; total < wanted; n++) {
		if (!transfer_ours(vector->call, fd, (uintptr_t)pieces[n].iov_base,
			    pieces[n].iov_len, NO_POSITION, &done) ||
			done < 0)
			break;
		total += done;
		if ((size_t)done < pieces[n].iov_len)
			break;
	}
	return total ? total : done;
}

static long transfer_vector(
	int fd, const struct vector *vector, const struct shim_reply *kind, struct iovec *pieces)
{
	bool reads = vector->call == SHIM_READ;
	uint64_t mode = kind->value[0] >> 32 & O_ACCMODE;
	long total;

	if (vector->position < -1)
		return link_result(-EINVAL);
	if (vector->position >= 0 && !(kind->value[0] & SHIM_IS_POSITIONED))
		return link_result(-ESPIPE);
	if (mode != O_RDWR && mode != (reads ? O_RDONLY : O_WRONLY))
		return link_result(-EBADF);
	if (!(kind->value[0] & (reads ? SHIM_IS_READABLE : SHIM_IS_WRITABLE)))
		return link_result(-EINVAL);
	total = total_of(vector, pieces);
	if (total <= 0)
		return link_result(total);
	if (vector->flags & ~RWF_HIPRI)
		return link_result(-EOPNOTSUPP);
	return call_for_pieces(fd, vector, pieces, total);
}

static bool vector_ours(int fd, const struct vector *vector, ssize_t *result)
{
	struct iovec pieces[IOV_MAX];
	struct shim_reply kind;

	if (!link_describe(fd, &kind))
		return false;
	*result = transfer_vector(fd, vector, &kind, pieces);
	return true;
}

#define VECTOR(name, call)                                                                         \
	SHIM_EXPORT ssize_t name(int fd, const struct iovec *pieces, int count)                    \
	{                                                                                          \
		const struct vector vector = {call, pieces, count, -1, 0};                         \
		ssize_t done;                                                                      \
		return vector_ours(fd, &vector, &done) ? done : NEXT(name)(fd, pieces, count);     \
	}
/* A position of -1, which means none in those with flags, is an error in those without. */
#define PVECTOR(name, call, offset_type)                                                           \
	SHIM_EXPORT ssize_t name(                                                                  \
		int fd, const struct iovec *pieces, int count, offset_type offset)                 \
	{                                                                                          \
		const struct vector vector = {                                                     \
			call, pieces, count, offset < 0 ? INT64_MIN : offset, 0};                  \
		ssize_t done;                                                                      \
		return vector_ours(fd, &vector, &done) ? done                                      \
						       : NEXT(name)(fd, pieces, count, offset);    \
	}
#define PVECTOR2(name, call, offset_type)                                                          \
	SHIM_EXPORT ssize_t name(                                                                  \
		int fd, const struct iovec *pieces, int count, offset_type offset, int flags)      \
	{                                                                                          \
		const struct vector vector = {call, pieces, count, offset, flags};                 \
		ssize_t done;                                                                      \
		return vector_ours(fd, &vector, &done)                                             \
			       ? done                                                              \
			       : NEXT(name)(fd, pieces, count, offset, flags);                     \
	}
VECTOR(readv, SHIM_READ)
VECTOR(writev, SHIM_WRITE)
PVECTOR(preadv, SHIM_READ, off_t)
PVECTOR(preadv64, SHIM_READ, off64_t)
PVECTOR(pwritev, SHIM_WRITE, off_t)
PVECTOR(pwritev64, SHIM_WRITE, off64_t)
PVECTOR2(preadv2, SHIM_READ, off_t)
PVECTOR2(preadv64v2, SHIM_READ, off64_t)
PVECTOR2(pwritev2, SHIM_WRITE, off_t)
PVECTOR2(pwritev64v2, SHIM_WRITE, off64_t)

/* -- between two files: none of ours can do that -- */

static bool is_open(int fd)
{
	int saved = errno;
	bool open = !link_owns(fd) && NEXT(fcntl)(fd, F_GETFD) >= 0;

	errno = saved;
	return open;
}

/* Whether one of the two is ours, and which error it is then. */
static bool between_ours(int from, int to, ssize_t *result)
{
	struct shim_reply kind;

	if (!link_describe(from, &kind) && !link_describe(to, &kind))
		return false;
	*result = link_result(is_open(from) && is_open(to) ? -EINVAL : -EBADF);
	return true;
}

SHIM_EXPORT ssize_t splice(
	int from, off64_t *in, int to, off64_t *out, size_t length, unsigned flags)
{
	ssize_t result;

	return length && between_ours(from, to, &result)
		       ? result
		       : NEXT(splice)(from, in, to, out, length, flags);
}

SHIM_EXPORT ssize_t tee(int from, int to, size_t length, unsigned flags)
{
	ssize_t result;

	return length && between_ours(from, to, &result) ? result
							 : NEXT(tee)(from, to, length, flags);
}

SHIM_EXPORT ssize_t vmsplice(int fd, const struct iovec *pieces, size_t count, unsigned flags)
{
	struct shim_reply kind;

	/* Without pieces nothing happens to the pipe, and the flags are judged first. */
	if (!count ||
		flags & ~(unsigned)(SPLICE_F_MOVE | SPLICE_F_NONBLOCK | SPLICE_F_MORE |
				    SPLICE_F_GIFT) ||
		!link_describe(fd, &kind))
		return NEXT(vmsplice)(fd, pieces, count, flags);
	return link_result(-EBADF);
}

#define SENDFILE(name, offset_type)                                                                \
	SHIM_EXPORT ssize_t name(int to, int from, offset_type *offset, size_t count)              \
	{                                                                                          \
		struct shim_reply kind;                                                            \
		ssize_t result;                                                                    \
		if (offset && link_describe(from, &kind) && !(kind.value[0] & SHIM_IS_POSITIONED)) \
			return link_result(-ESPIPE);                                               \
		return between_ours(from, to, &result) ? result                                    \
						       : NEXT(name)(to, from, offset, count);      \
	}
SENDFILE(sendfile, off_t)
SENDFILE(sendfile64, off64_t)

SHIM_EXPORT ssize_t copy_file_range(
	int from, off64_t *in, int to, off64_t *out, size_t length, unsigned flags)
{
	ssize_t result;

	return between_ours(from, to, &result)
		       ? result
		       : NEXT(copy_file_range)(from, in, to, out, length, flags);
}
