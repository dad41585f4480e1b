/* SPDX-License-Identifier: Apache-2.0 */
/* iommuzz probe: what this machine offers to programs. */
#include <string.h>

#include "fuzz/exec/target_live.h"
#include "fuzz/prog/names.h"
#include "impl/abi/iommufd_abi.h"
#include "tools/tool.h"

enum { PROBE_JSON };

static const struct option_spec probe_options[] = {
	[PROBE_JSON] = {"json", 'j', NULL, "Prints one JSON object."},
	{0},
};

struct probed {
	struct live_probe live;
	const char *no_log; /* NULL: the kernel log can be read */
};

/* -- the list of ioctls -- */

/* The number of a row that is the first of its number among those of /dev/iommu itself, else 0. */
static unsigned number_of(unsigned r)
{
	const struct call_row *row = &call_rows[r];

	if (row->kind != CALL_IOCTL || !row->number || !row->field_count ||
		row->fields[0].resource != RESOURCE_IOMMUFD ||
		(row->number & 0xff) < IOMMUFD_CMD_BASE)
		return 0;
	for (unsigned before = 0; before < r; before++)
		if (call_rows[before].kind == CALL_IOCTL &&
			call_rows[before].number == row->number &&
			call_rows[before].fields[0].resource == RESOURCE_IOMMUFD)
			return 0;
	return row->number & 0xff;
}

/* Rows that are told apart by a field have the number's name in common. */
static const char *name_of(const struct call_row *row)
{
	return row->selector < 0			     ? row->name
	       : strncmp(row->name, "IOMMU_OPTION", 12) == 0 ? "IOMMU_OPTION"
							     : "IOMMU_TEST_CMD";
}

/* -- as a table -- */

static const char *or_none(const char *text)
{
	return *text ? text : "unknown";
}

static void print_machine(const struct probed *probed, FILE *out)
{
	const struct live_probe *probe = &probed->live;

	fprintf(out, "kernel         %s %s\n", or_none(probe->release), probe->version);
	fprintf(out, "profile        %u.%u\n", probe->kernel >> 8, probe->kernel & 255);
	fprintf(out, "configuration  %s\n",
		*probe->config_digest ? probe->config_digest : "not readable");
	fprintf(out, "/dev/iommu     %s\n", probe->has_iommu ? "yes" : probe->no_iommu);
	fprintf(out, "user           %s\n", probe->is_root ? "root" : "not root");
	fprintf(out, "capabilities   %s\n",
		probe->has_capabilities ? "all that programs need" : "not all that programs need");
	fprintf(out, "fault points   %s\n",
		probe->has_faults ? "can be made to fail" : probe->no_faults);
	fprintf(out, "kernel log     %s\n", probed->no_log ? probed->no_log : "readable");
	fprintf(out, "IOMMU groups   %u\n", probe->iommu_groups);
	fprintf(out, "mdev types     %s\n", *probe->mdev_types ? probe->mdev_types : "none");
	fprintf(out, "2M pages       %u\n", probe->hugepages_2m);
}

static unsigned bit_number(uint32_t bit)
{
	unsigned number = 0;

	while (bit >>= 1)
		number++;
	return number;
}

static const char *missing(const struct live_probe *probe, uint32_t need)
{
	unsigned bit = bit_number(need);

	if (probe->needs & need)
		return NULL;
	return bit < sizeof(probe->missing) / sizeof(probe->missing[0]) && *probe->missing[bit]
		       ? probe->missing[bit]
		       : "not met";
}

static void print_needs(const struct live_probe *probe, FILE *out)
{
	fputs("\nneeds of programs\n", out);
	for (unsigned i = 0; names_word(NAMES_NEEDS, i); i++) {
		const char *why = missing(probe, names_needs_bit(i));

		fprintf(out, "  %-12s %-3s %s\n", names_word(NAMES_NEEDS, i), why ? "no" : "yes",
			why ? why : "");
	}
}

static void print_ioctls(const struct live_probe *probe, FILE *out)
{
	fputs("\nioctls of /dev/iommu\n", out);
	for (unsigned r = 0; r < CALL_ID_COUNT; r++) {
		const struct call_row *row = &call_rows[r];
		unsigned number = number_of(r);

		if (number)
			fprintf(out, "  0x%02x %-32s since %u.%u  %s\n", number, name_of(row),
				row->since >> 8, row->since & 255,
				!probe->has_iommu	 ? "not asked"
				: probe->answers[number] ? "answers"
							 : "unknown to this kernel");
	}
}

/* -- as JSON -- */

static void json_text(const char *key, const char *text, FILE *out)
{
	fprintf(out, "\"%s\": ", key);
	if (text && *text)
		tool_json_string(text, out);
	else
		fputs("null", out);
}

/* Names with blanks between, as a list. */
static void json_words(const char *words, FILE *out)
{
	char word[sizeof(((struct live_probe *)0)->mdev_types)];

	for (const char *between = ""; *words; between = ", ") {
		size_t length = strcspn(words, " ");

		memcpy(word, words, length);
		word[length] = '\0';
		fputs(between, out);
		tool_json_string(word, out);
		words += length + strspn(words + length, " ");
	}
}

static const char *yes_no(bool yes)
{
	return yes ? "true" : "false";
}

static void json_needs(const struct live_probe *probe, FILE *out)
{
	fputs("  \"needs\": [", out);
	for (unsigned i = 0; names_word(NAMES_NEEDS, i); i++) {
		const char *why = missing(probe, names_needs_bit(i));

		fprintf(out, "%s\n    {\"name\": \"%s\", \"met\": %s, ", i ? "," : "",
			names_word(NAMES_NEEDS, i), yes_no(!why));
		json_text("reason", why, out);
		fputc('}', out);
	}
	fputs("\n  ],\n", out);
}

static void json_ioctls(const struct live_probe *probe, FILE *out)
{
	const char *between = "";

	fputs("  \"ioctls\": [", out);
	for (unsigned r = 0; r < CALL_ID_COUNT; r++) {
		const struct call_row *row = &call_rows[r];
		unsigned number = number_of(r);

		if (!number)
			continue;
		fprintf(out,
			"%s\n    {\"number\": %u, \"name\": \"%s\", \"since\": \"%u.%u\", "
			"\"answers\": %s}",
			between, number, name_of(row), row->since >> 8, row->since & 255,
			probe->has_iommu ? yes_no(probe->answers[number]) : "null");
		between = ",";
	}
	fputs("\n  ]\n}\n", out);
}

static void print_json(const struct probed *probed, FILE *out)
{
	const struct live_probe *probe = &probed->live;

	fputs("{\n  ", out);
	json_text("release", probe->release, out);
	fputs(", ", out);
	json_text("version", probe->version, out);
	fputs(", ", out);
	json_text("config", probe->config_digest, out);
	fprintf(out, ",\n  \"kernel\": \"%u.%u\", \"iommu\": %s, ", probe->kernel >> 8,
		probe->kernel & 255, yes_no(probe->has_iommu));
	json_text("no_iommu", probe->no_iommu, out);
	fprintf(out, ", \"test\": %s, \"root\": %s, \"capabilities\": %s, \"faults\": %s, ",
		yes_no(probe->has_test), yes_no(probe->is_root), yes_no(probe->has_capabilities),
		yes_no(probe->has_faults));
	json_text("no_faults", probe->no_faults, out);
	fputs(",\n  ", out);
	json_text("kernel_log", probed->no_log ? probed->no_log : "readable", out);
	fprintf(out, ", \"iommu_groups\": %u, \"mdev_types\": [", probe->iommu_groups);
	json_words(probe->mdev_types, out);
	fprintf(out, "], \"hugepages_2m\": %u,\n", probe->hugepages_2m);
	json_needs(probe, out);
	json_ioctls(probe, out);
}

static int run(const struct command *command, int argc, char **argv)
{
	struct probed probed = {.no_log = NULL};
	struct options options;
	const char *value;
	bool json = false;

	options_init(&options, command, argc, argv);
	for (int option; (option = options_next(&options, &value)) != OPTIONS_END;) {
		if (option == OPTIONS_WORD)
			tool_error("probe: expected no argument, found '%s'", value);
		if (option != PROBE_JSON)
			return option == OPTIONS_HELP ? TOOL_OK : TOOL_BROKEN;
		json = true;
	}
	live_probe(&probed.live);
	struct kernel_log *log = kernel_log_open(&probed.no_log);
	if (log) {
		kernel_log_close(log);
		probed.no_log = NULL;
	}
	if (json) {
		print_json(&probed, stdout);
	} else {
		print_machine(&probed, stdout);
		print_needs(&probed.live, stdout);
		print_ioctls(&probed.live, stdout);
	}
	if (!probed.live.has_iommu)
		tool_error("probe: %s", probed.live.no_iommu);
	return tool_exit(probed.live.has_iommu ? TOOL_OK : TOOL_SKIPPED);
}

const struct command command_probe = {
	.name = "probe",
	.brief = "show what this machine's kernel offers to programs",
	.synopsis = "iommuzz probe [--json]",
	.description =
		"Shows the running kernel and what of it programs with the target live can "
		"use: which needs (the\n"
		"word `needs` of a program's header) are met, or why not, and which ioctls of "
		"/dev/iommu the\n"
		"kernel knows. Nothing is changed; no device is touched.",
	.options = probe_options,
	.exit_status = "0    /dev/iommu is there\n"
		       "2    wrong usage\n"
		       "77   there is no /dev/iommu, or it cannot be opened",
	.examples = "iommuzz probe\n"
		    "iommuzz probe --json > machine.json",
	.run = run,
};
