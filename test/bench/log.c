/* SPDX-License-Identifier: MIT */
/* What the log gives back: a backlog that is drained, pages of a long conversation. */
#include "bench.h"

#include <stdlib.h>
#include <string.h>

/* Of two users: one sends, the other one reads later. */
struct box {
	struct user *sender, *reader;
	struct frame frame;
	uint64_t sent;
	uint64_t received; /* also: the next number */
	uint64_t unacked;
};

static struct {
	struct user *users;
	struct box *boxes;
	size_t box_count;
	size_t answered, received; /* of all */
	uint64_t wrong;		   /* not the next number */
} run;

/* --- Filling ----------------------------------------------------------------------------------------- */

static void box_send(struct box *box)
{
	if (box->sent == options.backlog)
		return;
	chat_number(&box->frame, box->sent++);
	conn_write(&box->sender->conn, box->frame.data, box->frame.len);
}

static void on_sender_line(struct conn *conn, char *line, size_t len)
{
	(void)len;
	expect_no_error(line);
	if (!line_begins(line, "{\"type\":\"ok\""))
		return;
	run.answered++;
	box_send(conn->owner);
}

/* The readers are there, and away; the senders send all that is to be sent. */
static void fill(size_t boxes)
{
	run.users = users_new(boxes * 2);
	run.boxes = must_alloc(boxes, sizeof(*run.boxes));
	run.box_count = boxes;
	users_login(run.users + boxes, boxes, LOGIN_REGISTER, LOGIN_AT_A_TIME, NULL);
	users_login(run.users, boxes, LOGIN_NEW, LOGIN_AT_A_TIME, NULL);
	process_mark_all();
	for (size_t i = 0; i < boxes; i++) {
		struct box *box = &run.boxes[i];

		box->sender = &run.users[i];
		box->reader = &run.users[boxes + i];
		chat_make(&box->frame, "user", box->reader->id, i);
		box->sender->conn.owner = box->reader->conn.owner = box;
		box->sender->conn.on_line = on_sender_line;
		for (unsigned j = 0; j < options.window; j++)
			box_send(box);
	}
	loop_until(&run.answered, boxes * options.backlog, "the backlog");
	process_stop_all();
	report((double)boxes * options.backlog, "", "messages");
	report_cpu((double)boxes * options.backlog, "stored");
}

static void empty(void)
{
	for (size_t i = 0; i < run.box_count; i++)
		frame_finish(&run.boxes[i].frame);
	users_destroy(run.users, run.box_count * 2);
	free(run.boxes);
}

/* --- Draining ---------------------------------------------------------------------------------------- */

static void on_reader_line(struct conn *conn, char *line, size_t len)
{
	struct box *box = conn->owner;
	uint64_t n, seq;

	(void)len;
	if (!line_begins(line, "{\"type\":\"message\"")) {
		expect_no_error(line);
		return;
	}
	if (!line_number(line, "\"text\":\"", &n) || !line_number(line, "\"seq\":", &seq))
		die("a message that was never sent: %s", line);
	run.wrong += n != box->received;
	box->received = n + 1;
	run.received++;
	if (++box->unacked < options.ack_every && box->received < options.backlog)
		return;
	box->unacked = 0;
	conn_print(conn, "{\"type\":\"ack\",\"user\":%llu,\"seq\":%llu}\n",
		   (unsigned long long)box->sender->id, (unsigned long long)seq);
}

bool mode_offline(void)
{
	uint64_t began_ns, before[BENCH_PROCESSES];
	size_t target;

	fill(options.users / 2);
	for (size_t i = 0; i < run.box_count; i++)
		run.boxes[i].reader->on_line = on_reader_line;
	for (size_t i = 0; i < options.process_count; i++)
		before[i] = process_forget_peak(&options.processes[i]);
	began_ns = now_ns();
	process_mark_all();
	users_login(run.users + run.box_count, run.box_count, LOGIN_BY_PASSWORD, run.box_count,
		    NULL);
	target = run.box_count * options.backlog;
	loop_until(&run.received, target, "the drain");
	process_stop_all();
	report((double)target / ((double)(now_ns() - began_ns) / 1e9), "", "per_second");
	report_cpu((double)target, "drained");
	for (size_t i = 0; i < options.process_count; i++)
		report((double)process_peak(&options.processes[i]) - (double)before[i], "bytes",
		       "grown_%s", options.processes[i].name);
	report((double)run.wrong, "", "wrong");
	empty();
	return run.wrong == 0;
}

/* --- History ----------------------------------------------------------------------------------------- */

enum { PAGES = 200, PAGE = 100 };

static struct {
	size_t asked, came, messages;
	uint64_t after;
} pages;

static void page_ask(struct conn *conn)
{
	struct box *box = conn->owner;

	if (pages.asked == PAGES * run.box_count)
		return;
	pages.asked++;
	conn_print(conn,
		   "{\"type\":\"history\",\"id\":1,\"user\":%llu,\"after\":%llu,\"limit\":%d}\n",
		   (unsigned long long)box->reader->id, (unsigned long long)pages.after, PAGE);
}

static void on_page(struct conn *conn, char *line, size_t len)
{
	(void)len;
	expect_no_error(line);
	if (!line_begins(line, "{\"type\":\"ok\""))
		return;
	for (const char *p = line; (p = strstr(p, "\"seq\":")) != NULL; p++)
		pages.messages++;
	pages.came++;
	page_ask(conn);
}

static void read_pages(const char *where, uint64_t after)
{
	pages.asked = pages.came = pages.messages = 0;
	pages.after = after;
	process_mark_all();
	for (size_t i = 0; i < run.box_count; i++) {
		run.boxes[i].sender->conn.on_line = on_page;
		page_ask(&run.boxes[i].sender->conn);
	}
	loop_until(&pages.came, PAGES * run.box_count, "pages");
	process_stop_all();
	report_cpu((double)pages.messages, where);
}

bool mode_history(void)
{
	uint64_t last = options.backlog > PAGE ? options.backlog - PAGE : 0;

	fill(options.users / 2);
	read_pages("begin", 0);
	read_pages("middle", last / 2);
	read_pages("end", last);
	empty();
	return true;
}
