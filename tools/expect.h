/* SPDX-License-Identifier: Apache-2.0 */
/* Expectations that nobody wrote: what the reference model answers. */
#ifndef IOMMUZZ_TOOLS_EXPECT_H
#define IOMMUZZ_TOOLS_EXPECT_H

#include <stdint.h>

#include "fuzz/prog/prog.h"

/*
 * Runs the program on the reference model (kernel: profile of one that names none, 0: newest) and
 * writes the results, and the numbers in output fields, as expectations of its calls; those that
 * were there are replaced. Nothing is expected of ids, which users of a program need not number
 * alike, nor from the first call on that is to fail by injection, since only the implementation
 * knows what is injected. False when memory is short or the model cannot run the program; then
 * there are no expectations.
 */
bool expect_from_model(struct prog_text *text, uint16_t kernel);

#endif
