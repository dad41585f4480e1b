/* SPDX-License-Identifier: Apache-2.0 */
/* Memory of another device: buffers that are mapped by their descriptor and can be revoked. */
#include "client.h"

struct bench {
	int fd, access;
	uint32_t ioas;
	struct mock mock;
};

/*
 * Kernels differ in whether the call returns the descriptor or 0; the descriptor is the lowest free
 * number in any case.
 */
static int get_buffer(struct bench *bench, uint32_t length)
{
	int lowest = dup(bench->fd);

	close(lowest);
	int result = TEST(bench->fd, IOMMU_TEST_OP_DMABUF_GET,
		.dmabuf_get = {.length = length, .open_flags = O_RDWR | O_CLOEXEC});
	return result < 0 ? result : result > 0 ? result : lowest;
}

static int set_revoked(struct bench *bench, int buffer, uint32_t revoked)
{
	return TEST(bench->fd, IOMMU_TEST_OP_DMABUF_REVOKE,
		.dmabuf_revoke = {.dmabuf_fd = buffer, .revoked = revoked});
}

static void set_up(struct bench *bench)
{
	bench->fd = open_iommu();
	bench->ioas = new_ioas(bench->fd);
	bench->mock = new_mock(bench->fd, bench->ioas);
	bench->access = new_access(bench->fd, bench->ioas, 1);
}

static void sizes(struct bench *bench)
{
	static const uint32_t lengths[] = {
		0, 1, 4096, 4097, 512 * 4096, 512 * 4096 + 1, UINT32_MAX};

	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		int buffer = get_buffer(bench, lengths[i]);

		printf("buffer of %u: %s", lengths[i], buffer < 0 ? named(buffer) : "there");
		if (buffer >= 0) {
			printf(", %ld bytes", (long)lseek(buffer, 0, SEEK_END));
			close(buffer);
		}
		printf("\n");
	}
}

static void mappings(struct bench *bench)
{
	int buffer = get_buffer(bench, 4 * PAGE);
	uint64_t iova = 0, copy = 0;
	char letters[4] = "";

	show("map", map_file(bench->fd, bench->ioas, RW, buffer, 0, 4 * PAGE, &iova));
	printf("at %#" PRIx64 "\n", iova);
	show("beyond its end", map_file(bench->fd, bench->ioas, RW, buffer, PAGE, 4 * PAGE, &copy));
	show("a part", map_file(bench->fd, bench->ioas, RW, buffer, PAGE, 2 * PAGE, &copy));
	printf("at %#" PRIx64 "\n", copy);
	printf("VmPin %ld kB\n", status_kb("VmPin"));
	show("pin", pin(bench->fd, bench->access, iova, PAGE, NULL, 0));
	show("read", access_rw(bench->fd, bench->access, iova, letters, 3, 0));
	show("change process", call(bench->fd, IOMMU_IOAS_CHANGE_PROCESS,
				       CMD(iommu_ioas_change_process, .__reserved = 0)));
	uint32_t hwpt;
	show("another page table", hwpt_alloc(bench->fd, bench->mock.dev, bench->ioas, 0, &hwpt));
	close(buffer);
	show("unmap", unmap_at(bench->fd, bench->ioas, iova, 4 * PAGE));
	show("unmap the part", unmap_at(bench->fd, bench->ioas, copy, 2 * PAGE));
	show("destroy", destroy(bench->fd, hwpt));
}

static void revocation(struct bench *bench)
{
	int buffer = get_buffer(bench, 2 * PAGE), file = memfd_create("file", 0);
	uint64_t iova = 0, again = 0;
	uint32_t hwpt;

	show("map", map_file(bench->fd, bench->ioas, RW, buffer, 0, 2 * PAGE, &iova));
	show("revoke", set_revoked(bench, buffer, 1));
	show("map it", map_file(bench->fd, bench->ioas, RW, buffer, 0, PAGE, &again));
	show("a page table without it",
		hwpt_alloc(bench->fd, bench->mock.dev, bench->ioas, 0, &hwpt));
	show("copy",
		call(bench->fd, IOMMU_IOAS_COPY,
			CMD(iommu_ioas_copy, .flags = RW, .dst_ioas_id = bench->ioas,
				.src_ioas_id = bench->ioas, .length = PAGE, .src_iova = iova)));
	show("give back", set_revoked(bench, buffer, 0));
	show("map it", map_file(bench->fd, bench->ioas, RW, buffer, 0, PAGE, &again));
	show("unmap all", unmap_at(bench->fd, bench->ioas, 0, UINT64_MAX));
	show("revoke a file", set_revoked(bench, file, 1));
	show("revoke nothing", set_revoked(bench, -1, 1));
	show("revoke a closed one", set_revoked(bench, 999, 1));
	show("destroy", destroy(bench->fd, hwpt));
	close(file);
	close(buffer);
}

int main(void)
{
	struct bench bench;

	set_up(&bench);
	sizes(&bench);
	mappings(&bench);
	revocation(&bench);
	close(bench.access);
	close(bench.fd);
	return 0;
}
