/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Framing tests of every ioctl of the catalogue: generated as programs, run like all others. Calls
 * that are not implemented yet are expected to be unknown; those of descriptors that are not there
 * yet are skipped by name.
 */
#include <inttypes.h>
#include <string.h>

#include "fuzz/exec/exec.h"
#include "fuzz/exec/names.h"
#include "impl/abi/iommufd_abi.h"
#include "tools/suite.h"
#include "tools/tool.h"

/* How a case writes its call behind `fd = open /dev/iommu`. */
struct framing_case {
	const char *name, *requirement, *comment;
	const char *setup; /* lines before the call, or "" */
	const char *expected;
	void (*call)(const struct call_row *row, char *text, size_t size);
};

static void below_minimum(const struct call_row *row, char *text, size_t size)
{
	snprintf(text, size, "%s fd size=%u", row->name, row->min_size - 1u);
}

static void size_zero(const struct call_row *row, char *text, size_t size)
{
	snprintf(text, size, "%s fd size=0", row->name);
}

static void tail_not_zero(const struct call_row *row, char *text, size_t size)
{
	snprintf(text, size, "%s fd size=%u tail=0000000000000001", row->name, row->size + 8u);
}

static void null_pointer(const struct call_row *row, char *text, size_t size)
{
	snprintf(text, size, "%s fd at=NULL", row->name);
}

/* The size word is there, the rest of the struct is not. */
static void body_missing(const struct call_row *row, char *text, size_t size)
{
	snprintf(text, size, "%s fd at=mem+1P-4", row->name);
}

static void tail_missing(const struct call_row *row, char *text, size_t size)
{
	snprintf(text, size, "%s fd size=%u at=mem+1P-%u", row->name, row->size + 8u, row->size);
}

static void with_direction(const struct call_row *row, char *text, size_t size)
{
	snprintf(text, size, "ioctl fd 0x%" PRIx32 " size=%u", row->number | UINT32_C(0xc0000000),
		row->size);
}

static void with_size_bits(const struct call_row *row, char *text, size_t size)
{
	snprintf(text, size, "ioctl fd 0x%" PRIx32 " size=%u",
		row->number | (uint32_t)row->size << 16, row->size);
}

static const struct framing_case cases[] = {
	{"size-below-minimum", "1.3/5", "A size below the minimum is EINVAL.", "", "EINVAL",
		below_minimum},
	{"size-0", "1.3/5", "A size of 0 is EINVAL.", "", "EINVAL", size_zero},
	{"tail-not-zero", "1.3/6", "A byte behind the struct that is not zero is E2BIG.", "",
		"E2BIG", tail_not_zero},
	{"pointer-null", "1.3/3", "The size word cannot be read: EFAULT.", "", "EFAULT",
		null_pointer},
	{"body-unmapped", "1.3/6",
		"The size word can be read, the struct behind it cannot: EFAULT.",
		"munmap mem+1P length=1P -> 0\n", "EFAULT", body_missing},
	{"tail-unmapped", "1.3/6", "The struct can be read, the tail behind it cannot: EFAULT.",
		"munmap mem+1P length=1P -> 0\n", "EFAULT", tail_missing},
	{"number-with-direction", "1.3/4", "Direction bits in the number are ENOTTY.", "", "ENOTTY",
		with_direction},
	{"number-with-size", "1.3/4", "Size bits in the number are ENOTTY.", "", "ENOTTY",
		with_size_bits},
};

static void add_case(struct suite *suite, const struct suite_config *config,
	const struct call_row *row, const struct framing_case *what)
{
	char id[160], call[200], source[900];

	snprintf(id, sizeof(id), "framing-%s-%s", row->name, what->name);
	what->call(row, call, sizeof(call));
	snprintf(source, sizeof(source),
		"# %s: %s\n#: id %s req %s since %u.%u\nfd = open /dev/iommu -> ok\n%s%s -> %s\n",
		row->name, what->comment, id, what->requirement, row->since >> 8, row->since & 255,
		what->setup, call, what->expected);
	suite_add_source(suite, id, source, config);
}

/* What the call with all fields zero gives on this target: the result that a zero tail must not
 * change. */
static const char *plain_result(
	const struct suite_config *config, const struct call_row *row, char *text, size_t size)
{
	char source[200];
	struct prog_text program;
	struct parse_error error;
	const char *reason, *name = NULL;
	/* A real kernel is not asked for what it then would have to answer. */
	const struct target_class *target =
		config->target == &target_live ? &target_model : config->target;
	struct exec *exec = exec_open(target, suite_kernel(config), &reason);

	snprintf(source, sizeof(source), "fd = open /dev/iommu\n%s fd\n", row->name);
	prog_text_init(&program);
	if (exec && prog_parse(&program, source, strlen(source), &error) &&
		exec_run(exec, &program.prog, &reason)) {
		const struct trace *trace = exec_trace(exec);
		int64_t result =
			trace->entry_count ? trace->entries[trace->entry_count - 1].result : 0;

		name = result_text(text, size, result);
	}
	prog_text_free(&program);
	exec_close(exec);
	return name;
}

static void add_zero_tail(
	struct suite *suite, const struct suite_config *config, const struct call_row *row)
{
	char id[160], source[600], text[32];

	snprintf(id, sizeof(id), "framing-%s-tail-zero", row->name);
	if (!suite_wants(config, id))
		return;
	const char *result = plain_result(config, row, text, sizeof(text));
	if (!result)
		return;
	snprintf(source, sizeof(source),
		"# %s: a tail of zeros changes nothing.\n#: id %s req 1.3/6 since %u.%u\n"
		"fd = open /dev/iommu -> ok\n%s fd size=%u tail=00 -> %s\n",
		row->name, id, row->since >> 8, row->since & 255, row->name, row->size + 1u,
		result);
	suite_add_source(suite, id, source, config);
}

/* A call on /dev/iommu whose number is known to nobody here: it is ENOTTY, whatever the struct. In
 * the table's range the size word is read before. */
static void add_not_yet(
	struct suite *suite, const struct suite_config *config, const struct call_row *row)
{
	bool in_table = (row->number & 0xff) >= IOMMUFD_CMD_BASE;
	char id[160], source[600];

	snprintf(id, sizeof(id), "framing-%s-not-yet", row->name);
	snprintf(source, sizeof(source),
		"# %s: not implemented yet, so its number is ENOTTY.\n"
		"#: id %s req 1.3/4 since %u.%u\n#: needs inproc\n"
		"fd = open /dev/iommu -> ok\nioctl fd 0x%" PRIx32 " size=%u -> ENOTTY\n",
		row->name, id, row->since >> 8, row->since & 255, row->number, row->size);
	suite_add_source(suite, id, source, config);
	snprintf(id, sizeof(id), "framing-%s-not-yet-null", row->name);
	snprintf(source, sizeof(source),
		"# %s: not implemented yet; %s.\n"
		"#: id %s req 1.3/%d since %u.%u\n#: needs inproc\n"
		"fd = open /dev/iommu -> ok\nioctl fd 0x%" PRIx32 " at=NULL -> %s\n",
		row->name,
		in_table ? "the size word cannot be read: EFAULT" : "no memory is read: ENOTTY", id,
		in_table ? 3 : 2, row->since >> 8, row->since & 255, row->number,
		in_table ? "EFAULT" : "ENOTTY");
	suite_add_source(suite, id, source, config);
}

/* A call on a descriptor that no program can have yet: listed, so that none is forgotten. */
static void add_skipped(
	struct suite *suite, const struct suite_config *config, const struct call_row *row)
{
	static const struct {
		uint16_t need;
		const char *reason;
	} needs[] = {
		{NEEDS_GROUP, "VFIO groups are not implemented yet"},
		{NEEDS_CDEV, "VFIO device files are not implemented yet"},
		{NEEDS_CONTAINER, "VFIO containers are not implemented yet"},
	};
	const char *reason = "not implemented yet";
	char id[160];

	for (size_t i = 0; i < sizeof(needs) / sizeof(needs[0]); i++)
		if (row->needs & needs[i].need)
			reason = needs[i].reason;
	snprintf(id, sizeof(id), "framing-%s", row->name);
	suite_add_skipped(suite, id, reason, config);
}

void framing_add(struct suite *suite, const struct suite_config *config)
{
	for (unsigned r = 0; r < CALL_ID_COUNT; r++) {
		const struct call_row *row = &call_rows[r];

		if (row->kind != CALL_IOCTL || !row->number)
			continue;
		/* Rows of one number are told apart behind the framing, which is there if one is.
		 * A real kernel has all that its release has. */
		bool known = row->implemented || row->selector >= 0;
		bool real = config->target == &target_live && !(row->needs & ~NEEDS_TEST);
		if (row->framing == FRAMING_SIZE && (known || real)) {
			for (size_t c = 0; c < sizeof(cases) / sizeof(cases[0]); c++)
				add_case(suite, config, row, &cases[c]);
			if (real ? row->implemented : known)
				add_zero_tail(suite, config, row);
		} else if (!row->implemented && !(row->needs & ~NEEDS_TEST)) {
			add_not_yet(suite, config, row);
		} else {
			add_skipped(suite, config, row);
		}
	}
}
