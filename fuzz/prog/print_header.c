/* SPDX-License-Identifier: Apache-2.0 */
/* Description, header lines, machine options and schedule as text. */
#include <inttypes.h>
#include <string.h>

#include "fuzz/prog/print_private.h"
#include "impl/abi/points.h"

void print_description(const struct printer *printer)
{
	const char *line = printer->text->header.description;

	while (line) {
		const char *end = strchr(line, '\n');
		int length = end ? (int)(end - line) : (int)strlen(line);

		fprintf(printer->out, length ? "# %.*s\n" : "#%.*s\n", length, line);
		line = end ? end + 1 : NULL;
	}
}

static bool has_options(const struct prog_options *options)
{
	return options->kernel || options->bug || options->pages || options->seed ||
	       options->memlock || options->flags || options->compat;
}

static bool has_names(const struct prog_header *header)
{
	return header->id || header->requirement_count || header->since || header->until ||
	       header->twin;
}

bool print_has_header(const struct prog_text *text)
{
	return has_names(&text->header) || has_options(&text->prog.options) || text->header.needs ||
	       text->header.known_fail || text->prog.switch_count || text->prog.schedule_count;
}

static const char *next_separator(bool *first)
{
	const char *separator = *first ? " " : "  ";

	*first = false;
	return separator;
}

static void print_names_line(FILE *out, const struct prog_header *header)
{
	bool first = true;

	if (!has_names(header))
		return;
	fputs("#:", out);
	if (header->id)
		fprintf(out, "%sid %s", next_separator(&first), header->id);
	for (uint32_t i = 0; i < header->requirement_count; i++)
		fprintf(out, "%sreq %s", next_separator(&first), header->requirements[i]);
	if (header->since)
		fprintf(out, "%ssince %u.%u", next_separator(&first), header->since >> 8,
			header->since & 0xff);
	if (header->until)
		fprintf(out, "%suntil %u.%u", next_separator(&first), header->until >> 8,
			header->until & 0xff);
	if (header->twin)
		fprintf(out, "%stwin %s", next_separator(&first), header->twin);
	fputc('\n', out);
}

static void print_needs(FILE *out, uint32_t needs)
{
	if (!needs)
		return;
	fputs("#: needs", out);
	for (unsigned i = 0; names_word(NAMES_NEEDS, i); i++)
		if (needs & names_needs_bit(i))
			fprintf(out, " %s", names_word(NAMES_NEEDS, i));
	fputc('\n', out);
}

static void print_compat(FILE *out, uint32_t compat)
{
	const char *separator = " compat=";

	for (unsigned i = 0; i < 32; i++) {
		if (!(compat >> i & 1))
			continue;
		fprintf(out, "%sQ-%u", separator, i + 1);
		separator = ",";
	}
}

static void print_options(FILE *out, const struct prog_options *options)
{
	const char *bug = options->bug ? names_word(NAMES_BUG, options->bug - 1u) : NULL;

	if (!has_options(options))
		return;
	fputs("#: sim", out);
	if (options->kernel)
		fprintf(out, " kernel=%u.%u", options->kernel >> 8, options->kernel & 0xff);
	if (options->pages) {
		fputs(" pages=", out);
		print_size(out, UINT64_C(4096) * options->pages);
	}
	if (bug)
		fprintf(out, " bug=%s", bug);
	else if (options->bug)
		fprintf(out, " bug=%u", options->bug);
	if (options->seed)
		fprintf(out, " seed=%" PRIu32, options->seed);
	if (options->flags & PROG_OPTION_MEMLOCK_SET) {
		fputs(" memlock=", out);
		print_size(out, options->memlock);
	}
	if (options->flags & PROG_OPTION_CAPS_NONE)
		fputs(" caps=-", out);
	print_compat(out, options->compat);
	if (options->flags & PROG_OPTION_DMABUF_FD)
		fputs(" dmabuf=fd", out);
	if (options->flags & PROG_OPTION_HUGETLB)
		fputs(" hugetlb=2M", out);
	if (options->flags & PROG_OPTION_CONTAINER)
		fputs(" container=iommufd", out);
	if (options->flags & PROG_OPTION_NOIOMMU)
		fputs(" noiommu=mock", out);
	if (options->flags & PROG_OPTION_IOASID_X2)
		fputs(" ioasid=x2", out);
	else if (options->flags & PROG_OPTION_IOASID_X3)
		fputs(" ioasid=x3", out);
	fputc('\n', out);
}

static void print_thread(FILE *out, uint8_t thread)
{
	if (thread)
		fputc('A' + thread - 1, out);
	else
		fputs("main", out);
}

static void print_switch(FILE *out, const struct schedule_switch *next)
{
	const char *class = next->object ? names_word(NAMES_LOCK_CLASS, next->object - 1) : NULL;

	print_thread(out, next->thread);
	fprintf(out, ".%u@%s", next->call, names_word(NAMES_SCHEDULE_POINT, next->point));
	if (class)
		fprintf(out, "(%s)", class);
	else if (next->object)
		fprintf(out, "(%" PRIu32 ")", next->object);
	fprintf(out, "#%u -> ", next->occurrence);
	print_thread(out, next->to);
}

static void print_schedule(const struct printer *printer)
{
	const struct prog *prog = printer->prog;

	if (!prog->switch_count)
		return;
	fputs("#: schedule: ", printer->out);
	for (uint32_t i = 0; i < prog->switch_count; i++) {
		if (i)
			fputs(", ", printer->out);
		print_switch(printer->out, &prog->switches[i]);
	}
	fputc('\n', printer->out);
}

static void print_schedule_bytes(const struct printer *printer)
{
	const struct prog *prog = printer->prog;

	/* Switches say it all; bytes beside them are left over from the run that they are of. */
	if (!prog->schedule_count || prog->switch_count)
		return;
	fputs("#: schedule-bytes 0x", printer->out);
	for (uint32_t i = 0; i < prog->schedule_count; i++)
		fprintf(printer->out, "%02x", prog->schedule[i]);
	fputc('\n', printer->out);
}

void print_header(const struct printer *printer)
{
	const struct prog_header *header = &printer->text->header;

	print_names_line(printer->out, header);
	print_needs(printer->out, header->needs);
	print_options(printer->out, &printer->prog->options);
	if (header->known_fail)
		fprintf(printer->out, "#: known-fail %s\n", header->known_fail);
	print_schedule(printer);
	print_schedule_bytes(printer);
}
