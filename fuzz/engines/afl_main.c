/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Main of a fuzz target under AFL++: persistent mode, test cases through shared memory. The driver
 * that afl-clang-fast would link is not used, because the number of runs in one process is ours to
 * choose.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RUNS_IN_ONE_PROCESS 10000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
__attribute__((weak)) int LLVMFuzzerInitialize(int *argc, char ***argv);

__AFL_FUZZ_INIT();

int main(int argc, char **argv)
{
	if (LLVMFuzzerInitialize)
		LLVMFuzzerInitialize(&argc, &argv);
	__AFL_INIT();
	/* Has to be read before the loop starts. */
	const uint8_t *shared = __AFL_FUZZ_TESTCASE_BUF;
	while (__AFL_LOOP(RUNS_IN_ONE_PROCESS)) {
		size_t size = (size_t)__AFL_FUZZ_TESTCASE_LEN;
		/* A block of the exact size: reads past the input are seen, and the engine's copy
		 * is safe. */
		uint8_t *data = malloc(size ? size : 1);
		if (!data)
			abort();
		memcpy(data, shared, size);
		LLVMFuzzerTestOneInput(data, size);
		free(data);
	}
	return 0;
}
