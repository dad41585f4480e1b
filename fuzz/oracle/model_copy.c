/* SPDX-License-Identifier: Apache-2.0 */
/* Copies from and to user memory, counted for `fail user-copy#k` (docs/ARCHITECTURE.md). */
#include "fuzz/oracle/model.h"

bool model_should_fail(struct model *model, enum fault_point point)
{
	struct model_armed *armed = model->armed;

	if (!armed->active || armed->paused || armed->point != point ||
		++armed->passed != armed->nth)
		return false;
	armed->injected = true;
	return true;
}

static uint64_t in_page(uint64_t address, uint64_t count)
{
	uint64_t room = MODEL_PAGE - address % MODEL_PAGE;

	return count < room ? count : room;
}

uint64_t model_peek(
	struct model *model, struct model_mm *mm, void *to, uint64_t address, uint64_t count)
{
	uint64_t done = 0;

	while (done < count) {
		uint64_t piece = in_page(address + done, count - done);
		struct model_page *page;

		if (address + done >= MODEL_TASK_SIZE ||
			model_fault(model, mm, address + done, MODEL_COPY_IN, &page))
			break;
		model_page_read(page, (address + done) % MODEL_PAGE, (char *)to + done, piece);
		done += piece;
	}
	return done;
}

uint64_t model_poke(struct model *model, struct model_mm *mm, uint64_t address, const void *from,
	uint64_t count)
{
	uint64_t done = 0;

	while (done < count) {
		uint64_t piece = in_page(address + done, count - done);
		struct model_page *page;

		if (address + done >= MODEL_TASK_SIZE ||
			model_fault(model, mm, address + done, MODEL_COPY_OUT, &page))
			break;
		model_store(model, page, (address + done) % MODEL_PAGE, (const char *)from + done,
			piece);
		done += piece;
	}
	return done;
}

void model_place(struct model *model, struct model_mm *mm, uint64_t address, const void *from,
	uint64_t count)
{
	for (uint64_t done = 0; done < count;) {
		uint64_t piece = in_page(address + done, count - done);
		struct model_page *page;

		if (address + done < MODEL_TASK_SIZE &&
			!model_fault(model, mm, address + done, MODEL_COPY_OUT, &page))
			model_page_write(model, page, (address + done) % MODEL_PAGE,
				(const char *)from + done, piece);
		done += piece;
	}
}

/* A callback may have ended the process that makes the call. */
static struct model_mm *current_mm(const struct model *model)
{
	return model->process->alive ? model->process->mm : NULL;
}

int model_copy_in(struct model *model, void *to, uint64_t address, uint64_t count)
{
	struct model_mm *mm = current_mm(model);

	if (model_should_fail(model, FAULT_USER_COPY))
		return -EFAULT;
	if (!mm || model_peek(model, mm, to, address, count) != count)
		return -EFAULT;
	return 0;
}

int model_copy_out(struct model *model, uint64_t address, const void *from, uint64_t count)
{
	struct model_mm *mm = current_mm(model);

	if (model_should_fail(model, FAULT_USER_COPY))
		return -EFAULT;
	if (!mm || model_poke(model, mm, address, from, count) != count)
		return -EFAULT;
	return 0;
}

int model_copy_clear(struct model *model, uint64_t address, uint64_t count)
{
	static const uint8_t zeros[MODEL_PAGE];
	struct model_mm *mm = current_mm(model);

	if (model_should_fail(model, FAULT_USER_COPY) || !mm)
		return -EFAULT;
	while (count) {
		uint64_t piece = in_page(address, count);

		if (model_poke(model, mm, address, zeros, piece) != piece)
			return -EFAULT;
		address += piece;
		count -= piece;
	}
	return 0;
}

static bool all_zero(const struct model_page *page, uint64_t offset, uint64_t count)
{
	if (!page || !page->content)
		return true;
	for (uint64_t i = 0; i < count; i++) {
		if (page->content[offset + i])
			return false;
	}
	return true;
}

int model_copy_tail(struct model *model, uint64_t address, uint64_t count)
{
	struct model_mm *mm = current_mm(model);

	if (model_should_fail(model, FAULT_USER_COPY) || !mm)
		return -EFAULT;
	while (count) {
		uint64_t piece = in_page(address, count);
		struct model_page *page;

		if (address >= MODEL_TASK_SIZE ||
			model_fault(model, mm, address, MODEL_COPY_IN, &page))
			return -EFAULT;
		if (!all_zero(page, address % MODEL_PAGE, piece))
			return -E2BIG;
		address += piece;
		count -= piece;
	}
	return 0;
}
