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

/* --- Arguments --------------------------------------------------------------------------------------- */

static bool is_open(const struct app *app)
{
	return app->open.user != 0 || app->open.group != 0;
}

/* The conversation that a word names, or the open one where there is no word. */
static int target_of(struct app *app, const char *word, struct chat_target *target)
{
	if (word)
		return app_find_target(app, word, target);
	if (!is_open(app)) {
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
	if (app->own_seq == 0 || app->own_target.user != target.user ||
	    app->own_target.group != target.group) {
		screen_notice("nothing was sent there from here");
		return STATUS_USAGE;
	}
	*seq = app->own_seq;
	return STATUS_OK;
}

/* --- Sending ----------------------------------------------------------------------------------------- */

/* All of stdin but its last line feed. */
static int read_stdin(char *text, size_t size, size_t *len)
{
	*len = fread(text, 1, size, stdin);
	if (ferror(stdin)) {
		screen_notice("cannot read stdin: %s", strerror(errno));
		return STATUS_IO;
	}
	if (*len == size) {
		screen_notice("a message is at most %d bytes", CHAT_TEXT_MAX);
		return STATUS_USAGE;
	}
	if (*len > 0 && text[*len - 1] == '\n')
		--*len;
	return STATUS_OK;
}

static int check_text(struct chat_view text)
{
	if (text.len == 0)
		screen_notice("there is no text");
	else if (text.len > CHAT_TEXT_MAX)
		screen_notice("a message is at most %d bytes", CHAT_TEXT_MAX);
	else if (!chat_utf8_is_valid(text))
		screen_notice("the text is not UTF-8");
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

int do_send(struct app *app, int argc, char **argv)
{
	static char input[CHAT_TEXT_MAX + 2];
	struct chat_request request = {.type = CHAT_REQ_SEND};
	bool piped = !app->interactive && (argc < 2 || strcmp(argv[1], "-") == 0);
	struct chat_target target;
	int status = STATUS_OK;

	if (!piped && argc < 2) {
		screen_notice("there is no text");
		return STATUS_USAGE;
	}
	if (piped) {
		size_t len;

		status = read_stdin(input, sizeof(input), &len);
		request.text = (struct chat_view){input, status == STATUS_OK ? len : 0};
	} else {
		request.text = chat_view_of(argv[1]);
	}
	if (status == STATUS_OK)
		status = check_text(request.text);
	if (status == STATUS_OK)
		status = target_of(app, argv[0], &target);
	if (status != STATUS_OK)
		return status;
	request.present = CHAT_HAS(CHAT_KEY_TEXT);
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

/* --- The open conversation --------------------------------------------------------------------------- */

int do_open(struct app *app, int argc, char **argv)
{
	struct chat_target target;
	int status = app_find_target(app, argv[0], &target);

	(void)argc;
	if (status != STATUS_OK)
		return status;
	app->open = target;
	app_read_open(app);
	return STATUS_OK;
}

int do_close(struct app *app, int argc, char **argv)
{
	(void)argc;
	(void)argv;
	app->open = (struct chat_target){0};
	return STATUS_OK;
}

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

struct page {
	struct app *app;
	struct chat_buf *frames[CHAT_PAGE_MAX];
	size_t count;
	uint64_t next; /* of conversations: the page after */
};

/* Kept as frames: what they are shown with has to be asked for. */
static void on_history(void *context, const struct chat_event *event)
{
	struct page *page = context;

	for (size_t i = 0; i < event->u.history.count && i < CHAT_PAGE_MAX; i++) {
		struct chat_event message = {.type = CHAT_EVENT_MESSAGE};

		message.u.message = event->u.history.messages[i];
		page->frames[page->count] = chat_codec_json.encode_event(&message);
		page->count += page->frames[page->count] != NULL;
	}
}

int do_history(struct app *app, int argc, char **argv)
{
	struct chat_request request = {.type = CHAT_REQ_HISTORY,
				       .present = CHAT_HAS(CHAT_KEY_LIMIT)};
	uint64_t limit = app->interactive ? 20 : CHAT_PAGE_DEFAULT;
	struct page page = {.app = app};
	struct chat_target target;
	int status = target_of(app, argc > 0 ? argv[0] : NULL, &target);

	if (status == STATUS_OK && argc > 1)
		status = parse_number(argv[1], CHAT_PAGE_MAX, &limit);
	if (status == STATUS_OK && argc > 2) {
		status = parse_number(argv[2], CHAT_ID_MAX, &request.before);
		request.present |= CHAT_HAS(CHAT_KEY_BEFORE);
	}
	if (status != STATUS_OK)
		return status;
	request.limit = (uint32_t)limit;
	app_put_target(&request, target);
	status = app_ask(app, &request, on_history, &page);
	for (size_t i = 0; i < page.count; i++) {
		show_old(app, page.frames[i]);
		chat_buf_unref(page.frames[i]);
	}
	return status;
}

static void on_conversations(void *context, const struct chat_event *event)
{
	struct page *page = context;
	const struct chat_conversations *list = &event->u.conversations;

	for (size_t i = 0; i < list->count; i++) {
		const struct chat_conversation *item = &list->items[i];
		char *name = safe_text(item->name, NULL);
		char count[32] = "";

		if (item->last_seq > item->read_seq)
			snprintf(count, sizeof(count), "%" PRIu64 " unread",
				 item->last_seq - item->read_seq);
		if (page->app->options.json)
			json_conversation(item);
		else if (name)
			screen_line("%c%-32s %6" PRIu64 " messages  %s",
				    item->target.group ? '#' : '@', name, item->last_seq, count);
		names_put(item->target.group ? &page->app->groups : &page->app->users,
			  item->target.group ? item->target.group : item->target.user, item->name);
		free(name);
	}
	page->next = list->next;
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
