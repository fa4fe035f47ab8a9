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
	if (!user || chat_map_put(&node->users, id, user) != 0) {
		free(user);
		return NULL;
	}
	user->id = id;
	chat_list_init(&user->going);
	return user;
}

int chat_user_add_session(struct chat_node *node, chat_id id, struct session *session)
{
	struct user *user = chat_user_obtain(node, id);

	if (!user)
		return CHAT_ERR_NOMEM;
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
	free(group->sessions);
	free(group);
}

int chat_group_add(struct chat_node *node, chat_id id, uint32_t epoch, struct session *session)
{
	struct group *group = chat_group_get(node, id);

	if (!group) {
		group = calloc(1, sizeof(*group));
		if (!group || chat_map_put(&node->groups, id, group) != 0) {
			free(group);
			return CHAT_ERR_NOMEM;
		}
		group->id = id;
		group->epoch = epoch;
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

void chat_user_push(struct chat_node *node, chat_id id, const struct chat_event *event,
		    uint64_t except_conn)
{
	struct user *user = chat_user_get(node, id);
	struct broadcast broadcast = {.event = event};
	size_t high = push_high(node, event->type == CHAT_EVENT_TYPING);

	for (struct session *s = user ? user->sessions : NULL; s; s = s->next_of_user)
		if (s->conn->id != except_conn)
			chat_conn_push(s->conn, &broadcast, high);
	chat_broadcast_finish(&broadcast);
}

void chat_group_push(struct chat_node *node, chat_id id, const struct chat_event *event,
		     uint64_t except_conn, bool droppable)
{
	struct group *group = chat_group_get(node, id);
	struct broadcast broadcast = {.event = event};

	for (size_t i = 0; group && i < group->count; i++)
		if (group->sessions[i]->conn->id != except_conn)
			chat_conn_push(group->sessions[i]->conn, &broadcast,
				       push_high(node, droppable));
	chat_broadcast_finish(&broadcast);
}
