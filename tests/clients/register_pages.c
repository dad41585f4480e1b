/* SPDX-License-Identifier: Apache-2.0 */
/* Pages that a driver gives to processes: each mapping keeps its object, whole or in parts. */
#include "client.h"

struct guest {
	int fd;
	uint32_t ioas, parent;
	struct mock mock;
};

struct registers {
	uint32_t viommu;
	uint64_t offset, length;
};

static void new_registers(struct guest *guest, uint32_t value, struct registers *registers)
{
	struct iommu_viommu_selftest data = {.in_data = value};
	struct iommu_viommu_alloc alloc = {
		.size = sizeof(alloc),
		.type = IOMMU_VIOMMU_TYPE_SELFTEST,
		.dev_id = guest->mock.dev,
		.hwpt_id = guest->parent,
		.data_len = sizeof(data),
		.data_uptr = (uintptr_t)&data,
	};

	show("viommu", call(guest->fd, IOMMU_VIOMMU_ALLOC, &alloc));
	*registers =
		(struct registers){alloc.out_viommu_id, data.out_mmap_offset, data.out_mmap_length};
	printf("id %u at %#" PRIx64 " +%#" PRIx64 "\n", registers->viommu, registers->offset,
		registers->length);
}

static volatile uint32_t *map_registers(struct guest *guest, const struct registers *registers)
{
	void *at = mmap(NULL, registers->length, PROT_READ | PROT_WRITE, MAP_SHARED, guest->fd,
		(off_t)registers->offset);

	if (at == MAP_FAILED)
		die("mmap");
	return at;
}

static void several(struct guest *guest)
{
	struct registers one, two, three;

	new_registers(guest, 0x11, &one);
	new_registers(guest, 0x22, &two);
	volatile uint32_t *first = map_registers(guest, &one), *second = map_registers(guest, &two);
	printf("%#x %#x\n", first[0], second[0]);
	show("destroy the first", destroy(guest->fd, one.viommu));
	munmap((void *)(uintptr_t)first, one.length);
	show("destroy the first", destroy(guest->fd, one.viommu));
	new_registers(guest, 0x33, &three);
	first = map_registers(guest, &three);
	printf("%#x %#x\n", first[0], second[0]);
	munmap((void *)(uintptr_t)first, three.length);
	munmap((void *)(uintptr_t)second, two.length);
	show("destroy", destroy(guest->fd, three.viommu));
	show("destroy", destroy(guest->fd, two.viommu));
}

/* A part that is left is a mapping, too. */
static void parts(struct guest *guest)
{
	struct registers registers;

	new_registers(guest, 0x44, &registers);
	char *at = (char *)(uintptr_t)map_registers(guest, &registers);
	show("unmap the second page", munmap(at + PAGE, PAGE));
	show("destroy", destroy(guest->fd, registers.viommu));
	printf("%#x\n", *(volatile uint32_t *)at);
	show("unmap the first page", munmap(at, PAGE));
	show("destroy", destroy(guest->fd, registers.viommu));
	new_registers(guest, 0x55, &registers);
	at = (char *)(uintptr_t)map_registers(guest, &registers);
	show("protect the second page", mprotect(at + PAGE, PAGE, PROT_READ));
	show("destroy", destroy(guest->fd, registers.viommu));
	show("unmap both", munmap(at, 2 * PAGE));
	show("destroy", destroy(guest->fd, registers.viommu));
}

static void over_fork(struct guest *guest)
{
	struct registers registers;
	int go[2];
	char byte;

	if (pipe(go) != 0)
		die("pipe");
	new_registers(guest, 0x66, &registers);
	volatile uint32_t *at = map_registers(guest, &registers);
	pid_t child = fork();
	if (child == 0) {
		close(go[1]);
		if (read(go[0], &byte, 1) != 1)
			_exit(1);
		at[5] = 0x77;
		_exit(at[0] == 0x66 ? 0 : 2);
	}
	munmap((void *)(uintptr_t)at, registers.length);
	show("the child has it", destroy(guest->fd, registers.viommu));
	if (write(go[1], "g", 1) != 1)
		die("pipe");
	show("child", join(child));
	show("it is gone", destroy(guest->fd, registers.viommu));
	close(go[0]);
	close(go[1]);
}

/* A mapping keeps the file, and so the context. */
static void after_close(struct guest *guest)
{
	struct registers registers;
	char *memory = pages(1, 0);
	uint64_t iova = 0;
	int other;

	new_registers(guest, 0x88, &registers);
	volatile uint32_t *at = map_registers(guest, &registers);
	show("map", map_flags(guest->fd, guest->ioas, RW, memory, PAGE, &iova));
	close(guest->fd);
	other = open_iommu();
	show("the pin is there", check_refs(other, memory, PAGE, 1));
	printf("%#x\n", at[0]);
	munmap((void *)(uintptr_t)at, registers.length);
	show("the pin is gone", check_refs(other, memory, PAGE, 0));
	close(other);
}

int main(void)
{
	struct guest guest = {.fd = open_iommu()};

	guest.ioas = new_ioas(guest.fd);
	guest.mock = new_mock(guest.fd, guest.ioas);
	show("parent", hwpt_alloc(guest.fd, guest.mock.dev, guest.ioas,
			       IOMMU_HWPT_ALLOC_NEST_PARENT, &guest.parent));
	several(&guest);
	parts(&guest);
	over_fork(&guest);
	after_close(&guest);
	return 0;
}
