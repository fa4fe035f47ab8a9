/* SPDX-License-Identifier: MIT */
/*
 * The log is begun anew by the first commit that finds all of it copied, which one who writes all the time would never let happen: so
 * where the log is long and the thread has just copied nearly all of it, the writer copies the rest itself.
 *
 *   pages in the log:  0 ------- 1000 ------- 2000 ----- ... ---- 4000 ------------------ 8000
 *                               thread       thread               thread, and the         the writer copies
 *                                                                 writer what is left     all that is left
 */
#include "store/sqlite_checkpoint.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>

enum {
	CHECKPOINT_PAGES =
		1000, /* not copied yet, for which the thread sets out; SQLite's own number */
	CHECKPOINT_FEW = 200,	/* which the writer may copy itself */
	CHECKPOINT_LONG = 4000, /* a log that is to be begun anew: 32 MiB */
	CHECKPOINT_MAX =
		8000 /* a log that does not get longer: the thread cannot keep up, or cannot work */
};

struct checkpointer {
	sqlite3 *handle;
	pthread_t thread;
	pthread_mutex_t mutex; /* guards the next two */
	bool due, stopping;
	pthread_cond_t wake, rests; /* it is due; it is not any more */
	atomic_int copied;	    /* pages at the log's beginning that are in the database */
};

static void checkpoint(struct checkpointer *checkpointer, sqlite3 *handle)
{
	int pages = 0, copied = 0;

	/* Where it fails it is tried again, 1000 pages later. */
	if (sqlite3_wal_checkpoint_v2(handle, "main", SQLITE_CHECKPOINT_PASSIVE, &pages, &copied) ==
		    SQLITE_OK &&
	    copied >= 0)
		atomic_store(&checkpointer->copied, copied);
}

static void *checkpointer_main(void *argument)
{
	struct checkpointer *checkpointer = argument;

	pthread_mutex_lock(&checkpointer->mutex);
	while (!checkpointer->stopping) {
		if (!checkpointer->due) {
			pthread_cond_wait(&checkpointer->wake, &checkpointer->mutex);
			continue;
		}
		pthread_mutex_unlock(&checkpointer->mutex);
		checkpoint(checkpointer, checkpointer->handle);
		pthread_mutex_lock(&checkpointer->mutex);
		checkpointer->due = false;
		pthread_cond_signal(&checkpointer->rests);
	}
	pthread_mutex_unlock(&checkpointer->mutex);
	return NULL;
}

/* While the thread copies nobody else can. Where the disk is slow that takes long, and commits wait for it: the log is bounded. */
static void await_rest(struct checkpointer *checkpointer)
{
	pthread_mutex_lock(&checkpointer->mutex);
	while (checkpointer->due)
		pthread_cond_wait(&checkpointer->rests, &checkpointer->mutex);
	pthread_mutex_unlock(&checkpointer->mutex);
}

/* After a commit of the writer's, with the pages that are in the log. */
static int on_commit(void *context, sqlite3 *writer, const char *name, int pages)
{
	struct checkpointer *checkpointer = context;
	int copied = atomic_load(&checkpointer->copied);
	int left;

	(void)name;
	if (pages < copied) { /* it was begun anew */
		atomic_store(&checkpointer->copied, 0);
		copied = 0;
	}
	left = pages - copied;
	if (pages >= CHECKPOINT_MAX)
		await_rest(checkpointer);
	if (pages >= CHECKPOINT_MAX || (pages >= CHECKPOINT_LONG && left <= CHECKPOINT_FEW)) {
		checkpoint(checkpointer, writer);
	} else if (left >= CHECKPOINT_PAGES) {
		pthread_mutex_lock(&checkpointer->mutex);
		checkpointer->due = true;
		pthread_cond_signal(&checkpointer->wake);
		pthread_mutex_unlock(&checkpointer->mutex);
	}
	return SQLITE_OK;
}

/* Signals are the embedder's: the thread has all of them blocked. */
static int thread_start(struct checkpointer *checkpointer)
{
	sigset_t all, before;
	int err;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	err = pthread_create(&checkpointer->thread, NULL, checkpointer_main, checkpointer);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return err == 0 ? 0 : CHAT_ERR_NOMEM;
}

int chat_checkpointer_start(const char *path, sqlite3 *writer, struct checkpointer **out)
{
	struct checkpointer *checkpointer = calloc(1, sizeof(*checkpointer));
	int err = CHAT_ERR_UNAVAILABLE;

	if (!checkpointer)
		return CHAT_ERR_NOMEM;
	pthread_mutex_init(&checkpointer->mutex, NULL);
	pthread_cond_init(&checkpointer->wake, NULL);
	pthread_cond_init(&checkpointer->rests, NULL);
	if (sqlite3_open_v2(path, &checkpointer->handle,
			    SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) == SQLITE_OK &&
	    sqlite3_exec(checkpointer->handle, "PRAGMA synchronous=FULL", NULL, NULL, NULL) ==
		    SQLITE_OK)
		err = thread_start(checkpointer);
	if (err != 0) {
		sqlite3_close(checkpointer->handle);
		free(checkpointer);
		return err;
	}
	sqlite3_wal_hook(writer, on_commit, checkpointer);
	*out = checkpointer;
	return 0;
}

void chat_checkpointer_stop(struct checkpointer *checkpointer)
{
	if (!checkpointer)
		return;
	pthread_mutex_lock(&checkpointer->mutex);
	checkpointer->stopping = true;
	pthread_cond_signal(&checkpointer->wake);
	pthread_mutex_unlock(&checkpointer->mutex);
	pthread_join(checkpointer->thread, NULL);
	sqlite3_close(checkpointer->handle);
	pthread_mutex_destroy(&checkpointer->mutex);
	pthread_cond_destroy(&checkpointer->wake);
	pthread_cond_destroy(&checkpointer->rests);
	free(checkpointer);
}
