/* SPDX-License-Identifier: Apache-2.0 */
/* One program that seems to differ: what differs, whether that is explained, and its shortest form.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "fuzz/exec/trace_stream.h"
#include "fuzz/prog/binary.h"
#include "fuzz/prog/minimise.h"
#include "tools/diff.h"
#include "tools/tool.h"

#define MINIMISE_SECONDS 30
#define STEADY_RUNS	 3 /* a difference that does not come again in so many runs is unsteady */

struct shortening {
	struct diff *diff;
	const char *key;
	uint64_t end;
	bool lost;
};

/* -- both sides -- */

bool diff_ask(struct diff *diff, const struct prog *prog, const struct diff_encoded *before,
	struct diff_answer *answer)
{
	size_t first = before ? before->size : 0, size = prog_encode(prog, NULL, 0), length = 0;
	uint8_t *message = tool_grow(NULL, first + size + 4, 1), *body;
	uint32_t number = (uint32_t)size;

	if (first)
		memcpy(message, before->bytes, first);
	memcpy(message + first, &number, sizeof(number));
	prog_encode(prog, message + first + sizeof(number), size);
	body = diff_send(diff, AGENT_PROGRAM, 1 + (before ? before->count : 0), message,
		       first + size + sizeof(number))
		       ? diff_receive(diff, AGENT_TRACE, &length)
		       : NULL;
	free(message);
	trace_free(&answer->trace);
	bool answered = body && length >= sizeof(answer->head);
	if (answered) {
		memcpy(&answer->head, body, sizeof(answer->head));
		answer->head.reason[sizeof(answer->head.reason) - 1] = '\0';
		answer->head.text[sizeof(answer->head.text) - 1] = '\0';
		if (answer->head.outcome == AGENT_RAN || answer->head.outcome == AGENT_REPORT)
			answered = trace_stream_read(&answer->trace, body + sizeof(answer->head),
				length - sizeof(answer->head));
		trace_stream_common(&answer->trace);
	}
	free(body);
	return answered;
}

bool diff_run_here(struct diff *diff, const struct prog *prog, struct trace *here)
{
	const char *reason;
	size_t size;
	void *bytes;
	bool copied;

	trace_init(here);
	if (!exec_run(diff->exec, prog, &reason))
		return false;
	size = trace_stream_size(exec_trace(diff->exec));
	bytes = tool_grow(NULL, size, 1);
	trace_stream_write(exec_trace(diff->exec), bytes);
	copied = trace_stream_read(here, bytes, size);
	free(bytes);
	trace_stream_common(here);
	return copied;
}

/* -- shortening -- */

static bool same_difference(void *context, const struct prog *candidate)
{
	struct shortening *shortening = context;
	struct diff_answer there = {0};
	struct difference difference;
	struct trace here;
	bool same = false;

	if (shortening->lost || agent_interrupted() || tool_clock() > shortening->end)
		return false;
	if (diff_run_here(shortening->diff, candidate, &here)) {
		shortening->lost = !diff_ask(shortening->diff, candidate, NULL, &there);
		same = !shortening->lost &&
		       diff_compare(
			       candidate, &here, &there, shortening->diff->kernel, &difference) &&
		       strcmp(difference.key, shortening->key) == 0;
	}
	trace_free(&here);
	trace_free(&there.trace);
	return same;
}

/* -- recording -- */

static struct diff_found *find(struct diff *diff, const char *key)
{
	for (size_t i = 0; i < diff->found_count; i++)
		if (strcmp(diff->found[i].key, key) == 0)
			return &diff->found[i];
	return NULL;
}

static struct diff_found *add(struct diff *diff, const char *key, const char *origin)
{
	struct diff_found *found;

	diff->found = tool_grow(diff->found, diff->found_count + 1, sizeof(*diff->found));
	found = &diff->found[diff->found_count++];
	*found = (struct diff_found){.origin = tool_copy(origin)};
	snprintf(found->key, sizeof(found->key), "%s", key);
	return found;
}

bool diff_record(struct diff *diff, const char *key, const char *origin, struct diff_found **found)
{
	bool first = false;

	*found = find(diff, key);
	if (!*found) {
		*found = add(diff, key, origin);
		first = true;
	}
	(*found)->count++;
	return first;
}

/* Keys are names of programs too: letters, digits, '-', '.' and '_'. */
void diff_write(struct diff *diff, struct diff_found *found, const char *suffix, const char *text)
{
	size_t room;
	char *path;

	if (!diff->folder || !text)
		return;
	if (mkdir(diff->folder, 0777) != 0 && errno != EEXIST) {
		tool_error("%s: %s", diff->folder, strerror(errno));
		return;
	}
	room = strlen(diff->folder) + strlen(found->key) + strlen(suffix) + 8;
	path = tool_grow(NULL, room, 1);
	snprintf(path, room, "%s/%s%s.prog", diff->folder, found->key, suffix);
	if (files_write(path, text, strlen(text)) && !*suffix) {
		free(found->path);
		found->path = path;
		return;
	}
	free(path);
}

static void write_program(struct diff *diff, struct diff_found *found, const struct prog *prog)
{
	struct diff_answer there = {0};
	struct difference difference = {.entry = -1};
	struct trace here;
	char *text = NULL;

	if (diff_run_here(diff, prog, &here) && diff_ask(diff, prog, NULL, &there)) {
		diff_compare(prog, &here, &there, diff->kernel, &difference);
		snprintf(difference.key, sizeof(difference.key), "%s", found->key);
		text = diff_print(prog, &here, &there, &difference, found->key, found->origin);
	}
	diff_write(diff, found, "", text);
	found->calls = prog->call_count;
	free(text);
	trace_free(&here);
	trace_free(&there.trace);
}

/* False when the machine was lost on the way. */
static bool record(struct diff *diff, const struct prog *prog, const char *key, const char *origin)
{
	struct diff_found *found;
	struct shortening shortening = {.diff = diff,
		.key = key,
		.end = tool_clock() + MINIMISE_SECONDS * UINT64_C(1000000)};
	struct prog shorter;

	if (!diff_record(diff, key, origin, &found))
		return true;
	prog_init(&shorter);
	if (prog_copy(&shorter, prog)) {
		if (diff->minimise)
			prog_minimise(&shorter, same_difference, &shortening, NULL, NULL);
		if (!shortening.lost)
			write_program(diff, found, &shorter);
	}
	prog_free(&shorter);
	return !shortening.lost;
}

bool diff_explained(struct diff *diff, const struct prog *prog, const struct trace *here,
	const struct difference *difference)
{
	struct rule_subject subject = {
		.prog = prog,
		.here = here,
		.kernel = diff->kernel,
		.call = difference->call,
		.what = difference->what,
		.field = difference->field,
		.result_here = difference->here,
		.result_there = difference->there,
		.key = difference->key,
	};
	struct rule *rule = rules_explain(&diff->differences, &subject);

	if (rule) {
		rule->seen++;
		diff->explained++;
		diff_tally_add(&diff->explanations, rule->name, 1);
	}
	return rule != NULL;
}

/* As a list of one. */
static bool report_alone(struct diff *diff, const struct prog *prog, const char *origin,
	const struct diff_report *report)
{
	size_t size = prog_encode(prog, NULL, 0);
	uint8_t *bytes = tool_grow(NULL, size + 1, 1);
	struct diff_sent sent = {.bytes = bytes, .size = (uint32_t)size, .origin = origin};

	prog_encode(prog, bytes, size);
	bool alive = diff_reported(diff, report, &sent, 1);
	free(bytes);
	return alive;
}

bool diff_judge(struct diff *diff, const struct prog *prog, const char *origin,
	const struct diff_encoded *before, const struct diff_report *report)
{
	struct diff_answer there = {0};
	struct difference difference;
	struct trace here;
	bool differs = false, by_rule = false, alive = diff_run_here(diff, prog, &here);

	for (int run = 0; alive && !differs && run < STEADY_RUNS; run++) {
		alive = diff_ask(diff, prog, NULL, &there);
		differs = alive && diff_compare(prog, &here, &there, diff->kernel, &difference);
		by_rule = alive && !differs && trace_compare(&here, &there.trace, 0) >= 0;
		if (by_rule)
			break;
	}
	if (alive && !by_rule)
		diff_errnos_count(&diff->errnos, prog, &here, -1);
	if (alive && differs) {
		if (!diff_explained(diff, prog, &here, &difference))
			alive = record(diff, prog, difference.key, origin);
	} else if (alive && report) {
		alive = report_alone(diff, prog, origin, report);
	} else if (alive && !by_rule && !diff_got_dirty(prog, &here)) {
		alive = diff_unsteady(diff, prog, origin, before);
	}
	trace_free(&here);
	trace_free(&there.trace);
	return alive;
}

void diff_machine_died(struct diff *diff, const struct prog *prog, const char *origin)
{
	char key[80];
	struct diff_found *found;

	snprintf(key, sizeof(key), "program.machine-died.%u.%u", diff->kernel >> 8,
		diff->kernel & 255);
	diff_record(diff, key, origin, &found);
	if (!found->path && prog) {
		struct diff_answer there = {.head = {.outcome = AGENT_DIED}};
		struct difference difference = {.entry = -1, .what = DIFF_MACHINE};
		struct trace here;
		char *text;

		snprintf(there.head.reason, sizeof(there.head.reason), "the whole machine");
		snprintf(difference.key, sizeof(difference.key), "%s", key);
		if (diff_run_here(diff, prog, &here)) {
			text = diff_print(prog, &here, &there, &difference, key, origin);
			diff_write(diff, found, "", text);
			found->calls = prog->call_count;
			free(text);
		}
		trace_free(&here);
	}
}
