/* SPDX-License-Identifier: Apache-2.0 */
/* Migration of a running guest: a device writes all the time, rounds get shorter, then it stops. */
#include "client.h"

#include <pthread.h>
#include <stdatomic.h>

#define GUEST_PAGES 512
#define GUEST_IOVA  ((uint64_t)0x8000000)

struct guest {
	int fd, file, access;
	uint32_t ioas, hwpt;
	struct mock mock;
	uint8_t *memory;
	atomic_bool stop;
	atomic_uint written, errors;
};

static void mark(struct guest *guest, uint64_t iova)
{
	static const uint8_t one = 1;

	if (TEST(guest->fd, IOMMU_TEST_OP_DIRTY, .id = guest->hwpt,
		    .dirty = {.iova = iova,
			    .length = PAGE,
			    .page_size = PAGE,
			    .uptr = (uintptr_t)&one}) != 0)
		atomic_fetch_add(&guest->errors, 1);
}

/* The device: its write, then the mark that hardware leaves. */
static void *device(void *argument)
{
	struct guest *guest = argument;
	uint32_t state = 12345, value = 0;

	while (!atomic_load(&guest->stop)) {
		state = state * 1664525 + 1013904223;
		uint64_t page = (state >> 16) % GUEST_PAGES, iova = GUEST_IOVA + page * PAGE;

		value++;
		if (access_rw(guest->fd, guest->access, iova + 16, &value, sizeof(value), 1) != 0)
			atomic_fetch_add(&guest->errors, 1);
		mark(guest, iova);
		atomic_fetch_add(&guest->written, 1);
	}
	return NULL;
}

static void set_up(struct guest *guest)
{
	uint64_t iova = GUEST_IOVA;

	guest->fd = open_iommu();
	guest->file = memfd_create("guest", MFD_CLOEXEC);
	if (ftruncate(guest->file, GUEST_PAGES * PAGE) != 0)
		die("ftruncate");
	guest->memory =
		mmap(NULL, GUEST_PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, guest->file, 0);
	guest->ioas = new_ioas(guest->fd);
	call(guest->fd, IOMMU_OPTION,
		CMD(iommu_option, .option_id = IOMMU_OPTION_HUGE_PAGES, .op = IOMMU_OPTION_OP_SET,
			.object_id = guest->ioas, .val64 = 0));
	guest->mock = new_mock(guest->fd, guest->ioas);
	show("page table", hwpt_alloc(guest->fd, guest->mock.dev, guest->ioas,
				   IOMMU_HWPT_ALLOC_DIRTY_TRACKING, &guest->hwpt));
	show("move", replace_to(guest->fd, guest->mock.stdev, guest->hwpt));
	show("map",
		map_file(guest->fd, guest->ioas, RWF, guest->file, 0, GUEST_PAGES * PAGE, &iova));
	guest->access = new_access(guest->fd, guest->ioas, 0);
}

static unsigned send_round(struct guest *guest, uint8_t *target)
{
	uint8_t bits[GUEST_PAGES / 8] = {0};
	unsigned sent = 0;

	if (call(guest->fd, IOMMU_HWPT_GET_DIRTY_BITMAP,
		    CMD(iommu_hwpt_get_dirty_bitmap, .hwpt_id = guest->hwpt, .iova = GUEST_IOVA,
			    .length = GUEST_PAGES * PAGE, .page_size = PAGE,
			    .data = (uintptr_t)bits)) != 0)
		atomic_fetch_add(&guest->errors, 1);
	for (size_t page = 0; page < GUEST_PAGES; page++)
		if (bits[page / 8] >> page % 8 & 1) {
			memcpy(target + page * PAGE, guest->memory + page * PAGE, PAGE);
			sent++;
		}
	return sent;
}

int main(void)
{
	static struct guest guest;
	uint8_t *target = calloc(GUEST_PAGES, PAGE);
	unsigned rounds = 0, sent = 0;
	pthread_t thread;

	set_up(&guest);
	show("tracking",
		call(guest.fd, IOMMU_HWPT_SET_DIRTY_TRACKING,
			CMD(iommu_hwpt_set_dirty_tracking, .hwpt_id = guest.hwpt, .flags = 1)));
	pthread_create(&thread, NULL, device, &guest);
	while (atomic_load(&guest.written) < 300)
		usleep(1000);
	memcpy(target, guest.memory, GUEST_PAGES * PAGE);
	for (; rounds < 20; rounds++) {
		sent += send_round(&guest, target);
		usleep(2000);
	}
	atomic_store(&guest.stop, true);
	pthread_join(thread, NULL);
	sent += send_round(&guest, target);
	printf("rounds %u, something was sent: %s, errors %u\n", rounds, sent ? "yes" : "no",
		atomic_load(&guest.errors));
	printf("the target is %s\n",
		memcmp(target, guest.memory, GUEST_PAGES * PAGE) == 0 ? "the same" : "another");
	printf("nothing is left: %u\n", send_round(&guest, target));
	show("stop", call(guest.fd, IOMMU_HWPT_SET_DIRTY_TRACKING,
			     CMD(iommu_hwpt_set_dirty_tracking, .hwpt_id = guest.hwpt)));
	show("unmap", unmap_at(guest.fd, guest.ioas, GUEST_IOVA, GUEST_PAGES * PAGE));
	show("pins", check_refs(guest.fd, guest.memory, GUEST_PAGES * PAGE, 0));
	close(guest.access);
	close(guest.fd);
	free(target);
	return 0;
}
