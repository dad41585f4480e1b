/* SPDX-License-Identifier: Apache-2.0 */
/* Signals arrive in the middle of calls; their handlers make calls of their own. */
#include "client.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/time.h>

static int context;
static volatile sig_atomic_t handled, failed;

/* Calls of the kernel are safe in handlers. */
static void on_alarm(int number)
{
	struct iommu_ioas_alloc ioas = {.size = sizeof(ioas)};
	int error = errno;

	(void)number;
	if (ioctl(context, IOMMU_IOAS_ALLOC, &ioas) != 0 ||
		ioctl(context, IOMMU_DESTROY, CMD(iommu_destroy, .id = ioas.out_ioas_id)) != 0)
		failed++;
	int copy = dup(context);
	if (copy < 0 || close(copy) != 0)
		failed++;
	handled++;
	errno = error;
}

static void start_timer(long microseconds)
{
	struct itimerval every = {{0, microseconds}, {0, microseconds}};

	setitimer(ITIMER_REAL, &every, NULL);
}

static void main_work(uint32_t ioas)
{
	char *memory = pages(4, 0);
	unsigned errors = 0, rounds = 0;
	uint64_t iova;

	while (handled < 200 && rounds < 2000000) {
		iova = 0;
		if (map_flags(context, ioas, RW, memory, 4 * PAGE, &iova) != 0 ||
			unmap_at(context, ioas, iova, 4 * PAGE) != 0)
			errors++;
		rounds++;
	}
	start_timer(0);
	printf("handled: %s, failed %d, errors %u\n", handled >= 200 ? "enough" : "too few", failed,
		errors);
	show("pins", check_refs(context, memory, 4 * PAGE, 0));
	munmap(memory, 4 * PAGE);
}

static void *thread_work(void *argument)
{
	atomic_bool *stop = argument;
	unsigned errors = 0;

	while (!atomic_load(stop)) {
		uint32_t ioas = new_ioas(context);

		errors += destroy(context, ioas) != 0;
	}
	return (void *)(uintptr_t)errors;
}

/* A signal ends a wait, not a queue. */
static void interrupted_wait(void)
{
	struct iommu_fault_alloc alloc = {.size = sizeof(alloc)};
	struct pollfd wait = {.events = POLLIN};
	struct itimerval once = {{0, 0}, {0, 20000}};

	show("queue", call(context, IOMMU_FAULT_QUEUE_ALLOC, &alloc));
	wait.fd = (int)alloc.out_fault_fd;
	setitimer(ITIMER_REAL, &once, NULL);
	show("poll", poll(&wait, 1, 10000) < 0 ? -errno : 0);
	show("poll again", poll(&wait, 1, 10));
	char bytes[40];
	show("read", read(wait.fd, bytes, sizeof(bytes)));
	close(wait.fd);
	show("destroy", destroy(context, alloc.out_fault_id));
}

int main(void)
{
	struct sigaction action = {.sa_handler = on_alarm};
	atomic_bool stop = false;
	pthread_t thread;
	void *errors;

	context = open_iommu();
	uint32_t ioas = new_ioas(context);
	struct mock mock = new_mock(context, ioas);
	sigaction(SIGALRM, &action, NULL);
	start_timer(1000);
	main_work(ioas);
	handled = 0;
	pthread_create(&thread, NULL, thread_work, &stop);
	start_timer(1000);
	main_work(ioas);
	atomic_store(&stop, true);
	pthread_join(thread, &errors);
	printf("errors of the thread: %u\n", (unsigned)(uintptr_t)errors);
	interrupted_wait();
	show("device leaves", destroy(context, mock.stdev));
	show("destroy", destroy(context, ioas));
	close(context);
	return 0;
}
