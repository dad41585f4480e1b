/* SPDX-License-Identifier: Apache-2.0 */
/* A virtual IOMMU: its devices, its events, and what is told of events that were lost. */
#include "client.h"

#include <poll.h>

struct guest {
	int fd, events;
	uint32_t ioas, parent, viommu, queue, nested, vdevice;
	struct mock mock;
};

struct event {
	struct iommufd_vevent_header header;
	uint32_t virt_id;
};

static int viommu_alloc(struct guest *guest, uint32_t type, uint32_t hwpt, uint32_t *id)
{
	struct iommu_viommu_alloc alloc = {
		.size = sizeof(alloc), .type = type, .dev_id = guest->mock.dev, .hwpt_id = hwpt};
	int result = call(guest->fd, IOMMU_VIOMMU_ALLOC, &alloc);

	*id = alloc.out_viommu_id;
	return result;
}

static int vdevice_alloc(struct guest *guest, uint64_t virt_id, uint32_t *id)
{
	struct iommu_vdevice_alloc alloc = {
		.size = sizeof(alloc),
		.viommu_id = guest->viommu,
		.dev_id = guest->mock.dev,
		.virt_id = virt_id,
	};
	int result = call(guest->fd, IOMMU_VDEVICE_ALLOC, &alloc);

	*id = alloc.out_vdevice_id;
	return result;
}

static int veventq_alloc(struct guest *guest, uint32_t type, uint32_t depth)
{
	struct iommu_veventq_alloc alloc = {
		.size = sizeof(alloc),
		.viommu_id = guest->viommu,
		.type = type,
		.veventq_depth = depth,
	};
	int result = call(guest->fd, IOMMU_VEVENTQ_ALLOC, &alloc);

	if (result == 0) {
		guest->queue = alloc.out_veventq_id;
		guest->events = (int)alloc.out_veventq_fd;
	}
	return result;
}

static int trigger(struct guest *guest)
{
	return TEST(guest->fd, IOMMU_TEST_OP_TRIGGER_VEVENT,
		.trigger_vevent = {.dev_id = guest->mock.dev});
}

static void read_events(struct guest *guest, size_t size)
{
	char buffer[400];
	ssize_t count = read(guest->events, buffer, size);

	printf("read %zu: %s\n", size, named(count < 0 ? -errno : count));
	for (ssize_t at = 0; at < count;) {
		struct event event;

		memcpy(&event.header, buffer + at, sizeof(event.header));
		at += (ssize_t)sizeof(event.header);
		printf("  flags %u sequence %u", event.header.flags, event.header.sequence);
		if (!(event.header.flags & 1)) {
			memcpy(&event.virt_id, buffer + at, sizeof(event.virt_id));
			at += (ssize_t)sizeof(event.virt_id);
			printf(" virt_id %#x", event.virt_id);
		}
		printf("\n");
	}
}

static void set_up(struct guest *guest)
{
	uint32_t other, plain;

	guest->fd = open_iommu();
	guest->ioas = new_ioas(guest->fd);
	guest->mock = new_mock(guest->fd, guest->ioas);
	hwpt_alloc(guest->fd, guest->mock.dev, guest->ioas, IOMMU_HWPT_ALLOC_NEST_PARENT,
		&guest->parent);
	hwpt_alloc(guest->fd, guest->mock.dev, guest->ioas, 0, &plain);
	show("viommu of no type", viommu_alloc(guest, 0, guest->parent, &other));
	show("viommu of a wrong type", viommu_alloc(guest, 5, guest->parent, &other));
	show("viommu on a plain table",
		viommu_alloc(guest, IOMMU_VIOMMU_TYPE_SELFTEST, plain, &other));
	show("viommu",
		viommu_alloc(guest, IOMMU_VIOMMU_TYPE_SELFTEST, guest->parent, &guest->viommu));
	show("vdevice", vdevice_alloc(guest, 0x99, &guest->vdevice));
	show("vdevice again", vdevice_alloc(guest, 0x98, &other));
	printf("viommu %u vdevice %u\n", guest->viommu, guest->vdevice);
	show("destroy the parent", destroy(guest->fd, guest->parent));
	show("nested",
		nested_alloc(guest->fd, guest->mock.dev, guest->viommu, 0, 1, &guest->nested));
	show("event before", trigger(guest));
	show("attach", replace_to(guest->fd, guest->mock.stdev, guest->nested));
	show("event without a queue", trigger(guest));
	show("queue of no depth", veventq_alloc(guest, IOMMU_VEVENTQ_TYPE_SELFTEST, 0));
	show("queue of no type", veventq_alloc(guest, 0, 2));
	show("queue", veventq_alloc(guest, IOMMU_VEVENTQ_TYPE_SELFTEST, 2));
	show("queue again", veventq_alloc(guest, IOMMU_VEVENTQ_TYPE_SELFTEST, 2));
	printf("queue %u\n", guest->queue);
}

static void events(struct guest *guest)
{
	struct pollfd wait = {.fd = guest->events, .events = POLLIN | POLLOUT};

	printf("poll %d", poll(&wait, 1, 0));
	printf(" events %#x\n", (unsigned)wait.revents);
	read_events(guest, 100);
	read_events(guest, 7);
	show("event", trigger(guest));
	printf("poll %d", poll(&wait, 1, 0));
	printf(" events %#x\n", (unsigned)wait.revents);
	read_events(guest, 0);
	read_events(guest, 8);
	read_events(guest, 12);
	for (int i = 0; i < 5; i++)
		show("event", trigger(guest));
	read_events(guest, 31);
	read_events(guest, 100);
	show("event", trigger(guest));
	read_events(guest, 100);
	for (int i = 0; i < 3; i++)
		trigger(guest);
	read_events(guest, 12);
	/* What was lost shows in the numbers. */
	show("event", trigger(guest));
	read_events(guest, 100);
	show("write", write(guest->events, "12345678", 8) < 0 ? -errno : 0);
	char byte[8];
	show("pread elsewhere", pread(guest->events, byte, sizeof(byte), 8) < 0 ? -errno : 0);
	show("destroy the queue while open", destroy(guest->fd, guest->queue));
}

static void teardown(struct guest *guest)
{
	uint32_t again;

	show("destroy the viommu", destroy(guest->fd, guest->viommu));
	show("destroy the vdevice", destroy(guest->fd, guest->vdevice));
	show("vdevice of another number", vdevice_alloc(guest, 0x88, &again));
	printf("vdevice %u\n", again);
	show("event", trigger(guest));
	read_events(guest, 100);
	show("detach", replace_to(guest->fd, guest->mock.stdev, guest->ioas));
	show("event", trigger(guest));
	show("attach", replace_to(guest->fd, guest->mock.stdev, guest->nested));
	show("event", trigger(guest));
	read_events(guest, 100);
	/* The device goes, its number stays taken. */
	show("the device leaves", destroy(guest->fd, guest->mock.stdev));
	show("destroy its vdevice", destroy(guest->fd, again));
	printf("next id %u\n", new_ioas(guest->fd));
	close(guest->events);
	show("destroy the queue", destroy(guest->fd, guest->queue));
	show("destroy nested", destroy(guest->fd, guest->nested));
	show("destroy the viommu", destroy(guest->fd, guest->viommu));
	show("destroy the parent", destroy(guest->fd, guest->parent));
}

int main(void)
{
	struct guest guest = {0};

	set_up(&guest);
	events(&guest);
	teardown(&guest);
	close(guest.fd);
	return 0;
}
