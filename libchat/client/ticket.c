/* SPDX-License-Identifier: MIT */
/*
 * Requests that wait for their answers.
 *
 *   request --> outbox --> flight --> answered       send, edit, recall: their frame is kept, id and cid in it
 *                 ^           |
 *                 +-----------+  a drop, or `unavailable`
 *   request --------------> flight --> answered      all others: a drop answers them
 *
 * The outbox is in the order of the ids, which is the order of asking, so that what is sent again is in order.
 */
#include <assert.h>
#include <stdlib.h>

#include "client/internal.h"

enum { PENDING_MAX = 64, OUTBOX_MAX = 64 };

/* --- Lists ------------------------------------------------------------------------------------------- */

static void list_init(struct ticket_list *list)
{
	*list = (struct ticket_list){NULL, NULL};
	list->end = &list->first;
}

static void list_append(struct ticket_list *list, struct ticket *ticket)
{
	ticket->next = NULL;
	*list->end = ticket;
	list->end = &ticket->next;
}

static void list_insert(struct ticket_list *list, struct ticket *ticket)
{
	struct ticket **link = &list->first;

	while (*link && (*link)->id < ticket->id)
		link = &(*link)->next;
	ticket->next = *link;
	*link = ticket;
	if (!ticket->next)
		list->end = &ticket->next;
}

static struct ticket *list_take(struct ticket_list *list, struct ticket **link)
{
	struct ticket *ticket = *link;

	*link = ticket->next;
	if (!*link)
		list->end = link;
	ticket->next = NULL;
	return ticket;
}

static struct ticket **list_find(struct ticket_list *list, const struct chat_request_id *id)
{
	struct ticket **link = &list->first;

	if (id->kind != CHAT_ID_INTEGER || id->number <= 0)
		return NULL;
	while (*link && (*link)->id != (chat_ticket)id->number)
		link = &(*link)->next;
	return *link ? link : NULL;
}

static void ticket_free(struct ticket *ticket)
{
	chat_buf_unref(ticket->buf);
	free(ticket);
}

static void list_finish(struct ticket_list *list)
{
	while (list->first)
		ticket_free(list_take(list, &list->first));
}

void chat_tickets_init(struct chat_client *client)
{
	list_init(&client->flight);
	list_init(&client->outbox);
	client->next_ticket = 1;
}

void chat_tickets_finish(struct chat_client *client)
{
	list_finish(&client->flight);
	list_finish(&client->outbox);
}

/* --- Answers ----------------------------------------------------------------------------------------- */

enum chat_request_type chat_tickets_type(void *context, const struct chat_request_id *id)
{
	struct chat_client *client = context;
	struct ticket **link = list_find(&client->flight, id);

	if (link)
		return (*link)->type;
	if (id->kind != CHAT_ID_INTEGER)
		return CHAT_REQ_COUNT;
	switch (id->number) {
	case CLIENT_ID_HELLO:
		return CHAT_REQ_HELLO;
	case CLIENT_ID_REGISTER:
		return CHAT_REQ_REGISTER;
	case CLIENT_ID_LOGIN:
		return CHAT_REQ_LOGIN;
	case CLIENT_ID_PING:
		return CHAT_REQ_PING;
	default:
		return CHAT_REQ_COUNT;
	}
}

/* Frees the ticket, and then tells the application: it may ask again from there. */
static void answer(struct chat_client *client, struct ticket *ticket,
		   const struct chat_event *event)
{
	chat_ticket id = ticket->id;
	enum chat_request_type type = ticket->type;

	if (ticket->buf)
		client->outbox_count--;
	else
		client->pending_count--;
	ticket_free(ticket);
	client->config->ops->reply(client->context, id, type, event);
}

static void answer_error(struct chat_client *client, struct ticket *ticket, enum chat_code code,
			 const char *message)
{
	struct chat_event event = {.type = CHAT_EVENT_ERROR};

	event.id.kind = CHAT_ID_INTEGER;
	event.id.number = (int64_t)ticket->id;
	event.u.error.code = code;
	event.u.error.message = chat_view_of(message);
	answer(client, ticket, &event);
}

void chat_tickets_orphan(struct chat_client *client, bool all, struct ticket_list *orphans)
{
	struct ticket_list flight = client->flight;

	list_init(orphans);
	list_init(&client->flight);
	if (!flight.first)
		flight.end = &flight.first;
	while (flight.first) {
		struct ticket *ticket = list_take(&flight, &flight.first);

		if (ticket->buf)
			list_insert(&client->outbox, ticket);
		else
			list_append(orphans, ticket);
	}
	while (all && client->outbox.first)
		list_append(orphans, list_take(&client->outbox, &client->outbox.first));
	client->hold_ms = 0;
}

void chat_tickets_answer(struct chat_client *client, struct ticket_list *orphans)
{
	while (orphans->first)
		answer_error(client, list_take(orphans, &orphans->first), CHAT_CODE_UNAVAILABLE,
			     "the connection was lost before the answer");
}

/* Whether a send that failed is to be tried once more, with its cid. */
static bool is_worth_a_retry(const struct ticket *ticket, const struct chat_event *event)
{
	return ticket->buf && event->type == CHAT_EVENT_ERROR &&
	       (event->u.error.code == CHAT_CODE_UNAVAILABLE ||
		event->u.error.code == CHAT_CODE_SHUTTING_DOWN) &&
	       ticket->attempts < CLIENT_ATTEMPTS_MAX;
}

static void hold(struct chat_client *client, uint64_t now_ms, uint32_t retry_after_ms)
{
	uint64_t until_ms;

	if (retry_after_ms == 0)
		retry_after_ms = CLIENT_RESEND_MS;
	if (retry_after_ms > CLIENT_RETRY_AFTER_MAX_MS)
		retry_after_ms = CLIENT_RETRY_AFTER_MAX_MS;
	until_ms = now_ms + retry_after_ms;
	if (until_ms > client->hold_ms)
		client->hold_ms = until_ms;
}

void chat_tickets_reply(struct chat_client *client, uint64_t now_ms, const struct chat_event *event)
{
	struct ticket **link = list_find(&client->flight, &event->id);
	uint64_t connection = client->connection;
	struct ticket *ticket;
	bool logout, failed;

	if (!link) /* the answer to nothing that was asked: nobody's */
		return;
	ticket = list_take(&client->flight, link);
	if (is_worth_a_retry(ticket, event)) {
		hold(client, now_ms, event->u.error.retry_after_ms);
		list_insert(&client->outbox, ticket);
		return;
	}
	if (event->type == CHAT_EVENT_SENT &&
	    chat_seen_own(client, now_ms, ticket->key, event->u.sent.seq) != 0) {
		list_insert(&client->outbox, ticket); /* its answer comes again */
		chat_client_drop_nomem(client, now_ms);
		return;
	}
	logout = ticket->type == CHAT_REQ_LOGOUT && event->type == CHAT_EVENT_OK;
	failed = ticket->type == CHAT_REQ_LOGOUT && event->type == CHAT_EVENT_ERROR;
	answer(client, ticket, event);
	if (logout)
		chat_client_stop(client, now_ms);
	else if (failed && client->connection == connection)
		chat_client_drop_lost(client, now_ms, "the logout failed");
}

/* --- Asking ------------------------------------------------------------------------------------------ */

/* False: nothing can be sent. */
static bool outbox_send(struct chat_client *client, uint64_t now_ms)
{
	while (client->state == CHAT_CLIENT_ONLINE && client->outbox.first &&
	       now_ms >= client->hold_ms) {
		struct ticket *ticket = list_take(&client->outbox, &client->outbox.first);

		client->hold_ms = 0;
		if (ticket->buf->len > client->max_frame) { /* of a server with another limit */
			answer_error(client, ticket, CHAT_CODE_FRAME_TOO_LARGE,
				     "longer than this server's max_frame");
			continue;
		}
		if (chat_client_put(client, now_ms, ticket->buf) != 0) {
			list_insert(&client->outbox, ticket);
			return false;
		}
		ticket->attempts++;
		ticket->sent_ms = now_ms;
		list_append(&client->flight, ticket);
	}
	return true;
}

void chat_tickets_send(struct chat_client *client, uint64_t now_ms)
{
	if (!outbox_send(client, now_ms))
		chat_client_drop_nomem(client, now_ms);
}

/* A copy of the request with its id, and where it makes a message its cid. NULL: out of memory. */
static struct chat_buf *encode(struct chat_client *client, const struct chat_request *request,
			       chat_ticket id, bool kept)
{
	const struct chat_env *env = &client->config->env;
	struct chat_request copy = *request;
	char cid[CHAT_CID_MAX + 1];
	uint8_t random[10];

	copy.id = (struct chat_request_id){.kind = id ? CHAT_ID_INTEGER : CHAT_ID_NONE,
					   .number = (int64_t)id};
	if (kept && !(copy.present & CHAT_HAS(CHAT_KEY_CID))) {
		env->ops->random(env->context, random, sizeof(random));
		chat_cid_make(env->ops->wall_ms(env->context), random, cid);
		copy.cid = chat_view_of(cid);
		copy.present |= CHAT_HAS(CHAT_KEY_CID);
	}
	return chat_client_codec(client)->encode_request(&copy);
}

static bool makes_message(enum chat_request_type type)
{
	return type == CHAT_REQ_SEND || type == CHAT_REQ_EDIT || type == CHAT_REQ_RECALL;
}

/* A frame that is no JSON would be answered without an id: the request would wait for ever. */
static bool is_text(const struct chat_request *request)
{
	const struct {
		enum chat_key key;
		struct chat_view view;
	} texts[] = {
		{CHAT_KEY_NAME, request->name},	       {CHAT_KEY_OLD, request->old_password},
		{CHAT_KEY_NEW, request->new_password}, {CHAT_KEY_DEVICE, request->device},
		{CHAT_KEY_TEXT, request->text},	       {CHAT_KEY_DATA, request->data},
		{CHAT_KEY_CID, request->cid},	       {CHAT_KEY_DESCRIPTION, request->description},
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (request->present & CHAT_HAS(texts[i].key) && !chat_utf8_is_valid(texts[i].view))
			return false;
	return true;
}

static int check(const struct chat_client *client, enum chat_request_type type)
{
	if (type == CHAT_REQ_HELLO || type == CHAT_REQ_REGISTER || type == CHAT_REQ_LOGIN ||
	    type == CHAT_REQ_ACK || (unsigned)type >= CHAT_REQ_COUNT)
		return CHAT_ERR_INVALID;
	if (makes_message(type)) {
		if (client->state == CHAT_CLIENT_STOPPED)
			return CHAT_ERR_STATE;
		return client->outbox_count < client_setting(client->config->outbox_max, OUTBOX_MAX)
			       ? 0
			       : CHAT_ERR_FULL;
	}
	if (client->state != CHAT_CLIENT_ONLINE)
		return CHAT_ERR_STATE;
	return client->pending_count < client_setting(client->config->pending_max, PENDING_MAX)
		       ? 0
		       : CHAT_ERR_FULL;
}

/* The ticket takes the buffer over. */
static void take(struct chat_client *client, uint64_t now_ms, struct ticket *ticket,
		 struct chat_buf *buf)
{
	client->next_ticket++;
	if (makes_message(ticket->type)) {
		ticket->buf = buf;
		client->outbox_count++;
		list_append(&client->outbox, ticket);
		/*
		 * Where it fails the next tick, which is due at once, tries again or drops the connection: whoever is told of that
		 * may stop, and so have the answer before this returns.
		 */
		(void)outbox_send(client, now_ms);
		return;
	}
	ticket->sent_ms = now_ms;
	client->pending_count++;
	list_append(&client->flight, ticket);
	chat_buf_unref(buf);
}

int chat_client_request(struct chat_client *client, uint64_t now_ms,
			const struct chat_request *request, chat_ticket *out)
{
	bool notification = chat_request_is_notification(request->type);
	bool kept = makes_message(request->type);
	chat_ticket id = notification ? 0 : client->next_ticket;
	struct ticket *ticket = NULL;
	struct chat_buf *buf;
	int err;

	if (request->type == CHAT_REQ_LOGOUT) /* after it nothing can be acked any more */
		chat_client_flush(client, now_ms);
	err = is_text(request) ? check(client, request->type) : CHAT_ERR_INVALID;

	if (err != 0)
		return err;
	buf = encode(client, request, id, kept);
	if (!notification)
		ticket = calloc(1, sizeof(*ticket));
	err = !buf || (!ticket && !notification) ? CHAT_ERR_NOMEM
	      : buf->len > client->max_frame	 ? CHAT_ERR_TOO_LARGE
	      : kept				 ? 0
						 : chat_client_put(client, now_ms, buf);
	if (err == 0 && out)
		*out = id;
	if (err != 0 || notification) {
		chat_buf_unref(buf);
		free(ticket);
		return err;
	}
	ticket->id = id;
	ticket->type = request->type;
	ticket->key = client_key(request->user, request->group);
	take(client, now_ms, ticket, buf);
	return 0;
}
