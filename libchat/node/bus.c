/* SPDX-License-Identifier: MIT */
/*
 * The bus, seen from the node: what is subscribed to, what is said, and what is done about what others say. Channels: one
 * for each user who has a session here, one for each group with such a member, and one for all nodes.
 *
 * A subscription takes a moment, and what was said in that moment is not heard. So whoever begins to listen asks the store once
 * more when the subscription is in force (sync.c); and after the bus was away everybody does: the sweep.
 */
#include "node/bus.h"

#include "node/internal.h"

void chat_node_set_bus(struct chat_node *node, const struct chat_bus *bus)
{
	node->bus = *bus;
}

void chat_bus_subscribe(struct chat_node *node, enum chat_channel_kind kind, chat_id id)
{
	if (node->bus.ops)
		node->bus_issued = node->bus.ops->subscribe(node->bus.context,
							    (struct chat_channel){kind, id});
}

void chat_bus_unsubscribe(struct chat_node *node, enum chat_channel_kind kind, chat_id id)
{
	if (node->bus.ops)
		node->bus.ops->unsubscribe(node->bus.context, (struct chat_channel){kind, id});
}

void chat_bus_publish(struct chat_node *node, enum chat_channel_kind kind, chat_id id,
		      struct bus_message *message, struct broadcast *broadcast)
{
	struct chat_buf *payload, *frame;

	if (!node->bus.ops)
		return;
	frame = broadcast ? chat_broadcast_encode(broadcast, &chat_codec_json) : NULL;
	if (frame)
		message->frame = (struct chat_view){frame->data, frame->len};
	message->origin = chat_view_of(node->config.name);
	payload = chat_bus_encode(message);
	if (payload)
		node->bus.ops->publish(node->bus.context, (struct chat_channel){kind, id}, payload);
	else
		node->bus_lost = true; /* told with the next heartbeat */
	chat_buf_unref(payload);
}

/* --- Coming and going -------------------------------------------------------------------------------- */

void chat_node_bus_connected(struct chat_node *node)
{
	chat_bus_subscribe(node, CHAT_CHANNEL_NODES, 0);
	for (size_t i = 0; i < node->users.capacity; i++) {
		struct user *user = node->users.slots[i];

		if (user && user->sessions)
			chat_bus_subscribe(node, CHAT_CHANNEL_USER, user->id);
	}
	for (size_t i = 0; i < node->groups.capacity; i++) {
		const struct group *group = node->groups.slots[i];

		if (group)
			chat_bus_subscribe(node, CHAT_CHANNEL_GROUP, group->id);
	}
	node->bus_sweep_at = node->bus_issued;
}

void chat_node_bus_confirmed(struct chat_node *node, uint64_t number)
{
	node->bus_confirmed = number;
	if (node->bus_sweep_at != 0 && number >= node->bus_sweep_at) {
		node->bus_sweep_at = 0;
		chat_sweep_start(node);
	}
	chat_sync_run(node);
	chat_conn_sweep(node);
}

void chat_node_bus_lost(struct chat_node *node)
{
	struct bus_message message = {.kind = BUS_SWEEP};

	node->bus_lost = false;
	chat_bus_publish(node, CHAT_CHANNEL_NODES, 0, &message, NULL);
}

/* --- What others say --------------------------------------------------------------------------------- */

static void receive_push(struct chat_node *node, const struct bus_message *message,
			 struct chat_buf *frame)
{
	struct broadcast broadcast = {.codec = &chat_codec_json, .buf = chat_buf_ref(frame)};
	bool droppable = (message->flags & BUS_DROPPABLE) != 0;

	if (message->group == 0)
		chat_user_push(node, message->other, &broadcast, 0, droppable);
	else
		chat_group_push(node, message->group, &broadcast, 0, message->user, droppable);
	chat_broadcast_finish(&broadcast);
	if (message->flags & BUS_DISSOLVED)
		chat_group_forget(node, message->group);
}

static void receive_member(struct chat_node *node, const struct bus_message *message,
			   struct chat_buf *frame)
{
	struct broadcast broadcast = {.codec = &chat_codec_json, .buf = chat_buf_ref(frame)};
	struct member_change change = {
		.group = message->group,
		.user = message->user,
		.joined = (message->flags & BUS_JOINED) != 0,
		.joined_seq = message->joined_seq,
		.epoch = (uint32_t)message->epoch,
	};

	if (change.joined)
		chat_group_apply(node, &change);
	if (message->flags & BUS_TO_USER)
		chat_user_push(node, message->user, &broadcast, 0, false);
	else
		chat_group_push(node, message->group, &broadcast, 0, message->user, false);
	if (!change.joined)
		chat_group_apply(node, &change);
	chat_broadcast_finish(&broadcast);
}

static void receive_bye(struct chat_node *node, const struct bus_message *message)
{
	const struct session *session = chat_session_get(node, message->session);
	uint64_t code = message->flags >> BUS_BYE_SHIFT;

	if (session && session->user->id == message->user && code < CHAT_BYE_COUNT &&
	    chat_view_equal(message->frame, chat_view_of(node->config.name)))
		chat_conn_bye(session->conn, (enum chat_bye)code, NULL);
}

/* What the store remembers of a conversation is old when somebody else has written there, or come or gone. */
static void tell_store(struct chat_node *node, const struct bus_message *message)
{
	if (node->store->ops->heard &&
	    (message->kind == BUS_MESSAGE || message->kind == BUS_MEMBER))
		node->store->ops->heard(
			node->store, chat_lane_of(message->group, message->user, message->other));
}

static void receive(struct chat_node *node, const struct bus_message *message,
		    struct chat_buf *frame)
{
	tell_store(node, message);
	switch (message->kind) {
	case BUS_MESSAGE:
		chat_route_remote(node, message, frame);
		break;
	case BUS_PUSH:
		receive_push(node, message, frame);
		break;
	case BUS_MEMBER:
		receive_member(node, message, frame);
		break;
	case BUS_BYE:
		receive_bye(node, message);
		break;
	case BUS_SWEEP:
		chat_sweep_start(node);
		break;
	case BUS_GOING:
		if (chat_view_equal(message->frame, chat_view_of(node->config.name)))
			chat_presence_going(node, message->user);
		break;
	}
}

void chat_node_bus_receive(struct chat_node *node, struct chat_view payload)
{
	struct bus_message message;
	struct chat_buf *frame;

	if (!chat_bus_decode(payload, &message) ||
	    chat_view_equal(message.origin, chat_view_of(node->config.name)))
		return;
	frame = chat_buf_copy(message.frame);
	if (frame)
		receive(node, &message, frame);
	else
		chat_sweep_start(node);
	chat_buf_unref(frame);
	chat_conn_sweep(node);
}
