/* SPDX-License-Identifier: MIT */
/* Texts of errors, names of codes, and views. */
#include "chat/base.h"

#include <string.h>

const char *chat_err_text(int err)
{
	switch (err) {
	case 0:
		return "success";
	case CHAT_ERR_NOMEM:
		return "out of memory";
	case CHAT_ERR_INVALID:
		return "invalid value";
	case CHAT_ERR_TOO_LARGE:
		return "too large";
	case CHAT_ERR_NOT_FOUND:
		return "not found";
	case CHAT_ERR_EXISTS:
		return "exists already";
	case CHAT_ERR_UNAVAILABLE:
		return "unavailable";
	case CHAT_ERR_FULL:
		return "a queue is full";
	case CHAT_ERR_CORRUPT:
		return "corrupt data";
	case CHAT_ERR_VERSION:
		return "unknown version";
	case CHAT_ERR_STATE:
		return "not allowed in this state";
	default:
		return "unknown error";
	}
}

static const char *const code_names[CHAT_CODE_COUNT] = {
	[CHAT_CODE_OK] = "ok",
	[CHAT_CODE_BAD_JSON] = "bad_json",
	[CHAT_CODE_BAD_REQUEST] = "bad_request",
	[CHAT_CODE_FRAME_TOO_LARGE] = "frame_too_large",
	[CHAT_CODE_UNKNOWN_TYPE] = "unknown_type",
	[CHAT_CODE_NOT_LOGGED_IN] = "not_logged_in",
	[CHAT_CODE_ALREADY_LOGGED_IN] = "already_logged_in",
	[CHAT_CODE_ALREADY_ONLINE] = "already_online",
	[CHAT_CODE_INVALID_CREDENTIALS] = "invalid_credentials",
	[CHAT_CODE_NAME_TAKEN] = "name_taken",
	[CHAT_CODE_NO_SUCH_USER] = "no_such_user",
	[CHAT_CODE_NO_SUCH_GROUP] = "no_such_group",
	[CHAT_CODE_NOT_A_MEMBER] = "not_a_member",
	[CHAT_CODE_NOT_FRIENDS] = "not_friends",
	[CHAT_CODE_BLOCKED] = "blocked",
	[CHAT_CODE_FORBIDDEN] = "forbidden",
	[CHAT_CODE_LIMIT_REACHED] = "limit_reached",
	[CHAT_CODE_CONFLICT] = "conflict",
	[CHAT_CODE_NO_SUCH_MESSAGE] = "no_such_message",
	[CHAT_CODE_TOO_LARGE] = "too_large",
	[CHAT_CODE_RATE_LIMITED] = "rate_limited",
	[CHAT_CODE_UNAVAILABLE] = "unavailable",
	[CHAT_CODE_SHUTTING_DOWN] = "shutting_down",
	[CHAT_CODE_INTERNAL] = "internal",
};

const char *chat_code_name(enum chat_code code)
{
	return (unsigned)code < CHAT_CODE_COUNT ? code_names[code] : "internal";
}

enum chat_code chat_code_parse(struct chat_view name)
{
	for (unsigned i = 1; i < CHAT_CODE_COUNT; i++)
		if (chat_view_equal(name, chat_view_of(code_names[i])))
			return (enum chat_code)i;
	return CHAT_CODE_INTERNAL;
}

struct chat_view chat_view_of(const char *text)
{
	return (struct chat_view){text, strlen(text)};
}

bool chat_view_equal(struct chat_view a, struct chat_view b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

bool chat_view_equal_ascii_case(struct chat_view a, struct chat_view b)
{
	if (a.len != b.len)
		return false;
	for (size_t i = 0; i < a.len; i++)
		if (lower(a.data[i]) != lower(b.data[i]))
			return false;
	return true;
}

uint64_t chat_view_hash(struct chat_view view)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < view.len; i++)
		hash = (hash ^ (uint8_t)view.data[i]) * UINT64_C(0x100000001b3);
	return hash;
}
