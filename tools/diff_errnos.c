/* SPDX-License-Identifier: Apache-2.0 */
/* Which errnos of which calls were reached on both sides, against those that are specified. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz/prog/names.h"
#include "tools/diff.h"
#include "tools/embedded.h"
#include "tools/tool.h"

static bool wrong(const char *path, uint32_t line, const char *expected, const char *found)
{
	tool_error("%s:%u: expected %s, found '%s'", path, line, expected, found ? found : "");
	return false;
}

static char *word_of(char **rest)
{
	char *word = *rest + strspn(*rest, " \t");
	size_t length = strcspn(word, " \t");

	*rest = word + length;
	if (**rest)
		*(*rest)++ = '\0';
	return word;
}

static bool read_line(struct diff_errnos *errnos, const char *path, uint32_t line, char *text)
{
	char *call = word_of(&text), *error, *spec;
	int row, number;

	if (!*call || *call == '#')
		return true;
	row = call_find(call, strlen(call));
	if (row < 0)
		return wrong(path, line, "the name of a call", call);
	error = word_of(&text);
	number = names_errno_find(error, strlen(error));
	if (number <= 0 || number > 255)
		return wrong(path, line, "an errno", error);
	spec = word_of(&text);
	if (!*spec)
		return wrong(path, line, "a section of the specification", spec);
	text += strspn(text, " \t");
	if (*text && (strncmp(text, "not here: ", 10) != 0 || !text[10]))
		return wrong(path, line, "the end of the line, or not here: REASON", text);
	errnos->listed = tool_grow(errnos->listed, errnos->count + 1, sizeof(*errnos->listed));
	errnos->listed[errnos->count++] = (struct diff_errno){
		.row = (uint16_t)row,
		.error = (uint8_t)number,
		.spec = tool_copy(spec),
		.absent = *text ? tool_copy(text + 10) : NULL,
	};
	return true;
}

bool diff_errnos_read(struct diff_errnos *errnos, const char *path)
{
	size_t size;
	char *text = (char *)embedded_or_file(path, &size);
	uint32_t number = 0;
	bool sound = true;

	errnos->reached = tool_grow(NULL, CALL_ID_COUNT, sizeof(*errnos->reached));
	memset(errnos->reached, 0, CALL_ID_COUNT * sizeof(*errnos->reached));
	if (!text)
		return false;
	for (char *line = text; line && *line;) {
		char *end = strchr(line, '\n');

		if (end)
			*end++ = '\0';
		sound = read_line(errnos, path, ++number, line) && sound;
		line = end;
	}
	free(text);
	return sound;
}

void diff_errnos_free(struct diff_errnos *errnos)
{
	for (size_t i = 0; i < errnos->count; i++) {
		free(errnos->listed[i].spec);
		free(errnos->listed[i].absent);
	}
	free(errnos->listed);
	free(errnos->reached);
}

void diff_errnos_count(
	struct diff_errnos *errnos, const struct prog *prog, const struct trace *trace, int weight)
{
	for (uint32_t i = 0; i < trace->entry_count; i++) {
		const struct trace_entry *entry = &trace->entries[i];

		if (entry->kind == TRACE_CALL && entry->result < 0 && entry->result > -256)
			errnos->reached[prog->calls[entry->call].row][-entry->result] +=
				(uint64_t)(int64_t)weight;
	}
}

uint32_t diff_errnos_print(const struct diff_errnos *errnos, uint64_t least, FILE *out)
{
	uint32_t few = 0;

	fprintf(out, "%-40s %-12s %-8s %12s\n", "CALL", "ERRNO", "SPEC", "REACHED");
	for (size_t i = 0; i < errnos->count; i++) {
		const struct diff_errno *listed = &errnos->listed[i];
		uint64_t reached = errnos->reached[listed->row][listed->error];
		bool low = !listed->absent && reached < least;

		few += low;
		fprintf(out, "%-40s %-12s %-8s %12" PRIu64 "%s%s\n", call_rows[listed->row].name,
			names_errno(listed->error), listed->spec, reached,
			low		 ? "  too few"
			: listed->absent ? "  not here: "
					 : "",
			listed->absent && !low ? listed->absent : "");
	}
	return few;
}

void diff_errnos_json(const struct diff_errnos *errnos, FILE *out)
{
	fputs("[", out);
	for (size_t i = 0; i < errnos->count; i++) {
		const struct diff_errno *listed = &errnos->listed[i];

		fprintf(out,
			"%s\n    {\"call\": \"%s\", \"errno\": \"%s\", \"spec\": \"%s\", "
			"\"reached\": %" PRIu64,
			i ? "," : "", call_rows[listed->row].name, names_errno(listed->error),
			listed->spec, errnos->reached[listed->row][listed->error]);
		if (listed->absent) {
			fputs(", \"not_here\": ", out);
			tool_json_string(listed->absent, out);
		}
		fputs("}", out);
	}
	fputs("]", out);
}
