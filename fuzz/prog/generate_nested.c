/* SPDX-License-Identifier: Apache-2.0 */
/* Nested page tables, VIOMMUs, their devices, queues and pages, and what is invalidated of them. */
#include "fuzz/prog/builder.h"
#include "impl/abi/iommufd_abi.h"
#include "impl/abi/kernel_calls.h"
#include "impl/abi/test_abi.h"

#define PAGE	 UINT64_C(4096)
#define VIRT_ID	 UINT64_C(0x99)
#define MAP_AT	 (160 * PAGE) /* where regions are mapped */
#define QUEUE_AT (16 * PAGE)  /* memory of queues */

static struct value bytes(struct builder *b, const void *data, uint32_t count)
{
	uint32_t start = prog_add_bytes(b->prog, data, count);

	if (start == UINT32_MAX)
		return (struct value){.kind = VALUE_UNSET};
	return (struct value){.kind = VALUE_BYTES, .count = count, .start = start};
}

/* A nesting parent of the device's context; UINT32_MAX when there is no room for one. */
static uint32_t need_parent(struct builder *b, const struct scene_device *device)
{
	uint32_t call;

	for (uint32_t i = b->scene.hwpts; i-- > 0;)
		if (b->scene.hwpt[i].parent && b->scene.hwpt[i].context == device->context &&
			!random_chance(b->random, 1, 8))
			return b->scene.hwpt[i].call;
	call = builder_call(b, CALL_ID_IOMMU_HWPT_ALLOC);
	builder_subject(b, call, device->context);
	builder_set(b, call, "dev_id", value_handle(device->call, 2, 0));
	builder_set(b, call, "pt_id", value_handle(device->ioas, 0, 0));
	builder_set(b, call, "flags", value_number(IOMMU_HWPT_ALLOC_NEST_PARENT));
	builder_done(b, call);
	return call;
}

static uint32_t need_viommu(struct builder *b, const struct scene_device *device)
{
	uint8_t data[24] = {0};
	uint32_t parent, call;

	for (uint32_t i = b->scene.viommus; i-- > 0;)
		if (b->scene.viommu[i].context == device->context &&
			!random_chance(b->random, 1, 6))
			return b->scene.viommu[i].call;
	parent = need_parent(b, device);
	if (parent == UINT32_MAX)
		return parent;
	call = builder_call(b, CALL_ID_IOMMU_VIOMMU_ALLOC);
	builder_subject(b, call, device->context);
	builder_set(b, call, "type",
		value_number(random_chance(b->random, 1, 20) ? random_below(b->random, 3)
							     : IOMMU_VIOMMU_TYPE_SELFTEST));
	builder_set(b, call, "dev_id", value_handle(device->call, 2, 0));
	builder_set(b, call, "hwpt_id", value_handle(parent, 0, 0));
	if (random_chance(b->random, 1, 2)) {
		data[0] = (uint8_t)random_next(b->random);
		builder_set(b, call, "data_uptr", bytes(b, data, sizeof(data)));
		builder_set(b, call, "data_len",
			value_number(random_chance(b->random, 1, 4)
					     ? 6 + random_below(b->random, 20)
					     : sizeof(data)));
	}
	builder_done(b, call);
	return call;
}

static uint64_t some_virt_id(struct builder *b)
{
	return random_chance(b->random, 3, 4) ? VIRT_ID : VIRT_ID - random_below(b->random, 3);
}

static void make_vdevice(struct builder *b, const struct scene_device *device, uint32_t viommu)
{
	uint32_t call = builder_call(b, CALL_ID_IOMMU_VDEVICE_ALLOC);

	builder_subject(b, call, device->context);
	builder_set(b, call, "viommu_id", value_handle(viommu, 0, 0));
	builder_set(b, call, "dev_id", value_handle(device->call, 2, 0));
	builder_set(b, call, "virt_id", value_number(some_virt_id(b)));
	builder_done(b, call);
	/* Now and then it goes at once, and its id is somebody else's. */
	if (call == UINT32_MAX || !random_chance(b->random, 1, 6))
		return;
	viommu = builder_call(b, CALL_ID_IOMMU_DESTROY);
	builder_subject(b, viommu, device->context);
	builder_set(b, viommu, "id", value_handle(call, 0, 0));
	builder_done(b, viommu);
}

/* On a parent, or through a VIOMMU. */
static uint32_t make_nested(struct builder *b, const struct scene_device *device, uint32_t on)
{
	uint32_t call = builder_call(b, CALL_ID_IOMMU_HWPT_ALLOC);
	uint8_t iotlb[8] = {(uint8_t)random_below(b->random, 2)};

	builder_subject(b, call, device->context);
	builder_set(b, call, "dev_id", value_handle(device->call, 2, 0));
	builder_set(b, call, "pt_id", value_handle(on, 0, 0));
	builder_set(b, call, "data_type",
		value_number(random_chance(b->random, 1, 20) ? IOMMU_HWPT_DATA_SELFTEST + 1
							     : IOMMU_HWPT_DATA_SELFTEST));
	builder_set(b, call, "data_uptr", bytes(b, iotlb, sizeof(iotlb)));
	builder_set(b, call, "data_len",
		value_number(random_chance(b->random, 1, 8) ? 3 + random_below(b->random, 7) : 4));
	if (random_chance(b->random, 1, 6))
		builder_set(b, call, "flags", value_number(1u << random_below(b->random, 5)));
	builder_done(b, call);
	return call;
}

/* A nested page table of the context: true and it. */
static bool some_nested(struct builder *b, uint16_t context, struct scene_nested *found)
{
	for (int tries = 0; tries < 4 && b->scene.nesteds; tries++) {
		*found = b->scene.nested[builder_pick(b, b->scene.nesteds)];
		if (found->context == context)
			return true;
	}
	return false;
}

static void move_device(struct builder *b, const struct scene_device *device)
{
	uint32_t call = builder_call(b, CALL_ID_IOMMU_TEST_OP_MOCK_DOMAIN_REPLACE);
	struct scene_nested nested;
	struct value to = value_handle(device->ioas, 0, 0);

	if (some_nested(b, device->context, &nested) && !random_chance(b->random, 1, 5))
		to = value_handle(nested.call, 0, 0);
	builder_subject(b, call, device->context);
	builder_set(b, call, "id", value_handle(device->call, 0, 0));
	builder_set(b, call, "pt_id", to);
	builder_done(b, call);
}

/* One to three requests, mostly good ones. */
static void invalidate(struct builder *b, uint16_t context, uint32_t target, bool viommu)
{
	uint32_t size = viommu ? 12 : 8;
	uint32_t count =
		random_chance(b->random, 2, 3) ? 1 : 1 + (uint32_t)random_below(b->random, 3);
	uint32_t call = builder_call(b, CALL_ID_IOMMU_HWPT_INVALIDATE);
	uint8_t requests[3 * 12] = {0};

	for (uint32_t i = 0; i < count; i++) {
		uint8_t *request = requests + i * size;

		request[0] = random_chance(b->random, 1, 24) ? 2 : random_chance(b->random, 1, 3);
		request[size - 4] =
			(uint8_t)random_below(b->random, random_chance(b->random, 1, 8) ? 5 : 4);
		if (viommu)
			request[4] = random_chance(b->random, 1, 8) ? (uint8_t)some_virt_id(b)
								    : (uint8_t)VIRT_ID;
	}
	builder_subject(b, call, context);
	builder_set(b, call, "hwpt_id", value_handle(target, 0, 0));
	builder_set(b, call, "data_type",
		value_number(random_chance(b->random, 1, 20)
				     ? IOMMU_HWPT_INVALIDATE_DATA_SELFTEST_INVALID
				     : IOMMU_HWPT_INVALIDATE_DATA_SELFTEST));
	builder_set(b, call, "data_uptr", bytes(b, requests, count * size));
	builder_set(
		b, call, "entry_num", value_number(random_chance(b->random, 1, 20) ? 0 : count));
	builder_set(b, call, "entry_len",
		value_number(
			random_chance(b->random, 1, 8) ? 1 + random_below(b->random, 20) : size));
	builder_done(b, call);
}

static void check(struct builder *b, uint16_t context, struct value target, bool cache)
{
	uint32_t call = builder_call(b, cache ? CALL_ID_IOMMU_TEST_OP_DEV_CHECK_CACHE
					      : CALL_ID_IOMMU_TEST_OP_MD_CHECK_IOTLB);
	uint64_t kept = cache ? IOMMU_TEST_DEV_CACHE_DEFAULT : 1;

	builder_subject(b, call, context);
	builder_set(b, call, "id", target);
	builder_set(
		b, call, cache ? "cache_id" : "iotlb_id", value_number(random_below(b->random, 5)));
	builder_set(b, call, cache ? "cache" : "iotlb",
		value_number(random_chance(b->random, 1, 2) ? kept : 0));
	builder_done(b, call);
}

/* Memory for a queue, and queues in it. */
static void make_queues(struct builder *b, const struct scene_device *device, uint32_t viommu)
{
	uint64_t iova = (UINT64_C(48) << 20) + random_below(b->random, 2) * PAGE;
	uint32_t call, made, ioas = device->ioas;

	for (uint32_t i = 0; i < b->scene.viommus; i++)
		if (b->scene.viommu[i].call == viommu)
			ioas = b->scene.viommu[i].ioas;
	call = builder_call(b, CALL_ID_IOMMU_IOAS_MAP);
	builder_subject(b, call, device->context);
	builder_set(b, call, "ioas_id", value_handle(ioas, 0, 0));
	builder_set(b, call, "flags",
		value_number(IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_WRITEABLE |
			     (random_chance(b->random, 1, 12) ? 0 : IOMMU_IOAS_MAP_READABLE)));
	builder_set(b, call, "user_va", value_mem(QUEUE_AT));
	builder_set(b, call, "length", value_number(PAGE));
	builder_set(b, call, "iova", value_number(iova));
	builder_done(b, call);
	for (uint64_t index = 0; index < 2 && !b->full; index++) {
		call = builder_call(b, CALL_ID_IOMMU_HW_QUEUE_ALLOC);
		builder_subject(b, call, device->context);
		builder_set(b, call, "viommu_id", value_handle(viommu, 0, 0));
		builder_set(b, call, "type",
			value_number(random_chance(b->random, 1, 20)
					     ? random_below(b->random, 3)
					     : IOMMU_HW_QUEUE_TYPE_SELFTEST));
		builder_set(b, call, "index",
			value_number(random_chance(b->random, 1, 6) ? random_below(b->random, 4)
								    : index));
		builder_set(b, call, "nesting_parent_iova",
			value_number(iova + random_below(b->random, 2) * (PAGE / 2)));
		builder_set(b, call, "length", value_number(1 + random_below(b->random, PAGE / 2)));
		builder_done(b, call);
		if (call == UINT32_MAX || !random_chance(b->random, 1, 3))
			continue;
		made = builder_call(b, CALL_ID_IOMMU_DESTROY);
		builder_subject(b, made, device->context);
		builder_set(b, made, "id", value_handle(call, 0, 0));
		builder_done(b, made);
	}
}

/* Maps what a VIOMMU has, mostly where it is. */
static void map_region(struct builder *b, const struct scene_device *device)
{
	uint64_t at = MAP_AT + 2 * PAGE * random_below(b->random, 3);
	uint32_t call = builder_call(b, CALL_ID_mmap);

	builder_set(b, call, "addr", value_mem(at));
	builder_set(
		b, call, "length", value_number(random_chance(b->random, 1, 8) ? PAGE : 2 * PAGE));
	builder_set(b, call, "prot",
		value_number(CALL_PROT_READ |
			     (random_chance(b->random, 1, 3) ? 0 : CALL_PROT_WRITE) |
			     (random_chance(b->random, 1, 16) ? CALL_PROT_EXEC : 0)));
	builder_set(b, call, "flags",
		value_number(CALL_MAP_FIXED | (random_chance(b->random, 1, 16) ? CALL_MAP_PRIVATE
									       : CALL_MAP_SHARED)));
	builder_set(b, call, "fd", value_handle(device->context, 0, 0));
	builder_set(b, call, "offset",
		value_number(random_chance(b->random, 1, 8)
				     ? PAGE * random_below(b->random, 4)
				     : PAGE + 2 * PAGE * random_below(b->random, 2)));
	builder_done(b, call);
	if (random_chance(b->random, 1, 3)) {
		call = builder_call(b, CALL_ID_put);
		builder_set(b, call, "addr", value_mem(at + PAGE - 1));
		builder_set(b, call, "bytes", bytes(b, "ab", 2));
		builder_done(b, call);
	}
	if (random_chance(b->random, 2, 3)) {
		call = builder_call(b, CALL_ID_munmap);
		builder_set(b, call, "addr", value_mem(at));
		builder_set(b, call, "length",
			value_number(random_chance(b->random, 1, 4) ? PAGE : 2 * PAGE));
		builder_done(b, call);
	}
}

static void destroy_some(struct builder *b, const struct scene_device *device)
{
	uint32_t call = builder_call(b, CALL_ID_IOMMU_DESTROY);
	struct value id = value_handle(device->call, 0, 0);
	struct scene_nested nested;

	if (b->scene.viommus && random_chance(b->random, 1, 2))
		id = value_handle(b->scene.viommu[builder_pick(b, b->scene.viommus)].call, 0, 0);
	else if (some_nested(b, device->context, &nested))
		id = value_handle(nested.call, 0, 0);
	builder_subject(b, call, device->context);
	builder_set(b, call, "id", id);
	builder_done(b, call);
}

/* With a VIOMMU: what stands on it. */
static void use_viommu(struct builder *b, const struct scene_device *device)
{
	uint32_t viommu = need_viommu(b, device);

	if (viommu == UINT32_MAX)
		return;
	switch (random_below(b->random, 6)) {
	case 0: make_vdevice(b, device, viommu); break;
	case 1: make_queues(b, device, viommu); break;
	case 2: map_region(b, device); break;
	case 3:
		if (random_chance(b->random, 2, 3))
			make_vdevice(b, device, viommu);
		invalidate(b, device->context, viommu, true);
		check(b, device->context, value_handle(device->call, 2, 0), true);
		break;
	default:
		make_vdevice(b, device, viommu);
		make_nested(b, device, viommu);
		move_device(b, device);
		break;
	}
}

void builder_nested(struct builder *b)
{
	struct scene_device device = builder_need_device(b);
	struct scene_nested nested;
	uint32_t parent;

	if (device.call == UINT16_MAX)
		return;
	switch (random_below(b->random, 8)) {
	case 0:
	case 1:
		parent = need_parent(b, &device);
		if (parent == UINT32_MAX || make_nested(b, &device, parent) == UINT32_MAX)
			return;
		move_device(b, &device);
		break;
	case 2:
		if (!some_nested(b, device.context, &nested) || random_chance(b->random, 1, 2)) {
			parent = need_parent(b, &device);
			if (parent == UINT32_MAX || make_nested(b, &device, parent) == UINT32_MAX ||
				!b->scene.nesteds)
				return;
			nested = b->scene.nested[b->scene.nesteds - 1];
		}
		invalidate(b, nested.context, nested.call, random_chance(b->random, 1, 12));
		check(b, nested.context, value_handle(nested.call, 0, 0), false);
		break;
	case 3: move_device(b, &device); break;
	case 4: destroy_some(b, &device); break;
	default: use_viommu(b, &device); break;
	}
}
