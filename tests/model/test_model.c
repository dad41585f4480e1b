/* SPDX-License-Identifier: Apache-2.0 */
/* The reference model against the tables of specification 18 and the order of checks, without the
 * executor. */
#include "tests/model/machine.h"
#include "tests/tap.h"

#define MEM  PROG_MEM_BASE
#define VA   UINT64_C(0x7f0000200000)
#define BAD  UINT64_C(0x60000000000) /* nothing is mapped there */
#define READ IOMMU_IOAS_MAP_READABLE

/* ---- 18.1 ---- */

enum situation {
	FRESH,
	FIRST_USED, /* 0x1000 to 0x1fff mapped */
	DOMAIN,
	DOMAIN_FIRST_USED, /* 0x1000000 to 0x1000fff mapped */
	APERTURE,	   /* the domain's reservations alone */
	RESERVED_PAGES,	   /* 4 to 103 */
	ALLOWED_PAGES,	   /* 200 to 599 */
	ALLOWED_FIRST,	   /* [0, 0xfff] */
	ALLOWED_THREE,	   /* [0, 0x2fff] */
	ALLOWED_TWO,	   /* [0x1000, 0x1fff] and [0x2000, 0x2fff] */
	RESERVED_MOST,
	PAGE_ALIGNED,
	ONE_PAGE_HOLE, /* at 0x2000 */
};

static const struct vector {
	enum situation situation;
	uint64_t address, length;
	int64_t result; /* IOVA or negative errno */
} vectors[] = {
	{FRESH, VA, 0x1000, 0x1000},
	{FIRST_USED, VA, 0x1000, 0x2000},
	{FRESH, VA, 0x3000, 0x4000},
	{FRESH, VA + 0x1000, 0x3000, 0x1000},
	{FRESH, VA, 0x5000, 0x8000},
	{FRESH, 0x80000000, 0xa000, 0x10000},
	{FRESH, VA, 1, 0x1000},
	{FRESH, VA + 1, 1, 0x1001},
	{FRESH, VA + 0x800, 0x1000, 0x1800},
	{FRESH, VA + 0x804, 0x1000, 0x1804},
	{FRESH, VA, 0x400000, 0x200000},
	{FRESH, 0, 0x3000, 0x4000},
	{DOMAIN, VA, 0x1000, 0x1000000},
	{DOMAIN, VA, 0x3000, 0x1000000},
	{DOMAIN_FIRST_USED, VA, 0x800, 0x1001000},
	{DOMAIN, VA + 0x800, 0x800, 0x1000800},
	{DOMAIN, VA + 0x400, 0x800, -EINVAL},
	{DOMAIN, VA + 0x1800, 0x2000, 0x1000800},
	{APERTURE, VA, 0x7f000000, 0x1000000},
	{DOMAIN, VA, 0x7f001000, -ENOSPC},
	{RESERVED_PAGES, VA, 0x8000, 0x68000},
	{ALLOWED_PAGES, VA, 0x1000, 0xc8000},
	{ALLOWED_PAGES, VA, 0x3000, 0xc8000},
	{ALLOWED_FIRST, VA, 0x1000, -ENOSPC},
	{ALLOWED_THREE, VA, 0x2000, -ENOSPC},
	{ALLOWED_TWO, VA + 0x1000, 0x2000, 0x1000},
	{RESERVED_MOST, VA, 0x5000, -ENOSPC},
	{FRESH, VA, 0x7fffffffffffffff, -EOVERFLOW},
	{FRESH, VA, 0x7ffffffffffffffe, 0x200000},
	{PAGE_ALIGNED, VA + 0x800, 0x1000, -EINVAL},
	{ONE_PAGE_HOLE, VA, 0x1000, 0x2000},
	{ONE_PAGE_HOLE, VA, 0x2000, 0x4000},
};
#define VECTORS (sizeof(vectors) / sizeof(vectors[0]))

static void map_memory(struct machine *machine, uint64_t address, uint64_t length)
{
	struct call_mmap map = {
		.addr = address,
		.length = length,
		.prot = CALL_PROT_READ | CALL_PROT_WRITE,
		.flags = CALL_MAP_FIXED | CALL_MAP_PRIVATE | CALL_MAP_ANONYMOUS,
	};

	machine_call(machine, CALL_ID_mmap, 0, &map);
}

static int64_t reserve(struct machine *machine, uint32_t ioas, uint64_t start, uint64_t length)
{
	struct iommu_test_cmd test = {
		.id = ioas, .add_reserved = {.start = start, .length = length}};

	return machine_ioctl(machine, CALL_ID_IOMMU_TEST_OP_ADD_RESERVED, &test);
}

static int64_t allow(
	struct machine *machine, uint32_t ioas, const struct iommu_iova_range *list, uint32_t count)
{
	struct iommu_ioas_allow_iovas argument = {
		.ioas_id = ioas, .num_iovas = count, .allowed_iovas = MEM};

	machine_put(machine, MEM, list, count * (uint32_t)sizeof(*list));
	return machine_ioctl(machine, CALL_ID_IOMMU_IOAS_ALLOW_IOVAS, &argument);
}

static int64_t option(
	struct machine *machine, enum call_id row, uint32_t object, uint16_t op, uint64_t value)
{
	struct iommu_option argument = {.object_id = object, .op = op, .val64 = value};

	return machine_ioctl(machine, row, &argument);
}

static void prepare(struct machine *machine, uint32_t ioas, enum situation situation)
{
	static const struct iommu_iova_range pages = {200 * 0x1000, 600 * 0x1000 - 1},
					     first = {0, 0xfff}, three = {0, 0x2fff},
					     two[2] = {{0x1000, 0x1fff}, {0x2000, 0x2fff}};
	uint32_t ids[3];

	map_memory(machine, VA, 0x10000);
	switch (situation) {
	case FRESH: break;
	case FIRST_USED: machine_map(machine, ioas, 0x1000, VA, 0x1000); break;
	case DOMAIN: machine_mock(machine, ioas, ids); break;
	case DOMAIN_FIRST_USED:
		machine_mock(machine, ioas, ids);
		machine_map(machine, ioas, 0x1000000, VA, 0x1000);
		break;
	case APERTURE:
		reserve(machine, ioas, 0, MOCK_APERTURE_START);
		reserve(machine, ioas, MOCK_APERTURE_LAST + 1, UINT64_MAX - MOCK_APERTURE_LAST);
		break;
	case RESERVED_PAGES: reserve(machine, ioas, 4 * 0x1000, 100 * 0x1000); break;
	case ALLOWED_PAGES: allow(machine, ioas, &pages, 1); break;
	case ALLOWED_FIRST: allow(machine, ioas, &first, 1); break;
	case ALLOWED_THREE: allow(machine, ioas, &three, 1); break;
	case ALLOWED_TWO: allow(machine, ioas, two, 2); break;
	case RESERVED_MOST: reserve(machine, ioas, 6, UINT64_C(0xffffffffffff8001)); break;
	case PAGE_ALIGNED:
		option(machine, CALL_ID_IOMMU_OPTION_HUGE_PAGES, ioas, IOMMU_OPTION_OP_SET, 0);
		break;
	case ONE_PAGE_HOLE:
		machine_map(machine, ioas, 0x1000, VA, 0x1000);
		machine_map(machine, ioas, 0x3000, VA, 0x1000);
		break;
	}
}

/* Whether the model chooses what the vector says. */
static bool vector_holds(const struct vector *vector)
{
	struct iommu_ioas_map map = {
		.flags = READ, .user_va = vector->address, .length = vector->length};
	struct machine machine;
	int64_t rc;

	machine_start(&machine, 0, 0);
	map.ioas_id = machine_ioas(&machine);
	prepare(&machine, map.ioas_id, vector->situation);
	rc = machine_ioctl(&machine, CALL_ID_IOMMU_IOAS_MAP, &map);
	machine_end(&machine);
	return rc == (vector->result < 0 ? vector->result : 0) &&
	       (rc || map.iova == (uint64_t)vector->result);
}

static void test_vectors(void)
{
	for (size_t i = 0; i < VECTORS; i++)
		tap_ok(vector_holds(&vectors[i]), "18.1/%zu", i + 1);
}

/* Negative control: a wrong expectation must be seen, else the vectors above show nothing. */
static void test_control(void)
{
	bool all_seen = true;

	for (size_t i = 0; i < VECTORS; i++) {
		struct vector wrong = vectors[i];

		wrong.result = wrong.result < 0 ? 0x1000 : wrong.result + 0x1000;
		all_seen = all_seen && !vector_holds(&wrong);
	}
	tap_ok(all_seen, "a wrong expectation of any vector is seen");
}

/* ---- 18.2 and 18.3 ---- */

static int64_t zero_body(enum call_id row)
{
	uint8_t image[CALL_STRUCT_MAX] = {0};
	struct machine machine;
	int64_t rc;

	machine_start(&machine, 0, 0);
	machine_ioas(&machine);
	machine_ioas(&machine);
	rc = machine_ioctl(&machine, row, image);
	machine_end(&machine);
	return rc;
}

static void test_zero_bodies(void)
{
	tap_ok(zero_body(CALL_ID_IOMMU_DESTROY) == -ENOENT, "18.2 DESTROY");
	tap_ok(zero_body(CALL_ID_IOMMU_IOAS_ALLOC) == 0, "18.2 IOAS_ALLOC");
	tap_ok(zero_body(CALL_ID_IOMMU_IOAS_ALLOW_IOVAS) == -ENOENT, "18.2 ALLOW_IOVAS");
	tap_ok(zero_body(CALL_ID_IOMMU_IOAS_IOVA_RANGES) == -ENOENT, "18.2 IOVA_RANGES");
	tap_ok(zero_body(CALL_ID_IOMMU_IOAS_UNMAP) == -ENOENT, "18.2 UNMAP");
	tap_ok(zero_body(CALL_ID_IOMMU_IOAS_COPY) == -EINVAL, "18.2 COPY");
	tap_ok(zero_body(CALL_ID_IOMMU_IOAS_MAP) == -EINVAL, "18.2 MAP");
	tap_ok(zero_body(CALL_ID_IOMMU_OPTION_RLIMIT_MODE) == -EBUSY, "18.2 OPTION");
}

static int64_t map_result(
	uint32_t flags, uint32_t ioas, uint64_t va, uint64_t length, uint64_t iova)
{
	struct iommu_ioas_map map = {
		.flags = flags, .ioas_id = ioas, .user_va = va, .length = length, .iova = iova};
	struct machine machine;
	int64_t rc;

	machine_start(&machine, 0, 0);
	machine_ioas(&machine);
	rc = machine_ioctl(&machine, CALL_ID_IOMMU_IOAS_MAP, &map);
	machine_end(&machine);
	return rc;
}

static int64_t unmap_result(uint32_t ioas, uint64_t iova, uint64_t length)
{
	struct machine machine;
	int64_t rc;

	machine_start(&machine, 0, 0);
	machine_ioas(&machine);
	rc = machine_unmap(&machine, ioas, iova, length);
	machine_end(&machine);
	return rc;
}

static void test_double_faults(void)
{
	const uint32_t write = IOMMU_IOAS_MAP_WRITEABLE;

	tap_ok(map_result(8, 999, MEM, 1, UINT64_MAX) == -EOPNOTSUPP,
		"18.3 MAP flag before overflow");
	tap_ok(map_result(write, 999, MEM, 1, UINT64_MAX) == -EOVERFLOW,
		"18.3 MAP overflow before id");
	tap_ok(map_result(IOMMU_IOAS_MAP_FIXED_IOVA, 999, MEM, 1, 0) == -EINVAL,
		"18.3 MAP access before id");
	tap_ok(map_result(write, 999, MEM, 0, 0) == -ENOENT, "18.3 MAP id before length");
	tap_ok(map_result(write, 1, UINT64_MAX, 2, 0) == -EOVERFLOW, "18.3 MAP user_va overflow");
	tap_ok(unmap_result(999, UINT64_MAX, 1) == -ENOENT, "18.3 UNMAP id before overflow");
	tap_ok(unmap_result(1, 0, UINT64_MAX) == 0, "18.3 UNMAP of everything");
	tap_ok(unmap_result(1, 1, UINT64_MAX) == -EOVERFLOW, "18.3 UNMAP length");
	tap_ok(unmap_result(1, UINT64_MAX - 1, 2) == -ENOENT, "18.3 UNMAP up to the end");
	tap_ok(unmap_result(1, UINT64_MAX - 1, 3) == -EOVERFLOW, "18.3 UNMAP over the end");
}

static void test_option_orders(void)
{
	struct machine machine;

	machine_start(&machine, 0, 4096);
	machine_ioas(&machine);
	tap_ok(option(&machine, CALL_ID_IOMMU_OPTION_HUGE_PAGES, 999, 7, 0) == -ENOENT,
		"18.3 OPTION id before op");
	tap_ok(option(&machine, CALL_ID_IOMMU_OPTION_RLIMIT_MODE, 5, 7, 0) == -EOPNOTSUPP,
		"18.3 OPTION object before op");
	tap_ok(option(&machine, CALL_ID_IOMMU_OPTION_RLIMIT_MODE, 0, IOMMU_OPTION_OP_SET, 7) ==
			-EPERM,
		"18.3 OPTION privilege before emptiness and value");
	machine_end(&machine);
}

static void test_access_order(void)
{
	struct iommu_test_cmd test = {
		.id = 77, .access_pages = {.flags = 0x80, .length = 17 << 20}};
	struct machine machine;

	machine_start(&machine, 0, 0);
	tap_ok(machine_ioctl(&machine, CALL_ID_IOMMU_TEST_OP_ACCESS_PAGES, &test) == -ENOMEM,
		"18.3 ACCESS_PAGES length before flags and descriptor");
	test.access_pages.length = 1;
	tap_ok(machine_ioctl(&machine, CALL_ID_IOMMU_TEST_OP_ACCESS_PAGES, &test) == -EOPNOTSUPP,
		"ACCESS_PAGES flags before descriptor");
	test.access_pages.flags = 0;
	tap_ok(machine_ioctl(&machine, CALL_ID_IOMMU_TEST_OP_ACCESS_PAGES, &test) == -EBADFD,
		"ACCESS_PAGES descriptor");
	machine_end(&machine);
}

/* ---- 18.4 ---- */

static bool ranges_are(struct machine *machine, uint32_t ioas, uint32_t capacity, int64_t result,
	uint32_t total, uint64_t alignment)
{
	struct iommu_ioas_iova_ranges ranges = {
		.ioas_id = ioas, .num_iovas = capacity, .allowed_iovas = MEM};
	int64_t rc = machine_ioctl(machine, CALL_ID_IOMMU_IOAS_IOVA_RANGES, &ranges);

	return rc == result && ranges.num_iovas == total && ranges.out_iova_alignment == alignment;
}

static void test_ranges(void)
{
	const struct iommu_iova_range all = {0, UINT64_MAX}, low = {0, 0xfff},
				      high = {0x2000, UINT64_MAX},
				      mock = {MOCK_APERTURE_START, MOCK_APERTURE_LAST};
	struct machine machine;
	uint32_t ioas, ids[3];
	uint64_t access;

	machine_start(&machine, 0, 0);
	ioas = machine_ioas(&machine);
	tap_ok(ranges_are(&machine, ioas, 4, 0, 1, 1) && !machine_expect(&machine, MEM, &all, 16),
		"18.4 fresh");
	tap_ok(ranges_are(&machine, ioas, 0, -EMSGSIZE, 1, 1), "18.4 no capacity");
	reserve(&machine, ioas, 0x1000, 0x1000);
	tap_ok(ranges_are(&machine, ioas, 1, -EMSGSIZE, 2, 1) &&
			!machine_expect(&machine, MEM, &low, 16),
		"18.4 short capacity");
	tap_ok(ranges_are(&machine, ioas, 2, 0, 2, 1) &&
			!machine_expect(&machine, MEM + 16, &high, 16),
		"18.4 two ranges");
	ioas = machine_ioas(&machine);
	machine_mock(&machine, ioas, ids);
	tap_ok(ranges_are(&machine, ioas, 1, 0, 1, 2048) &&
			!machine_expect(&machine, MEM, &mock, 16),
		"18.4 mock domain");
	access = machine_access(&machine, CALL_ACCESS_NEEDS_PIN);
	machine_attach(&machine, CALL_ID_access_attach, access, ioas);
	tap_ok(ranges_are(&machine, ioas, 1, 0, 1, 4096), "18.4 mock domain and access");
	ioas = machine_ioas(&machine);
	option(&machine, CALL_ID_IOMMU_OPTION_HUGE_PAGES, ioas, IOMMU_OPTION_OP_SET, 0);
	tap_ok(ranges_are(&machine, ioas, 1, 0, 1, 4096), "18.4 no large pages");
	machine_end(&machine);
}

/* ---- framing, ids, accounting ---- */

static void test_framing(void)
{
	struct iommu_ioas_alloc alloc = {.size = 11};
	struct iommu_ioas_map map = {.flags = 6, .ioas_id = 1, .user_va = MEM, .length = 0x1000};
	struct machine machine;

	machine_start(&machine, 0, 0);
	tap_ok(machine_ioctl(&machine, CALL_ID_IOMMU_IOAS_ALLOC, &alloc) == -EINVAL,
		"1.3/5 short size");
	tap_ok(machine_ioctl_at(&machine, CALL_ID_IOMMU_IOAS_ALLOC, &alloc, BAD) == -EFAULT,
		"1.3/3 bad pointer");
	tap_ok(machine_ioctl(&machine, CALL_ID_IOMMU_IOAS_ALLOC, &(struct iommu_ioas_alloc){0}) ==
			0,
		"the short call has taken no id");
	machine.fail_point = FAULT_USER_COPY;
	machine.fail_nth = 3;
	tap_ok(machine_ioctl(&machine, CALL_ID_IOMMU_IOAS_MAP, &map) == -EFAULT,
		"1.4 the response fails");
	tap_ok(machine_unmap(&machine, 1, 0x1000, 0x1000) == 0, "1.4 the mapping stays");
	machine.fail_point = FAULT_USER_COPY;
	machine.fail_nth = 3;
	tap_ok(machine_ioas(&machine) == 0 && machine_ioas(&machine) == 2,
		"1.4 a failed creation leaves no id");
	machine_end(&machine);
}

static void test_ids(void)
{
	struct machine machine;
	uint32_t a[3], b[3];

	machine_start(&machine, 0, 0);
	machine_ioas(&machine);
	machine_mock(&machine, 1, a);
	machine_mock(&machine, 1, b);
	tap_ok(a[0] == 2 && a[2] == 3 && a[1] == 4, "2.2 SELFTEST, DEVICE, HWPT");
	tap_ok(b[0] == 5 && b[2] == 6 && b[1] == 4, "2.2 a second device shares the page table");
	tap_ok(machine_destroy(&machine, 4) == -EBUSY && machine_destroy(&machine, 3) == -EBUSY,
		"2.5 in use");
	tap_ok(!machine_destroy(&machine, 2) && !machine_destroy(&machine, 5) &&
			machine_destroy(&machine, 4) == -ENOENT,
		"2.7 the automatic page table goes with its last device");
	tap_ok(machine_ioas(&machine) == 2, "2.2 the lowest free id is next");
	machine_end(&machine);
}

static void test_accounting(void)
{
	struct machine machine;
	uint32_t ids[3];

	machine_start(&machine, 0, 2 * MACHINE_PAGE);
	machine_ioas(&machine);
	machine_mock(&machine, 1, ids);
	tap_ok(!machine_map(&machine, 1, 0x1000000, MEM, 2 * MACHINE_PAGE), "11 up to the limit");
	tap_ok(machine_map(&machine, 1, 0x2000000, MEM, MACHINE_PAGE) == -ENOMEM,
		"11 over the limit");
	tap_ok(machine_pins_are(&machine, MEM, 2 * MACHINE_PAGE, 1),
		"11 the failed map has left no pin");
	tap_ok(!machine_unmap(&machine, 1, 0x1000000, 2 * MACHINE_PAGE) &&
			!machine_map(&machine, 1, 0x2000000, MEM, 2 * MACHINE_PAGE),
		"11 unpinning gives back");
	tap_ok(machine_map(&machine, 1, 0x3000000, BAD, MACHINE_PAGE) == -EFAULT,
		"3.7 unmapped memory");
	machine_end(&machine);
}

static void test_device_access(void)
{
	const char text[] = "over two areas";
	struct call_dma dma = {
		.iova = 0x1000000 + MACHINE_PAGE - 4, .length = sizeof(text), .buffer = MEM};
	struct machine machine;
	uint32_t ids[3];

	machine_start(&machine, 0, 0);
	machine_ioas(&machine);
	machine_mock(&machine, 1, ids);
	dma.dev_id = ids[2];
	machine_map(&machine, 1, 0x1000000, MEM + 8 * MACHINE_PAGE, MACHINE_PAGE);
	machine_put(&machine, MEM, text, sizeof(text));
	tap_ok(machine_call(&machine, CALL_ID_dma_write, machine.fd, &dma) == -EFAULT,
		"DMA over the end");
	machine.changed = 0;
	machine_map(&machine, 1, 0x1000000 + MACHINE_PAGE, MEM + 4 * MACHINE_PAGE, MACHINE_PAGE);
	tap_ok(machine_call(&machine, CALL_ID_dma_write, machine.fd, &dma) == 0,
		"DMA over two areas");
	tap_ok(!machine_expect(&machine, MEM + 9 * MACHINE_PAGE - 4, text, 4) &&
			!machine_expect(
				&machine, MEM + 4 * MACHINE_PAGE, text + 4, sizeof(text) - 4),
		"DMA reaches both");
	machine_unmap(&machine, 1, 0, UINT64_MAX);
	tap_ok(machine_call(&machine, CALL_ID_dma_read, machine.fd, &dma) == -EFAULT,
		"no DMA after UNMAP");
	machine_end(&machine);
}

int main(void)
{
	tap_begin();
	test_vectors();
	test_control();
	test_zero_bodies();
	test_double_faults();
	test_option_orders();
	test_access_order();
	test_ranges();
	test_framing();
	test_ids();
	test_accounting();
	test_device_access();
	return tap_end();
}
