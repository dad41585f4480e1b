/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Programs that the program executes are served too, whatever environment it gives them, and what
 * of its memory is pinned outlives it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "impl/shim/preload.h"
#include "impl/shim/program.h"

#define VARIABLE_MAX 1024

extern char **environ;

/* NAME=VALUE of the environment that this program was given. */
static struct {
	char address[VARIABLE_MAX], library[VARIABLE_MAX];
} kept;

__attribute__((constructor)) static void keep(void)
{
	const char *address = getenv(SHIM_VARIABLE), *library = getenv("LD_PRELOAD");

	if (!address || !library)
		return;
	snprintf(kept.address, sizeof(kept.address), SHIM_VARIABLE "=%s", address);
	snprintf(kept.library, sizeof(kept.library), "LD_PRELOAD=%s", library);
}

static bool has(char *const *environment, const char *variable)
{
	size_t length = (size_t)(strchr(variable, '=') - variable) + 1;

	for (; *environment; environment++) {
		if (!strncmp(*environment, variable, length))
			return true;
	}
	return false;
}

static size_t count(char *const *words)
{
	size_t n = 0;

	while (words && words[n])
		n++;
	return n;
}

/* to has room for three more words than environment. */
static char *const *complete(char *const *environment, char **to)
{
	size_t n = count(environment);

	if (!kept.address[0])
		return environment;
	memcpy(to, environment ? environment : to, n * sizeof(*to));
	to[n] = NULL;
	if (!has(to, kept.library))
		to[n++] = kept.library;
	to[n] = NULL;
	if (!has(to, kept.address))
		to[n++] = kept.address;
	to[n] = NULL;
	return to;
}

/* The program will run, but nobody will hear of it; NULL: none was found. */
static void tell_unserved(const char *file)
{
	char named[PATH_MAX], text[PATH_MAX + 64];
	int saved = errno, length;

	if (kept.address[0] && file && program_look(file, named) == PROGRAM_STATIC) {
		length = snprintf(text, sizeof(text),
			"iommuzz shim: %s is statically linked: it is not served\n", named);
		NEXT(syscall)(SYS_write, STDERR_FILENO, text, length);
	}
	errno = saved;
}

static void tell_unserved_name(const char *name)
{
	char file[PATH_MAX];
	int saved = errno;

	tell_unserved(name && program_find(name, file) ? file : NULL);
	errno = saved;
}

static void tell_unserved_fd(int fd)
{
	char file[64];

	snprintf(file, sizeof(file), "/proc/self/fd/%d", fd);
	tell_unserved(file);
}

/* CALL, an exec, with ENVIRONMENT completed. */
#define EXEC(environment, call)                                                                    \
	({                                                                                         \
		char *room[count(environment) + 3];                                                \
		char *const *completed = complete(environment, room);                              \
		int failed, saved;                                                                 \
		memory_leaves();                                                                   \
		failed = call;                                                                     \
		saved = errno;                                                                     \
		memory_stays();                                                                    \
		errno = saved;                                                                     \
		failed;                                                                            \
	})

SHIM_EXPORT int execve(const char *path, char *const arguments[], char *const environment[])
{
	tell_unserved(path);
	return EXEC(environment, NEXT(execve)(path, arguments, completed));
}

SHIM_EXPORT int execvpe(const char *file, char *const arguments[], char *const environment[])
{
	tell_unserved_name(file);
	return EXEC(environment, NEXT(execvpe)(file, arguments, completed));
}

SHIM_EXPORT int execv(const char *path, char *const arguments[])
{
	tell_unserved(path);
	return EXEC(environ, NEXT(execve)(path, arguments, completed));
}

SHIM_EXPORT int execvp(const char *file, char *const arguments[])
{
	tell_unserved_name(file);
	return EXEC(environ, NEXT(execvpe)(file, arguments, completed));
}

SHIM_EXPORT int fexecve(int fd, char *const arguments[], char *const environment[])
{
	tell_unserved_fd(fd);
	return EXEC(environment, NEXT(fexecve)(fd, arguments, completed));
}

SHIM_EXPORT int execveat(int directory, const char *path, char *const arguments[],
	char *const environment[], int flags)
{
	if (*path)
		tell_unserved(path);
	else
		tell_unserved_fd(directory);
	return EXEC(environment, NEXT(execveat)(directory, path, arguments, completed, flags));
}

static size_t count_words(va_list words)
{
	va_list copy;
	size_t n = 1;

	va_copy(copy, words);
	while (va_arg(copy, char *))
		n++;
	va_end(copy);
	return n;
}

static void take_words(const char *first, va_list *words, char **to)
{
	*to = (char *)(uintptr_t)first;
	while (*to++)
		*to = va_arg(*words, char *);
}

SHIM_EXPORT int execl(const char *path, const char *first, ...)
{
	va_list words;

	va_start(words, first);
	char *arguments[count_words(words) + 1];
	take_words(first, &words, arguments);
	va_end(words);
	return execv(path, arguments);
}

SHIM_EXPORT int execlp(const char *file, const char *first, ...)
{
	va_list words;

	va_start(words, first);
	char *arguments[count_words(words) + 1];
	take_words(first, &words, arguments);
	va_end(words);
	return execvp(file, arguments);
}

SHIM_EXPORT int execle(const char *path, const char *first, ...)
{
	char *const *environment;
	va_list words;

	va_start(words, first);
	char *arguments[count_words(words) + 1];
	take_words(first, &words, arguments);
	environment = va_arg(words, char *const *);
	va_end(words);
	return execve(path, arguments, environment);
}

SHIM_EXPORT int posix_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,
	const posix_spawnattr_t *attributes, char *const arguments[], char *const environment[])
{
	char *room[count(environment) + 3];

	tell_unserved(path);
	return NEXT(posix_spawn)(
		pid, path, actions, attributes, arguments, complete(environment, room));
}

SHIM_EXPORT int posix_spawnp(pid_t *pid, const char *file,
	const posix_spawn_file_actions_t *actions, const posix_spawnattr_t *attributes,
	char *const arguments[], char *const environment[])
{
	char *room[count(environment) + 3];

	tell_unserved_name(file);
	return NEXT(posix_spawnp)(
		pid, file, actions, attributes, arguments, complete(environment, room));
}
