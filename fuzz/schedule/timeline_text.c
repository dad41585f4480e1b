/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The picture for a terminal. A line is an array of cells that things are drawn into from back to
 * front: lanes and bars, the text, and arrows in what is left blank.
 *
 * Where lanes are wide enough, each has its text beside it. Otherwise all share one column of text
 * to the right of the lanes, and say whose it is.
 */
#include <string.h>

#include "fuzz/schedule/timeline_private.h"
#include "impl/sim/lock.h"

#define WIDTH_MIN  40
#define WIDTH_MAX  400
#define LANE_TEXT  20 /* columns of text that a lane of its own needs */
#define SLOTS_SEEN 6  /* locks of a thread that are drawn side by side */

enum look {
	LOOK_PLAIN,
	LOOK_STRONG,
	LOOK_FAINT,
	LOOK_FAILED,
	LOOK_SWITCH,
	LOOK_CLASS, /* and above: a lock class */
};

struct glyphs {
	const char *runs, *ready, *blocked;
	const char *held[2], *taken[2], *given[2]; /* [shared] */
	const char *line, *right, *left, *failed, *more, *rule;
};

static const struct glyphs unicode_glyphs = {
	"█", "│", "░", {"║", "┆"}, {"╥", "┬"}, {"╨", "┴"}, "─", "▶", "◀", "✗", "+", "─"};
static const struct glyphs ascii_glyphs = {
	"#", "|", ":", {"X", "R"}, {"X", "R"}, {"X", "R"}, "-", ">", "<", "!", "+", "-"};

struct cell {
	uint32_t rune;
	uint8_t look;
};

struct page {
	const struct layout *layout;
	const struct timeline_style *style;
	const struct glyphs *glyphs;
	FILE *out;
	unsigned width, gutter;
	unsigned lane_at[SCHEDULER_THREADS], text_at[SCHEDULER_THREADS], room[SCHEDULER_THREADS];
	unsigned slots[SCHEDULER_THREADS];
	bool narrow;
	uint32_t first_bar; /* all before it have ended */
	struct cell cells[WIDTH_MAX];
};

/* -- cells -- */

static void put(struct page *page, unsigned at, const char *glyph, unsigned look)
{
	if (at < page->width)
		page->cells[at] = (struct cell){layout_rune(&glyph), (uint8_t)look};
}

static bool is_blank(const struct page *page, unsigned at)
{
	return at < page->width && page->cells[at].rune == ' ';
}

/* Text up to end (NULL: all of it); the column behind it. */
static unsigned put_text(
	struct page *page, unsigned at, const char *text, const char *end, unsigned look)
{
	while (*text && text != end && at < page->width) {
		uint32_t rune = layout_rune(&text);

		/* Only what surely takes one column. */
		if (rune > 0x7e && (rune > 0x17f || page->style->ascii))
			rune = '?';
		page->cells[at++] = (struct cell){rune, (uint8_t)look};
	}
	return at;
}

static void put_rune(uint32_t rune, FILE *out)
{
	if (rune < 0x80) {
		fputc((int)rune, out);
	} else if (rune < 0x800) {
		fprintf(out, "%c%c", (int)(0xc0 | rune >> 6), (int)(0x80 | (rune & 0x3f)));
	} else {
		fprintf(out, "%c%c%c", (int)(0xe0 | rune >> 12), (int)(0x80 | (rune >> 6 & 0x3f)),
			(int)(0x80 | (rune & 0x3f)));
	}
}

static void put_look(const struct page *page, unsigned look)
{
	static const char *const looks[] = {
		[LOOK_PLAIN] = "0",
		[LOOK_STRONG] = "1",
		[LOOK_FAINT] = "2",
		[LOOK_FAILED] = "1;31",
		[LOOK_SWITCH] = "33",
	};
	static const char *const classes[] = {"36", "35", "32", "34", "96", "95", "92", "94"};

	if (look < LOOK_CLASS)
		fprintf(page->out, "\033[%sm", looks[look]);
	else
		fprintf(page->out, "\033[0;%sm", classes[(look - LOOK_CLASS) % 8]);
}

static void clear_line(struct page *page)
{
	for (unsigned i = 0; i < page->width; i++)
		page->cells[i] = (struct cell){' ', LOOK_PLAIN};
}

static void end_line(struct page *page)
{
	unsigned used = page->width, look = LOOK_PLAIN;

	while (used && page->cells[used - 1].rune == ' ')
		used--;
	for (unsigned i = 0; i < used; i++) {
		unsigned wanted = page->cells[i].rune == ' ' ? LOOK_PLAIN : page->cells[i].look;

		if (page->style->colour && wanted != look) {
			if (look != LOOK_PLAIN && wanted != LOOK_PLAIN)
				fputs("\033[0m", page->out);
			put_look(page, wanted);
		}
		look = wanted;
		put_rune(page->cells[i].rune, page->out);
	}
	if (page->style->colour && look != LOOK_PLAIN)
		fputs("\033[0m", page->out);
	fputc('\n', page->out);
	clear_line(page);
}

/* A text of several lines over the whole width; further ones start at `later`. */
static void put_paragraph(
	struct page *page, unsigned at, unsigned later, const char *text, unsigned look)
{
	for (unsigned columns; text; at = later) {
		const char *end = layout_wrap(text, page->width - at, &columns);

		put_text(page, at, text, end, look);
		end_line(page);
		text = layout_wrap_next(end);
	}
}

/* -- geometry -- */

static unsigned digits(uint32_t number)
{
	unsigned count = 1;

	for (; number >= 10; number /= 10)
		count++;
	return count;
}

/* Lanes beside each other and the text right of them: columns of locks are left out until that has
 * half the width. */
static void place_narrow(struct page *page)
{
	unsigned count = page->layout->lane_count, at = 0;

	for (unsigned cap = SLOTS_SEEN; cap; cap--) {
		at = page->gutter;
		for (unsigned i = 0; i < count; i++) {
			page->slots[i] = page->slots[i] < cap ? page->slots[i] : cap;
			page->lane_at[i] = at;
			at += page->slots[i] + 2;
		}
		if (at < page->width / 2)
			break;
	}
	for (unsigned i = 0; i < count; i++) {
		page->text_at[i] = at + 1;
		page->room[i] = at + 3 < page->width ? page->width - at - 1 : 2;
	}
}

static void place_lanes(struct page *page)
{
	const struct layout *layout = page->layout;
	unsigned count = layout->lane_count, lane, most = 0;

	page->gutter = digits(layout->timeline->step_count) + 5;
	for (unsigned i = 0; i < count; i++) {
		unsigned slots = layout->slots[layout->lanes[i]];

		page->slots[i] = slots < SLOTS_SEEN ? slots : SLOTS_SEEN;
		most = page->slots[i] > most ? page->slots[i] : most;
	}
	lane = count ? (page->width - page->gutter) / count : 0;
	page->narrow = lane < LANE_TEXT + 3 + most;
	for (unsigned i = 0; i < count; i++) {
		page->lane_at[i] = page->gutter + i * lane;
		page->text_at[i] = page->lane_at[i] + page->slots[i] + 2;
		page->room[i] = lane - page->slots[i] - 3;
	}
	if (page->narrow)
		place_narrow(page);
}

/* -- a row -- */

static void draw_lanes(struct page *page, const struct row *row)
{
	const struct layout *layout = page->layout;
	const char *const states[] = {
		" ", page->glyphs->ready, page->glyphs->runs, page->glyphs->blocked};

	for (unsigned i = 0; i < layout->lane_count; i++) {
		enum lane_state state = layout_state(row, layout->lanes[i]);
		unsigned look = state == LANE_RUNS ? LOOK_STRONG : LOOK_FAINT;

		if (row->failed && state == LANE_RUNS)
			look = LOOK_FAILED;
		put(page, page->lane_at[i], states[state], look);
	}
}

/* line: of the row, from 0. */
static void draw_bars(struct page *page, uint32_t number, unsigned line)
{
	const struct layout *layout = page->layout;

	while (page->first_bar < layout->bar_count && !layout->bars[page->first_bar].open &&
		layout->bars[page->first_bar].last < number)
		page->first_bar++;
	for (uint32_t b = page->first_bar; b < layout->bar_count; b++) {
		const struct bar *bar = &layout->bars[b];
		const struct scheduler_hold *hold = &layout->timeline->holds[bar->hold];
		unsigned lane = layout->lane_of[hold->thread], look = LOOK_CLASS + hold->class;
		const char *glyph = page->glyphs->held[hold->shared];

		if (bar->first > number || bar->last < number ||
			(bar->last == number && !bar->open && line))
			continue;
		if (bar->first == number && !line)
			glyph = page->glyphs->taken[hold->shared];
		else if (bar->last == number && !bar->open)
			glyph = page->glyphs->given[hold->shared];
		if (bar->slot < page->slots[lane])
			put(page, page->lane_at[lane] + 1 + bar->slot, glyph, look);
		else if (page->slots[lane])
			put(page, page->lane_at[lane] + page->slots[lane], page->glyphs->more,
				LOOK_PLAIN);
	}
}

/* To whom a forced switch goes. from: first column behind the text. */
static void draw_switch(struct page *page, const struct row *row, unsigned from)
{
	const struct layout *layout = page->layout;
	unsigned lane = layout->lane_of[row->thread], other = layout->lane_of[row->next];
	unsigned first, last;

	if (other > lane) {
		first = page->narrow ? page->lane_at[lane] + 1
				     : from + (from > page->text_at[lane]);
		last = page->lane_at[other] - 1;
	} else {
		first = page->lane_at[other] + 1 + page->slots[other];
		last = page->lane_at[lane] - 1;
	}
	if (first > last)
		first = last;
	for (unsigned at = first; at <= last; at++)
		if (is_blank(page, at))
			put(page, at, page->glyphs->line, LOOK_SWITCH);
	put(page, other > lane ? last : first,
		other > lane ? page->glyphs->right : page->glyphs->left, LOOK_SWITCH);
}

static unsigned row_look(const struct page *page, const struct row *row)
{
	int class = layout_row_class(page->layout, row);

	if (row->failed || row->kind == ROW_STUCK)
		return LOOK_FAILED;
	if (row->kind == ROW_CALL || row->kind == ROW_RESULT)
		return LOOK_STRONG;
	if (row->kind == ROW_FOLD)
		return LOOK_FAINT;
	return class >= 0 ? LOOK_CLASS + (unsigned)class : LOOK_PLAIN;
}

static void draw_gutter(struct page *page, const struct row *row)
{
	char number[24];
	unsigned length;

	if (row->failed)
		put(page, page->gutter - 2, page->glyphs->failed, LOOK_FAILED);
	if (row->kind != ROW_POINT && row->kind != ROW_FOLD)
		return;
	length = (unsigned)snprintf(number, sizeof(number), "%u", row->step);
	put_text(page, page->gutter - 3 - length, number, NULL,
		row->failed ? LOOK_FAILED : LOOK_FAINT);
}

static void draw_row(struct page *page, uint32_t number)
{
	const struct layout *layout = page->layout;
	const struct row *row = &layout->rows[number];
	unsigned lane = layout->lane_of[row->thread], line = 0, columns, end;
	/* What a call passes stands below its name. */
	unsigned indent = row->kind == ROW_CALL || row->kind == ROW_RESULT ? 0 : 2;
	unsigned owner = page->narrow && page->room[lane] > 10 ? 3 : 0;
	char text[ROW_TEXT];
	const char *rest = text;

	layout_row_text(layout, row, text);
	for (; rest; line++) {
		/* Further lines of a call's name are indented like what it passes. */
		unsigned shift = owner + (line ? 2 : indent);
		unsigned room = page->room[lane] > shift ? page->room[lane] - shift : 1;
		const char *stop = layout_wrap(rest, room, &columns);

		draw_lanes(page, row);
		draw_bars(page, number, line);
		if (!line)
			draw_gutter(page, row);
		if (!line && owner)
			put_text(page, page->text_at[lane], layout_thread_name(row->thread), NULL,
				LOOK_FAINT);
		end = put_text(page, page->text_at[lane] + shift, rest, stop, row_look(page, row));
		rest = layout_wrap_next(stop);
		if (row->forced && !rest)
			draw_switch(page, row, end);
		end_line(page);
	}
}

static void draw_heads(struct page *page)
{
	const struct layout *layout = page->layout;

	put_text(page, 1, "step", NULL, LOOK_FAINT);
	for (unsigned i = 0; i < layout->lane_count; i++)
		put_text(page, page->lane_at[i], layout_thread_name(layout->lanes[i]), NULL,
			LOOK_STRONG);
	end_line(page);
}

/* -- around the rows -- */

static void draw_title(struct page *page)
{
	const struct layout *layout = page->layout;
	char text[ROW_TEXT];

	if (!layout->lane_count) {
		snprintf(text, sizeof(text), "%.120s%sno threads",
			layout->timeline->title ? layout->timeline->title : "",
			layout->timeline->title ? ": " : "");
		put_paragraph(page, 0, 2, text, LOOK_STRONG);
		return;
	}
	snprintf(text, sizeof(text), "%.120s%s%u thread%s, %u step%s, %u forced switch%s",
		layout->timeline->title ? layout->timeline->title : "",
		layout->timeline->title ? ": " : "", layout->lane_count,
		layout->lane_count == 1 ? "" : "s", layout->timeline->step_count,
		layout->timeline->step_count == 1 ? "" : "s", layout->forced,
		layout->forced == 1 ? "" : "es");
	put_paragraph(page, 0, 2, text, LOOK_STRONG);
}

static void draw_legend(struct page *page)
{
	const struct glyphs *glyphs = page->glyphs;
	char text[ROW_TEXT];

	snprintf(text, sizeof(text),
		"%s runs  %s could run  %s blocked  %s lock held  %s held for reading (R)  %s "
		"forced "
		"switch",
		glyphs->runs, glyphs->ready, glyphs->blocked, glyphs->held[0], glyphs->held[1],
		glyphs->right);
	const char *rest = text;
	while (rest) {
		unsigned columns, at = 0;
		const char *end = layout_wrap(rest, page->width, &columns);

		while (rest < end)
			page->cells[at++] = (struct cell){layout_rune(&rest), LOOK_FAINT};
		end_line(page);
		rest = layout_wrap_next(end);
	}
	end_line(page);
}

static void draw_report(struct page *page)
{
	const struct timeline *timeline = page->layout->timeline;
	char text[ROW_TEXT];

	if (!timeline->rule && !timeline->message)
		return;
	end_line(page);
	put(page, 0, page->glyphs->failed, LOOK_FAILED);
	layout_failure_text(page->layout, text);
	put_paragraph(page, 2, 2, text, LOOK_FAILED);
	if (timeline->message)
		put_paragraph(page, 2, 2, timeline->message, LOOK_PLAIN);
}

static void draw_rows(struct page *page)
{
	const struct layout *layout = page->layout;
	char text[ROW_TEXT];
	bool main_before = false;

	for (uint32_t r = 0; r < layout->row_count; r++) {
		const struct row *row = &layout->rows[r];

		if (row->kind == ROW_MAIN) {
			if (!main_before && r)
				end_line(page);
			put_text(page, 0, main_before ? "    " : "main", NULL, LOOK_STRONG);
			layout_row_text(layout, row, text);
			put_paragraph(page, 6, 8, text, LOOK_PLAIN);
		} else if (row->kind == ROW_SECTION) {
			if (r)
				end_line(page);
			draw_heads(page);
		} else {
			draw_row(page, r);
		}
		main_before = row->kind == ROW_MAIN;
	}
}

bool timeline_text(const struct timeline *timeline, const struct timeline_style *style, FILE *out)
{
	struct layout *layout = layout_open(timeline, style->every);
	struct page page = {.layout = layout,
		.style = style,
		.glyphs = style->ascii ? &ascii_glyphs : &unicode_glyphs,
		.out = out,
		.width = style->width};

	if (!layout)
		return false;
	page.width = page.width < WIDTH_MIN   ? WIDTH_MIN
		     : page.width > WIDTH_MAX ? WIDTH_MAX
					      : page.width;
	clear_line(&page);
	place_lanes(&page);
	draw_title(&page);
	if (layout->lane_count)
		draw_legend(&page);
	draw_rows(&page);
	draw_report(&page);
	layout_close(layout);
	return true;
}
