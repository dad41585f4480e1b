/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Section 12.2 row by row: pairs of calls on the model in every order of their steps, with exactly
 * the results that the specification allows.
 */
#include "tests/model/race.h"
#include "tests/tap.h"

#define MEM  PROG_MEM_BASE
#define IOVA UINT64_C(0x1000000) /* within the aperture of a mock domain */
#define PAGE MACHINE_PAGE

#define OUTCOMES(...)                                                                              \
	(const char *const[])                                                                      \
	{                                                                                          \
		__VA_ARGS__, NULL                                                                  \
	}

/* ---- calls ---- */

/* IOASes 1 and 2. */
static void two_ioases(struct machine *machine)
{
	machine_ioas(machine);
	machine_ioas(machine);
}

/* IOAS 1 with a mock device: 3 to 5 are stdev, DEVICE and HWPT. */
static void device(struct machine *machine)
{
	uint32_t ids[3];

	two_ioases(machine);
	machine_mock(machine, 1, ids);
}

static void two_pages(struct machine *machine)
{
	two_ioases(machine);
	machine_map(machine, 1, IOVA, MEM, 2 * PAGE);
}

static void device_and_pages(struct machine *machine)
{
	device(machine);
	machine_map(machine, 1, IOVA, MEM, 2 * PAGE);
}

static void map(struct machine *machine)
{
	race_say(machine_map(machine, 1, IOVA, MEM, 2 * PAGE));
}

static void map_other(struct machine *machine)
{
	race_say(machine_map(machine, 1, IOVA + 2 * PAGE, MEM, 2 * PAGE));
}

static void map_nothing(struct machine *machine)
{
	race_say(machine_map(machine, 1, IOVA, MEM + 2 * MACHINE_PAGES * PAGE, PAGE));
}

static void map_anywhere(struct machine *machine)
{
	struct iommu_ioas_map argument = {.flags = IOMMU_IOAS_MAP_READABLE,
		.ioas_id = 1,
		.user_va = MEM + PAGE,
		.length = PAGE};

	race_say(machine_ioctl(machine, CALL_ID_IOMMU_IOAS_MAP, &argument));
	race_say((int64_t)argument.iova / (int64_t)PAGE);
}

static void unmap(struct machine *machine)
{
	race_say(machine_unmap(machine, 1, IOVA, 2 * PAGE));
}

static void unmap_all(struct machine *machine)
{
	race_say(machine_unmap(machine, 1, 0, UINT64_MAX));
}

static void copy(struct machine *machine)
{
	struct iommu_ioas_copy argument = {
		.flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE,
		.dst_ioas_id = 2,
		.src_ioas_id = 1,
		.length = 2 * PAGE,
		.dst_iova = IOVA,
		.src_iova = IOVA,
	};

	race_say(machine_ioctl(machine, CALL_ID_IOMMU_IOAS_COPY, &argument));
}

static void alloc(struct machine *machine)
{
	race_say(machine_ioas(machine));
}

static void destroy_1(struct machine *machine)
{
	race_say(machine_destroy(machine, 1));
}

static void destroy_2(struct machine *machine)
{
	race_say(machine_destroy(machine, 2));
}

static void destroy_3(struct machine *machine)
{
	race_say(machine_destroy(machine, 3));
}

static void destroy_5(struct machine *machine)
{
	race_say(machine_destroy(machine, 5));
}

static void attach(struct machine *machine)
{
	uint32_t ids[3];

	race_say(machine_mock(machine, 1, ids));
	race_say(ids[1]);
}

static void replace_device(struct machine *machine)
{
	struct iommu_test_cmd test = {.id = 3, .mock_domain_replace = {.pt_id = 2}};

	race_say(machine_ioctl(machine, CALL_ID_IOMMU_TEST_OP_MOCK_DOMAIN_REPLACE, &test));
}

static void replace_back(struct machine *machine)
{
	struct iommu_test_cmd test = {.id = 3, .mock_domain_replace = {.pt_id = 1}};

	race_say(machine_ioctl(machine, CALL_ID_IOMMU_TEST_OP_MOCK_DOMAIN_REPLACE, &test));
}

/* A transient lookup of the automatic HWPT. */
static void look_at_hwpt(struct machine *machine)
{
	struct iommu_test_cmd test = {
		.id = 5, .md_check_map = {.iova = IOVA, .length = PAGE, .uptr = MEM}};

	race_say(machine_ioctl(machine, CALL_ID_IOMMU_TEST_OP_MD_CHECK_MAP, &test));
}

static void ranges(struct machine *machine)
{
	struct iommu_ioas_iova_ranges argument = {
		.ioas_id = 1, .num_iovas = 1, .allowed_iovas = MEM + 8 * PAGE};

	race_say(machine_ioctl(machine, CALL_ID_IOMMU_IOAS_IOVA_RANGES, &argument));
	race_say((int64_t)argument.out_iova_alignment);
}

static void small_pages(struct machine *machine)
{
	struct iommu_option option = {
		.option_id = IOMMU_OPTION_HUGE_PAGES, .op = IOMMU_OPTION_OP_SET, .object_id = 1};

	race_say(machine_ioctl(machine, CALL_ID_IOMMU_OPTION_HUGE_PAGES, &option));
}

static void pins_of_page(struct machine *machine)
{
	for (uint32_t pins = 0; pins < 4; pins++)
		if (machine_pins_are(machine, MEM, 2 * PAGE, pins)) {
			race_say(pins);
			return;
		}
	race_say(-EIO);
}

static void close_file(struct machine *machine)
{
	race_say(machine_call(machine, CALL_ID_close, machine->fd, NULL));
}

/* ---- accesses: handle 1 is attached to IOAS 1 ---- */

static void access_of_1(struct machine *machine)
{
	two_pages(machine);
	machine_map(machine, 2, IOVA, MEM + 4 * PAGE, 2 * PAGE);
	machine_attach(
		machine, CALL_ID_access_attach, machine_access(machine, CALL_ACCESS_NEEDS_PIN), 1);
}

static void access_with_pin(struct machine *machine)
{
	access_of_1(machine);
	machine_pin(machine, CALL_ID_access_pin, 1, IOVA, PAGE);
}

static void access_before_map(struct machine *machine)
{
	two_ioases(machine);
	machine_attach(
		machine, CALL_ID_access_attach, machine_access(machine, CALL_ACCESS_NEEDS_PIN), 1);
}

static void pin(struct machine *machine)
{
	race_say(machine_pin(machine, CALL_ID_access_pin, 1, IOVA + PAGE, PAGE));
}

static void unpin(struct machine *machine)
{
	race_say(machine_pin(machine, CALL_ID_access_unpin, 1, IOVA, PAGE));
}

static void to_2(struct machine *machine)
{
	race_say(machine_attach(machine, CALL_ID_access_replace, 1, 2));
}

static void to_1(struct machine *machine)
{
	race_say(machine_attach(machine, CALL_ID_access_replace, 1, 1));
}

static void attach_2(struct machine *machine)
{
	race_say(machine_attach(machine, CALL_ID_access_attach, 1, 2));
}

static void detach(struct machine *machine)
{
	race_say(machine_call(machine, CALL_ID_access_detach, 1, NULL));
}

static void destroy_access(struct machine *machine)
{
	race_say(machine_call(machine, CALL_ID_access_destroy, 1, NULL));
}

/* Which of the IOASes the access uses: those that cannot be destroyed. */
static void where(struct machine *machine)
{
	machine_unmap(machine, 1, 0, UINT64_MAX);
	race_say(machine_destroy(machine, 1));
	race_say(machine_destroy(machine, 2));
}

static void where_and_pins(struct machine *machine)
{
	where(machine);
	pins_of_page(machine);
}

/* An access behind a descriptor, with an item; its number stays in the outcome of nobody. */
static uint32_t access_fd;

static void item(struct machine *machine)
{
	struct iommu_test_cmd test = {
		.id = access_fd, .access_pages = {.iova = IOVA, .length = PAGE}};

	race_say(machine_ioctl(machine, CALL_ID_IOMMU_TEST_OP_ACCESS_PAGES, &test));
}

static void descriptor(struct machine *machine)
{
	struct iommu_test_cmd test = {
		.id = 1, .create_access = {.flags = MOCK_FLAGS_ACCESS_CREATE_NEEDS_PIN_PAGES}};

	two_pages(machine);
	machine_ioctl(machine, CALL_ID_IOMMU_TEST_OP_CREATE_ACCESS, &test);
	access_fd = test.create_access.out_access_fd;
}

static void destroy_item(struct machine *machine)
{
	struct iommu_test_cmd test = {.id = access_fd, .destroy_access_pages = {0}};

	race_say(machine_ioctl(machine, CALL_ID_IOMMU_TEST_OP_DESTROY_ACCESS_PAGES, &test));
}

static void descriptor_with_item(struct machine *machine)
{
	struct iommu_test_cmd test = {0};

	descriptor(machine);
	test.id = access_fd;
	test.access_pages.iova = IOVA;
	test.access_pages.length = PAGE;
	machine_ioctl(machine, CALL_ID_IOMMU_TEST_OP_ACCESS_PAGES, &test);
}

static void close_access(struct machine *machine)
{
	race_say(machine_call(machine, CALL_ID_close, access_fd, NULL));
}

/* ---- the table of pairs on one IOAS ---- */

static const struct race ioas_races[] = {
	{.name = "12.2 MAP and MAP, same IOVA",
		.before = two_ioases,
		.threads = {map, map},
		.expected = OUTCOMES("0 | EEXIST | ", "EEXIST | 0 | ")},
	{.name = "12.2 MAP and MAP, same IOVA, with a domain",
		.before = device,
		.threads = {map, map},
		.after = pins_of_page,
		.expected = OUTCOMES("0 | EEXIST | 1", "EEXIST | 0 | 1")},
	{.name = "12.2 the loser fails even if the winner fails later",
		.before = device,
		.threads = {map, map_nothing},
		.expected = OUTCOMES("0 | EEXIST | ", "EEXIST | EFAULT | ", "0 | EFAULT | ")},
	{.name = "12.2 MAP and MAP, other IOVA",
		.before = device,
		.threads = {map, map_other},
		.after = pins_of_page,
		.expected = OUTCOMES("0 | 0 | 2")},
	{.name = "12.2 MAP and automatic MAP",
		.before = device,
		.threads = {map, map_anywhere},
		.expected = OUTCOMES("0 | 0 4098 | ", "EEXIST | 0 4096 | ")},
	{.name = "12.2 MAP and UNMAP of the range",
		.before = two_ioases,
		.threads = {map, unmap},
		.expected = OUTCOMES("0 | ENOENT | ", "0 | EBUSY | ", "0 | 0 | ")},
	{.name = "12.2 MAP and UNMAP of the range, with a domain",
		.before = device,
		.threads = {map, unmap},
		.after = pins_of_page,
		.expected = OUTCOMES("0 | ENOENT | 1", "0 | EBUSY | 1", "0 | 0 | 0")},
	{.name = "12.2 UNMAP and UNMAP",
		.before = two_pages,
		.threads = {unmap, unmap},
		.expected =
			OUTCOMES("0 | EBUSY | ", "0 | ENOENT | ", "EBUSY | 0 | ", "ENOENT | 0 | ")},
	{.name = "12.2 UNMAP and MAP at the range",
		.before = device_and_pages,
		.threads = {unmap, map},
		.after = pins_of_page,
		.expected = OUTCOMES("0 | EEXIST | 0", "0 | 0 | 1")},
	{.name = "12.2 UNMAP of everything and MAP",
		.before = two_pages,
		.threads = {unmap_all, map_other},
		.after = unmap_all,
		.expected = OUTCOMES("0 | 0 | 0", "EBUSY | 0 | 0")},
	{.name = "12.2 COPY and UNMAP of the source",
		.before = two_pages,
		.threads = {copy, unmap},
		.expected = OUTCOMES("0 | 0 | ", "ENOENT | 0 | ")},
	{.name = "12.2 COPY and DESTROY of the source",
		.before = two_pages,
		.threads = {copy, destroy_1},
		.expected = OUTCOMES("0 | 0 | ", "0 | EBUSY | ", "ENOENT | 0 | ")},
	{.name = "12.2 COPY and DESTROY of the destination",
		.before = two_pages,
		.threads = {copy, destroy_2},
		.expected = OUTCOMES("0 | 0 | ", "0 | EBUSY | ", "ENOENT | 0 | ")},
	{.name = "12.2 attach and MAP: a domain sees completed areas",
		.before = two_ioases,
		.threads = {attach, map},
		.after = pins_of_page,
		.expected = OUTCOMES("0 5 | 0 | 1")},
	{.name = "12.2 attach and UNMAP",
		.before = two_pages,
		.threads = {attach, unmap},
		.after = pins_of_page,
		.expected = OUTCOMES("0 5 | 0 | 0")},
	{.name = "12.2 HWPT removal and MAP",
		.before = device,
		.threads = {destroy_3, map},
		.after = pins_of_page,
		.expected = OUTCOMES("0 | 0 | 0")},
	{.name = "12.2 IOVA_RANGES and attach",
		.before = two_ioases,
		.threads = {ranges, attach},
		.expected = OUTCOMES("0 1 | 0 5 | ", "0 2048 | 0 5 | ")},
	{.name = "12.2 HUGE_PAGES and MAP",
		.before = device,
		.threads = {small_pages, map},
		.expected = OUTCOMES("0 | 0 | ", "EINVAL | 0 | ")},
};

/* ---- objects ---- */

static const struct race object_races[] = {
	{.name = "2.2 two IOAS_ALLOC",
		.before = two_ioases,
		.threads = {alloc, alloc},
		.expected = OUTCOMES("3 | 4 | ", "4 | 3 | ")},
	{.name = "2.2 DESTROY of what is not published yet",
		.before = two_ioases,
		.threads = {alloc, destroy_3},
		.expected = OUTCOMES("3 | ENOENT | ", "3 | 0 | ")},
	{.name = "12.2 DESTROY and a use",
		.before = two_ioases,
		.threads = {destroy_1, map},
		.expected = OUTCOMES("0 | ENOENT | ", "EBUSY | 0 | ", "0 | 0 | ")},
	{.name = "12.2 DESTROY and a use that fails",
		.before = two_ioases,
		.threads = {destroy_1, unmap},
		.expected = OUTCOMES("0 | ENOENT | ", "EBUSY | ENOENT | ")},
	{.name = "12.2 DESTROY and DESTROY",
		.before = two_pages,
		.threads = {destroy_1, destroy_1},
		.expected = OUTCOMES("0 | ENOENT | ", "ENOENT | 0 | ")},
	{.name = "12.2 DESTROY, DESTROY and a third party",
		.before = two_ioases,
		.threads = {destroy_1, destroy_1, ranges},
		.expected = OUTCOMES("0 | ENOENT | 0 1 | ", "ENOENT | 0 | 0 1 | ",
			"EBUSY | 0 | 0 1 | ", "0 | EBUSY | 0 1 | ", "EBUSY | EBUSY | 0 1 | ",
			"0 | ENOENT | ENOENT 0 | ", "ENOENT | 0 | ENOENT 0 | ")},
	{.name = "12.2 DESTROY of an automatic HWPT and detach",
		.before = device,
		.threads = {destroy_5, destroy_3},
		.after = destroy_1,
		.expected = OUTCOMES("EBUSY | 0 | 0", "ENOENT | 0 | 0")},
	{.name = "2.7 detach defeated by a lookup",
		.before = device_and_pages,
		.threads = {look_at_hwpt, destroy_3},
		.after = destroy_5,
		.expected = OUTCOMES("0 | 0 | ENOENT", "0 | 0 | 0", "ENOENT | 0 | ENOENT")},
	{.name = "12.2 two attaches to one IOAS",
		.before = two_ioases,
		.threads = {attach, attach},
		.expected = OUTCOMES("0 5 | 0 5 | ", "0 6 | 0 6 | ", "0 7 | 0 7 | ")},
	{.name = "6.6 replace and replace",
		.before = device_and_pages,
		.threads = {replace_device, replace_back},
		.after = pins_of_page,
		.expected = OUTCOMES("0 | 0 | 0", "0 | 0 | 1")},
	{.name = "6.6 replace and DESTROY of the device",
		.before = device_and_pages,
		.threads = {replace_device, destroy_3},
		.after = pins_of_page,
		.expected = OUTCOMES("0 | EBUSY | 0", "ENOENT | 0 | 0", "0 | 0 | 0")},
	{.name = "12.2 close and MAP",
		.before = device,
		.threads = {close_file, map},
		.expected = OUTCOMES("0 | 0 | ", "0 | EBADF | ")},
};

/* ---- accesses ---- */

static const struct race access_races[] = {
	{.name = "12.2 pin and MAP",
		.before = access_before_map,
		.threads = {pin, map},
		.after = unmap,
		.expected = OUTCOMES("0 | 0 | 0", "ENOENT | 0 | 0")},
	{.name = "12.2 pin and UNMAP",
		.before = access_of_1,
		.threads = {pin, unmap},
		.after = pins_of_page,
		.expected = OUTCOMES("0 | 0 | 0", "ENOENT | 0 | 0")},
	{.name = "12.2 pin and UNMAP of what is pinned",
		.before = access_with_pin,
		.threads = {pin, unmap},
		.after = pins_of_page,
		.expected = OUTCOMES("0 | 0 | 0", "EINVAL | 0 | 0", "ENOENT | 0 | 0")},
	{.name = "7.8 unpin and UNMAP",
		.before = access_with_pin,
		.threads = {unpin, unmap},
		.after = pins_of_page,
		.expected = OUTCOMES("0 | 0 | 0")},
	{.name = "12.2 replace and replace: ENOENT in the window",
		.before = access_with_pin,
		.threads = {to_2, to_1},
		.after = where_and_pins,
		.expected = OUTCOMES(
			"0 | 0 | 0 EBUSY 0", "0 | ENOENT | 0 EBUSY 0", "0 | 0 | EBUSY 0 0")},
	{.name = "12.2 replace and detach: no-op in the window",
		.before = access_with_pin,
		.threads = {to_2, detach},
		.after = where_and_pins,
		.expected = OUTCOMES("0 | 0 | 0 EBUSY 0", "0 | 0 | 0 0 0", "ENOENT | 0 | 0 0 0")},
	{.name = "12.2 attach and detach: EBUSY in the window",
		.before = access_with_pin,
		.threads = {attach_2, detach},
		.after = where,
		.expected = OUTCOMES("EINVAL | 0 | 0 0", "EBUSY | 0 | 0 0", "0 | 0 | 0 EBUSY")},
	{.name = "12.2 attach and replace: EBUSY in the window",
		.before = access_with_pin,
		.threads = {attach_2, to_2},
		.after = where,
		.expected = OUTCOMES("EINVAL | 0 | 0 EBUSY", "EBUSY | 0 | 0 EBUSY")},
	{.name = "S001-14 pin and replace",
		.before = access_with_pin,
		.threads = {pin, to_2},
		.after = where_and_pins,
		.expected = OUTCOMES("0 | 0 | 0 EBUSY 0", "ENOENT | 0 | 0 EBUSY 0")},
	{.name = "S001-6 unpin and replace",
		.before = access_with_pin,
		.threads = {unpin, to_2},
		.after = where_and_pins,
		.expected = OUTCOMES("0 | 0 | 0 EBUSY 0")},
	{.name = "S001-11 replace and DESTROY of the old IOAS",
		.before = access_with_pin,
		.threads = {to_2, destroy_1},
		.after = destroy_2,
		.expected = OUTCOMES("0 | EBUSY | EBUSY", "0 | 0 | EBUSY")},
	{.name = "S001-11 replace and DESTROY of the new IOAS",
		.before = access_with_pin,
		.threads = {to_2, destroy_2},
		.after = destroy_1,
		.expected = OUTCOMES("0 | EBUSY | 0", "ENOENT | 0 | EBUSY")},
	{.name = "S001-9 replace and UNMAP of the old IOAS",
		.before = access_with_pin,
		.threads = {to_2, unmap},
		.after = where_and_pins,
		.expected = OUTCOMES("0 | 0 | 0 EBUSY 0")},
	{.name = "S001-18 destroy and UNMAP",
		.before = access_with_pin,
		.threads = {destroy_access, unmap},
		.after = where_and_pins,
		.expected = OUTCOMES("0 | 0 | 0 0 0", "0 | EDEADLK | 0 0 0")},
	{.name = "S001-18 destroy and replace",
		.before = access_with_pin,
		.threads = {destroy_access, to_2},
		.after = where_and_pins,
		.expected = OUTCOMES("0 | 0 | 0 0 0", "0 | EBADF | 0 0 0", "0 | ENOENT | 0 0 0")},
	{.name = "10.14 ACCESS_PAGES and UNMAP",
		.before = descriptor,
		.threads = {item, unmap},
		.after = pins_of_page,
		.expected = OUTCOMES("0 | 0 | 0", "ENOENT | 0 | 0")},
	{.name = "10.13 DESTROY_ACCESS_PAGES and UNMAP",
		.before = descriptor_with_item,
		.threads = {destroy_item, unmap},
		.after = pins_of_page,
		.expected = OUTCOMES("0 | 0 | 0", "ENOENT | 0 | 0")},
	{.name = "10.12 close of the access and ACCESS_PAGES",
		.before = descriptor,
		.threads = {close_access, item},
		.after = destroy_1,
		.expected = OUTCOMES("0 | EBADFD | 0", "0 | 0 | 0")},
	{.name = "10.12 close of the access and UNMAP",
		.before = descriptor_with_item,
		.threads = {close_access, unmap},
		.after = destroy_1,
		.expected = OUTCOMES("0 | 0 | 0")},
};

static void run_all(const struct race *races, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		unsigned runs;
		bool holds = race_holds(&races[i], &runs);

		tap_ok(holds, "%s: %u interleavings", races[i].name, runs);
	}
}

/* A wrong expectation is found: what is allowed and does not come, and what comes unexpectedly. */
static void test_control(void)
{
	struct race wrong = {.name = "control", .before = two_ioases, .threads = {map, map}};
	unsigned runs;

	wrong.expected = OUTCOMES("0 | EEXIST | ", "EEXIST | 0 | ", "0 | 0 | ");
	tap_ok(!race_holds(&wrong, &runs), "control: what never comes");
	wrong.expected = OUTCOMES("0 | EEXIST | ");
	tap_ok(!race_holds(&wrong, &runs), "control: what is not allowed");
}

int main(void)
{
	tap_begin();
	run_all(ioas_races, sizeof(ioas_races) / sizeof(ioas_races[0]));
	run_all(object_races, sizeof(object_races) / sizeof(object_races[0]));
	run_all(access_races, sizeof(access_races) / sizeof(access_races[0]));
	test_control();
	return tap_end();
}
