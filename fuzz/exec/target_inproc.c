/* SPDX-License-Identifier: Apache-2.0 */
/* The in-process implementation as a target: resolved calls become system calls of a simulated
 * machine. */
#include "fuzz/exec/target_inproc.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz/prog/prog.h"
#include "fuzz/schedule/scheduler.h"
#include "impl/abi/kernel_calls.h"
#include "impl/iommufd/access.h"
#include "impl/sim/fault.h"
#include "impl/sim/mm/mm.h"
#include "impl/sim/sim.h"
#include "impl/sim/syscall.h"
#include "impl/sim/uninterrupted.h"

#define DEPTHS	 8 /* images that are in use at a time: one a callback depth */
#define USER_UID 1000

struct target {
	struct sim *sim;
	struct target_events events;
	struct inproc_report report;
	struct target *next_abandoned;
	uint32_t reports, warnings_seen;
	bool armed;		     /* a failure, for a call at top level */
	struct scheduler *scheduler; /* of threads, NULL: none */
	struct sim_scheduler delays; /* where they run at once */
	pthread_mutex_t report_lock;
	/* Of each process, where threads run at once: written by who ends it or its memory. */
	pthread_rwlock_t gates[PROG_PROCESS_MAX];
	uint8_t images[EXEC_THREADS][DEPTHS][CALL_STRUCT_MAX];
};

/* A task, its call, and a copy of the arguments in which outputs are set. */
struct running {
	struct target *target;
	struct task *task;
	const struct resolved_call *call;
	uint8_t *image;
};

static bool on_unmap(
	void *context, struct task *task, uint64_t handle, uint64_t iova, uint64_t length)
{
	struct target *target = context;

	if (!target->events.unmap)
		return false;
	/* The failure is meant for the call, not for what the driver does in its callback. */
	bool paused = target->armed && fault_pause(task);
	bool done = target->events.unmap(
		target->events.context, task_thread(task), handle, iova, length);
	if (paused)
		fault_resume(task);
	return done;
}

static void on_memory(
	void *context, uint64_t address, const void *old, const void *bytes, uint32_t count)
{
	struct target *target = context;

	if (target->events.memory)
		target->events.memory(target->events.context, address, old, bytes, count);
}

static bool is_drivers_fault(const char *rule)
{
	static const char *const rules[] = {"access-attached", "access-not-attached",
		"pin-not-allowed", "unpin-bad-range", "unpin-not-attached", "unpin-without-pin",
		"unmap-pins-kept"};

	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
		if (strcmp(rule, rules[i]) == 0)
			return true;
	return false;
}

/* Keeps the first report; one that no driver provokes comes before those. */
static void keep_report(struct target *target, const char *rule, const char *message)
{
	bool by_driver = is_drivers_fault(rule);

	if (target->reports++ && (by_driver || !target->report.by_driver))
		return;
	target->report.by_driver = by_driver;
	snprintf(target->report.rule, sizeof(target->report.rule), "%s", rule);
	snprintf(target->report.message, sizeof(target->report.message), "%s", message);
	target->report.is_warning =
		target->sim && sim_warnings(target->sim) > target->warnings_seen;
}

static void on_report(void *context, const char *rule, const char *message)
{
	struct target *target = context;

	pthread_mutex_lock(&target->report_lock);
	keep_report(target, rule, message);
	pthread_mutex_unlock(&target->report_lock);
}

/* The part of a scheduler that threads which run at once have. */
static void on_point(void *context, struct task *task, enum schedule_point point, uint32_t object)
{
	struct target *target = context;

	(void)point;
	(void)object;
	if (target->events.point)
		target->events.point(target->events.context, task_thread(task));
}

static void set_scheduler(struct target *target)
{
	sim_set_scheduler(target->sim,
		target->scheduler ? scheduler_for_sim(target->scheduler) : &target->delays);
}

static struct sim_config sim_config_of(struct target *target, const struct target_config *config)
{
	return (struct sim_config){
		.locks = !config->threads    ? LOCKS_SINGLE
			 : target->scheduler ? LOCKS_FIBER
					     : LOCKS_PTHREAD,
		.kernel = config->kernel,
		.bug = config->bug,
		.mem_pages = config->mem_pages,
		.seed = config->seed,
		.memlock = config->memlock,
		.capabilities = config->caps_none ? 0 : SIM_CAP_ALL,
		.uid = config->caps_none ? USER_UID : 0,
		.dmabuf_descriptor = config->dmabuf_descriptor,
		.huge_pages = config->huge_pages,
		.vfio_container = config->vfio_container,
		.scattered = config->scattered,
		.noiommu = config->noiommu,
		.events =
			{
				.context = target,
				.memory = on_memory,
				.unmap = on_unmap,
				.report = on_report,
			},
	};
}

static void free_target(struct target *target)
{
	if (target) {
		pthread_mutex_destroy(&target->report_lock);
		for (unsigned p = 0; p < PROG_PROCESS_MAX; p++)
			pthread_rwlock_destroy(&target->gates[p]);
	}
	free(target);
}

static struct target *inproc_open(
	const struct target_config *config, const struct target_events *events, const char **reason)
{
	struct target *target = calloc(1, sizeof(*target));

	if (target) {
		struct sim_config sim_config = sim_config_of(target, config);

		target->events = *events;
		target->delays = (struct sim_scheduler){.context = target, .point = on_point};
		pthread_mutex_init(&target->report_lock, NULL);
		for (unsigned p = 0; p < PROG_PROCESS_MAX; p++)
			pthread_rwlock_init(&target->gates[p], NULL);
		target->sim = sim_create(&sim_config);
	}
	if (!target || !target->sim) {
		*reason = "out of memory";
		free_target(target);
		return NULL;
	}
	set_scheduler(target);
	return target;
}

static void inproc_close(struct target *target)
{
	sim_destroy(target->sim);
	free_target(target);
}

/*
 * Threads were left in the middle of calls: with locks held, nothing can be ended in an orderly
 * way. A machine that cannot be freed stays as it is, where leak checkers find it.
 */
static struct target *abandoned;

static void inproc_abandon(struct target *target)
{
	struct target *first = __atomic_load_n(&abandoned, __ATOMIC_RELAXED);

	if (sim_abandon(target->sim)) {
		free_target(target);
		return;
	}
	do
		target->next_abandoned = first;
	while (!__atomic_compare_exchange_n(
		&abandoned, &first, target, true, __ATOMIC_RELEASE, __ATOMIC_RELAXED));
}

static void inproc_schedule(struct target *target, struct scheduler *scheduler)
{
	target->scheduler = scheduler;
	set_scheduler(target);
}

static bool inproc_reset(struct target *target, const struct target_config *config)
{
	struct sim_config sim_config = sim_config_of(target, config);

	target->reports = 0;
	target->warnings_seen = 0;
	sim_reset(target->sim, &sim_config);
	return true;
}

static void inproc_finish(struct target *target)
{
	sim_finish(target->sim);
}

static bool inproc_has(struct target *target, uint32_t needs, const char **reason)
{
	static const struct {
		uint32_t need;
		const char *reason;
	} missing[] = {
		{NEEDS_GROUP, "needs group: VFIO groups are not implemented yet"},
		{NEEDS_CDEV, "needs cdev: VFIO device files are not implemented yet"},
		{NEEDS_CONTAINER, "needs container: VFIO containers are not implemented yet"},
		{NEEDS_SPAPR, "needs spapr: TCE windows are not implemented yet"},
		{NEEDS_KVM, "needs kvm: KVM devices are not implemented yet"},
	};

	(void)target;
	for (size_t i = 0; i < sizeof(missing) / sizeof(missing[0]); i++)
		if (needs & missing[i].need) {
			*reason = missing[i].reason;
			return false;
		}
	return true;
}

struct sim *target_inproc_sim(struct target *target)
{
	return target->sim;
}

const struct inproc_report *target_inproc_report(struct target *target, uint32_t *all)
{
	*all = target->reports;
	if (!target->reports)
		return NULL;
	target->reports = 0;
	target->warnings_seen = sim_warnings(target->sim);
	return &target->report;
}

/* -- system calls -- */

static int64_t call_open_node(const struct running *run)
{
	struct call_open arguments;
	char path[48];

	memcpy(&arguments, run->image, sizeof(arguments));
	uint32_t number = arguments.path & 0xff;
	switch (arguments.path & ~UINT32_C(0xff)) {
	case 0:
		return sim_open(run->task, number == CALL_OPEN_IOMMU	   ? "/dev/iommu"
					   : number == CALL_OPEN_CONTAINER ? "/dev/vfio/vfio"
									   : "/dev/none");
	case CALL_OPEN_GROUP: snprintf(path, sizeof(path), "/dev/vfio/%u", number); break;
	case CALL_OPEN_NOIOMMU_GROUP:
		snprintf(path, sizeof(path), "/dev/vfio/noiommu-%u", number);
		break;
	case CALL_OPEN_CDEV:
		snprintf(path, sizeof(path), "/dev/vfio/devices/vfio%u", number);
		break;
	default: snprintf(path, sizeof(path), "/dev/none"); break;
	}
	return sim_open(run->task, path);
}

static uint32_t capabilities_of(uint32_t caps)
{
	return (caps & CALL_CAP_IPC_LOCK ? (uint32_t)SIM_CAP_IPC_LOCK : 0) |
	       (caps & CALL_CAP_SYS_RESOURCE ? (uint32_t)SIM_CAP_SYS_RESOURCE : 0) |
	       (caps & CALL_CAP_SYS_RAWIO ? (uint32_t)SIM_CAP_SYS_RAWIO : 0);
}

static int64_t call_spawn(const struct running *run)
{
	struct call_process arguments;

	memcpy(&arguments, run->image, sizeof(arguments));
	return sim_spawn(run->task, (unsigned)run->call->name, arguments.uid,
		capabilities_of(arguments.caps), arguments.memlock);
}

static bool has_huge_pages(const struct running *run)
{
	return sim_configuration(run->target->sim)->huge_pages;
}

/*
 * As on a machine that has reserved no huge pages.
 * Without length nothing is mapped, but what comes before the length is checked.
 */
static int64_t refuse_huge_pages(const struct running *run, const struct call_mmap *arguments)
{
	if (arguments->flags & CALL_MAP_ANONYMOUS)
		return arguments->offset % SIM_PAGE_SIZE ? -EINVAL : -ENOMEM;
	return sim_mmap(run->task, arguments->addr, 0, arguments->prot, arguments->flags,
		arguments->fd, arguments->offset);
}

static int64_t call_map_memory(const struct running *run)
{
	struct call_mmap arguments;

	memcpy(&arguments, run->image, sizeof(arguments));
	if (arguments.flags & CALL_MAP_HUGETLB && !has_huge_pages(run))
		return refuse_huge_pages(run, &arguments);
	return sim_mmap(run->task, arguments.addr, arguments.length, arguments.prot,
		arguments.flags, arguments.fd, arguments.offset);
}

/* Descriptors are int: what does not fit is no descriptor. */
static int descriptor(const struct running *run)
{
	return run->call->subject > INT32_MAX ? -1 : (int)run->call->subject;
}

static int64_t call_memory_of_program(const struct running *run)
{
	const struct resolved_call *call = run->call;
	struct call_fill fill;
	struct call_memory place;

	if (call->row == &call_rows[CALL_ID_fill]) {
		memcpy(&fill, run->image, sizeof(fill));
		return sim_fill(run->task, fill.addr, fill.value, fill.length);
	}
	memcpy(&place, run->image, sizeof(place));
	return call->row == &call_rows[CALL_ID_put]
		       ? sim_put(run->task, place.addr, call->bytes, call->byte_count)
		       : sim_expect(run->task, place.addr, call->bytes, call->byte_count);
}

static int64_t call_address_space(const struct running *run)
{
	struct call_munmap range;
	struct call_mprotect protect;

	if (run->call->row == &call_rows[CALL_ID_munmap]) {
		memcpy(&range, run->image, sizeof(range));
		return sim_munmap(run->task, range.addr, range.length);
	}
	memcpy(&protect, run->image, sizeof(protect));
	return sim_mprotect(run->task, protect.addr, protect.length, protect.prot);
}

static int64_t call_transfer(const struct running *run, bool write)
{
	struct call_transfer arguments;

	memcpy(&arguments, run->image, sizeof(arguments));
	return write ? sim_write(run->task, descriptor(run), arguments.at, arguments.length)
		     : sim_read(run->task, descriptor(run), arguments.at, arguments.length);
}

/* The program writes to its memory itself, while its process lives: for the machine that is one
 * step.
 */
static void poke(const struct running *run, uint64_t address, const void *bytes, uint32_t count)
{
	uninterrupted_begin(run);
	struct mm *mm = task_mm(run->task);
	if (mm)
		mm_poke(mm, address, bytes, count);
	uninterrupted_end();
}

static int64_t call_raw_ioctl(const struct running *run)
{
	const struct resolved_call *call = run->call;
	struct call_ioctl arguments;

	memcpy(&arguments, run->image, sizeof(arguments));
	poke(run, call->at, call->image + offsetof(struct call_ioctl, size),
		call->image_size - (uint32_t)offsetof(struct call_ioctl, size));
	return sim_ioctl(run->task, descriptor(run), arguments.number, call->at);
}

static uint64_t first_number(const struct running *run)
{
	uint64_t number = 0;

	memcpy(&number, run->image, run->call->struct_size < 8 ? run->call->struct_size : 8);
	return number;
}

static int64_t call_memory_usage(const struct running *run)
{
	const struct mm *mm = task_mm(run->task);
	struct call_memory_usage usage = {.vm_pinned = mm_pinned(mm) << SIM_PAGE_SHIFT,
		.vm_locked = mm_locked(mm) << SIM_PAGE_SHIFT};

	memcpy(run->image, &usage, sizeof(usage));
	return 0;
}

static int64_t run_system(const struct running *run)
{
	struct task *task = run->task;
	struct call_memfd memfd;

	switch ((enum call_id)(run->call->row - call_rows)) {
	case CALL_ID_open: return call_open_node(run);
	case CALL_ID_close: return sim_close(task, descriptor(run));
	case CALL_ID_dup: return sim_dup(task, descriptor(run));
	case CALL_ID_pass: return sim_pass(task, descriptor(run), (unsigned)run->call->name);
	case CALL_ID_read: return call_transfer(run, false);
	case CALL_ID_write: return call_transfer(run, true);
	case CALL_ID_poll: return sim_poll(task, descriptor(run), (uint32_t)first_number(run));
	case CALL_ID_mmap: return call_map_memory(run);
	case CALL_ID_munmap:
	case CALL_ID_mprotect: return call_address_space(run);
	case CALL_ID_memfd:
		memcpy(&memfd, run->image, sizeof(memfd));
		if (memfd.flags & CALL_MEMFD_HUGETLB && !has_huge_pages(run))
			return -EINVAL;
		return sim_memfd(task, memfd.size, memfd.flags);
	case CALL_ID_ftruncate: return sim_ftruncate(task, descriptor(run), first_number(run));
	case CALL_ID_put:
	case CALL_ID_expect:
	case CALL_ID_fill: return call_memory_of_program(run);
	case CALL_ID_ioctl: return call_raw_ioctl(run);
	case CALL_ID_fork: return sim_fork(task, (unsigned)run->call->name);
	case CALL_ID_exec: return sim_exec(task);
	case CALL_ID_exit: return sim_exit(task);
	case CALL_ID_process: return call_spawn(run);
	case CALL_ID_setrlimit: return sim_setrlimit_memlock(task, first_number(run));
	case CALL_ID_setcaps:
		return sim_setcaps(task, capabilities_of((uint32_t)first_number(run)));
	case CALL_ID_memory_usage: return call_memory_usage(run);
	default: return -ENOSYS;
	}
}

/* -- in-kernel interfaces -- */

static int64_t call_create(const struct running *run)
{
	struct call_access_create arguments;

	memcpy(&arguments, run->image, sizeof(arguments));
	int64_t handle = kernel_access_create(
		run->task, descriptor(run), arguments.flags, &arguments.out_access_id);
	if (handle < 0)
		return handle;
	arguments.out_access = (uint32_t)handle;
	memcpy(run->image, &arguments, sizeof(arguments));
	return 0;
}

static int64_t call_pin(const struct running *run, bool pin)
{
	struct call_access_pin arguments;

	memcpy(&arguments, run->image, sizeof(arguments));
	return pin ? kernel_access_pin(run->task, run->call->subject, arguments.iova,
			     arguments.length, arguments.flags)
		   : kernel_access_unpin(
			     run->task, run->call->subject, arguments.iova, arguments.length);
}

static int64_t call_rw(const struct running *run)
{
	struct call_access_rw arguments;

	memcpy(&arguments, run->image, sizeof(arguments));
	return kernel_access_rw(run->task, run->call->subject, arguments.iova, arguments.length,
		arguments.buffer, arguments.flags);
}

static int64_t call_dma(const struct running *run, int write)
{
	struct call_dma arguments;

	memcpy(&arguments, run->image, sizeof(arguments));
	return kernel_dma(run->task, descriptor(run), arguments.dev_id, arguments.pasid,
		arguments.iova, arguments.length, arguments.buffer, write);
}

static int64_t run_kernel(const struct running *run)
{
	struct task *task = run->task;
	uint64_t subject = run->call->subject;

	switch ((enum call_id)(run->call->row - call_rows)) {
	case CALL_ID_access_create: return call_create(run);
	case CALL_ID_access_attach:
		return kernel_access_attach(task, subject, (uint32_t)first_number(run));
	case CALL_ID_access_replace:
		return kernel_access_replace(task, subject, (uint32_t)first_number(run));
	case CALL_ID_access_detach: return kernel_access_detach(task, subject);
	case CALL_ID_access_destroy: return kernel_access_destroy(task, subject);
	case CALL_ID_access_pin: return call_pin(run, true);
	case CALL_ID_access_unpin: return call_pin(run, false);
	case CALL_ID_access_rw: return call_rw(run);
	case CALL_ID_dma_read: return call_dma(run, 0);
	case CALL_ID_dma_write: return call_dma(run, 1);
	default: return -ENOSYS;
	}
}

/* -- all calls -- */

static void write_literals(const struct running *run)
{
	for (uint32_t i = 0; i < run->call->literal_count; i++) {
		const struct resolved_literal *literal = &run->call->literals[i];

		poke(run, literal->address, literal->bytes, literal->count);
	}
}

static void run_ioctl(const struct running *run, struct call_outcome *outcome)
{
	const struct resolved_call *call = run->call;

	poke(run, call->at, call->image, call->image_size);
	outcome->result = sim_ioctl(run->task, descriptor(run), call->row->number, call->at);
	/* A callback may have ended or replaced the process. */
	uninterrupted_begin(run);
	if (sim_process(run->target->sim, call->process)) {
		outcome->image_size = (uint32_t)mm_peek(
			task_mm(run->task), call->at, run->image, call->struct_size);
		outcome->image = run->image;
	}
	uninterrupted_end();
}

/* One failure at a time: calls in the callbacks of a call with a failure have none of their own. */
static void arm(const struct running *run)
{
	const struct resolved_call *call = run->call;

	run->target->armed = true;
	if (call->fail == FAIL_POINT)
		fault_arm(run->task, (enum fault_point)call->fail_point, false, call->fail_nth);
	else if (call->fail == FAIL_NTH)
		fault_arm(run->task, FAULT_ALLOC, true, call->fail_nth);
}

static void disarm(const struct running *run, struct call_outcome *outcome)
{
	enum fault_point point;
	uint32_t nth;

	if (fault_reached(run->task, &point, &nth)) {
		outcome->fail_point = (uint8_t)point;
		outcome->fail_nth = (uint16_t)nth;
	}
	outcome->injected = fault_disarm(run->task, &outcome->faults_passed);
	run->target->armed = false;
}

static void run_call(
	struct target *target, const struct resolved_call *call, struct call_outcome *outcome)
{
	struct running run = {
		.target = target,
		.task = sim_task(target->sim, call->process, call->thread),
		.call = call,
		.image = target->images[call->thread % EXEC_THREADS][call->depth % DEPTHS],
	};

	*outcome = (struct call_outcome){0};
	if (!run.task) {
		outcome->result = -ESRCH;
		return;
	}
	if (call->literal_count)
		write_literals(&run);
	bool armed = call->fail != FAIL_NONE && !target->armed;
	if (armed)
		arm(&run);
	if (call->row->kind == CALL_IOCTL) {
		run_ioctl(&run, outcome);
	} else {
		memcpy(run.image, call->image, call->struct_size);
		outcome->result =
			call->row->kind == CALL_KERNEL ? run_kernel(&run) : run_system(&run);
		outcome->image_size = call->struct_size;
		outcome->image = run.image;
	}
	if (armed)
		disarm(&run, outcome);
}

/*
 * Exit and exec wait until no other thread of the process is in a call. The simulated kernel knows
 * calls by their entry only; here they begin with arguments put into memory that must still be
 * there, and end with reading it.
 */
static void call_through_gates(
	struct target *target, const struct resolved_call *call, struct call_outcome *outcome)
{
	enum call_id row = (enum call_id)(call->row - call_rows);
	pthread_rwlock_t *own = &target->gates[call->process % PROG_PROCESS_MAX];
	pthread_rwlock_t *other =
		row == CALL_ID_pass && call->name < PROG_PROCESS_MAX && call->name != call->process
			? &target->gates[call->name]
			: NULL;

	if (row == CALL_ID_exit || row == CALL_ID_exec)
		pthread_rwlock_wrlock(own);
	else
		pthread_rwlock_rdlock(own);
	if (other)
		pthread_rwlock_rdlock(other);
	run_call(target, call, outcome);
	if (other)
		pthread_rwlock_unlock(other);
	pthread_rwlock_unlock(own);
}

static void inproc_call(
	struct target *target, const struct resolved_call *call, struct call_outcome *outcome)
{
	if (call->thread && !call->depth && !target->scheduler)
		call_through_gates(target, call, outcome);
	else
		run_call(target, call, outcome);
}

const struct target_class target_inproc = {
	.name = "inproc",
	.open = inproc_open,
	.close = inproc_close,
	.reset = inproc_reset,
	.call = inproc_call,
	.has = inproc_has,
	.schedule = inproc_schedule,
	.abandon = inproc_abandon,
	.finish = inproc_finish,
};
