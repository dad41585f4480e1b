/* SPDX-License-Identifier: Apache-2.0 */
/* A server updates itself: it executes its new version, which goes on with the same descriptors. */
#include "client.h"

#define FILE_PAGES 4

/* Descriptors that the new version is given by number. */
struct handed {
	int fd, access, queue, file;
	unsigned ioas, hwpt;
};

static int change(int fd)
{
	return call(fd, IOMMU_IOAS_CHANGE_PROCESS, CMD(iommu_ioas_change_process, .__reserved = 0));
}

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

static int new_version(const char *text)
{
	struct handed handed;
	struct iommu_hwpt_pgfault record;
	char letters[5] = "";
	uint64_t iova = 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (sscanf(text, "%d,%d,%d,%d,%u,%u", &handed.fd, &handed.access, &handed.queue,
		    &handed.file, &handed.ioas, &handed.hwpt) != 6)
		return 1;
	printf("new version: next id %u\n", new_ioas(handed.fd));
	printf("VmPin %ld kB\n", status_kb("VmPin"));
	char *memory =
		mmap(NULL, FILE_PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, handed.file, 0);
	show("the device still sees the file",
		check_map(handed.fd, handed.hwpt, MOCK_APERTURE_START, memory, FILE_PAGES * PAGE));
	show("with its pins", check_refs(handed.fd, memory, FILE_PAGES * PAGE, 1));
	show("read by the old access",
		access_rw(handed.fd, handed.access, MOCK_APERTURE_START, letters, 4, 0));
	printf("%s\n", letters);
	show("read a fault of before", read(handed.queue, &record, sizeof(record)));
	printf("group %u\n", record.grpid);
	show("take over", change(handed.fd));
	show("map", map_flags(handed.fd, handed.ioas, RW, memory, PAGE, &iova));
	printf("at %#" PRIx64 "\n", iova);
	show("unmap all", unmap_at(handed.fd, handed.ioas, 0, UINT64_MAX));
	show("no pins", check_refs(handed.fd, memory, FILE_PAGES * PAGE, 0));
	close(handed.access);
	close(handed.queue);
	close(handed.fd);
	return 0;
}

static void old_version(struct handed *handed)
{
	struct iommu_fault_alloc alloc = {.size = sizeof(alloc)};
	uint32_t parent, nested;
	uint64_t iova = 0;

	handed->fd = open_iommu();
	handed->ioas = new_ioas(handed->fd);
	handed->file = memfd_create("guest", 0);
	if (ftruncate(handed->file, FILE_PAGES * PAGE) != 0 ||
		pwrite(handed->file, "kept", 4, 0) != 4)
		die("memfd");
	struct mock mock = new_mock(handed->fd, handed->ioas);
	show("map the file",
		map_file(handed->fd, handed->ioas, RW, handed->file, 0, FILE_PAGES * PAGE, &iova));
	handed->access = new_access(handed->fd, handed->ioas, 0);
	hwpt_alloc(handed->fd, mock.dev, handed->ioas, IOMMU_HWPT_ALLOC_NEST_PARENT, &parent);
	handed->hwpt = parent;
	call(handed->fd, IOMMU_FAULT_QUEUE_ALLOC, &alloc);
	handed->queue = (int)alloc.out_fault_fd;
	nested_alloc(handed->fd, mock.dev, parent, alloc.out_fault_id, 0, &nested);
	replace_to(handed->fd, mock.stdev, nested);
	TEST(handed->fd, IOMMU_TEST_OP_TRIGGER_IOPF,
		.trigger_iopf = {.dev_id = mock.dev, .grpid = 17});
	printf("VmPin %ld kB\n", status_kb("VmPin"));
}

/* Without a word nothing is inherited. */
static int nothing_inherited(const char *text)
{
	int fd = atoi(text);

	printf("descriptors of the old version: %s\n",
		is_open(fd) || is_open(fd + 1) ? "open" : "closed");
	fd = open_iommu();
	printf("an own context: id %u\n", new_ioas(fd));
	return 0;
}

static void execute(const char *self, const char *word, const char *text)
{
	execl("/proc/self/exe", self, word, text, (char *)NULL);
	die("exec");
}

int main(int argc, char **argv)
{
	struct handed handed;
	char text[100];

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc == 3 && strcmp(argv[1], "--handed") == 0)
		return new_version(argv[2]);
	if (argc == 3 && strcmp(argv[1], "--nothing") == 0)
		return nothing_inherited(argv[2]);
	pid_t child = fork();
	if (child == 0) {
		int fd = open_iommu(), access = new_access(fd, new_ioas(fd), 0);

		snprintf(text, sizeof(text), "%d", fd);
		printf("two descriptors in a row: %s\n", access == fd + 1 ? "yes" : "no");
		execute(argv[0], "--nothing", text);
	}
	show("ended", join(child));
	old_version(&handed);
	const int kept[] = {handed.fd, handed.access, handed.queue};
	for (int i = 0; i < 3; i++)
		show("keep over exec", fcntl(kept[i], F_SETFD, 0));
	snprintf(text, sizeof(text), "%d,%d,%d,%d,%u,%u", handed.fd, handed.access, handed.queue,
		handed.file, handed.ioas, handed.hwpt);
	execute(argv[0], "--handed", text);
}
