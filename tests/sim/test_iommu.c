/* SPDX-License-Identifier: Apache-2.0 */
/* Page tables against a naive map of 2 KiB units, the IOTLB, and DMA. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "impl/sim/alloc.h"
#include "impl/sim/fault.h"
#include "impl/sim/hw/iommu.h"
#include "impl/sim/mm/mm.h"
#include "impl/sim/syscall.h"
#include "tests/sim/support.h"
#include "tests/tap.h"

#define UNIT  UINT64_C(2048)
#define UNITS 4096
#define BASE  UINT64_C(0x1000000)
#define STEPS 6000

#define ALL_SIZES UINT64_C(0x1fffffff800)

static const struct iommu_domain_config default_table = {ALL_SIZES, BASE, 0x7fffffff, false, false};
static const struct iommu_domain_config huge_table = {
	1 << 20 | 1 << 12, 0, (UINT64_C(1) << 38) - 1, false, false};

/* What one unit of IOVA is mapped to, and the entry that holds it. */
struct unit {
	uint64_t phys, entry, size;
	uint32_t protection;
};

struct naive {
	struct unit units[UNITS];
	uint64_t entries;
};

static void naive_map(struct naive *naive, uint64_t sizes, uint64_t iova, uint64_t phys,
	uint64_t length, uint32_t protection, uint64_t largest)
{
	uint64_t size, at;

	while (length) {
		for (size = UINT64_C(1) << 40; !(sizes & size) || (iova | phys) % size ||
					       size > length || (largest && size > largest);
			size >>= 1)
			;
		for (at = iova; at < iova + size; at += UNIT)
			naive->units[(at - BASE) / UNIT] =
				(struct unit){phys + (at - iova), iova, size, protection};
		naive->entries++;
		iova += size;
		phys += size;
		length -= size;
	}
}

static uint64_t naive_unmap(struct naive *naive, uint64_t iova, uint64_t length)
{
	uint64_t n, removed = 0;

	for (n = 0; n < UNITS; n++) {
		struct unit *unit = &naive->units[n];

		if (!unit->size || unit->entry < iova || unit->entry + unit->size > iova + length)
			continue;
		naive->entries -= unit->entry == BASE + n * UNIT;
		removed += UNIT;
		unit->size = 0;
	}
	return removed;
}

static bool naive_free(const struct naive *naive, uint64_t iova, uint64_t length)
{
	uint64_t at;

	for (at = iova; at < iova + length; at += UNIT) {
		if (naive->units[(at - BASE) / UNIT].size)
			return false;
	}
	return true;
}

static bool same_table(struct task *task, struct iommu_domain *domain, const struct naive *naive)
{
	uint64_t iova = BASE, size, phys, n;
	uint32_t protection;

	if (iommu_entry_count(domain) != naive->entries)
		return false;
	for (n = 0; n < UNITS; n++) {
		const struct unit *unit = &naive->units[n];
		uint64_t at = BASE + n * UNIT;

		if (iommu_translate(task, domain, at + 5) != (unit->size ? unit->phys + 5 : 0))
			return false;
		if (!unit->size || unit->entry != at)
			continue;
		if (!iommu_next_entry(domain, &iova, &size, &phys, &protection) || iova != at ||
			size != unit->size || phys != unit->phys || protection != unit->protection)
			return false;
		iova += size;
	}
	return !iommu_next_entry(domain, &iova, &size, &phys, &protection);
}

static bool random_table(struct task *task, uint64_t seed)
{
	struct iommu_domain *domain = iommu_domain_create(task, &default_table);
	struct naive *naive = calloc(1, sizeof(*naive));
	bool good = true;
	unsigned step;

	for (step = 0; step < STEPS && good; step++) {
		uint64_t span = test_below(&seed, 2) ? 16 : UNITS;
		uint64_t first = test_below(&seed, UNITS), units = 1 + test_below(&seed, span);
		uint64_t iova = BASE + first * UNIT, length, phys;

		/* Often well aligned, so that large entries occur. */
		if (test_below(&seed, 2))
			first &= ~(uint64_t)63;
		if (first + units > UNITS)
			units = UNITS - first;
		iova = BASE + first * UNIT;
		length = units * UNIT;
		if (test_below(&seed, 2)) {
			uint32_t protection = 1 + (uint32_t)test_below(&seed, 3);
			uint64_t largest = test_below(&seed, 4) ? 0 : 4096;
			int wanted = naive_free(naive, iova, length) ? 0 : -EADDRINUSE;

			phys = (UINT64_C(1) << 32) + iova +
			       (test_below(&seed, 2) ? 0 : test_below(&seed, 64) * UNIT);
			good = iommu_map(task, domain, iova, phys, length, protection, largest) ==
			       wanted;
			if (!wanted)
				naive_map(
					naive, ALL_SIZES, iova, phys, length, protection, largest);
		} else {
			good = iommu_unmap(task, domain, iova, length) ==
			       naive_unmap(naive, iova, length);
		}
		if (step % 16 == 0)
			good = good && same_table(task, domain, naive);
	}
	good = good && same_table(task, domain, naive);
	free(naive);
	iommu_domain_destroy(task, domain);
	return good;
}

static void test_errors(struct task *task)
{
	struct iommu_domain *domain = iommu_domain_create(task, &default_table);
	struct iommu_domain *huge = iommu_domain_create(task, &huge_table);
	uint64_t iova = 0, size, phys;
	uint32_t protection;
	bool good;

	tap_ok(iommu_map(task, domain, BASE + 1024, BASE, UNIT, 3, 0) == -ENXIO &&
			iommu_map(task, domain, BASE, BASE + 1, UNIT, 3, 0) == -ENXIO &&
			iommu_map(task, domain, BASE, BASE, 100, 3, 0) == -ENXIO,
		"misaligned: ENXIO");
	tap_ok(iommu_map(task, domain, BASE - UNIT, BASE, UNIT, 3, 0) == -ERANGE &&
			iommu_map(task, domain, 0x7ffff800, BASE, 2 * UNIT, 3, 0) == -ERANGE &&
			iommu_map(task, domain, UINT64_MAX - 2047, BASE, UNIT, 3, 0) == -ERANGE,
		"outside the aperture: ERANGE");
	tap_ok(iommu_map(task, domain, BASE, BASE, UNIT, 0, 0) == -EINVAL, "no protection: EINVAL");
	fault_arm(task, FAULT_PAGE_TABLE, false, 1);
	good = iommu_map(task, domain, BASE, BASE, UNIT, 3, 0) == -ENOMEM;
	tap_ok(good && fault_disarm(task, NULL) && iommu_entry_count(domain) == 0,
		"fault point page-table");
	/* 1 MiB and 4 KiB pages only: what lies around the aligned megabyte is small. */
	good = !iommu_map(task, huge, 0xff000, 0x1000ff000, 0x202000, 3, 0) &&
	       iommu_entry_count(huge) == 4;
	iova = 0x100000;
	good = good && iommu_next_entry(huge, &iova, &size, &phys, &protection) && size == 0x100000;
	tap_ok(good, "entries take the largest size that fits");
	good = iommu_unmap(task, huge, 0xff000, 0x202000) == 0x202000 &&
	       !iommu_map(task, huge, 0xff000, 0x1000ff000, 0x202000, 3, 4096);
	tap_ok(good && iommu_entry_count(huge) == 0x202,
		"large pages disabled: all entries are small");
	iommu_domain_destroy(task, huge);
	iommu_domain_destroy(task, domain);
}

static uint64_t phys_of(struct task *task, uint64_t va)
{
	return mm_visible_page(task, va)->phys;
}

/* A missing flush is visible, and a flush ends it. */
static void test_stale(struct task *task)
{
	struct iommu_domain *domain = iommu_domain_create(task, &default_table);
	struct iommu_device *device = iommu_device_create(task, 1 << 20);
	uint64_t phys = phys_of(task, MEM_BASE);
	uint32_t protection;

	tap_ok(!iommu_device_attach(task, device, 0, domain) &&
			!iommu_device_attach(task, device, 7, domain) &&
			iommu_device_domain(device, 7) == domain && !iommu_device_domain(device, 6),
		"a domain attached to the device and to a pasid");
	iommu_map(task, domain, BASE, phys, PAGE, 3, 0);
	iommu_device_probe(task, device, 0, BASE, &protection);
	iommu_device_probe(task, device, 7, BASE, &protection);
	iommu_unmap(task, domain, BASE, PAGE);
	tap_ok(iommu_device_probe(task, device, 0, BASE + 9, &protection) == phys + 9,
		"unmapped and not flushed: the device still gets there");
	iommu_flush(task, domain, BASE + PAGE, PAGE);
	tap_ok(iommu_device_probe(task, device, 0, BASE, &protection) == phys,
		"a flush elsewhere changes nothing");
	iommu_flush(task, domain, BASE, PAGE);
	tap_ok(!iommu_device_probe(task, device, 0, BASE, &protection) &&
			!iommu_device_probe(task, device, 7, BASE, &protection),
		"flushed: neither the device nor its pasid does");
	iommu_map(task, domain, BASE, phys, PAGE, 3, 0);
	iommu_device_probe(task, device, 0, BASE, &protection);
	iommu_device_attach(task, device, 0, NULL);
	tap_ok(!iommu_device_probe(task, device, 0, BASE, &protection) &&
			iommu_device_probe(task, device, 7, BASE, &protection) == phys,
		"a detached device is blocked, its pasid is not");
	fault_arm(task, FAULT_DRIVER, false, 1);
	tap_ok(iommu_device_attach(task, device, 7, NULL) == 0 && !fault_disarm(task, NULL),
		"a detach passes no fault point");
	fault_arm(task, FAULT_DRIVER, false, 1);
	tap_ok(iommu_device_attach(task, device, 7, domain) == -EINVAL && fault_disarm(task, NULL),
		"fault point driver");
	tap_ok(iommu_device_attach(task, device, 1 << 20, domain) == -EINVAL,
		"a pasid out of range");
	iommu_device_destroy(task, device);
	iommu_domain_destroy(task, domain);
}

static void test_dirty_refused(struct task *task)
{
	struct iommu_domain_config config = default_table;
	struct iommu_domain *plain = iommu_domain_create(task, &config), *tracking;
	struct iommu_device *device = iommu_device_create(task, 16);
	bool before;

	config.dirty_tracking = true;
	tracking = iommu_domain_create(task, &config);
	before = iommu_device_tracks_dirty(device) &&
		 !iommu_device_attach(task, device, 0, tracking);
	iommu_device_attach(task, device, 0, plain);
	iommu_device_forbid_dirty_tracking(device);
	tap_ok(before && !iommu_device_tracks_dirty(device) &&
			iommu_device_attach(task, device, 0, tracking) == -EINVAL &&
			iommu_device_domain(device, 0) == plain,
		"a device without dirty tracking refuses a domain that tracks");
	tap_ok(!iommu_device_attach(task, device, 3, tracking), "for a pasid nobody asks");
	iommu_device_destroy(task, device);
	iommu_domain_destroy(task, plain);
	iommu_domain_destroy(task, tracking);
}

/* A guest's table that is no identity: its page at BASE is the parent's at BASE + 4 MiB. */
static void test_nested(struct task *task)
{
	const uint64_t behind = BASE + (4 << 20);
	struct iommu_domain *parent = iommu_domain_create(task, &default_table);
	struct iommu_domain *nested = iommu_domain_create_nested(task, parent);
	struct iommu_device *device = iommu_device_create(task, 1);
	uint32_t given = 0;
	uint64_t at;

	iommu_map(task, parent, behind, 0x40000000, 2 * PAGE, IOMMU_PROT_READ, 0);
	iommu_map(task, nested, BASE, behind, 1 << 20, 3, 0);
	iommu_device_attach(task, device, 0, nested);
	tap_ok(iommu_domain_parent(nested) == parent && !iommu_domain_parent(parent) &&
			iommu_translate(task, nested, BASE + PAGE + 5) == 0x40001005,
		"two stages are walked");
	tap_ok(iommu_device_probe(task, device, 0, BASE + 7, &given) == 0x40000007 &&
			given == IOMMU_PROT_READ,
		"a device may do what both stages allow");
	tap_ok(!iommu_device_probe(task, device, 0, BASE + 2 * PAGE, &given),
		"what the parent does not map is not reached");
	iommu_unmap(task, parent, behind, 2 * PAGE);
	iommu_flush(task, parent, behind, 2 * PAGE);
	tap_ok(!iommu_device_probe(task, device, 0, BASE + 7, &given),
		"a flush of the parent reaches the devices of the guest");
	iommu_map(task, parent, behind, 0x40000000, 8 * PAGE, 3, 0);
	for (at = 0; at < 8 * PAGE; at += PAGE)
		iommu_device_probe(task, device, 0, BASE + at, &given);
	iommu_unmap(task, nested, BASE, 1 << 20);
	iommu_domain_invalidate(task, nested, 1);
	tap_ok(!iommu_device_stale(device, &at) &&
			!iommu_device_probe(task, device, 0, BASE + PAGE, &given) &&
			!iommu_device_probe(task, device, 0, BASE + 5 * PAGE, &given) &&
			iommu_device_probe(task, device, 0, BASE + 2 * PAGE, &given),
		"an invalidation drops the translations of its tag");
	iommu_device_invalidate(task, device, IOMMU_TAGS);
	tap_ok(!iommu_device_probe(task, device, 0, BASE + 2 * PAGE, &given),
		"one of the device drops all of its");
	iommu_device_destroy(task, device);
	iommu_domain_destroy(task, nested);
	iommu_domain_destroy(task, parent);
}

static void test_dma(struct sim *sim, struct task *task, struct recorded *recorded)
{
	struct iommu_domain *domain = iommu_domain_create(task, &default_table);
	struct iommu_device *device = iommu_device_create(task, 1);
	struct page *pages[8];
	uint8_t *buffer = calloc(1, 8 * PAGE);
	uint64_t n;
	uint8_t byte = 0;

	mm_pin(task, task_mm(task), MEM_BASE, 8, true, pages);
	iommu_map(task, domain, BASE, pages[0]->phys, 4 * PAGE, 3, 0);
	iommu_map(task, domain, BASE + 4 * PAGE, pages[4]->phys, 4 * PAGE, 1, 0);
	iommu_device_attach(task, device, 0, domain);
	sim_put(task, MEM_BASE + 5 * PAGE - 1, "ab", 2);
	tap_ok(!iommu_device_dma(task, device, 0, BASE, buffer, 8 * PAGE, false) &&
			!memcmp(buffer + 5 * PAGE - 1, "ab", 2),
		"a device reads across entries");
	memset(buffer, 'x', 8 * PAGE);
	tap_ok(iommu_device_dma(task, device, 0, BASE, buffer, 4 * PAGE + 1, true) == -EFAULT &&
			!sim_expect(task, MEM_BASE, "\0", 1),
		"a write that touches a read-only entry transfers nothing");
	recorded->changes = 0;
	tap_ok(!iommu_device_dma(task, device, 0, BASE + PAGE - 1, buffer, 2, true) &&
			recorded->changes == 2 &&
			recorded->change[0].address == MEM_BASE + PAGE - 1 &&
			recorded->change[1].address == MEM_BASE + PAGE &&
			recorded->change[0].now == 'x',
		"a write by a device is reported where the process sees it");
	tap_ok(iommu_device_dma(task, device, 0, BASE + 7 * PAGE, buffer, PAGE + 1, false) ==
			-EFAULT,
		"a read beyond the mapping");
	/* Unpinned and unmapped by the process, but still in the table: the defect that this
	 * catches. */
	n = pages[7]->phys;
	sim_munmap(task, MEM_BASE + 7 * PAGE, PAGE);
	tap_ok(!iommu_device_dma(task, device, 0, BASE + 7 * PAGE, &byte, 1, false) &&
			page_at(sim, n),
		"a pinned page outlives its mapping");
	page_unpin(task, &pages[7], 1);
	tap_ok(silent(recorded) && !page_at(sim, n) &&
			iommu_device_dma(task, device, 0, BASE + 7 * PAGE, &byte, 1, false) ==
				-EIO &&
			reported(recorded, "dma to a freed page"),
		"a use after unpin is seen");
	page_unpin(task, pages, 7);
	iommu_device_destroy(task, device);
	iommu_domain_destroy(task, domain);
	free(buffer);
	tap_ok(sim_alloc_objects(sim) == 0 && mm_pins(sim) == 0, "nothing is left");
}

static void test_requests(struct task *task, struct recorded *recorded)
{
	struct iommu_device *device = iommu_device_create(task, 1);

	tap_ok(!iommu_device_request(task, device) && !iommu_device_requests(device),
		"no page request of a device that nobody has enabled");
	iommu_device_enable_requests(task, device);
	iommu_device_enable_requests(task, device);
	iommu_device_disable_requests(task, device);
	tap_ok(iommu_device_request(task, device) && iommu_device_requests_enabled(device) == 1,
		"enabled as often as it is not disabled");
	iommu_device_answer(task, device, true);
	tap_ok(!iommu_device_requests(device), "an answer to each request");
	recorded->reports = 0;
	iommu_device_answer(task, device, false);
	tap_ok(recorded->reports == 1, "an answer that no request waits for is reported");
	iommu_device_disable_requests(task, device);
	tap_ok(!iommu_device_request(task, device), "disabled again");
	iommu_device_destroy(task, device);
}

static void test_order(struct sim *sim, struct task *task)
{
	struct iommu_device *a = iommu_device_create(task, 1), *b = iommu_device_create(task, 16);
	struct iommu_device *c = iommu_device_create(task, 1);

	tap_ok(iommu_device_nth(sim, 0) == a && iommu_device_nth(sim, 2) == c &&
			!iommu_device_nth(sim, 3) && iommu_device_max_pasids(b) == 16,
		"devices by creation");
	iommu_device_destroy(task, b);
	tap_ok(iommu_device_nth(sim, 1) == c, "a device that is gone leaves the order");
	iommu_device_destroy(task, a);
	iommu_device_destroy(task, c);
	tap_ok(!iommu_device_nth(sim, 0), "none");
}

int main(void)
{
	struct recorded recorded;
	struct sim *sim = test_sim(LOCKS_SINGLE, &recorded);
	struct task *task = sim_task(sim, 0, 0);

	tap_begin();
	tap_ok(random_table(task, test_seed(1)), "random maps and unmaps agree with a naive table");
	tap_ok(random_table(task, test_seed(2)), "random maps and unmaps agree with a naive table");
	test_errors(task);
	test_stale(task);
	test_dirty_refused(task);
	test_nested(task);
	test_dma(sim, task, &recorded);
	test_requests(task, &recorded);
	test_order(sim, task);
	sim_destroy(sim);
	return tap_end();
}
