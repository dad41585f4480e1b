/* SPDX-License-Identifier: Apache-2.0 */
/* A driver that reads and writes a guest's memory by IOVA. */
#include "client.h"

static void contents(int fd, uint32_t ioas)
{
	int access = new_access(fd, ioas, 0);
	char *memory = pages(6, 0), buffer[3 * 4096 + 1];

	for (size_t i = 0; i < 6 * PAGE; i++)
		memory[i] = (char)('a' + i / PAGE);
	show("map three pages", map_at(fd, ioas, memory, 3 * PAGE, 0x100000));
	show("map three more behind", map_at(fd, ioas, memory + 3 * PAGE, 3 * PAGE, 0x103000));
	memset(buffer, 0, sizeof(buffer));
	show("read across both", access_rw(fd, access, 0x102ffe, buffer, 4, 0));
	printf("read: %.4s\n", buffer);
	show("write across both", access_rw(fd, access, 0x102fff, "XY", 2, 1));
	printf("written: %c%c%c%c\n", memory[3 * PAGE - 2], memory[3 * PAGE - 1], memory[3 * PAGE],
		memory[3 * PAGE + 1]);
	show("slowly", access_rw(fd, access, 0x101ffd, buffer, 6, MOCK_ACCESS_RW_SLOW_PATH));
	printf("read: %.6s\n", buffer);
	show("write slowly", access_rw(fd, access, 0x100010, "slow", 4, 1 | 4));
	printf("written: %.6s\n", memory + 15);
	memset(buffer, '.', sizeof(buffer));
	show("read over the end", access_rw(fd, access, 0x105ffe, buffer, 4, 0));
	show("write over the end", access_rw(fd, access, 0x105ffe, "1234", 4, 1));
	printf("the part before the end: %.2s\n", memory + 6 * PAGE - 2);
	show("nothing", access_rw(fd, access, 0x100000, buffer, 0, 0));
	show("beyond all", access_rw(fd, access, UINT64_MAX, buffer, 2, 0));
	show("too much", access_rw(fd, access, 0x100000, buffer, (16 << 20) + 1, 0));
	show("a wild flag", access_rw(fd, access, 0x100000, buffer, 1, 2));
	show("unmapped", access_rw(fd, access, 0x200000, buffer, 1, 0));
	show("no access", access_rw(fd, 2000, 0x100000, buffer, 1, 0));
	close(access);
	munmap(memory, 6 * PAGE);
	unmap_at(fd, ioas, 0, UINT64_MAX);
}

static void permissions(int fd, uint32_t ioas)
{
	int access = new_access(fd, ioas, 0);
	char *memory = pages(2, 0), byte = 'q';
	uint64_t readable = 0, writeable = 0;

	map_flags(fd, ioas, IOMMU_IOAS_MAP_READABLE, memory, PAGE, &readable);
	map_flags(fd, ioas, IOMMU_IOAS_MAP_WRITEABLE, memory + PAGE, PAGE, &writeable);
	show("read what is readable", access_rw(fd, access, readable, &byte, 1, 0));
	show("write it", access_rw(fd, access, readable, &byte, 1, 1));
	show("read what is writeable", access_rw(fd, access, writeable, &byte, 1, 0));
	show("write it", access_rw(fd, access, writeable, &byte, 1, 1));
	show("into nowhere", access_rw(fd, access, readable, NULL, 1, 0));
	show("from nowhere", access_rw(fd, access, writeable, NULL, 1, 1));
	show("into read-only memory", access_rw(fd, access, readable, "r", 1, 0));
	mprotect(memory + PAGE, PAGE, PROT_READ);
	show("the process lost its right to write", access_rw(fd, access, writeable, &byte, 1, 1));
	show("slowly", access_rw(fd, access, writeable, &byte, 1, 1 | 4));
	munmap(memory, PAGE);
	show("the process lost the page", access_rw(fd, access, readable, &byte, 1, 0));
	show("slowly", access_rw(fd, access, readable, &byte, 1, 4));
	close(access);
	munmap(memory + PAGE, PAGE);
	unmap_at(fd, ioas, 0, UINT64_MAX);
}

/* An access moves to another address space under its user. */
static void moves(int fd, uint32_t one)
{
	uint32_t two = new_ioas(fd);
	int access = new_access(fd, one, 1);
	char *memory = pages(2, 0), letter = 0;

	memory[0] = '1';
	memory[PAGE] = '2';
	map_at(fd, one, memory, PAGE, 0x1000);
	map_at(fd, two, memory + PAGE, PAGE, 0x1000);
	access_rw(fd, access, 0x1000, &letter, 1, 0);
	printf("reads %c\n", letter);
	show("pin", pin(fd, access, 0x1000, PAGE, memory, 0));
	show("pinned", check_refs(fd, memory, PAGE, 1));
	show("move", TEST(fd, IOMMU_TEST_OP_ACCESS_REPLACE_IOAS, .id = (uint32_t)access,
			     .access_replace_ioas = {.ioas_id = two}));
	show("not pinned", check_refs(fd, memory, PAGE, 0));
	access_rw(fd, access, 0x1000, &letter, 1, 0);
	printf("reads %c\n", letter);
	show("destroy the first", destroy(fd, one));
	show("destroy the second", destroy(fd, two));
	show("move to nothing", TEST(fd, IOMMU_TEST_OP_ACCESS_REPLACE_IOAS, .id = (uint32_t)access,
					.access_replace_ioas = {.ioas_id = 99}));
	close(access);
	show("destroy the second", destroy(fd, two));
	munmap(memory, 2 * PAGE);
}

int main(void)
{
	int fd = open_iommu();
	uint32_t ioas = new_ioas(fd);

	contents(fd, ioas);
	permissions(fd, ioas);
	moves(fd, ioas);
	close(fd);
	return 0;
}
