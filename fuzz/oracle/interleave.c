/* SPDX-License-Identifier: Apache-2.0 */
#include "fuzz/oracle/interleave.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz/exec/names.h"
#include "fuzz/oracle/interleave_search.h"

#define KNOWN_MAX   4096u /* outcomes of a program that are known to be right; a power of two */
#define ANSWERS_MAX 8u

struct interleave {
	struct exec *model;
	struct scheduler *scheduler;
	struct search *search;
	uint64_t known[KNOWN_MAX]; /* digests, 0: free */
	uint32_t known_count;
	uint64_t undecided, runs;
	uint32_t limit; /* runs of one search */
	/* The search that runs. */
	const struct interleave_seen *seen;
	uint32_t *order[TRACE_THREADS]; /* entries of each thread in what was seen */
	uint32_t counts[TRACE_THREADS], room;
	uint32_t passed[TRACE_THREADS]; /* that the model has repeated */
	uint32_t checked;		/* entries of the model's trace */
	/* The farthest that a run came, and what the model gave there instead. */
	uint32_t farthest, farthest_entry, answer_count;
	int64_t answers[ANSWERS_MAX];
	bool other; /* there something else than the result differed */
};

struct interleave *interleave_open(struct exec *model)
{
	struct interleave *interleave = calloc(1, sizeof(*interleave));

	if (!interleave)
		return NULL;
	interleave->model = model;
	interleave->limit = INTERLEAVE_RUNS;
	interleave->scheduler = scheduler_open();
	interleave->search = search_open();
	if (!interleave->scheduler || !interleave->search) {
		interleave_close(interleave);
		return NULL;
	}
	exec_set_scheduler(model, interleave->scheduler);
	return interleave;
}

void interleave_close(struct interleave *interleave)
{
	if (!interleave)
		return;
	scheduler_close(interleave->scheduler);
	search_close(interleave->search);
	for (unsigned t = 0; t < TRACE_THREADS; t++)
		free(interleave->order[t]);
	free(interleave);
}

void interleave_set_limit(struct interleave *interleave, uint32_t runs)
{
	interleave->limit = runs;
}

uint64_t interleave_undecided(const struct interleave *interleave)
{
	return interleave->undecided;
}

uint64_t interleave_runs(const struct interleave *interleave)
{
	return interleave->runs;
}

/* -- outcomes that are known to be right -- */

void interleave_forget(struct interleave *interleave)
{
	if (interleave->known_count)
		memset(interleave->known, 0, sizeof(interleave->known));
	interleave->known_count = 0;
}

/* Where the digest is, or could be. */
static uint64_t *place_of(struct interleave *interleave, uint64_t digest)
{
	uint32_t at = (uint32_t)digest & (KNOWN_MAX - 1);

	while (interleave->known[at] && interleave->known[at] != digest)
		at = (at + 1) & (KNOWN_MAX - 1);
	return &interleave->known[at];
}

/* -- one run of the model -- */

static bool sort_seen(struct interleave *interleave, const struct trace *trace)
{
	if (trace->entry_count > interleave->room) {
		interleave->room = trace->entry_count * 2;
		for (unsigned t = 0; t < TRACE_THREADS; t++) {
			free(interleave->order[t]);
			interleave->order[t] = malloc(interleave->room * sizeof(uint32_t));
			if (!interleave->order[t]) {
				interleave->room = 0;
				return false;
			}
		}
	}
	memset(interleave->counts, 0, sizeof(interleave->counts));
	for (uint32_t e = 0; e < trace->entry_count; e++) {
		unsigned t = trace->entries[e].thread % TRACE_THREADS;

		interleave->order[t][interleave->counts[t]++] = e;
	}
	return true;
}

/* What the model says instead at the place that most runs come to. */
static void note_answer(
	struct interleave *interleave, uint32_t entry, const struct trace_entry *model, bool other)
{
	uint32_t passed = 0;

	for (unsigned t = 0; t < TRACE_THREADS; t++)
		passed += interleave->passed[t];
	if (passed < interleave->farthest ||
		(passed == interleave->farthest && interleave->answer_count &&
			interleave->farthest_entry != entry))
		return;
	if (passed > interleave->farthest || !interleave->answer_count) {
		interleave->farthest = passed;
		interleave->farthest_entry = entry;
		interleave->answer_count = 0;
		interleave->other = false;
	}
	interleave->other = interleave->other || other;
	for (uint32_t a = 0; a < interleave->answer_count; a++)
		if (interleave->answers[a] == model->result)
			return;
	if (interleave->answer_count < ANSWERS_MAX)
		interleave->answers[interleave->answer_count++] = model->result;
}

/* Entry e of the model against what its thread was seen to do next. */
static bool repeats_seen(struct interleave *interleave, uint32_t e)
{
	const struct trace *model = exec_trace(interleave->model), *seen = interleave->seen->trace;
	const struct trace_entry *entry = &model->entries[e];
	unsigned t = entry->thread % TRACE_THREADS;

	if (interleave->passed[t] == interleave->counts[t])
		return false;
	uint32_t next = interleave->order[t][interleave->passed[t]];
	bool equal = interleave->seen->scheduler || !entry->thread
			     ? trace_entries_equal(model, e, seen, next)
			     : trace_results_equal(model, e, seen, next);
	if (!equal) {
		note_answer(interleave, next, entry, seen->entries[next].result == entry->result);
		return false;
	}
	interleave->passed[t]++;
	return true;
}

/* All entries since the last time. */
static bool watch(void *context, uint32_t entry)
{
	struct interleave *interleave = context;

	while (interleave->checked <= entry)
		if (!repeats_seen(interleave, interleave->checked++))
			return false;
	return true;
}

static bool run_main_call(struct interleave *interleave, uint32_t i)
{
	const struct interleave_injected *injected = &interleave->seen->injected[i];
	struct exec *model = interleave->model;

	for (uint32_t times = exec_repeats(model, i); times; times--) {
		if (injected->injected) {
			exec_step_injected(
				model, i, injected->error, injected->point, injected->nth);
		} else {
			exec_step_plain(model, i);
		}
		const struct trace *trace = exec_trace(model);
		if (trace->entry_count && !watch(interleave, trace->entry_count - 1))
			return false;
	}
	return true;
}

static bool all_passed(const struct interleave *interleave)
{
	for (unsigned t = 0; t < TRACE_THREADS; t++)
		if (interleave->passed[t] != interleave->counts[t])
			return false;
	return true;
}

/* Whether this run of the model gives all that was seen. */
static bool run_model(struct interleave *interleave)
{
	const struct prog *prog = interleave->seen->prog;
	const char *reason;

	memset(interleave->passed, 0, sizeof(interleave->passed));
	interleave->checked = 0;
	if (!exec_begin(interleave->model, prog, &reason))
		return false;
	for (uint32_t i = 0; i < prog->call_count;) {
		uint32_t end = exec_section_end(prog, i);

		if (end == i) {
			if (!run_main_call(interleave, i++))
				return false;
			continue;
		}
		if (exec_run_section(interleave->model, i, end) != SCHEDULER_DONE)
			return false;
		i = end;
	}
	return all_passed(interleave);
}

/* -- the search -- */

static bool explain(struct interleave *interleave, struct finding *finding)
{
	const struct trace *seen = interleave->seen->trace;
	const struct trace_entry *entry = &seen->entries[interleave->farthest_entry];
	char text[300] = "", got[32];
	size_t used = 0;

	if (!interleave->answer_count || interleave->farthest_entry >= seen->entry_count)
		return finding_set(finding, ORACLE_MODEL, UINT32_MAX, "interleaving",
			"no order of the specification's steps comes to an end with these results");
	const char *name = prog_row(&interleave->seen->prog->calls[entry->call])->name;
	for (uint32_t a = 0; a < interleave->answer_count && used < sizeof(text); a++) {
		char result[32];

		used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%s", a ? " or " : "",
			result_text(result, sizeof(result), interleave->answers[a]));
	}
	result_text(got, sizeof(got), entry->result);
	return finding_set(finding, ORACLE_MODEL, entry->call, "interleaving",
		"thread %s call %u %s: %s: no order of the specification's steps gives these "
		"results; "
		"got %s, expected %s%s",
		entry->thread ? (const char[]){(char)('A' + entry->thread - 1), 0} : "main",
		entry->call + 1u, name, entry->kind == TRACE_CALLBACK ? "callback" : "result", got,
		text, interleave->other ? " with other outputs or callbacks" : "");
}

bool interleave_check(
	struct interleave *interleave, const struct interleave_seen *seen, struct finding *finding)
{
	uint64_t digest = trace_thread_digest(seen->trace) | 1;
	uint64_t *place = place_of(interleave, digest);
	struct strategy *strategy = search_strategy(interleave->search);
	uint32_t runs = 0;
	bool found = false;

	if (*place == digest)
		return true;
	interleave->seen = seen;
	interleave->farthest = interleave->answer_count = 0;
	if (!sort_seen(interleave, seen->trace))
		return true;
	if (seen->scheduler)
		search_begin(interleave->search, seen->scheduler);
	else
		search_begin_ends(interleave->search, seen->prog, seen->trace);
	exec_set_watch(interleave->model, watch, interleave);
	while (!found && runs < interleave->limit &&
		strategy->begin(strategy, interleave->scheduler)) {
		scheduler_begin(interleave->scheduler, strategy);
		found = run_model(interleave);
		runs++;
	}
	exec_set_watch(interleave->model, NULL, NULL);
	interleave->runs += runs;
	/* What could not be decided is not asked again for this program. */
	bool undecided = !found && runs == interleave->limit;
	if ((found || undecided) && interleave->known_count < KNOWN_MAX / 2) {
		*place = digest;
		interleave->known_count++;
	}
	if (found)
		return true;
	if (runs == interleave->limit) {
		interleave->undecided++;
		return true;
	}
	return explain(interleave, finding);
}
