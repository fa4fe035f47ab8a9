/* SPDX-License-Identifier: MIT */
/*
 * Sessions: register, login by password or token, logout, devices.
 *
 *   register   HASH -> USER_CREATE
 *   login      CREDENTIAL_GET -> VERIFY -> SESSION_OPEN, or SESSION_OPEN alone with a token
 *   password   CREDENTIAL_GET -> VERIFY -> HASH -> PASSWORD_SET
 *
 * The connection is held meanwhile (internal.h), also for device.remove, and what must outlive a step is in conn->credentials.
 */
#include "node/internal.h"

#include <stdlib.h>
#include <string.h>

enum { STEP_REGISTER = 1, STEP_LOGIN, STEP_PASSWORD };
enum { CLOSE_UNSURE = 1 }; /* see struct owed_end */

/* Copies a view whose length the codec has checked against the array. */
static size_t keep(char *to, size_t size, struct chat_view from)
{
	size_t len = from.len < size ? from.len : size;

	if (len > 0)
		memcpy(to, from.data, len);
	return len;
}

/* Holds the connection and gives it room for secrets. False: answered. */
static bool begin(struct conn *conn, const struct chat_request *request)
{
	conn->credentials = calloc(1, sizeof(*conn->credentials));
	if (!conn->credentials) {
		chat_conn_error(conn, &request->id, CHAT_CODE_UNAVAILABLE, "out of memory",
				NODE_RETRY_MS);
		return false;
	}
	chat_conn_hold(conn);
	return true;
}

static void end_with_error(struct conn *conn, const struct chat_op *op, enum chat_code code)
{
	uint32_t retry_ms = code == CHAT_CODE_UNAVAILABLE ? NODE_RETRY_MS : 0;

	chat_conn_release(conn);
	chat_conn_error(conn, &op->origin.id, code, op->detail, retry_ms);
}

/* Submits the next step; where that fails the connection is free again (and answered). */
static void submit_step(struct conn *conn, struct chat_op *op)
{
	if (!op || !chat_operation_submit(conn->node, op))
		chat_conn_release(conn);
}

static struct chat_op *create_step(struct conn *conn, const struct chat_request_id *id,
				   enum chat_op_kind kind, uint32_t step)
{
	struct chat_op *op = chat_operation_create(conn->node, conn, id, kind);

	if (op)
		op->origin.reason = step;
	return op;
}

static void submit_hash(struct conn *conn, const struct chat_request_id *id, uint32_t step,
			struct chat_view password)
{
	struct chat_op *op = create_step(conn, id, CHAT_OP_HASH, step);

	if (op && !chat_operation_keep(conn->node, op, password, &op->u.hash.password))
		op = NULL;
	submit_step(conn, op);
}

struct session *chat_session_get(const struct chat_node *node, uint64_t number)
{
	return number == 0 ? NULL : chat_map_get(&node->sessions, number);
}

/* --- Rates ------------------------------------------------------------------------------------------- */

static struct rate_slot *rate_find(struct rate_slot *slots, uint64_t address)
{
	struct rate_slot *oldest = &slots[address % RATE_SLOTS];

	for (size_t i = 0; i < 4; i++) {
		struct rate_slot *slot = &slots[(address + i) % RATE_SLOTS];

		if (slot->address == address)
			return slot;
		if (slot->refilled_ms < oldest->refilled_ms)
			oldest = slot;
	}
	oldest->address = 0;
	return oldest;
}

bool chat_rate_take(struct chat_node *node, struct rate_slot *slots, uint64_t address,
		    uint32_t per_minute, bool peek, uint32_t *retry_after_ms)
{
	struct rate_slot *slot;
	uint64_t now_ms = node_now(node), full = (uint64_t)per_minute * 60000;

	if (per_minute == 0)
		return true;
	slot = rate_find(slots, address);
	if (slot->address != address)
		*slot = (struct rate_slot){address, now_ms, full};
	slot->allowance += (now_ms - slot->refilled_ms) * per_minute;
	slot->refilled_ms = now_ms;
	if (slot->allowance > full)
		slot->allowance = full;
	if (slot->allowance < 60000) {
		*retry_after_ms =
			(uint32_t)((60000 - slot->allowance + per_minute - 1) / per_minute);
		return false;
	}
	if (!peek)
		slot->allowance -= 60000;
	return true;
}

static bool may_try(struct conn *conn, const struct chat_request *request)
{
	struct chat_node *node = conn->node;
	bool reg = request->type == CHAT_REQ_REGISTER;
	bool peek = (request->present & CHAT_HAS(CHAT_KEY_TOKEN)) != 0;
	uint32_t retry_ms = 0;

	if (node->draining) {
		chat_conn_error(conn, &request->id, CHAT_CODE_SHUTTING_DOWN, NULL, 0);
		return false;
	}
	if (chat_rate_take(node, reg ? node->register_rate : node->login_rate, conn->address_hash,
			   reg ? node->config.register_rate : node->config.login_rate, peek,
			   &retry_ms))
		return true;
	chat_conn_error(conn, &request->id, CHAT_CODE_RATE_LIMITED,
			"too many attempts from this address", retry_ms);
	return false;
}

/* --- Register ---------------------------------------------------------------------------------------- */

void chat_handle_register(struct conn *conn, const struct chat_request *request)
{
	if (!may_try(conn, request) || !begin(conn, request))
		return;
	conn->credentials->name_len =
		keep(conn->credentials->name, sizeof(conn->credentials->name), request->name);
	submit_hash(conn, &request->id, STEP_REGISTER, request->password);
}

static void register_hashed(struct conn *conn, const struct chat_op *hash)
{
	const struct credentials *c = conn->credentials;
	struct chat_op *op = create_step(conn, &hash->origin.id, CHAT_OP_USER_CREATE, 0);
	struct chat_view name = {c->name, c->name_len};

	if (op && (!chat_operation_keep(conn->node, op, name, &op->u.user.name) ||
		   !chat_operation_keep(conn->node, op, hash->u.hash.hash, &op->u.user.hash)))
		op = NULL;
	submit_step(conn, op);
}

void chat_complete_user_create(struct chat_node *node, struct conn *conn, struct chat_op *op)
{
	struct chat_event event = {.type = CHAT_EVENT_REGISTERED, .id = op->origin.id};

	(void)node;
	if (!conn)
		return;
	if (op->code != CHAT_CODE_OK) {
		end_with_error(conn, op, op->code);
		return;
	}
	chat_conn_release(conn);
	event.u.user.id = op->u.user.id;
	event.u.user.name = op->u.user.name;
	chat_conn_send(conn, &event);
}

/* --- Login ------------------------------------------------------------------------------------------- */

/* Unpadded base64url: RFC 4648, section 5. */
static const char token_digits[] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/* 32 random bytes, of which the first 8 become the user's id, the highest first: so the store need not ask whose it is. */
static void make_token(struct chat_node *node, struct credentials *c)
{
	uint8_t bytes[33] = {0};

	node->env.ops->random(node->env.context, bytes, 32);
	for (int i = 0; i < 8; i++)
		bytes[i] = (uint8_t)(c->user >> (56 - 8 * i));
	c->token_len = CHAT_TOKEN_LEN;
	for (size_t i = 0; i < CHAT_TOKEN_LEN; i++) {
		size_t bit = i * 6;
		unsigned pair = (unsigned)bytes[bit / 8] << 8 | bytes[bit / 8 + 1];

		c->token[i] = token_digits[pair >> (10 - bit % 8) & 63];
	}
}

/* Whose a token says that it is, which may be a lie; 0: it is none of ours. */
static chat_id token_owner(struct chat_view token)
{
	enum { DIGITS = 11 }; /* of 8 bytes, and two bits of the next */
	uint64_t owner = 0;

	if (token.len != CHAT_TOKEN_LEN)
		return 0;
	for (int i = 0; i < DIGITS; i++) {
		const char *digit = memchr(token_digits, token.data[i], sizeof(token_digits) - 1);

		if (!digit)
			return 0;
		owner = i < DIGITS - 1 ? owner << 6 | (uint64_t)(digit - token_digits)
				       : owner << 4 | (uint64_t)(digit - token_digits) >> 2;
	}
	return owner <= INT64_MAX ? owner : 0;
}

static void submit_open(struct conn *conn, const struct chat_request_id *id)
{
	struct chat_node *node = conn->node;
	struct credentials *c = conn->credentials;
	struct chat_op *op = create_step(conn, id, CHAT_OP_SESSION_OPEN, 0);
	struct chat_op_session_open *open;

	if (!op) {
		submit_step(conn, NULL);
		return;
	}
	open = &op->u.session_open;
	open->user = c->user;
	open->owner = c->user ? 0 : token_owner((struct chat_view){c->token, c->token_len});
	open->replace = c->replace;
	open->stale = c->stale;
	open->lease_ms = node->config.lease_ms;
	open->token_expires_ms = op->now_ms + (int64_t)node->config.token_lifetime_ms;
	/* A number for each attempt: what becomes of one does not concern the next on this connection. */
	open->at.session = node->next_number++;
	op->lane = c->user;
	if (!chat_operation_keep(node, op, (struct chat_view){c->token, c->token_len},
				 &open->token) ||
	    !chat_operation_keep(node, op, (struct chat_view){c->hash, c->hash_len},
				 &open->old_hash) ||
	    !chat_operation_keep(node, op, (struct chat_view){c->device, c->device_len},
				 &open->device) ||
	    !chat_operation_keep(node, op, chat_view_of(node->config.name), &open->at.node))
		op = NULL;
	if (op) /* so that a new device starts where the others really are */
		chat_marks_flush(node, NULL);
	submit_step(conn, op);
}

void chat_handle_login(struct conn *conn, const struct chat_request *request)
{
	struct credentials *c;
	struct chat_op *op;

	if (!may_try(conn, request))
		return;
	if (!conn->node->registered) {
		chat_conn_error(conn, &request->id, CHAT_CODE_UNAVAILABLE, NULL, NODE_RETRY_MS);
		return;
	}
	if (!begin(conn, request))
		return;
	c = conn->credentials;
	c->replace = request->replace;
	if (request->present & CHAT_HAS(CHAT_KEY_TOKEN)) {
		c->token_len = keep(c->token, sizeof(c->token), request->token);
		submit_open(conn, &request->id);
		return;
	}
	c->password_len = keep(c->password, sizeof(c->password), request->password);
	c->device_len = keep(c->device, sizeof(c->device), request->device);
	op = create_step(conn, &request->id, CHAT_OP_CREDENTIAL_GET, STEP_LOGIN);
	if (op)
		op->u.user.id = request->user;
	if (op && !chat_operation_keep(conn->node, op, request->name, &op->u.user.name))
		op = NULL;
	submit_step(conn, op);
}

void chat_complete_credential(struct chat_node *node, struct conn *conn, struct chat_op *op)
{
	struct credentials *c = conn ? conn->credentials : NULL;
	struct chat_op *verify;

	if (!c)
		return;
	if (op->code != CHAT_CODE_OK && op->code != CHAT_CODE_INVALID_CREDENTIALS) {
		end_with_error(conn, op, op->code);
		return;
	}
	/* A user who does not exist is verified too, against nothing: it takes the same time. */
	if (op->code == CHAT_CODE_OK) {
		c->user = op->u.user.id;
		c->hash_len = keep(c->hash, sizeof(c->hash), op->u.user.hash);
	}
	verify = create_step(conn, &op->origin.id, CHAT_OP_VERIFY, op->origin.reason);
	if (verify &&
	    (!chat_operation_keep(node, verify, (struct chat_view){c->hash, c->hash_len},
				  &verify->u.hash.hash) ||
	     !chat_operation_keep(node, verify, (struct chat_view){c->password, c->password_len},
				  &verify->u.hash.password)))
		verify = NULL;
	submit_step(conn, verify);
}

void chat_complete_verify(struct chat_node *node, struct conn *conn, struct chat_op *op)
{
	struct credentials *c = conn ? conn->credentials : NULL;

	if (!c)
		return;
	if (op->code != CHAT_CODE_OK) {
		end_with_error(conn, op, op->code);
	} else if (!op->u.hash.match) {
		end_with_error(conn, op, CHAT_CODE_INVALID_CREDENTIALS);
	} else if (op->origin.reason == STEP_PASSWORD) {
		submit_hash(conn, &op->origin.id, STEP_PASSWORD,
			    (struct chat_view){c->new_password, c->new_len});
	} else {
		make_token(node, c);
		submit_open(conn, &op->origin.id);
	}
}

/* --- Ends that are owed ------------------------------------------------------------------------------ */

/* The place of a session that has ended, and of which the store does not know that. */
struct owed_end {
	struct node_list list;
	chat_id user; /* 0: not known, see struct chat_op_session_close */
	uint64_t session;
	bool unsure; /* whether it began is not known; if so, another may have lost the place to it */
	char device[CHAT_DEVICE_MAX];
	size_t device_len;
};

static struct owed_end end_of(chat_id user, struct chat_view device, uint64_t session, bool unsure)
{
	struct owed_end end = {.user = user, .session = session, .unsure = unsure};

	end.device_len = keep(end.device, sizeof(end.device), device);
	return end;
}

static void end_later(struct chat_node *node, const struct owed_end *end)
{
	struct owed_end *owed = node->owed_count < NODE_OWED_MAX ? malloc(sizeof(*owed)) : NULL;

	if (!owed)
		return;
	*owed = *end;
	chat_list_init(&owed->list);
	chat_list_append(&node->owed, &owed->list);
	node->owed_count++;
	node->owed_at_ms = node_now(node) + NODE_RETRY_MS;
}

/* Tells the store that a session has ended; for a logout (conn, its id) the token goes too, and it is answered. */
static void submit_end(struct chat_node *node, const struct owed_end *end, struct conn *conn,
		       const struct chat_request_id *logout)
{
	struct chat_op *op = chat_operation_create(node, conn, logout, CHAT_OP_SESSION_CLOSE);
	struct chat_op_session_close *close;

	if (!op) {
		end_later(node, end);
		return;
	}
	close = &op->u.session_close;
	op->origin.reason = end->unsure ? CLOSE_UNSURE : 0;
	op->lane = close->user = end->user;
	close->revoke = logout != NULL;
	close->at.session = end->session;
	close->lease_ms = node->config.lease_ms;
	if (chat_operation_keep(node, op, chat_view_of(node->config.name), &close->at.node) &&
	    chat_operation_keep(node, op, (struct chat_view){end->device, end->device_len},
				&close->device))
		chat_operation_submit(node, op);
	else
		end_later(node, end);
}

void chat_session_tick(struct chat_node *node, uint64_t now_ms)
{
	size_t count = node->owed_count;

	if (node->owed_at_ms == 0 || now_ms < node->owed_at_ms)
		return;
	node->owed_at_ms = 0;
	while (count-- > 0) {
		struct owed_end *owed = NODE_CONTAINER(node->owed.next, struct owed_end, list);

		chat_list_remove(&owed->list);
		node->owed_count--;
		submit_end(node, owed, NULL, NULL);
		free(owed);
	}
}

void chat_session_forget_owed(struct chat_node *node)
{
	while (!chat_list_is_empty(&node->owed)) {
		struct owed_end *owed = NODE_CONTAINER(node->owed.next, struct owed_end, list);

		chat_list_remove(&owed->list);
		free(owed);
	}
	node->owed_count = 0;
}

void chat_session_release(struct chat_node *node, chat_id user, struct chat_view device,
			  uint64_t session)
{
	struct owed_end end = end_of(user, device, session, false);

	submit_end(node, &end, NULL, NULL);
}

static void release_orphan(struct chat_node *node, const struct chat_op_session_open *open)
{
	chat_session_release(node, open->user, open->device, open->at.session);
}

static int session_fill(struct session *session, const struct chat_op_session_open *open)
{
	struct chat_node *node = session->conn->node;

	for (size_t i = 0; i < open->mark_count; i++) {
		const struct chat_mark_state *state = &open->marks[i];
		struct mark *mark =
			chat_mark_add(session, conv_key_of(state->target), state->delivered_seq);

		if (!mark)
			return CHAT_ERR_NOMEM;
		mark->epoch = state->epoch;
		if (state->target.group &&
		    chat_group_add(node, state->target.group, state->epoch, session) != 0)
			return CHAT_ERR_NOMEM;
		/* The membership may have changed since it was read: whether it stands is found out by reading. */
		if (state->target.group &&
		    chat_group_get(node, state->target.group)->epoch != state->epoch)
			chat_mark_fall_behind(session, mark, 0);
	}
	return 0;
}

/* A session for the connection; NULL where memory is out (the connection is then closed). */
static struct session *session_create(struct conn *conn, const struct chat_op_session_open *open)
{
	struct chat_node *node = conn->node;
	struct session *session = calloc(1, sizeof(*session) + open->device.len + 1);

	if (session)
		session->number = open->at.session;
	if (!session || chat_map_put(&node->sessions, session) != 0 ||
	    chat_user_add_session(node, open->user, session) != 0) {
		chat_map_remove(&node->sessions, open->at.session);
		free(session);
		release_orphan(node, open);
		chat_conn_close(conn, false);
		return NULL;
	}
	keep(session->device, open->device.len, open->device);
	session->device_made_ms = open->device_made_ms;
	session->conn = conn;
	conn->session = session;
	chat_list_init(&session->dirty);
	chat_list_init(&session->awaiting);
	chat_list_append(&node->unswept, &session->swept);
	node->stats.sessions++;
	if (session_fill(session, open) == 0)
		return session;
	chat_conn_close(conn, false);
	return NULL;
}

static void session_begin(struct conn *conn, const struct chat_op *op)
{
	const struct chat_op_session_open *open = &op->u.session_open;
	struct chat_node *node = conn->node;
	struct session *session = session_create(conn, open);
	struct chat_event event = {.type = CHAT_EVENT_LOGIN, .id = op->origin.id};

	if (!session)
		return;
	chat_conn_release(conn);
	chat_conn_set_waiting(conn, false);
	event.u.login.user = (struct chat_user){open->user, open->name};
	event.u.login.device = open->device;
	event.u.login.token = open->token;
	event.u.login.token_expires_ms = open->token_expires_ms;
	event.u.login.heartbeat_ms = node->config.heartbeat_ms;
	event.u.login.pending = open->pending;
	if (!chat_conn_send(conn, &event))
		return;
	session->user->going_at_ms = 0;
	chat_list_remove(&session->user->going);
	if (open->first)
		chat_presence_tell(node, open->user, true, 0);
	for (size_t i = 0; i < open->mark_count; i++) {
		struct mark *mark = chat_mark_get(session, conv_key_of(open->marks[i].target));

		if (mark && open->marks[i].last_seq > mark->pushed)
			chat_mark_fall_behind(session, mark, open->marks[i].last_seq);
	}
	chat_catchup_run(session);
	chat_sync_later(session);
}

/*
 * The store says that the device is online here, but its connection is gone: its close is still on
 * the way. The store is asked again, told of the dead session.
 */
static bool holder_is_stale(const struct chat_node *node, const struct chat_op *op)
{
	const struct chat_presence_at *holder = &op->u.session_open.holder;

	return op->code == CHAT_CODE_ALREADY_ONLINE && holder->session != 0 &&
	       chat_view_equal(holder->node, chat_view_of(node->config.name)) &&
	       !chat_session_get(node, holder->session);
}

void chat_complete_session_open(struct chat_node *node, struct conn *conn, struct chat_op *op)
{
	const struct chat_op_session_open *open = &op->u.session_open;
	const struct session *dead;
	uint32_t ignored;

	/* What became of it is not known: if it is there, it is to go. */
	if (op->code == CHAT_CODE_UNAVAILABLE) {
		struct owed_end end = end_of(open->user, open->device, open->at.session, true);

		end_later(node, &end);
	}
	if (op->code == CHAT_CODE_OK && open->holder.session != 0)
		chat_session_bye_at(node, open->user, open->holder, CHAT_BYE_REPLACED, NULL);
	/* Who was taken for dead may have been about to begin: lanes complete in any order. */
	dead = op->code == CHAT_CODE_OK ? chat_session_get(node, open->stale) : NULL;
	if (dead)
		chat_conn_bye(dead->conn, CHAT_BYE_REPLACED, NULL);
	if (!conn) {
		if (op->code == CHAT_CODE_OK)
			release_orphan(node, open);
		return;
	}
	if (op->code == CHAT_CODE_OK) {
		session_begin(conn, op);
		return;
	}
	if (holder_is_stale(node, op) && conn->credentials->stale != open->holder.session) {
		conn->credentials->stale = open->holder.session;
		submit_open(conn, &op->origin.id);
		return;
	}
	if (op->code == CHAT_CODE_INVALID_CREDENTIALS && conn->credentials->user == 0)
		chat_rate_take(node, node->login_rate, conn->address_hash, node->config.login_rate,
			       false, &ignored);
	end_with_error(conn, op, op->code);
}

/* --- The end of a session ---------------------------------------------------------------------------- */

void chat_session_end(struct session *session, const struct chat_request_id *logout)
{
	struct conn *conn = session->conn;
	struct chat_node *node = conn->node;
	struct owed_end end =
		end_of(session->user->id, chat_view_of(session->device), session->number, false);

	conn->session = NULL;
	chat_map_remove(&node->sessions, session->number);
	chat_marks_flush(node, session);
	submit_end(node, &end, logout ? conn : NULL, logout);
	chat_list_remove(&session->dirty);
	chat_list_remove(&session->awaiting);
	chat_list_remove(&session->swept);
	for (size_t i = 0; i < session->mark_count; i++)
		if (session->marks[i].key & CONV_GROUP)
			chat_group_remove(node, session->marks[i].key & ~CONV_GROUP, session);
	chat_user_remove_session(node, session);
	node->stats.sessions--;
	free(session->marks);
	free(session->own);
	free(session);
}

void chat_session_bye_at(struct chat_node *node, chat_id user, struct chat_presence_at at,
			 enum chat_bye code, const char *message)
{
	struct bus_message elsewhere = {.kind = BUS_BYE,
					.user = user,
					.session = at.session,
					.flags = (uint64_t)code << BUS_BYE_SHIFT,
					.frame = at.node};
	const struct session *session = chat_session_get(node, at.session);

	if (!chat_view_equal(at.node, chat_view_of(node->config.name)))
		chat_bus_publish(node, CHAT_CHANNEL_USER, user, &elsewhere, NULL);
	else if (session)
		chat_conn_bye(session->conn, code, message);
}

void chat_handle_logout(struct conn *conn, const struct chat_request *request)
{
	chat_conn_hold(conn);
	chat_session_end(conn->session, &request->id);
	if (conn->state == CONN_HELD &&
	    conn->operations == 0) /* memory was out: nobody will release it */
		chat_conn_close(conn, false);
}

void chat_complete_session_close(struct chat_node *node, struct conn *conn, struct chat_op *op)
{
	const struct chat_op_session_close *close = &op->u.session_close;
	bool unsure = op->origin.reason == CLOSE_UNSURE;

	if (op->code == CHAT_CODE_OK && close->last && node->draining)
		chat_presence_hand_over(node, close->user);
	else if (op->code == CHAT_CODE_OK && close->last)
		chat_presence_going(node, close->user);
	if (op->code == CHAT_CODE_UNAVAILABLE) {
		struct owed_end end = end_of(close->user, close->device, close->at.session, unsure);

		end_later(node, &end);
	}
	if (op->code == CHAT_CODE_OK && unsure) {
		/* Whoever had the place before, here or elsewhere, was not told to go: they take it back. */
		node->bus_lost = true;
		chat_sweep_start(node);
	}
	if (!conn)
		return;
	/* The token is not revoked: it is the other's, of whom this one had not heard yet. */
	if (op->code == CHAT_CODE_OK && close->taken) {
		chat_conn_bye(conn, CHAT_BYE_REPLACED, NULL);
		return;
	}
	/* A logout. Where the store is away the session is over, but the token is not: that is told. */
	chat_conn_release(conn);
	chat_conn_set_waiting(conn, true);
	if (op->code == CHAT_CODE_OK)
		chat_conn_reply(conn, &op->origin.id, CHAT_EVENT_OK);
	else
		chat_operation_fail(conn, op);
}

/* --- Password and devices ---------------------------------------------------------------------------- */

void chat_handle_password(struct conn *conn, const struct chat_request *request)
{
	struct credentials *c;
	struct chat_op *op;

	if (!begin(conn, request))
		return;
	c = conn->credentials;
	c->password_len = keep(c->password, sizeof(c->password), request->old_password);
	c->new_len = keep(c->new_password, sizeof(c->new_password), request->new_password);
	op = create_step(conn, &request->id, CHAT_OP_CREDENTIAL_GET, STEP_PASSWORD);
	if (op)
		op->u.user.id = conn->session->user->id;
	submit_step(conn, op);
}

static void password_hashed(struct conn *conn, const struct chat_op *hash)
{
	struct chat_node *node = conn->node;
	struct credentials *c = conn->credentials;
	struct chat_op *op = create_step(conn, &hash->origin.id, CHAT_OP_PASSWORD_SET, 0);
	struct chat_op_password_set *set = op ? &op->u.password_set : NULL;

	if (op)
		set->user = c->user;
	if (op &&
	    (!chat_operation_keep(node, op, chat_view_of(conn->session->device), &set->device) ||
	     !chat_operation_keep(node, op, (struct chat_view){c->hash, c->hash_len},
				  &set->old_hash) ||
	     !chat_operation_keep(node, op, hash->u.hash.hash, &set->hash)))
		op = NULL;
	submit_step(conn, op);
}

void chat_complete_hash(struct chat_node *node, struct conn *conn, struct chat_op *op)
{
	(void)node;
	if (!conn || !conn->credentials)
		return;
	if (op->code != CHAT_CODE_OK)
		end_with_error(conn, op, op->code);
	else if (op->origin.reason == STEP_PASSWORD)
		password_hashed(conn, op);
	else
		register_hashed(conn, op);
}

void chat_complete_password_set(struct chat_node *node, struct conn *conn, struct chat_op *op)
{
	const struct chat_op_password_set *set = &op->u.password_set;

	if (conn && op->code != CHAT_CODE_OK) {
		end_with_error(conn, op, op->code);
	} else if (conn) {
		chat_conn_release(conn);
		chat_conn_reply(conn, &op->origin.id, CHAT_EVENT_OK);
	}
	for (size_t i = 0; op->code == CHAT_CODE_OK && i < set->revoked_count; i++)
		chat_session_bye_at(node, set->user, set->revoked[i].at, CHAT_BYE_REMOVED,
				    "the password was changed");
}

void chat_handle_devices(struct conn *conn, const struct chat_request *request)
{
	struct chat_op *op = chat_operation_create(conn->node, conn, &request->id, CHAT_OP_DEVICES);

	if (!op)
		return;
	op->u.devices.user = conn->session->user->id;
	op->u.devices.lease_ms = conn->node->config.lease_ms;
	chat_operation_submit(conn->node, op);
}

void chat_complete_devices(struct chat_node *node, struct conn *conn, struct chat_op *op)
{
	struct chat_event event = {.type = CHAT_EVENT_DEVICES, .id = op->origin.id};

	(void)node;
	if (!conn)
		return;
	if (op->code != CHAT_CODE_OK) {
		chat_operation_fail(conn, op);
		return;
	}
	event.u.devices.items = op->u.devices.items;
	event.u.devices.count = op->u.devices.count;
	chat_conn_send(conn, &event);
}

void chat_handle_device_remove(struct conn *conn, const struct chat_request *request)
{
	struct chat_node *node = conn->node;
	struct chat_op *op = chat_operation_create(node, conn, &request->id, CHAT_OP_DEVICE_REMOVE);

	if (!op)
		return;
	op->u.device_remove.user = conn->session->user->id;
	op->u.device_remove.lease_ms = node->config.lease_ms;
	if (!chat_operation_keep(node, op, request->device, &op->u.device_remove.device))
		return;
	chat_marks_flush(node, NULL); /* the furthest mark outlives the device */
	chat_conn_hold(conn);	      /* its own device: what follows would have no answer */
	submit_step(conn, op);
}

void chat_complete_device_remove(struct chat_node *node, struct conn *conn, struct chat_op *op)
{
	const struct chat_op_device_remove *remove = &op->u.device_remove;

	if (conn)
		chat_conn_release(conn);
	if (conn && op->code != CHAT_CODE_OK)
		chat_operation_fail(conn, op);
	else if (conn)
		chat_conn_reply(conn, &op->origin.id, CHAT_EVENT_OK);
	if (op->code != CHAT_CODE_OK)
		return;
	if (remove->holder.session != 0)
		chat_session_bye_at(node, remove->user, remove->holder, CHAT_BYE_REMOVED,
				    "the device was removed");
	if (remove->last)
		chat_presence_going(node, remove->user);
}
