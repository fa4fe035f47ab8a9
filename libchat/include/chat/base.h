/* SPDX-License-Identifier: MIT */
/*
 * What every other header of libchat stands on: errors, views, ids and the protocol's error codes.
 */
#ifndef CHAT_BASE_H
#define CHAT_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define CHAT_MUST_CHECK __attribute__((warn_unused_result))
#define CHAT_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

/* The library's own errors: what a fallible function returns where it does not return 0. */
enum chat_err {
	CHAT_ERR_NOMEM = -1,	   /* out of memory; nothing was changed */
	CHAT_ERR_INVALID = -2,	   /* an argument or a value has the wrong form */
	CHAT_ERR_TOO_LARGE = -3,   /* longer than its limit */
	CHAT_ERR_NOT_FOUND = -4,   /* there is no such thing */
	CHAT_ERR_EXISTS = -5,	   /* there is one already */
	CHAT_ERR_UNAVAILABLE = -6, /* the store cannot do it now; worth a retry */
	CHAT_ERR_FULL = -7,	   /* a queue is at its bound; worth a retry */
	CHAT_ERR_CORRUPT = -8,	   /* the store's data are not what it wrote */
	CHAT_ERR_VERSION = -9,	   /* a schema or format that this version does not know */
	CHAT_ERR_STATE = -10	   /* not allowed in the present state */
};

/* A static English phrase for an enum chat_err (or 0: "success"). Never NULL. */
const char *chat_err_text(int err);

/* The protocol's error codes (docs/protocol.md, section 2), in the order of its table. */
enum chat_code {
	CHAT_CODE_OK = 0,
	CHAT_CODE_BAD_JSON,
	CHAT_CODE_BAD_REQUEST,
	CHAT_CODE_FRAME_TOO_LARGE,
	CHAT_CODE_UNKNOWN_TYPE,
	CHAT_CODE_NOT_LOGGED_IN,
	CHAT_CODE_ALREADY_LOGGED_IN,
	CHAT_CODE_ALREADY_ONLINE,
	CHAT_CODE_INVALID_CREDENTIALS,
	CHAT_CODE_NAME_TAKEN,
	CHAT_CODE_NO_SUCH_USER,
	CHAT_CODE_NO_SUCH_GROUP,
	CHAT_CODE_NOT_A_MEMBER,
	CHAT_CODE_NOT_FRIENDS,
	CHAT_CODE_BLOCKED,
	CHAT_CODE_FORBIDDEN,
	CHAT_CODE_LIMIT_REACHED,
	CHAT_CODE_CONFLICT,
	CHAT_CODE_NO_SUCH_MESSAGE,
	CHAT_CODE_TOO_LARGE,
	CHAT_CODE_RATE_LIMITED,
	CHAT_CODE_UNAVAILABLE,
	CHAT_CODE_SHUTTING_DOWN,
	CHAT_CODE_INTERNAL,
	CHAT_CODE_COUNT
};

/* The code's name on the wire ("bad_json"); "ok" for CHAT_CODE_OK. Never NULL. */
const char *chat_code_name(enum chat_code code);

/* The code of that name, or CHAT_CODE_INTERNAL where the name is unknown. */
struct chat_view;
enum chat_code chat_code_parse(struct chat_view name);

/* User and group ids: 1 to 2^53-1; 0 is none. */
typedef uint64_t chat_id;
#define CHAT_ID_MAX                                                                                \
	((chat_id)9007199254740991) /* 2^53-1: the largest integer every JSON reader keeps */

/* Borrowed bytes: valid until the call that was given them returns, unless said otherwise. */
struct chat_view {
	const char *data; /* not NUL-terminated; may be NULL where len is 0 */
	size_t len;	  /* bytes */
};

/* A view of a NUL-terminated string, without its NUL. */
struct chat_view chat_view_of(const char *text);
bool chat_view_equal(struct chat_view a, struct chat_view b);
/* The same, ignoring ASCII case only. */
bool chat_view_equal_ascii_case(struct chat_view a, struct chat_view b);
/* FNV-1a: tells most bytes apart, but not against who chooses them to collide. */
uint64_t chat_view_hash(struct chat_view view);

/* Limits of the protocol (docs/protocol.md, section 3), in bytes unless said otherwise. */
enum {
	CHAT_NAME_MAX_CODE_POINTS = 32,
	CHAT_NAME_MAX = 4 * CHAT_NAME_MAX_CODE_POINTS,
	CHAT_GROUP_NAME_MAX_CODE_POINTS = 64,
	CHAT_DESCRIPTION_MAX_CODE_POINTS = 256,
	CHAT_PASSWORD_MIN = 8,
	CHAT_PASSWORD_MAX = 256,
	CHAT_TEXT_MAX = 16384,
	CHAT_DATA_MAX = 4096,
	CHAT_CID_MAX = 36,
	CHAT_DEVICE_MAX = 32,
	CHAT_NODE_NAME_MAX = 64,
	CHAT_PAGE_DEFAULT = 50, /* entries */
	CHAT_PAGE_MAX = 200,	/* entries */
	CHAT_PAGE_BYTES_MAX = 64 * 1024,
	CHAT_TOKEN_LEN = 43, /* whose it is and 24 random bytes, in unpadded base64url */
	CHAT_FRAME_DEFAULT = 65536,
	CHAT_FRAME_OUT_MAX = 128 * 1024
};

/*
 * A conversation as one of its members names it: exactly one of the two is not 0. `user` is the other
 * person, or the member's own id for notes to oneself.
 */
struct chat_target {
	chat_id user;
	chat_id group;
};

#ifdef __cplusplus
}
#endif

#endif
