/* SPDX-License-Identifier: MIT */
/* Users and passwords. */
#include "store/rules.h"

/* What names are compared by: ASCII letters in lower case, all else as it is. */
static struct chat_view name_key(struct db *db, struct chat_op *op, struct chat_view name)
{
	char *key = chat_db_array(db, op, name.len + 1, 1);

	for (size_t i = 0; key && i < name.len; i++)
		key[i] = (char)(name.data[i] >= 'A' && name.data[i] <= 'Z' ? name.data[i] | 0x20
									   : name.data[i]);
	return (struct chat_view){key, key ? name.len : 0};
}

void chat_rule_user_create(struct db *db, struct chat_op *op)
{
	struct chat_op_user *user = &op->u.user;
	struct chat_view key = name_key(db, op, user->name);

	if (chat_db_number(db, "SELECT 1 FROM user WHERE name_key=?", "v", key) != 0) {
		rule_refuse(op, CHAT_CODE_NAME_TAKEN, NULL);
		return;
	}
	chat_db_run(db, "INSERT INTO user(name,name_key,hash) VALUES(?,?,?)", "vvv", user->name,
		    key, user->hash);
	user->id = chat_db_last_id(db);
}

/* Fills in id, name and hash. False: there is no such user. */
static bool user_find(struct db *db, struct chat_op *op)
{
	struct chat_op_user *user = &op->u.user;
	struct db_rows *row;

	if (user->id != 0)
		row = chat_db_query(db, "SELECT id,name,hash FROM user WHERE id=?", "i", user->id);
	else
		row = chat_db_query(db, "SELECT id,name,hash FROM user WHERE name_key=?", "v",
				    name_key(db, op, user->name));
	if (!chat_db_next(db, row))
		return false;
	user->id = chat_db_u64(db, row, 0);
	user->name = chat_db_view(db, row, 1, op);
	user->hash = chat_db_view(db, row, 2, op);
	chat_db_end(db, row);
	return true;
}

void chat_rule_user_get(struct db *db, struct chat_op *op)
{
	if (!user_find(db, op))
		rule_refuse(op, CHAT_CODE_NO_SUCH_USER, NULL);
	op->u.user.hash = (struct chat_view){0};
}

void chat_rule_credential_get(struct db *db, struct chat_op *op)
{
	if (!user_find(db, op))
		rule_refuse(op, CHAT_CODE_INVALID_CREDENTIALS, NULL);
}

static void find_other_devices(struct db *db, struct chat_op *op)
{
	struct chat_op_password_set *set = &op->u.password_set;
	struct db_list list = {.item_size = sizeof(*set->revoked)};
	struct db_rows *row =
		chat_db_query(db,
			      "SELECT device,node,session FROM device WHERE user=? AND device<>?"
			      " AND node IS NOT NULL",
			      "iv", set->user, set->device);

	while (chat_db_next(db, row)) {
		struct chat_device_at at = {
			.device = chat_db_view(db, row, 0, op),
			.at.node = chat_db_view(db, row, 1, op),
			.at.session = chat_db_u64(db, row, 2),
		};

		if (!chat_db_list_add(db, op, &list, &at))
			break;
	}
	set->revoked = list.items;
	set->revoked_count = list.count;
}

void chat_rule_password_set(struct db *db, struct chat_op *op)
{
	struct chat_op_password_set *set = &op->u.password_set;

	chat_db_lock_user(db, set->user);
	if (chat_db_number(db, "SELECT 1 FROM user WHERE id=? AND hash=?", "iv", set->user,
			   set->old_hash) == 0) {
		rule_refuse(op, CHAT_CODE_INVALID_CREDENTIALS, NULL);
		return;
	}
	chat_db_run(db, "UPDATE user SET hash=? WHERE id=?", "vi", set->hash, set->user);
	find_other_devices(db, op);
	/* Their tokens go, and their places too: a session that is not told to go finds that out when it is asked about. */
	chat_db_run(db,
		    "UPDATE device SET since_ms=? WHERE user=? AND device<>? AND node IS NOT NULL",
		    "iiv", op->now_ms, set->user, set->device);
	chat_db_run(db,
		    "UPDATE device SET token=NULL,node=NULL,session=0 WHERE user=? AND device<>?",
		    "iv", set->user, set->device);
}
