/* SPDX-License-Identifier: Apache-2.0 */
/* Results and addresses as programs write them. */
#include "fuzz/exec/names.h"

#include <inttypes.h>
#include <stdio.h>

#include "fuzz/exec/target.h"
#include "fuzz/prog/names.h"
#include "fuzz/prog/prog.h"

char *result_text(char *buffer, size_t size, int64_t result)
{
	const char *name = result < 0 && result >= -4095 ? names_errno((int)-result) : NULL;

	if (name)
		snprintf(buffer, size, "%s", name);
	else
		snprintf(buffer, size, "%" PRId64, result);
	return buffer;
}

char *address_text(char *buffer, size_t size, uint64_t address)
{
	if (address >= PROG_MEM_BASE && address < PROG_MEM_BASE + (UINT64_C(1) << 34))
		snprintf(buffer, size, "mem+0x%" PRIx64, address - PROG_MEM_BASE);
	else if (address >= EXEC_ARGUMENT_BASE &&
		 address < EXEC_ARGUMENT_BASE + (uint64_t)EXEC_ARGUMENT_SIZE * EXEC_THREADS)
		snprintf(buffer, size, "arguments+0x%" PRIx64, address - EXEC_ARGUMENT_BASE);
	else
		snprintf(buffer, size, "0x%" PRIx64, address);
	return buffer;
}
