/* SPDX-License-Identifier: Apache-2.0 */
/* A timer fires during calls: handlers make calls themselves, or jump away. */
#include "client.h"

#include <setjmp.h>
#include <signal.h>
#include <sys/time.h>

#define IOVA   UINT64_C(0x1000000)
#define LENGTH (64 * PAGE)

static int fd;
static uint32_t ioas;
static char *memory;
static volatile int hits, failures;
static sigjmp_buf place;

static void count_call(int signal)
{
	struct iommu_ioas_alloc made = {.size = sizeof(made)};

	(void)signal;
	hits++;
	if (ioctl(fd, IOMMU_IOAS_ALLOC, &made) || destroy(fd, made.out_ioas_id))
		failures++;
}

static void jump(int signal)
{
	(void)signal;
	siglongjmp(place, 1);
}

static void arm(void (*handler)(int), int microseconds, int again)
{
	struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};
	struct itimerval timer = {.it_value.tv_usec = microseconds, .it_interval.tv_usec = again};

	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &timer, NULL);
}

static int map_and_unmap(void)
{
	int mapped = map_at(fd, ioas, memory, LENGTH, IOVA);

	return mapped ? mapped : unmap_at(fd, ioas, IOVA, LENGTH);
}

static void jump_away(void)
{
	volatile int jumps = 0;

	while (jumps < 20) {
		if (sigsetjmp(place, 1)) {
			jumps++;
			continue;
		}
		arm(jump, 3000, 0);
		for (;;)
			map_and_unmap();
	}
	unmap_at(fd, ioas, IOVA, LENGTH);
	printf("jumps: %d\n", jumps);
}

int main(void)
{
	int bad = 0;

	fd = open_iommu();
	ioas = new_ioas(fd);
	new_mock(fd, ioas);
	memory = pages(64, 0);
	arm(count_call, 1000, 1000);
	for (int n = 0; n < 300; n++)
		bad += map_and_unmap() != 0;
	arm(SIG_IGN, 0, 0);
	printf("calls that failed: %d, of handlers: %d, handlers ran: %d\n", bad, failures,
		hits != 0);
	jump_away();
	show("after jumps", map_and_unmap());
	return 0;
}
