/* SPDX-License-Identifier: Apache-2.0 */
/* Streams of the C library on a context and on queues: buffered, unbuffered, of all modes. */
#include "client.h"

static struct mock mock;
static int iommu;

/* A value, and how the stream stands; it goes on. */
static void show_stream(const char *what, FILE *stream, size_t value)
{
	printf("%s: %zu, end %d, error %s\n", what, value, feof(stream),
		ferror(stream) ? strerrorname_np(errno) : "none");
	clearerr(stream);
	errno = 0;
}

static void fault(void)
{
	TEST(iommu, IOMMU_TEST_OP_TRIGGER_IOPF,
		.trigger_iopf = {.dev_id = mock.dev, .perm = 3, .addr = PAGE, .grpid = 1});
}

static void event(void)
{
	TEST(iommu, IOMMU_TEST_OP_TRIGGER_VEVENT, .trigger_vevent = {.dev_id = mock.dev});
}

static void context(void)
{
	static const char *const modes[] = {"r", "r+", "w", "we", "a+", "wx"};

	for (size_t n = 0; n < sizeof(modes) / sizeof(*modes); n++) {
		FILE *stream = fopen("/dev/iommu", modes[n]);

		printf("opened with %s: %s\n", modes[n], stream ? "yes" : named(-errno));
		if (!stream)
			continue;
		int fd = fileno(stream);
		printf("  a descriptor: %s, flags %#o, close-on-exec %d, id %u\n",
			fd > iommu ? "yes" : "no", (unsigned)fcntl(fd, F_GETFL), fcntl(fd, F_GETFD),
			new_ioas(fd));
		errno = 0;
		show_stream("  get", stream, (size_t)(fgetc(stream) + 1));
		show_stream("  put", stream, (size_t)(fputs("x", stream) >= 0));
		show_stream("  flush", stream, (size_t)(fflush(stream) + 1));
		show("  tell", ftell(stream) < 0 ? -errno : 0);
		printf("  closed: %s\n", fclose(stream) ? named(-errno) : "0");
		printf("  its descriptor is: %s\n", named(fcntl(fd, F_GETFD) < 0 ? -errno : 0));
	}
}

static void queue(const char *name, int fd, void (*arm)(void))
{
	char bytes[400];
	FILE *stream = fdopen(dup(fd), "r");

	printf("-- %s\n", name);
	if (!stream)
		die("fdopen");
	printf("a descriptor: %s\n", fileno(stream) > fd ? "yes" : "no");
	errno = 0;
	arm();
	show_stream("buffered", stream, fread(bytes, 1, 40, stream));
	show_stream("again", stream, fread(bytes, 1, 40, stream));
	setvbuf(stream, NULL, _IONBF, 0);
	show_stream("unbuffered", stream, fread(bytes, 1, 40, stream));
	arm();
	show_stream("unbuffered", stream, fread(bytes, 1, 40, stream));
	arm();
	show_stream("a byte", stream, (size_t)(fgetc(stream) + 1));
	show("tell", ftell(stream) < 0 ? -errno : 0);
	fclose(stream);
	printf("the queue has %s\n", named(read(fd, bytes, sizeof(bytes))));
	stream = fdopen(dup(fd), "r");
	char room[4000];
	setvbuf(stream, room, _IOFBF, sizeof(room));
	arm();
	arm();
	show_stream("with room for whole records", stream, fread(bytes, 1, 8, stream));
	show_stream("the rest", stream, fread(bytes, 1, sizeof(bytes), stream));
	fclose(stream);
	stream = fdopen(dup(fd), "r+");
	show_stream("put", stream, (size_t)(fputs("x", stream) >= 0));
	show_stream("flush", stream, (size_t)(fflush(stream) + 1));
	printf("closed: %s\n", fclose(stream) ? named(-errno) : "0");
}

static int faults(uint32_t ioas, uint32_t *parent)
{
	struct iommu_fault_alloc alloc = {.size = sizeof(alloc)};
	uint32_t nested;

	show("queue", call(iommu, IOMMU_FAULT_QUEUE_ALLOC, &alloc));
	hwpt_alloc(iommu, mock.dev, ioas, IOMMU_HWPT_ALLOC_NEST_PARENT, parent);
	nested_alloc(iommu, mock.dev, *parent, alloc.out_fault_id, 1, &nested);
	show("attach", replace_to(iommu, mock.stdev, nested));
	return (int)alloc.out_fault_fd;
}

static int events(uint32_t ioas, uint32_t parent)
{
	struct iommu_viommu_alloc viommu = {.size = sizeof(viommu),
		.type = IOMMU_VIOMMU_TYPE_SELFTEST,
		.dev_id = mock.dev,
		.hwpt_id = parent};
	struct iommu_veventq_alloc alloc = {
		.size = sizeof(alloc), .type = IOMMU_VEVENTQ_TYPE_SELFTEST, .veventq_depth = 64};
	uint32_t nested;

	show("detach", replace_to(iommu, mock.stdev, ioas));
	show("viommu", call(iommu, IOMMU_VIOMMU_ALLOC, &viommu));
	show("nested", nested_alloc(iommu, mock.dev, viommu.out_viommu_id, 0, 1, &nested));
	show("vdevice", call(iommu, IOMMU_VDEVICE_ALLOC,
				CMD(iommu_vdevice_alloc, .viommu_id = viommu.out_viommu_id,
					.dev_id = mock.dev, .virt_id = 5)));
	alloc.viommu_id = viommu.out_viommu_id;
	show("queue", call(iommu, IOMMU_VEVENTQ_ALLOC, &alloc));
	show("attach", replace_to(iommu, mock.stdev, nested));
	return (int)alloc.out_veventq_fd;
}

int main(void)
{
	uint32_t ioas, parent;

	alarm(20);
	iommu = open_iommu();
	ioas = new_ioas(iommu);
	mock = new_mock(iommu, ioas);
	context();
	queue("fault queue", faults(ioas, &parent), fault);
	queue("event queue", events(ioas, parent), event);
	return 0;
}
