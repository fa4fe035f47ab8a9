/* SPDX-License-Identifier: MIT */
/* Which backend a URL means, and how the pool is to use it. */
#ifndef CHAT_STORE_BACKEND_H
#define CHAT_STORE_BACKEND_H

#include "chat/store.h"

enum backend_kind {
	BACKEND_MEMORY, /* one connection: another would see a store of its own */
	BACKEND_SQLITE, /* one that writes, others that read only */
	BACKEND_MYSQL	/* any number, all of which write */
};

enum {
	LANE_SLOTS = 4096
}; /* that values of op->lane fall into; two of a kind in one slot are treated as equal */

/* Fibonacci hashing: ids that follow one another are spread. */
static inline size_t lane_slot(uint64_t lane)
{
	return (size_t)(((lane & ~CHAT_LANE_DIRECT) * UINT64_C(0x9e3779b97f4a7c15)) >> 52);
}

_Static_assert(LANE_SLOTS == 1 << (64 - 52), "the shift must give the number of a slot");

/* Whether MySQL does many of that kind in as many round trips as one, and need not be spared them. */
static inline bool op_goes_together(enum chat_op_kind kind)
{
	return kind == CHAT_OP_APPEND || kind == CHAT_OP_MARKS || kind == CHAT_OP_SESSION_OPEN ||
	       kind == CHAT_OP_SESSION_CLOSE || kind == CHAT_OP_SYNC ||
	       kind == CHAT_OP_FRIENDS_ONLINE;
}

/* CHAT_ERR_INVALID with the reason where no backend is meant. */
CHAT_MUST_CHECK int chat_backend_kind_parse(const char *url, enum backend_kind *out,
					    struct chat_store_error *error);
/* Opens a connection that writes. Errors as of chat_sqlite_open and chat_mysql_open. */
CHAT_MUST_CHECK int chat_backend_open(const char *url, const struct chat_store_limits *limits,
				      struct chat_backend **out, struct chat_store_error *error);

/* mysql.c */
CHAT_MUST_CHECK int chat_mysql_migrate(const char *url, struct chat_store_error *error);

#endif
