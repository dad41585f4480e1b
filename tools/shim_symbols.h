/* SPDX-License-Identifier: Apache-2.0 */
/* Names for addresses in processes that may have ended by the time they are shown. */
#ifndef IOMMUZZ_TOOLS_SHIM_SYMBOLS_H
#define IOMMUZZ_TOOLS_SHIM_SYMBOLS_H

#include <stdint.h>
#include <stdio.h>

struct shim_symbols;

/* NULL: memory. */
struct shim_symbols *shim_symbols_start(void);
void shim_symbols_end(struct shim_symbols *symbols);
/* While the process is there: remembers what its addresses are, if they are new. */
void shim_symbols_note(
	struct shim_symbols *symbols, int pid, const uint64_t *frames, uint32_t count);
/* A line for each frame that is not the preload library's, with that indentation. */
void shim_symbols_print(struct shim_symbols *symbols, int pid, const uint64_t *frames,
	uint32_t count, const char *indentation, FILE *out);

#endif
