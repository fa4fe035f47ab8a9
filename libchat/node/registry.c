/* SPDX-License-Identifier: MIT */
/*
 * Who is here: users with their sessions, groups with the sessions of their members; and pushes to all of
 * these, each encoded once.
 */
#include "node/internal.h"

#include <assert.h>
#include <stdlib.h>

struct user *chat_user_get(struct chat_node *node, chat_id id)
{
	return chat_map_get(&node->users, id);
}

struct user *chat_user_obtain(struct chat_node *node, chat_id id)
{
	struct user *user = chat_user_get(node, id);

	if (user)
		return user;
	user = calloc(1, sizeof(*user));
	if (!user)
		return NULL;
	user->id = id;
	if (chat_map_put(&node->users, user) != 0) {
		free(user);
		return NULL;
	}
	chat_list_init(&user->going);
	return user;
}

int chat_user_add_session(struct chat_node *node, chat_id id, struct session *session)
{
	struct user *user = chat_user_obtain(node, id);

	if (!user)
		return CHAT_ERR_NOMEM;
	if (!user->sessions)
		chat_bus_subscribe(node, CHAT_CHANNEL_USER, id);
	session->user = user;
	session->next_of_user = user->sessions;
	user->sessions = session;
	return 0;
}

void chat_user_remove_session(struct chat_node *node, struct session *session)
{
	struct session **link = &session->user->sessions;

	while (*link != session)
		link = &(*link)->next_of_user;
	*link = session->next_of_user;
	if (!session->user->sessions)
		chat_bus_unsubscribe(node, CHAT_CHANNEL_USER, session->user->id);
	chat_user_release(node, session->user);
}

/* A user who has no session here and of whose going nobody waits to be told is forgotten. */
void chat_user_release(struct chat_node *node, struct user *user)
{
	if (user->sessions || user->going_at_ms != 0)
		return;
	chat_list_remove(&user->going);
	chat_map_remove(&node->users, user->id);
	free(user);
}

struct group *chat_group_get(struct chat_node *node, chat_id id)
{
	return chat_map_get(&node->groups, id);
}

static int group_reserve(struct group *group)
{
	size_t capacity = group->capacity ? group->capacity * 2 : 4;
	struct session **sessions;

	if (group->count < group->capacity)
		return 0;
	sessions = realloc(group->sessions, capacity * sizeof(*sessions));
	if (!sessions)
		return CHAT_ERR_NOMEM;
	group->sessions = sessions;
	group->capacity = capacity;
	return 0;
}

static void group_release(struct chat_node *node, struct group *group)
{
	if (group->count > 0)
		return;
	chat_map_remove(&node->groups, group->id);
	chat_bus_unsubscribe(node, CHAT_CHANNEL_GROUP, group->id);
	free(group->sessions);
	free(group);
}

int chat_group_add(struct chat_node *node, chat_id id, uint32_t epoch, struct session *session)
{
	struct group *group = chat_group_get(node, id);

	if (!group) {
		group = calloc(1, sizeof(*group));
		if (!group)
			return CHAT_ERR_NOMEM;
		group->id = id;
		if (chat_map_put(&node->groups, group) != 0) {
			free(group);
			return CHAT_ERR_NOMEM;
		}
		group->epoch = epoch;
		chat_bus_subscribe(node, CHAT_CHANNEL_GROUP, id);
	}
	for (size_t i = 0; i < group->count; i++)
		if (group->sessions[i] == session)
			return 0;
	if (group_reserve(group) != 0) {
		group_release(node, group);
		return CHAT_ERR_NOMEM;
	}
	group->sessions[group->count++] = session;
	return 0;
}

void chat_group_remove(struct chat_node *node, chat_id id, struct session *session)
{
	struct group *group = chat_group_get(node, id);

	for (size_t i = 0; group && i < group->count; i++) {
		if (group->sessions[i] != session)
			continue;
		group->sessions[i] = group->sessions[--group->count];
		group_release(node, group);
		return;
	}
}

/*
 * Pushes that are no messages are not kept anywhere: to a connection that does not read they are dropped, the
 * typing first, the rest past twice the output's bound.
 */
static size_t push_high(const struct chat_node *node, bool droppable)
{
	return droppable ? node->config.output_high / 2 : (size_t)node->config.output_high * 2;
}

void chat_user_push(struct chat_node *node, chat_id id, struct broadcast *broadcast,
		    uint64_t except_conn, bool droppable)
{
	struct user *user = chat_user_get(node, id);
	size_t high = push_high(node, droppable);

	for (struct session *s = user ? user->sessions : NULL; s; s = s->next_of_user)
		if (s->conn->id != except_conn)
			chat_conn_push(s->conn, broadcast, high);
}

void chat_group_push(struct chat_node *node, chat_id id, struct broadcast *broadcast,
		     uint64_t except_conn, chat_id except_user, bool droppable)
{
	struct group *group = chat_group_get(node, id);
	size_t high = push_high(node, droppable);

	for (size_t i = 0; group && i < group->count; i++) {
		struct session *session = group->sessions[i];

		if (session->conn->id != except_conn && session->user->id != except_user)
			chat_conn_push(session->conn, broadcast, high);
	}
}

/* To the other nodes, of the same event. */
static void push_publish(struct chat_node *node, enum chat_channel_kind kind, chat_id id,
			 struct broadcast *broadcast, bool droppable)
{
	struct bus_message message = {.kind = BUS_PUSH, .flags = droppable ? BUS_DROPPABLE : 0};

	message.other = kind == CHAT_CHANNEL_USER ? id : 0;
	message.group = kind == CHAT_CHANNEL_GROUP ? id : 0;
	chat_bus_publish(node, kind, id, &message, broadcast);
}

void chat_user_tell(struct chat_node *node, chat_id user, const struct chat_event *event,
		    uint64_t except_conn)
{
	struct broadcast broadcast = {.event = event};
	bool droppable = event->type == CHAT_EVENT_TYPING;

	chat_user_push(node, user, &broadcast, except_conn, droppable);
	push_publish(node, CHAT_CHANNEL_USER, user, &broadcast, droppable);
	chat_broadcast_finish(&broadcast);
}

void chat_group_tell(struct chat_node *node, chat_id group, const struct chat_event *event,
		     uint64_t except_conn, bool droppable)
{
	struct broadcast broadcast = {.event = event};

	chat_group_push(node, group, &broadcast, except_conn, 0, droppable);
	push_publish(node, CHAT_CHANNEL_GROUP, group, &broadcast, droppable);
	chat_broadcast_finish(&broadcast);
}
