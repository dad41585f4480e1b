/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Programs on /dev/iommu: decodes the input, runs it on the implementation with every oracle on.
 * Threads and schedules are dropped first: nearly all random bytes decode to some, and a program
 * with threads is not run yet.
 */
#include "fuzz/prog/binary.h"
#include "fuzz/targets/finding.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct oracle_run *run;
	static struct prog prog;
	static bool ready;

	if (!ready) {
		prog_init(&prog);
		ready = true;
	}
	prog_decode(&prog, data, size);
	prog_strip_threads(&prog);
	run_and_report(&run, &prog);
	end_input(&run, &prog);
	return 0;
}
