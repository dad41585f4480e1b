/* SPDX-License-Identifier: Apache-2.0 */
/* What only the text form holds: names, comments, header, expectations. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz/prog/names.h"
#include "fuzz/prog/prog.h"

void prog_text_init(struct prog_text *text)
{
	memset(text, 0, sizeof(*text));
	prog_init(&text->prog);
}

static void header_free(struct prog_header *header)
{
	for (uint32_t i = 0; i < header->requirement_count; i++)
		free(header->requirements[i]);
	free(header->requirements);
	free(header->id);
	free(header->known_fail);
	free(header->twin);
	free(header->description);
}

void prog_text_free(struct prog_text *text)
{
	for (uint32_t i = 0; i < text->room; i++) {
		free(text->comments[i]);
		for (unsigned j = 0; j < CALL_OUTPUT_MAX; j++)
			free(text->names[i][j]);
	}
	free(text->comments);
	free(text->names);
	free(text->expectations);
	free(text->lines);
	header_free(&text->header);
	prog_free(&text->prog);
	prog_text_init(text);
}

static void *grow_zeroed(void *array, uint32_t old, uint32_t room, size_t size)
{
	char *memory = realloc(array, (size_t)room * size);

	if (memory)
		memset(memory + (size_t)old * size, 0, (size_t)(room - old) * size);
	return memory;
}

bool prog_text_reserve(struct prog_text *text, uint32_t calls)
{
	/* One more entry, for the comments behind the last call. */
	uint32_t room = text->room ? text->room : 16;
	void *memory;

	if (calls + 1 <= text->room)
		return true;
	while (room < calls + 1)
		room *= 2;
	memory = grow_zeroed(text->comments, text->room, room, sizeof(*text->comments));
	if (!memory)
		return false;
	text->comments = memory;
	memory = grow_zeroed(text->names, text->room, room, sizeof(*text->names));
	if (!memory)
		return false;
	text->names = memory;
	memory = grow_zeroed(text->expectations, text->room, room, sizeof(*text->expectations));
	if (!memory)
		return false;
	text->expectations = memory;
	memory = grow_zeroed(text->lines, text->room, room, sizeof(*text->lines));
	if (!memory)
		return false;
	text->lines = memory;
	text->room = room;
	return true;
}

/* Which outputs a reader wants a name for even when nothing uses them: what the call was made for.
 */
static bool is_worth_a_name(enum resource resource)
{
	return resource_is_descriptor(resource) || resource == RESOURCE_ACCESS ||
	       (resource >= RESOURCE_IOAS && resource < RESOURCE_ANY_ID);
}

bool prog_text_from(struct prog_text *text, const struct prog *prog)
{
	uint32_t counts[RESOURCE_COUNT] = {0};

	prog_text_free(text);
	if (!prog_copy(&text->prog, prog) || !prog_text_reserve(text, prog->call_count))
		return false;
	for (uint32_t i = 0; i < prog->call_count; i++) {
		uint8_t fields[CALL_OUTPUT_MAX];
		int outputs = call_outputs(prog_row(&prog->calls[i]), fields);

		for (int j = 0; j < outputs; j++) {
			enum resource resource = prog_output_resource(prog, i, (unsigned)j);
			char name[NAME_MAX_LENGTH];

			if (!is_worth_a_name(resource))
				continue;
			if (resource == RESOURCE_ANY_FD)
				resource = RESOURCE_IOMMUFD;
			counts[resource]++;
			snprintf(name, sizeof(name), counts[resource] > 1 ? "%s%u" : "%s",
				names_prefix(resource), counts[resource]);
			text->names[i][j] = strdup(name);
			if (!text->names[i][j])
				return false;
		}
	}
	return true;
}
