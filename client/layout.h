/* SPDX-License-Identifier: MIT */
/*
 * How text stands on a terminal: which character is in which row and column. What the cursor has to be moved by is
 * known from here alone, so all that would move it otherwise (controls, marks of direction) is laid out as an escape.
 */
#ifndef CLIENT_LAYOUT_H
#define CLIENT_LAYOUT_H

#include <stdbool.h>
#include <stddef.h>

struct layout_row {
	size_t start; /* its first byte */
	int width;    /* columns that it takes */
	bool full;    /* to the last column: what comes next is in the next row by itself */
};

struct layout {
	char *bytes; /* all rows */
	size_t len, capacity;
	struct layout_row *rows;
	int row_count, row_capacity;
	int columns; /* of the terminal */
	int column;  /* the next free one; `columns` where the row is full */
	int cursor_row, cursor_column;
	bool cursor_next; /* the cursor is on what is put next */
	bool failed;	  /* memory is out: nothing is to be drawn */
};

void layout_init(struct layout *layout, int columns);
void layout_finish(struct layout *layout);
/* A code point, or where it is negative a byte that is none; a line feed begins a row. */
void layout_put(struct layout *layout, long point);
/* A string in UTF-8. */
void layout_put_text(struct layout *layout, const char *text);
/* The cursor is to stand here: on what is put next, or behind all. */
void layout_set_cursor(struct layout *layout);
/* After the last of it. False: memory is out. */
bool layout_end(struct layout *layout);
/* The rows that a terminal of that height shows of it, the cursor's among them. */
void layout_window(const struct layout *layout, int height, int *first, int *last);
/* How many rows are above the cursor, from that row on, where a terminal that has so many columns now has wrapped them anew. */
int layout_rewrapped(const struct layout *layout, int first, int columns);
/* A row's bytes. */
const char *layout_row(const struct layout *layout, int row, size_t *len);

#endif
