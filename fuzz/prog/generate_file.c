/* SPDX-License-Identifier: Apache-2.0 */
/* Idioms of mapped files: a memfd in an IOAS, and mappings that get another owner. */
#include "fuzz/prog/builder.h"
#include "impl/abi/iommufd_abi.h"
#include "impl/abi/kernel_calls.h"

#define PAGE	   UINT64_C(4096)
#define APERTURE   UINT64_C(0x1000000) /* where a mock device can see it */
#define FILE_PAGES 8U		       /* of the memfds that idioms make */

static uint32_t need_memfd(struct builder *b)
{
	if (!b->scene.memfds || random_chance(b->random, 1, 6))
		builder_memfd(b);
	return b->scene.memfds ? b->scene.memfd[builder_pick(b, b->scene.memfds)] : UINT32_MAX;
}

/* Mostly inside the file; process 0 is the one that has both descriptors. */
static void map_file(struct builder *b, uint32_t ioas, uint32_t memfd)
{
	uint64_t flags = IOMMU_IOAS_MAP_READABLE;
	uint64_t start = random_below(b->random, FILE_PAGES);
	uint64_t pages = 1 + random_below(b->random, FILE_PAGES - start), part = 0;
	uint32_t call = builder_call(b, CALL_ID_IOMMU_IOAS_MAP_FILE);

	if (random_chance(b->random, 3, 4))
		flags |= IOMMU_IOAS_MAP_WRITEABLE;
	if (random_chance(b->random, 1, 10)) /* parts of pages */
		part = 2048;
	if (random_chance(b->random, 1, 12)) /* beyond the end */
		pages += FILE_PAGES;
	builder_subject(b, call, builder_context_of(b, ioas));
	builder_set(b, call, "ioas_id", value_handle(ioas, 0, 0));
	builder_set(b, call, "fd", value_handle(memfd, 0, 0));
	if (random_chance(b->random, 1, 2)) {
		flags |= IOMMU_IOAS_MAP_FIXED_IOVA;
		builder_set(b, call, "iova",
			value_number(APERTURE + random_below(b->random, 64) * 4 * PAGE));
	}
	builder_set(b, call, "flags", value_number(flags));
	builder_set(b, call, "start", value_number(start * PAGE + part));
	builder_set(b, call, "length", value_number(pages * PAGE - part));
	builder_done(b, call);
}

void builder_map_file(struct builder *b)
{
	uint32_t ioas = builder_need_ioas(b), memfd = need_memfd(b);

	if (memfd != UINT32_MAX)
		map_file(b, ioas, memfd);
}

/* A context with nothing but files in it, or what is there: mostly refused. */
static uint32_t files_only(struct builder *b)
{
	uint32_t context, ioas, memfd, maps = (uint32_t)random_below(b->random, 3), call;

	if (random_chance(b->random, 1, 4))
		return builder_need_context(b);
	memfd = need_memfd(b);
	context = builder_call(b, CALL_ID_open);
	builder_set(b, context, "path", value_number(CALL_OPEN_IOMMU));
	builder_done(b, context);
	if (random_chance(b->random, 1, 4)) {
		call = builder_call(b, CALL_ID_IOMMU_OPTION_RLIMIT_MODE);
		builder_subject(b, call, context);
		builder_set(b, call, "val64", value_number(1));
		builder_done(b, call);
	}
	ioas = builder_call(b, CALL_ID_IOMMU_IOAS_ALLOC);
	builder_subject(b, ioas, context);
	builder_done(b, ioas);
	if (b->full)
		return UINT32_MAX;
	if (!(b->options->exclude_needs & NEEDS_TEST) && random_chance(b->random, 1, 2)) {
		call = builder_call(b, CALL_ID_IOMMU_TEST_OP_MOCK_DOMAIN);
		builder_subject(b, call, context);
		builder_set(b, call, "id", value_handle(ioas, 0, 0));
		builder_done(b, call);
	}
	for (uint32_t i = 0; i <= maps && memfd != UINT32_MAX && !b->full; i++)
		map_file(b, ioas, memfd);
	return context;
}

void builder_change_process(struct builder *b)
{
	uint32_t context = files_only(b), subject = context, call;
	bool other = b->processes < PROG_PROCESS_MAX - 1 &&
		     random_chance(b->random, 1, b->options->live ? 6 : 3);

	if (context == UINT32_MAX || b->full)
		return;
	if (other) {
		b->processes++;
		call = builder_call(b, CALL_ID_process);
		builder_set(b, call, "process", value_number(b->processes));
		builder_set(b, call, "uid", value_number(1000 + random_below(b->random, 2)));
		builder_set(b, call, "memlock", value_number(random_below(b->random, 32) * PAGE));
		subject = builder_call(b, CALL_ID_pass);
		builder_subject(b, subject, context);
		builder_set(b, subject, "process", value_number(b->processes));
	}
	call = builder_call(b, CALL_ID_IOMMU_IOAS_CHANGE_PROCESS);
	if (call == UINT32_MAX)
		return;
	builder_subject(b, call, subject);
	if (other)
		b->prog->calls[call].process = b->processes;
	builder_done(b, call);
}

/* A dma-buf, and what its exporter does with it. A kernel does not tell the descriptor, and a guess
 * may be an access, whose file would keep its own context for ever: scenes show dma-bufs there. */
void builder_dmabuf(struct builder *b)
{
	uint32_t ioas, context, call, calls = 2 + (uint32_t)random_below(b->random, 4);
	struct value dmabuf;

	if (b->options->live)
		return;
	ioas = builder_need_ioas(b);
	context = builder_context_of(b, ioas);
	call = builder_call(b, CALL_ID_IOMMU_TEST_OP_DMABUF_GET);
	if (call == UINT32_MAX || context == UINT16_MAX)
		return;
	dmabuf = value_handle(call, 0, 0);
	b->prog->options.flags |= PROG_OPTION_DMABUF_FD;
	builder_subject(b, call, context);
	builder_set(b, call, "length", value_number(FILE_PAGES * PAGE));
	builder_set(b, call, "open_flags", value_number(random_below(b->random, 4)));
	builder_done(b, call);
	while (calls-- && !b->full) {
		bool map = random_chance(b->random, 2, 3);

		call = builder_call(
			b, map ? CALL_ID_IOMMU_IOAS_MAP_FILE : CALL_ID_IOMMU_TEST_OP_DMABUF_REVOKE);
		builder_subject(b, call, context);
		if (map) {
			uint64_t start = random_below(b->random, FILE_PAGES);

			builder_set(b, call, "flags",
				value_number(random_chance(b->random, 1, 2) ? 6 : 4));
			builder_set(b, call, "ioas_id", value_handle(ioas, 0, 0));
			builder_set(b, call, "fd", dmabuf);
			builder_set(b, call, "start", value_number(start * PAGE));
			builder_set(b, call, "length",
				value_number(
					(1 + random_below(b->random, FILE_PAGES - start)) * PAGE));
		} else {
			builder_set(b, call, "dmabuf_fd", dmabuf);
			builder_set(b, call, "revoked", value_number(random_below(b->random, 2)));
		}
		builder_done(b, call);
	}
}
