/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes impl/abi/call_index.h, the table by which call_find finds names, to standard output. Build
 * it together with impl/abi/catalogue.c and -DCALL_INDEX_UNUSED, so that an outdated table is no
 * obstacle; tests/abi/update_index does that.
 */
#include "impl/abi/catalogue.h"

#include <stdio.h>
#include <string.h>

#define SLOTS 512

static const char *const identifiers[CALL_ID_COUNT] = {
#define CALL(name, ...)	      [CALL_ID_##name] = #name,
#define CALL_LATER(name, ...) [CALL_ID_##name] = #name,
#include "impl/abi/calls.def"
#undef CALL
#undef CALL_LATER
};

_Static_assert(CALL_ID_COUNT < SLOTS / 2, "a fuller table would have long runs of used slots");

int main(void)
{
	int ids[SLOTS];

	memset(ids, -1, sizeof(ids));
	for (int id = 0; id < (int)CALL_ID_COUNT; id++) {
		const char *name = call_rows[id].name;
		uint32_t slot = call_name_hash(name, strlen(name)) % SLOTS;

		while (ids[slot] >= 0)
			slot = (slot + 1) % SLOTS;
		ids[slot] = id;
	}
	printf("/* SPDX-License-Identifier: Apache-2.0 */\n");
	printf("/* Written by tests/abi/update_index: 1 + the row of each name, open addressing. "
	       "*/\n");
	printf("#define CALL_INDEX_SLOTS %d\n", SLOTS);
	printf("#define CALL_INDEX_ROWS\t %d\n", CALL_ID_COUNT);
	printf("static const uint16_t call_index[CALL_INDEX_SLOTS] = {\n");
	for (int slot = 0; slot < SLOTS; slot++)
		if (ids[slot] >= 0)
			printf("\t[%d] = CALL_ID_%s + 1,\n", slot, identifiers[ids[slot]]);
	printf("};\n");
	return 0;
}
