/* SPDX-License-Identifier: Apache-2.0 */
/* A kernel under QEMU whose init is `iommuzz agent`: started, talked to, ended. */
#ifndef IOMMUZZ_TOOLS_VM_H
#define IOMMUZZ_TOOLS_VM_H

#include <stdbool.h>
#include <sys/types.h>

#include "tools/agent.h"
#include "tools/vm_content.h"

struct vm_config {
	const char *kernel; /* folder as `ci/live-kernel build` prints it, or a bzImage */
	const char *binary; /* static iommuzz that becomes init; NULL: this one if it is static */
	const struct vm_content *content; /* more files in its root, NULL: none */
	bool no_iommu;			  /* boots without the virtual IOMMU (mock tests of 6.12) */
	unsigned boot_seconds;		  /* 0: 60 */
	unsigned memory_mib;		  /* 0: 4096 */
	unsigned cpus; /* 0: 2. One is faster where programs run one after another */
};

struct vm {
	pid_t pid;
	int channel;	  /* stream to the agent: programs and results, never the console */
	int console, log; /* what the kernel and what QEMU print: files without a name */
	struct agent_hello hello;
};

/* Boots and waits for the agent's hello. False with one line in reason that names the kernel or the
 * file at fault. Nothing is left on disk, whatever ends the caller, and QEMU dies with it. */
bool vm_start(struct vm *vm, const struct vm_config *config, char *reason, size_t size);
/* Ends one that has started (AGENT_QUIT, then SIGKILL) and gives the last console lines when text
 * is not NULL. */
void vm_stop(struct vm *vm, char *text, size_t size);

#endif
