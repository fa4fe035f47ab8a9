/* SPDX-License-Identifier: MIT */
/*
 * The router: a committed message to the sessions of those it concerns. There are two ways in, and no other: the completion of an
 * append, and an arrival on the bus of what another node's append has completed. So nothing unsaved is ever sent.
 *
 * What one connection has sent to a group, and was committed together without anything in between, is a run: a member who may be pushed
 * all of it is looked at once, and queued it in one piece.
 */
#include "node/internal.h"

#include <string.h>

struct route {
	struct chat_node *node;
	chat_id from, to, group;
	uint64_t seq;
	uint32_t epoch;
	uint64_t sender; /* connection; 0: none of this node's */
	bool hint_only; /* of an older message that was sent again: nobody is pushed it from here */
	struct broadcast broadcast;
};

static void route_to_own(struct session *session, struct mark *mark, const struct route *route)
{
	if (mark->behind || mark->pushed + 1 != route->seq)
		chat_mark_fall_behind(session, mark, route->seq);
	else
		mark->pushed = route->seq;
	chat_mark_own(session, mark, route->seq);
}

static void route_to_session(struct session *session, conv_key key, struct route *route)
{
	struct mark *mark = chat_mark_get(session, key);
	bool next;

	/* A conversation that is new to the session is a direct one that begins: its first seq is 1. */
	if (!mark && !(key & CONV_GROUP)) {
		mark = chat_mark_add(session, key, 0);
		if (!mark)
			route->node->sweep_due = true;
	}
	if (!mark || route->seq <= mark->pushed)
		return;
	next = !mark->behind && mark->pushed + 1 == route->seq;
	if (session->conn->id == route->sender) {
		route_to_own(session, mark, route);
	} else if (next && !route->hint_only &&
		   chat_conn_push(session->conn, &route->broadcast,
				  route->node->config.output_high)) {
		mark->pushed = mark->given = route->seq;
		route->node->stats.pushes++;
	} else {
		chat_mark_fall_behind(session, mark, route->seq);
	}
	chat_catchup_run(session);
}

static void route_to_user(struct route *route, chat_id id, conv_key key)
{
	struct user *user = chat_user_get(route->node, id);

	for (struct session *s = user ? user->sessions : NULL; s; s = s->next_of_user)
		route_to_session(s, key, route);
}

/* Whether all of a run, in one piece, is what this session is pushed next; if so, it has been. */
static bool route_run_to_session(struct session *session, struct mark *mark,
				 const struct route *routes, size_t count, struct chat_buf *run)
{
	struct broadcast broadcast = {.codec = &chat_codec_json, .buf = run};
	size_t high = routes->node->config.output_high;

	if (!mark || mark->behind || mark->pushed + 1 != routes->seq ||
	    session->conn->codec != broadcast.codec || session->conn->id == routes->sender)
		return false;
	/* Where there is no room for all of it, each is looked at by itself. */
	if (!chat_conn_push(session->conn, &broadcast, high > run->len ? high - run->len : 0))
		return false;
	mark->pushed = mark->given = routes[count - 1].seq;
	routes->node->stats.pushes += count;
	return true;
}

/* One message, or a run, which is in one piece, too, unless there was no memory for that. */
static void route_to_group(struct route *routes, size_t count, struct chat_buf *run)
{
	struct group *group = chat_group_get(routes->node, routes->group);
	conv_key key = routes->group | CONV_GROUP;

	if (!group)
		return;
	for (size_t i = 0; i < group->count; i++) {
		struct session *session = group->sessions[i];
		struct mark *mark = chat_mark_get(session, key);

		/*
		 * The membership has changed in a way that this node was not told of: whoever is
		 * still a member is found out by reading from the store.
		 */
		if (mark && group->epoch != routes->epoch)
			chat_mark_fall_behind(session, mark, routes[count - 1].seq);
		if (run && route_run_to_session(session, mark, routes, count, run))
			continue;
		for (size_t j = 0; j < count; j++)
			route_to_session(session, key, &routes[j]);
	}
	group->epoch = routes->epoch;
}

static void route_here(struct route *route)
{
	if (route->group) {
		route_to_group(route, 1, NULL);
		return;
	}
	route_to_user(route, route->from, route->to);
	if (route->to != route->from)
		route_to_user(route, route->to, route->from);
}

/* One publish for a group, whatever its size. One for each of two people, who may be anywhere with any number of devices. */
static void route_elsewhere(struct route *route)
{
	struct bus_message message = {
		.kind = BUS_MESSAGE,
		.user = route->from,
		.other = route->to,
		.group = route->group,
		.seq = route->seq,
		.epoch = route->epoch,
	};
	struct broadcast *broadcast = route->hint_only ? NULL : &route->broadcast;

	if (route->group) {
		chat_bus_publish(route->node, CHAT_CHANNEL_GROUP, route->group, &message,
				 broadcast);
		return;
	}
	chat_bus_publish(route->node, CHAT_CHANNEL_USER, route->from, &message, broadcast);
	if (route->to != route->from)
		chat_bus_publish(route->node, CHAT_CHANNEL_USER, route->to, &message, broadcast);
}

static void route_begin(struct route *route, struct chat_event *event, struct chat_node *node,
			const struct chat_op *op)
{
	const struct chat_op_append *append = &op->u.append;

	*event = (struct chat_event){.type = CHAT_EVENT_MESSAGE};
	event->u.message = (struct chat_message){
		.kind = append->kind,
		.from = append->from,
		.to = append->target.user,
		.group = append->target.group,
		.seq = append->seq,
		.changes = append->changes,
		.time_ms = append->time_ms,
		.text = append->text,
		.data = append->data,
	};
	*route = (struct route){.node = node,
				.from = append->from,
				.to = append->target.user,
				.group = append->target.group,
				.seq = append->seq,
				.epoch = append->epoch,
				.sender = op->origin.conn,
				.hint_only = append->duplicate,
				.broadcast = {.event = event}};
}

/* All frames, one behind the other. NULL: memory is out. */
static struct chat_buf *run_encode(struct route *routes, size_t count)
{
	struct chat_buf *run;
	size_t len = 0;

	for (size_t i = 0; i < count; i++) {
		const struct chat_buf *frame =
			chat_broadcast_encode(&routes[i].broadcast, &chat_codec_json);

		if (!frame)
			return NULL;
		len += frame->len;
	}
	run = chat_buf_create(len);
	len = 0;
	for (size_t i = 0; run && i < count; i++) {
		const struct chat_buf *frame = routes[i].broadcast.buf;

		memcpy(run->data + len, frame->data, frame->len);
		len += frame->len;
	}
	return run;
}

static bool is_group_message(const struct chat_op *op)
{
	return op->kind == CHAT_OP_APPEND && op->code == CHAT_CODE_OK &&
	       op->u.append.target.group != 0 && !op->u.append.duplicate;
}

static size_t message_bytes(const struct chat_op *op)
{
	return op->u.append.text.len + op->u.append.data.len;
}

struct chat_op *chat_route_run_end(struct chat_op *op)
{
	size_t count = 1, bytes;

	if (!is_group_message(op))
		return op->next;
	bytes = message_bytes(op);
	for (; op->next && is_group_message(op->next); op = op->next) {
		const struct chat_op_append *append = &op->u.append, *next = &op->next->u.append;

		bytes += message_bytes(op->next);
		if (next->target.group != append->target.group ||
		    op->next->origin.conn != op->origin.conn || next->seq != append->seq + 1 ||
		    next->epoch != append->epoch || ++count > NODE_RUN_MAX ||
		    bytes > NODE_RUN_BYTES_MAX)
			break;
	}
	return op->next;
}

void chat_route_run(struct chat_node *node, const struct chat_op *first, const struct chat_op *end)
{
	struct chat_event events[NODE_RUN_MAX];
	struct route routes[NODE_RUN_MAX];
	size_t count = 0;

	if (first->kind != CHAT_OP_APPEND || first->code != CHAT_CODE_OK)
		return;
	for (const struct chat_op *op = first; op != end; op = op->next, count++)
		route_begin(&routes[count], &events[count], node, op);
	if (count > 1) {
		struct chat_buf *run = run_encode(routes, count);

		route_to_group(routes, count, run);
		chat_buf_unref(run);
	} else {
		route_here(routes);
	}
	for (size_t i = 0; i < count; i++) {
		route_elsewhere(&routes[i]);
		chat_broadcast_finish(&routes[i].broadcast);
	}
}

void chat_route_remote(struct chat_node *node, const struct bus_message *message,
		       struct chat_buf *frame)
{
	struct route route = {.node = node,
			      .from = message->user,
			      .to = message->other,
			      .group = message->group,
			      .seq = message->seq,
			      .epoch = (uint32_t)message->epoch,
			      .hint_only = frame->len == 0};

	route.broadcast.codec = &chat_codec_json;
	route.broadcast.buf = chat_buf_ref(frame);
	route_here(&route);
	chat_broadcast_finish(&route.broadcast);
}
