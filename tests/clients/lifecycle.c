/* SPDX-License-Identifier: Apache-2.0 */
/* Objects come and go: ids, their reuse, who holds whom. */
#include "client.h"

static void ids(int fd)
{
	uint32_t first = new_ioas(fd), second = new_ioas(fd), third = new_ioas(fd);

	printf("three address spaces: %u %u %u\n", first, second, third);
	show("destroy the second", destroy(fd, second));
	show("destroy it again", destroy(fd, second));
	show("destroy 0", destroy(fd, 0));
	show("destroy 4294967295", destroy(fd, UINT32_MAX));
	printf("the lowest free number is next: %u\n", new_ioas(fd));
	for (uint32_t id = first; id <= third; id++)
		printf("destroy %u: %s\n", id, named(destroy(fd, id)));
}

static void holders(int fd)
{
	uint32_t ioas = new_ioas(fd), hwpt = 0, other = 0;
	struct mock one = new_mock(fd, ioas), two = new_mock(fd, ioas);

	printf("device one: %u %u %u\n", one.stdev, one.hwpt, one.dev);
	printf("device two: %u %u %u\n", two.stdev, two.hwpt, two.dev);
	show("destroy the address space in use", destroy(fd, ioas));
	show("destroy the page table in use", destroy(fd, one.hwpt));
	show("destroy a bound device", destroy(fd, one.dev));
	show("page table by hand", hwpt_alloc(fd, one.dev, ioas, 0, &hwpt));
	printf("its id: %u\n", hwpt);
	other = hwpt;
	show("device one moves there", replace(fd, one.stdev, &other));
	printf("on: %u\n", other);
	show("destroy the page table by hand", destroy(fd, hwpt));
	show("device one leaves", destroy(fd, one.stdev));
	show("its device id is gone", destroy(fd, one.dev));
	show("destroy the page table by hand", destroy(fd, hwpt));
	show("device two leaves", destroy(fd, two.stdev));
	show("the automatic page table went with it", destroy(fd, two.hwpt));
	show("destroy the address space", destroy(fd, ioas));
}

/* A descriptor is a context of its own; what remains goes with it. */
static void contexts(void)
{
	int one = open_iommu(), two = open_iommu();
	char *memory = pages(2, 0);
	uint32_t ioas = new_ioas(one);
	uint64_t iova = 0;

	printf("ids of two contexts: %u %u\n", ioas, new_ioas(two));
	new_mock(one, ioas);
	memset(memory, 1, 2 * PAGE);
	show("map", map_flags(one, ioas, RW, memory, 2 * PAGE, &iova));
	printf("at %#" PRIx64 "\n", iova);
	show("one pin each", check_refs(two, memory, 2 * PAGE, 1));
	close(one);
	show("none when the context is closed", check_refs(two, memory, 2 * PAGE, 0));
	close(two);
	munmap(memory, 2 * PAGE);
}

static void wrong_types(int fd)
{
	uint32_t ioas = new_ioas(fd), hwpt = 0;
	struct mock mock = new_mock(fd, ioas);
	char *memory = pages(1, 0);
	uint64_t iova = 0;

	show("map into a page table", map_flags(fd, mock.hwpt, RW, memory, PAGE, &iova));
	show("map into a device", map_flags(fd, mock.dev, RW, memory, PAGE, &iova));
	show("page table for no device", hwpt_alloc(fd, ioas, ioas, 0, &hwpt));
	show("page table on nothing", hwpt_alloc(fd, mock.dev, 99, 0, &hwpt));
	show("page table on a device", hwpt_alloc(fd, mock.dev, mock.dev, 0, &hwpt));
	show("replace to nothing", replace_to(fd, mock.stdev, 99));
	show("replace to a device", replace_to(fd, mock.stdev, mock.dev));
	show("replace of a device id", replace_to(fd, mock.dev, ioas));
	munmap(memory, PAGE);
}

int main(void)
{
	int fd = open_iommu();

	ids(fd);
	holders(fd);
	contexts();
	wrong_types(fd);
	close(fd);
	return 0;
}
