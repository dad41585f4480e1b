/* SPDX-License-Identifier: Apache-2.0 */
/* Results that `check --json` has written: read back, and two of them compared. */
#ifndef IOMMUZZ_TOOLS_COMPARE_H
#define IOMMUZZ_TOOLS_COMPARE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "tools/suite.h"

struct compare_test {
	const char *id;
	enum test_status status;
	const char *why;  /* the message, or the reason; never NULL */
	bool from_kernel; /* why is the kernel's: its numbers are those of one run */
	size_t at;	  /* place in the file */
};

/* Texts belong to root and are never NULL. */
struct compare_results {
	const char *path;
	const char *target, *release, *config, *suite;
	struct compare_test *tests; /* by id, then place */
	size_t count;
	bool interrupted; /* not all tests ran */
	struct cJSON *root;
};

/* The JSON of a file, to be deleted; NULL after an error that names file, line and column. */
struct cJSON *compare_parse(const char *path);
/* Whether results are those of a run that was interrupted. */
bool compare_is_interrupted(const struct cJSON *root);

/* False after an error that names file and place; results can be freed all the same. */
bool compare_load(const char *path, struct compare_results *results);
void compare_free(struct compare_results *results);
/* Prints the differences and their numbers. The number of new failures. */
size_t compare_print(
	const struct compare_results *old, const struct compare_results *new, FILE *out);

#endif
