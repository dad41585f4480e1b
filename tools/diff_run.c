/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pipeline of `iommuzz diff`: batches travel ahead of their answers, so that the machine works
 * while programs are made and run in-process here.
 */
#include <stdlib.h>
#include <string.h>

#include "fuzz/exec/trace_stream.h"
#include "fuzz/prog/binary.h"
#include "tools/diff.h"
#include "tools/tool.h"

#define IN_FLIGHT      3u
#define BATCH_PROGRAMS 1024u
#define BATCH_MIXED    256u /* of programs that take an emulated machine milliseconds each */
#define BATCH_BYTES    (128u << 10)

struct item {
	char *origin;
	uint64_t digest;
	uint32_t at, size; /* in the batch's bytes */
	bool ran;	   /* in-process */
	bool generated;
};

struct batch {
	uint32_t count, used;
	struct item items[BATCH_PROGRAMS];
	uint8_t *bytes; /* lengths and programs, as they travel */
	size_t room;
};

struct pipeline {
	struct diff *diff;
	struct batch batches[IN_FLIGHT];
	uint32_t first, flying; /* a ring */
	bool ended;
	struct prog prog;
	struct suspect {
		char *origin;
		uint8_t *bytes; /* the batch up to it */
		uint32_t before, at, size;
		struct diff_report *report; /* of the kernel, in its batch */
	} *suspects;
	size_t suspect_count;
	/* A report that no program of a batch brought again: the batch. */
	struct diff_report *report;
	uint8_t *reported;
	struct diff_sent *reported_list;
	uint32_t reported_count;
};

/* -- batches -- */

static void append(struct batch *batch, const struct prog *prog)
{
	struct item *item = &batch->items[batch->count++];
	size_t size = prog_encode(prog, NULL, 0);
	uint32_t length = (uint32_t)size;

	if (batch->used + sizeof(length) + size > batch->room) {
		batch->room = (batch->used + sizeof(length) + size) * 2;
		batch->bytes = tool_grow(batch->bytes, batch->room, 1);
	}
	memcpy(batch->bytes + batch->used, &length, sizeof(length));
	item->at = batch->used + (uint32_t)sizeof(length);
	item->size = length;
	prog_encode(prog, batch->bytes + item->at, size);
	batch->used += (uint32_t)(sizeof(length) + size);
}

static void clear_batch(struct batch *batch)
{
	for (uint32_t i = 0; i < batch->count; i++)
		free(batch->items[i].origin);
	batch->count = batch->used = 0;
}

static void fill(struct pipeline *pipeline, struct batch *batch)
{
	struct diff *diff = pipeline->diff;
	char origin[4200];
	bool generated;

	clear_batch(batch);
	while (batch->count < (diff->standard ? BATCH_PROGRAMS : BATCH_MIXED) &&
		batch->used < BATCH_BYTES) {
		if (!diff_next(diff, &pipeline->prog, origin, sizeof(origin), &generated)) {
			pipeline->ended = true;
			break;
		}
		batch->items[batch->count] =
			(struct item){.origin = tool_copy(origin), .generated = generated};
		append(batch, &pipeline->prog);
	}
}

/* Another one is generated in its place. */
static void not_run(struct pipeline *pipeline, const struct item *item, const char *reason)
{
	diff_tally_add(&pipeline->diff->not_run, reason, 1);
	if (item->generated) {
		diff_give_back(pipeline->diff);
		pipeline->ended = false;
	}
}

/* The implementation's side, while the machine runs the batch. */
static void run_here(struct pipeline *pipeline, struct batch *batch)
{
	struct diff *diff = pipeline->diff;
	const char *reason;

	for (uint32_t i = 0; i < batch->count; i++) {
		struct item *item = &batch->items[i];

		prog_decode(&pipeline->prog, batch->bytes + item->at, item->size);
		item->ran = exec_run(diff->exec, &pipeline->prog, &reason);
		if (!item->ran) {
			not_run(pipeline, item, reason);
			continue;
		}
		item->digest = trace_stream_digest(exec_trace(diff->exec));
		diff_errnos_count(&diff->errnos, &pipeline->prog, exec_trace(diff->exec), 1);
	}
}

static bool send_next(struct pipeline *pipeline)
{
	struct batch *batch = &pipeline->batches[(pipeline->first + pipeline->flying) % IN_FLIGHT];

	fill(pipeline, batch);
	if (!batch->count)
		return true;
	pipeline->flying++;
	bool sent = diff_send(pipeline->diff, AGENT_BATCH, batch->count, batch->bytes, batch->used);
	run_here(pipeline, batch);
	return sent;
}

/* -- answers -- */

/* Takes the batch along, with what the kernel said, until there is time to look for its cause. */
static void add_report(
	struct pipeline *pipeline, const struct batch *batch, const struct agent_traces *traces)
{
	if (pipeline->report)
		return;
	pipeline->report = tool_grow(NULL, 1, sizeof(*pipeline->report));
	memcpy(pipeline->report->title, traces->title, sizeof(traces->title));
	memcpy(pipeline->report->text, traces->text, sizeof(traces->text));
	pipeline->reported = tool_grow(NULL, batch->used, 1);
	memcpy(pipeline->reported, batch->bytes, batch->used);
	pipeline->reported_list = tool_grow(NULL, batch->count, sizeof(*pipeline->reported_list));
	for (uint32_t i = 0; i < batch->count; i++)
		pipeline->reported_list[i] =
			(struct diff_sent){.bytes = pipeline->reported + batch->items[i].at,
				.size = batch->items[i].size,
				.origin = tool_copy(batch->items[i].origin)};
	pipeline->reported_count = batch->count;
}

static void drop_report(struct pipeline *pipeline)
{
	for (uint32_t i = 0; i < pipeline->reported_count; i++)
		free((char *)pipeline->reported_list[i].origin);
	free(pipeline->reported_list);
	free(pipeline->reported);
	free(pipeline->report);
	pipeline->report = NULL;
	pipeline->reported = NULL;
	pipeline->reported_list = NULL;
	pipeline->reported_count = 0;
}

static void add_suspect(struct pipeline *pipeline, const struct batch *batch,
	const struct item *item, const char *title, const char *text)
{
	struct suspect *suspect;

	pipeline->suspects = tool_grow(
		pipeline->suspects, pipeline->suspect_count + 1, sizeof(*pipeline->suspects));
	suspect = &pipeline->suspects[pipeline->suspect_count++];
	suspect->origin = tool_copy(item->origin);
	suspect->bytes = tool_grow(NULL, item->at + item->size, 1);
	suspect->before = (uint32_t)(item - batch->items);
	suspect->at = item->at;
	suspect->size = item->size;
	suspect->report = title ? tool_grow(NULL, 1, sizeof(*suspect->report)) : NULL;
	if (title) {
		snprintf(suspect->report->title, sizeof(suspect->report->title), "%s", title);
		snprintf(suspect->report->text, sizeof(suspect->report->text), "%s", text);
	}
	memcpy(suspect->bytes, batch->bytes, item->at + item->size);
}

static void count_compared(struct diff *diff, const struct item *item)
{
	diff->compared++;
	diff->from_files += !item->generated;
	diff->barren = 0;
}

static void take_digest(struct pipeline *pipeline, const struct batch *batch,
	const struct item *item, const struct agent_digest *digest, const char *reason,
	const char *report)
{
	struct diff *diff = pipeline->diff;

	if (!item->ran)
		return;
	if (digest->outcome == AGENT_NOT_RUN) {
		char text[DIFF_REASON_SIZE + 16];

		snprintf(text, sizeof(text), "%s (machine)", reason);
		not_run(pipeline, item, text);
		return;
	}
	count_compared(diff, item);
	if (digest->outcome != AGENT_RAN || digest->digest != item->digest)
		add_suspect(pipeline, batch, item, digest->outcome == AGENT_REPORT ? reason : NULL,
			report);
}

static bool take_answer(struct pipeline *pipeline, const uint8_t *body, size_t size)
{
	struct batch *batch = &pipeline->batches[pipeline->first];
	struct agent_traces traces;
	struct agent_digest digest;
	const uint8_t *texts;

	if (size < sizeof(traces))
		return false;
	memcpy(&traces, body, sizeof(traces));
	traces.title[sizeof(traces.title) - 1] = traces.text[sizeof(traces.text) - 1] = '\0';
	texts = body + sizeof(traces) + traces.count * sizeof(digest);
	if (traces.count != batch->count ||
		size != (size_t)(texts - body) + traces.reasons * (size_t)DIFF_REASON_SIZE)
		return false;
	for (uint32_t i = 0; i < batch->count; i++) {
		char reason[DIFF_REASON_SIZE] = "no reason";

		memcpy(&digest, body + sizeof(traces) + i * sizeof(digest), sizeof(digest));
		if (digest.reason && digest.reason <= traces.reasons)
			snprintf(reason, sizeof(reason), "%s",
				(const char *)texts + (digest.reason - 1) * DIFF_REASON_SIZE);
		take_digest(pipeline, batch, &batch->items[i], &digest, reason, traces.text);
	}
	if (traces.title[0])
		add_report(pipeline, batch, &traces);
	pipeline->first = (pipeline->first + 1) % IN_FLIGHT;
	pipeline->flying--;
	return true;
}

static bool receive_next(struct pipeline *pipeline)
{
	size_t size;
	void *body = diff_receive(pipeline->diff, AGENT_TRACES, &size);
	bool taken = body && take_answer(pipeline, body, size);

	free(body);
	return taken;
}

/* -- when the machine dies -- */

/* One program of a lost batch, alone; true: the machine lived through it. */
static bool run_alone(struct pipeline *pipeline, struct batch *batch, struct item *item)
{
	struct diff *diff = pipeline->diff;
	uint8_t *message = tool_grow(NULL, item->size + 4u, 1);
	struct agent_digest digest = {0};
	size_t size = 0;
	uint8_t *body;

	memcpy(message, batch->bytes + item->at - 4, item->size + 4u);
	body = diff_send(diff, AGENT_BATCH, 1, message, item->size + 4u)
		       ? diff_receive(diff, AGENT_TRACES, &size)
		       : NULL;
	free(message);
	bool lived = body && size >= sizeof(struct agent_traces) + sizeof(digest);
	if (lived) {
		struct agent_traces traces;
		char reason[DIFF_REASON_SIZE] = "not run alone";

		memcpy(&traces, body, sizeof(traces));
		memcpy(&digest, body + sizeof(traces), sizeof(digest));
		if (traces.reasons && size >= sizeof(traces) + sizeof(digest) + sizeof(reason))
			snprintf(reason, sizeof(reason), "%s",
				(const char *)body + sizeof(traces) + sizeof(digest));
		traces.text[sizeof(traces.text) - 1] = '\0';
		take_digest(pipeline, batch, item, &digest, reason, traces.text);
	}
	free(body);
	return lived;
}

/* The programs of all batches on their way, from one of the first batch on; to be freed. */
static struct diff_sent *list_flying(
	const struct pipeline *pipeline, uint32_t from, uint32_t *count)
{
	struct diff_sent *list = NULL;

	*count = 0;
	for (uint32_t f = 0; f < pipeline->flying; f++) {
		const struct batch *batch = &pipeline->batches[(pipeline->first + f) % IN_FLIGHT];

		list = tool_grow(list, *count + batch->count, sizeof(*list));
		for (uint32_t i = f ? 0 : from; i < batch->count; i++)
			list[(*count)++] = (struct diff_sent){batch->bytes + batch->items[i].at,
				batch->items[i].size, batch->items[i].origin, false};
	}
	return list;
}

static void land(struct pipeline *pipeline)
{
	pipeline->first = (pipeline->first + pipeline->flying) % IN_FLIGHT;
	pipeline->flying = 0;
}

static const char *how_lost(const struct diff *diff, char *text, size_t size)
{
	snprintf(text, size, "%s",
		diff->machine.silent ? "the machine fell silent" : "the machine died");
	return text;
}

/* What is left has no machine, or no time. */
static void write_flying(struct pipeline *pipeline, uint32_t from, const char *why)
{
	uint32_t count;
	struct diff_sent *list = list_flying(pipeline, from, &count);

	diff_lost(pipeline->diff, list, count, why, false);
	free(list);
	land(pipeline);
}

/* Batches on their way, program by program; which kill the machine alone. False: no machine. */
static bool replay(struct pipeline *pipeline, const char *why, uint32_t *deaths)
{
	struct diff *diff = pipeline->diff;

	for (; pipeline->flying; pipeline->flying--) {
		struct batch *batch = &pipeline->batches[pipeline->first];

		for (uint32_t i = 0; i < batch->count; i++) {
			struct item *item = &batch->items[i];

			if (diff_time_up(diff)) {
				write_flying(pipeline, i, why);
				++*deaths;
				return true;
			}
			if (run_alone(pipeline, batch, item))
				continue;
			if (agent_interrupted())
				return false;
			++*deaths;
			diff->machine_deaths++;
			prog_decode(&pipeline->prog, batch->bytes + item->at, item->size);
			count_compared(diff, item);
			diff_machine_died(diff, &pipeline->prog, item->origin);
			if (!diff_restart(diff)) {
				write_flying(pipeline, i + 1, why);
				return false;
			}
		}
		pipeline->first = (pipeline->first + 1) % IN_FLIGHT;
	}
	return true;
}

/* After a death: a new machine, and whatever was on its way is compared or written. */
static bool recover(struct pipeline *pipeline)
{
	struct diff *diff = pipeline->diff;
	uint32_t deaths = 0, count;
	char why[80];

	if (agent_interrupted())
		return false;
	diff->machine_deaths++;
	how_lost(diff, why, sizeof(why));
	if (!diff_restart(diff)) {
		write_flying(pipeline, 0, why);
		return false;
	}
	struct diff_sent *list = list_flying(pipeline, 0, &count);
	diff->recovering = true;
	bool alive = replay(pipeline, why, &deaths);
	if (alive && !deaths)
		diff_lost(diff, list, count, why, true);
	diff->recovering = false;
	free(list);
	return alive && diff->machine.channel >= 0;
}

/* The time is over and the machine owes answers. What it has shown to differ is still judged. */
static bool give_up(struct pipeline *pipeline)
{
	struct diff *diff = pipeline->diff;
	uint32_t count;

	free(list_flying(pipeline, 0, &count));
	diff->unanswered += count;
	if (diff->machine.silent)
		write_flying(pipeline, 0, "the machine was silent when the time was over");
	land(pipeline);
	pipeline->ended = true;
	return !pipeline->suspect_count || diff_restart(diff);
}

/* -- the run -- */

/* Suspects that no machine is left for. */
static void write_suspects(struct pipeline *pipeline, size_t from)
{
	size_t count = pipeline->suspect_count - from;
	struct diff_sent *list = tool_grow(NULL, count, sizeof(*list));

	for (size_t i = 0; i < count; i++) {
		const struct suspect *suspect = &pipeline->suspects[from + i];

		list[i] = (struct diff_sent){
			suspect->bytes + suspect->at, suspect->size, suspect->origin, false};
	}
	diff_lost(pipeline->diff, list, (uint32_t)count, "no machine to judge what differs", false);
	free(list);
}

static bool judge(struct pipeline *pipeline, const struct suspect *suspect)
{
	const struct diff_encoded before = {
		suspect->bytes, suspect->at - sizeof(uint32_t), suspect->before};

	prog_decode(&pipeline->prog, suspect->bytes + suspect->at, suspect->size);
	if (diff_judge(pipeline->diff, &pipeline->prog, suspect->origin, &before, suspect->report))
		return true;
	if (agent_interrupted())
		return false;
	/* What killed the machine is no suspect any more. */
	diff_machine_died(pipeline->diff, &pipeline->prog, suspect->origin);
	return recover(pipeline);
}

static bool judge_suspects(struct pipeline *pipeline)
{
	bool alive = true;

	for (size_t i = 0; alive && i < pipeline->suspect_count; i++) {
		alive = judge(pipeline, &pipeline->suspects[i]);
		if (!alive && !agent_interrupted())
			write_suspects(pipeline, i + 1);
	}
	for (size_t i = 0; i < pipeline->suspect_count; i++) {
		free(pipeline->suspects[i].origin);
		free(pipeline->suspects[i].bytes);
		free(pipeline->suspects[i].report);
	}
	pipeline->suspect_count = 0;
	return alive;
}

static bool judge_report(struct pipeline *pipeline)
{
	bool alive = diff_reported(pipeline->diff, pipeline->report, pipeline->reported_list,
		pipeline->reported_count);

	drop_report(pipeline);
	return alive || (!agent_interrupted() && recover(pipeline));
}

static bool turn(struct pipeline *pipeline)
{
	uint64_t begin = tool_clock();
	bool alive = true;

	while (alive && pipeline->flying < IN_FLIGHT && !pipeline->ended &&
		!pipeline->suspect_count && !pipeline->report)
		alive = send_next(pipeline);
	if (alive && pipeline->flying)
		alive = receive_next(pipeline);
	pipeline->diff->busy += tool_clock() - begin;
	if (!alive && pipeline->diff->late)
		alive = give_up(pipeline);
	else if (!alive)
		alive = recover(pipeline);
	if (alive && !pipeline->flying && pipeline->suspect_count)
		alive = judge_suspects(pipeline);
	if (alive && !pipeline->flying && pipeline->report)
		alive = judge_report(pipeline);
	return alive;
}

bool diff_run(struct diff *diff)
{
	struct pipeline *pipeline = tool_grow(NULL, 1, sizeof(*pipeline));
	bool alive = true;

	memset(pipeline, 0, sizeof(*pipeline));
	pipeline->diff = diff;
	prog_init(&pipeline->prog);
	diff->started = tool_clock();
	diff->next_number = diff->gen.first;
	while (alive && !agent_interrupted() &&
		(!pipeline->ended || pipeline->flying || pipeline->suspect_count ||
			pipeline->report)) {
		alive = turn(pipeline);
		diff_progress(diff, false);
	}
	for (uint32_t i = 0; i < IN_FLIGHT; i++) {
		clear_batch(&pipeline->batches[i]);
		free(pipeline->batches[i].bytes);
	}
	free(pipeline->suspects);
	drop_report(pipeline);
	prog_free(&pipeline->prog);
	free(pipeline);
	return alive && !agent_interrupted();
}

void diff_free(struct diff *diff)
{
	for (size_t i = 0; i < diff->found_count; i++) {
		free(diff->found[i].origin);
		free(diff->found[i].path);
	}
	free(diff->found);
	diff_tally_free(&diff->skipped);
	diff_tally_free(&diff->not_run);
	diff_tally_free(&diff->explanations);
	rules_free(&diff->differences);
	rules_free(&diff->hazards);
	diff_errnos_free(&diff->errnos);
	files_free(&diff->files);
}
