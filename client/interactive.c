/* SPDX-License-Identifier: MIT */
/*
 * A session: line editing by libedit, fed a character at a time from the event loop.
 *
 *   EDITING --a line is complete--> RUNNING --done--> EDITING        the terminal is raw in EDITING, usual in RUNNING
 *
 * A line is run outside of the loop's callbacks, so that its command may turn the loop while it waits.
 */
#include "interactive.h"

#include <histedit.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "account.h"
#include "command.h"
#include "complete.h"
#include "prompt.h"
#include "safe.h"
#include "screen.h"

enum { HISTORY_LINES = 1000, KEYS_AT_ONCE = 4096, TYPING_EVERY_MS = 5000, PATH_BYTES = 2048 };

/* libedit's callbacks have no argument for it. */
static struct session {
	struct app *app;
	EditLine *edit;
	History *history;
	bool editing;	   /* the prompt stands, and the terminal is raw */
	char *line;	   /* complete, to be run */
	bool ended;	   /* Ctrl-D */
	bool dumb;	   /* a terminal that cannot move its cursor */
	uint64_t typed_ms; /* `typing` was sent */
	char prompt[APP_LABEL_MAX + 32];
	struct complete complete;
} session;

/* --- The prompt -------------------------------------------------------------------------------------- */

static void make_prompt(void)
{
	struct app *app = session.app;
	unsigned unread = 0;
	char label[APP_LABEL_MAX] = "", count[32] = "";

	for (size_t i = 0; i < app->unread_count; i++)
		unread += app->unread[i].count;
	if (app->open.user != 0 || app->open.group != 0)
		app_target_label(app, app->open, false, label);
	if (unread > 0)
		snprintf(count, sizeof(count), "(%u) ", unread);
	snprintf(session.prompt, sizeof(session.prompt), "%s%.*s%s> ", count, APP_LABEL_MAX - 1,
		 label, label[0] ? " " : "");
}

static char *give_prompt(EditLine *edit)
{
	(void)edit;
	return session.prompt;
}

/* Takes the prompt and what is typed behind it off the screen: the cursor goes to where the prompt began. */
static void hide(void)
{
	const LineInfo *info;
	struct winsize size = {0};
	int columns, row;

	if (!session.editing)
		return;
	if (session.dumb) {
		putchar('\n');
		return;
	}
	info = el_line(session.edit);
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0)
		size.ws_col = 80;
	columns = safe_columns(session.prompt, strlen(session.prompt)) +
		  safe_columns(info->buffer, (size_t)(info->cursor - info->buffer));
	row = columns / size.ws_col;
	fputs("\r", stdout);
	if (row > 0)
		printf("\033[%dA", row);
	fputs("\033[J", stdout);
}

static void show(void)
{
	if (!session.editing)
		return;
	make_prompt();
	el_set(session.edit, EL_REFRESH); /* draws it anew, from where the cursor is */
}

static void begin_editing(void)
{
	make_prompt();
	fflush(stdout);
	session.editing = true;
	el_set(session.edit, EL_UNBUFFERED, 1);
}

static void end_editing(void)
{
	session.editing = false;
	el_set(session.edit, EL_UNBUFFERED, 0);
}

/* --- Keys -------------------------------------------------------------------------------------------- */

static void tell_typing(const char *text)
{
	struct app *app = session.app;
	struct chat_request request = {.type = CHAT_REQ_TYPING};
	uint64_t now_ms = net_now_ms();

	if ((app->open.user == 0 && app->open.group == 0) || text[0] == '/' || text[0] == '\0' ||
	    now_ms < session.typed_ms + TYPING_EVERY_MS)
		return;
	session.typed_ms = now_ms;
	app_put_target(&request, app->open);
	(void)app_tell(app, &request);
}

/* One key. False: the line is complete, or ended. */
static bool take_key(void)
{
	int count = 0;
	const char *text = el_gets(session.edit, &count);

	if (!text || count <= 0) /* the line is empty */
		return true;
	if (count == 1 && text[0] == '\x04') { /* Ctrl-D on an empty line */
		session.ended = true;
		return false;
	}
	if (text[count - 1] != '\n' && text[count - 1] != '\r') {
		tell_typing(text);
		return true;
	}
	session.line = strndup(text, (size_t)count - 1);
	return false;
}

static void on_input(evutil_socket_t fd, short what, void *context)
{
	int waiting = 0;

	(void)what;
	(void)context;
	if (!session.editing)
		return;
	for (int i = 0; i < KEYS_AT_ONCE; i++) {
		if (!take_key()) {
			end_editing();
			return;
		}
		if (ioctl(fd, FIONREAD, &waiting) != 0 || waiting <= 0)
			return;
	}
}

static void on_interrupt(evutil_socket_t fd, short what, void *context)
{
	struct app *app = context;

	(void)fd;
	(void)what;
	app->interrupted = 1;
	if (!session.editing)
		return;
	end_editing(); /* what was typed is dropped */
	printf("^C\n");
	begin_editing();
	app->interrupted = 0;
}

static void on_resize(evutil_socket_t fd, short what, void *context)
{
	(void)fd;
	(void)what;
	(void)context;
	el_resize(session.edit);
}

static void list_candidates(const struct complete *complete)
{
	hide();
	for (size_t i = 0; i < complete->count; i++)
		printf("%s%s", i ? "  " : "", complete->words[i]);
	putchar('\n');
	fflush(stdout);
}

static unsigned char on_tab(EditLine *edit, int key)
{
	const LineInfo *info = el_line(edit);
	struct complete *complete = &session.complete;
	char insert[APP_LABEL_MAX + 1];

	(void)key;
	complete_line(session.app, info->buffer, (size_t)(info->cursor - info->buffer), complete);
	if (complete->count == 0)
		return CC_REFRESH_BEEP;
	if (complete->count > 1 && complete->common <= complete->word_len) {
		list_candidates(complete);
		el_set(edit, EL_REFRESH);
		return CC_NORM;
	}
	snprintf(insert, sizeof(insert), "%.*s%s", (int)(complete->common - complete->word_len),
		 complete->words[0] + complete->word_len, complete->count == 1 ? " " : "");
	return el_insertstr(edit, insert) == 0 ? CC_REFRESH : CC_ERROR;
}

/* --- Login ------------------------------------------------------------------------------------------- */

static const char *device_of(const struct app *app)
{
	return app->options.device ? app->options.device : "terminal";
}

static int keep(struct app *app, int status)
{
	if (status == STATUS_OK)
		(void)account_keep(app->options.server, app->self_name, app->device, app->token);
	return status;
}

/* With a token from the options or the last session. STATUS_LOGIN: there is none, or none that serves. */
static int login_by_token(struct app *app, const char *user)
{
	struct chat_client_login login = {.replace = true};
	char token[OPTIONS_SECRET_MAX];
	bool kept = app->options.token[0] == '\0';
	int status;

	if (!kept)
		snprintf(token, sizeof(token), "%s", app->options.token);
	else if (!user || account_token(app->options.server, user, device_of(app), token,
					sizeof(token)) != 0)
		return STATUS_LOGIN;
	login.token = chat_view_of(token);
	status = app_login(app, &login);
	if (status != STATUS_OK && app->reason.code == CHAT_CODE_INVALID_CREDENTIALS && kept)
		account_forget(app->options.server, user, device_of(app));
	else if (status != STATUS_OK)
		screen_notice("%s", app->reason_text);
	return kept ? keep(app, status) : status;
}

static bool wants_register(const char *name)
{
	char answer[16], question[APP_LABEL_MAX + 64];

	snprintf(question, sizeof(question), "Is %s new here? Register [y/N]: ", name);
	return prompt_line(question, answer, sizeof(answer)) == STATUS_OK &&
	       (answer[0] == 'y' || answer[0] == 'Y');
}

static int login_by_password(struct app *app, const char *user)
{
	char name[CHAT_NAME_MAX + 2], password[OPTIONS_SECRET_MAX];
	struct chat_client_login login = {.device = chat_view_of(device_of(app)), .replace = true};
	int status = STATUS_OK;

	snprintf(name, sizeof(name), "%s", user ? user : "");
	snprintf(password, sizeof(password), "%s", app->options.password);
	if (name[0] == '\0')
		status = prompt_line("Name: ", name, sizeof(name));
	if (status == STATUS_OK && password[0] == '\0')
		status = prompt_password("Password: ", password, sizeof(password));
	if (status != STATUS_OK)
		return status;
	login.name = chat_view_of(name);
	login.password = chat_view_of(password);
	status = app_login(app, &login);
	if (status == STATUS_LOGIN && app->refused)
		screen_notice("%s", app->reason_text);
	if (status == STATUS_LOGIN && app->reason.code == CHAT_CODE_INVALID_CREDENTIALS &&
	    wants_register(name)) {
		login.do_register = true;
		status = app_login(app, &login);
		if (status != STATUS_OK)
			screen_notice("%s", app->reason_text);
	}
	explicit_bzero(password, sizeof(password));
	return keep(app, status);
}

static int session_login(struct app *app)
{
	char last[CHAT_NAME_MAX + 2];
	const char *user = app->options.user;
	int status = STATUS_LOGIN;

	if (!user && account_current(app->options.server, last, sizeof(last)) == 0)
		user = last;
	if (app->options.password[0] == '\0')
		status = login_by_token(app, user);
	if (status != STATUS_LOGIN || app->options.token[0] != '\0')
		return status;
	return login_by_password(app, app->options.user);
}

/* --- The session ------------------------------------------------------------------------------------- */

static void on_unread(void *context, const struct chat_event *event)
{
	struct app *app = context;

	if (event->type != CHAT_EVENT_CONVERSATIONS)
		return;
	for (size_t i = 0; i < event->u.conversations.count; i++) {
		const struct chat_conversation *item = &event->u.conversations.items[i];
		struct unread *unread = app_unread(app, item->target);

		names_put(item->target.group ? &app->groups : &app->users,
			  item->target.group ? item->target.group : item->target.user, item->name);
		/* What was not delivered yet is counted when it comes. */
		if (unread && item->delivered_seq > item->read_seq)
			unread->count += (unsigned)(item->delivered_seq - item->read_seq);
		if (unread && item->delivered_seq > unread->last_seq)
			unread->last_seq = item->delivered_seq;
	}
}

static void greet(struct app *app)
{
	struct chat_request request = {.type = CHAT_REQ_CONVERSATIONS};
	char name[APP_LABEL_MAX];

	(void)app_load_groups(app);
	(void)app_load_friends(app);
	(void)app_ask(app, &request, on_unread, app);
	screen_line("-- you are %s on %s; /help lists the commands",
		    app_user_label(app, app->self, false, name), app->options.server);
	app_show_unread(app);
}

static int edit_start(struct app *app)
{
	const char *term = getenv("TERM");
	char path[PATH_BYTES];
	HistEvent event;

	session.dumb = !term || strcmp(term, "dumb") == 0;
	session.edit = el_init("chat", stdin, stdout, stderr);
	session.history = history_init();
	if (!session.edit || !session.history) {
		screen_notice("the terminal cannot be set up");
		return STATUS_IO;
	}
	history(session.history, &event, H_SETSIZE, HISTORY_LINES);
	history(session.history, &event, H_SETUNIQUE, 1);
	if (account_history_path(path, sizeof(path)) == 0)
		history(session.history, &event, H_LOAD, path);
	el_set(session.edit, EL_EDITOR, "emacs");
	el_set(session.edit, EL_PROMPT, give_prompt);
	el_set(session.edit, EL_HIST, history, session.history);
	el_set(session.edit, EL_SIGNAL, 0);
	el_set(session.edit, EL_ADDFN, "chat-complete", "complete a name", on_tab);
	el_set(session.edit, EL_BIND, "^I", "chat-complete", NULL);
	el_set(session.edit, EL_BIND, "^R", "em-inc-search-prev", NULL);
	el_source(session.edit, NULL); /* the user's ~/.editrc */
	session.app = app;
	return STATUS_OK;
}

static void edit_finish(void)
{
	char path[PATH_BYTES];
	HistEvent event;

	screen_set_prompt(NULL, NULL);
	if (session.editing)
		end_editing();
	if (session.history && account_history_path(path, sizeof(path)) == 0)
		history(session.history, &event, H_SAVE, path);
	if (session.edit)
		el_end(session.edit);
	if (session.history)
		history_end(session.history);
	free(session.line);
	session = (struct session){0};
}

static void run_line(struct app *app)
{
	char *line = session.line;
	HistEvent event;

	session.line = NULL;
	app->interrupted = 0;
	if (!chat_utf8_is_valid(chat_view_of(line))) {
		screen_notice("this is not UTF-8");
	} else {
		if (line[0])
			history(session.history, &event, H_ENTER, line);
		if (command_run_line(app, line) == STATUS_INTERRUPTED)
			screen_notice("interrupted");
	}
	app->interrupted = 0;
	free(line);
}

static void serve(struct app *app)
{
	while (!app->quit && !session.ended && !app->refused) {
		if (!session.editing)
			begin_editing();
		app_show_inbox(app); /* what came while a command ran, too */
		app_turn(app);
		if (session.line)
			run_line(app);
	}
	if (session.editing)
		end_editing();
}

int interactive_run(struct app *app)
{
	struct event *input =
		event_new(app->base, STDIN_FILENO, EV_READ | EV_PERSIST, on_input, app);
	struct event *interrupt = evsignal_new(app->base, SIGINT, on_interrupt, app);
	struct event *resize = evsignal_new(app->base, SIGWINCH, on_resize, app);
	int status = input && interrupt && resize ? STATUS_OK : STATUS_IO;

	if (status == STATUS_OK) {
		evsignal_add(interrupt, NULL);
		app->interactive = true;
		status = session_login(app);
	}
	if (status == STATUS_OK)
		status = edit_start(app);
	if (status == STATUS_OK) {
		screen_set_prompt(hide, show);
		greet(app);
		event_add(input, NULL);
		evsignal_add(resize, NULL);
		serve(app);
		if (app->refused) {
			screen_notice("-- %s", app->reason_text);
			status = STATUS_LOGIN;
		}
		if (session.ended)
			putchar('\n');
		edit_finish();
	}
	app_stop(app);
	if (input)
		event_free(input);
	if (interrupt)
		event_free(interrupt);
	if (resize)
		event_free(resize);
	return status;
}
