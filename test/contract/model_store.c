/* SPDX-License-Identifier: MIT */
/* The stores that are compared with the model, and the ids that each gives. */
#include "model_check.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "database.h"

enum { UNKNOWN_ID = 900000000 };

struct store stores[STORES_MAX];
size_t store_count;

const struct chat_store_limits model_limits = {
	.devices = LIMIT,
	.friends = LIMIT,
	.groups = LIMIT,
	.members = LIMIT + 2,
	.invitations = LIMIT,
	.conversations = 2 * LIMIT,
};

/* An SQLite file, in a folder of its own. */
static char folder[1024], path[1100];

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
		to_user(ids, &op->u.session_open.owner);
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

struct chat_op *plan_copy(const struct chat_op *plan, const struct ids *ids)
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

void store_learn(struct store *store, const struct chat_op *op, const struct chat_op *expected)
{
	if (op->code != CHAT_CODE_OK || expected->code != CHAT_CODE_OK)
		return;
	if (op->kind == CHAT_OP_USER_CREATE)
		store->ids.users[expected->u.user.id] = op->u.user.id;
	if (op->kind == CHAT_OP_GROUP_CREATE)
		store->ids.groups[expected->u.group.group] = op->u.group.group;
}

/* --- Stores ------------------------------------------------------------------------------------------ */

static int open_mysql(struct store *store, struct chat_store_error *error)
{
	const char *url = getenv("CHAT_TEST_STORE");
	int err = chat_mysql_open(url, &model_limits, &store->backend, error);

	return err == 0 ? chat_mysql_open(url, &model_limits, &store->elsewhere, error) : err;
}

static bool open_backend(struct store *store)
{
	struct chat_store_error error = {""};
	int err = strcmp(store->name, "mysql") == 0
			  ? open_mysql(store, &error)
			  : chat_sqlite_open(store->is_kept ? path : ":memory:", &model_limits,
					     &store->backend, &error);

	if (err != 0)
		printf("# %s: %s\n", store->name, error.text);
	return err == 0;
}

static bool add_store(const char *name, enum mode mode, bool is_kept, uint64_t seed)
{
	struct store *store = &stores[store_count++];

	*store = (struct store){.name = name, .mode = mode, .is_kept = is_kept};
	chance_seed(&store->chance, seed);
	return open_backend(store);
}

static void close_backend(struct store *store)
{
	chat_backend_destroy(store->backend);
	chat_backend_destroy(store->elsewhere);
	store->backend = store->elsewhere = NULL;
}

static void folder_remove(void)
{
	static const char *const suffixes[] = {"", "-wal", "-shm"};

	for (size_t i = 0; i < 3; i++) {
		strcpy(path + strlen(folder), "/db");
		strcat(path, suffixes[i]);
		unlink(path);
	}
	rmdir(folder);
}

/* A check that fails aborts, and one that takes too long is ended: nothing is left then either. */
static void on_end(int signal)
{
	folder_remove();
	_exit(128 + signal);
}

static bool folder_make(void)
{
	const char *where = getenv("TMPDIR");

	snprintf(folder, sizeof(folder), "%s/chat-model-XXXXXX", where ? where : "/tmp");
	if (!mkdtemp(folder))
		return false;
	snprintf(path, sizeof(path), "%s/db", folder);
	signal(SIGABRT, on_end);
	signal(SIGTERM, on_end);
	signal(SIGINT, on_end);
	return true;
}

bool stores_open(uint64_t seed)
{
	const char *url = getenv("CHAT_TEST_STORE");

	store_count = 0;
	if (!folder_make())
		return false;
	if (!add_store("memory, one by one", ALONE, false, seed) ||
	    !add_store("memory, batches", TOGETHER, false, seed) ||
	    !add_store("sqlite", EITHER, true, seed))
		return false;
	if (!url || strncmp(url, "mysql:", 6) != 0)
		return true;
	return database_make() == 0 && add_store("mysql", EITHER, true, seed);
}

void stores_close(void)
{
	while (store_count > 0)
		close_backend(&stores[--store_count]);
	folder_remove();
}

bool store_reopen(struct store *store)
{
	if (!store->is_kept)
		return true;
	close_backend(store);
	return open_backend(store);
}
