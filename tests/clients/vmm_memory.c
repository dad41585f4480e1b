/* SPDX-License-Identifier: Apache-2.0 */
/* A VMM's balloon: what the guest gives back is other memory from then on, not to its devices. */
#include <linux/falloc.h>

#include "client.h"

#define SIZE  (64 * PAGE)
#define PLACE (5 * PAGE)

static int fd, access_fd;
static uint32_t ioas;
static struct mock device;

struct region {
	const char *name;
	uint64_t iova;
	int file;
	char *host;
};

static void add(struct region *region, int flags)
{
	if (region->file < 0)
		region->host = pages(SIZE / PAGE, flags);
	else if (!ftruncate(region->file, (off_t)SIZE))
		region->host = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, flags, region->file, 0);
	snprintf(region->host + PLACE, PAGE, "%s", region->name);
	show(region->name, map_at(fd, ioas, region->host, SIZE, region->iova));
}

static void look(const struct region *region)
{
	printf("  process '%s', the same pages: %s and around: %s\n", region->host + PLACE,
		named(check_map(fd, device.hwpt, region->iova + 4 * PAGE, region->host + 4 * PAGE,
			4 * PAGE)),
		named(check_map(fd, device.hwpt, region->iova + 8 * PAGE, region->host + 8 * PAGE,
			4 * PAGE)));
}

static void give_back(const struct region *region, int advice, const char *name)
{
	printf("%s of %s: %s\n", name, region->name,
		named(madvise(region->host + 4 * PAGE, 4 * PAGE, advice) ? -errno : 0));
	look(region);
}

int main(void)
{
	struct region private = {"private", 0x1000000, -1, NULL};
	struct region shared = {"shared", 0x2000000, -1, NULL};
	struct region memfd = {"memfd", 0x3000000, memfd_create("ram", 0), NULL};
	struct region view = {"view", 0x4000000, memfd_create("rom", 0), NULL};

	fd = open_iommu();
	ioas = new_ioas(fd);
	device = new_mock(fd, ioas);
	access_fd = new_access(fd, ioas, 0);
	add(&private, 0);
	add(&shared, MAP_SHARED);
	add(&memfd, MAP_SHARED);
	add(&view, MAP_PRIVATE);
	give_back(&private, MADV_DONTNEED, "MADV_DONTNEED");
	give_back(&shared, MADV_DONTNEED, "MADV_DONTNEED");
	give_back(&view, MADV_DONTNEED, "MADV_DONTNEED");
	printf("VmPin %ld VmLck %ld\n", status_kb("VmPin"), status_kb("VmLck"));
	/* Pages of a private mapping of a file are its own once they are pinned. */
	if (pwrite(view.file, "written", 8, 9 * PAGE) != 8)
		die("pwrite");
	char bytes[16] = "";
	show("file written", access_rw(fd, access_fd, view.iova + 9 * PAGE, bytes, 8, 0));
	printf("  device '%s', process '%s'\n", bytes, view.host + 9 * PAGE);
	show("unmap", unmap_at(fd, ioas, 0, UINT64_MAX));
	return 0;
}
