/* SPDX-License-Identifier: Apache-2.0 */
/* The catalogue's rows, prepared for the decoder: going through all fields of each call would take
 * half of its time. */
#include <pthread.h>

#include "fuzz/prog/binary_private.h"

static struct binary_plan plans[CALL_ID_COUNT];
static pthread_once_t plans_once = PTHREAD_ONCE_INIT;

static unsigned part_of(const struct field *field)
{
	switch (field->kind) {
	case FIELD_SIZE:
	case FIELD_TAIL:
	case FIELD_AT: return PART_FRAMING;
	case FIELD_RESERVED: return PART_SPARE;
	case FIELD_USER_POINTER: return 0;
	default:
		if (field->direction != FIELD_OUT)
			return 0;
		return field->width ? PART_SPARE : PART_NEVER;
	}
}

static void make_plan(struct binary_plan *plan, const struct call_row *row)
{
	uint8_t fields[CALL_OUTPUT_MAX];
	int outputs = call_outputs(row, fields);

	for (uint8_t i = 0; i < row->field_count; i++) {
		plan->parts[i] = (uint8_t)part_of(&row->fields[i]);
		if (!plan->parts[i])
			plan->usual[plan->usual_count++] = i;
	}
	plan->output_count = (uint8_t)outputs;
	for (int i = 0; i < outputs; i++) {
		enum resource resource = (enum resource)row->fields[fields[i]].resource;
		bool depends = resource == RESOURCE_ANY_FD || row->kind == CALL_SYSTEM;

		plan->outputs[i] = (uint8_t)(depends ? RESOURCE_NONE : resource);
	}
}

static void make_plans(void)
{
	for (unsigned i = 0; i < CALL_ID_COUNT; i++)
		make_plan(&plans[i], &call_rows[i]);
}

const struct binary_plan *binary_plans(void)
{
	pthread_once(&plans_once, make_plans);
	return plans;
}
