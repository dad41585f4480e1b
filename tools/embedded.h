/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files of the source tree that are compiled in, so that a test machine needs one file only: all of
 * conformance/ but its prose, and corpus/regress. Sorted by path.
 */
#ifndef IOMMUZZ_TOOLS_EMBEDDED_H
#define IOMMUZZ_TOOLS_EMBEDDED_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct embedded_file {
	const char *path; /* from the root of the tree: "conformance/map/x.prog" */
	const uint8_t *bytes, *end;
};

extern const struct embedded_file embedded_files[];
extern const size_t embedded_count;

/* The file of that path, or NULL. */
const struct embedded_file *embedded_find(const char *path);
/* A compiled-in file where nothing lies at that path, else files_read; to be freed. */
uint8_t *embedded_or_file(const char *path, size_t *size);
/* XXH64 over paths and bytes of all of them and over the catalogue: the same in every build of the
 * same sources. */
uint64_t embedded_digest(void);
/* XXH64 over what write writes and the catalogue. 0 when memory is short. */
uint64_t embedded_digest_of(void (*write)(const void *context, FILE *out), const void *context);

#endif
