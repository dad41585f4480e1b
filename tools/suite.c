/* SPDX-License-Identifier: Apache-2.0 */
/* Tests: loading programs, running one, judging it by its expectations and the oracles. */
#include "tools/suite.h"

#include <fnmatch.h>
#include <stdarg.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz/exec/exec.h"
#include "fuzz/exec/names.h"
#include "impl/sim/bugs.h"
#include "tools/apart.h"
#include "tools/embedded.h"
#include "tools/files.h"
#include "tools/suite_repeat.h"
#include "tools/suite_sweep.h"
#include "tools/suite_threads.h"
#include "tools/tool.h"

struct suite_runner {
	const struct suite_config *config;
	struct oracle_run *oracles;  /* the implementation */
	struct exec *exec;	     /* any other target */
	struct scheduler *scheduler; /* of its threads; made with the first program that has some */
};

uint16_t suite_kernel(const struct suite_config *config)
{
	uint16_t running = config->probe ? config->probe->kernel : 0;

	return config->kernel ? config->kernel : running ? running : LINUX_NEWEST;
}

/* -- loading -- */

bool suite_wants(const struct suite_config *config, const char *id)
{
	return !config->filter || fnmatch(config->filter, id, 0) == 0;
}

static struct test *add_test(struct suite *suite)
{
	if ((suite->count & (suite->count - 1)) == 0)
		suite->tests = tool_grow(
			suite->tests, suite->count ? suite->count * 2 : 1, sizeof(*suite->tests));
	struct test *test = &suite->tests[suite->count++];
	memset(test, 0, sizeof(*test));
	prog_text_init(&test->text);
	return test;
}

/* The name of NAME.prog, which is the id of its program. */
static char *id_of_path(const char *path)
{
	const char *base = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
	char *id = tool_copy(base);
	size_t length = strlen(id);

	if (length > 5 && strcmp(id + length - 5, ".prog") == 0)
		id[length - 5] = '\0';
	return id;
}

static void check_text(struct test *test, const char *path)
{
	const char *named = test->text.header.id;
	char message[600];

	/* What is left of a file that lost its content must not pass as a test. */
	if (!test->text.prog.call_count)
		snprintf(message, sizeof(message), "%s: no call in it, expected a program", path);
	else if (named && strcmp(named, test->id) != 0)
		snprintf(message, sizeof(message),
			"%s: the id is '%s', expected the file's name '%s'", path, named, test->id);
	else
		return;
	test->broken = tool_copy(message);
}

static void load_test(struct suite *suite, const char *path, const struct suite_config *config)
{
	char *id = id_of_path(path);
	char message[600];

	if (!suite_wants(config, id)) {
		free(id);
		return;
	}
	struct test *test = add_test(suite);
	test->id = id;
	test->path = tool_copy(path);
	if (prog_parse_file(&test->text, path, message, sizeof(message)))
		check_text(test, path);
	else
		test->broken = tool_copy(message);
}

/* Its id is the one that it names. */
static bool load_standard_input(struct suite *suite, const struct suite_config *config)
{
	struct prog_text text;

	prog_text_init(&text);
	if (!files_load("-", false, &text, NULL)) {
		prog_text_free(&text);
		return false;
	}
	char *id = tool_copy(text.header.id ? text.header.id : "standard-input");
	if (suite_wants(config, id)) {
		struct test *test = add_test(suite);

		test->id = id;
		test->text = text;
		return true;
	}
	free(id);
	prog_text_free(&text);
	return true;
}

bool suite_load(struct suite *suite, const char *path, const struct suite_config *config)
{
	struct file_list list = {0};

	if (strcmp(path, "-") == 0)
		return load_standard_input(suite, config);
	bool found = files_collect(path, &list);

	for (size_t i = 0; found && i < list.count; i++)
		load_test(suite, list.paths[i], config);
	files_free(&list);
	return found;
}

static void load_embedded(
	struct suite *suite, const struct embedded_file *file, const struct suite_config *config)
{
	char *id = id_of_path(file->path);
	struct parse_error error;

	if (!suite_wants(config, id)) {
		free(id);
		return;
	}
	struct test *test = add_test(suite);
	test->id = id;
	test->path = tool_copy(file->path);
	if (prog_parse(&test->text, (const char *)file->bytes, (size_t)(file->end - file->bytes),
		    &error)) {
		check_text(test, file->path);
		return;
	}
	char message[600];
	snprintf(message, sizeof(message), "%s:%u:%u: %s", file->path, error.line, error.column,
		error.message);
	test->broken = tool_copy(message);
}

void suite_load_embedded(struct suite *suite, const struct suite_config *config)
{
	for (size_t i = 0; i < embedded_count; i++) {
		const char *end = strrchr(embedded_files[i].path, '.');

		if (end && strcmp(end, ".prog") == 0)
			load_embedded(suite, &embedded_files[i], config);
	}
}

void suite_add_source(
	struct suite *suite, const char *id, const char *source, const struct suite_config *config)
{
	struct parse_error error;

	if (!suite_wants(config, id))
		return;
	struct test *test = add_test(suite);
	test->id = tool_copy(id);
	if (!prog_parse(&test->text, source, strlen(source), &error)) {
		char message[400];

		snprintf(message, sizeof(message), "%s:%u:%u: %s", id, error.line, error.column,
			error.message);
		test->broken = tool_copy(message);
	}
}

void suite_add_skipped(
	struct suite *suite, const char *id, const char *reason, const struct suite_config *config)
{
	if (!suite_wants(config, id))
		return;
	struct test *test = add_test(suite);
	test->id = tool_copy(id);
	test->skipped = tool_copy(reason);
}

void suite_free(struct suite *suite)
{
	for (size_t i = 0; i < suite->count; i++) {
		free(suite->tests[i].skipped);
		free(suite->tests[i].id);
		free(suite->tests[i].path);
		free(suite->tests[i].broken);
		prog_text_free(&suite->tests[i].text);
	}
	free(suite->tests);
	*suite = (struct suite){0};
}

static void write_tests(const void *context, FILE *out)
{
	const struct suite *suite = context;

	for (size_t i = 0; i < suite->count; i++) {
		const struct test *test = &suite->tests[i];

		fwrite(test->id, strlen(test->id) + 1, 1, out);
		if (!test->broken && !test->skipped)
			prog_print(&test->text, out);
		fputc('\0', out);
	}
}

uint64_t suite_digest(const struct suite *suite)
{
	return embedded_digest_of(write_tests, suite);
}

void suite_requirements(const struct test *test, char *text, size_t size)
{
	const struct prog_header *header = &test->text.header;
	size_t used = 0;

	*text = '\0';
	for (uint32_t i = 0; i < header->requirement_count && used < size; i++)
		used += (size_t)snprintf(
			text + used, size - used, "%s%s", i ? " " : "", header->requirements[i]);
}

/* -- running -- */

struct suite_runner *suite_open(const struct suite_config *config, const char **reason)
{
	struct suite_runner *runner = calloc(1, sizeof(*runner));

	*reason = "out of memory";
	if (!runner)
		return NULL;
	runner->config = config;
	if (config->target == &target_inproc)
		runner->oracles = oracle_open(config->kernel, config->oracles);
	else
		runner->exec = exec_open(config->target, suite_kernel(config), reason);
	if (!runner->oracles && !runner->exec) {
		free(runner);
		return NULL;
	}
	if (runner->oracles) {
		oracle_set_bug(runner->oracles, config->bug);
		oracle_set_work_limit(runner->oracles, 0);
	}
	return runner;
}

void suite_close(struct suite_runner *runner)
{
	if (runner->oracles)
		oracle_close(runner->oracles);
	exec_close(runner->exec);
	scheduler_close(runner->scheduler);
	free(runner);
}

static struct exec *runner_exec(struct suite_runner *runner)
{
	return runner->oracles ? oracle_exec(runner->oracles) : runner->exec;
}

static uint16_t profile_of(const struct suite_config *config, const struct prog *prog)
{
	return prog->options.kernel ? prog->options.kernel : suite_kernel(config);
}

static bool skip(struct test_result *result, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
static bool skip(struct test_result *result, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(result->reason, sizeof(result->reason), format, arguments);
	va_end(arguments);
	result->status = TEST_SKIP;
	return true;
}

static uint32_t needs_of(const struct test *test)
{
	uint32_t needs = test->text.header.needs;

	for (uint32_t i = 0; i < test->text.prog.call_count; i++)
		needs |= prog_row(&test->text.prog.calls[i])->needs;
	return needs;
}

static bool uses_failure(const struct prog *prog, enum fail_kind kind)
{
	for (uint32_t i = 0; i < prog->call_count; i++)
		if (prog->calls[i].fail == kind)
			return true;
	return false;
}

/* A kernel counts its own decisions: it knows no points by name. */
static bool skip_by_failures(
	const struct suite_config *config, const struct prog *prog, struct test_result *result)
{
	bool counted = uses_failure(prog, FAIL_NTH) || uses_failure(prog, FAIL_SWEEP);

	if (uses_failure(prog, FAIL_POINT))
		return skip(result, "fails named points: the in-process implementation only");
	if (config->probe && counted && !config->probe->has_faults)
		return skip(result, "%s", config->probe->no_faults);
	if (!config->probe && uses_failure(prog, FAIL_NTH))
		return skip(result, "injects failures: the model has none of its own");
	return false;
}

static bool skip_by_header(
	const struct suite_config *config, const struct test *test, struct test_result *result)
{
	const struct prog_header *header = &test->text.header;
	uint16_t kernel = profile_of(config, &test->text.prog);

	if (header->since && kernel < header->since)
		return skip(result, "since Linux %u.%u, the profile is %u.%u", header->since >> 8,
			header->since & 255, kernel >> 8, kernel & 255);
	if (header->until && kernel > header->until)
		return skip(result, "until Linux %u.%u, the profile is %u.%u", header->until >> 8,
			header->until & 255, kernel >> 8, kernel & 255);
	if (test->text.prog.options.bug && !sim_bugs_built())
		return skip(result, "needs the bugs build");
	return config->target != &target_inproc &&
	       skip_by_failures(config, &test->text.prog, result);
}

/* Options that change the machine: a real one is what it is. */
static bool skip_by_options(
	const struct suite_config *config, const struct prog *prog, struct test_result *result)
{
	const struct prog_options *options = &prog->options;
	uint16_t running = config->probe->kernel;

	if (options->kernel && options->kernel != running)
		return skip(result, "sim kernel=%u.%u, the running kernel is %u.%u",
			options->kernel >> 8, options->kernel & 255, running >> 8, running & 255);
	if (options->bug)
		return skip(result, "sim bug: the in-process implementation only");
	if (options->compat)
		return skip(result, "sim compat: the in-process implementation only");
	if (options->seed)
		return skip(result, "sim seed: the in-process implementation only");
	if (options->flags & (PROG_OPTION_IOASID_X2 | PROG_OPTION_IOASID_X3))
		return skip(result, "sim ioasid: the in-process implementation only");
	if (prog->switch_count)
		return skip(result, "forces a schedule: the in-process implementation only");
	return false;
}

/*
 * A call that this kernel does not know is no reason: programs say what an older kernel answers, or
 * since when they apply.
 */
static bool skip_by_needs(
	const struct suite_config *config, uint32_t needs, struct test_result *result)
{
	const struct live_probe *probe = config->probe;
	size_t count = sizeof(probe->missing) / sizeof(probe->missing[0]);

	if (!config->devices && (needs & (NEEDS_CDEV | NEEDS_GROUP)))
		return skip(result, "no device named (--device)");
	for (unsigned bit = 0; bit < 32; bit++) {
		if (!(needs & ~probe->needs & (1u << bit)))
			continue;
		bool told = bit < count && probe->missing[bit][0];

		return skip(result, "%s",
			told ? probe->missing[bit] : "this machine lacks what it needs");
	}
	return false;
}

static bool skip_live(
	const struct suite_config *config, const struct test *test, struct test_result *result)
{
	return skip_by_options(config, &test->text.prog, result) ||
	       skip_by_header(config, test, result) ||
	       skip_by_needs(config, needs_of(test), result);
}

bool suite_skips(
	const struct suite_config *config, const struct test *test, struct test_result *result)
{
	return config->probe ? skip_live(config, test, result)
			     : skip_by_header(config, test, result);
}

static bool must_skip(
	struct suite_runner *runner, const struct test *test, struct test_result *result)
{
	const struct suite_config *config = runner->config;
	const char *reason = "not available";

	if (suite_skips(config, test, result))
		return true;
	if (!config->probe &&
		!config->target->has(exec_target(runner_exec(runner)), needs_of(test), &reason))
		return skip(result, "%s", reason);
	return false;
}

bool suite_settled(
	const struct suite_config *config, const struct test *test, struct test_result *result)
{
	memset(result, 0, sizeof(*result));
	if (test->broken) {
		result->status = TEST_BROKEN;
		snprintf(result->message, sizeof(result->message), "%s", test->broken);
		return true;
	}
	if (test->skipped)
		return skip(result, "%s", test->skipped);
	return config->probe && skip_live(config, test, result);
}

/* A release with its third number, as "7.3.4-rc1"; LINUX_NEWEST alone knows no later kernels. */
static uint32_t exact_kernel(const struct suite_config *config, const struct prog *prog)
{
	unsigned major = 0, minor = 0, patch = 0;
	uint16_t kernel = profile_of(config, prog);

	if (config->probe && kernel == config->probe->kernel &&
		sscanf(config->probe->release, "%3u.%3u.%3u", &major, &minor, &patch) >= 2 &&
		minor < 256 && patch < 256)
		return major << 16 | minor << 8 | patch;
	return (uint32_t)kernel << 8;
}

/* Whether the kernel is within `>=6.12`, `<7.0`, ... at *text, which moves on. A limit without a
 * third number speaks of the whole series. */
static bool within_limit(const char **text, uint32_t kernel, bool *understood)
{
	unsigned major = 0, minor = 0, patch = 0;
	char sign = **text;
	bool equal = sign != '=' && (*text)[1] == '=';
	const char *number = *text + 1 + equal;
	int two = 0, three = 0;

	*understood = sscanf(number, "%3u.%3u%n.%3u%n", &major, &minor, &two, &patch, &three) >= 2;
	if (!*understood)
		return false;
	uint32_t limit = major << 16 | minor << 8 | patch;
	uint32_t seen = three ? kernel : kernel & ~255u;
	*text = number + (three ? three : two);
	*text += **text == ',';
	switch (sign) {
	case '<': return seen < limit || (equal && seen == limit);
	case '>': return seen > limit || (equal && seen == limit);
	default: return seen == limit;
	}
}

/* `known-fail live>=6.12,<7.0 mock needs a reset`: whether the first word is this target; the rest
 * is the reason. */
static const char *known_failure(const struct suite_config *config, const struct test *test)
{
	const char *text = test->text.header.known_fail;
	uint32_t kernel = exact_kernel(config, &test->text.prog);
	bool understood = true;

	if (!text)
		return NULL;
	size_t name = strcspn(text, "<>= ,");
	if (strlen(config->target->name) != name || memcmp(config->target->name, text, name) != 0)
		return NULL;
	text += name;
	while (understood && *text && *text != ' ')
		if (!within_limit(&text, kernel, &understood) && understood)
			return NULL;
	while (*text && *text != ' ')
		text++;
	return *text ? text + 1 : "known failure";
}

/* -- judging -- */

void suite_describe_call(const struct test *test, uint32_t call, struct test_result *result)
{
	FILE *out = fmemopen(result->call, sizeof(result->call), "w");

	result->line = test->text.lines ? test->text.lines[call] : 0;
	if (!out)
		return;
	prog_print_call(&test->text, call, out);
	fclose(out);
	result->call[sizeof(result->call) - 1] = '\0';
}

static bool applies(const struct expect_alternative *alternative, uint16_t kernel)
{
	return (!alternative->since || kernel >= alternative->since) &&
	       (!alternative->before || kernel < alternative->before);
}

static bool alternative_met(const struct expect_alternative *alternative, int64_t result)
{
	switch (alternative->result) {
	case EXPECT_OK: return result >= 0;
	case EXPECT_VALUE: return result == alternative->value;
	case EXPECT_ERRNO: return result == -(int64_t)alternative->value;
	default: return true;
	}
}

/* Those that apply, but for the ones whose bit is in `but`. */
static void alternatives_text(const struct expectation *expectation, uint16_t kernel, unsigned but,
	char *text, size_t size)
{
	size_t used = 0;

	*text = '\0';
	for (unsigned a = 0; a < expectation->alternative_count && used < size; a++) {
		const struct expect_alternative *alternative = &expectation->alternatives[a];
		char one[24] = "ok";

		if (!applies(alternative, kernel) || (but >> a & 1))
			continue;
		if (alternative->result != EXPECT_OK)
			result_text(one, sizeof(one),
				alternative->result == EXPECT_ERRNO ? -(int64_t)alternative->value
								    : alternative->value);
		used += (size_t)snprintf(text + used, size - used, "%s%s", used ? " | " : "", one);
	}
}

uint8_t suite_alternatives_met(
	const struct expectation *expectation, uint16_t kernel, int64_t result)
{
	unsigned met = 0;

	for (unsigned a = 0; a < expectation->alternative_count; a++)
		if (applies(&expectation->alternatives[a], kernel) &&
			alternative_met(&expectation->alternatives[a], result))
			met |= 1u << a;
	return (uint8_t)met;
}

bool suite_alternatives_missed(const struct expectation *expectation, uint16_t kernel, uint8_t met,
	char *text, size_t size)
{
	alternatives_text(expectation, kernel, met, text, size);
	return *text != '\0';
}

static bool result_met(const struct expectation *expectation, uint16_t kernel, int64_t result,
	struct test_result *out)
{
	bool any = false;

	for (unsigned a = 0; a < expectation->alternative_count; a++) {
		if (!applies(&expectation->alternatives[a], kernel))
			continue;
		any = true;
		if (alternative_met(&expectation->alternatives[a], result))
			return true;
	}
	if (!any)
		return true;
	alternatives_text(expectation, kernel, 0, out->expected, sizeof(out->expected));
	result_text(out->got, sizeof(out->got), result);
	snprintf(
		out->message, sizeof(out->message), "expected %s, got %s", out->expected, out->got);
	return false;
}

static uint64_t expected_value(const struct exec *exec, const struct value *value)
{
	switch (value->kind) {
	case VALUE_HANDLE: return exec_output(exec, value->call, value->output) + value->number;
	case VALUE_MEM: return PROG_MEM_BASE + value->number;
	default: return value->number;
	}
}

static bool field_met(const struct call_row *row, const struct expect_field *expected,
	const struct exec *exec, const struct trace *trace, const struct trace_entry *entry,
	struct test_result *out)
{
	const struct field *field = &row->fields[expected->field];
	uint64_t want = prog_field_number(field, expected_value(exec, &expected->value));
	bool present = field->width && field->offset + field->width <= entry->image_size;
	uint64_t got = present ? field_get(field, trace->bytes + entry->image) : 0;

	if (present && got == want)
		return true;
	snprintf(out->expected, sizeof(out->expected), "%s=0x%" PRIx64, field->name, want);
	if (present)
		snprintf(out->got, sizeof(out->got), "%s=0x%" PRIx64, field->name, got);
	else
		snprintf(out->got, sizeof(out->got), "no readable %s", field->name);
	snprintf(
		out->message, sizeof(out->message), "expected %s, got %s", out->expected, out->got);
	return false;
}

static bool entry_met(const struct test *test, const struct exec *exec, const struct trace *trace,
	const struct trace_entry *entry, uint16_t kernel, struct test_result *result)
{
	const struct expectation *expectation = &test->text.expectations[entry->call];
	const struct call_row *row = prog_row(&test->text.prog.calls[entry->call]);

	if (!result_met(expectation, kernel, entry->result, result))
		return false;
	for (unsigned f = 0; f < expectation->field_count; f++)
		if (!field_met(row, &expectation->fields[f], exec, trace, entry, result))
			return false;
	return true;
}

/* An expectation on a call that never ran (in a callback that never came) is not met. */
static bool all_ran(const struct test *test, const struct trace *trace, struct test_result *result)
{
	for (uint32_t i = 0; i < test->text.prog.call_count; i++) {
		bool ran = !test->text.expectations[i].alternative_count;

		for (uint32_t e = 0; !ran && e < trace->entry_count; e++)
			ran = trace->entries[e].kind == TRACE_CALL && trace->entries[e].call == i;
		if (ran)
			continue;
		suite_describe_call(test, i, result);
		snprintf(result->message, sizeof(result->message),
			"expected a call that did not run");
		return false;
	}
	return true;
}

static bool failed_in_sweep(const struct prog *prog, const struct trace_entry *entry)
{
	return entry->injected && prog->calls[entry->call].fail == FAIL_SWEEP;
}

/*
 * How many entries expectations speak of. A run that ended with an injected failure of a sweep has
 * that call last, behind the calls of its callbacks: oracles alone judge it.
 */
static uint32_t judged_entries(const struct prog *prog, const struct trace *trace)
{
	uint32_t count = trace->entry_count;
	const struct trace_entry *entry = count ? &trace->entries[count - 1] : NULL;

	if (!entry || !failed_in_sweep(prog, entry))
		return count;
	for (count--; count; count--) {
		entry = &trace->entries[count - 1];
		if (entry->kind == TRACE_CALL && !entry->depth)
			break;
	}
	return count;
}

bool suite_judge(const struct test *test, struct exec *exec, uint16_t kernel, bool complete,
	struct test_result *result)
{
	const struct trace *trace = exec_trace(exec);
	uint32_t count = judged_entries(&test->text.prog, trace);

	for (uint32_t e = 0; e < count; e++) {
		const struct trace_entry *entry = &trace->entries[e];

		if (entry->kind != TRACE_CALL || failed_in_sweep(&test->text.prog, entry) ||
			entry_met(test, exec, trace, entry, kernel, result))
			continue;
		suite_describe_call(test, entry->call, result);
		return false;
	}
	return !complete || all_ran(test, trace, result);
}

const struct trace_entry *suite_first_unmet(
	const struct test *test, struct exec *exec, uint16_t kernel)
{
	const struct trace *trace = exec_trace(exec);
	struct test_result unused = {0};

	for (uint32_t e = 0; e < trace->entry_count; e++)
		if (trace->entries[e].kind == TRACE_CALL &&
			!entry_met(test, exec, trace, &trace->entries[e], kernel, &unused))
			return &trace->entries[e];
	return NULL;
}

static void note_finding(
	const struct test *test, const struct finding *finding, struct test_result *result)
{
	result->oracle = (uint16_t)finding->oracle;
	snprintf(result->rule, sizeof(result->rule), "%s", finding->rule);
	if (result->expectation)
		return;
	snprintf(result->message, sizeof(result->message), "%s", finding->message);
	if (finding->call != UINT32_MAX)
		suite_describe_call(test, finding->call, result);
}

/* What the target needs beyond one run: sweeps on a real kernel begin anew each time. */
static bool run_sweeps(
	struct suite_runner *runner, const struct test *test, struct test_result *result)
{
	struct suite_sweep sweep = {
		.exec = runner->exec,
		.test = test,
		.kernel = profile_of(runner->config, &test->text.prog),
		.result = result,
		.pinned = runner->config->target == &target_live ? target_live_pinned : NULL,
	};

	return suite_sweep_run(&sweep);
}

static bool run_threads(
	struct suite_runner *runner, const struct test *test, struct test_result *result)
{
	struct finding finding = {0};
	const char *reason;

	if (!runner->oracles && !runner->scheduler) {
		runner->scheduler = scheduler_open();
		if (runner->scheduler)
			exec_set_scheduler(runner->exec, runner->scheduler);
	}
	if (!runner->oracles && !runner->scheduler)
		return skip(result, "out of memory");
	const struct suite_threads threads = {
		.config = runner->config,
		.test = test,
		.kernel = profile_of(runner->config, &test->text.prog),
		.oracles = runner->oracles,
		.exec = runner->exec,
		.scheduler = runner->scheduler,
	};
	bool good = suite_threads_run(&threads, &finding, &reason, result);
	if (reason)
		return skip(result, "%s", reason);
	if (!good && finding.oracle) {
		result->expectation =
			!suite_judge(test, runner_exec(runner), threads.kernel, false, result);
		note_finding(test, &finding, result);
	}
	return good;
}

/* Threads of a real kernel take their turns as they like. */
static bool run_repeatedly(
	struct suite_runner *runner, const struct test *test, struct test_result *result)
{
	const struct suite_repeat repeat = {
		.exec = runner->exec,
		.test = test,
		.kernel = profile_of(runner->config, &test->text.prog),
		.repeats = runner->config->repeats,
		.seconds = runner->config->target == &target_live ? APART_SECTION_SECONDS : 0,
		.result = result,
	};
	const char *reason;
	bool good = suite_repeat_run(&repeat, &reason);

	return reason ? skip(result, "%s", reason) : good;
}

static bool run_program(
	struct suite_runner *runner, const struct test *test, struct test_result *result)
{
	uint16_t kernel = profile_of(runner->config, &test->text.prog);
	const char *reason = NULL;
	struct finding finding = {0};
	bool clean = true;

	if (runner->config->probe && uses_failure(&test->text.prog, FAIL_SWEEP))
		return run_sweeps(runner, test, result);
	if (prog_has_threads(&test->text.prog))
		return runner->config->probe ? run_repeatedly(runner, test, result)
					     : run_threads(runner, test, result);
	if (runner->oracles) {
		clean = oracle_run_program(runner->oracles, &test->text.prog, &finding);
		reason = oracle_skipped(runner->oracles);
	} else if (exec_run(runner->exec, &test->text.prog, &reason)) {
		reason = NULL;
	}
	if (reason)
		return skip(result, "%s", reason);
	result->expectation = !suite_judge(test, runner_exec(runner), kernel, clean, result);
	if (!clean)
		note_finding(test, &finding, result);
	return clean && !result->expectation;
}

void suite_conclude(const struct suite_config *config, const struct test *test, bool passed,
	struct test_result *result)
{
	const char *known = known_failure(config, test);

	if (known)
		snprintf(result->reason, sizeof(result->reason), "%s", known);
	result->status = known	  ? passed ? TEST_KNOWN_PASS : TEST_KNOWN_FAIL
			 : passed ? TEST_PASS
				  : TEST_FAIL;
	if (result->status == TEST_KNOWN_PASS)
		snprintf(result->message, sizeof(result->message),
			"passed, but is known to fail: %s", known);
}

void suite_run(struct suite_runner *runner, const struct test *test, struct test_result *result)
{
	uint64_t start = tool_clock();

	if (suite_settled(runner->config, test, result) || must_skip(runner, test, result))
		return;
	bool passed = run_program(runner, test, result);
	result->microseconds = (uint32_t)(tool_clock() - start);
	if (result->status != TEST_SKIP)
		suite_conclude(runner->config, test, passed, result);
}
