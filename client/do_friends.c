/* SPDX-License-Identifier: MIT */
/* Commands on people, and what a word means as a person, a group or a conversation. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "json.h"
#include "safe.h"
#include "screen.h"

/* --- Resolving --------------------------------------------------------------------------------------- */

/* Digits alone are an id: no user's name is of digits alone. 0: the word is no id. */
static chat_id id_of(const char *word)
{
	uint64_t id;

	if (word[0] == '\0' || strlen(word) > 16 || strspn(word, "0123456789") != strlen(word))
		return 0;
	id = strtoull(word, NULL, 10);
	return id <= CHAT_ID_MAX ? id : 0;
}

struct lookup {
	struct app *app;
	chat_id user;
};

static void on_lookup(void *context, const struct chat_event *event)
{
	struct lookup *lookup = context;

	lookup->user = event->u.user.id;
	names_put(&lookup->app->users, event->u.user.id, event->u.user.name);
}

int app_find_user(struct app *app, const char *word, chat_id *user)
{
	struct chat_request request = {.type = CHAT_REQ_USER, .present = CHAT_HAS(CHAT_KEY_NAME)};
	struct lookup lookup = {.app = app};
	int status;

	if (word[0] == '@')
		word++;
	*user = id_of(word);
	if (*user == 0)
		*user = names_find(&app->users, word);
	if (*user != 0)
		return STATUS_OK;
	if (!chat_utf8_is_valid(chat_view_of(word)) || !chat_name_is_valid(chat_view_of(word))) {
		screen_notice("this is no user's name");
		return STATUS_USAGE;
	}
	request.name = chat_view_of(word);
	status = app_ask(app, &request, on_lookup, &lookup);
	*user = lookup.user;
	return status;
}

int app_find_target(struct app *app, const char *word, struct chat_target *target)
{
	*target = (struct chat_target){0};
	if (word[0] == '#')
		return app_find_group(app, word, &target->group);
	if (strncmp(word, "group:", 6) == 0)
		return app_find_group(app, word + 6, &target->group);
	return app_find_user(app, word, &target->user);
}

/* --- Friends ----------------------------------------------------------------------------------------- */

struct friends {
	struct app *app;
	bool online_only;
	size_t shown;
	uint64_t next;
};

static void on_friends(void *context, const struct chat_event *event)
{
	struct friends *all = context;
	const struct chat_friends *page = &event->u.friends;

	all->next = page->next;
	for (size_t i = 0; i < page->count; i++) {
		const struct chat_friend *item = &page->items[i];
		char *name = safe_name(item->user.name);
		const char *state = item->state == CHAT_FRIEND_REQUESTED ? "asked by you"
				    : item->state == CHAT_FRIEND_PENDING ? "asks you"
				    : item->state == CHAT_FRIEND_BLOCKED ? "blocked"
				    : item->online			 ? "online"
									 : "offline";

		names_put(&all->app->users, item->user.id, item->user.name);
		if (!all->online_only || item->online) {
			all->shown++;
			if (all->app->options.json)
				json_friend(item);
			else if (name)
				screen_line("%s%*s %s", name, safe_padding(name, 32), "", state);
		}
		free(name);
	}
}

static int list_friends(struct app *app, bool online_only)
{
	struct chat_request request = {.type = CHAT_REQ_FRIENDS};
	struct friends all = {.app = app, .online_only = online_only};
	int status;

	do {
		status = app_ask(app, &request, on_friends, &all);
		request.after = all.next;
		request.present = CHAT_HAS(CHAT_KEY_AFTER);
	} while (status == STATUS_OK && all.next != 0);
	if (status == STATUS_OK && all.shown == 0)
		app_remark(app, online_only ? "no friend is online" : "nobody yet: /add NAME");
	return status;
}

int do_friends(struct app *app, int argc, char **argv)
{
	(void)argc;
	(void)argv;
	return list_friends(app, false);
}

int do_who(struct app *app, int argc, char **argv)
{
	return argc == 0 ? list_friends(app, true) : do_group_members(app, 2, argv);
}

/* --- One person -------------------------------------------------------------------------------------- */

static void on_user(void *context, const struct chat_event *event)
{
	struct app *app = context;
	char *name = safe_name(event->u.user.name);
	char copy[CHAT_NAME_MAX + 1] = "";

	memcpy(copy, event->u.user.name.data,
	       event->u.user.name.len < CHAT_NAME_MAX ? event->u.user.name.len : CHAT_NAME_MAX);
	if (app->options.json)
		json_user(event->u.user.id, copy);
	else if (name)
		screen_line("%s has the id %" PRIu64, name, event->u.user.id);
	free(name);
}

int do_user(struct app *app, int argc, char **argv)
{
	struct chat_request request = {.type = CHAT_REQ_USER, .present = CHAT_HAS(CHAT_KEY_USER)};
	int status = app_find_user(app, argv[0], &request.user);

	(void)argc;
	return status == STATUS_OK ? app_ask(app, &request, on_user, app) : status;
}

static void on_state(void *context, const struct chat_event *event)
{
	struct app *app = context;

	if (!app->options.json)
		screen_line("%s", event->u.friend_state == CHAT_FRIEND_FRIENDS
					  ? "you are friends now"
					  : "asked");
}

/* `done`: how a session says that it worked, of whom. */
static int about(struct app *app, const char *word, enum chat_request_type type, const char *done)
{
	struct chat_request request = {.type = type, .present = CHAT_HAS(CHAT_KEY_USER)};
	char who[APP_LABEL_MAX];
	int status = app_find_user(app, word, &request.user);

	if (status == STATUS_OK)
		status = app_ask(app, &request, type == CHAT_REQ_FRIEND_ADD ? on_state : NULL, app);
	if (status == STATUS_OK && done)
		app_remark(app, "%s %s", app_user_label(app, request.user, false, who), done);
	return status;
}

int do_add(struct app *app, int argc, char **argv)
{
	(void)argc;
	return about(app, argv[0], CHAT_REQ_FRIEND_ADD, NULL);
}

int do_accept(struct app *app, int argc, char **argv)
{
	(void)argc;
	return about(app, argv[0], CHAT_REQ_FRIEND_ACCEPT, "is a friend now");
}

int do_decline(struct app *app, int argc, char **argv)
{
	(void)argc;
	return about(app, argv[0], CHAT_REQ_FRIEND_DECLINE, "is declined");
}

int do_remove(struct app *app, int argc, char **argv)
{
	(void)argc;
	return about(app, argv[0], CHAT_REQ_FRIEND_REMOVE, "is removed");
}

int do_block(struct app *app, int argc, char **argv)
{
	(void)argc;
	return about(app, argv[0], CHAT_REQ_FRIEND_BLOCK, "is blocked");
}

int do_unblock(struct app *app, int argc, char **argv)
{
	(void)argc;
	return about(app, argv[0], CHAT_REQ_FRIEND_UNBLOCK, "is not blocked any more");
}
