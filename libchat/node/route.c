/* SPDX-License-Identifier: MIT */
/*
 * The router: a committed message to the sessions of those it concerns. It is called from the completion of an
 * append, which is the one place where a message becomes known to be committed, so nothing unsaved is ever sent.
 */
#include "node/internal.h"

struct route {
	struct chat_node *node;
	uint64_t seq;
	uint64_t sender; /* connection */
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
	if (!mark && !(key & CONV_GROUP))
		mark = chat_mark_add(session, key, 0);
	if (!mark || route->seq <= mark->pushed)
		return;
	next = !mark->behind && mark->pushed + 1 == route->seq;
	if (session->conn->id == route->sender) {
		route_to_own(session, mark, route);
	} else if (next && !route->hint_only &&
		   chat_conn_push(session->conn, &route->broadcast,
				  route->node->config.output_high)) {
		mark->pushed = route->seq;
		route->node->stats.pushes++;
	} else {
		chat_mark_fall_behind(session, mark, route->seq);
	}
	chat_catchup_run(session);
}

static void route_to_user(chat_id id, conv_key key, struct route *route)
{
	struct user *user = chat_user_get(route->node, id);

	for (struct session *s = user ? user->sessions : NULL; s; s = s->next_of_user)
		route_to_session(s, key, route);
}

static void route_to_group(chat_id id, uint32_t epoch, struct route *route)
{
	struct group *group = chat_group_get(route->node, id);

	if (!group)
		return;
	for (size_t i = 0; i < group->count; i++) {
		struct session *session = group->sessions[i];
		struct mark *mark = chat_mark_get(session, id | CONV_GROUP);

		/*
		 * The membership has changed in a way that this node was not told of: whoever is
		 * still a member is found out by reading from the store.
		 */
		if (mark && group->epoch != epoch)
			chat_mark_fall_behind(session, mark, route->seq);
		route_to_session(session, id | CONV_GROUP, route);
	}
	group->epoch = epoch;
}

void chat_route_message(struct chat_node *node, const struct chat_op *op)
{
	const struct chat_op_append *append = &op->u.append;
	struct chat_event event = {.type = CHAT_EVENT_MESSAGE};
	struct route route = {.node = node,
			      .seq = append->seq,
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
	if (append->target.group) {
		route_to_group(append->target.group, append->epoch, &route);
	} else {
		route_to_user(append->from, append->target.user, &route);
		if (append->target.user != append->from)
			route_to_user(append->target.user, append->from, &route);
	}
	chat_broadcast_finish(&route.broadcast);
}
