/* SPDX-License-Identifier: MIT */
/* Users: made, logged in, so many at a time. */
#include "bench.h"

#include <stdlib.h>
#include <string.h>

#define PASSWORD "correct horse"

static struct {
	struct user *users;
	size_t count, started, done;
	enum login_how how;
	struct histogram *latencies;
} login;

static void login_start_next(void);

void expect_no_error(const char *line)
{
	if (line_begins(line, "{\"type\":\"error\"") || line_begins(line, "{\"type\":\"bye\""))
		die("the server says %s", line);
}

static void on_ignored(struct conn *conn, char *line, size_t len)
{
	(void)conn;
	(void)len;
	expect_no_error(line);
}

struct user *users_new(size_t count)
{
	static size_t numbers;
	struct user *users = must_alloc(count, sizeof(*users));

	for (size_t i = 0; i < count; i++) {
		users[i].conn.fd = -1;
		users[i].number = numbers++;
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

static void user_take_token(struct user *user, const char *line)
{
	static const char key[] = "\"token\":\"";
	const char *token = strstr(line, key), *end;

	if (!token)
		return;
	token += sizeof(key) - 1;
	end = strchr(token, '"');
	if (!end || (size_t)(end - token) >= sizeof(user->token))
		die("a token is too long: %s", line);
	memcpy(user->token, token, (size_t)(end - token));
	user->token[end - token] = '\0';
}

/* The answer to what was asked last, which bears the id 2. */
static void on_login_line(struct conn *conn, char *line, size_t len)
{
	struct user *user = (struct user *)conn;
	uint64_t id = 0;

	(void)len;
	expect_no_error(line);
	line_number(line, "\"user\":{\"id\":", &user->id);
	user_take_token(user, line);
	if (line_number(line, "\"id\":", &id) && id == 2)
		login_finish(user);
}

/* Of a name that no other run has: it begins with the time. */
static void user_register(struct user *user, unsigned id, bool and_login)
{
	static uint64_t run;
	char name[64];

	if (run == 0)
		run = now_ns();
	snprintf(name, sizeof(name), "b%llx-%zu", (unsigned long long)run, user->number);
	conn_print(&user->conn,
		   "{\"type\":\"register\",\"id\":%u,\"name\":\"%s\",\"password\":\"" PASSWORD
		   "\"}\n",
		   id, name);
	if (and_login)
		conn_print(&user->conn,
			   "{\"type\":\"login\",\"id\":2,\"name\":\"%s\",\"password\":\"" PASSWORD
			   "\"}\n",
			   name);
}

static void user_ask(struct user *user)
{
	switch (login.how) {
	case LOGIN_NONE:
		conn_print(&user->conn, "{\"type\":\"ping\",\"id\":2}\n");
		break;
	case LOGIN_REGISTER:
		user_register(user, 2, false);
		break;
	case LOGIN_NEW:
		user_register(user, 1, true);
		break;
	case LOGIN_BY_PASSWORD:
		conn_print(&user->conn,
			   "{\"type\":\"login\",\"id\":2,\"user\":%llu,\"password\":\"" PASSWORD
			   "\",\"replace\":true}\n",
			   (unsigned long long)user->id);
		break;
	case LOGIN_BY_TOKEN:
		conn_print(&user->conn,
			   "{\"type\":\"login\",\"id\":2,\"token\":\"%s\",\"replace\":true}\n",
			   user->token);
		break;
	}
}

/* The relay answers `"id":2` to this. */
static void user_join(struct user *user)
{
	conn_print(&user->conn, "join %llu\n", (unsigned long long)user->id);
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
	if (options.relay)
		user_join(user);
	else
		user_ask(user);
}

void users_login(struct user *users, size_t count, enum login_how how, size_t at_a_time,
		 struct histogram *latencies)
{
	login.users = users;
	login.count = count;
	login.started = login.done = 0;
	login.how = how;
	login.latencies = latencies;
	while (login.started < count && login.started < at_a_time)
		login_start_next();
	loop_until(&login.done, count, "logins");
}
