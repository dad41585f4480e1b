/* SPDX-License-Identifier: Apache-2.0 */
#include "impl/sim/fault.h"

#include <errno.h>
#include <string.h>

#include "impl/sim/sim_private.h"

static const struct {
	const char *name;
	int error;
} points[FAULT_POINT_COUNT] = {
#define FAULT_POINT(identifier, name, error, what) [FAULT_##identifier] = {name, error},
#include "impl/abi/fault_points.def"
#undef FAULT_POINT
};

bool fault_here(struct task *task, enum fault_point point)
{
	struct fault_state *fault = &task->fault;

	if (__builtin_expect(!fault->armed, 1) || (!fault->any && fault->point != point))
		return false;
	fault->passed_of[point]++;
	if (++fault->passed != fault->nth)
		return false;
	fault->hit = true;
	fault->point = point;
	fault->nth_of_point = fault->passed_of[point];
	return true;
}

void fault_arm(struct task *task, enum fault_point point, bool any, uint32_t nth)
{
	task->fault = (struct fault_state){.armed = true, .any = any, .point = point, .nth = nth};
}

bool fault_reached(const struct task *task, enum fault_point *point, uint32_t *nth)
{
	const struct fault_state *fault = &task->fault;

	*point = fault->point;
	*nth = fault->hit ? fault->nth_of_point : 0;
	return fault->hit;
}

uint32_t fault_passed(const struct task *task)
{
	return task->fault.passed;
}

bool fault_pause(struct task *task)
{
	bool armed = task->fault.armed;

	task->fault.armed = false;
	return armed;
}

void fault_resume(struct task *task)
{
	task->fault.armed = true;
}

bool fault_disarm(struct task *task, uint32_t *passed)
{
	bool hit = task->fault.hit;

	if (passed)
		*passed = task->fault.passed;
	task->fault = (struct fault_state){.armed = false};
	return hit;
}

const char *fault_point_name(enum fault_point point)
{
	return point < FAULT_POINT_COUNT ? points[point].name : "none";
}

int fault_point_error(enum fault_point point)
{
	return point < FAULT_POINT_COUNT ? points[point].error : 0;
}

enum fault_point fault_point_find(const char *name, unsigned length)
{
	unsigned point;

	for (point = 0; point < FAULT_POINT_COUNT; point++) {
		if (strlen(points[point].name) == length &&
			!memcmp(points[point].name, name, length))
			break;
	}
	return (enum fault_point)point;
}
