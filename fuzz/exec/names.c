/* SPDX-License-Identifier: Apache-2.0 */
/* Results and addresses as programs write them. */
#include "fuzz/exec/names.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "fuzz/exec/target.h"
#include "fuzz/prog/prog.h"

#define NAME(error) { error, #error }

/* Own table: strerrorname_np is not everywhere, and the names must be those of Linux on every C library. */
static const struct {
	int number;
	const char *name;
} names[] = {
	NAME(EPERM), NAME(ENOENT), NAME(ESRCH), NAME(EINTR), NAME(EIO), NAME(ENXIO), NAME(E2BIG), NAME(ENOEXEC),
	NAME(EBADF), NAME(ECHILD), NAME(EAGAIN), NAME(ENOMEM), NAME(EACCES), NAME(EFAULT), NAME(ENOTBLK),
	NAME(EBUSY), NAME(EEXIST), NAME(EXDEV), NAME(ENODEV), NAME(ENOTDIR), NAME(EISDIR), NAME(EINVAL),
	NAME(ENFILE), NAME(EMFILE), NAME(ENOTTY), NAME(ETXTBSY), NAME(EFBIG), NAME(ENOSPC), NAME(ESPIPE),
	NAME(EROFS), NAME(EMLINK), NAME(EPIPE), NAME(EDOM), NAME(ERANGE), NAME(EDEADLK), NAME(ENAMETOOLONG),
	NAME(ENOSYS), NAME(ENOTEMPTY), NAME(ELOOP), NAME(ENOMSG), NAME(EBADE), NAME(EBADR), NAME(ENODATA),
	NAME(ETIME), NAME(EPROTO), NAME(EBADMSG), NAME(EOVERFLOW), NAME(EBADFD), NAME(EILSEQ), NAME(EUSERS),
	NAME(EMSGSIZE), NAME(EOPNOTSUPP), NAME(EADDRINUSE), NAME(EADDRNOTAVAIL), NAME(ENOBUFS), NAME(EISCONN),
	NAME(ENOTCONN), NAME(ETIMEDOUT), NAME(ECONNREFUSED), NAME(EALREADY), NAME(EINPROGRESS), NAME(ESTALE),
	NAME(EREMOTEIO), NAME(EDQUOT), NAME(ECANCELED), NAME(EKEYREJECTED), NAME(ERFKILL), NAME(EHWPOISON),
	{ 524, "ENOTSUPP" }, /* kernel-internal, but it does leak to user space */
	{ EDEADLK, "EDEADLOCK" },
	{ EAGAIN, "EWOULDBLOCK" },
};

const char *errno_name(int error)
{
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i].number == error)
			return names[i].name;
	return NULL;
}

int errno_find(const char *name, size_t length)
{
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strlen(names[i].name) == length && memcmp(names[i].name, name, length) == 0)
			return names[i].number;
	return 0;
}

char *result_text(char *buffer, size_t size, int64_t result)
{
	const char *name = result < 0 && result >= -4095 ? errno_name((int)-result) : NULL;

	if (name)
		snprintf(buffer, size, "%s", name);
	else
		snprintf(buffer, size, "%" PRId64, result);
	return buffer;
}

char *address_text(char *buffer, size_t size, uint64_t address)
{
	if (address >= PROG_MEM_BASE && address < PROG_MEM_BASE + (UINT64_C(1) << 34))
		snprintf(buffer, size, "mem+0x%" PRIx64, address - PROG_MEM_BASE);
	else if (address >= EXEC_ARGUMENT_BASE &&
		 address < EXEC_ARGUMENT_BASE + (uint64_t)EXEC_ARGUMENT_SIZE * EXEC_THREADS)
		snprintf(buffer, size, "arguments+0x%" PRIx64, address - EXEC_ARGUMENT_BASE);
	else
		snprintf(buffer, size, "0x%" PRIx64, address);
	return buffer;
}
