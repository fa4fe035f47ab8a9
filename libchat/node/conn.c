/* SPDX-License-Identifier: MIT */
/*
 * Connections: input with its bounds, replies, the last word, timeouts. The states are drawn in internal.h.
 */
#include "node/internal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

void chat_list_init(struct node_list *list)
{
	list->prev = list->next = list;
}

void chat_list_append(struct node_list *list, struct node_list *item)
{
	item->prev = list->prev;
	item->next = list;
	list->prev->next = item;
	list->prev = item;
}

void chat_list_remove(struct node_list *item)
{
	item->prev->next = item->next;
	item->next->prev = item->prev;
	item->prev = item->next = item;
}

void chat_list_splice(struct node_list *list, struct node_list *from)
{
	if (chat_list_is_empty(from))
		return;
	from->next->prev = list->prev;
	list->prev->next = from->next;
	from->prev->next = list;
	list->prev = from->prev;
	chat_list_init(from);
}

bool chat_list_is_empty(const struct node_list *list)
{
	return list->next == list;
}

struct conn *chat_conn_get(struct chat_node *node, uint64_t id)
{
	return id == 0 ? NULL : chat_map_get(&node->conns, id);
}

void chat_credentials_free(struct conn *conn)
{
	volatile char *bytes = (volatile char *)conn->credentials;

	if (!bytes)
		return;
	for (size_t i = 0; i < sizeof(*conn->credentials); i++)
		bytes[i] = 0;
	free(conn->credentials);
	conn->credentials = NULL;
}

void chat_conn_set_waiting(struct conn *conn, bool waiting)
{
	chat_list_remove(&conn->waiting);
	conn->overdue = false;
	if (!waiting || conn->state == CONN_CLOSED)
		return;
	conn->login_by_ms = node_now(conn->node) + conn->node->config.login_timeout_ms;
	chat_list_append(&conn->node->waiting, &conn->waiting);
}

int chat_node_connect(struct chat_node *node, const struct chat_codec *codec,
		      struct chat_view address, uint64_t *id)
{
	struct conn *conn;
	uint64_t now_ms = node_now(node);

	if (node->draining)
		return CHAT_ERR_STATE;
	if (node->conns.count >= node->config.max_connections)
		return CHAT_ERR_FULL;
	conn = calloc(1, sizeof(*conn));
	if (!conn)
		return CHAT_ERR_NOMEM;
	conn->node = node;
	conn->id = node->next_number++;
	conn->codec = codec;
	conn->last_input_ms = conn->refilled_ms = now_ms;
	conn->allowance = (uint64_t)node->config.send_rate * 1000;
	conn->address_hash = chat_view_hash(address);
	if (chat_map_put(&node->conns, conn) != 0) {
		free(conn);
		return CHAT_ERR_NOMEM;
	}
	chat_list_append(&node->active, &conn->active);
	chat_list_init(&conn->waiting);
	chat_conn_set_waiting(conn, true);
	*id = conn->id;
	return 0;
}

size_t chat_conn_queued(const struct conn *conn)
{
	return conn->node->transport.ops->queued(conn->node->transport.context, conn->id);
}

/* --- Output ------------------------------------------------------------------------------------------ */

bool chat_conn_send(struct conn *conn, const struct chat_event *event)
{
	const struct chat_transport *transport = &conn->node->transport;
	struct chat_buf *buf;
	int err;

	if (conn->state == CONN_CLOSED)
		return false;
	buf = conn->codec->encode_event(event);
	err = buf ? transport->ops->send(transport->context, conn->id, buf) : CHAT_ERR_NOMEM;

	chat_buf_unref(buf);
	if (err != 0)
		chat_conn_close(conn, false);
	return err == 0;
}

void chat_conn_reply(struct conn *conn, const struct chat_request_id *id, enum chat_event_type type)
{
	struct chat_event event = {.type = type, .id = *id};

	chat_conn_send(conn, &event);
}

void chat_conn_error(struct conn *conn, const struct chat_request_id *id, enum chat_code code,
		     const char *message, uint32_t retry_after_ms)
{
	struct chat_event event = {.type = CHAT_EVENT_ERROR, .id = *id};

	event.u.error.code = code;
	event.u.error.message = message ? chat_view_of(message) : (struct chat_view){0};
	event.u.error.retry_after_ms = retry_after_ms;
	chat_conn_send(conn, &event);
}

bool chat_conn_push(struct conn *conn, struct broadcast *broadcast, size_t high)
{
	const struct chat_transport *transport = &conn->node->transport;
	struct chat_buf *buf;

	if (chat_conn_queued(conn) >= high)
		return false;
	buf = chat_broadcast_encode(broadcast, conn->codec);
	/* Over the bus something may come without a frame: where there was none, or no memory for it. */
	return buf && buf->len > 0 && transport->ops->send(transport->context, conn->id, buf) == 0;
}

struct chat_buf *chat_broadcast_encode(struct broadcast *broadcast, const struct chat_codec *codec)
{
	if (broadcast->codec == codec)
		return broadcast->buf;
	if (!broadcast->event)
		return NULL;
	chat_broadcast_finish(broadcast);
	broadcast->buf = codec->encode_event(broadcast->event);
	broadcast->codec = broadcast->buf ? codec : NULL;
	return broadcast->buf;
}

void chat_broadcast_finish(struct broadcast *broadcast)
{
	chat_buf_unref(broadcast->buf);
	broadcast->buf = NULL;
	broadcast->codec = NULL;
}

/* --- The end ----------------------------------------------------------------------------------------- */

static const char *const bye_texts[CHAT_BYE_COUNT] = {
	[CHAT_BYE_SHUTDOWN] = "this server is shutting down; reconnect",
	[CHAT_BYE_IDLE] = "nothing was heard from you for too long",
	[CHAT_BYE_REPLACED] = "this device has logged in elsewhere",
	[CHAT_BYE_REMOVED] = "this device was removed, or the password was changed",
	[CHAT_BYE_PROTOCOL_ERROR] = "this is not the chat protocol",
};

void chat_conn_bye(struct conn *conn, enum chat_bye code, const char *message)
{
	struct chat_event event = {.type = CHAT_EVENT_BYE};
	uint32_t chance;

	event.u.bye.code = code;
	event.u.bye.message = chat_view_of(message ? message : bye_texts[code]);
	event.u.bye.reconnect = chat_bye_reconnects(code);
	if (code == CHAT_BYE_SHUTDOWN) {
		conn->node->env.ops->random(conn->node->env.context, &chance, sizeof(chance));
		event.u.bye.retry_after_ms = NODE_COME_BACK_MIN_MS + chance % NODE_COME_BACK_MS;
	}
	if (chat_conn_send(conn, &event))
		chat_conn_close(conn, false);
}

void chat_conn_close(struct conn *conn, bool broken)
{
	struct chat_node *node = conn->node;

	if (conn->state == CONN_CLOSED)
		return;
	conn->state = CONN_CLOSED;
	chat_map_remove(&node->conns, conn->id);
	chat_list_remove(&conn->active);
	chat_list_remove(&conn->waiting);
	conn->next_closed = node->closed;
	node->closed = conn;
	if (conn->session)
		chat_session_end(conn->session, NULL);
	chat_credentials_free(conn);
	if (!broken)
		node->transport.ops->close(node->transport.context, conn->id);
}

void chat_conn_sweep(struct chat_node *node)
{
	struct conn *conn;

	while ((conn = node->closed) != NULL) {
		node->closed = conn->next_closed;
		free(conn);
	}
}

void chat_node_disconnect(struct chat_node *node, uint64_t id)
{
	struct conn *conn = chat_conn_get(node, id);

	if (conn)
		chat_conn_close(conn, true);
	chat_conn_sweep(node);
}

/* --- Input ------------------------------------------------------------------------------------------- */

/* Whether the connection must wait before its next request is looked at. */
static bool conn_is_blocked(struct conn *conn)
{
	const struct chat_node_config *config = &conn->node->config;

	return conn->state == CONN_HELD || conn->overdue ||
	       conn->in_flight >= config->requests_in_flight || conn->throttled_until_ms != 0 ||
	       chat_conn_queued(conn) >= config->output_high;
}

/* send_rate as a bucket that holds one second's worth. */
static bool conn_take_allowance(struct conn *conn)
{
	uint64_t rate = conn->node->config.send_rate;
	uint64_t now_ms = node_now(conn->node);

	if (rate == 0)
		return true;
	conn->allowance += (now_ms - conn->refilled_ms) * rate;
	if (conn->allowance > rate * 1000)
		conn->allowance = rate * 1000;
	conn->refilled_ms = now_ms;
	if (conn->allowance >= 1000) {
		conn->allowance -= 1000;
		return true;
	}
	conn->throttled_until_ms = now_ms + (1000 - conn->allowance + rate - 1) / rate;
	node_earlier(&conn->node->throttle_at_ms, conn->throttled_until_ms);
	return false;
}

void chat_conn_hold(struct conn *conn)
{
	conn->state = CONN_HELD;
}

void chat_conn_release(struct conn *conn)
{
	if (conn->state == CONN_HELD)
		conn->state = CONN_OPEN;
	chat_credentials_free(conn);
}

void chat_conn_progress(struct conn *conn)
{
	const struct chat_transport *transport = &conn->node->transport;

	if (conn->state == CONN_CLOSED)
		return;
	if (conn->overdue && conn->operations == 0) {
		chat_conn_bye(conn, CHAT_BYE_IDLE, "no login came in time");
	} else if (conn->paused && !conn_is_blocked(conn)) {
		conn->paused = false;
		transport->ops->resume(transport->context, conn->id);
	} else if (conn->input_ended && !conn->paused && conn->operations == 0) {
		chat_conn_close(conn, false);
	}
}

void chat_conn_progress_logins(struct chat_node *node)
{
	struct node_list *item, *next;

	for (item = node->waiting.next; item != &node->waiting; item = next) {
		next = item->next;
		chat_conn_progress(NODE_CONTAINER(item, struct conn, waiting));
	}
}

/* A frame that cannot be read as a request is answered. */
static void conn_refuse_frame(struct conn *conn, const struct chat_decode_error *error)
{
	struct chat_event event = {.type = CHAT_EVENT_ERROR, .id = error->id};

	event.u.error.code = error->code;
	event.u.error.message = chat_view_of(error->message);
	chat_conn_send(conn, &event);
	if (error->code == CHAT_CODE_BAD_JSON && ++conn->bad_frames >= NODE_BAD_FRAMES_MAX)
		chat_conn_bye(conn, CHAT_BYE_PROTOCOL_ERROR,
			      "too many frames that are not valid JSON");
}

static void conn_refuse_length(struct conn *conn)
{
	struct chat_request_id none = {0};

	chat_conn_error(conn, &none, CHAT_CODE_FRAME_TOO_LARGE,
			"the frame is longer than max_frame", 0);
	chat_conn_bye(conn, CHAT_BYE_PROTOCOL_ERROR, "a frame was too large");
}

/* Whether a bad frame is a connection's last while something that was asked before is not answered. */
static bool conn_ends_with(const struct conn *conn, const struct chat_decode_error *error)
{
	return conn->operations > 0 && error->code == CHAT_CODE_BAD_JSON &&
	       conn->bad_frames + 1 >= NODE_BAD_FRAMES_MAX;
}

/*
 * Whether a request has to wait until everything before it is answered; a login, until the node is registered, or cannot be. For a
 * life of which the store has no row nobody sees die, nor makes good what it left behind.
 */
static bool conn_must_settle(const struct conn *conn, enum chat_request_type type)
{
	const struct chat_node *node = conn->node;

	if (type == CHAT_REQ_LOGIN && !node->registered && !node->store_failed)
		return true;
	return conn->operations > 0 &&
	       (type == CHAT_REQ_LOGIN || type == CHAT_REQ_LOGOUT || type == CHAT_REQ_PASSWORD ||
		type == CHAT_REQ_REGISTER || type == CHAT_REQ_DEVICE_REMOVE);
}

/*
 * One frame off the bytes. Returns how many are done with; 0 where there is no whole frame, or (then *paused)
 * where the request has to wait.
 */
static size_t conn_take_frame(struct conn *conn, struct chat_view bytes, bool *paused)
{
	struct chat_node *node = conn->node;
	struct chat_arena arena = {0};
	struct chat_request request = {0};
	struct chat_decode_error error;
	size_t consumed = 0;

	switch (conn->codec->decode_request(&conn->decoder, bytes, node->config.max_frame,
					    conn->session ? CHAT_LOGGED_IN : CHAT_LOGGED_OUT,
					    &arena, &request, &error, &consumed)) {
	case CHAT_DECODE_MORE:
		break;
	case CHAT_DECODE_OK:
		if (conn_must_settle(conn, request.type)) {
			*paused = conn->paused = true;
			consumed = 0;
		} else if (!conn_take_allowance(conn)) {
			*paused = conn->paused = true;
			consumed = 0;
		} else {
			node->stats.requests++;
			chat_dispatch(conn, &request);
		}
		break;
	case CHAT_DECODE_BAD:
		if (!conn_ends_with(conn, &error) && conn_take_allowance(conn)) {
			conn_refuse_frame(conn, &error);
		} else {
			*paused = conn->paused = true;
			consumed = 0;
		}
		break;
	case CHAT_DECODE_TOO_LARGE:
		if (conn->operations == 0)
			conn_refuse_length(conn);
		else /* what was asked before is answered first */
			*paused = conn->paused = true;
		break;
	case CHAT_DECODE_NOMEM:
		chat_conn_close(conn, false);
		break;
	}
	chat_arena_finish(&arena);
	return consumed;
}

/* It is there: its time of silence begins anew. */
static void conn_touch(struct conn *conn)
{
	struct chat_node *node = conn->node;

	conn->last_input_ms = node_now(node);
	chat_list_remove(&conn->active);
	chat_list_append(&node->active, &conn->active);
}

size_t chat_node_input(struct chat_node *node, uint64_t id, struct chat_view bytes, bool *paused)
{
	struct conn *conn = chat_conn_get(node, id);
	size_t done = 0;

	*paused = false;
	if (!conn)
		return bytes.len;
	conn_touch(conn);
	while (done < bytes.len && conn->state != CONN_CLOSED) {
		size_t taken;

		if (conn_is_blocked(conn)) {
			*paused = conn->paused = true;
			break;
		}
		taken = conn_take_frame(
			conn, (struct chat_view){bytes.data + done, bytes.len - done}, paused);
		if (taken == 0)
			break;
		done += taken;
	}
	if (conn->state == CONN_CLOSED)
		done = bytes.len;
	chat_conn_sweep(node);
	return done;
}

void chat_node_input_end(struct chat_node *node, uint64_t id)
{
	struct conn *conn = chat_conn_get(node, id);

	if (!conn)
		return;
	conn->input_ended = true;
	chat_conn_progress(conn);
	chat_conn_sweep(node);
}

void chat_node_drained(struct chat_node *node, uint64_t id)
{
	struct conn *conn = chat_conn_get(node, id);

	if (!conn)
		return;
	if (conn->session)
		chat_catchup_run(conn->session);
	chat_conn_progress(conn);
	chat_conn_sweep(node);
}

/* --- Time -------------------------------------------------------------------------------------------- */

/* It may be that it is not read, because it takes its answers slowly or much is in flight. */
static bool conn_is_alive(struct conn *conn)
{
	const struct chat_transport *transport = &conn->node->transport;

	return transport->ops->is_alive && transport->ops->is_alive(transport->context, conn->id);
}

static void conn_tick_idle(struct chat_node *node, uint64_t now_ms)
{
	uint64_t idle_ms = 3 * (uint64_t)node->config.heartbeat_ms;

	while (!chat_list_is_empty(&node->active)) {
		struct conn *conn = NODE_CONTAINER(node->active.next, struct conn, active);

		if (now_ms - conn->last_input_ms < idle_ms)
			break;
		if (conn_is_alive(conn))
			conn_touch(conn);
		else
			chat_conn_bye(conn, CHAT_BYE_IDLE, NULL);
	}
	while (!chat_list_is_empty(&node->waiting)) {
		struct conn *conn = NODE_CONTAINER(node->waiting.next, struct conn, waiting);

		if (now_ms < conn->login_by_ms)
			break;
		chat_list_remove(&conn->waiting);
		conn->overdue = true;
		chat_conn_progress(conn);
	}
}

static void conn_tick_throttled(struct chat_node *node, uint64_t now_ms)
{
	struct node_list *item, *next;

	if (node->throttle_at_ms == 0 || now_ms < node->throttle_at_ms)
		return;
	node->throttle_at_ms = 0;
	for (item = node->active.next; item != &node->active; item = next) {
		struct conn *conn = NODE_CONTAINER(item, struct conn, active);

		next = item->next;
		if (conn->throttled_until_ms == 0)
			continue;
		if (now_ms < conn->throttled_until_ms) {
			node_earlier(&node->throttle_at_ms, conn->throttled_until_ms);
			continue;
		}
		conn->throttled_until_ms = 0;
		chat_conn_progress(conn);
	}
}

/* While draining, byes are spread over drain_ms: as many at a time as are due. */
static void conn_tick_drain(struct chat_node *node, uint64_t now_ms)
{
	struct node_list *item, *next;

	if (!node->draining || now_ms < node->drain_next_ms)
		return;
	node->drain_next_ms = 0;
	for (item = node->active.next; item != &node->active; item = next) {
		struct conn *conn = NODE_CONTAINER(item, struct conn, active);

		next = item->next;
		if (now_ms < conn->shutdown_at_ms || conn->operations > 0)
			node_earlier(&node->drain_next_ms, now_ms < conn->shutdown_at_ms
								   ? conn->shutdown_at_ms
								   : now_ms + 10);
		else
			chat_conn_bye(conn, CHAT_BYE_SHUTDOWN, NULL);
	}
	if (node->drain_next_ms == 0)
		node->drain_next_ms = now_ms + 50;
}

void chat_conn_tick(struct chat_node *node, uint64_t now_ms)
{
	conn_tick_idle(node, now_ms);
	conn_tick_throttled(node, now_ms);
	conn_tick_drain(node, now_ms);
}
