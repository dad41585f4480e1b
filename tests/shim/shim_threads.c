/* SPDX-License-Identifier: Apache-2.0 */
/* Threads that work on one context and fork; a signal handler that makes calls in between. */
#define _GNU_SOURCE
#include "tests/shim/client.h"

#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

#define THREADS 8
#define ROUNDS	50

static int fd;
static uint32_t ioas;
static int handled;

static void handler(int signal)
{
	(void)signal;
	if (new_ioas(fd))
		__atomic_fetch_add(&handled, 1, __ATOMIC_RELAXED);
}

static bool fork_one(const char *memory, uint64_t iova)
{
	int status = -1;
	pid_t child = fork();

	if (!child)
		_exit(map(fd, ioas, memory, PAGE, iova) || unmap(fd, ioas, iova, PAGE));
	waitpid(child, &status, 0);
	return !status;
}

static void *work(void *argument)
{
	uintptr_t number = (uintptr_t)argument, wrong = 0;
	uint64_t iova = APERTURE * (number + 1);
	char *memory =
		mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	for (unsigned round = 0; round < ROUNDS; round++) {
		wrong += map(fd, ioas, memory, 2 * PAGE, iova) != 0;
		if (round % 16 == 0)
			pthread_kill(pthread_self(), SIGUSR1);
		if (round % 20 == 0)
			wrong += !fork_one(memory, iova + 0x100000);
		wrong += check_refs(fd, memory, 2 * PAGE, 1) != 0;
		wrong += unmap(fd, ioas, iova, 2 * PAGE) != 0;
	}
	munmap(memory, 2 * PAGE);
	return (void *)wrong;
}

int main(void)
{
	struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};
	pthread_t threads[THREADS];
	uintptr_t wrong = 0;
	uint32_t hwpt;
	void *result;

	fd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	ioas = new_ioas(fd);
	tap_begin();
	tap_ok(new_device(fd, ioas, &hwpt) != 0, "a device");
	sigaction(SIGUSR1, &action, NULL);
	for (uintptr_t n = 0; n < THREADS; n++)
		pthread_create(&threads[n], NULL, work, (void *)n);
	for (unsigned n = 0; n < THREADS; n++) {
		pthread_join(threads[n], &result);
		wrong += (uintptr_t)result;
	}
	tap_ok(!wrong, "all calls of all threads and children succeed");
	tap_ok(handled == THREADS * ((ROUNDS + 15) / 16), "those of signal handlers, too");
	tap_ok(!status_kib("VmPin"), "nothing is left pinned");
	return tap_end();
}
