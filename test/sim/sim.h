/* SPDX-License-Identifier: MIT */
/*
 * The simulator's own nouns and what its files offer one another. docs/testing.md says how it is used.
 *
 *   chance   numbers out of the seed; the trace and its hash                            chance.c
 *   clock    virtual time: events, each at its moment                                   clock.c
 *   alloc    memory that is out where a run says so                                     alloc.c
 *   server   a node of the cluster: its life, its clock, its pauses                     server.c
 *   pool     its store: lanes over the one database, and their faults                   pool.c
 *   bus      what nodes hear of one another                                             bus.c
 *   link     a connection: two queues of bytes, and what becomes of them                link.c
 *   tap      what is on the wire, frame by frame, checked                               tap.c
 *   device   an application around libchat's client                                     device.c
 *   work     what people do                                                             work.c
 *   fault    what goes wrong, and how often                                             fault.c
 *   model    what has been committed, kept beside the store                             model.c
 *   check    what clients hear, against the model                                       check.c
 *   audit    the end: everybody has everything, and the store is what the model says    audit.c
 *
 * One seed is one run in one thread. Everything that is drawn comes from the seed; nothing may depend on an address, on the
 * machine's clock or on the order in which a compiler evaluates arguments (one draw in an expression at most).
 */
#ifndef SIM_H
#define SIM_H

#include <stdio.h>

#include "chat/client.h"
#include "chat/node.h"
#include "chat/store.h"
#include "store/backend.h"

enum {
	SERVERS_MAX = 5,
	PEOPLE_MAX = 64,
	DEVICES_MAX = 100,
	LANES_MAX = 8,
	REQUESTS_MAX = 200, /* unanswered, of one device */
	TEXT_MAX = 8192
};

#define MS UINT64_C(1000) /* microseconds, the clock's unit */
#define SECOND (1000 * MS)

/* --- chance.c ---------------------------------------------------------------------------------------- */

/* Each has numbers of its own, so that a change in one place does not stir up all others. */
enum stream {
	CHANCE_SETUP,
	CHANCE_ENV,
	CHANCE_LINK,
	CHANCE_BUS,
	CHANCE_STORE,
	CHANCE_FAULT,
	CHANCE_WORK,
	CHANCE_ALLOC,
	CHANCE_COUNT
};

void chance_seed(uint64_t seed);
uint64_t chance_next(enum stream stream);
/* 0 to bound-1. */
uint32_t chance_below(enum stream stream, uint32_t bound);
/* low to high, both included. */
uint64_t chance_between(enum stream stream, uint64_t low, uint64_t high);
/* Of 10000. */
bool chance_hits(enum stream stream, uint32_t in_10000);
/* A time about `typical`, now and then many times as long. */
uint64_t chance_delay(enum stream stream, uint64_t typical_us);

/* The trace is a hash of all that happened, in order; and with --trace a line for each. */
void trace_number(uint64_t value);
void trace_bytes(const char *bytes, size_t len);
CHAT_PRINTF(1, 2) void trace_line(const char *format, ...);
#define TRACE(...)                                                                                 \
	do {                                                                                       \
		if (sim.tracing)                                                                   \
			trace_line(__VA_ARGS__);                                                   \
	} while (0)

/* --- clock.c ----------------------------------------------------------------------------------------- */

enum event_kind {
	EVENT_TICK,	   /* a: server, b: its life */
	EVENT_START,	   /* a: server, b: its life */
	EVENT_KILL,	   /* a: server, b: its life */
	EVENT_COMPLETE,	   /* a: server, b: its life */
	EVENT_LANE_TAKE,   /* a: server and lane, b: life */
	EVENT_LANE_RUN,	   /* a: server and lane, b: life */
	EVENT_LANE_DONE,   /* a: server and lane, b: life */
	EVENT_LINK_ACCEPT, /* a: link */
	EVENT_LINK_OPENED, /* a: link */
	EVENT_LINK_REFUSED,
	EVENT_LINK_UP,	    /* bytes to the server */
	EVENT_LINK_DOWN,    /* bytes to the client */
	EVENT_LINK_FEED,    /* the node asked for input again */
	EVENT_LINK_DRAINED, /* the output has room again */
	EVENT_LINK_BROKEN_SERVER,
	EVENT_LINK_BROKEN_CLIENT,
	EVENT_BUS_PUBLISH, /* a: server, b: life and link; at the bus itself */
	EVENT_BUS_DELIVER,
	EVENT_BUS_FORCE,
	EVENT_BUS_CONFIRM,
	EVENT_BUS_LEAVE,
	EVENT_BUS_UP,
	EVENT_BUS_DOWN,
	EVENT_BUS_LOST,
	EVENT_DEVICE_TICK,  /* a: device, b: its incarnation */
	EVENT_DEVICE_START, /* a: device, b: its incarnation */
	EVENT_WORK,
	EVENT_FAULT,
	EVENT_PHASE,
	EVENT_KIND_COUNT
};

/* What a message on the bus carries beside the numbers. Freed with the event. */
struct event {
	uint64_t at_us;
	uint64_t order;
	enum event_kind kind;
	uint64_t a, b;
	struct chat_channel channel;
	struct chat_buf *buf;
};

typedef void event_handler(const struct event *event);

void clock_start(void);
void clock_finish(void);
void clock_in(uint64_t delay_us, enum event_kind kind, uint64_t a, uint64_t b);
/* With a reference to the buffer, at a moment. */
void clock_carry(uint64_t at_us, enum event_kind kind, uint64_t a, uint64_t b,
		 struct chat_channel channel, struct chat_buf *buf);
/* The same event, later. */
void clock_defer(const struct event *event, uint64_t at_us);
/* False: there is none. */
/* Whether such an event is still to come. */
bool clock_awaits(enum event_kind kind);
bool clock_step(void);

/* --- alloc.c: failing allocations, inside of libchat alone ------------------------------------------- */

void alloc_enter(void);
void alloc_leave(void);
/* The simulator's own memory, which is never out: as realloc, and zeroed. */
void *sim_grow(void *old, size_t size);
void *sim_new(size_t size);
/* Inside of a port: the simulator's own memory never fails. */
void alloc_pause(void);
void alloc_resume(void);

/* --- server.c ---------------------------------------------------------------------------------------- */

struct sub {
	struct chat_channel channel;
	bool wanted, in_force;
};

/* A server's two connections to the bus. */
struct bus_end {
	bool publishes, listens;
	bool deaf; /* the listening one is dead and nobody knows yet */
	bool lost; /* something was not published */
	bool forcing, telling;
	uint64_t flushed_us; /* of a server that is gone: what was published up to then arrives */
	uint64_t generation; /* of the listening connection: never one twice */
	uint64_t out_generation; /* of the publishing one */
	uint64_t issued;
	uint64_t out_us, in_us; /* what is under way keeps its order */
	struct sub *subs;
	size_t sub_count, sub_room;
};

struct queue {
	struct chat_op *head, **tail;
};

enum lane_kind { LANE_WRITER, LANE_READER, LANE_HASH };

struct lane {
	enum lane_kind kind;
	struct queue queue;
	bool busy;
	struct chat_op *batch[CHAT_POOL_BATCH_MAX];
	size_t batch_count;
	bool executed;
};

struct slot {
	uint32_t writes, reads;
};

struct pool {
	struct chat_store store; /* first: the port is the pool */
	struct lane lanes[LANES_MAX + 1];
	size_t lane_count, writer_count, reader_count;
	struct slot slots[LANE_SLOTS];
	struct queue completions;
	bool completing; /* an event is on its way */
	size_t in_flight;
};

enum server_state { SERVER_DOWN, SERVER_UP, SERVER_DRAINING };

struct conn_of_link {
	uint64_t conn; /* the node's number */
	uint64_t link;
};

struct server {
	unsigned index;
	char name[16];
	enum server_state state;
	uint64_t life; /* counts its starts and ends: an event of another life is void */
	struct chat_node *node;
	struct pool pool;
	struct bus_end bus;
	uint64_t tick_us; /* the tick that is scheduled */
	unsigned spins;	  /* ticks in a row that asked for another at once */
	bool is_gone;	  /* for good */
	uint64_t paused_until_us;
	int64_t skew_ms;	    /* of its wall clock */
	uint64_t beat_us;	    /* when its last heartbeat was committed */
	uint64_t first_session;	    /* of the life whose start was committed last */
	uint64_t end_session;	    /* before this one */
	struct conn_of_link *conns; /* ascending: what its node called each */
	size_t conn_count, conn_room;
};

void server_start(struct server *server);
/* It is gone at once: nothing is told, what is under way may or may not arrive. */
void server_crash(struct server *server);
void server_drain(struct server *server);
void servers_finish(void);
/* After every entrance into the node. */
void server_turn(struct server *server);
/* Its node, where the event is of this life and the server is not paused (then it comes later); NULL. */
struct chat_node *server_enter(const struct event *event, struct server *server, uint64_t life);
/* The same around: memory may be out meanwhile. */
void server_leave(struct server *server);
bool server_is_reachable(const struct server *server);
unsigned servers_gone(void); /* for good */
event_handler server_on_tick, server_on_start, server_on_kill;
extern const struct chat_env_ops env_ops; /* context: a server, or NULL for clients */

/* --- pool.c ------------------------------------------------------------------------------------------ */

void store_open(void); /* once in a process */
void store_close(void);
void store_wipe(void);
void *store_handle(void); /* the database's own, for reading: sqlite3 * */
void pool_start(struct server *server);
/* The process is gone: what a lane was executing may be committed. */
void pool_crash(struct server *server);
void pool_finish(struct server *server);
/* Runs one operation at once, and destroys it; for setting up. */
enum chat_code store_run(struct chat_op *op);
event_handler pool_on_take, pool_on_run, pool_on_done, pool_on_complete;

/* --- bus.c ------------------------------------------------------------------------------------------- */

extern const struct chat_bus_ops bus_ops;
void bus_start(struct server *server);
void bus_stop(struct server *server);
void bus_cut_publisher(struct server *server, uint64_t for_us);
/* For a while nothing is heard, and then the connection is found to be dead. */
void bus_cut_listener(struct server *server, uint64_t deaf_us, uint64_t down_us);
/* Whether no server is without it. */
bool bus_is_whole(void);
event_handler bus_on_publish, bus_on_deliver, bus_on_force, bus_on_confirm, bus_on_leave, bus_on_up,
	bus_on_down, bus_on_lost;

/* --- link.c ------------------------------------------------------------------------------------------ */

struct pipe {
	char *bytes;
	size_t head, len, room;
	bool moving;	  /* an event is on its way */
	bool ended;	  /* nothing follows what is in it */
	uint64_t held_us; /* nothing moves until then */
};

/* What the tap remembers of one conversation on one connection. */
struct tap_seq {
	uint64_t key;
	uint64_t pushed;	       /* the last seq */
	uint64_t sent_order, sent_seq; /* of the latest of one's sends that was answered */
};

struct tap_ask {
	int64_t id;
	enum chat_request_type type;
	uint64_t key, order; /* of a send */
};

struct tap {
	struct tap_ask *asks;
	size_t ask_count, ask_room;
	struct tap_seq *seqs;
	size_t seq_count, seq_room;
	uint64_t orders;
	int64_t last_send; /* the id of the last that was sent, as long as none had to be sent again */
	bool retries;
	bool logged_in, leaving, logged_out; /* leaving: the logout is asked */
	bool bye;
};

struct link {
	uint64_t id;
	struct device *device; /* NULL: the client's side is gone */
	struct server *server;
	uint64_t life;	  /* of the server */
	uint64_t conn;	  /* the node's number; 0: it does not know it yet, or no longer */
	uint64_t session; /* the number of the last that began on it */
	uint32_t ops;	  /* of its requests in the store */
	uint64_t *floors; /* by conversation: the marks with which that session began */
	size_t floor_count;
	struct pipe up, down;
	size_t arrived; /* of what is in `up`: waits at the server */
	bool accepted;
	bool cut;     /* nothing moves any more */
	bool paused;  /* the node takes no input until it resumes */
	bool feeding; /* an event is on its way */
	bool full;    /* to be told when it has drained */
	bool moved; /* the client has read or sent something since input was refused, or this was asked */
	bool end_told;
	bool bytewise;
	uint32_t slow_bytes; /* 0: reads all there is */
	uint64_t slow_us;
	uint64_t latency_us;
	size_t kernel;	   /* bytes that do not count as queued */
	size_t last_frame; /* how long it is; see WRONG_NET_REORDERS */
	struct tap tap;
};

extern const struct chat_transport_ops transport_ops;
struct link *link_open(struct device *device);
struct link *link_get(uint64_t id);
int link_send(struct link *link, struct chat_buf *buf);
/* Bytes that libchat's client would not say. */
void link_inject(struct link *link, const char *text);
void link_close_client(struct link *link);
/* The connection is cut; each side finds out in its time, or not by itself. */
void link_cut(struct link *link, bool client_knows, bool server_knows);
void link_server_died(struct server *server);
/* The node of a server is told that the session has begun. */
void link_logged_in(const struct server *server, uint64_t conn, uint64_t session);
struct link *link_find(const struct server *server, uint64_t conn);
void links_finish(void);
void links_forget(void);
size_t links_count(void);
struct link *links_at(size_t index);
/* The servers of that name; NULL: none. */
struct server *server_named(struct chat_view name);
event_handler link_on_accept, link_on_opened, link_on_refused, link_on_up, link_on_down,
	link_on_feed, link_on_drained, link_on_broken_server, link_on_broken_client;

/* --- tap.c ------------------------------------------------------------------------------------------- */

void tap_up(struct link *link, const struct chat_buf *frame);
void tap_down(struct link *link, const struct chat_buf *frame);
void tap_finish(struct tap *tap);

/* --- model.c ----------------------------------------------------------------------------------------- */

/* A text that somebody wants to send, edit, or a recall; known by its number, which is in its text and its cid. */
struct send {
	uint32_t number;
	enum chat_message_kind kind;
	chat_id from;
	struct chat_target target;
	uint64_t changes;
	uint32_t text_len;
	bool has_data;
	bool own_cid; /* of ours; else libchat's client makes one */
	bool acked;   /* `ok` was heard */
	bool committed;
	uint64_t seq; /* as committed */
	int64_t time_ms;
	uint64_t identities[2]; /* that tried, a bit each */
};

struct version {
	uint64_t seq; /* of the edit or recall that made it; 0: the first */
	uint64_t at_us;
	uint32_t send;
	bool edited, recalled;
};

struct entry {
	uint32_t send; /* number */
	int64_t time_ms;
	uint64_t at_us;
	struct version *versions;
	uint32_t version_count;
};

/* A time in which somebody was a member: sees joined+1 to left. */
struct stay {
	chat_id user;
	uint64_t joined, left; /* left: UINT64_MAX while it lasts */
	uint64_t furthest;     /* the furthest mark of all devices, as committed */
	uint64_t read;
	enum chat_role role;
};

struct conv {
	size_t index;
	chat_id group, low, high;
	int64_t last_ms;
	struct entry *entries; /* seq 1 is the first */
	uint64_t count;
	size_t room;
	struct stay *stays;
	size_t stay_count, stay_room;
	bool dissolved;
};

struct person {
	chat_id id;
	char name[32];
	char password[24];
	bool taken; /* somebody registers it */
	enum chat_friend_state friends[PEOPLE_MAX + 1];
};

/* What one identity (a user's device) has of one conversation. */
struct track {
	uint64_t solid; /* all up to here it has, sent itself, or has no right to */
	uint64_t base;	/* where it began as a new device */
	uint64_t mark;	/* as committed */
	uint64_t acked; /* at the end, by a session that ends in order */
	uint8_t *have;
	size_t have_room;
};

struct identity {
	size_t index;
	chat_id user;
	char device[16];
	bool known; /* the store has the device */
	struct track *tracks;
	size_t track_count;
};

void model_start(void);
void model_finish(void);
/* Before and after a batch runs; what it has committed is taken over. */
void model_committed(struct chat_op *const *ops, size_t count);
struct send *model_send_new(void);
struct send *model_send(uint32_t number);
struct send *model_send_of(struct chat_view cid, struct chat_view text);
uint32_t model_send_count(void);
/* The text of a send, in a buffer that the next call uses again. */
struct chat_view model_text(const struct send *send);
struct chat_view model_data(const struct send *send);
struct chat_view model_cid(const struct send *send);
struct conv *model_conv(chat_id user, struct chat_target target);
struct conv *model_conv_at(size_t index);
size_t model_conv_count(void);
struct chat_target model_target(const struct conv *conv, chat_id user);
struct stay *model_stay(struct conv *conv, chat_id user);
/* The stay in which the message falls; NULL: none of theirs. */
struct stay *model_stay_of(struct conv *conv, chat_id user, uint64_t seq);
struct person *model_person(chat_id id); /* NULL: none */
struct person *model_person_at(size_t index);
size_t model_person_count(void);
struct person *model_person_new(void);
/* Notes that the identity has tried to send it: what is its own need not be pushed to it. */
void model_tried(struct send *send, const struct identity *identity);
/* The text that a version shows, in a buffer that the next call uses again. */
struct chat_view model_version_text(const struct version *version);
struct chat_view model_version_data(const struct version *version);
struct identity *model_identity(chat_id user, struct chat_view device);
struct identity *model_identity_at(size_t index);
size_t model_identity_count(void);
struct track *model_track(struct identity *identity, const struct conv *conv);
bool model_has(const struct track *track, uint64_t seq);
void model_have(struct track *track, uint64_t seq);
/* Up to where it was acknowledged, as committed; never below the joining. */
uint64_t model_mark(struct identity *identity, struct conv *conv);
/* Moves solid up as far as it goes; where it stands then. */
uint64_t model_solid(struct identity *identity, struct conv *conv);
uint64_t model_furthest(const struct conv *conv, chat_id user);

/* --- device.c ---------------------------------------------------------------------------------------- */

struct ask {
	chat_ticket ticket;
	enum chat_request_type type;
	uint32_t send; /* of send, edit, recall: its number */
	bool altered;  /* another text with the same cid: to be refused */
	uint64_t asked_us;
	struct chat_target target;
	uint64_t seq;	/* of read */
	uint64_t count; /* of the conversation's messages, when it was asked */
	uint64_t before;
	uint32_t limit;
	bool newest; /* the newest page */
};

struct device {
	unsigned index;
	struct person *person;
	struct identity *identity; /* NULL as long as nobody has the person's id */
	char name[16];
	struct chat_client *client;
	uint64_t incarnation;
	uint64_t life; /* counts starts: an event of another is void */
	uint64_t link; /* 0: none */
	uint64_t tick_us;
	unsigned spins;
	bool wanted;	/* is to be online */
	bool registers; /* its person is to be registered by it */
	bool busy;	/* inside of the client */
	char token[64];
	char old_token[64]; /* of before the logout, which revokes it */
	bool revoked;	    /* the token that it tries is */
	struct ask asks[REQUESTS_MAX];
	size_t ask_count;
	char *input; /* what the client has not consumed */
	size_t input_len, input_room;
	uint64_t *last; /* by conversation: pushed to this application last */
	size_t last_count;
};

void devices_start(void);
void devices_finish(void);
void device_start(struct device *device);
void device_start_later(struct device *device, uint64_t delay_us);
void device_stop(struct device *device);
/* The application dies without a word, and forgets all but its token. */
void device_crash(struct device *device);
/* Asks; false: it was not taken. */
bool device_ask(struct device *device, const struct chat_request *request, struct ask ask);
void device_turn(struct device *device);
bool device_is_online(const struct device *device);
struct identity *device_identity(struct device *device);
void device_input(struct device *device, const char *bytes, size_t len);
void device_connected(struct device *device);
void device_disconnected(struct device *device);
event_handler device_on_tick, device_on_start;

/* --- check.c ----------------------------------------------------------------------------------------- */

void check_push(struct device *device, const struct chat_event *event);
void check_reply(struct device *device, const struct ask *ask, const struct chat_event *event);
void check_state(struct device *device);
/* Every bound that has a name holds. */
void check_bounds(void);

/* --- work.c, fault.c, audit.c ------------------------------------------------------------------------ */

void work_start(void);
event_handler work_on_event;
/* Sends something to somebody. */
void work_send(struct device *device);

enum fault_kind {
	FAULT_BUS_LOSS,
	FAULT_BUS_DOUBLE,
	FAULT_BUS_REORDER,
	FAULT_BUS_DELAY,
	FAULT_BUS_PUBLISHER,
	FAULT_BUS_LISTENER,
	FAULT_STORE_SLOW,
	FAULT_STORE_BEFORE,
	FAULT_STORE_AFTER,
	FAULT_STORE_SINGLES,
	FAULT_STORE_AWAY,
	FAULT_STORE_FULL,
	FAULT_SERVER_CRASH,
	FAULT_SERVER_PAUSE,
	FAULT_SERVER_DRAIN,
	FAULT_LINK_CUT,
	FAULT_LINK_HALF,
	FAULT_LINK_SILENT,
	FAULT_LINK_STALL,
	FAULT_LINK_SLOW,
	FAULT_LINK_BYTEWISE,
	FAULT_LINK_GARBAGE,
	FAULT_CLIENT_CRASH,
	FAULT_CLIENT_STOP,
	FAULT_CLOCK,
	FAULT_ALLOC,
	FAULT_BURST,
	FAULT_KINDS
};

extern const char *const fault_names[FAULT_KINDS];

struct profile {
	const char *name;
	const char *what;
	bool calm;	   /* no connection is ever to be lost */
	bool for_good;	   /* a server that dies does not come back, but for the last one */
	uint32_t pause_ms; /* between two faults, typically */
	/* By kind: weights of those that are events of their own, chances in 10000 of those that befall something. */
	uint32_t faults[FAULT_KINDS];
};

const struct profile *profile_find(const char *name);
const struct profile *profile_at(size_t index); /* NULL: no more */
void faults_start(void);
void faults_end(void);
/* In 10000; 0 when faults have ended. */
uint32_t fault_odds(enum fault_kind kind);
/* Whether it befalls now; counted. */
bool fault_hits(enum stream stream, enum fault_kind kind);
event_handler fault_on_event;

/* Ways in which the simulator's own ports break a promise that they may not break: the checkers have to find each. */
enum wrong {
	WRONG_NONE,
	WRONG_STORE_LIES,    /* says committed, and is not */
	WRONG_STORE_FORGETS, /* a message that was committed is gone */
	WRONG_STORE_TWICE,   /* a send is stored twice */
	WRONG_STORE_ORDER,   /* operations of one lane run in another order */
	WRONG_STORE_MARKS,   /* marks go beyond what was asked */
	WRONG_STORE_ANSWERS, /* an operation never comes back */
	WRONG_BUS_SILENT,    /* loses without saying so */
	WRONG_BUS_CONFIRMS,  /* confirms what is not in force */
	WRONG_BUS_FORGES,    /* another message than the one that was said */
	WRONG_NET_LOSES,     /* some bytes of a connection */
	WRONG_NET_REORDERS,  /* frames to a client */
	WRONG_NET_REPEATS,   /* a request */
	WRONG_CLOCK_STOPS,   /* a node's clock stands still */
	WRONG_COUNT
};

extern const char *const wrong_names[WRONG_COUNT];
/* wrong.c: around a transaction, and of an operation that is done. */
bool wrong_before(struct chat_op **ops, size_t count); /* whether the commit is to fail */
void wrong_after(struct chat_op **ops, size_t count);
bool wrong_keeps(struct chat_op *op);

enum phase {
	PHASE_WORK,
	PHASE_SETTLE,
	PHASE_ASK,
	PHASE_LAST,
	PHASE_LEAVE,
	PHASE_DRAIN,
	PHASE_OVER
};

void audit_start(void);
void audit_reply(struct device *device, const struct ask *ask, const struct chat_event *event);
event_handler audit_on_phase;

/* --- The run ----------------------------------------------------------------------------------------- */

struct counts {
	uint64_t seeds, events, virtual_us, sends, pushes, crashes;
	uint64_t operations, transactions;
	uint64_t faults[FAULT_KINDS];
};

/* What a seed draws for itself. */
struct setup {
	unsigned servers, people, devices, steps;
	bool bus, unordered;
	bool tight; /* the store's limits */
	unsigned writers, readers;
	uint32_t batch_max;
	uint32_t work_pause_ms;
	uint64_t store_us, link_us, bus_us;
	struct chat_node_config node;
	struct chat_client_config client;
};

struct sim {
	uint64_t seed;
	const struct profile *profile;
	enum wrong wrong;
	bool tracing;
	uint64_t now_us;
	uint64_t step; /* events so far */
	uint64_t hash;
	enum phase phase;
	bool faulty; /* faults may befall */
	struct setup setup;
	struct server servers[SERVERS_MAX];
	struct device *devices[DEVICES_MAX];
	bool paging; /* a page of catch-up is being pushed */
	uint64_t store_away_until_us;
	uint64_t store_slow_until_us;
	uint32_t steps_left;
	uint32_t steps_wanted; /* 0: as many as the seed says */
	struct counts counts;
};

extern struct sim sim;

/* A promise is broken: the run is over. */
CHAT_PRINTF(2, 3) _Noreturn void sim_fail(const char *checker, const char *format, ...);
/* One run; 0, or 1 where a promise was broken (which has been told). */
int sim_run(uint64_t seed);

#endif
