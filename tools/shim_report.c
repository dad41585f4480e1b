/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "tools/shim_report.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "impl/abi/catalogue.h"
#include "impl/abi/iommufd_abi.h"
#include "impl/iommufd/left.h"
#include "impl/shim/protocol.h"
#include "impl/sim/file.h"
#include "tools/shim_origins.h"
#include "tools/tool.h"

#define MISTAKES_MAX 1000
#define ALIKE_MAX    16 /* things of one origin that are listed */

enum section { SECTION_DESCRIPTOR = LEFT_KIND_COUNT, SECTION_COUNT };

/* A descriptor is told as an object: its number and what is behind it. */
struct left {
	unsigned section; /* enum left_kind or enum section */
	size_t order;
	struct left_thing thing;
};

struct mistake {
	char *text;
	uint32_t origin;
};

/* What the ids of an iommufd were last, for those that are gone. */
struct known {
	struct shim_key key;
	uint8_t *resources; /* enum resource by id */
	uint32_t room;
};

struct shim_report {
	struct shim_origins *origins;
	struct left *left;
	size_t left_count;
	struct known *known;
	size_t known_count;
	struct mistake *mistakes;
	size_t mistake_count;
	uint64_t calls, failed, mistakes_in_all;
	uint32_t origin; /* of the call in progress, 0: none */
};

struct shim_report *shim_report_start(void)
{
	struct shim_report *report = calloc(1, sizeof(*report));

	if (report)
		report->origins = shim_origins_start();
	return report;
}

uint32_t shim_report_origin(
	struct shim_report *report, int pid, const uint64_t *frames, uint32_t count)
{
	return report->origin = shim_origins_number(report->origins, pid, frames, count);
}

/* ---- what is left ---- */

static void add_left(struct shim_report *report, unsigned section, const struct left_thing *thing)
{
	if ((report->left_count & (report->left_count - 1)) == 0)
		report->left = tool_grow(report->left,
			report->left_count ? report->left_count * 2 : 1, sizeof(*report->left));
	report->left[report->left_count] =
		(struct left){.section = section, .order = report->left_count, .thing = *thing};
	report->left_count++;
}

static void add_from_file(void *context, const struct left_thing *thing)
{
	add_left(context, thing->kind, thing);
}

static struct known *find_known(struct shim_report *report, struct shim_key key)
{
	for (size_t n = 0; n < report->known_count; n++) {
		struct known *known = &report->known[n];

		if (known->key.inode == key.inode && known->key.device == key.device)
			return known;
	}
	return NULL;
}

static void forget(struct shim_report *report, struct shim_key key)
{
	struct known *known = find_known(report, key);

	if (!known)
		return;
	free(known->resources);
	*known = report->known[--report->known_count];
}

void shim_report_closed(struct shim_report *report, const struct shim_closed *closed)
{
	static const uint8_t behind[FILE_KIND_COUNT] = {
		[FILE_IOMMUFD] = RESOURCE_IOMMUFD,
		[FILE_TEST_ACCESS] = RESOURCE_ACCESS_FD,
		[FILE_DMABUF] = RESOURCE_DMABUF,
		[FILE_FAULT] = RESOURCE_FAULT_FD,
		[FILE_VEVENTQ] = RESOURCE_VEVENTQ_FD,
	};
	struct left_thing descriptor = {.resource = behind[closed->file->kind],
		.id = (uint32_t)closed->fd,
		.origin = closed->file->origin};

	file_left(closed->file, add_from_file, report);
	if (!closed->by_close)
		add_left(report, SECTION_DESCRIPTOR, &descriptor);
	forget(report, closed->key);
}

/* ---- sequences that make no sense ---- */

__attribute__((format(printf, 3, 4))) static void add_mistake(
	struct shim_report *report, uint32_t origin, const char *format, ...)
{
	struct mistake *mistake;
	va_list arguments;

	report->mistakes_in_all++;
	if (report->mistake_count == MISTAKES_MAX)
		return;
	report->mistakes =
		tool_grow(report->mistakes, report->mistake_count + 1, sizeof(*report->mistakes));
	mistake = &report->mistakes[report->mistake_count++];
	mistake->origin = origin;
	va_start(arguments, format);
	if (vasprintf(&mistake->text, format, arguments) < 0)
		mistake->text = NULL;
	va_end(arguments);
}

static bool is_id(const struct field *field)
{
	return field->kind == FIELD_RESOURCE && field->width == 4 &&
	       resource_matches(RESOURCE_ANY_ID, field->resource);
}

static void learn(struct shim_report *report, const struct shim_seen *seen, uint32_t id)
{
	uint8_t resource = file_object(seen->file, id);
	struct known *known = find_known(report, seen->key);

	if (resource == RESOURCE_NONE)
		return;
	if (!known) {
		report->known =
			tool_grow(report->known, report->known_count + 1, sizeof(*report->known));
		known = &report->known[report->known_count++];
		*known = (struct known){.key = seen->key};
	}
	if (id >= known->room) {
		uint32_t room = id * 2 < 64 ? 64 : id * 2;

		known->resources = tool_grow(known->resources, room, 1);
		memset(known->resources + known->room, RESOURCE_NONE, room - known->room);
		known->room = room;
	}
	known->resources[id] = resource;
}

static void note_outputs(
	struct shim_report *report, const struct shim_seen *seen, const struct call_row *row)
{
	uint8_t outputs[CALL_OUTPUT_MAX];
	int count = call_outputs(row, outputs);

	for (int n = 0; n < count; n++) {
		const struct field *field = &row->fields[outputs[n]];

		if (is_id(field) && (size_t)field->offset + field->width <= seen->after_size)
			learn(report, seen, (uint32_t)field_get(field, seen->after));
	}
}

/* An id that the call could not find: gone, of another kind, or never given out. */
static void note_id(struct shim_report *report, const struct shim_seen *seen,
	const struct call_row *row, const struct field *field, uint32_t id)
{
	const struct known *known = find_known(report, seen->key);
	uint8_t now = file_object(seen->file, id),
		before = known && id < known->room ? known->resources[id] : RESOURCE_NONE;

	if (now != RESOURCE_NONE && !resource_matches(field->resource, now))
		add_mistake(report, seen->origin, "%s names %s %u as %s", row->name,
			resource_name(now), id, resource_name(field->resource));
	else if (now == RESOURCE_NONE && before != RESOURCE_NONE)
		add_mistake(report, seen->origin, "%s names %s %u, which was destroyed", row->name,
			resource_name(before), id);
	else if (now == RESOURCE_NONE)
		add_mistake(report, seen->origin, "%s names object %u, which was never made",
			row->name, id);
}

static void note_ids(
	struct shim_report *report, const struct shim_seen *seen, const struct call_row *row)
{
	for (unsigned n = 1; n < row->field_count; n++) {
		const struct field *field = &row->fields[n];
		uint32_t id;

		if (!is_id(field) || !(field->direction & FIELD_IN) ||
			(size_t)field->offset + field->width > seen->before_size)
			continue;
		id = (uint32_t)field_get(field, seen->before);
		if (id)
			note_id(report, seen, row, field, id);
	}
}

static void note_failure(struct shim_report *report, const struct shim_seen *seen,
	const struct call_row *row, int id)
{
	const struct iommu_ioas_unmap *unmap = (const void *)seen->before;
	const struct iommu_destroy *destroy = (const void *)seen->before;

	switch (seen->result) {
	case -ENOENT:
		note_ids(report, seen, row);
		if (id == CALL_ID_IOMMU_IOAS_UNMAP && unmap->length != UINT64_MAX &&
			file_object(seen->file, unmap->ioas_id) == RESOURCE_IOAS)
			add_mistake(report, seen->origin,
				"IOVA %#" PRIx64
				" of IOAS %u is unmapped, but nothing is mapped so",
				(uint64_t)unmap->iova, unmap->ioas_id);
		break;
	case -EEXIST:
		add_mistake(report, seen->origin, "%s: something is mapped there", row->name);
		break;
	case -EBUSY:
		if (id == CALL_ID_IOMMU_DESTROY)
			add_mistake(report, seen->origin,
				"%s %u is destroyed while something uses it",
				resource_name(file_object(seen->file, destroy->id)), destroy->id);
		break;
	}
}

static void note_ioctl(struct shim_report *report, const struct shim_seen *seen)
{
	int found = call_find_ioctl(
		RESOURCE_IOMMUFD, (uint32_t)seen->argument[0], seen->before, seen->before_size);

	report->calls++;
	report->failed += seen->result < 0;
	/* A failure that was injected is not the program's. */
	if (found < 0 || !seen->file || seen->file->kind != FILE_IOMMUFD || seen->failed_at)
		return;
	if (seen->result >= 0)
		note_outputs(report, seen, &call_rows[found]);
	else
		note_failure(report, seen, &call_rows[found], found);
}

void shim_report_seen(struct shim_report *report, const struct shim_seen *seen)
{
	if (seen->call == SHIM_IOCTL)
		note_ioctl(report, seen);
	if (seen->call == SHIM_GOES && seen->pins)
		add_mistake(report, seen->origin,
			"memory at %#" PRIx64 " goes while %u pages of it are pinned",
			seen->argument[0], seen->pins);
	report->origin = 0;
}

void shim_report_warned(struct shim_report *report, const char *rule, const char *message)
{
	add_mistake(report, report->origin, "a kernel would warn: %s: %s", rule, message);
}

/* ---- printing ---- */

static void print_left(const struct shim_report *report, const struct left *left, FILE *out)
{
	const struct left_thing *thing = &left->thing;

	switch (left->section) {
	case LEFT_OBJECT:
		fprintf(out, "  %s %u%s\n", resource_name(thing->resource), thing->id,
			thing->automatic ? ", which goes with its last device" : "");
		break;
	case LEFT_MAPPING:
		fprintf(out, "  mapping of %#" PRIx64 " bytes at IOVA %#" PRIx64 " of %s %u\n",
			thing->length, thing->iova, resource_name(thing->resource), thing->id);
		break;
	case LEFT_PIN:
		fprintf(out, "  pins of %#" PRIx64 " bytes at IOVA %#" PRIx64 ", %s %u\n",
			thing->length, thing->iova, resource_name(thing->resource), thing->id);
		break;
	default:
		fprintf(out, "  descriptor %u (%s), which process %d opened and nobody closed\n",
			thing->id, resource_name(thing->resource),
			shim_origins_pid(report->origins, thing->origin));
	}
}

static int by_section_and_origin(const void *a, const void *b)
{
	const struct left *x = a, *y = b;

	if (x->section != y->section)
		return x->section < y->section ? -1 : 1;
	if (x->thing.origin != y->thing.origin)
		return x->thing.origin < y->thing.origin ? -1 : 1;
	return x->order < y->order ? -1 : x->order > y->order;
}

/* Those that one backtrace made, from *left on. How many. */
static size_t print_alike(
	struct shim_report *report, const struct left *left, size_t count, FILE *out)
{
	size_t alike = 0;

	for (; alike < count && left[alike].thing.origin == left->thing.origin; alike++)
		if (alike < ALIKE_MAX)
			print_left(report, &left[alike], out);
	if (alike > ALIKE_MAX)
		fprintf(out, "  and %zu more made there\n", alike - ALIKE_MAX);
	shim_origins_print(report->origins, left->thing.origin, "    ", out);
	return alike;
}

void shim_report_print(struct shim_report *report, FILE *out)
{
	static const char *const titles[SECTION_COUNT] = {
		"objects", "mappings", "pins", "descriptors"};
	size_t at = 0;

	fprintf(out, "iommuzz shim: %" PRIu64 " calls, %" PRIu64 " failed\n", report->calls,
		report->failed);
	if (report->left_count)
		qsort(report->left, report->left_count, sizeof(*report->left),
			by_section_and_origin);
	for (unsigned section = 0; section < SECTION_COUNT; section++) {
		size_t end = at;

		while (end < report->left_count && report->left[end].section == section)
			end++;
		fprintf(out, "%s left: %zu\n", titles[section], end - at);
		while (at < end)
			at += print_alike(report, &report->left[at], end - at, out);
	}
	fprintf(out, "bad sequences: %" PRIu64 "\n", report->mistakes_in_all);
	for (size_t n = 0; n < report->mistake_count; n++) {
		const struct mistake *mistake = &report->mistakes[n];

		fprintf(out, "  %s\n", mistake->text ? mistake->text : "");
		shim_origins_print(report->origins, mistake->origin, "    ", out);
	}
}

void shim_report_end(struct shim_report *report)
{
	for (size_t n = 0; n < report->mistake_count; n++)
		free(report->mistakes[n].text);
	for (size_t n = 0; n < report->known_count; n++)
		free(report->known[n].resources);
	shim_origins_end(report->origins);
	free(report->mistakes);
	free(report->known);
	free(report->left);
	free(report);
}
