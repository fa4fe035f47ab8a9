/* SPDX-License-Identifier: MIT */
/* From hello to ONLINE: hello, register where it is asked for, login. */
#include <stdlib.h>
#include <string.h>

#include "client/internal.h"

static void login_say(struct chat_client *client, uint64_t now_ms);

/* --- Credentials ------------------------------------------------------------------------------------- */

static void wipe(char **secret)
{
	if (*secret)
		explicit_bzero(*secret, strlen(*secret));
	free(*secret);
	*secret = NULL;
}

void chat_login_forget(struct chat_client *client)
{
	wipe(&client->password);
	wipe(&client->token);
	wipe(&client->name);
	wipe(&client->device);
}

/* A copy with a NUL behind it, in place of what was there. An empty view is none. */
static int keep(char **to, struct chat_view from)
{
	char *copy = NULL;

	if (from.len > 0) {
		copy = malloc(from.len + 1);
		if (!copy)
			return CHAT_ERR_NOMEM;
		memcpy(copy, from.data, from.len);
		copy[from.len] = '\0';
	}
	wipe(to);
	*to = copy;
	return 0;
}

int chat_login_keep(struct chat_client *client, const struct chat_client_login *login)
{
	bool person = login->name.len > 0 || login->user != 0;

	if (login->token.len == 0 && (!person || login->password.len == 0))
		return CHAT_ERR_INVALID;
	if (login->do_register && (login->name.len == 0 || login->password.len == 0))
		return CHAT_ERR_INVALID;
	if (!chat_utf8_is_valid(login->name) || !chat_utf8_is_valid(login->password) ||
	    !chat_utf8_is_valid(login->token) || !chat_utf8_is_valid(login->device))
		return CHAT_ERR_INVALID;
	if (login->name.len > CHAT_NAME_MAX || login->password.len > CHAT_PASSWORD_MAX ||
	    login->token.len > CLIENT_TOKEN_MAX || login->device.len > CHAT_DEVICE_MAX)
		return CHAT_ERR_TOO_LARGE;
	if (keep(&client->name, login->name) != 0 ||
	    keep(&client->password, login->password) != 0 ||
	    keep(&client->token, login->token) != 0 || keep(&client->device, login->device) != 0) {
		chat_login_forget(client);
		return CHAT_ERR_NOMEM;
	}
	client->login_user = login->user;
	client->replace = login->replace;
	client->registering = login->do_register ? REGISTER_ASK : REGISTER_NO;
	return 0;
}

/* --- Asking ------------------------------------------------------------------------------------------ */

static void put_text(struct chat_request *request, enum chat_key key, struct chat_view *view,
		     const char *text)
{
	*view = chat_view_of(text);
	request->present |= CHAT_HAS(key);
}

void chat_login_greet(struct chat_client *client, uint64_t now_ms)
{
	struct chat_request hello = {.type = CHAT_REQ_HELLO, .version = 1};

	hello.present = CHAT_HAS(CHAT_KEY_VERSION);
	if (client->config->name)
		put_text(&hello, CHAT_KEY_CLIENT, &hello.client, client->config->name);
	chat_client_say(client, now_ms, &hello, CLIENT_ID_HELLO);
}

static void register_say(struct chat_client *client, uint64_t now_ms)
{
	struct chat_request request = {.type = CHAT_REQ_REGISTER};

	put_text(&request, CHAT_KEY_NAME, &request.name, client->name);
	put_text(&request, CHAT_KEY_PASSWORD, &request.password, client->password);
	if (client->registering == REGISTER_ASK)
		client->registering = REGISTER_SENT;
	chat_client_say(client, now_ms, &request, CLIENT_ID_REGISTER);
}

static void login_say(struct chat_client *client, uint64_t now_ms)
{
	struct chat_request request = {.type = CHAT_REQ_LOGIN, .replace = client->replace};

	if (client->token) {
		put_text(&request, CHAT_KEY_TOKEN, &request.token, client->token);
	} else {
		put_text(&request, CHAT_KEY_PASSWORD, &request.password, client->password);
		if (client->device)
			put_text(&request, CHAT_KEY_DEVICE, &request.device, client->device);
		if (client->name) {
			put_text(&request, CHAT_KEY_NAME, &request.name, client->name);
		} else {
			request.user = client->login_user;
			request.present |= CHAT_HAS(CHAT_KEY_USER);
		}
	}
	if (client->replace)
		request.present |= CHAT_HAS(CHAT_KEY_REPLACE);
	chat_client_say(client, now_ms, &request, CLIENT_ID_LOGIN);
}

/* --- Answers ----------------------------------------------------------------------------------------- */

static void greeted(struct chat_client *client, uint64_t now_ms, const struct chat_hello *hello)
{
	uint64_t connection = client->connection;

	client->max_frame = hello->max_frame;
	chat_client_set_heartbeat(client, hello->heartbeat_ms);
	chat_client_enter(client, CHAT_CLIENT_LOGGING_IN, client->step_ms);
	if (client->connection != connection)
		return;
	if (client->registering != REGISTER_NO)
		register_say(client, now_ms);
	else
		login_say(client, now_ms);
}

static void logged_in(struct chat_client *client, uint64_t now_ms,
		      const struct chat_login_reply *login)
{
	uint64_t connection = client->connection;

	if (keep(&client->token, login->token) != 0) {
		chat_client_drop_nomem(client, now_ms);
		return;
	}
	wipe(&client->password); /* from here on the token serves */
	if (client->user != login->user.id)
		chat_seen_finish(&client->seen);
	client->user = login->user.id;
	client->replace = true; /* after a drop the server may think that one is online still */
	chat_client_set_heartbeat(client, login->heartbeat_ms);
	if (client->config->ops->login)
		client->config->ops->login(client->context, login);
	if (client->connection == connection)
		chat_client_enter(client, CHAT_CLIENT_ONLINE, now_ms + CLIENT_STABLE_MS);
	if (client->connection == connection)
		chat_tickets_send(client, now_ms);
}

static bool is_temporary(enum chat_code code)
{
	return code == CHAT_CODE_UNAVAILABLE || code == CHAT_CODE_RATE_LIMITED ||
	       code == CHAT_CODE_SHUTTING_DOWN || code == CHAT_CODE_INTERNAL;
}

static void refused(struct chat_client *client, uint64_t now_ms, const struct chat_event *event)
{
	const struct chat_error_reply *error = &event->u.error;
	struct chat_client_reason reason = {
		.cause = CHAT_CLIENT_CAUSE_REFUSED, .code = error->code, .message = error->message};

	/* `unavailable` may mean that it was done, without our knowing. */
	if (client->registering == REGISTER_SENT && error->code != CHAT_CODE_UNAVAILABLE)
		client->registering = REGISTER_ASK;
	chat_client_drop(client, now_ms, &reason, is_temporary(error->code), error->retry_after_ms);
}

static bool is_own_name(const struct chat_client *client, const struct chat_event *event)
{
	return client->registering == REGISTER_UNSURE && event->type == CHAT_EVENT_ERROR &&
	       event->u.error.code == CHAT_CODE_NAME_TAKEN;
}

void chat_login_reply(struct chat_client *client, uint64_t now_ms, const struct chat_event *event)
{
	bool greeting = client->state == CHAT_CLIENT_GREETING;

	switch (event->id.number) {
	case CLIENT_ID_HELLO:
		if (greeting && event->type == CHAT_EVENT_HELLO)
			greeted(client, now_ms, &event->u.hello);
		else if (greeting)
			refused(client, now_ms, event);
		break;
	case CLIENT_ID_REGISTER:
		if (client->state != CHAT_CLIENT_LOGGING_IN || client->registering == REGISTER_NO)
			break;
		if (event->type == CHAT_EVENT_ERROR && !is_own_name(client, event)) {
			refused(client, now_ms, event);
			break;
		}
		client->registering = REGISTER_NO;
		login_say(client, now_ms);
		break;
	case CLIENT_ID_LOGIN:
		if (client->state != CHAT_CLIENT_LOGGING_IN || client->registering != REGISTER_NO)
			break;
		if (event->type == CHAT_EVENT_LOGIN)
			logged_in(client, now_ms, &event->u.login);
		else
			refused(client, now_ms, event);
		break;
	default: /* of ping: that it came is all */
		break;
	}
}
