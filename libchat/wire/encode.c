/* SPDX-License-Identifier: MIT */
/* Events to JSON. */
#include "wire/out.h"
#include "wire/wire.h"

/* --- Shapes ------------------------------------------------------------------------------------------ */

static void user_keys(struct out *out, const struct chat_user *user)
{
	key_integer(out, "id", user->id);
	key_string(out, "name", user->name);
}

static void key_user(struct out *out, const struct chat_user *user)
{
	key(out, "user");
	put(out, '{');
	user_keys(out, user);
	put(out, '}');
}

static void target_keys(struct out *out, chat_id user, chat_id group, const char *user_key)
{
	if (group != 0)
		key_integer(out, "group", group);
	else
		key_integer(out, user_key, user);
}

static void message_keys(struct out *out, const struct chat_message *message)
{
	key_integer(out, "from", message->from);
	target_keys(out, message->to, message->group, "to");
	key_integer(out, "seq", message->seq);
	key_integer(out, "time", (uint64_t)message->time_ms);
	key_string(out, "text", message->text);
	if (message->data.len > 0) {
		key(out, "data");
		raw(out, message->data);
	}
	if (message->kind == CHAT_MESSAGE_EDIT)
		key_integer(out, "edits", message->changes);
	if (message->kind == CHAT_MESSAGE_RECALL)
		key_integer(out, "recalls", message->changes);
	key_true(out, "edited", message->edited);
	key_true(out, "recalled", message->recalled);
}

static void hello_keys(struct out *out, const struct chat_hello *hello)
{
	key_integer(out, "version", 1);
	key_string(out, "server", hello->server);
	key_string(out, "node", hello->node);
	key_integer(out, "max_frame", hello->max_frame);
	key_integer(out, "heartbeat", hello->heartbeat_ms);
	key(out, "features");
	put(out, '[');
	for (size_t i = 0; i < hello->feature_count; i++) {
		if (i > 0)
			put(out, ',');
		string(out, hello->features[i]);
	}
	put(out, ']');
}

static void error_keys(struct out *out, const struct chat_error_reply *error)
{
	key_text(out, "code", chat_code_name(error->code));
	if (error->message.len > 0)
		key_string(out, "message", error->message);
	else
		key_text(out, "message", chat_code_phrase(error->code));
	key_some(out, "retry_after", error->retry_after_ms);
}

static void login_keys(struct out *out, const struct chat_login_reply *login)
{
	key_user(out, &login->user);
	key_string(out, "device", login->device);
	key_string(out, "token", login->token);
	key_integer(out, "token_expires", (uint64_t)login->token_expires_ms);
	key_integer(out, "heartbeat", login->heartbeat_ms);
	key_integer(out, "pending", login->pending);
}

static void devices_keys(struct out *out, const struct chat_devices *devices)
{
	key(out, "devices");
	put(out, '[');
	for (size_t i = 0; i < devices->count; i++) {
		begin(out, '{');
		key_string(out, "device", devices->items[i].name);
		key_bool(out, "online", devices->items[i].online);
		key_integer(out, "since", (uint64_t)devices->items[i].since_ms);
		put(out, '}');
	}
	put(out, ']');
}

static void history_keys(struct out *out, const struct chat_history *history)
{
	key(out, "messages");
	put(out, '[');
	for (size_t i = 0; i < history->count; i++) {
		begin(out, '{');
		message_keys(out, &history->messages[i]);
		put(out, '}');
	}
	put(out, ']');
	key_bool(out, "more", history->more);
}

static void conversation_keys(struct out *out, const struct chat_conversation *item)
{
	target_keys(out, item->target.user, item->target.group, "user");
	key_string(out, "name", item->name);
	key_integer(out, "last_seq", item->last_seq);
	key_integer(out, "delivered_seq", item->delivered_seq);
	key_integer(out, "read_seq", item->read_seq);
	key_integer(out, "unread", item->last_seq - item->read_seq);
	if (item->target.group == 0 && !item->peer_hidden) {
		key_integer(out, "peer_delivered_seq", item->peer_delivered_seq);
		key_integer(out, "peer_read_seq", item->peer_read_seq);
	}
	if (item->last) {
		key(out, "last");
		put(out, '{');
		message_keys(out, item->last);
		put(out, '}');
	}
}

static void conversations_keys(struct out *out, const struct chat_conversations *page)
{
	key(out, "conversations");
	put(out, '[');
	for (size_t i = 0; i < page->count; i++) {
		begin(out, '{');
		conversation_keys(out, &page->items[i]);
		put(out, '}');
	}
	put(out, ']');
	key_some(out, "next", page->next);
}

static void friends_keys(struct out *out, const struct chat_friends *page)
{
	key(out, "friends");
	put(out, '[');
	for (size_t i = 0; i < page->count; i++) {
		const struct chat_friend *item = &page->items[i];

		begin(out, '{');
		user_keys(out, &item->user);
		key_text(out, "state", chat_friend_state_name(item->state));
		if (item->state == CHAT_FRIEND_FRIENDS)
			key_bool(out, "online", item->online);
		put(out, '}');
	}
	put(out, ']');
	key_some(out, "next", page->next);
}

static void group_keys(struct out *out, const struct chat_group *group)
{
	key_integer(out, "id", group->id);
	key_string(out, "name", group->name);
	key_string(out, "description", group->description);
	key_bool(out, "open", group->open);
	key_text(out, "role", chat_role_name(group->role));
	key_integer(out, "members", group->members);
}

static void members_keys(struct out *out, const struct chat_members *page)
{
	key(out, "members");
	put(out, '[');
	for (size_t i = 0; i < page->count; i++) {
		begin(out, '{');
		user_keys(out, &page->items[i].user);
		key_text(out, "role", chat_role_name(page->items[i].role));
		key_bool(out, "online", page->items[i].online);
		put(out, '}');
	}
	put(out, ']');
	key_some(out, "next", page->next);
}

static void invitation_keys(struct out *out, const struct chat_invitation *item)
{
	key(out, "group");
	put(out, '{');
	key_integer(out, "id", item->group);
	key_string(out, "name", item->group_name);
	put(out, '}');
	key_integer(out, "by", item->by);
}

static void groups_keys(struct out *out, const struct chat_groups *page)
{
	key(out, "groups");
	put(out, '[');
	for (size_t i = 0; i < page->count; i++) {
		begin(out, '{');
		group_keys(out, &page->items[i]);
		put(out, '}');
	}
	put(out, ']');
	if (page->first_page) {
		key(out, "invitations");
		put(out, '[');
		for (size_t i = 0; i < page->invitation_count; i++) {
			begin(out, '{');
			invitation_keys(out, &page->invitations[i]);
			put(out, '}');
		}
		put(out, ']');
	}
	key_some(out, "next", page->next);
}

static void group_change_keys(struct out *out, const struct chat_group_change *change)
{
	key_text(out, "event", chat_group_event_name(change->event));
	key_integer(out, "group", change->group);
	key_some(out, "user", change->user);
	key_some(out, "by", change->by);
	if (change->role != CHAT_ROLE_NONE)
		key_text(out, "role", chat_role_name(change->role));
}

static void bye_keys(struct out *out, const struct chat_bye_push *bye)
{
	key_text(out, "code", chat_bye_name(bye->code));
	key_string(out, "message", bye->message);
	key_bool(out, "reconnect", bye->reconnect);
	key_some(out, "retry_after", bye->retry_after_ms);
}

static void mark_keys(struct out *out, const struct chat_event *event)
{
	const struct chat_mark *mark = &event->u.mark;

	key_integer(out, event->type == CHAT_EVENT_TYPING ? "from" : "by", mark->by);
	target_keys(out, mark->to, mark->group, "to");
	key_some(out, "seq", mark->seq);
}

static void friend_change_keys(struct out *out, const struct chat_friend_change *change)
{
	static const char *const names[] = {"requested", "accepted", "removed"};

	key_text(out, "event", names[change->event]);
	key_user(out, &change->user);
}

static void sent_keys(struct out *out, const struct chat_sent *sent)
{
	key_integer(out, "seq", sent->seq);
	key_integer(out, "time", (uint64_t)sent->time_ms);
	key_true(out, "duplicate", sent->duplicate);
}

static void reply_keys(struct out *out, const struct chat_event *event)
{
	switch (event->type) {
	case CHAT_EVENT_ERROR:
		error_keys(out, &event->u.error);
		break;
	case CHAT_EVENT_HELLO:
		hello_keys(out, &event->u.hello);
		break;
	case CHAT_EVENT_REGISTERED:
	case CHAT_EVENT_USER:
		key_user(out, &event->u.user);
		break;
	case CHAT_EVENT_LOGIN:
		login_keys(out, &event->u.login);
		break;
	case CHAT_EVENT_DEVICES:
		devices_keys(out, &event->u.devices);
		break;
	case CHAT_EVENT_SENT:
		sent_keys(out, &event->u.sent);
		break;
	case CHAT_EVENT_HISTORY:
		history_keys(out, &event->u.history);
		break;
	case CHAT_EVENT_CONVERSATIONS:
		conversations_keys(out, &event->u.conversations);
		break;
	case CHAT_EVENT_FRIEND_STATE:
		key_text(out, "state", chat_friend_state_name(event->u.friend_state));
		break;
	case CHAT_EVENT_FRIENDS:
		friends_keys(out, &event->u.friends);
		break;
	case CHAT_EVENT_GROUP:
		key(out, "group");
		put(out, '{');
		group_keys(out, &event->u.group);
		put(out, '}');
		break;
	case CHAT_EVENT_MEMBERS:
		members_keys(out, &event->u.members);
		break;
	case CHAT_EVENT_GROUPS:
		groups_keys(out, &event->u.groups);
		break;
	default:
		break;
	}
}

static void push_keys(struct out *out, const struct chat_event *event)
{
	switch (event->type) {
	case CHAT_EVENT_MESSAGE:
		message_keys(out, &event->u.message);
		break;
	case CHAT_EVENT_DELIVERED:
	case CHAT_EVENT_READ:
	case CHAT_EVENT_TYPING:
		mark_keys(out, event);
		break;
	case CHAT_EVENT_PRESENCE:
		key_integer(out, "user", event->u.presence.user);
		key_bool(out, "online", event->u.presence.online);
		break;
	case CHAT_EVENT_FRIEND:
		friend_change_keys(out, &event->u.friend_change);
		break;
	case CHAT_EVENT_GROUP_CHANGE:
		group_change_keys(out, &event->u.group_change);
		break;
	case CHAT_EVENT_BYE:
		bye_keys(out, &event->u.bye);
		break;
	default:
		break;
	}
}

static const char *type_name(enum chat_event_type type)
{
	static const char *const names[CHAT_EVENT_TYPE_COUNT] = {
		[CHAT_EVENT_PONG] = "pong",	     [CHAT_EVENT_ERROR] = "error",
		[CHAT_EVENT_MESSAGE] = "message",    [CHAT_EVENT_DELIVERED] = "delivered",
		[CHAT_EVENT_READ] = "read",	     [CHAT_EVENT_TYPING] = "typing",
		[CHAT_EVENT_PRESENCE] = "presence",  [CHAT_EVENT_FRIEND] = "friend",
		[CHAT_EVENT_GROUP_CHANGE] = "group", [CHAT_EVENT_BYE] = "bye",
	};

	return names[type] ? names[type] : "ok";
}

struct chat_buf *chat_wire_encode_event(const struct chat_event *event)
{
	struct out out = {.buf = chat_buf_create(512)};

	if (!out.buf)
		return NULL;
	put(&out, '{');
	key_text(&out, "type", type_name(event->type));
	key_id(&out, &event->id);
	if (event->type < CHAT_EVENT_MESSAGE)
		reply_keys(&out, event);
	else
		push_keys(&out, event);
	return out_finish(&out);
}

/* --- Lengths: the same code, without a buffer -------------------------------------------------------- */

/* Of an element in an array: its braces, and the comma before it. */
enum { ELEMENT_EXTRA = 3 };

static struct out count_begin(void)
{
	return (struct out){.counting = true, .last = '{'};
}

size_t chat_json_message_len(const struct chat_message *message)
{
	struct out out = count_begin();

	message_keys(&out, message);
	return out.len + ELEMENT_EXTRA;
}

size_t chat_json_conversation_len(const struct chat_conversation *conversation)
{
	struct out out = count_begin();

	conversation_keys(&out, conversation);
	return out.len + ELEMENT_EXTRA;
}

size_t chat_json_group_len(const struct chat_group *group)
{
	struct out out = count_begin();

	group_keys(&out, group);
	return out.len + ELEMENT_EXTRA;
}

size_t chat_json_invitation_len(const struct chat_invitation *invitation)
{
	struct out out = count_begin();

	invitation_keys(&out, invitation);
	return out.len + ELEMENT_EXTRA;
}
