/* SPDX-License-Identifier: Apache-2.0 */
/* The model as a target: dispatch, machine start and end, injected failures. */
#include "fuzz/oracle/model.h"

#include <stdlib.h>

#define USER_UID 1000

model_rule model_rule_of(enum call_id row)
{
	static const model_rule rules[CALL_ID_COUNT] = {
#define CALL(identifier, ...) [CALL_ID_##identifier] = model_rule_##identifier,
#define CALL_LATER(identifier, ...)
#include "impl/abi/calls.def"
#undef CALL
#undef CALL_LATER
	};

	return rules[row];
}

static struct model *of(struct target *target)
{
	return (struct model *)(void *)target;
}

/* ---- the machine ---- */

static void find_rows(struct model *model)
{
	for (unsigned i = 0; i < 256; i++)
		model->first_row[i] = -1;
	for (int16_t r = CALL_ID_COUNT - 1; r >= 0; r--) {
		const struct call_row *row = &call_rows[r];

		if (row->kind == CALL_IOCTL && row->framing == FRAMING_SIZE &&
			(row->number & 0xff) >= 0x80)
			model->first_row[row->number & 0xff] = r;
	}
}

static void machine_start(struct model *model, const struct target_config *config)
{
	struct model_process *first = &model->processes[0];

	model->config = *config;
	model->turns = config->threads && model->events.phase;
	model->objects = 0;
	model->call = NULL;
	memset(model->processes, 0, sizeof(model->processes));
	memset(model->thread_armed, 0, sizeof(model->thread_armed));
	model->armed = model->thread_armed;
	model_array_init(&model->uids, sizeof(struct model_uid));
	model_array_init(&model->accesses, sizeof(struct model_access *));
	model_array_init(&model->mms, sizeof(struct model_mm *));
	model_array_init(&model->late, sizeof(struct model_file *));
	model->process = first;
	model_process_start(model, first, config->caps_none ? USER_UID : 0,
		config->caps_none ? 0
				  : (uint32_t)(CALL_CAP_IPC_LOCK | CALL_CAP_SYS_RAWIO |
					       CALL_CAP_SYS_RESOURCE),
		config->memlock);
	first->mm = model_mm_fresh(model);
}

static struct target *model_open(
	const struct target_config *config, const struct target_events *events, const char **reason)
{
	struct model *model = calloc(1, sizeof(*model));

	if (!model) {
		*reason = "out of memory";
		return NULL;
	}
	if (events)
		model->events = *events;
	find_rows(model);
	machine_start(model, config);
	return (struct target *)(void *)model;
}

static void model_close(struct target *target)
{
	struct model *model = of(target);

	model_pool_end(&model->pool);
	free(model);
}

static bool model_reset(struct target *target, const struct target_config *config)
{
	struct model *model = of(target);

	model_pool_reset(&model->pool);
	machine_start(model, config);
	return true;
}

static void model_finish(struct target *target)
{
	struct model *model = of(target);
	target_unmap_fn unmap = model->events.unmap;

	/* The programs' callbacks are over; drivers end in good order. A call that was abandoned in
	 * the middle holds its locks for ever. */
	model->events.unmap = NULL;
	model->turns = false;
	model->call = NULL;
	model->armed = model->thread_armed;
	for (unsigned p = 0; p < PROG_PROCESS_MAX; p++) {
		model->process = &model->processes[p];
		model_process_exit(model, model->process);
		model_release_late(model);
	}
	for (uint32_t i = 0; i < model->accesses.count; i++) {
		struct model_access *access =
			*(struct model_access **)model_array_at(&model->accesses, i);

		if (access)
			model_access_destroy(model, access);
	}
	model->events.unmap = unmap;
	model->turns = model->config.threads && model->events.phase;
}

static bool model_has(struct target *target, uint32_t needs, const char **reason)
{
	static const uint32_t met = NEEDS_TEST | NEEDS_INPROC | PROG_NEEDS_MEMFD | PROG_NEEDS_ROOT |
				    PROG_NEEDS_USER | PROG_NEEDS_HUGETLB;

	(void)target;
	if (!(needs & ~met))
		return true;
	*reason = "not modelled yet";
	return false;
}

/* ---- calls ---- */

static void place_literals(struct model *model, const struct resolved_call *call)
{
	for (uint32_t i = 0; i < call->literal_count; i++)
		model_place(model, model->process->mm, call->literals[i].address,
			call->literals[i].bytes, call->literals[i].count);
}

/* The struct as it stands in memory now. */
static void show_struct(
	struct model *model, const struct resolved_call *call, struct call_outcome *outcome)
{
	if (!model->process->alive)
		return;
	outcome->image_size = (uint32_t)model_peek(
		model, model->process->mm, model->arguments, call->at, call->struct_size);
	outcome->image = model->arguments;
}

static int64_t run_rule(
	struct model *model, const struct resolved_call *call, struct call_outcome *outcome)
{
	model_rule rule = model_rule_of((enum call_id)(call->row - call_rows));
	int64_t result;

	if (call->row->kind == CALL_IOCTL) {
		model_place(model, model->process->mm, call->at, call->image, call->image_size);
		result = model_ioctl(model, call->subject, call->row->number, call->at);
		model_pass_struct(model, call->at);
		show_struct(model, call, outcome);
		return result;
	}
	if (call->struct_size)
		memcpy(model->arguments, call->image, call->struct_size);
	outcome->image = model->arguments;
	outcome->image_size = call->struct_size;
	return rule ? rule(model, NULL) : -ENOTTY;
}

/* The call in progress, kept while another one runs in its callback. */
struct outer_call {
	const struct resolved_call *call;
	struct model_process *process;
	uint8_t *arguments;
	struct model_armed *armed;
	struct model_mm *mm; /* of the call that begins: its process may end in a phase */
	struct model_task *task;
};

static struct outer_call enter(struct model *model, const struct resolved_call *call)
{
	struct outer_call outer = {
		.call = call->depth ? model->call : NULL,
		.process = model->process,
		.arguments = model->arguments,
		.armed = model->armed,
	};

	model->call = call;
	model->process = &model->processes[call->process];
	model->arguments = model->images[call->thread][call->depth % PROG_PROCESS_MAX];
	model->armed = &model->thread_armed[call->thread];
	if (model->turns && model->process->alive) {
		outer.mm = model->process->mm;
		outer.mm->refs++;
		outer.task = model_task_get(model->process->task);
	}
	return outer;
}

static void leave(struct model *model, const struct outer_call *outer)
{
	if (outer->mm)
		model_mm_put(model, outer->mm);
	if (outer->task)
		model_task_put(model, outer->task);
	model->call = outer->call;
	model->process = outer->process;
	model->arguments = outer->arguments;
	model->armed = outer->armed;
}

static void model_call(
	struct target *target, const struct resolved_call *call, struct call_outcome *outcome)
{
	struct model *model = of(target);
	struct outer_call outer = enter(model, call);

	*outcome = (struct call_outcome){.result = -ESRCH};
	if (model->process->alive) {
		struct model_process *process = model->process;

		bool arms = call->fail == FAIL_POINT && !model->armed->active;

		if (arms)
			*model->armed = (struct model_armed){
				.active = true,
				.point = call->fail_point,
				.nth = call->fail_nth,
			};
		place_literals(model, call);
		if (call->early)
			model_phase(model, "start");
		process->calls[call->thread]++;
		outcome->result = run_rule(model, call, outcome);
		model_release_late(model);
		process->calls[call->thread]--;
		if (arms) {
			outcome->injected = model->armed->injected;
			outcome->fail_point = model->armed->point;
			outcome->fail_nth = model->armed->nth;
			outcome->faults_passed = model->armed->passed;
			*model->armed = (struct model_armed){0};
		}
	}
	leave(model, &outer);
}

/* ---- injected failures, specification 14 and I9 ---- */

static int point_error(enum fault_point point)
{
	static const int errors[FAULT_POINT_COUNT] = {
#define FAULT_POINT(identifier, name, error, what) [FAULT_##identifier] = -(error),
#include "impl/abi/fault_points.def"
#undef FAULT_POINT
	};

	return errors[point];
}

/* Whether a failure at the point, or at any when it is not known, can end the call with that error.
 */
static bool error_allowed(const struct resolved_call *call, int64_t error)
{
	if (error == -ENOMEM)
		return true;
	/* Of HWPT_ALLOC's two objects a missing pt_id is EINVAL (4.10 step 4). */
	if (call->fail == FAIL_POINT && call->fail_point == FAULT_LOOKUP && error == -EINVAL)
		return call->row == &call_rows[CALL_ID_IOMMU_HWPT_ALLOC];
	if (call->fail == FAIL_POINT)
		return call->fail_point < FAULT_POINT_COUNT &&
		       error == point_error((enum fault_point)call->fail_point);
	for (unsigned point = 0; point < FAULT_POINT_COUNT; point++)
		if (error == point_error((enum fault_point)point))
			return true;
	return false;
}

/* Points whose passes the model counts itself: the call runs up to there. */
static bool point_modelled(const struct resolved_call *call)
{
	/* Without memory an event is lost, and the loss is told. */
	if (call->row == &call_rows[CALL_ID_IOMMU_TEST_OP_TRIGGER_VEVENT] &&
		call->fail == FAIL_POINT && call->fail_point == FAULT_ALLOC)
		return true;
	return call->fail == FAIL_POINT &&
	       (call->fail_point == FAULT_USER_COPY || call->fail_point == FAULT_RESERVED ||
		       call->fail_point == FAULT_DRIVER || call->fail_point == FAULT_REMOTE);
}

static void answer_nothing_done(struct model *model, uint64_t at)
{
	const uint32_t done = 0;

	model_copy_out(
		model, at + offsetof(struct iommu_hwpt_invalidate, entry_num), &done, sizeof(done));
}

/* The failed call left nothing behind but what the executor placed in memory for it, and the answer
 * of HWPT_INVALIDATE, which comes always (4.14). */
static void fail_without_trace(struct model *model, const struct resolved_call *call, int64_t error,
	struct call_outcome *outcome)
{
	struct outer_call outer = enter(model, call);

	*outcome = (struct call_outcome){.result = error, .injected = true};
	place_literals(model, call);
	if (call->row->kind == CALL_IOCTL) {
		model_place(model, model->process->mm, call->at, call->image, call->image_size);
		if (call->row == &call_rows[CALL_ID_IOMMU_HWPT_INVALIDATE])
			answer_nothing_done(model, call->at);
		show_struct(model, call, outcome);
	} else {
		if (call->struct_size)
			memcpy(model->arguments, call->image, call->struct_size);
		outcome->image = model->arguments;
		outcome->image_size = call->struct_size;
	}
	leave(model, &outer);
}

static bool model_injected(struct target *target, const struct resolved_call *call, int64_t error,
	struct call_outcome *outcome)
{
	struct model *model = of(target);

	if (error >= 0 || point_modelled(call) || !error_allowed(call, error)) {
		/* The failure was swallowed, or the model meets it by itself: then both end alike.
		 */
		model_call(target, call, outcome);
		outcome->injected = true;
		return error >= 0 || point_modelled(call) || outcome->result == error;
	}
	if (!model->processes[call->process].alive)
		return false;
	fail_without_trace(model, call, error, outcome);
	return true;
}

const struct target_class target_model = {
	.name = "model",
	.open = model_open,
	.close = model_close,
	.reset = model_reset,
	.call = model_call,
	.injected = model_injected,
	.has = model_has,
	.finish = model_finish,
};
