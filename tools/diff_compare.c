/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/diff_compare.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz/exec/names.h"
#include "fuzz/prog/names.h"
#include "fuzz/prog/text.h"
#include "tools/tool.h"

/* -- what differs -- */

static const char *result_class(int64_t result)
{
	const char *name = result < 0 && result >= -4095 ? names_errno((int)-result) : NULL;

	return result >= 0 ? "ok" : name ? name : "error";
}

static void set_key(
	struct difference *difference, const char *call, const char *what, uint16_t kernel)
{
	snprintf(difference->key, sizeof(difference->key), "%.60s.%.80s.%u.%u", call, what,
		kernel >> 8, kernel & 255);
}

/* The first field whose bytes differ; -1: other bytes do. */
static int differing_field(
	const struct call_row *row, const uint8_t *a, const uint8_t *b, uint32_t size)
{
	for (unsigned f = 0; f < row->field_count; f++) {
		const struct field *field = &row->fields[f];

		if (field->width && field->offset + field->width <= size &&
			memcmp(a + field->offset, b + field->offset, field->width) != 0)
			return (int)f;
	}
	return -1;
}

static void name_result(struct difference *d, const struct call_row *row, uint16_t kernel)
{
	char what[80];

	d->what = DIFF_RESULT;
	snprintf(what, sizeof(what), "result-%s-%s", result_class(d->here), result_class(d->there));
	set_key(d, row->name, what, kernel);
}

static void name_image(struct difference *d, const struct call_row *row, const struct trace *here,
	const struct trace_entry *x, const struct trace *there, const struct trace_entry *y,
	uint16_t kernel)
{
	char what[80];
	int field = x->image_size == y->image_size ? differing_field(row, here->bytes + x->image,
							     there->bytes + y->image, x->image_size)
						   : -1;

	d->what = field < 0 ? DIFF_MEMORY : DIFF_FIELD;
	d->field = field < 0 ? 0 : (uint8_t)field;
	snprintf(what, sizeof(what), "field-%s", field < 0 ? "struct" : row->fields[field].name);
	set_key(d, row->name, what, kernel);
}

static void name_entry(struct difference *d, const struct prog *prog, const struct trace *here,
	const struct trace *there, uint16_t kernel)
{
	uint32_t i = (uint32_t)d->entry;
	const struct trace_entry *x = i < here->entry_count ? &here->entries[i] : NULL;
	const struct trace_entry *y = i < there->entry_count ? &there->entries[i] : NULL;

	d->call = x ? x->call : y->call;
	const struct call_row *row = prog_row(&prog->calls[d->call]);
	if (!x || !y || x->call != y->call) {
		d->what = DIFF_ORDER;
		set_key(d, row->name, "order", kernel);
		return;
	}
	d->here = x->result;
	d->there = y->result;
	if (x->result != y->result) {
		name_result(d, row, kernel);
	} else if (x->image_size != y->image_size ||
		   (x->image_size && memcmp(here->bytes + x->image, there->bytes + y->image,
					     x->image_size) != 0)) {
		name_image(d, row, here, x, there, y, kernel);
	} else {
		d->what = DIFF_MEMORY;
		set_key(d, row->name, "memory", kernel);
	}
}

/* Letters of a kernel's message, without numbers and addresses that change from run to run. */
static void plain_title(char *text, size_t size, const char *title)
{
	size_t used = 0;

	for (; *title && used + 1 < size; title++) {
		bool letter = (*title | 32) >= 'a' && (*title | 32) <= 'z';

		if (letter || *title == '_')
			text[used++] = *title;
		else if (used && text[used - 1] != '-')
			text[used++] = '-';
	}
	text[used] = '\0';
}

static void name_machine(struct difference *d, const struct prog *prog,
	const struct diff_answer *there, uint16_t kernel)
{
	uint32_t call = there->head.call ? there->head.call - 1u : 0;
	char what[80];

	d->what = DIFF_MACHINE;
	d->call = (uint16_t)(call < prog->call_count ? call : 0);
	d->entry = -1;
	const char *name = there->head.call && prog->call_count
				   ? prog_row(&prog->calls[d->call])->name
				   : "program";
	if (there->head.outcome == AGENT_HUNG)
		snprintf(what, sizeof(what), "hung");
	else if (there->head.outcome == AGENT_DIED)
		snprintf(what, sizeof(what), "died-%u", there->head.signal);
	else
		plain_title(what, 60, there->head.reason);
	set_key(d, there->head.outcome == AGENT_REPORT ? "kernel" : name, what, kernel);
}

static int64_t first_difference(
	const struct prog *prog, const struct trace *here, const struct trace *there)
{
	int64_t entry = trace_compare(here, there, 0);

	while (entry >= 0 && entry < here->entry_count && entry < there->entry_count) {
		const struct trace_entry *x = &here->entries[entry], *y = &there->entries[entry];

		if (x->call != y->call ||
			!diff_coarser(prog_row(&prog->calls[x->call]), here, x, there, y))
			break;
		entry = trace_compare(here, there, (uint32_t)entry + 1);
	}
	return entry;
}

bool diff_compare(const struct prog *prog, const struct trace *here,
	const struct diff_answer *there, uint16_t kernel, struct difference *difference)
{
	*difference = (struct difference){.entry = -1};
	if (there->head.outcome != AGENT_RAN) {
		name_machine(difference, prog, there, kernel);
		return there->head.outcome != AGENT_NOT_RUN;
	}
	difference->entry = first_difference(prog, here, &there->trace);
	if (difference->entry < 0)
		return false;
	name_entry(difference, prog, here, &there->trace, kernel);
	return true;
}

/* -- both sides in text -- */

static const struct trace_entry *last_entry(const struct trace *trace, uint32_t call)
{
	for (uint32_t i = trace->entry_count; i-- > 0;)
		if (trace->entries[i].call == call)
			return &trace->entries[i];
	return NULL;
}

/* The result and what a program can name: "0 out_ioas_id=1". */
static void print_entry(const struct trace *trace, const struct trace_entry *entry,
	const struct call_row *row, FILE *out)
{
	uint8_t outputs[CALL_OUTPUT_MAX];
	int count = call_outputs(row, outputs);
	char text[24];

	if (!entry) {
		fputs("not reached", out);
		return;
	}
	fputs(result_text(text, sizeof(text), entry->result), out);
	for (int i = 0; entry->result >= 0 && i < count; i++) {
		const struct field *field = &row->fields[outputs[i]];

		if (field->width && field->offset + field->width <= entry->image_size)
			fprintf(out, " %s=0x%" PRIx64, field->name,
				field_get(field, trace->bytes + entry->image));
	}
}

static void print_difference(const struct prog *prog, const struct trace *here,
	const struct diff_answer *there, const struct difference *difference, FILE *out)
{
	static const char *const outcomes[] = {"ran", "was not run", "ended its process",
		"did not come back", "made the kernel report"};

	if (difference->what == DIFF_MACHINE) {
		fprintf(out, "# this %s on the machine%s%s\n",
			outcomes[there->head.outcome < 5 ? there->head.outcome : 0],
			there->head.reason[0] ? ": " : "", there->head.reason);
		return;
	}
	fputs("# differs (expected: in-process, got: the machine): ", out);
	trace_explain(here, &there->trace, difference->entry,
		prog_row(&prog->calls[difference->call]), out);
}

static char *call_comment(const struct prog *prog, uint32_t call, const struct trace *here,
	const struct diff_answer *there, const struct difference *difference)
{
	const struct call_row *row = prog_row(&prog->calls[call]);
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return NULL;
	if (call == difference->call &&
		(difference->entry >= 0 || difference->what == DIFF_MACHINE))
		print_difference(prog, here, there, difference, out);
	fputs("# in-process ", out);
	print_entry(here, last_entry(here, call), row, out);
	fputs(" | machine ", out);
	print_entry(&there->trace, last_entry(&there->trace, call), row, out);
	return fclose(out) == 0 ? text : NULL;
}

/* A kernel's report goes behind the last call, line by line. */
static char *report_comment(const char *report)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return NULL;
	for (const char *at = report; *at;) {
		size_t length = strcspn(at, "\n");

		fprintf(out, "%s# ", at == report ? "" : "\n");
		for (size_t i = 0; i < length; i++)
			fputc(at[i] >= ' ' && at[i] < 127 ? at[i] : ' ', out);
		at += length + (at[length] == '\n');
	}
	return fclose(out) == 0 ? text : NULL;
}

char *diff_print(const struct prog *prog, const struct trace *here, const struct diff_answer *there,
	const struct difference *difference, const char *id, const char *origin)
{
	struct prog_text text;
	char *printed = NULL, description[400];

	prog_text_init(&text);
	bool taken = prog_text_from(&text, prog);
	if (taken)
		prog_name_positional(&text.prog);
	if (taken && prog_text_reserve(&text, prog->call_count + 1)) {
		snprintf(description, sizeof(description), "%s\nFrom %s.", difference->key, origin);
		text.header.id = tool_copy(id);
		text.header.description = tool_copy(description);
		for (uint32_t i = 0; i < prog->call_count; i++)
			text.comments[i] = call_comment(prog, i, here, there, difference);
		if (there->head.outcome == AGENT_REPORT && there->head.text[0])
			text.comments[prog->call_count] = report_comment(there->head.text);
		printed = prog_print_string(&text);
	}
	prog_text_free(&text);
	return printed;
}
