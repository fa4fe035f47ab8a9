/* SPDX-License-Identifier: MIT */
/* Messages: send, edit, recall, ack, read, typing, history, conversations. */
#include "node/internal.h"

enum { CHECK_ACK = 1, CHECK_TYPING };

static struct chat_target target_of(const struct chat_request *request)
{
	return (struct chat_target){.user = request->user, .group = request->group};
}

static enum chat_message_kind kind_of(enum chat_request_type type)
{
	return type == CHAT_REQ_EDIT	 ? CHAT_MESSAGE_EDIT
	       : type == CHAT_REQ_RECALL ? CHAT_MESSAGE_RECALL
					 : CHAT_MESSAGE_TEXT;
}

void chat_handle_append(struct conn *conn, const struct chat_request *request)
{
	struct chat_node *node = conn->node;
	struct chat_op *op = chat_operation_create(node, conn, &request->id, CHAT_OP_APPEND);
	struct chat_op_append *append;

	if (!op)
		return;
	append = &op->u.append;
	append->kind = kind_of(request->type);
	append->from = conn->session->user->id;
	append->target = target_of(request);
	append->changes = append->kind == CHAT_MESSAGE_TEXT ? 0 : request->seq;
	append->friends_only = node->config.friends_only;
	op->lane = chat_lane_of(request->group, append->from, request->user);
	if (!chat_operation_keep(node, op, request->text, &append->text) ||
	    !chat_operation_keep(node, op, request->data, &append->data) ||
	    !chat_operation_keep(node, op, request->cid, &append->cid) ||
	    !chat_operation_keep(node, op, chat_view_of(conn->session->device), &append->device))
		return;
	chat_operation_submit(node, op);
}

/*
 * The connection went while its message was on the way. It counts as delivered to that device all the same, if
 * everything before it was.
 */
static void append_was_orphaned(struct chat_node *node, const struct chat_op_append *append)
{
	struct chat_op *op = chat_operation_create(node, NULL, NULL, CHAT_OP_MARKS);
	struct chat_mark_write *item = op ? chat_arena_array(&op->arena, 1, sizeof(*item)) : NULL;

	if (!item) {
		chat_op_destroy(op);
		return;
	}
	op->lane = item->user = append->from;
	item->target = append->target;
	item->seq = append->seq;
	item->only_next = true;
	op->u.marks.items = item;
	op->u.marks.count = 1;
	if (chat_operation_keep(node, op, append->device, &item->device))
		chat_operation_submit(node, op);
}

void chat_complete_append(struct chat_node *node, struct conn *conn, struct chat_op *op)
{
	struct chat_event event = {.type = CHAT_EVENT_SENT, .id = op->origin.id};
	const struct chat_op_append *append = &op->u.append;

	if (op->code != CHAT_CODE_OK) {
		chat_operation_fail(conn, op);
		return;
	}
	event.u.sent = (struct chat_sent){append->seq, append->time_ms, append->duplicate};
	if (conn)
		chat_conn_send(conn, &event);
	else
		append_was_orphaned(node, append);
}

/* --- Marks ------------------------------------------------------------------------------------------- */

static void check_target(struct conn *conn, const struct chat_request *request, uint32_t reason)
{
	struct chat_op *op =
		chat_operation_create(conn->node, conn, &request->id, CHAT_OP_TARGET_CHECK);

	if (!op)
		return;
	op->origin.reason = reason;
	op->u.target_check.user = conn->session->user->id;
	op->u.target_check.target = target_of(request);
	op->u.target_check.strict = reason == CHECK_TYPING;
	chat_operation_submit(conn->node, op);
}

void chat_handle_ack(struct conn *conn, const struct chat_request *request)
{
	struct mark *mark = chat_mark_get(conn->session, conv_key_of(target_of(request)));

	if (mark)
		chat_mark_ack(conn->session, mark, request->seq);
	else
		check_target(conn, request,
			     CHECK_ACK); /* nothing to move, but it may be an error */
}

static void tell_typing(struct chat_node *node, chat_id from, struct chat_target target,
			uint64_t except_conn)
{
	struct chat_event event = {.type = CHAT_EVENT_TYPING};

	event.u.mark.by = from;
	event.u.mark.to = target.user;
	event.u.mark.group = target.group;
	if (target.group)
		chat_group_tell(node, target.group, &event, except_conn, true);
	else if (target.user != from)
		chat_user_tell(node, target.user, &event, 0);
}

void chat_handle_typing(struct conn *conn, const struct chat_request *request)
{
	if (request->group && chat_mark_get(conn->session, request->group | CONV_GROUP))
		tell_typing(conn->node, conn->session->user->id, target_of(request), conn->id);
	else
		check_target(conn, request, CHECK_TYPING);
}

void chat_complete_target_check(struct chat_node *node, struct conn *conn, struct chat_op *op)
{
	if (op->code != CHAT_CODE_OK)
		chat_operation_fail(conn, op);
	else if (op->origin.reason == CHECK_TYPING)
		tell_typing(node, op->u.target_check.user, op->u.target_check.target,
			    op->origin.conn);
}

void chat_handle_read(struct conn *conn, const struct chat_request *request)
{
	struct chat_op *op = chat_operation_create(conn->node, conn, &request->id, CHAT_OP_READ);

	if (!op)
		return;
	op->u.read.user = conn->session->user->id;
	op->u.read.target = target_of(request);
	op->u.read.seq = request->seq;
	chat_operation_submit(conn->node, op);
}

void chat_complete_read(struct chat_node *node, struct conn *conn, struct chat_op *op)
{
	const struct chat_op_read *read = &op->u.read;
	struct chat_event event = {.type = CHAT_EVENT_READ};

	if (op->code != CHAT_CODE_OK) {
		chat_operation_fail(conn, op);
		return;
	}
	if (conn)
		chat_conn_reply(conn, &op->origin.id, CHAT_EVENT_OK);
	if (!read->moved)
		return;
	event.u.mark =
		(struct chat_mark){read->user, read->target.user, read->target.group, read->seq};
	chat_user_tell(node, read->user, &event, op->origin.conn);
	if (read->target.user && read->target.user != read->user && !read->hidden)
		chat_user_tell(node, read->target.user, &event, 0);
}

/* --- Pages ------------------------------------------------------------------------------------------- */

void chat_handle_history(struct conn *conn, const struct chat_request *request)
{
	struct chat_op *op = chat_operation_create(conn->node, conn, &request->id, CHAT_OP_HISTORY);
	struct chat_op_history *history;

	if (!op)
		return;
	history = &op->u.history;
	history->user = conn->session->user->id;
	history->target = target_of(request);
	history->before = request->before;
	history->after = request->after;
	history->forward = (request->present & CHAT_HAS(CHAT_KEY_AFTER)) != 0;
	history->limit = request->limit;
	history->bytes_max = node_page_room(&request->id);
	chat_operation_submit(conn->node, op);
}

void chat_complete_history(struct chat_node *node, struct conn *conn, struct chat_op *op)
{
	struct chat_event event = {.type = CHAT_EVENT_HISTORY, .id = op->origin.id};

	if (op->origin.conn == 0) {
		chat_complete_catchup(node, conn, op);
		return;
	}
	if (!conn)
		return;
	if (op->code != CHAT_CODE_OK) {
		chat_operation_fail(conn, op);
		return;
	}
	event.u.history.messages = op->u.history.messages;
	event.u.history.count = op->u.history.count;
	event.u.history.more = op->u.history.more;
	chat_conn_send(conn, &event);
}

void chat_handle_conversations(struct conn *conn, const struct chat_request *request)
{
	struct chat_node *node = conn->node;
	struct chat_op *op = chat_operation_create(node, conn, &request->id, CHAT_OP_CONVERSATIONS);

	if (!op)
		return;
	op->u.conversations.user = conn->session->user->id;
	op->u.conversations.after = request->after;
	op->u.conversations.limit = request->limit;
	op->u.conversations.bytes_max = node_page_room(&request->id);
	if (!chat_operation_keep(node, op, chat_view_of(conn->session->device),
				 &op->u.conversations.device))
		return;
	chat_marks_flush(node, NULL); /* so that it tells the marks of this moment */
	chat_operation_submit(node, op);
}

void chat_complete_conversations(struct chat_node *node, struct conn *conn, struct chat_op *op)
{
	struct chat_event event = {.type = CHAT_EVENT_CONVERSATIONS, .id = op->origin.id};

	(void)node;
	if (!conn)
		return;
	if (op->code != CHAT_CODE_OK) {
		chat_operation_fail(conn, op);
		return;
	}
	event.u.conversations.items = op->u.conversations.items;
	event.u.conversations.count = op->u.conversations.count;
	event.u.conversations.next = op->u.conversations.next;
	chat_conn_send(conn, &event);
}
