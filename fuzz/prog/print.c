/* SPDX-License-Identifier: Apache-2.0 */
/* Programs as text, in canonical form. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz/prog/names_table.h"
#include "fuzz/prog/parse_private.h"
#include "fuzz/prog/print_private.h"
#include "impl/abi/points.h"

static const char *given_name(const struct prog_text *text, uint32_t call, unsigned output)
{
	return call < text->room ? text->names[call][output] : NULL;
}

const char *print_output_name(const struct printer *printer, uint32_t call, unsigned output)
{
	const char *name =
		output < CALL_OUTPUT_MAX ? given_name(printer->text, call, output) : NULL;

	if (name || !printer->made_up || output >= CALL_OUTPUT_MAX ||
		call >= printer->prog->call_count)
		return name;
	name = printer->made_up[call][output];
	return *name ? name : NULL;
}

/* Marks outputs that handles among the values name and that have no name yet. True if there are
 * any. */
static bool mark_nameless(const struct prog_text *text, const struct value *values, uint32_t count,
	uint8_t *marks, unsigned depth)
{
	const struct prog *prog = &text->prog;
	bool found = false;

	for (uint32_t i = 0; i < count; i++) {
		const struct value *value = &values[i];

		if (value->kind == VALUE_HANDLE && value->call < prog->call_count &&
			value->output < CALL_OUTPUT_MAX &&
			!given_name(text, value->call, value->output)) {
			marks[value->call] |= (uint8_t)(1u << value->output);
			found = true;
		}
		if ((value->kind == VALUE_STRUCT || value->kind == VALUE_ARRAY) &&
			depth < 2 * PROG_DEPTH_MAX)
			found |= mark_nameless(
				text, &prog->values[value->start], value->count, marks, depth + 1);
	}
	return found;
}

static bool mark_all(const struct prog_text *text, uint8_t *marks)
{
	const struct prog *prog = &text->prog;
	bool found = false;

	for (uint32_t i = 0; i < prog->call_count; i++) {
		const struct call *call = &prog->calls[i];

		found |= mark_nameless(text, &prog->values[call->first_value],
			prog_row(call)->field_count, marks, 0);
		for (unsigned j = 0; i < text->room && j < text->expectations[i].field_count; j++)
			found |= mark_nameless(
				text, &text->expectations[i].fields[j].value, 1, marks, 0);
	}
	return found;
}

/* The next free name of the type: "as", "as2", ... */
static void make_up(struct names_table *taken, uint32_t *counter, enum resource resource,
	char name[NAME_MAX_LENGTH])
{
	do {
		(*counter)++;
		snprintf(name, NAME_MAX_LENGTH, *counter > 1 ? "%s%" PRIu32 : "%s",
			names_prefix(resource), *counter);
	} while (names_table_find(taken, name, strlen(name)));
}

static void make_up_names(struct printer *printer, const uint8_t *marks)
{
	const struct prog_text *text = printer->text;
	uint32_t counters[RESOURCE_COUNT] = {0};
	struct names_table taken = {0};
	uint32_t calls = printer->prog->call_count;

	printer->made_up = calloc(calls, sizeof(*printer->made_up));
	for (uint32_t i = 0; printer->made_up && i < calls; i++)
		for (unsigned j = 0; j < CALL_OUTPUT_MAX; j++)
			if (given_name(text, i, j) && !names_table_find(&taken, text->names[i][j],
							      strlen(text->names[i][j])))
				names_table_add(
					&taken, text->names[i][j], strlen(text->names[i][j]), 0, 0);
	for (uint32_t i = 0; printer->made_up && i < calls; i++) {
		for (unsigned j = 0; j < CALL_OUTPUT_MAX; j++) {
			enum resource resource;
			char *name = printer->made_up[i][j];

			if (!(marks[i] >> j & 1))
				continue;
			resource = prog_output_resource(printer->prog, i, j);
			/* Descriptors of any kind share the prefix of the first kind, hence its
			 * counter. */
			if (resource == RESOURCE_ANY_FD)
				resource = RESOURCE_IOMMUFD;
			make_up(&taken, &counters[resource], resource, name);
			names_table_add(&taken, name, strlen(name), 0, 0);
		}
	}
	names_table_free(&taken);
}

static void printer_begin(struct printer *printer, const struct prog_text *text, FILE *out)
{
	uint8_t marks[PROG_CALL_MAX] = {0};

	*printer = (struct printer){.text = text, .prog = &text->prog, .out = out};
	if (mark_all(text, marks))
		make_up_names(printer, marks);
}

static void print_outputs(const struct printer *printer, uint32_t index)
{
	int last = -1;

	for (int i = 0; i < CALL_OUTPUT_MAX; i++)
		if (print_output_name(printer, index, (unsigned)i))
			last = i;
	for (int i = 0; i <= last; i++) {
		const char *name = print_output_name(printer, index, (unsigned)i);

		fprintf(printer->out, i ? ", %s" : "%s", name ? name : "_");
	}
	if (last >= 0)
		fputs(" = ", printer->out);
}

static void print_prefixes(const struct printer *printer, const struct call *call)
{
	FILE *out = printer->out;

	if (call->thread && !call->body)
		fprintf(out, "thread %c: ", 'A' + call->thread - 1);
	if (call->process && !call->body)
		fprintf(out, "P%u: ", call->process + 1u);
	if (call->repeat)
		fprintf(out, "repeat %u: ", call->repeat);
	if (call->fail == FAIL_POINT)
		fprintf(out, "fail %s#%u: ", names_word(NAMES_FAULT_POINT, call->fail_point),
			call->fail_nth);
	else if (call->fail == FAIL_NTH)
		fprintf(out, "fail-nth %u: ", call->fail_nth);
	else if (call->fail == FAIL_SWEEP)
		fputs("fail-nth *: ", out);
}

/* Bare words first, as long as none is missing; the others by name. */
static void print_words(const struct printer *printer, const struct call *call)
{
	const struct call_row *row = prog_row(call);
	uint8_t fields[CALL_FIELD_MAX];
	unsigned count = parse_bare_fields(row, fields), bare = 0;
	uint32_t done = 0;

	while (bare < count && prog_value(printer->prog, call, fields[bare])->kind != VALUE_UNSET) {
		fputc(' ', printer->out);
		print_value(printer, &row->fields[fields[bare]],
			prog_value(printer->prog, call, fields[bare]), row);
		done |= UINT32_C(1) << fields[bare];
		bare++;
	}
	for (unsigned i = 0; i < row->field_count; i++) {
		const struct value *value = prog_value(printer->prog, call, i);

		if (value->kind == VALUE_UNSET || done >> i & 1)
			continue;
		fprintf(printer->out, " %s=", row->fields[i].name);
		if (row->fields[i].kind == FIELD_TAIL && value->count) {
			for (uint32_t j = 0; j < value->count; j++)
				fprintf(printer->out, "%02x",
					printer->prog->bytes[value->start + j]);
			continue;
		}
		print_value(printer, &row->fields[i], value, NULL);
	}
}

static void print_version(FILE *out, const char *word, uint16_t version)
{
	fprintf(out, " %s %u.%u", word, version >> 8, version & 0xff);
}

static void print_alternative(FILE *out, const struct expect_alternative *alternative)
{
	const char *name =
		alternative->result == EXPECT_ERRNO ? names_errno(alternative->value) : NULL;

	if (alternative->result == EXPECT_OK)
		fputs("ok", out);
	else if (name)
		fputs(name, out);
	else
		fprintf(out, "%" PRId32, alternative->value);
}

static bool same_versions(const struct expect_alternative *a, const struct expect_alternative *b)
{
	return a->since == b->since && a->before == b->before;
}

static void print_alternatives(FILE *out, const struct expectation *expectation)
{
	const struct expect_alternative *all = expectation->alternatives;
	uint16_t previous = 0;

	for (unsigned i = 0; i < expectation->alternative_count; i++) {
		bool last = i + 1 == expectation->alternative_count ||
			    !same_versions(&all[i], &all[i + 1]);

		if (i)
			fputs(same_versions(&all[i - 1], &all[i]) ? " | " : ", ", out);
		print_alternative(out, &all[i]);
		if (!last)
			continue;
		if (all[i].since)
			print_version(out, "since", all[i].since);
		if (all[i].before && all[i].before == previous && !all[i].since)
			fputs(" before", out);
		else if (all[i].before && all[i].before != previous)
			print_version(out, "before", all[i].before);
		previous = all[i].since;
	}
}

static void print_expectation(const struct printer *printer, uint32_t index)
{
	const struct expectation *expectation;
	const struct call_row *row = prog_row(&printer->prog->calls[index]);

	if (index >= printer->text->room)
		return;
	expectation = &printer->text->expectations[index];
	if (!expectation->alternative_count)
		return;
	fputs(" -> ", printer->out);
	print_alternatives(printer->out, expectation);
	for (unsigned i = 0; i < expectation->field_count; i++) {
		const struct expect_field *field = &expectation->fields[i];

		fprintf(printer->out, i ? " %s=" : " {%s=", row->fields[field->field].name);
		print_value(printer, &row->fields[field->field], &field->value, NULL);
	}
	if (expectation->field_count)
		fputc('}', printer->out);
}

static void print_call(const struct printer *printer, uint32_t index)
{
	const struct prog *prog = printer->prog;
	const struct call *call = &prog->calls[index];
	uint32_t next = index + 1;

	print_prefixes(printer, call);
	print_outputs(printer, index);
	fputs(prog_row(call)->name, printer->out);
	print_words(printer, call);
	if (prog_has_body(call->row)) {
		fputs(": {", printer->out);
		for (; next < prog->call_count && prog->calls[next].body == index + 1; next++) {
			fputs(next == index + 1 ? " " : "; ", printer->out);
			print_call(printer, next);
		}
		fputs(" }", printer->out);
	}
	print_expectation(printer, index);
}

static const char *comments_before(const struct prog_text *text, uint32_t call)
{
	return call < text->room ? text->comments[call] : NULL;
}

static bool has_zero(const struct field *field)
{
	const struct named_value *name = field->names;

	while (name && name->name && name->value)
		name++;
	return field->kind == FIELD_ENUM && name && name->name;
}

void prog_name_positional(struct prog *prog)
{
	for (uint32_t i = 0; i < prog->call_count; i++) {
		const struct call *call = &prog->calls[i];
		const struct call_row *row = prog_row(call);
		unsigned first = 0;

		while (first < row->field_count &&
			(!row->fields[first].positional ||
				row->fields[first].kind == FIELD_SUBJECT))
			first++;
		if (first == row->field_count || !has_zero(&row->fields[first]))
			continue;
		struct value *value = prog_value(prog, call, first);
		if (value->kind == VALUE_UNSET)
			*value = (struct value){.kind = VALUE_NUMBER};
	}
}

void prog_print(const struct prog_text *text, FILE *out)
{
	struct printer printer;
	uint32_t calls = text->prog.call_count;
	bool has_header = print_has_header(text);

	printer_begin(&printer, text, out);
	print_description(&printer);
	print_header(&printer);
	for (uint32_t i = 0; i <= calls; i++) {
		const char *comments = comments_before(text, i);

		/* Without a header, a first comment would be read as (part of) the description. */
		if (comments && i == 0 && !has_header && *comments == '#')
			fputc('\n', out);
		if (comments)
			fprintf(out, "%s\n", comments);
		if (i == calls || printer.prog->calls[i].body)
			continue;
		print_call(&printer, i);
		fputc('\n', out);
	}
	free(printer.made_up);
}

char *prog_print_string(const struct prog_text *text)
{
	char *string = NULL;
	size_t length;
	FILE *out = open_memstream(&string, &length);

	if (!out)
		return NULL;
	prog_print(text, out);
	if (fclose(out)) {
		free(string);
		return NULL;
	}
	return string;
}

void prog_print_call(const struct prog_text *text, uint32_t call, FILE *out)
{
	struct printer printer;

	printer_begin(&printer, text, out);
	print_call(&printer, call);
	free(printer.made_up);
}
