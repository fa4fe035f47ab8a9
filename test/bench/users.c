/* SPDX-License-Identifier: MIT */
/* Users: made, logged in, so many at a time. */
#include "bench.h"

#include <stdlib.h>
#include <unistd.h>

static struct {
	struct user *users;
	size_t count, started, done;
	enum login_how how;
	struct histogram *latencies;
} login;

static void login_start_next(void);

static void on_ignored(struct conn *conn, char *line, size_t len)
{
	uint64_t n;

	options.dialect->take((struct user *)conn, line, len, &n);
}

void user_name(char name[NAME_SIZE], uint64_t id)
{
	snprintf(name, NAME_SIZE, "b%d-%llu", (int)getpid(), (unsigned long long)id);
}

struct user *users_new(size_t count)
{
	static size_t numbers;
	struct user *users = must_alloc(count, sizeof(*users));

	for (size_t i = 0; i < count; i++) {
		users[i].conn.fd = -1;
		users[i].id = users[i].number = numbers++;
		users[i].address = i % options.to_count;
		users[i].on_line = on_ignored;
	}
	return users;
}

void users_close(struct user *users, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (users[i].conn.fd >= 0)
			conn_close(&users[i].conn);
}

void users_destroy(struct user *users, size_t count)
{
	users_close(users, count);
	for (size_t i = 0; i < count; i++)
		free(users[i].conn.out.data);
	free(users);
}

/* --- Logging in -------------------------------------------------------------------------------------- */

static void login_finish(struct user *user)
{
	if (login.latencies)
		histogram_add(login.latencies, loop_now_ns - user->began_ns);
	user->conn.on_line = user->on_line;
	if (login.how == LOGIN_REGISTER)
		conn_close(&user->conn);
	login.done++;
	login_start_next();
}

static void on_login_line(struct conn *conn, char *line, size_t len)
{
	struct user *user = (struct user *)conn;

	if (options.dialect->is_logged_in(user, line, len))
		login_finish(user);
}

static void login_start_next(void)
{
	struct user *user;

	if (login.started == login.count)
		return;
	user = &login.users[login.started++];
	user->began_ns = now_ns();
	user->conn.on_line = on_login_line;
	if (user->conn.fd < 0)
		conn_open(&user->conn, &options.to[user->address], user->number);
	options.dialect->login(user, login.how);
}

void users_login(struct user *users, size_t count, enum login_how how, size_t at_a_time,
		 struct histogram *latencies)
{
	login.users = users;
	login.count = count;
	login.started = login.done = 0;
	login.how = how;
	login.latencies = latencies;
	if (options.dialect->at_a_time > 0 && at_a_time > options.dialect->at_a_time)
		at_a_time = options.dialect->at_a_time;
	while (login.started < count && login.started < at_a_time)
		login_start_next();
	loop_until(&login.done, count, "logins");
}
