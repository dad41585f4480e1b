/* SPDX-License-Identifier: Apache-2.0 */
/* iommuzz vm check: one kernel, booted once or in two forms, and its results. */
#include "tools/vm_check.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tools/agent_run.h"
#include "tools/files.h"
#include "tools/tool.h"

#define STARTS_MAX 21 /* the first boot and 20 more */
#define TEXT_SIZE  1024

/* A run of the whole suite; results are printed in the order of the tests as soon as they are
 * final: a skip may become a result in the second form of the machine. */
struct check_run {
	const struct vm_check *check;
	struct suite suite;
	struct suite_config config;
	struct agent_run run;
	bool *selected, *ready;
	char **logs;
	size_t shown;
	struct test_result *first; /* results of the first form while the second one runs */
	size_t selected_count;
	struct report report;
	struct report_run origin;
	bool begun; /* the report */
};

/* -- printing -- */

/* As iommuzz check gives it: over the tests that the filter takes. */
static uint64_t selected_digest(const struct check_run *all)
{
	struct suite selected = {.tests = tool_grow(NULL, all->suite.count, sizeof(struct test))};

	for (size_t i = 0; i < all->suite.count; i++)
		if (all->selected[i])
			selected.tests[selected.count++] = all->suite.tests[i];
	uint64_t digest = suite_digest(&selected);
	free(selected.tests);
	return digest;
}

/* Not before the first machine is there: results say what it is. */
static void begin_report(struct check_run *all)
{
	if (all->begun)
		return;
	all->begun = true;
	all->origin.no_log = *all->run.hello.no_log ? all->run.hello.no_log : NULL;
	all->origin.suite_digest = selected_digest(all);
	all->report.kernel = suite_kernel(&all->config);
	report_begin(&all->report, all->selected_count);
}

static void show(struct check_run *all)
{
	begin_report(all);
	for (; all->shown < all->suite.count; all->shown++) {
		size_t i = all->shown;

		if (!all->selected[i])
			continue;
		if (!all->ready[i])
			break;
		report_test(&all->report, &all->suite.tests[i], &all->run.results[i],
			all->logs[i] ? all->logs[i] : "");
		free(all->logs[i]);
		all->logs[i] = NULL;
	}
	fflush(all->report.out);
}

/* Mock devices of some kernels do not attach where another IOMMU driver is; devices behind that
 * driver need it. */
static bool has_second_form(const struct check_run *all)
{
	const struct live_probe *probe = &all->run.hello.probe;

	return !all->check->command && !all->check->vm.no_iommu && probe->has_iommu &&
	       !probe->has_test;
}

static bool needs_mock(const struct test *test)
{
	uint32_t needs = test->text.header.needs;

	for (uint32_t i = 0; i < test->text.prog.call_count; i++)
		needs |= prog_row(&test->text.prog.calls[i])->needs;
	return needs & NEEDS_TEST;
}

static void take(
	void *context, const struct test *test, const struct test_result *result, const char *log)
{
	struct check_run *all = context;
	size_t i = (size_t)(test - all->suite.tests);
	bool skipped = result->status == TEST_SKIP;

	/* Of two forms that skip a test, one says what the test lacks, the other what it lacks. */
	if (all->first && skipped && !needs_mock(test))
		all->run.results[i] = all->first[i];
	all->ready[i] = all->first || !skipped || !has_second_form(all);
	free(all->logs[i]);
	all->logs[i] = *log ? tool_copy(log) : NULL;
	show(all);
}

/* -- forms of the machine -- */

struct vm_machine {
	struct vm vm;
	struct vm_config config;
};

static int start_machine(void *context, struct agent_hello *hello, char *reason, size_t size)
{
	struct vm_machine *machine = context;

	if (!vm_start(&machine->vm, &machine->config, reason, size))
		return -1;
	*hello = machine->vm.hello;
	if (hello->probe.has_iommu)
		return machine->vm.channel;
	snprintf(reason, size, "%s: %s", machine->config.kernel, hello->probe.no_iommu);
	vm_stop(&machine->vm, NULL, 0);
	return -1;
}

static void stop_machine(void *context, char *text, size_t size)
{
	vm_stop(&((struct vm_machine *)context)->vm, text, size);
}

/* Tests that the first form skipped, once more. */
static bool run_second_form(
	struct check_run *all, struct vm_machine *machine, char *reason, size_t size)
{
	size_t count = all->suite.count;

	all->first = tool_grow(NULL, count, sizeof(*all->first));
	memcpy(all->first, all->run.results, count * sizeof(*all->first));
	machine->config.no_iommu = true;
	all->run.starts = 0;
	for (size_t i = 0; i < count; i++)
		all->run.wanted[i] = all->selected[i] && !all->ready[i];
	return agent_run(&all->run, reason, size);
}

static bool run_forms(struct check_run *all, char *reason, size_t size)
{
	struct vm_machine machine = {.config = all->check->vm};
	struct agent_command command = {.command = all->check->command};
	struct agent_source source = {
		.start = start_machine, .stop = stop_machine, .context = &machine};

	if (command.command)
		source = agent_command_source(&command);
	all->run.source = &source;
	bool complete = agent_run(&all->run, reason, size);
	if (complete && has_second_form(all))
		complete = run_second_form(all, &machine, reason, size);
	return complete;
}

/* -- all of it -- */

static int exit_code(const struct report *report)
{
	const uint32_t *counts = report->counts;

	if (counts[TEST_BROKEN])
		return TOOL_BROKEN;
	if (counts[TEST_FAIL] || counts[TEST_KNOWN_PASS])
		return TOOL_FAILED;
	return counts[TEST_SKIP] == report->number ? TOOL_SKIPPED : TOOL_OK;
}

static bool find_test(struct check_run *all, const char *option, const char *id)
{
	for (size_t i = 0; i < all->suite.count; i++)
		if (all->selected[i] && strcmp(all->suite.tests[i].id, id) == 0) {
			all->run.break_at = (uint32_t)i + 1;
			return true;
		}
	tool_error("--%s: no test '%s' is among those to run", option, id);
	return false;
}

/* Number of tests that the filter takes. */
static size_t select_tests(struct check_run *all)
{
	struct suite_config wanted = {.filter = all->check->filter};
	size_t count = all->suite.count, selected = 0;

	all->selected = calloc(count, sizeof(bool));
	all->ready = calloc(count, sizeof(bool));
	all->logs = calloc(count, sizeof(char *));
	all->run.wanted = calloc(count, sizeof(bool));
	all->run.results = calloc(count, sizeof(struct test_result));
	if (!all->selected || !all->ready || !all->logs || !all->run.wanted || !all->run.results) {
		tool_error("out of memory");
		return 0;
	}
	for (size_t i = 0; i < count; i++) {
		all->selected[i] = suite_wants(&wanted, all->suite.tests[i].id);
		all->run.wanted[i] = all->selected[i];
		selected += all->selected[i];
	}
	if (!selected)
		tool_error("vm check: no test matches '%s'",
			all->check->filter ? all->check->filter : "*");
	return selected;
}

static bool set_break(struct check_run *all)
{
	const struct vm_check *check = all->check;

	if (check->die_at) {
		all->run.break_how = AGENT_BREAK_DIE;
		return find_test(all, "die-at", check->die_at);
	}
	if (check->hang_at) {
		all->run.break_how = AGENT_BREAK_HANG;
		return find_test(all, "hang-at", check->hang_at);
	}
	if (check->warn_at) {
		all->run.break_how = AGENT_BREAK_WARN;
		return find_test(all, "warn-at", check->warn_at);
	}
	return true;
}

static void print_summary(const struct check_run *all, uint64_t microseconds)
{
	const struct agent_run *run = &all->run;

	if (all->report.format == REPORT_JUNIT)
		return;
	fprintf(all->report.out,
		"# %s, %.1f s, machines started: %u in %.1f s, renewed: %u, died: %u\n",
		run->hello.probe.release, (double)microseconds / 1e6, run->started,
		(double)run->start_microseconds / 1e6, run->renewals, run->deaths);
}

static int run_tests(struct check_run *all)
{
	uint64_t start = tool_clock();
	char reason[TEXT_SIZE] = "", *json = NULL;
	size_t json_bytes = 0;

	if (all->check->json)
		all->report.json = open_memstream(&json, &json_bytes);
	bool complete = run_forms(all, reason, sizeof(reason));
	int code = complete ? exit_code(&all->report) : TOOL_BROKEN;
	/* Without a machine there are no results, and nothing to say what they would be of. */
	if (all->run.started) {
		begin_report(all);
		report_end(&all->report, !complete);
		print_summary(all, tool_clock() - start);
	}
	if (!complete && agent_interrupted())
		code = TOOL_INTERRUPTED;
	else if (*reason)
		tool_error("%s%s%s", all->check->command ? all->check->command : "",
			all->check->command ? ": " : "", reason);
	if (all->report.json) {
		fclose(all->report.json);
		if (all->run.started && !files_write(all->check->json, json, json_bytes))
			code = TOOL_BROKEN;
		free(json);
	}
	return tool_exit(code);
}

static int print_list(const struct check_run *all)
{
	for (size_t i = 0; i < all->suite.count; i++)
		if (all->selected[i])
			puts(all->suite.tests[i].id);
	return tool_exit(TOOL_OK);
}

static void free_all(struct check_run *all)
{
	for (size_t i = 0; all->logs && i < all->suite.count; i++)
		free(all->logs[i]);
	free(all->logs);
	free(all->selected);
	free(all->ready);
	free(all->first);
	free(all->run.wanted);
	free(all->run.results);
	suite_free(&all->suite);
}

int vm_check(const struct vm_check *check)
{
	struct check_run all = {
		.check = check,
		.config = {.target = &target_live, .kernel = check->kernel},
		.run = {.timeout = check->timeout,
			.starts_max = STARTS_MAX,
			.kernel = check->kernel,
			.done = take},
		.report = {.format = check->format, .out = stdout, .target = target_live.name},
	};
	int code = TOOL_BROKEN;

	if (check->json && !files_can_write(check->json))
		return TOOL_BROKEN;
	all.config.probe = &all.run.hello.probe;
	all.run.suite = &all.suite;
	all.run.config = &all.config;
	all.run.context = &all;
	all.report.run = &all.origin;
	all.origin.probe = &all.run.hello.probe;
	all.origin.start = (int64_t)time(NULL);
	suite_load_embedded(&all.suite, &all.config);
	framing_add(&all.suite, &all.config);
	all.selected_count = select_tests(&all);
	if (all.selected_count && check->list)
		code = print_list(&all);
	else if (all.selected_count && set_break(&all))
		code = run_tests(&all);
	free_all(&all);
	return code;
}
