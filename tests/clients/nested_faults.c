/* SPDX-License-Identifier: Apache-2.0 */
/* A guest with its own page tables: nested domains, page faults of its devices, invalidation. */
#include "client.h"

#include <poll.h>

struct guest {
	int fd, queue;
	uint32_t ioas, parent, fault, nested;
	struct mock mock;
};

static int trigger(struct guest *guest, uint32_t pasid, uint32_t group, uint64_t address)
{
	return TEST(guest->fd, IOMMU_TEST_OP_TRIGGER_IOPF,
		.trigger_iopf = {.dev_id = guest->mock.dev,
			.pasid = pasid,
			.grpid = group,
			.perm = 3,
			.addr = address});
}

static void print_fault(const struct iommu_hwpt_pgfault *fault)
{
	printf("  fault: flags %u dev %u pasid %u group %u perm %u addr %#" PRIx64
	       " length %u cookie %u\n",
		fault->flags, fault->dev_id, fault->pasid, fault->grpid, fault->perm,
		(uint64_t)fault->addr, fault->length, fault->cookie);
}

static int check_iotlb(struct guest *guest, uint32_t id, uint32_t value)
{
	return TEST(guest->fd, IOMMU_TEST_OP_MD_CHECK_IOTLB, .id = guest->nested,
		.md_check_iotlb = {.id = id, .iotlb = value});
}

static void set_up(struct guest *guest)
{
	struct iommu_fault_alloc alloc = {.size = sizeof(alloc)};
	uint32_t plain;

	guest->fd = open_iommu();
	guest->ioas = new_ioas(guest->fd);
	guest->mock = new_mock(guest->fd, guest->ioas);
	show("parent", hwpt_alloc(guest->fd, guest->mock.dev, guest->ioas,
			       IOMMU_HWPT_ALLOC_NEST_PARENT, &guest->parent));
	show("plain", hwpt_alloc(guest->fd, guest->mock.dev, guest->ioas, 0, &plain));
	show("fault queue", call(guest->fd, IOMMU_FAULT_QUEUE_ALLOC, &alloc));
	guest->fault = alloc.out_fault_id;
	guest->queue = (int)alloc.out_fault_fd;
	printf("parent %u plain %u fault %u\n", guest->parent, plain, guest->fault);
	printf("close-on-exec %d, read and write %d\n",
		fcntl(guest->queue, F_GETFD) & FD_CLOEXEC ? 1 : 0,
		(fcntl(guest->queue, F_GETFL) & O_ACCMODE) == O_RDWR);
	show("nested on a plain table",
		nested_alloc(guest->fd, guest->mock.dev, plain, 0, 1, &guest->nested));
	show("nested on an automatic table",
		nested_alloc(guest->fd, guest->mock.dev, guest->mock.hwpt, 0, 1, &guest->nested));
	show("nested with a wrong queue",
		nested_alloc(guest->fd, guest->mock.dev, guest->parent, 99, 1, &guest->nested));
	show("nested", nested_alloc(guest->fd, guest->mock.dev, guest->parent, guest->fault,
			       0xbadbeef, &guest->nested));
	printf("nested %u\n", guest->nested);
	show("faults before", trigger(guest, 0, 1, 0x1000));
	show("the device moves", replace_to(guest->fd, guest->mock.stdev, guest->nested));
	show("destroy the queue", destroy(guest->fd, guest->fault));
	show("destroy the parent", destroy(guest->fd, guest->parent));
}

static void faults(struct guest *guest)
{
	struct iommu_hwpt_pgfault records[4];
	struct iommu_hwpt_page_response response = {.code = 0};
	struct pollfd wait = {.fd = guest->queue, .events = POLLIN | POLLOUT};

	memset(records, 0, sizeof(records));
	printf("empty: poll %d", poll(&wait, 1, 0));
	printf(" events %#x\n", (unsigned)wait.revents);
	show("read nothing", read(guest->queue, records, sizeof(records)));
	show("fault", trigger(guest, 0, 7, 0xdead000));
	printf("poll %d", poll(&wait, 1, 0));
	printf(" events %#x\n", (unsigned)wait.revents);
	show("read half a record", read(guest->queue, records, 20) < 0 ? -errno : 0);
	show("read no record", read(guest->queue, records, 0) < 0 ? -errno : 0);
	show("read to nowhere", read(guest->queue, nowhere, sizeof(records[0])) < 0 ? -errno : 0);
	show("another fault", trigger(guest, 5, 8, 0xbeef000));
	show("read all", read(guest->queue, records, sizeof(records)));
	print_fault(&records[0]);
	print_fault(&records[1]);
	response.cookie = records[1].cookie;
	show("answer the second", write(guest->queue, &response, sizeof(response)));
	show("answer it again", write(guest->queue, &response, sizeof(response)) < 0 ? -errno : 0);
	show("a third fault", trigger(guest, 0, 9, 0xcafe000));
	show("read it", read(guest->queue, records + 2, sizeof(records[0])));
	print_fault(&records[2]);
	response.code = 2;
	show("answer with a wild code",
		write(guest->queue, &response, sizeof(response)) < 0 ? -errno : 0);
	response.code = 1;
	show("answer invalid", write(guest->queue, &response, sizeof(response)));
	show("answer half", write(guest->queue, &response, 4) < 0 ? -errno : 0);
	show("seek", lseek(guest->queue, 8, SEEK_SET) < 0 ? -errno : 0);
}

static void automatic_answers(struct guest *guest)
{
	struct iommu_hwpt_page_response response = {.cookie = 1};
	struct iommu_hwpt_pgfault record;

	show("fault", trigger(guest, 0, 20, 0x1000));
	show("read", read(guest->queue, &record, sizeof(record)));
	show("fault", trigger(guest, 0, 21, 0x2000));
	show("the device moves away", replace_to(guest->fd, guest->mock.stdev, guest->ioas));
	show("nothing waits", read(guest->queue, &record, sizeof(record)));
	response.cookie = record.cookie;
	show("nothing to answer",
		write(guest->queue, &response, sizeof(response)) < 0 ? -errno : 0);
	show("the device is back", replace_to(guest->fd, guest->mock.stdev, guest->nested));
}

static void invalidation(struct guest *guest)
{
	struct iommu_hwpt_invalidate_selftest requests[] = {{0, 0}, {0, 2}, {0, 7}, {0, 1}};
	struct iommu_hwpt_invalidate command = {
		.size = sizeof(command),
		.hwpt_id = guest->nested,
		.data_uptr = (uintptr_t)requests,
		.data_type = IOMMU_HWPT_INVALIDATE_DATA_SELFTEST,
		.entry_len = sizeof(requests[0]),
		.entry_num = 4,
	};

	for (uint32_t id = 0; id < 5; id++)
		show("cached", check_iotlb(guest, id, IOMMU_TEST_IOTLB_DEFAULT));
	show("invalidate", call(guest->fd, IOMMU_HWPT_INVALIDATE, &command));
	printf("  %u done\n", command.entry_num);
	for (uint32_t id = 0; id < 4; id++)
		show("gone", check_iotlb(guest, id, 0));
	requests[0].flags = IOMMU_TEST_INVALIDATE_FLAG_ALL;
	command.entry_num = 1;
	show("invalidate all", call(guest->fd, IOMMU_HWPT_INVALIDATE, &command));
	printf("  %u done\n", command.entry_num);
	for (uint32_t id = 0; id < 4; id++)
		show("gone", check_iotlb(guest, id, 0));
	command.data_type = IOMMU_HWPT_INVALIDATE_DATA_SELFTEST_INVALID;
	show("of a wrong type", call(guest->fd, IOMMU_HWPT_INVALIDATE, &command));
	printf("  %u done\n", command.entry_num);
	command.hwpt_id = guest->parent;
	command.entry_num = 1;
	show("on the parent", call(guest->fd, IOMMU_HWPT_INVALIDATE, &command));
	printf("  %u done\n", command.entry_num);
}

int main(void)
{
	struct guest guest = {0};

	set_up(&guest);
	faults(&guest);
	automatic_answers(&guest);
	invalidation(&guest);
	/* The queue outlives the context's own descriptor. */
	show("fault", trigger(&guest, 0, 30, 0x5000));
	close(guest.fd);
	struct iommu_hwpt_pgfault record;
	show("read after the context was closed", read(guest.queue, &record, sizeof(record)));
	print_fault(&record);
	close(guest.queue);
	return 0;
}
