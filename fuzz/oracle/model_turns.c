/* SPDX-License-Identifier: Apache-2.0 */
/* Phases, locks that are held over them, and waiting (specification 12.1 and 12.3). */
#include "fuzz/oracle/model.h"

void model_take_turns(struct model *model, const char *what, bool blocked)
{
	const struct resolved_call *call = model->call;
	struct model_process *process = model->process;
	uint8_t *arguments = model->arguments;
	struct model_armed *armed = model->armed;

	model->events.phase(model->events.context, what, blocked);
	model->call = call;
	model->process = process;
	model->arguments = arguments;
	model->armed = armed;
}

static bool lock_free(const struct model_lock *lock, bool write)
{
	return !lock->writer && !(write && lock->readers);
}

void model_pass_struct(struct model *model, uint64_t address)
{
	if (address - EXEC_ARGUMENT_BASE >= EXEC_THREADS * (uint64_t)EXEC_ARGUMENT_SIZE)
		model_phase(model, "user-copy");
}

void model_wait_for(
	struct model *model, const struct model_lock *lock, bool write, const char *what)
{
	while (model->turns && !lock_free(lock, write))
		model_take_turns(model, what, true);
}

void model_pass(struct model *model, const struct model_lock *lock, bool write, const char *what)
{
	model_phase(model, what);
	model_wait_for(model, lock, write, what);
}

void model_lock(struct model *model, struct model_lock *lock, bool write, const char *what)
{
	if (!model->turns)
		return;
	model_pass(model, lock, write, what);
	if (write)
		lock->writer = true;
	else
		lock->readers++;
}

void model_unlock(struct model *model, struct model_lock *lock, bool write)
{
	if (!model->turns)
		return;
	if (write)
		lock->writer = false;
	else
		lock->readers--;
}

void model_wait_unreferenced(struct model *model, const struct model_object *object)
{
	model_phase(model, "wait");
	while (model->turns && object->wait_cnt > 1)
		model_take_turns(model, "wait", true);
}
