/* SPDX-License-Identifier: Apache-2.0 */
/* Address spaces by process: a device with several page tables at once. */
#include "client.h"

struct machine {
	int fd;
	uint32_t ioas, with, other, without;
	struct mock mock;
};

static int attach(struct machine *machine, uint32_t op, uint32_t pasid, uint32_t *pt)
{
	struct iommu_test_cmd command = {
		.size = sizeof(command),
		.op = op,
		.id = machine->mock.stdev,
		.pasid_attach = {.pasid = pasid, .pt_id = *pt},
	};
	int result = call(machine->fd, IOMMU_TEST_CMD, &command);

	*pt = command.pasid_attach.pt_id;
	return result;
}

static int attach_to(struct machine *machine, uint32_t pasid, uint32_t pt)
{
	return attach(machine, IOMMU_TEST_OP_PASID_ATTACH, pasid, &pt);
}

static int pasid_replace(struct machine *machine, uint32_t pasid, uint32_t pt)
{
	return attach(machine, IOMMU_TEST_OP_PASID_REPLACE, pasid, &pt);
}

static int detach(struct machine *machine, uint32_t pasid)
{
	return TEST(machine->fd, IOMMU_TEST_OP_PASID_DETACH, .id = machine->mock.stdev,
		.pasid_detach = {.pasid = pasid});
}

static int check(struct machine *machine, uint32_t pasid, uint32_t hwpt)
{
	return TEST(machine->fd, IOMMU_TEST_OP_PASID_CHECK_HWPT, .id = machine->mock.stdev,
		.pasid_check_hwpt = {.pasid = pasid, .hwpt_id = hwpt});
}

static void set_up(struct machine *machine)
{
	struct iommu_hw_info info = {.size = sizeof(info)};

	machine->fd = open_iommu();
	machine->ioas = new_ioas(machine->fd);
	show("device",
		mock_flags(machine->fd, machine->ioas, MOCK_FLAGS_DEVICE_PASID, &machine->mock));
	info.dev_id = machine->mock.dev;
	show("info", call(machine->fd, IOMMU_GET_HW_INFO, &info));
	printf("2^%u process ids\n", info.out_max_pasid_log2);
	show("table", hwpt_alloc(machine->fd, machine->mock.dev, machine->ioas,
			      IOMMU_HWPT_ALLOC_PASID, &machine->with));
	show("table", hwpt_alloc(machine->fd, machine->mock.dev, machine->ioas,
			      IOMMU_HWPT_ALLOC_PASID, &machine->other));
	show("plain table",
		hwpt_alloc(machine->fd, machine->mock.dev, machine->ioas, 0, &machine->without));
}

static void attachments(struct machine *machine)
{
	show("while the device has a plain table", attach_to(machine, 7, machine->with));
	show("the device moves", replace_to(machine->fd, machine->mock.stdev, machine->with));
	show("nothing at 7", check(machine, 7, 0));
	show("attach 7", attach_to(machine, 7, machine->with));
	show("attach 7 again", attach_to(machine, 7, machine->other));
	show("attach 8", attach_to(machine, 8, machine->other));
	show("attach 0", attach_to(machine, 0, machine->with));
	show("attach to a plain table", attach_to(machine, 9, machine->without));
	show("attach to an address space", attach_to(machine, 9, machine->ioas));
	show("attach to nothing", attach_to(machine, 9, 99));
	show("attach the last", attach_to(machine, (1 << 20) - 1, machine->with));
	show("attach beyond it", attach_to(machine, 1 << 20, machine->with));
	show("at 7", check(machine, 7, machine->with));
	show("at 7 the other", check(machine, 7, machine->other));
	show("at 7 none", check(machine, 7, 0));
	show("destroy a table in use", destroy(machine->fd, machine->other));
	show("replace at 7", pasid_replace(machine, 7, machine->other));
	show("at 7 the other", check(machine, 7, machine->other));
	show("replace at 7 by the same", pasid_replace(machine, 7, machine->other));
	show("replace at 30", pasid_replace(machine, 30, machine->other));
	show("replace at 7 by a plain table", pasid_replace(machine, 7, machine->without));
	show("the device to a plain table",
		replace_to(machine->fd, machine->mock.stdev, machine->without));
}

static void ends(struct machine *machine)
{
	show("detach 7", detach(machine, 7));
	show("detach 7 again", detach(machine, 7));
	show("at 7 none", check(machine, 7, 0));
	show("a device that is none", TEST(machine->fd, IOMMU_TEST_OP_PASID_DETACH, .id = 99));
	show("detach 8", detach(machine, 8));
	show("detach the last", detach(machine, (1 << 20) - 1));
	/* A number with which the mock refuses every second time. */
	show("attach 1024", attach_to(machine, 1024, machine->with));
	show("replace at 1024", pasid_replace(machine, 1024, machine->other));
	show("still the old", check(machine, 1024, machine->with));
	show("replace at 1024", pasid_replace(machine, 1024, machine->other));
	show("now the other", check(machine, 1024, machine->other));
	show("detach 1024", detach(machine, 1024));
	show("the device to a plain table",
		replace_to(machine->fd, machine->mock.stdev, machine->without));
	show("destroy", destroy(machine->fd, machine->with));
	show("destroy", destroy(machine->fd, machine->other));
}

/* Faults say of which process they are. */
static void faults(struct machine *machine)
{
	struct iommu_fault_alloc alloc = {.size = sizeof(alloc)};
	struct iommu_hwpt_alloc hwpt = {
		.size = sizeof(hwpt),
		.flags = IOMMU_HWPT_FAULT_ID_VALID | IOMMU_HWPT_ALLOC_PASID,
		.dev_id = machine->mock.dev,
		.pt_id = machine->ioas,
	};
	struct iommu_hwpt_pgfault record = {0};

	show("queue", call(machine->fd, IOMMU_FAULT_QUEUE_ALLOC, &alloc));
	hwpt.fault_id = alloc.out_fault_id;
	show("table with faults", call(machine->fd, IOMMU_HWPT_ALLOC, &hwpt));
	show("the device has none", detach(machine, 0));
	show("attach 5", attach_to(machine, 5, hwpt.out_hwpt_id));
	for (uint32_t pasid = 4; pasid <= 5; pasid++)
		show("fault", TEST(machine->fd, IOMMU_TEST_OP_TRIGGER_IOPF,
				      .trigger_iopf = {.dev_id = machine->mock.dev,
					      .pasid = pasid,
					      .grpid = 1,
					      .addr = 0x1000}));
	show("read", read((int)alloc.out_fault_fd, &record, sizeof(record)));
	printf("flags %u process %u\n", record.flags, record.pasid);
	show("no more", read((int)alloc.out_fault_fd, &record, sizeof(record)));
	show("detach 5", detach(machine, 5));
	close((int)alloc.out_fault_fd);
}

static void without_pasids(void)
{
	struct machine machine = {.fd = open_iommu()};

	machine.ioas = new_ioas(machine.fd);
	machine.mock = new_mock(machine.fd, machine.ioas);
	show("table", hwpt_alloc(machine.fd, machine.mock.dev, machine.ioas, IOMMU_HWPT_ALLOC_PASID,
			      &machine.with));
	show("the device moves", replace_to(machine.fd, machine.mock.stdev, machine.with));
	show("attach 1", attach_to(&machine, 1, machine.with));
	close(machine.fd);
}

int main(void)
{
	struct machine machine = {0};

	set_up(&machine);
	attachments(&machine);
	ends(&machine);
	faults(&machine);
	close(machine.fd);
	without_pasids();
	return 0;
}
