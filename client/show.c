/* SPDX-License-Identifier: MIT */
/* Messages and other news, for people: "20:43 #ops/41 bob: hello". */
#include "show.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "safe.h"
#include "screen.h"

/* --- Names ------------------------------------------------------------------------------------------- */

static void on_user(void *context, const struct chat_event *event)
{
	struct app *app = context;

	if (event->type == CHAT_EVENT_USER)
		names_put(&app->users, event->u.user.id, event->u.user.name);
}

static void put_safe(char out[APP_LABEL_MAX], char sign, const char *name)
{
	char *safe = safe_text(chat_view_of(name), NULL);

	if (sign)
		snprintf(out, APP_LABEL_MAX, "%c%s", sign, safe ? safe : "?");
	else
		snprintf(out, APP_LABEL_MAX, "%s", safe ? safe : "?");
	free(safe);
}

const char *app_user_label(struct app *app, chat_id user, bool may_ask, char out[APP_LABEL_MAX])
{
	struct chat_request request = {
		.type = CHAT_REQ_USER, .user = user, .present = CHAT_HAS(CHAT_KEY_USER)};
	const char *name = names_get(&app->users, user);

	if (!name && may_ask && chat_client_state(app->client) == CHAT_CLIENT_ONLINE) {
		(void)app_ask_quietly(app, &request, on_user, app);
		name = names_get(&app->users, user);
	}
	if (name)
		put_safe(out, '\0', name);
	else
		snprintf(out, APP_LABEL_MAX, "%" PRIu64, user);
	return out;
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
	if (name)
		put_safe(out, '#', name);
	else
		snprintf(out, APP_LABEL_MAX, "#%" PRIu64, target.group);
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

static bool is_same(struct chat_target a, struct chat_target b)
{
	return a.user == b.user && a.group == b.group;
}

struct unread *app_unread(struct app *app, struct chat_target target)
{
	if (!app->unread)
		app->unread = calloc(APP_UNREAD_MAX, sizeof(*app->unread));
	if (!app->unread)
		return NULL;
	for (size_t i = 0; i < app->unread_count; i++)
		if (is_same(app->unread[i].target, target))
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

	if (app->open.user == 0 && app->open.group == 0)
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

void app_show_unread(struct app *app)
{
	for (size_t i = 0; i < app->unread_count; i++) {
		char label[APP_LABEL_MAX];

		if (app->unread[i].count > 0)
			screen_line("  %u unread in %s", app->unread[i].count,
				    app_target_label(app, app->unread[i].target, true, label));
	}
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
	static const char *const phrases[] = {"asks to be friends: /accept or /decline",
					      "is a friend now", "is no friend any more"};
	char who[APP_LABEL_MAX];

	names_put(&app->users, change->user.id, change->user.name);
	screen_line("%s-- %s %s%s", screen_colour(SCREEN_WARN),
		    app_user_label(app, change->user.id, false, who), phrases[change->event],
		    screen_colour(SCREEN_PLAIN));
}

static void show_group_change(struct app *app, const struct chat_group_change *change, bool may_ask)
{
	static const char *const phrases[CHAT_GROUP_EVENT_COUNT] = {
		[CHAT_GROUP_JOINED] = "joined",
		[CHAT_GROUP_LEFT] = "left",
		[CHAT_GROUP_KICKED] = "was put out",
		[CHAT_GROUP_INVITED] = "is invited",
		[CHAT_GROUP_ROLE] = "is now",
		[CHAT_GROUP_UPDATED] = "changed the group",
		[CHAT_GROUP_DISSOLVED] = "dissolved the group",
	};
	const struct chat_target target = {.group = change->group};
	char where[APP_LABEL_MAX], who[APP_LABEL_MAX], by[APP_LABEL_MAX];

	if (change->event == CHAT_GROUP_UPDATED) /* the name may be another */
		names_remove(&app->groups, change->group);
	app_target_label(app, target, may_ask, where);
	app_user_label(app, change->user ? change->user : change->by, may_ask, who);
	screen_line("%s-- %s: %s %s%s%s%s%s%s", screen_colour(SCREEN_DIM), where, who,
		    phrases[change->event], change->event == CHAT_GROUP_ROLE ? " " : "",
		    change->event == CHAT_GROUP_ROLE ? chat_role_name(change->role) : "",
		    change->user && change->by ? " by " : "",
		    change->user && change->by ? app_user_label(app, change->by, may_ask, by) : "",
		    screen_colour(SCREEN_PLAIN));
	if (change->event == CHAT_GROUP_DISSOLVED)
		names_remove(&app->groups, change->group);
}

static void show_typing(struct app *app, const struct chat_mark *typing)
{
	const struct chat_target target = {.user = typing->group ? 0 : typing->by,
					   .group = typing->group};
	char who[APP_LABEL_MAX];

	if (is_same(target, app->open))
		screen_line("%s-- %s is typing%s", screen_colour(SCREEN_DIM),
			    app_user_label(app, typing->by, false, who),
			    screen_colour(SCREEN_PLAIN));
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
		show_typing(app, &event->u.mark);
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
