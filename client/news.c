/* SPDX-License-Identifier: MIT */
/* Requests, invitations and unread counts. */
#include "news.h"

#include <inttypes.h>
#include <stdlib.h>

#include "safe.h"
#include "screen.h"

/* One kind of news, page by page. */
struct news {
	struct app *app;
	struct name_list found; /* what there is now: of the next telling it is known */
	const struct name_list *told;
	uint64_t next;
};

/* STATUS_OK: all pages came. */
static int ask_pages(struct news *news, enum chat_request_type type, app_reply_fn fn)
{
	struct chat_request request = {
		.type = type, .limit = CHAT_PAGE_MAX, .present = CHAT_HAS(CHAT_KEY_LIMIT)};
	int status;

	do {
		status = app_ask_quietly(news->app, &request, fn, news);
		request.after = news->next;
		request.present |= CHAT_HAS(CHAT_KEY_AFTER);
	} while (status == STATUS_OK && news->next != 0);
	return status;
}

/* Whether it is not told yet; it will be, from now on. */
static bool is_new(struct news *news, chat_id id)
{
	names_put(&news->found, id, (struct chat_view){0});
	return !names_get(news->told, id);
}

static void keep_told(struct news *news, struct name_list *told, int status)
{
	struct name_list former = *told;

	if (status == STATUS_OK) {
		*told = news->found;
		news->found = former;
	}
	names_finish(&news->found);
}

/* --- Friends ----------------------------------------------------------------------------------------- */

static void on_friends(void *context, const struct chat_event *event)
{
	struct news *news = context;
	const struct chat_friends *page = &event->u.friends;

	if (event->type != CHAT_EVENT_FRIENDS)
		return;
	news->next = page->next;
	for (size_t i = 0; i < page->count; i++) {
		const struct chat_friend *item = &page->items[i];
		char name[APP_LABEL_MAX];

		names_put(&news->app->users, item->user.id, item->user.name);
		if (item->state != CHAT_FRIEND_PENDING || !is_new(news, item->user.id))
			continue;
		app_user_label(news->app, item->user.id, false, name);
		screen_notice("-- %s asks to be friends: /accept %s or /decline %s", name, name,
			      name);
	}
}

/* --- Groups ------------------------------------------------------------------------------------------ */

static void on_groups(void *context, const struct chat_event *event)
{
	struct news *news = context;
	const struct chat_groups *page = &event->u.groups;

	if (event->type != CHAT_EVENT_GROUPS)
		return;
	news->next = page->next;
	for (size_t i = 0; i < page->count; i++)
		names_put(&news->app->groups, page->items[i].id, page->items[i].name);
	for (size_t i = 0; i < page->invitation_count; i++) {
		const struct chat_invitation *item = &page->invitations[i];
		const struct chat_target target = {.group = item->group};
		char label[APP_LABEL_MAX], by[APP_LABEL_MAX];

		names_put(&news->app->groups, item->group, item->group_name);
		if (is_new(news, item->group))
			screen_notice("-- %s invites you to %s: /group join #%" PRIu64,
				      app_user_label(news->app, item->by, false, by),
				      app_target_label(news->app, target, false, label),
				      item->group);
	}
}

/* --- Unread ------------------------------------------------------------------------------------------ */

/* What was not delivered yet is counted when it comes. */
static void take_conversation(struct app *app, const struct chat_conversation *item)
{
	struct unread *unread = app_unread(app, item->target);

	names_put(item->target.group ? &app->groups : &app->users,
		  item->target.group ? item->target.group : item->target.user, item->name);
	if (!unread)
		return;
	if (item->delivered_seq > unread->last_seq)
		unread->last_seq = item->delivered_seq;
	unread->count = unread->last_seq > item->read_seq
				? (unsigned)(unread->last_seq - item->read_seq)
				: 0;
}

static void on_conversations(void *context, const struct chat_event *event)
{
	struct news *news = context;
	const struct chat_conversations *page = &event->u.conversations;

	if (event->type != CHAT_EVENT_CONVERSATIONS)
		return;
	news->next = page->next;
	for (size_t i = 0; i < page->count; i++)
		take_conversation(news->app, &page->items[i]);
}

static void tell_unread(struct app *app)
{
	for (size_t i = 0; i < app->unread_count; i++) {
		char label[APP_LABEL_MAX];

		if (app->unread[i].count > 0)
			screen_line("  %u unread in %s", app->unread[i].count,
				    app_target_label(app, app->unread[i].target, false, label));
	}
}

/* --- All --------------------------------------------------------------------------------------------- */

void news_tell(struct app *app)
{
	struct news friends = {.app = app, .told = &app->asking};
	struct news groups = {.app = app, .told = &app->inviting};
	struct news conversations = {.app = app};
	bool first = app->unread_count == 0;

	app->news = false;
	keep_told(&friends, &app->asking, ask_pages(&friends, CHAT_REQ_FRIENDS, on_friends));
	keep_told(&groups, &app->inviting, ask_pages(&groups, CHAT_REQ_GROUPS, on_groups));
	(void)ask_pages(&conversations, CHAT_REQ_CONVERSATIONS, on_conversations);
	if (first)
		tell_unread(app);
}
