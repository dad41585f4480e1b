/* SPDX-License-Identifier: Apache-2.0 */
/* The in-kernel access API and device DMA as programs call them. Specification 7; S001. */
#ifndef IOMMUZZ_IOMMUFD_ACCESS_H
#define IOMMUZZ_IOMMUFD_ACCESS_H

#include <stdint.h>

struct task;

enum access_create_flags { ACCESS_CREATE_NEEDS_PIN = 1, ACCESS_CREATE_NO_UNMAP = 2 };
enum access_flags { ACCESS_READ = 0, ACCESS_WRITE = 1, ACCESS_KTHREAD = 2, ACCESS_SLOW_PATH = 4 };

/*
 * Handle-based entry points for the executor: a handle (from 1, per sim, lowest free) names the
 * access. Unknown handles give -EBADF. The unmap callback goes to sim_events.unmap with the handle;
 * when that returns false the default driver unpins everything that intersects. out_id: the ACCESS
 * object's id. iommufd: a descriptor; -EBADF when it is not open, -EBADFD when it is something
 * else. Returns the handle.
 */
int64_t kernel_access_create(struct task *task, int iommufd, uint32_t flags, uint32_t *out_id);
int64_t kernel_access_attach(struct task *task, uint64_t handle, uint32_t ioas_id);
int64_t kernel_access_replace(struct task *task, uint64_t handle, uint32_t ioas_id);
int64_t kernel_access_detach(struct task *task, uint64_t handle);
/* -EDEADLK, and nothing happens, from inside a callback of the same access: it would wait for
 * itself. */
int64_t kernel_access_destroy(struct task *task, uint64_t handle);
int64_t kernel_access_pin(
	struct task *task, uint64_t handle, uint64_t iova, uint64_t length, uint32_t flags);
int64_t kernel_access_unpin(struct task *task, uint64_t handle, uint64_t iova, uint64_t length);
/* Releases every pin of the access that intersects [iova, iova + length). Number released. */
int64_t kernel_access_unpin_range(
	struct task *task, uint64_t handle, uint64_t iova, uint64_t length);
/* rw between the IOAS and a kernel buffer that is copied from or to `buffer` in the caller's memory
 * around it. */
int64_t kernel_access_rw(struct task *task, uint64_t handle, uint64_t iova, uint64_t length,
	uint64_t buffer, uint32_t flags);
/* DMA of the device behind DEVICE id dev_id of the context: -ENOENT unknown, -EFAULT translation
 * fault. */
int64_t kernel_dma(struct task *task, int iommufd, uint32_t dev_id, uint32_t pasid, uint64_t iova,
	uint64_t length, uint64_t buffer, int write);

#endif
