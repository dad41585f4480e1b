/* SPDX-License-Identifier: Apache-2.0 */
/* The run of the oracles, shared by oracle*.c only. */
#ifndef IOMMUZZ_FUZZ_ORACLE_ORACLE_PRIVATE_H
#define IOMMUZZ_FUZZ_ORACLE_ORACLE_PRIVATE_H

#include "fuzz/oracle/audit.h"
#include "fuzz/oracle/interleave.h"
#include "fuzz/oracle/isolation.h"
#include "fuzz/oracle/lockstep.h"
#include "fuzz/oracle/rollback.h"
#include "fuzz/schedule/strategy.h"

struct oracle_run {
	struct lockstep pair;
	uint32_t oracles;
	uint32_t number;		/* steps since begin */
	uint64_t work_limit, work_left; /* of the program and its sweeps; limit 0: none */
	bool driver_ran; /* the program itself was a driver: in-kernel calls, callbacks */
	const char *skipped;
	struct scheduler *scheduler; /* of the implementation's threads */
	struct strategy
		*strategy; /* whoever runs the program set it; NULL: what the program says */
	bool parallel;	   /* threads run at once */
	struct interleave *interleave;
	struct audit *audit;
	struct isolation *isolation;
	struct rollback *rollback;
};

/* oracle.c: a fresh machine for audit, isolation and reports. */
void oracle_machine_begin(struct oracle_run *run);
/* What the machine itself reported since the last time. in_kernel: the program was the driver. */
bool oracle_machine_step(
	struct oracle_run *run, uint32_t call, bool in_kernel, struct finding *finding);
/* oracle_threads.c: one run of a program with threads. As oracle_run_program. */
bool oracle_run_threads(struct oracle_run *run, const struct prog *prog, struct finding *finding);

#endif
