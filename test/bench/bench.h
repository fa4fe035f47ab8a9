/* SPDX-License-Identifier: MIT */
/*
 * chat-bench: loads a chat server, the relay beside it, or a server of IRC or MQTT, and tells what that cost each server process.
 *
 * One thread and one epoll loop. Frames are formatted by hand and read by looking for the few keys that matter, so that most of
 * the machine is left to what is measured.
 */
#ifndef BENCH_H
#define BENCH_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

enum {
	BENCH_ADDRESSES = 8,	  /* --to */
	BENCH_PROCESSES = 8,	  /* --process */
	BENCH_TOKEN_MAX = 128,	  /* bytes of a token */
	BENCH_NAP_US = 50,	  /* and what a sleep of that length takes longer */
	BENCH_STALL_S = 20,	  /* without any progress a run has failed */
	BENCH_OUTSTANDING = 1024, /* messages of one sender on their way, at most: a power of two */
	BENCH_TEXT_MIN = 16	  /* bytes of a text: it bears a number */
};

/* Says what is wrong and ends the program: a load generator has nothing to go on with. */
__attribute__((noreturn, format(printf, 1, 2))) void die(const char *format, ...);
/* Memory, or the end. */
void *must_alloc(size_t count, size_t size);

/* --- measure.c: clocks, processes, latencies --------------------------------------------------------- */

struct process {
	const char *name;
	pid_t pid;
	uint64_t cpu_ns; /* at the last process_mark */
};

uint64_t now_ns(void);
/* CPU time that the process has used since it began, all threads, in ns. */
uint64_t process_cpu_ns(const struct process *process);
/* Its memory: what is its own, and its share of what it shares (PSS). */
uint64_t process_memory(const struct process *process);
/* The most that was resident since it was forgotten, which tells what is now (VmHWM). */
uint64_t process_peak(const struct process *process);
uint64_t process_forget_peak(const struct process *process);

/* How many times each span came, in steps of 1/64 of it. */
enum { HISTOGRAM_STEPS = 64, HISTOGRAM_SIZE = 64 * HISTOGRAM_STEPS };
struct histogram {
	uint64_t counts[HISTOGRAM_SIZE];
	uint64_t total;
};
void histogram_add(struct histogram *histogram, uint64_t ns);
/* The span, in us, that a part (0.99) of all are not above. */
double histogram_us(const struct histogram *histogram, double part);

/* --- conn.c: sockets --------------------------------------------------------------------------------- */

struct bytes {
	char *data;
	size_t len, capacity;
};
void bytes_add(struct bytes *bytes, const char *data, size_t len);
void bytes_finish(struct bytes *bytes);

struct conn {
	int fd;		      /* -1: closed */
	bool queued, waiting; /* to be written in this turn; for the kernel's buffer */
	struct bytes in, out;
	/* What the dialect cuts off: a line, whose end has become '\0', or a packet. The length is with its end. */
	void (*on_line)(struct conn *conn, char *line, size_t len);
	void *owner;
};

/* Begins to connect. The n-th connection has a source address that has ports left. */
void conn_open(struct conn *conn, const struct sockaddr_in *to, size_t n);
/* Closed at once, and forgotten. */
void conn_close(struct conn *conn);
/* Sent when this turn of the loop ends. */
void conn_write(struct conn *conn, const char *data, size_t len);
__attribute__((format(printf, 2, 3))) void conn_print(struct conn *conn, const char *format, ...);
/* One turn of the loop: until something has come, or at most that long. */
void loop_turn(int timeout_ms);
/*
 * Whether nothing is waited for, but looked for each BENCH_NAP_US. Who waits in the kernel is woken by each write of the server's, at the
 * server's cost, and the more often the more time is left between them; clients that have machines of their own are not.
 */
extern bool loop_naps;
/* Turns until *count has come to target. It fails where nothing happens for BENCH_STALL_S. */
void loop_until(const size_t *count, size_t target, const char *what);
/* The time at which this turn began. */
extern uint64_t loop_now_ns;

/* A dialect's, of lines: how long the first is, with its end, which becomes '\0'; 0: it is not whole. */
size_t line_cut(char *data, size_t len);
/* The number behind a key that is in the line (`"seq":`); false: it is not there. */
bool line_number(const char *line, const char *key, uint64_t *out);
bool line_begins(const char *line, const char *beginning);

/* --- main.c: what was asked for ---------------------------------------------------------------------- */

struct options {
	struct sockaddr_in to[BENCH_ADDRESSES];
	size_t to_count;
	struct process processes[BENCH_PROCESSES];
	size_t process_count;
	const struct dialect *dialect; /* of what is there */
	bool json;
	bool storm;
	bool by_password;
	bool told; /* by standard input when to begin and when to end */
	unsigned users, window, text, ack_every, rate, backlog, before;
	unsigned crowd, heartbeat, conversations, friends;
	double seconds, warm;
};
extern struct options options;

/* Says `ready` on standard output. */
void say_ready(void);
/* Whether a line, or the end, has come on standard input since it was last asked. */
bool is_told(void);

/* --- report.c: what came of it ----------------------------------------------------------------------- */

__attribute__((format(printf, 3, 4))) void report(double value, const char *unit, const char *name,
						  ...);
/* Each process's CPU, from process_mark_all to process_stop_all, for each of `count` things. */
void process_mark_all(void);
void process_stop_all(void);
void report_cpu(double count, const char *of);
void report_latencies(const struct histogram *histogram);
/* Prints what was reported: a line for people, or one JSON object. */
void report_print(const char *mode);

/* --- users.c: users and their logins ----------------------------------------------------------------- */

struct user {
	struct conn conn; /* first: a conn's user is the conn */
	uint64_t id;	  /* as the server says; without accounts: the number */
	uint64_t room;	  /* without accounts: the pair's, ROOM_OF_ALL, or 0 */
	char token[BENCH_TOKEN_MAX];
	size_t number;	/* no other has it */
	size_t address; /* of options.to, by turns */
	uint64_t began_ns;
	void (*on_line)(struct conn *conn, char *line, size_t len); /* once it is logged in */
};

enum login_how {
	LOGIN_NONE,	/* connects alone */
	LOGIN_REGISTER, /* and does not log in */
	LOGIN_NEW,	/* registers, and logs in */
	LOGIN_BY_PASSWORD,
	LOGIN_BY_TOKEN
};

enum { LOGIN_AT_A_TIME = 64, ROOM_OF_ALL = UINT16_MAX, NAME_SIZE = 32 };

/* What comes for them is ignored, unless their on_line is set. */
struct user *users_new(size_t count);
void users_destroy(struct user *users, size_t count);
/*
 * Does it on each of them, so many at a time: on a new connection, where the user has none. The latencies, from the
 * connecting to the answer, may be NULL.
 */
void users_login(struct user *users, size_t count, enum login_how how, size_t at_a_time,
		 struct histogram *latencies);
void users_close(struct user *users, size_t count);
/* What those are called who have no account: in one run, by their id. */
void user_name(char name[NAME_SIZE], uint64_t id);

/* --- past.c: what there is before it is measured ------------------------------------------------------- */

/* Each of these users, who are logged in, has so many conversations more (--conversations). */
void past_conversations(struct user *users, size_t count);
/* Each has so many friends more (--friends), others who stay online until friends_leave. */
void past_friends(struct user *users, size_t count);
/* How many these are. */
size_t friends_count(void);
/* Until all of them have heard that all users have gone; come. */
void friends_until_gone(size_t count);
void friends_until_come(size_t count);
void friends_leave(void);

/* Users who say that they are there (--heartbeat), each in its turn, and nothing else. */
struct crowd {
	struct user *users;
	size_t count;
	uint64_t began_ns, beats;
};
/* Once in a turn of the loop, which may not wait longer than that. */
void crowd_beat(struct crowd *crowd);
int crowd_patience_ms(void);

/* --- The modes: each runs, reports, and returns whether all was right -------------------------------- */

/* One that sends to some who receive. */
struct stream;
bool mode_pairs(void), mode_cluster(void), mode_fanout(void);
bool mode_idle(void), mode_login(void), mode_offline(void), mode_history(void);

/* --- frame.c: what is sent by the thousand ------------------------------------------------------------ */

/* A message, of which each copy differs in its number, its id and its cid alone. */
struct frame {
	char *data;
	size_t len, id, cid, text; /* where they begin */
	uint64_t sender;	   /* in the cid */
};
/* The text, between a head and a tail. */
void frame_init(struct frame *frame, const char *head, size_t head_len, const char *tail);
void frame_finish(struct frame *frame);
/* The text's number is n. */
void frame_number(struct frame *frame, uint64_t n);
/* The number that a text begins with, which has BENCH_TEXT_MIN bytes or more. */
uint64_t text_number(const char *text);
/* Digits up to there. Inline, so that the base is known and nothing is divided by it. */
static inline void write_number(char *end, size_t digits, unsigned base, uint64_t value)
{
	for (; digits > 0; digits--, value /= base)
		*--end = "0123456789abcdef"[value % base];
}

/* --- How one talks to what is there: chat.c, irc.c, mqtt.c -------------------------------------------- */

enum arrival { ARRIVAL_MESSAGE, ARRIVAL_ANSWER, ARRIVAL_OTHER };

struct dialect {
	const char *name;
	bool accounts;	  /* users register and log in; elsewhere they come and are there */
	bool answers;	  /* the sender, to each message */
	bool echoes;	  /* a group's message to its sender, too */
	size_t at_a_time; /* who log in, at most; 0: as many as are asked to */
	/* How long the first line or packet is; 0: it is not whole. */
	size_t (*cut)(char *data, size_t len);
	/* Asks for it; and whether this is the end of the answer. */
	void (*login)(struct user *user, enum login_how how);
	bool (*is_logged_in)(struct user *user, const char *line, size_t len);
	/* A message to a `user` or a `group`; and makes it the n-th. */
	void (*make)(struct frame *frame, const char *target_key, uint64_t target, uint64_t sender);
	void (*number)(struct frame *frame, uint64_t n);
	/* What has come; of a message, its number. An error ends the program. */
	enum arrival (*take)(struct user *user, const char *line, size_t len, uint64_t *n);
	/* The message in this line, and those before it. NULL: there are no acks, or each is taken with one. */
	void (*ack)(struct user *user, const char *target_key, uint64_t target, const char *line);
};
extern const struct dialect dialect_chat, dialect_relay, dialect_relay_answers, dialect_irc,
	dialect_mqtt;

/* Of chat. A line that should not have come ends the program, with what it says. */
void expect_no_error(const char *line);
void chat_make(struct frame *frame, const char *target_key, uint64_t target, uint64_t sender);
void chat_number(struct frame *frame, uint64_t n);

#endif
