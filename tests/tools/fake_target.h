/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IOMMUZZ_TESTS_TOOLS_FAKE_TARGET_H
#define IOMMUZZ_TESTS_TOOLS_FAKE_TARGET_H

#include "fuzz/exec/target.h"

/* A target that keeps nothing, has whatever a program needs, and answers calls with `call`. */
struct target_class fake_target(
	const char *name, void (*call)(struct target *target, const struct resolved_call *call,
				  struct call_outcome *outcome));

#endif
