/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What files hold that somebody has made and nobody has undone: for reports. The machine is at
 * rest: no call is in progress and none begins. Nothing is locked, nothing changes.
 */
#ifndef IOMMUZZ_IOMMUFD_LEFT_H
#define IOMMUZZ_IOMMUFD_LEFT_H

#include <stdbool.h>
#include <stdint.h>

struct file;

enum left_kind { LEFT_OBJECT, LEFT_MAPPING, LEFT_PIN, LEFT_KIND_COUNT };

struct left_thing {
	enum left_kind kind;
	uint8_t resource;      /* enum resource; OBJECT: itself, PIN: who has it */
	bool automatic;	       /* OBJECT: a page table that goes with its last device, 2.7 */
	uint32_t id;	       /* OBJECT; MAPPING: of the IOAS; PIN: of the item, or its object */
	uint64_t iova, length; /* MAPPING, PIN */
	uint32_t origin;       /* task_origin of who made it */
};

typedef void (*left_function)(void *context, const struct left_thing *thing);

/*
 * Calls function for all that the file holds. An iommufd: objects by id, without those that belong
 * to a descriptor (ACCESS), mappings by IOAS and IOVA, pins of hardware queues. A test's access:
 * its pins. Other files hold nothing.
 */
void file_left(const struct file *file, left_function function, void *context);
/* The enum resource of the object with that id in an iommufd, RESOURCE_NONE: there is none. */
uint8_t file_object(const struct file *file, uint32_t id);

#endif
