/* SPDX-License-Identifier: MIT */
/*
 * One run of chat: the client's machine, its connection, and what commands need.
 *
 * Commands are written as if the world stood still while they ask: app_ask sends a request and turns the loop until
 * its answer is there. Pushes that come meanwhile wait in the inbox and are shown by app_show_inbox, outside of any callback
 * and any asking, so that showing one may ask for a name.
 */
#ifndef CLIENT_APP_H
#define CLIENT_APP_H

#include <event2/event.h>
#include <signal.h>

#include "chat/client.h"
#include "names.h"
#include "net.h"
#include "options.h"

enum {
	APP_INBOX_MAX =
		1024, /* pushes waiting to be shown; beyond it the oldest is shown without asking for names */
	APP_UNREAD_MAX = 1024, /* conversations counted as unread; beyond it they are not counted */
	APP_ECHOES =
		16, /* own messages that were pushed, remembered: more cannot be unanswered for long */
	APP_LAST_ANSWERS_S = 3, /* that the end of a session waits for answers to what was sent */
	APP_LABEL_MAX = 4 * CHAT_NAME_MAX + 64, /* bytes of a conversation's name on the screen */
	APP_REMARK_MAX = 4 * APP_LABEL_MAX
};

/* A push, kept as its frame. */
struct push {
	struct push *next;
	struct chat_buf *frame;
};

/* A message, edit or recall that was given to the machine in a session, until it is answered. */
struct own {
	struct own *next;
	chat_ticket ticket;
	enum chat_request_type type;
	struct chat_target target;
	uint64_t changes; /* the seq that it edits or recalls */
	char *text;
};

struct unread {
	struct chat_target target;
	uint64_t last_seq; /* the highest that was shown */
	uint64_t read_seq; /* read marks that were sent */
	unsigned count;	   /* shown and not read */
	bool shown;	   /* something of it, in this session */
};

typedef void (*app_reply_fn)(void *context, const struct chat_event *event);

struct app {
	struct options options;
	bool interactive;
	bool tail;	 /* print pushes in a scripted run */
	bool quit;	 /* end the interactive session */
	bool terminated; /* by a signal */
	bool greeted;	 /* was online once */
	bool refused;	 /* the machine stopped by itself */
	bool failed_io;	 /* stdout is gone */
	bool told_wait;	 /* said that the server cannot be reached */
	bool told_own;	 /* said that something is not sent yet */
	bool news;	 /* online again: what changed meanwhile is to be asked for */
	volatile sig_atomic_t interrupted;
	uint64_t deadline_ms; /* of the command; 0: none */

	struct event_base *base;
	struct event *alarm; /* at the deadline; in a session where `typing` ends */
	struct net net;
	struct chat_client *client;
	struct chat_client_config config;
	struct chat_client_reason
		reason; /* why the machine stopped; its message is in reason_text */
	char reason_text[256];

	chat_id self;
	char self_name[CHAT_NAME_MAX + 1];
	char device[CHAT_DEVICE_MAX + 1];
	char token[OPTIONS_SECRET_MAX]; /* of the last login */

	struct {
		chat_ticket ticket; /* 0: nothing is asked */
		app_reply_fn fn;
		void *context;
		int status;
	} asked;

	struct push *inbox, **inbox_end;
	size_t inbox_count;

	struct name_list users, groups;
	struct name_list asking,
		inviting; /* people who ask to be friends, groups that invite: told already */
	struct chat_target open; /* plain lines go there */
	struct unread *unread;
	size_t unread_count;
	struct {
		chat_id by; /* 0: nobody */
		uint64_t until_ms;
	} typing;		    /* in the open conversation */
	struct own *own, **own_end; /* not answered yet, in the order of asking */
	size_t own_count;
	struct {
		struct chat_target target;
		uint64_t seq;
	} echoes[APP_ECHOES]; /* the last own messages that came as a push, the oldest overwritten */
	size_t echo_at;
	uint64_t
		last_seq; /* of the last message that was sent from here: what `last` means; 0: none */
	struct chat_target last_target;
};

/* STATUS_*, with a word to stderr. */
int app_init(struct app *app);
void app_finish(struct app *app);

/* --- Turning the loop (app.c) ------------------------------------------------------------------------ */

/* One turn: waits for something to happen. Pushes go to the inbox. */
void app_turn(struct app *app);
/* Shows the pushes that came; not to be called while something is asked. */
void app_show_inbox(struct app *app);
/* Logs in and turns the loop until that has worked or failed. STATUS_*; says what is wrong. */
int app_login(struct app *app, const struct chat_client_login *login);
/* Turns the loop until the machine is online again. STATUS_*. */
int app_wait_online(struct app *app);
/* Turns the loop until all that was sent from here is answered. STATUS_*. */
int app_wait_own(struct app *app);
/* Stops the machine; acks that it owes are sent, unless stdout is gone. */
void app_stop(struct app *app);
/*
 * Asks, and turns the loop until the answer is there: fn (which may be NULL) is given it, unless it is an error, which is
 * said and gives STATUS_REFUSED. `present` is the request's own business.
 */
int app_ask(struct app *app, const struct chat_request *request, app_reply_fn fn, void *context);
/* The same, and errors are fn's business too. */
int app_ask_quietly(struct app *app, const struct chat_request *request, app_reply_fn fn,
		    void *context);
/*
 * Asks, and does not wait; an error is said when it comes, unless the request is one that nobody asked for. A message is
 * shown when it is answered: then it is stored, and has its number.
 */
int app_tell(struct app *app, const struct chat_request *request);
/* Starts the time in which a scripted command has to be done. */
void app_start_clock(struct app *app);

/* --- Showing (show in do_messages.c, names in do_friends.c) ------------------------------------------- */

void app_say_error(const struct chat_error_reply *error);
/* A word on how it went, which a person wants and a script does not: shown in sessions alone. */
void app_remark(const struct app *app, const char *format, ...) CHAT_PRINTF(2, 3);
void app_show_push(struct app *app, struct chat_buf *frame, bool may_ask);
/* Marks the open conversation as read, as far as it was shown. */
void app_read_open(struct app *app);
/* A person's name, safe to print, into out; asks the server where `may_ask`. */
const char *app_user_label(struct app *app, chat_id user, bool may_ask, char out[APP_LABEL_MAX]);
/* "@bob" or "#ops". */
const char *app_target_label(struct app *app, struct chat_target target, bool may_ask,
			     char out[APP_LABEL_MAX]);
struct unread *app_unread(struct app *app, struct chat_target target);
/* The other of a message's conversation, or its group. */
struct chat_target app_target_of(const struct app *app, const struct chat_message *message);

/* --- Resolving what was typed. STATUS_*; they say what is wrong. -------------------------------------- */

int app_find_user(struct app *app, const char *word, chat_id *user);
int app_find_group(struct app *app, const char *word, chat_id *group);
/* "#group", "group:group", "@person" or "person"; an id does for a name. */
int app_find_target(struct app *app, const char *word, struct chat_target *target);
/* Asks for the user's groups, all pages. */
int app_load_groups(struct app *app);

static inline bool app_is_open(const struct app *app)
{
	return app->open.user != 0 || app->open.group != 0;
}

static inline bool app_is_same(struct chat_target a, struct chat_target b)
{
	return a.user == b.user && a.group == b.group;
}

static inline void app_put_target(struct chat_request *request, struct chat_target target)
{
	request->user = target.user;
	request->group = target.group;
	request->present |= CHAT_HAS(target.group ? CHAT_KEY_GROUP : CHAT_KEY_USER);
}

#endif
