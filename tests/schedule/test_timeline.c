/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pictures of runs that are made by hand here, against golden files. `test_timeline --write` writes
 * those anew.
 */
#include <stdlib.h>
#include <string.h>

#include "fuzz/schedule/timeline.h"
#include "impl/sim/lock.h"
#include "tests/tap.h"

#define STEPS 6000
#define HOLDS 4000
#define CALLS 400
#define NEVER UINT32_MAX

/* A run being written down: what a scheduler would keep. */
struct hand {
	struct scheduler_step steps[STEPS];
	struct scheduler_hold holds[HOLDS];
	struct timeline_call calls[CALLS];
	struct timeline timeline;
	uint32_t ready; /* bit t - 1 */
	unsigned now;
	uint16_t call[SCHEDULER_THREADS];
	char locks[LOCK_CLASS_COUNT];
};

static struct hand *hand_new(const char *title)
{
	struct hand *hand = calloc(1, sizeof(*hand));

	if (!hand)
		abort();
	hand->timeline = (struct timeline){.title = title,
		.steps = hand->steps,
		.holds = hand->holds,
		.calls = hand->calls,
		.failed_step = SCHEDULER_NONE};
	return hand;
}

static void name(
	struct hand *hand, unsigned thread, unsigned call, const char *text, const char *result)
{
	hand->calls[hand->timeline.call_count++] = (struct timeline_call){
		.thread = (uint8_t)thread, .call = (uint16_t)call, .text = text, .result = result};
}

static void pass(struct hand *hand, unsigned point, unsigned object, unsigned next)
{
	hand->steps[hand->timeline.step_count++] = (struct scheduler_step){
		.thread = (uint8_t)hand->now,
		.point = (uint8_t)point,
		.next = (uint8_t)next,
		.ready = (uint8_t)hand->ready,
		.call = hand->call[hand->now],
		.object = (uint16_t)object,
	};
	hand->now = next;
}

static void start(struct hand *hand, uint32_t threads, unsigned next)
{
	hand->now = 0;
	hand->ready = threads;
	pass(hand, SCHEDULE_START, 0, next);
}

static void point(struct hand *hand, unsigned point)
{
	pass(hand, point, 0, hand->now);
}

static void take(struct hand *hand, unsigned class, bool shared)
{
	hand->holds[hand->timeline.hold_count++] =
		(struct scheduler_hold){.from = hand->timeline.step_count - 1,
			.to = NEVER,
			.class = (uint16_t)class,
			.thread = (uint8_t)hand->now,
			.shared = shared,
			.lock = &hand->locks[class]};
}

static void lock(struct hand *hand, unsigned class, bool shared)
{
	pass(hand, SCHEDULE_LOCK, class + 1, hand->now);
	take(hand, class, shared);
}

static void block(struct hand *hand, unsigned class, unsigned next)
{
	hand->ready &= ~(1u << (hand->now - 1));
	pass(hand, SCHEDULE_BLOCK, class + 1, next);
}

/* woken: bits of threads that can go on then. */
static void unlock(struct hand *hand, unsigned class, uint32_t woken)
{
	for (uint32_t h = hand->timeline.hold_count; h--;)
		if (hand->holds[h].thread == hand->now && hand->holds[h].class == class &&
			hand->holds[h].to == NEVER) {
			hand->holds[h].to = hand->timeline.step_count - 1;
			break;
		}
	hand->ready |= woken;
	pass(hand, SCHEDULE_UNLOCK, class + 1, hand->now);
}

static void brief(struct hand *hand, unsigned class)
{
	lock(hand, class, false);
	unlock(hand, class, 0);
}

static void end(struct hand *hand, unsigned next)
{
	hand->ready &= ~(1u << (hand->now - 1));
	pass(hand, SCHEDULE_END, 0, next);
}

/* -- the runs -- */

static struct hand *two_threads(void)
{
	struct hand *hand = hand_new("map-against-unmap.prog");

	name(hand, 1, 0,
		"IOMMU_IOAS_MAP as iova=16M length=2P user_va=mem flags=FIXED_IOVA|READABLE", "0");
	name(hand, 2, 0, "IOMMU_IOAS_UNMAP as iova=16M length=2P", "ENOENT");
	name(hand, 2, 1, "IOMMU_DESTROY as", "0");
	name(hand, 0, 0, "fd = open /dev/iommu", "3");
	name(hand, 0, 1, "as = IOMMU_IOAS_ALLOC fd", "1");
	name(hand, 0, 2, "close fd", "0");
	hand->calls[5].section = 1;
	start(hand, 3, 1);
	point(hand, SCHEDULE_USER_COPY);
	brief(hand, LOCK_OBJECTS);
	point(hand, SCHEDULE_ALLOC);
	point(hand, SCHEDULE_ALLOC);
	lock(hand, LOCK_IOVA, false);
	point(hand, SCHEDULE_ALLOC);
	pass(hand, SCHEDULE_ACCESS, 0, 2);
	point(hand, SCHEDULE_USER_COPY);
	brief(hand, LOCK_OBJECTS);
	pass(hand, SCHEDULE_LOCK, LOCK_IOVA + 1, 2);
	block(hand, LOCK_IOVA, 1);
	unlock(hand, LOCK_IOVA, 2);
	point(hand, SCHEDULE_PUT);
	end(hand, 2);
	take(hand, LOCK_IOVA, true);
	unlock(hand, LOCK_IOVA, 0);
	point(hand, SCHEDULE_PUT);
	hand->call[2] = 1;
	point(hand, SCHEDULE_USER_COPY);
	brief(hand, LOCK_OBJECTS);
	point(hand, SCHEDULE_RCU);
	return hand;
}

static struct hand *deadlock(void)
{
	struct hand *hand = hand_new("two-orders.prog");

	name(hand, 1, 0, "IOMMU_IOAS_COPY as src_ioas_id=as2 length=1P", NULL);
	name(hand, 2, 0, "IOMMU_HWPT_ALLOC idev pt_id=as & <\"more\">", NULL);
	start(hand, 3, 1);
	point(hand, SCHEDULE_USER_COPY);
	lock(hand, LOCK_DOMAINS, true);
	pass(hand, SCHEDULE_LOCK, LOCK_IOVA + 1, 2);
	point(hand, SCHEDULE_USER_COPY);
	point(hand, SCHEDULE_ALLOC);
	lock(hand, LOCK_IOVA, false);
	pass(hand, SCHEDULE_LOCK, LOCK_DOMAINS + 1, 2);
	block(hand, LOCK_DOMAINS, 1);
	block(hand, LOCK_IOVA, 1);
	hand->timeline.failed_step = hand->timeline.step_count - 1;
	hand->timeline.rule = "deadlock";
	hand->timeline.message =
		"A (IOMMU_IOAS_COPY) waits for iova_rwsem, held by B (IOMMU_HWPT_ALLOC); B "
		"(IOMMU_HWPT_ALLOC) waits for domains_rwsem, held by A (IOMMU_IOAS_COPY)";
	return hand;
}

static struct hand *nested(void)
{
	struct hand *hand = hand_new(NULL);

	name(hand, 1, 0, "access_replace acc ioas_id=as2", "0");
	name(hand, 2, 0, "IOMMU_IOAS_UNMAP as iova=16M length=U64_MAX", "EBUSY");
	name(hand, 3, 0, "access_pin acc iova=16M length=1P", "EINVAL");
	start(hand, 7, 1);
	lock(hand, LOCK_ACCESS, false);
	lock(hand, LOCK_IOVA, true);
	brief(hand, LOCK_PAGES);
	lock(hand, LOCK_PAGES, false);
	pass(hand, SCHEDULE_ACCESS, 0, 3);
	pass(hand, SCHEDULE_LOCK, LOCK_ACCESS + 1, 3);
	block(hand, LOCK_ACCESS, 2);
	point(hand, SCHEDULE_USER_COPY);
	lock(hand, LOCK_IOVA, true);
	point(hand, SCHEDULE_CALLBACK);
	pass(hand, SCHEDULE_LOCK, LOCK_PAGES + 1, 1);
	unlock(hand, LOCK_PAGES, 0);
	unlock(hand, LOCK_IOVA, 0);
	unlock(hand, LOCK_ACCESS, 4);
	pass(hand, SCHEDULE_PUT, 0, 3);
	take(hand, LOCK_ACCESS, false);
	unlock(hand, LOCK_ACCESS, 0);
	end(hand, 2);
	take(hand, LOCK_PAGES, false);
	unlock(hand, LOCK_PAGES, 0);
	unlock(hand, LOCK_IOVA, 0);
	end(hand, 1);
	point(hand, SCHEDULE_PUT);
	hand->timeline.failed_step = 16;
	hand->timeline.rule = "callback-under-lock";
	hand->timeline.message = "ioas_lock is held where an unmap callback is called";
	return hand;
}

/* As the scheduler has it: a thread begins, and nobody could run. */
static void begin(struct hand *hand)
{
	uint32_t ready = hand->ready;

	hand->ready = 0;
	point(hand, SCHEDULE_START);
	hand->ready = ready;
}

/* The thread goes on to a call; the same one: it is repeated. */
static void go_on(struct hand *hand, unsigned call, unsigned next)
{
	unsigned now = hand->now;

	pass(hand, SCHEDULE_START, 0, next);
	hand->call[now] = (uint16_t)call;
}

/* Two sections, a repeated call, a barrier, calls without points. */
static struct hand *sections(void)
{
	struct hand *hand = hand_new("sections.prog");

	name(hand, 0, 0, "fd = open /dev/iommu", "3");
	name(hand, 1, 0, "repeat 2: IOMMU_IOAS_ALLOC fd", "0");
	name(hand, 1, 1, "barrier", "0");
	name(hand, 2, 0, "barrier", "0");
	name(hand, 2, 1, "put mem \"x\"", "0");
	name(hand, 0, 1, "dup fd", "4");
	hand->calls[5].section = 1;
	name(hand, 1, 2, "close fd", "0");
	hand->calls[6].section = 1;
	name(hand, 0, 2, "expect mem \"x\"", "0");
	hand->calls[7].section = 2;
	start(hand, 3, 1);
	begin(hand);
	point(hand, SCHEDULE_ALLOC);
	go_on(hand, 0, 1);
	point(hand, SCHEDULE_ALLOC);
	go_on(hand, 1, 1);
	hand->ready = 2;
	pass(hand, SCHEDULE_BLOCK, 0, 2);
	begin(hand);
	hand->ready = 3;
	go_on(hand, 1, 1);
	end(hand, 2);
	start(hand, 1, 1);
	begin(hand);
	hand->call[1] = 2;
	point(hand, SCHEDULE_PUT);
	point(hand, SCHEDULE_PUT);
	return hand;
}

/* Eight threads at random, with locks that nobody else asks for: the picture is what is tested. */
static struct hand *crowd(uint32_t steps)
{
	struct hand *hand = hand_new("crowd.prog");
	uint32_t random = 1;

	for (unsigned t = 1; t < SCHEDULER_THREADS; t++)
		for (unsigned c = 0; c < 40; c++)
			name(hand, t, c, "IOMMU_IOAS_MAP as iova=0x100000000 length=512P", "0");
	start(hand, 255, 1);
	while (hand->timeline.step_count < steps) {
		random = random * 1664525 + 1013904223;
		unsigned what = random >> 24, class = hand->now - 1;

		if (what < 8)
			pass(hand, SCHEDULE_ACCESS, 0, 1 + (random >> 16) % 8);
		else if (what < 120)
			brief(hand, class);
		else if (what < 140)
			lock(hand, class, what & 1);
		else if (what < 165)
			unlock(hand, class, 0);
		else
			point(hand, SCHEDULE_ALLOC);
		if (what == 200 && hand->call[hand->now] < 39)
			hand->call[hand->now]++;
	}
	return hand;
}

/* -- comparing -- */

enum kind { TEXT, ASCII, COLOUR, EVERY, NARROW, SVG, SVG_EVERY };

static char *draw(const struct timeline *timeline, enum kind kind, unsigned width)
{
	struct timeline_style style = {.width = width,
		.colour = kind == COLOUR,
		.ascii = kind == ASCII,
		.every = kind == EVERY};
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	bool done;

	if (!out)
		abort();
	done = kind >= SVG ? timeline_svg(timeline, kind == SVG_EVERY, out)
			   : timeline_text(timeline, &style, out);
	fclose(out);
	if (!done)
		abort();
	return text;
}

static char *load(const char *path)
{
	FILE *in = fopen(path, "r");
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	for (int c; in && (c = getc(in)) != EOF;)
		fputc(c, out);
	fclose(out);
	if (in)
		fclose(in);
	return text;
}

static void golden(const struct timeline *timeline, enum kind kind, unsigned width,
	const char *file, bool write)
{
	char path[200], *got = draw(timeline, kind, width), *expected;

	snprintf(path, sizeof(path), "tests/schedule/golden/%s", file);
	if (write) {
		FILE *out = fopen(path, "w");

		if (!out || fputs(got, out) < 0 || fclose(out))
			abort();
	}
	expected = load(path);
	if (!tap_ok(!strcmp(got, expected), "%s", path))
		printf("# got:\n%s\n", got);
	free(got);
	free(expected);
}

/* Columns of the longest line. */
static unsigned longest(const char *text)
{
	unsigned most = 0, now = 0;

	for (; *text; text++) {
		now = *text == '\n' ? 0 : now + ((*text & 0xc0) != 0x80);
		most = now > most ? now : most;
	}
	return most;
}

static unsigned lines(const char *text)
{
	unsigned count = 0;

	for (; *text; text++)
		count += *text == '\n';
	return count;
}

static void check_xml(const char *svg, const char *what)
{
	FILE *parser;
	int status;

	fflush(stdout);
	parser = popen("if command -v xmllint >/dev/null; then xmllint --noout -; elif command -v "
		       "python3 >/dev/null; then python3 -c 'import sys, xml.dom.minidom; "
		       "xml.dom.minidom.parse(sys.stdin.buffer)'; else cat >/dev/null; exit 77; fi",
		"w");
	if (!parser)
		abort();
	fputs(svg, parser);
	status = pclose(parser);
	tap_ok(status == 0 || status == 77 << 8, "%s is well-formed XML%s", what,
		status ? " # SKIP neither xmllint nor python3" : "");
}

static void check_crowd(void)
{
	struct hand *hand = crowd(5000);
	char *first = draw(&hand->timeline, SVG, 0), *again = draw(&hand->timeline, SVG, 0);

	tap_ok(!strcmp(first, again), "the same run gives the same picture");
	check_xml(first, "eight threads, 5,000 steps");
	tap_ok(strlen(first) < 2000000, "8 threads and 5,000 steps: %zu KiB of SVG",
		strlen(first) / 1024);
	free(first);
	free(again);
	for (unsigned width = 40; width <= 200; width += 20) {
		first = draw(&hand->timeline, TEXT, width);
		tap_ok(longest(first) <= width && lines(first) < (width < 80 ? 9000 : 3500),
			"eight threads in %u columns: %u columns, %u lines", width, longest(first),
			lines(first));
		free(first);
	}
	free(hand);
}

/* What a picture must not hide. */
static void check_differences(void)
{
	struct hand *hand = nested();
	char *texts[5], *svgs[5];
	bool differ = true, svg_differ = true;

	for (unsigned i = 0; i < 5; i++) {
		if (i == 1)
			hand->steps[9].thread = 1;
		if (i == 2)
			hand->timeline.hold_count--;
		if (i == 3)
			hand->holds[1].shared = false;
		if (i == 4)
			hand->timeline.failed_step = 4;
		texts[i] = draw(&hand->timeline, TEXT, 100);
		svgs[i] = draw(&hand->timeline, SVG, 0);
		free(hand);
		hand = nested();
	}
	for (unsigned i = 1; i < 5; i++) {
		differ &= strcmp(texts[0], texts[i]) != 0;
		svg_differ &= strcmp(svgs[0], svgs[i]) != 0;
	}
	tap_ok(differ, "a wrong lane, a missing lock, a wrong kind of lock and another failing "
		       "point show in the text");
	tap_ok(svg_differ, "and in the SVG");
	for (unsigned i = 0; i < 5; i++) {
		free(texts[i]);
		free(svgs[i]);
	}
	free(hand);
}

static void check_edges(void)
{
	struct timeline nothing = {.failed_step = SCHEDULER_NONE};
	struct timeline_call odd = {
		.thread = 1, .text = "put mem \"\x01\xff\xc3\xa4<&>\" ]]>", .result = "0"};
	char *text = draw(&nothing, TEXT, 80), *svg = draw(&nothing, SVG, 0);

	tap_ok(*text && !strstr(text, "finding"), "a run without anything has a picture");
	check_xml(svg, "a run without anything");
	free(text);
	free(svg);
	nothing.calls = &odd;
	nothing.call_count = 1;
	nothing.title = "<&\"'>\x02\xc0\x80\xed\xa0\x80\xef\xbf\xbf.prog";
	nothing.message = "only a message <b>";
	svg = draw(&nothing, SVG, 0);
	check_xml(svg, "a title and a message with bytes that are no text");
	free(svg);
}

int main(int argc, char **argv)
{
	bool write = argc > 1 && !strcmp(argv[1], "--write");
	struct hand *two = two_threads(), *dead = deadlock(), *three = nested(),
		    *parts = sections();

	tap_begin();
	golden(&two->timeline, TEXT, 80, "two-threads.txt", write);
	golden(&two->timeline, EVERY, 80, "two-threads-every.txt", write);
	golden(&two->timeline, SVG, 0, "two-threads.svg", write);
	golden(&dead->timeline, TEXT, 80, "deadlock.txt", write);
	golden(&dead->timeline, COLOUR, 80, "deadlock-colour.txt", write);
	golden(&dead->timeline, SVG, 0, "deadlock.svg", write);
	golden(&three->timeline, TEXT, 100, "nested.txt", write);
	golden(&three->timeline, ASCII, 60, "nested-ascii.txt", write);
	golden(&three->timeline, SVG_EVERY, 0, "nested.svg", write);
	golden(&parts->timeline, TEXT, 80, "sections.txt", write);
	golden(&parts->timeline, SVG, 0, "sections.svg", write);
	char *svg = draw(&dead->timeline, SVG, 0);
	check_xml(svg, "a call with markup in it");
	free(svg);
	check_differences();
	check_crowd();
	check_edges();
	free(two);
	free(dead);
	free(three);
	free(parts);
	return tap_end();
}
