/* SPDX-License-Identifier: Apache-2.0 */
/* The audit of all pages objects: who refers to them, what is pinned for whom, who is charged. I5,
 * section 11 */
#include "fuzz/oracle/audit_private.h"

/* Counts an area at its pages object, which is listed when it is seen for the first time. */
static void note_area(struct audit *audit, uint32_t epoch, const struct area *area)
{
	struct pages *pages = area->pages;

	if (!pages)
		return;
	if (pages->audit_epoch != epoch) {
		pages->audit_epoch = epoch;
		pages->audit_areas = 0;
		pages->audit_accesses = 0;
		audit_grow(&audit->pages, &audit->pages_room, audit->pages_count + 1,
			sizeof(struct pages *));
		audit->pages[audit->pages_count++] = pages;
	}
	pages->audit_areas++;
	pages->audit_accesses += area->accesses;
}

static void collect_pages(struct audit *audit)
{
	struct iommufd_machine *machine = sim_iommufd_state(audit->sim);
	uint32_t epoch = ++machine->audit_epoch;

	audit->pages_count = 0;
	for (struct iommufd_context *context = machine->contexts; context;
		context = context->next) {
		struct iommufd_object *object;

		for (uint32_t id = 1; (object = graph_next_object(context, &id)); id++) {
			struct range_item *node;

			if (object->type != OBJECT_IOAS)
				continue;
			range_map_for_each(node, &((struct ioas *)object)->areas)
				note_area(audit, epoch, area_of(node));
		}
	}
}

/* Whether every page of [first, last] is pinned. */
static bool is_pinned(const struct pages *pages, uint64_t first, uint64_t last)
{
	struct range_node *node = range_first(&pages->pins, first, last);

	for (; node; node = range_next(node, first, last)) {
		const struct pin_run *run = (const struct pin_run *)(void *)node;
		uint64_t end = node->last < last ? node->last : last;

		if (node->first > first)
			return false;
		if (run->live != node->last - node->first + 1) {
			for (uint64_t index = first; index <= end; index++) {
				if (!run->pages[index - node->first])
					return false;
			}
		}
		if (end == last)
			return true;
		first = end + 1;
	}
	return false;
}

/* Pages in the union of areas that domains map and of records; false with a finding when one of
 * them is not pinned. */
static bool count_needed(struct audit *audit, const struct pages *pages, uint64_t *needed)
{
	struct range_node *filled = range_lowest(&pages->filled),
			  *record = range_lowest(&pages->records);
	uint64_t next = 0; /* first index that is not counted yet */

	*needed = 0;
	while (filled || record) {
		bool is_record = !filled || (record && record->first < filled->first);
		struct range_node *node = is_record ? record : filled;
		uint64_t first = node->first > next ? node->first : next;

		if (node->last >= first) {
			if (!is_pinned(pages, first, node->last))
				return AUDIT_BROKEN(audit, "I5 pins",
					"pages [%llu, %llu] from 0x%llx are needed by %s and not "
					"all pinned",
					(unsigned long long)first, (unsigned long long)node->last,
					(unsigned long long)pages->start,
					is_record ? "an access" : "a domain");
			*needed += node->last - first + 1;
			next = node->last + 1;
		}
		if (is_record)
			record = range_successor(record);
		else
			filled = range_successor(filled);
	}
	return true;
}

/* Pages in the slots of all runs; false with a finding when a slot or a count is wrong. */
static bool count_pinned(struct audit *audit, const struct pages *pages, uint64_t *pinned)
{
	struct range_node *node;

	*pinned = 0;
	range_tree_for_each (node, (struct range_tree *)(uintptr_t)&pages->pins) {
		const struct pin_run *run = (const struct pin_run *)(void *)node;
		uint64_t live = 0;

		for (uint64_t i = 0; i <= node->last - node->first; i++) {
			if (!run->pages[i])
				continue;
			live++;
			if (!run->pages[i]->pins)
				return AUDIT_BROKEN(audit, "I5 pins",
					"page %llu from 0x%llx is in use without a pin",
					(unsigned long long)(node->first + i),
					(unsigned long long)pages->start);
		}
		if (!live || live != run->live)
			return AUDIT_BROKEN(audit, "I5 pins",
				"a run of %llu pinned pages counts %llu", (unsigned long long)live,
				(unsigned long long)run->live);
		*pinned += live;
	}
	return true;
}

static struct audit_mm *find_mm(struct audit *audit, struct mm *mm)
{
	uint32_t i = 0;

	while (i < audit->mm_count && audit->mms[i].mm != mm)
		i++;
	if (i == audit->mm_count) {
		audit_grow(&audit->mms, &audit->mm_room, i + 1, sizeof(*audit->mms));
		audit->mms[audit->mm_count++] = (struct audit_mm){.mm = mm};
	}
	return &audit->mms[i];
}

static struct audit_user *find_user(struct audit *audit, struct user *user)
{
	uint32_t i = 0;

	while (i < audit->owner_count && audit->owners[i].user != user)
		i++;
	if (i == audit->owner_count) {
		audit_grow(&audit->owners, &audit->owner_room, i + 1, sizeof(*audit->owners));
		audit->owners[audit->owner_count++] = (struct audit_user){.user = user};
	}
	return &audit->owners[i];
}

static void note_charge(struct audit *audit, const struct pages *pages)
{
	struct audit_mm *mm = find_mm(audit, pages->mm);
	struct audit_user *owner = find_user(audit, process_user(pages->process));

	mm->pinned += pages->pinned;
	if (pages->account == ACCOUNT_MM)
		mm->locked += pages->pinned;
	if (pages->account == ACCOUNT_USER)
		owner->locked += pages->pinned;
}

static bool check_pages(struct audit *audit, const struct pages *pages, uint64_t *all_pinned)
{
	uint64_t needed, pinned, users = 0;
	struct range_node *node;

	if (pages->references != pages->audit_areas)
		return AUDIT_BROKEN(audit, "pages references",
			"a pages object has %u references and %u areas", pages->references,
			pages->audit_areas);
	if (pages->changing)
		return AUDIT_BROKEN(audit, "change of process",
			"a pages object still has the mark of a change that is over");
	range_tree_for_each (node, (struct range_tree *)(uintptr_t)&pages->records)
		users += ((const struct access_record *)(void *)node)->users;
	if (users != pages->audit_accesses)
		return AUDIT_BROKEN(audit, "access pins",
			"areas count %u access pins, the records %llu", pages->audit_accesses,
			(unsigned long long)users);
	if (!count_needed(audit, pages, &needed) || !count_pinned(audit, pages, &pinned))
		return false;
	if (pinned != needed || pages->pinned != pinned)
		return AUDIT_BROKEN(audit, "I5 pins",
			"%llu pages from 0x%llx are pinned (counted as %llu), %llu are needed",
			(unsigned long long)pinned, (unsigned long long)pages->start,
			(unsigned long long)pages->pinned, (unsigned long long)needed);
	/* What an address space that is gone has paid is not returned. 11 */
	if (pages->charged != pages->pinned &&
		(pages->account != ACCOUNT_MM || mm_alive(pages->mm)))
		return AUDIT_BROKEN(audit, "accounting", "%llu of %llu pinned pages are charged",
			(unsigned long long)pages->charged, (unsigned long long)pages->pinned);
	*all_pinned += pinned;
	note_charge(audit, pages);
	return true;
}

/* Processes without anything pinned must have nothing charged either. */
static void note_processes(struct audit *audit)
{
	for (unsigned n = 0; n < 8; n++) {
		struct process *process = sim_process(audit->sim, n);

		if (!process)
			continue;
		find_mm(audit, task_mm(sim_task(audit->sim, n, 0)));
		find_user(audit, process_user(process));
	}
}

static bool check_charges(struct audit *audit)
{
	const struct iommufd_machine *machine = sim_iommufd_state(audit->sim);
	bool moved = machine->moved_uncharged;

	for (uint32_t i = 0; i < audit->mm_count; i++) {
		const struct audit_mm *mm = &audit->mms[i];

		/* A charge to an address space that is gone can no longer be returned. 11 */
		if (!mm_alive(mm->mm))
			continue;
		if ((mm_pinned(mm->mm) != mm->pinned && !moved) || mm_locked(mm->mm) != mm->locked)
			return AUDIT_BROKEN(audit, "accounting",
				"mm %u has VmPin %llu and VmLck %llu pages, the mappings imply "
				"%llu and %llu",
				mm_number(mm->mm), (unsigned long long)mm_pinned(mm->mm),
				(unsigned long long)mm_locked(mm->mm),
				(unsigned long long)mm->pinned, (unsigned long long)mm->locked);
	}
	for (uint32_t i = 0; i < audit->owner_count; i++) {
		const struct audit_user *owner = &audit->owners[i];

		if (user_locked(owner->user) != owner->locked)
			return AUDIT_BROKEN(audit, "accounting",
				"user %u has %llu pages locked, the mappings imply %llu",
				user_id(owner->user), (unsigned long long)user_locked(owner->user),
				(unsigned long long)owner->locked);
	}
	return true;
}

bool audit_pages(struct audit *audit)
{
	uint64_t pinned = 0;

	audit->mm_count = 0;
	audit->owner_count = 0;
	collect_pages(audit);
	for (uint32_t i = 0; i < audit->pages_count; i++) {
		if (!check_pages(audit, audit->pages[i], &pinned))
			return false;
	}
	if (pinned != mm_pins(audit->sim))
		return AUDIT_BROKEN(audit, "I5 pins",
			"%llu pins on pages, the pages objects have %llu",
			(unsigned long long)mm_pins(audit->sim), (unsigned long long)pinned);
	note_processes(audit);
	return check_charges(audit);
}
