/* SPDX-License-Identifier: MIT */
/*
 * Checkpoints off the commit path: what SQLite's write-ahead log holds is copied into the database by a thread with a connection
 * of its own, beside the writer's commits, which by default would wait for it after every thousand pages.
 */
#ifndef CHAT_STORE_SQLITE_CHECKPOINT_H
#define CHAT_STORE_SQLITE_CHECKPOINT_H

#include <sqlite3.h>

#include "chat/base.h"

struct checkpointer;

/*
 * Takes the writer's checkpoints over. The path is the database's; the writer's handle is used from the writer's own commits alone.
 * CHAT_ERR_NOMEM, CHAT_ERR_UNAVAILABLE.
 */
CHAT_MUST_CHECK int chat_checkpointer_start(const char *path, sqlite3 *writer,
					    struct checkpointer **out);
/* Before the writer is closed. NULL is ignored. */
void chat_checkpointer_stop(struct checkpointer *checkpointer);

#endif
