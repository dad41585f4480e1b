/* SPDX-License-Identifier: Apache-2.0 */
/* What the rows of a picture say, and how long texts are broken into lines. */
#include <stdarg.h>
#include <string.h>

#include "fuzz/schedule/timeline_private.h"
#include "impl/sim/lock.h"

static const char *const point_names[SCHEDULE_POINT_COUNT] = {
#define SCHEDULE_POINT(identifier, name) [SCHEDULE_##identifier] = name,
#include "impl/abi/schedule_points.def"
#undef SCHEDULE_POINT
};

const char *layout_thread_name(unsigned thread)
{
	static const char *const names[SCHEDULER_THREADS] = {
		"main", "A", "B", "C", "D", "E", "F", "G", "H"};

	return thread < SCHEDULER_THREADS ? names[thread] : "?";
}

enum lane_state layout_state(const struct row *row, unsigned thread)
{
	unsigned bit = 1u << (thread - 1);

	if (!(row->alive & bit))
		return LANE_NONE;
	if (row->kind == ROW_STUCK)
		return row->ready & bit ? LANE_READY : LANE_BLOCKED;
	if (row->thread == thread)
		return LANE_RUNS;
	return row->ready & bit ? LANE_READY : LANE_BLOCKED;
}

/* -- texts -- */

struct words {
	char *text;
	size_t used;
};

__attribute__((format(printf, 2, 3))) static void say(struct words *words, const char *format, ...)
{
	size_t room = ROW_TEXT - words->used;
	va_list arguments;
	int length;

	if (room <= 1)
		return;
	va_start(arguments, format);
	length = vsnprintf(words->text + words->used, room, format, arguments);
	va_end(arguments);
	if (length >= 0 && (size_t)length < room) {
		words->used += (size_t)length;
		return;
	}
	words->used = ROW_TEXT - 1;
	memcpy(words->text + ROW_TEXT - 4, "...", 4);
}

static const char *point_name(unsigned point)
{
	/* Within a section it stands between two calls of a thread. */
	if (point == SCHEDULE_START)
		return "next call";
	if (point == TIMELINE_CRASH)
		return "crash";
	return point < SCHEDULE_POINT_COUNT ? point_names[point] : "?";
}

static const char *class_name(uint16_t object)
{
	return object && object <= LOCK_CLASS_COUNT ? lock_class_name((enum lock_class)(object - 1))
						    : NULL;
}

static bool takes_at(const struct layout *layout, const struct scheduler_hold *hold, uint32_t step)
{
	const struct scheduler_step *at = &layout->timeline->steps[step];

	return hold->thread == at->thread && hold->class + 1u == at->object && hold->from == step;
}

/* Whether the lock that is asked for at that step is then taken for reading. */
static bool taken_shared(const struct layout *layout, uint32_t step)
{
	const struct timeline *timeline = layout->timeline;

	for (uint32_t h = 0; h < timeline->hold_count; h++)
		if (takes_at(layout, &timeline->holds[h], step))
			return timeline->holds[h].shared;
	return false;
}

/* The lock that a blocked thread got in the end, or NULL. */
static const void *awaited_lock(const struct layout *layout, uint32_t step)
{
	const struct timeline *timeline = layout->timeline;
	const struct scheduler_step *at = &timeline->steps[step];

	for (uint32_t h = 0; h < timeline->hold_count; h++) {
		const struct scheduler_hold *hold = &timeline->holds[h];

		if (hold->thread == at->thread && hold->class + 1u == at->object &&
			hold->from > step)
			return hold->lock;
	}
	return NULL;
}

/* "waits for iova_rwsem (B)": whoever has it. */
static void say_wait(const struct layout *layout, uint32_t step, struct words *words)
{
	const struct timeline *timeline = layout->timeline;
	const struct scheduler_step *at = &timeline->steps[step];
	const char *class = class_name(at->object);
	const void *lock = awaited_lock(layout, step);
	uint32_t said = 0, all = 0;

	if (!class) {
		say(words, "waits");
		return;
	}
	say(words, "waits for %s", class);
	for (uint32_t h = 0; h < timeline->hold_count; h++) {
		const struct scheduler_hold *hold = &timeline->holds[h];

		if (hold->class + 1u == at->object && hold->from < step &&
			(hold->to == UINT32_MAX || hold->to >= step) &&
			(!lock || hold->lock == lock))
			all |= UINT32_C(1) << hold->thread;
	}
	for (unsigned t = 0; t < SCHEDULER_THREADS; t++) {
		if (!(all >> t & 1))
			continue;
		say(words, "%s%s", said ? ", " : " (", layout_thread_name(t));
		said++;
	}
	if (said)
		say(words, ")");
}

/* ": 12 points (lock object_table, alloc)": each name once, in the order of the run. */
static void say_fold(const struct layout *layout, const struct row *row, struct words *words)
{
	uint64_t points = 0, classes = 0;
	unsigned names = 0;

	say(words, ": %u points", row->step_count);
	for (uint32_t s = row->step; s < row->step + row->step_count; s++) {
		const struct scheduler_step *step = &layout->timeline->steps[s];
		const char *class = class_name(step->object);
		uint64_t *said = class ? &classes : &points;
		uint64_t bit = UINT64_C(1) << (class ? step->object : step->point) % 64;
		const char *name = class ? class : point_name(step->point);

		if (*said & bit)
			continue;
		*said |= bit;
		if (++names > 4)
			continue;
		say(words, "%s%s", names > 1 ? ", " : " (", name);
	}
	if (names)
		say(words, names > 4 ? ", ...)" : ")");
}

static void say_point(const struct layout *layout, const struct row *row, struct words *words)
{
	const struct scheduler_step *step = &layout->timeline->steps[row->step];
	const char *class = class_name(step->object);

	if (step->point == SCHEDULE_BLOCK) {
		say_wait(layout, row->step, words);
		return;
	}
	say(words, "%s", point_name(step->point));
	if (class)
		say(words, " %s", class);
	if (step->point == SCHEDULE_LOCK && taken_shared(layout, row->step))
		say(words, " R");
}

void layout_row_text(const struct layout *layout, const struct row *row, char text[ROW_TEXT])
{
	const struct timeline *timeline = layout->timeline;
	struct words words = {.text = text};
	const struct timeline_call *call =
		row->call < timeline->call_count ? &timeline->calls[row->call] : NULL;

	text[0] = 0;
	switch ((enum row_kind)row->kind) {
	case ROW_MAIN:
		say(&words, "%s", call->text);
		if (call->result)
			say(&words, "  = %s", call->result);
		break;
	case ROW_SECTION: break;
	case ROW_CALL: say(&words, "%s", call->text); break;
	case ROW_RESULT: say(&words, "= %s", call->result ? call->result : "?"); break;
	case ROW_POINT: say_point(layout, row, &words); break;
	case ROW_FOLD: say_fold(layout, row, &words); break;
	case ROW_TAKEN:
		say(&words, "has %s%s",
			lock_class_name((enum lock_class)timeline->holds[row->hold].class),
			timeline->holds[row->hold].shared ? " R" : "");
		break;
	case ROW_STUCK: say_wait(layout, row->step_count, &words); break;
	}
}

int layout_row_class(const struct layout *layout, const struct row *row)
{
	uint16_t object = 0;

	if (row->kind == ROW_TAKEN)
		object = (uint16_t)(layout->timeline->holds[row->hold].class + 1u);
	else if (row->kind == ROW_POINT)
		object = layout->timeline->steps[row->step].object;
	else if (row->kind == ROW_STUCK)
		object = layout->timeline->steps[row->step_count].object;
	return class_name(object) ? object - 1 : -1;
}

void layout_failure_text(const struct layout *layout, char text[ROW_TEXT])
{
	const struct timeline *timeline = layout->timeline;
	struct words words = {.text = text};

	text[0] = 0;
	if (timeline->failed_step < timeline->step_count)
		say(&words, "step %u, %s%s: ", timeline->failed_step,
			timeline->steps[timeline->failed_step].thread ? "thread " : "",
			layout_thread_name(timeline->steps[timeline->failed_step].thread));
	say(&words, "%s", timeline->rule ? timeline->rule : "failed here");
}

/* -- lines -- */

uint32_t layout_rune(const char **text)
{
	const unsigned char *at = (const unsigned char *)*text;
	static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};
	unsigned more = at[0] < 0x80   ? 0
			: at[0] < 0xc2 ? 4
			: at[0] < 0xe0 ? 1
			: at[0] < 0xf0 ? 2
				       : 3;
	uint32_t rune = at[0];

	*text += 1;
	if (!more)
		return rune < 0x20 || rune == 0x7f ? '?' : rune;
	if (more == 4 || at[0] > 0xf4)
		return '?';
	rune &= 0x3fu >> more;
	for (unsigned i = 1; i <= more; i++) {
		if ((at[i] & 0xc0) != 0x80)
			return '?';
		rune = rune << 6 | (at[i] & 0x3fu);
	}
	if (rune < least[more] || rune < 0xa0 || rune > 0x10ffff || (rune & 0xfffff800) == 0xd800 ||
		(rune & 0xfffe) == 0xfffe)
		return '?';
	*text += more;
	return rune;
}

const char *layout_wrap(const char *text, unsigned room, unsigned *columns)
{
	const char *end = text, *blank = NULL;
	unsigned used = 0, at_blank = 0;

	while (*end && used < room) {
		if (*end == ' ' && used) {
			blank = end;
			at_blank = used;
		}
		layout_rune(&end);
		used++;
	}
	if (*end && *end != ' ' && blank) {
		end = blank;
		used = at_blank;
	}
	*columns = used;
	return end;
}

const char *layout_wrap_next(const char *end)
{
	while (*end == ' ')
		end++;
	return *end ? end : NULL;
}
