/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Programs with threads: main makes a few objects, two to four threads race on them, main shows
 * what is left. Few objects and few addresses, so that the calls meet.
 */
#include <string.h>

#include "fuzz/prog/stage.h"
#include "impl/abi/iommufd_abi.h"
#include "impl/abi/kernel_calls.h"

#define BEND_SHARE  24 /* one call of a thread in so many is bent */
#define THREADS_MAX 4
#define CALLS_MAX   4 /* of a thread */

/* Mostly the same one in all threads, or they would seldom meet. */
static uint32_t some_ioas(struct stage *stage)
{
	return stage->ioas[chance(stage, 3, 4) ? stage->focus : !stage->focus];
}

static uint32_t some_device(struct stage *stage)
{
	return stage->device[stage->device[1] != NONE && chance(stage, 1, 2)];
}

static uint32_t some_access(struct stage *stage)
{
	return stage->access[stage->access[1] != NONE && chance(stage, 1, 3)];
}

/* One of few ranges, so that pins, their ends and unmaps name the same. */
static void set_range(struct stage *stage, uint32_t call)
{
	static const struct {
		uint8_t start, pages;
	} ranges[] = {{0, 4}, {0, 4}, {0, 1}, {2, 2}, {1, 2}, {0, 8}};
	uint64_t pick = below(stage, sizeof(ranges) / sizeof(ranges[0]));

	set(stage, call, "iova", AREA + ranges[pick].start * PAGE);
	set(stage, call, "length", ranges[pick].pages * PAGE);
}

/* -- what threads do; each appends to the program -- */

static void do_map(struct stage *stage)
{
	uint64_t flags = IOMMU_IOAS_MAP_READABLE | IOMMU_IOAS_MAP_WRITEABLE;
	uint32_t call = add_ioctl(stage, CALL_ID_IOMMU_IOAS_MAP);

	set_object(stage, call, "ioas_id", some_ioas(stage), 0);
	if (chance(stage, 3, 4)) {
		flags |= IOMMU_IOAS_MAP_FIXED_IOVA;
		set(stage, call, "iova", AREA + below(stage, 5) * 2 * PAGE);
	}
	set(stage, call, "flags", flags);
	builder_set(stage->b, call, "user_va", value_mem(below(stage, 8) * PAGE));
	set(stage, call, "length", PAGE << below(stage, 3));
}

static void set_file(struct stage *stage, uint32_t call, uint64_t page)
{
	set_object(stage, call, "fd", stage->memfd, 0);
	set(stage, call, "start", page * PAGE);
}

static void do_map_file(struct stage *stage)
{
	uint32_t call = add_ioctl(stage, CALL_ID_IOMMU_IOAS_MAP_FILE);

	set_object(stage, call, "ioas_id", some_ioas(stage), 0);
	set(stage, call, "flags",
		IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE | IOMMU_IOAS_MAP_WRITEABLE);
	set(stage, call, "iova", AREA + below(stage, 5) * 2 * PAGE);
	set(stage, call, "length", PAGE << below(stage, 3));
	set_file(stage, call, below(stage, 6));
}

static void do_truncate(struct stage *stage)
{
	uint32_t call = add(stage, CALL_ID_ftruncate);

	builder_subject(stage->b, call, stage->memfd);
	set(stage, call, "size", below(stage, 10) * PAGE);
}

static void do_change_process(struct stage *stage)
{
	add_ioctl(stage, CALL_ID_IOMMU_IOAS_CHANGE_PROCESS);
}

static void do_unmap(struct stage *stage)
{
	uint32_t call = add_ioctl(stage, CALL_ID_IOMMU_IOAS_UNMAP), ioas = some_ioas(stage);

	set_object(stage, call, "ioas_id", ioas, 0);
	if (chance(stage, 1, 3)) {
		set(stage, call, "length", UINT64_MAX);
	} else if (stage->area != NONE && ioas == stage->ioas[0] && chance(stage, 1, 3)) {
		builder_set(stage->b, call, "iova", value_handle(stage->area, 0, 0));
		set(stage, call, "length", PAGE);
	} else {
		set(stage, call, "iova", AREA + (chance(stage, 1, 4) ? AREA_PAGES * PAGE : 0));
		set(stage, call, "length", (chance(stage, 1, 4) ? 2u : 1u) * AREA_PAGES * PAGE);
	}
}

static void do_copy(struct stage *stage)
{
	uint64_t flags = IOMMU_IOAS_MAP_READABLE | IOMMU_IOAS_MAP_WRITEABLE;
	uint32_t call = add_ioctl(stage, CALL_ID_IOMMU_IOAS_COPY);
	uint64_t skipped = below(stage, 2);

	set_object(stage, call, "dst_ioas_id", some_ioas(stage), 0);
	set_object(stage, call, "src_ioas_id", some_ioas(stage), 0);
	if (chance(stage, 1, 2)) {
		flags |= IOMMU_IOAS_MAP_FIXED_IOVA;
		set(stage, call, "dst_iova", AREA + (4 + below(stage, 3) * 2) * PAGE);
	}
	set(stage, call, "flags", flags);
	set(stage, call, "src_iova", AREA + skipped * PAGE);
	set(stage, call, "length", (AREA_PAGES - skipped) * PAGE);
}

static void do_alloc(struct stage *stage)
{
	add_ioctl(stage, CALL_ID_IOMMU_IOAS_ALLOC);
}

static void destroy(struct stage *stage, uint32_t producer, unsigned output)
{
	uint32_t call = add_ioctl(stage, CALL_ID_IOMMU_DESTROY);

	set_object(stage, call, "id", producer, output);
}

static void do_destroy_ioas(struct stage *stage)
{
	destroy(stage, some_ioas(stage), 0);
}

static void do_destroy_device(struct stage *stage)
{
	destroy(stage, some_device(stage), 0);
}

/* Any object, also those that only the kernel may destroy. */
static void do_destroy(struct stage *stage)
{
	uint32_t device = some_device(stage), access = some_access(stage);

	if (device != NONE && chance(stage, 1, 3))
		destroy(stage, device, chance(stage, 2, 3) ? 0 : 1 + (unsigned)below(stage, 2));
	else if (access != NONE && chance(stage, 1, 6))
		destroy(stage, access, 1);
	else
		do_destroy_ioas(stage);
}

/* Perhaps one that is just being made. */
static void do_destroy_guess(struct stage *stage)
{
	set(stage, add_ioctl(stage, CALL_ID_IOMMU_DESTROY), "id", 3 + below(stage, 7));
}

static void do_ranges(struct stage *stage)
{
	uint32_t call = add_ioctl(stage, CALL_ID_IOMMU_IOAS_IOVA_RANGES);

	set_object(stage, call, "ioas_id", some_ioas(stage), 0);
	set(stage, call, "num_iovas", below(stage, 3));
	builder_set(stage->b, call, "allowed_iovas", value_mem(192 * PAGE));
}

static void do_allow(struct stage *stage)
{
	uint32_t call = add_ioctl(stage, CALL_ID_IOMMU_IOAS_ALLOW_IOVAS);
	uint32_t element = prog_add_values(stage->b->prog, 1),
		 fields = prog_add_values(stage->b->prog, 2);
	struct value *values = stage->b->prog->values;

	set_object(stage, call, "ioas_id", some_ioas(stage), 0);
	if (element == UINT32_MAX || fields == UINT32_MAX || chance(stage, 1, 4))
		return;
	/* Now and then below what a domain can map. */
	uint64_t start = chance(stage, 1, 4) ? 16 * PAGE : AREA;
	values[fields] = value_number(start);
	values[fields + 1] = value_number(start + (UINT64_C(8) << below(stage, 3)) * PAGE - 1);
	values[element] = (struct value){.kind = VALUE_STRUCT, .count = 2, .start = fields};
	builder_set(stage->b, call, "allowed_iovas",
		(struct value){.kind = VALUE_ARRAY, .count = 1, .start = element});
}

static void do_huge_pages(struct stage *stage)
{
	uint32_t call = add_ioctl(stage, CALL_ID_IOMMU_OPTION_HUGE_PAGES);

	set_object(stage, call, "object_id", some_ioas(stage), 0);
	set(stage, call, "op", below(stage, 2));
	set(stage, call, "val64", below(stage, 2));
}

static void do_rlimit_mode(struct stage *stage)
{
	uint32_t call = add_ioctl(stage, CALL_ID_IOMMU_OPTION_RLIMIT_MODE);

	set(stage, call, "op", below(stage, 2));
	set(stage, call, "val64", below(stage, 2));
}

static void do_device(struct stage *stage)
{
	uint32_t call = add_ioctl(stage, CALL_ID_IOMMU_TEST_OP_MOCK_DOMAIN);

	set_object(stage, call, "id", some_ioas(stage), 0);
	if (chance(stage, 1, 6)) /* by HWPT */
		set_object(stage, call, "id", some_device(stage), 1);
}

static void do_device_replace(struct stage *stage)
{
	uint32_t call = add_ioctl(stage, CALL_ID_IOMMU_TEST_OP_MOCK_DOMAIN_REPLACE);

	set_object(stage, call, "id", some_device(stage), 0);
	set_object(stage, call, "pt_id", stage->ioas[chance(stage, 1, 2)], 0);
	if (chance(stage, 1, 8))
		set_object(stage, call, "pt_id", some_device(stage), 1);
}

static void do_dma(struct stage *stage)
{
	uint32_t call =
		add_ioctl(stage, chance(stage, 1, 2) ? CALL_ID_dma_read : CALL_ID_dma_write);

	set_object(stage, call, "dev_id", some_device(stage), 2);
	set(stage, call, "iova", AREA + below(stage, AREA_PAGES) * PAGE);
	set(stage, call, "length", 64);
	builder_set(stage->b, call, "buffer", value_mem(128 * PAGE));
}

static void do_check_map(struct stage *stage)
{
	uint32_t call = add_ioctl(stage, CALL_ID_IOMMU_TEST_OP_MD_CHECK_MAP);

	set_object(stage, call, "id", some_device(stage), 1);
	set(stage, call, "iova", AREA);
	set(stage, call, "length", AREA_PAGES * PAGE);
	builder_set(stage->b, call, "uptr", value_mem(0));
}

static uint32_t add_on_access(struct stage *stage, enum call_id row)
{
	uint32_t call = add(stage, row);

	builder_subject(stage->b, call, some_access(stage));
	return call;
}

static void do_access(struct stage *stage)
{
	set(stage, add_ioctl(stage, CALL_ID_access_create), "flags", 1);
}

static void do_attach(struct stage *stage)
{
	uint32_t call = add_on_access(stage, CALL_ID_access_attach);

	set_object(stage, call, "ioas_id", some_ioas(stage), 0);
}

static void do_replace(struct stage *stage)
{
	uint32_t call = add_on_access(stage, CALL_ID_access_replace);

	set_object(stage, call, "ioas_id", stage->ioas[chance(stage, 2, 3)], 0);
}

static void do_detach(struct stage *stage)
{
	add_on_access(stage, CALL_ID_access_detach);
}

static void do_access_destroy(struct stage *stage)
{
	add_on_access(stage, CALL_ID_access_destroy);
}

static void do_pin(struct stage *stage)
{
	uint32_t call = add_on_access(stage, CALL_ID_access_pin);

	set_range(stage, call);
	set(stage, call, "flags", below(stage, 2));
}

static void do_unpin(struct stage *stage)
{
	set_range(stage, add_on_access(stage, CALL_ID_access_unpin));
}

static void do_rw(struct stage *stage)
{
	uint32_t call = add_on_access(stage, CALL_ID_access_rw);

	set(stage, call, "iova", AREA + below(stage, AREA_PAGES) * PAGE);
	set(stage, call, "length", chance(stage, 1, 3) ? PAGE : 64);
	set(stage, call, "flags", below(stage, 8));
	builder_set(stage->b, call, "buffer", value_mem(160 * PAGE));
}

static uint32_t add_on_test_access(struct stage *stage, enum call_id row)
{
	uint32_t call = add_ioctl(stage, row);

	set_object(stage, call, "id", stage->test_access, 0);
	return call;
}

static void do_test_pin(struct stage *stage)
{
	uint32_t call = add_on_test_access(stage, CALL_ID_IOMMU_TEST_OP_ACCESS_PAGES);

	set_range(stage, call);
	set(stage, call, "flags", below(stage, 2));
}

static void do_test_unpin(struct stage *stage)
{
	const struct prog *prog = stage->b->prog;
	uint32_t item = prog->call_count;

	while (item-- > 0)
		if (prog->calls[item].row == CALL_ID_IOMMU_TEST_OP_ACCESS_PAGES)
			break;
	if (item == UINT32_MAX) {
		do_test_pin(stage);
		return;
	}
	set_object(stage, add_on_test_access(stage, CALL_ID_IOMMU_TEST_OP_DESTROY_ACCESS_PAGES),
		"access_pages_id", item, 0);
}

static void do_test_rw(struct stage *stage)
{
	uint32_t call = add_on_test_access(stage, CALL_ID_IOMMU_TEST_OP_ACCESS_RW);

	set(stage, call, "iova", AREA + below(stage, AREA_PAGES) * PAGE);
	set(stage, call, "length", 64);
	set(stage, call, "flags", chance(stage, 1, 4) ? 5 : below(stage, 2));
	builder_set(stage->b, call, "uptr", value_mem(160 * PAGE));
}

static void do_test_replace(struct stage *stage)
{
	uint32_t call = add_on_test_access(stage, CALL_ID_IOMMU_TEST_OP_ACCESS_REPLACE_IOAS);

	set_object(stage, call, "ioas_id", stage->ioas[chance(stage, 2, 3)], 0);
}

static void do_test_close(struct stage *stage)
{
	builder_subject(stage->b, add(stage, CALL_ID_close), stage->test_access);
}

static void do_close(struct stage *stage)
{
	add_ioctl(stage, CALL_ID_close);
}

static void do_dup(struct stage *stage)
{
	add_ioctl(stage, CALL_ID_dup);
}

/* Memory goes away under what is mapped. */
static void do_munmap(struct stage *stage)
{
	uint32_t call = add(stage, CALL_ID_munmap);

	builder_set(stage->b, call, "addr", value_mem(below(stage, 4) * PAGE));
	set(stage, call, "length", AREA_PAGES * PAGE);
}

static void do_exit(struct stage *stage)
{
	if (stage->process)
		add(stage, CALL_ID_exit);
	else
		do_unmap(stage);
}

static void do_anything(struct stage *stage)
{
	uint32_t from = stage->b->prog->call_count;

	builder_idiom(stage->b);
	for (uint32_t i = from; i < stage->b->prog->call_count; i++)
		stage->b->prog->calls[i].thread = stage->thread;
}

/* -- races -- */

typedef void (*action_fn)(struct stage *stage);

#define ACTIONS_MAX 16

/*
 * Thread A does `first`, the others `second` and now and then `first`. needs: enum stage_needs.
 */
static const struct race {
	uint16_t weight, needs;
	action_fn first[ACTIONS_MAX], second[ACTIONS_MAX];
} races[] = {
	/* replace */
	{6, WITH_ACCESS, {do_replace},
		{do_pin, do_unpin, do_rw, do_access_destroy, do_destroy_ioas, do_replace, do_detach,
			do_attach, do_unmap}},
	/* destroy */
	{6, WITH_ACCESS | WITH_DEVICE, {do_destroy, do_destroy_ioas},
		{do_map, do_unmap, do_copy, do_ranges, do_allow, do_huge_pages, do_attach,
			do_replace, do_device, do_device_replace, do_pin, do_check_map, do_destroy,
			do_dma, do_alloc, do_access_destroy}},
	/* attach */
	{3, WITH_ACCESS | WITH_LOOSE_ACCESS, {do_attach, do_attach, do_detach},
		{do_attach, do_attach, do_detach, do_replace, do_unmap, do_pin, do_destroy_ioas}},
	/* limit */
	{3, WITH_DEVICE | WITH_LIMIT, {do_map}, {do_map, do_map, do_map, do_copy, do_unmap}},
	/* devices */
	{3, WITH_DEVICE, {do_destroy_device, do_device_replace},
		{do_device, do_device, do_destroy_device, do_device_replace, do_destroy_ioas}},
	/* what is not there yet */
	{2, WITH_DEVICE, {do_device, do_device_replace, do_alloc, do_access},
		{do_destroy_guess, do_destroy_guess, do_destroy}},
	/* unmap */
	{6, WITH_ACCESS, {do_unmap},
		{do_pin, do_pin, do_unpin, do_rw, do_unmap, do_map, do_replace, do_detach}},
	/* domain */
	{4, WITH_DEVICE, {do_map, do_unmap, do_copy},
		{do_device, do_device_replace, do_destroy_device, do_dma, do_check_map}},
	/* map */
	{3, 0, {do_map}, {do_map, do_unmap, do_unmap, do_copy}},
	/* copy */
	{3, 0, {do_copy}, {do_unmap, do_destroy_ioas, do_map, do_copy}},
	/* close */
	{3, WITH_ACCESS, {do_close, do_close, do_access_destroy},
		{do_map, do_unmap, do_copy, do_pin, do_rw, do_replace, do_access_destroy,
			do_destroy, do_device, do_ranges, do_dup, do_access}},
	/* ranges */
	{3, 0, {do_ranges, do_allow, do_huge_pages, do_rlimit_mode},
		{do_map, do_unmap, do_device, do_device_replace, do_destroy_ioas, do_allow,
			do_ranges}},
	/* test access */
	{3, WITH_TEST_ACCESS, {do_test_replace, do_test_close, do_unmap},
		{do_test_pin, do_test_unpin, do_test_rw, do_unmap, do_destroy_ioas, do_test_replace,
			do_map}},
	/* processes */
	{3, WITH_PROCESS, {do_map, do_unmap, do_copy, do_rlimit_mode},
		{do_map, do_unmap, do_copy, do_exit, do_munmap, do_close, do_pin}},
	/* files */
	{3, WITH_FILE, {do_change_process, do_change_process, do_map_file},
		{do_map_file, do_unmap, do_copy, do_alloc, do_destroy_ioas, do_change_process,
			do_device, do_truncate, do_close, do_dup, do_map}},
	/* PASIDs */
	{4, WITH_PASIDS, {stage_pasid_attach, stage_pasid_replace, stage_pasid_detach},
		{stage_pasid_attach, stage_pasid_replace, stage_pasid_detach, stage_pasid_check,
			stage_pasid_move_rid, stage_pasid_destroy_table, stage_pasid_dma,
			do_unmap}},
	/* faults */
	{4, WITH_DEVICE | WITH_FAULTS,
		{stage_faults, stage_fault_file, stage_fault_file, stage_fault_close},
		{stage_fault_file, stage_fault_file, stage_fault_file, stage_fault_move,
			stage_fault_move, stage_fault_destroy, stage_fault_close, do_close}},
	/* VIOMMUs */
	{5, WITH_DEVICE | WITH_NESTED,
		{stage_nested_destroy, stage_nested_destroy, stage_nested_destroy_device,
			stage_nested_name, stage_nested_move, stage_nested_invalidate},
		{stage_nested_name, stage_nested_destroy, stage_nested_move, stage_nested_move,
			stage_nested_alloc, stage_nested_invalidate, stage_nested_check,
			stage_nested_queue, stage_nested_queue, stage_nested_unmap,
			stage_nested_mmap, stage_nested_dma, do_close,
			stage_nested_destroy_device}},
	/* VFIO */
	{3, WITH_COMPAT, {stage_compat_unmap, stage_compat_unmap, stage_compat_set},
		{stage_compat_map, stage_compat_unmap, stage_compat_unmap, stage_compat_info,
			stage_compat_type, stage_compat_set, do_destroy_ioas, do_unmap, do_copy,
			do_device, do_pin, do_huge_pages, do_close}},
	/* events */
	{4, WITH_DEVICE | WITH_EVENTS,
		{stage_vevent_trigger, stage_vevent_trigger, stage_vevent_read, stage_vevent_queue},
		{stage_vevent_trigger, stage_vevent_read, stage_vevent_read, stage_vevent_close,
			stage_vevent_destroy, stage_vevent_destroy, stage_vevent_move,
			stage_vevent_queue, do_close}},
	/* anything */
	{2, WITH_ACCESS | WITH_DEVICE, {do_anything},
		{do_anything, do_anything, do_map, do_unmap, do_pin, do_replace, do_destroy}},
};

/* What a target without drivers or without tests lacks of the race. */
static bool race_excluded(const struct stage *stage, const struct race *race)
{
	return ((race->needs & WITH_ACCESS) && is_excluded(stage, NEEDS_INPROC)) ||
	       ((race->needs & (WITH_DEVICE | WITH_TEST_ACCESS | WITH_PASIDS)) &&
		       is_excluded(stage, NEEDS_TEST));
}

static const struct race *some_race(struct stage *stage)
{
	uint32_t total = 0, at;

	for (size_t i = 0; i < sizeof(races) / sizeof(races[0]); i++)
		total += race_excluded(stage, &races[i]) ? 0u : races[i].weight;
	at = (uint32_t)below(stage, total);
	for (size_t i = 0; i < sizeof(races) / sizeof(races[0]); i++) {
		if (race_excluded(stage, &races[i]))
			continue;
		if (at < races[i].weight)
			return &races[i];
		at -= races[i].weight;
	}
	return &races[0];
}

/* -- set-up and end, in main -- */

/* What drivers do when they are told of an unmap: from none of their business to too much. */
static void add_callback(struct stage *stage, uint32_t access)
{
	static const uint16_t bodies[][2] = {
		{CALL_ID_unpin_all, 0},
		{CALL_ID_unpin_all, CALL_ID_access_rw},
		{CALL_ID_unpin_all, CALL_ID_access_pin},
		{CALL_ID_unpin_all, CALL_ID_access_replace},
		{CALL_ID_access_replace, 0},
		{CALL_ID_access_detach, 0},
		{CALL_ID_unpin, 0},
		{CALL_ID_nothing, 0},
	};
	const uint16_t *rows = bodies[below(stage, sizeof(bodies) / sizeof(bodies[0]))];
	uint32_t on = add(stage, CALL_ID_on);

	builder_subject(stage->b, on, access);
	set(stage, on, "event", CALL_ON_UNMAP);
	for (unsigned i = 0; i < 2 && rows[i]; i++) {
		uint32_t call = add(stage, (enum call_id)rows[i]);

		if (call == UINT32_MAX || on == UINT32_MAX)
			return;
		stage->b->prog->calls[call].body = (uint16_t)(on + 1);
		if (prog_row(&stage->b->prog->calls[call])->kind == CALL_KERNEL)
			builder_subject(stage->b, call, access);
		set_object(stage, call, "ioas_id", stage->ioas[1], 0);
		set(stage, call, "iova", AREA);
		set(stage, call, "length", AREA_PAGES * PAGE);
		builder_set(stage->b, call, "buffer", value_mem(176 * PAGE));
	}
}

static uint32_t add_access(struct stage *stage, unsigned needs)
{
	uint32_t call = add_ioctl(stage, CALL_ID_access_create), attach;

	set(stage, call, "flags", chance(stage, 7, 8));
	if (call == UINT32_MAX)
		return NONE;
	if (chance(stage, 1, 2))
		add_callback(stage, call);
	if ((needs & WITH_LOOSE_ACCESS) && chance(stage, 3, 4))
		return call;
	attach = add(stage, CALL_ID_access_attach);
	builder_subject(stage->b, attach, call);
	set_object(stage, attach, "ioas_id", stage->ioas[0], 0);
	return call;
}

static uint32_t add_device(struct stage *stage, uint32_t ioas)
{
	uint32_t call = add_ioctl(stage, CALL_ID_IOMMU_TEST_OP_MOCK_DOMAIN);

	set_object(stage, call, "id", ioas, 0);
	return call == UINT32_MAX ? NONE : call;
}

static void add_area(struct stage *stage, uint32_t ioas, uint64_t page)
{
	bool file = stage->memfd != NONE;
	uint32_t call =
		add_ioctl(stage, file ? CALL_ID_IOMMU_IOAS_MAP_FILE : CALL_ID_IOMMU_IOAS_MAP);

	set_object(stage, call, "ioas_id", ioas, 0);
	set(stage, call, "flags",
		IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE | IOMMU_IOAS_MAP_WRITEABLE);
	set(stage, call, "iova", AREA);
	set(stage, call, "length", AREA_PAGES * PAGE);
	if (file)
		set_file(stage, call, page / 2);
	else
		builder_set(stage->b, call, "user_va", value_mem(page * PAGE));
}

static void add_process(struct stage *stage)
{
	uint32_t call = add(stage, CALL_ID_process);

	set(stage, call, "process", 1);
	set(stage, call, "uid", 1000);
	set(stage, call, "memlock", (4 + below(stage, 12)) * PAGE);
	call = add_ioctl(stage, CALL_ID_pass);
	set(stage, call, "process", 1);
	stage->passed = call;
	stage->b->processes = 1;
}

/* Of the process that all threads are in; whoever may lock memory without limit is not asked. */
static void add_limit(struct stage *stage)
{
	set(stage, add(stage, CALL_ID_setrlimit), "memlock", (2 + below(stage, 9)) * PAGE);
	set(stage, add(stage, CALL_ID_setcaps), "caps", 0);
}

static void set_up(struct stage *stage, unsigned needs)
{
	bool tests = !is_excluded(stage, NEEDS_TEST), drivers = !is_excluded(stage, NEEDS_INPROC);

	stage->context = add(stage, CALL_ID_open);
	set(stage, stage->context, "path", CALL_OPEN_IOMMU);
	if (needs & WITH_FILE) {
		stage->memfd = add(stage, CALL_ID_memfd);
		set(stage, stage->memfd, "size", 8 * PAGE);
	}
	for (unsigned i = 0; i < 2; i++)
		stage->ioas[i] = add_ioctl(stage, CALL_ID_IOMMU_IOAS_ALLOC);
	if (needs & WITH_COMPAT)
		stage_compat_set_up(stage);
	if (chance(stage, 7, 8))
		add_area(stage, stage->ioas[stage->focus], 0);
	if (chance(stage, 1, 2))
		add_area(stage, stage->ioas[!stage->focus], chance(stage, 1, 2) ? 0 : 8);
	if (chance(stage, 1, 6) && !(needs & WITH_FILE)) {
		stage->area = add_ioctl(stage, CALL_ID_IOMMU_IOAS_MAP);
		set_object(stage, stage->area, "ioas_id", stage->ioas[0], 0);
		set(stage, stage->area, "flags", IOMMU_IOAS_MAP_READABLE);
		set(stage, stage->area, "length", PAGE);
	}
	if (tests && ((needs & WITH_DEVICE) || chance(stage, 1, 5)))
		stage->device[0] = add_device(stage, stage->ioas[0]);
	if (stage->device[0] != NONE && (needs & WITH_FAULTS))
		stage_fault_set_up(stage);
	if (stage->device[0] != NONE && (needs & WITH_EVENTS))
		stage_vevent_set_up(stage);
	if (stage->device[0] != NONE && (needs & WITH_NESTED))
		stage_nested_set_up(stage);
	if (stage->device[0] != NONE && chance(stage, 1, 4))
		stage->device[1] = add_device(stage, stage->ioas[chance(stage, 1, 2)]);
	if (drivers && ((needs & WITH_ACCESS) || chance(stage, 1, 6)))
		stage->access[0] = add_access(stage, needs);
	if (stage->access[0] != NONE && chance(stage, 1, 5))
		stage->access[1] = add_access(stage, needs);
	if (stage->access[0] != NONE && chance(stage, 1, 3))
		do_pin(stage);
	if (tests && (needs & WITH_TEST_ACCESS)) {
		stage->test_access = add_ioctl(stage, CALL_ID_IOMMU_TEST_OP_CREATE_ACCESS);
		set_object(stage, stage->test_access, "id", stage->ioas[0], 0);
		set(stage, stage->test_access, "flags", chance(stage, 7, 8));
		if (chance(stage, 1, 2))
			do_test_pin(stage);
	}
	if (tests && (needs & WITH_PASIDS))
		stage_pasid_set_up(stage);
	if (needs & WITH_PROCESS)
		add_process(stage);
	if (needs & WITH_LIMIT)
		add_limit(stage);
}

/* What can be destroyed shows who still holds what; MD_CHECK_REFS that no page is pinned. */
static void show_state(struct stage *stage)
{
	bool tests = !is_excluded(stage, NEEDS_TEST);
	uint32_t call;

	add(stage, CALL_ID_join);
	for (unsigned i = 0; i < 2; i++)
		if (stage->access[i] != NONE)
			builder_subject(
				stage->b, add(stage, CALL_ID_access_destroy), stage->access[i]);
	if (stage->test_access != NONE)
		do_test_close(stage);
	if (stage->pasid_device != NONE)
		stage_pasid_end(stage);
	for (unsigned i = 0; i < 2; i++)
		if (stage->device[i] != NONE)
			destroy(stage, stage->device[i], 0);
	if (stage->parent != NONE)
		stage_nested_end(stage);
	if (stage->fault != NONE)
		stage_fault_end(stage);
	if (stage->veventq != NONE)
		stage_vevent_end(stage);
	for (unsigned i = 0; i < 2; i++)
		destroy(stage, stage->ioas[i], 0);
	if (tests) {
		call = add_ioctl(stage, CALL_ID_IOMMU_TEST_OP_MD_CHECK_REFS);
		set(stage, call, "length", 16 * PAGE);
		builder_set(stage->b, call, "uptr", value_mem(0));
	}
	if (chance(stage, 1, 4))
		add(stage, CALL_ID_memory_usage);
}

/* -- threads -- */

static action_fn some_action(struct stage *stage, const struct race *race)
{
	bool first = stage->thread == 1 ? !chance(stage, 1, 8) : chance(stage, 1, 6);
	const action_fn *actions = first ? race->first : race->second;
	uint64_t count = 0;

	while (count < ACTIONS_MAX && actions[count])
		count++;
	return actions[below(stage, count)];
}

/* Takes what the target lacks out again: the other races hold such calls too. */
static void drop_excluded(struct stage *stage, uint32_t from)
{
	struct prog *prog = stage->b->prog;
	uint8_t drop[PROG_CALL_MAX] = {0};

	for (uint32_t i = from; i < prog->call_count; i++)
		drop[i] = is_excluded(stage, prog_row(&prog->calls[i])->needs);
	prog_remove_calls(prog, drop);
}

static void act(struct stage *stage, const struct race *race)
{
	uint32_t from = stage->b->prog->call_count;

	for (unsigned tries = 0; tries < 8 && stage->b->prog->call_count == from; tries++) {
		some_action(stage, race)(stage);
		if (stage->b->options->exclude_needs)
			drop_excluded(stage, from);
	}
	for (uint32_t i = from; i < stage->b->prog->call_count; i++) {
		if (chance(stage, 1, BEND_SHARE))
			builder_bend(stage->b, i);
		scene_add(&stage->b->scene, stage->b->prog, i);
	}
}

enum meeting { MEETING_NONE, MEETING_BARRIER, MEETING_WAIT };

static void add_meeting(struct stage *stage, enum meeting meeting)
{
	if (meeting == MEETING_BARRIER)
		add(stage, CALL_ID_barrier);
	/* For earlier threads only: those that wait for each other would wait for ever. */
	else if (meeting == MEETING_WAIT && stage->thread > 1 && !is_excluded(stage, NEEDS_INPROC))
		set(stage, add(stage, CALL_ID_wait), "thread", 1 + below(stage, stage->thread - 1));
}

static void add_section(struct stage *stage, const struct race *race, unsigned threads)
{
	uint64_t kind = below(stage, 12);
	enum meeting meeting = kind < 2 ? MEETING_BARRIER : kind < 3 ? MEETING_WAIT : MEETING_NONE;

	for (uint8_t t = 1; t <= threads; t++) {
		/* The model's search for an order grows with the calls of all threads. */
		uint64_t calls = chance(stage, threads, 5) ? 1 : 1 + below(stage, CALLS_MAX);
		uint64_t meets = below(stage, calls);

		stage->thread = t;
		stage->process = (race->needs & WITH_PROCESS) && t > 1 && chance(stage, 3, 4);
		for (uint64_t i = 0; i < calls; i++) {
			if (i == meets)
				add_meeting(stage, meeting);
			act(stage, race);
		}
	}
	stage->thread = 0;
	stage->process = 0;
}

void prog_generate_schedule(struct prog *prog, struct random *random)
{
	uint64_t most = random_chance(random, 1, 6) ? PROG_SCHEDULE_MAX : 12;

	prog->schedule_count = (uint32_t)random_below(random, most + 1);
	for (uint32_t i = 0; i < prog->schedule_count; i++) {
		prog->schedule[i] = (uint8_t)random_next(random);
		/* Mostly short stays: calls are some tens of points long. */
		if (random_chance(random, 2, 3))
			prog->schedule[i] &= 0xdf;
	}
}

void builder_threads(struct builder *b)
{
	struct stage stage = {
		.b = b,
		.context = NONE,
		.passed = NONE,
		.ioas = {NONE, NONE},
		.device = {NONE, NONE},
		.access = {NONE, NONE},
		.test_access = NONE,
		.area = NONE,
		.memfd = NONE,
		.pasid_device = NONE,
		.fault = NONE,
		.fault_table = NONE,
		.parent = NONE,
		.viommu = NONE,
		.vdevice = NONE,
		.nested = NONE,
		.veventq = NONE,
		.table = {NONE, NONE},
	};
	unsigned most = b->options->threads > THREADS_MAX ? THREADS_MAX : b->options->threads;
	const struct race *race = some_race(&stage);
	unsigned threads = 2;

	/* The first is held by devices and accesses; only the second can be destroyed at once. */
	stage.focus = chance(&stage, 2, 5) && !(race->needs & WITH_LIMIT);
	while (threads < most && random_chance(b->random, 1, 3))
		threads++;
	set_up(&stage, race->needs);
	scene_build(&b->scene, b->prog, b->prog->call_count);
	add_section(&stage, race, threads);
	if (random_chance(b->random, 1, 12)) {
		add(&stage, CALL_ID_join);
		add_section(&stage, race, 2);
	}
	show_state(&stage);
	prog_generate_schedule(b->prog, b->random);
}
