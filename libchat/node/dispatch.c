/* SPDX-License-Identifier: MIT */
/* From a request's type to what handles it. */
#include "node/internal.h"

static void handle_hello(struct conn *conn, const struct chat_request *request)
{
	static const struct chat_view features[] = {
		{"edit", 4}, {"recall", 6}, {"groups", 6}, {"presence", 8}};
	const struct chat_node_config *config = &conn->node->config;
	struct chat_event event = {.type = CHAT_EVENT_HELLO, .id = request->id};

	event.u.hello.server = chat_view_of(config->server);
	event.u.hello.node = chat_view_of(config->name);
	event.u.hello.max_frame = config->max_frame;
	event.u.hello.heartbeat_ms = config->heartbeat_ms;
	event.u.hello.features = features;
	event.u.hello.feature_count = sizeof(features) / sizeof(*features);
	chat_conn_send(conn, &event);
}

static void handle_ping(struct conn *conn, const struct chat_request *request)
{
	if (conn->node->draining)
		chat_conn_error(conn, &request->id, CHAT_CODE_SHUTTING_DOWN, NULL, 0);
	else
		chat_conn_reply(conn, &request->id, CHAT_EVENT_PONG);
}

static chat_handler *const handlers[CHAT_REQ_COUNT] = {
	[CHAT_REQ_HELLO] = handle_hello,
	[CHAT_REQ_PING] = handle_ping,
	[CHAT_REQ_REGISTER] = chat_handle_register,
	[CHAT_REQ_LOGIN] = chat_handle_login,
	[CHAT_REQ_LOGOUT] = chat_handle_logout,
	[CHAT_REQ_PASSWORD] = chat_handle_password,
	[CHAT_REQ_DEVICES] = chat_handle_devices,
	[CHAT_REQ_DEVICE_REMOVE] = chat_handle_device_remove,
	[CHAT_REQ_SEND] = chat_handle_append,
	[CHAT_REQ_EDIT] = chat_handle_append,
	[CHAT_REQ_RECALL] = chat_handle_append,
	[CHAT_REQ_ACK] = chat_handle_ack,
	[CHAT_REQ_READ] = chat_handle_read,
	[CHAT_REQ_TYPING] = chat_handle_typing,
	[CHAT_REQ_HISTORY] = chat_handle_history,
	[CHAT_REQ_CONVERSATIONS] = chat_handle_conversations,
	[CHAT_REQ_USER] = chat_handle_user,
	[CHAT_REQ_FRIEND_ADD] = chat_handle_friend,
	[CHAT_REQ_FRIEND_ACCEPT] = chat_handle_friend,
	[CHAT_REQ_FRIEND_DECLINE] = chat_handle_friend,
	[CHAT_REQ_FRIEND_REMOVE] = chat_handle_friend,
	[CHAT_REQ_FRIEND_BLOCK] = chat_handle_friend,
	[CHAT_REQ_FRIEND_UNBLOCK] = chat_handle_friend,
	[CHAT_REQ_FRIENDS] = chat_handle_friends,
	[CHAT_REQ_GROUP_CREATE] = chat_handle_group,
	[CHAT_REQ_GROUP_JOIN] = chat_handle_group,
	[CHAT_REQ_GROUP_LEAVE] = chat_handle_group,
	[CHAT_REQ_GROUP_INVITE] = chat_handle_group,
	[CHAT_REQ_GROUP_KICK] = chat_handle_group,
	[CHAT_REQ_GROUP_ROLE] = chat_handle_group,
	[CHAT_REQ_GROUP_UPDATE] = chat_handle_group,
	[CHAT_REQ_GROUP_DISSOLVE] = chat_handle_group,
	[CHAT_REQ_GROUP_MEMBERS] = chat_handle_members,
	[CHAT_REQ_GROUPS] = chat_handle_groups,
};

void chat_dispatch(struct conn *conn, const struct chat_request *request)
{
	handlers[request->type](conn, request);
}
