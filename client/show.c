/* SPDX-License-Identifier: MIT */
/* Messages and other news, for people: "20:43 #ops/41 bob: hello". */
#include "show.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "safe.h"
#include "screen.h"

enum { SHOW_TYPING_S = 7 }; /* somebody who goes on typing says so every 5 s */

/* --- Names ------------------------------------------------------------------------------------------- */

static void on_user(void *context, const struct chat_event *event)
{
	struct app *app = context;

	if (event->type == CHAT_EVENT_USER)
		names_put(&app->users, event->u.user.id, event->u.user.name);
}

const char *app_user_label(struct app *app, chat_id user, bool may_ask, char out[APP_LABEL_MAX])
{
	struct chat_request request = {
		.type = CHAT_REQ_USER, .user = user, .present = CHAT_HAS(CHAT_KEY_USER)};
	const char *name = names_get(&app->users, user);
	char *safe;

	if (!name && may_ask && chat_client_state(app->client) == CHAT_CLIENT_ONLINE) {
		(void)app_ask_quietly(app, &request, on_user, app);
		name = names_get(&app->users, user);
	}
	safe = name ? safe_name(chat_view_of(name)) : NULL;
	if (safe)
		snprintf(out, APP_LABEL_MAX, "%s", safe);
	else
		snprintf(out, APP_LABEL_MAX, "%" PRIu64, user);
	free(safe);
	return out;
}

/*
 * As it may be typed, so that no name passes for something else: with spaces in quotes, and by its id where it looks
 * like one, or another group of the user's is called the same.
 */
static void put_group(const struct app *app, chat_id id, const char *name, char out[APP_LABEL_MAX])
{
	char *safe = name ? safe_name(chat_view_of(name)) : NULL;
	const char *quote = safe && strchr(safe, ' ') ? "\"" : "";

	if (!safe || name[strspn(name, "0123456789")] == '\0' || strchr(safe, '"'))
		snprintf(out, APP_LABEL_MAX, "#%" PRIu64, id);
	else if (names_count(&app->groups, name) > 1)
		snprintf(out, APP_LABEL_MAX, "#%" PRIu64 " (%.*s)", id, APP_LABEL_MAX - 32, safe);
	else
		snprintf(out, APP_LABEL_MAX, "%s#%.*s%s", quote, APP_LABEL_MAX - 4, safe, quote);
	free(safe);
}

const char *app_target_label(struct app *app, struct chat_target target, bool may_ask,
			     char out[APP_LABEL_MAX])
{
	const char *name;
	char user[APP_LABEL_MAX];

	if (target.group == 0) {
		app_user_label(app, target.user, may_ask, user);
		snprintf(out, APP_LABEL_MAX, "@%.*s", APP_LABEL_MAX - 2, user);
		return out;
	}
	name = names_get(&app->groups, target.group);
	if (!name && may_ask && chat_client_state(app->client) == CHAT_CLIENT_ONLINE) {
		(void)app_load_groups(app);
		name = names_get(&app->groups, target.group);
	}
	put_group(app, target.group, name, out);
	return out;
}

struct chat_target app_target_of(const struct app *app, const struct chat_message *message)
{
	struct chat_target target = {.group = message->group};

	if (message->group == 0)
		target.user = message->from == app->self ? message->to : message->from;
	return target;
}

/* --- Unread ------------------------------------------------------------------------------------------ */

struct unread *app_unread(struct app *app, struct chat_target target)
{
	if (!app->unread)
		app->unread = calloc(APP_UNREAD_MAX, sizeof(*app->unread));
	if (!app->unread)
		return NULL;
	for (size_t i = 0; i < app->unread_count; i++)
		if (app_is_same(app->unread[i].target, target))
			return &app->unread[i];
	if (app->unread_count == APP_UNREAD_MAX)
		return NULL;
	app->unread[app->unread_count] = (struct unread){.target = target};
	return &app->unread[app->unread_count++];
}

static void count_unread(struct app *app, const struct chat_message *message)
{
	struct chat_target target = app_target_of(app, message);
	struct unread *unread = app_unread(app, target);

	if (!unread)
		return;
	unread->shown = true;
	if (message->seq > unread->last_seq)
		unread->last_seq = message->seq;
	if (message->from == app->self) /* to send is to have read */
		unread->count = 0;
	else if (message->kind == CHAT_MESSAGE_TEXT)
		unread->count++;
}

void app_read_open(struct app *app)
{
	struct chat_request request = {.type = CHAT_REQ_READ, .present = CHAT_HAS(CHAT_KEY_SEQ)};
	struct unread *unread;

	if (!app_is_open(app))
		return;
	unread = app_unread(app, app->open);
	if (!unread || unread->last_seq <= unread->read_seq ||
	    chat_client_state(app->client) != CHAT_CLIENT_ONLINE)
		return;
	unread->read_seq = request.seq = unread->last_seq;
	unread->count = 0;
	app_put_target(&request, app->open);
	(void)app_tell(app, &request);
}

/* --- Messages ---------------------------------------------------------------------------------------- */

static const char *verb_of(const struct chat_message *message, char out[48])
{
	if (message->kind == CHAT_MESSAGE_EDIT)
		snprintf(out, 48, " edits %" PRIu64, message->changes);
	else if (message->kind == CHAT_MESSAGE_RECALL)
		snprintf(out, 48, " recalls %" PRIu64, message->changes);
	else
		out[0] = '\0';
	return out;
}

static void show_message(struct app *app, const struct chat_message *message, bool may_ask)
{
	char where[APP_LABEL_MAX], who[APP_LABEL_MAX], verb[48];
	char *text = safe_text(message->text, "    ");
	bool own = message->from == app->self;
	const char *plain = screen_colour(SCREEN_PLAIN);

	app_target_label(app, app_target_of(app, message), may_ask, where);
	app_user_label(app, message->from, may_ask, who);
	screen_line("%s%s %s/%" PRIu64 "%s %s%s%s%s%s%s%s%s", screen_colour(SCREEN_DIM),
		    screen_time(message->time_ms, !app->interactive), where, message->seq, plain,
		    screen_colour(own ? SCREEN_OWN : SCREEN_NAME), who, plain,
		    verb_of(message, verb), message->kind == CHAT_MESSAGE_RECALL ? "" : ": ",
		    text ? text : "(out of memory)", message->edited ? " (edited)" : "",
		    message->recalled ? "(recalled)" : "");
	free(text);
}

/* --- Other news -------------------------------------------------------------------------------------- */

static void show_presence(struct app *app, const struct chat_presence *presence, bool may_ask)
{
	char who[APP_LABEL_MAX];

	screen_line("%s-- %s is %s%s", screen_colour(SCREEN_DIM),
		    app_user_label(app, presence->user, may_ask, who),
		    presence->online ? "online" : "offline", screen_colour(SCREEN_PLAIN));
}

static void show_friend(struct app *app, const struct chat_friend_change *change)
{
	char who[APP_LABEL_MAX];
	const char *warn = screen_colour(SCREEN_WARN), *plain = screen_colour(SCREEN_PLAIN);

	names_put(&app->users, change->user.id, change->user.name);
	app_user_label(app, change->user.id, false, who);
	names_remove(&app->asking, change->user.id);
	switch (change->event) {
	case CHAT_FRIEND_EVENT_REQUESTED:
		names_put(&app->asking, change->user.id, (struct chat_view){0});
		screen_line("%s-- %s asks to be friends: /accept %s or /decline %s%s", warn, who,
			    who, who, plain);
		break;
	case CHAT_FRIEND_EVENT_ACCEPTED:
		screen_line("%s-- %s is a friend now%s", warn, who, plain);
		break;
	default:
		screen_line("%s-- %s is no friend any more%s", warn, who, plain);
		break;
	}
}

static void show_invited(struct app *app, const struct chat_group_change *change, bool may_ask)
{
	const struct chat_target target = {.group = change->group};
	char where[APP_LABEL_MAX], by[APP_LABEL_MAX];

	names_put(&app->inviting, change->group, (struct chat_view){0});
	screen_line("%s-- %s invites you to %s: /group join #%" PRIu64 "%s",
		    screen_colour(SCREEN_WARN), app_user_label(app, change->by, may_ask, by),
		    app_target_label(app, target, may_ask, where), change->group,
		    screen_colour(SCREEN_PLAIN));
}

/* Of oneself and of others. */
static const char *group_phrase(enum chat_group_event event, bool self)
{
	static const char *const phrases[CHAT_GROUP_EVENT_COUNT][2] = {
		[CHAT_GROUP_JOINED] = {"joined", "joined"},
		[CHAT_GROUP_LEFT] = {"left", "left"},
		[CHAT_GROUP_KICKED] = {"was put out", "were put out"},
		[CHAT_GROUP_INVITED] = {"is invited", "are invited"},
		[CHAT_GROUP_ROLE] = {"is now", "are now"},
		[CHAT_GROUP_UPDATED] = {"changed the group", "changed the group"},
		[CHAT_GROUP_DISSOLVED] = {"dissolved the group", "dissolved the group"},
	};

	return phrases[event][self];
}

static void show_group_change(struct app *app, const struct chat_group_change *change, bool may_ask)
{
	const struct chat_target target = {.group = change->group};
	chat_id about = change->user ? change->user : change->by;
	bool self = about == app->self, role = change->event == CHAT_GROUP_ROLE;
	char where[APP_LABEL_MAX], who[APP_LABEL_MAX], by[APP_LABEL_MAX];

	if (change->event == CHAT_GROUP_INVITED && self) {
		show_invited(app, change, may_ask);
		return;
	}
	if (change->event == CHAT_GROUP_UPDATED) /* the name may be another */
		names_remove(&app->groups, change->group);
	app_target_label(app, target, may_ask, where);
	screen_line("%s-- %s: %s %s%s%s%s%s%s", screen_colour(SCREEN_DIM), where,
		    self ? "you" : app_user_label(app, about, may_ask, who),
		    group_phrase(change->event, self), role ? " " : "",
		    role ? chat_role_name(change->role) : "",
		    change->user && change->by ? " by " : "",
		    change->user && change->by ? app_user_label(app, change->by, may_ask, by) : "",
		    screen_colour(SCREEN_PLAIN));
	if (change->event == CHAT_GROUP_DISSOLVED)
		names_remove(&app->groups, change->group);
}

/* In the prompt, for a while: a line for it would push news off the screen. */
static void take_typing(struct app *app, const struct chat_mark *typing)
{
	const struct chat_target target = {.user = typing->group ? 0 : typing->by,
					   .group = typing->group};
	const struct timeval wait = {.tv_sec = SHOW_TYPING_S};

	if (!app_is_same(target, app->open))
		return;
	app->typing.by = typing->by;
	app->typing.until_ms = net_now_ms() + SHOW_TYPING_S * 1000;
	evtimer_add(app->alarm, &wait);
}

/* Read on another of one's own devices. */
static void take_read(struct app *app, const struct chat_mark *mark)
{
	const struct chat_target target = {.user = mark->group ? 0 : mark->to,
					   .group = mark->group};
	struct unread *unread = mark->by == app->self ? app_unread(app, target) : NULL;

	if (unread && mark->seq >= unread->last_seq)
		unread->count = 0;
}

static void show_event(struct app *app, const struct chat_event *event, bool may_ask)
{
	if (event->type == CHAT_EVENT_MESSAGE) {
		show_message(app, &event->u.message, may_ask);
		count_unread(app, &event->u.message);
		if (event->u.message.from == app->typing.by)
			app->typing.by = 0;
		return;
	}
	if (!app->interactive) /* `tail` is for messages; with --json, for all */
		return;
	switch (event->type) {
	case CHAT_EVENT_PRESENCE:
		show_presence(app, &event->u.presence, may_ask);
		break;
	case CHAT_EVENT_FRIEND:
		show_friend(app, &event->u.friend_change);
		break;
	case CHAT_EVENT_GROUP_CHANGE:
		show_group_change(app, &event->u.group_change, may_ask);
		break;
	case CHAT_EVENT_TYPING:
		take_typing(app, &event->u.mark);
		break;
	case CHAT_EVENT_READ:
		take_read(app, &event->u.mark);
		break;
	default:
		break;
	}
}

/* --- Frames ------------------------------------------------------------------------------------------ */

static enum chat_request_type expect_nothing(void *context, const struct chat_request_id *id)
{
	(void)context;
	(void)id;
	return CHAT_REQ_COUNT;
}

static void show_frame(struct app *app, struct chat_buf *frame, bool may_ask, bool old)
{
	const struct chat_expect expect = {expect_nothing, NULL};
	struct chat_decoder decoder = {0};
	struct chat_decode_error error;
	struct chat_arena arena;
	struct chat_event event;
	size_t used;

	if (app->options.json) {
		screen_bytes((struct chat_view){frame->data, frame->len});
		return;
	}
	chat_arena_init(&arena);
	if (chat_codec_json.decode_event(&decoder, (struct chat_view){frame->data, frame->len},
					 CHAT_FRAME_OUT_MAX, &expect, &arena, &event, &error,
					 &used) != CHAT_DECODE_OK)
		screen_notice("out of memory");
	else if (old)
		show_message(app, &event.u.message, may_ask);
	else
		show_event(app, &event, may_ask);
	chat_arena_finish(&arena);
}

void app_show_push(struct app *app, struct chat_buf *frame, bool may_ask)
{
	show_frame(app, frame, may_ask, false);
}

void show_old(struct app *app, struct chat_buf *frame)
{
	show_frame(app, frame, true, true);
}
