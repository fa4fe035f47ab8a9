/* SPDX-License-Identifier: MIT */
/*
 * Where the newest messages are, in memory. To find a conversation's messages there is the table `log`, ordered by conversation: if each
 * message were written there with its own commit, that would write a page for each conversation that goes on, which costs as much as all
 * else of it. So a message is remembered here first, and written there later, many of a conversation at a time. Nothing is lost
 * with this memory: the messages themselves are in the database, and who opens it writes those into `log` that came since it was last known
 * to be whole.
 *
 *   transaction 1:  message + here                    readers find it here
 *   transaction 2:  here -> log                       readers that began before its commit find it here, others there too
 *   all of the former have ended:  forgotten here     readers find it there
 *
 * One writer and its readers share it. Its functions may be called from their threads at the same time.
 */
#ifndef CHAT_STORE_SQLITE_RECENT_H
#define CHAT_STORE_SQLITE_RECENT_H

#include <sqlite3.h>

#include "chat/base.h"

enum {
	RECENT_MAX = 16384,	 /* messages; beyond it they are written into the log */
	RECENT_SLICE_MAX = 1024, /* that one transaction writes there */
	RECENT_READERS_MAX = 64
};

struct recent;

struct recent_place {
	uint64_t conversation, seq, message; /* the id of its row */
};

struct recent *chat_recent_create(void); /* NULL: out of memory */
struct recent *chat_recent_ref(struct recent *recent);
void chat_recent_unref(struct recent *recent); /* NULL is ignored */

/*
 * Makes it a table of that connection, which must be closed before it: recent(conversation, seq, message), for queries that name a
 * conversation. SQLite's error code. (https://www.sqlite.org/vtab.html#tabfunc2)
 */
CHAT_MUST_CHECK int chat_recent_attach(struct recent *recent, sqlite3 *handle);

/* --- The writer's, within a transaction ---------------------------------------------------------------- */

/* Where it is empty: messages up to that id are in the log. */
void chat_recent_start(struct recent *recent, uint64_t message);
/* What readers may not need any more is forgotten. */
void chat_recent_begin(struct recent *recent);
/* CHAT_ERR_NOMEM; CHAT_ERR_CORRUPT: the conversation has that seq, or a later one. */
CHAT_MUST_CHECK int chat_recent_add(struct recent *recent, const struct recent_place *place);
/* The greatest id that was added. */
uint64_t chat_recent_newest(const struct recent *recent);
/*
 * The next that are to be written into the log, of one conversation after the other, at most `most` of them; 0 where they are few
 * enough, or readers still need what was written last.
 */
size_t chat_recent_slice(struct recent *recent, struct recent_place *out, size_t most);
/* An id up to which all messages are in the log once the slice is. */
uint64_t chat_recent_settled(const struct recent *recent);
void chat_recent_commit(struct recent *recent);
void chat_recent_undo(struct recent *recent);

/* --- A reader's ---------------------------------------------------------------------------------------- */

/* A number for enter and leave; negative: there are RECENT_READERS_MAX already. */
int chat_recent_reader_new(struct recent *recent);
void chat_recent_reader_free(struct recent *recent, int reader);
/* Around each of its transactions. */
void chat_recent_enter(struct recent *recent, int reader);
void chat_recent_leave(struct recent *recent, int reader);

#endif
