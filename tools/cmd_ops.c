/* SPDX-License-Identifier: Apache-2.0 */
/* iommuzz ops: the catalogue, as a list or one call in detail. */
#include <fnmatch.h>
#include <inttypes.h>
#include <string.h>

#include "fuzz/prog/names.h"
#include "tools/tool.h"

enum { OPS_JSON, OPS_UNIMPLEMENTED, OPS_DETAIL };

static const struct option_spec ops_options[] = {
	[OPS_JSON] = {"json", 'j', NULL,
		"Prints a JSON array, one object a call with all that is known of it."},
	[OPS_UNIMPLEMENTED] = {"unimplemented", 'u', NULL,
		"Only calls that the in-process implementation answers with ENOTTY."},
	[OPS_DETAIL] = {"detail", 'd', NULL, "Every call in detail, also when several match."},
	{0},
};

struct ops {
	bool json, unimplemented, detail;
	const char *pattern; /* NULL: all */
};

static const char *const kind_names[] = {"ioctl", "kernel", "system", "control"};
static const char *const framing_names[] = {"none", "size", "argsz", "value", "fixed"};
static const char *const direction_names[] = {"-", "in", "out", "inout"};
static const char *const field_kinds[] = {
	[FIELD_SUBJECT] = "subject",
	[FIELD_SIZE] = "size",
	[FIELD_RESOURCE] = "handle",
	[FIELD_IOVA] = "iova",
	[FIELD_LENGTH] = "length",
	[FIELD_FLAGS] = "flags",
	[FIELD_ENUM] = "enum",
	[FIELD_USER_VA] = "address",
	[FIELD_USER_POINTER] = "pointer",
	[FIELD_NUMBER] = "number",
	[FIELD_RESERVED] = "reserved",
	[FIELD_BYTES] = "bytes",
	[FIELD_TAIL] = "tail",
	[FIELD_AT] = "place",
	[FIELD_NAME] = "name",
};

static bool is_handle(const struct field *field)
{
	return field->kind == FIELD_SUBJECT || field->kind == FIELD_RESOURCE;
}

static const char *release_text(uint16_t release, char buffer[16])
{
	if (!release)
		return "-";
	snprintf(buffer, 16, "%u.%u", release >> 8, release & 255);
	return buffer;
}

/* "test,inproc" or "-". */
static const char *needs_text(uint32_t needs, char buffer[64])
{
	size_t used = 0;
	const char *word;

	for (unsigned i = 0; (word = names_word(NAMES_NEEDS, i)); i++)
		if (needs & names_needs_bit(i) && used < 64)
			used += (size_t)snprintf(
				buffer + used, 64 - used, "%s%s", used ? "," : "", word);
	return used ? buffer : "-";
}

/* -- list -- */

static void print_row(const struct call_row *row)
{
	char number[16] = "-", since[16], needs[64];

	if (row->number)
		snprintf(number, sizeof(number), "0x%x", row->number);
	printf("%-38s %-10s %-5s %-10s %-4s %s\n", row->name, number,
		release_text(row->since, since), needs_text(row->needs, needs),
		row->implemented ? "yes" : "no", row->brief);
}

/* -- detail -- */

static void print_names(const struct named_value *names, int indent)
{
	char since[16];

	for (; names && names->name; names++) {
		printf("%*s%-24s 0x%" PRIx64, indent, "", names->name, names->value);
		if (names->since)
			printf("  since %s", release_text(names->since, since));
		putchar('\n');
	}
}

static void print_field(const struct field *field, int indent, const char *note)
{
	char place[24] = "", width[12] = "";

	if (field->width) {
		snprintf(place, sizeof(place), "%u", field->offset);
		snprintf(width, sizeof(width), "%u", field->width);
	}
	printf("%*s%6s %5s  %-5s %-9s %-22s", indent, "", place, width,
		direction_names[field->direction], field_kinds[field->kind], field->name);
	if (is_handle(field) || (field->kind == FIELD_IOVA && field->direction & FIELD_OUT))
		printf(" %s", resource_name(field->resource));
	if (field->positional && field->kind != FIELD_SUBJECT)
		printf(" (bare word)");
	printf("%s\n", note);
	print_names(field->names, indent + 26);
	if (field->kind != FIELD_USER_POINTER)
		return;
	if (field->pointee)
		printf("%*sstruct %s, %u bytes", indent + 26, "", field->pointee->name,
			field->pointee->size);
	else
		printf("%*sbytes", indent + 26, "");
	if (field->count_field)
		printf(", number in %s", field->count_field);
	putchar('\n');
	for (unsigned i = 0; field->pointee && i < field->pointee->field_count; i++)
		print_field(&field->pointee->fields[i], indent + 4, "");
}

static void print_detail(const struct call_row *row)
{
	char since[16], needs[64];
	uint8_t outputs[CALL_OUTPUT_MAX];
	int count = call_outputs(row, outputs);

	printf("%s\n    %s\n\n", row->name, row->brief);
	printf("    kind           %s\n", kind_names[row->kind]);
	if (row->kind == CALL_IOCTL) {
		printf("    number         0x%x\n", row->number);
		printf("    framing        %s", framing_names[row->framing]);
		if (row->size)
			printf(", struct of %u bytes, at least %u", row->size, row->min_size);
		putchar('\n');
	}
	if (row->selector >= 0)
		printf("    selected by    0x%x at offset %d\n", row->selector_value,
			row->selector);
	printf("    since          %s\n", release_text(row->since, since));
	printf("    needs          %s\n", needs_text(row->needs, needs));
	printf("    implemented    %s\n", row->implemented ? "yes" : "no (ENOTTY in-process)");
	printf("    specification  %s\n", row->spec);
	printf("    outputs        ");
	for (int i = 0; i < count; i++)
		printf("%s%s (%s)", i ? ", " : "", row->fields[outputs[i]].name,
			resource_name(row->fields[outputs[i]].resource));
	printf("%s\n", count ? "" : "none");
	if (row->field_count)
		printf("\n    offset width  dir   kind      name\n");
	for (unsigned i = 0; i < row->field_count; i++)
		print_field(&row->fields[i], 4, "");
}

/* -- JSON -- */

static void json_fields(const struct field *fields, unsigned count);

static void json_pointee(const struct field *field)
{
	if (field->count_field) {
		printf(", \"count_field\": ");
		tool_json_string(field->count_field, stdout);
	}
	if (!field->pointee)
		return;
	printf(", \"pointee\": {\"name\": \"%s\", \"size\": %u, \"fields\": ", field->pointee->name,
		field->pointee->size);
	json_fields(field->pointee->fields, field->pointee->field_count);
	putchar('}');
}

static void json_field(const struct field *field)
{
	printf("{\"name\": \"%s\", \"kind\": \"%s\", \"direction\": \"%s\"", field->name,
		field_kinds[field->kind], direction_names[field->direction]);
	if (field->width)
		printf(", \"offset\": %u, \"width\": %u", field->offset, field->width);
	if (field->resource)
		printf(", \"resource\": \"%s\"", resource_name(field->resource));
	if (field->positional)
		printf(", \"positional\": true");
	if (field->is_signed)
		printf(", \"signed\": true");
	if (field->names) {
		printf(", \"values\": {");
		for (const struct named_value *name = field->names; name->name; name++)
			printf("%s\"%s\": %" PRIu64, name == field->names ? "" : ", ", name->name,
				name->value);
		putchar('}');
	}
	if (field->kind == FIELD_USER_POINTER)
		json_pointee(field);
	putchar('}');
}

static void json_fields(const struct field *fields, unsigned count)
{
	putchar('[');
	for (unsigned i = 0; i < count; i++) {
		if (i)
			printf(", ");
		json_field(&fields[i]);
	}
	putchar(']');
}

static void json_row(const struct call_row *row)
{
	char since[16], needs[64];
	uint8_t outputs[CALL_OUTPUT_MAX];
	int count = call_outputs(row, outputs);

	printf("{\"name\": \"%s\", \"brief\": ", row->name);
	tool_json_string(row->brief, stdout);
	printf(", \"kind\": \"%s\", \"framing\": \"%s\", \"number\": %u, \"size\": %u, "
	       "\"min_size\": %u, "
	       "\"implemented\": %s, \"spec\": \"%s\", \"since\": ",
		kind_names[row->kind], framing_names[row->framing], row->number, row->size,
		row->min_size, row->implemented ? "true" : "false", row->spec);
	if (row->since)
		printf("\"%s\"", release_text(row->since, since));
	else
		printf("null");
	printf(", \"needs\": \"%s\"", row->needs ? needs_text(row->needs, needs) : "");
	if (row->selector >= 0)
		printf(", \"selector\": {\"offset\": %d, \"width\": %u, \"value\": %u}",
			row->selector, row->selector_width, row->selector_value);
	printf(", \"outputs\": [");
	for (int i = 0; i < count; i++)
		printf("%s\"%s\"", i ? ", " : "", row->fields[outputs[i]].name);
	printf("], \"fields\": ");
	json_fields(row->fields, row->field_count);
	putchar('}');
}

/* -- command -- */

static bool is_glob(const char *pattern)
{
	return strpbrk(pattern, "*?[") != NULL;
}

static bool selected(const struct ops *ops, const struct call_row *row)
{
	if (ops->unimplemented && row->implemented)
		return false;
	if (!ops->pattern)
		return true;
	return is_glob(ops->pattern) ? fnmatch(ops->pattern, row->name, 0) == 0
				     : strcmp(ops->pattern, row->name) == 0;
}

static int no_such_call(const struct ops *ops)
{
	const char *names[CALL_ID_COUNT + 1];

	if (ops->pattern && !is_glob(ops->pattern) &&
		call_find(ops->pattern, strlen(ops->pattern)) < 0) {
		for (int i = 0; i < CALL_ID_COUNT; i++)
			names[i] = call_rows[i].name;
		names[CALL_ID_COUNT] = NULL;
		tool_error_near(ops->pattern, names, "ops: no call is named '%s'", ops->pattern);
	} else if (ops->pattern) {
		tool_error("ops: no %scall matches '%s'",
			ops->unimplemented ? "unimplemented " : "", ops->pattern);
	} else {
		tool_error("ops: every call is implemented");
	}
	return TOOL_BROKEN;
}

static int print_all(const struct ops *ops)
{
	bool detail = ops->detail || (ops->pattern && !is_glob(ops->pattern));
	unsigned count = 0;

	for (int i = 0; i < CALL_ID_COUNT; i++) {
		const struct call_row *row = &call_rows[i];

		if (!selected(ops, row))
			continue;
		if (ops->json) {
			fputs(count ? ",\n" : "[\n", stdout);
			json_row(row);
		} else if (detail) {
			fputs(count ? "\n" : "", stdout);
			print_detail(row);
		} else {
			if (!count)
				printf("%-38s %-10s %-5s %-10s %-4s %s\n", "NAME", "NUMBER",
					"SINCE", "NEEDS", "IMPL", "WHAT");
			print_row(row);
		}
		count++;
	}
	if (!count)
		return no_such_call(ops);
	if (ops->json)
		fputs("\n]\n", stdout);
	return TOOL_OK;
}

static int run(const struct command *command, int argc, char **argv)
{
	struct ops ops = {0};
	struct options options;
	const char *value;

	options_init(&options, command, argc, argv);
	for (int option; (option = options_next(&options, &value)) != OPTIONS_END;) {
		switch (option) {
		case OPS_JSON: ops.json = true; break;
		case OPS_UNIMPLEMENTED: ops.unimplemented = true; break;
		case OPS_DETAIL: ops.detail = true; break;
		case OPTIONS_WORD:
			if (ops.pattern) {
				tool_error(
					"ops: one name or pattern at most, found '%s' too", value);
				return TOOL_BROKEN;
			}
			ops.pattern = value;
			break;
		case OPTIONS_HELP: return tool_exit(TOOL_OK);
		default: return TOOL_BROKEN;
		}
	}
	return tool_exit(print_all(&ops));
}

const struct command command_ops = {
	.name = "ops",
	.brief = "list the calls that programs can make",
	.synopsis = "iommuzz ops [--json] [--unimplemented] [--detail] [NAME | PATTERN]",
	.description = "Prints the catalogue: every call with its ioctl number, the kernel release "
		       "that brought it,\n"
		       "what a target must have for it, and whether the in-process implementation "
		       "has it.\n\n"
		       "With the NAME of a call, prints it in detail: how the struct is framed, "
		       "each field with\n"
		       "offset and width in bytes, direction and kind, the names of its flags, the "
		       "outputs that a\n"
		       "program can name (in the order in which they are named), what pointers "
		       "point at, and the\n"
		       "section of the specification. A PATTERN with *, ? or [ ] lists the calls "
		       "that match.",
	.options = ops_options,
	.exit_status = "0   calls were printed\n"
		       "2   wrong usage, or no such call",
	.examples = "iommuzz ops\n"
		    "iommuzz ops IOMMU_IOAS_MAP\n"
		    "iommuzz ops 'IOMMU_TEST_OP_*' --unimplemented\n"
		    "iommuzz ops --json | jq '.[] | select(.implemented) | .name'",
	.run = run,
};
