/* SPDX-License-Identifier: MIT */
/* Objects for programs. */
#include "json.h"

#include <jansson.h>
#include <string.h>

#include "chat/codec.h"
#include "screen.h"

static void print(json_t *object)
{
	char *text = object ? json_dumps(object, JSON_COMPACT) : NULL;

	if (text)
		screen_line("%s", text);
	else
		screen_notice("out of memory");
	free(text);
	json_decref(object);
}

/* A view that is known to be UTF-8. */
static json_t *text_of(struct chat_view view)
{
	return json_stringn(view.data ? view.data : "", view.len);
}

static json_int_t integer(uint64_t value)
{
	return (json_int_t)value;
}

void json_user(chat_id id, const char *name)
{
	print(json_pack("{s:I,s:s}", "id", integer(id), "name", name));
}

void json_device(const struct chat_device *device)
{
	print(json_pack("{s:o,s:b,s:I}", "device", text_of(device->name), "online", device->online,
			"since", (json_int_t)device->since_ms));
}

void json_friend(const struct chat_friend *friend)
{
	json_t *object = json_pack("{s:I,s:o,s:s}", "id", integer(friend->user.id), "name",
				   text_of(friend->user.name), "state",
				   chat_friend_state_name(friend->state));

	if (friend->state == CHAT_FRIEND_FRIENDS)
		json_object_set_new(object, "online", json_boolean(friend->online));
	print(object);
}

void json_group(const struct chat_group *group)
{
	print(json_pack("{s:I,s:o,s:o,s:b,s:s,s:I}", "id", integer(group->id), "name",
			text_of(group->name), "description", text_of(group->description), "open",
			group->open, "role", chat_role_name(group->role), "members",
			integer(group->members)));
}

void json_invitation(const struct chat_invitation *invitation)
{
	print(json_pack("{s:{s:I,s:o},s:I}", "invitation", "id", integer(invitation->group), "name",
			text_of(invitation->group_name), "by", integer(invitation->by)));
}

void json_member(const struct chat_member *member)
{
	print(json_pack("{s:I,s:o,s:s,s:b}", "id", integer(member->user.id), "name",
			text_of(member->user.name), "role", chat_role_name(member->role), "online",
			member->online));
}

/* As it is pushed, its type included. */
void json_message(const struct chat_message *message)
{
	struct chat_event event = {.type = CHAT_EVENT_MESSAGE, .u.message = *message};
	struct chat_buf *buf = chat_codec_json.encode_event(&event);

	if (buf)
		screen_bytes((struct chat_view){buf->data, buf->len});
	else
		screen_notice("out of memory");
	chat_buf_unref(buf);
}

void json_conversation(const struct chat_conversation *item)
{
	bool group = item->target.group != 0;

	print(json_pack("{s:I,s:o,s:I,s:I,s:I,s:I}", group ? "group" : "user",
			integer(group ? item->target.group : item->target.user), "name",
			text_of(item->name), "last_seq", integer(item->last_seq), "delivered_seq",
			integer(item->delivered_seq), "read_seq", integer(item->read_seq), "unread",
			integer(item->last_seq - item->read_seq)));
}

void json_sent(const struct chat_sent *sent)
{
	print(json_pack("{s:I,s:I,s:b}", "seq", integer(sent->seq), "time",
			(json_int_t)sent->time_ms, "duplicate", sent->duplicate));
}
