/* SPDX-License-Identifier: Apache-2.0 */
/* System calls of the simulated machine, made by a task. Results >= 0 or negative errno. */
#ifndef IOMMUZZ_SIM_SYSCALL_H
#define IOMMUZZ_SIM_SYSCALL_H

#include <stdint.h>

#include "impl/sim/sim.h"

/*
 * As the system calls of those names. at and addr are addresses in the caller's memory, lengths are
 * bytes, prot and flags those of enum call_prot and enum call_map_flags, fds the process's own.
 */
int64_t sim_open(struct task *task, const char *path);
/* Which node (enum file_node) that path is on the task's machine, -ENOENT: none. 1.1/2 */
int sim_node(struct task *task, const char *path);
int64_t sim_close(struct task *task, int fd);
int64_t sim_dup(struct task *task, int fd);
/* The same file as a new descriptor of another process. */
int64_t sim_pass(struct task *task, int fd, unsigned process);
int64_t sim_ioctl(struct task *task, int fd, uint32_t command, uint64_t argument);
int64_t sim_read(struct task *task, int fd, uint64_t at, uint64_t length);
int64_t sim_write(struct task *task, int fd, uint64_t at, uint64_t length);
/* Events that are ready among the wanted ones (POLLIN 1, POLLOUT 4, POLLRDNORM 64, POLLWRNORM 256).
 * Never waits. */
int64_t sim_poll(struct task *task, int fd, uint32_t events);
int64_t sim_mmap(struct task *task, uint64_t addr, uint64_t length, uint32_t prot, uint32_t flags,
	int fd, uint64_t offset);
int64_t sim_munmap(struct task *task, uint64_t addr, uint64_t length);
int64_t sim_mprotect(struct task *task, uint64_t addr, uint64_t length, uint32_t prot);
int64_t sim_memfd(struct task *task, uint64_t size, uint32_t flags);
int64_t sim_ftruncate(struct task *task, int fd, uint64_t size);
/* The program's own stores and loads: -EFAULT where the process itself would fault. */
int64_t sim_put(struct task *task, uint64_t address, const void *bytes, uint64_t count);
/* 0, -EILSEQ when the bytes differ, -EFAULT. */
int64_t sim_expect(struct task *task, uint64_t address, const void *bytes, uint64_t count);
int64_t sim_fill(struct task *task, uint64_t address, uint8_t value, uint64_t count);
/* A child of the running process with that number (-EEXIST when it lives): shares open files,
 * copies memory. */
int64_t sim_fork(struct task *task, unsigned process);
/* Replaces the running process's memory by a fresh one (mem, argument windows); descriptors stay.
 */
int64_t sim_exec(struct task *task);
/* The running process exits: descriptors closed, memory gone. P1's task stays usable only for
 * sim_finish. */
int64_t sim_exit(struct task *task);
/* A fresh process, unrelated to the running one. -EEXIST when the number lives. */
int64_t sim_spawn(
	struct task *task, unsigned process, uint32_t uid, uint32_t capabilities, uint64_t memlock);
int64_t sim_setrlimit_memlock(struct task *task, uint64_t bytes);
int64_t sim_setcaps(struct task *task, uint32_t capabilities);

#endif
