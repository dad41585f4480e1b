/* SPDX-License-Identifier: Apache-2.0 */
/* A model and calls on it by row, with plain structs as images. For the tests of this folder. */
#ifndef IOMMUZZ_TESTS_MODEL_MACHINE_H
#define IOMMUZZ_TESTS_MODEL_MACHINE_H

#include <errno.h>
#include <string.h>

#include "fuzz/exec/target.h"
#include "fuzz/prog/prog.h"
#include "impl/abi/iommufd_abi.h"
#include "impl/abi/kernel_calls.h"
#include "impl/abi/test_abi.h"

#define MACHINE_PAGE  UINT64_C(4096)
#define MACHINE_PAGES 64u

struct machine {
	struct target *target;
	uint64_t fd;		 /* an open /dev/iommu */
	unsigned process, depth; /* of the next calls */
	unsigned thread;	 /* that makes the next calls */
	/* Events of the model: calls of other threads may come here. Set by the caller of
	 * machine_start_threads. */
	void (*phase)(struct machine *machine, const char *what, bool blocked);
	uint8_t fail_point; /* of the next call alone, with fail_nth > 0 */
	uint16_t fail_nth;
	/* what an unmap callback does; false: nothing, so that the model behaves as a correct
	 * driver */
	bool (*on_unmap)(struct machine *machine, uint64_t handle, uint64_t iova, uint64_t length);
	unsigned callbacks;
	uint64_t callback_iova, callback_length;
	uint64_t changed; /* bytes reported as written */
};

/* A fresh machine of that profile (0: newest) with /dev/iommu open; memlock in bytes, 0:
 * privileged. */
void machine_start(struct machine *machine, uint16_t kernel, uint64_t memlock);
/* The same, newest and privileged, for calls of several threads. */
void machine_start_threads(struct machine *machine,
	void (*phase)(struct machine *machine, const char *what, bool blocked));
void machine_end(struct machine *machine);

/*
 * Makes a call: image is the row's struct, in and out; size word and selector are set here unless
 * the size word is not 0. Ioctls go to machine->fd unless the subject is given.
 */
int64_t machine_ioctl(struct machine *machine, enum call_id row, void *image);
int64_t machine_call(struct machine *machine, enum call_id row, uint64_t subject, void *image);
/* The same with the struct at a user address. */
int64_t machine_ioctl_at(struct machine *machine, enum call_id row, void *image, uint64_t at);
/* put and expect. */
int64_t machine_put(struct machine *machine, uint64_t address, const void *bytes, uint32_t count);
int64_t machine_expect(
	struct machine *machine, uint64_t address, const void *bytes, uint32_t count);

/* Ids, or 0 on failure. */
uint32_t machine_ioas(struct machine *machine);
/* A mock device on pt_id; ids are filled with stdev, hwpt and idev. */
int64_t machine_mock(struct machine *machine, uint32_t pt_id, uint32_t ids[3]);
uint64_t machine_access(struct machine *machine, uint32_t flags);
int64_t machine_attach(struct machine *machine, enum call_id row, uint64_t access, uint32_t ioas);
int64_t machine_pin(
	struct machine *machine, enum call_id row, uint64_t access, uint64_t iova, uint64_t length);
int64_t machine_destroy(struct machine *machine, uint32_t id);
/* A fixed map, readable and writeable. */
int64_t machine_map(
	struct machine *machine, uint32_t ioas, uint64_t iova, uint64_t va, uint64_t length);
int64_t machine_unmap(struct machine *machine, uint32_t ioas, uint64_t iova, uint64_t length);
/* Pins that each page from va on has, seen by MD_CHECK_REFS. */
bool machine_pins_are(struct machine *machine, uint64_t va, uint64_t length, uint32_t pins);

#endif
