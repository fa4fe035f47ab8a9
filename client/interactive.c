/* SPDX-License-Identifier: MIT */
/* A session: who one is, then line after line. What comes is shown while the editor waits for a key. */
#include "interactive.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "account.h"
#include "command.h"
#include "editor.h"
#include "news.h"
#include "prompt.h"
#include "safe.h"
#include "screen.h"

enum {
	TYPING_EVERY_MS = 5000, /* between two `typing` */
	LABEL_COLUMNS = 32,	/* of the conversation in the prompt; a longer name is cut */
	PATH_BYTES = 2048,
	TERMINALS_MAX = 8, /* sessions of one user and one state folder that get a device each */
	PASSWORD_TRIES = 3
};

/* --- The prompt -------------------------------------------------------------------------------------- */

/* Adds a remark to those that stand in brackets before the conversation's name. */
static void remark(char *out, size_t size, const char *format, ...) CHAT_PRINTF(3, 4);

static void remark(char *out, size_t size, const char *format, ...)
{
	size_t len = strlen(out);
	va_list args;

	len += (size_t)snprintf(out + len, size - len, "%s", len > 0 ? ", " : "(");
	va_start(args, format);
	if (len < size)
		vsnprintf(out + len, size - len, format, args);
	va_end(args);
}

static unsigned count_unread(const struct app *app)
{
	unsigned unread = 0;

	for (size_t i = 0; i < app->unread_count; i++)
		unread += app->unread[i].count;
	return unread;
}

/* "(offline, 1 to send, 2 unread, bob is typing) #ops > " */
static const char *make_prompt(struct app *app)
{
	static char prompt[EDITOR_PROMPT_MAX];
	char remarks[EDITOR_PROMPT_MAX / 2] = "", label[APP_LABEL_MAX] = "", who[APP_LABEL_MAX];
	bool offline = chat_client_state(app->client) != CHAT_CLIENT_ONLINE;
	unsigned unread = count_unread(app);

	if (offline)
		remark(remarks, sizeof(remarks), "offline");
	if (offline && app->own_count > 0)
		remark(remarks, sizeof(remarks), "%zu to send", app->own_count);
	if (unread > 0)
		remark(remarks, sizeof(remarks), "%u unread", unread);
	if (app->typing.by != 0 && net_now_ms() < app->typing.until_ms) {
		app_user_label(app, app->typing.by, false, who);
		safe_cut(who, LABEL_COLUMNS);
		remark(remarks, sizeof(remarks), "%s is typing", who);
	}
	if (app_is_open(app))
		app_target_label(app, app->open, false, label);
	safe_cut(label, LABEL_COLUMNS);
	snprintf(prompt, sizeof(prompt), "%s%s%.*s%s> ", remarks, remarks[0] ? ") " : "",
		 (int)sizeof(prompt) / 2 - 8, label, label[0] ? " " : "");
	return prompt;
}

/* --- What the editor asks for ------------------------------------------------------------------------ */

static void on_idle(struct app *app)
{
	app_show_inbox(app);
	if (app->news && chat_client_state(app->client) == CHAT_CLIENT_ONLINE)
		news_tell(app);
	app_show_inbox(app); /* what came while that was asked for */
}

static void on_typed(struct app *app, bool text)
{
	static uint64_t told_ms;
	struct chat_request request = {.type = CHAT_REQ_TYPING};
	uint64_t now_ms = net_now_ms();

	if (!text || !app_is_open(app) || now_ms < told_ms + TYPING_EVERY_MS)
		return;
	told_ms = now_ms;
	app_put_target(&request, app->open);
	(void)app_tell(app, &request);
}

static const struct editor_hooks hooks = {
	.prompt = make_prompt,
	.idle = on_idle,
	.typed = on_typed,
};

/* --- Signals ----------------------------------------------------------------------------------------- */

static void on_interrupt(evutil_socket_t fd, short what, void *context)
{
	struct app *app = context;

	(void)fd;
	(void)what;
	app->interrupted = 1;
}

/* SIGTERM, and SIGHUP: the window was closed. */
static void on_terminate(evutil_socket_t fd, short what, void *context)
{
	struct app *app = context;

	(void)fd;
	(void)what;
	app->interrupted = 1; /* whatever is waited for */
	app->quit = app->terminated = true;
}

static void on_resize(evutil_socket_t fd, short what, void *context)
{
	(void)fd;
	(void)what;
	(void)context;
	editor_resize();
}

static void on_stop(evutil_socket_t fd, short what, void *context)
{
	(void)fd;
	(void)what;
	(void)context;
	editor_suspend();
	(void)raise(SIGSTOP); /* on_continue is next */
}

static void on_continue(evutil_socket_t fd, short what, void *context)
{
	(void)fd;
	(void)what;
	(void)context;
	editor_resume();
}

struct signals {
	struct event *events[6];
	size_t count;
};

static int signals_catch(struct signals *signals, struct app *app)
{
	static const struct {
		int number;
		event_callback_fn run;
	} table[] = {
		{SIGINT, on_interrupt}, {SIGTERM, on_terminate}, {SIGHUP, on_terminate},
		{SIGWINCH, on_resize},	{SIGTSTP, on_stop},	 {SIGCONT, on_continue},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct event *event = evsignal_new(app->base, table[i].number, table[i].run, app);

		if (!event || evsignal_add(event, NULL) != 0) {
			if (event)
				event_free(event);
			return STATUS_IO;
		}
		signals->events[signals->count++] = event;
	}
	return STATUS_OK;
}

static void signals_leave(struct signals *signals)
{
	while (signals->count > 0)
		event_free(signals->events[--signals->count]);
}

/* --- Login ------------------------------------------------------------------------------------------- */

static int keep(struct app *app, int status)
{
	if (status == STATUS_OK)
		(void)account_keep(app->options.server, app->self_name, app->device, app->token);
	return status;
}

/*
 * The session's device: the one that was told, else "terminal", or where a session of this user runs in another
 * window "terminal2" and so on. False: that is so, and `alone` was asked for.
 */
static bool take_device(struct app *app, const char *user, bool alone)
{
	const char *server = app->options.server;

	if (app->options.device) {
		snprintf(app->device, sizeof(app->device), "%s", app->options.device);
		(void)account_lock(server, user, app->device, 0);
		return true;
	}
	snprintf(app->device, sizeof(app->device), "terminal");
	for (int i = 2; account_lock(server, user, app->device, 0) == ACCOUNT_BUSY; i++) {
		if (alone || i > TERMINALS_MAX)
			return !alone;
		snprintf(app->device, sizeof(app->device), "terminal%d", i);
	}
	return true;
}

/* With a token from the options, or the device's kept one. STATUS_LOGIN: there is none, or none that serves. */
static int login_by_token(struct app *app, const char *user)
{
	struct chat_client_login login = {.replace = true};
	char token[OPTIONS_SECRET_MAX], device[CHAT_DEVICE_MAX + 1];
	bool kept = app->options.token[0] == '\0';
	int status;

	snprintf(device, sizeof(device), "%s", app->device);
	if (!kept)
		snprintf(token, sizeof(token), "%s", app->options.token);
	else if (!user ||
		 account_token(app->options.server, user, device, token, sizeof(token)) != 0)
		return STATUS_LOGIN;
	login.token = chat_view_of(token);
	status = app_login(app, &login);
	explicit_bzero(token, sizeof(token));
	if (status == STATUS_LOGIN && kept && app->reason.code == CHAT_CODE_INVALID_CREDENTIALS) {
		account_forget(app->options.server, user, device);
		screen_notice("the kept login of %s is at its end", user);
	} else if (status == STATUS_LOGIN) {
		screen_notice("%s", app->reason_text);
	}
	return kept ? keep(app, status) : status;
}

/* What asking once came to. */
struct attempt {
	char name[CHAT_NAME_MAX + 2], password[OPTIONS_SECRET_MAX];
	bool may_register; /* nobody said yet that the name is somebody's */
};

static int log_in(struct app *app, const struct attempt *attempt, bool do_register)
{
	struct chat_client_login login = {
		.name = chat_view_of(attempt->name),
		.password = chat_view_of(attempt->password),
		.device = chat_view_of(app->device),
		.replace = true,
		.do_register = do_register,
	};
	int status = app_login(app, &login);

	if (status == STATUS_LOGIN && app->refused && (do_register || !attempt->may_register))
		screen_notice("%s", app->reason_text);
	return status;
}

/* STATUS_LOGIN: the user does not want to, or the two passwords differ. */
static int ask_register(const struct attempt *attempt, bool typed)
{
	char *name = safe_name(chat_view_of(attempt->name));
	char answer[16], again[OPTIONS_SECRET_MAX], question[APP_LABEL_MAX + 96];
	int status;

	snprintf(question, sizeof(question),
		 "There is no %s with this password. Register [y/N]: ", name ? name : "such user");
	free(name);
	status = prompt_line(question, answer, sizeof(answer));
	if (status == STATUS_OK && answer[0] != 'y' && answer[0] != 'Y')
		return STATUS_LOGIN;
	if (status != STATUS_OK || !typed)
		return status;
	status = prompt_password("The password again: ", again, sizeof(again));
	if (status == STATUS_OK && strcmp(again, attempt->password) != 0) {
		screen_notice("the two differ");
		status = STATUS_LOGIN;
	}
	explicit_bzero(again, sizeof(again));
	return status;
}

/* One name, one password: logs in, or registers. */
static int attempt_login(struct app *app, struct attempt *attempt, bool typed)
{
	int status = log_in(app, attempt, false);

	if (status != STATUS_LOGIN || !attempt->may_register ||
	    app->reason.code != CHAT_CODE_INVALID_CREDENTIALS)
		return status;
	status = ask_register(attempt, typed);
	attempt->may_register = false;
	if (status != STATUS_OK)
		return status;
	status = log_in(app, attempt, true);
	if (status == STATUS_LOGIN && app->reason.code != CHAT_CODE_NAME_TAKEN)
		attempt->may_register = true; /* a password that is too short, say */
	return status;
}

/* Who it is, where nobody told; their device is taken. */
static int ask_name(struct app *app, char name[CHAT_NAME_MAX + 2])
{
	int status = prompt_line("Name: ", name, CHAT_NAME_MAX + 2);

	if (status != STATUS_OK)
		return status;
	if (!chat_utf8_is_valid(chat_view_of(name)) || !chat_name_is_valid(chat_view_of(name))) {
		screen_notice("a name is 1 to 32 characters, without spaces, and not a number");
		return STATUS_LOGIN;
	}
	(void)take_device(app, name, false);
	return STATUS_OK;
}

static int login_by_password(struct app *app, const char *name)
{
	struct attempt attempt = {.may_register = true};
	bool typed = app->options.password[0] == '\0';
	int status = STATUS_OK;

	snprintf(attempt.name, sizeof(attempt.name), "%s", name);
	snprintf(attempt.password, sizeof(attempt.password), "%s", app->options.password);
	for (int i = 0; status == STATUS_OK && i < PASSWORD_TRIES; i++) {
		if (typed)
			status = prompt_password("Password: ", attempt.password,
						 sizeof(attempt.password));
		if (status != STATUS_OK)
			break;
		status = attempt_login(app, &attempt, typed);
		if (status != STATUS_LOGIN || !typed || i + 1 == PASSWORD_TRIES)
			break;
		status = STATUS_OK; /* once more */
	}
	explicit_bzero(&attempt, sizeof(attempt));
	return keep(app, status);
}

/* A name, by its kept login or by the password. */
static int login_as(struct app *app, const char *name)
{
	int status = app->options.password[0] == '\0' ? login_by_token(app, name) : STATUS_LOGIN;

	return status == STATUS_LOGIN ? login_by_password(app, name) : status;
}

/* Who was told, else who was here last, else who answers. */
static int session_login(struct app *app)
{
	char name[CHAT_NAME_MAX + 2];
	int status = STATUS_LOGIN;

	if (app->options.token[0] != '\0')
		return login_by_token(app, NULL);
	if (app->options.user) {
		(void)take_device(app, app->options.user, false);
		return login_as(app, app->options.user);
	}
	if (app->options.password[0] == '\0' &&
	    account_current(app->options.server, name, sizeof(name)) == 0) {
		if (take_device(app, name, true))
			status = login_by_token(app, name);
		else
			screen_notice("%s is logged in in another window; who is this?", name);
	}
	if (status != STATUS_LOGIN)
		return status;
	status = ask_name(app, name);
	return status == STATUS_OK ? login_as(app, name) : status;
}

/* --- The session ------------------------------------------------------------------------------------- */

static void greet(struct app *app)
{
	char name[APP_LABEL_MAX];

	screen_line("-- you are %s on %s; /help lists the commands",
		    app_user_label(app, app->self, false, name), app->options.server);
	news_tell(app);
}

/* A line that makes a message is replaced by the message when it is stored; others stay above what they bring. */
static void run_line(struct app *app, char *line)
{
	if (command_makes_message(app, line))
		editor_hide();
	else
		editor_keep();
	if (command_run_line(app, line) == STATUS_INTERRUPTED && !app->terminated)
		screen_notice("interrupted");
	if (!app->terminated)
		app->interrupted = 0;
}

/* One line. False: that was the last. */
static bool serve_line(struct app *app)
{
	char *line = NULL;

	enum editor_result result = editor_read(&line);

	if (app->terminated)
		return false;
	switch (result) {
	case EDITOR_LINE:
		run_line(app, line);
		free(line);
		break;
	case EDITOR_EMPTY:
		screen_notice("-- Ctrl-D or /quit leaves");
		break;
	case EDITOR_INTERRUPTED:
		break;
	case EDITOR_LEAVE:
		(void)do_quit(app, 0, NULL);
		break;
	case EDITOR_ENDED:
		return false;
	}
	return !app->quit && !app->refused && !app->failed_io;
}

static int serve(struct app *app)
{
	char path[PATH_BYTES];
	const char *history = account_history_path(path, sizeof(path)) == 0 ? path : NULL;
	int status = editor_start(app, &hooks, history);

	if (status == STATUS_OK) {
		screen_set_prompt(editor_hide);
		greet(app);
		while (serve_line(app))
			continue;
		editor_hide();
		if (app->refused) {
			screen_notice("-- %s", app->reason_text);
			status = STATUS_LOGIN;
		} else if (app->terminated || app->failed_io) {
			status = app->terminated ? STATUS_INTERRUPTED : STATUS_IO;
		}
		app_stop(app);
	}
	screen_set_prompt(NULL);
	editor_finish(history);
	return status;
}

int interactive_run(struct app *app)
{
	struct signals signals = {.count = 0};
	int status = signals_catch(&signals, app);

	if (status == STATUS_OK) {
		app->interactive = true;
		status = session_login(app);
	}
	if (status == STATUS_OK)
		status = serve(app);
	else
		app_stop(app);
	signals_leave(&signals);
	return status;
}
