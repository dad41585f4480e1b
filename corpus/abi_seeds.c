/* SPDX-License-Identifier: Apache-2.0 */
/*
 * abi_seeds FOLDER: writes the seeds of fuzz_abi, a file for each ioctl of the catalogue: the call
 * as it should be on the context that the target sets up, then the framing cases (a longer struct,
 * a tail that is not zero, sizes too small, pointers that lead nowhere, a wrong number). A new row
 * of the catalogue is a new seed. Exit status 0, or 2 when something cannot be written.
 */
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

#include "fuzz/targets/abi_record.h"

#define PAGE	   UINT64_C(4096)
#define MEM	   UINT64_C(0x10000000000) /* the program's memory */
#define IOVA	   UINT64_C(0x1000000)	   /* of the area that the target maps */
#define AREA	   (4 * PAGE)		   /* its length */
#define SEED_CASES 8

/* What fuzz_abi's set-up has of that kind: ids 1 to 5, and the descriptor behind its own. */
static uint64_t resource_value(uint8_t resource)
{
	switch ((enum resource)resource) {
	case RESOURCE_SELFTEST: return 2;
	case RESOURCE_DEVICE: return 3;
	case RESOURCE_HWPT_PAGING: return 4;
	case RESOURCE_ACCESS_FD: return 4;
	default: return 1;
	}
}

static uint64_t field_value(const struct field *field)
{
	uint64_t value = 0;

	switch ((enum field_kind)field->kind) {
	case FIELD_RESOURCE: return resource_value(field->resource);
	case FIELD_IOVA: return IOVA;
	case FIELD_LENGTH: return AREA;
	case FIELD_USER_VA: return MEM + 8 * PAGE;
	case FIELD_USER_POINTER: return MEM + 32 * PAGE;
	case FIELD_NUMBER: return 1;
	case FIELD_FLAGS:
		/* All but a fixed IOVA, where the area is already. */
		for (const struct named_value *name = field->names; name && name->name; name++)
			value |= strcmp(name->name, "FIXED_IOVA") ? name->value : 0;
		return value;
	default: return 0;
	}
}

/* The call as it should be. */
static void fill(const struct call_row *row, struct abi_record *record)
{
	uint8_t image[CALL_STRUCT_MAX] = {0};

	for (unsigned f = 0; f < row->field_count; f++) {
		const struct field *field = &row->fields[f];

		if (field->width && field->direction & FIELD_IN)
			field_set(field, image, field_value(field));
	}
	for (unsigned i = 0; row->selector >= 0 && i < row->selector_width; i++)
		image[row->selector + (int)i] = (uint8_t)(row->selector_value >> (8 * i));
	*record = (struct abi_record){.number = row->number, .size = row->size};
	record->count = row->size - 4u;
	memcpy(record->image, image + 4, record->count);
}

static void bend(struct abi_record *record, unsigned how)
{
	switch (how) {
	case 1: record->size = (record->count += 8) + 4; break;
	case 2:
		record->size = (record->count += 8) + 4;
		record->image[record->count - 1] = 1;
		break;
	case 3: record->size--; break;
	case 4: record->size = 0; break;
	case 5:
		record->place = ABI_PLACE_MEM_END;
		record->offset = 4;
		break;
	case 6: record->place = ABI_PLACE_ANY; break;
	case 7: record->number |= UINT32_C(0xc0000000); break;
	default: break;
	}
}

static bool write_seed(const char *folder, const struct call_row *row)
{
	char path[4096];
	FILE *file;
	bool good = true;

	snprintf(path, sizeof(path), "%s/%s", folder, row->name);
	file = fopen(path, "wb");
	if (!file)
		return false;
	for (unsigned how = 0; how < SEED_CASES; how++) {
		uint8_t bytes[ABI_RECORD_MAX];
		struct abi_record record;
		size_t size;

		fill(row, &record);
		bend(&record, how);
		size = abi_write(&record, bytes);
		good = fwrite(bytes, 1, size, file) == size && good;
	}
	return !fclose(file) && good;
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		fputs("usage: abi_seeds FOLDER\n", stderr);
		return 2;
	}
	if (mkdir(argv[1], 0777) && errno != EEXIST) {
		perror(argv[1]);
		return 2;
	}
	for (int i = 0; i < CALL_ID_COUNT; i++) {
		const struct call_row *row = &call_rows[i];

		if (row->framing != FRAMING_SIZE || row->size < 4 || row->size + 4 > ABI_IMAGE_MAX)
			continue;
		if (!write_seed(argv[1], row)) {
			fprintf(stderr, "abi_seeds: cannot write to %s\n", argv[1]);
			return 2;
		}
	}
	return 0;
}
