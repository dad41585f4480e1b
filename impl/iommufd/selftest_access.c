/* SPDX-License-Identifier: Apache-2.0 */
/* IOMMU_TEST_CMD: access objects behind descriptors. 10.12 to 10.16, 10.25 */
#include "impl/iommufd/access_items.h"

void test_access_file_release(struct task *task, struct file *file)
{
	struct test_access *driver = file->object;

	if (driver->access) {
		mutex_lock(task, &driver->lock);
		if (SIM_BUG(task, CLOSE_PINS_KEPT))
			items_free(task, &driver->items, &driver->newest_item);
		else
			items_unpin(task, driver->access, &driver->items, &driver->newest_item, 0,
				UINT64_MAX);
		mutex_unlock(task, &driver->lock);
		access_destroy(task, driver->access);
	}
	sim_free(task, driver, sizeof(*driver));
}

void test_access_unmap(
	struct task *task, struct test_access *driver, uint64_t iova, uint64_t length)
{
	mutex_lock(task, &driver->lock);
	items_unpin(task, driver->access, &driver->items, &driver->newest_item, iova, length);
	mutex_unlock(task, &driver->lock);
}

/* The driver behind an access descriptor with its file to be put; NULL: -EBADFD. */
static struct test_access *test_access_get(struct task *task, uint32_t fd, struct file **file)
{
	*file = file_from_fd(task, (int)fd);
	if (*file && (*file)->kind == FILE_TEST_ACCESS)
		return (*file)->object;
	if (*file)
		file_put(task, *file);
	return NULL;
}

int64_t handle_IOMMU_TEST_OP_CREATE_ACCESS(struct command *command)
{
	struct task *task = command->task;
	uint32_t flags = command->test.create_access.flags;
	struct test_access *driver;
	struct file *file = NULL;
	int fd, rc = -ENOMEM;

	if (flags & ~(uint32_t)MOCK_FLAGS_ACCESS_CREATE_NEEDS_PIN_PAGES &&
		!SIM_BUG(task, CREATE_ACCESS_FLAGS))
		return -EOPNOTSUPP;
	driver = sim_alloc(task, sizeof(*driver));
	if (!driver)
		return -ENOMEM;
	driver->flags = flags;
	driver->lock = mutex_init(LOCK_TEST_ITEMS);
	fd = file_reserve_fd(task);
	if (fd >= 0)
		file = file_open(task, FILE_TEST_ACCESS, driver, 0);
	if (!file) {
		sim_free(task, driver, sizeof(*driver));
		goto release;
	}
	rc = access_create(task, command->context, ACCESS_DRIVER_TEST, driver,
		flags & MOCK_FLAGS_ACCESS_CREATE_NEEDS_PIN_PAGES, true, &driver->access);
	if (!rc)
		rc = access_attach(task, driver->access, command->test.id);
	if (!rc) {
		command->test.create_access.out_access_fd = (uint32_t)fd;
		rc = command_respond(command);
	}
	if (!rc) {
		file_install_fd(task, fd, file);
		file_close_on_exec(task, fd); /* 10.12 */
		return 0;
	}
	file_put(task, file);
release:
	if (fd >= 0)
		file_release_fd(task, fd);
	return rc;
}

int64_t handle_IOMMU_TEST_OP_DESTROY_ACCESS_PAGES(struct command *command)
{
	struct task *task = command->task;
	struct access_item *previous = NULL, *item;
	struct file *file;
	struct test_access *driver = test_access_get(task, command->test.id, &file);
	int rc = -ENOENT;

	if (!driver)
		return -EBADFD;
	mutex_lock(task, &driver->lock);
	for (item = driver->items; item; previous = item, item = item->next) {
		if (item->id != command->test.destroy_access_pages.access_pages_id &&
			!SIM_BUG(task, ACCESS_PAGES_ANY))
			continue;
		items_remove(&driver->items, &driver->newest_item, previous);
		if (SIM_BUG(task, ITEM_FREED_EARLY))
			sim_free(task, item, sizeof(*item));
		access_unpin_pages(task, driver->access, item->iova, item->length);
		if (!SIM_BUG(task, ITEM_FREED_EARLY))
			sim_free(task, item, sizeof(*item));
		rc = 0;
		break;
	}
	mutex_unlock(task, &driver->lock);
	file_put(task, file);
	return rc;
}

/* Rule 10.25 on the IOAS that the access is attached to, 0 if none. */
static uint64_t access_syz_iova(struct task *task, struct access *access, uint64_t iova)
{
	uint64_t result = 0;

	mutex_lock(task, &access->lock);
	if (access->ioas)
		result = ioas_syz_iova(task, access->ioas, iova);
	mutex_unlock(task, &access->lock);
	return result;
}

/* Step 7: every pinned page is the one that the caller sees at uptr. */
static int check_pages(struct task *task, uint64_t uptr, struct page **pages, uint64_t count)
{
	for (uint64_t i = 0; i < count; i++) {
		struct page_view seen;
		int rc;

		schedule_point(task, SCHEDULE_USER_COPY);
		rc = mm_look_up(task, uptr + i * SIM_PAGE_SIZE, &seen);
		if (rc)
			return rc;
		if (seen.page != pages[i] && !SIM_BUG(task, ACCESS_PAGES_UNCOMPARED))
			return -EBADE;
	}
	return 0;
}

/* Steps 6 to 8. pages has room for every page that [iova, +length) spans, which may be more than
 * get pinned. */
static int access_pages(struct command *command, struct test_access *driver, uint64_t iova,
	struct page **pages, uint64_t count)
{
	struct task *task = command->task;
	uint64_t length = command->test.access_pages.length, uptr = command->test.access_pages.uptr;
	struct access_item *item = sim_alloc(task, sizeof(*item));
	bool write = command->test.access_pages.flags & MOCK_FLAGS_ACCESS_WRITE;
	uint64_t before;
	int rc;

	if (!item)
		return -ENOMEM;
	mutex_lock(task, &driver->lock);
	rc = access_pin_pages(
		task, driver->access, iova, length, pages, write ? ACCESS_WRITE : ACCESS_READ);
	if (rc)
		goto free_item;
	if (uptr) {
		rc = check_pages(task, uptr - (iova & (SIM_PAGE_SIZE - 1)), pages, count);
		if (rc)
			goto unpin;
	}
	item->iova = iova;
	item->length = length;
	item->origin = task_origin(task);
	item->id = driver->next_item++;
	command->test.access_pages.out_access_pages_id = item->id;
	/* The driver's own lock, which 12.4 does not name. */
	before = lock_allow_user_copy(task, UINT64_C(1) << LOCK_TEST_ITEMS);
	rc = command_respond(command);
	lock_allow_user_copy(task, before);
	if (rc && !SIM_BUG(task, ACCESS_PAGES_NOT_UNDONE))
		goto unpin;
	items_append(&driver->items, &driver->newest_item, item);
	mutex_unlock(task, &driver->lock);
	return rc;
unpin:
	access_unpin_pages(task, driver->access, iova, length);
free_item:
	mutex_unlock(task, &driver->lock);
	sim_free(task, item, sizeof(*item));
	return rc;
}

/* Steps 4 to 8 on an open access. */
static int access_pages_on(struct command *command, struct test_access *driver)
{
	struct task *task = command->task;
	uint64_t iova = command->test.access_pages.iova, length = command->test.access_pages.length,
		 count;
	struct page **pages;
	int rc;

	if (!(driver->flags & MOCK_FLAGS_ACCESS_CREATE_NEEDS_PIN_PAGES))
		return -EOPNOTSUPP;
	if (command->test.access_pages.flags & MOCK_FLAGS_ACCESS_SYZ)
		iova = access_syz_iova(task, driver->access, iova);
	count = (length + (iova & (SIM_PAGE_SIZE - 1)) + SIM_PAGE_SIZE - 1) >> SIM_PAGE_SHIFT;
	pages = sim_alloc_array(task, count ? count : 1, sizeof(struct page *));
	if (!pages)
		return -ENOMEM;
	rc = access_pages(command, driver, iova, pages, count);
	sim_free(task, pages, (count ? count : 1) * sizeof(struct page *));
	return rc;
}

int64_t handle_IOMMU_TEST_OP_ACCESS_PAGES(struct command *command)
{
	struct test_access *driver;
	struct file *file;
	int rc;

	if (command->test.access_pages.length > IOMMUFD_BUFFER_MAX)
		return -ENOMEM;
	if (command->test.access_pages.flags &
		~(uint32_t)(MOCK_FLAGS_ACCESS_WRITE | MOCK_FLAGS_ACCESS_SYZ))
		return -EOPNOTSUPP;
	driver = test_access_get(command->task, command->test.id, &file);
	if (!driver)
		return -EBADFD;
	rc = access_pages_on(command, driver);
	file_put(command->task, file);
	return rc;
}

/* Steps 4 to 7 of 10.15 on an open access. */
static int access_rw_on(struct command *command, struct test_access *driver)
{
	struct task *task = command->task;
	uint64_t iova = command->test.access_rw.iova, length = command->test.access_rw.length;
	uint64_t uptr = command->test.access_rw.uptr, room = length ? length : 1;
	uint32_t flags = command->test.access_rw.flags;
	uint64_t done;
	bool write = flags & MOCK_ACCESS_RW_WRITE;
	void *buffer = sim_alloc(task, room);
	int rc = 0;

	if (!buffer)
		return -ENOMEM;
	if (write)
		rc = copy_from_user(task, buffer, uptr, length);
	if (!rc) {
		if (flags & MOCK_FLAGS_ACCESS_SYZ)
			iova = access_syz_iova(task, driver->access, iova);
		rc = access_rw(task, driver->access, iova, buffer, length,
			(write ? ACCESS_WRITE : 0) |
				(flags & MOCK_ACCESS_RW_SLOW_PATH ? ACCESS_SLOW_PATH : 0),
			&done);
	}
	if (!rc && !write)
		rc = copy_to_user(task, uptr, buffer, length);
	sim_free(task, buffer, room);
	return rc;
}

int64_t handle_IOMMU_TEST_OP_ACCESS_RW(struct command *command)
{
	const uint32_t known =
		MOCK_ACCESS_RW_WRITE | MOCK_ACCESS_RW_SLOW_PATH | MOCK_FLAGS_ACCESS_SYZ;
	struct test_access *driver;
	struct file *file;
	int rc;

	if (command->test.access_rw.length > IOMMUFD_BUFFER_MAX)
		return -ENOMEM;
	if (command->test.access_rw.flags & ~known && !SIM_BUG(command->task, ACCESS_RW_FLAGS))
		return -EOPNOTSUPP;
	driver = test_access_get(command->task, command->test.id, &file);
	if (!driver)
		return -EBADFD;
	rc = access_rw_on(command, driver);
	file_put(command->task, file);
	return rc;
}

int64_t handle_IOMMU_TEST_OP_ACCESS_REPLACE_IOAS(struct command *command)
{
	struct file *file;
	struct test_access *driver = test_access_get(command->task, command->test.id, &file);
	int rc;

	if (!driver)
		return -EBADFD;
	rc = access_replace(
		command->task, driver->access, command->test.access_replace_ioas.ioas_id);
	file_put(command->task, file);
	return rc;
}
