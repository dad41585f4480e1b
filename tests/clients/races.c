/* SPDX-License-Identifier: Apache-2.0 */
/* Processes and threads want the same: who is first wins, and only one is first. */
#include "client.h"

#include <pthread.h>
#include <stdatomic.h>

#define ROUNDS 50
#define RACERS 4

/* Shared by processes: where they start together, and what became of it. */
struct board {
	pthread_barrier_t barrier;
	atomic_uint won, lost, strange;
	uint32_t id;
};

static void count(struct board *board, int result, int expected)
{
	if (result == 0)
		atomic_fetch_add(&board->won, 1);
	else if (result == expected)
		atomic_fetch_add(&board->lost, 1);
	else
		atomic_fetch_add(&board->strange, 1);
}

static struct board *new_board(void)
{
	struct board *board = pages(1, MAP_SHARED);
	pthread_barrierattr_t attributes;

	pthread_barrierattr_init(&attributes);
	pthread_barrierattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
	pthread_barrier_init(&board->barrier, &attributes, RACERS);
	return board;
}

static void one_racer(int fd, uint32_t ioas, struct board *board, char *memory, bool leader)
{
	for (int round = 0; round < ROUNDS; round++) {
		uint64_t iova = MOCK_APERTURE_START + (uint64_t)round * 0x10000;

		if (leader)
			board->id = new_ioas(fd);
		pthread_barrier_wait(&board->barrier);
		count(board, map_at(fd, ioas, memory, PAGE, iova), -EEXIST);
		count(board, destroy(fd, board->id), -ENOENT);
		pthread_barrier_wait(&board->barrier);
		count(board, unmap_at(fd, ioas, iova, PAGE), -ENOENT);
		pthread_barrier_wait(&board->barrier);
	}
}

static void print_board(const char *who, struct board *board, int fd, uint32_t ioas)
{
	/* An unmap that meets another one may say that it is busy. */
	printf("%s: won %u\n", who, atomic_load(&board->won));
	show("nothing is left", unmap_at(fd, ioas, MOCK_APERTURE_START, 0x10000000));
	printf("next id %u\n", new_ioas(fd));
}

static void processes(int fd, uint32_t ioas)
{
	struct board *board = new_board();
	char *memory = pages(1, MAP_SHARED);
	pid_t children[RACERS];

	for (int i = 0; i < RACERS; i++) {
		children[i] = fork();
		if (children[i] == 0) {
			one_racer(fd, ioas, board, memory, i == 0);
			_exit(0);
		}
	}
	for (int i = 0; i < RACERS; i++)
		join(children[i]);
	print_board("processes", board, fd, ioas);
	show("pins", check_refs(fd, memory, PAGE, 0));
}

struct racer {
	int fd;
	uint32_t ioas;
	struct board *board;
	char *memory;
	bool leader;
};

static void *race(void *argument)
{
	struct racer *racer = argument;

	one_racer(racer->fd, racer->ioas, racer->board, racer->memory, racer->leader);
	return NULL;
}

static void threads(int fd, uint32_t ioas)
{
	struct board *board = new_board();
	struct racer racers[RACERS];
	pthread_t running[RACERS];
	char *memory = pages(1, 0);

	for (int i = 0; i < RACERS; i++) {
		racers[i] = (struct racer){fd, ioas, board, memory, i == 0};
		pthread_create(&running[i], NULL, race, &racers[i]);
	}
	for (int i = 0; i < RACERS; i++)
		pthread_join(running[i], NULL);
	print_board("threads", board, fd, ioas);
	show("pins", check_refs(fd, memory, PAGE, 0));
}

/* Each process closes its own descriptor; the last one ends the context. */
static void last_one_out(void)
{
	char *memory = pages(4, MAP_SHARED);
	pid_t children[RACERS];
	unsigned bad = 0;

	for (int round = 0; round < 10; round++) {
		int fd = open_iommu();
		uint32_t ioas = new_ioas(fd);
		uint64_t iova = 0;

		new_mock(fd, ioas);
		bad += map_flags(fd, ioas, RW, memory, 4 * PAGE, &iova) != 0;
		for (int i = 0; i < RACERS; i++) {
			children[i] = fork();
			if (children[i] == 0) {
				usleep((useconds_t)(i * 300));
				bool pinned = check_refs(fd, memory, 4 * PAGE, 1) == 0;
				_exit(!pinned);
			}
		}
		close(fd);
		for (int i = 0; i < RACERS; i++)
			bad += join(children[i]) != 0;
		fd = open_iommu();
		bad += check_refs(fd, memory, 4 * PAGE, 0) != 0;
		close(fd);
	}
	printf("last one out: %u bad\n", bad);
}

int main(void)
{
	int fd = open_iommu();
	uint32_t ioas = new_ioas(fd);

	new_mock(fd, ioas);
	processes(fd, ioas);
	threads(fd, ioas);
	close(fd);
	last_one_out();
	return 0;
}
