/* SPDX-License-Identifier: Apache-2.0 */
/* What the sources of the audit share: scratch memory and the reporting of a broken rule. */
#ifndef IOMMUZZ_FUZZ_ORACLE_AUDIT_PRIVATE_H
#define IOMMUZZ_FUZZ_ORACLE_AUDIT_PRIVATE_H

#include "fuzz/oracle/audit.h"
#include "fuzz/oracle/graph.h"

/* What the pages objects say that an address space has pinned and locked. */
struct audit_mm {
	struct mm *mm;
	uint64_t pinned, locked; /* pages */
};

struct audit_user {
	struct user *user;
	uint64_t locked; /* pages */
};

struct audit {
	struct sim *sim;
	struct finding *finding; /* of the check in progress */
	uint32_t call;		 /* for findings */
	/* scratch, grown as needed and kept */
	uint32_t *users; /* by object id: edges seen */
	uint32_t users_room;
	struct pages **pages; /* every pages object, once */
	uint32_t pages_count, pages_room;
	struct audit_mm *mms;
	uint32_t mm_count, mm_room;
	struct audit_user *owners;
	uint32_t owner_count, owner_room;
};

/* Makes room for `count` elements of `size` bytes; ends the program when host memory is short. */
void audit_grow(void *table, uint32_t *room, uint32_t count, size_t size);
#define AUDIT_BROKEN(audit, rule, ...)                                                             \
	finding_set((audit)->finding, ORACLE_AUDIT, (audit)->call, rule, __VA_ARGS__)

/* One IOAS: areas, sets, alignment, lists, and what its domains map. I1 to I4, I17 */
bool audit_ioas(struct audit *audit, const struct ioas *ioas);
/* Page requests of a device: each is in a queue of what it is attached to, or has its answer. I16
 */
bool audit_requests(struct audit *audit, const struct device *device);
/* A queue of reported events: its place on the VIOMMU, its entries. I14, I15 */
bool audit_veventq(struct audit *audit, const struct veventq *veventq);
/* All pages objects of the machine: references, records, pins and charges. I5 */
bool audit_pages(struct audit *audit);

#endif
