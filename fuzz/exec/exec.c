/* SPDX-License-Identifier: Apache-2.0 */
/* The executor: one program on one target, call by call. */
#include "fuzz/exec/exec.h"

#include <stdlib.h>
#include <string.h>

#include "fuzz/exec/exec_private.h"
#include "impl/abi/iommufd_abi.h"
#include "impl/abi/kernel_calls.h"

#define DEFAULT_PAGES 16384u
#define PAGE	      4096u
/* Calls on devices and accesses refuse more than this at once. */
#define TRANSFER_MAX	(UINT64_C(16) << 20)
#define PROT_FIELD	2		     /* of mmap and mprotect */
#define WORK_LENGTH_MAX (UINT64_C(64) << 20) /* bytes of mem by default */

/* What a struct holds when the program says nothing: the size word, the selector, a process's
 * limit. */
static void set_defaults(struct row_plan *plan, const struct call_row *row)
{
	struct call_process process = {.memlock = EXEC_MEMLOCK_DEFAULT};

	if (row == &call_rows[CALL_ID_process])
		memcpy(plan->defaults, &process, sizeof(process));
	if (plan->size >= 0)
		field_set(&row->fields[plan->size], plan->defaults, row->size);
	if (row->selector >= 0)
		for (unsigned b = 0; b < row->selector_width && b < 4; b++)
			plan->defaults[(unsigned)row->selector + b] =
				(uint8_t)(row->selector_value >> (8 * b));
}

static void plan_row(struct row_plan *plan, const struct call_row *row)
{
	*plan = (struct row_plan){.size = -1, .tail = -1, .at = -1, .bytes = -1, .name = -1};
	plan->output_count = (uint8_t)call_outputs(row, plan->outputs);
	for (unsigned f = 0; f < row->field_count; f++) {
		const struct field *field = &row->fields[f];
		bool descriptor = resource_is_descriptor((enum resource)field->resource);

		switch (field->kind) {
		case FIELD_SIZE: plan->size = (int8_t)(field->width ? (int)f : -1); break;
		case FIELD_TAIL: plan->tail = (int8_t)f; break;
		case FIELD_AT: plan->at = (int8_t)f; break;
		case FIELD_BYTES: plan->bytes = (int8_t)f; break;
		case FIELD_NAME: plan->name = (int8_t)f; break;
		default: break;
		}
		if (field->width && descriptor)
			plan->has_descriptors = true;
	}
	for (unsigned o = 0; o < plan->output_count; o++) {
		const struct field *field = &row->fields[plan->outputs[o]];

		if (!field->width && resource_is_descriptor((enum resource)field->resource))
			plan->result_is_descriptor = true;
	}
	set_defaults(plan, row);
}

static struct target_config config_of(const struct exec *exec, const struct prog_options *options)
{
	struct target_config config = {
		.kernel = options && options->kernel ? options->kernel : exec->kernel,
		.mem_pages = options && options->pages ? options->pages : DEFAULT_PAGES,
		.memlock = EXEC_MEMLOCK_DEFAULT,
		.scattered = exec->scattered,
	};

	if (options) {
		config.bug = options->bug ? options->bug : exec->bug;
		config.seed = options->seed;
		config.compat = options->compat;
		config.caps_none = options->flags & PROG_OPTION_CAPS_NONE;
		config.dmabuf_descriptor = options->flags & PROG_OPTION_DMABUF_FD;
		config.huge_pages = options->flags & PROG_OPTION_HUGETLB;
		config.vfio_container = options->flags & PROG_OPTION_CONTAINER;
		config.noiommu = options->flags & PROG_OPTION_NOIOMMU;
		if (options->memlock || (options->flags & PROG_OPTION_MEMLOCK_SET))
			config.memlock = options->memlock;
	}
	if (!config.kernel)
		config.kernel = LINUX_NEWEST;
	return config;
}

struct exec *exec_open(const struct target_class *class, uint16_t kernel, const char **reason)
{
	struct exec *exec = calloc(1, sizeof(*exec));
	struct row_plan *plans = calloc(CALL_ID_COUNT, sizeof(*plans));

	if (!exec || !plans) {
		free(exec);
		free(plans);
		*reason = "out of memory";
		return NULL;
	}
	for (unsigned r = 0; r < CALL_ID_COUNT; r++)
		plan_row(&plans[r], &call_rows[r]);
	pthread_mutex_init(&exec->lock, NULL);
	pthread_cond_init(&exec->told, NULL);
	for (unsigned t = 0; t < EXEC_THREADS; t++)
		exec->threads[t].number = t;
	exec->now = &exec->threads[0];
	exec->class = class;
	exec->kernel = kernel;
	exec->plans = plans;
	exec->events = (struct target_events){
		.context = exec,
		.unmap = exec_unmap_event,
		.memory = exec_memory_event,
		.phase = exec_phase_event,
		.point = exec_point_event,
	};
	exec->config = config_of(exec, NULL);
	exec->target = class->open(&exec->config, &exec->events, reason);
	if (!exec->target) {
		exec_close(exec);
		return NULL;
	}
	return exec;
}

static void free_frame(struct frame *frame)
{
	free(frame->image.bytes);
	free(frame->literal_bytes.bytes);
	free(frame->written.bytes);
	free(frame->literals);
	free(frame->writes);
}

void exec_close(struct exec *exec)
{
	if (!exec)
		return;
	if (exec->target && exec->abandoned && exec->class->abandon)
		exec->class->abandon(exec->target);
	else if (exec->target)
		exec->class->close(exec->target);
	for (unsigned t = 0; t < EXEC_THREADS; t++)
		for (unsigned f = 0; f < EXEC_FRAMES; f++)
			free_frame(&exec->threads[t].frames[f]);
	pthread_mutex_destroy(&exec->lock);
	pthread_cond_destroy(&exec->told);
	trace_free(&exec->trace);
	free(exec->states);
	free(exec->pins);
	free(exec->plans);
	free(exec);
}

void exec_set_watch(struct exec *exec, bool (*watch)(void *context, uint32_t entry), void *context)
{
	exec->watch = watch;
	exec->watch_context = context;
}

struct target *exec_target(struct exec *exec)
{
	return exec->target;
}

void exec_set_scattered(struct exec *exec, bool scattered)
{
	exec->scattered = scattered;
}

void exec_set_bug(struct exec *exec, uint16_t bug)
{
	exec->bug = bug;
}

const struct trace *exec_trace(const struct exec *exec)
{
	return &exec->trace;
}

const struct resolved_call *exec_resolved(const struct exec *exec)
{
	return exec->has_resolved ? &exec->threads[0].frames[0].call : NULL;
}

uint16_t exec_fault(const struct exec *exec, uint8_t *point)
{
	*point = exec->reached_point;
	return exec->reached_nth;
}

bool exec_injected(const struct exec *exec, uint32_t *faults_passed)
{
	if (faults_passed)
		*faults_passed = exec->faults_passed;
	return exec->injected;
}

void exec_set_work_limit(struct exec *exec, uint64_t limit)
{
	exec->work_limit = limit;
}

/* Whether the call copies its length, as opposed to working on whole ranges. */
static bool copies_bytes(uint16_t row)
{
	switch ((enum call_id)row) {
	case CALL_ID_fill:
	case CALL_ID_read:
	case CALL_ID_write:
	case CALL_ID_access_rw:
	case CALL_ID_dma_read:
	case CALL_ID_dma_write:
	case CALL_ID_IOMMU_TEST_OP_ACCESS_RW: return true;
	default: return false;
	}
}

static bool refused_early(const struct call *call, uint64_t length)
{
	return length > TRANSFER_MAX && call->row != CALL_ID_fill && call->row != CALL_ID_read &&
	       call->row != CALL_ID_write && copies_bytes(call->row);
}

static uint64_t call_work(const struct prog *prog, const struct call *call)
{
	const struct call_row *row = prog_row(call);
	/* Ranges are walked page by page at worst. */
	unsigned shift = copies_bytes(call->row) ? 10 : 20;
	uint64_t work = 1;

	for (unsigned f = 0; f < row->field_count; f++) {
		const struct value *value = prog_value(prog, call, f);

		uint64_t length = value->number;

		if (row->fields[f].kind != FIELD_LENGTH || value->kind == VALUE_UNSET)
			continue;
		/* Addresses and outputs stand for large numbers; memory ends anyway. */
		if ((value->kind == VALUE_NUMBER || value->kind == VALUE_MEM) &&
			refused_early(call, value->kind == VALUE_MEM ? UINT64_MAX : length))
			continue;
		if (value->kind != VALUE_NUMBER || length > WORK_LENGTH_MAX)
			length = WORK_LENGTH_MAX;
		work += length >> shift;
	}
	return work * (call->repeat ? call->repeat : 1);
}

uint64_t exec_work(const struct prog *prog)
{
	uint64_t work = 0;

	for (uint32_t i = 0; i < prog->call_count; i++)
		work += call_work(prog, &prog->calls[i]);
	return work;
}

/* Why a program cannot be run by this executor, or NULL. */
static const char *unsupported(const struct exec *exec, const struct prog *prog)
{
	uint64_t runs = 0;

	for (uint32_t i = 0; i < prog->call_count; i++) {
		const struct call *call = &prog->calls[i];

		if (call->thread && !exec->scheduler && !exec->parallel)
			return "threads need a scheduler";
		if (call->thread && !call->body && call->fail)
			return "failures are injected into calls of the main thread only";
		if (call->row == CALL_ID_on && prog_value(prog, call, 1)->kind == VALUE_NUMBER &&
			prog_value(prog, call, 1)->number == CALL_ON_NOTIFY)
			return "not yet: notifications (on notify)";
		runs += call->repeat ? call->repeat : 1;
	}
	return runs > EXEC_CALL_LIMIT ? "the program makes more than 262144 calls" : NULL;
}

static bool fresh_target(struct exec *exec, const struct target_config *config, const char **reason)
{
	bool unfit = exec->abandoned && exec->class->abandon;

	exec->abandoned = false;
	if (exec->target && !unfit && exec->class->reset(exec->target, config)) {
		exec->config = *config;
		return true;
	}
	if (exec->target && unfit)
		exec->class->abandon(exec->target);
	else if (exec->target)
		exec->class->close(exec->target);
	exec->target = exec->class->open(config, &exec->events, reason);
	/* Now the machine knows how its threads run. */
	if (exec->target && exec->class->schedule && exec->scheduler && !exec->parallel) {
		exec->class->schedule(exec->target, exec->scheduler);
		exec->class->reset(exec->target, config);
	}
	exec->config = *config;
	return exec->target != NULL;
}

static bool fresh_states(struct exec *exec, uint32_t count)
{
	if (count > exec->state_room) {
		void *larger = realloc(exec->states, count * sizeof(*exec->states));

		if (!larger)
			return false;
		exec->states = larger;
		exec->state_room = count;
	}
	for (uint32_t i = 0; i < count; i++)
		exec->states[i].valid = false;
	return true;
}

/* Field `prot` of mmap or mprotect: without READ, but not for nothing. */
static bool protects_from_reading(const struct prog *prog, const struct call *call, unsigned prot)
{
	const struct value *value = prog_value(prog, call, prot);

	if (value->kind == VALUE_UNSET)
		return false;
	return value->kind != VALUE_NUMBER || (value->number && !(value->number & CALL_PROT_READ));
}

static void note_needs(struct target_config *config, const struct prog *prog)
{
	for (uint32_t i = 0; i < prog->call_count; i++) {
		const struct call *call = &prog->calls[i];

		config->threads |= call->thread != 0;
		switch ((enum call_id)call->row) {
		case CALL_ID_exec:
		case CALL_ID_exit:
			config->first_ends |= !call->process;
			config->uses_processes = true;
			break;
		case CALL_ID_fork:
		case CALL_ID_pass:
		case CALL_ID_process: config->uses_processes = true; break;
		case CALL_ID_mmap:
		case CALL_ID_mprotect:
			config->unreadable |= protects_from_reading(prog, call, PROT_FIELD);
			break;
		default: break;
		}
	}
}

bool exec_begin(struct exec *exec, const struct prog *prog, const char **reason)
{
	struct target_config config = config_of(exec, &prog->options);

	note_needs(&config, prog);
	*reason = unsupported(exec, prog);
	if (!*reason && exec->work_limit && exec_work(prog) > exec->work_limit)
		*reason = "more work than is allowed here (repeats and lengths)";
	if (*reason)
		return false;
	exec->cut_short = false;
	exec->main_call = exec->main_calls = 0;
	for (unsigned t = 0; t < EXEC_THREADS; t++) {
		exec->threads[t].in_section = false;
		exec->threads[t].running = false;
		exec->threads[t].depth = 0;
		exec->threads[t].fail = FAIL_SWEEP;
		exec->threads[t].use_injected = false;
		exec->threads[t].fd_count = 0;
	}
	exec->now = &exec->threads[0];
	exec->prog = prog;
	exec->has_resolved = false;
	exec->injected = false;
	exec->faults_passed = 0;
	exec->access_count = 0;
	exec->pin_count = 0;
	for (unsigned p = 0; p < PROG_PROCESS_MAX; p++) {
		memset(exec->fd_names[p], 0, exec->fd_highest[p] * sizeof(exec->fd_names[p][0]));
		exec->fd_highest[p] = 0;
	}
	trace_clear(&exec->trace);
	if (!fresh_states(exec, prog->call_count)) {
		*reason = "out of memory";
		return false;
	}
	return fresh_target(exec, &config, reason);
}

/*
 * Gives a new descriptor the next name of the thread; the name of the file behind it does not
 * matter. What other threads do meanwhile changes no name.
 */
static int64_t name_descriptor(
	struct exec *exec, struct exec_thread *thread, unsigned process, int64_t fd)
{
	if (fd < EXEC_FIRST_FD || fd >= EXEC_FD_MAX || process >= PROG_PROCESS_MAX)
		return fd;
	if (fd >= exec->fd_highest[process])
		exec->fd_highest[process] = (uint32_t)fd + 1;
	exec->fd_names[process][fd] =
		(uint16_t)(thread->number * EXEC_NAMES_EACH + ++thread->fd_count);
	return exec->fd_names[process][fd];
}

static uint64_t descriptor_name(const struct exec *exec, unsigned process, uint64_t fd)
{
	if (fd >= EXEC_FD_MAX || process >= PROG_PROCESS_MAX || !exec->fd_names[process][fd])
		return fd;
	return exec->fd_names[process][fd];
}

/*
 * Where in its memory pages lie, and which of them lie side by side, is a machine's own business:
 * targets are not compared in it, and of the address the trace has the place in the page.
 */
static void trace_physical(
	struct exec *exec, struct trace_entry *entry, const struct call_outcome *outcome)
{
	struct iommu_ioas_noiommu_get_pa image = {.size = 0};
	uint32_t size = outcome->image_size < sizeof(image) ? outcome->image_size : sizeof(image);

	memcpy(&image, outcome->image, size);
	if (outcome->result >= 0) {
		image.out_phys %= PAGE;
		entry->own_first = offsetof(struct iommu_ioas_noiommu_get_pa, length);
		entry->own_count = sizeof(image.length) + sizeof(image.out_phys);
	}
	trace_set_image(&exec->trace, entry, (const uint8_t *)&image, size);
}

/* Descriptors differ between targets, so the trace tells which of the run they are. */
static void trace_image(struct exec *exec, struct exec_thread *thread, struct trace_entry *entry,
	const struct row_plan *plan, const struct call_row *row, const struct call_outcome *outcome,
	unsigned process)
{
	if (row == &call_rows[CALL_ID_IOMMU_IOAS_NOIOMMU_GET_PA]) {
		trace_physical(exec, entry, outcome);
		return;
	}
	trace_set_image(&exec->trace, entry, outcome->image, outcome->image_size);
	uint8_t *image = exec->trace.bytes + entry->image;

	for (unsigned f = 0; plan->has_descriptors && f < row->field_count; f++) {
		const struct field *field = &row->fields[f];

		if (!field->width || !resource_is_descriptor((enum resource)field->resource) ||
			field->offset + field->width > entry->image_size)
			continue;
		uint64_t fd = field_get(field, image);
		if (field->direction == FIELD_OUT && outcome->result >= 0)
			fd = (uint64_t)name_descriptor(exec, thread, process, (int64_t)fd);
		else
			fd = descriptor_name(exec, process, fd);
		field_set(field, image, fd);
	}
}

static void keep_outputs(struct exec *exec, uint32_t i, const struct row_plan *plan,
	const struct call_row *row, const struct call_outcome *outcome)
{
	struct call_state *state = &exec->states[i];

	state->valid = outcome->result >= 0;
	for (unsigned o = 0; state->valid && o < plan->output_count; o++) {
		const struct field *field = &row->fields[plan->outputs[o]];

		if (!field->width)
			/* A call that makes a descriptor and does not tell has none to give. */
			state->outputs[o] =
				plan->result_is_descriptor && outcome->result < EXEC_FIRST_FD
					? UINT64_MAX
					: (uint64_t)outcome->result;
		else if (field->offset + field->width <= outcome->image_size)
			state->outputs[o] = image_get(field, outcome->image);
		else
			state->outputs[o] = 0;
	}
}

static void record(struct exec *exec, struct exec_thread *thread, uint32_t i,
	const struct call_outcome *outcome)
{
	const struct call *call = &exec->prog->calls[i];
	const struct call_row *row = prog_row(call);
	const struct row_plan *plan = &exec->plans[call->row];
	struct frame *frame = &thread->frames[thread->depth];
	unsigned process = call->row == CALL_ID_pass ? (unsigned)frame->call.name : call->process;
	struct trace_entry *entry = trace_add(&exec->trace, TRACE_CALL);

	keep_outputs(exec, i, plan, row, outcome);
	exec_note_access(exec, i, &frame->call, outcome);
	if (call->row == CALL_ID_fork && outcome->result >= 0 &&
		frame->call.name < PROG_PROCESS_MAX) {
		memcpy(exec->fd_names[frame->call.name], exec->fd_names[call->process],
			sizeof(exec->fd_names[0]));
		exec->fd_highest[frame->call.name] = exec->fd_highest[call->process];
	}
	if (!entry)
		return;
	entry->depth = (uint8_t)thread->depth;
	entry->thread = (uint8_t)thread->number;
	entry->injected = outcome->injected;
	entry->call = (uint16_t)i;
	entry->result = plan->result_is_descriptor
				? name_descriptor(exec, thread, process, outcome->result)
				: outcome->result;
	if (outcome->image_size)
		trace_image(exec, thread, entry, plan, row, outcome, call->process);
	if (frame->write_count)
		exec_memory_record(exec, frame);
}

/* The failure that a sweep asks for instead of the program's. */
static void override_failure(const struct exec_thread *thread, struct resolved_call *call)
{
	if (thread->depth || thread->fail == FAIL_SWEEP)
		return;
	call->fail = thread->fail;
	call->fail_nth = thread->fail_nth;
}

/* The model is told the failure by its own name, whatever way of counting led to it. */
static void name_failure(const struct exec_thread *thread, struct resolved_call *call)
{
	call->fail = FAIL_POINT;
	call->fail_point = thread->injected_point;
	call->fail_nth = thread->injected_nth;
}

static void call_target(struct exec *exec, struct exec_thread *thread, struct frame *frame,
	struct call_outcome *outcome)
{
	thread->running = true;
	exec_leave(exec);
	if (thread->use_injected && !thread->depth) {
		name_failure(thread, &frame->call);
		thread->injected_allowed =
			exec->class->injected && exec->class->injected(exec->target, &frame->call,
							 thread->injected_error, outcome);
	} else {
		exec->class->call(exec->target, &frame->call, outcome);
	}
	/* A driver learns of what it got a moment later; the implementation has points there. */
	if (thread->in_section && !exec->class->schedule && exec->scheduler &&
		frame->call.row->kind == CALL_KERNEL)
		scheduler_point(exec->scheduler, SCHEDULE_UNLOCK, 0);
	exec_enter(exec);
	thread->running = thread->depth != 0;
}

int64_t exec_run_call(struct exec *exec, struct exec_thread *thread, uint32_t i,
	const struct callback_range *range)
{
	struct frame *frame = &thread->frames[thread->depth];
	struct call_outcome outcome = {0};
	bool control = prog_row(&exec->prog->calls[i])->kind == CALL_CONTROL, open = false;
	/* Taking turns with others. */
	bool turns = thread->in_section && exec->scheduler && !exec->parallel;

	if (turns)
		open = scheduler_open_to_all(
			exec->scheduler, !exec_is_locked(exec->prog->calls[i].row));
	exec_enter(exec);
	frame->write_count = 0;
	frame->written.used = 0;
	if (control) {
		memset(&frame->call, 0, sizeof(frame->call));
		frame->own_from = frame->own_to = 0;
		outcome.result = exec_control(exec, thread, i, range);
	} else if (exec_resolve(exec, thread, i, frame)) {
		override_failure(thread, &frame->call);
		call_target(exec, thread, frame, &outcome);
	} else {
		outcome.result = -12; /* the host's own ENOMEM */
	}
	if (!thread->depth && !thread->in_section) {
		exec->has_resolved = !control;
		exec->injected = outcome.injected;
		exec->faults_passed = outcome.faults_passed;
		exec->reached_point = outcome.fail_point;
		exec->reached_nth = outcome.fail_nth;
		if (thread->use_injected && !thread->injected_allowed) {
			exec_leave(exec);
			return outcome.result;
		}
	}
	record(exec, thread, i, &outcome);
	if (turns) {
		/* The program's own books. */
		scheduler_call_done(exec->scheduler);
		scheduler_open_to_all(exec->scheduler, open);
	}
	exec_leave(exec);
	if (exec->watch && !exec->watch(exec->watch_context, exec->trace.entry_count - 1) &&
		!exec->cut_short) {
		exec->cut_short = true;
		if (scheduler_active(exec->scheduler))
			scheduler_stop(exec->scheduler);
	}
	return outcome.result;
}

int64_t exec_quiet_call(struct exec *exec, struct exec_thread *thread, uint32_t i, enum call_id row,
	uint64_t subject, const void *image, uint32_t size)
{
	const struct call *call = &exec->prog->calls[i];
	struct resolved_call quiet = {
		.row = &call_rows[row],
		.call = (uint16_t)i,
		.thread = (uint8_t)thread->number,
		.process = call->process,
		.depth = (uint8_t)thread->depth,
		.subject = subject,
		.image = image,
		.image_size = size,
		.struct_size = size,
	};
	struct call_outcome outcome = {0};

	thread->running = false;
	exec_leave(exec);
	exec->class->call(exec->target, &quiet, &outcome);
	exec_enter(exec);
	return outcome.result;
}

uint32_t exec_repeats(const struct exec *exec, uint32_t i)
{
	const struct call *call = &exec->prog->calls[i];

	return call->body ? 0 : call->repeat ? call->repeat : 1;
}

static int64_t step(struct exec *exec, uint32_t i, uint8_t fail, uint16_t nth)
{
	struct exec_thread *thread = exec->now;

	/* Reports name the call. */
	if (exec->config.threads && exec->scheduler && exec->main_call != i + 1) {
		exec->main_call = i + 1;
		scheduler_call(exec->scheduler, exec->main_calls++);
	}
	thread->callback_count = 0;
	thread->use_injected = false;
	thread->fail = fail;
	thread->fail_nth = nth;
	return exec_run_call(exec, thread, i, NULL);
}

int64_t exec_step_once(struct exec *exec, uint32_t i)
{
	return step(exec, i, FAIL_SWEEP, 0);
}

int64_t exec_step_plain(struct exec *exec, uint32_t i)
{
	return step(exec, i, FAIL_NONE, 0);
}

int64_t exec_step_failing(struct exec *exec, uint32_t i, uint16_t nth)
{
	return step(exec, i, FAIL_NTH, nth);
}

bool exec_step_injected(struct exec *exec, uint32_t i, int64_t error, uint8_t point, uint16_t nth)
{
	struct exec_thread *thread = exec->now;

	thread->callback_count = 0;
	thread->fail = FAIL_SWEEP;
	thread->use_injected = true;
	thread->injected_error = error;
	thread->injected_point = point;
	thread->injected_nth = nth;
	exec_run_call(exec, thread, i, NULL);
	thread->use_injected = false;
	if (thread->injected_allowed && exec->trace.entry_count)
		exec->trace.entries[exec->trace.entry_count - 1].injected = 1;
	return thread->injected_allowed;
}

int64_t exec_step(struct exec *exec, uint32_t i)
{
	int64_t result = 0;

	for (uint32_t times = exec_repeats(exec, i); times; times--)
		result = exec_step_once(exec, i);
	return result;
}

void exec_finish(struct exec *exec)
{
	exec->now->running = false;
	exec->class->finish(exec->target);
}

bool exec_run(struct exec *exec, const struct prog *prog, const char **reason)
{
	if (!exec_begin(exec, prog, reason))
		return false;
	for (uint32_t i = 0; i < prog->call_count;) {
		uint32_t end = exec_section_end(prog, i);

		if (end == i)
			exec_step(exec, i++);
		else if (exec_run_section(exec, i, end) == SCHEDULER_DONE)
			i = end;
		else
			return true;
	}
	exec_finish(exec);
	return true;
}
