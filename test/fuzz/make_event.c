/* SPDX-License-Identifier: MIT */
/* Events such as a server may say, out of bytes. */
#include "make.h"

enum { ITEMS_MAX = 6, NAME_MAX_LEN = CHAT_NAME_MAX, RETRY_MAX_MS = INT32_MAX };

static chat_id make_id(struct input *input)
{
	return input_between(input, 1, CHAT_ID_MAX);
}

static int64_t make_time(struct input *input)
{
	return (int64_t)input_between(input, 0, INT64_MAX);
}

static struct chat_user make_user(struct input *input, struct chat_arena *arena)
{
	chat_id id = make_id(input);

	return (struct chat_user){id, input_text(input, arena, 1, NAME_MAX_LEN)};
}

/* Exactly one of the two. */
static void make_target(struct input *input, chat_id *user, chat_id *group)
{
	if (input_flag(input))
		*group = make_id(input);
	else
		*user = make_id(input);
}

static struct chat_message make_message(struct input *input, struct chat_arena *arena)
{
	struct chat_message message = {.from = make_id(input)};

	make_target(input, &message.to, &message.group);
	message.kind = (enum chat_message_kind)(input_byte(input) % 3);
	if (message.kind != CHAT_MESSAGE_TEXT)
		message.changes = make_id(input);
	message.edited = input_flag(input);
	message.recalled = input_flag(input);
	message.seq = make_id(input);
	message.time_ms = make_time(input);
	message.text = input_text(input, arena, 0, 300);
	message.data = fuzz_make_data(input, arena);
	return message;
}

static void make_hello(struct input *input, struct chat_arena *arena, struct chat_hello *hello)
{
	size_t count = input_byte(input) % ITEMS_MAX;
	struct chat_view *features = chat_arena_array(arena, count, sizeof(*features));

	assert(features);
	for (size_t i = 0; i < count; i++)
		features[i] = input_text(input, arena, 0, 20);
	*hello = (struct chat_hello){
		.server = input_text(input, arena, 0, 40),
		.node = input_text(input, arena, 0, CHAT_NODE_NAME_MAX),
		.max_frame = (uint32_t)input_between(input, 0, UINT32_MAX),
		.heartbeat_ms = (uint32_t)input_between(input, 0, UINT32_MAX),
		.features = features,
		.feature_count = count,
	};
}

static void make_login(struct input *input, struct chat_arena *arena,
		       struct chat_login_reply *login)
{
	login->user = make_user(input, arena);
	login->device = input_text(input, arena, 1, CHAT_DEVICE_MAX);
	login->token = input_text(input, arena, 1, CHAT_TOKEN_LEN);
	login->token_expires_ms = make_time(input);
	login->heartbeat_ms = (uint32_t)input_between(input, 0, UINT32_MAX);
	login->pending = (uint32_t)input_between(input, 0, UINT32_MAX);
}

static void make_devices(struct input *input, struct chat_arena *arena,
			 struct chat_devices *devices)
{
	size_t count = input_byte(input) % ITEMS_MAX;
	struct chat_device *items = chat_arena_array(arena, count, sizeof(*items));

	assert(items);
	for (size_t i = 0; i < count; i++) {
		items[i].name = input_text(input, arena, 1, CHAT_DEVICE_MAX);
		items[i].online = input_flag(input);
		items[i].since_ms = make_time(input);
	}
	*devices = (struct chat_devices){items, count};
}

static void make_history(struct input *input, struct chat_arena *arena,
			 struct chat_history *history)
{
	size_t count = input_byte(input) % ITEMS_MAX;
	struct chat_message *messages = chat_arena_array(arena, count, sizeof(*messages));

	assert(messages);
	for (size_t i = 0; i < count; i++)
		messages[i] = make_message(input, arena);
	*history = (struct chat_history){messages, count, input_flag(input)};
}

static struct chat_conversation make_conversation(struct input *input, struct chat_arena *arena)
{
	struct chat_conversation item = {0};
	struct chat_message *last;

	make_target(input, &item.target.user, &item.target.group);
	item.name = input_text(input, arena, 1, NAME_MAX_LEN);
	item.last_seq = input_between(input, 0, CHAT_ID_MAX);
	item.read_seq = input_between(input, 0, item.last_seq);
	item.delivered_seq = input_between(input, 0, CHAT_ID_MAX);
	item.peer_hidden = item.target.group == 0 && input_flag(input);
	if (item.target.group == 0 && !item.peer_hidden) {
		item.peer_delivered_seq = input_between(input, 0, CHAT_ID_MAX);
		item.peer_read_seq = input_between(input, 0, CHAT_ID_MAX);
	}
	if (input_flag(input)) {
		last = chat_arena_alloc(arena, sizeof(*last));
		assert(last);
		*last = make_message(input, arena);
		item.last = last;
	}
	return item;
}

static void make_conversations(struct input *input, struct chat_arena *arena,
			       struct chat_conversations *page)
{
	size_t count = input_byte(input) % ITEMS_MAX;
	struct chat_conversation *items = chat_arena_array(arena, count, sizeof(*items));

	assert(items);
	for (size_t i = 0; i < count; i++)
		items[i] = make_conversation(input, arena);
	*page = (struct chat_conversations){items, count, input_between(input, 0, CHAT_ID_MAX)};
}

static void make_friends(struct input *input, struct chat_arena *arena, struct chat_friends *page)
{
	size_t count = input_byte(input) % ITEMS_MAX;
	struct chat_friend *items = chat_arena_array(arena, count, sizeof(*items));

	assert(items);
	for (size_t i = 0; i < count; i++) {
		items[i].user = make_user(input, arena);
		items[i].state = (enum chat_friend_state)(input_byte(input) % 5);
		items[i].online = items[i].state == CHAT_FRIEND_FRIENDS && input_flag(input);
	}
	*page = (struct chat_friends){items, count, input_between(input, 0, CHAT_ID_MAX)};
}

static enum chat_role make_role(struct input *input)
{
	return (enum chat_role)(input_byte(input) % 4);
}

static struct chat_group make_group(struct input *input, struct chat_arena *arena)
{
	struct chat_group group = {.id = make_id(input)};

	group.name = input_text(input, arena, 1, NAME_MAX_LEN);
	group.description = input_text(input, arena, 0, 300);
	group.open = input_flag(input);
	group.role = make_role(input);
	group.members = (uint32_t)input_between(input, 0, UINT32_MAX);
	return group;
}

static void make_members(struct input *input, struct chat_arena *arena, struct chat_members *page)
{
	size_t count = input_byte(input) % ITEMS_MAX;
	struct chat_member *items = chat_arena_array(arena, count, sizeof(*items));

	assert(items);
	for (size_t i = 0; i < count; i++) {
		items[i].user = make_user(input, arena);
		items[i].role = make_role(input);
		items[i].online = input_flag(input);
	}
	*page = (struct chat_members){items, count, input_between(input, 0, CHAT_ID_MAX)};
}

static void make_invitations(struct input *input, struct chat_arena *arena,
			     struct chat_groups *page)
{
	size_t count = input_byte(input) % ITEMS_MAX;
	struct chat_invitation *items = chat_arena_array(arena, count, sizeof(*items));

	assert(items);
	for (size_t i = 0; i < count; i++) {
		items[i].group = make_id(input);
		items[i].group_name = input_text(input, arena, 1, NAME_MAX_LEN);
		items[i].by = make_id(input);
	}
	page->invitations = items;
	page->invitation_count = count;
}

static void make_groups(struct input *input, struct chat_arena *arena, struct chat_groups *page)
{
	size_t count = input_byte(input) % ITEMS_MAX;
	struct chat_group *items = chat_arena_array(arena, count, sizeof(*items));

	assert(items);
	for (size_t i = 0; i < count; i++)
		items[i] = make_group(input, arena);
	*page = (struct chat_groups){.items = items,
				     .count = count,
				     .first_page = input_flag(input),
				     .next = input_between(input, 0, CHAT_ID_MAX)};
	if (page->first_page)
		make_invitations(input, arena, page);
}

static void make_error(struct input *input, struct chat_arena *arena,
		       struct chat_error_reply *error)
{
	error->code = (enum chat_code)input_between(input, CHAT_CODE_BAD_JSON, CHAT_CODE_INTERNAL);
	error->message = input_text(input, arena, 0, 160);
	error->retry_after_ms = (uint32_t)input_between(input, 0, UINT32_MAX);
}

static void make_reply(struct input *input, struct chat_arena *arena, struct chat_event *event)
{
	switch (event->type) {
	case CHAT_EVENT_ERROR:
		make_error(input, arena, &event->u.error);
		break;
	case CHAT_EVENT_HELLO:
		make_hello(input, arena, &event->u.hello);
		break;
	case CHAT_EVENT_REGISTERED:
	case CHAT_EVENT_USER:
		event->u.user = make_user(input, arena);
		break;
	case CHAT_EVENT_LOGIN:
		make_login(input, arena, &event->u.login);
		break;
	case CHAT_EVENT_DEVICES:
		make_devices(input, arena, &event->u.devices);
		break;
	case CHAT_EVENT_SENT:
		event->u.sent =
			(struct chat_sent){make_id(input), make_time(input), input_flag(input)};
		break;
	case CHAT_EVENT_HISTORY:
		make_history(input, arena, &event->u.history);
		break;
	case CHAT_EVENT_CONVERSATIONS:
		make_conversations(input, arena, &event->u.conversations);
		break;
	case CHAT_EVENT_FRIEND_STATE:
		event->u.friend_state = (enum chat_friend_state)(input_byte(input) % 5);
		break;
	case CHAT_EVENT_FRIENDS:
		make_friends(input, arena, &event->u.friends);
		break;
	case CHAT_EVENT_GROUP:
		event->u.group = make_group(input, arena);
		break;
	case CHAT_EVENT_MEMBERS:
		make_members(input, arena, &event->u.members);
		break;
	case CHAT_EVENT_GROUPS:
		make_groups(input, arena, &event->u.groups);
		break;
	default:
		break;
	}
}

static void make_mark(struct input *input, bool typing, struct chat_mark *mark)
{
	mark->by = make_id(input);
	make_target(input, &mark->to, &mark->group);
	if (!typing)
		mark->seq = make_id(input);
}

static void make_group_change(struct input *input, struct chat_group_change *change)
{
	change->event = (enum chat_group_event)(input_byte(input) % CHAT_GROUP_EVENT_COUNT);
	change->group = make_id(input);
	if (change->event != CHAT_GROUP_UPDATED && change->event != CHAT_GROUP_DISSOLVED)
		change->user = make_id(input);
	if (change->event != CHAT_GROUP_JOINED && change->event != CHAT_GROUP_LEFT)
		change->by = make_id(input);
	if (change->event == CHAT_GROUP_ROLE)
		change->role =
			(enum chat_role)input_between(input, CHAT_ROLE_MEMBER, CHAT_ROLE_OWNER);
}

static void make_bye(struct input *input, struct chat_arena *arena, struct chat_bye_push *bye)
{
	bye->code = (enum chat_bye)(input_byte(input) % CHAT_BYE_COUNT);
	bye->message = input_text(input, arena, 0, 100);
	bye->reconnect = chat_bye_reconnects(bye->code);
	bye->retry_after_ms = (uint32_t)input_between(input, 0, UINT32_MAX);
}

static void make_push(struct input *input, struct chat_arena *arena, struct chat_event *event)
{
	switch (event->type) {
	case CHAT_EVENT_MESSAGE:
		event->u.message = make_message(input, arena);
		break;
	case CHAT_EVENT_DELIVERED:
	case CHAT_EVENT_READ:
	case CHAT_EVENT_TYPING:
		make_mark(input, event->type == CHAT_EVENT_TYPING, &event->u.mark);
		break;
	case CHAT_EVENT_PRESENCE:
		event->u.presence = (struct chat_presence){make_id(input), input_flag(input)};
		break;
	case CHAT_EVENT_FRIEND:
		event->u.friend_change.event = (enum chat_friend_event)(input_byte(input) % 3);
		event->u.friend_change.user = make_user(input, arena);
		break;
	case CHAT_EVENT_GROUP_CHANGE:
		make_group_change(input, &event->u.group_change);
		break;
	default:
		make_bye(input, arena, &event->u.bye);
		break;
	}
}

void fuzz_make_event(struct input *input, struct chat_arena *arena, struct chat_event *out)
{
	*out = (struct chat_event){
		.type = (enum chat_event_type)(input_byte(input) % CHAT_EVENT_TYPE_COUNT)};
	if (out->type < CHAT_EVENT_MESSAGE) {
		out->id = fuzz_make_id(input);
		make_reply(input, arena, out);
	} else {
		make_push(input, arena, out);
	}
}

enum chat_request_type fuzz_asked_for(enum chat_event_type type)
{
	static const enum chat_request_type types[CHAT_EVENT_TYPE_COUNT] = {
		[CHAT_EVENT_OK] = CHAT_REQ_LOGOUT,
		[CHAT_EVENT_PONG] = CHAT_REQ_PING,
		[CHAT_EVENT_ERROR] = CHAT_REQ_SEND,
		[CHAT_EVENT_HELLO] = CHAT_REQ_HELLO,
		[CHAT_EVENT_REGISTERED] = CHAT_REQ_REGISTER,
		[CHAT_EVENT_USER] = CHAT_REQ_USER,
		[CHAT_EVENT_LOGIN] = CHAT_REQ_LOGIN,
		[CHAT_EVENT_DEVICES] = CHAT_REQ_DEVICES,
		[CHAT_EVENT_SENT] = CHAT_REQ_SEND,
		[CHAT_EVENT_HISTORY] = CHAT_REQ_HISTORY,
		[CHAT_EVENT_CONVERSATIONS] = CHAT_REQ_CONVERSATIONS,
		[CHAT_EVENT_FRIEND_STATE] = CHAT_REQ_FRIEND_ADD,
		[CHAT_EVENT_FRIENDS] = CHAT_REQ_FRIENDS,
		[CHAT_EVENT_GROUP] = CHAT_REQ_GROUP_CREATE,
		[CHAT_EVENT_MEMBERS] = CHAT_REQ_GROUP_MEMBERS,
		[CHAT_EVENT_GROUPS] = CHAT_REQ_GROUPS,
	};

	return types[type];
}
