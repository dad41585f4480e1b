/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/model/race.h"

#include <stdio.h>
#include <stdlib.h>

#include "impl/sim/fiber.h"

#define CHOICES_MAX  4096u
#define OUTCOMES_MAX 64u
#define RUNS_MAX     400000u
#define TEXT_SIZE    128

enum state { READY, WAITS, ENDED };

struct choice {
	uint8_t taken, count; /* of the threads that could go on */
};

/* One at a time: fibers have no argument to carry it by. */
static struct {
	const struct race *race;
	struct machine machine;
	struct fiber *main, *fibers[RACE_THREADS];
	enum state state[RACE_THREADS];
	bool running, stuck;
	unsigned current, threads;
	struct choice choices[CHOICES_MAX];
	unsigned length, at;
	char said[RACE_THREADS + 1][TEXT_SIZE]; /* the last is main's */
	char outcomes[OUTCOMES_MAX][(RACE_THREADS + 1) * TEXT_SIZE];
	unsigned outcome_count;
} run;

void race_say(int64_t result)
{
	static const struct {
		int number;
		const char *name;
	} names[] = {{ENOENT, "ENOENT"}, {EBUSY, "EBUSY"}, {EINVAL, "EINVAL"}, {EEXIST, "EEXIST"},
		{EBADF, "EBADF"}, {EFAULT, "EFAULT"}, {EADDRINUSE, "EADDRINUSE"},
		{EDEADLK, "EDEADLK"}, {ENOSPC, "ENOSPC"}, {EBADFD, "EBADFD"}, {EIO, "EIO"}};
	char *text = run.said[run.running ? run.current : RACE_THREADS];
	size_t used = strlen(text);

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (result != -names[i].number)
			continue;
		snprintf(text + used, TEXT_SIZE - used, "%s%s", used ? " " : "", names[i].name);
		return;
	}
	snprintf(text + used, TEXT_SIZE - used, "%s%lld", used ? " " : "", (long long)result);
}

/* Which of the threads that can go on runs next; run.threads if none can. */
static unsigned choose(void)
{
	unsigned ready[RACE_THREADS], count = 0;

	for (unsigned t = 0; t < run.threads; t++)
		if (run.state[t] == READY)
			ready[count++] = t;
	if (count < 2)
		return count ? ready[0] : run.threads;
	if (run.at == CHOICES_MAX)
		abort();
	if (run.at == run.length)
		run.choices[run.length++] = (struct choice){.count = (uint8_t)count};
	return ready[run.choices[run.at++].taken];
}

/* Whoever is chosen goes on; main, when nobody can. */
static void go_on(void)
{
	unsigned from = run.current, next = choose();

	if (next == from)
		return;
	run.stuck = next == run.threads && run.state[from] != ENDED;
	for (unsigned t = 0; next == run.threads && t < run.threads; t++)
		run.stuck = run.stuck || run.state[t] == WAITS;
	run.current = next;
	fiber_switch(run.fibers[from], next == run.threads ? run.main : run.fibers[next]);
}

/* The current thread has done a step: what others wait for may be there. */
static void wake_others(void)
{
	for (unsigned t = 0; t < run.threads; t++)
		if (t != run.current && run.state[t] == WAITS)
			run.state[t] = READY;
}

static void on_phase(struct machine *machine, const char *what, bool blocked)
{
	unsigned depth = machine->depth, thread = machine->thread;

	(void)what;
	if (!run.running) {
		if (blocked)
			abort();
		return;
	}
	run.state[run.current] = blocked ? WAITS : READY;
	if (!blocked)
		wake_others();
	go_on();
	machine->depth = depth;
	machine->thread = thread;
}

static struct fiber *run_thread(void *argument)
{
	unsigned thread = (unsigned)(uintptr_t)argument;

	run.machine.thread = thread + 1;
	run.machine.depth = 0;
	run.race->threads[thread](&run.machine);
	run.state[thread] = ENDED;
	wake_others();
	go_on();
	abort();
}

static void note_outcome(void)
{
	char text[sizeof(run.outcomes[0])] = "";
	size_t used = 0;

	for (unsigned t = 0; t <= RACE_THREADS; t++) {
		if (t >= run.threads && t < RACE_THREADS)
			continue;
		used += (size_t)snprintf(
			text + used, sizeof(text) - used, "%s%s", t ? " | " : "", run.said[t]);
	}
	for (unsigned i = 0; i < run.outcome_count; i++)
		if (!strcmp(run.outcomes[i], text))
			return;
	if (run.outcome_count < OUTCOMES_MAX)
		memcpy(run.outcomes[run.outcome_count++], text, sizeof(text));
}

static void run_once(void)
{
	machine_start_threads(&run.machine, on_phase);
	memset(run.said, 0, sizeof(run.said));
	run.at = 0;
	run.stuck = false;
	if (run.race->before)
		run.race->before(&run.machine);
	for (unsigned t = 0; t < run.threads; t++) {
		run.state[t] = READY;
		fiber_start(run.fibers[t], run_thread, (void *)(uintptr_t)t);
	}
	run.running = true;
	run.current = choose();
	fiber_switch(run.main, run.fibers[run.current]);
	run.running = false;
	run.machine.thread = run.machine.depth = 0;
	if (run.race->after && !run.stuck)
		run.race->after(&run.machine);
	note_outcome();
	machine_end(&run.machine);
}

/* The next sequence of choices, depth first. */
static bool next_run(void)
{
	while (run.length &&
		run.choices[run.length - 1].taken + 1 == run.choices[run.length - 1].count)
		run.length--;
	if (!run.length)
		return false;
	run.choices[run.length - 1].taken++;
	return true;
}

static bool is_expected(const char *outcome)
{
	for (const char *const *text = run.race->expected; *text; text++)
		if (!strcmp(*text, outcome))
			return true;
	return false;
}

static bool came(const char *expected)
{
	for (unsigned i = 0; i < run.outcome_count; i++)
		if (!strcmp(run.outcomes[i], expected))
			return true;
	return false;
}

static bool judge(unsigned runs, bool stuck)
{
	bool right = !stuck && runs < RUNS_MAX;

	for (unsigned i = 0; i < run.outcome_count; i++)
		right = right && is_expected(run.outcomes[i]);
	for (const char *const *text = run.race->expected; *text; text++)
		right = right && came(*text);
	if (right)
		return true;
	if (runs == RUNS_MAX)
		printf("# too many interleavings\n");
	if (stuck)
		printf("# threads wait for each other\n");
	for (unsigned i = 0; i < run.outcome_count; i++)
		printf("#   %s  %s\n", is_expected(run.outcomes[i]) ? "expected " : "FORBIDDEN",
			run.outcomes[i]);
	for (const char *const *text = run.race->expected; *text; text++)
		if (!came(*text))
			printf("#   missing    %s\n", *text);
	return false;
}

bool race_holds(const struct race *race, unsigned *runs)
{
	bool stuck = false, right;

	*runs = 0;
	memset(&run, 0, sizeof(run));
	run.race = race;
	run.main = fiber_adopt();
	while (run.threads < RACE_THREADS && race->threads[run.threads])
		run.fibers[run.threads++] = fiber_create();
	do {
		run_once();
		stuck = stuck || run.stuck;
		(*runs)++;
	} while (*runs < RUNS_MAX && next_run());
	right = judge(*runs, stuck);
	for (unsigned t = 0; t < run.threads; t++)
		fiber_free(run.fibers[t]);
	fiber_free(run.main);
	return right;
}
