/* SPDX-License-Identifier: Apache-2.0 */
/* From a process that dies to one that draws: written with nothing but write(). */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fuzz/schedule/timeline.h"
#include "tools/crash.h"

#define SIGNAL_STACK 65536

__attribute__((weak)) void __sanitizer_set_death_callback(void (*callback)(void));

struct head {
	uint8_t finished, active, thread;
	uint32_t step_count, hold_count, entry_count;
};

/* Of the process that runs. -1: nothing is to be written. */
static int record_fd = -1;
static struct oracle_run *record_run;

static void put(const void *bytes, size_t size)
{
	for (const char *at = bytes; size;) {
		ssize_t count = write(record_fd, at, size);

		if (count <= 0)
			return;
		at += count;
		size -= (size_t)count;
	}
}

static void write_record(void)
{
	struct scheduler *scheduler = record_fd >= 0 ? oracle_scheduler(record_run) : NULL;
	const struct trace *trace = scheduler ? oracle_trace(record_run) : NULL;
	struct head head = {0};

	if (!trace)
		return;
	const struct scheduler_step *steps = scheduler_steps(scheduler, &head.step_count);
	const struct scheduler_hold *holds = scheduler_holds(scheduler, &head.hold_count);
	head.entry_count = trace->entry_count;
	head.active = scheduler_active(scheduler);
	head.thread = (uint8_t)scheduler_current(scheduler);
	put(&head, sizeof(head));
	put(steps, head.step_count * sizeof(*steps));
	put(holds, head.hold_count * sizeof(*holds));
	put(trace->entries, head.entry_count * sizeof(*trace->entries));
	record_fd = -1;
}

/* The signal comes again, with what it does to a process by itself. */
static void on_signal(int number)
{
	write_record();
	raise(number);
}

void crash_record_arm(FILE *to, struct oracle_run *run)
{
	static const int signals[] = {SIGABRT, SIGALRM, SIGSEGV, SIGBUS, SIGILL, SIGFPE};
	static char stack[SIGNAL_STACK];
	const stack_t own = {.ss_sp = stack, .ss_size = sizeof(stack)};
	struct sigaction action = {
		.sa_handler = on_signal, .sa_flags = (int)(SA_ONSTACK | SA_RESETHAND)};
	/* Faults are the sanitizer's, which then asks its callback. */
	size_t count = __sanitizer_set_death_callback ? 2 : sizeof(signals) / sizeof(signals[0]);

	record_fd = fileno(to);
	record_run = run;
	if (__sanitizer_set_death_callback)
		__sanitizer_set_death_callback(write_record);
	else
		sigaltstack(&own, NULL);
	for (size_t s = 0; s < count; s++)
		sigaction(signals[s], &action, NULL);
}

void crash_record_done(void)
{
	const struct head head = {.finished = 1};

	put(&head, sizeof(head));
	record_fd = -1;
}

/* -- the one that reads -- */

static void *get(FILE *from, size_t count, size_t size, size_t more, bool *good)
{
	char *items = *good ? calloc(count + more + 1, size) : NULL;

	*good = items && fread(items, size, count, from) == count;
	return items;
}

/* Nobody was asked where it crashed; behind the last step, in the thread that ran. */
static void add_crash_step(struct crash_record *record)
{
	struct scheduler_step *steps = record->steps, *crash = &steps[record->step_count];
	uint32_t last = record->step_count;

	if (!record->active || !last)
		return;
	*crash = (struct scheduler_step){.thread = record->thread,
		.point = TIMELINE_CRASH,
		.next = record->thread,
		.ready = steps[last - 1].ready};
	while (last && steps[last - 1].thread != record->thread)
		last--;
	if (last)
		crash->call = steps[last - 1].call;
	record->step_count++;
}

bool crash_record_read(FILE *from, struct crash_record *record)
{
	struct head head;
	struct stat status;

	memset(record, 0, sizeof(*record));
	rewind(from);
	if (fstat(fileno(from), &status) != 0 || fread(&head, sizeof(head), 1, from) != 1)
		return false;
	*record = (struct crash_record){.finished = head.finished,
		.active = head.active,
		.thread = head.thread,
		.step_count = head.step_count,
		.hold_count = head.hold_count,
		.entry_count = head.entry_count};
	bool good = head.step_count <= (size_t)status.st_size &&
		    head.hold_count <= (size_t)status.st_size &&
		    head.entry_count <= (size_t)status.st_size;
	record->steps = get(from, head.step_count, sizeof(*record->steps), 1, &good);
	record->holds = get(from, head.hold_count, sizeof(*record->holds), 0, &good);
	record->entries = get(from, head.entry_count, sizeof(*record->entries), 0, &good);
	if (good)
		add_crash_step(record);
	else
		crash_record_free(record);
	return good;
}

void crash_record_free(struct crash_record *record)
{
	free(record->steps);
	free(record->holds);
	free(record->entries);
	memset(record, 0, sizeof(*record));
}
