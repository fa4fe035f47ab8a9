/* SPDX-License-Identifier: MIT */
/* Messages, and how far people have got in them. */
#include "model.h"

#include <stdlib.h>

/* --- Sending ----------------------------------------------------------------------------------------- */

static bool is_same(const struct chat_op_append *a, const struct chat_op_append *b)
{
	return a->kind == b->kind && a->target.user == b->target.user &&
	       a->target.group == b->target.group && a->changes == b->changes &&
	       chat_view_equal(a->text, b->text) && chat_view_equal(a->data, b->data);
}

/* What the sender has sent by that cid, wherever. */
static const struct model_message *find_cid(const struct chat_op_append *append, uint64_t *seq)
{
	for (size_t i = 1; append->cid.len > 0 && i <= model.conv_count; i++) {
		for (size_t k = 0; k < model.convs[i].last_seq; k++) {
			const struct model_message *message = &model.convs[i].messages[k];

			if (message->sent.from == append->from &&
			    chat_view_equal(message->sent.cid, append->cid)) {
				*seq = k + 1;
				return message;
			}
		}
	}
	return NULL;
}

/* Who may write to whom. */
static enum chat_code check_people(const struct chat_op_append *append)
{
	chat_id other = append->target.user;

	if (other == 0 || other == append->from)
		return CHAT_CODE_OK;
	if (model_blocked(append->from, other))
		return CHAT_CODE_BLOCKED;
	if (append->friends_only && model.users[append->from].friends[other] != CHAT_FRIEND_FRIENDS)
		return CHAT_CODE_NOT_FRIENDS;
	return CHAT_CODE_OK;
}

/* The message that is to be changed, as far as the asker can see it. */
static enum chat_code check_change(const struct chat_op_append *append, struct model_conv *conv)
{
	const struct model_member *member = conv ? model_member(conv, append->from) : NULL;
	const struct model_message *message;
	bool own;

	if (append->kind == CHAT_MESSAGE_TEXT)
		return CHAT_CODE_OK;
	if (!member || append->changes <= member->joined_seq || append->changes > conv->last_seq)
		return CHAT_CODE_NO_SUCH_MESSAGE;
	message = &conv->messages[append->changes - 1];
	if (message->sent.kind != CHAT_MESSAGE_TEXT || message->recalled)
		return CHAT_CODE_NO_SUCH_MESSAGE;
	own = message->sent.from == append->from;
	return own || (append->kind == CHAT_MESSAGE_RECALL && member->role >= CHAT_ROLE_ADMIN)
		       ? CHAT_CODE_OK
		       : CHAT_CODE_FORBIDDEN;
}

static size_t count_directs(chat_id user)
{
	size_t count = 0;

	for (size_t i = 1; i <= model.conv_count; i++)
		count += !model.convs[i].is_group && model_member(&model.convs[i], user) != NULL;
	return count;
}

/* The first message between two begins their conversation. */
static size_t begin(struct chat_op *op)
{
	chat_id a = op->u.append.from, b = op->u.append.target.user;
	struct model_conv *conv;

	if (count_directs(a) >= model.limits.conversations ||
	    count_directs(b) >= model.limits.conversations) {
		op->code = CHAT_CODE_LIMIT_REACHED;
		return 0;
	}
	assert(model.conv_count < MODEL_CONVS_MAX);
	conv = &model.convs[++model.conv_count];
	conv->low = a < b ? a : b;
	conv->high = a < b ? b : a;
	conv->members[conv->member_count++].user = conv->low;
	if (a != b)
		conv->members[conv->member_count++].user = conv->high;
	return model.conv_count;
}

static struct model_message *message_add(struct model_conv *conv)
{
	if (conv->last_seq == conv->room) {
		conv->room = conv->room * 2 + 16;
		conv->messages = realloc(conv->messages, conv->room * sizeof(*conv->messages));
		assert(conv->messages);
	}
	return &conv->messages[conv->last_seq++];
}

static void message_change(struct model_conv *conv, const struct chat_op_append *change)
{
	struct model_message *message = &conv->messages[change->changes - 1];

	if (change->kind == CHAT_MESSAGE_EDIT) {
		message->text = model_keep(change->text);
		message->data = model_keep(change->data);
		message->edited = true;
		return;
	}
	/* A recall empties the message, and the texts of its edits. */
	for (size_t i = 0; i < conv->last_seq; i++) {
		struct model_message *other = &conv->messages[i];

		if (other != message && !(other->sent.kind == CHAT_MESSAGE_EDIT &&
					  other->sent.changes == change->changes))
			continue;
		other->text = other->data = (struct chat_view){0};
		other->edited = false;
		other->recalled = true;
	}
}

static void write(struct chat_op *op, struct model_conv *conv)
{
	struct chat_op_append *append = &op->u.append;
	int64_t last_ms = conv->last_seq ? conv->messages[conv->last_seq - 1].time_ms : 0;
	struct model_message *message = message_add(conv);

	*message = (struct model_message){.sent = *append};
	message->sent.cid = model_keep(append->cid);
	message->sent.text = message->text = model_keep(append->text);
	message->sent.data = message->data = model_keep(append->data);
	message->time_ms = op->now_ms > last_ms ? op->now_ms : last_ms;
	if (append->kind != CHAT_MESSAGE_TEXT)
		message_change(conv, append);
	model_member(conv, append->from)->read_seq = conv->last_seq;
	append->seq = conv->last_seq;
	append->time_ms = message->time_ms;
	append->epoch = conv->epoch;
}

void model_append(struct chat_op *op)
{
	struct chat_op_append *append = &op->u.append;
	uint64_t seq = 0;
	const struct model_message *known = find_cid(append, &seq);
	size_t id;

	if (known) {
		append->seq = seq;
		append->time_ms = known->time_ms;
		append->duplicate = true;
		if (!is_same(&known->sent, append))
			op->code = CHAT_CODE_CONFLICT;
		return;
	}
	id = model_conv_of(append->from, append->target, &op->code);
	if (op->code == CHAT_CODE_OK)
		op->code = check_people(append);
	if (op->code == CHAT_CODE_OK)
		op->code = check_change(append, id ? &model.convs[id] : NULL);
	if (op->code == CHAT_CODE_OK && id == 0)
		id = begin(op);
	if (op->code == CHAT_CODE_OK)
		write(op, &model.convs[id]);
}

/* --- Marks ------------------------------------------------------------------------------------------- */

void model_forget_marks(chat_id user, size_t conv)
{
	for (size_t i = 0; i < model.users[user].device_count; i++)
		model.users[user].devices[i].marks[conv] = 0;
}

static uint64_t mark_of(const struct model_device *device, size_t conv,
			const struct model_member *member)
{
	return model_more(device ? device->marks[conv] : 0, member->joined_seq);
}

void model_target_check(struct chat_op *op)
{
	const struct chat_op_target_check *check = &op->u.target_check;

	model_conv_of(check->user, check->target, &op->code);
	if (op->code == CHAT_CODE_OK && check->strict && check->target.group == 0 &&
	    model_blocked(check->user, check->target.user))
		op->code = CHAT_CODE_BLOCKED;
}

static bool is_hidden(chat_id user, struct chat_target target)
{
	return target.group == 0 && model_blocked(user, target.user);
}

void model_read(struct chat_op *op)
{
	struct chat_op_read *read = &op->u.read;
	size_t id = model_conv_of(read->user, read->target, &op->code);
	struct model_member *member = id ? model_member(&model.convs[id], read->user) : NULL;

	if (op->code != CHAT_CODE_OK)
		return;
	if (!member) {
		read->seq = 0;
		return;
	}
	if (read->seq > model.convs[id].last_seq)
		read->seq = model.convs[id].last_seq;
	read->moved = read->seq > member->read_seq;
	read->hidden = read->moved && is_hidden(read->user, read->target);
	member->read_seq = read->seq = model_more(read->seq, member->read_seq);
}

static void mark_write(struct chat_mark_write *write)
{
	enum chat_code code;
	size_t id = model_conv_of(write->user, write->target, &code);
	struct model_device *device = model_device(write->user, write->device);
	struct model_member *member;
	uint64_t mark, seq;

	if (id == 0 || !device)
		return;
	member = model_member(&model.convs[id], write->user);
	mark = mark_of(device, id, member);
	seq = write->seq < model.convs[id].last_seq ? write->seq : model.convs[id].last_seq;
	if (seq <= mark || (write->only_next && seq != mark + 1))
		return;
	device->marks[id] = seq;
	if (seq <= member->delivered_seq)
		return;
	member->delivered_seq = seq;
	write->moved = true;
	write->hidden = is_hidden(write->user, write->target);
}

void model_marks(struct chat_op *op)
{
	for (size_t i = 0; i < op->u.marks.count; i++)
		mark_write(&op->u.marks.items[i]);
}

static struct chat_target target_of(size_t id, chat_id user)
{
	const struct model_conv *conv = &model.convs[id];

	if (conv->is_group)
		return (struct chat_target){.group = id};
	return (struct chat_target){.user = conv->low == user ? conv->high : conv->low};
}

struct chat_mark_state *model_mark_states(struct chat_op *op, chat_id user,
					  const struct model_device *device, bool behind,
					  size_t *count, uint32_t *pending)
{
	struct chat_mark_state *states = model_array(op, model.conv_count, sizeof(*states));

	*count = *pending = 0;
	for (size_t i = 1; i <= model.conv_count; i++) {
		struct model_conv *conv = &model.convs[i];
		const struct model_member *member = model_member(conv, user);
		bool more = member && conv->last_seq > mark_of(device, i, member);

		*pending += more;
		if (member && (more || !behind || conv->is_group))
			states[(*count)++] = (struct chat_mark_state){target_of(i, user),
								      mark_of(device, i, member),
								      conv->last_seq, conv->epoch};
	}
	return states;
}

/* --- Reading ----------------------------------------------------------------------------------------- */

static struct chat_message show(size_t id, uint64_t seq)
{
	const struct model_message *message = &model.convs[id].messages[seq - 1];

	return (struct chat_message){
		.kind = message->sent.kind,
		.edited = message->edited,
		.recalled = message->recalled,
		.from = message->sent.from,
		.to = message->sent.target.user,
		.group = message->sent.target.group,
		.seq = seq,
		.changes = message->sent.changes,
		.time_ms = message->time_ms,
		.text = message->text,
		.data = message->data,
	};
}

/* Which of its messages a page may hold: those from first to last. */
static void history_span(const struct chat_op_history *history, const struct model_conv *conv,
			 uint64_t joined_seq, uint64_t *first, uint64_t *last)
{
	*first = joined_seq + 1;
	*last = conv->last_seq;
	if (history->forward && history->after >= *first)
		*first = history->after + 1;
	if (!history->forward && history->before != 0 && history->before <= *last)
		*last = history->before - 1;
}

void model_history(struct chat_op *op)
{
	struct chat_op_history *history = &op->u.history;
	size_t id = model_conv_of(history->user, history->target, &op->code);
	uint64_t first, last;

	history->messages = model_array(op, history->limit, sizeof(*history->messages));
	if (id == 0)
		return;
	history->last_seq = model.convs[id].last_seq;
	history->epoch = model.convs[id].epoch;
	history_span(history, &model.convs[id],
		     model_member(&model.convs[id], history->user)->joined_seq, &first, &last);
	history->more = first <= last && last - first + 1 > history->limit;
	if (history->more && history->forward)
		last = first + history->limit - 1;
	else if (history->more)
		first = last - history->limit + 1;
	for (uint64_t seq = first; seq <= last; seq++)
		history->messages[history->count++] = show(id, seq);
}

static struct chat_conversation conversation_of(struct chat_op *op, size_t id,
						const struct model_member *member)
{
	const struct chat_op_conversations *page = &op->u.conversations;
	struct model_conv *conv = &model.convs[id];
	struct chat_conversation item = {
		.target = target_of(id, page->user),
		.name = conv->name,
		.last_seq = conv->last_seq,
		.read_seq = member->read_seq,
		.delivered_seq = mark_of(model_device(page->user, page->device), id, member),
	};
	struct chat_message *last;

	item.peer_hidden = is_hidden(page->user, item.target);
	if (!conv->is_group) {
		const struct model_member *peer = model_member(conv, item.target.user);

		item.name = model.users[item.target.user].name;
		item.peer_delivered_seq = item.peer_hidden ? 0 : peer->delivered_seq;
		item.peer_read_seq = item.peer_hidden ? 0 : peer->read_seq;
	}
	if (conv->last_seq > member->joined_seq) {
		last = model_array(op, 1, sizeof(*last));
		*last = show(id, conv->last_seq);
		item.last = last;
	}
	return item;
}

/* Of one page that holds all, in any order. */
void model_conversations(struct chat_op *op)
{
	struct chat_op_conversations *page = &op->u.conversations;

	page->items = model_array(op, model.conv_count, sizeof(*page->items));
	for (size_t i = 1; i <= model.conv_count; i++) {
		const struct model_member *member = model_member(&model.convs[i], page->user);

		if (member)
			page->items[page->count++] = conversation_of(op, i, member);
	}
}
