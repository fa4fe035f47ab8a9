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
	APP_LABEL_MAX = 4 * CHAT_NAME_MAX + 64 /* bytes of a conversation's name on the screen */
};

/* A push, kept as its frame. */
struct push {
	struct push *next;
	struct chat_buf *frame;
};

struct unread {
	struct chat_target target;
	uint64_t last_seq; /* the highest that was shown */
	uint64_t read_seq; /* read marks that were sent */
	unsigned count;	   /* shown and not read */
};

typedef void (*app_reply_fn)(void *context, const struct chat_event *event);

struct app {
	struct options options;
	bool interactive;
	bool tail;	/* print pushes in a scripted run */
	bool quit;	/* end the interactive session */
	bool greeted;	/* was online once */
	bool refused;	/* the machine stopped by itself */
	bool failed_io; /* stdout is gone */
	bool told_wait; /* said that the server cannot be reached */
	volatile sig_atomic_t interrupted;
	uint64_t deadline_ms; /* of the command; 0: none */

	struct event_base *base;
	struct event *alarm; /* at the deadline */
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
	struct chat_target open; /* plain lines go there */
	struct unread *unread;
	size_t unread_count;
	chat_ticket own_ticket;	     /* of the last message sent from here; 0: it is answered, */
	struct chat_target own_next; /* and where it went */
	uint64_t own_seq;	     /* the last that was answered: what `last` means */
	struct chat_target own_target;
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
/* Turns the loop until the last message that was sent from here is answered. STATUS_*. */
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
/* Asks, and does not wait; an error is said when it comes, unless the request is one that nobody asked for. */
int app_tell(struct app *app, const struct chat_request *request);
/* Starts the time in which a scripted command has to be done. */
void app_start_clock(struct app *app);

/* --- Showing (show in do_messages.c, names in do_friends.c) ------------------------------------------- */

void app_say_error(const struct chat_error_reply *error);
void app_show_push(struct app *app, struct chat_buf *frame, bool may_ask);
void app_show_unread(struct app *app);
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
/* Asks for the user's friends, for their names. */
int app_load_friends(struct app *app);

static inline void app_put_target(struct chat_request *request, struct chat_target target)
{
	request->user = target.user;
	request->group = target.group;
	request->present |= CHAT_HAS(target.group ? CHAT_KEY_GROUP : CHAT_KEY_USER);
}

#endif
