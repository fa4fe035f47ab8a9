/* SPDX-License-Identifier: MIT */
/*
 * A server's store: what libchat/store/pool.c does with threads, done with events. The backend, its rules and its transactions
 * are the real ones, over one database in memory that all servers share.
 *
 *   submit -> queue -> EVENT_LANE_TAKE: a batch -> EVENT_LANE_RUN: the transaction -> EVENT_LANE_DONE -> EVENT_COMPLETE: the node
 *
 * A batch is committed at the moment of EVENT_LANE_RUN, or fails there: before the commit, or (its outcome is then unknown to
 * the node) after it.
 */
#include <assert.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#include "sim.h"

enum { SCAN_MAX = 4096, STORE_KINDS = 2 };

static struct chat_backend *backends[STORE_KINDS];
static sqlite3 *handles[STORE_KINDS];
static char *wipes[STORE_KINDS];
static unsigned opened;
static unsigned current; /* which of them this run uses */
static bool commit_fails;

/* --- The database ------------------------------------------------------------------------------------ */

static int on_commit(void *context)
{
	(void)context;
	return commit_fails;
}

/* SQLite tells of each connection that is opened. */
static int on_open(sqlite3 *handle, const char **error, const struct sqlite3_api_routines *api)
{
	(void)error;
	(void)api;
	handles[opened] = handle;
	return SQLITE_OK;
}

static int take_text(void *text, int columns, char **values, char **names)
{
	(void)columns;
	(void)names;
	*(char **)text = sqlite3_mprintf("%s", values[0]);
	return 0;
}

/* Of every table that the schema has. */
static char *wipe_text(sqlite3 *handle)
{
	static const char question[] =
		"SELECT 'BEGIN;'||group_concat('DELETE FROM \"'||name||'\";','')||'COMMIT'"
		" FROM sqlite_schema WHERE type='table' AND name<>'schema_version'";
	char *text = NULL;

	if (sqlite3_exec(handle, question, take_text, &text, NULL) != SQLITE_OK || !text)
		sim_fail("setup", "the store's tables are not known: %s", sqlite3_errmsg(handle));
	return text;
}

void store_open(void)
{
	static const struct chat_store_limits tight = {
		.devices = 4,
		.friends = 4,
		.groups = 3,
		.members = 5,
		.invitations = 2,
		.conversations = 6,
	};
	struct chat_store_error error;

	sqlite3_auto_extension((void (*)(void))on_open);
	for (opened = 0; opened < STORE_KINDS; opened++) {
		const struct chat_store_limits *limits =
			opened == 0 ? &chat_store_limits_default : &tight;

		if (chat_sqlite_open(":memory:", limits, &backends[opened], &error) != 0)
			sim_fail("setup", "there is no store: %s", error.text);
		sqlite3_commit_hook(handles[opened], on_commit, NULL);
		wipes[opened] = wipe_text(handles[opened]);
	}
	sqlite3_reset_auto_extension();
}

void store_close(void)
{
	for (unsigned i = 0; i < opened; i++) {
		chat_backend_destroy(backends[i]);
		sqlite3_free(wipes[i]);
	}
	opened = 0;
}

void store_wipe(void)
{
	commit_fails = false;
	current = sim.setup.tight;
	/* A run that failed may have left a transaction. */
	if (sqlite3_get_autocommit(handles[current]) == 0)
		sqlite3_exec(handles[current], "ROLLBACK", NULL, NULL, NULL);
	if (sqlite3_exec(handles[current], wipes[current], NULL, NULL, NULL) != SQLITE_OK)
		sim_fail("setup", "the store is not wiped: %s", sqlite3_errmsg(handles[current]));
}

void *store_handle(void)
{
	return handles[current];
}

enum chat_code store_run(struct chat_op *op)
{
	enum chat_code code;

	chat_backend_run(backends[current], &op, 1);
	model_committed(&op, 1);
	code = op->code;
	chat_op_destroy(op);
	return code;
}

/* --- Queues, as the pool has them -------------------------------------------------------------------- */

static void queue_init(struct queue *queue)
{
	queue->head = NULL;
	queue->tail = &queue->head;
}

static void queue_push(struct queue *queue, struct chat_op *op)
{
	op->next = NULL;
	*queue->tail = op;
	queue->tail = &op->next;
}

static void queue_free(struct queue *queue)
{
	struct chat_op *op;

	while ((op = queue->head) != NULL) {
		queue->head = op->next;
		chat_op_destroy(op);
	}
	queue_init(queue);
}

static bool is_hash(const struct chat_op *op)
{
	return op->kind == CHAT_OP_HASH || op->kind == CHAT_OP_VERIFY;
}

static size_t pool_assign(struct pool *pool, const struct chat_op *op)
{
	size_t number = lane_slot(op->lane);
	struct slot *slot = &pool->slots[number];

	if (is_hash(op))
		return pool->lane_count - 1;
	if (pool->reader_count > 0 && slot->writes == 0 && chat_op_reads_only(op->kind)) {
		slot->reads++;
		return pool->writer_count + number % pool->reader_count;
	}
	slot->writes++;
	return number % pool->writer_count;
}

/* Takes what may run now off the lane's queue, in order. */
static void lane_take(struct pool *pool, struct lane *lane)
{
	struct chat_op **link = &lane->queue.head;
	size_t max = lane->kind == LANE_HASH ? 1 : sim.setup.batch_max;

	lane->batch_count = 0;
	for (size_t seen = 0; *link && lane->batch_count < max && seen < SCAN_MAX; seen++) {
		struct chat_op *op = *link;

		if (lane->kind == LANE_WRITER && pool->slots[lane_slot(op->lane)].reads > 0) {
			link = &op->next;
			continue;
		}
		*link = op->next;
		if (!*link)
			lane->queue.tail = link;
		lane->batch[lane->batch_count++] = op;
	}
}

static uint64_t lane_name(const struct server *server, size_t lane)
{
	return server->index * (LANES_MAX + 1) + lane;
}

static struct lane *lane_of(const struct event *event, struct server **server)
{
	*server = &sim.servers[event->a / (LANES_MAX + 1)];
	return (*server)->life == event->b ? &(*server)->pool.lanes[event->a % (LANES_MAX + 1)]
					   : NULL;
}

static void lane_wake(struct server *server, size_t number)
{
	struct lane *lane = &server->pool.lanes[number];

	if (lane->busy || !lane->queue.head)
		return;
	lane->busy = true;
	clock_in(chance_below(CHANCE_STORE, 300), EVENT_LANE_TAKE, lane_name(server, number),
		 server->life);
}

/* For the trace: what an operation is about. */
static const char *about(const struct chat_op *op)
{
	static char text[160];
	const struct chat_op_append *append = &op->u.append;

	text[0] = '\0';
	if (op->kind == CHAT_OP_SESSION_OPEN)
		snprintf(text, sizeof(text),
			 "%llu/%.*s session %llx stale %llx replace %d holder %.*s %llx",
			 (unsigned long long)op->u.session_open.user,
			 (int)op->u.session_open.device.len, op->u.session_open.device.data,
			 (unsigned long long)op->u.session_open.at.session,
			 (unsigned long long)op->u.session_open.stale, op->u.session_open.replace,
			 (int)op->u.session_open.holder.node.len,
			 op->u.session_open.holder.node.data,
			 (unsigned long long)op->u.session_open.holder.session);
	else if (op->kind == CHAT_OP_SESSION_CLOSE)
		snprintf(text, sizeof(text), "%llu/%.*s session %llx revoke %d",
			 (unsigned long long)op->u.session_close.user,
			 (int)op->u.session_close.device.len, op->u.session_close.device.data,
			 (unsigned long long)op->u.session_close.at.session,
			 op->u.session_close.revoke);
	else if (op->kind == CHAT_OP_APPEND)
		snprintf(text, sizeof(text), "%llu -> %llu/%llu %.*s seq %llu%s",
			 (unsigned long long)append->from, (unsigned long long)append->target.user,
			 (unsigned long long)append->target.group,
			 append->text.len < 6 ? (int)append->text.len : 6, append->text.data,
			 (unsigned long long)append->seq, append->duplicate ? " duplicate" : "");
	else if (op->kind == CHAT_OP_MARKS && op->u.marks.count > 0)
		snprintf(text, sizeof(text), "%zu, the first %llu/%.*s in %llu/%llu: %llu%s",
			 op->u.marks.count, (unsigned long long)op->u.marks.items[0].user,
			 (int)op->u.marks.items[0].device.len, op->u.marks.items[0].device.data,
			 (unsigned long long)op->u.marks.items[0].target.user,
			 (unsigned long long)op->u.marks.items[0].target.group,
			 (unsigned long long)op->u.marks.items[0].seq,
			 op->u.marks.items[0].only_next ? " if next" : "");
	else if (op->kind == CHAT_OP_HISTORY)
		snprintf(text, sizeof(text), "%llu <- %llu/%llu after %llu: %zu of %llu",
			 (unsigned long long)op->u.history.user,
			 (unsigned long long)op->u.history.target.user,
			 (unsigned long long)op->u.history.target.group,
			 (unsigned long long)op->u.history.after, op->u.history.count,
			 (unsigned long long)op->u.history.last_seq);
	return text;
}

static bool is_catchup(const struct chat_op *op)
{
	return op->kind == CHAT_OP_HISTORY && op->origin.conn == 0;
}

static struct link *link_of_session(const struct server *server, uint64_t session)
{
	for (size_t i = 0; i < links_count(); i++) {
		struct link *link = links_at(i);

		if (link && link->server == server && link->conn != 0 && link->session == session)
			return link;
	}
	return NULL;
}

/* A page is read for a connection only when there is room for it. The node names the session by its number. */
static void check_room(struct server *server, const struct chat_op *op)
{
	struct link *link = is_catchup(op) ? link_of_session(server, op->origin.extra) : NULL;

	if (link && transport_ops.queued(server, link->conn) >= sim.setup.node.output_high)
		sim_fail("bound", "a page is read for link %llu, which has no room",
			 (unsigned long long)link->id);
}

/* A connection's requests in the store are as many as it may have in flight, at most. */
static void count_op(const struct server *server, const struct chat_op *op, int by)
{
	struct link *link = op->origin.conn != 0 ? link_find(server, op->origin.conn) : NULL;

	if (!link)
		return;
	link->ops += (uint32_t)by;
	if (link->ops > sim.setup.node.requests_in_flight)
		sim_fail("bound", "link %llu has %u requests in flight",
			 (unsigned long long)link->id, link->ops);
}

static int pool_submit(struct chat_store *store, struct chat_op *op)
{
	struct pool *pool = (struct pool *)store;
	struct server *server =
		(struct server *)(void *)((char *)pool - offsetof(struct server, pool));
	size_t number;

	alloc_pause();
	if (pool->in_flight >= CHAT_POOL_QUEUE_MAX || fault_hits(CHANCE_STORE, FAULT_STORE_FULL)) {
		alloc_resume();
		return CHAT_ERR_FULL;
	}
	pool->in_flight++;
	count_op(server, op, 1);
	check_room(server, op);
	number = pool_assign(pool, op);
	queue_push(&pool->lanes[number].queue, op);
	trace_number((uint64_t)op->kind << 32 ^ op->lane);
	TRACE("submit %s %s lane %zu: %s", server->name, chat_op_name(op->kind), number, about(op));
	lane_wake(server, number);
	alloc_resume();
	return 0;
}

static const struct chat_store_ops pool_ops = {.submit = pool_submit};

/* --- Running ----------------------------------------------------------------------------------------- */

static uint64_t lane_delay(void)
{
	uint64_t typical_us = sim.setup.store_us;

	if (sim.store_slow_until_us > sim.now_us)
		typical_us *= 50;
	return chance_delay(CHANCE_STORE, typical_us);
}

void pool_on_take(const struct event *event)
{
	struct server *server;
	struct lane *lane = lane_of(event, &server);

	if (!lane)
		return;
	lane_take(&server->pool, lane);
	if (lane->batch_count == 0) {
		lane->busy = false;
		return;
	}
	lane->executed = false;
	clock_in(lane_delay(), EVENT_LANE_RUN, event->a, event->b);
}

static void hash_run(struct chat_op *op)
{
	static const char prefix[] = "$sim$";
	size_t skip = sizeof(prefix) - 1;
	struct chat_op_hash *hash = &op->u.hash;
	char text[CHAT_PASSWORD_MAX + sizeof(prefix)];

	/* The real ones are slow on purpose, and salted by chance. */
	memcpy(text, prefix, skip);
	memcpy(text + skip, hash->password.data, hash->password.len);
	op->code = CHAT_CODE_OK;
	if (op->kind == CHAT_OP_VERIFY)
		hash->match = chat_view_equal(hash->hash,
					      (struct chat_view){text, skip + hash->password.len});
	else if (chat_arena_copy(&op->arena, (struct chat_view){text, skip + hash->password.len},
				 &hash->hash) != 0)
		abort();
	hash->password = (struct chat_view){0};
}

/* What all of a transaction that failed are told, as the backends do. */
static void batch_fail(struct chat_op **ops, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		ops[i]->code = CHAT_CODE_UNAVAILABLE;
		ops[i]->detail = "the store cannot be reached or is full";
	}
}

/* One transaction. */
static void batch_run(struct chat_op **ops, size_t count)
{
	bool away = sim.store_away_until_us > sim.now_us;
	bool before = fault_hits(CHANCE_STORE, FAULT_STORE_BEFORE);
	bool after = fault_hits(CHANCE_STORE, FAULT_STORE_AFTER);

	if (away) {
		sim.counts.faults[FAULT_STORE_AWAY]++;
		batch_fail(ops, count);
		return;
	}
	commit_fails = before = wrong_before(ops, count) || before;
	chat_backend_run(backends[current], ops, count);
	commit_fails = false;
	sim.counts.transactions++;
	sim.counts.operations += count;
	if (!before)
		model_committed(ops, count);
	wrong_after(ops, count);
	if (after)
		batch_fail(ops, count);
}

static void lane_run(struct lane *lane)
{
	lane->executed = true;
	if (lane->kind == LANE_HASH) {
		hash_run(lane->batch[0]);
	} else if (lane->batch_count > 1 && fault_hits(CHANCE_STORE, FAULT_STORE_SINGLES)) {
		for (size_t i = 0; i < lane->batch_count; i++)
			batch_run(&lane->batch[i], 1);
	} else {
		batch_run(lane->batch, lane->batch_count);
	}
	for (size_t i = 0; i < lane->batch_count; i++) {
		trace_number((uint64_t)lane->batch[i]->kind << 8 | lane->batch[i]->code);
		TRACE("ran %s: %s: %s", chat_op_name(lane->batch[i]->kind),
		      chat_code_name(lane->batch[i]->code), about(lane->batch[i]));
	}
}

void pool_on_run(const struct event *event)
{
	struct server *server;
	struct lane *lane = lane_of(event, &server);

	if (!lane)
		return;
	lane_run(lane);
	clock_in(lane_delay(), EVENT_LANE_DONE, event->a, event->b);
}

static void wake_writers(struct server *server)
{
	for (size_t i = 0; i < server->pool.writer_count; i++)
		lane_wake(server, i);
}

void pool_on_done(const struct event *event)
{
	struct server *server;
	struct lane *lane = lane_of(event, &server);
	struct pool *pool;

	if (!lane)
		return;
	pool = &server->pool;
	for (size_t i = 0; i < lane->batch_count; i++) {
		struct slot *slot = &pool->slots[lane_slot(lane->batch[i]->lane)];

		if (lane->kind == LANE_WRITER)
			slot->writes--;
		else if (lane->kind == LANE_READER)
			slot->reads--;
		if (!wrong_keeps(lane->batch[i]))
			queue_push(&pool->completions, lane->batch[i]);
	}
	lane->batch_count = 0;
	lane->busy = false;
	lane_wake(server, event->a % (LANES_MAX + 1));
	if (lane->kind == LANE_READER)
		wake_writers(server);
	if (pool->completing)
		return;
	pool->completing = true;
	clock_in(chance_below(CHANCE_STORE, 500), EVENT_COMPLETE, server->index, server->life);
}

/* Notes that it is over, before the node is told. */
static void op_over(struct server *server, struct chat_op *op)
{
	server->pool.in_flight--;
	count_op(server, op, -1);
	if (op->kind == CHAT_OP_SESSION_OPEN && op->code == CHAT_CODE_OK)
		link_logged_in(server, op->origin.conn, op->u.session_open.at.session);
}

/* Cuts off what the node is told of at once: messages that follow one another, or one of another kind. */
static struct chat_op *list_cut(struct server *server, struct chat_op *list)
{
	struct chat_op *op = list, *rest;

	op_over(server, op);
	while (op->kind == CHAT_OP_APPEND && op->next && op->next->kind == CHAT_OP_APPEND) {
		op = op->next;
		op_over(server, op);
	}
	rest = op->next;
	op->next = NULL;
	return rest;
}

void pool_on_complete(const struct event *event)
{
	struct server *server = &sim.servers[event->a];
	struct chat_node *node = server_enter(event, server, event->b);
	struct chat_op *list, *rest;

	if (!node)
		return;
	list = server->pool.completions.head;
	queue_init(&server->pool.completions);
	server->pool.completing = false;
	for (; list; list = rest) {
		rest = list_cut(server, list);
		sim.paging = is_catchup(list);
		chat_node_complete(node, list);
		alloc_enter(); /* each on its own */
	}
	sim.paging = false;
	server_leave(server);
}

/* --- Life -------------------------------------------------------------------------------------------- */

void pool_start(struct server *server)
{
	struct pool *pool = &server->pool;
	const struct setup *setup = &sim.setup;

	memset(pool, 0, sizeof(*pool));
	pool->store.ops = &pool_ops;
	pool->store.unordered = setup->unordered;
	pool->writer_count = setup->writers;
	pool->reader_count = setup->readers;
	pool->lane_count = setup->writers + setup->readers + 1;
	queue_init(&pool->completions);
	for (size_t i = 0; i < pool->lane_count; i++) {
		queue_init(&pool->lanes[i].queue);
		pool->lanes[i].kind = i < pool->writer_count	 ? LANE_WRITER
				      : i + 1 < pool->lane_count ? LANE_READER
								 : LANE_HASH;
	}
}

void pool_crash(struct server *server)
{
	for (size_t i = 0; i < server->pool.lane_count; i++) {
		struct lane *lane = &server->pool.lanes[i];

		if (lane->kind == LANE_WRITER && lane->batch_count > 0 && !lane->executed &&
		    chance_hits(CHANCE_FAULT, 5000))
			lane_run(lane);
	}
	pool_finish(server);
}

void pool_finish(struct server *server)
{
	struct pool *pool = &server->pool;

	for (size_t i = 0; i < pool->lane_count; i++) {
		for (size_t j = 0; j < pool->lanes[i].batch_count; j++)
			chat_op_destroy(pool->lanes[i].batch[j]);
		pool->lanes[i].batch_count = 0;
		queue_free(&pool->lanes[i].queue);
	}
	queue_free(&pool->completions);
	pool->lane_count = 0;
}
