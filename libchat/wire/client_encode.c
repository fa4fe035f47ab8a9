/* SPDX-License-Identifier: MIT */
/* Requests to JSON, for clients: the keys that are present, in the order of enum chat_key. */
#include "wire/out.h"
#include "wire/wire.h"

static void number_key(struct out *out, enum chat_key which, const struct chat_request *request)
{
	const char *name = chat_key_name(which);

	switch (which) {
	case CHAT_KEY_USER:
		key_integer(out, name, request->user);
		break;
	case CHAT_KEY_GROUP:
		key_integer(out, name, request->group);
		break;
	case CHAT_KEY_SEQ:
		key_integer(out, name, request->seq);
		break;
	case CHAT_KEY_BEFORE:
		key_integer(out, name, request->before);
		break;
	case CHAT_KEY_AFTER:
		key_integer(out, name, request->after);
		break;
	case CHAT_KEY_LIMIT:
		key_integer(out, name, request->limit);
		break;
	default:
		key_integer(out, name, request->version);
		break;
	}
}

static struct chat_view text_of(enum chat_key which, const struct chat_request *request)
{
	switch (which) {
	case CHAT_KEY_CLIENT:
		return request->client;
	case CHAT_KEY_NAME:
		return request->name;
	case CHAT_KEY_PASSWORD:
		return request->password;
	case CHAT_KEY_OLD:
		return request->old_password;
	case CHAT_KEY_NEW:
		return request->new_password;
	case CHAT_KEY_TOKEN:
		return request->token;
	case CHAT_KEY_DEVICE:
		return request->device;
	case CHAT_KEY_TEXT:
		return request->text;
	case CHAT_KEY_CID:
		return request->cid;
	default:
		return request->description;
	}
}

static void request_key(struct out *out, enum chat_key which, const struct chat_request *request)
{
	const char *name = chat_key_name(which);

	switch (which) {
	case CHAT_KEY_REPLACE:
		key_bool(out, name, request->replace);
		break;
	case CHAT_KEY_OPEN:
		key_bool(out, name, request->open);
		break;
	case CHAT_KEY_ROLE:
		key_text(out, name, chat_role_name(request->role));
		break;
	case CHAT_KEY_DATA:
		key(out, name);
		raw(out, request->data);
		break;
	default:
		if (which <= CHAT_KEY_VERSION)
			number_key(out, which, request);
		else
			key_string(out, name, text_of(which, request));
		break;
	}
}

struct chat_buf *chat_wire_encode_request(const struct chat_request *request)
{
	struct out out = {.buf = chat_buf_create(256)};

	if (!out.buf)
		return NULL;
	put(&out, '{');
	key_text(&out, "type", chat_request_name(request->type));
	key_id(&out, &request->id);
	for (unsigned which = 0; which < CHAT_KEY_COUNT; which++)
		if (request->present & CHAT_HAS(which))
			request_key(&out, (enum chat_key)which, request);
	return out_finish(&out);
}
