/* SPDX-License-Identifier: MIT */
/* Rows and columns. */
#include "layout.h"

#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#include "safe.h"

enum { COLUMNS_DEFAULT = 80, FIRST_BYTES = 256, FIRST_ROWS = 8 };

static void add_bytes(struct layout *layout, const char *bytes, size_t len)
{
	if (layout->len + len > layout->capacity) {
		size_t capacity = layout->capacity ? 2 * layout->capacity : FIRST_BYTES;
		char *grown = layout->failed ? NULL : realloc(layout->bytes, capacity);

		if (!grown) {
			layout->failed = true;
			return;
		}
		layout->bytes = grown;
		layout->capacity = capacity;
	}
	memcpy(layout->bytes + layout->len, bytes, len);
	layout->len += len;
}

static void add_row(struct layout *layout)
{
	if (layout->row_count == layout->row_capacity) {
		int capacity = layout->row_capacity ? 2 * layout->row_capacity : FIRST_ROWS;
		struct layout_row *grown =
			layout->failed ? NULL
				       : realloc(layout->rows, (size_t)capacity * sizeof(*grown));

		if (!grown) {
			layout->failed = true;
			return;
		}
		layout->rows = grown;
		layout->row_capacity = capacity;
	}
	layout->rows[layout->row_count++] = (struct layout_row){.start = layout->len};
	layout->column = 0;
}

void layout_init(struct layout *layout, int columns)
{
	*layout = (struct layout){.columns = columns > 0 ? columns : COLUMNS_DEFAULT};
	add_row(layout);
}

void layout_finish(struct layout *layout)
{
	free(layout->bytes);
	free(layout->rows);
	*layout = (struct layout){0};
}

static bool is_full(const struct layout *layout)
{
	return layout->column >= layout->columns;
}

/* Behind a full row there is no place for it. */
static void place_cursor(struct layout *layout)
{
	if (is_full(layout))
		add_row(layout);
	layout->cursor_row = layout->row_count - 1;
	layout->cursor_column = layout->column;
	layout->cursor_next = false;
}

/* What has to stay together, in so many columns. */
static void put_piece(struct layout *layout, const char *bytes, size_t len, int width)
{
	if (width > 0 && layout->column > 0 && layout->column + width > layout->columns)
		add_row(layout);
	if (layout->cursor_next && width > 0)
		place_cursor(layout);
	add_bytes(layout, bytes, len);
	layout->column += width;
	if (!layout->failed) {
		layout->rows[layout->row_count - 1].width = layout->column;
		layout->rows[layout->row_count - 1].full = is_full(layout);
	}
}

static void end_row(struct layout *layout)
{
	if (layout->cursor_next)
		place_cursor(layout);
	if (!layout->failed)
		layout->rows[layout->row_count - 1].full = false;
	add_row(layout);
}

void layout_put(struct layout *layout, long point)
{
	char bytes[SAFE_ESCAPE_MAX + 1];
	size_t len;
	int width;

	if (point == '\n') {
		end_row(layout);
		return;
	}
	if (point == '\t')
		point = ' ';
	if (!safe_is_harmful(point)) {
		len = safe_put(bytes, point);
		width = wcwidth((wchar_t)point);
		put_piece(layout, bytes, len, width < 0 ? 1 : width);
		return;
	}
	len = safe_put_escape(bytes, point);
	for (size_t i = 0; i < len; i++)
		put_piece(layout, bytes + i, 1, 1);
}

void layout_put_text(struct layout *layout, const char *text)
{
	size_t len = strlen(text), used;

	for (size_t i = 0; i < len; i += used)
		layout_put(layout, safe_next(text + i, len - i, &used));
}

void layout_set_cursor(struct layout *layout)
{
	layout->cursor_next = true;
}

bool layout_end(struct layout *layout)
{
	if (layout->cursor_next)
		place_cursor(layout);
	return !layout->failed;
}

void layout_window(const struct layout *layout, int height, int *first, int *last)
{
	int count = layout->row_count;

	if (height < 1)
		height = 1;
	*first = 0;
	if (count > height) {
		*first = layout->cursor_row - height / 2;
		if (*first < 0)
			*first = 0;
		if (*first > count - height)
			*first = count - height;
		count = height;
	}
	*last = *first + count - 1;
}

int layout_rewrapped(const struct layout *layout, int first, int columns)
{
	int rows = 0, width = 0; /* of the line that goes on over full rows */

	for (int row = first; row < layout->cursor_row; row++) {
		width += layout->rows[row].width;
		if (layout->rows[row].full)
			continue;
		rows += width > 0 ? (width + columns - 1) / columns : 1;
		width = 0;
	}
	return rows + (width + layout->cursor_column) / columns;
}

const char *layout_row(const struct layout *layout, int row, size_t *len)
{
	size_t start = layout->rows[row].start;
	size_t end = row + 1 < layout->row_count ? layout->rows[row + 1].start : layout->len;

	*len = end - start;
	return layout->bytes + start;
}
