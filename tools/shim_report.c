/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The report keeps what each successful call made until another one undoes it. What is there when
 * the last descriptor of its context goes was left behind.
 */
#define _GNU_SOURCE
#include "tools/shim_report.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "impl/abi/catalogue.h"
#include "impl/abi/iommufd_abi.h"
#include "impl/shim/protocol.h"
#include "impl/sim/file.h"
#include "tools/shim_symbols.h"
#include "tools/tool.h"

#define FRAMES	     12
#define MISTAKES_MAX 1000

/* Where a call was made. */
struct origin {
	int pid;
	uint32_t frame_count;
	uint64_t frames[FRAMES];
};

enum thing_kind { THING_OBJECT, THING_MAPPING, THING_ITEM, THING_DESCRIPTOR };

struct thing {
	uint8_t kind;	  /* enum thing_kind */
	uint8_t resource; /* OBJECT */
	bool gone;	  /* destroyed by the program; kept to tell who uses it afterwards */
	bool left;	  /* of a context that is closed */
	struct shim_key key;
	uint64_t id;	       /* OBJECT, ITEM; MAPPING: of its IOAS; DESCRIPTOR: its number */
	uint64_t iova, length; /* MAPPING */
	uint64_t made_by;      /* number of the call */
	struct origin origin;
};

struct mistake {
	char *text;
	struct origin origin;
};

struct shim_report {
	struct shim_symbols *symbols;
	struct thing *things;
	size_t count, room;
	struct mistake *mistakes;
	size_t mistake_count;
	uint64_t calls, failed, mistakes_in_all;
};

struct shim_report *shim_report_start(void)
{
	struct shim_report *report = calloc(1, sizeof(*report));

	if (report)
		report->symbols = shim_symbols_start();
	return report;
}

static struct origin origin_of(struct shim_report *report, const struct shim_seen *seen)
{
	struct origin origin = {.pid = seen->pid,
		.frame_count = seen->frame_count < FRAMES ? seen->frame_count : FRAMES};

	memcpy(origin.frames, seen->frames, origin.frame_count * sizeof(*origin.frames));
	shim_symbols_note(report->symbols, seen->pid, origin.frames, origin.frame_count);
	return origin;
}

static struct thing *add_thing(
	struct shim_report *report, const struct shim_seen *seen, enum thing_kind kind, uint64_t id)
{
	struct thing *thing;

	if (report->count == report->room) {
		report->room = report->room ? report->room * 2 : 64;
		report->things = tool_grow(report->things, report->room, sizeof(*report->things));
	}
	thing = &report->things[report->count++];
	*thing = (struct thing){.kind = (uint8_t)kind,
		.key = seen->key,
		.id = id,
		.made_by = report->calls,
		.origin = origin_of(report, seen)};
	return thing;
}

static bool same_file(struct shim_key a, struct shim_key b)
{
	return a.inode == b.inode && a.device == b.device;
}

/* The newest object with an id, also one that is gone. */
static struct thing *find_object(struct shim_report *report, struct shim_key key, uint64_t id)
{
	for (size_t n = report->count; n-- > 0;) {
		struct thing *thing = &report->things[n];

		if (thing->kind == THING_OBJECT && thing->id == id && !thing->left &&
			same_file(thing->key, key))
			return thing;
	}
	return NULL;
}

__attribute__((format(printf, 3, 4))) static void add_mistake(
	struct shim_report *report, const struct shim_seen *seen, const char *format, ...)
{
	struct mistake *mistake;
	va_list arguments;

	report->mistakes_in_all++;
	if (report->mistake_count == MISTAKES_MAX)
		return;
	report->mistakes =
		tool_grow(report->mistakes, report->mistake_count + 1, sizeof(*report->mistakes));
	mistake = &report->mistakes[report->mistake_count++];
	*mistake = (struct mistake){.text = NULL};
	if (seen)
		mistake->origin = origin_of(report, seen);
	va_start(arguments, format);
	if (vasprintf(&mistake->text, format, arguments) < 0)
		mistake->text = NULL;
	va_end(arguments);
}

static void note_outputs(
	struct shim_report *report, const struct shim_seen *seen, const struct call_row *row)
{
	uint8_t outputs[CALL_OUTPUT_MAX];
	int count = call_outputs(row, outputs);

	for (int n = 0; n < count; n++) {
		const struct field *field = &row->fields[outputs[n]];
		struct thing *thing;

		if (field->kind != FIELD_RESOURCE || !field->width)
			continue;
		if (resource_is_descriptor(field->resource)) {
			thing = add_thing(report, seen, THING_DESCRIPTOR, (uint64_t)seen->new_fd);
			thing->key = seen->new_key;
		} else if (field->resource == RESOURCE_ACCESS_ITEM) {
			thing = add_thing(report, seen, THING_ITEM, field_get(field, seen->after));
		} else {
			thing = add_thing(
				report, seen, THING_OBJECT, field_get(field, seen->after));
		}
		thing->resource = field->resource;
	}
}

/* What one call made with the object goes with it: a mock device's page table, say. */
static void note_destroy(struct shim_report *report, const struct shim_seen *seen)
{
	const struct iommu_destroy *destroy = (const void *)seen->before;
	struct thing *object = find_object(report, seen->key, destroy->id);

	if (!seen->result && object) {
		for (size_t n = 0; n < report->count; n++) {
			struct thing *thing = &report->things[n];

			if (thing->made_by == object->made_by && thing->kind == THING_OBJECT)
				thing->gone = true;
			if (thing->kind == THING_MAPPING && thing->id == destroy->id &&
				same_file(thing->key, seen->key))
				thing->gone = true;
		}
	} else if (seen->result == -EBUSY) {
		add_mistake(report, seen, "object %u is destroyed while something uses it",
			destroy->id);
	}
}

static void note_mapping(struct shim_report *report, const struct shim_seen *seen, uint64_t ioas,
	uint64_t iova, uint64_t length)
{
	struct thing *thing = add_thing(report, seen, THING_MAPPING, ioas);

	thing->iova = iova;
	thing->length = length;
}

static void note_unmap(struct shim_report *report, const struct shim_seen *seen)
{
	const struct iommu_ioas_unmap *unmap = (const void *)seen->before;
	uint64_t last = unmap->iova + (unmap->length - 1);

	if (seen->result == -ENOENT && unmap->length != UINT64_MAX)
		add_mistake(report, seen,
			"IOVA %#" PRIx64 " of IOAS %u is unmapped, but nothing is mapped so",
			(uint64_t)unmap->iova, unmap->ioas_id);
	if (seen->result)
		return;
	for (size_t n = 0; n < report->count; n++) {
		struct thing *thing = &report->things[n];

		if (thing->kind == THING_MAPPING && thing->id == unmap->ioas_id &&
			same_file(thing->key, seen->key) && thing->iova <= last &&
			thing->iova + thing->length - 1 >= unmap->iova)
			thing->gone = true;
	}
}

/* Whether the call names an object that is gone. */
static void note_use(
	struct shim_report *report, const struct shim_seen *seen, const struct call_row *row)
{
	for (unsigned n = 1; n < row->field_count; n++) {
		const struct field *field = &row->fields[n];
		const struct thing *object;
		uint64_t id;

		if (field->kind != FIELD_RESOURCE || !(field->direction & FIELD_IN) ||
			resource_is_descriptor(field->resource) || !field->width ||
			(size_t)field->offset + field->width > seen->before_size)
			continue;
		id = field_get(field, seen->before);
		object = id ? find_object(report, seen->key, id) : NULL;
		if (object && object->gone)
			add_mistake(report, seen, "%s names %s %" PRIu64 ", which was destroyed",
				row->name, resource_name(object->resource), id);
	}
}

static void note_ioctl(struct shim_report *report, const struct shim_seen *seen)
{
	const void *before = seen->before, *after = seen->after;
	int found = call_find_ioctl(
		RESOURCE_IOMMUFD, (uint32_t)seen->argument[0], seen->before, seen->before_size);
	const struct call_row *row = found < 0 ? NULL : &call_rows[found];

	if (!row || seen->kind != FILE_IOMMUFD)
		return;
	if (seen->result == -ENOENT)
		note_use(report, seen, row);
	if (seen->result == -EEXIST)
		add_mistake(report, seen, "%s: something is mapped there", row->name);
	if (seen->result >= 0)
		note_outputs(report, seen, row);
	switch (found) {
	case CALL_ID_IOMMU_DESTROY: note_destroy(report, seen); break;
	case CALL_ID_IOMMU_IOAS_UNMAP: note_unmap(report, seen); break;
	case CALL_ID_IOMMU_IOAS_MAP:
		if (!seen->result)
			note_mapping(report, seen, ((const struct iommu_ioas_map *)before)->ioas_id,
				((const struct iommu_ioas_map *)after)->iova,
				((const struct iommu_ioas_map *)before)->length);
		break;
	case CALL_ID_IOMMU_IOAS_MAP_FILE:
		if (!seen->result)
			note_mapping(report, seen,
				((const struct iommu_ioas_map_file *)before)->ioas_id,
				((const struct iommu_ioas_map_file *)after)->iova,
				((const struct iommu_ioas_map_file *)before)->length);
		break;
	case CALL_ID_IOMMU_IOAS_COPY:
		if (!seen->result)
			note_mapping(report, seen,
				((const struct iommu_ioas_copy *)before)->dst_ioas_id,
				((const struct iommu_ioas_copy *)after)->dst_iova,
				((const struct iommu_ioas_copy *)before)->length);
		break;
	}
}

void shim_report_seen(struct shim_report *report, const struct shim_seen *seen)
{
	struct thing *thing;

	switch (seen->call) {
	case SHIM_OPEN:
		if (seen->result < 0 || strncmp(seen->path, "/dev/", 5) != 0)
			return;
		thing = add_thing(report, seen, THING_DESCRIPTOR, (uint64_t)seen->new_fd);
		thing->key = seen->new_key;
		thing->resource = RESOURCE_IOMMUFD;
		break;
	case SHIM_IOCTL:
		report->calls++;
		report->failed += seen->result < 0;
		note_ioctl(report, seen);
		break;
	case SHIM_GOES:
		if (seen->pins)
			add_mistake(report, seen,
				"memory at %#" PRIx64 " goes while %u pages of it are pinned",
				seen->argument[0], seen->pins);
		break;
	}
}

/* Destroyed things have nobody left to name them. */
void shim_report_closed(struct shim_report *report, struct shim_key key, bool by_close)
{
	size_t kept = 0;

	for (size_t n = 0; n < report->count; n++) {
		struct thing *thing = &report->things[n];

		if (!thing->left && same_file(thing->key, key)) {
			if (thing->gone || (thing->kind == THING_DESCRIPTOR && by_close))
				continue;
			thing->left = true;
		}
		report->things[kept++] = *thing;
	}
	report->count = kept;
}

void shim_report_warned(struct shim_report *report, const char *rule, const char *message)
{
	add_mistake(report, NULL, "a kernel would warn: %s: %s", rule, message);
}

static void print_thing(const struct thing *thing, FILE *out)
{
	switch (thing->kind) {
	case THING_OBJECT:
		fprintf(out, "  %s %" PRIu64 "\n", resource_name(thing->resource), thing->id);
		break;
	case THING_MAPPING:
		fprintf(out,
			"  mapping of %#" PRIx64 " bytes at IOVA %#" PRIx64 " of IOAS %" PRIu64
			"\n",
			thing->length, thing->iova, thing->id);
		break;
	case THING_ITEM: fprintf(out, "  pins of an access, item %" PRIu64 "\n", thing->id); break;
	default:
		fprintf(out, "  descriptor %" PRIu64 " (%s), open until process %d ended\n",
			thing->id, resource_name(thing->resource), thing->origin.pid);
	}
}

void shim_report_print(struct shim_report *report, FILE *out)
{
	static const char *const titles[] = {"objects", "mappings", "pins", "descriptors"};

	fprintf(out, "iommuzz shim: %" PRIu64 " calls, %" PRIu64 " failed\n", report->calls,
		report->failed);
	for (unsigned kind = 0; kind < 4; kind++) {
		size_t count = 0;

		for (size_t n = 0; n < report->count; n++)
			count += report->things[n].kind == kind && !report->things[n].gone;
		fprintf(out, "%s left: %zu\n", titles[kind], count);
		for (size_t n = 0; n < report->count; n++) {
			const struct thing *thing = &report->things[n];

			if (thing->kind != kind || thing->gone)
				continue;
			print_thing(thing, out);
			shim_symbols_print(report->symbols, thing->origin.pid, thing->origin.frames,
				thing->origin.frame_count, "    ", out);
		}
	}
	fprintf(out, "bad sequences: %" PRIu64 "\n", report->mistakes_in_all);
	for (size_t n = 0; n < report->mistake_count; n++) {
		const struct mistake *mistake = &report->mistakes[n];

		fprintf(out, "  %s\n", mistake->text ? mistake->text : "");
		shim_symbols_print(report->symbols, mistake->origin.pid, mistake->origin.frames,
			mistake->origin.frame_count, "    ", out);
	}
}

void shim_report_end(struct shim_report *report)
{
	for (size_t n = 0; n < report->mistake_count; n++)
		free(report->mistakes[n].text);
	shim_symbols_end(report->symbols);
	free(report->mistakes);
	free(report->things);
	free(report);
}
