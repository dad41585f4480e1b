/* SPDX-License-Identifier: Apache-2.0 */
#include "fuzz/prog/names.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "fuzz/prog/prog.h"
#include "impl/abi/points.h"

struct number_name {
	const char *name;
	uint64_t number;
};

static const struct number_name errnos[] = {
	{"EPERM", EPERM},
	{"ENOENT", ENOENT},
	{"ESRCH", ESRCH},
	{"EINTR", EINTR},
	{"EIO", EIO},
	{"ENXIO", ENXIO},
	{"E2BIG", E2BIG},
	{"ENOEXEC", ENOEXEC},
	{"EBADF", EBADF},
	{"ECHILD", ECHILD},
	{"EAGAIN", EAGAIN},
	{"ENOMEM", ENOMEM},
	{"EACCES", EACCES},
	{"EFAULT", EFAULT},
	{"ENOTBLK", ENOTBLK},
	{"EBUSY", EBUSY},
	{"EEXIST", EEXIST},
	{"EXDEV", EXDEV},
	{"ENODEV", ENODEV},
	{"ENOTDIR", ENOTDIR},
	{"EISDIR", EISDIR},
	{"EINVAL", EINVAL},
	{"ENFILE", ENFILE},
	{"EMFILE", EMFILE},
	{"ENOTTY", ENOTTY},
	{"ETXTBSY", ETXTBSY},
	{"EFBIG", EFBIG},
	{"ENOSPC", ENOSPC},
	{"ESPIPE", ESPIPE},
	{"EROFS", EROFS},
	{"EMLINK", EMLINK},
	{"EPIPE", EPIPE},
	{"EDOM", EDOM},
	{"ERANGE", ERANGE},
	{"EDEADLK", EDEADLK},
	{"EDEADLOCK", EDEADLOCK}, /* the specification's spelling of the same number */
	{"ENAMETOOLONG", ENAMETOOLONG},
	{"ENOLCK", ENOLCK},
	{"ENOSYS", ENOSYS},
	{"ENOTEMPTY", ENOTEMPTY},
	{"ELOOP", ELOOP},
	{"ENOMSG", ENOMSG},
	{"EIDRM", EIDRM},
	{"ENODATA", ENODATA},
	{"ETIME", ETIME},
	{"EPROTO", EPROTO},
	{"EBADMSG", EBADMSG},
	{"EOVERFLOW", EOVERFLOW},
	{"EBADE", EBADE},
	{"EBADFD", EBADFD},
	{"EILSEQ", EILSEQ},
	{"EUSERS", EUSERS},
	{"EMSGSIZE", EMSGSIZE},
	{"EOPNOTSUPP", EOPNOTSUPP},
	{"EADDRINUSE", EADDRINUSE},
	{"ENOBUFS", ENOBUFS},
	{"ETIMEDOUT", ETIMEDOUT},
	{"EALREADY", EALREADY},
	{"EINPROGRESS", EINPROGRESS},
	{"ESTALE", ESTALE},
	{"EDQUOT", EDQUOT},
	{"ECANCELED", ECANCELED},
	{"EOWNERDEAD", EOWNERDEAD},
	{"ENOTRECOVERABLE", ENOTRECOVERABLE},
	{"EHWPOISON", EHWPOISON},
	{"ENOTSUPP", 524},
	{NULL, 0},
};

static const struct number_name fault_points[] = {
#define FAULT_POINT(identifier, name, error, what) {name, FAULT_##identifier},
#include "impl/abi/fault_points.def"
#undef FAULT_POINT
	{NULL, 0},
};

static const struct number_name schedule_points[] = {
#define SCHEDULE_POINT(identifier, name) {name, SCHEDULE_##identifier},
#include "impl/abi/schedule_points.def"
#undef SCHEDULE_POINT
	{NULL, 0},
};

static const struct number_name lock_classes[] = {
#define LOCK_CLASS(identifier, name) {name, 0},
#include "impl/sim/lock_classes.def"
#undef LOCK_CLASS
	{NULL, 0},
};

static const struct number_name bugs[] = {
#define BUG(identifier, name, where, what) {name, 0},
#include "impl/sim/bugs.def"
#undef BUG
	{NULL, 0},
};

static const struct number_name needs[] = {
	{"test", NEEDS_TEST},
	{"inproc", NEEDS_INPROC},
	{"group", NEEDS_GROUP},
	{"cdev", NEEDS_CDEV},
	{"container", NEEDS_CONTAINER},
	{"spapr", NEEDS_SPAPR},
	{"kvm", NEEDS_KVM},
	{"hugetlb", PROG_NEEDS_HUGETLB},
	{"memfd", PROG_NEEDS_MEMFD},
	{"root", PROG_NEEDS_ROOT},
	{"user", PROG_NEEDS_USER},
	{NULL, 0},
};

static const struct number_name header_keys[] = {
	{"id", 0},
	{"req", 0},
	{"since", 0},
	{"until", 0},
	{"needs", 0},
	{"sim", 0},
	{"known-fail", 0},
	{"twin", 0},
	{"schedule:", 0},
	{"schedule-bytes", 0},
	{NULL, 0},
};

static const struct number_name option_keys[] = {
	{"kernel", 0},
	{"pages", 0},
	{"bug", 0},
	{"seed", 0},
	{"memlock", 0},
	{"caps", 0},
	{"compat", 0},
	{"ioasid", 0},
	{"dmabuf", 0},
	{"hugetlb", 0},
	{"container", 0},
	{"noiommu", 0},
	{NULL, 0},
};

static const struct number_name constants[] = {
	{"NULL", 0},
	{"U64_MAX", UINT64_MAX},
	{"U32_MAX", UINT32_MAX},
	{"U16_MAX", UINT16_MAX},
	{"U8_MAX", UINT8_MAX},
	{"S64_MAX", INT64_MAX},
	{"INT_MAX", INT32_MAX},
	{"INT_MIN", (uint64_t)INT32_MIN},
	{NULL, 0},
};

static const struct number_name *const lists[] = {
	[NAMES_ERRNO] = errnos,
	[NAMES_FAULT_POINT] = fault_points,
	[NAMES_SCHEDULE_POINT] = schedule_points,
	[NAMES_LOCK_CLASS] = lock_classes,
	[NAMES_BUG] = bugs,
	[NAMES_NEEDS] = needs,
	[NAMES_HEADER] = header_keys,
	[NAMES_OPTION] = option_keys,
	[NAMES_CONSTANT] = constants,
};

static bool word_is(const char *word, const char *text, size_t length)
{
	return strlen(word) == length && !memcmp(word, text, length);
}

const char *names_errno(int error)
{
	for (const struct number_name *entry = errnos; entry->name; entry++)
		if (entry->number == (uint64_t)error)
			return entry->name;
	return NULL;
}

int names_errno_find(const char *name, size_t length)
{
	int index = names_find(NAMES_ERRNO, name, length);

	/* Linux has two names for one number, and two for this one. */
	if (word_is("EWOULDBLOCK", name, length))
		return EAGAIN;
	return index < 0 ? 0 : (int)errnos[index].number;
}

const char *names_word(enum name_list list, unsigned index)
{
	for (unsigned i = 0; i < index; i++)
		if (!lists[list][i].name)
			return NULL;
	return lists[list][index].name;
}

int names_find(enum name_list list, const char *name, size_t length)
{
	for (int i = 0; lists[list][i].name; i++)
		if (word_is(lists[list][i].name, name, length))
			return i;
	return -1;
}

uint32_t names_needs_bit(unsigned index)
{
	return (uint32_t)needs[index].number;
}

uint64_t names_constant(unsigned index)
{
	return constants[index].number;
}

enum field_words { WORDS_NONE, WORDS_PROCESS, WORDS_THREAD, WORDS_FAULT_POINT };

static enum field_words field_words(const struct field *field)
{
	if (field->names)
		return WORDS_NONE;
	if (!strncmp(field->name, "process", 7))
		return WORDS_PROCESS;
	if (!strncmp(field->name, "thread", 6))
		return WORDS_THREAD;
	if (strstr(field->name, "point"))
		return WORDS_FAULT_POINT;
	return WORDS_NONE;
}

uint32_t names_field_limit(const struct field *field)
{
	switch (field_words(field)) {
	case WORDS_PROCESS: return PROG_PROCESS_MAX;
	case WORDS_THREAD: return PROG_THREAD_MAX + 1;
	case WORDS_FAULT_POINT: return FAULT_POINT_COUNT;
	case WORDS_NONE: break;
	}
	return 0;
}

const char *names_field_word(const struct field *field, uint64_t number, char buffer[16])
{
	switch (field_words(field)) {
	case WORDS_PROCESS:
		snprintf(buffer, 16, "P%u", (unsigned)(number % PROG_PROCESS_MAX) + 1);
		return buffer;
	case WORDS_THREAD:
		if (!number)
			return "main";
		snprintf(buffer, 16, "%c", (char)('A' + (number - 1) % PROG_THREAD_MAX));
		return buffer;
	case WORDS_FAULT_POINT:
		return names_word(NAMES_FAULT_POINT, (unsigned)number % FAULT_POINT_COUNT);
	case WORDS_NONE: break;
	}
	for (const struct named_value *entry = field->names; entry && entry->name; entry++)
		if (entry->value == number)
			return entry->name;
	return NULL;
}

bool names_field_find(const struct field *field, const char *word, size_t length, uint64_t *number)
{
	int index;

	switch (field_words(field)) {
	case WORDS_PROCESS:
		*number = length == 2 ? (uint64_t)(word[1] - '1') : UINT64_MAX;
		return length == 2 && word[0] == 'P' && *number < PROG_PROCESS_MAX;
	case WORDS_THREAD:
		*number = length == 1 ? (uint64_t)(word[0] - 'A') + 1 : 0;
		return word_is("main", word, length) ||
		       (length == 1 && *number - 1 < PROG_THREAD_MAX);
	case WORDS_FAULT_POINT:
		index = names_find(NAMES_FAULT_POINT, word, length);
		*number = (uint64_t)index;
		return index >= 0;
	case WORDS_NONE: break;
	}
	for (const struct named_value *entry = field->names; entry && entry->name; entry++) {
		*number = entry->value;
		if (word_is(entry->name, word, length))
			return true;
	}
	return false;
}

const char *names_prefix(enum resource resource)
{
	switch (resource) {
	case RESOURCE_IOMMUFD:
	case RESOURCE_ANY_FD: return "fd";
	case RESOURCE_ACCESS_FD: return "accfd";
	case RESOURCE_FAULT_FD: return "faultfd";
	case RESOURCE_VEVENTQ_FD: return "eventqfd";
	case RESOURCE_CONTAINER: return "container";
	case RESOURCE_GROUP: return "group";
	case RESOURCE_VFIO_DEVICE: return "device";
	case RESOURCE_MEMFD: return "mfd";
	case RESOURCE_DMABUF: return "dmabuf";
	case RESOURCE_EVENTFD: return "efd";
	case RESOURCE_KVM_DEVICE: return "kvm";
	case RESOURCE_IOAS: return "as";
	case RESOURCE_DEVICE: return "idev";
	case RESOURCE_HWPT_PAGING: return "hwpt";
	case RESOURCE_HWPT_NESTED: return "nested";
	case RESOURCE_FAULT: return "fault";
	case RESOURCE_VIOMMU: return "viommu";
	case RESOURCE_VDEVICE: return "vdev";
	case RESOURCE_VEVENTQ: return "eventq";
	case RESOURCE_HW_QUEUE: return "queue";
	case RESOURCE_SELFTEST: return "dev";
	case RESOURCE_IOVA: return "iova";
	case RESOURCE_ACCESS_ITEM: return "item";
	case RESOURCE_ACCESS: return "acc";
	case RESOURCE_FAULT_COOKIE: return "cookie";
	case RESOURCE_PROCESS: return "process";
	default: return "out";
	}
}

bool names_is_valid(const char *name, size_t length)
{
	if (!length || length > NAME_MAX_LENGTH || name[0] < 'a' || name[0] > 'z')
		return false;
	for (size_t i = 1; i < length; i++)
		if (!((name[i] >= 'a' && name[i] <= 'z') || (name[i] >= 'A' && name[i] <= 'Z') ||
			    (name[i] >= '0' && name[i] <= '9') || name[i] == '_'))
			return false;
	return !word_is("mem", name, length) && !word_is("thread", name, length) &&
	       !word_is("repeat", name, length) && !word_is("fail", name, length);
}

#define NEAR_MISS_LENGTH 64

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* Edit distance in which a swap of neighbours counts once and case counts nothing. */
static unsigned edit_distance(const char *a, size_t a_length, const char *b, size_t b_length)
{
	unsigned rows[3][NEAR_MISS_LENGTH + 1];

	for (size_t j = 0; j <= b_length; j++)
		rows[0][j] = (unsigned)j;
	for (size_t i = 1; i <= a_length; i++) {
		unsigned *row = rows[i % 3];
		const unsigned *above = rows[(i + 2) % 3];

		row[0] = (unsigned)i;
		for (size_t j = 1; j <= b_length; j++) {
			bool same = lower(a[i - 1]) == lower(b[j - 1]);
			unsigned best = above[j - 1] + !same;

			best = above[j] + 1 < best ? above[j] + 1 : best;
			best = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
			if (i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) &&
				lower(a[i - 2]) == lower(b[j - 1]) &&
				rows[(i + 1) % 3][j - 2] + 1 < best)
				best = rows[(i + 1) % 3][j - 2] + 1;
			row[j] = best;
		}
	}
	return rows[a_length % 3][b_length];
}

void near_miss_init(struct near_miss *miss, const char *wanted, size_t length)
{
	miss->wanted = wanted;
	miss->length = length;
	miss->best = NULL;
	/* A third of the letters may be wrong, but one always. */
	miss->distance = length < 6 ? 2 : (unsigned)(length / 3) + 1;
	if (miss->distance > 6)
		miss->distance = 6;
}

void near_miss_try(struct near_miss *miss, const char *candidate)
{
	size_t length = strlen(candidate);
	unsigned distance;

	if (miss->length > NEAR_MISS_LENGTH || length > NEAR_MISS_LENGTH || miss->length < 2)
		return;
	distance = edit_distance(miss->wanted, miss->length, candidate, length);
	if (distance < miss->distance) {
		miss->distance = distance;
		miss->best = candidate;
	}
}

void near_miss_list(struct near_miss *miss, enum name_list list)
{
	for (unsigned i = 0; lists[list][i].name; i++)
		near_miss_try(miss, lists[list][i].name);
}
