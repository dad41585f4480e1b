/* SPDX-License-Identifier: Apache-2.0 */
/* A program that calls more often than one program of ours can: 5000 times, and counts the answers.
 */
#include <errno.h>
#include <stdio.h>

#include "tests/shim/client.h"

int main(void)
{
	int fd = open("/dev/iommu", O_RDWR | O_CLOEXEC), answers = 0;
	uint32_t id = new_ioas(fd);

	for (int n = 0; n < 4998; n++)
		answers += destroy(fd, id) == (n ? -ENOENT : 0);
	printf("%s 1 - %d calls\n", answers == 4998 ? "ok" : "not ok", answers + 2);
	close(fd);
	return answers == 4998 ? 0 : 1;
}
