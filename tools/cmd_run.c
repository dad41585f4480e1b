/* SPDX-License-Identifier: Apache-2.0 */
/* iommuzz run: runs programs or crash files and tells what every call did. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz/exec/names.h"
#include "fuzz/exec/exec.h"
#include "impl/sim/bugs.h"
#include "tools/files.h"
#include "tools/run.h"
#include "tools/tool.h"

enum {
	RUN_BINARY,
	RUN_TARGET,
	RUN_KERNEL,
	RUN_ORACLES,
	RUN_JSON,
	RUN_QUIET,
	RUN_CALL_TIMEOUT,
	RUN_DEVICE,
	RUN_TIMELINE,
	RUN_SVG,
	RUN_EVERY_POINT,
	RUN_SCHEDULE,
	RUN_SEED
};

static const struct option_spec run_options[] = {
	[RUN_BINARY] = {"binary", 'b', NULL,
		"Reads the binary form, whatever the bytes look like. Without this option a\n"
		"file that is no text is taken as binary."},
	[RUN_TARGET] = {"target", 't', "TARGET",
		"inproc (the implementation, default), model or live (the running "
		"kernel:\ndocs/LIVE.md)."},
	[RUN_KERNEL] = {"kernel", 'k', "VERSION", "The kernel profile of programs that name none."},
	[RUN_ORACLES] = {"oracles", 'o', "LIST",
		"all (default), none, or some of model, audit, isolation, rollback, machine,\n"
		"scheduler, joined by commas. Only with the target inproc."},
	[RUN_JSON] = {"json", 'j', NULL, "Prints the trace as JSON, one object a program."},
	[RUN_QUIET] = {"quiet", 'q', NULL, "Prints findings only."},
	[RUN_CALL_TIMEOUT] = {"call-timeout", 0, "SECONDS",
		"With the target live: a call that takes longer hangs (default 10)."},
	[RUN_DEVICE] = {"device", 'd', "ADDRESS",
		"With the target live: lends the PCI device at ADDRESS (0000:00:02.0) to the\n"
		"programs, bound to vfio-pci for as long as they run. May be given several times."},
	[RUN_TIMELINE] = {"timeline", 0, NULL,
		"Prints a picture of the run instead: lanes for threads, steps downwards, locks "
		"held\n"
		"as bars, the failing point marked (docs/SCHEDULES.md). Only with the target "
		"inproc."},
	[RUN_SVG] = {"svg", 0, "FILE",
		"Writes that picture to FILE as SVG (- is standard output), of one program."},
	[RUN_EVERY_POINT] = {"every-point", 0, NULL,
		"In pictures, points that no other thread took part in are not folded into one "
		"row."},
	[RUN_SCHEDULE] = {"schedule", 's', "NAME",
		"Of a program with threads: plain (one goes on until it is blocked), random,\n"
		"pct, bytes or replay. By default what the program says: its line\n"
		"`schedule:`, else its schedule bytes, else plain."},
	[RUN_SEED] = {"seed", 'S', "N", "Of random and pct (default 1)."},
	{0},
};

static char *call_text(const struct prog_text *text, uint32_t call)
{
	char *line = NULL;
	size_t size;
	FILE *out = open_memstream(&line, &size);

	if (!out)
		return NULL;
	prog_print_call(text, call, out);
	fclose(out);
	return line;
}

/* -- as text -- */

static void print_bytes(const uint8_t *bytes, uint32_t count, FILE *out)
{
	for (uint32_t i = 0; i < count && i < 32; i++)
		fprintf(out, "%s%02x", i ? " " : "", bytes[i]);
	if (count > 32)
		fputs(" ...", out);
}

/* Fields that the call may have set, or all of a callback's range. */
static void print_fields(const struct call_row *row, const uint8_t *image, uint32_t size, FILE *out)
{
	const char *between = " {";

	for (unsigned f = 0; f < row->field_count; f++) {
		const struct field *field = &row->fields[f];

		if (!(field->direction & FIELD_OUT) || !field->width ||
			field->offset + field->width > size)
			continue;
		fprintf(out, "%s%s=0x%" PRIx64, between, field->name, field_get(field, image));
		between = " ";
	}
	if (!between[1])
		fputc('}', out);
}

static void print_entry(const struct trace *trace, const struct trace_entry *entry,
	const struct prog_text *text, FILE *out)
{
	char buffer[40];

	if (entry->kind == TRACE_CALLBACK) {
		uint64_t range[2] = {0};

		memcpy(range, trace->bytes + entry->image,
			entry->image_size < 16 ? entry->image_size : 16);
		fprintf(out,
			"     %*s  unmap callback of the access of call %u: iova=0x%" PRIx64
			" length=0x%" PRIx64 "\n",
			entry->depth * 4, "", entry->call + 1u, range[0], range[1]);
		return;
	}
	const struct call_row *row = prog_row(&text->prog.calls[entry->call]);
	char *line = call_text(text, entry->call);
	fprintf(out, "%4u %*s %s\n", entry->call + 1u, entry->depth * 4, "",
		line ? line : row->name);
	free(line);
	fprintf(out, "     %*s   = %s%s", entry->depth * 4, "",
		result_text(buffer, sizeof(buffer), entry->result),
		entry->injected ? " (injected)" : "");
	if (entry->image_size && entry->result >= 0)
		print_fields(row, trace->bytes + entry->image, entry->image_size, out);
	fputc('\n', out);
	for (uint32_t c = 0; c < entry->change_count; c++) {
		const struct trace_change *change = &trace->changes[entry->first_change + c];

		fprintf(out, "     %*s   wrote %u bytes at %s: ", entry->depth * 4, "",
			change->count, address_text(buffer, sizeof(buffer), change->address));
		print_bytes(trace->bytes + change->start, change->count, out);
		fputc('\n', out);
	}
}

void run_print_entries(
	const struct trace *trace, uint32_t from, const struct prog_text *text, FILE *out)
{
	for (uint32_t e = from; e < trace->entry_count; e++)
		print_entry(trace, &trace->entries[e], text, out);
}

/* -- as JSON -- */

static void json_entry(const struct trace *trace, const struct trace_entry *entry,
	const struct prog_text *text, FILE *out)
{
	const struct call_row *row = prog_row(&text->prog.calls[entry->call]);
	char buffer[40];

	fprintf(out,
		"{\"kind\": \"%s\", \"call\": %u, \"name\": \"%s\", \"depth\": %u, \"result\": "
		"%" PRId64 ", \"errno\": ",
		entry->kind == TRACE_CALLBACK ? "callback" : "call", entry->call + 1u, row->name,
		entry->depth, entry->result);
	if (entry->result < 0)
		tool_json_string(result_text(buffer, sizeof(buffer), entry->result), out);
	else
		fputs("null", out);
	fprintf(out, ", \"injected\": %s, \"struct\": \"", entry->injected ? "true" : "false");
	for (uint32_t i = 0; i < entry->image_size; i++)
		fprintf(out, "%02x", trace->bytes[entry->image + i]);
	fputs("\", \"changes\": [", out);
	for (uint32_t c = 0; c < entry->change_count; c++) {
		const struct trace_change *change = &trace->changes[entry->first_change + c];

		fprintf(out, "%s{\"address\": \"0x%" PRIx64 "\", \"bytes\": \"", c ? ", " : "",
			change->address);
		for (uint32_t i = 0; i < change->count; i++)
			fprintf(out, "%02x", trace->bytes[change->start + i]);
		fputs("\"}", out);
	}
	fputs("]}", out);
}

void run_json_head(
	const char *path, const struct run_finding *finding, const char *reason, FILE *out)
{
	fputs("{\"file\": ", out);
	tool_json_string(path, out);
	fputs(", \"not_run\": ", out);
	if (reason)
		tool_json_string(reason, out);
	else
		fputs("null", out);
	fputs(", \"finding\": ", out);
	if (finding->oracle) {
		fprintf(out, "{\"oracle\": \"%s\", \"rule\": ", finding->oracle);
		tool_json_string(finding->rule, out);
		fputs(", \"call\": ", out);
		if (finding->call == UINT32_MAX)
			fputs("null", out);
		else
			fprintf(out, "%u", finding->call + 1);
		fputs(", \"message\": ", out);
		tool_json_string(finding->message, out);
		fputc('}', out);
	} else {
		fputs("null", out);
	}
	fputs(", ", out);
}

void run_json_trace(const struct trace *trace, const struct prog_text *text, FILE *out)
{
	fprintf(out, "\"digest\": \"%016" PRIx64 "\", \"trace\": [", trace_digest(trace));
	for (uint32_t e = 0; e < trace->entry_count; e++) {
		fputs(e ? ",\n  " : "\n  ", out);
		json_entry(trace, &trace->entries[e], text, out);
	}
	fputs("\n]}\n", out);
}

static void json_program(const struct trace *trace, const char *path, const struct prog_text *text,
	const struct finding *finding, const char *reason)
{
	struct run_finding seen = {
		.oracle = finding->oracle ? oracle_name(finding->oracle) : NULL,
		.rule = finding->rule,
		.message = finding->message,
		.call = finding->call,
	};

	run_json_head(path, &seen, reason, stdout);
	run_json_trace(trace, text, stdout);
}

/* -- running -- */

static void print_program(const struct run *run, const struct trace *trace, const char *path,
	const struct prog_text *text, const struct finding *finding, const char *reason)
{
	/* Pictures have the finding in them. */
	bool drawn = !reason && run->picture.text;

	if (run->picture.svg && strcmp(run->picture.svg, "-") == 0 && !reason)
		return;
	if (!run->quiet && !drawn && (!reason || trace->entry_count)) {
		printf("%s\n", path);
		run_print_entries(trace, 0, text, stdout);
	}
	if (reason)
		printf("%s: not run: %s\n", path, reason);
	if (finding->oracle && !drawn) {
		printf("%sfinding ", run->quiet ? "" : "\n");
		oracle_print(finding, &text->prog, stdout);
	}
}

/* One run of the implementation. Why it was not made, or NULL. */
static const char *run_oracles(struct run *run, const struct prog *prog, struct finding *finding)
{
	struct scheduler *scheduler = oracle_scheduler(run->oracle_run);
	struct strategy *strategy = schedules_open(&run->schedules, prog);

	if (strategy) {
		oracle_set_strategy(run->oracle_run, strategy);
		if (scheduler)
			strategy->begin(strategy, scheduler);
	}
	oracle_run_program(run->oracle_run, prog, finding);
	oracle_set_strategy(run->oracle_run, NULL);
	if (strategy)
		strategy->close(strategy);
	return oracle_skipped(run->oracle_run);
}

/* One run of another target. */
static const char *run_target(struct run *run, const struct prog *prog)
{
	struct strategy *strategy = schedules_open(&run->schedules, prog);
	const char *reason = NULL;

	if (strategy)
		strategy->begin(strategy, run->scheduler);
	bool ran = schedules_run(run->exec, run->scheduler, prog, strategy, &reason);
	if (strategy)
		strategy->close(strategy);
	return ran ? NULL : reason;
}

int run_program(struct run *run, const char *path, const struct prog_text *text)
{
	struct finding finding = {0};
	const char *reason = schedules_lacks(&run->schedules, &text->prog);
	const struct trace nothing = {0}, *trace = &nothing;

	if (reason) {
		tool_error("%s: %s", path, reason);
		return TOOL_BROKEN;
	}
	if (text->prog.options.bug && !sim_bugs_built()) {
		reason = "needs the bugs build";
	} else if (run->oracle_run) {
		reason = run_oracles(run, &text->prog, &finding);
		trace = oracle_trace(run->oracle_run);
	} else {
		reason = run_target(run, &text->prog);
		trace = exec_trace(run->exec);
	}
	if (run->json)
		json_program(trace, path, text, &finding, reason);
	else
		print_program(run, trace, path, text, &finding, reason);
	if ((run->picture.text || run->picture.svg) && !reason &&
		!picture_draw(&run->picture, path, text, run->oracle_run, &finding))
		return TOOL_BROKEN;
	run->not_run += reason != NULL;
	return finding.oracle ? TOOL_FAILED : reason ? TOOL_SKIPPED : TOOL_OK;
}

/* Worst of two exit codes: broken, then failed, then success; skipped only if all were. */
static int worst(int a, int b)
{
	static const int order[] = {TOOL_BROKEN, TOOL_FAILED, TOOL_OK, TOOL_SKIPPED};

	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++)
		if (a == order[i] || b == order[i])
			return order[i];
	return a;
}

static bool open_target(struct run *run)
{
	const char *reason = "out of memory";

	if (run->target == &target_inproc)
		run->oracle_run = oracle_open(run->kernel, run->oracles);
	else
		run->exec = exec_open(run->target, run->kernel, &reason);
	if (run->exec && run->target != &target_live) {
		run->scheduler = scheduler_open();
		if (!run->scheduler) {
			tool_error("out of memory");
			return false;
		}
		exec_set_scheduler(run->exec, run->scheduler);
	}
	if (run->oracle_run)
		oracle_set_work_limit(run->oracle_run, 0);
	if (!run->oracle_run && !run->exec)
		tool_error("target %s: %s", run->target->name, reason);
	return run->oracle_run || run->exec;
}

static int run_file(struct run *run, const char *path)
{
	struct prog_text text;
	bool drawn = run->picture.text || run->picture.svg;
	int code;

	prog_text_init(&text);
	if (!files_load_to_run(path, run->binary, &text))
		code = TOOL_BROKEN;
	else if (run->target == &target_live)
		code = run_live(run, path, &text);
	else
		code = drawn ? run_drawn(run, path, &text) : run_program(run, path, &text);
	prog_text_free(&text);
	return code;
}

/* What does not go together with pictures. */
static bool picture_possible(const struct run *run, const struct file_list *list)
{
	const struct picture *picture = &run->picture;

	if (!picture->text && !picture->svg && !picture->every)
		return true;
	if (run->target != &target_inproc)
		tool_error("run: --timeline, --svg and --every-point are for --target inproc");
	else if (!picture->text && !picture->svg)
		tool_error("run: --every-point: expected --timeline or --svg with it");
	else if (run->json && (picture->text || strcmp(picture->svg, "-") == 0))
		tool_error("run: --json and the picture cannot both be on standard output");
	else if (picture->text && picture->svg && strcmp(picture->svg, "-") == 0)
		tool_error("run: --timeline and --svg - cannot both be on standard output");
	else if (picture->svg && list->count > 1)
		tool_error("run: --svg: expected one program, found %zu", list->count);
	else
		return true;
	return false;
}

static int run_files(struct run *run, const struct file_list *list)
{
	int code = TOOL_SKIPPED;

	if (!picture_possible(run, list))
		return TOOL_BROKEN;
	if (run->target == &target_live && run->schedules.kind != SCHEDULES_OWN) {
		tool_error("run: --schedule: a real kernel decides for itself");
		return TOOL_BROKEN;
	}
	if (run->target == &target_live) {
		int refused = machine_open(&run->machine, "run");

		if (refused >= 0)
			return refused;
		if (!run->kernel)
			run->kernel = run->machine.probe.kernel;
	} else if (run->machine.named_count) {
		tool_error("run: --device is for --target live");
		return TOOL_BROKEN;
	} else if (!open_target(run)) {
		return TOOL_BROKEN;
	}
	for (size_t i = 0; i < list->count; i++)
		code = worst(code, run_file(run, list->paths[i]));
	if (run->not_run && list->count > 1)
		tool_error("%zu of %zu programs were not run", run->not_run, list->count);
	oracle_close(run->oracle_run);
	exec_close(run->exec);
	scheduler_close(run->scheduler);
	return machine_close(&run->machine) ? code : TOOL_BROKEN;
}

static bool set_schedule(struct run *run, const char *name)
{
	if (!schedules_parse("schedule", name, &run->schedules.kind))
		return false;
	if (run->schedules.kind != SCHEDULES_BOUNDED)
		return true;
	tool_error("--schedule: bounded is many runs: iommuzz explore makes them");
	return false;
}

static bool read_option(struct run *run, struct file_list *list, int option, const char *value)
{
	uint64_t number = 0;

	switch (option) {
	case RUN_BINARY: run->binary = true; return true;
	case RUN_TARGET: run->target = machine_target(value); return run->target != NULL;
	case RUN_CALL_TIMEOUT:
		if (!tool_number("call-timeout", value, 1, 86400, &number))
			return false;
		run->call_timeout = (unsigned)number;
		return true;
	case RUN_DEVICE: return machine_name_device(&run->machine, value);
	case RUN_KERNEL: return tool_kernel(value, &run->kernel);
	case RUN_ORACLES:
		if (oracle_parse(value, &run->oracles))
			return true;
		tool_error("--oracles: expected all, none, or some of model, audit, isolation, "
			   "rollback, machine, scheduler, "
			   "found '%s'",
			value);
		return false;
	case RUN_JSON: run->json = true; return true;
	case RUN_QUIET: run->quiet = true; return true;
	case RUN_SCHEDULE: return set_schedule(run, value);
	case RUN_SEED: return tool_number("seed", value, 0, UINT64_MAX, &run->schedules.seed);
	case RUN_TIMELINE: run->picture.text = true; return true;
	case RUN_SVG: run->picture.svg = value; return true;
	case RUN_EVERY_POINT: run->picture.every = true; return true;
	case OPTIONS_WORD:
		list->paths = tool_grow(list->paths, list->count + 1, sizeof(*list->paths));
		list->paths[list->count++] = tool_copy(value);
		return true;
	default: return false;
	}
}

static int run_command(const struct command *command, int argc, char **argv)
{
	struct run run = {.target = &target_inproc,
		.oracles = ORACLE_ALL,
		.schedules = {.kind = SCHEDULES_OWN, .seed = 1, .depth = SCHEDULES_DEPTH},
		.machine = {.keeper = -1}};
	struct file_list list = {0};
	struct options options;
	const char *value;
	int code = TOOL_OK;

	options_init(&options, command, argc, argv);
	for (int option; (option = options_next(&options, &value)) != OPTIONS_END;) {
		if (option != OPTIONS_HELP && read_option(&run, &list, option, value))
			continue;
		files_free(&list);
		return option == OPTIONS_HELP ? TOOL_OK : TOOL_BROKEN;
	}
	if (list.count) {
		code = run_files(&run, &list);
	} else {
		tool_error("run: expected files; see iommuzz run --help");
		code = TOOL_BROKEN;
	}
	files_free(&list);
	return code;
}

const struct command command_run = {
	.name = "run",
	.brief = "run programs or crash files and show what every call did",
	.synopsis = "iommuzz run [OPTION]... FILE...",
	.description =
		"Runs each FILE, a program as text or in the binary form of fuzz_iommufd's "
		"inputs (- is standard\n"
		"input; of other targets' findings, iommuzz fuzz leaves the program beside "
		"them), and prints for\n"
		"every call its line, its result, the fields it set and the user memory it "
		"wrote. Calls in callbacks are\n"
		"indented; they come before the call that they ran in.\n\n"
		"Threads take turns, as the program's schedule says, or --schedule "
		"(docs/SCHEDULES.md). Forced\n"
		"switches that do not happen are a finding.\n\n"
		"The oracles watch. The first thing that is wrong ends the program and is "
		"printed as a finding:\n"
		"which oracle, which rule, which call, expected and got. Expectations of "
		"the program are not\n"
		"checked here; iommuzz check does that.\n\n"
		"On the real kernel (--target live) each program has a process of its own; a "
		"call that hangs, a\n"
		"process that dies and what the kernel reports in its log are the findings.",
	.options = run_options,
	.exit_status =
		"0   nothing was found in what could be run (how many could not is said last)\n"
		"1   a finding\n"
		"2   wrong usage, or a file that cannot be read or parsed\n"
		"77  no program could be run here (the reason is printed), or there is no "
		"/dev/iommu\n"
		"    for the target live",
	.examples = "iommuzz run first.prog\n"
		    "iommuzz run --oracles none --json crash-1f3a\n"
		    "iommuzz run --timeline --svg race.svg race.prog",
	.run = run_command,
};
