/* SPDX-License-Identifier: Apache-2.0 */
/* Values as text, by kind of field. */
#include <inttypes.h>
#include <string.h>

#include "fuzz/prog/print_private.h"

#define PAGE	     UINT64_C(4096)
#define MEGABYTE     (UINT64_C(1) << 20)
#define GIGABYTE     (UINT64_C(1) << 30)
#define LARGE	     (UINT64_C(1) << 40) /* from here on hexadecimal tells more than units */
#define NEAR_PAGES   16			 /* this close to a whole megabyte: 16M+1P, 2G-1P */
#define NEAR_THE_END UINT64_C(65536)	 /* this close to 2^64: -1P, U64_MAX-1 */

/* Whole gigabytes, megabytes or, below one megabyte, pages. */
static bool print_unit(FILE *out, uint64_t number)
{
	if (!number || number >= LARGE || number % PAGE)
		return false;
	if (number % GIGABYTE == 0)
		fprintf(out, "%" PRIu64 "G", number / GIGABYTE);
	else if (number % MEGABYTE == 0)
		fprintf(out, "%" PRIu64 "M", number / MEGABYTE);
	else if (number < MEGABYTE)
		fprintf(out, "%" PRIu64 "P", number / PAGE);
	else
		return false;
	return true;
}

/* Whole pages that read well as such. */
static bool print_pages(FILE *out, uint64_t number)
{
	uint64_t pages = number % MEGABYTE / PAGE, rest = MEGABYTE / PAGE - pages;

	if (!number || number >= LARGE || number % PAGE)
		return false;
	if (print_unit(out, number))
		return true;
	if (pages <= NEAR_PAGES && print_unit(out, number - pages * PAGE)) {
		fprintf(out, "+%" PRIu64 "P", pages);
		return true;
	}
	if (rest <= NEAR_PAGES && print_unit(out, number + rest * PAGE)) {
		fprintf(out, "-%" PRIu64 "P", rest);
		return true;
	}
	return false;
}

void print_size(FILE *out, uint64_t number)
{
	if (print_unit(out, number))
		return;
	if (number && number % PAGE == 0)
		fprintf(out, "%" PRIu64 "P", number / PAGE);
	else if (number && number % 1024 == 0)
		fprintf(out, "%" PRIu64 "K", number / 1024);
	else
		fprintf(out, number < PAGE ? "%" PRIu64 : "0x%" PRIx64, number);
}

static void print_length(FILE *out, uint64_t number)
{
	if (number >= LARGE)
		fprintf(out, "0x%" PRIx64, number);
	else if (!print_pages(out, number))
		print_size(out, number);
}

/* An IOVA, or the last byte of a range: 16M, 2G-1, else hexadecimal. */
static void print_iova(FILE *out, uint64_t number)
{
	if (print_pages(out, number))
		return;
	if (number % PAGE == PAGE - 1 && print_pages(out, number + 1))
		fputs("-1", out);
	else
		fprintf(out, number < 10 ? "%" PRIu64 : "0x%" PRIx64, number);
}

/* Largest numbers have names everywhere. */
static bool print_constant(FILE *out, const struct field *field, uint64_t number)
{
	if (field->is_signed && number >> 63 && field->width < 8) {
		fprintf(out, "-%" PRIu64, -number);
		return true;
	}
	if (number == UINT64_MAX)
		fputs("U64_MAX", out);
	else if (number == UINT32_MAX)
		fputs("U32_MAX", out);
	else if (number < -NEAR_THE_END)
		return false;
	else if (number % PAGE == 0)
		fprintf(out, "-%" PRIu64 "P", -number / PAGE);
	else
		fprintf(out, "U64_MAX-%" PRIu64, UINT64_MAX - number);
	return true;
}

static void print_flags(FILE *out, const struct field *field, uint64_t number)
{
	uint64_t rest = number;
	bool first = true;

	for (const struct named_value *entry = field->names; entry && entry->name; entry++) {
		if (!entry->value || (entry->value & rest) != entry->value)
			continue;
		fprintf(out, first ? "%s" : "|%s", entry->name);
		rest &= ~entry->value;
		first = false;
	}
	if (rest || first)
		fprintf(out, first ? (rest ? "0x%" PRIx64 : "%" PRIx64) : "|0x%" PRIx64, rest);
}

static void print_plain(FILE *out, uint64_t number)
{
	fprintf(out, number < 4096 ? "%" PRIu64 : "0x%" PRIx64, number);
}

static void print_number(FILE *out, const struct field *field, uint64_t number)
{
	char buffer[16];
	const char *word;

	switch (field->kind) {
	case FIELD_ENUM:
	case FIELD_NAME:
		word = names_field_word(field, number, buffer);
		if (word) {
			fputs(word, out);
			return;
		}
		break;
	case FIELD_FLAGS: print_flags(out, field, number); return;
	default: break;
	}
	if (print_constant(out, field, number))
		return;
	switch (field->kind) {
	case FIELD_LENGTH: print_length(out, number); break;
	case FIELD_USER_VA:
	case FIELD_USER_POINTER:
	case FIELD_AT: fprintf(out, number ? "0x%" PRIx64 : "NULL", number); break;
	case FIELD_IOVA: print_iova(out, number); break;
	default: print_plain(out, number);
	}
}

/* What is added to a handle or to mem; a sum can only be added. */
static void print_offset(FILE *out, uint64_t offset)
{
	bool negative = offset >> 63;
	uint64_t number = negative ? -offset : offset;

	fputc(negative ? '-' : '+', out);
	if (!(negative ? print_unit(out, number) : print_pages(out, number)))
		print_plain(out, number);
}

static bool is_name_of(const struct field *field, const char *word)
{
	for (const struct named_value *entry = field->names; entry && entry->name; entry++)
		if (!strcmp(entry->name, word))
			return true;
	return false;
}

/* Whether the name would be read as a flag where it stands. */
static bool reads_as_flag(const struct field *field, const struct call_row *row, const char *word)
{
	if (is_name_of(field, word))
		return true;
	for (unsigned i = 0; row && i < row->field_count; i++)
		if (is_name_of(&row->fields[i], word))
			return true;
	return false;
}

static void print_handle(const struct printer *printer, const struct field *field,
	const struct value *value, const struct call_row *row)
{
	const char *name = print_output_name(printer, value->call, value->output);

	fputs(name ? name : "NULL", printer->out);
	if (value->number || (name && reads_as_flag(field, row, name)))
		print_offset(printer->out, value->number);
}

/* Text if it reads as text, else hex. */
static void print_bytes(FILE *out, const uint8_t *bytes, uint32_t count)
{
	uint32_t readable = 0;

	for (uint32_t i = 0; i < count; i++)
		readable += (bytes[i] >= 0x20 && bytes[i] < 0x7f) || bytes[i] == '\n' ||
			    bytes[i] == '\t';
	if (readable < count - count / 4) {
		fputs("x\"", out);
		for (uint32_t i = 0; i < count; i++)
			fprintf(out, "%02x", bytes[i]);
		fputc('"', out);
		return;
	}
	fputc('"', out);
	for (uint32_t i = 0; i < count; i++) {
		if (bytes[i] == '"' || bytes[i] == '\\')
			fprintf(out, "\\%c", bytes[i]);
		else if (bytes[i] == '\n')
			fputs("\\n", out);
		else if (bytes[i] == '\t')
			fputs("\\t", out);
		else if (bytes[i] >= 0x20 && bytes[i] < 0x7f)
			fputc(bytes[i], out);
		else
			fprintf(out, "\\x%02x", bytes[i]);
	}
	fputc('"', out);
}

static void print_struct(
	const struct printer *printer, const struct layout *layout, const struct value *value)
{
	bool first = true;

	fputc('{', printer->out);
	for (uint32_t i = 0; i < value->count && i < layout->field_count; i++) {
		const struct value *member = &printer->prog->values[value->start + i];

		if (member->kind == VALUE_UNSET)
			continue;
		fprintf(printer->out, first ? "%s=" : " %s=", layout->fields[i].name);
		print_value(printer, &layout->fields[i], member, NULL);
		first = false;
	}
	fputc('}', printer->out);
}

static void print_array(
	const struct printer *printer, const struct layout *layout, const struct value *value)
{
	fputc('[', printer->out);
	for (uint32_t i = 0; i < value->count; i++) {
		const struct value *element = &printer->prog->values[value->start + i];
		const struct value *only = &printer->prog->values[element->start];

		if (i)
			fputc(' ', printer->out);
		/* A struct of one field is that field. */
		if (layout->field_count == 1 && only->kind != VALUE_UNSET &&
			only->kind != VALUE_STRUCT)
			print_value(printer, &layout->fields[0], only, NULL);
		else
			print_struct(printer, layout, element);
	}
	fputc(']', printer->out);
}

void print_value(const struct printer *printer, const struct field *field,
	const struct value *value, const struct call_row *row)
{
	FILE *out = printer->out;

	switch (value->kind) {
	case VALUE_NUMBER: print_number(out, field, value->number); break;
	case VALUE_HANDLE: print_handle(printer, field, value, row); break;
	case VALUE_MEM:
		fputs("mem", out);
		print_offset(out, value->number);
		break;
	case VALUE_BYTES:
		print_bytes(out, prog_value_bytes(printer->prog, value), value->count);
		break;
	case VALUE_STRUCT: print_struct(printer, field->pointee, value); break;
	case VALUE_ARRAY: print_array(printer, field->pointee, value); break;
	default: break;
	}
}
