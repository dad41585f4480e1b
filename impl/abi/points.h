/* SPDX-License-Identifier: Apache-2.0 */
/* Named fault points and scheduling points; programs refer to both by these names. */
#ifndef IOMMUZZ_ABI_POINTS_H
#define IOMMUZZ_ABI_POINTS_H

enum fault_point {
#define FAULT_POINT(identifier, name, error, what) FAULT_##identifier,
#include "fault_points.def"
#undef FAULT_POINT
	FAULT_POINT_COUNT
};

enum schedule_point {
#define SCHEDULE_POINT(identifier, name) SCHEDULE_##identifier,
#include "schedule_points.def"
#undef SCHEDULE_POINT
	SCHEDULE_POINT_COUNT
};

#endif
