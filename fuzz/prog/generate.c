/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Generation by idioms: short runs of calls that make sense together. Most succeed; a stated share
 * is then bent (generate_values.c), because the interesting half of a specification is its errors.
 */
#include "fuzz/prog/generate.h"

#include <string.h>

#include "fuzz/prog/builder.h"
#include "impl/abi/iommufd_abi.h"
#include "impl/abi/kernel_calls.h"
#include "impl/abi/test_abi.h"

#define PAGE	    UINT64_C(4096)
#define BEND_CHANCE 14			/* per cent of generated calls with one field bent */
#define APERTURE    UINT64_C(0x1000000) /* where the mock IOMMU's aperture begins */

uint32_t builder_call(struct builder *b, enum call_id row)
{
	if (!prog_add_call(b->prog, row)) {
		b->full = true;
		return UINT32_MAX;
	}
	return b->prog->call_count - 1;
}

void builder_set(struct builder *b, uint32_t call, const char *field, struct value value)
{
	if (call != UINT32_MAX)
		call_set(b->prog, call, field, value);
}

void builder_subject(struct builder *b, uint32_t call, uint32_t producer)
{
	if (call != UINT32_MAX && producer != UINT16_MAX)
		*prog_value(b->prog, &b->prog->calls[call], 0) = value_handle(producer, 0, 0);
}

void builder_done(struct builder *b, uint32_t call)
{
	if (call == UINT32_MAX)
		return;
	if (random_chance(b->random, BEND_CHANCE, 100))
		builder_bend(b, call);
	scene_add(&b->scene, b->prog, call);
}

uint32_t builder_pick(struct builder *b, uint32_t count)
{
	/* Newer things twice as likely: programs work on what they have just made. */
	uint32_t a = (uint32_t)random_below(b->random, count),
		 c = (uint32_t)random_below(b->random, count);

	return a > c ? a : c;
}

uint32_t builder_need_context(struct builder *b)
{
	uint32_t call;

	if (b->scene.contexts && !random_chance(b->random, 1, 40))
		return b->scene.context[builder_pick(b, b->scene.contexts)];
	call = builder_call(b, CALL_ID_open);
	/* A further one may be the other node. */
	if (call != UINT32_MAX && b->scene.contexts && !b->options->live &&
		random_chance(b->random, 1, 3)) {
		b->prog->options.flags |= PROG_OPTION_CONTAINER;
		builder_set(b, call, "path", value_number(CALL_OPEN_CONTAINER));
	}
	if (call != UINT32_MAX)
		scene_add(&b->scene, b->prog, call);
	return call;
}

static uint32_t new_ioas(struct builder *b)
{
	uint32_t context = builder_need_context(b),
		 call = builder_call(b, CALL_ID_IOMMU_IOAS_ALLOC);

	builder_subject(b, call, context);
	builder_done(b, call);
	return call;
}

uint32_t builder_need_ioas(struct builder *b)
{
	if (b->scene.ioases && !random_chance(b->random, 1, 12))
		return b->scene.ioas[builder_pick(b, b->scene.ioases)].call;
	return new_ioas(b);
}

uint32_t builder_context_of(struct builder *b, uint32_t ioas)
{
	struct scene_ioas *found = scene_find_ioas(&b->scene, (uint16_t)ioas);

	return found ? found->context : (b->scene.contexts ? b->scene.context[0] : UINT16_MAX);
}

uint64_t builder_some_pages(struct builder *b)
{
	static const uint16_t common[] = {1, 1, 1, 2, 2, 3, 4, 5, 8, 16, 64, 512};

	uint64_t pages = common[random_below(b->random, sizeof(common) / sizeof(common[0]))];

	/* An emulated machine takes milliseconds for each of them, and finds no more. */
	if (b->options->live && pages > 64 && !random_chance(b->random, 1, 8))
		pages = 9;
	return pages * PAGE;
}

struct scene_area *builder_some_area(struct builder *b, uint32_t ioas)
{
	for (int tries = 0; tries < 8 && b->scene.areas; tries++) {
		struct scene_area *area = &b->scene.area[builder_pick(b, b->scene.areas)];

		if (ioas == UINT32_MAX || area->ioas == ioas)
			return area;
	}
	return NULL;
}

static struct value inside(struct builder *b, const struct scene_area *area, uint64_t *length)
{
	struct value iova = area->iova;
	uint64_t pages = area->length / PAGE, skip = 0;

	*length = area->length;
	if (pages > 1 && random_chance(b->random, 1, 2)) {
		skip = random_below(b->random, pages);
		*length = (1 + random_below(b->random, pages - skip)) * PAGE;
	}
	iova.number += skip * PAGE;
	return iova;
}

static struct scene_area *need_area(struct builder *b, uint32_t ioas);

static void idiom_map_into(struct builder *b, uint32_t ioas)
{
	struct scene_ioas *state = scene_find_ioas(&b->scene, (uint16_t)ioas);
	uint64_t length = builder_some_pages(b), flags = IOMMU_IOAS_MAP_READABLE, va;
	uint32_t call;
	bool low;

	if (random_chance(b->random, 3, 4))
		flags |= IOMMU_IOAS_MAP_WRITEABLE;
	if (random_chance(b->random, 1, 12))
		flags &= ~(uint64_t)IOMMU_IOAS_MAP_READABLE | IOMMU_IOAS_MAP_WRITEABLE;
	va = random_below(b->random, 24) * (random_chance(b->random, 1, 6) ? PAGE * 512 / 8 : PAGE);
	if (random_chance(b->random, 1, 10)) /* parts of pages */
		va += 2048, length -= random_chance(b->random, 1, 2) ? 2048 : 0;
	call = builder_call(b, CALL_ID_IOMMU_IOAS_MAP);
	builder_subject(b, call, builder_context_of(b, ioas));
	builder_set(b, call, "ioas_id", value_handle(ioas, 0, 0));
	if (random_chance(b->random, 1, 2)) {
		flags |= IOMMU_IOAS_MAP_FIXED_IOVA;
		/* Below the aperture no device can be attached any more. */
		low = !(state && state->devices) && random_chance(b->random, 1, 5);
		builder_set(b, call, "iova",
			value_number((low ? 16 * PAGE : APERTURE) +
				     random_below(b->random, 64) * 4 * PAGE));
	}
	builder_set(b, call, "flags", value_number(flags));
	builder_set(b, call, "user_va", value_mem(va));
	builder_set(b, call, "length", value_number(length));
	builder_done(b, call);
}

static struct scene_area *need_area(struct builder *b, uint32_t ioas)
{
	struct scene_area *area = builder_some_area(b, ioas);

	if (area)
		return area;
	idiom_map_into(b, ioas == UINT32_MAX ? builder_need_ioas(b) : ioas);
	return builder_some_area(b, ioas);
}

static void idiom_map(struct builder *b)
{
	idiom_map_into(b, builder_need_ioas(b));
}

static void idiom_copy(struct builder *b)
{
	struct scene_area *area = need_area(b, UINT32_MAX);
	uint32_t target, call;
	struct scene_area source;
	uint64_t length, flags = IOMMU_IOAS_MAP_READABLE;
	struct value iova;

	if (!area)
		return;
	source = *area;
	iova = inside(b, &source, &length);
	target = random_chance(b->random, 1, 2) ? source.ioas : builder_need_ioas(b);
	if (builder_context_of(b, target) != builder_context_of(b, source.ioas))
		target = source.ioas;
	if (source.flags & IOMMU_IOAS_MAP_WRITEABLE && random_chance(b->random, 2, 3))
		flags |= IOMMU_IOAS_MAP_WRITEABLE;
	call = builder_call(b, CALL_ID_IOMMU_IOAS_COPY);
	builder_subject(b, call, builder_context_of(b, target));
	builder_set(b, call, "dst_ioas_id", value_handle(target, 0, 0));
	builder_set(b, call, "src_ioas_id", value_handle(source.ioas, 0, 0));
	if (random_chance(b->random, 1, 3)) {
		flags |= IOMMU_IOAS_MAP_FIXED_IOVA;
		builder_set(b, call, "dst_iova",
			value_number(APERTURE + (256 + random_below(b->random, 64) * 4) * PAGE));
	}
	builder_set(b, call, "flags", value_number(flags));
	builder_set(b, call, "length", value_number(length));
	builder_set(b, call, "src_iova", iova);
	builder_done(b, call);
}

/* Mostly the area; then what holds it whole, and what cuts it, by as little as can be. */
static uint64_t unmap_length(struct builder *b, const struct scene_area *area)
{
	switch (random_below(b->random, 16)) {
	case 0: return area->length - 1;
	case 1: return area->length - PAGE;
	case 2: return area->length + 1;
	case 3:
	case 4: return area->length + 4 * PAGE;
	default: return area->length;
	}
}

static void idiom_unmap(struct builder *b)
{
	struct scene_area *area = need_area(b, UINT32_MAX);
	uint32_t call;

	if (!area)
		return;
	call = builder_call(b, CALL_ID_IOMMU_IOAS_UNMAP);
	builder_subject(b, call, builder_context_of(b, area->ioas));
	builder_set(b, call, "ioas_id", value_handle(area->ioas, 0, 0));
	if (random_chance(b->random, 1, 6)) {
		builder_set(b, call, "length", value_number(UINT64_MAX));
	} else {
		builder_set(b, call, "iova", area->iova);
		builder_set(b, call, "length", value_number(unmap_length(b, area)));
	}
	builder_done(b, call);
}

static void idiom_ioas(struct builder *b)
{
	new_ioas(b);
}

/* One that a device can probably be attached to: it has one, or no areas outside the aperture. */
static uint32_t need_attachable(struct builder *b)
{
	for (uint32_t tries = 0; tries < 4 && b->scene.ioases; tries++) {
		struct scene_ioas *ioas = &b->scene.ioas[builder_pick(b, b->scene.ioases)];
		bool outside = false;

		for (uint32_t i = 0; i < b->scene.areas && !ioas->devices; i++)
			outside = outside ||
				  (b->scene.area[i].ioas == ioas->call &&
					  (b->scene.area[i].iova.kind != VALUE_NUMBER ||
						  b->scene.area[i].iova.number < APERTURE));
		if (!outside || random_chance(b->random, 1, 12))
			return ioas->call;
	}
	return new_ioas(b);
}

static void idiom_device(struct builder *b)
{
	bool flags = random_chance(b->random, 1, 3);
	uint32_t ioas = need_attachable(b);
	struct scene_hwpt hwpt;
	uint32_t call = builder_call(b, flags ? CALL_ID_IOMMU_TEST_OP_MOCK_DOMAIN_FLAGS
					      : CALL_ID_IOMMU_TEST_OP_MOCK_DOMAIN);

	builder_subject(b, call, builder_context_of(b, ioas));
	builder_set(b, call, "id", value_handle(ioas, 0, 0));
	if (b->scene.devices && random_chance(b->random, 1, 8)) /* by HWPT */
		builder_set(b, call, "id",
			value_handle(
				b->scene.device[builder_pick(b, b->scene.devices)].call, 1, 0));
	if (random_chance(b->random, 1, 6) &&
		builder_some_hwpt(b, (uint16_t)builder_context_of(b, ioas), &hwpt))
		builder_set(b, call, "id", value_handle(hwpt.call, 0, 0));
	if (flags)
		builder_set(
			b, call, "dev_flags", value_number(random_chance(b->random, 1, 2) ? 0 : 1));
	builder_done(b, call);
}

static void need_device(struct builder *b)
{
	if (!b->scene.devices)
		idiom_device(b);
}

struct scene_device builder_need_device(struct builder *b)
{
	need_device(b);
	if (!b->scene.devices)
		return (struct scene_device){.call = UINT16_MAX};
	return b->scene.device[builder_pick(b, b->scene.devices)];
}

static void idiom_replace(struct builder *b)
{
	struct scene_device *device;
	uint32_t call, target;
	struct scene_hwpt hwpt;

	need_device(b);
	if (!b->scene.devices)
		return;
	target = need_attachable(b);
	device = &b->scene.device[builder_pick(b, b->scene.devices)];
	call = builder_call(b, CALL_ID_IOMMU_TEST_OP_MOCK_DOMAIN_REPLACE);
	builder_subject(b, call, device->context);
	builder_set(b, call, "id", value_handle(device->call, 0, 0));
	builder_set(b, call, "pt_id", value_handle(target, 0, 0));
	if (random_chance(b->random, 1, 6))
		builder_set(b, call, "pt_id", value_handle(device->call, 1, 0));
	if (random_chance(b->random, 1, 4) && builder_some_hwpt(b, device->context, &hwpt))
		builder_set(b, call, "pt_id", value_handle(hwpt.call, 0, 0));
	builder_done(b, call);
}

static void idiom_dma(struct builder *b)
{
	struct scene_device device;
	struct scene_area *area;
	uint64_t length;
	struct value iova;
	uint32_t call;
	bool write;

	need_device(b);
	if (!b->scene.devices)
		return;
	device = b->scene.device[builder_pick(b, b->scene.devices)];
	area = need_area(b, device.ioas);
	if (!area)
		return;
	iova = inside(b, area, &length);
	write = random_chance(b->random, 1, 2);
	if (!random_chance(b->random, 1, 8)) { /* as the area allows */
		if (!(area->flags & IOMMU_IOAS_MAP_WRITEABLE))
			write = false;
		else if (!(area->flags & IOMMU_IOAS_MAP_READABLE))
			write = true;
	}
	call = builder_call(b, write ? CALL_ID_dma_write : CALL_ID_dma_read);
	builder_subject(b, call, device.context);
	builder_set(b, call, "dev_id", value_handle(device.call, 2, 0));
	builder_set(b, call, "iova", iova);
	builder_set(b, call, "length", value_number(length > 8 * PAGE ? 64 : length));
	builder_set(b, call, "buffer", value_mem(128 * PAGE + random_below(b->random, 8) * 64));
	builder_done(b, call);
}

static void idiom_check_map(struct builder *b)
{
	struct scene_device device;
	struct scene_area *area;
	struct scene_hwpt hwpt;
	struct value table;
	uint32_t call;

	need_device(b);
	if (!b->scene.devices)
		return;
	device = b->scene.device[builder_pick(b, b->scene.devices)];
	table = value_handle(device.call, 1, 0);
	if (random_chance(b->random, 1, 3) && builder_some_hwpt(b, device.context, &hwpt)) {
		device.ioas = hwpt.ioas;
		table = value_handle(hwpt.call, 0, 0);
	}
	area = need_area(b, device.ioas);
	if (!area)
		return;
	call = builder_call(b, CALL_ID_IOMMU_TEST_OP_MD_CHECK_MAP);
	builder_subject(b, call, device.context);
	builder_set(b, call, "id", table);
	builder_set(b, call, "iova", area->iova);
	builder_set(b, call, "length", value_number(area->length));
	if (area->user_va != UINT64_MAX)
		builder_set(b, call, "uptr", value_mem(area->user_va));
	builder_done(b, call);
}

static void idiom_check_refs(struct builder *b)
{
	uint32_t context = builder_need_context(b),
		 call = builder_call(b, CALL_ID_IOMMU_TEST_OP_MD_CHECK_REFS);

	builder_subject(b, call, context);
	builder_set(b, call, "length", value_number(PAGE * (1 + random_below(b->random, 2))));
	builder_set(b, call, "uptr", value_mem(random_below(b->random, 32) * PAGE));
	builder_set(b, call, "refs", value_number(random_chance(b->random, 2, 3) ? 0 : 1));
	builder_done(b, call);
}

static void idiom_access_fd(struct builder *b)
{
	uint32_t ioas = builder_need_ioas(b),
		 call = builder_call(b, CALL_ID_IOMMU_TEST_OP_CREATE_ACCESS);

	builder_subject(b, call, builder_context_of(b, ioas));
	builder_set(b, call, "id", value_handle(ioas, 0, 0));
	builder_set(b, call, "flags", value_number(random_chance(b->random, 4, 5) ? 1 : 0));
	builder_done(b, call);
}

static void idiom_access(struct builder *b)
{
	uint32_t ioas = builder_need_ioas(b), context = builder_context_of(b, ioas);
	uint32_t call = builder_call(b, CALL_ID_access_create), attach;

	if (call == UINT32_MAX)
		return;
	builder_subject(b, call, context);
	builder_set(b, call, "flags", value_number(random_chance(b->random, 5, 6) ? 1 : 0));
	builder_done(b, call);
	if (random_chance(b->random, 1, 3))
		builder_callback(b, call);
	attach = builder_call(b, CALL_ID_access_attach);
	builder_subject(b, attach, call);
	builder_set(b, attach, "ioas_id", value_handle(ioas, 0, 0));
	builder_done(b, attach);
}

/* An attached access of that kind, made when there is none. Copied: the scene moves. */
static bool need_access(struct builder *b, bool kernel, bool pinning, struct scene_access *found)
{
	for (int round = 0; round < 2; round++) {
		for (uint32_t i = b->scene.accesses; i-- > 0;) {
			struct scene_access *access = &b->scene.access[i];

			if (access->kernel != kernel || access->ioas == UINT16_MAX)
				continue;
			if (pinning && !access->needs_pin)
				continue;
			if (i && random_chance(b->random, 1, 3))
				continue;
			*found = *access;
			return true;
		}
		if (!round)
			(kernel ? idiom_access : idiom_access_fd)(b);
	}
	return false;
}

static void access_subject(struct builder *b, uint32_t call, const struct scene_access *access)
{
	if (access->kernel) {
		builder_subject(b, call, access->call);
	} else {
		builder_subject(b, call, access->context);
		builder_set(b, call, "id", value_handle(access->call, 0, 0));
	}
}

static void idiom_pin_kind(struct builder *b, bool kernel)
{
	struct scene_access access;
	struct scene_area *area;
	uint64_t length;
	struct value iova;
	uint32_t call;
	bool write;

	if (!need_access(b, kernel, true, &access))
		return;
	area = need_area(b, access.ioas);
	if (!area)
		return;
	write = area->flags & IOMMU_IOAS_MAP_WRITEABLE &&
		(random_chance(b->random, 1, 2) || !(area->flags & IOMMU_IOAS_MAP_READABLE));
	iova = inside(b, area, &length);
	call = builder_call(b, kernel ? CALL_ID_access_pin : CALL_ID_IOMMU_TEST_OP_ACCESS_PAGES);
	access_subject(b, call, &access);
	builder_set(b, call, "flags", value_number(write ? 1 : 0));
	builder_set(b, call, "iova", iova);
	builder_set(b, call, "length", value_number(length));
	builder_done(b, call);
}

static void idiom_pin(struct builder *b)
{
	idiom_pin_kind(b, false);
}

static void idiom_kernel_pin(struct builder *b)
{
	idiom_pin_kind(b, true);
}

static bool some_pin(struct builder *b, bool kernel, struct scene_pin *found)
{
	for (uint32_t i = b->scene.pins; i-- > 0;)
		if (b->scene.pin[i].kernel == kernel) {
			*found = b->scene.pin[i];
			return true;
		}
	return false;
}

static void idiom_unpin(struct builder *b)
{
	struct scene_access *access;
	struct scene_pin pin;
	uint32_t call;

	if (!some_pin(b, false, &pin))
		idiom_pin_kind(b, false);
	if (!some_pin(b, false, &pin))
		return;
	access = scene_find_access(&b->scene, pin.access);
	call = builder_call(b, CALL_ID_IOMMU_TEST_OP_DESTROY_ACCESS_PAGES);
	if (access)
		builder_subject(b, call, access->context);
	builder_set(b, call, "id", value_handle(pin.access, 0, 0));
	builder_set(b, call, "access_pages_id", value_handle(pin.item, 0, 0));
	builder_done(b, call);
}

static void idiom_kernel_unpin(struct builder *b)
{
	struct scene_pin pin;
	uint32_t call;

	if (!some_pin(b, true, &pin))
		idiom_pin_kind(b, true);
	if (!some_pin(b, true, &pin))
		return;
	call = builder_call(b, CALL_ID_access_unpin);
	builder_subject(b, call, pin.access);
	builder_set(b, call, "iova", pin.iova);
	builder_set(b, call, "length", value_number(pin.length));
	builder_done(b, call);
}

static void idiom_rw_kind(struct builder *b, bool kernel)
{
	struct scene_access access;
	struct scene_area *area;
	uint64_t length, flags = 0;
	struct value iova;
	uint32_t call;

	if (!need_access(b, kernel, false, &access))
		return;
	area = need_area(b, access.ioas);
	if (!area)
		return;
	iova = inside(b, area, &length);
	if (length > 4 * PAGE)
		length = 100;
	if (area->flags & IOMMU_IOAS_MAP_WRITEABLE &&
		(random_chance(b->random, 1, 2) || !(area->flags & IOMMU_IOAS_MAP_READABLE)))
		flags |= 1;
	if (random_chance(b->random, 1, 4))
		flags |= 4;
	if (kernel && random_chance(b->random, 1, 6))
		flags |= 2;
	call = builder_call(b, kernel ? CALL_ID_access_rw : CALL_ID_IOMMU_TEST_OP_ACCESS_RW);
	access_subject(b, call, &access);
	builder_set(b, call, "iova", iova);
	builder_set(b, call, "length", value_number(length));
	builder_set(b, call, kernel ? "buffer" : "uptr",
		value_mem(160 * PAGE + random_below(b->random, 8) * 32));
	builder_set(b, call, "flags", value_number(flags));
	builder_done(b, call);
}

static void idiom_rw(struct builder *b)
{
	idiom_rw_kind(b, false);
}

static void idiom_kernel_rw(struct builder *b)
{
	idiom_rw_kind(b, true);
}

static void idiom_access_replace(struct builder *b)
{
	bool kernel = !b->options->live && random_chance(b->random, 1, 2);
	struct scene_access access;
	uint32_t call, target;

	if (!need_access(b, kernel, false, &access))
		return;
	target = builder_need_ioas(b);
	call = builder_call(
		b, kernel ? CALL_ID_access_replace : CALL_ID_IOMMU_TEST_OP_ACCESS_REPLACE_IOAS);
	access_subject(b, call, &access);
	builder_set(b, call, "ioas_id", value_handle(target, 0, 0));
	builder_done(b, call);
}

static void idiom_access_end(struct builder *b)
{
	struct scene_access access;
	uint32_t call;

	if (!need_access(b, true, false, &access))
		return;
	call = builder_call(
		b, random_chance(b->random, 1, 2) ? CALL_ID_access_detach : CALL_ID_access_destroy);
	builder_subject(b, call, access.call);
	builder_done(b, call);
}

static void idiom_ranges(struct builder *b)
{
	uint32_t ioas = builder_need_ioas(b),
		 call = builder_call(b, CALL_ID_IOMMU_IOAS_IOVA_RANGES);

	builder_subject(b, call, builder_context_of(b, ioas));
	builder_set(b, call, "ioas_id", value_handle(ioas, 0, 0));
	builder_set(b, call, "num_iovas", value_number(random_below(b->random, 5)));
	builder_set(b, call, "allowed_iovas", value_mem(192 * PAGE));
	builder_done(b, call);
}

static void idiom_allow(struct builder *b)
{
	uint32_t ioas = builder_need_ioas(b),
		 call = builder_call(b, CALL_ID_IOMMU_IOAS_ALLOW_IOVAS);
	uint32_t count = (uint32_t)random_below(b->random, 4), start;
	struct scene_ioas *state = scene_find_ioas(&b->scene, (uint16_t)ioas);
	uint64_t at = state && state->devices ? APERTURE : PAGE;

	if (call == UINT32_MAX)
		return;
	builder_subject(b, call, builder_context_of(b, ioas));
	builder_set(b, call, "ioas_id", value_handle(ioas, 0, 0));
	start = count ? prog_add_values(b->prog, count) : 0;
	for (uint32_t i = 0; count && start != UINT32_MAX && i < count; i++) {
		uint32_t fields = prog_add_values(b->prog, 2);
		uint64_t length = (1 + random_below(b->random, 300)) * PAGE;

		if (fields == UINT32_MAX)
			return;
		b->prog->values[fields] = value_number(at);
		b->prog->values[fields + 1] = value_number(at + length - 1);
		b->prog->values[start + i] =
			(struct value){.kind = VALUE_STRUCT, .count = 2, .start = fields};
		at += length + random_below(b->random, 2) * 16 * PAGE;
	}
	if (count && start != UINT32_MAX)
		builder_set(b, call, "allowed_iovas",
			(struct value){.kind = VALUE_ARRAY, .count = count, .start = start});
	builder_done(b, call);
}

static void idiom_reserve(struct builder *b)
{
	uint32_t ioas = builder_need_ioas(b),
		 call = builder_call(b, CALL_ID_IOMMU_TEST_OP_ADD_RESERVED);

	builder_subject(b, call, builder_context_of(b, ioas));
	builder_set(b, call, "id", value_handle(ioas, 0, 0));
	builder_set(b, call, "start", value_number((random_below(b->random, 64) + 400) * PAGE));
	builder_set(b, call, "length", value_number((1 + random_below(b->random, 20)) * PAGE));
	builder_done(b, call);
}

static void idiom_option(struct builder *b)
{
	bool huge = random_chance(b->random, 3, 4), get = random_chance(b->random, 1, 2);
	uint32_t ioas = huge ? builder_need_ioas(b) : UINT32_MAX, context, call;

	if (!huge && !get && random_chance(b->random, 1, 2)) { /* needs an empty context */
		context = builder_call(b, CALL_ID_open);
		if (context != UINT32_MAX)
			scene_add(&b->scene, b->prog, context);
	} else {
		context = huge ? builder_context_of(b, ioas) : builder_need_context(b);
	}
	call = builder_call(
		b, huge ? CALL_ID_IOMMU_OPTION_HUGE_PAGES : CALL_ID_IOMMU_OPTION_RLIMIT_MODE);
	builder_subject(b, call, context);
	builder_set(b, call, "op", value_number(get));
	if (huge)
		builder_set(b, call, "object_id", value_handle(ioas, 0, 0));
	if (!get)
		builder_set(b, call, "val64", value_number(random_below(b->random, 2)));
	builder_done(b, call);
}

static bool ioas_in_use(const struct builder *b, const struct scene_ioas *ioas)
{
	for (uint32_t i = 0; i < b->scene.accesses; i++)
		if (b->scene.access[i].ioas == ioas->call)
			return true;
	return ioas->devices != 0;
}

/* Mostly what nothing holds, made for it if need be: nearly all else is EBUSY. */
static uint32_t destroyable_ioas(struct builder *b)
{
	if (random_chance(b->random, 1, 3))
		return builder_need_ioas(b);
	for (uint32_t i = b->scene.ioases; i-- > 0;)
		if (!ioas_in_use(b, &b->scene.ioas[i]))
			return b->scene.ioas[i].call;
	return new_ioas(b);
}

static void idiom_destroy(struct builder *b)
{
	uint32_t call, producer, output = 0, context;

	if (b->scene.hwpts && random_chance(b->random, 1, 5)) {
		struct scene_hwpt *hwpt = &b->scene.hwpt[builder_pick(b, b->scene.hwpts)];

		producer = hwpt->call;
		context = hwpt->context;
	} else if (b->scene.devices && random_chance(b->random, 1, 3)) {
		struct scene_device *device = &b->scene.device[builder_pick(b, b->scene.devices)];

		producer = device->call;
		context = device->context;
		if (random_chance(b->random, 1, 4))
			output = 1 + (uint32_t)random_below(b->random, 2);
	} else {
		producer = destroyable_ioas(b);
		context = builder_context_of(b, producer);
	}
	call = builder_call(b, CALL_ID_IOMMU_DESTROY);
	builder_subject(b, call, context);
	builder_set(b, call, "id", value_handle(producer, output, 0));
	builder_done(b, call);
}

static void idiom_temp_limit(struct builder *b)
{
	static const uint16_t limits[] = {12, 16, 64, 4096, 65535, 11, 0};
	uint32_t context = builder_need_context(b),
		 call = builder_call(b, CALL_ID_IOMMU_TEST_OP_SET_TEMP_MEMORY_LIMIT);

	builder_subject(b, call, context);
	builder_set(b, call, "limit",
		value_number(limits[random_below(b->random, sizeof(limits) / sizeof(limits[0]))]));
	builder_done(b, call);
}

static const struct idiom {
	void (*make)(struct builder *b);
	uint16_t weight;
	uint16_t needs;
} idioms[] = {
	{idiom_map, 160, 0},
	{idiom_unmap, 90, 0},
	{idiom_copy, 60, 0},
	{idiom_ioas, 20, 0},
	{idiom_device, 45, NEEDS_TEST},
	{idiom_replace, 35, NEEDS_TEST},
	{builder_hwpt, 30, NEEDS_TEST},
	{builder_hw_info, 12, NEEDS_TEST},
	{builder_dirty, 25, NEEDS_TEST},
	{builder_nested, 60, NEEDS_TEST},
	{builder_pasid, 25, NEEDS_TEST},
	{builder_fault, 25, NEEDS_TEST},
	{builder_vevent, 20, NEEDS_TEST},
	{idiom_dma, 40, NEEDS_INPROC},
	{idiom_check_map, 30, NEEDS_TEST},
	{idiom_check_refs, 15, NEEDS_TEST},
	{idiom_access_fd, 20, NEEDS_TEST},
	{idiom_access, 25, NEEDS_INPROC},
	{idiom_pin, 45, NEEDS_TEST},
	{idiom_kernel_pin, 45, NEEDS_INPROC},
	{idiom_unpin, 20, NEEDS_TEST},
	{idiom_kernel_unpin, 20, NEEDS_INPROC},
	{idiom_rw, 30, NEEDS_TEST},
	{idiom_kernel_rw, 30, NEEDS_INPROC},
	{idiom_access_replace, 35, NEEDS_TEST | NEEDS_INPROC},
	{idiom_access_end, 15, NEEDS_INPROC},
	{idiom_ranges, 20, 0},
	{idiom_allow, 20, 0},
	{idiom_reserve, 15, NEEDS_TEST},
	{idiom_option, 25, 0},
	{idiom_destroy, 35, 0},
	{idiom_temp_limit, 8, NEEDS_TEST},
	{builder_memory, 25, 0},
	{builder_memfd, 8, 0},
	{builder_map_file, 14, 0},
	{builder_change_process, 6, 0},
	{builder_dmabuf, 6, NEEDS_TEST},
	{builder_vfio, 16, 0},
	{builder_set_iommu, 8, 0},
	{builder_transfer, 8, 0},
	{builder_contents, 8, 0},
	{builder_raw, 6, 0},
	{builder_descriptor, 15, 0},
	{builder_process, 8, 0},
	{builder_noiommu, 6, NEEDS_TEST | NEEDS_INPROC},
	{builder_any, 40, 0},
};

static bool excluded(const struct builder *b, const struct idiom *idiom)
{
	uint16_t needs = idiom->needs;

	/* It has a form without drivers, which it takes then. */
	if (b->options->live && idiom->make == idiom_access_replace)
		needs = NEEDS_TEST;
	return needs & b->options->exclude_needs;
}

void builder_idiom(struct builder *b)
{
	uint32_t total = 0, at;

	if (b->options->live && random_chance(b->random, 1, 10)) {
		builder_rare(b);
		return;
	}
	for (size_t i = 0; i < sizeof(idioms) / sizeof(idioms[0]); i++)
		if (!excluded(b, &idioms[i]))
			total += idioms[i].weight;
	at = (uint32_t)random_below(b->random, total);
	for (size_t i = 0; i < sizeof(idioms) / sizeof(idioms[0]); i++) {
		if (excluded(b, &idioms[i]))
			continue;
		if (at < idioms[i].weight) {
			idioms[i].make(b);
			return;
		}
		at -= idioms[i].weight;
	}
}

void builder_prelude(struct builder *b)
{
	builder_need_ioas(b);
	if (!(b->options->exclude_needs & NEEDS_TEST) && random_chance(b->random, 45, 100))
		idiom_device(b);
	if (random_chance(b->random, 30, 100))
		idiom_map(b);
}
