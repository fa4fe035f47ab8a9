/* SPDX-License-Identifier: MIT */
/*
 * The tap: what a node says on one connection, frame by frame, whatever libchat's client would make of it. Each request has
 * one reply; nothing but replies comes before the login's `ok`, and nothing but `bye` after the logout's; `bye` is the last;
 * messages of a conversation go up.
 *
 * Frames are read with a few lines of our own, so that a codec that is wrong in both directions is found too.
 */
#include <stdlib.h>
#include <string.h>

#include "sim.h"

/* The value of a key, an integer, before the first text of the frame that somebody else wrote. False: there is none. */
static bool integer(const struct chat_buf *frame, const char *key, int64_t *out)
{
	size_t len = strlen(key);
	const char *end = frame->data + (frame->len < 160 ? frame->len : 160);
	const char *at = memmem(frame->data, (size_t)(end - frame->data), key, len);
	bool negative;

	if (!at || at + len >= end)
		return false;
	at += len;
	negative = *at == '-';
	at += negative;
	if (at == end || *at < '0' || *at > '9')
		return false;
	for (*out = 0; at < end && *at >= '0' && *at <= '9'; at++)
		*out = *out * 10 + (*at - '0');
	if (negative)
		*out = -*out;
	return true;
}

/* The type of a frame, which is its first key. */
static struct chat_view type_of(const struct chat_buf *frame)
{
	static const char begin[] = "{\"type\":\"";
	size_t skip = sizeof(begin) - 1;
	struct chat_view type = {frame->data + skip, 0};

	if (frame->len < skip + 2 || memcmp(frame->data, begin, skip) != 0 ||
	    frame->data[frame->len - 1] != '\n' ||
	    memchr(frame->data, '\n', frame->len) != frame->data + frame->len - 1)
		sim_fail("frame", "a frame is not one line that begins with its type: %.*s",
			 frame->len < 200 ? (int)frame->len : 200, frame->data);
	while (type.data[type.len] != '"')
		type.len++;
	return type;
}

static bool is(struct chat_view type, const char *name)
{
	return chat_view_equal(type, chat_view_of(name));
}

/* At the end, when nothing goes wrong, what was acknowledged is to be durable when everybody has left. */
static void note_ack(const struct link *link, const struct chat_buf *frame)
{
	struct device *device = link->device;
	int64_t user = 0, group = 0, seq = 0;
	struct conv *conv;
	struct track *track;

	if (!device || link->tap.leaving || !integer(frame, "\"seq\":", &seq) ||
	    (!integer(frame, "\"group\":", &group) && !integer(frame, "\"user\":", &user)))
		return;
	conv = model_conv(device->person->id,
			  (struct chat_target){.user = (chat_id)user, .group = (chat_id)group});
	track = conv ? model_track(device_identity(device), conv) : NULL;
	if (track && track->acked < (uint64_t)seq)
		track->acked = (uint64_t)seq;
}

/* For the trace: who says it, and how it begins. */
static void trace_frame(const struct link *link, const char *way, const struct chat_buf *frame)
{
	const struct device *device = link->device;
	size_t len = frame->len < 160 ? frame->len - 1 : 160;

	TRACE("link %llu device %d (%llu/%s) %s %s %.*s", (unsigned long long)link->id,
	      device ? (int)device->index : -1,
	      (unsigned long long)(device ? device->person->id : 0), device ? device->name : "",
	      way, link->server->name, (int)len, frame->data);
}

void tap_up(struct link *link, const struct chat_buf *frame)
{
	struct tap *tap = &link->tap;
	enum chat_request_type type = chat_request_type_parse(type_of(frame));
	int64_t id, user = 0, group = 0;
	struct tap_ask ask = {.type = type};

	trace_frame(link, "to", frame);
	if (type == CHAT_REQ_ACK && sim.phase >= PHASE_LAST)
		note_ack(link, frame);
	if (!integer(frame, "\"id\":", &id))
		return;
	ask.id = id;
	if (type == CHAT_REQ_SEND || type == CHAT_REQ_EDIT || type == CHAT_REQ_RECALL) {
		ask.key = integer(frame, "\"group\":", &group) ? (uint64_t)group << 1 | 1
			  : integer(frame, "\"user\":", &user) ? (uint64_t)user << 1
							       : 0;
		ask.order = ++tap->orders;
		/* The client sends what it could not before in the order in which it was asked to. */
		if (id < tap->last_send && !tap->retries)
			sim_fail("order", "link %llu: request %lld is sent after %lld",
				 (unsigned long long)link->id, (long long)id,
				 (long long)tap->last_send);
		tap->last_send = id;
	}
	if (tap->ask_count == tap->ask_room) {
		tap->ask_room = tap->ask_room * 2 + 16;
		tap->asks = sim_grow(tap->asks, tap->ask_room * sizeof(*tap->asks));
	}
	tap->asks[tap->ask_count++] = ask;
	tap->leaving = tap->leaving || type == CHAT_REQ_LOGOUT;
}

static struct tap_seq *seq_of(struct tap *tap, uint64_t key)
{
	size_t i = 0;

	while (i < tap->seq_count && tap->seqs[i].key != key)
		i++;
	if (i < tap->seq_count)
		return &tap->seqs[i];
	if (tap->seq_count == tap->seq_room) {
		tap->seq_room = tap->seq_room * 2 + 8;
		tap->seqs = sim_grow(tap->seqs, tap->seq_room * sizeof(*tap->seqs));
	}
	tap->seqs[i] = (struct tap_seq){.key = key};
	tap->seq_count++;
	return &tap->seqs[i];
}

/* Sends to one conversation are committed in the order they were sent. */
static void check_order(struct link *link, const struct chat_buf *frame, const struct tap_ask *ask)
{
	struct tap_seq *last;
	int64_t seq;

	if (ask->order == 0 || !integer(frame, "\"seq\":", &seq) ||
	    memmem(frame->data, frame->len, "\"duplicate\"", 11))
		return;
	last = seq_of(&link->tap, ask->key);
	if (last->sent_seq != 0 &&
	    (ask->order > last->sent_order) != ((uint64_t)seq > last->sent_seq))
		sim_fail("order", "link %llu: what was sent %s got seq %lld, the other %llu",
			 (unsigned long long)link->id,
			 ask->order > last->sent_order ? "later" : "earlier", (long long)seq,
			 (unsigned long long)last->sent_seq);
	if (ask->order > last->sent_order) {
		last->sent_order = ask->order;
		last->sent_seq = (uint64_t)seq;
	}
}

static void take_reply(struct link *link, const struct chat_buf *frame, struct chat_view type)
{
	struct tap *tap = &link->tap;
	size_t i = 0;
	int64_t id;

	if (!integer(frame, "\"id\":", &id)) {
		if (!is(type, "error"))
			sim_fail("reply", "an `%.*s` without an id", (int)type.len, type.data);
		return;
	}
	while (i < tap->ask_count && tap->asks[i].id != id)
		i++;
	if (i == tap->ask_count)
		sim_fail("reply",
			 "a reply to id %lld, which was not asked or answered before: %.*s",
			 (long long)id, (int)frame->len - 1, frame->data);
	check_order(link, frame, &tap->asks[i]);
	tap->retries = tap->retries || is(type, "error");
	if (tap->asks[i].type == CHAT_REQ_LOGIN && is(type, "ok"))
		tap->logged_in = true;
	if (tap->asks[i].type == CHAT_REQ_LOGOUT) {
		tap->logged_in = false;
		tap->logged_out = true;
	}
	memmove(&tap->asks[i], &tap->asks[i + 1], (--tap->ask_count - i) * sizeof(*tap->asks));
}

static void take_message(struct link *link, const struct chat_buf *frame)
{
	chat_id self = link->device ? link->device->person->id : 0;
	int64_t from = 0, to = 0, group = 0, seq = 0;
	struct tap_seq *last;
	uint64_t key;

	if (!integer(frame, "\"from\":", &from) || !integer(frame, "\"seq\":", &seq) ||
	    (!integer(frame, "\"to\":", &to) && !integer(frame, "\"group\":", &group)))
		sim_fail("frame", "a message lacks a key: %.*s", (int)frame->len - 1, frame->data);
	if (self == 0)
		return; /* nobody reads it */
	key = group != 0 ? (uint64_t)group << 1 | 1
			 : (uint64_t)((chat_id)from == self ? to : from) << 1;
	last = seq_of(&link->tap, key);
	if ((uint64_t)seq <= last->pushed)
		sim_fail("ascending", "link %llu is pushed seq %lld after %llu: %.*s",
			 (unsigned long long)link->id, (long long)seq,
			 (unsigned long long)last->pushed, (int)frame->len - 1, frame->data);
	last->pushed = (uint64_t)seq;
}

/* Who reads slowly is pushed nothing beyond the bounds that are named for it. */
static void check_room(const struct link *link, struct chat_view type)
{
	size_t queued = transport_ops.queued(link->server, link->conn);
	size_t high = sim.setup.node.output_high;

	if (is(type, "typing"))
		high /= 2;
	else if (!is(type, "message"))
		high *= 2;
	else if (sim.paging) /* it was begun when there was room */
		high += CHAT_PAGE_BYTES_MAX;
	if (queued >= high)
		sim_fail("bound", "link %llu is pushed `%.*s` though %zu bytes wait",
			 (unsigned long long)link->id, (int)type.len, type.data, queued);
}

void tap_down(struct link *link, const struct chat_buf *frame)
{
	struct chat_view type = type_of(frame);
	struct tap *tap = &link->tap;

	trace_frame(link, "from", frame);
	if (frame->len > CHAT_FRAME_OUT_MAX)
		sim_fail("frame", "a frame of %zu bytes", frame->len);
	if (tap->bye)
		sim_fail("bye", "something follows `bye`: %.*s", (int)frame->len - 1, frame->data);
	if (is(type, "ok") || is(type, "error") || is(type, "pong")) {
		take_reply(link, frame, type);
		return;
	}
	if (is(type, "bye")) {
		if (link->ops > 0 && memmem(frame->data, frame->len, "\"shutdown\"", 10))
			sim_fail("drain", "link %llu has %u requests that are not answered",
				 (unsigned long long)link->id, link->ops);
		tap->bye = true;
		return;
	}
	check_room(link, type);
	if (!tap->logged_in)
		sim_fail("login", "a push %s: %.*s",
			 tap->logged_out ? "after the logout" : "before the login",
			 (int)frame->len - 1, frame->data);
	if (is(type, "message"))
		take_message(link, frame);
}

void tap_finish(struct tap *tap)
{
	free(tap->asks);
	free(tap->seqs);
}
