/* SPDX-License-Identifier: MIT */
/*
 * Operations as text, in the ids of the model, so that two stores' answers are equal where their texts are. What comes in no
 * order that is promised is sorted.
 */
#include "model_check.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

struct text {
	char *bytes;
	size_t len, room;
};

CHAT_PRINTF(2, 3)
static void add(struct text *text, const char *format, ...)
{
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(NULL, 0, format, args);
	va_end(args);
	if (text->len + (size_t)len + 1 > text->room) {
		text->room = (text->room + (size_t)len) * 2 + 64;
		text->bytes = realloc(text->bytes, text->room);
		assert(text->bytes);
	}
	va_start(args, format);
	vsnprintf(text->bytes + text->len, text->room - text->len, format, args);
	va_end(args);
	text->len += (size_t)len;
}

static void add_view(struct text *text, const char *name, struct chat_view view)
{
	add(text, " %s=\"", name);
	for (size_t i = 0; i < view.len; i++) {
		unsigned char c = (unsigned char)view.data[i];

		add(text, c >= 0x20 && c < 0x7f && c != '"' && c != '\\' ? "%c" : "\\x%02x", c);
	}
	add(text, "\"");
}

static unsigned long long number(uint64_t value)
{
	return value;
}

static int compare_texts(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The lines of an unordered list, in the order of the alphabet. */
static void add_sorted(struct text *text, struct text *lines, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (!lines[i].bytes)
			add(&lines[i], " ");
	qsort(lines, count, sizeof(*lines), compare_texts);
	for (size_t i = 0; i < count; i++) {
		add(text, "\n#    %s", lines[i].bytes);
		free(lines[i].bytes);
	}
	free(lines);
}

static struct text *lines_make(size_t count)
{
	struct text *lines = calloc(count + 1, sizeof(*lines));

	assert(lines);
	return lines;
}

/* --- Shapes ------------------------------------------------------------------------------------------ */

static void add_user(struct text *text, const struct ids *ids, const char *name, chat_id user)
{
	add(text, " %s=%llu", name, number(ids_user_back(ids, user)));
}

static void add_target(struct text *text, const struct ids *ids, struct chat_target target)
{
	if (target.group)
		add(text, " group=%llu", number(ids_group_back(ids, target.group)));
	else
		add_user(text, ids, "user", target.user);
}

static void add_message(struct text *text, const struct ids *ids,
			const struct chat_message *message)
{
	add(text, " #%llu kind=%d changes=%llu%s%s time=%lld", number(message->seq), message->kind,
	    number(message->changes), message->edited ? " edited" : "",
	    message->recalled ? " recalled" : "", (long long)message->time_ms);
	add_user(text, ids, "from", message->from);
	add_target(text, ids, (struct chat_target){message->to, message->group});
	add_view(text, "text", message->text);
	add_view(text, "data", message->data);
}

static void add_marks(struct text *text, const struct ids *ids, const struct chat_mark_state *marks,
		      size_t count)
{
	struct text *lines = lines_make(count);

	for (size_t i = 0; i < count; i++) {
		add_target(&lines[i], ids, marks[i].target);
		add(&lines[i], " delivered=%llu last=%llu", number(marks[i].delivered_seq),
		    number(marks[i].last_seq));
		/* Of a direct conversation it is the store's own. */
		if (marks[i].target.group)
			add(&lines[i], " epoch=%u", marks[i].epoch);
	}
	add_sorted(text, lines, count);
}

static void add_at(struct text *text, struct chat_presence_at at)
{
	add_view(text, "node", at.node);
	add(text, " session=%llu", number(at.session));
}

static void add_group(struct text *text, const struct ids *ids, const struct chat_group *group)
{
	add(text, " group=%llu open=%d role=%d members=%u", number(ids_group_back(ids, group->id)),
	    group->open, group->role, group->members);
	add_view(text, "name", group->name);
	add_view(text, "description", group->description);
}

static void add_conversation(struct text *text, const struct ids *ids,
			     const struct chat_conversation *item)
{
	add_target(text, ids, item->target);
	add_view(text, "name", item->name);
	add(text, " last=%llu delivered=%llu read=%llu peer=%llu/%llu%s", number(item->last_seq),
	    number(item->delivered_seq), number(item->read_seq), number(item->peer_delivered_seq),
	    number(item->peer_read_seq), item->peer_hidden ? " hidden" : "");
	if (item->last)
		add_message(text, ids, item->last);
}

/* --- Operations -------------------------------------------------------------------------------------- */

static void print_node(struct text *text, const struct ids *ids, const struct chat_op *op)
{
	const struct chat_op_node *node = &op->u.node;
	struct text *lines = lines_make(node->seen_count), *left = lines_make(node->left_count);

	add_view(text, "node", node->node);
	add(text, " started=%lld first=%llu end=%llu%s last=%lld%s%s", (long long)node->started_ms,
	    number(node->first_session), number(node->end_session), node->unsaid ? " unsaid" : "",
	    (long long)node->last_ms, node->usurped ? " usurped" : "", node->died ? " died" : "");
	for (size_t i = 0; i < node->seen_count; i++) {
		add_view(&lines[i], "seen", node->seen[i].name);
		add(&lines[i], " started=%lld alive=%u%s", (long long)node->seen[i].started_ms,
		    node->seen[i].alive_ms, node->seen[i].holds ? " holds" : "");
	}
	add_sorted(text, lines, node->seen_count);
	for (size_t i = 0; i < node->left_count; i++)
		add_user(&left[i], ids, "left", node->left[i]);
	add_sorted(text, left, node->left_count);
}

static void print_reap(struct text *text, const struct ids *ids, const struct chat_op *op)
{
	const struct chat_op_reap *reap = &op->u.reap;

	add_view(text, "node", reap->node);
	add(text, " limit=%u%s", reap->limit, reap->more ? " more" : "");
	for (size_t i = 0; i < reap->count; i++)
		add_user(text, ids, "taken", reap->users[i]);
}

static void print_user(struct text *text, const struct ids *ids, const struct chat_op *op)
{
	add_user(text, ids, "id", op->u.user.id);
	add_view(text, "name", op->u.user.name);
	add_view(text, "hash", op->u.user.hash);
}

static void print_password_set(struct text *text, const struct ids *ids, const struct chat_op *op)
{
	const struct chat_op_password_set *set = &op->u.password_set;
	struct text *lines = lines_make(set->revoked_count);

	add_user(text, ids, "user", set->user);
	add_view(text, "device", set->device);
	add_view(text, "old", set->old_hash);
	for (size_t i = 0; i < set->revoked_count; i++) {
		add_view(&lines[i], "revoked", set->revoked[i].device);
		add_at(&lines[i], set->revoked[i].at);
	}
	add_sorted(text, lines, set->revoked_count);
}

static void print_session_open(struct text *text, const struct ids *ids, const struct chat_op *op)
{
	const struct chat_op_session_open *open = &op->u.session_open;

	add_user(text, ids, "user", open->user);
	add_view(text, "device", open->device);
	add_view(text, "token", open->token);
	add_view(text, "old", open->old_hash);
	add_at(text, open->at);
	add(text, "%s stale=%llu", open->replace ? " replace" : "", number(open->stale));
	add_view(text, "name", open->name);
	add(text, "%s made=%lld pending=%u holder:", open->first ? " first" : "",
	    (long long)open->device_made_ms, open->pending);
	add_at(text, open->holder);
	add_marks(text, ids, open->marks, open->mark_count);
}

static void print_session_close(struct text *text, const struct ids *ids, const struct chat_op *op)
{
	const struct chat_op_session_close *close = &op->u.session_close;

	add_user(text, ids, "user", close->user);
	add_view(text, "device", close->device);
	add_at(text, close->at);
	add(text, "%s%s%s", close->revoke ? " revoke" : "", close->last ? " last" : "",
	    close->taken ? " taken" : "");
}

static void print_devices(struct text *text, const struct ids *ids, const struct chat_op *op)
{
	const struct chat_op_devices *devices = &op->u.devices;

	add_user(text, ids, "user", devices->user);
	for (size_t i = 0; i < devices->count; i++) {
		add(text, "\n#    ");
		add_view(text, "device", devices->items[i].name);
		add(text, " since=%lld%s", (long long)devices->items[i].since_ms,
		    devices->items[i].online ? " online" : "");
	}
}

static void print_device_remove(struct text *text, const struct ids *ids, const struct chat_op *op)
{
	const struct chat_op_device_remove *remove = &op->u.device_remove;

	add_user(text, ids, "user", remove->user);
	add_view(text, "device", remove->device);
	add_at(text, remove->holder);
	add(text, "%s", remove->last ? " last" : "");
}

static void print_append(struct text *text, const struct ids *ids, const struct chat_op *op)
{
	const struct chat_op_append *append = &op->u.append;

	add_user(text, ids, "from", append->from);
	add_target(text, ids, append->target);
	add(text, " kind=%d changes=%llu%s", append->kind, number(append->changes),
	    append->friends_only ? " friends_only" : "");
	add_view(text, "cid", append->cid);
	add_view(text, "text", append->text);
	add_view(text, "data", append->data);
	add(text, " seq=%llu time=%lld%s", number(append->seq), (long long)append->time_ms,
	    append->duplicate ? " duplicate" : "");
	if (append->target.group && !append->duplicate)
		add(text, " epoch=%u", append->epoch);
}

static void print_read(struct text *text, const struct ids *ids, const struct chat_op *op)
{
	const struct chat_op_read *read = &op->u.read;

	add_user(text, ids, "user", read->user);
	add_target(text, ids, read->target);
	add(text, " seq=%llu%s%s", number(read->seq), read->moved ? " moved" : "",
	    read->hidden ? " hidden" : "");
}

static void print_marks(struct text *text, const struct ids *ids, const struct chat_op *op)
{
	for (size_t i = 0; i < op->u.marks.count; i++) {
		const struct chat_mark_write *item = &op->u.marks.items[i];

		add(text, "\n#    ");
		add_user(text, ids, "user", item->user);
		add_view(text, "device", item->device);
		add_target(text, ids, item->target);
		add(text, " seq=%llu%s%s%s", number(item->seq), item->only_next ? " next" : "",
		    item->moved ? " moved" : "", item->hidden ? " hidden" : "");
	}
}

static void print_history(struct text *text, const struct ids *ids, const struct chat_op *op)
{
	const struct chat_op_history *history = &op->u.history;

	add_user(text, ids, "user", history->user);
	add_target(text, ids, history->target);
	add(text, " before=%llu after=%llu%s limit=%u%s last=%llu", number(history->before),
	    number(history->after), history->forward ? " forward" : "", history->limit,
	    history->more ? " more" : "", number(history->last_seq));
	if (history->target.group)
		add(text, " epoch=%u", history->epoch);
	for (size_t i = 0; i < history->count; i++) {
		add(text, "\n#    ");
		add_message(text, ids, &history->messages[i]);
	}
}

static void print_conversations(struct text *text, const struct ids *ids, const struct chat_op *op)
{
	const struct chat_op_conversations *page = &op->u.conversations;
	struct text *lines = lines_make(page->count);

	add_user(text, ids, "user", page->user);
	add_view(text, "device", page->device);
	for (size_t i = 0; i < page->count; i++)
		add_conversation(&lines[i], ids, &page->items[i]);
	add_sorted(text, lines, page->count);
}

static void print_target_check(struct text *text, const struct ids *ids, const struct chat_op *op)
{
	add_user(text, ids, "asker", op->u.target_check.user);
	add_target(text, ids, op->u.target_check.target);
	add(text, "%s", op->u.target_check.strict ? " strict" : "");
}

static void print_sync(struct text *text, const struct ids *ids, const struct chat_op *op)
{
	add_view(text, "node", op->u.sync.node);
	for (size_t i = 0; i < op->u.sync.count; i++) {
		const struct chat_sync_item *item = &op->u.sync.items[i];

		add(text, "\n#   ");
		add_user(text, ids, "user", item->user);
		add_view(text, "device", item->device);
		add(text, " session=%llu place=%d%s%s", number(item->session), item->place,
		    item->reclaimed ? " reclaimed" : "", item->first ? " first" : "");
		add_marks(text, ids, item->marks, item->mark_count);
	}
}

static void print_friend(struct text *text, const struct ids *ids, const struct chat_op *op)
{
	const struct chat_op_friend *f = &op->u.friendship;

	add_user(text, ids, "user", f->user.id);
	add_view(text, "name", f->user.name);
	add_user(text, ids, "other", f->other.id);
	add_view(text, "name", f->other.name);
	add(text, " state=%d before=%d/%d", f->state, f->before, f->other_before);
}

static void print_friends(struct text *text, const struct ids *ids, const struct chat_op *op)
{
	const struct chat_op_friends *page = &op->u.friends;

	add_user(text, ids, "user", page->user);
	add_user(text, ids, "after", page->after);
	add_user(text, ids, "next", page->next);
	add(text, " limit=%u", page->limit);
	for (size_t i = 0; i < page->count; i++) {
		add(text, "\n#    ");
		add_user(text, ids, "id", page->items[i].user.id);
		add_view(text, "name", page->items[i].user.name);
		add(text, " state=%d%s", page->items[i].state,
		    page->items[i].online ? " online" : "");
	}
}

static void print_group(struct text *text, const struct ids *ids, const struct chat_op *op)
{
	const struct chat_op_group *g = &op->u.group;

	add_user(text, ids, "user", g->user);
	add_user(text, ids, "other", g->other);
	add(text, " group=%llu role=%d", number(ids_group_back(ids, g->group)), g->role);
	add_view(text, "name", g->name);
	if (g->info.id)
		add_group(text, ids, &g->info);
	add(text, " joined=%llu before=%d epoch=%u%s", number(g->joined_seq), g->role_before,
	    g->epoch, g->dissolved ? " dissolved" : "");
	add_user(text, ids, "heir", g->heir);
}

static void print_members(struct text *text, const struct ids *ids, const struct chat_op *op)
{
	const struct chat_op_members *page = &op->u.members;

	add_user(text, ids, "user", page->user);
	add(text, " group=%llu limit=%u", number(ids_group_back(ids, page->group)), page->limit);
	add_user(text, ids, "after", page->after);
	add_user(text, ids, "next", page->next);
	for (size_t i = 0; i < page->count; i++) {
		add(text, "\n#    ");
		add_user(text, ids, "id", page->items[i].user.id);
		add_view(text, "name", page->items[i].user.name);
		add(text, " role=%d%s", page->items[i].role,
		    page->items[i].online ? " online" : "");
	}
}

static void print_groups(struct text *text, const struct ids *ids, const struct chat_op *op)
{
	const struct chat_op_groups *page = &op->u.groups;

	add_user(text, ids, "user", page->user);
	for (size_t i = 0; i < page->count; i++) {
		add(text, "\n#    ");
		add_group(text, ids, &page->items[i]);
	}
	for (size_t i = 0; i < page->invitation_count; i++) {
		add(text, "\n#    invited to=%llu",
		    number(ids_group_back(ids, page->invitations[i].group)));
		add_view(text, "name", page->invitations[i].group_name);
		add_user(text, ids, "by", page->invitations[i].by);
	}
}

/* --- All --------------------------------------------------------------------------------------------- */

typedef void print(struct text *text, const struct ids *ids, const struct chat_op *op);

static print *const prints[CHAT_OP_COUNT] = {
	[CHAT_OP_NODE_START] = print_node,
	[CHAT_OP_NODE_BEAT] = print_node,
	[CHAT_OP_NODE_STOP] = print_node,
	[CHAT_OP_NODE_REAP] = print_reap,
	[CHAT_OP_USER_CREATE] = print_user,
	[CHAT_OP_USER_GET] = print_user,
	[CHAT_OP_CREDENTIAL_GET] = print_user,
	[CHAT_OP_PASSWORD_SET] = print_password_set,
	[CHAT_OP_SESSION_OPEN] = print_session_open,
	[CHAT_OP_SESSION_CLOSE] = print_session_close,
	[CHAT_OP_DEVICES] = print_devices,
	[CHAT_OP_DEVICE_REMOVE] = print_device_remove,
	[CHAT_OP_APPEND] = print_append,
	[CHAT_OP_READ] = print_read,
	[CHAT_OP_MARKS] = print_marks,
	[CHAT_OP_HISTORY] = print_history,
	[CHAT_OP_CONVERSATIONS] = print_conversations,
	[CHAT_OP_TARGET_CHECK] = print_target_check,
	[CHAT_OP_SYNC] = print_sync,
	[CHAT_OP_FRIEND_ADD] = print_friend,
	[CHAT_OP_FRIEND_ACCEPT] = print_friend,
	[CHAT_OP_FRIEND_DECLINE] = print_friend,
	[CHAT_OP_FRIEND_REMOVE] = print_friend,
	[CHAT_OP_FRIEND_BLOCK] = print_friend,
	[CHAT_OP_FRIEND_UNBLOCK] = print_friend,
	[CHAT_OP_FRIENDS] = print_friends,
	[CHAT_OP_FRIENDS_ONLINE] = print_friends,
	[CHAT_OP_GROUP_CREATE] = print_group,
	[CHAT_OP_GROUP_JOIN] = print_group,
	[CHAT_OP_GROUP_LEAVE] = print_group,
	[CHAT_OP_GROUP_INVITE] = print_group,
	[CHAT_OP_GROUP_KICK] = print_group,
	[CHAT_OP_GROUP_ROLE] = print_group,
	[CHAT_OP_GROUP_UPDATE] = print_group,
	[CHAT_OP_GROUP_DISSOLVE] = print_group,
	[CHAT_OP_GROUP_MEMBERS] = print_members,
	[CHAT_OP_GROUPS] = print_groups,
};

char *op_print(const struct chat_op *op, const struct ids *ids)
{
	struct text text = {0};

	add(&text, "%s %s at=%lld", chat_op_name(op->kind), chat_code_name(op->code),
	    (long long)op->now_ms);
	/* What was refused fills in nothing else. */
	if (op->code == CHAT_CODE_ALREADY_ONLINE)
		add_at(&text, op->u.session_open.holder);
	else if (op->code == CHAT_CODE_OK)
		prints[op->kind](&text, ids, op);
	return text.bytes;
}

char *op_print_asked(const struct chat_op *op)
{
	struct text text = {0};

	add(&text, "%s at=%lld lane=%llu", chat_op_name(op->kind), (long long)op->now_ms,
	    number(op->lane));
	prints[op->kind](&text, NULL, op);
	return text.bytes;
}
