/* SPDX-License-Identifier: MIT */
#include "codec.h"

enum { EVENT_DEPTH_MAX = 32 };

static void views_are_equal(struct chat_view a, struct chat_view b)
{
	assert(chat_view_equal(a, b));
}

static void ids_are_equal(const struct chat_request_id *a, const struct chat_request_id *b)
{
	assert(a->kind == b->kind);
	if (a->kind == CHAT_ID_INTEGER)
		assert(a->number == b->number);
	if (a->kind == CHAT_ID_STRING)
		assert(a->len == b->len && memcmp(a->text, b->text, a->len) == 0);
}

void fuzz_requests_are_equal(const struct chat_request *a, const struct chat_request *b)
{
	assert(a->type == b->type);
	ids_are_equal(&a->id, &b->id);
	assert(a->present == b->present);
	assert(a->user == b->user && a->group == b->group);
	assert(a->seq == b->seq && a->before == b->before && a->after == b->after);
	assert(a->limit == b->limit && a->version == b->version);
	assert(a->replace == b->replace && a->open == b->open && a->role == b->role);
	views_are_equal(a->client, b->client);
	views_are_equal(a->name, b->name);
	views_are_equal(a->password, b->password);
	views_are_equal(a->old_password, b->old_password);
	views_are_equal(a->new_password, b->new_password);
	views_are_equal(a->token, b->token);
	views_are_equal(a->device, b->device);
	views_are_equal(a->text, b->text);
	views_are_equal(a->data, b->data);
	views_are_equal(a->cid, b->cid);
	views_are_equal(a->description, b->description);
}

/* --- Events ------------------------------------------------------------------------------------------ */

static void users_are_equal(const struct chat_user *a, const struct chat_user *b)
{
	assert(a->id == b->id);
	views_are_equal(a->name, b->name);
}

static void messages_are_equal(const struct chat_message *a, const struct chat_message *b)
{
	assert(a->kind == b->kind && a->changes == b->changes);
	assert(a->edited == b->edited && a->recalled == b->recalled);
	assert(a->from == b->from && a->to == b->to && a->group == b->group);
	assert(a->seq == b->seq && a->time_ms == b->time_ms);
	views_are_equal(a->text, b->text);
	views_are_equal(a->data, b->data);
}

static void hellos_are_equal(const struct chat_hello *a, const struct chat_hello *b)
{
	views_are_equal(a->server, b->server);
	views_are_equal(a->node, b->node);
	assert(a->max_frame == b->max_frame && a->heartbeat_ms == b->heartbeat_ms);
	assert(a->feature_count == b->feature_count);
	for (size_t i = 0; i < a->feature_count; i++)
		views_are_equal(a->features[i], b->features[i]);
}

static void errors_are_equal(const struct chat_error_reply *a, const struct chat_error_reply *b)
{
	assert(a->code == b->code && a->retry_after_ms == b->retry_after_ms);
	if (a->message.len > 0) /* otherwise the code's own phrase is said */
		views_are_equal(a->message, b->message);
}

static void logins_are_equal(const struct chat_login_reply *a, const struct chat_login_reply *b)
{
	users_are_equal(&a->user, &b->user);
	views_are_equal(a->device, b->device);
	views_are_equal(a->token, b->token);
	assert(a->token_expires_ms == b->token_expires_ms);
	assert(a->heartbeat_ms == b->heartbeat_ms && a->pending == b->pending);
}

static void devices_are_equal(const struct chat_devices *a, const struct chat_devices *b)
{
	assert(a->count == b->count);
	for (size_t i = 0; i < a->count; i++) {
		views_are_equal(a->items[i].name, b->items[i].name);
		assert(a->items[i].online == b->items[i].online);
		assert(a->items[i].since_ms == b->items[i].since_ms);
	}
}

static void histories_are_equal(const struct chat_history *a, const struct chat_history *b)
{
	assert(a->count == b->count && a->more == b->more);
	for (size_t i = 0; i < a->count; i++)
		messages_are_equal(&a->messages[i], &b->messages[i]);
}

static void conversations_are_equal(const struct chat_conversations *a,
				    const struct chat_conversations *b)
{
	assert(a->count == b->count && a->next == b->next);
	for (size_t i = 0; i < a->count; i++) {
		const struct chat_conversation *one = &a->items[i], *other = &b->items[i];

		assert(one->target.user == other->target.user);
		assert(one->target.group == other->target.group);
		views_are_equal(one->name, other->name);
		assert(one->last_seq == other->last_seq && one->read_seq == other->read_seq);
		assert(one->delivered_seq == other->delivered_seq);
		assert(one->peer_hidden == other->peer_hidden);
		assert(one->peer_delivered_seq == other->peer_delivered_seq);
		assert(one->peer_read_seq == other->peer_read_seq);
		assert(!one->last == !other->last);
		if (one->last)
			messages_are_equal(one->last, other->last);
	}
}

static void friends_are_equal(const struct chat_friends *a, const struct chat_friends *b)
{
	assert(a->count == b->count && a->next == b->next);
	for (size_t i = 0; i < a->count; i++) {
		users_are_equal(&a->items[i].user, &b->items[i].user);
		assert(a->items[i].state == b->items[i].state);
		assert(a->items[i].online == b->items[i].online);
	}
}

static void group_infos_are_equal(const struct chat_group *a, const struct chat_group *b)
{
	assert(a->id == b->id && a->open == b->open);
	assert(a->role == b->role && a->members == b->members);
	views_are_equal(a->name, b->name);
	views_are_equal(a->description, b->description);
}

static void members_are_equal(const struct chat_members *a, const struct chat_members *b)
{
	assert(a->count == b->count && a->next == b->next);
	for (size_t i = 0; i < a->count; i++) {
		users_are_equal(&a->items[i].user, &b->items[i].user);
		assert(a->items[i].role == b->items[i].role);
		assert(a->items[i].online == b->items[i].online);
	}
}

static void groups_are_equal(const struct chat_groups *a, const struct chat_groups *b)
{
	assert(a->count == b->count && a->next == b->next);
	for (size_t i = 0; i < a->count; i++)
		group_infos_are_equal(&a->items[i], &b->items[i]);
	assert(a->first_page == b->first_page);
	assert(a->invitation_count == b->invitation_count);
	for (size_t i = 0; i < a->invitation_count; i++) {
		assert(a->invitations[i].group == b->invitations[i].group);
		assert(a->invitations[i].by == b->invitations[i].by);
		views_are_equal(a->invitations[i].group_name, b->invitations[i].group_name);
	}
}

static void replies_are_equal(const struct chat_event *a, const struct chat_event *b)
{
	switch (a->type) {
	case CHAT_EVENT_ERROR:
		errors_are_equal(&a->u.error, &b->u.error);
		break;
	case CHAT_EVENT_HELLO:
		hellos_are_equal(&a->u.hello, &b->u.hello);
		break;
	case CHAT_EVENT_REGISTERED:
	case CHAT_EVENT_USER:
		users_are_equal(&a->u.user, &b->u.user);
		break;
	case CHAT_EVENT_LOGIN:
		logins_are_equal(&a->u.login, &b->u.login);
		break;
	case CHAT_EVENT_DEVICES:
		devices_are_equal(&a->u.devices, &b->u.devices);
		break;
	case CHAT_EVENT_SENT:
		assert(a->u.sent.seq == b->u.sent.seq && a->u.sent.time_ms == b->u.sent.time_ms);
		assert(a->u.sent.duplicate == b->u.sent.duplicate);
		break;
	case CHAT_EVENT_HISTORY:
		histories_are_equal(&a->u.history, &b->u.history);
		break;
	case CHAT_EVENT_CONVERSATIONS:
		conversations_are_equal(&a->u.conversations, &b->u.conversations);
		break;
	case CHAT_EVENT_FRIEND_STATE:
		assert(a->u.friend_state == b->u.friend_state);
		break;
	case CHAT_EVENT_FRIENDS:
		friends_are_equal(&a->u.friends, &b->u.friends);
		break;
	case CHAT_EVENT_GROUP:
		group_infos_are_equal(&a->u.group, &b->u.group);
		break;
	case CHAT_EVENT_MEMBERS:
		members_are_equal(&a->u.members, &b->u.members);
		break;
	case CHAT_EVENT_GROUPS:
		groups_are_equal(&a->u.groups, &b->u.groups);
		break;
	default:
		break;
	}
}

static void byes_are_equal(const struct chat_bye_push *a, const struct chat_bye_push *b)
{
	assert(a->code == b->code && a->reconnect == b->reconnect);
	assert(a->retry_after_ms == b->retry_after_ms);
	views_are_equal(a->message, b->message);
}

static void pushes_are_equal(const struct chat_event *a, const struct chat_event *b)
{
	switch (a->type) {
	case CHAT_EVENT_MESSAGE:
		messages_are_equal(&a->u.message, &b->u.message);
		break;
	case CHAT_EVENT_DELIVERED:
	case CHAT_EVENT_READ:
	case CHAT_EVENT_TYPING:
		assert(a->u.mark.by == b->u.mark.by && a->u.mark.to == b->u.mark.to);
		assert(a->u.mark.group == b->u.mark.group && a->u.mark.seq == b->u.mark.seq);
		break;
	case CHAT_EVENT_PRESENCE:
		assert(a->u.presence.user == b->u.presence.user);
		assert(a->u.presence.online == b->u.presence.online);
		break;
	case CHAT_EVENT_FRIEND:
		assert(a->u.friend_change.event == b->u.friend_change.event);
		users_are_equal(&a->u.friend_change.user, &b->u.friend_change.user);
		break;
	case CHAT_EVENT_GROUP_CHANGE:
		assert(a->u.group_change.event == b->u.group_change.event);
		assert(a->u.group_change.group == b->u.group_change.group);
		assert(a->u.group_change.user == b->u.group_change.user);
		assert(a->u.group_change.by == b->u.group_change.by);
		assert(a->u.group_change.role == b->u.group_change.role);
		break;
	default:
		byes_are_equal(&a->u.bye, &b->u.bye);
		break;
	}
}

void fuzz_events_are_equal(const struct chat_event *a, const struct chat_event *b)
{
	assert(a->type == b->type);
	ids_are_equal(&a->id, &b->id);
	if (a->type < CHAT_EVENT_MESSAGE)
		replies_are_equal(a, b);
	else
		pushes_are_equal(a, b);
}

/* --- Frames ------------------------------------------------------------------------------------------ */

static enum chat_request_type type_asked(void *context, const struct chat_request_id *id)
{
	(void)id;
	return *(enum chat_request_type *)context;
}

struct chat_expect fuzz_expect(enum chat_request_type *asked)
{
	return (struct chat_expect){type_asked, asked};
}

void fuzz_frame_is_good(const struct chat_buf *buf)
{
	assert(buf->len > 1 && memchr(buf->data, '\n', buf->len) == buf->data + buf->len - 1);
	assert(fuzz_json_is_object((struct chat_view){buf->data, buf->len - 1}, EVENT_DEPTH_MAX));
	assert(fuzz_json_is_compact((struct chat_view){buf->data, buf->len - 1}));
}

void fuzz_decode_request(const struct chat_buf *buf, struct chat_arena *arena,
			 struct chat_request *out)
{
	struct chat_decode_error error = {0};
	enum chat_decode_result result = CHAT_DECODE_MORE;
	size_t consumed;

	/* One of the two is the state that the type needs. */
	for (int login = CHAT_LOGGED_OUT; login <= CHAT_LOGGED_IN && result != CHAT_DECODE_OK;
	     login++) {
		struct chat_decoder decoder = {0};

		result = chat_codec_json.decode_request(
			&decoder, (struct chat_view){buf->data, buf->len}, buf->len + 1,
			(enum chat_login_state)login, arena, out, &error, &consumed);
	}
	if (result != CHAT_DECODE_OK)
		fprintf(stderr, "%s: %.*s", error.message, (int)buf->len, buf->data);
	assert(result == CHAT_DECODE_OK && consumed == buf->len);
}

void fuzz_decode_event(const struct chat_buf *buf, enum chat_request_type asked,
		       struct chat_arena *arena, struct chat_event *out)
{
	struct chat_expect expect = fuzz_expect(&asked);
	struct chat_decoder decoder = {0};
	struct chat_decode_error error = {0};
	size_t consumed;
	enum chat_decode_result result =
		chat_codec_json.decode_event(&decoder, (struct chat_view){buf->data, buf->len},
					     buf->len + 1, &expect, arena, out, &error, &consumed);

	if (result != CHAT_DECODE_OK)
		fprintf(stderr, "%s: %.*s", error.message, (int)buf->len, buf->data);
	assert(result == CHAT_DECODE_OK && consumed == buf->len);
}
