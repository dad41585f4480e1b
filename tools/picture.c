/* SPDX-License-Identifier: Apache-2.0 */
/* From a program, its trace and its scheduler, or what a crash left of them, to a picture. */
#include "tools/picture.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "fuzz/exec/names.h"
#include "fuzz/schedule/timeline.h"
#include "tools/tool.h"

/* -- the calls -- */

/* What is expected of a call is not what it did. */
static void cut_expectation(char *line)
{
	char *cut = NULL;

	if (strncmp(line, "on ", 3) == 0)
		return;
	for (char *at = line; (at = strstr(at, " -> ")); at++)
		cut = at;
	/* Not within a string. */
	if (cut && !strchr(cut, '"'))
		*cut = 0;
}

/* The call on one line, without the thread that its lane names. NULL when memory is short. */
static char *call_line(const struct prog_text *text, uint32_t call)
{
	char *line = NULL, *start;
	size_t size;
	FILE *out = open_memstream(&line, &size);

	if (!out)
		return NULL;
	prog_print_call(text, call, out);
	if (fclose(out)) {
		free(line);
		return NULL;
	}
	for (char *at = line; *at; at++)
		if (*at == '\n' || *at == '\t')
			*at = ' ';
	start = strstr(line, ": ");
	if (strncmp(line, "thread ", 7) == 0 && start)
		memmove(line, start + 2, strlen(start + 2) + 1);
	cut_expectation(line);
	return line;
}

/* What the call returned (the last time), or NULL. */
static char *call_result(const struct trace *trace, uint32_t call)
{
	char buffer[40];

	for (uint32_t e = trace->entry_count; e--;) {
		const struct trace_entry *entry = &trace->entries[e];

		if (entry->kind == TRACE_CALL && entry->call == call && !entry->depth)
			return tool_copy(result_text(buffer, sizeof(buffer), entry->result));
	}
	return NULL;
}

/* Whether the call, or the one that it is in the body of, is a thread's. */
static bool in_section(const struct prog *prog, uint32_t i)
{
	const struct call *call = &prog->calls[i];

	return call->thread || (call->body && prog->calls[call->body - 1].thread);
}

/* Calls at top level, as scheduler_step counts them. dead: one of main that did not return. */
static bool gather_calls(struct timeline *timeline, struct timeline_call *calls,
	const struct prog_text *text, const struct trace *trace, uint32_t dead)
{
	const struct prog *prog = &text->prog;
	uint16_t counts[SCHEDULER_THREADS] = {0}, sections = 0;
	bool within = false;

	timeline->calls = calls;
	for (uint32_t i = 0; i < prog->call_count; i++) {
		const struct call *call = &prog->calls[i];
		unsigned thread = call->thread;
		struct timeline_call *made = &calls[timeline->call_count];

		if (in_section(prog, i) && !within)
			sections++;
		within = in_section(prog, i);
		if (call->body)
			continue;
		*made = (struct timeline_call){.thread = (uint8_t)thread,
			.call = counts[thread]++,
			.section = (uint16_t)(thread ? sections - 1 : sections)};
		if (call->row == CALL_ID_join)
			continue;
		made->result = call_result(trace, i);
		/* The main thread did not come to it. */
		if (!thread && !made->result && i != dead)
			continue;
		timeline->call_count++;
		made->text = call_line(text, i);
		if (!made->text)
			return false;
	}
	return true;
}

static void free_calls(struct timeline_call *calls, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		free((char *)(uintptr_t)calls[i].text);
		free((char *)(uintptr_t)calls[i].result);
	}
	free(calls);
}

/* -- the finding -- */

/* The last step of a call of a thread. */
static uint32_t last_step(const struct timeline *timeline, const struct prog *prog, uint32_t wanted)
{
	unsigned thread = prog->calls[wanted].thread;
	uint32_t nth = prog_calls_before(prog, thread, wanted);

	for (uint32_t s = timeline->step_count; thread && s--;)
		if (timeline->steps[s].thread == thread && timeline->steps[s].call == nth)
			return s;
	return SCHEDULER_NONE;
}

static void add_finding(struct timeline *timeline, const struct prog *prog,
	struct scheduler *scheduler, const struct finding *finding, struct scheduler_report *report,
	char *rule, size_t size)
{
	timeline->failed_step = SCHEDULER_NONE;
	if (!finding->oracle)
		return;
	snprintf(rule, size, "%s: %s", oracle_name(finding->oracle), finding->rule);
	timeline->rule = rule;
	timeline->message = finding->message;
	if (finding->oracle == ORACLE_SCHEDULER && scheduler_report(scheduler, report) &&
		strcmp(report->rule, finding->rule) == 0) {
		timeline->message = report->message;
		timeline->failed_step = report->step;
	} else if (finding->call < prog->call_count) {
		timeline->failed_step = last_step(timeline, prog, finding->call);
	}
}

/* -- the terminal -- */

static unsigned terminal_width(void)
{
	const char *columns = getenv("COLUMNS");
	struct winsize size;
	unsigned long width = columns ? strtoul(columns, NULL, 10) : 0;

	if (width >= 40)
		return width < 400 ? (unsigned)width : 400;
	if (!ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) && size.ws_col >= 40)
		return size.ws_col;
	return 80;
}

/* A locale that was chosen and is not of UTF-8; none chosen: UTF-8. */
static bool only_ascii(void)
{
	static const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};

	for (unsigned i = 0; i < 3; i++) {
		const char *locale = getenv(names[i]);

		if (locale && *locale)
			return !strstr(locale, "UTF-8") && !strstr(locale, "utf8") &&
			       !strstr(locale, "utf-8");
	}
	return false;
}

static bool draw_text(const struct timeline *timeline, bool every)
{
	const char *no_colour = getenv("NO_COLOR");
	struct timeline_style style = {.width = terminal_width(),
		.colour = isatty(STDOUT_FILENO) && !(no_colour && *no_colour),
		.ascii = only_ascii(),
		.every = every};

	if (timeline_text(timeline, &style, stdout))
		return true;
	tool_error("the picture: out of memory");
	return false;
}

static bool draw_svg(const struct timeline *timeline, bool every, const char *path)
{
	FILE *out = strcmp(path, "-") == 0 ? stdout : fopen(path, "w");
	bool drawn, written;

	if (!out) {
		tool_error(
			"%s: expected a file to write the picture to: %s", path, strerror(errno));
		return false;
	}
	drawn = timeline_svg(timeline, every, out);
	written = !ferror(out);
	written &= (out == stdout ? fflush(out) : fclose(out)) == 0;
	if (!drawn)
		tool_error("%s: the picture: out of memory", path);
	else if (!written)
		tool_error("%s: cannot write the picture: %s", path, strerror(errno));
	return drawn && written;
}

/* What both a run and the record of a crash give. */
struct source {
	const struct trace *trace;
	struct scheduler *scheduler;	  /* NULL: a crash, */
	const struct crash_record *crash; /* which has this */
	const struct finding *finding;
};

static void gather_steps(
	struct timeline *timeline, const struct source *source, const struct prog *prog)
{
	/* Without threads the scheduler still has the steps of an earlier program. */
	if (!prog_has_threads(prog))
		return;
	if (source->crash) {
		timeline->steps = source->crash->steps;
		timeline->step_count = source->crash->step_count;
		timeline->holds = source->crash->holds;
		timeline->hold_count = source->crash->hold_count;
		return;
	}
	timeline->steps = scheduler_steps(source->scheduler, &timeline->step_count);
	timeline->holds = scheduler_holds(source->scheduler, &timeline->hold_count);
}

static void add_crash(
	struct timeline *timeline, const struct source *source, char *rule, size_t size)
{
	bool seen = source->crash->active && timeline->step_count;

	snprintf(rule, size, "crash: %s", source->finding->rule);
	timeline->rule = rule;
	timeline->message = source->finding->message;
	timeline->failed_step = seen ? timeline->step_count - 1 : SCHEDULER_NONE;
}

static bool draw(const struct picture *picture, const char *title, const struct prog_text *text,
	const struct source *source)
{
	const char *name = strrchr(title, '/');
	struct timeline timeline = {.title = name && name[1] ? name + 1 : title};
	struct timeline_call *calls = calloc(text->prog.call_count + (size_t)1, sizeof(*calls));
	/* Of calls of the main thread, the one that did not come back is worth a row. */
	uint32_t dead = source->crash ? source->finding->call : UINT32_MAX;
	struct scheduler_report report;
	char rule[96];
	bool good = calls != NULL;

	if (good) {
		gather_steps(&timeline, source, &text->prog);
		good = gather_calls(&timeline, calls, text, source->trace, dead);
	}
	if (!good) {
		tool_error("%s: the picture: out of memory", title);
	} else {
		if (source->crash)
			add_crash(&timeline, source, rule, sizeof(rule));
		else
			add_finding(&timeline, &text->prog, source->scheduler, source->finding,
				&report, rule, sizeof(rule));
		good = !picture->text || draw_text(&timeline, picture->every);
		if (good && picture->svg)
			good = draw_svg(&timeline, picture->every, picture->svg);
	}
	if (calls)
		free_calls(calls, timeline.call_count);
	return good;
}

bool picture_draw(const struct picture *picture, const char *title, const struct prog_text *text,
	struct oracle_run *run, const struct finding *finding)
{
	const struct source source = {
		.trace = oracle_trace(run), .scheduler = oracle_scheduler(run), .finding = finding};

	if (source.scheduler)
		return draw(picture, title, text, &source);
	tool_error("%s: the picture: out of memory", title);
	return false;
}

bool picture_draw_crash(const struct picture *picture, const char *title,
	const struct prog_text *text, const struct crash_record *record,
	const struct finding *finding)
{
	const struct trace trace = {.entries = record->entries, .entry_count = record->entry_count};
	const struct source source = {.trace = &trace, .crash = record, .finding = finding};

	return draw(picture, title, text, &source);
}
