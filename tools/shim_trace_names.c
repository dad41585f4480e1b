/* SPDX-License-Identifier: Apache-2.0 */
/* Traces: what the program's descriptors, ids and IOVAs are called. */
#include "tools/shim_trace_private.h"
#include "tools/tool.h"

static bool same_file(struct shim_key a, struct shim_key b)
{
	return a.inode == b.inode && a.device == b.device;
}

unsigned trace_add_name(struct shim_trace *trace, const struct trace_name *name)
{
	if (trace->name_count == trace->name_room) {
		trace->name_room = trace->name_room ? trace->name_room * 2 : 64;
		trace->names = tool_grow(trace->names, trace->name_room, sizeof(*trace->names));
	}
	trace->names[trace->name_count++] = *name;
	return name->number;
}

struct trace_name *trace_find_descriptor(
	struct shim_trace *trace, unsigned process, struct shim_key key)
{
	for (unsigned n = trace->name_count; n-- > 0;) {
		struct trace_name *name = &trace->names[n];

		if (name->descriptor && name->process == process && same_file(name->key, key))
			return name;
	}
	return NULL;
}

unsigned trace_find_id(
	const struct shim_trace *trace, struct shim_key context, uint8_t class, uint64_t id)
{
	for (unsigned n = trace->name_count; n-- > 0;) {
		const struct trace_name *name = &trace->names[n];

		if (!name->descriptor && name->class == class && name->id == id &&
			same_file(name->key, context))
			return name->number;
	}
	return 0;
}

const struct trace_name *trace_find_iova(
	const struct shim_trace *trace, struct shim_key context, uint64_t iova)
{
	for (unsigned n = trace->name_count; n-- > 0;) {
		const struct trace_name *name = &trace->names[n];

		if (!name->descriptor && name->class == CLASS_IOVA && iova >= name->id &&
			iova - name->id < name->length && same_file(name->key, context))
			return name;
	}
	return NULL;
}

unsigned trace_descriptor(struct shim_trace *trace, unsigned process, struct shim_key key)
{
	const struct trace_name *name = trace_find_descriptor(trace, process, key);
	struct trace_name passed;
	unsigned other;

	if (name)
		return name->number;
	for (other = 0; !name && other < trace->process_count; other++)
		name = trace_find_descriptor(trace, other, key);
	if (!name)
		return 0;
	passed = *name;
	passed.process = process;
	passed.number = ++trace->names_given;
	trace_line(trace, name->process, CALL_ID_pass, "o%u = pass o%u P%u", passed.number,
		name->number, process + 1);
	return trace_add_name(trace, &passed);
}

void trace_fork_names(struct shim_trace *trace, unsigned parent, unsigned child)
{
	unsigned count = trace->name_count;

	for (unsigned n = 0; n < count; n++) {
		struct trace_name copy = trace->names[n];

		if (!copy.descriptor || copy.process != parent)
			continue;
		copy.process = child;
		trace_add_name(trace, &copy);
	}
}

void trace_close_names(struct shim_trace *trace, struct shim_key key)
{
	for (unsigned n = 0; n < trace->name_count; n++) {
		struct trace_name *name = &trace->names[n];

		if (!name->descriptor || !same_file(name->key, key))
			continue;
		trace_line(trace, name->process, CALL_ID_close, "close o%u", name->number);
		name->key = (struct shim_key){0, 0};
	}
}

void trace_end_names(struct shim_trace *trace, unsigned process)
{
	for (unsigned n = 0; n < trace->name_count; n++) {
		if (trace->names[n].descriptor && trace->names[n].process == process)
			trace->names[n].key = (struct shim_key){0, 0};
	}
}
