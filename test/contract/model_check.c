/* SPDX-License-Identifier: MIT */
/*
 * The model check of the stores: operations by chance, on the model (model.h) and on real stores side by side, in batches of
 * chance sizes, which each store executes as one transaction or one by one. After each batch every answer of every store is the
 * model's; now and then so is all that can be asked, small pages add up to the whole, and a store that is closed and opened
 * again has lost nothing.
 *
 *   model_check [--seed N] [--seeds N] [--operations N] [--seconds N] [--trace]
 *
 * --seed: the first, 1 unless told; --seeds: how many, one after the other; --operations: of each; --seconds: seeds until so
 * many have passed. The stores are one in memory that executes one by one, one that executes batches, and an SQLite file; with
 * CHAT_TEST_STORE=mysql://... that one too. What a failure prints names the seed that shows it again.
 */
#include "model_check.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "database.h"

enum {
	LIMIT = 4, /* of most things: small enough to be reached */
	FIRST_MS = 1000000,
	BATCH_MAX = 40,
	AUDIT_MAX = 512,
	AUDIT_EVERY = 12, /* batches */
	UNKNOWN_ID = 900000000
};

enum mode { ALONE, TOGETHER, EITHER };

static struct store {
	const char *name;
	enum mode mode;
	bool is_kept; /* when it is closed */
	struct chat_backend *backend;
	struct ids ids;
} stores[4];

static size_t store_count;
static char path[64];
static bool tracing;
static unsigned long operations; /* so far, of this seed */
static uint64_t seed;

static const struct chat_store_limits limits = {
	.devices = LIMIT,
	.friends = LIMIT,
	.groups = LIMIT,
	.members = LIMIT + 2,
	.invitations = LIMIT,
	.conversations = 2 * LIMIT,
};

/* --- Ids --------------------------------------------------------------------------------------------- */

static chat_id ids_find(const chat_id *of, size_t count, chat_id id)
{
	for (chat_id i = 1; i < count; i++)
		if (of[i] != 0 && of[i] == id)
			return i;
	return id == 0 ? 0 : id > UNKNOWN_ID ? id - UNKNOWN_ID : UINT64_MAX;
}

chat_id ids_user_back(const struct ids *ids, chat_id user)
{
	return ids ? ids_find(ids->users, MODEL_USERS_MAX + 2, user) : user;
}

chat_id ids_group_back(const struct ids *ids, chat_id group)
{
	return ids ? ids_find(ids->groups, MODEL_CONVS_MAX + 2, group) : group;
}

/* Whom a store has not made has an id there that it will never give. */
static void to_user(const struct ids *ids, chat_id *user)
{
	if (*user != 0)
		*user = ids->users[*user] ? ids->users[*user] : UNKNOWN_ID + *user;
}

static void to_group(const struct ids *ids, chat_id *group)
{
	if (*group != 0)
		*group = ids->groups[*group] ? ids->groups[*group] : UNKNOWN_ID + *group;
}

static void to_target(const struct ids *ids, struct chat_target *target)
{
	to_user(ids, &target->user);
	to_group(ids, &target->group);
}

static void translate_session(struct chat_op *op, const struct ids *ids)
{
	switch (op->kind) {
	case CHAT_OP_USER_GET:
	case CHAT_OP_CREDENTIAL_GET:
		to_user(ids, &op->u.user.id);
		break;
	case CHAT_OP_PASSWORD_SET:
		to_user(ids, &op->u.password_set.user);
		break;
	case CHAT_OP_SESSION_OPEN:
		to_user(ids, &op->u.session_open.user);
		break;
	case CHAT_OP_SESSION_CLOSE:
		to_user(ids, &op->u.session_close.user);
		break;
	case CHAT_OP_DEVICES:
		to_user(ids, &op->u.devices.user);
		break;
	case CHAT_OP_DEVICE_REMOVE:
		to_user(ids, &op->u.device_remove.user);
		break;
	case CHAT_OP_SYNC:
		for (size_t i = 0; i < op->u.sync.count; i++)
			to_user(ids, &op->u.sync.items[i].user);
		break;
	default:
		break;
	}
}

static void translate_log(struct chat_op *op, const struct ids *ids)
{
	switch (op->kind) {
	case CHAT_OP_APPEND:
		to_user(ids, &op->u.append.from);
		to_target(ids, &op->u.append.target);
		break;
	case CHAT_OP_READ:
		to_user(ids, &op->u.read.user);
		to_target(ids, &op->u.read.target);
		break;
	case CHAT_OP_MARKS:
		for (size_t i = 0; i < op->u.marks.count; i++) {
			to_user(ids, &op->u.marks.items[i].user);
			to_target(ids, &op->u.marks.items[i].target);
		}
		break;
	case CHAT_OP_HISTORY:
		to_user(ids, &op->u.history.user);
		to_target(ids, &op->u.history.target);
		break;
	case CHAT_OP_CONVERSATIONS:
		to_user(ids, &op->u.conversations.user);
		break;
	case CHAT_OP_TARGET_CHECK:
		to_user(ids, &op->u.target_check.user);
		to_target(ids, &op->u.target_check.target);
		break;
	default:
		break;
	}
}

static void translate_social(struct chat_op *op, const struct ids *ids)
{
	switch (op->kind) {
	case CHAT_OP_FRIENDS:
	case CHAT_OP_FRIENDS_ONLINE:
		to_user(ids, &op->u.friends.user);
		to_user(ids, &op->u.friends.after);
		break;
	case CHAT_OP_GROUP_MEMBERS:
		to_user(ids, &op->u.members.user);
		to_user(ids, &op->u.members.after);
		to_group(ids, &op->u.members.group);
		break;
	case CHAT_OP_GROUPS:
		to_user(ids, &op->u.groups.user);
		break;
	default:
		if (op->kind >= CHAT_OP_GROUP_CREATE) {
			to_user(ids, &op->u.group.user);
			to_user(ids, &op->u.group.other);
			to_group(ids, &op->u.group.group);
		} else {
			to_user(ids, &op->u.friendship.user.id);
			to_user(ids, &op->u.friendship.other.id);
		}
		break;
	}
}

static void translate(struct chat_op *op, const struct ids *ids)
{
	if (op->kind < CHAT_OP_APPEND || op->kind == CHAT_OP_SYNC)
		translate_session(op, ids);
	else if (op->kind < CHAT_OP_FRIEND_ADD)
		translate_log(op, ids);
	else
		translate_social(op, ids);
}

/* A copy, whose texts are the plan's. ids NULL: for the model. */
static struct chat_op *copy_of(const struct chat_op *plan, const struct ids *ids)
{
	struct chat_op *op = chat_op_create(plan->kind);

	assert(op);
	*op = *plan;
	chat_arena_init(&op->arena);
	if (op->kind == CHAT_OP_MARKS) {
		op->u.marks.items = model_array(op, op->u.marks.count, sizeof(*op->u.marks.items));
		memcpy(op->u.marks.items, plan->u.marks.items,
		       op->u.marks.count * sizeof(*op->u.marks.items));
	}
	if (op->kind == CHAT_OP_SYNC) {
		op->u.sync.items = model_array(op, op->u.sync.count, sizeof(*op->u.sync.items));
		memcpy(op->u.sync.items, plan->u.sync.items,
		       op->u.sync.count * sizeof(*op->u.sync.items));
	}
	if (ids)
		translate(op, ids);
	return op;
}

/* What a store has called whom the model has made. */
static void learn(struct ids *ids, const struct chat_op *op, const struct chat_op *expected)
{
	if (op->code != CHAT_CODE_OK || expected->code != CHAT_CODE_OK)
		return;
	if (op->kind == CHAT_OP_USER_CREATE)
		ids->users[expected->u.user.id] = op->u.user.id;
	if (op->kind == CHAT_OP_GROUP_CREATE)
		ids->groups[expected->u.group.group] = op->u.group.group;
}

/* --- Stores ------------------------------------------------------------------------------------------ */

static bool open_backend(struct store *store)
{
	const char *url = getenv("CHAT_TEST_STORE");
	struct chat_store_error error = {""};
	int err = strcmp(store->name, "mysql") == 0
			  ? chat_mysql_open(url, &limits, &store->backend, &error)
			  : chat_sqlite_open(store->is_kept ? path : ":memory:", false, &limits,
					     &store->backend, &error);

	if (err != 0)
		printf("# %s: %s\n", store->name, error.text);
	return err == 0;
}

static bool add_store(const char *name, enum mode mode, bool is_kept)
{
	struct store *store = &stores[store_count++];

	*store = (struct store){.name = name, .mode = mode, .is_kept = is_kept};
	return open_backend(store);
}

static bool open_stores(void)
{
	const char *url = getenv("CHAT_TEST_STORE");
	int fd;

	store_count = 0;
	strcpy(path, "model-XXXXXX");
	fd = mkstemp(path);
	if (fd < 0)
		return false;
	close(fd);
	if (!add_store("memory, one by one", ALONE, false) ||
	    !add_store("memory, batches", TOGETHER, false) || !add_store("sqlite", EITHER, true))
		return false;
	if (!url || strncmp(url, "mysql:", 6) != 0)
		return true;
	return database_make() == 0 && add_store("mysql", EITHER, true);
}

static void close_stores(void)
{
	static const char *const suffixes[] = {"", "-wal", "-shm"};
	char name[sizeof(path) + 8];

	while (store_count > 0) {
		chat_backend_destroy(stores[--store_count].backend);
		stores[store_count].backend = NULL;
	}
	for (size_t i = 0; i < 3; i++) {
		snprintf(name, sizeof(name), "%s%s", path, suffixes[i]);
		unlink(name);
	}
}

static bool reopen(struct store *store)
{
	if (!store->is_kept)
		return true;
	chat_backend_destroy(store->backend);
	store->backend = NULL;
	return open_backend(store);
}

/* --- Batches ----------------------------------------------------------------------------------------- */

static void tell_batch(struct chat_op **plan, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		char *text = op_print_asked(plan[i]);

		printf("# %zu: %s\n", i, text);
		free(text);
	}
}

static void tell_difference(const struct store *store, struct chat_op **plan, size_t count,
			    size_t place, bool together, const char *expected, const char *got)
{
	printf("# seed %llu, after %lu operations: operation %zu of a batch of %zu, %s\n",
	       (unsigned long long)seed, operations, place, count,
	       together ? "in one transaction" : "one by one");
	printf("# the model: %s\n# %s: %s\n", expected, store->name, got);
	if (store->backend->error[0])
		printf("# %s\n", store->backend->error);
	tell_batch(plan, place + 1);
}

static bool is_as_expected(struct store *store, struct chat_op **plan, size_t count, size_t place,
			   bool together, const struct chat_op *got, const struct chat_op *expected)
{
	char *want = op_print(expected, NULL), *is = op_print(got, &store->ids);
	bool same = strcmp(want, is) == 0;

	if (!same)
		tell_difference(store, plan, count, place, together, want, is);
	free(want);
	free(is);
	return same;
}

static bool run_on(struct store *store, struct chat_op **plan, struct chat_op **expected,
		   size_t count)
{
	bool together = store->mode == TOGETHER || (store->mode == EITHER && work_chance(3) > 0);
	struct chat_op *ops[AUDIT_MAX];
	bool good = true;

	for (size_t i = 0; i < count; i++) {
		ops[i] = copy_of(plan[i], &store->ids);
		if (!together)
			chat_backend_run(store->backend, &ops[i], 1);
	}
	if (together)
		chat_backend_run(store->backend, ops, count);
	for (size_t i = 0; i < count; i++) {
		learn(&store->ids, ops[i], expected[i]);
		good = good && is_as_expected(store, plan, count, i, together, ops[i], expected[i]);
	}
	for (size_t i = 0; i < count; i++)
		chat_op_destroy(ops[i]);
	return good;
}

static void trace(const struct chat_op *expected)
{
	char *text = op_print(expected, NULL);

	printf("# %s\n", text);
	free(text);
}

/* The plan is done with then. */
static bool run_batch(struct chat_op **plan, size_t count)
{
	struct chat_op *expected[AUDIT_MAX];
	bool good = true;

	for (size_t i = 0; i < count; i++) {
		expected[i] = copy_of(plan[i], NULL);
		model_run(expected[i]);
		if (tracing)
			trace(expected[i]);
	}
	for (size_t i = 0; good && i < store_count; i++)
		good = run_on(&stores[i], plan, expected, count);
	for (size_t i = 0; i < count; i++) {
		chat_op_destroy(expected[i]);
		chat_op_destroy(plan[i]);
	}
	operations += count;
	return good;
}

static bool audit(void)
{
	struct chat_op *plan[AUDIT_MAX];

	for (size_t i = 0; i < store_count; i++)
		if (work_chance(3) == 0 && !reopen(&stores[i]))
			return false;
	return run_batch(plan, work_audit(plan, AUDIT_MAX));
}

/* --- Pages ------------------------------------------------------------------------------------------- */

/* A page of one of the lists, its element's ids in order; the cursor goes on. */
struct pages {
	enum chat_op_kind kind;
	chat_id user, group; /* in the store's ids */
	struct chat_view device;
	uint64_t after;
	bool more;
	uint64_t seen[AUDIT_MAX];
	size_t count;
};

static struct chat_op *page_ask(const struct pages *pages, uint32_t limit, size_t bytes_max)
{
	struct chat_op *op = chat_op_create(pages->kind);

	assert(op);
	op->now_ms = FIRST_MS;
	switch (pages->kind) {
	case CHAT_OP_HISTORY:
		op->u.history = (struct chat_op_history){.user = pages->user,
							 .target.group = pages->group,
							 .forward = true,
							 .after = pages->after,
							 .limit = limit,
							 .bytes_max = bytes_max};
		break;
	case CHAT_OP_CONVERSATIONS:
		op->u.conversations = (struct chat_op_conversations){
			pages->user, pages->device, pages->after, limit, bytes_max, NULL, 0, 0};
		break;
	case CHAT_OP_GROUPS:
		op->u.groups = (struct chat_op_groups){.user = pages->user,
						       .after = pages->after,
						       .limit = limit,
						       .bytes_max = bytes_max};
		break;
	case CHAT_OP_GROUP_MEMBERS:
		op->u.members = (struct chat_op_members){.user = pages->user,
							 .group = pages->group,
							 .after = pages->after,
							 .limit = limit};
		break;
	default:
		op->u.friends = (struct chat_op_friends){
			.user = pages->user, .after = pages->after, .limit = limit};
		break;
	}
	return op;
}

static void page_add(struct pages *pages, uint64_t element)
{
	assert(pages->count < AUDIT_MAX);
	pages->seen[pages->count++] = element;
}

/* The elements of a page, and where the next begins. Its length in elements. */
static size_t page_take(struct pages *pages, const struct chat_op *op)
{
	size_t before = pages->count;

	switch (op->kind) {
	case CHAT_OP_HISTORY:
		for (size_t i = 0; i < op->u.history.count; i++)
			page_add(pages, op->u.history.messages[i].seq);
		pages->more = op->u.history.more;
		pages->after = pages->count > 0 ? pages->seen[pages->count - 1] : 0;
		break;
	case CHAT_OP_CONVERSATIONS:
		for (size_t i = 0; i < op->u.conversations.count; i++)
			page_add(pages, op->u.conversations.items[i].target.user << 1 |
						op->u.conversations.items[i].target.group << 1);
		pages->after = op->u.conversations.next;
		break;
	case CHAT_OP_GROUPS:
		for (size_t i = 0; i < op->u.groups.count; i++)
			page_add(pages, op->u.groups.items[i].id);
		pages->after = op->u.groups.next;
		break;
	case CHAT_OP_GROUP_MEMBERS:
		for (size_t i = 0; i < op->u.members.count; i++)
			page_add(pages, op->u.members.items[i].user.id);
		pages->after = op->u.members.next;
		break;
	default:
		for (size_t i = 0; i < op->u.friends.count; i++)
			page_add(pages, op->u.friends.items[i].user.id);
		pages->after = op->u.friends.next;
		break;
	}
	if (op->kind != CHAT_OP_HISTORY)
		pages->more = pages->after != 0;
	return pages->count - before;
}

/* Page by page until there is no more. False: a page is not what was asked for. */
static bool pages_read(struct store *store, struct pages *pages, uint32_t limit, size_t bytes_max)
{
	bool good = true;

	do {
		struct chat_op *op = page_ask(pages, limit, bytes_max);
		size_t count;

		chat_backend_run(store->backend, &op, 1);
		count = page_take(pages, op);
		good = op->code == CHAT_CODE_OK && count <= limit && (count > 0 || !pages->more);
		chat_op_destroy(op);
	} while (good && pages->more);
	return good;
}

static bool pages_add_up(struct store *store, struct pages pages)
{
	struct pages whole = pages;
	uint32_t limit = 1 + work_chance(4);
	size_t bytes_max = work_chance(2) ? SIZE_MAX : 1 + work_chance(600);
	bool good = pages_read(store, &whole, AUDIT_MAX, SIZE_MAX) &&
		    pages_read(store, &pages, limit, bytes_max) && pages.count == whole.count &&
		    memcmp(pages.seen, whole.seen, whole.count * sizeof(whole.seen[0])) == 0;

	if (!good)
		printf("# seed %llu, after %lu operations: %s: the pages of %s of user %llu do not "
		       "add up: %zu, not %zu\n",
		       (unsigned long long)seed, operations, store->name, chat_op_name(pages.kind),
		       (unsigned long long)ids_user_back(&store->ids, pages.user), pages.count,
		       whole.count);
	return good;
}

static bool check_pages(struct store *store)
{
	chat_id user = 1 + work_chance((uint32_t)model.user_count);
	struct pages pages = {.user = store->ids.users[user], .device = chat_view_of("default")};
	bool good = true;

	pages.kind = CHAT_OP_FRIENDS;
	good = pages_add_up(store, pages) && good;
	pages.kind = CHAT_OP_GROUPS;
	good = pages_add_up(store, pages) && good;
	pages.kind = CHAT_OP_CONVERSATIONS;
	good = pages_add_up(store, pages) && good;
	for (size_t group = 1; group <= model.conv_count; group++) {
		if (!model.convs[group].is_group || !model_member(&model.convs[group], user))
			continue;
		pages.group = store->ids.groups[group];
		pages.kind = CHAT_OP_GROUP_MEMBERS;
		good = pages_add_up(store, pages) && good;
		pages.kind = CHAT_OP_HISTORY;
		good = pages_add_up(store, pages) && good;
		break;
	}
	return good;
}

/* --- Runs -------------------------------------------------------------------------------------------- */

static bool run_seed(unsigned long count)
{
	struct chat_op *plan[BATCH_MAX];
	bool good = true;

	model_reset(&limits);
	work_seed(seed);
	operations = 0;
	good = open_stores() && run_batch(plan, work_people(plan));
	for (unsigned batch = 1; good && operations < count; batch++) {
		size_t len = work_chance(4) == 0 ? 1 : 1 + work_chance(BATCH_MAX);

		work_batch(plan, len);
		good = run_batch(plan, len);
		if (good && batch % AUDIT_EVERY == 0)
			good = audit();
		for (size_t i = 0; good && batch % AUDIT_EVERY == 0 && i < store_count; i++)
			good = check_pages(&stores[i]);
	}
	close_stores();
	return good;
}

static int usage(const char *program)
{
	fprintf(stderr,
		"usage: %s [--seed N] [--seeds N] [--operations N] [--seconds N] [--trace]\n",
		program);
	return 2;
}

int main(int argc, char **argv)
{
	unsigned long first = 1, seeds = 1, count = 2000, seconds = 0, done = 0;
	time_t began = time(NULL);
	bool good = true;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--trace") == 0)
			tracing = true;
		else if (i + 1 == argc)
			return usage(argv[0]);
		else if (strcmp(argv[i], "--seed") == 0)
			first = strtoul(argv[++i], NULL, 10);
		else if (strcmp(argv[i], "--seeds") == 0)
			seeds = strtoul(argv[++i], NULL, 10);
		else if (strcmp(argv[i], "--operations") == 0)
			count = strtoul(argv[++i], NULL, 10);
		else if (strcmp(argv[i], "--seconds") == 0)
			seconds = strtoul(argv[++i], NULL, 10);
		else
			return usage(argv[0]);
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (; seconds ? (unsigned long)(time(NULL) - began) < seconds : done < seeds; done++) {
		seed = first + done;
		bool passed = run_seed(count);

		printf("%s %lu - seed %llu: %lu operations, %zu stores\n", passed ? "ok" : "not ok",
		       done + 1, (unsigned long long)seed, operations,
		       sizeof(stores) / sizeof(stores[0]) - (getenv("CHAT_TEST_STORE") ? 0 : 1));
		good = good && passed;
	}
	printf("1..%lu\n", done);
	model_reset(&limits);
	return good ? 0 : 1;
}
