/* SPDX-License-Identifier: MIT */
/* What there is before anything is measured: users' conversations, their friends, a crowd that is online beside them. */
#include "bench.h"

#include <stdlib.h>
#include <string.h>

/* --- Conversations: of a message each, with people who were never here -------------------------------- */

static struct {
	struct user *peers;
	size_t answered;
} talks;

static void talk(struct user *user)
{
	size_t *begun = user->conn.owner;

	if (*begun == options.conversations)
		return;
	conn_print(&user->conn,
		   "{\"type\":\"send\",\"id\":3,\"user\":%llu,\"text\":\"Are you there?\"}\n",
		   (unsigned long long)talks.peers[*begun].id);
	(*begun)++;
}

static void on_talk_line(struct conn *conn, char *line, size_t len)
{
	(void)len;
	expect_no_error(line);
	if (!line_begins(line, "{\"type\":\"ok\""))
		return;
	talks.answered++;
	talk((struct user *)conn);
}

void past_conversations(struct user *users, size_t count)
{
	size_t *begun;

	if (options.conversations == 0)
		return;
	begun = must_alloc(count, sizeof(*begun));
	talks.peers = users_new(options.conversations);
	users_login(talks.peers, options.conversations, LOGIN_REGISTER, LOGIN_AT_A_TIME, NULL);
	process_mark_all();
	for (size_t i = 0; i < count; i++) {
		users[i].conn.owner = &begun[i];
		users[i].conn.on_line = on_talk_line;
		for (unsigned j = 0; j < options.window; j++)
			talk(&users[i]);
	}
	loop_until(&talks.answered, count * options.conversations, "conversations");
	process_stop_all();
	report_cpu((double)talks.answered, "begun");
	for (size_t i = 0; i < count; i++)
		users[i].conn.on_line = users[i].on_line;
	users_destroy(talks.peers, options.conversations);
	free(begun);
}

/* --- Friends: others, who stay online, and hear who comes and goes ------------------------------------ */

enum { FRIENDS_OF_A_WATCHER = 100 };

static struct {
	struct user *watchers;
	size_t count;
	size_t accepted, came, went; /* of all */
} friends;

size_t friends_count(void)
{
	size_t shared = (size_t)options.users * options.friends / FRIENDS_OF_A_WATCHER;

	return shared > options.friends ? shared : options.friends;
}

static void on_watcher_line(struct conn *conn, char *line, size_t len)
{
	uint64_t from;

	(void)len;
	expect_no_error(line);
	if (line_begins(line, "{\"type\":\"ok\""))
		friends.accepted++;
	else if (line_begins(line, "{\"type\":\"presence\""))
		*(strstr(line, "\"online\":true") ? &friends.came : &friends.went) += 1;
	else if (strstr(line, "\"event\":\"requested\"") &&
		 line_number(line, "\"user\":{\"id\":", &from))
		conn_print(conn, "{\"type\":\"friend.accept\",\"id\":1,\"user\":%llu}\n",
			   (unsigned long long)from);
}

void past_friends(struct user *users, size_t count)
{
	friends.count = options.friends > 0 ? friends_count() : 0;
	friends.watchers = users_new(friends.count);
	for (size_t i = 0; i < friends.count; i++)
		friends.watchers[i].on_line = on_watcher_line;
	users_login(friends.watchers, friends.count, LOGIN_NEW, LOGIN_AT_A_TIME, NULL);
	/* One of each user's after the other, so that no more is on its way than there are users. */
	for (size_t k = 0; k < options.friends; k++) {
		for (size_t i = 0; i < count; i++) {
			size_t which = (i * options.friends + k) % friends.count;

			conn_print(&users[i].conn,
				   "{\"type\":\"friend.add\",\"id\":3,\"user\":%llu}\n",
				   (unsigned long long)friends.watchers[which].id);
		}
		loop_until(&friends.accepted, count * (k + 1), "friends");
	}
}

void friends_until_gone(size_t count)
{
	loop_until(&friends.went, count * options.friends, "goings");
}

void friends_until_come(size_t count)
{
	loop_until(&friends.came, count * options.friends, "comings");
	if (options.friends > 0)
		report((double)friends.came, "", "presences");
}

void friends_leave(void)
{
	users_destroy(friends.watchers, friends.count);
}

/* --- A crowd ------------------------------------------------------------------------------------------ */

void crowd_beat(struct crowd *crowd)
{
	uint64_t due, now = now_ns();

	if (options.heartbeat == 0)
		return;
	if (crowd->began_ns == 0)
		crowd->began_ns = now;
	due = (now - crowd->began_ns) / 1000 * crowd->count /
	      (options.heartbeat * UINT64_C(1000000));
	for (; crowd->beats < due; crowd->beats++)
		conn_print(&crowd->users[crowd->beats % crowd->count].conn,
			   "{\"type\":\"ping\",\"id\":4}\n");
}

int crowd_patience_ms(void)
{
	return options.heartbeat > 0 ? 1 : 100;
}
