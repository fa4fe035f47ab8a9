/* SPDX-License-Identifier: MIT */
/* The run: the machine's callbacks, asking, and the inbox. */
#include "app.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "safe.h"
#include "screen.h"

/* --- Inbox ------------------------------------------------------------------------------------------- */

static struct chat_buf *inbox_take(struct app *app)
{
	struct push *push = app->inbox;
	struct chat_buf *frame = push->frame;

	app->inbox = push->next;
	if (!app->inbox)
		app->inbox_end = &app->inbox;
	app->inbox_count--;
	free(push);
	return frame;
}

static void inbox_show(struct app *app, bool may_ask)
{
	struct chat_buf *frame = inbox_take(app);

	app_show_push(app, frame, may_ask);
	chat_buf_unref(frame);
}

/* A push that there is no memory for is not shown, and is in the history. */
static void inbox_put(struct app *app, const struct chat_event *event)
{
	struct push *push = calloc(1, sizeof(*push));

	if (push)
		push->frame = chat_codec_json.encode_event(event);
	if (!push || !push->frame) {
		free(push);
		return;
	}
	if (app->inbox_count == APP_INBOX_MAX)
		inbox_show(app, false);
	*app->inbox_end = push;
	app->inbox_end = &push->next;
	app->inbox_count++;
}

void app_show_inbox(struct app *app)
{
	if (!app->inbox)
		return;
	while (app->inbox)
		inbox_show(app, true);
	if (!screen_flush()) {
		app->failed_io = true;
		return;
	}
	chat_client_flush(app->client,
			  net_now_ms()); /* what was shown is acked, and nothing before */
	app_read_open(app);
}

/* --- The machine's callbacks ------------------------------------------------------------------------- */

static void on_connect(void *context)
{
	struct app *app = context;

	net_connect(&app->net);
}

static int on_send(void *context, struct chat_buf *buf)
{
	struct app *app = context;

	return net_send(&app->net, buf);
}

static void on_close(void *context)
{
	struct app *app = context;

	if (app->quit)
		net_close_last(&app->net);
	else
		net_close(&app->net);
}

static const char *reason_phrase(const struct chat_client_reason *reason)
{
	static const char *const byes[CHAT_BYE_COUNT] = {
		[CHAT_BYE_SHUTDOWN] = "the server is shutting down",
		[CHAT_BYE_IDLE] = "the server closed an idle connection",
		[CHAT_BYE_REPLACED] = "this device logged in elsewhere",
		[CHAT_BYE_REMOVED] = "this device was removed, or the password changed",
		[CHAT_BYE_PROTOCOL_ERROR] = "the server did not understand",
	};

	if (reason->cause == CHAT_CLIENT_CAUSE_BYE)
		return byes[reason->bye];
	if (reason->cause == CHAT_CLIENT_CAUSE_MALFORMED)
		return "the server does not speak this protocol";
	return reason->cause == CHAT_CLIENT_CAUSE_LOST ? "the connection was lost" : "refused";
}

static void keep_reason(struct app *app, const struct chat_client_reason *reason)
{
	bool told = reason->message.len > 0;
	char *text = safe_text(told ? reason->message : chat_view_of(reason_phrase(reason)), NULL);

	app->reason = *reason;
	app->reason.message = (struct chat_view){0};
	snprintf(app->reason_text, sizeof(app->reason_text), "%s", text ? text : "out of memory");
	free(text);
}

/* Once for an outage: attempts follow one another for hours, and the prompt says how it stands. */
static void say_waiting(struct app *app, const struct chat_client_reason *reason)
{
	keep_reason(app, reason);
	if (app->told_wait)
		return;
	if (app->interactive)
		screen_notice("-- %s (%s); trying again until it works",
			      app->greeted ? "disconnected" : "not connected", app->reason_text);
	else
		screen_notice("%s: %s; trying again", app->options.server, app->reason_text);
	app->told_wait = true;
}

static void on_state(void *context, enum chat_client_state state,
		     const struct chat_client_reason *reason)
{
	struct app *app = context;

	if (state == CHAT_CLIENT_WAITING) {
		say_waiting(app, reason);
	} else if (state == CHAT_CLIENT_ONLINE) {
		if (app->interactive && app->greeted && app->told_wait)
			screen_notice("-- connected again");
		app->news = app->greeted;
		app->greeted = true;
		app->told_wait = false;
	} else if (state == CHAT_CLIENT_STOPPED && reason->cause != CHAT_CLIENT_CAUSE_NONE) {
		keep_reason(app, reason);
		app->refused = true;
	}
}

static void on_login(void *context, const struct chat_login_reply *login)
{
	struct app *app = context;

	app->self = login->user.id;
	snprintf(app->self_name, sizeof(app->self_name), "%.*s", (int)login->user.name.len,
		 login->user.name.data);
	snprintf(app->device, sizeof(app->device), "%.*s", (int)login->device.len,
		 login->device.data);
	snprintf(app->token, sizeof(app->token), "%.*s", (int)login->token.len, login->token.data);
	names_put(&app->users, login->user.id, login->user.name);
}

/* --- What was sent from here ------------------------------------------------------------------------- */

static bool makes_message(enum chat_request_type type)
{
	return type == CHAT_REQ_SEND || type == CHAT_REQ_EDIT || type == CHAT_REQ_RECALL;
}

static void own_free(struct own *own)
{
	free(own->text);
	free(own);
}

static struct own *own_make(const struct chat_request *request)
{
	struct own *own = calloc(1, sizeof(*own));

	if (!own)
		return NULL;
	own->type = request->type;
	own->target = (struct chat_target){request->user, request->group};
	own->changes = request->seq;
	own->text = strndup(request->text.data ? request->text.data : "", request->text.len);
	if (own->text)
		return own;
	free(own);
	return NULL;
}

static void own_put(struct app *app, struct own *own, chat_ticket ticket)
{
	own->ticket = ticket;
	*app->own_end = own;
	app->own_end = &own->next;
	app->own_count++;
}

/* NULL: it was asked for elsewhere. */
static struct own *own_take(struct app *app, chat_ticket ticket)
{
	struct own **link = &app->own, *own;

	while (*link && (*link)->ticket != ticket)
		link = &(*link)->next;
	own = *link;
	if (!own)
		return NULL;
	*link = own->next;
	if (!*link)
		app->own_end = link;
	app->own_count--;
	return own;
}

/* After a drop a message may come as a push before its answer does: it is shown once. */
static bool is_echo(const struct app *app, struct chat_target target, uint64_t seq)
{
	for (size_t i = 0; i < APP_ECHOES; i++)
		if (app->echoes[i].seq == seq && app_is_same(app->echoes[i].target, target))
			return true;
	return false;
}

static void keep_echo(struct app *app, const struct chat_message *message)
{
	app->echoes[app->echo_at].target = app_target_of(app, message);
	app->echoes[app->echo_at].seq = message->seq;
	app->echo_at = (app->echo_at + 1) % APP_ECHOES;
}

/* As the server would push it to another device. */
static void own_show(struct app *app, const struct own *own, const struct chat_sent *sent)
{
	struct chat_event event = {.type = CHAT_EVENT_MESSAGE};
	struct chat_message *message = &event.u.message;

	message->kind = own->type == CHAT_REQ_EDIT     ? CHAT_MESSAGE_EDIT
			: own->type == CHAT_REQ_RECALL ? CHAT_MESSAGE_RECALL
						       : CHAT_MESSAGE_TEXT;
	message->from = app->self;
	message->to = own->target.user;
	message->group = own->target.group;
	message->seq = sent->seq;
	message->time_ms = sent->time_ms;
	message->changes = own->changes;
	message->text = chat_view_of(own->text);
	if (own->type == CHAT_REQ_SEND) {
		app->last_seq = sent->seq;
		app->last_target = own->target;
	}
	if (!is_echo(app, own->target, sent->seq))
		inbox_put(app, &event);
}

/* The text comes back: it is nowhere else. */
static void own_failed(struct app *app, const struct own *own, const struct chat_error_reply *error)
{
	char label[APP_LABEL_MAX];
	char *why = safe_text(error->message, NULL);
	char *text = safe_text(chat_view_of(own->text), "    ");
	bool unsure = error->code == CHAT_CODE_UNAVAILABLE;

	app_target_label(app, own->target, false, label);
	screen_notice("-- %s to %s: %s (%s)%s%s",
		      unsure ? "not known to have been sent" : "not sent", label,
		      why && why[0] ? why : "refused", chat_code_name(error->code),
		      text && text[0] ? ": " : "", text ? text : "");
	free(why);
	free(text);
}

static void own_answered(struct app *app, struct own *own, const struct chat_event *event)
{
	if (event->type == CHAT_EVENT_ERROR)
		own_failed(app, own, &event->u.error);
	else
		own_show(app, own, &event->u.sent);
	app->told_own = app->told_own && app->own_count > 0;
	own_free(own);
}

/* --- Answers and pushes ------------------------------------------------------------------------------ */

static bool is_nobodys(enum chat_request_type type)
{
	return type == CHAT_REQ_READ || type == CHAT_REQ_TYPING;
}

static void on_reply(void *context, chat_ticket ticket, enum chat_request_type type,
		     const struct chat_event *event)
{
	struct app *app = context;
	bool failed = event->type == CHAT_EVENT_ERROR;
	struct own *own;

	if (ticket == app->asked.ticket) {
		app->asked.ticket = 0;
		app->asked.status = failed ? STATUS_REFUSED : STATUS_OK;
		if (failed && event->u.error.code == CHAT_CODE_UNAVAILABLE)
			app->asked.status = STATUS_UNREACHABLE;
		if (app->asked.fn)
			app->asked.fn(app->asked.context, event);
		return;
	}
	own = own_take(app, ticket);
	if (own) {
		own_answered(app, own, event);
	} else if (failed && !is_nobodys(type)) {
		screen_notice("%s failed:", chat_request_name(type));
		app_say_error(&event->u.error);
	}
}

static void on_push(void *context, const struct chat_event *event)
{
	struct app *app = context;

	if (event->type == CHAT_EVENT_MESSAGE && event->u.message.from == app->self)
		keep_echo(app, &event->u.message);
	/* Without an id it is the server's answer to `typing`, which nobody waits for. */
	if (event->type != CHAT_EVENT_ERROR && (app->interactive || app->tail))
		inbox_put(app, event);
}

static const struct chat_client_ops app_ops = {
	.connect = on_connect,
	.send = on_send,
	.close = on_close,
	.state = on_state,
	.login = on_login,
	.reply = on_reply,
	.push = on_push,
};

/* --- Life -------------------------------------------------------------------------------------------- */

static void on_alarm(evutil_socket_t fd, short what, void *context)
{
	(void)fd;
	(void)what;
	(void)context; /* that the loop turned is all */
}

int app_init(struct app *app)
{
	app->inbox_end = &app->inbox;
	app->own_end = &app->own;
	app->base = event_base_new();
	app->config =
		(struct chat_client_config){.ops = &app_ops,
					    .env = {&net_env_ops, NULL},
					    .name = "chat/" CHAT_VERSION,
					    /* Acks are sent by app_show_inbox, and at the end. */
					    .ack_delay_ms = UINT32_MAX,
					    .ack_count = UINT32_MAX};
	if (!app->base || chat_client_create(&app->config, app, &app->client) != 0) {
		fprintf(stderr, "chat: out of memory\n");
		return STATUS_IO;
	}
	app->alarm = evtimer_new(app->base, on_alarm, app);
	if (!app->alarm || net_init(&app->net, app->base, app->options.server) != 0)
		return STATUS_USAGE;
	app->net.client = app->client;
	if (app->options.tls && net_use_tls(&app->net, app->options.tls_ca) != 0)
		return STATUS_USAGE;
	return STATUS_OK;
}

void app_finish(struct app *app)
{
	while (app->inbox)
		chat_buf_unref(inbox_take(app));
	chat_client_destroy(app->client);
	while (app->own)
		own_free(own_take(app, app->own->ticket));
	if (app->base) {
		net_finish(&app->net);
		if (app->alarm)
			event_free(app->alarm);
		event_base_free(app->base);
	}
	names_finish(&app->users);
	names_finish(&app->groups);
	names_finish(&app->asking);
	names_finish(&app->inviting);
	free(app->unread);
	explicit_bzero(&app->options, sizeof(app->options));
	explicit_bzero(app->token, sizeof(app->token));
}

/* --- The loop ---------------------------------------------------------------------------------------- */

void app_start_clock(struct app *app)
{
	struct timeval wait = {.tv_sec = (time_t)app->options.timeout_s};

	app->deadline_ms = net_now_ms() + (uint64_t)app->options.timeout_s * 1000;
	evtimer_add(app->alarm, &wait);
}

static bool out_of_time(const struct app *app)
{
	return app->deadline_ms != 0 && net_now_ms() >= app->deadline_ms;
}

void app_turn(struct app *app)
{
	if (app->interactive && !screen_flush())
		app->failed_io = true;
	net_arm(&app->net);
	event_base_loop(app->base, EVLOOP_ONCE);
}

/* What was just sent is most likely being answered. */
static void await_own(struct app *app)
{
	const struct timeval wait = {.tv_sec = APP_LAST_ANSWERS_S};
	uint64_t until_ms = net_now_ms() + APP_LAST_ANSWERS_S * 1000;

	app->interrupted = 0;
	evtimer_add(app->alarm, &wait);
	while (app->own && !app->interrupted && net_now_ms() < until_ms &&
	       chat_client_state(app->client) == CHAT_CLIENT_ONLINE)
		app_turn(app);
}

void app_stop(struct app *app)
{
	await_own(app);
	app_show_inbox(app); /* what is acked is to be seen */
	app->quit = true;
	if (app->failed_io) /* what was not shown is not acked */
		net_close(&app->net);
	else
		chat_client_stop(app->client, net_now_ms());
}

/* STATUS_OK: go on waiting. */
static int check_wait(struct app *app)
{
	if (app->interrupted)
		return STATUS_INTERRUPTED;
	if (app->refused) {
		if (!app->interactive) /* else the session says so, once */
			screen_notice("%s", app->reason_text);
		return app->reason.cause == CHAT_CLIENT_CAUSE_MALFORMED ? STATUS_UNREACHABLE
									: STATUS_LOGIN;
	}
	if (out_of_time(app)) {
		screen_notice("no answer from %s within %u s", app->options.server,
			      app->options.timeout_s);
		return STATUS_UNREACHABLE;
	}
	return app->failed_io ? STATUS_IO : STATUS_OK;
}

int app_wait_online(struct app *app)
{
	int status = STATUS_OK;

	while (status == STATUS_OK && chat_client_state(app->client) != CHAT_CLIENT_ONLINE) {
		status = check_wait(app);
		if (status == STATUS_OK)
			app_turn(app);
	}
	return status;
}

int app_login(struct app *app, const struct chat_client_login *login)
{
	int err;

	app->refused = false;
	err = chat_client_start(app->client, net_now_ms(), login);
	if (err == CHAT_ERR_TOO_LARGE || err == CHAT_ERR_INVALID) {
		screen_notice("the name, the password or the token has an impossible length");
		return STATUS_LOGIN;
	}
	if (err != 0) {
		screen_notice("%s", chat_err_text(err));
		return STATUS_IO;
	}
	return app_wait_online(app);
}

int app_wait_own(struct app *app)
{
	int status = STATUS_OK;

	while (status == STATUS_OK && app->own) {
		app_turn(app);
		status = check_wait(app);
	}
	return status;
}

/* --- Asking ------------------------------------------------------------------------------------------ */

void app_say_error(const struct chat_error_reply *error)
{
	char *text = safe_text(error->message, NULL);

	screen_notice("%s (%s)", text && text[0] ? text : "refused", chat_code_name(error->code));
	free(text);
}

void app_remark(const struct app *app, const char *format, ...)
{
	char text[APP_REMARK_MAX];
	va_list args;

	if (!app->interactive)
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	screen_line("%s-- %s%s", screen_colour(SCREEN_DIM), text, screen_colour(SCREEN_PLAIN));
}

static int say_not_taken(int err)
{
	switch (err) {
	case CHAT_ERR_STATE:
		screen_notice("not connected");
		return STATUS_UNREACHABLE;
	case CHAT_ERR_FULL:
		screen_notice("too much waits for an answer already");
		return STATUS_UNREACHABLE;
	case CHAT_ERR_TOO_LARGE:
		screen_notice("this is longer than the server takes");
		return STATUS_REFUSED;
	default:
		screen_notice("%s", chat_err_text(err));
		return STATUS_IO;
	}
}

int app_ask_quietly(struct app *app, const struct chat_request *request, app_reply_fn fn,
		    void *context)
{
	chat_ticket ticket;
	int err = chat_client_request(app->client, net_now_ms(), request, &ticket);
	int status = STATUS_OK;

	if (err != 0)
		return say_not_taken(err);
	app->asked.ticket = ticket;
	app->asked.fn = fn;
	app->asked.context = context;
	while (status == STATUS_OK && app->asked.ticket == ticket) {
		app_turn(app);
		if (app->asked.ticket == ticket)
			status = check_wait(app);
	}
	if (app->asked.ticket == ticket) /* given up: whoever answers now speaks to nobody */
		app->asked.ticket = 0;
	else
		status = app->asked.status;
	return status;
}

struct loud {
	app_reply_fn fn;
	void *context;
};

static void on_loud(void *context, const struct chat_event *event)
{
	struct loud *loud = context;

	if (event->type == CHAT_EVENT_ERROR)
		app_say_error(&event->u.error);
	else if (loud->fn)
		loud->fn(loud->context, event);
}

int app_ask(struct app *app, const struct chat_request *request, app_reply_fn fn, void *context)
{
	struct loud loud = {fn, context};

	return app_ask_quietly(app, request, on_loud, &loud);
}

static int tell_own(struct app *app, const struct chat_request *request)
{
	struct own *own = own_make(request);
	chat_ticket ticket;
	int err = own ? chat_client_request(app->client, net_now_ms(), request, &ticket)
		      : CHAT_ERR_NOMEM;

	if (err == 0)
		own_put(app, own, ticket);
	else if (own)
		own_free(own);
	return err == 0 ? STATUS_OK : say_not_taken(err);
}

int app_tell(struct app *app, const struct chat_request *request)
{
	int err;

	if (makes_message(request->type))
		return tell_own(app, request);
	err = chat_client_request(app->client, net_now_ms(), request, NULL);
	return err == 0 || is_nobodys(request->type) ? STATUS_OK : say_not_taken(err);
}
