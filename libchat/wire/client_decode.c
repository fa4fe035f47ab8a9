/* SPDX-License-Identifier: MIT */
/*
 * Events, decoded, for clients: strict about what is known, and blind to keys and types that are not, which is how
 * the protocol grows.
 */
#include <string.h>

#include "wire/client_read.h"

/* --- Words ------------------------------------------------------------------------------------------- */

static const char *role_word(int index)
{
	return chat_role_name((enum chat_role)index);
}

static const char *friend_state_word(int index)
{
	return chat_friend_state_name((enum chat_friend_state)index);
}

static const char *friend_event_word(int index)
{
	static const char *const names[] = {"requested", "accepted", "removed"};

	return names[index];
}

static const char *group_event_word(int index)
{
	return chat_group_event_name((enum chat_group_event)index);
}

static const char *bye_word(int index)
{
	return chat_bye_name((enum chat_bye)index);
}

static const char *code_word(int index)
{
	return chat_code_name((enum chat_code)index);
}

/* A role of a later version is none that this one knows. */
static enum chat_role take_role(struct take *take, json_t *object)
{
	return (enum chat_role)chat_take_word(take, object, "role", CHAT_ROLE_NONE,
					      CHAT_ROLE_OWNER + 1, role_word);
}

static enum chat_friend_state take_friend_state(struct take *take, json_t *object)
{
	return (enum chat_friend_state)chat_take_word(take, object, "state", CHAT_FRIEND_NONE,
						      CHAT_FRIEND_BLOCKED + 1, friend_state_word);
}

/* --- Shapes ------------------------------------------------------------------------------------------ */

static void take_user(struct take *take, json_t *object, struct chat_user *out)
{
	out->id = chat_take_id(take, object, "id");
	out->name = chat_take_string(take, object, "name");
}

static void take_user_key(struct take *take, json_t *object, struct chat_user *out)
{
	take_user(take, chat_take_object(take, object, "user"), out);
}

/* Exactly one of a person, under the given key, and a group. */
static void take_target(struct take *take, json_t *object, const char *user_key, chat_id *user,
			chat_id *group)
{
	*user = chat_take_id_optional(take, object, user_key);
	*group = chat_take_id_optional(take, object, "group");
	if ((*user == 0) == (*group == 0))
		chat_take_fail(take, user_key, "or group is needed, and not both");
}

static void take_message(struct take *take, json_t *object, struct chat_message *out)
{
	uint64_t edits = chat_take_optional(take, object, "edits", CHAT_ID_MAX, 0);
	uint64_t recalls = chat_take_optional(take, object, "recalls", CHAT_ID_MAX, 0);

	out->from = chat_take_id(take, object, "from");
	take_target(take, object, "to", &out->to, &out->group);
	out->seq = chat_take_integer(take, object, "seq", 1, CHAT_ID_MAX);
	out->time_ms = (int64_t)chat_take_integer(take, object, "time", 0, TAKE_INTEGER_MAX);
	out->text = chat_take_string(take, object, "text");
	out->data = chat_take_data(take, object, "data");
	out->edited = chat_take_flag(take, object, "edited");
	out->recalled = chat_take_flag(take, object, "recalled");
	if (edits != 0 && recalls != 0)
		chat_take_fail(take, "edits", "and recalls do not go together");
	out->kind = edits != 0	   ? CHAT_MESSAGE_EDIT
		    : recalls != 0 ? CHAT_MESSAGE_RECALL
				   : CHAT_MESSAGE_TEXT;
	out->changes = edits + recalls;
}

static void take_hello(struct take *take, json_t *object, struct chat_hello *out)
{
	json_t *list = NULL;
	size_t count = 0;
	struct chat_view *features;

	chat_take_integer(take, object, "version", 1, 1);
	out->server = chat_take_string(take, object, "server");
	out->node = chat_take_string(take, object, "node");
	out->max_frame = chat_take_small(take, object, "max_frame");
	out->heartbeat_ms = chat_take_small(take, object, "heartbeat");
	features = chat_take_array(take, object, "features", sizeof(*features), &list, &count);
	for (size_t i = 0; features && i < count; i++) {
		json_t *item = json_array_get(list, i);

		if (!json_is_string(item))
			chat_take_fail(take, "features", "must hold strings");
		else if (chat_arena_copy(take->arena, chat_view_of(json_string_value(item)),
					 &features[i]) != 0)
			take->result = CHAT_DECODE_NOMEM;
	}
	out->features = features;
	out->feature_count = count;
}

static void take_login(struct take *take, json_t *object, struct chat_login_reply *out)
{
	take_user_key(take, object, &out->user);
	out->device = chat_take_string(take, object, "device");
	out->token = chat_take_string(take, object, "token");
	if (out->token.len == 0) /* from here on it serves instead of the password */
		chat_take_fail(take, "token", "must not be empty");
	out->token_expires_ms =
		(int64_t)chat_take_integer(take, object, "token_expires", 0, TAKE_INTEGER_MAX);
	out->heartbeat_ms = chat_take_small(take, object, "heartbeat");
	out->pending = chat_take_small(take, object, "pending");
}

static void take_devices(struct take *take, json_t *object, struct chat_devices *out)
{
	json_t *list = NULL;
	struct chat_device *items =
		chat_take_array(take, object, "devices", sizeof(*items), &list, &out->count);

	for (size_t i = 0; items && i < out->count; i++) {
		json_t *item = chat_take_element(take, list, i, "devices");

		items[i].name = chat_take_string(take, item, "device");
		items[i].online = chat_take_bool(take, item, "online");
		items[i].since_ms =
			(int64_t)chat_take_integer(take, item, "since", 0, TAKE_INTEGER_MAX);
	}
	out->items = items;
}

static void take_sent(struct take *take, json_t *object, struct chat_sent *out)
{
	out->seq = chat_take_integer(take, object, "seq", 1, CHAT_ID_MAX);
	out->time_ms = (int64_t)chat_take_integer(take, object, "time", 0, TAKE_INTEGER_MAX);
	out->duplicate = chat_take_flag(take, object, "duplicate");
}

static void take_history(struct take *take, json_t *object, struct chat_history *out)
{
	json_t *list = NULL;
	struct chat_message *messages =
		chat_take_array(take, object, "messages", sizeof(*messages), &list, &out->count);

	for (size_t i = 0; messages && i < out->count; i++)
		take_message(take, chat_take_element(take, list, i, "messages"), &messages[i]);
	out->messages = messages;
	out->more = chat_take_bool(take, object, "more");
}

static void take_conversation(struct take *take, json_t *object, struct chat_conversation *out)
{
	json_t *last = json_object_get(object, "last");
	struct chat_message *message;

	take_target(take, object, "user", &out->target.user, &out->target.group);
	out->name = chat_take_string(take, object, "name");
	out->last_seq = chat_take_integer(take, object, "last_seq", 0, CHAT_ID_MAX);
	out->delivered_seq = chat_take_integer(take, object, "delivered_seq", 0, CHAT_ID_MAX);
	out->read_seq = chat_take_integer(take, object, "read_seq", 0, CHAT_ID_MAX);
	if (out->read_seq > out->last_seq)
		chat_take_fail(take, "read_seq", "is beyond last_seq");
	out->peer_hidden = out->target.group == 0 && !json_object_get(object, "peer_delivered_seq");
	if (out->target.group == 0 && !out->peer_hidden) {
		out->peer_delivered_seq =
			chat_take_integer(take, object, "peer_delivered_seq", 0, CHAT_ID_MAX);
		out->peer_read_seq =
			chat_take_optional(take, object, "peer_read_seq", CHAT_ID_MAX, 0);
	}
	if (!last)
		return;
	message = chat_arena_alloc(take->arena, sizeof(*message));
	if (!message) {
		take->result = CHAT_DECODE_NOMEM;
		return;
	}
	take_message(take, chat_take_object(take, object, "last"), message);
	out->last = message;
}

/* The cursor of the page after; 0: this is the last. */
static uint64_t take_next(struct take *take, json_t *object)
{
	return chat_take_optional(take, object, "next", CHAT_ID_MAX, 0);
}

static void take_conversations(struct take *take, json_t *object, struct chat_conversations *out)
{
	json_t *list = NULL;
	struct chat_conversation *items =
		chat_take_array(take, object, "conversations", sizeof(*items), &list, &out->count);

	for (size_t i = 0; items && i < out->count; i++)
		take_conversation(take, chat_take_element(take, list, i, "conversations"),
				  &items[i]);
	out->items = items;
	out->next = take_next(take, object);
}

static void take_friends(struct take *take, json_t *object, struct chat_friends *out)
{
	json_t *list = NULL;
	struct chat_friend *items =
		chat_take_array(take, object, "friends", sizeof(*items), &list, &out->count);

	for (size_t i = 0; items && i < out->count; i++) {
		json_t *item = chat_take_element(take, list, i, "friends");

		take_user(take, item, &items[i].user);
		items[i].state = take_friend_state(take, item);
		if (items[i].state == CHAT_FRIEND_FRIENDS) /* it is there for these alone */
			items[i].online = chat_take_flag(take, item, "online");
	}
	out->items = items;
	out->next = take_next(take, object);
}

static void take_group(struct take *take, json_t *object, struct chat_group *out)
{
	out->id = chat_take_id(take, object, "id");
	out->name = chat_take_string(take, object, "name");
	out->description = chat_take_string_optional(take, object, "description");
	out->open = chat_take_bool(take, object, "open");
	out->role = take_role(take, object);
	out->members = chat_take_small(take, object, "members");
}

static void take_members(struct take *take, json_t *object, struct chat_members *out)
{
	json_t *list = NULL;
	struct chat_member *items =
		chat_take_array(take, object, "members", sizeof(*items), &list, &out->count);

	for (size_t i = 0; items && i < out->count; i++) {
		json_t *item = chat_take_element(take, list, i, "members");

		take_user(take, item, &items[i].user);
		items[i].role = take_role(take, item);
		items[i].online = chat_take_bool(take, item, "online");
	}
	out->items = items;
	out->next = take_next(take, object);
}

static void take_invitations(struct take *take, json_t *object, struct chat_groups *out)
{
	json_t *list = NULL;
	struct chat_invitation *items;

	out->first_page = json_object_get(object, "invitations") != NULL;
	if (!out->first_page)
		return;
	items = chat_take_array(take, object, "invitations", sizeof(*items), &list,
				&out->invitation_count);
	for (size_t i = 0; items && i < out->invitation_count; i++) {
		json_t *item = chat_take_element(take, list, i, "invitations");
		json_t *group = chat_take_object(take, item, "group");

		items[i].group = chat_take_id(take, group, "id");
		items[i].group_name = chat_take_string(take, group, "name");
		items[i].by = chat_take_id(take, item, "by");
	}
	out->invitations = items;
}

static void take_groups(struct take *take, json_t *object, struct chat_groups *out)
{
	json_t *list = NULL;
	struct chat_group *items =
		chat_take_array(take, object, "groups", sizeof(*items), &list, &out->count);

	for (size_t i = 0; items && i < out->count; i++)
		take_group(take, chat_take_element(take, list, i, "groups"), &items[i]);
	out->items = items;
	take_invitations(take, object, out);
	out->next = take_next(take, object);
}

static void take_error(struct take *take, json_t *object, struct chat_error_reply *out)
{
	/* A code of a later version is an error all the same: chat_code_parse's way with it. */
	out->code = (enum chat_code)chat_take_word(take, object, "code", CHAT_CODE_BAD_JSON,
						   CHAT_CODE_COUNT, code_word);
	if (take->unknown)
		out->code = CHAT_CODE_INTERNAL;
	take->unknown = false;
	out->message = chat_take_string_optional(take, object, "message");
	out->retry_after_ms = chat_take_small_optional(take, object, "retry_after");
}

static void take_mark(struct take *take, json_t *object, bool typing, struct chat_mark *out)
{
	out->by = chat_take_id(take, object, typing ? "from" : "by");
	take_target(take, object, "to", &out->to, &out->group);
	if (!typing)
		out->seq = chat_take_integer(take, object, "seq", 1, CHAT_ID_MAX);
}

static void take_group_change(struct take *take, json_t *object, struct chat_group_change *out)
{
	out->event = (enum chat_group_event)chat_take_word(
		take, object, "event", 0, CHAT_GROUP_EVENT_COUNT, group_event_word);
	if (take->unknown)
		return;
	out->group = chat_take_id(take, object, "group");
	out->user = chat_take_id_optional(take, object, "user");
	out->by = chat_take_id_optional(take, object, "by");
	if (out->event == CHAT_GROUP_ROLE)
		out->role = take_role(take, object);
	if (out->user == 0 && out->event != CHAT_GROUP_UPDATED &&
	    out->event != CHAT_GROUP_DISSOLVED)
		chat_take_fail(take, "user", "is missing");
}

static void take_bye(struct take *take, json_t *object, struct chat_bye_push *out)
{
	out->reconnect = chat_take_bool(take, object, "reconnect");
	out->code =
		(enum chat_bye)chat_take_word(take, object, "code", 0, CHAT_BYE_COUNT, bye_word);
	if (take->unknown) /* one of a later version: whether to come back is what counts */
		out->code = out->reconnect ? CHAT_BYE_SHUTDOWN : CHAT_BYE_PROTOCOL_ERROR;
	take->unknown = false;
	out->message = chat_take_string_optional(take, object, "message");
	out->retry_after_ms = chat_take_small_optional(take, object, "retry_after");
}

/* --- Frames ------------------------------------------------------------------------------------------ */

/* What an `ok` carries, by what was asked. */
static enum chat_event_type reply_type(enum chat_request_type asked)
{
	static const uint8_t types[CHAT_REQ_COUNT] = {
		[CHAT_REQ_HELLO] = CHAT_EVENT_HELLO,
		[CHAT_REQ_REGISTER] = CHAT_EVENT_REGISTERED,
		[CHAT_REQ_LOGIN] = CHAT_EVENT_LOGIN,
		[CHAT_REQ_DEVICES] = CHAT_EVENT_DEVICES,
		[CHAT_REQ_SEND] = CHAT_EVENT_SENT,
		[CHAT_REQ_EDIT] = CHAT_EVENT_SENT,
		[CHAT_REQ_RECALL] = CHAT_EVENT_SENT,
		[CHAT_REQ_HISTORY] = CHAT_EVENT_HISTORY,
		[CHAT_REQ_CONVERSATIONS] = CHAT_EVENT_CONVERSATIONS,
		[CHAT_REQ_USER] = CHAT_EVENT_USER,
		[CHAT_REQ_FRIEND_ADD] = CHAT_EVENT_FRIEND_STATE,
		[CHAT_REQ_FRIENDS] = CHAT_EVENT_FRIENDS,
		[CHAT_REQ_GROUP_CREATE] = CHAT_EVENT_GROUP,
		[CHAT_REQ_GROUP_JOIN] = CHAT_EVENT_GROUP,
		[CHAT_REQ_GROUP_UPDATE] = CHAT_EVENT_GROUP,
		[CHAT_REQ_GROUP_MEMBERS] = CHAT_EVENT_MEMBERS,
		[CHAT_REQ_GROUPS] = CHAT_EVENT_GROUPS,
	};

	return asked < CHAT_REQ_COUNT ? (enum chat_event_type)types[asked] : CHAT_EVENT_OK;
}

static void take_reply(struct take *take, json_t *object, struct chat_event *out)
{
	switch (out->type) {
	case CHAT_EVENT_HELLO:
		take_hello(take, object, &out->u.hello);
		break;
	case CHAT_EVENT_REGISTERED:
	case CHAT_EVENT_USER:
		take_user_key(take, object, &out->u.user);
		break;
	case CHAT_EVENT_LOGIN:
		take_login(take, object, &out->u.login);
		break;
	case CHAT_EVENT_DEVICES:
		take_devices(take, object, &out->u.devices);
		break;
	case CHAT_EVENT_SENT:
		take_sent(take, object, &out->u.sent);
		break;
	case CHAT_EVENT_HISTORY:
		take_history(take, object, &out->u.history);
		break;
	case CHAT_EVENT_CONVERSATIONS:
		take_conversations(take, object, &out->u.conversations);
		break;
	case CHAT_EVENT_FRIEND_STATE:
		out->u.friend_state = take_friend_state(take, object);
		break;
	case CHAT_EVENT_FRIENDS:
		take_friends(take, object, &out->u.friends);
		break;
	case CHAT_EVENT_GROUP:
		take_group(take, chat_take_object(take, object, "group"), &out->u.group);
		break;
	case CHAT_EVENT_MEMBERS:
		take_members(take, object, &out->u.members);
		break;
	case CHAT_EVENT_GROUPS:
		take_groups(take, object, &out->u.groups);
		break;
	default: /* no payload */
		break;
	}
	take->unknown = false;
}

static void take_push(struct take *take, json_t *object, struct chat_event *out)
{
	switch (out->type) {
	case CHAT_EVENT_MESSAGE:
		take_message(take, object, &out->u.message);
		break;
	case CHAT_EVENT_DELIVERED:
	case CHAT_EVENT_READ:
	case CHAT_EVENT_TYPING:
		take_mark(take, object, out->type == CHAT_EVENT_TYPING, &out->u.mark);
		break;
	case CHAT_EVENT_PRESENCE:
		out->u.presence.user = chat_take_id(take, object, "user");
		out->u.presence.online = chat_take_bool(take, object, "online");
		break;
	case CHAT_EVENT_FRIEND:
		out->u.friend_change.event = (enum chat_friend_event)chat_take_word(
			take, object, "event", 0, 3, friend_event_word);
		if (!take->unknown)
			take_user_key(take, object, &out->u.friend_change.user);
		break;
	case CHAT_EVENT_GROUP_CHANGE:
		take_group_change(take, object, &out->u.group_change);
		break;
	default:
		take_bye(take, object, &out->u.bye);
		break;
	}
}

/* CHAT_EVENT_TYPE_COUNT: a type that this version does not know. */
static enum chat_event_type event_type(const char *name)
{
	static const struct {
		const char *name;
		enum chat_event_type type;
	} types[] = {
		{"ok", CHAT_EVENT_OK},
		{"pong", CHAT_EVENT_PONG},
		{"error", CHAT_EVENT_ERROR},
		{"message", CHAT_EVENT_MESSAGE},
		{"delivered", CHAT_EVENT_DELIVERED},
		{"read", CHAT_EVENT_READ},
		{"typing", CHAT_EVENT_TYPING},
		{"presence", CHAT_EVENT_PRESENCE},
		{"friend", CHAT_EVENT_FRIEND},
		{"group", CHAT_EVENT_GROUP_CHANGE},
		{"bye", CHAT_EVENT_BYE},
	};

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (strcmp(name, types[i].name) == 0)
			return types[i].type;
	return CHAT_EVENT_TYPE_COUNT;
}

static void take_ok(struct take *take, json_t *object, const struct chat_expect *expect,
		    struct chat_event *out)
{
	enum chat_request_type asked = expect->type(expect->context, &out->id);
	bool pong = out->type == CHAT_EVENT_PONG;

	if (asked != CHAT_REQ_COUNT && pong != (asked == CHAT_REQ_PING)) {
		chat_take_fail(take, "type", "is not that of a reply to what was asked");
		return;
	}
	if (pong)
		return;
	out->type = reply_type(asked);
	take_reply(take, object, out);
}

/* False: a frame that this version does not know, to be dropped. */
static bool take_frame(struct take *take, json_t *object, const struct chat_expect *expect,
		       struct chat_event *out)
{
	json_t *type = json_object_get(object, "type");

	if (!json_is_string(type)) {
		chat_take_fail(take, "type", "must be a string");
		return true;
	}
	out->type = event_type(json_string_value(type));
	if (out->type == CHAT_EVENT_TYPE_COUNT)
		return false;
	if (out->type < CHAT_EVENT_MESSAGE && !chat_wire_read_id(object, &out->id)) {
		chat_take_fail(take, "id", "must be an integer or a string");
		return true;
	}
	if (out->type >= CHAT_EVENT_MESSAGE)
		take_push(take, object, out);
	else if (out->type == CHAT_EVENT_ERROR)
		take_error(take, object, &out->u.error);
	else
		take_ok(take, object, expect, out);
	return !take->unknown || take->result != CHAT_DECODE_OK;
}

enum chat_decode_result chat_wire_decode_event(struct chat_decoder *decoder, struct chat_view bytes,
					       size_t max_frame, const struct chat_expect *expect,
					       struct chat_arena *arena, struct chat_event *out,
					       struct chat_decode_error *error, size_t *consumed)
{
	size_t done = 0;

	for (;;) {
		struct take take = {.arena = arena, .error = error, .result = CHAT_DECODE_OK};
		struct chat_view rest = {bytes.data + done, bytes.len - done};
		struct chat_view line;
		json_t *object = NULL;
		size_t used;
		bool known = true;

		take.result = chat_wire_take_line(decoder, rest, max_frame, &line, &used);
		done += used;
		*consumed = done;
		if (take.result != CHAT_DECODE_OK)
			return take.result;
		*out = (struct chat_event){0};
		error->id = (struct chat_request_id){0};
		take.result = chat_wire_parse(line, WIRE_DEPTH_MAX, &object, error);
		if (take.result == CHAT_DECODE_OK) {
			chat_wire_walk_init(&take.walk, line, object);
			known = take_frame(&take, object, expect, out);
		}
		json_decref(object);
		if (known)
			return take.result;
	}
}
