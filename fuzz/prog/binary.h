/* SPDX-License-Identifier: Apache-2.0 */
/* The binary form: compact, versioned, total. Layout: docs/BINARY.md. */
#ifndef IOMMUZZ_FUZZ_PROG_BINARY_H
#define IOMMUZZ_FUZZ_PROG_BINARY_H

#include "fuzz/prog/prog.h"

/* Decodes any byte string into an initialised program (cleared first). Never fails; at most
 * PROG_CALL_MAX calls. */
void prog_decode(struct prog *prog, const uint8_t *data, size_t size);
/*
 * Encodes; decode(encode(p)) == p for every program that prog_repair leaves alone. Returns the
 * number of bytes needed; writes at most `room` of them.
 */
size_t prog_encode(const struct prog *prog, uint8_t *out, size_t room);

#endif
