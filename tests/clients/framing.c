/* SPDX-License-Identifier: Apache-2.0 */
/* Structs of other ages: shorter, longer, with and without what comes later. */
#include "client.h"

struct padded {
	union {
		uint32_t size;
		struct iommu_destroy destroy;
		struct iommu_ioas_alloc ioas;
		struct iommu_hw_info info;
		struct iommu_option option;
		struct iommu_hwpt_alloc hwpt;
		struct iommu_viommu_alloc viommu;
		struct iommu_test_cmd test;
		uint8_t bytes[256];
	};
};

static void sizes(int fd, uint32_t id)
{
	struct padded command;

	for (uint32_t size = 0; size <= 16; size += 4) {
		memset(&command, 0, sizeof(command));
		command.ioas.size = size;
		int result = call(fd, IOMMU_IOAS_ALLOC, &command);
		printf("IOAS_ALLOC of %u: %s, id %u\n", size, named(result),
			command.ioas.out_ioas_id);
		if (result == 0)
			destroy(fd, command.ioas.out_ioas_id);
	}
	memset(&command, 0, sizeof(command));
	command.size = 200;
	command.destroy.id = 99;
	show("DESTROY of 200", call(fd, IOMMU_DESTROY, &command));
	command.bytes[199] = 1;
	show("with something in the end", call(fd, IOMMU_DESTROY, &command));
	command.bytes[199] = 0;
	command.bytes[200] = 1;
	show("with something behind it", call(fd, IOMMU_DESTROY, &command));
	command.bytes[8] = 1;
	show("with something behind the struct", call(fd, IOMMU_DESTROY, &command));
	memset(&command, 0xff, sizeof(command));
	command.size = 8;
	command.destroy.id = id;
	show("exactly", call(fd, IOMMU_DESTROY, &command));
}

static void written_back(int fd)
{
	struct padded command;

	memset(&command, 0xee, sizeof(command));
	command.option = (struct iommu_option){.size = sizeof(command.option),
		.option_id = IOMMU_OPTION_RLIMIT_MODE,
		.op = IOMMU_OPTION_OP_GET,
		.val64 = 5};
	show("option", call(fd, IOMMU_OPTION, &command));
	printf("  %" PRIu64 ", behind it %#x\n", (uint64_t)command.option.val64,
		command.bytes[sizeof(command.option)]);
	memset(&command, 0, sizeof(command));
	command.size = 40;
	show("longer than the kernel knows", call(fd, IOMMU_IOAS_ALLOC, &command));
	printf("  size %u id %u\n", command.size, command.ioas.out_ioas_id);
}

/* GET_HW_INFO and HWPT_ALLOC have grown; the first versions are still good. */
static void old_clients(int fd, uint32_t ioas, struct mock mock)
{
	struct padded command;

	for (uint32_t size = 24; size <= 48; size += 8) {
		memset(&command, 0, sizeof(command));
		command.info.dev_id = mock.dev;
		command.size = size;
		int result = call(fd, IOMMU_GET_HW_INFO, &command);
		printf("GET_HW_INFO of %u: %s, type %#x, capabilities %" PRIu64 "\n", size,
			named(result), command.info.out_data_type,
			(uint64_t)command.info.out_capabilities);
	}
	for (uint32_t size = 16; size <= 56; size += 8) {
		memset(&command, 0, sizeof(command));
		command.hwpt.dev_id = mock.dev;
		command.hwpt.pt_id = ioas;
		command.size = size;
		int result = call(fd, IOMMU_HWPT_ALLOC, &command);
		printf("HWPT_ALLOC of %u: %s\n", size, named(result));
		if (result == 0)
			destroy(fd, command.hwpt.out_hwpt_id);
	}
	for (uint32_t size = 64; size <= 76; size += 4) {
		memset(&command, 0, sizeof(command));
		command.test =
			(struct iommu_test_cmd){.size = size, .op = IOMMU_TEST_OP_MD_CHECK_REFS};
		printf("IOMMU_TEST_CMD of %u: %s\n", size,
			named(call(fd, IOMMU_TEST_CMD, &command)));
	}
}

static void numbers(int fd)
{
	struct padded command = {.bytes = {0}};

	for (unsigned long number = 0x3b7c; number <= 0x3ba2; number++) {
		memset(&command, 0, sizeof(command));
		command.size = 4;
		printf("%#lx of 4 bytes: %s\n", number, named(call(fd, number, &command)));
	}
	command.size = sizeof(command.ioas);
	show("with a direction", call(fd, _IOWR(';', 0x81, struct iommu_ioas_alloc), &command));
	show("of another type", call(fd, _IO('<', 0x81), &command));
	show("a terminal's", call(fd, 0x5401, &command));
	show("FIONBIO", call(fd, 0x5421, &command));
	show("FIOCLEX", call(fd, 0x5451, NULL));
	show("close-on-exec", fcntl(fd, F_GETFD));
}

int main(void)
{
	int fd = open_iommu();
	uint32_t ioas = new_ioas(fd), other = new_ioas(fd);
	struct mock mock = new_mock(fd, ioas);

	sizes(fd, other);
	written_back(fd);
	old_clients(fd, ioas, mock);
	numbers(fd);
	close(fd);
	return 0;
}
