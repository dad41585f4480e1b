/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Prints what options of `iommuzz shim` govern. usage: shim_asks failures: which of a hundred calls
 * fail; shim_asks release: what each command of /dev/iommu says to a struct of no size.
 */
#include "tests/clients/client.h"

static void print_failures(int fd)
{
	for (int n = 0; n < 100; n++) {
		struct iommu_ioas_alloc alloc = {.size = sizeof(alloc)};

		putchar(ioctl(fd, IOMMU_IOAS_ALLOC, &alloc) ? 'x' : '.');
	}
	putchar('\n');
}

static void print_release(int fd)
{
	for (unsigned long number = IOMMUFD_CMD_BASE; number < IOMMUFD_CMD_BASE + 24; number++) {
		uint32_t size = 0;

		printf("%#lx: %s\n", number, named(call(fd, _IO(IOMMUFD_TYPE, number), &size)));
	}
}

int main(int argc, char **argv)
{
	int fd = open_iommu();

	if (argc > 1 && !strcmp(argv[1], "failures"))
		print_failures(fd);
	else
		print_release(fd);
	return 0;
}
