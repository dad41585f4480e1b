/* SPDX-License-Identifier: Apache-2.0 */
#include "fuzz/prog/scene.h"

#include <string.h>

#include "impl/abi/iommufd_abi.h"
#include "impl/abi/test_abi.h"
#include "impl/abi/vfio_abi.h"
#include "impl/abi/kernel_calls.h"

struct value call_get(const struct prog *prog, const struct call *call, const char *field)
{
	int index = call_field(prog_row(call), field, strlen(field));

	return index < 0 ? (struct value){.kind = VALUE_UNSET}
			 : *prog_value(prog, call, (unsigned)index);
}

void call_set(struct prog *prog, uint32_t call, const char *field, struct value value)
{
	struct call *target = &prog->calls[call];
	int index = call_field(prog_row(target), field, strlen(field));

	if (index >= 0)
		*prog_value(prog, target, (unsigned)index) = value;
}

/* Makes room for one more by forgetting the oldest. */
#define SCENE_PUSH(list, count)                                                                    \
	((count) == SCENE_MAX                                                                      \
			? (memmove(&(list)[0], &(list)[1], sizeof((list)[0]) * (SCENE_MAX - 1)),   \
				  &(list)[SCENE_MAX - 1])                                          \
			: &(list)[(count)++])
#define SCENE_DROP(list, count, i)                                                                 \
	memmove(&(list)[i], &(list)[(i) + 1], sizeof((list)[0]) * (--(count) - (i)))

struct scene_ioas *scene_find_ioas(struct scene *scene, uint16_t call)
{
	for (uint32_t i = scene->ioases; i-- > 0;)
		if (scene->ioas[i].call == call)
			return &scene->ioas[i];
	return NULL;
}

struct scene_access *scene_find_access(struct scene *scene, uint16_t call)
{
	for (uint32_t i = scene->accesses; i-- > 0;)
		if (scene->access[i].call == call)
			return &scene->access[i];
	return NULL;
}

static uint16_t producer(struct value value)
{
	return value.kind == VALUE_HANDLE ? value.call : UINT16_MAX;
}

static uint64_t number_of(struct value value)
{
	return value.kind == VALUE_NUMBER ? value.number : 0;
}

static uint16_t subject_of(const struct prog *prog, const struct call *call)
{
	return producer(*prog_value(prog, call, 0));
}

static void drop_areas(struct scene *scene, uint16_t ioas, const struct value *iova)
{
	for (uint32_t i = scene->areas; i-- > 0;)
		if (scene->area[i].ioas == ioas &&
			(!iova || value_same(&scene->area[i].iova, iova)))
			SCENE_DROP(scene->area, scene->areas, i);
}

static void add_area(struct scene *scene, const struct prog *prog, uint32_t index, bool copy)
{
	const struct call *call = &prog->calls[index];
	uint64_t flags = number_of(call_get(prog, call, "flags"));
	struct value va = call_get(prog, call, "user_va");
	struct scene_area *area = SCENE_PUSH(scene->area, scene->areas);

	*area = (struct scene_area){
		.ioas = producer(call_get(prog, call, copy ? "dst_ioas_id" : "ioas_id")),
		.flags = (uint8_t)flags,
		.length = number_of(call_get(prog, call, "length")),
		.user_va = va.kind == VALUE_MEM ? va.number : UINT64_MAX,
	};
	area->iova = flags & IOMMU_IOAS_MAP_FIXED_IOVA
			     ? call_get(prog, call, copy ? "dst_iova" : "iova")
			     : value_handle(index, 0, 0);
}

static void add_dma(struct scene *scene, const struct prog *prog, const struct call *call)
{
	struct value va = call_get(prog, call, "vaddr");

	if (scene->compat == UINT16_MAX)
		return;
	*SCENE_PUSH(scene->area, scene->areas) = (struct scene_area){
		.ioas = scene->compat,
		.flags =
			(uint8_t)(IOMMU_IOAS_MAP_FIXED_IOVA |
				  (number_of(call_get(prog, call, "flags")) & VFIO_DMA_MAP_FLAG_READ
						  ? IOMMU_IOAS_MAP_READABLE
						  : 0) |
				  (number_of(call_get(prog, call, "flags")) &
							  VFIO_DMA_MAP_FLAG_WRITE
						  ? IOMMU_IOAS_MAP_WRITEABLE
						  : 0)),
		.iova = call_get(prog, call, "iova"),
		.length = number_of(call_get(prog, call, "size")),
		.user_va = va.kind == VALUE_MEM ? va.number : UINT64_MAX,
	};
}

/* The IOAS behind what a device can be attached to; what is unknown stays as it is. */
static uint16_t ioas_behind(const struct scene *scene, uint16_t table)
{
	for (uint32_t i = scene->hwpts; i-- > 0;)
		if (scene->hwpt[i].call == table)
			return scene->hwpt[i].ioas;
	for (uint32_t i = scene->nesteds; i-- > 0;)
		if (scene->nested[i].call == table)
			return scene->nested[i].ioas;
	return table;
}

static void add_device(struct scene *scene, const struct prog *prog, uint32_t index)
{
	const struct call *call = &prog->calls[index];
	uint16_t ioas = ioas_behind(scene, producer(call_get(prog, call, "id")));
	struct scene_ioas *target = scene_find_ioas(scene, ioas);
	struct scene_device *device = SCENE_PUSH(scene->device, scene->devices);

	*device = (struct scene_device){.call = (uint16_t)index,
		.context = subject_of(prog, call),
		.ioas = ioas,
		.pasids = number_of(call_get(prog, call, "dev_flags")) & MOCK_FLAGS_DEVICE_PASID};
	if (target)
		target->devices++;
}

static void replace_device(struct scene *scene, const struct prog *prog, const struct call *call)
{
	uint16_t stdev = producer(call_get(prog, call, "id"));
	uint16_t ioas = ioas_behind(scene, producer(call_get(prog, call, "pt_id")));

	for (uint32_t i = 0; i < scene->devices; i++) {
		struct scene_ioas *old = scene_find_ioas(scene, scene->device[i].ioas);
		struct scene_ioas *new = scene_find_ioas(scene, ioas);

		if (scene->device[i].call != stdev)
			continue;
		if (old && old->devices)
			old->devices--;
		if (new)
			new->devices++;
		scene->device[i].ioas = ioas;
	}
}

static void add_viommu(struct scene *scene, const struct prog *prog, uint32_t index)
{
	const struct call *call = &prog->calls[index];

	*SCENE_PUSH(scene->viommu, scene->viommus) = (struct scene_viommu){.call = (uint16_t)index,
		.context = subject_of(prog, call),
		.ioas = ioas_behind(scene, producer(call_get(prog, call, "hwpt_id"))),
		.device = UINT16_MAX,
		.data = call_get(prog, call, "data_uptr").kind != VALUE_UNSET};
}

static void name_device(struct scene *scene, const struct prog *prog, const struct call *call)
{
	uint16_t viommu = producer(call_get(prog, call, "viommu_id"));

	for (uint32_t i = 0; i < scene->viommus; i++)
		if (scene->viommu[i].call == viommu)
			scene->viommu[i].device = producer(call_get(prog, call, "dev_id"));
}

/* On a parent or a VIOMMU of the scene. */
static void add_nested(struct scene *scene, const struct prog *prog, uint32_t index, uint16_t on)
{
	struct scene_nested nested = {.call = (uint16_t)index,
		.context = subject_of(prog, &prog->calls[index]),
		.ioas = UINT16_MAX,
		.viommu = UINT16_MAX};

	for (uint32_t i = 0; i < scene->hwpts; i++)
		if (scene->hwpt[i].call == on && scene->hwpt[i].parent)
			nested.ioas = scene->hwpt[i].ioas;
	for (uint32_t i = 0; i < scene->viommus; i++) {
		if (scene->viommu[i].call != on)
			continue;
		nested.ioas = scene->viommu[i].ioas;
		nested.viommu = on;
	}
	if (nested.ioas != UINT16_MAX)
		*SCENE_PUSH(scene->nested, scene->nesteds) = nested;
}

static void destroy_nested(struct scene *scene, uint16_t call)
{
	for (uint32_t i = scene->nesteds; i-- > 0;)
		if (scene->nested[i].call == call)
			SCENE_DROP(scene->nested, scene->nesteds, i);
	for (uint32_t i = scene->viommus; i-- > 0;)
		if (scene->viommu[i].call == call)
			SCENE_DROP(scene->viommu, scene->viommus, i);
}

static void add_hwpt(struct scene *scene, const struct prog *prog, uint32_t index)
{
	const struct call *call = &prog->calls[index];
	uint16_t on = producer(call_get(prog, call, "pt_id"));
	uint64_t flags = number_of(call_get(prog, call, "flags"));
	struct scene_ioas *ioas = scene_find_ioas(scene, on);

	if (!ioas) {
		add_nested(scene, prog, index, on);
		return;
	}
	ioas->devices++;
	*SCENE_PUSH(scene->hwpt, scene->hwpts) = (struct scene_hwpt){.call = (uint16_t)index,
		.context = subject_of(prog, call),
		.ioas = ioas->call,
		.pasids = flags & IOMMU_HWPT_ALLOC_PASID,
		.parent = flags & IOMMU_HWPT_ALLOC_NEST_PARENT};
}

static void destroy_hwpt(struct scene *scene, uint16_t call)
{
	for (uint32_t i = scene->hwpts; i-- > 0;) {
		struct scene_ioas *ioas = scene_find_ioas(scene, scene->hwpt[i].ioas);

		if (scene->hwpt[i].call != call)
			continue;
		if (ioas && ioas->devices)
			ioas->devices--;
		SCENE_DROP(scene->hwpt, scene->hwpts, i);
	}
}

static void destroy_object(struct scene *scene, uint16_t call)
{
	for (uint32_t i = scene->ioases; i-- > 0;)
		if (scene->ioas[i].call == call && !scene->ioas[i].devices) {
			SCENE_DROP(scene->ioas, scene->ioases, i);
			drop_areas(scene, call, NULL);
			return;
		}
	for (uint32_t i = scene->devices; i-- > 0;)
		if (scene->device[i].call == call) {
			struct scene_ioas *ioas = scene_find_ioas(scene, scene->device[i].ioas);

			if (ioas && ioas->devices)
				ioas->devices--;
			SCENE_DROP(scene->device, scene->devices, i);
			return;
		}
}

static void move_access(struct scene *scene, uint16_t call, uint16_t ioas)
{
	struct scene_access *access = scene_find_access(scene, call);
	struct scene_ioas *old = access ? scene_find_ioas(scene, access->ioas) : NULL;
	struct scene_ioas *new = scene_find_ioas(scene, ioas);

	if (!access || access->ioas == ioas)
		return;
	if (old && access->needs_pin && old->pinning)
		old->pinning--;
	if (new && access->needs_pin)
		new->pinning++;
	access->ioas = ioas;
	for (uint32_t i = scene->pins; i-- > 0;)
		if (scene->pin[i].access == call)
			SCENE_DROP(scene->pin, scene->pins, i);
}

static void drop_access(struct scene *scene, uint16_t call)
{
	move_access(scene, call, UINT16_MAX);
	for (uint32_t i = scene->accesses; i-- > 0;)
		if (scene->access[i].call == call)
			SCENE_DROP(scene->access, scene->accesses, i);
}

static void add_access(struct scene *scene, const struct prog *prog, uint32_t index, bool kernel)
{
	const struct call *call = &prog->calls[index];
	struct scene_access *access = SCENE_PUSH(scene->access, scene->accesses);

	*access = (struct scene_access){
		.call = (uint16_t)index,
		.context = subject_of(prog, call),
		.ioas = UINT16_MAX,
		.kernel = kernel,
		.needs_pin = number_of(call_get(prog, call, "flags")) & 1,
	};
	if (!kernel)
		move_access(scene, (uint16_t)index, producer(call_get(prog, call, "id")));
}

static void add_pin(struct scene *scene, const struct prog *prog, uint32_t index, bool kernel)
{
	const struct call *call = &prog->calls[index];
	struct scene_pin *pin = SCENE_PUSH(scene->pin, scene->pins);

	*pin = (struct scene_pin){
		.access = kernel ? subject_of(prog, call) : producer(call_get(prog, call, "id")),
		.item = (uint16_t)index,
		.kernel = kernel,
		.iova = call_get(prog, call, "iova"),
		.length = number_of(call_get(prog, call, "length")),
	};
}

static void drop_pin(
	struct scene *scene, const struct prog *prog, const struct call *call, bool kernel)
{
	struct value iova = call_get(prog, call, "iova");
	uint16_t item = producer(call_get(prog, call, "access_pages_id"));

	for (uint32_t i = scene->pins; i-- > 0;)
		if (kernel ? value_same(&scene->pin[i].iova, &iova) : scene->pin[i].item == item) {
			SCENE_DROP(scene->pin, scene->pins, i);
			return;
		}
}

static void close_descriptor(struct scene *scene, uint16_t call)
{
	drop_access(scene, call);
	for (uint32_t i = scene->contexts; i-- > 0;)
		if (scene->context[i] == call) {
			SCENE_DROP(scene->context, scene->contexts, i);
			scene->closed++;
			for (uint32_t k = scene->ioases; k-- > 0;)
				if (scene->ioas[k].context == call)
					SCENE_DROP(scene->ioas, scene->ioases, k);
		}
	for (uint32_t i = scene->veventqs; i-- > 0;)
		if (scene->veventq[i].call == call)
			SCENE_DROP(scene->veventq, scene->veventqs, i);
	for (uint32_t i = scene->faults; i-- > 0;)
		if (scene->fault[i].call == call)
			SCENE_DROP(scene->fault, scene->faults, i);
	for (uint32_t i = scene->memfds; i-- > 0;)
		if (scene->memfd[i] == call)
			SCENE_DROP(scene->memfd, scene->memfds, i);
}

static void unmap_areas(struct scene *scene, const struct prog *prog, const struct call *call)
{
	struct value iova = call_get(prog, call, "iova");
	uint16_t ioas = producer(call_get(prog, call, "ioas_id"));

	if (call_get(prog, call, "length").number == UINT64_MAX)
		drop_areas(scene, ioas, NULL);
	else
		drop_areas(scene, ioas, &iova);
}

static uint16_t newest_device(const struct scene *scene)
{
	return scene->devices ? scene->device[scene->devices - 1].call : UINT16_MAX;
}

void scene_add(struct scene *scene, const struct prog *prog, uint32_t index)
{
	const struct call *call = &prog->calls[index];

	if (call->body)
		return;
	switch (call->row) {
	case CALL_ID_open:
		if (prog_opens_iommufd(prog, number_of(call_get(prog, call, "path"))))
			*SCENE_PUSH(scene->context, scene->contexts) = (uint16_t)index;
		break;
	case CALL_ID_memfd: *SCENE_PUSH(scene->memfd, scene->memfds) = (uint16_t)index; break;
	case CALL_ID_close: close_descriptor(scene, subject_of(prog, call)); break;
	case CALL_ID_IOMMU_IOAS_ALLOC:
		*SCENE_PUSH(scene->ioas, scene->ioases) = (struct scene_ioas){
			.call = (uint16_t)index, .context = subject_of(prog, call)};
		break;
	case CALL_ID_IOMMU_IOAS_MAP:
	case CALL_ID_IOMMU_IOAS_MAP_FILE: add_area(scene, prog, index, false); break;
	case CALL_ID_IOMMU_IOAS_COPY: add_area(scene, prog, index, true); break;
	case CALL_ID_IOMMU_IOAS_UNMAP: unmap_areas(scene, prog, call); break;
	case CALL_ID_IOMMU_VFIO_IOAS:
		scene->compat = number_of(call_get(prog, call, "op")) == IOMMU_VFIO_IOAS_SET
					? producer(call_get(prog, call, "ioas_id"))
					: scene->compat;
		break;
	case CALL_ID_VFIO_IOMMU_MAP_DMA_COMPAT: add_dma(scene, prog, call); break;
	case CALL_ID_IOMMU_DESTROY:
		destroy_object(scene, producer(call_get(prog, call, "id")));
		destroy_hwpt(scene, producer(call_get(prog, call, "id")));
		destroy_nested(scene, producer(call_get(prog, call, "id")));
		break;
	case CALL_ID_IOMMU_HWPT_ALLOC: add_hwpt(scene, prog, index); break;
	case CALL_ID_IOMMU_VEVENTQ_ALLOC:
		*SCENE_PUSH(scene->veventq, scene->veventqs) =
			(struct scene_veventq){.call = (uint16_t)index,
				.context = subject_of(prog, call),
				.device = newest_device(scene)};
		break;
	case CALL_ID_IOMMU_VIOMMU_ALLOC: add_viommu(scene, prog, index); break;
	case CALL_ID_IOMMU_VDEVICE_ALLOC: name_device(scene, prog, call); break;
	case CALL_ID_IOMMU_FAULT_QUEUE_ALLOC:
		*SCENE_PUSH(scene->fault, scene->faults) = (struct scene_fault){
			.call = (uint16_t)index, .context = subject_of(prog, call)};
		break;
	case CALL_ID_IOMMU_TEST_OP_MOCK_DOMAIN:
	case CALL_ID_IOMMU_TEST_OP_MOCK_DOMAIN_FLAGS: add_device(scene, prog, index); break;
	case CALL_ID_IOMMU_TEST_OP_MOCK_DOMAIN_REPLACE: replace_device(scene, prog, call); break;
	case CALL_ID_IOMMU_TEST_OP_CREATE_ACCESS: add_access(scene, prog, index, false); break;
	case CALL_ID_IOMMU_TEST_OP_ACCESS_PAGES: add_pin(scene, prog, index, false); break;
	case CALL_ID_IOMMU_TEST_OP_DESTROY_ACCESS_PAGES: drop_pin(scene, prog, call, false); break;
	case CALL_ID_IOMMU_TEST_OP_ACCESS_REPLACE_IOAS:
		move_access(scene, producer(call_get(prog, call, "id")),
			producer(call_get(prog, call, "ioas_id")));
		break;
	case CALL_ID_access_create: add_access(scene, prog, index, true); break;
	case CALL_ID_access_attach:
	case CALL_ID_access_replace:
		move_access(
			scene, subject_of(prog, call), producer(call_get(prog, call, "ioas_id")));
		break;
	case CALL_ID_access_detach: move_access(scene, subject_of(prog, call), UINT16_MAX); break;
	case CALL_ID_access_destroy: drop_access(scene, subject_of(prog, call)); break;
	case CALL_ID_access_pin: add_pin(scene, prog, index, true); break;
	case CALL_ID_access_unpin: drop_pin(scene, prog, call, true); break;
	default: break;
	}
}

void scene_build(struct scene *scene, const struct prog *prog, uint32_t at)
{
	scene->contexts = scene->ioases = scene->areas = scene->devices = scene->hwpts = 0;
	scene->viommus = scene->nesteds = 0;
	scene->compat = UINT16_MAX;
	scene->accesses = scene->pins = scene->memfds = scene->closed = scene->faults =
		scene->veventqs = 0;
	for (uint32_t i = 0; i < at && i < prog->call_count; i++)
		scene_add(scene, prog, i);
}
