/* SPDX-License-Identifier: Apache-2.0 */
/* Traces: the processes of the program, who made them, what they may do. */
#include <inttypes.h>

#include "impl/sim/sim.h"
#include "tools/shim_trace_private.h"

static void print_capabilities(FILE *out, uint32_t capabilities)
{
	static const struct {
		uint32_t bit;
		const char *name;
	} known[] = {{SIM_CAP_IPC_LOCK, "IPC_LOCK"}, {SIM_CAP_SYS_RESOURCE, "SYS_RESOURCE"},
		{SIM_CAP_SYS_RAWIO, "SYS_RAWIO"}};
	const char *between = "";

	for (unsigned n = 0; n < 3; n++) {
		if (!(capabilities & known[n].bit))
			continue;
		fprintf(out, "%s%s", between, known[n].name);
		between = "|";
	}
	if (!*between)
		fputc('0', out);
	fputc('\n', out);
}

/* NULL: it is not known. */
static struct trace_process *find_process(struct shim_trace *trace, int pid)
{
	for (unsigned n = trace->process_count; n-- > 0;)
		if (trace->processes[n].pid == pid)
			return &trace->processes[n];
	return NULL;
}

static unsigned number_of(const struct shim_trace *trace, const struct trace_process *process)
{
	return (unsigned)(process - trace->processes);
}

/* NULL: there are too many, and the trace ends. */
static struct trace_process *free_process(struct shim_trace *trace)
{
	struct trace_process *process = find_process(trace, 0);

	if (process)
		trace_space_end(&process->space);
	else if (trace->process_count < PROG_PROCESS_MAX)
		process = &trace->processes[trace->process_count++];
	else
		trace_cut(trace, "a program has at most 8 processes at a time");
	return process;
}

static struct trace_process *fork_process(
	struct shim_trace *trace, struct trace_process *parent, int pid)
{
	struct trace_process *child = free_process(trace);
	unsigned number;

	if (!child)
		return NULL;
	number = number_of(trace, child);
	trace_line(trace, number_of(trace, parent), CALL_ID_fork, "fork P%u", number + 1);
	*child = (struct trace_process){
		.pid = pid, .capabilities = parent->capabilities, .memlock = parent->memlock};
	trace_space_copy(&child->space, &parent->space);
	trace_fork_names(trace, number_of(trace, parent), number);
	return child;
}

static struct trace_process *new_process(struct shim_trace *trace, const struct shim_seen *seen)
{
	struct trace_process *parent = find_process(trace, seen->parent), *process;

	if (parent && seen->parent)
		return fork_process(trace, parent, seen->pid);
	process = free_process(trace);
	if (!process)
		return NULL;
	*process = (struct trace_process){
		.pid = seen->pid, .capabilities = seen->capabilities, .memlock = seen->memlock};
	if (process == trace->processes) {
		trace->first_capabilities = seen->capabilities;
		trace->first_memlock = seen->memlock;
		/* The header knows all and none of them. */
		process->capabilities = seen->capabilities == SIM_CAP_ALL ? SIM_CAP_ALL : 0;
	} else {
		/* P1 makes processes that no other has forked. */
		FILE *out = trace_begin(trace, 0, CALL_ID_process);

		fprintf(out, "process P%u memlock=%" PRIu64 " caps=", number_of(trace, process) + 1,
			seen->memlock);
		print_capabilities(out, seen->capabilities);
	}
	return process;
}

bool trace_current_process(struct shim_trace *trace, const struct shim_seen *seen, unsigned *number)
{
	struct trace_process *process = find_process(trace, seen->pid);

	if (!process)
		process = new_process(trace, seen);
	if (!process)
		return false;
	*number = number_of(trace, process);
	if (process->memlock != seen->memlock) {
		trace_line(trace, *number, CALL_ID_setrlimit, "setrlimit memlock=%" PRIu64,
			seen->memlock);
		process->memlock = seen->memlock;
	}
	if (process->capabilities != seen->capabilities) {
		FILE *out = trace_begin(trace, *number, CALL_ID_setcaps);

		fputs("setcaps caps=", out);
		print_capabilities(out, seen->capabilities);
		process->capabilities = seen->capabilities;
	}
	return true;
}

void trace_born(struct shim_trace *trace, const struct shim_seen *seen, unsigned parent, int pid)
{
	if (pid != seen->pid && !find_process(trace, pid))
		fork_process(trace, &trace->processes[parent], pid);
}

void trace_process_ended(struct shim_trace *trace, int pid)
{
	struct trace_process *process = find_process(trace, pid);

	/* P1 stays: it makes processes and has the files of memory. */
	if (!process || process == trace->processes)
		return;
	trace_line(trace, number_of(trace, process), CALL_ID_exit, "exit");
	trace_end_names(trace, number_of(trace, process));
	process->pid = 0;
}
