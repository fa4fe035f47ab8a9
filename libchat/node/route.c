/* SPDX-License-Identifier: MIT */
/*
 * The router: a committed message to the sessions of those it concerns. There are two ways in, and no other: the completion of an
 * append, and an arrival on the bus of what another node's append has completed. So nothing unsaved is ever sent.
 */
#include "node/internal.h"

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

static void route_to_group(struct route *route)
{
	struct group *group = chat_group_get(route->node, route->group);

	if (!group)
		return;
	for (size_t i = 0; i < group->count; i++) {
		struct session *session = group->sessions[i];
		struct mark *mark = chat_mark_get(session, route->group | CONV_GROUP);

		/*
		 * The membership has changed in a way that this node was not told of: whoever is
		 * still a member is found out by reading from the store.
		 */
		if (mark && group->epoch != route->epoch)
			chat_mark_fall_behind(session, mark, route->seq);
		route_to_session(session, route->group | CONV_GROUP, route);
	}
	group->epoch = route->epoch;
}

static void route_here(struct route *route)
{
	if (route->group) {
		route_to_group(route);
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

void chat_route_message(struct chat_node *node, const struct chat_op *op)
{
	const struct chat_op_append *append = &op->u.append;
	struct chat_event event = {.type = CHAT_EVENT_MESSAGE};
	struct route route = {.node = node,
			      .from = append->from,
			      .to = append->target.user,
			      .group = append->target.group,
			      .seq = append->seq,
			      .epoch = append->epoch,
			      .sender = op->origin.conn,
			      .hint_only = append->duplicate};

	event.u.message = (struct chat_message){
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
	route.broadcast.event = &event;
	route_here(&route);
	route_elsewhere(&route);
	chat_broadcast_finish(&route.broadcast);
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
