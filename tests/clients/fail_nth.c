/* SPDX-License-Identifier: Apache-2.0 */
/* Fault injection: each allocation and lookup of a piece of work fails once, and nothing leaks. */
#include "client.h"

#include <sys/syscall.h>

#define TRIES_MAX 1000

static int knob = -1;

static bool write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);
	bool written = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	if (fd >= 0)
		close(fd);
	return written;
}

static void arm(unsigned nth)
{
	char text[16];
	int length = snprintf(text, sizeof(text), "%u", nth);

	if (pwrite(knob, text, (size_t)length, 0) != length)
		die("fail-nth");
}

/* Whether the failure came; nothing fails from here on. */
static bool disarm(void)
{
	char text[16] = "";
	ssize_t count = pread(knob, text, sizeof(text) - 1, 0);

	if (count < 0)
		die("fail-nth");
	arm(0);
	return strcmp(text, "0\n") == 0;
}

static bool set_up(void)
{
	char path[80];

	if (!write_text("/sys/kernel/debug/failslab/ignore-gfp-wait", "N"))
		return false;
	write_text("/sys/kernel/debug/fail_page_alloc/ignore-gfp-wait", "N");
	write_text("/sys/kernel/debug/fail_page_alloc/ignore-gfp-highmem", "N");
	write_text("/sys/kernel/debug/failslab/verbose", "0");
	write_text("/sys/kernel/debug/fail_page_alloc/verbose", "0");
	write_text("/sys/kernel/debug/fail_iommufd/verbose", "0");
	snprintf(path, sizeof(path), "/proc/self/task/%ld/fail-nth", syscall(SYS_gettid));
	knob = open(path, O_RDWR);
	return knob >= 0;
}

struct bench {
	int fd;
	uint32_t ioas, other;
	struct mock mock;
	char *memory;
	int file;
};

static int map_with_device(struct bench *bench)
{
	uint64_t iova = 0;
	int result = map_flags(bench->fd, bench->ioas, RW, bench->memory, 4 * PAGE, &iova);

	return result ? result : unmap_at(bench->fd, bench->ioas, iova, 4 * PAGE);
}

static int map_of_file(struct bench *bench)
{
	uint64_t iova = 0;

	return map_file(bench->fd, bench->ioas, RW, bench->file, 0, 4 * PAGE, &iova);
}

static int make_device(struct bench *bench)
{
	struct mock mock;
	int result = mock_flags(bench->fd, bench->other, 0, &mock);

	return result ? result : destroy(bench->fd, mock.stdev);
}

static int read_and_write(struct bench *bench)
{
	uint64_t iova = 0;
	char text[8];
	int access = new_access(bench->fd, bench->ioas, 0), result;

	if (access < 0)
		return access;
	result = map_flags(bench->fd, bench->ioas, RW, bench->memory, 2 * PAGE, &iova);
	if (result == 0)
		result = access_rw(bench->fd, access, iova, text, 8, 0);
	if (result == 0)
		result = access_rw(bench->fd, access, iova + PAGE - 4, text, 8, 1 | 4);
	disarm();
	close(access);
	return result;
}

static int pin_pages(struct bench *bench)
{
	uint64_t iova = 0;
	int access = new_access(bench->fd, bench->other, 1), result;

	if (access < 0)
		return access;
	result = map_flags(bench->fd, bench->other, RW, bench->memory, 4 * PAGE, &iova);
	if (result == 0)
		result = pin(bench->fd, access, iova, 3 * PAGE, bench->memory, 0);
	close(access);
	return result;
}

static int page_table(struct bench *bench)
{
	uint32_t hwpt, target;
	int result = hwpt_alloc(bench->fd, bench->mock.dev, bench->ioas, 0, &hwpt);

	if (result)
		return result;
	target = hwpt;
	return replace(bench->fd, bench->mock.stdev, &target);
}

static const struct {
	const char *name;
	int (*run)(struct bench *bench);
} works[] = {
	{"map", map_with_device},
	{"map a file", map_of_file},
	{"device", make_device},
	{"pin", pin_pages},
	{"page table", page_table},
};

static void open_bench(struct bench *bench)
{
	bench->fd = open_iommu();
	bench->ioas = new_ioas(bench->fd);
	bench->other = new_ioas(bench->fd);
	bench->mock = new_mock(bench->fd, bench->ioas);
}

/* The first try has no failure, the last one none that was reached. */
static void run_work(struct bench *bench, size_t work)
{
	unsigned failed = 0, survived = 0, leaks = 0;
	bool reached = true, ended_well = false;

	for (unsigned nth = 0; reached && nth < TRIES_MAX; nth++) {
		open_bench(bench);
		if (nth)
			arm(nth);
		int result = works[work].run(bench);
		reached = nth ? disarm() : true;
		if (nth && reached) {
			failed += result < 0;
			survived += result >= 0;
		}
		if (!nth || !reached)
			ended_well = result >= 0;
		close(bench->fd);
		int check = open_iommu();
		leaks += check_refs(check, bench->memory, 4 * PAGE, 0) != 0;
		close(check);
	}
	printf("%s: some tries failed: %s, ended: %s, well: %s, leaks: %u\n", works[work].name,
		failed ? "yes" : "no", reached ? "no" : "yes", ended_well ? "yes" : "no", leaks);
	(void)survived;
}

/* How the file itself behaves. */
static void file_itself(void)
{
	char text[16] = "";

	show("read", pread(knob, text, sizeof(text) - 1, 0));
	printf("unarmed: %s", text);
	arm(30000);
	memset(text, 0, sizeof(text));
	show("read", pread(knob, text, sizeof(text) - 1, 0));
	printf("less than armed or as armed: %s\n", atoi(text) > 20000 ? "yes" : "no");
	arm(0);
	show("nonsense", pwrite(knob, "x", 1, 0) < 0 ? -errno : 0);
}

int main(void)
{
	struct bench bench = {.memory = pages(4, 0), .file = memfd_create("guest", 0)};
	unsigned nth;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (!set_up()) {
		printf("no fault injection here\n");
		return 0;
	}
	if (ftruncate(bench.file, 4 * PAGE) != 0)
		die("ftruncate");
	file_itself();
	for (size_t work = 0; work < sizeof(works) / sizeof(works[0]); work++)
		run_work(&bench, work);
	/* An access keeps the context, so its work ends its failures itself. */
	open_bench(&bench);
	show("read and write", read_and_write(&bench));
	close(bench.fd);
	for (nth = 1; nth < TRIES_MAX; nth++) {
		open_bench(&bench);
		arm(nth);
		int result = read_and_write(&bench);
		disarm();
		close(bench.fd);
		if (result >= 0)
			break;
	}
	printf("read and write: some tries failed: %s, ended well: %s\n", nth > 1 ? "yes" : "no",
		nth < TRIES_MAX ? "yes" : "no");
	return 0;
}
