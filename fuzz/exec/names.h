/* SPDX-License-Identifier: Apache-2.0 */
/* Results and addresses as programs write them, for messages. Used by exec, oracle and tools. */
#ifndef IOMMUZZ_FUZZ_EXEC_NAMES_H
#define IOMMUZZ_FUZZ_EXEC_NAMES_H

#include <stddef.h>
#include <stdint.h>

/* A result as text: "0", "3", "EINVAL", "-4095". Writes to buffer and returns it. */
char *result_text(char *buffer, size_t size, int64_t result);
/* An address as text: "mem+0x1000" inside mem, "arguments+0x20" inside the argument area, else
 * hexadecimal. */
char *address_text(char *buffer, size_t size, uint64_t address);

#endif
