/* SPDX-License-Identifier: MIT */
/* How one talks with chatd (docs/protocol.md); and with the relay, which forwards the same frames. */
#include "bench.h"

#include <string.h>
#include <time.h>

#define PASSWORD "correct horse"
#define ID_DIGITS "1000000000"
#define CID_EMPTY "00000000-0000-7000-8000-000000000000"

void expect_no_error(const char *line)
{
	if (line_begins(line, "{\"type\":\"error\"") || line_begins(line, "{\"type\":\"bye\""))
		die("the server says %s", line);
}

/* --- Logging in -------------------------------------------------------------------------------------- */

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

/* What is asked last bears the id 2. */
static void chat_login(struct user *user, enum login_how how)
{
	switch (how) {
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
static void relay_login(struct user *user, enum login_how how)
{
	(void)how;
	conn_print(&user->conn, "join %llu\n", (unsigned long long)user->room);
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

static bool chat_is_logged_in(struct user *user, const char *line, size_t len)
{
	uint64_t id = 0;

	(void)len;
	expect_no_error(line);
	line_number(line, "\"user\":{\"id\":", &user->id);
	user_take_token(user, line);
	return line_number(line, "\"id\":", &id) && id == 2;
}

/* --- Messages ---------------------------------------------------------------------------------------- */

void chat_make(struct frame *frame, const char *target_key, uint64_t target, uint64_t sender)
{
	char head[256];
	int len = snprintf(head, sizeof(head),
			   "{\"type\":\"send\",\"id\":" ID_DIGITS
			   ",\"%s\":%llu,\"cid\":\"" CID_EMPTY "\",\"text\":\"",
			   target_key, (unsigned long long)target);

	frame_init(frame, head, (size_t)len, "\"}\n");
	frame->id = (size_t)(strstr(head, ID_DIGITS) - head);
	frame->cid = (size_t)(strstr(head, CID_EMPTY) - head);
	frame->sender = sender;
}

void chat_number(struct frame *frame, uint64_t n)
{
	enum { DIGITS = sizeof(ID_DIGITS) - 1 };
	char *cid = frame->data + frame->cid;
	struct timespec now;
	uint64_t ms;

	clock_gettime(CLOCK_REALTIME, &now);
	ms = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
	write_number(frame->data + frame->id + DIGITS, DIGITS - 1, 10, n);
	/* A UUIDv7 (RFC 9562): the time in front, and behind it what makes it the only one. */
	write_number(cid + 8, 8, 16, ms >> 16);
	write_number(cid + 13, 4, 16, ms);
	write_number(cid + 18, 3, 16, n);
	write_number(cid + 23, 3, 16, frame->sender);
	write_number(cid + 36, 12, 16, frame->sender << 32 | n);
	frame_number(frame, n);
}

static enum arrival relay_take(struct user *user, const char *line, size_t len, uint64_t *n)
{
	(void)user;
	(void)len;
	if (!line_number(line, "\"text\":\"", n))
		die("a message that was never sent: %s", line);
	return ARRIVAL_MESSAGE;
}

static enum arrival relay_answers_take(struct user *user, const char *line, size_t len, uint64_t *n)
{
	if (line_begins(line, "{\"type\":\"ok\""))
		return ARRIVAL_ANSWER;
	return relay_take(user, line, len, n);
}

static enum arrival chat_take(struct user *user, const char *line, size_t len, uint64_t *n)
{
	if (line_begins(line, "{\"type\":\"message\""))
		return relay_take(user, line, len, n);
	if (line_begins(line, "{\"type\":\"ok\""))
		return ARRIVAL_ANSWER;
	expect_no_error(line);
	return ARRIVAL_OTHER;
}

static void chat_ack(struct user *user, const char *target_key, uint64_t target, const char *line)
{
	uint64_t seq;

	if (!line_number(line, "\"seq\":", &seq))
		die("a message without its number: %s", line);
	conn_print(&user->conn, "{\"type\":\"ack\",\"%s\":%llu,\"seq\":%llu}\n", target_key,
		   (unsigned long long)target, (unsigned long long)seq);
}

const struct dialect dialect_chat = {
	.name = "chat",
	.accounts = true,
	.answers = true,
	.cut = line_cut,
	.login = chat_login,
	.is_logged_in = chat_is_logged_in,
	.make = chat_make,
	.number = chat_number,
	.take = chat_take,
	.ack = chat_ack,
};

/* The relay numbers nothing: any seq is as long. */
static void relay_ack(struct user *user, const char *target_key, uint64_t target, const char *line)
{
	(void)target;
	(void)line;
	conn_print(&user->conn, "{\"type\":\"ack\",\"%s\":1000,\"seq\":100000}\n", target_key);
}

/* Of a relay that was told to answer. */
const struct dialect dialect_relay_answers = {
	.name = "relay-answers",
	.answers = true,
	.cut = line_cut,
	.login = relay_login,
	.is_logged_in = chat_is_logged_in,
	.make = chat_make,
	.number = chat_number,
	.take = relay_answers_take,
	.ack = relay_ack,
};

const struct dialect dialect_relay = {
	.name = "relay",
	.cut = line_cut,
	.login = relay_login,
	.is_logged_in = chat_is_logged_in,
	.make = chat_make,
	.number = chat_number,
	.take = relay_take,
};
