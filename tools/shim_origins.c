/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/shim_origins.h"

#include <stdlib.h>
#include <string.h>

#include "impl/shim/protocol.h"
#include "tools/shim_symbols.h"
#include "tools/tool.h"

#define BUCKETS 1024

struct origin {
	int pid;
	uint32_t next; /* of the bucket, 0: none */
	uint32_t frame_count;
	uint64_t frames[SHIM_FRAMES];
};

struct shim_origins {
	struct shim_symbols *symbols;
	struct origin *origins; /* by number - 1 */
	uint32_t count;
	uint32_t buckets[BUCKETS]; /* numbers */
};

struct shim_origins *shim_origins_start(void)
{
	struct shim_origins *origins = calloc(1, sizeof(*origins));

	if (origins)
		origins->symbols = shim_symbols_start();
	return origins;
}

void shim_origins_end(struct shim_origins *origins)
{
	shim_symbols_end(origins->symbols);
	free(origins->origins);
	free(origins);
}

static uint32_t *bucket_of(struct shim_origins *origins, const struct origin *origin)
{
	uint64_t mixed = (uint64_t)origin->pid;

	for (uint32_t n = 0; n < origin->frame_count; n++)
		mixed = (mixed ^ origin->frames[n]) * UINT64_C(0x9e3779b97f4a7c15);
	return &origins->buckets[mixed >> 32 & (BUCKETS - 1)];
}

uint32_t shim_origins_number(
	struct shim_origins *origins, int pid, const uint64_t *frames, uint32_t count)
{
	struct origin origin = {
		.pid = pid, .frame_count = count < SHIM_FRAMES ? count : SHIM_FRAMES};
	uint32_t *bucket;

	memcpy(origin.frames, frames, origin.frame_count * sizeof(*frames));
	bucket = bucket_of(origins, &origin);
	for (uint32_t number = *bucket; number; number = origins->origins[number - 1].next) {
		const struct origin *known = &origins->origins[number - 1];

		if (known->pid == pid && known->frame_count == origin.frame_count &&
			!memcmp(known->frames, origin.frames, sizeof(origin.frames)))
			return number;
	}
	shim_symbols_note(origins->symbols, pid, origin.frames, origin.frame_count);
	if ((origins->count & (origins->count - 1)) == 0)
		origins->origins = tool_grow(origins->origins,
			origins->count ? origins->count * (size_t)2 : 1, sizeof(origin));
	origin.next = *bucket;
	origins->origins[origins->count] = origin;
	return *bucket = ++origins->count;
}

int shim_origins_pid(const struct shim_origins *origins, uint32_t number)
{
	return number ? origins->origins[number - 1].pid : 0;
}

void shim_origins_print(
	struct shim_origins *origins, uint32_t number, const char *indentation, FILE *out)
{
	const struct origin *origin = number ? &origins->origins[number - 1] : NULL;

	if (origin)
		shim_symbols_print(origins->symbols, origin->pid, origin->frames,
			origin->frame_count, indentation, out);
}
