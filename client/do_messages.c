/* SPDX-License-Identifier: MIT */
/* Commands on messages: send, history, edit, recall, read, conversations, and the open conversation. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "json.h"
#include "safe.h"
#include "screen.h"
#include "show.h"

enum {
	HISTORY_LINES = 20, /* that a session shows where no number is told */
	RECENT_LINES = 10   /* that it shows of a conversation that is opened */
};

/* --- Arguments --------------------------------------------------------------------------------------- */

/* The conversation that a word names, or the open one where there is no word. */
static int target_of(struct app *app, const char *word, struct chat_target *target)
{
	if (word)
		return app_find_target(app, word, target);
	if (!app_is_open(app)) {
		screen_notice("no conversation is open: name one, or /open it");
		return STATUS_USAGE;
	}
	*target = app->open;
	return STATUS_OK;
}

static int parse_number(const char *word, uint64_t most, uint64_t *out)
{
	char *end;

	errno = 0;
	*out = strtoull(word, &end, 10);
	if (word[0] >= '0' && word[0] <= '9' && *end == '\0' && errno == 0 && *out >= 1 &&
	    *out <= most)
		return STATUS_OK;
	screen_notice("\"%s\" is no number from 1 to %" PRIu64, word, most);
	return STATUS_USAGE;
}

/* A message's number; "last" is what was sent here last. */
static int parse_seq(struct app *app, const char *word, struct chat_target target, uint64_t *seq)
{
	int status;

	if (strcmp(word, "last") != 0)
		return parse_number(word, CHAT_ID_MAX, seq);
	status = app_wait_own(app);
	if (status != STATUS_OK)
		return status;
	if (app->last_seq == 0 || !app_is_same(app->last_target, target)) {
		screen_notice("nothing was sent there from here");
		return STATUS_USAGE;
	}
	*seq = app->last_seq;
	return STATUS_OK;
}

/* --- Sending ----------------------------------------------------------------------------------------- */

static int check_text(struct chat_view text)
{
	if (text.len == 0)
		screen_notice("there is no text");
	else if (text.len > CHAT_TEXT_MAX)
		screen_notice("a message is at most %d bytes", CHAT_TEXT_MAX);
	else if (!chat_utf8_is_valid(text))
		screen_notice("the text is not UTF-8, or holds a NUL");
	else
		return STATUS_OK;
	return STATUS_USAGE;
}

static void on_sent(void *context, const struct chat_event *event)
{
	struct app *app = context;

	if (app->options.json)
		json_sent(&event->u.sent);
}

/* In a session one need not wait: a failure is said when it comes. */
static int deliver(struct app *app, const struct chat_request *request)
{
	return app->interactive ? app_tell(app, request) : app_ask(app, request, on_sent, app);
}

static struct {
	char text[CHAT_TEXT_MAX + 2];
	size_t len;
} input;

static bool is_piped(int argc, char **argv)
{
	return argc < 2 || strcmp(argv[1], "-") == 0;
}

/* All of stdin but its last line feed. */
int do_send_input(int argc, char **argv)
{
	if (!is_piped(argc, argv))
		return check_text(chat_view_of(argv[1]));
	input.len = fread(input.text, 1, sizeof(input.text), stdin);
	if (ferror(stdin)) {
		screen_notice("cannot read stdin: %s", strerror(errno));
		return STATUS_IO;
	}
	if (input.len > 0 && input.len < sizeof(input.text) && input.text[input.len - 1] == '\n')
		input.len--;
	return check_text((struct chat_view){input.text, input.len});
}

int do_send(struct app *app, int argc, char **argv)
{
	struct chat_request request = {.type = CHAT_REQ_SEND, .present = CHAT_HAS(CHAT_KEY_TEXT)};
	bool piped = !app->interactive && is_piped(argc, argv);
	struct chat_target target;
	int status;

	if (!piped && argc < 2) {
		screen_notice("there is no text");
		return STATUS_USAGE;
	}
	request.text = piped ? (struct chat_view){input.text, input.len} : chat_view_of(argv[1]);
	status = check_text(request.text);
	if (status == STATUS_OK)
		status = target_of(app, argv[0], &target);
	if (status != STATUS_OK)
		return status;
	app_put_target(&request, target);
	return deliver(app, &request);
}

int do_edit(struct app *app, int argc, char **argv)
{
	struct chat_request request = {.type = CHAT_REQ_EDIT, .text = chat_view_of(argv[argc - 1])};
	struct chat_target target;
	int status = target_of(app, argc == 3 ? argv[0] : NULL, &target);

	if (status == STATUS_OK)
		status = parse_seq(app, argv[argc - 2], target, &request.seq);
	if (status == STATUS_OK)
		status = check_text(request.text);
	if (status != STATUS_OK)
		return status;
	request.present = CHAT_HAS(CHAT_KEY_TEXT) | CHAT_HAS(CHAT_KEY_SEQ);
	app_put_target(&request, target);
	return deliver(app, &request);
}

int do_recall(struct app *app, int argc, char **argv)
{
	struct chat_request request = {.type = CHAT_REQ_RECALL};
	struct chat_target target;
	int status = target_of(app, argc == 2 ? argv[0] : NULL, &target);

	if (status == STATUS_OK)
		status = parse_seq(app, argv[argc - 1], target, &request.seq);
	if (status != STATUS_OK)
		return status;
	request.present = CHAT_HAS(CHAT_KEY_SEQ);
	app_put_target(&request, target);
	return deliver(app, &request);
}

/* --- Listening --------------------------------------------------------------------------------------- */

int do_tail(struct app *app, int argc, char **argv)
{
	(void)argc;
	(void)argv;
	app->deadline_ms = 0; /* from here on there is no hurry */
	while (!app->interrupted && !app->refused && !app->failed_io) {
		app_show_inbox(app);
		if (!app->failed_io)
			app_turn(app);
	}
	app_show_inbox(app);
	if (app->failed_io)
		return STATUS_IO;
	if (!app->refused)
		return STATUS_OK; /* interrupted: that is how one leaves it */
	screen_notice("%s", app->reason_text);
	return STATUS_LOGIN;
}

/* --- Reading ----------------------------------------------------------------------------------------- */

/* The newest of what was asked for, kept as frames: what they are shown with has to be asked for. */
struct past {
	struct chat_buf *frames[CHAT_PAGE_MAX]; /* from `first` on */
	size_t first;
	uint64_t before; /* the seq of the oldest */
	bool more;	 /* there are older ones */
};

static void on_history(void *context, const struct chat_event *event)
{
	struct past *past = context;
	const struct chat_history *page = &event->u.history;

	past->more = page->more && page->count > 0;
	for (size_t i = page->count; i > 0 && past->first > 0; i--) {
		struct chat_event message = {.type = CHAT_EVENT_MESSAGE};

		message.u.message = page->messages[i - 1];
		past->before = message.u.message.seq;
		past->frames[past->first - 1] = chat_codec_json.encode_event(&message);
		past->first -= past->frames[past->first - 1] != NULL;
	}
}

/* Page by page: one holds fewer than it may where they are long. `before` 0: from the end on. */
static int show_past(struct app *app, struct chat_target target, size_t count, uint64_t before,
		     struct past *past)
{
	struct chat_request request = {.type = CHAT_REQ_HISTORY};
	int status;

	*past = (struct past){.first = CHAT_PAGE_MAX, .before = before};
	app_put_target(&request, target);
	request.present |= CHAT_HAS(CHAT_KEY_LIMIT);
	do {
		request.limit = (uint32_t)(count - (CHAT_PAGE_MAX - past->first));
		request.before = past->before;
		if (request.before != 0)
			request.present |= CHAT_HAS(CHAT_KEY_BEFORE);
		status = app_ask(app, &request, on_history, past);
	} while (status == STATUS_OK && past->more && CHAT_PAGE_MAX - past->first < count);
	for (size_t i = past->first; i < CHAT_PAGE_MAX; i++) {
		show_old(app, past->frames[i]);
		chat_buf_unref(past->frames[i]);
	}
	return status;
}

int do_history(struct app *app, int argc, char **argv)
{
	uint64_t count = app->interactive ? HISTORY_LINES : CHAT_PAGE_DEFAULT, before = 0;
	struct past past = {.first = CHAT_PAGE_MAX};
	char label[APP_LABEL_MAX];
	struct chat_target target;
	int status = target_of(app, argc > 0 ? argv[0] : NULL, &target);

	if (status == STATUS_OK && argc > 1)
		status = parse_number(argv[1], CHAT_PAGE_MAX, &count);
	if (status == STATUS_OK && argc > 2)
		status = parse_number(argv[2], CHAT_ID_MAX, &before);
	if (status == STATUS_OK)
		status = show_past(app, target, count, before, &past);
	if (status == STATUS_OK && past.more)
		app_remark(app, "older ones: /history %s %" PRIu64 " %" PRIu64,
			   app_target_label(app, target, false, label), count, past.before);
	else if (status == STATUS_OK && past.first == CHAT_PAGE_MAX)
		app_remark(app, "nothing was said there");
	return status;
}

/* --- The open conversation --------------------------------------------------------------------------- */

static void on_user(void *context, const struct chat_event *event)
{
	struct app *app = context;

	names_put(&app->users, event->u.user.id, event->u.user.name);
}

/* An id was typed: whether somebody has it. */
static int check_user(struct app *app, chat_id user)
{
	struct chat_request request = {
		.type = CHAT_REQ_USER, .user = user, .present = CHAT_HAS(CHAT_KEY_USER)};

	return names_get(&app->users, user) ? STATUS_OK : app_ask(app, &request, on_user, app);
}

static int check_group(struct app *app, chat_id group)
{
	int status = names_get(&app->groups, group) ? STATUS_OK : app_load_groups(app);

	if (status != STATUS_OK || names_get(&app->groups, group))
		return status;
	screen_notice("you are not in #%" PRIu64 ": /group join #%" PRIu64, group, group);
	return STATUS_REFUSED;
}

/* What was said there last, and all that is unread, where nothing of it has been on the screen yet. */
static void show_recent(struct app *app)
{
	struct unread *unread = app_unread(app, app->open);
	struct past past;
	size_t count = RECENT_LINES;

	if (!unread || unread->shown || chat_client_state(app->client) != CHAT_CLIENT_ONLINE)
		return;
	unread->shown = true;
	if (unread->count > count)
		count = unread->count < CHAT_PAGE_MAX ? unread->count : CHAT_PAGE_MAX;
	(void)show_past(app, app->open, count, 0, &past);
}

int do_open(struct app *app, int argc, char **argv)
{
	struct chat_target target;
	int status = app_find_target(app, argv[0], &target);

	(void)argc;
	if (status == STATUS_OK)
		status = target.group ? check_group(app, target.group)
				      : check_user(app, target.user);
	if (status != STATUS_OK)
		return status;
	app->open = target;
	app->typing.by = 0;
	show_recent(app);
	app_read_open(app);
	return STATUS_OK;
}

int do_close(struct app *app, int argc, char **argv)
{
	(void)argc;
	(void)argv;
	app->open = (struct chat_target){0};
	app->typing.by = 0;
	return STATUS_OK;
}

/* --- Lists ------------------------------------------------------------------------------------------- */

struct page {
	struct app *app;
	size_t count;
	uint64_t next; /* the page after */
};

static void on_conversations(void *context, const struct chat_event *event)
{
	struct page *page = context;
	const struct chat_conversations *list = &event->u.conversations;

	for (size_t i = 0; i < list->count; i++) {
		const struct chat_conversation *item = &list->items[i];
		char *name = safe_name(item->name);
		char count[32] = "";

		if (item->last_seq > item->read_seq)
			snprintf(count, sizeof(count), "%" PRIu64 " unread",
				 item->last_seq - item->read_seq);
		if (page->app->options.json)
			json_conversation(item);
		else if (name)
			screen_line("%c%s%*s %6" PRIu64 " messages  %s",
				    item->target.group ? '#' : '@', name, safe_padding(name, 32),
				    "", item->last_seq, count);
		names_put(item->target.group ? &page->app->groups : &page->app->users,
			  item->target.group ? item->target.group : item->target.user, item->name);
		free(name);
	}
	page->next = list->next;
	page->count += list->count;
}

int do_conversations(struct app *app, int argc, char **argv)
{
	struct chat_request request = {.type = CHAT_REQ_CONVERSATIONS};
	struct page page = {.app = app};
	int status;

	(void)argc;
	(void)argv;
	do {
		status = app_ask(app, &request, on_conversations, &page);
		request.after = page.next;
		request.present = CHAT_HAS(CHAT_KEY_AFTER);
	} while (status == STATUS_OK && page.next != 0);
	if (status == STATUS_OK && page.count == 0)
		app_remark(app, "none yet: /open USER");
	return status;
}

int do_read(struct app *app, int argc, char **argv)
{
	/* Beyond the last message is taken as the last. */
	struct chat_request request = {
		.type = CHAT_REQ_READ, .seq = CHAT_ID_MAX, .present = CHAT_HAS(CHAT_KEY_SEQ)};
	struct chat_target target;
	struct unread *unread;
	int status = target_of(app, argc > 0 ? argv[0] : NULL, &target);

	if (status == STATUS_OK && argc > 1)
		status = parse_number(argv[1], CHAT_ID_MAX, &request.seq);
	if (status != STATUS_OK)
		return status;
	app_put_target(&request, target);
	status = app_ask(app, &request, NULL, NULL);
	unread = status == STATUS_OK ? app_unread(app, target) : NULL;
	if (unread && request.seq >= unread->last_seq)
		unread->count = 0;
	return status;
}
