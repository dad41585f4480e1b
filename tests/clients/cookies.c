/* SPDX-License-Identifier: Apache-2.0 */
/* Which cookies faults get, also when answers name 0 or what nobody waits with. */
#include "client.h"

static int fd, queue;
static struct mock device;
static uint32_t group;

static void open_queue(void)
{
	struct iommu_fault_alloc fault = {.size = sizeof(fault)};
	uint32_t ioas, parent, nested;

	fd = open_iommu();
	ioas = new_ioas(fd);
	device = new_mock(fd, ioas);
	if (hwpt_alloc(fd, device.dev, ioas, IOMMU_HWPT_ALLOC_NEST_PARENT, &parent) ||
		call(fd, IOMMU_FAULT_QUEUE_ALLOC, &fault) ||
		nested_alloc(fd, device.dev, parent, fault.out_fault_id, 0, &nested) ||
		replace_to(fd, device.stdev, nested))
		die("queue");
	queue = (int)fault.out_fault_fd;
}

static void take(void)
{
	struct iommu_hwpt_pgfault fault;

	if (TEST(fd, IOMMU_TEST_OP_TRIGGER_IOPF,
		    .trigger_iopf = {.dev_id = device.dev, .pasid = -1u, .grpid = ++group}) ||
		read(queue, &fault, sizeof(fault)) != sizeof(fault))
		die("fault");
	printf(" %u", fault.cookie);
}

static void answer(uint32_t cookie)
{
	struct iommu_hwpt_page_response response = {.cookie = cookie};
	ssize_t done = write(queue, &response, sizeof(response));

	printf(" %u:%s", cookie, done < 0 ? named(-errno) : "answered");
}

int main(void)
{
	/* t: takes a fault; a digit: answers with that cookie */
	static const char *const plans[] = {"0tt", "t0tt", "t10tt", "t10ttt0t", "t10t1t2t",
		"t10t01t", "tttt3210t", "t10tttt01234t", "t12tt0ttt", "tt1200tttt", "t01t0t0t",
		"t01t1t", "t01tt10t", "t01tt01t0tt"};

	for (size_t n = 0; n < sizeof(plans) / sizeof(*plans); n++) {
		open_queue();
		printf("%s:", plans[n]);
		for (const char *step = plans[n]; *step; step++) {
			if (*step == 't')
				take();
			else
				answer((uint32_t)(*step - '0'));
		}
		puts("");
		close(queue);
		close(fd);
	}
	return 0;
}
