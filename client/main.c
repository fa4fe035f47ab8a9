/* SPDX-License-Identifier: MIT */
/* chat: a session at a terminal, or one command for a script. Exits with enum status. */
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "account.h"
#include "command.h"
#include "interactive.h"
#include "safe.h"
#include "screen.h"

/* --- Scripts ----------------------------------------------------------------------------------------- */

static void on_signal(evutil_socket_t fd, short what, void *context)
{
	struct app *app = context;

	(void)fd;
	(void)what;
	app->interrupted = 1;
}

static const char *device_for(const struct app *app, const struct command *command)
{
	if (app->options.device)
		return app->options.device;
	return command->run == do_tail ? "tail" : "script";
}

/* By what the options give, else by the token that `chat login` kept. */
static int script_login(struct app *app, const struct command *command)
{
	const char *server = app->options.server, *user = app->options.user;
	const char *device = device_for(app, command);
	struct chat_client_login login = {.replace = true};
	char last[CHAT_NAME_MAX + 2], token[OPTIONS_SECRET_MAX];
	bool kept;
	int status;

	if (app->options.token[0] != '\0') {
		login.token = chat_view_of(app->options.token);
		return app_login(app, &login);
	}
	if (!user && account_current(server, last, sizeof(last)) == 0)
		user = last;
	if (!user) {
		screen_notice("not logged in: chat login, or CHAT_USER and CHAT_PASSWORD");
		return STATUS_LOGIN;
	}
	account_lock(server, user, device, app->options.timeout_s);
	kept = account_token(server, user, device, token, sizeof(token)) == 0;
	if (app->options.password[0] != '\0') {
		login.name = chat_view_of(user);
		login.password = chat_view_of(app->options.password);
		login.device = chat_view_of(device);
	} else if (kept) {
		login.token = chat_view_of(token);
	} else {
		screen_notice("%s is not logged in: chat login, or CHAT_PASSWORD", user);
		return STATUS_LOGIN;
	}
	status = app_login(app, &login);
	if (status == STATUS_OK && kept &&
	    login.password.len > 0) /* the kept token is no good now */
		(void)account_keep(server, app->self_name, app->device, app->token);
	return status;
}

static int script_run(struct app *app, const struct command *command, int argc, char **argv)
{
	struct event *interrupt = evsignal_new(app->base, SIGINT, on_signal, app);
	struct event *terminate = evsignal_new(app->base, SIGTERM, on_signal, app);
	int status = STATUS_OK;

	if (!interrupt || !terminate)
		return STATUS_IO;
	evsignal_add(interrupt, NULL);
	evsignal_add(terminate, NULL);
	app->tail = command->run == do_tail;
	if (!command->offline) {
		app_start_clock(app);
		status = script_login(app, command);
	}
	if (status == STATUS_OK)
		status = command_run(app, command, argc, argv);
	app_stop(app);
	event_free(interrupt);
	event_free(terminate);
	return status;
}

/* The words from the command's on. */
static int script(struct app *app, int argc, char **argv)
{
	const struct command *command;
	int used = 0, status;

	command = command_find(argc, argv, false, &used);
	if (!command) {
		screen_notice("there is no command \"%s\"; see chat --help", argv[0]);
		return STATUS_USAGE;
	}
	argc -= used - 1;
	argv += used - 1;
	status = options_parse_rest(&app->options, &argc, argv, !command->text);
	if (status != STATUS_OK)
		return status;
	if (app->options.help) {
		printf("usage: chat %s %s\n  %s\n", command->name, command->usage, command->help);
		return STATUS_OK;
	}
	if (argc < command->least || argc > command->most) {
		screen_notice("usage: chat %s %s", command->name, command->usage);
		return STATUS_USAGE;
	}
	status = app_init(app);
	return status == STATUS_OK ? script_run(app, command, argc, argv) : status;
}

/* --- Start ------------------------------------------------------------------------------------------- */

static bool is_utf8(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (!chat_utf8_is_valid(chat_view_of(argv[i])))
			return false;
	return true;
}

static int session(struct app *app)
{
	int status;

	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO)) {
		screen_notice("a session needs a terminal; see chat --help for commands");
		return STATUS_USAGE;
	}
	status = app_init(app);
	return status == STATUS_OK ? interactive_run(app) : status;
}

int main(int argc, char **argv)
{
	static struct app app;
	int status;

	setlocale(LC_ALL, "");
	safe_init();
	screen_init();
	signal(SIGPIPE, SIG_IGN);
	if (!is_utf8(argc, argv)) {
		screen_notice("the command line is not UTF-8");
		return STATUS_USAGE;
	}
	status = options_parse(&app.options, argc, argv);
	if (status != STATUS_OK)
		return status;
	argc -= app.options.first;
	argv += app.options.first;
	if (app.options.version) {
		puts("chat " CHAT_VERSION);
	} else if (app.options.help) {
		options_help(stdout);
		command_help(false);
	} else {
		status = argc > 0 ? script(&app, argc, argv) : session(&app);
		app_finish(&app);
	}
	if (!screen_flush() && status == STATUS_OK)
		status = STATUS_IO;
	return status;
}
