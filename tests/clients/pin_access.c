/* SPDX-License-Identifier: Apache-2.0 */
/* A driver that pins pages for its device's DMA: pins are counted, and unmap waits for them to go.
 */
#include "client.h"

static void show_refs(int fd, const char *when, const char *memory, size_t count)
{
	printf("%s:", when);
	for (size_t i = 0; i < count; i++) {
		uint32_t refs = 0;

		while (refs < 10 && check_refs(fd, memory + i * PAGE, PAGE, refs) < 0)
			refs++;
		printf(" %u", refs);
	}
	printf("\n");
}

static void counted(int fd, uint32_t ioas, char *memory)
{
	int access = new_access(fd, ioas, MOCK_FLAGS_ACCESS_CREATE_NEEDS_PIN_PAGES), one, two;

	show("map", map_at(fd, ioas, memory, 8 * PAGE, 0x10000));
	show_refs(fd, "no domain, no pin", memory, 8);
	one = pin(fd, access, 0x10000, 2 * PAGE, memory, MOCK_FLAGS_ACCESS_WRITE);
	show("pin two pages", one);
	two = pin(fd, access, 0x11000, 3 * PAGE, memory + PAGE, 0);
	show("pin three pages, one of them again", two);
	show_refs(fd, "pins", memory, 8);
	show("pin and expect other pages", pin(fd, access, 0x12000, PAGE, memory, 0));
	show("pin across the end", pin(fd, access, 0x17000, 2 * PAGE, memory + 7 * PAGE, 0));
	show("pin nothing", pin(fd, access, 0x10000, 0, memory, 0));
	show("pin an odd place", pin(fd, access, 0x10123, PAGE, NULL, 0));
	show("pin 17 MiB", pin(fd, access, 0x10000, 17 << 20, NULL, 0));
	show("pin with a wild flag", pin(fd, access, 0x10000, PAGE, NULL, 2));
	show_refs(fd, "pins", memory, 8);
	show("unpin the first", unpin(fd, access, one));
	show("unpin it again", unpin(fd, access, one));
	show_refs(fd, "pins", memory, 8);
	close(access);
	show_refs(fd, "the access is closed", memory, 8);
	show("unmap", unmap_at(fd, ioas, 0x10000, 8 * PAGE));
}

static void with_domain(int fd, uint32_t ioas, char *memory)
{
	int access = new_access(fd, ioas, MOCK_FLAGS_ACCESS_CREATE_NEEDS_PIN_PAGES);
	struct mock mock = new_mock(fd, ioas);
	uint64_t iova = 0;

	show("map", map_flags(fd, ioas, RW, memory, 4 * PAGE, &iova));
	printf("at %#" PRIx64 "\n", iova);
	show_refs(fd, "with a domain", memory, 4);
	show("pin", pin(fd, access, iova + PAGE, PAGE, memory + PAGE, 0));
	show_refs(fd, "and a pin", memory, 4);
	show("the device sees the pages", check_map(fd, mock.hwpt, iova, memory, 4 * PAGE));
	show("the device leaves", destroy(fd, mock.stdev));
	show_refs(fd, "only the pin", memory, 4);
	/* The driver's callback drops the pin. */
	show("unmap with a pin", unmap_at(fd, ioas, iova, 4 * PAGE));
	show_refs(fd, "nothing", memory, 4);
	show("the pin is gone", unpin(fd, access, 0));
	close(access);
}

static void two_spaces(int fd, char *memory)
{
	uint32_t one = new_ioas(fd), two = new_ioas(fd);
	struct mock first = new_mock(fd, one), second = new_mock(fd, two);
	struct iommu_ioas_copy copy = {
		.size = sizeof(copy),
		.flags = RW,
		.dst_ioas_id = two,
		.src_ioas_id = one,
		.length = 2 * PAGE,
	};
	uint64_t iova = 0, again = 0;

	show("map", map_flags(fd, one, RW, memory, 4 * PAGE, &iova));
	copy.src_iova = iova + PAGE;
	show("copy half of it", call(fd, IOMMU_IOAS_COPY, &copy));
	show_refs(fd, "a copy shares the pins", memory, 4);
	show("map once more", map_flags(fd, two, RW, memory, 4 * PAGE, &again));
	show_refs(fd, "a second mapping does not", memory, 4);
	show("unmap the first", unmap_at(fd, one, iova, 4 * PAGE));
	show_refs(fd, "the copy keeps its part", memory, 4);
	show("the copy is the same pages",
		check_map(fd, second.hwpt, copy.dst_iova, memory + PAGE, 2 * PAGE));
	show("destroy the device", destroy(fd, second.stdev));
	show("destroy the address space", destroy(fd, two));
	show_refs(fd, "all gone", memory, 4);
	destroy(fd, first.stdev);
	destroy(fd, one);
}

static void not_pinnable(int fd, uint32_t ioas, char *memory)
{
	int plain = new_access(fd, ioas, 0), access = new_access(fd, ioas, 1);
	uint64_t iova = 0;

	show("map", map_flags(fd, ioas, IOMMU_IOAS_MAP_READABLE, memory, PAGE, &iova));
	show("pin without leave to pin", pin(fd, plain, iova, PAGE, memory, 0));
	show("pin to write what is to read",
		pin(fd, access, iova, PAGE, memory, MOCK_FLAGS_ACCESS_WRITE));
	show("pin nothing mapped", pin(fd, access, 0x40000000, PAGE, NULL, 0));
	show("pin by a descriptor of another kind", pin(fd, fd, iova, PAGE, memory, 0));
	show("pin by a closed descriptor", pin(fd, 1000, iova, PAGE, memory, 0));
	show("an access with a wild flag", new_access(fd, ioas, 2));
	show("an access to nothing", new_access(fd, 99, 0));
	show("unmap", unmap_at(fd, ioas, iova, PAGE));
	close(plain);
	close(access);
}

int main(void)
{
	int fd = open_iommu();
	uint32_t ioas = new_ioas(fd);
	char *memory = pages(16, 0);

	memset(memory, 5, 16 * PAGE);
	counted(fd, ioas, memory);
	with_domain(fd, ioas, memory);
	two_spaces(fd, memory);
	not_pinnable(fd, ioas, memory);
	close(fd);
	return 0;
}
