/* SPDX-License-Identifier: MIT */
/* Pages of groups and of their members. */
#include "chat/codec.h"
#include "store/rules.h"

void chat_rule_group_members(struct db *db, struct chat_op *op)
{
	struct chat_op_members *page = &op->u.members;
	uint64_t id;
	struct db_rows *row;

	op->code = chat_db_resolve(db, page->user, (struct chat_target){.group = page->group}, &id);
	if (op->code != CHAT_CODE_OK)
		return;
	row = chat_db_query(db,
			    "SELECT m.user,u.name,m.role,EXISTS(SELECT 1 FROM device p JOIN node n"
			    " ON n.name=p.node WHERE p.user=m.user AND n.beat_ms>?) FROM member m"
			    " JOIN user u ON u.id=m.user WHERE m.conversation=? AND m.user>?"
			    " ORDER BY m.user LIMIT ?",
			    "iiii", op->now_ms - (int64_t)page->lease_ms, id, page->after,
			    (uint64_t)page->limit + 1);
	page->items = chat_db_array(db, op, page->limit, sizeof(*page->items));
	while (page->items && chat_db_next(db, row)) {
		struct chat_member *item;

		if (page->count == page->limit) {
			page->next = page->items[page->count - 1].user.id;
			chat_db_end(db, row);
			break;
		}
		item = &page->items[page->count++];
		item->user.id = chat_db_u64(db, row, 0);
		item->user.name = chat_db_view(db, row, 1, op);
		item->role = (enum chat_role)chat_db_u64(db, row, 2);
		item->online = chat_db_u64(db, row, 3) != 0;
	}
}

/* All of them, on the first page. Returns what they take of it, in bytes. */
static size_t list_invitations(struct db *db, struct chat_op *op)
{
	struct chat_op_groups *page = &op->u.groups;
	struct db_list list = {.item_size = sizeof(*page->invitations)};
	size_t bytes = 0;
	struct db_rows *row = chat_db_query(
		db,
		"SELECT i.grp,g.name,i.inviter FROM invitation i JOIN chat_group g ON g.id=i.grp"
		" WHERE i.user=? ORDER BY i.grp",
		"i", page->user);

	while (chat_db_next(db, row)) {
		struct chat_invitation item = {
			.group = chat_db_u64(db, row, 0),
			.group_name = chat_db_view(db, row, 1, op),
			.by = chat_db_u64(db, row, 2),
		};

		if (!chat_db_list_add(db, op, &list, &item))
			break;
		bytes += chat_json_invitation_len(&item);
	}
	page->invitations = list.items;
	page->invitation_count = list.count;
	return bytes;
}

static void group_read(struct db *db, struct chat_op *op, struct db_rows *row,
		       struct chat_group *out)
{
	out->id = chat_db_u64(db, row, 0);
	out->name = chat_db_view(db, row, 1, op);
	out->description = chat_db_view(db, row, 2, op);
	out->open = chat_db_u64(db, row, 3) != 0;
	out->members = (uint32_t)chat_db_u64(db, row, 4);
	out->role = (enum chat_role)chat_db_u64(db, row, 5);
}

void chat_rule_groups(struct db *db, struct chat_op *op)
{
	struct chat_op_groups *page = &op->u.groups;
	size_t bytes = 0;
	struct db_rows *row;

	if (page->after == 0)
		bytes = list_invitations(db, op);
	row = chat_db_query(db,
			    "SELECT g.id,g.name,g.description,g.open,g.members,m.role"
			    " FROM member m JOIN chat_group g ON g.id=m.conversation"
			    " WHERE m.user=? AND m.conversation>? ORDER BY m.conversation LIMIT ?",
			    "iii", page->user, page->after, (uint64_t)page->limit + 1);
	page->items = chat_db_array(db, op, page->limit, sizeof(*page->items));
	while (page->items && chat_db_next(db, row)) {
		struct chat_group group = {0};

		group_read(db, op, row, &group);
		bytes += chat_json_group_len(&group);
		if (page->count == page->limit || (page->count > 0 && bytes > page->bytes_max)) {
			page->next = page->items[page->count - 1].id;
			chat_db_end(db, row);
			break;
		}
		page->items[page->count++] = group;
	}
}
