/* SPDX-License-Identifier: MIT */
/*
 * Streams: one sender, one or more receivers, so many messages on their way end to end. A message is numbered in its text, so
 * that each receiver tells what is lost, doubled or out of order.
 */
#include "bench.h"

#include <stdlib.h>
#include <string.h>

enum { RING = BENCH_OUTSTANDING, DRAIN_S = 10 };

struct stream {
	struct user *sender;
	uint64_t next;	    /* the number that is sent next */
	uint64_t completed; /* messages that all receivers have */
	uint64_t answered;  /* by `ok` */
	size_t receivers;
	struct frame frame;
	uint64_t sent_ns[RING];
	uint32_t left[RING]; /* receivers that do not have it yet */
};

/* A user in a stream. */
struct member {
	struct stream *stream;
	struct user *user;
	const char *target_key; /* how the conversation is named from here */
	uint64_t target;
	uint64_t expected; /* the next number */
	uint64_t unacked;
	uint64_t seen[RING / 64]; /* of the last numbers: which came */
};

static struct {
	struct user *users;
	struct member *members;
	size_t member_count;
	struct stream *streams;
	size_t stream_count;
	bool sending, measuring;
	uint64_t measured; /* deliveries */
	uint64_t missing, doubled, reordered;
	uint64_t started_ns; /* of a rate: its first message */
	uint64_t paced;	     /* messages sent by the clock */
	struct histogram latencies;
	struct crowd crowd;
} run;

/* --- Sending ----------------------------------------------------------------------------------------- */

static void stream_send(struct stream *stream)
{
	uint64_t n = stream->next++;

	stream->sent_ns[n % RING] = now_ns();
	stream->left[n % RING] = (uint32_t)stream->receivers;
	options.dialect->number(&stream->frame, n);
	conn_write(&stream->sender->conn, stream->frame.data, stream->frame.len);
}

static void stream_fill(struct stream *stream)
{
	while (run.sending && options.rate == 0 &&
	       stream->next - stream->completed < options.window)
		stream_send(stream);
}

/* As many as are due, each by the stream whose turn it is. */
static void pace(void)
{
	uint64_t due = (now_ns() - run.started_ns) / 1000 * options.rate / 1000000;

	for (; run.paced < due; run.paced++) {
		struct stream *stream = &run.streams[run.paced % run.stream_count];

		if (stream->next - stream->completed >= RING)
			die("the server does not keep up with %u messages a second", options.rate);
		stream_send(stream);
	}
}

/* --- Receiving --------------------------------------------------------------------------------------- */

static bool member_take_number(struct member *member, uint64_t n)
{
	uint64_t *word = &member->seen[n % RING / 64], bit = UINT64_C(1) << (n % 64);

	for (; member->expected <= n; member->expected++) {
		uint64_t gap = member->expected % RING;

		member->seen[gap / 64] &= ~(UINT64_C(1) << (gap % 64));
		run.missing += member->expected < n;
		if (member->expected == n) {
			*word |= bit;
			member->expected++;
			return true;
		}
	}
	if (*word & bit) {
		run.doubled++;
		return false;
	}
	*word |= bit;
	run.reordered++;
	run.missing--;
	return true;
}

static void member_ack(struct member *member, const char *line)
{
	if (!options.dialect->ack || ++member->unacked < options.ack_every)
		return;
	member->unacked = 0;
	options.dialect->ack(member->user, member->target_key, member->target, line);
}

static void member_take_message(struct member *member, const char *line, uint64_t n)
{
	struct stream *stream = member->stream;

	if (n >= stream->next)
		die("a message that was never sent: number %llu", (unsigned long long)n);
	member_ack(member, line);
	if (!member_take_number(member, n))
		return;
	if (run.measuring) {
		run.measured++;
		histogram_add(&run.latencies, now_ns() - stream->sent_ns[n % RING]);
	}
	if (--stream->left[n % RING] == 0) {
		stream->completed++;
		stream_fill(stream);
	}
}

static void on_line(struct conn *conn, char *line, size_t len)
{
	struct member *member = conn->owner;
	uint64_t n;

	switch (options.dialect->take(member->user, line, len, &n)) {
	case ARRIVAL_MESSAGE:
		member_take_message(member, line, n);
		break;
	case ARRIVAL_ANSWER:
		member->stream->answered++;
		break;
	case ARRIVAL_OTHER:
		break;
	}
}

/* --- Making them ------------------------------------------------------------------------------------- */

static struct member *member_add(struct stream *stream, struct user *user, const char *target_key,
				 uint64_t target)
{
	struct member *member = &run.members[run.member_count++];

	member->stream = stream;
	member->user = user;
	member->target_key = target_key;
	member->target = target;
	user->conn.owner = member;
	user->conn.on_line = on_line;
	return member;
}

static void run_init(size_t streams, size_t users)
{
	run.users = users_new(users);
	run.members = must_alloc(users, sizeof(*run.members));
	run.streams = must_alloc(streams, sizeof(*run.streams));
	run.stream_count = streams;
}

static void run_finish(void)
{
	for (size_t i = 0; i < run.stream_count; i++)
		frame_finish(&run.streams[i].frame);
	users_destroy(run.users, run.member_count);
	users_destroy(run.crowd.users, run.crowd.count);
	free(run.members);
	free(run.streams);
}

static void make_pairs(void)
{
	size_t pairs = options.users / 2;

	run_init(pairs, pairs * 2);
	for (size_t i = 0; i < pairs * 2; i++)
		run.users[i].room = i / 2 + 1;
	users_login(run.users, pairs * 2, LOGIN_NEW, LOGIN_AT_A_TIME, NULL);
	past_conversations(run.users, pairs * 2);
	for (size_t i = 0; i < pairs; i++) {
		struct user *sender = &run.users[2 * i], *receiver = &run.users[2 * i + 1];
		struct stream *stream = &run.streams[i];

		stream->sender = sender;
		stream->receivers = 1;
		options.dialect->make(&stream->frame, "user", receiver->id, i);
		member_add(stream, sender, "user", receiver->id);
		member_add(stream, receiver, "user", sender->id);
	}
}

/* --- A group ----------------------------------------------------------------------------------------- */

static size_t group_answers;
static uint64_t group_id;

static void on_group_line(struct conn *conn, char *line, size_t len)
{
	(void)conn;
	(void)len;
	expect_no_error(line);
	if (!line_begins(line, "{\"type\":\"ok\""))
		return;
	line_number(line, "\"group\":{\"id\":", &group_id);
	group_answers++;
}

/* They come, join and go: members who are online are told of each who joins. */
static void join_group(struct user *users, size_t count)
{
	size_t target = group_answers + count;

	users_login(users, count, LOGIN_NEW, count, NULL);
	for (size_t i = 0; i < count; i++) {
		users[i].conn.on_line = on_group_line;
		conn_print(&users[i].conn, "{\"type\":\"group.join\",\"id\":1,\"group\":%llu}\n",
			   (unsigned long long)group_id);
	}
	loop_until(&group_answers, target, "joining");
	users_close(users, count);
}

static void make_group(void)
{
	struct user *owner = &run.users[0];
	size_t count;

	users_login(owner, 1, LOGIN_NEW, 1, NULL);
	owner->conn.on_line = on_group_line;
	conn_print(&owner->conn, "{\"type\":\"group.create\",\"id\":1,\"name\":\"bench\"}\n");
	loop_until(&group_answers, 1, "the group");
	users_close(owner, 1);
	for (size_t i = 1; i < options.users; i += count) {
		count = options.users - i < LOGIN_AT_A_TIME ? options.users - i : LOGIN_AT_A_TIME;
		join_group(&run.users[i], count);
	}
}

static void make_fanout(void)
{
	struct stream *stream;

	run_init(1, options.users);
	stream = &run.streams[0];
	for (size_t i = 0; i < options.users; i++)
		run.users[i].room = ROOM_OF_ALL;
	if (options.dialect->accounts)
		make_group();
	users_login(run.users, options.users, LOGIN_BY_TOKEN, LOGIN_AT_A_TIME, NULL);
	stream->sender = &run.users[0];
	stream->receivers = options.users - !options.dialect->echoes;
	options.dialect->make(&stream->frame, "group", group_id, 0);
	for (size_t i = 0; i < options.users; i++)
		member_add(stream, &run.users[i], "group", group_id);
}

/* --- Running ----------------------------------------------------------------------------------------- */

static void turn(void)
{
	if (options.rate > 0)
		pace();
	crowd_beat(&run.crowd);
	loop_turn(options.rate > 0 ? 1 : crowd_patience_ms());
}

static void run_for(double seconds)
{
	uint64_t until_ns = now_ns() + (uint64_t)(seconds * 1e9);

	do
		turn();
	while (now_ns() < until_ns);
}

static void run_until_told(void)
{
	do
		turn();
	while (!is_told());
}

static uint64_t completed(void)
{
	uint64_t count = 0;

	for (size_t i = 0; i < run.stream_count; i++)
		count += run.streams[i].completed;
	return count;
}

/* Until all is as it is to be when it is measured. */
static void run_warm(void)
{
	run_for(options.warm);
	while (completed() < options.before)
		turn();
	if (options.told) {
		say_ready();
		run_until_told();
	}
}

static uint64_t outstanding(uint64_t *unanswered)
{
	uint64_t count = 0;

	*unanswered = 0;
	for (size_t i = 0; i < run.stream_count; i++) {
		const struct stream *stream = &run.streams[i];

		count += stream->next - stream->completed;
		if (options.dialect->answers)
			*unanswered += stream->next - stream->answered;
	}
	return count;
}

/* What is on its way arrives; whatever has not after a while counts as lost. */
static void run_drain(void)
{
	uint64_t until_ns = now_ns() + DRAIN_S * UINT64_C(1000000000), unanswered;

	run.sending = false;
	while ((outstanding(&unanswered) > 0 || unanswered > 0) && now_ns() < until_ns)
		loop_turn(100);
}

static void measure(void)
{
	const struct process self = {.name = "bench", .pid = 0};
	uint64_t began_ns = now_ns(), own_ns = process_cpu_ns(&self);
	double count;

	process_mark_all();
	run.measuring = true;
	if (options.told)
		run_until_told();
	else
		run_for(options.seconds);
	run.measuring = false;
	process_stop_all();
	own_ns = process_cpu_ns(&self) - own_ns;
	count = run.measured > 0 ? (double)run.measured : 1;
	report((double)run.measured, "", "deliveries");
	report((double)run.measured / ((double)(now_ns() - began_ns) / 1e9), "", "per_second");
	report_cpu((double)run.measured, "delivery");
	report((double)own_ns / 1000 / count, "us", "cpu_bench");
}

static bool run_streams(void)
{
	uint64_t lost, unanswered;

	run.crowd.count = options.crowd;
	run.crowd.users = users_new(options.crowd);
	users_login(run.crowd.users, options.crowd, LOGIN_NEW, LOGIN_AT_A_TIME, NULL);
	run.sending = true;
	run.started_ns = now_ns();
	loop_naps = options.rate == 0; /* at a rate it is the latency that counts */
	for (size_t i = 0; i < run.stream_count; i++)
		stream_fill(&run.streams[i]);
	run_warm();
	report((double)run.member_count, "", "connections");
	report(options.window, "", "window");
	measure();
	loop_naps = false;
	report_latencies(&run.latencies);
	run_drain();
	lost = outstanding(&unanswered);
	/* Of a message to many, what is outstanding may be there for some. */
	lost = lost > run.missing ? lost : run.missing;
	report((double)lost, "", "lost");
	report((double)run.doubled, "", "doubled");
	report((double)run.reordered, "", "reordered");
	report((double)unanswered, "", "unanswered");
	run_finish();
	return lost + run.doubled + run.reordered + unanswered == 0 && run.measured > 0;
}

bool mode_pairs(void)
{
	make_pairs();
	return run_streams();
}

bool mode_cluster(void)
{
	if (options.to_count < 2)
		die("a cluster has two addresses: --to twice");
	make_pairs();
	return run_streams();
}

bool mode_fanout(void)
{
	make_fanout();
	return run_streams();
}
