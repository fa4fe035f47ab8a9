/* SPDX-License-Identifier: MIT */
/*
 * Commands on groups. A group's name is its members' business and not unique: a word is an id, or a name that only
 * one of the user's groups has.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "json.h"
#include "safe.h"
#include "screen.h"

/* --- The list ---------------------------------------------------------------------------------------- */

struct groups {
	struct app *app;
	bool print;
	size_t found;
	uint64_t next;
};

static void print_group(const struct app *app, const struct chat_group *group)
{
	char *name = safe_name(group->name), *about = safe_text(group->description, NULL);

	if (app->options.json)
		json_group(group);
	else if (name && about)
		screen_line("#%-8" PRIu64 " %s%*s %-6s %5u member%s%s%s%s", group->id, name,
			    safe_padding(name, 32), "", chat_role_name(group->role), group->members,
			    group->members == 1 ? "" : "s", group->open ? "" : ", closed",
			    about[0] ? ": " : "", about);
	free(name);
	free(about);
}

static void print_invitation(const struct app *app, const struct chat_invitation *invitation)
{
	char *name = safe_name(invitation->group_name);
	char by[APP_LABEL_MAX];

	if (app->options.json)
		json_invitation(invitation);
	else if (name)
		screen_line("#%-8" PRIu64 " %s%*s invited by %s", invitation->group, name,
			    safe_padding(name, 32), "",
			    app_user_label((struct app *)app, invitation->by, false, by));
	free(name);
}

static void on_groups(void *context, const struct chat_event *event)
{
	struct groups *all = context;
	const struct chat_groups *page = &event->u.groups;

	all->next = page->next;
	all->found += page->count + page->invitation_count;
	for (size_t i = 0; i < page->count; i++) {
		names_put(&all->app->groups, page->items[i].id, page->items[i].name);
		if (all->print)
			print_group(all->app, &page->items[i]);
	}
	for (size_t i = 0; i < page->invitation_count; i++) {
		names_put(&all->app->groups, page->invitations[i].group,
			  page->invitations[i].group_name);
		if (all->print)
			print_invitation(all->app, &page->invitations[i]);
	}
}

static int list_groups(struct app *app, bool print)
{
	struct chat_request request = {.type = CHAT_REQ_GROUPS};
	struct groups all = {.app = app, .print = print};
	int status;

	names_clear(&app->groups);
	do {
		status = app_ask(app, &request, on_groups, &all);
		request.after = all.next;
		request.present = CHAT_HAS(CHAT_KEY_AFTER);
	} while (status == STATUS_OK && all.next != 0);
	if (print && status == STATUS_OK && all.found == 0)
		app_remark(app, "none yet: /group create NAME, or /group join #ID");
	return status;
}

int app_load_groups(struct app *app)
{
	return list_groups(app, false);
}

int do_groups(struct app *app, int argc, char **argv)
{
	(void)argc;
	(void)argv;
	return list_groups(app, true);
}

/* --- Resolving --------------------------------------------------------------------------------------- */

/* How many of the known groups have the name; the last of them in *group. */
static size_t count_named(const struct app *app, const char *word, bool any_case, chat_id *group)
{
	size_t count = 0;

	for (size_t i = 0; i < app->groups.count; i++) {
		struct chat_view name = chat_view_of(app->groups.items[i].name);

		if (any_case ? !chat_view_equal_ascii_case(name, chat_view_of(word))
			     : !chat_view_equal(name, chat_view_of(word)))
			continue;
		*group = app->groups.items[i].id;
		count++;
	}
	return count;
}

static void say_ambiguous(const struct app *app, const char *word)
{
	char ids[256] = "";
	size_t len = 0;

	for (size_t i = 0; i < app->groups.count && len + 24 < sizeof(ids); i++)
		if (chat_view_equal_ascii_case(chat_view_of(app->groups.items[i].name),
					       chat_view_of(word)))
			len += (size_t)snprintf(ids + len, sizeof(ids) - len, " #%" PRIu64,
						app->groups.items[i].id);
	screen_notice("more than one of your groups is called that:%s", ids);
}

int app_find_group(struct app *app, const char *word, chat_id *group)
{
	size_t exact, loose;
	int status;

	if (word[0] == '#')
		word++;
	if (word[0] != '\0' && strlen(word) <= 16 && strspn(word, "0123456789") == strlen(word)) {
		*group = strtoull(word, NULL, 10);
		if (*group >= 1 && *group <= CHAT_ID_MAX)
			return STATUS_OK;
	}
	status = app_load_groups(app); /* anew: a name that was unique may not be so now */
	if (status != STATUS_OK)
		return status;
	loose = count_named(app, word, true, group);
	exact = count_named(app, word, false, group);
	if (exact == 1 || (exact == 0 && loose == 1 && count_named(app, word, true, group) == 1))
		return STATUS_OK;
	if (loose > 1) {
		say_ambiguous(app, word);
		return STATUS_USAGE;
	}
	screen_notice("you are in no group of that name; a group's id does too");
	return STATUS_REFUSED;
}

/* --- One group --------------------------------------------------------------------------------------- */

static void on_group(void *context, const struct chat_event *event)
{
	struct app *app = context;

	names_put(&app->groups, event->u.group.id, event->u.group.name);
	print_group(app, &event->u.group);
}

static bool is_word(const char *word, const char *other)
{
	return strcmp(word, other) == 0;
}

int do_group_create(struct app *app, int argc, char **argv)
{
	struct chat_request request = {.type = CHAT_REQ_GROUP_CREATE,
				       .present = CHAT_HAS(CHAT_KEY_NAME),
				       .name = chat_view_of(argv[0])};

	if (argc > 1 && is_word(argv[argc - 1], "closed")) {
		request.present |= CHAT_HAS(CHAT_KEY_OPEN);
		argc--;
	} else if (argc > 2) {
		screen_notice("a group is \"closed\", or open where nothing is said");
		return STATUS_USAGE;
	}
	if (argc > 1) {
		request.description = chat_view_of(argv[1]);
		request.present |= CHAT_HAS(CHAT_KEY_DESCRIPTION);
	}
	return app_ask(app, &request, on_group, app);
}

static int on_one_group(struct app *app, const char *word, struct chat_request *request,
			app_reply_fn fn)
{
	int status = app_find_group(app, word, &request->group);

	request->present |= CHAT_HAS(CHAT_KEY_GROUP);
	return status == STATUS_OK ? app_ask(app, request, fn, app) : status;
}

int do_group_join(struct app *app, int argc, char **argv)
{
	struct chat_request request = {.type = CHAT_REQ_GROUP_JOIN};

	(void)argc;
	return on_one_group(app, argv[0], &request, on_group);
}

int do_group_leave(struct app *app, int argc, char **argv)
{
	struct chat_request request = {.type = CHAT_REQ_GROUP_LEAVE};

	(void)argc;
	return on_one_group(app, argv[0], &request, NULL);
}

int do_group_dissolve(struct app *app, int argc, char **argv)
{
	struct chat_request request = {.type = CHAT_REQ_GROUP_DISSOLVE};

	(void)argc;
	return on_one_group(app, argv[0], &request, NULL);
}

static int on_member(struct app *app, char **argv, struct chat_request *request)
{
	int status = app_find_user(app, argv[1], &request->user);

	request->present |= CHAT_HAS(CHAT_KEY_USER);
	return status == STATUS_OK ? on_one_group(app, argv[0], request, NULL) : status;
}

int do_group_invite(struct app *app, int argc, char **argv)
{
	struct chat_request request = {.type = CHAT_REQ_GROUP_INVITE};
	int status = on_member(app, argv, &request);
	char who[APP_LABEL_MAX];

	(void)argc;
	if (status == STATUS_OK)
		app_remark(app, "%s is invited", app_user_label(app, request.user, false, who));
	return status;
}

int do_group_kick(struct app *app, int argc, char **argv)
{
	struct chat_request request = {.type = CHAT_REQ_GROUP_KICK};

	(void)argc;
	return on_member(app, argv, &request);
}

int do_group_role(struct app *app, int argc, char **argv)
{
	struct chat_request request = {.type = CHAT_REQ_GROUP_ROLE,
				       .present = CHAT_HAS(CHAT_KEY_ROLE)};

	(void)argc;
	for (int role = CHAT_ROLE_MEMBER; role <= CHAT_ROLE_OWNER; role++)
		if (is_word(argv[2], chat_role_name((enum chat_role)role)))
			request.role = (enum chat_role)role;
	if (request.role == CHAT_ROLE_NONE) {
		screen_notice("a role is member, admin or owner");
		return STATUS_USAGE;
	}
	return on_member(app, argv, &request);
}

int do_group_update(struct app *app, int argc, char **argv)
{
	struct chat_request request = {.type = CHAT_REQ_GROUP_UPDATE};

	(void)argc;
	if (is_word(argv[1], "name")) {
		request.name = chat_view_of(argv[2]);
		request.present = CHAT_HAS(CHAT_KEY_NAME);
	} else if (is_word(argv[1], "description")) {
		request.description = chat_view_of(argv[2]);
		request.present = CHAT_HAS(CHAT_KEY_DESCRIPTION);
	} else if (is_word(argv[1], "open") &&
		   (is_word(argv[2], "yes") || is_word(argv[2], "no"))) {
		request.open = is_word(argv[2], "yes");
		request.present = CHAT_HAS(CHAT_KEY_OPEN);
	} else {
		screen_notice("what is changed is name, description, or open yes|no");
		return STATUS_USAGE;
	}
	return on_one_group(app, argv[0], &request, on_group);
}

/* --- Members ----------------------------------------------------------------------------------------- */

struct members {
	struct app *app;
	bool online_only;
	uint64_t next;
};

static void on_members(void *context, const struct chat_event *event)
{
	struct members *all = context;
	const struct chat_members *page = &event->u.members;

	all->next = page->next;
	for (size_t i = 0; i < page->count; i++) {
		const struct chat_member *item = &page->items[i];
		char *name = safe_name(item->user.name);

		names_put(&all->app->users, item->user.id, item->user.name);
		if (all->online_only && !item->online)
			; /* not asked for */
		else if (all->app->options.json)
			json_member(item);
		else if (name)
			screen_line("%s%*s %-6s %s", name, safe_padding(name, 32), "",
				    chat_role_name(item->role),
				    item->online ? "online" : "offline");
		free(name);
	}
}

/* With two words, `who`: those online alone. */
int do_group_members(struct app *app, int argc, char **argv)
{
	struct chat_request request = {.type = CHAT_REQ_GROUP_MEMBERS,
				       .present = CHAT_HAS(CHAT_KEY_GROUP)};
	struct members all = {.app = app, .online_only = argc > 1};
	int status = app_find_group(app, argv[0], &request.group);

	while (status == STATUS_OK) {
		status = app_ask(app, &request, on_members, &all);
		if (all.next == 0)
			break;
		request.after = all.next;
		request.present |= CHAT_HAS(CHAT_KEY_AFTER);
	}
	return status;
}
