/* SPDX-License-Identifier: MIT */
/* Sockets: lines that come, bytes that go, one write for each connection and turn. */
#include "bench.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

enum {
	EVENTS = 512,		   /* of one turn */
	INPUT_SIZE = 256 * 1024,   /* read at once */
	PORTS_OF_A_SOURCE = 10000, /* connections from one address */
	PRINT_MAX = 1024
};

static int loop_fd = -1;
static struct conn **queue; /* to be written when the turn ends */
static size_t queue_len, queue_capacity;
static char input[INPUT_SIZE + 1];
uint64_t loop_now_ns;
bool loop_naps;

void *must_alloc(size_t count, size_t size)
{
	void *out = calloc(count, size);

	if (!out)
		die("out of memory");
	return out;
}

void bytes_add(struct bytes *bytes, const char *data, size_t len)
{
	if (bytes->len + len > bytes->capacity) {
		bytes->capacity = (bytes->len + len) * 2;
		bytes->data = realloc(bytes->data, bytes->capacity);
		if (!bytes->data)
			die("out of memory");
	}
	memcpy(bytes->data + bytes->len, data, len);
	bytes->len += len;
}

void bytes_finish(struct bytes *bytes)
{
	free(bytes->data);
	*bytes = (struct bytes){0};
}

/* What is left is moved to the front; an empty one gives its memory back. */
static void bytes_take(struct bytes *bytes, size_t len)
{
	bytes->len -= len;
	if (bytes->len > 0)
		memmove(bytes->data, bytes->data + len, bytes->len);
	else
		bytes_finish(bytes);
}

/* --- Life -------------------------------------------------------------------------------------------- */

static void conn_watch(struct conn *conn, int operation)
{
	struct epoll_event event = {.events = EPOLLIN | (conn->waiting ? (uint32_t)EPOLLOUT : 0),
				    .data.ptr = conn};

	if (epoll_ctl(loop_fd, operation, conn->fd, &event) != 0)
		die("epoll_ctl: %s", strerror(errno));
}

void conn_open(struct conn *conn, const struct sockaddr_in *to, size_t n)
{
	struct sockaddr_in from = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK + (uint32_t)(n / PORTS_OF_A_SOURCE))};
	int on = 1;

	if (loop_fd < 0)
		loop_fd = epoll_create1(EPOLL_CLOEXEC);
	conn->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (loop_fd < 0 || conn->fd < 0)
		die("socket: %s", strerror(errno));
	setsockopt(conn->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	setsockopt(conn->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
	if (n >= PORTS_OF_A_SOURCE &&
	    bind(conn->fd, (const struct sockaddr *)&from, sizeof(from)) != 0)
		die("bind: %s", strerror(errno));
	if (connect(conn->fd, (const struct sockaddr *)to, sizeof(*to)) != 0 &&
	    errno != EINPROGRESS)
		die("connect: %s", strerror(errno));
	conn->queued = false;
	conn->waiting = true;
	conn_watch(conn, EPOLL_CTL_ADD);
}

void conn_close(struct conn *conn)
{
	close(conn->fd);
	conn->fd = -1;
	bytes_take(&conn->in, conn->in.len);
	bytes_take(&conn->out, conn->out.len);
}

/* --- Output ------------------------------------------------------------------------------------------ */

static void conn_flush(struct conn *conn)
{
	bool was_waiting = conn->waiting;
	ssize_t sent;

	conn->queued = false;
	if (conn->fd < 0 || conn->out.len == 0)
		return;
	sent = send(conn->fd, conn->out.data, conn->out.len, MSG_NOSIGNAL);
	if (sent < 0 && errno != EAGAIN && errno != ENOTCONN)
		die("send: %s", strerror(errno));
	conn->out.len -= sent > 0 ? (size_t)sent : 0;
	if (sent > 0)
		memmove(conn->out.data, conn->out.data + sent, conn->out.len);
	conn->waiting = conn->out.len > 0;
	if (conn->waiting != was_waiting)
		conn_watch(conn, EPOLL_CTL_MOD);
}

static void conn_queue(struct conn *conn)
{
	if (conn->queued)
		return;
	if (queue_len == queue_capacity) {
		queue_capacity = queue_capacity ? queue_capacity * 2 : 64;
		queue = realloc(queue, queue_capacity * sizeof(struct conn *));
		if (!queue)
			die("out of memory");
	}
	queue[queue_len++] = conn;
	conn->queued = true;
}

void conn_write(struct conn *conn, const char *data, size_t len)
{
	bytes_add(&conn->out, data, len);
	conn_queue(conn);
}

void conn_print(struct conn *conn, const char *format, ...)
{
	char text[PRINT_MAX];
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (len < 0 || (size_t)len >= sizeof(text))
		die("a frame is too long");
	conn_write(conn, text, (size_t)len);
}

/* --- Input ------------------------------------------------------------------------------------------- */

static void conn_take_lines(struct conn *conn, char *data, size_t len)
{
	size_t line_len;

	while (conn->fd >= 0 && (line_len = options.dialect->cut(data, len)) > 0) {
		conn->on_line(conn, data, line_len);
		data += line_len;
		len -= line_len;
	}
	if (conn->fd >= 0 && len > 0)
		bytes_add(&conn->in, data, len);
}

static void conn_read(struct conn *conn)
{
	size_t before = conn->in.len;
	ssize_t got;

	if (before >= INPUT_SIZE)
		die("a line is too long");
	if (before > 0)
		memcpy(input, conn->in.data, before);
	got = recv(conn->fd, input + before, INPUT_SIZE - before, 0);
	if (got < 0 && errno == EAGAIN)
		return;
	if (got <= 0)
		die("the server closed a connection: %s", got < 0 ? strerror(errno) : "its end");
	conn->in.len = 0;
	conn_take_lines(conn, input, before + (size_t)got);
	if (conn->in.len == 0)
		bytes_take(&conn->in, 0);
}

/* --- The loop ---------------------------------------------------------------------------------------- */

static void loop_flush(void)
{
	for (size_t i = 0; i < queue_len; i++)
		conn_flush(queue[i]);
	queue_len = 0;
}

/* What has come, or at most that long. */
static int loop_wait(struct epoll_event *events, int timeout_ms)
{
	const struct timespec nap = {.tv_nsec = BENCH_NAP_US * 1000};
	uint64_t end_ns = now_ns() + (uint64_t)timeout_ms * 1000000;
	int count;

	if (!loop_naps)
		return epoll_wait(loop_fd, events, EVENTS, timeout_ms);
	while ((count = epoll_wait(loop_fd, events, EVENTS, 0)) == 0 && now_ns() < end_ns)
		nanosleep(&nap, NULL);
	return count;
}

void loop_turn(int timeout_ms)
{
	struct epoll_event events[EVENTS];
	int count;

	loop_flush();
	count = loop_wait(events, timeout_ms);
	loop_now_ns = now_ns();
	for (int i = 0; i < count; i++) {
		struct conn *conn = events[i].data.ptr;

		if (conn->fd >= 0 && events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR))
			conn_read(conn);
		if (conn->fd >= 0 && events[i].events & EPOLLOUT) {
			conn_flush(conn);
			if (conn->waiting && conn->out.len == 0) { /* it has connected */
				conn->waiting = false;
				conn_watch(conn, EPOLL_CTL_MOD);
			}
		}
	}
	loop_flush();
}

void loop_until(const size_t *count, size_t target, const char *what)
{
	uint64_t moved_ns = now_ns();
	size_t seen = *count;

	while (*count < target) {
		loop_turn(1000);
		if (*count != seen) {
			seen = *count;
			moved_ns = loop_now_ns;
		} else if (loop_now_ns - moved_ns > BENCH_STALL_S * UINT64_C(1000000000)) {
			die("%s: %zu of %zu, and nothing more comes", what, seen, target);
		}
	}
}

/* --- Lines ------------------------------------------------------------------------------------------- */

size_t line_cut(char *data, size_t len)
{
	char *end = memchr(data, '\n', len);

	if (!end)
		return 0;
	*end = '\0';
	return (size_t)(end - data) + 1;
}

bool line_number(const char *line, const char *key, uint64_t *out)
{
	const char *found = strstr(line, key);

	if (!found)
		return false;
	*out = strtoull(found + strlen(key), NULL, 10);
	return true;
}

bool line_begins(const char *line, const char *beginning)
{
	return strncmp(line, beginning, strlen(beginning)) == 0;
}
