/* SPDX-License-Identifier: Apache-2.0 */
/* CHANGE_PROCESS: who owns the mappings of a context (specification 4.18 and 11). */
#include "fuzz/oracle/model.h"

/* Step 2: every IOAS by id gets a user. Nothing is published or taken out behind that. */
static void hold_all(struct model *model, struct model_context *context, struct model_array *ioases)
{
	for (uint32_t id = 1;; id++) {
		struct model_ioas *ioas = NULL;

		model_phase(model, "object_table");
		for (; id <= context->objects.count && !ioas; id++)
			ioas = model_object_find(context, id, MODEL_IOAS);
		if (!ioas)
			return;
		id--;
		ioas->object.users++;
		*(struct model_ioas **)model_array_insert(model, ioases, ioases->count) = ioas;
		model_phase(model, "iova_rwsem");
	}
}

static void release_all(struct model *model, struct model_array *ioases)
{
	for (uint32_t i = 0; i < ioases->count; i++) {
		model_phase(model, "put");
		(*(struct model_ioas **)model_array_at(ioases, i))->object.users--;
	}
	model_array_end(model, ioases);
}

static void add_once(struct model *model, struct model_array *sources, struct model_pages *pages)
{
	for (uint32_t i = 0; i < sources->count; i++)
		if (*(struct model_pages **)model_array_at(sources, i) == pages)
			return;
	*(struct model_pages **)model_array_insert(model, sources, sources->count) = pages;
}

/* Step 3: the sources of all areas, each once. */
static int collect(
	struct model *model, const struct model_array *ioases, struct model_array *sources)
{
	for (uint32_t i = 0; i < ioases->count; i++) {
		const struct model_ioas *ioas = *(struct model_ioas **)model_array_at(ioases, i);

		for (uint32_t a = 0; a < ioas->areas.count; a++) {
			const struct model_area *area = model_area_at(ioas, a);

			if (area->transitional)
				return -EBUSY;
			if (!area->pages->file || model_pages_of_dmabuf(area->pages))
				return -EINVAL;
			add_once(model, sources, area->pages);
		}
	}
	return 0;
}

/* Steps 4 and 5: the caller can pay for everything beside what the old owners still pay. */
static bool affordable(struct model *model, const struct model_array *sources)
{
	const struct model_process *caller = model->process;
	uint64_t user = 0, mm = 0, limit = caller->task->memlock / MODEL_PAGE;

	for (uint32_t i = 0; i < sources->count; i++) {
		const struct model_pages *pages =
			*(struct model_pages **)model_array_at(sources, i);

		if (!model_pages_foreign(model, pages))
			continue;
		if (pages->account == MODEL_ACCOUNT_USER)
			user += pages->needs.count;
		else
			mm += pages->needs.count;
	}
	if (user && model_uid(model, caller->task->uid)->locked + user > limit)
		return false;
	return !mm || caller->mm->locked + mm <= limit;
}

int64_t model_rule_IOMMU_IOAS_CHANGE_PROCESS(struct model *model, struct model_command *command)
{
	struct model_lock *creation = &command->context->creation;
	struct model_array ioases, sources;
	int rc;

	if (command->change_process.__reserved)
		return -EOPNOTSUPP;
	model_array_init(&ioases, sizeof(struct model_ioas *));
	model_array_init(&sources, sizeof(struct model_pages *));
	model_lock(model, creation, true, "ioas_creation_lock");
	hold_all(model, command->context, &ioases);
	rc = collect(model, &ioases, &sources);
	if (!rc && !affordable(model, &sources))
		rc = -ENOMEM;
	for (uint32_t i = 0, count = rc ? 0 : sources.count; i < count; i++)
		if (model_pages_adopt(model, *(struct model_pages **)model_array_at(&sources, i)))
			rc = -EINVAL;
	model_array_end(model, &sources);
	release_all(model, &ioases);
	model_unlock(model, creation, true);
	return rc;
}
