/* SPDX-License-Identifier: MIT */
/* chat: a session at a terminal, or one command for a script. Exits with enum status. */
#include <fcntl.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
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

/* Who a scripted command is. */
struct who {
	char user[CHAT_NAME_MAX + 2]; /* empty: whose the token is */
	const char *device;
};

static int find_who(const struct app *app, const struct command *command, struct who *who)
{
	const struct options *options = &app->options;

	who->device = device_for(app, command);
	who->user[0] = '\0';
	if (options->token[0] != '\0')
		return STATUS_OK;
	if (options->user)
		snprintf(who->user, sizeof(who->user), "%s", options->user);
	else if (account_current(options->server, who->user, sizeof(who->user)) != 0)
		who->user[0] = '\0';
	if (who->user[0] != '\0')
		return STATUS_OK;
	screen_notice("not logged in: chat login, or CHAT_USER and CHAT_PASSWORD");
	return STATUS_LOGIN;
}

/* Two on one device would end one another's connections; and who stays logged in may not be waited for. */
static int take_turn(const struct app *app, const struct who *who)
{
	if (who->user[0] == '\0' || account_lock(app->options.server, who->user, who->device,
						 app->options.timeout_s) != ACCOUNT_BUSY)
		return STATUS_OK;
	screen_notice("another chat runs as %s's device %s: give this one a --device", who->user,
		      who->device);
	return STATUS_LOGIN;
}

/* By what the options give, else by the token that `chat login` kept. */
static int script_login(struct app *app, const struct who *who)
{
	const char *server = app->options.server;
	bool password = app->options.password[0] != '\0', kept;
	struct chat_client_login login = {.replace = true};
	char token[OPTIONS_SECRET_MAX];
	int status;

	if (app->options.token[0] != '\0') {
		login.token = chat_view_of(app->options.token);
		return app_login(app, &login);
	}
	kept = account_token(server, who->user, who->device, token, sizeof(token)) == 0;
	if (password) {
		login.name = chat_view_of(who->user);
		login.password = chat_view_of(app->options.password);
		login.device = chat_view_of(who->device);
	} else if (kept) {
		login.token = chat_view_of(token);
	} else {
		screen_notice("%s is not logged in: chat login, or CHAT_PASSWORD", who->user);
		return STATUS_LOGIN;
	}
	status = app_login(app, &login);
	if (status == STATUS_LOGIN && !password &&
	    app->reason.code == CHAT_CODE_INVALID_CREDENTIALS)
		screen_notice("the login of %s as %s has ended: chat login", who->user,
			      who->device);
	if (status == STATUS_OK && kept && password) /* the kept token is no good now */
		(void)account_keep(server, app->self_name, app->device, app->token);
	return status;
}

/* What may take long without the server, and is ended by signals as ever. */
static int script_prepare(struct app *app, const struct command *command, int argc, char **argv,
			  struct who *who)
{
	int status = command->run == do_send ? do_send_input(argc, argv) : STATUS_OK;

	if (status == STATUS_OK && !command->offline)
		status = find_who(app, command, who);
	if (status == STATUS_OK && !command->offline)
		status = take_turn(app, who);
	return status;
}

/* Signals that end a command in order, but those that whoever started it has it ignore: nohup(1), a shell's `&`. */
struct ends {
	struct event *events[3];
	size_t count;
};

static int ends_catch(struct ends *ends, struct app *app)
{
	static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
	struct sigaction former;

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		struct event *event;

		if (sigaction(numbers[i], NULL, &former) == 0 && former.sa_handler == SIG_IGN)
			continue;
		event = evsignal_new(app->base, numbers[i], on_signal, app);
		if (!event)
			return STATUS_IO;
		ends->events[ends->count++] = event;
		evsignal_add(event, NULL);
	}
	return STATUS_OK;
}

static void ends_leave(struct ends *ends)
{
	while (ends->count > 0)
		event_free(ends->events[--ends->count]);
}

static int script_run(struct app *app, const struct command *command, int argc, char **argv)
{
	struct ends ends = {.count = 0};
	struct who who;
	int status = script_prepare(app, command, argc, argv, &who);

	if (status == STATUS_OK)
		status = ends_catch(&ends, app);
	if (status == STATUS_OK && !command->offline) {
		app->tail = command->run == do_tail;
		app_start_clock(app);
		status = script_login(app, &who);
	}
	if (status == STATUS_OK)
		status = command_run(app, command, argc, argv);
	app_stop(app);
	ends_leave(&ends);
	return status;
}

/* The words of a text that the shell took apart, with a space between two. The caller frees it; NULL: out of memory. */
static char *join(char **words, int count)
{
	size_t size = 1;
	char *text, *end;

	for (int i = 0; i < count; i++)
		size += strlen(words[i]) + 1;
	text = end = malloc(size);
	if (!text)
		return NULL;
	for (int i = 0; i < count; i++) {
		if (i > 0)
			*end++ = ' ';
		end = stpcpy(end, words[i]);
	}
	return text;
}

/* A text may be several words: they are the command's last. */
static int run_joined(struct app *app, const struct command *command, int argc, char **argv)
{
	int words = command->text && argc > command->most ? argc - command->most + 1 : 1;
	char *text = words > 1 ? join(argv + command->most - 1, words) : NULL;
	int status;

	if (words > 1 && !text) {
		screen_notice("out of memory");
		return STATUS_IO;
	}
	if (text) {
		argc = command->most;
		argv[argc - 1] = text;
	}
	status = command_check(app, command, argc);
	if (status == STATUS_OK)
		status = app_init(app);
	if (status == STATUS_OK)
		status = script_run(app, command, argc, argv);
	free(text);
	return status;
}

/* The words from the command's on. */
static int script(struct app *app, int argc, char **argv)
{
	const struct command *command;
	int used = 0, status;

	command = command_find(argc, argv, false, &used);
	if (!command) {
		if (strcmp(argv[0], "group") == 0)
			screen_notice("group what? chat help group lists it");
		else
			screen_notice("there is no command \"%s\"; see chat --help", argv[0]);
		return STATUS_USAGE;
	}
	argc -= used - 1;
	argv += used - 1;
	status = options_parse_rest(&app->options, &argc, argv, !command->text);
	if (status != STATUS_OK)
		return status;
	if (app->options.help) {
		printf("usage: chat %s%s%s\n  %s\n", command->name, command->usage[0] ? " " : "",
		       command->usage, command->help);
		return STATUS_OK;
	}
	return run_joined(app, command, argc, argv);
}

/* --- Start ------------------------------------------------------------------------------------------- */

/*
 * Whoever starts us with stdin, stdout or stderr closed gets errors from them, and not our connection in their place: it
 * would have their number.
 */
static void fill_descriptors(void)
{
	static const int modes[] = {O_WRONLY, O_RDONLY,
				    O_RDONLY}; /* the wrong ones, so that they fail */

	for (int fd = 0; fd < 3; fd++)
		if (fcntl(fd, F_GETFD) < 0)
			(void)open("/dev/null", modes[fd]); /* the lowest that is free: this one */
}

/*
 * Where no locale is set, as in a container or a cron job, it is "C", which knows ASCII alone; terminals and files are in
 * UTF-8 there as elsewhere. The same as Python does (PEP 538).
 */
static void choose_locale(void)
{
	const char *all = getenv("LC_ALL"), *type;

	setlocale(LC_ALL, "");
	type = setlocale(LC_CTYPE, NULL);
	if ((!all || !all[0]) && type && (strcmp(type, "C") == 0 || strcmp(type, "POSIX") == 0))
		(void)setlocale(LC_CTYPE, "C.UTF-8"); /* where there is none, it stays */
}

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

	fill_descriptors();
	choose_locale();
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
		command_help(false, NULL);
	} else {
		status = argc > 0 ? script(&app, argc, argv) : session(&app);
		app_finish(&app);
	}
	if (!screen_flush() && status == STATUS_OK)
		status = STATUS_IO;
	return status;
}
