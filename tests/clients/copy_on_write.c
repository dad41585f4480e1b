/* SPDX-License-Identifier: Apache-2.0 */
/* Pinned memory and fork: who writes what, and which of it the device sees. */
#include "client.h"

#define IOVA UINT64_C(0x2000000)

static int fd, access_fd;
static uint32_t ioas;
static struct mock device;

static void look(const char *who, uint64_t iova, const char *memory)
{
	char bytes[32] = "";
	int result = access_rw(fd, access_fd, iova, bytes, 20, 0);

	printf("%s: device %s '%s', process '%s', the same page: %s, pins:", who, named(result),
		bytes, memory, named(check_map(fd, device.hwpt, iova, memory, PAGE)));
	for (uint32_t refs = 0; refs < 3; refs++) {
		if (!check_refs(fd, memory, PAGE, refs))
			printf(" %" PRIu32, refs);
	}
	puts("");
}

static void in_child(char *private, char *shared, char *lonely)
{
	look("child's private", IOVA, private);
	strcpy(private, "child");
	strcpy(shared, "child");
	look("child's private", IOVA, private);
	look("child's shared", IOVA + 16 * PAGE, shared);
	show("device writes", access_rw(fd, access_fd, IOVA, "device", 7, MOCK_ACCESS_RW_WRITE));
	look("child's private", IOVA, private);
	show("not inherited", map_at(fd, ioas, lonely, PAGE, IOVA + 64 * PAGE));
	show("child maps", map_at(fd, ioas, private + PAGE, PAGE, IOVA + 32 * PAGE));
	strcpy(private + PAGE, "child's own");
	look("child's own", IOVA + 32 * PAGE, private + PAGE);
}

int main(void)
{
	char *private, *shared, *lonely;
	pid_t child;

	fd = open_iommu();
	ioas = new_ioas(fd);
	device = new_mock(fd, ioas);
	access_fd = new_access(fd, ioas, 0);
	private = pages(4, 0);
	shared = pages(4, MAP_SHARED);
	lonely = pages(4, 0);
	strcpy(private, "before");
	strcpy(shared, "before");
	strcpy(lonely, "lonely");
	show("map private", map_at(fd, ioas, private, 4 * PAGE, IOVA));
	show("map shared", map_at(fd, ioas, shared, 4 * PAGE, IOVA + 16 * PAGE));
	show("map lonely", map_at(fd, ioas, lonely, 4 * PAGE, IOVA + 48 * PAGE));
	show("MADV_DONTFORK", madvise(lonely, 4 * PAGE, MADV_DONTFORK) ? -errno : 0);
	fflush(stdout);
	child = fork();
	if (!child) {
		in_child(private, shared, lonely);
		fflush(stdout);
		_exit(0);
	}
	show("child", join(child));
	look("private", IOVA, private);
	strcpy(private, "parent");
	look("private", IOVA, private);
	look("shared", IOVA + 16 * PAGE, shared);
	look("lonely", IOVA + 48 * PAGE, lonely);
	look("child's own after its end", IOVA + 32 * PAGE, private + PAGE);
	printf("VmPin %ld\n", status_kb("VmPin"));
	return 0;
}
