/* SPDX-License-Identifier: MIT */
/*
 * A storm: many clients lose their node at once and come back by token, while others go on sending at a steady rate elsewhere.
 *
 *   storm CROWD CROWD_PORT BACK_PORT SENDERS SENDS_PER_S PORT ...
 *
 * CROWD clients register and log in at CROWD_PORT, and come back through BACK_PORT whenever they are cut off. SENDERS, in pairs, are at
 * the other PORTs, and send SENDS_PER_S in all; a send's time runs from when it was due, so that one that is held up holds up
 * nothing but is counted. Nodes expect a PROXY header; what is at BACK_PORT writes its own.
 *
 * When all are there it says `ready`. It is told `go` when it is to count, and `blow` when the crowd is about to be cut off; when all are
 * back it says what there is to say in one line of JSON, and ends.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
	ENTERING_MAX = 64,     /* clients on their way in at a time, at first */
	AGAIN_MS = 100,	       /* before a client that was refused tries again */
	INPUT_MAX = 128 << 10, /* a frame from the server is no longer */
	TIMES_MAX = 1 << 20,
	PORTS_MAX = 8,
	TICK_MS = 2,
	GIVE_UP_S = 120
};

/* Where a client is; each step waits for one answer. */
enum step { OUT, REGISTERING, ENTERING, IN, RETURNING };

struct client {
	int fd; /* -1: none */
	enum step step;
	int port;
	bool header; /* the node at that port expects one */
	long id;
	char token[64];
	uint64_t again_us;
	/* senders */
	long to; /* 0: of the crowd */
	uint64_t due_us[64];
	unsigned sent, answered;
	char *input;
	size_t input_len;
};

struct times {
	uint32_t *us;
	size_t count;
};

static struct client *clients;
static size_t client_count, crowd, entering, in, lost, logins, refused;
static int poller, back_port;
static struct times before, during;
static struct times *counting; /* NULL: nobody counts */
static uint64_t blow_us, back_us;

static uint64_t now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static void die(const char *what)
{
	fprintf(stderr, "storm: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* --- One client -------------------------------------------------------------------------------------- */

/* Frames are short, and a client has few on the way: what does not fit into the socket's buffer is a defect here. */
__attribute__((format(printf, 2, 3))) static void client_say(struct client *c, const char *format,
							     ...)
{
	char frame[512];
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(frame, sizeof(frame), format, args);
	va_end(args);
	if (send(c->fd, frame, (size_t)len, MSG_NOSIGNAL) != len && errno != EPIPE &&
	    errno != ECONNRESET)
		die("send");
}

static void client_connect(struct client *c, int port, bool header)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
				      .sin_port = htons((uint16_t)port)};
	struct epoll_event event = {.events = EPOLLOUT, .data.ptr = c};
	int on = 1;

	c->port = port;
	c->header = header;
	c->input_len = 0;
	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	if (c->fd < 0)
		die("socket");
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (connect(c->fd, (struct sockaddr *)&address, sizeof(address)) != 0 &&
	    errno != EINPROGRESS)
		die("connect");
	if (epoll_ctl(poller, EPOLL_CTL_ADD, c->fd, &event) != 0)
		die("epoll");
}

/* The first words on a connection. */
static void client_connected(struct client *c)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
	long number = (long)(c - clients);

	epoll_ctl(poller, EPOLL_CTL_MOD, c->fd, &event);
	if (c->header)
		client_say(c, "PROXY UNKNOWN\r\n");
	if (c->step == REGISTERING)
		client_say(c,
			   "{\"type\":\"register\",\"name\":\"storm%d.%ld\",\"password\":"
			   "\"password1\"}\n",
			   (int)getpid(), number);
	else
		client_say(c, "{\"type\":\"login\",\"token\":\"%s\",\"replace\":true}\n", c->token);
}

static void client_close(struct client *c)
{
	close(c->fd);
	c->fd = -1;
	if (c->step == IN)
		in--;
	if (c->step == IN && c->to != 0) {
		fprintf(stderr, "storm: a sender was cut off\n");
		exit(1);
	}
	if (c->step == REGISTERING || c->step == ENTERING) {
		fprintf(stderr, "storm: cut off while it came in\n");
		exit(1);
	}
	lost += c->step == IN;
	refused += c->step == RETURNING;
	c->again_us = now_us() + (c->step == RETURNING ? AGAIN_MS * 1000 : 0);
	c->step = RETURNING;
}

static void client_is_in(struct client *c)
{
	c->step = IN;
	if (++in == client_count && blow_us != 0 && back_us == 0 && lost >= crowd)
		back_us = now_us();
}

static void client_sent(struct client *c)
{
	uint64_t took = now_us() - c->due_us[c->answered++ % 64];

	if (counting && counting->count < TIMES_MAX)
		counting->us[counting->count++] = (uint32_t)took;
}

static void client_frame(struct client *c, const char *frame)
{
	const char *found;

	if (!strstr(frame, "\"type\":\"ok\"")) {
		if (strstr(frame, "\"type\":\"error\"") && c->step == RETURNING) {
			client_close(c);
		} else if (strstr(frame, "\"type\":\"error\"")) {
			fprintf(stderr, "storm: %s\n", frame);
			exit(1);
		}
		return; /* a push */
	}
	switch (c->step) {
	case REGISTERING:
		found = strstr(frame, "\"id\":");
		c->id = found ? atol(found + strlen("\"id\":")) : 0;
		client_say(c, "{\"type\":\"login\",\"user\":%ld,\"password\":\"password1\"}\n",
			   c->id);
		c->step = ENTERING;
		break;
	case ENTERING:
		found = strstr(frame, "\"token\":\"");
		if (found)
			snprintf(c->token, sizeof(c->token), "%.*s", (int)strcspn(found + 9, "\""),
				 found + 9);
		entering--;
		client_is_in(c);
		break;
	case RETURNING:
		logins++;
		client_is_in(c);
		break;
	case IN:
		client_sent(c);
		break;
	case OUT:
		break;
	}
}

static void client_read(struct client *c)
{
	ssize_t len = recv(c->fd, c->input + c->input_len, INPUT_MAX - c->input_len - 1, 0);
	char *line = c->input, *end;

	if (len <= 0) {
		if (len == 0 || errno != EAGAIN)
			client_close(c);
		return;
	}
	c->input_len += (size_t)len;
	c->input[c->input_len] = '\0';
	while (c->fd >= 0 && (end = strchr(line, '\n')) != NULL) {
		*end = '\0';
		client_frame(c, line);
		line = end + 1;
	}
	c->input_len = c->fd >= 0 ? strlen(line) : 0;
	memmove(c->input, line, c->input_len);
}

static void client_event(struct client *c, uint32_t events)
{
	int error = 0;
	socklen_t len = sizeof(error);

	if (c->fd < 0)
		return;
	if (events & EPOLLIN) {
		client_read(c);
	} else if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0 || error != 0 ||
		   (events & (EPOLLERR | EPOLLHUP))) {
		client_close(c);
	} else if (events & EPOLLOUT) {
		client_connected(c);
	}
}

/* --- All of them ------------------------------------------------------------------------------------- */

static void clients_enter(int crowd_port, const int *ports, size_t port_count)
{
	static size_t next;

	for (; next < client_count && entering < ENTERING_MAX; next++) {
		struct client *c = &clients[next];

		entering++;
		c->step = REGISTERING;
		client_connect(c, next < crowd ? crowd_port : ports[(next - crowd) % port_count],
			       true);
	}
}

static void clients_return(uint64_t at_us)
{
	for (size_t i = 0; i < crowd; i++)
		if (clients[i].step == RETURNING && clients[i].fd < 0 &&
		    at_us >= clients[i].again_us)
			client_connect(&clients[i], back_port, false);
}

/* Those sends that are due, one of each sender after the other. */
static void senders_send(uint64_t at_us, double per_s)
{
	static uint64_t began_us, number;
	size_t senders = client_count - crowd;

	if (in < senders || per_s <= 0)
		return;
	if (began_us == 0)
		began_us = at_us;
	for (;;) {
		uint64_t due_us = began_us + (uint64_t)((double)number * 1e6 / per_s);
		struct client *c = &clients[crowd + number % senders];

		if (due_us > at_us)
			return;
		if (c->sent - c->answered == 64) {
			fprintf(stderr, "storm: 64 sends of one sender are not answered\n");
			exit(1);
		}
		c->due_us[c->sent++ % 64] = due_us;
		client_say(c, "{\"type\":\"send\",\"user\":%ld,\"text\":\"steady\"}\n", c->to);
		number++;
	}
}

static int compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static void times_say(const char *name, struct times *times)
{
	qsort(times->us, times->count, sizeof(*times->us), compare);
	printf("\"%s\":{\"count\":%zu,\"p50_ms\":%.2f,\"p99_ms\":%.2f,\"max_ms\":%.2f}", name,
	       times->count, times->count ? times->us[times->count / 2] / 1e3 : 0,
	       times->count ? times->us[times->count * 99 / 100] / 1e3 : 0,
	       times->count ? times->us[times->count - 1] / 1e3 : 0);
}

static void say_all(void)
{
	printf("{\"clients\":%zu,\"back_s\":%.3f,\"logins\":%zu,\"refused\":%zu,", crowd,
	       (double)(back_us - blow_us) / 1e6, logins, refused);
	times_say("before", &before);
	printf(",");
	times_say("during", &during);
	printf("}\n");
}

static void listen_to(int fd)
{
	char words[64];
	ssize_t len = read(fd, words, sizeof(words) - 1);

	if (len <= 0) { /* all has been said */
		epoll_ctl(poller, EPOLL_CTL_DEL, fd, NULL);
		return;
	}
	words[len] = '\0';
	if (strstr(words, "go"))
		counting = &before;
	if (strstr(words, "blow")) {
		counting = &during;
		blow_us = now_us();
	}
}

static void clients_make(size_t senders)
{
	struct rlimit limit = {0};

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
	client_count = crowd + senders;
	clients = calloc(client_count, sizeof(*clients));
	before.us = calloc(TIMES_MAX, sizeof(*before.us));
	during.us = calloc(TIMES_MAX, sizeof(*during.us));
	if (!clients || !before.us || !during.us)
		die("memory");
	for (size_t i = 0; i < client_count; i++) {
		clients[i].fd = -1;
		clients[i].input = malloc(INPUT_MAX); /* touched as far as it is used */
		if (!clients[i].input)
			die("memory");
	}
}

/* Everybody is in: each sender knows whom to write to. */
static void senders_pair(void)
{
	for (size_t i = crowd; i < client_count; i++)
		clients[i].to = clients[crowd + ((i - crowd) ^ 1)].id;
}

static void run(int crowd_port, const int *ports, size_t port_count, double per_s)
{
	struct epoll_event events[256], input = {.events = EPOLLIN};
	uint64_t limit_us = now_us() + GIVE_UP_S * UINT64_C(1000000);
	bool ready = false;

	if (epoll_ctl(poller, EPOLL_CTL_ADD, STDIN_FILENO, &input) != 0)
		die("epoll");
	while (back_us == 0) {
		int count = epoll_wait(poller, events, 256, TICK_MS);
		uint64_t at_us = now_us();

		for (int i = 0; i < count; i++)
			if (events[i].data.ptr)
				client_event(events[i].data.ptr, events[i].events);
			else
				listen_to(STDIN_FILENO);
		clients_enter(crowd_port, ports, port_count);
		clients_return(at_us);
		if (!ready && in == client_count) {
			ready = true;
			senders_pair();
			puts("ready");
			fflush(stdout);
		}
		if (ready)
			senders_send(at_us, per_s);
		if (at_us > limit_us) {
			fprintf(stderr, "storm: %zu of %zu are in\n", in, client_count);
			exit(1);
		}
	}
}

int main(int argc, char **argv)
{
	int ports[PORTS_MAX];
	size_t port_count = 0;

	if (argc < 7 || argc > 6 + PORTS_MAX) {
		fprintf(stderr,
			"usage: storm CROWD CROWD_PORT BACK_PORT SENDERS SENDS_PER_S PORT ...\n");
		return 2;
	}
	for (int i = 6; i < argc; i++)
		ports[port_count++] = atoi(argv[i]);
	crowd = (size_t)atol(argv[1]);
	back_port = atoi(argv[3]);
	poller = epoll_create1(0);
	clients_make((size_t)atol(argv[4]) & ~(size_t)1);
	run(atoi(argv[2]), ports, port_count, atof(argv[5]));
	say_all();
	return 0;
}
