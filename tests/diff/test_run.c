/* SPDX-License-Identifier: Apache-2.0 */
/* Whole runs of `iommuzz diff` against targets that misbehave in ways no defect of ours does. */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/tap.h"
#include "tools/diff.h"
#include "tools/tool.h"

#define CONTEXT "fd = open /dev/iommu\nas = IOMMU_IOAS_ALLOC fd\n"
#define VICTIM	CONTEXT "IOMMU_IOAS_MAP fd ioas_id=as flags=READABLE user_va=mem length=1P\n"

static char folder[] = "/tmp/iommuzz-diff-run-XXXXXX";
static struct target_class forgetful;
static bool leaked;

/* A file that was made outlives the program: maps of later ones fail. */
static void forgetful_call(
	struct target *target, const struct resolved_call *call, struct call_outcome *outcome)
{
	target_inproc.call(target, call, outcome);
	if (call->row == &call_rows[CALL_ID_memfd])
		leaked = true;
	if (call->row == &call_rows[CALL_ID_IOMMU_IOAS_MAP] && leaked)
		outcome->result = -5;
}

static void write_program(const char *name, const char *source)
{
	char path[200];

	snprintf(path, sizeof(path), "%s/%s.prog", folder, name);
	files_write(path, source, strlen(source));
}

static void remove_folder(const char *path)
{
	char command[300];

	snprintf(command, sizeof(command), "rm -rf '%s'", path);
	if (system(command) != 0)
		printf("# %s stays\n", path);
}

static bool run_programs(struct diff *diff)
{
	char reason[400] = "", list[] = "/dev/null";
	const char *why;
	bool whole;

	if (!diff_machine_start(&diff->machine, reason, sizeof(reason))) {
		printf("# %s\n", reason);
		return false;
	}
	diff_errnos_free(&diff->errnos);
	diff->errnos = (struct diff_errnos){0};
	diff_errnos_read(&diff->errnos, list);
	diff->exec = exec_open(&target_inproc, diff->kernel, &why);
	whole = diff_run(diff);
	exec_close(diff->exec);
	diff_machine_stop(&diff->machine);
	return whole;
}

static void test_unsteady(void)
{
	char found[200], culprit[400];
	struct diff diff = {.machine = {.kind = DIFF_LOCAL, .target = &forgetful, .channel = -1},
		.kernel = LINUX_NEWEST,
		.minimise = true,
		.quiet = true,
		.folder = found};

	forgetful = target_inproc;
	forgetful.call = forgetful_call;
	snprintf(found, sizeof(found), "%s-found", folder);
	write_program("1-harmless", CONTEXT);
	write_program("2-culprit", "fd = open /dev/iommu\nmemfd size=1P\n");
	write_program("3-harmless", CONTEXT "IOMMU_DESTROY fd id=as\n");
	write_program("4-victim", VICTIM);
	bool whole = files_collect(folder, &diff.files) && run_programs(&diff);
	tap_ok(whole && diff.compared == 4 && diff.found_count == 1,
		"what one program leaves behind for another is one difference");
	tap_ok(diff.found_count == 1 &&
			strcmp(diff.found[0].key, "unsteady.IOMMU_IOAS_MAP.result-ok-EIO.7.3") == 0,
		"named after what it does: %s", diff.found_count ? diff.found[0].key : "none");
	snprintf(culprit, sizeof(culprit), "%s/%s-before-1.prog", found,
		diff.found_count ? diff.found[0].key : "");
	size_t size = 0;
	char *text = access(culprit, R_OK) == 0 ? (char *)files_read(culprit, &size) : NULL;
	tap_ok(text && strstr(text, "memfd size=1P"), "its cause is written beside it");
	free(text);
	snprintf(culprit, sizeof(culprit), "%s/%s-before-2.prog", found,
		diff.found_count ? diff.found[0].key : "");
	tap_ok(access(culprit, F_OK) != 0, "and nothing else is");
	remove_folder(found);
	diff_free(&diff);
}

/* The same with a record: it explains what it names, whatever must run before. */
static void test_explained_unsteady(void)
{
	static const char record[] =
		"difference leak\ncall IOMMU_IOAS_MAP\nwhat result ok EIO\nwhen length=4096\n"
		"kernels 6.2..7.3\nreason made up\n";
	char path[200];
	struct diff diff = {.machine = {.kind = DIFF_LOCAL, .target = &forgetful, .channel = -1},
		.kernel = LINUX_NEWEST,
		.quiet = true};

	snprintf(path, sizeof(path), "%s/differences", folder);
	bool whole = files_write(path, record, strlen(record)) &&
		     rules_read(&diff.differences, RULE_DIFFERENCE, path) &&
		     files_collect(folder, &diff.files) && run_programs(&diff);
	tap_ok(whole && diff.compared == 4 && !diff.found_count && diff.explained == 1,
		"a record explains what shows behind other programs only");
	diff_free(&diff);
}

/* -- machines that misbehave -- */

static struct target_class misbehaving;
static const struct target_events *misled;
static bool marked;
static pid_t judge;

static struct target *misbehaving_open(
	const struct target_config *config, const struct target_events *events, const char **reason)
{
	misled = events;
	return target_inproc.open(config, events, reason);
}

/* The agent is the parent of who runs programs; its end closes the channel with ours. */
static void end_machine(int number)
{
	kill(getppid(), number);
	_exit(0);
}

static void misbehaving_call(
	struct target *target, const struct resolved_call *call, struct call_outcome *outcome)
{
	static const uint8_t old[1] = {0}, new[1] = {7};

	target_inproc.call(target, call, outcome);
	/* The agent itself looks around before it says hello. */
	if (getppid() == judge)
		return;
	switch (call->row - call_rows) {
	case CALL_ID_IOMMU_IOAS_IOVA_RANGES:
		misled->memory(misled->context, PROG_MEM_BASE + 4096, old, new, 1);
		break;
	case CALL_ID_IOMMU_DESTROY: raise(SIGKILL); break;
	case CALL_ID_IOMMU_IOAS_ALLOW_IOVAS:
		for (;;)
			pause();
	case CALL_ID_memfd: end_machine(SIGKILL); break;
	case CALL_ID_mprotect: end_machine(SIGSTOP); break;
	case CALL_ID_munmap: marked = true; break;
	case CALL_ID_IOMMU_IOAS_UNMAP:
		if (marked)
			end_machine(SIGKILL);
		break;
	default: break;
	}
}

static void misbehave(struct diff *diff, char *found)
{
	misbehaving = target_inproc;
	misbehaving.open = misbehaving_open;
	misbehaving.call = misbehaving_call;
	judge = getpid();
	*diff = (struct diff){
		.machine = {.kind = DIFF_LOCAL, .target = &misbehaving, .channel = -1},
		.kernel = LINUX_NEWEST,
		.call_seconds = 1,
		.quiet = true,
		.folder = found};
	snprintf(found, 100, "%s-found", folder);
	remove_folder(folder);
	mkdir(folder, 0777);
}

static bool has_key(const struct diff *diff, const char *key)
{
	for (size_t i = 0; i < diff->found_count; i++)
		if (strcmp(diff->found[i].key, key) == 0)
			return true;
	return false;
}

static unsigned programs_in(const char *path)
{
	struct file_list list = {0};
	unsigned count = 0;

	if (access(path, F_OK) == 0 && files_collect(path, &list))
		count = (unsigned)list.count;
	files_free(&list);
	return count;
}

static void test_keys(void)
{
	struct diff diff;
	char found[100], path[300];

	misbehave(&diff, found);
	write_program("1-good", CONTEXT);
	write_program("2-memory", CONTEXT "IOMMU_IOAS_IOVA_RANGES fd ioas_id=as\n");
	write_program("3-dies", CONTEXT "IOMMU_DESTROY fd id=as\n");
	write_program("4-hangs", CONTEXT "IOMMU_IOAS_ALLOW_IOVAS fd ioas_id=as\n");
	write_program("5-good", VICTIM);
	bool whole = files_collect(folder, &diff.files) && run_programs(&diff);
	tap_ok(whole && diff.compared == 5 && diff.found_count == 3,
		"three kinds in five programs");
	tap_ok(has_key(&diff, "IOMMU_IOAS_IOVA_RANGES.memory.7.3"), "memory that differs");
	tap_ok(has_key(&diff, "program.died-9.7.3"), "a process that died");
	tap_ok(has_key(&diff, "program.hung.7.3"), "a call that did not come back");
	snprintf(path, sizeof(path), "%s/program.hung.7.3.prog", found);
	tap_ok(access(path, R_OK) == 0 && programs_in(found) == 3, "each is written");
	remove_folder(found);
	diff_free(&diff);
}

static void test_death(void)
{
	struct diff diff;
	char found[100], path[300];
	size_t size;

	misbehave(&diff, found);
	write_program("1-good", CONTEXT);
	write_program("2-kills", CONTEXT "memfd size=1P\n");
	write_program("3-good", VICTIM);
	bool whole = files_collect(folder, &diff.files) && run_programs(&diff);
	tap_ok(whole && diff.compared == 3 && diff.found_count == 1 &&
			has_key(&diff, "program.machine-died.7.3"),
		"what kills a machine is one difference, and the others are compared");
	snprintf(path, sizeof(path), "%s/program.machine-died.7.3.prog", found);
	char *text = access(path, R_OK) == 0 ? (char *)files_read(path, &size) : NULL;
	tap_ok(text && strstr(text, "memfd size=1P"), "named by its program");
	free(text);
	remove_folder(found);
	diff_free(&diff);
}

static void test_together(void)
{
	struct diff diff;
	char found[100], path[300];

	misbehave(&diff, found);
	write_program("1-good", CONTEXT);
	write_program("2-first", CONTEXT "munmap mem length=1P\n");
	write_program("3-good", VICTIM);
	write_program("4-second", CONTEXT "IOMMU_IOAS_UNMAP fd ioas_id=as length=1P\n");
	bool whole = files_collect(folder, &diff.files) && run_programs(&diff);
	tap_ok(whole && diff.compared == 4 && has_key(&diff, "program.machine-died.7.3"),
		"programs that kill a machine together are a difference");
	snprintf(path, sizeof(path), "%s/program.machine-died.7.3-together-1", found);
	tap_ok(programs_in(path) == 2, "and the two of them are written: %u", programs_in(path));
	snprintf(path, sizeof(path), "%s/program.machine-died.7.3-together-1/0001.bin", found);
	tap_ok(access(path, R_OK) == 0, "as they travelled too");
	remove_folder(found);
	diff_free(&diff);
}

static void test_silence(void)
{
	struct diff diff;
	char found[100], path[300];
	uint64_t begin = tool_clock();

	misbehave(&diff, found);
	diff.seconds = 1;
	write_program("1-good", CONTEXT);
	write_program("2-stops", "fd = open /dev/iommu\nmprotect mem length=1P prot=1\n");
	bool whole = files_collect(folder, &diff.files) && run_programs(&diff);
	uint64_t seconds = (tool_clock() - begin) / 1000000;
	tap_ok(whole && diff.late && diff.unanswered == 2 && seconds < 20,
		"a machine that falls silent does not outlast the time by much: %u s",
		(unsigned)seconds);
	snprintf(path, sizeof(path), "%s/program.machine-died.7.3-together-1", found);
	tap_ok(has_key(&diff, "program.machine-died.7.3") && programs_in(path) == 2,
		"and what it had is written");
	remove_folder(found);
	diff_free(&diff);
}

/* -- reports -- */

/* What a machine complains of: a warning that comes once in its life, as WARN_ONCE. */
struct complaint {
	pid_t machine; /* whose life it is */
	bool raised, told, needs_company, company;
};
static struct complaint *complaint;

static void complaining_call(
	struct target *target, const struct resolved_call *call, struct call_outcome *outcome)
{
	target_inproc.call(target, call, outcome);
	if (call->row == &call_rows[CALL_ID_munmap])
		complaint->company = true;
	if (call->row == &call_rows[CALL_ID_memfd] &&
		(complaint->company || !complaint->needs_company))
		complaint->raised = true;
}

static bool complain(char *title, size_t title_size, char *text, size_t size)
{
	if (complaint->machine != getpid()) {
		complaint->machine = getpid();
		complaint->raised = complaint->told = false;
	}
	/* Company counts within one request. */
	complaint->company = false;
	if (!complaint->raised || complaint->told)
		return false;
	complaint->told = true;
	snprintf(title, title_size, "WARNING: made-up at drivers/nowhere.c:1");
	snprintf(text, size, "WARNING: made-up at drivers/nowhere.c:1\nCall Trace:\n");
	return true;
}

static void run_complaining(struct diff *diff, char *found, bool needs_company, const char *record)
{
	char path[200];

	misbehave(diff, found);
	misbehaving.call = complaining_call;
	misbehaving.report = complain;
	memset(complaint, 0, sizeof(*complaint));
	complaint->needs_company = needs_company;
	write_program("1-good", CONTEXT);
	write_program("2-company", CONTEXT "munmap mem length=1P\n");
	write_program("3-warns", CONTEXT "memfd size=1P\n");
	write_program("4-good", VICTIM);
	bool whole = files_collect(folder, &diff->files);
	if (record) {
		snprintf(path, sizeof(path), "%s/differences", folder);
		whole = whole && files_write(path, record, strlen(record)) &&
			rules_read(&diff->differences, RULE_DIFFERENCE, path);
	}
	tap_ok(whole && run_programs(diff) && diff->compared == 4,
		"a machine that complains goes on");
}

static void test_reports(void)
{
	static const char key[] = "kernel.WARNING-made-up-at-drivers-nowhere-c-.7.3";
	static const char record[] =
		"difference made-up\ncall memfd\nwhat report made-up-at\nwhen size=4096\n"
		"kernels 6.2..7.3\nreason made up\n";
	struct diff diff;
	char found[100], path[400];
	size_t size;

	complaint = mmap(NULL, sizeof(*complaint), PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	run_complaining(&diff, found, false, NULL);
	tap_ok(diff.found_count == 1 && has_key(&diff, key), "what it said once is named: %s",
		diff.found_count ? diff.found[0].key : "none");
	snprintf(path, sizeof(path), "%s/%s.prog", found, key);
	char *text = access(path, R_OK) == 0 ? (char *)files_read(path, &size) : NULL;
	tap_ok(text && strstr(text, "memfd size=1P") && strstr(text, "# Call Trace:"),
		"by the program that a fresh machine complains of");
	free(text);
	remove_folder(found);
	diff_free(&diff);
	run_complaining(&diff, found, true, NULL);
	snprintf(path, sizeof(path), "%s/%s-together-1", found, key);
	tap_ok(diff.found_count == 1 && has_key(&diff, key) && programs_in(path) == 4,
		"or by all that ran: %u", programs_in(path));
	remove_folder(found);
	diff_free(&diff);
	run_complaining(&diff, found, false, record);
	tap_ok(!diff.found_count && diff.explained == 1, "unless a record explains it");
	diff_free(&diff);
}

/* -- what counts -- */

/* The exit code of a run with those numbers, without its text. */
static int summary_of(uint64_t compared, uint64_t explained)
{
	struct diff diff = {.machine = {.target = &target_inproc},
		.kernel = LINUX_NEWEST,
		.quiet = true,
		.compared = compared,
		.explained = explained};
	int kept, null = open("/dev/null", O_WRONLY);

	fflush(stdout);
	kept = dup(1);
	dup2(null, 1);
	int code = diff_summary(&diff, false);
	fflush(stdout);
	dup2(kept, 1);
	close(kept);
	close(null);
	return code;
}

static void test_limit(void)
{
	tap_ok(summary_of(10000, 9) == TOOL_OK && summary_of(999999, 999) == TOOL_OK,
		"explained differences in less than 0.1 %% of the programs pass");
	tap_ok(summary_of(10000, 10) == TOOL_FAILED && summary_of(1000000, 1000) == TOOL_FAILED,
		"in 0.1 %% they fail");
	tap_ok(summary_of(9999, 9999) == TOOL_OK, "fewer programs than 10,000 are not judged");
}

/* Programs that a hazard takes are not among those that are compared. */
static void test_number(void)
{
	static const char hazard[] =
		"hazard made-up\ncall IOMMU_IOAS_UNMAP\nharm hang\nkernels 6.2..7.3\nreason -\n";
	struct diff diff;
	char found[100], path[200];

	misbehave(&diff, found);
	diff.machine.target = &target_inproc;
	diff.programs = 300;
	diff.gen.options = (struct generate_options){
		.live = true, .exclude_needs = NEEDS_INPROC, .kernel = LINUX_NEWEST};
	snprintf(path, sizeof(path), "%s/hazards", folder);
	bool whole = files_write(path, hazard, strlen(hazard)) &&
		     rules_read(&diff.hazards, RULE_HAZARD, path) && run_programs(&diff);
	tap_ok(whole && diff.compared == 300 && diff_tally_sum(&diff.skipped) > 10,
		"300 programs are 300 that were compared, whatever hazards take");
	diff.programs = 1;
	diff.only = true;
	diff.compared = diff.accepted = 0;
	whole = run_programs(&diff);
	tap_ok(whole && diff.compared <= 1 && diff.next_number == diff.gen.first + 1,
		"a program alone has none in its place");
	diff_free(&diff);
}

int main(void)
{
	tap_begin();
	signal(SIGPIPE, SIG_IGN);
	if (!mkdtemp(folder))
		return 2;
	test_unsteady();
	test_explained_unsteady();
	test_keys();
	test_death();
	test_together();
	test_silence();
	test_reports();
	test_limit();
	test_number();
	remove_folder(folder);
	return tap_end();
}
