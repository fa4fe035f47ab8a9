/* SPDX-License-Identifier: MIT */
/*
 * The pool: worker threads that run backends behind the store port.
 *
 *   submit -> writer lanes (a connection each)      -> completions -> drain
 *          -> reader lanes (read-only connections)  ->
 *          -> hash workers (no connection)          ->
 *
 * SQLite has one writer and some readers; MySQL has writers alone, which execute reads too.
 *
 * A lane takes all that waits, up to a bound, into one transaction: group commit without a timer, so that
 * throughput grows with the load. Where one more costs round trips, as most kinds do on MySQL, few of these are taken at a time.
 * There the first writer is for messages, and what comes in crowds (logins, marks) for the others: a crowd does not hold up who
 * writes. Nor is what goes together spread over the writers before it fills one: a transaction of forty costs much less than four of ten.
 *
 * Order. Operations of equal op->lane run in the order they were submitted, though reads have lanes of their
 * own: each value of op->lane falls into a slot, one of the users' or of the conversations', which belongs to one writer and
 * counts what is unfinished. A read whose slot has unfinished writes follows them into the writer's lane; a write whose slot has
 * unfinished reads is passed over until they have ended. Neither waits for ever: while the writer holds one for a slot, no read of it
 * goes to a reader.
 */
#include "chat/store.h"

#include <assert.h>
#include <pthread.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "store/backend.h"

enum {
	POOL_READ_BATCH_MAX =
		32, /* reads in one transaction: their answers come together, so not too many */
	POOL_SINGLES_MAX =
		16, /* of a MySQL writer: what does not go together, in one transaction */
	POOL_SCAN_MAX =
		8 * CHAT_POOL_BATCH_MAX, /* operations looked at for one batch; the rest waits */
	POOL_FILL = 256, /* a writer with so much to do gets no more that goes together */
	POOL_LATE_MS =
		20, /* nor does one whose transaction takes so long: it waits for a lock, say */
	POOL_WRITERS_MAX = 64,
	POOL_READERS_MAX = 64,
	POOL_HASH_WORKERS_MAX = 64
};

struct queue {
	struct chat_op *head;
	struct chat_op **tail;
};

enum lane_kind { LANE_WRITER, LANE_READER, LANE_HASH };

/* A queue and the threads that serve it: one of a writer or a reader, any number of the hash lane. */
struct lane {
	struct chat_pool *pool;
	enum lane_kind kind;
	struct chat_backend *backend; /* NULL: of the hash lane */
	uint32_t turn;		      /* counts what was taken; marks slots, see slot.passed */
	int64_t began_ms;	      /* the transaction that runs; 0: none does */
	struct queue queue;
	size_t waiting; /* in the queue */
	bool unsaid;	/* that something is; said at the next flush */
	pthread_cond_t wake;
};

struct slot {
	uint32_t writer; /* which, while there are writes */
	uint32_t writes; /* in the writer's lane, reads that follow writes included */
	uint32_t reads;	 /* in a reader's lane */
	uint32_t
		passed; /* the writer's turn in which one of it was left waiting: so are those behind it */
};

struct chat_pool {
	struct chat_store store; /* first: the port is the pool */
	enum chat_password_cost password_cost;
	void (*notify)(void *context);
	void *notify_context;
	bool flushed;
	bool unsaid;	       /* of any lane; known to who submits alone */
	pthread_mutex_t mutex; /* guards all below */
	bool stopping;
	struct lane *lanes; /* the writers, the readers, the hash lane */
	size_t lane_count;
	size_t writer_count;
	size_t reader_count;
	size_t singles_max; /* operations of a writer's transaction that do not go together */
	pthread_t *threads;
	size_t thread_count;
	struct slot slots[2 * LANE_SLOTS]; /* the users', the conversations' */
	struct queue completions;
	size_t in_flight; /* submitted and not drained */
	size_t completed; /* of them, waiting to be drained */
	struct chat_pool_stats stats;
	struct chat_store_error last_error;
};

/* --- Queues ------------------------------------------------------------------------------------------ */

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

static struct slot *pool_slot(struct chat_pool *pool, const struct chat_op *op)
{
	bool conversation = (op->lane & (CHAT_LANE_DIRECT | CHAT_LANE_GROUP)) != 0;

	return &pool->slots[lane_slot(op->lane) + (conversation ? LANE_SLOTS : 0)];
}

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static bool lane_is_busy(const struct lane *lane)
{
	return lane->waiting >= POOL_FILL ||
	       (lane->began_ms != 0 && now_ms() - lane->began_ms >= POOL_LATE_MS);
}

/* What a crowd of others does not hold up: messages, and the heartbeat, without which the node is taken for dead. */
static bool op_is_urgent(const struct chat_op *op)
{
	return op->kind == CHAT_OP_APPEND || op->kind == CHAT_OP_NODE_BEAT;
}

/* The writer of a slot that has none at the moment. What goes together fills one before the next. */
static size_t pool_choose_writer(const struct chat_pool *pool, const struct chat_op *op)
{
	size_t first = op_is_urgent(op) || pool->writer_count == 1 ? 0 : 1, least = first;

	if (first > 0 && !op_goes_together(op->kind))
		return first + lane_slot(op->lane) % (pool->writer_count - first);
	for (size_t i = first; i < pool->writer_count; i++) {
		if (!lane_is_busy(&pool->lanes[i]))
			return i;
		if (pool->lanes[i].waiting < pool->lanes[least].waiting)
			least = i;
	}
	return least;
}

/* Where the operation is to run; the slot has counted it afterwards. */
static struct lane *pool_assign(struct chat_pool *pool, const struct chat_op *op)
{
	struct slot *slot;

	if (op->kind == CHAT_OP_HASH || op->kind == CHAT_OP_VERIFY)
		return &pool->lanes[pool->lane_count - 1];
	slot = pool_slot(pool, op);
	if (pool->reader_count > 0 && slot->writes == 0 && chat_op_reads_only(op->kind)) {
		slot->reads++;
		return &pool->lanes[pool->writer_count +
				    (size_t)(slot - pool->slots) % pool->reader_count];
	}
	if (slot->writes++ == 0) {
		slot->writer = (uint32_t)pool_choose_writer(pool, op);
		slot->passed = pool->lanes[slot->writer]
				       .turn; /* a turn that is over, not another lane's */
	}
	return &pool->lanes[slot->writer];
}

static size_t lane_batch_max(const struct lane *lane)
{
	switch (lane->kind) {
	case LANE_WRITER:
		return CHAT_POOL_BATCH_MAX;
	case LANE_READER:
		return POOL_READ_BATCH_MAX;
	case LANE_HASH:
		break;
	}
	return 1;
}

/* Whether a writer takes the operation in this turn. Nothing is taken past another of its slot. */
static bool writer_takes(struct lane *lane, const struct chat_op *op, size_t *singles)
{
	struct slot *slot = pool_slot(lane->pool, op);

	if (slot->reads > 0 || slot->passed == lane->turn)
		return false;
	if (!op_goes_together(op->kind) && !op_is_urgent(op) &&
	    (*singles)++ >= lane->pool->singles_max) {
		slot->passed = lane->turn;
		return false;
	}
	return true;
}

/* Takes what may run now off the lane's queue, in order. */
static size_t lane_take(struct lane *lane, struct chat_op *ops[CHAT_POOL_BATCH_MAX])
{
	struct chat_op **link = &lane->queue.head;
	size_t max = lane_batch_max(lane), count = 0, singles = 0;

	lane->turn++;
	for (size_t seen = 0; *link && count < max && seen < POOL_SCAN_MAX; seen++) {
		struct chat_op *op = *link;

		if (lane->kind == LANE_WRITER && !writer_takes(lane, op, &singles)) {
			link = &op->next;
			continue;
		}
		*link = op->next;
		if (!*link)
			lane->queue.tail = link;
		ops[count++] = op;
	}
	lane->waiting -= count;
	return count;
}

/* --- Lanes ------------------------------------------------------------------------------------------- */

static void lane_run(struct lane *lane, struct chat_op **ops, size_t count)
{
	if (lane->kind == LANE_HASH)
		chat_op_run_hash(ops[0], lane->pool->password_cost);
	else
		chat_backend_run(lane->backend, ops, count);
}

static void lane_count_batch(struct lane *lane, struct chat_op *const *ops, size_t count)
{
	struct chat_pool *pool = lane->pool;
	size_t unavailable = 0, appends = 0;

	for (size_t i = 0; i < count; i++) {
		if (ops[i]->code == CHAT_CODE_UNAVAILABLE)
			unavailable++;
		else if (ops[i]->kind == CHAT_OP_APPEND && ops[i]->code == CHAT_CODE_OK &&
			 !ops[i]->u.append.duplicate)
			appends++;
	}
	if (unavailable == count) {
		pool->stats.failed++;
		memcpy(pool->last_error.text, lane->backend->error, sizeof(pool->last_error.text));
		pool->last_error.text[sizeof(pool->last_error.text) - 1] = '\0';
	} else if (lane->kind == LANE_WRITER) {
		pool->stats.transactions++;
		pool->stats.operations += count;
		pool->stats.appends += appends;
	}
}

/* Hands the batch over. Returns whether the owner is to be notified. */
static bool lane_finish(struct lane *lane, struct chat_op **ops, size_t count)
{
	struct chat_pool *pool = lane->pool;
	bool was_empty = pool->completions.head == NULL;

	if (lane->kind != LANE_HASH)
		lane_count_batch(lane, ops, count);
	for (size_t i = 0; i < count; i++) {
		struct slot *slot = pool_slot(pool, ops[i]);

		if (lane->kind == LANE_WRITER) {
			assert(slot->writes > 0);
			slot->writes--;
		} else if (lane->kind == LANE_READER) {
			assert(slot->reads > 0);
			slot->reads--;
		}
		queue_push(&pool->completions, ops[i]);
	}
	pool->completed += count;
	for (size_t i = 0; lane->kind == LANE_READER && i < pool->writer_count; i++)
		if (pool->lanes[i].queue.head)
			pthread_cond_signal(&pool->lanes[i].wake);
	return was_empty;
}

static void *lane_main(void *argument)
{
	struct lane *lane = argument;
	struct chat_pool *pool = lane->pool;
	struct chat_op *ops[CHAT_POOL_BATCH_MAX];

	pthread_mutex_lock(&pool->mutex);
	for (;;) {
		size_t count = lane_take(lane, ops);
		bool notify;

		if (count == 0) {
			if (pool->stopping && !lane->queue.head)
				break;
			pthread_cond_wait(&lane->wake, &pool->mutex);
			continue;
		}
		lane->began_ms = now_ms();
		pthread_mutex_unlock(&pool->mutex);
		lane_run(lane, ops, count);
		pthread_mutex_lock(&pool->mutex);
		lane->began_ms = 0;
		notify = lane_finish(lane, ops, count);
		if (notify && pool->notify) {
			pthread_mutex_unlock(&pool->mutex);
			pool->notify(pool->notify_context);
			pthread_mutex_lock(&pool->mutex);
		}
	}
	pthread_mutex_unlock(&pool->mutex);
	return NULL;
}

/* --- The port ---------------------------------------------------------------------------------------- */

static int pool_submit(struct chat_store *store, struct chat_op *op)
{
	struct chat_pool *pool = (struct chat_pool *)store;
	int err = 0;

	pthread_mutex_lock(&pool->mutex);
	assert(!pool->stopping);
	if (pool->in_flight >= CHAT_POOL_QUEUE_MAX) {
		err = CHAT_ERR_FULL;
	} else {
		struct lane *lane = pool_assign(pool, op);

		pool->in_flight++;
		lane->waiting++;
		queue_push(&lane->queue, op);
		if (pool->flushed)
			lane->unsaid = pool->unsaid = true;
		else
			pthread_cond_signal(&lane->wake);
	}
	pthread_mutex_unlock(&pool->mutex);
	return err;
}

void chat_pool_flush(struct chat_pool *pool)
{
	if (!pool->unsaid)
		return;
	pthread_mutex_lock(&pool->mutex);
	for (size_t i = 0; i < pool->lane_count; i++) {
		if (pool->lanes[i].unsaid)
			pthread_cond_signal(&pool->lanes[i].wake);
		pool->lanes[i].unsaid = false;
	}
	pthread_mutex_unlock(&pool->mutex);
	pool->unsaid = false;
}

struct chat_store *chat_pool_store(struct chat_pool *pool)
{
	return &pool->store;
}

struct chat_op *chat_pool_drain(struct chat_pool *pool)
{
	struct chat_op *head;

	pthread_mutex_lock(&pool->mutex);
	head = pool->completions.head;
	queue_init(&pool->completions);
	assert(pool->in_flight >= pool->completed);
	pool->in_flight -= pool->completed;
	pool->completed = 0;
	pthread_mutex_unlock(&pool->mutex);
	return head;
}

void chat_pool_stats_get(struct chat_pool *pool, struct chat_pool_stats *out)
{
	pthread_mutex_lock(&pool->mutex);
	*out = pool->stats;
	out->queued = pool->in_flight - pool->completed;
	pthread_mutex_unlock(&pool->mutex);
}

void chat_pool_last_error(struct chat_pool *pool, struct chat_store_error *out)
{
	pthread_mutex_lock(&pool->mutex);
	*out = pool->last_error;
	pthread_mutex_unlock(&pool->mutex);
}

/* --- Life -------------------------------------------------------------------------------------------- */

static int pool_add_lane(struct chat_pool *pool, enum lane_kind kind, struct chat_backend *backend)
{
	struct lane *lane = &pool->lanes[pool->lane_count];

	if (pthread_cond_init(&lane->wake, NULL) != 0)
		return CHAT_ERR_NOMEM;
	lane->pool = pool;
	lane->kind = kind;
	lane->backend = backend;
	queue_init(&lane->queue);
	pool->lane_count++;
	return 0;
}

static int pool_open_lane(struct chat_pool *pool, const struct chat_pool_config *config,
			  enum lane_kind kind, struct chat_store_error *error)
{
	struct chat_backend *backend;
	int err;

	if (pool->lane_count == 0)
		err = chat_backend_open(config->url, &config->limits, &backend, error);
	else if (kind == LANE_READER)
		err = chat_sqlite_open_reader(pool->lanes[0].backend, &backend, error);
	else
		err = chat_mysql_open_beside(pool->lanes[0].backend, config->url, &config->limits,
					     &backend, error);
	if (err != 0)
		return err;
	err = pool_add_lane(pool, kind, backend);
	if (err != 0)
		chat_backend_destroy(backend);
	return err;
}

/* How many lanes are asked for, within bounds. */
static size_t lane_number(unsigned asked, size_t fallback, size_t most)
{
	size_t number = asked ? asked : fallback;

	return number < most ? number : most;
}

static int pool_open(struct chat_pool *pool, const struct chat_pool_config *config,
		     struct chat_store_error *error)
{
	enum backend_kind kind = BACKEND_MEMORY;
	int err = chat_backend_kind_parse(config->url, &kind, error);

	if (err != 0)
		return err;
	pool->writer_count =
		kind == BACKEND_MYSQL ? lane_number(config->writer_lanes, 4, POOL_WRITERS_MAX) : 1;
	pool->reader_count =
		kind == BACKEND_SQLITE ? lane_number(config->reader_lanes, 1, POOL_READERS_MAX) : 0;
	pool->singles_max = kind == BACKEND_MYSQL ? POOL_SINGLES_MAX : CHAT_POOL_BATCH_MAX;
	pool->store.unordered = pool->writer_count > 1;
	pool->lanes = calloc(pool->writer_count + pool->reader_count + 1, sizeof(*pool->lanes));
	if (!pool->lanes)
		return CHAT_ERR_NOMEM;
	for (size_t i = 0; err == 0 && i < pool->writer_count; i++)
		err = pool_open_lane(pool, config, LANE_WRITER, error);
	for (size_t i = 0; err == 0 && i < pool->reader_count; i++)
		err = pool_open_lane(pool, config, LANE_READER, error);
	return err != 0 ? err : pool_add_lane(pool, LANE_HASH, NULL);
}

static int pool_start_thread(struct chat_pool *pool, struct lane *lane)
{
	if (pthread_create(&pool->threads[pool->thread_count], NULL, lane_main, lane) != 0)
		return CHAT_ERR_NOMEM;
	pool->thread_count++;
	return 0;
}

static int pool_start(struct chat_pool *pool, unsigned hash_workers)
{
	size_t hashers = hash_workers ? hash_workers : 1;
	sigset_t all, before;
	int err = 0;

	if (hashers > POOL_HASH_WORKERS_MAX)
		hashers = POOL_HASH_WORKERS_MAX;
	pool->threads = calloc(pool->lane_count + hashers, sizeof(*pool->threads));
	if (!pool->threads)
		return CHAT_ERR_NOMEM;
	/* Signals are the embedder's: threads inherit a mask that has all of them blocked. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	for (size_t i = 0; err == 0 && i < pool->lane_count - 1; i++)
		err = pool_start_thread(pool, &pool->lanes[i]);
	for (size_t i = 0; err == 0 && i < hashers; i++)
		err = pool_start_thread(pool, &pool->lanes[pool->lane_count - 1]);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return err;
}

static void pool_heard(struct chat_store *store, uint64_t lane)
{
	struct chat_backend *first = ((struct chat_pool *)store)->lanes[0].backend;

	if (first->ops->heard)
		first->ops->heard(first, lane);
}

static const struct chat_store_ops pool_ops = {.submit = pool_submit, .heard = pool_heard};

static struct chat_pool *pool_new(const struct chat_pool_config *config)
{
	struct chat_pool *pool = calloc(1, sizeof(*pool));

	if (!pool)
		return NULL;
	if (pthread_mutex_init(&pool->mutex, NULL) != 0) {
		free(pool);
		return NULL;
	}
	pool->store.ops = &pool_ops;
	pool->password_cost = config->password_cost;
	pool->notify = config->notify;
	pool->notify_context = config->notify_context;
	pool->flushed = config->flushed;
	queue_init(&pool->completions);
	return pool;
}

int chat_pool_create(const struct chat_pool_config *config, struct chat_pool **out,
		     struct chat_store_error *error)
{
	struct chat_pool *pool;
	int err;

	error->text[0] = '\0';
	pool = sodium_init() < 0 ? NULL : pool_new(config);
	err = pool ? pool_open(pool, config, error) : CHAT_ERR_NOMEM;
	if (err == 0)
		err = pool_start(pool, config->hash_workers);
	if (err != 0) {
		if (error->text[0] == '\0')
			snprintf(error->text, sizeof(error->text), "%s", chat_err_text(err));
		chat_pool_destroy(pool);
		return err;
	}
	*out = pool;
	return 0;
}

/* Lets the threads finish what is queued, and joins them. */
static void pool_stop(struct chat_pool *pool)
{
	pthread_mutex_lock(&pool->mutex);
	pool->stopping = true;
	for (size_t i = 0; i < pool->lane_count; i++)
		pthread_cond_broadcast(&pool->lanes[i].wake);
	pthread_mutex_unlock(&pool->mutex);
	for (size_t i = 0; i < pool->thread_count; i++)
		pthread_join(pool->threads[i], NULL);
}

void chat_pool_destroy(struct chat_pool *pool)
{
	struct chat_op *op, *next;

	if (!pool)
		return;
	pool_stop(pool);
	for (op = pool->completions.head; op; op = next) {
		next = op->next;
		chat_op_destroy(op);
	}
	for (size_t i = pool->lane_count; i-- > 0;) {
		if (pool->lanes[i].backend)
			chat_backend_destroy(pool->lanes[i].backend);
		pthread_cond_destroy(&pool->lanes[i].wake);
	}
	pthread_mutex_destroy(&pool->mutex);
	free(pool->threads);
	free(pool->lanes);
	free(pool);
}
