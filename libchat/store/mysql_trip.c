/* SPDX-License-Identifier: MIT */
/* Texts of SQL, the trips on which they go to the server, and the lanes of what is left behind. */
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "store/mysql.h"

/* --- Texts of SQL ------------------------------------------------------------------------------------ */

static bool text_reserve(struct mysql_text *text, size_t more)
{
	size_t room = text->room ? text->room : 4096;
	char *data;

	while (room - text->len <= more)
		room *= 2;
	if (room == text->room)
		return true;
	data = text->failed ? NULL : realloc(text->data, room);
	if (!data) {
		text->failed = true;
		return false;
	}
	text->data = data;
	text->room = room;
	return true;
}

void chat_mysql_text(struct mysql *mysql, const char *format, ...)
{
	struct mysql_text *text = &mysql->trip.text;
	va_list args;
	int len;

	if (!text_reserve(text, MYSQL_TEXT_USUAL))
		return;
	va_start(args, format);
	len = vsnprintf(text->data + text->len, text->room - text->len, format, args);
	va_end(args);
	if (len < 0 || !text_reserve(text, (size_t)len))
		return;
	if (len > MYSQL_TEXT_USUAL) {
		va_start(args, format);
		vsnprintf(text->data + text->len, (size_t)len + 1, format, args);
		va_end(args);
	}
	text->len += (size_t)len;
}

void chat_mysql_text_quote(struct mysql *mysql, struct chat_view value)
{
	struct mysql_text *text = &mysql->trip.text;

	if (value.len == 0) {
		chat_mysql_text(mysql, "NULL");
		return;
	}
	if (!text_reserve(text, 2 * value.len + 3))
		return;
	text->data[text->len++] = '\'';
	text->len += mysql_real_escape_string(mysql->handle, text->data + text->len, value.data,
					      (unsigned long)value.len);
	text->data[text->len++] = '\'';
}

void chat_mysql_text_hex(struct mysql *mysql, struct chat_view value)
{
	static const char digits[] = "0123456789abcdef";
	struct mysql_text *text = &mysql->trip.text;

	if (value.len == 0) {
		chat_mysql_text(mysql, "NULL");
		return;
	}
	if (!text_reserve(text, 2 * value.len + 4))
		return;
	text->data[text->len++] = 'x';
	text->data[text->len++] = '\'';
	for (size_t i = 0; i < value.len; i++) {
		text->data[text->len++] = digits[(uint8_t)value.data[i] >> 4];
		text->data[text->len++] = digits[(uint8_t)value.data[i] & 15];
	}
	text->data[text->len++] = '\'';
}

void chat_mysql_text_device(struct mysql *mysql, chat_id user, struct chat_view device)
{
	chat_mysql_text(mysql, "(%llu,", mysql_number(user));
	chat_mysql_text_quote(mysql, device);
}

/* --- Trips ------------------------------------------------------------------------------------------- */

void chat_mysql_trip_clear(struct mysql *mysql)
{
	mysql->trip.text.len = 0;
	mysql->trip.text.failed = false;
	mysql->trip.count = 0;
}

void chat_mysql_trip_add(struct mysql *mysql, mysql_visit *visit, const char *sql)
{
	struct mysql_trip *trip = &mysql->trip;

	assert(trip->count < MYSQL_TRIP_MAX);
	chat_mysql_text(mysql, "%s%s", trip->count > 0 ? ";" : "", sql);
	trip->visits[trip->count++] = visit;
}

void chat_mysql_rows_next(struct mysql *mysql, struct mysql_rows *rows)
{
	if (rows->begun)
		chat_mysql_text(mysql, ",");
	else
		chat_mysql_trip_add(mysql, rows->visit, rows->sql);
	rows->begun = true;
}

void chat_mysql_rows_end(struct mysql *mysql, const struct mysql_rows *rows, const char *sql)
{
	if (rows->begun)
		chat_mysql_text(mysql, "%s", sql);
}

static void trip_take(struct mysql *mysql, mysql_visit *visit)
{
	MYSQL_RES *result = mysql_store_result(mysql->handle);
	MYSQL_ROW row;

	if (!result) {
		if (mysql_errno(mysql->handle) != 0 || visit)
			chat_mysql_fail(mysql, "result");
		return;
	}
	while (visit && (row = mysql_fetch_row(result)) != NULL)
		visit(mysql, row, mysql_fetch_lengths(result));
	mysql_free_result(result);
}

void chat_mysql_trip_run(struct mysql *mysql)
{
	const struct mysql_trip *trip = &mysql->trip;

	if (trip->text.failed)
		chat_db_fail(&mysql->db, "out of memory");
	else if (trip->count > 0)
		chat_mysql_execute(mysql, trip->text.data, trip->text.len);
	for (size_t i = 0; i < trip->count && !mysql->db.failed; i++) {
		if (i > 0 && mysql_next_result(mysql->handle) != 0)
			chat_mysql_fail(mysql, "query");
		else
			trip_take(mysql, trip->visits[i]);
	}
	chat_mysql_trip_clear(mysql);
}

/* --- Matching rows with what asked for them ---------------------------------------------------------- */

static int match_compare(const void *left, const void *right)
{
	const struct mysql_match *a = left, *b = right;

	if (a->a != b->a)
		return a->a < b->a ? -1 : 1;
	return a->b < b->b ? -1 : a->b > b->b;
}

void chat_mysql_matches_add(struct mysql_matches *matches, void *item, uint64_t a, uint64_t b)
{
	assert(matches->count < MYSQL_MATCHES_MAX);
	matches->items[matches->count++] = (struct mysql_match){a, b, item};
}

void chat_mysql_matches_add_pair(struct mysql_matches *matches, void *item, chat_id a, chat_id b)
{
	chat_mysql_matches_add(matches, item, a < b ? a : b, a < b ? b : a);
}

void chat_mysql_matches_sort(struct mysql_matches *matches)
{
	qsort(matches->items, matches->count, sizeof(*matches->items), match_compare);
}

bool chat_mysql_match_repeats(const struct mysql_matches *matches, size_t i)
{
	return i > 0 && match_compare(&matches->items[i], &matches->items[i - 1]) == 0;
}

struct mysql_match *chat_mysql_matches_find(struct mysql_matches *matches, uint64_t a, uint64_t b)
{
	struct mysql_match key = {a, b, NULL};
	size_t low = 0, high = matches->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (match_compare(&matches->items[middle], &key) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return &matches->items[low];
}

void chat_mysql_text_numbers(struct mysql *mysql, const struct mysql_matches *matches)
{
	for (size_t i = 0; i < matches->count; i++)
		if (i == 0 || matches->items[i].a != matches->items[i - 1].a)
			chat_mysql_text(mysql, "%s%llu", i == 0 ? "" : ",",
					mysql_number(matches->items[i].a));
}

void chat_mysql_text_matches(struct mysql *mysql, const struct mysql_matches *matches)
{
	for (size_t i = 0; i < matches->count; i++)
		if (!chat_mysql_match_repeats(matches, i))
			chat_mysql_text(mysql, "%s(%llu,%llu)", i == 0 ? "" : ",",
					mysql_number(matches->items[i].a),
					mysql_number(matches->items[i].b));
}

/* --- Lanes ------------------------------------------------------------------------------------------- */

void chat_mysql_lane_leave(struct mysql_lanes *lanes, const struct chat_op *op)
{
	size_t place = lane_slot(op->lane);

	lanes->left[place / 64] |= UINT64_C(1) << place % 64;
}

bool chat_mysql_lane_is_left(const struct mysql_lanes *lanes, const struct chat_op *op)
{
	size_t place = lane_slot(op->lane);

	return (lanes->left[place / 64] >> place % 64 & 1) != 0;
}

bool chat_mysql_lane_takes(struct mysql_lanes *lanes, const struct chat_op *op, bool own)
{
	if (own && !chat_mysql_lane_is_left(lanes, op))
		return true;
	chat_mysql_lane_leave(lanes, op);
	return false;
}
