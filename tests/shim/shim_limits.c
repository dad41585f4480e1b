/* SPDX-License-Identifier: Apache-2.0 */
/* A table of descriptors that is full: threads, children and signal handlers still make calls. */
#define _GNU_SOURCE
#include "tests/shim/client.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#define THREADS	 16
#define CHILDREN 20
#define LIMIT	 100

static int fd;
static volatile sig_atomic_t handled;

static void handler(int signal)
{
	(void)signal;
	handled = new_ioas(fd) != 0;
}

/* What it is given when something fails, else NULL. */
static void *call_once(void *wrong)
{
	uint32_t id = new_ioas(fd);

	return !id || destroy(fd, id) ? wrong : NULL;
}

static void *work(void *wrong)
{
	for (unsigned round = 0; round < 10; round++) {
		if (call_once(wrong))
			return wrong;
	}
	return NULL;
}

static bool threads_work(void)
{
	pthread_t threads[THREADS];
	bool good = true;
	void *result;

	for (unsigned n = 0; n < THREADS; n++)
		good &= !pthread_create(&threads[n], NULL, work, &fd);
	for (unsigned n = 0; n < THREADS; n++)
		good &= !pthread_join(threads[n], &result) && !result;
	return good;
}

static int status_of(pid_t child)
{
	int status = -1;

	waitpid(child, &status, 0);
	return status;
}

static unsigned fill(void)
{
	unsigned count = 0;

	while (dup(fd) >= 0)
		count++;
	return count;
}

static void test_full(void)
{
	pid_t child;

	tap_ok(fill() > LIMIT / 2 && errno == EMFILE, "the table is full");
	tap_ok(!work(&fd), "the thread that has a connection uses it");
	tap_ok(threads_work(), "new threads share one");
	signal(SIGUSR1, handler);
	raise(SIGUSR1);
	tap_ok(handled, "a signal handler");
	child = fork();
	if (!child)
		_exit(work(&fd) != NULL || !threads_work());
	tap_ok(!status_of(child), "a child and its threads");
	tap_ok(open("/dev/iommu", O_RDWR) < 0 && errno == EMFILE, "no more for the program");
}

__attribute__((noinline)) static bool vfork_works(void)
{
	pid_t child = vfork();

	if (!child)
		_exit(call_once(&fd) != NULL);
	return !status_of(child);
}

/* Each would leave a connection behind if it took its parent's memory for its own. */
static void test_vfork(void)
{
	unsigned good = 0;

	for (unsigned n = 0; n < CHILDREN; n++)
		good += vfork_works();
	tap_ok(good == CHILDREN && !work(&fd), "children of vfork, and their parent after them");
}

static int run(void *argument)
{
	return call_once(argument) != NULL;
}

static void test_clone(void)
{
	static const int flags[] = {
		0, CLONE_FILES, CLONE_VM, CLONE_FILES | CLONE_VM, CLONE_VM | CLONE_VFORK};
	static char stack[65536] __attribute__((aligned(16)));
	unsigned good = 0;

	for (unsigned n = 0; n < sizeof(flags) / sizeof(*flags); n++) {
		pid_t child = clone(run, stack + sizeof(stack), flags[n] | SIGCHLD, &fd);

		good += !status_of(child) && !work(&fd);
	}
	tap_ok(good == sizeof(flags) / sizeof(*flags),
		"whatever a child shares, it and its parent go on");
}

int main(void)
{
	struct rlimit limit = {LIMIT, LIMIT};

	setrlimit(RLIMIT_NOFILE, &limit);
	tap_begin();
	fd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	tap_ok(!work(&fd), "a context");
	test_vfork();
	test_clone();
	test_full();
	return tap_end();
}
