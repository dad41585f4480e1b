/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The running kernel as a target: resolved calls become real system calls. What a machine offers is
 * probed (live_probe), never assumed, and nothing on it is changed but what a program opens itself.
 *
 * One live target a process at a time: mem and the argument windows lie at the addresses that all
 * targets share, in the calling process, whose descriptors from 0 on belong to the program. A
 * caller that has state of its own forks first (tools/suite_pool.c, tools/agent.c).
 */
#ifndef IOMMUZZ_FUZZ_EXEC_TARGET_LIVE_H
#define IOMMUZZ_FUZZ_EXEC_TARGET_LIVE_H

#include "fuzz/exec/target.h"

extern const struct target_class target_live;

/* What this machine has. Plain data: it crosses pipes and VM channels as it is. */
struct live_probe {
	char release[96];	/* uname -r */
	char version[128];	/* uname -v */
	char config_digest[17]; /* XXH64 of /proc/config.gz or /boot/config-RELEASE as text, in hex;
				   empty: none */
	uint16_t kernel;	/* LINUX(major, minor), cut to LINUX_NEWEST */
	uint8_t has_iommu;	/* /dev/iommu opens */
	uint8_t has_test;	/* IOMMU_TEST_CMD answers and its mock devices attach */
	uint8_t is_root;
	uint8_t has_faults;	  /* failures can be injected (specification 14) */
	uint8_t has_capabilities; /* those that programs need, beside being root */
	uint8_t reserved;
	uint32_t needs;	      /* enum call_needs and prog_needs that are met */
	char missing[20][80]; /* reason for bit n of needs that is not met, else empty */
	uint8_t answers[256]; /* ioctl number of /dev/iommu, low byte: 1 the kernel knows it */
	uint32_t iommu_groups, hugepages_2m;
	char no_iommu[120];   /* has_iommu 0: why, one line */
	char no_faults[80];   /* has_faults 0: why */
	char mdev_types[200]; /* mediated devices that could be made: "mtty-1 mtty-2", cut to size
				 at a blank; empty: none */
};

/* Probes once a call; opens and closes descriptors of its own and leaves nothing behind. */
void live_probe(struct live_probe *probe);

/*
 * Reports of the kernel (warning, oops, KASAN, lockdep, hung task, ...). The reader sees records
 * that come after it was opened or last read. NULL when /dev/kmsg cannot be read; *reason says why.
 */
struct kernel_log;
struct kernel_log *kernel_log_open(const char **reason);
void kernel_log_close(struct kernel_log *log);
/*
 * Takes all new records. True when a report is among them: its lines are in text, cut to size, and
 * title has the first line without time and process, as "WARNING: CPU: 1 PID: 7 at f.c:3".
 */
bool kernel_log_report(
	struct kernel_log *log, char *title, size_t title_size, char *text, size_t size);

/*
 * For watchers in another process: which call is under way. Lives in memory that the parent shares;
 * NULL (the default): not told. Set before exec_open.
 */
struct live_progress {
	volatile uint32_t call; /* 1 + index in the program, 0 between calls */
	volatile uint32_t hung; /* 1 + index of a call that took longer than allowed */
};
void target_live_watch(struct live_progress *progress, unsigned call_seconds);

/*
 * While a live target is open, descriptors 0 to 1023 are the program's: those of the harness that
 * were open there are put away and come back with close, and are closed for its use meanwhile. One
 * that is needed meanwhile is moved out of the way first; the new number, or -1.
 */
int target_live_keep(int fd);
/* Tests only: opens also where there is no /dev/iommu; then open fails as a call. */
void target_live_without_iommu(bool allowed);
/*
 * Tests only, for targets that are opened later: after each call all memory of the process is
 * compared, which shows whether the quick way misses a change.
 */
void target_live_check_all(bool wanted);
/*
 * After finish: whether pages of the program's memory (its first 2 MiB) are still pinned, although
 * every descriptor is closed. False also where the kernel cannot be asked (no IOMMU_TEST).
 */
bool target_live_pinned(const struct target *target);
/* Why results of the last program say nothing about the kernel, or NULL. */
const char *target_live_excuse(const struct target *target);

#endif
