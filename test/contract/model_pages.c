/* SPDX-License-Identifier: MIT */
/* Lists page by page: whatever their size, pages add up to what one page of all holds, and each is as long as it may be. */
#include "model_check.h"

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
	op->now_ms = work.now_ms;
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
	uint32_t limit = 1 + chance_below(&store->chance, 4);
	size_t bytes_max =
		chance_below(&store->chance, 2) ? SIZE_MAX : 1 + chance_below(&store->chance, 600);

	return pages_read(store, &whole, AUDIT_MAX, SIZE_MAX) &&
	       pages_read(store, &pages, limit, bytes_max) && pages.count == whole.count &&
	       memcmp(pages.seen, whole.seen, whole.count * sizeof(whole.seen[0])) == 0;
}

/* A group of the user's; 0: they are in none. */
static size_t some_group(chat_id user)
{
	for (size_t group = 1; group <= model.conv_count; group++)
		if (model.convs[group].is_group && model_member(&model.convs[group], user))
			return group;
	return 0;
}

const char *pages_check(struct store *store)
{
	static const enum chat_op_kind kinds[] = {CHAT_OP_FRIENDS, CHAT_OP_GROUPS,
						  CHAT_OP_CONVERSATIONS, CHAT_OP_GROUP_MEMBERS,
						  CHAT_OP_HISTORY};
	chat_id user = 1 + chance_below(&store->chance, (uint32_t)model.user_count);
	size_t group = some_group(user);
	struct pages pages = {.user = store->ids.users[user],
			      .group = store->ids.groups[group],
			      .device = chat_view_of("default")};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		bool of_group = kinds[i] == CHAT_OP_GROUP_MEMBERS || kinds[i] == CHAT_OP_HISTORY;

		pages.kind = kinds[i];
		if ((group != 0 || !of_group) && !pages_add_up(store, pages))
			return chat_op_name(kinds[i]);
	}
	return NULL;
}
