/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sections whose threads run at once, one OS thread each. What overlaps is chance; delays between
 * calls and at the scheduling points of the target make chance vary, as a seed says.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "fuzz/exec/exec_private.h"
#include "fuzz/prog/random.h"

#define SECONDS_DEFAULT 20
#define SPIN_MASK	1023u /* turns of an empty loop at most */
#define SLEEP_MASK	63u   /* microseconds at most */
#define START_SPINS	1000u /* turns before a thread that waits for others yields */

struct runner {
	struct exec *exec;
	unsigned number;
	pthread_t thread;
};

void exec_set_parallel(struct exec *exec, const struct exec_parallel *parallel)
{
	exec->parallel = parallel != NULL;
	exec->parallel_options = parallel ? *parallel : (struct exec_parallel){0};
	if (exec->target && exec->class->schedule)
		exec->class->schedule(exec->target, parallel ? NULL : exec->scheduler);
}

/* -- delays -- */

static void spin(uint64_t turns)
{
	for (uint64_t i = 0; i < turns; i++)
		__asm__ volatile("" ::: "memory");
}

/* One time in `rarity`, a power of two; 0: never. */
static void delay(struct exec_thread *thread, uint32_t rarity)
{
	uint64_t random = random_mix(&thread->random);
	struct timespec pause = {.tv_nsec = (long)(random >> 32 & SLEEP_MASK) * 1000};

	if (!rarity || (random >> 8 & (rarity - 1)))
		return;
	switch (random & 7) {
	case 0: nanosleep(&pause, NULL); break;
	case 1:
	case 2: sched_yield(); break;
	default: spin(random >> 32 & SPIN_MASK); break;
	}
}

void exec_delay(struct exec_thread *thread)
{
	delay(thread, thread->rarity ? 2 : 0);
}

void exec_point_event(void *context, unsigned number)
{
	struct exec *exec = context;

	/* Kernel threads have no number of their own, and run in whatever thread is there. */
	if (exec->parallel && number && exec->threads[number].in_section)
		delay(&exec->threads[number], exec->threads[number].rarity);
}

/* A part of all runs has no delays at all, others few or many, and threads differ. */
static void seed_delays(struct exec *exec)
{
	static const uint16_t rarities[] = {0, 2, 8, 32, 128};
	uint64_t state = exec->parallel_options.seed ^ (uint64_t)exec->section_from << 48;
	bool none = random_mix(&state) % 4 == 0;

	for (unsigned t = 1; t < EXEC_THREADS; t++) {
		uint64_t random = random_mix(&state);

		exec->threads[t].random = random;
		exec->threads[t].rarity =
			none ? 0 : rarities[random % (sizeof(rarities) / sizeof(rarities[0]))];
	}
}

/* -- a section -- */

/* All of them begin at one moment, as far as there are processors. */
static void await_start(struct exec *exec)
{
	__atomic_fetch_sub(&exec->starting, 1, __ATOMIC_ACQ_REL);
	for (unsigned turn = 0; __atomic_load_n(&exec->starting, __ATOMIC_ACQUIRE); turn++)
		if (turn >= START_SPINS)
			sched_yield();
}

static void *run_thread(void *argument)
{
	struct runner *runner = argument;

	await_start(runner->exec);
	exec_run_thread(runner->exec, runner->number);
	return NULL;
}

/* What does not end cannot be left behind in this process: it says where it hangs and ends it. */
static _Noreturn void give_up(const struct exec *exec)
{
	fprintf(stderr, "iommuzz: threads do not end within %u s:", exec->parallel_options.seconds);
	for (unsigned t = 1; t < EXEC_THREADS; t++) {
		const struct exec_thread *thread = &exec->threads[t];
		uint32_t at = __atomic_load_n(&thread->at, __ATOMIC_RELAXED);

		if (thread->in_section && !thread->ended && at < exec->prog->call_count)
			fprintf(stderr, " %c in call %u %s;", 'A' + (char)t - 1, at + 1,
				prog_row(&exec->prog->calls[at])->name);
	}
	fprintf(stderr, " the process ends (seed %llu)\n",
		(unsigned long long)exec->parallel_options.seed);
	fflush(NULL);
	_exit(1);
}

static bool all_ended(const struct exec *exec)
{
	for (unsigned t = 1; t < EXEC_THREADS; t++)
		if (exec->threads[t].in_section && !exec->threads[t].ended)
			return false;
	return true;
}

static void await_end(struct exec *exec)
{
	struct timespec deadline;
	int error = 0;

	clock_gettime(CLOCK_REALTIME, &deadline);
	deadline.tv_sec += exec->parallel_options.seconds;
	exec_enter(exec);
	while (!all_ended(exec) && error != ETIMEDOUT)
		error = pthread_cond_timedwait(&exec->told, &exec->lock, &deadline);
	if (!all_ended(exec))
		give_up(exec);
	exec_leave(exec);
}

enum scheduler_end exec_run_at_once(struct exec *exec, uint32_t from, uint32_t to)
{
	uint32_t threads = exec_prepare_section(exec, from, to);
	struct runner runners[EXEC_THREADS];
	uint32_t missing = threads;

	if (!exec->parallel_options.seconds)
		exec->parallel_options.seconds = SECONDS_DEFAULT;
	seed_delays(exec);
	exec->starting = (uint32_t)__builtin_popcount(threads);
	for (unsigned t = 1; t < EXEC_THREADS; t++) {
		runners[t] = (struct runner){.exec = exec, .number = t};
		if (threads >> t & 1 && missing == (threads & ~((UINT32_C(1) << t) - 1)) &&
			pthread_create(&runners[t].thread, NULL, run_thread, &runners[t]) == 0)
			missing &= ~(UINT32_C(1) << t);
	}
	/* Without all of them nobody begins. */
	if (missing) {
		exec->cut_short = true;
		__atomic_fetch_sub(
			&exec->starting, (uint32_t)__builtin_popcount(missing), __ATOMIC_ACQ_REL);
	} else {
		await_end(exec);
	}
	for (unsigned t = 1; t < EXEC_THREADS; t++)
		if ((threads & ~missing) >> t & 1)
			pthread_join(runners[t].thread, NULL);
	for (unsigned t = 1; t < EXEC_THREADS; t++)
		exec->threads[t].in_section = false;
	exec->has_resolved = false;
	return missing ? SCHEDULER_STOPPED : SCHEDULER_DONE;
}
