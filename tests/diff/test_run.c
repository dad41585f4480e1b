/* SPDX-License-Identifier: Apache-2.0 */
/* Whole runs of `iommuzz diff` against targets that misbehave in ways no defect of ours does. */
#include <stdlib.h>
#include <string.h>
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
}

int main(void)
{
	tap_begin();
	if (!mkdtemp(folder))
		return 2;
	test_unsteady();
	remove_folder(folder);
	return tap_end();
}
