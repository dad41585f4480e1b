/* SPDX-License-Identifier: Apache-2.0 */
/* Queues of hardware in guest memory, and the page of registers that mmap gives. */
#include "client.h"

struct guest {
	int fd;
	uint32_t ioas, parent, viommu;
	struct mock mock;
	uint64_t offset, length;
	char *memory;
};

static int queue(struct guest *guest, uint32_t type, uint32_t index, uint64_t iova, uint64_t length,
	uint32_t *id)
{
	struct iommu_hw_queue_alloc alloc = {
		.size = sizeof(alloc),
		.viommu_id = guest->viommu,
		.type = type,
		.index = index,
		.nesting_parent_iova = iova,
		.length = length,
	};
	int result = call(guest->fd, IOMMU_HW_QUEUE_ALLOC, &alloc);

	*id = alloc.out_hw_queue_id;
	return result;
}

static void set_up(struct guest *guest)
{
	struct iommu_viommu_selftest data = {.in_data = 0xcafe};
	struct iommu_viommu_alloc alloc = {
		.size = sizeof(alloc),
		.type = IOMMU_VIOMMU_TYPE_SELFTEST,
		.data_len = sizeof(data),
		.data_uptr = (uintptr_t)&data,
	};

	guest->fd = open_iommu();
	guest->memory = pages(4, 0);
	guest->ioas = new_ioas(guest->fd);
	guest->mock = new_mock(guest->fd, guest->ioas);
	hwpt_alloc(guest->fd, guest->mock.dev, guest->ioas, IOMMU_HWPT_ALLOC_NEST_PARENT,
		&guest->parent);
	alloc.dev_id = guest->mock.dev;
	alloc.hwpt_id = guest->parent;
	show("viommu", call(guest->fd, IOMMU_VIOMMU_ALLOC, &alloc));
	guest->viommu = alloc.out_viommu_id;
	guest->offset = data.out_mmap_offset;
	guest->length = data.out_mmap_length;
	printf("data %#x mmap %#" PRIx64 " +%#" PRIx64 "\n", data.out_data, guest->offset,
		guest->length);
	/* Not mapped in one piece: each page is an area. */
	show("map", map_at(guest->fd, guest->ioas, guest->memory, PAGE, 0x1000000));
	show("map", map_at(guest->fd, guest->ioas, guest->memory + PAGE, PAGE, 0x1001000));
}

static const char *mapped(
	struct guest *guest, size_t length, int protection, int flags, uint64_t offset, void **at)
{
	*at = mmap(NULL, length, protection, flags, guest->fd, (off_t)offset);
	return *at == MAP_FAILED ? named(-errno) : "mapped";
}

static void registers(struct guest *guest)
{
	size_t length = guest->length;
	void *at, *second;

	printf("private: %s\n", mapped(guest, length, PROT_READ, MAP_PRIVATE, guest->offset, &at));
	printf("executable: %s\n",
		mapped(guest, length, PROT_READ | PROT_EXEC, MAP_SHARED, guest->offset, &at));
	printf("at 0: %s\n", mapped(guest, length, PROT_READ, MAP_SHARED, 0, &at));
	printf("behind: %s\n",
		mapped(guest, length, PROT_READ, MAP_SHARED, guest->offset + length, &at));
	printf("half: %s\n", mapped(guest, PAGE, PROT_READ, MAP_SHARED, guest->offset, &at));
	printf("second half: %s\n",
		mapped(guest, PAGE, PROT_READ, MAP_SHARED, guest->offset + PAGE, &at));
	printf("whole: %s\n",
		mapped(guest, length, PROT_READ | PROT_WRITE, MAP_SHARED, guest->offset, &at));
	printf("holds %#x %#x\n", ((volatile uint32_t *)at)[0], ((volatile uint32_t *)at)[1024]);
	((volatile uint32_t *)at)[1] = 77;
	printf("again: %s\n", mapped(guest, length, PROT_READ, MAP_SHARED, guest->offset, &second));
	printf("holds %u\n", ((volatile uint32_t *)second)[1]);
	show("destroy the viommu", destroy(guest->fd, guest->viommu));
	/* A child has the same page and keeps it. */
	pid_t child = fork();
	if (child == 0) {
		((volatile uint32_t *)at)[2] = 88;
		_exit((int)((volatile uint32_t *)at)[1]);
	}
	printf("the child saw %d\n", join(child));
	printf("and wrote %u\n", ((volatile uint32_t *)second)[2]);
	munmap(at, length);
	show("destroy the viommu", destroy(guest->fd, guest->viommu));
	munmap(second, length);
}

static void queues(struct guest *guest)
{
	uint32_t zero, one, other, type = IOMMU_HW_QUEUE_TYPE_SELFTEST;

	show("no type", queue(guest, 0, 0, 0x1000000, PAGE, &other));
	show("wrong type", queue(guest, 7, 0, 0x1000000, PAGE, &other));
	show("no length", queue(guest, type, 0, 0x1000000, 0, &other));
	show("over the end", queue(guest, type, 0, UINT64_MAX, PAGE, &other));
	show("not mapped", queue(guest, type, 0, 0x5000000, PAGE, &other));
	show("index 1 first", queue(guest, type, 1, 0x1000000, PAGE, &other));
	show("index 2", queue(guest, type, 2, 0x1000000, PAGE, &other));
	show("index 0", queue(guest, type, 0, 0x1000000, PAGE, &zero));
	show("index 0 again", queue(guest, type, 0, 0x1000000, PAGE, &other));
	show("one pin", check_refs(guest->fd, guest->memory, PAGE, 1));
	show("unmap its page", unmap_at(guest->fd, guest->ioas, 0x1000000, PAGE));
	show("unmap the other page", unmap_at(guest->fd, guest->ioas, 0x1001000, PAGE));
	show("index 1", queue(guest, type, 1, 0x1000800, 0x800, &one));
	printf("queues %u %u\n", zero, one);
	show("destroy queue 0", destroy(guest->fd, zero));
	show("destroy the viommu", destroy(guest->fd, guest->viommu));
	show("destroy queue 1", destroy(guest->fd, one));
	show("unmap its page", unmap_at(guest->fd, guest->ioas, 0x1000000, PAGE));
	show("destroy queue 0", destroy(guest->fd, zero));
	show("unmap its page", unmap_at(guest->fd, guest->ioas, 0x1000000, PAGE));
	show("no pin", check_refs(guest->fd, guest->memory, PAGE, 0));
}

int main(void)
{
	struct guest guest = {0};
	void *at;

	set_up(&guest);
	queues(&guest);
	registers(&guest);
	show("destroy the viommu", destroy(guest.fd, guest.viommu));
	printf("its page: %s\n",
		mapped(&guest, guest.length, PROT_READ, MAP_SHARED, guest.offset, &at));
	close(guest.fd);
	return 0;
}
