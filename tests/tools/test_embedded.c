/* SPDX-License-Identifier: Apache-2.0 */
/* What is compiled in is what the source tree holds; devices that nobody can mean are refused. */
#include <stdlib.h>
#include <string.h>

#include "fuzz/exec/live_device.h"
#include "tests/tap.h"
#include "tools/embedded.h"
#include "tools/files.h"
#include "tools/suite.h"

static bool same_as_file(const struct embedded_file *file)
{
	size_t size;
	uint8_t *bytes = files_read(file->path, &size);
	bool same = bytes && (size_t)(file->end - file->bytes) == size &&
		    memcmp(bytes, file->bytes, size) == 0;

	free(bytes);
	return same;
}

static void test_files(void)
{
	bool sorted = true, same = true, found = true;

	for (size_t i = 0; i < embedded_count; i++) {
		const struct embedded_file *file = &embedded_files[i];

		sorted = sorted && (!i || strcmp(embedded_files[i - 1].path, file->path) < 0);
		same = same && same_as_file(file);
		found = found && embedded_find(file->path) == file;
	}
	tap_ok(embedded_count > 500, "%zu files are compiled in", embedded_count);
	tap_ok(sorted, "they are sorted");
	tap_ok(found, "each is found by its path");
	tap_ok(same, "they are those of the tree, byte by byte");
	tap_ok(embedded_find("conformance/requirements"),
		"the index of requirements is among them");
	tap_ok(!embedded_find("conformance/none.prog"), "control: what is not there is not found");
}

static void test_suites(void)
{
	struct suite_config config = {.target = &target_model};
	struct suite tree = {0}, embedded = {0};

	bool loaded = suite_load(&tree, "conformance", &config) &&
		      (!files_has_programs("corpus/regress") ||
			      suite_load(&tree, "corpus/regress", &config));
	suite_load_embedded(&embedded, &config);
	tap_ok(loaded && tree.count == embedded.count, "%zu programs in both suites", tree.count);
	tap_ok(suite_digest(&tree) == suite_digest(&embedded), "both have the same digest");
	if (tree.count) {
		uint64_t whole = suite_digest(&tree);

		tree.tests[0].text.prog.calls[0].repeat = 77;
		tap_ok(suite_digest(&tree) != whole, "control: one other call, another digest");
	}
	suite_free(&tree);
	suite_free(&embedded);
}

static void test_devices(void)
{
	static const char *const wrong[] = {"", "vfio0", "0000:00:02", "0000:00:02.0x",
		"../../../etc", "0000:00:02/0", "ffff:ff:1f.7"};
	char reason[300];

	for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		tap_ok(!live_device_bind(wrong[i], reason, sizeof(reason)) && *reason,
			"refused: %s", reason);
	tap_ok(live_device_count() == 0 && !live_device_cdev(0) && !live_device_group(0),
		"no device is named");
	tap_ok(live_device_release(reason, sizeof(reason)), "nothing is given back");
}

int main(void)
{
	tap_begin();
	test_files();
	test_suites();
	test_devices();
	return tap_end();
}
