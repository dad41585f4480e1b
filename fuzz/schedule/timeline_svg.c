/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The picture as SVG. All positions are whole numbers, computed from rows and columns alone. Text
 * is text, so that it can be searched and copied, in a monospaced font that is assumed to be at
 * most 0.61 em wide.
 */
#include <stdlib.h>
#include <string.h>

#include "fuzz/schedule/timeline_private.h"
#include "impl/sim/lock.h"

/* In pixels. */
#define MARGIN	    16
#define LINE	    17 /* from one line of text to the next */
#define ROW_GAP	    3
#define GUTTER	    56
#define LIFE_WIDTH  10
#define BAR_STEP    11
#define BAR_WIDTH   7
#define CALL_MARGIN 7 /* from the edge of a call's rectangle to the life line */
/* Columns of text in so many pixels, at 12 px. */
#define COLUMNS_OF(pixels) ((unsigned)((pixels) > 0 ? (pixels) * 100 / 735 : 0))
#define PIXELS_OF(columns) ((int)((columns) * 735 / 100))

struct picture {
	struct layout *layout;
	FILE *out;
	int width, lane_width, top; /* top: of the first row */
	int *y, *bottom;	    /* of each row; y also of what is below the last */
	int report_y[2];	    /* the report's box, top and bottom */
	bool has_report;	    /* it stands below a row */
};

static const char *const class_colours[LOCK_CLASS_COUNT] = {
	[LOCK_IOAS_CREATION] = "#7a5195",
	[LOCK_ACCESS] = "#d45087",
	[LOCK_IOAS_MUTEX] = "#ef7f1a",
	[LOCK_GROUP] = "#8c6d1f",
	[LOCK_DOMAINS] = "#2e8b57",
	[LOCK_IOVA] = "#1f77c9",
	[LOCK_PAGES] = "#9b4dca",
	[LOCK_IOMMU_DOMAIN] = "#0f9aa8",
	[LOCK_IOMMU_DEVICE] = "#5c7a29",
	[LOCK_IOMMU_TABLE] = "#b8860b",
	[LOCK_OBJECTS] = "#6b7a8f",
	[LOCK_TEST_ITEMS] = "#a0522d",
	[LOCK_MM] = "#c2185b",
	[LOCK_FILES] = "#3f51b5",
	[LOCK_WORKQUEUE] = "#00796b",
	[LOCK_NOTIFIER] = "#9e7700",
	[LOCK_OTHER] = "#5f5f5f",
};

static const char style[] =
	"<style>"
	"text{font:12px 'DejaVu Sans Mono',Menlo,Consolas,monospace;fill:#1c2430;white-space:pre}"
	".l{fill:inherit}.t{font-size:15px;font-weight:bold}.h{font-size:14px;font-weight:bold}"
	".c{font-weight:bold}.f{fill:#7b8494}.n{fill:#9aa2af;text-anchor:end;font-size:10px}"
	".e{fill:#c01818;font-weight:bold}"
	".call{fill:#eef3fb;stroke:#b9c8e0}.open{fill:#fdf0ee;stroke:#d99;stroke-dasharray:4 3}"
	".runs{fill:#22304a}.ready{fill:#d3dae6}.blocked{fill:url(#blocked)}"
	".tick{stroke:#22304a;stroke-width:2}"
	".switch{stroke:#d9730d;stroke-width:1.6;fill:none;marker-end:url(#arrow)}"
	".pass{stroke:#a8b0bd;stroke-dasharray:3 3;fill:none;marker-end:url(#soft)}"
	".fail{fill:#ffe3e0}.box{fill:#fff5f4;stroke:#c01818}"
	"</style>\n"
	"<defs>"
	"<pattern id=\"blocked\" width=\"6\" height=\"6\" patternUnits=\"userSpaceOnUse\" "
	"patternTransform=\"rotate(45)\"><rect width=\"6\" height=\"6\" fill=\"#fbe3df\"/>"
	"<rect width=\"2.5\" height=\"6\" fill=\"#d0604f\"/></pattern>"
	"<marker id=\"arrow\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"8\" "
	"markerHeight=\"8\" markerUnits=\"userSpaceOnUse\" orient=\"auto\">"
	"<path d=\"M0 0L8 4L0 8z\" fill=\"#d9730d\"/></marker>"
	"<marker id=\"soft\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"7\" "
	"markerHeight=\"7\" markerUnits=\"userSpaceOnUse\" orient=\"auto\">"
	"<path d=\"M0 0L8 4L0 8z\" fill=\"#a8b0bd\"/></marker>"
	"</defs>\n";

static void put_escaped(const char *text, const char *end, FILE *out)
{
	while (*text && text != end) {
		const char *from = text;
		uint32_t rune = layout_rune(&text);

		switch (rune) {
		case '&': fputs("&amp;", out); break;
		case '<': fputs("&lt;", out); break;
		case '>': fputs("&gt;", out); break;
		case '"': fputs("&quot;", out); break;
		case '?': fputc('?', out); break;
		default: fwrite(from, 1, (size_t)(text - from), out);
		}
	}
}

static void put_line(
	struct picture *picture, int x, int y, const char *class, const char *text, const char *end)
{
	fprintf(picture->out, "<text x=\"%d\" y=\"%d\"", x, y);
	if (class)
		fprintf(picture->out, " class=\"%s\"", class);
	fputc('>', picture->out);
	put_escaped(text, end, picture->out);
	fputs("</text>\n", picture->out);
}

/* Lines that a text takes in so many pixels; drawn from y on when class is not NULL. */
static int put_wrapped(
	struct picture *picture, int x, int y, int width, const char *class, const char *text)
{
	unsigned room = COLUMNS_OF(width), columns;
	int lines = 0;

	for (const char *end; text; text = layout_wrap_next(end)) {
		end = layout_wrap(text, room ? room : 1, &columns);
		if (class)
			put_line(picture, x, y + lines * LINE, class, text, end);
		lines++;
	}
	return lines;
}

/* -- geometry -- */

static int life_x(const struct picture *picture, unsigned thread)
{
	return MARGIN + GUTTER + CALL_MARGIN +
	       picture->layout->lane_of[thread] * picture->lane_width;
}

static int bar_x(const struct picture *picture, unsigned thread, unsigned slot)
{
	return life_x(picture, thread) + LIFE_WIDTH + 4 + (int)slot * BAR_STEP;
}

static int text_x(const struct picture *picture, unsigned thread)
{
	return bar_x(picture, thread, picture->layout->slots[thread]) + 10;
}

static int lane_end(const struct picture *picture, unsigned thread)
{
	return life_x(picture, thread) - CALL_MARGIN + picture->lane_width - 10;
}

static int text_width(const struct picture *picture, unsigned thread)
{
	return lane_end(picture, thread) - text_x(picture, thread) - 4;
}

static int middle(const struct picture *picture, uint32_t row)
{
	return picture->y[row] + ROW_GAP + LINE / 2;
}

static int row_lines(struct picture *picture, const struct row *row)
{
	char text[ROW_TEXT];

	layout_row_text(picture->layout, row, text);
	if (row->kind == ROW_MAIN)
		return put_wrapped(
			picture, 0, 0, picture->width - 2 * MARGIN - GUTTER - 20, NULL, text);
	if (row->kind == ROW_SECTION)
		return 2;
	return put_wrapped(picture, 0, 0, text_width(picture, row->thread), NULL, text);
}

static int report_height(struct picture *picture)
{
	const struct timeline *timeline = picture->layout->timeline;
	char text[ROW_TEXT];
	int room = picture->width - 2 * MARGIN - 20, lines;

	if (!timeline->rule && !timeline->message)
		return 0;
	layout_failure_text(picture->layout, text);
	lines = put_wrapped(picture, 0, 0, room, NULL, text);
	if (timeline->message)
		lines += put_wrapped(picture, 0, 0, room, NULL, timeline->message);
	return lines * LINE + 14;
}

static void place_report(struct picture *picture, int at, int height)
{
	picture->report_y[0] = at;
	picture->report_y[1] = at + height;
	picture->has_report = true;
}

/* Where each row is; false: host memory is short. */
static bool place_rows(struct picture *picture)
{
	const struct layout *layout = picture->layout;
	int at = picture->top, report = report_height(picture);
	bool failed = false;

	picture->y = calloc(layout->row_count + (size_t)1, 2 * sizeof(*picture->y));
	if (!picture->y)
		return false;
	picture->bottom = picture->y + layout->row_count + 1;
	for (uint32_t r = 0; r < layout->row_count; r++) {
		const struct row *row = &layout->rows[r];

		if (r && (row->kind == ROW_MAIN) != (row[-1].kind == ROW_MAIN))
			at += 12;
		picture->y[r] = at;
		at += row_lines(picture, row) * LINE + ROW_GAP;
		picture->bottom[r] = at;
		failed |= row->failed;
		/* What the others wait for belongs to the failing point. */
		if (!failed || !report || picture->has_report ||
			(r + 1 < layout->row_count && row[1].kind == ROW_STUCK))
			continue;
		place_report(picture, at + 4, report);
		at += report + 10;
	}
	picture->y[layout->row_count] = at;
	if (report && !picture->has_report)
		place_report(picture, at + 10, report);
	return true;
}

/* -- what stands behind the text -- */

static void draw_calls(struct picture *picture)
{
	const struct layout *layout = picture->layout;

	for (uint32_t i = 0; i < layout->span_count; i++) {
		const struct span *span = &layout->spans[i];
		const struct timeline_call *call = &layout->timeline->calls[span->call];
		int x = life_x(picture, call->thread) - CALL_MARGIN + 2;
		int y = picture->y[span->first], bottom = picture->bottom[span->last];

		fprintf(picture->out,
			"<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" rx=\"5\" "
			"class=\"%s\"><title>",
			x, y + 1, lane_end(picture, call->thread) - x, bottom - y - 1,
			span->open ? "open" : "call");
		put_escaped(call->text, NULL, picture->out);
		if (call->result) {
			fputs(" = ", picture->out);
			put_escaped(call->result, NULL, picture->out);
		}
		fputs("</title></rect>\n", picture->out);
	}
}

/* Rows in which a thread is at the same thing are one piece. */
static void draw_life(struct picture *picture, unsigned thread)
{
	static const char *const classes[] = {NULL, "ready", "runs", "blocked"};
	const struct layout *layout = picture->layout;
	int x = life_x(picture, thread);

	for (uint32_t r = 0, next; r < layout->row_count; r = next) {
		enum lane_state state = layout_state(&layout->rows[r], thread);
		int inset = state == LANE_READY ? 3 : 0;

		for (next = r + 1; next < layout->row_count &&
				   layout_state(&layout->rows[next], thread) == state &&
				   layout->rows[next].kind != ROW_SECTION;)
			next++;
		if (state == LANE_NONE)
			continue;
		/* Across what stands between two rows, if it goes on there. */
		int bottom = next < layout->row_count &&
					     layout_state(&layout->rows[next], thread) != LANE_NONE
				     ? picture->y[next]
				     : picture->bottom[next - 1];
		int y = picture->y[r] + (layout->rows[r].kind == ROW_SECTION ? LINE + ROW_GAP : 0);
		fprintf(picture->out,
			"<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" class=\"%s\"/>\n",
			x + inset, y, LIFE_WIDTH - 2 * inset, bottom - y, classes[state]);
	}
}

static void draw_bars(struct picture *picture)
{
	const struct layout *layout = picture->layout;

	for (uint32_t b = 0; b < layout->bar_count; b++) {
		const struct bar *bar = &layout->bars[b];
		const struct scheduler_hold *hold = &layout->timeline->holds[bar->hold];
		const char *colour = class_colours[hold->class % LOCK_CLASS_COUNT];
		int x = bar_x(picture, hold->thread, bar->slot), y = middle(picture, bar->first);
		int bottom = bar->open ? picture->bottom[bar->last] : middle(picture, bar->last);

		fprintf(picture->out,
			"<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" rx=\"2\" fill=\"%s\" "
			"stroke=\"%s\"",
			x, y, BAR_WIDTH, bottom - y, colour, colour);
		if (hold->shared)
			fputs(" fill-opacity=\"0.2\"", picture->out);
		fprintf(picture->out, "><title>%s%s, from step %u",
			lock_class_name((enum lock_class)hold->class),
			hold->shared ? " for reading (R)" : "", hold->from);
		if (hold->to == UINT32_MAX)
			fputs(", never given back", picture->out);
		else
			fprintf(picture->out, " to %u", hold->to);
		fputs("</title></rect>\n", picture->out);
	}
}

static void draw_main_box(struct picture *picture, uint32_t first, uint32_t end)
{
	int y = picture->y[first] - 2, bottom = picture->bottom[end - 1];

	fprintf(picture->out,
		"<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" rx=\"5\" class=\"call\"/>\n",
		MARGIN + GUTTER + 2, y, picture->width - 2 * MARGIN - GUTTER - 12, bottom - y + 4);
	put_line(picture, MARGIN, picture->y[first] + LINE - 2, "h", "main", NULL);
}

static void draw_backs(struct picture *picture)
{
	const struct layout *layout = picture->layout;

	for (uint32_t r = 0, next; r < layout->row_count; r = next) {
		next = r + 1;
		if (layout->rows[r].failed)
			fprintf(picture->out,
				"<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" "
				"class=\"fail\"/>\n",
				MARGIN / 2, picture->y[r], picture->width - MARGIN,
				row_lines(picture, &layout->rows[r]) * LINE + ROW_GAP);
		if (layout->rows[r].kind != ROW_MAIN)
			continue;
		while (next < layout->row_count && layout->rows[next].kind == ROW_MAIN)
			next++;
		draw_main_box(picture, r, next);
	}
}

/* -- rows -- */

static void draw_switch(struct picture *picture, uint32_t number, int text_end)
{
	const struct row *row = &picture->layout->rows[number];
	const struct layout *layout = picture->layout;
	bool right = layout->lane_of[row->next] > layout->lane_of[row->thread];
	int y = middle(picture, number) + 1;
	int from = right ? text_end + 6 : life_x(picture, row->thread) - 1;
	int to = right ? life_x(picture, row->next) - 2
		       : bar_x(picture, row->next, layout->slots[row->next]) + 1;

	if (right && from > to - 12)
		from = to - 12;
	fprintf(picture->out, "<path d=\"M%d %dH%d\" class=\"%s\"><title>%s to %s</title></path>\n",
		from, y, to, row->forced ? "switch" : "pass",
		row->forced ? "forced switch" : "goes on with", layout_thread_name(row->next));
}

static void draw_row(struct picture *picture, uint32_t number)
{
	const struct layout *layout = picture->layout;
	const struct row *row = &layout->rows[number];
	int x = text_x(picture, row->thread), y = picture->y[number] + LINE - 2;
	int class = layout_row_class(layout, row), life = life_x(picture, row->thread);
	bool call = row->kind == ROW_CALL || row->kind == ROW_RESULT;
	bool bad = row->failed || row->kind == ROW_STUCK;
	unsigned room = COLUMNS_OF(text_width(picture, row->thread)), columns;
	char text[ROW_TEXT], step[16];

	layout_row_text(layout, row, text);
	const char *end = layout_wrap(text, room ? room : 1, &columns);
	if (row->kind == ROW_POINT || row->kind == ROW_FOLD) {
		snprintf(step, sizeof(step), "%u", row->step);
		put_line(picture, MARGIN + GUTTER - 8, y - 1, "n", step, NULL);
		fprintf(picture->out, "<path d=\"M%d %dh%d\" class=\"tick\"%s/>\n",
			life + LIFE_WIDTH - 3, middle(picture, number), 7,
			row->failed ? " style=\"stroke:#c01818\"" : "");
	}
	if (row->failed)
		fprintf(picture->out, "<circle cx=\"%d\" cy=\"%d\" r=\"6\" fill=\"#c01818\"/>\n",
			life + LIFE_WIDTH / 2, middle(picture, number));
	if (row->kind == ROW_POINT && row->next != row->thread && row->next)
		draw_switch(picture, number,
			end[0] ? lane_end(picture, row->thread) - 6 : x + PIXELS_OF(columns));
	if (class >= 0 && !bad)
		fprintf(picture->out, "<g fill=\"%s\">\n", class_colours[class]);
	put_wrapped(picture, x, y, text_width(picture, row->thread),
		bad			? "e"
		: call			? "c"
		: row->kind == ROW_FOLD ? "f"
		: class >= 0		? "l"
					: "p",
		text);
	if (class >= 0 && !bad)
		fputs("</g>\n", picture->out);
}

static void draw_heads(struct picture *picture, uint32_t number)
{
	const struct layout *layout = picture->layout;
	char text[16];

	put_line(picture, MARGIN + GUTTER - 8, picture->y[number] + LINE - 2, "n", "step", NULL);
	for (unsigned i = 0; i < layout->lane_count; i++) {
		snprintf(text, sizeof(text), "%s%s", picture->lane_width < 260 ? "" : "thread ",
			layout_thread_name(layout->lanes[i]));
		put_line(picture, life_x(picture, layout->lanes[i]), picture->y[number] + LINE - 2,
			"h", text, NULL);
	}
}

static void draw_rows(struct picture *picture)
{
	const struct layout *layout = picture->layout;
	char text[ROW_TEXT];

	for (uint32_t r = 0; r < layout->row_count; r++) {
		if (layout->rows[r].kind == ROW_MAIN) {
			layout_row_text(layout, &layout->rows[r], text);
			put_wrapped(picture, MARGIN + GUTTER + 12, picture->y[r] + LINE - 3,
				picture->width - 2 * MARGIN - GUTTER - 20, "p", text);
		} else if (layout->rows[r].kind == ROW_SECTION) {
			draw_heads(picture, r);
		} else {
			draw_row(picture, r);
		}
	}
}

static void draw_report(struct picture *picture)
{
	const struct timeline *timeline = picture->layout->timeline;
	int y = picture->report_y[0], room = picture->width - 2 * MARGIN - 20;
	char text[ROW_TEXT];

	if (!picture->has_report)
		return;
	fprintf(picture->out,
		"<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" rx=\"5\" class=\"box\"/>\n",
		MARGIN, y, picture->width - 2 * MARGIN, picture->report_y[1] - y);
	layout_failure_text(picture->layout, text);
	y += LINE + 3;
	y += LINE * put_wrapped(picture, MARGIN + 10, y, room, "e", text);
	if (timeline->message)
		put_wrapped(picture, MARGIN + 10, y, room, "p", timeline->message);
}

/* -- above the rows -- */

static void draw_title(struct picture *picture)
{
	const struct timeline *timeline = picture->layout->timeline;
	char text[ROW_TEXT];

	snprintf(text, sizeof(text), "%u thread%s, %u step%s, %u forced switch%s",
		picture->layout->lane_count, picture->layout->lane_count == 1 ? "" : "s",
		timeline->step_count, timeline->step_count == 1 ? "" : "s", picture->layout->forced,
		picture->layout->forced == 1 ? "" : "es");
	put_line(picture, MARGIN, 28, "t", timeline->title ? timeline->title : "A run", NULL);
	put_line(picture, MARGIN, 48, "f", text, NULL);
}

/* One entry of the legend; where the next one begins. drawn: false measures only. */
static void place_entry(struct picture *picture, int *x, int *y, const char *text)
{
	int width = PIXELS_OF(strlen(text)) + 36;

	if (*x + width > picture->width - MARGIN && *x > MARGIN) {
		*x = MARGIN;
		*y += LINE + 3;
	}
}

static void draw_swatch(struct picture *picture, int *x, int *y, const char *attributes,
	const char *text, bool draw)
{
	place_entry(picture, x, y, text);
	if (draw) {
		fprintf(picture->out, "<rect x=\"%d\" y=\"%d\" width=\"10\" height=\"12\" %s/>\n",
			*x, *y - 10, attributes);
		put_line(picture, *x + 15, *y, "p", text, NULL);
	}
	*x += PIXELS_OF(strlen(text)) + 36;
}

/* Only locks that have a bar. The last line's y. */
static int draw_legend(struct picture *picture, bool draw)
{
	const struct layout *layout = picture->layout;
	uint64_t classes = 0;
	bool shared = false;
	int x = MARGIN, y = 74;
	char attributes[64];

	for (uint32_t b = 0; b < layout->bar_count; b++) {
		const struct scheduler_hold *hold = &layout->timeline->holds[layout->bars[b].hold];

		classes |= UINT64_C(1) << hold->class;
		shared |= hold->shared;
	}
	draw_swatch(picture, &x, &y, "class=\"runs\"", "runs", draw);
	draw_swatch(picture, &x, &y, "class=\"ready\"", "could run", draw);
	draw_swatch(picture, &x, &y, "class=\"blocked\"", "blocked", draw);
	draw_swatch(picture, &x, &y, "class=\"call\" rx=\"3\"", "a call", draw);
	draw_swatch(picture, &x, &y, "fill=\"#d9730d\"", "forced switch", draw);
	if (shared)
		draw_swatch(picture, &x, &y,
			"fill=\"#777\" fill-opacity=\"0.2\" stroke=\"#777\" rx=\"2\"",
			"held for reading (R)", draw);
	x = MARGIN;
	y += classes ? LINE + 3 : 0;
	for (unsigned c = 0; c < LOCK_CLASS_COUNT; c++) {
		if (!(classes >> c & 1))
			continue;
		snprintf(attributes, sizeof(attributes), "fill=\"%s\" rx=\"2\"", class_colours[c]);
		draw_swatch(picture, &x, &y, attributes, lock_class_name((enum lock_class)c), draw);
	}
	return y;
}

static void choose_width(struct picture *picture)
{
	const struct layout *layout = picture->layout;
	unsigned count = layout->lane_count, slots = 0;

	for (unsigned t = 0; t < SCHEDULER_THREADS; t++)
		slots = layout->slots[t] > slots ? layout->slots[t] : slots;
	picture->lane_width = (count <= 2 ? 380 : count <= 4 ? 300 : 230) + (int)slots * BAR_STEP;
	picture->width = 2 * MARGIN + GUTTER + (int)count * picture->lane_width;
	if (picture->width < 640)
		picture->width = 640;
}

static void draw(struct picture *picture)
{
	const struct layout *layout = picture->layout;
	int bottom = picture->y[layout->row_count], height;

	height = (picture->report_y[1] > bottom ? picture->report_y[1] : bottom) + MARGIN;
	fprintf(picture->out,
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
		"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" "
		"viewBox=\"0 0 %d %d\">\n",
		picture->width, height, picture->width, height);
	fputs(style, picture->out);
	fprintf(picture->out, "<rect width=\"%d\" height=\"%d\" fill=\"#fff\"/>\n", picture->width,
		height);
	draw_title(picture);
	draw_legend(picture, true);
	draw_calls(picture);
	draw_backs(picture);
	for (unsigned i = 0; i < layout->lane_count; i++)
		draw_life(picture, layout->lanes[i]);
	draw_bars(picture);
	draw_rows(picture);
	draw_report(picture);
	fputs("</svg>\n", picture->out);
}

bool timeline_svg(const struct timeline *timeline, bool every, FILE *out)
{
	struct picture picture = {.layout = layout_open(timeline, every), .out = out};
	bool done = false;

	if (picture.layout) {
		choose_width(&picture);
		picture.top = draw_legend(&picture, false) + 24;
		done = place_rows(&picture);
		if (done)
			draw(&picture);
	}
	free(picture.y);
	layout_close(picture.layout);
	return done;
}
