/* SPDX-License-Identifier: Apache-2.0 */
/* Memory of every kind as the target of DMA: stack, globals, heap, shared memory, program text. */
#include "client.h"

#include <sys/stat.h>

static char zeroed[3 * 4096] __attribute__((aligned(4096)));
static char initialised[4096] __attribute__((aligned(4096))) = "initialised";
static const char constant[4096] __attribute__((aligned(4096))) = "constant";

struct bench {
	int fd, access;
	uint32_t ioas, bare;
	struct mock mock;
};

/* Maps, has the device look at it, writes and reads by DMA. */
static void try_memory(
	struct bench *bench, const char *what, void *memory, size_t length, bool write)
{
	uint64_t iova = 0;
	uint32_t flags = write ? RW : IOMMU_IOAS_MAP_READABLE;
	char letters[5] = "";
	int result = map_flags(bench->fd, bench->ioas, flags, memory, length, &iova);

	printf("%s: map %s", what, named(result));
	if (result == 0) {
		printf(", seen %s",
			named(check_map(bench->fd, bench->mock.hwpt, iova, memory, length)));
		printf(", pins %s", named(check_refs(bench->fd, memory, length, 1)));
		printf(", read %s",
			named(access_rw(bench->fd, bench->access, iova, letters, 4, 0)));
		printf(" '%s'", letters);
		if (write) {
			printf(", write %s",
				named(access_rw(bench->fd, bench->access, iova, "dma!", 4, 1)));
			printf(" '%.4s'", (char *)memory);
		}
		printf(", unmap %s", named(unmap_at(bench->fd, bench->ioas, iova, length)));
		printf(", pins %s", named(check_refs(bench->fd, memory, length, 0)));
	}
	printf("\n");
}

static void private_memory(struct bench *bench)
{
	char stack[3 * 4096], *aligned = stack + (-(uintptr_t)stack & (PAGE - 1)), *heap;

	memset(stack, 's', sizeof(stack));
	try_memory(bench, "stack", aligned, PAGE, true);
	try_memory(bench, "zeroed", zeroed, sizeof(zeroed), true);
	try_memory(bench, "initialised", initialised, sizeof(initialised), true);
	try_memory(bench, "constant to read", (char *)(uintptr_t)constant, PAGE, false);
	try_memory(bench, "constant to write", (char *)(uintptr_t)constant, PAGE, true);
	if (posix_memalign((void **)&heap, PAGE, 4 * PAGE) != 0)
		die("posix_memalign");
	strcpy(heap, "heap");
	try_memory(bench, "heap", heap, 4 * PAGE, true);
	free(heap);
	char *untouched = pages(2, 0);
	try_memory(bench, "untouched", untouched, 2 * PAGE, true);
	char *zero = pages(1, 0);
	if (zero[0] != 0)
		die("zero");
	try_memory(bench, "only read before", zero, PAGE, true);
	try_memory(bench, "untouched, to read", pages(1, 0), PAGE, false);
}

static void shared_memory(struct bench *bench)
{
	int file = open("/dev/shm/clients-memory", O_RDWR | O_CREAT | O_EXCL, 0600), device;

	if (file < 0 || unlink("/dev/shm/clients-memory") != 0 || ftruncate(file, 2 * PAGE) != 0)
		die("/dev/shm");
	char *memory = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	strcpy(memory, "shm ");
	try_memory(bench, "shared memory", memory, 2 * PAGE, true);
	char *readable = mmap(NULL, 2 * PAGE, PROT_READ, MAP_SHARED, file, 0);
	try_memory(bench, "its other view, to read", readable, 2 * PAGE, false);
	try_memory(bench, "its other view, to write", readable, 2 * PAGE, true);
	uint64_t iova = 0;
	show("by its descriptor", map_file(bench->fd, bench->ioas, RW, file, 0, 2 * PAGE, &iova));
	show("seen", check_map(bench->fd, bench->mock.hwpt, iova, readable, 2 * PAGE));
	char *copy = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, file, 0);
	copy[0] = 'S';
	show("a private page is another", check_map(bench->fd, bench->mock.hwpt, iova, copy, PAGE));
	show("the next is the same",
		check_map(bench->fd, bench->mock.hwpt, iova + PAGE, copy + PAGE, PAGE));
	unmap_at(bench->fd, bench->ioas, iova, 2 * PAGE);
	try_memory(bench, "private view", copy, 2 * PAGE, true);
	printf("the file has '%.4s'\n", memory);
	device = open("/dev/zero", O_RDWR);
	char *zero = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, device, 0);
	strcpy(zero, "zero");
	try_memory(bench, "/dev/zero, shared", zero, PAGE, true);
	zero = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, device, 0);
	strcpy(zero, "own ");
	try_memory(bench, "/dev/zero, private", zero, PAGE, true);
	close(device);
	close(file);
}

/* Pieces that are no pages, in a space without a device. */
static void small_pieces(struct bench *bench)
{
	char text[] = "a text on the stack", copy[sizeof(text)] = "";
	int access = new_access(bench->fd, bench->bare, 0);
	uint64_t one = 0x100, two = 0x100 + sizeof(text);

	show("map a text", map_flags(bench->fd, bench->bare, RWF, text, sizeof(text), &one));
	show("map it behind itself",
		map_flags(bench->fd, bench->bare, RWF, text, sizeof(text), &two));
	show("write", access_rw(bench->fd, access, one + 2, "TEXT", 4, 1));
	show("read behind", access_rw(bench->fd, access, two, copy, sizeof(copy), 0));
	printf("%s\n", copy);
	show("read across", access_rw(bench->fd, access, two - 6, copy, 8, 0));
	printf("%.5s|%s\n", copy, copy + 6);
	show("a device", replace_to(bench->fd, bench->mock.stdev, bench->bare));
	show("unmap", unmap_at(bench->fd, bench->bare, 0, UINT64_MAX));
	show("a device", replace_to(bench->fd, bench->mock.stdev, bench->bare));
	close(access);
}

/* Rights change after a mapping, and before one. */
static void rights(struct bench *bench)
{
	char *memory = pages(2, 0);
	uint64_t iova = 0;

	strcpy(memory, "rights");
	mprotect(memory, PAGE, PROT_READ);
	try_memory(bench, "read-only", memory, PAGE, true);
	try_memory(bench, "read-only, to read", memory, PAGE, false);
	mprotect(memory, PAGE, PROT_NONE);
	try_memory(bench, "no rights", memory, PAGE, false);
	mprotect(memory, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC);
	try_memory(bench, "all rights", memory, 2 * PAGE, true);
	mprotect(memory, PAGE, PROT_WRITE);
	try_memory(bench, "to write only", memory, PAGE, true);
	show("map", map_flags(bench->fd, bench->ioas, RW, memory, PAGE, &iova));
	mprotect(memory, PAGE, PROT_NONE);
	show("seen without rights", check_map(bench->fd, bench->mock.hwpt, iova, memory, PAGE));
	show("pins without rights", check_refs(bench->fd, memory, PAGE, 1));
	mprotect(memory, PAGE, PROT_READ);
	show("seen", check_map(bench->fd, bench->mock.hwpt, iova, memory, PAGE));
	unmap_at(bench->fd, bench->ioas, iova, PAGE);
}

int main(void)
{
	struct bench bench = {.fd = open_iommu()};

	bench.ioas = new_ioas(bench.fd);
	bench.bare = new_ioas(bench.fd);
	bench.access = new_access(bench.fd, bench.ioas, 0);
	bench.mock = new_mock(bench.fd, bench.ioas);
	private_memory(&bench);
	shared_memory(&bench);
	rights(&bench);
	small_pieces(&bench);
	close(bench.access);
	close(bench.fd);
	return 0;
}
