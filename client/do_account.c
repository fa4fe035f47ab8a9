/* SPDX-License-Identifier: MIT */
/* Commands on oneself: register, login, logout, password, devices. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "account.h"
#include "command.h"
#include "json.h"
#include "prompt.h"
#include "safe.h"
#include "screen.h"

/* The devices that `login` logs in: scripts, a session and `tail` each have one, and none ends another's connection. */
static const char *const own_devices[] = {"script", "terminal", "tail"};

/* --- Register and login ------------------------------------------------------------------------------ */

static int keep_login(struct app *app)
{
	return account_keep(app->options.server, app->self_name, app->device, app->token) == 0
		       ? STATUS_OK
		       : STATUS_IO;
}

/* A session or a `tail` runs on it, logged in already: it is left alone. Commands are waited for. */
static bool is_taken(struct app *app, const char *name, const char *device)
{
	bool script = strcmp(device, own_devices[0]) == 0;

	if (account_lock(app->options.server, name, device, script ? app->options.timeout_s : 0) !=
	    ACCOUNT_BUSY)
		return false;
	screen_notice("another chat runs as %s's device %s, and goes on as it is", name, device);
	return true;
}

static int login_as(struct app *app, const char *name, const char *device, bool do_register)
{
	const struct chat_client_login login = {
		.name = chat_view_of(name),
		.password = chat_view_of(app->options.password),
		.device = chat_view_of(device),
		.replace = true,
		.do_register = do_register,
	};
	int status = app_login(app, &login);

	return status == STATUS_OK ? keep_login(app) : status;
}

/* On the device that was told, or on all. */
static int login_devices(struct app *app, const char *name, bool do_register)
{
	const char *const *devices = app->options.device ? &app->options.device : own_devices;
	const size_t count = app->options.device ? 1 : sizeof(own_devices) / sizeof(own_devices[0]);
	int status = STATUS_LOGIN;

	for (size_t i = 0; i < count; i++) {
		if (is_taken(app, name, devices[i]))
			continue;
		chat_client_stop(app->client, net_now_ms());
		status = login_as(app, name, devices[i], do_register);
		if (status != STATUS_OK)
			break;
		do_register = false;
	}
	return status;
}

static int login_all(struct app *app, int argc, char **argv, bool do_register)
{
	const char *name = argc > 0 ? argv[0] : app->options.user;
	char typed[CHAT_NAME_MAX + 2];
	int status;

	if (!name) {
		status = prompt_line("Name: ", typed, sizeof(typed));
		if (status != STATUS_OK)
			return status;
		name = typed;
	}
	if (app->options.password[0] == '\0') {
		status = do_register ? prompt_new_password(app->options.password,
							   sizeof(app->options.password))
				     : prompt_password("Password: ", app->options.password,
						       sizeof(app->options.password));
		if (status != STATUS_OK)
			return status;
	}
	app_start_clock(app);
	status = login_devices(app, name, do_register);
	if (status != STATUS_OK)
		return status;
	if (app->options.json)
		json_user(app->self, app->self_name);
	else
		screen_line("logged in as %s", name);
	return STATUS_OK;
}

int do_register(struct app *app, int argc, char **argv)
{
	return login_all(app, argc, argv, true);
}

int do_login(struct app *app, int argc, char **argv)
{
	return login_all(app, argc, argv, false);
}

int do_logout(struct app *app, int argc, char **argv)
{
	struct chat_request request = {.type = CHAT_REQ_LOGOUT};
	int status = app_ask(app, &request, NULL, NULL);

	(void)argc;
	(void)argv;
	if (status != STATUS_OK)
		return status;
	account_forget(app->options.server, app->self_name, app->device);
	app_remark(app, "logged out");
	app->quit = true;
	return STATUS_OK;
}

/* Messages that wait for a connection are gone with the session: one is told, once. */
int do_quit(struct app *app, int argc, char **argv)
{
	(void)argc;
	(void)argv;
	if (app->own_count > 0 && !app->told_own &&
	    chat_client_state(app->client) != CHAT_CLIENT_ONLINE) {
		app->told_own = true;
		screen_notice("-- %zu not sent yet: wait, or leave without once more",
			      app->own_count);
		return STATUS_OK;
	}
	app->quit = true;
	return STATUS_OK;
}

int do_help(struct app *app, int argc, char **argv)
{
	const char *word = argc > 0 ? argv[0] + (argv[0][0] == '/') : NULL;

	if (!app->interactive && !word)
		options_help(stdout);
	if (command_help(app->interactive, word))
		return STATUS_OK;
	screen_notice("there is no command \"%s\"", word);
	return STATUS_USAGE;
}

/* --- Password and devices ---------------------------------------------------------------------------- */

int do_password(struct app *app, int argc, char **argv)
{
	char old[OPTIONS_SECRET_MAX] = "", new[OPTIONS_SECRET_MAX] = "";
	struct chat_request request = {.type = CHAT_REQ_PASSWORD};
	int status;

	(void)argc;
	(void)argv;
	status = prompt_password("Old password: ", old, sizeof(old));
	if (status == STATUS_OK)
		status = prompt_new_password(new, sizeof(new));
	if (status == STATUS_OK) {
		request.present = CHAT_HAS(CHAT_KEY_OLD) | CHAT_HAS(CHAT_KEY_NEW);
		request.old_password = chat_view_of(old);
		request.new_password = chat_view_of(new);
		status = app_ask(app, &request, NULL, NULL);
	}
	if (status == STATUS_OK)
		screen_line("the password is changed; log in again on other devices");
	explicit_bzero(old, sizeof(old));
	explicit_bzero(new, sizeof(new));
	return status;
}

static void on_devices(void *context, const struct chat_event *event)
{
	struct app *app = context;

	for (size_t i = 0; i < event->u.devices.count; i++) {
		const struct chat_device *device = &event->u.devices.items[i];
		char *name = safe_text(device->name, NULL);

		if (app->options.json)
			json_device(device);
		else if (name)
			screen_line("%-32s %-7s since %s%s", name,
				    device->online ? "online" : "offline",
				    screen_time(device->since_ms, false),
				    strcmp(name, app->device) == 0 ? "  (this one)" : "");
		free(name);
	}
}

int do_devices(struct app *app, int argc, char **argv)
{
	struct chat_request request = {.type = CHAT_REQ_DEVICES};

	(void)argc;
	(void)argv;
	return app_ask(app, &request, on_devices, app);
}

int do_device_remove(struct app *app, int argc, char **argv)
{
	struct chat_request request = {.type = CHAT_REQ_DEVICE_REMOVE,
				       .present = CHAT_HAS(CHAT_KEY_DEVICE),
				       .device = chat_view_of(argv[0])};
	int status = app_ask(app, &request, NULL, NULL);

	(void)argc;
	if (status == STATUS_OK)
		account_forget(app->options.server, app->self_name, argv[0]);
	return status;
}
