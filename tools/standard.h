/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The standard program, by which budgets are measured (DESIGN.md section 8): open, IOAS_ALLOC, four
 * maps, four unmaps, close.
 */
#ifndef IOMMUZZ_TOOLS_STANDARD_H
#define IOMMUZZ_TOOLS_STANDARD_H

extern const char standard_source[];

#endif
