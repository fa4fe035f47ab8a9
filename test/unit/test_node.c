/* SPDX-License-Identifier: MIT */
/* A node's connections: logins, what holds their input, timeouts, the ways they end, and the end of the node. */
#include "node/internal.h"
#include "node_world.h"

/* --- Logins ------------------------------------------------------------------------------------------ */

/* The node says nothing until it is spoken to; then who it is and what it expects. */
static void test_hello(void **state)
{
	struct peer *p = peer_connect();

	(void)state;
	settle();
	hear_nothing(p);
	say(p, "'type':'hello','id':'a','version':1,'client':'test'");
	hear(p, "'type':'ok','id':'a','version':1,'server':'test/1','node':'n1',"
		"'max_frame':65536,'heartbeat':30000");
	say(p, "'type':'ping'");
	hear(p, "'type':'pong'");
	hear_nothing(p);
	say(p, "'type':'send','id':1,'user':2,'text':'x'");
	hear(p, "'type':'error','id':1,'code':'not_logged_in'");
}

/* Whoever registers has an account, and no session yet; the name is theirs, in whatever case. */
static void test_register(void **state)
{
	struct peer *p = peer_connect();

	(void)state;
	say(p, "'type':'register','id':1,'name':'Erin','password':'password2'");
	settle();
	hear(p, "'type':'ok','id':1,'user':{'id':5,'name':'Erin'}");
	say(p, "'type':'register','id':2,'name':'eRIN','password':'password3'");
	settle();
	hear(p, "'type':'error','id':2,'code':'name_taken'");
	say(p, "'type':'groups','id':3");
	hear(p, "'type':'error','id':3,'code':'not_logged_in'");
	say(p, "'type':'login','id':4,'name':'erin','password':'password2'");
	settle();
	hear(p,
	     "'type':'ok','id':4,'user':{'id':5,'name':'Erin'},'device':'default','pending':0,"
	     "'heartbeat':30000,'token_expires':%lld",
	     1795410001000LL + 30LL * 86400 * 1000);
	hear_nothing(p);
}

/* A wrong password, and a user who does not exist, are the same answer after the same work. */
static void test_wrong_password(void **state)
{
	struct peer *p = peer_connect();

	(void)state;
	say(p, "'type':'login','id':1,'name':'alice','password':'password2'");
	settle();
	hear(p, "'type':'error','id':1,'code':'invalid_credentials'");
	assert_int_equal(world.submitted[CHAT_OP_VERIFY], 1);
	say(p, "'type':'login','id':2,'name':'nobody','password':'password1'");
	settle();
	hear(p, "'type':'error','id':2,'code':'invalid_credentials'");
	assert_int_equal(world.submitted[CHAT_OP_VERIFY], 2);
	say(p, "'type':'login','id':3,'token':'x'");
	settle();
	hear(p, "'type':'error','id':3,'code':'invalid_credentials'");
	say(p, "'type':'login','id':4,'name':'alice','password':'password1'");
	settle();
	hear(p, "'type':'ok','id':4");
}

/* A token logs in again as the device that it was given to, and is the same afterwards. */
static void test_token(void **state)
{
	struct peer *first = login(ALICE, "phone"), *second = peer_connect();

	(void)state;
	peer_break(first);
	settle();
	pass(1000);
	say(second, "'type':'login','id':2,'token':'%s'", first->token);
	settle();
	hear(second,
	     "'type':'ok','id':2,'token':'%s','device':'phone','user':{'id':1,'name':'alice'},"
	     "'token_expires':%lld",
	     first->token, 1795410002000LL + 30LL * 86400 * 1000);
}

/* Two tokens are never alike: every one takes new random bytes. */
static void test_tokens_differ(void **state)
{
	struct peer *a = login(ALICE, "a"), *b = login(ALICE, "b"), *c = login(BOB, "a");

	(void)state;
	assert_string_not_equal(a->token, b->token);
	assert_string_not_equal(a->token, c->token);
	assert_string_not_equal(b->token, c->token);
}

/* A device is online once: the second login is refused, or with `replace` the first is told and closed. */
static void test_replace(void **state)
{
	struct peer *first = login(ALICE, "phone"), *second = peer_connect();

	(void)state;
	say(second, "'type':'login','id':1,'user':1,'password':'password1','device':'phone'");
	settle();
	hear(second, "'type':'error','id':1,'code':'already_online'");
	hear_nothing(first);
	say(second, "'type':'login','id':2,'user':1,'password':'password1','device':'phone',"
		    "'replace':true");
	settle();
	hear(second, "'type':'ok','id':2");
	hear(first, "'type':'bye','code':'replaced','reconnect':false");
	assert_true(first->closed);
	assert_true(stored_online(ALICE, "phone"));
	assert_int_equal(send_text(second, BOB, "still here"), 1);
}

/* Other devices are told bye where one removes them or changes the password; one's own hears `ok` first. */
static void test_removed(void **state)
{
	struct peer *a = login(ALICE, "a"), *b = login(ALICE, "b"), *c = login(ALICE, "c");
	struct peer *again = peer_connect();

	(void)state;
	say(a, "'type':'device.remove','id':1,'device':'b'");
	settle();
	hear(a, "'type':'ok','id':1");
	hear(b, "'type':'bye','code':'removed','reconnect':false");
	say(a, "'type':'password','id':2,'old':'password1','new':'password2'");
	settle();
	hear(a, "'type':'ok','id':2");
	hear(c, "'type':'bye','code':'removed'");
	assert_true(b->closed && c->closed && !a->closed);
	say(a, "'type':'device.remove','id':3,'device':'a'");
	settle();
	hear(a, "'type':'ok','id':3");
	hear_bye(a, "removed");
	say(again, "'type':'login','id':4,'token':'%s'", a->token);
	settle();
	hear(again, "'type':'error','id':4,'code':'invalid_credentials'");
}

/* Attempts from one address are counted in a minute; others are not made to wait, and it is told for how long. */
static void test_login_rate(void **state)
{
	struct peer *p, *other;
	json_int_t retry_ms;

	(void)state;
	world.config.login_rate = 2;
	world.config.login_timeout_ms = 120000;
	world_configure();
	p = peer_connect_from("1.2.3.4");
	other = peer_connect_from("1.2.3.5");
	for (int i = 0; i < 2; i++) {
		say(p, "'type':'login','user':1,'password':'password%d'", 2);
		settle();
		hear(p, "'type':'error','code':'invalid_credentials'");
	}
	say(p, "'type':'login','id':3,'user':1,'password':'password1'");
	settle();
	retry_ms = json_integer_value(json_object_get(
		hear(p, "'type':'error','id':3,'code':'rate_limited'"), "retry_after"));
	assert_in_range(retry_ms, 1, 30000);
	say(other, "'type':'login','id':4,'user':2,'password':'password1'");
	settle();
	hear(other, "'type':'ok','id':4");
	pass((uint64_t)retry_ms);
	say(p, "'type':'login','id':5,'user':1,'password':'password1'");
	settle();
	hear(p, "'type':'ok','id':5");
}

/* Tokens cannot be guessed at will either, and one that is good costs no attempt. */
static void test_token_rate(void **state)
{
	struct peer *alice = login(ALICE, "a"), *p;
	const char *token = alice->token;

	(void)state;
	world.config.login_rate = 2;
	world_configure();
	for (int i = 0; i < 5; i++) {
		p = peer_connect();
		say(p, "'type':'login','id':1,'token':'%s','replace':true", token);
		settle();
		hear(p, "'type':'ok','id':1");
	}
	p = peer_connect();
	for (int i = 0; i < 2; i++) {
		say(p, "'type':'login','id':2,'token':'guess%d'", i);
		settle();
		hear(p, "'type':'error','id':2,'code':'invalid_credentials'");
	}
	say(p, "'type':'login','id':3,'token':'%s'", token);
	settle();
	hear(p, "'type':'error','id':3,'code':'rate_limited'");
}

/* Registering has a count of its own. */
static void test_register_rate(void **state)
{
	struct peer *p = peer_connect();

	(void)state;
	world.config.register_rate = 1;
	world_configure();
	say(p, "'type':'register','id':1,'name':'erin','password':'password1'");
	settle();
	hear(p, "'type':'ok','id':1");
	say(p, "'type':'register','id':2,'name':'frank','password':'password1'");
	settle();
	hear(p, "'type':'error','id':2,'code':'rate_limited'");
	say(p, "'type':'login','id':3,'name':'erin','password':'password1'");
	settle();
	hear(p, "'type':'ok','id':3");
}

/* --- What holds input -------------------------------------------------------------------------------- */

/* What follows a login is handled after it, though it comes with it. */
static void test_login_holds(void **state)
{
	struct peer *p = peer_connect();

	(void)state;
	say_bytes(p, chat_view_of("{\"type\":\"ping\",\"id\":1}\n"
				  "{\"type\":\"login\",\"id\":2,\"user\":1,\"password\":"
				  "\"password1\"}\n"
				  "{\"type\":\"send\",\"id\":3,\"user\":2,\"text\":\"x\"}\n"
				  "{\"type\":\"ping\",\"id\":4}\n"));
	hear(p, "'type':'pong','id':1");
	hear_nothing(p);
	assert_true(p->paused);
	world.held[CHAT_OP_APPEND] = true;
	settle();
	hear(p, "'type':'ok','id':2");
	hear(p, "'type':'pong','id':4");
	release(CHAT_OP_APPEND);
	hear(p, "'type':'ok','id':3,'seq':1");
	hear_nothing(p);
}

/* A logout waits until all before it is answered, and after its `ok` nothing is pushed. */
static void test_logout_settles(void **state)
{
	struct peer *alice = login(ALICE, "a"), *bob = login(BOB, "b");

	(void)state;
	world.held[CHAT_OP_APPEND] = true;
	say(alice, "'type':'send','id':1,'user':2,'text':'x'");
	say(alice, "'type':'logout','id':2");
	say(alice, "'type':'ping','id':3");
	settle();
	hear_nothing(alice);
	assert_int_equal(world.submitted[CHAT_OP_SESSION_CLOSE], 0);
	release(CHAT_OP_APPEND);
	hear(alice, "'type':'ok','id':1,'seq':1");
	hear(alice, "'type':'ok','id':2");
	hear(alice, "'type':'pong','id':3");
	assert_false(stored_online(ALICE, "a"));
	hear(bob, "'type':'message','seq':1");
	send_text(bob, ALICE, "are you there?");
	hear_nothing(alice);
	say(alice, "'type':'login','id':4,'token':'%s'", alice->token);
	settle();
	hear(alice, "'type':'error','id':4,'code':'invalid_credentials'");
}

/* The removal of one's own device waits for all before it, too: its bye is not to be in the place of their answers. */
static void test_removal_settles(void **state)
{
	struct peer *alice = login(ALICE, "a"), *bob = login(BOB, "b");

	(void)state;
	world.held[CHAT_OP_APPEND] = true;
	say(alice, "'type':'send','id':1,'user':2,'text':'x'");
	say(alice, "'type':'device.remove','id':2,'device':'a'");
	say(alice, "'type':'send','id':3,'user':2,'text':'not any more'");
	settle();
	hear_nothing(alice);
	release(CHAT_OP_APPEND);
	hear(alice, "'type':'ok','id':1,'seq':1");
	hear(alice, "'type':'ok','id':2");
	hear_bye(alice, "removed");
	hear_messages(bob, 1, 1);
	hear_nothing(bob);
}

/* At requests_in_flight no more is read from a connection, until some are answered; nothing is lost or done twice. */
static void test_in_flight(void **state)
{
	struct peer *alice = login(ALICE, "a"), *bob = login(BOB, "b");

	(void)state;
	world.config.requests_in_flight = 2;
	world_configure();
	world.held[CHAT_OP_APPEND] = true;
	for (int i = 1; i <= 5; i++)
		say(alice, "'type':'send','id':%d,'user':2,'text':'number %d'", i, i);
	assert_int_equal(waiting(CHAT_OP_APPEND), 2);
	assert_true(alice->paused);
	say(bob, "'type':'user','id':1,'user':1"); /* nobody else waits */
	settle();
	hear(bob, "'type':'ok','id':1");
	assert_false(alice->resumed);
	op_finish(CHAT_OP_APPEND);
	assert_true(alice->resumed);
	settle();
	assert_int_equal(waiting(CHAT_OP_APPEND), 2);
	release(CHAT_OP_APPEND);
	assert_int_equal(world.submitted[CHAT_OP_APPEND], 5);
	for (int i = 1; i <= 5; i++) {
		hear(alice, "'type':'ok','id':%d,'seq':%d", i, i);
		hear(bob, "'type':'message','seq':%d,'text':'number %d'", i, i);
	}
	hear_nothing(alice);
	hear_nothing(bob);
}

/* A page weighs as much as many small requests. */
static void test_pages_weigh(void **state)
{
	struct peer *alice = login(ALICE, "a");

	(void)state;
	world.config.requests_in_flight = 2 * NODE_PAGE_WEIGHT;
	world_configure();
	world.held[CHAT_OP_HISTORY] = true;
	for (int i = 1; i <= 5; i++)
		say(alice, "'type':'history','id':%d,'user':2", i);
	assert_int_equal(waiting(CHAT_OP_HISTORY), 2);
	release(CHAT_OP_HISTORY);
	for (int i = 1; i <= 5; i++)
		hear(alice, "'type':'ok','id':%d,'messages':[],'more':false", i);
}

/* Who does not take what they are sent is not read either, and goes on where they stopped. */
static void test_output_holds(void **state)
{
	struct peer *p = peer_connect();
	int heard = 0;

	(void)state;
	world.config.output_high = 4096;
	world_configure();
	p->slow = true;
	for (int i = 1; i <= 1000; i++)
		say(p, "'type':'ping','id':%d", i);
	assert_true(p->paused);
	assert_true(unheard(p) < 300);
	while (heard < 1000) {
		size_t count = unheard(p);

		assert_true(count > 0);
		for (; count > 0; count--)
			hear(p, "'type':'pong','id':%d", ++heard);
		peer_drain(p);
		settle();
	}
	hear_nothing(p);
	assert_in_range(p->queued_most, 4096, 4096 + 64);
}

/* Whoever asks faster than send_rate is read more slowly, and loses nothing. */
static void test_send_rate(void **state)
{
	struct peer *p;
	int heard = 0;

	(void)state;
	world.config.send_rate = 10;
	world_configure();
	p = peer_connect();
	for (int i = 1; i <= 25; i++)
		say(p, "'type':'ping','id':%d", i);
	assert_int_equal(unheard(p), 10);
	pass(99);
	assert_int_equal(unheard(p), 10);
	pass(1);
	assert_int_equal(unheard(p), 11);
	pass(900);
	assert_int_equal(unheard(p), 20);
	pass(500);
	assert_int_equal(unheard(p), 25);
	while (heard < 25)
		hear(p, "'type':'pong','id':%d", ++heard);
	/* silence saves up a second's worth, and no more */
	pass(60000);
	p = peer_connect();
	pass(20000);
	for (int i = 1; i <= 25; i++)
		say(p, "'type':'ping','id':%d", i);
	assert_int_equal(unheard(p), 10);
}

/* --- Silence ----------------------------------------------------------------------------------------- */

/* A connection has login_timeout to log in, whatever else it says. */
static void test_login_timeout(void **state)
{
	struct peer *quiet = peer_connect(), *busy = peer_connect(), *user = login(ALICE, "a");

	(void)state;
	pass(20000);
	say(busy, "'type':'ping'");
	hear(busy, "'type':'pong'");
	pass(9999);
	hear_nothing(quiet);
	pass(1);
	hear(quiet, "'type':'bye','code':'idle','reconnect':true");
	hear_bye(busy, "idle");
	assert_true(quiet->closed);
	hear_nothing(user);
	assert_false(user->closed);
}

/* A login that is on its way when the time is up is let finish. */
static void test_login_in_time(void **state)
{
	struct peer *p = peer_connect();

	(void)state;
	world.held[CHAT_OP_VERIFY] = true;
	pass(29000);
	say(p, "'type':'login','id':1,'user':1,'password':'password1'");
	pass(20000);
	hear_nothing(p);
	release(CHAT_OP_VERIFY);
	hear(p, "'type':'ok','id':1");
	pass(60000);
	assert_false(p->closed);
}

/* After a logout the time to log in begins anew. */
static void test_logout_timeout(void **state)
{
	struct peer *p = login(ALICE, "a");

	(void)state;
	pass(50000);
	say(p, "'type':'logout','id':1");
	settle();
	hear(p, "'type':'ok','id':1");
	pass(29999);
	hear_nothing(p);
	pass(1);
	hear_bye(p, "idle");
}

/* Three heartbeats of silence are the end; anything that comes, a blank line too, puts it off. */
static void test_idle(void **state)
{
	struct peer *p = login(ALICE, "a"), *other = login(BOB, "b");

	(void)state;
	pass(89999);
	assert_false(p->closed);
	say_bytes(p, chat_view_of("\n"));
	pass(1);
	hear_bye(other, "idle");
	assert_false(stored_online(BOB, "b"));
	pass(89998);
	hear_nothing(p);
	assert_true(stored_online(ALICE, "a"));
	pass(1);
	hear(p, "'type':'bye','code':'idle','reconnect':true");
	assert_true(p->closed);
	assert_false(stored_online(ALICE, "a"));
}

/* Who is slow, but takes what they are sent, is there. */
static void test_slow_is_not_idle(void **state)
{
	struct peer *p, *bob = login(BOB, "b");

	(void)state;
	world.config.output_high = 4096;
	world_configure();
	p = login(ALICE, "a");
	p->slow = true;
	send_many(bob, ALICE, 100);
	assert_true(p->full);
	pass(80000);
	peer_take(p, 4096);
	settle();
	assert_true(p->full);
	pass(89999);
	assert_false(p->closed);
	pass(90000); /* for as long again, and nothing is taken */
	assert_true(p->closed);
}

/* --- The end of a connection ------------------------------------------------------------------------- */

/* A number is never used twice, and a number that is not known is no harm. */
static void test_numbers(void **state)
{
	static const char frame[] = "{\"type\":\"ping\"}\n";
	struct peer *a = peer_connect(), *b;
	bool paused = true;

	(void)state;
	peer_break(a);
	b = peer_connect();
	assert_true(b->conn > a->conn);
	assert_int_equal(chat_node_input(world.node, a->conn, chat_view_of(frame), &paused),
			 sizeof(frame) - 1);
	assert_false(paused);
	chat_node_drained(world.node, a->conn);
	chat_node_input_end(world.node, a->conn);
	chat_node_disconnect(world.node, a->conn);
	chat_node_disconnect(world.node, 7);
	say(b, "'type':'ping'");
	hear(b, "'type':'pong'");
}

/* The 16th frame that is no JSON is answered, and is the last; what came behind it is not looked at. */
static void test_bad_frames(void **state)
{
	struct peer *p = peer_connect();

	(void)state;
	for (int i = 1; i < NODE_BAD_FRAMES_MAX; i++) {
		say_bytes(p, chat_view_of("hello\n"));
		hear(p, "'type':'error','code':'bad_json'");
		say(p, "'type':'dance'"); /* bad, but JSON */
		hear(p, "'type':'error','code':'unknown_type'");
	}
	hear_nothing(p);
	say_bytes(p, chat_view_of("hello\nhello\n{\"type\":\"ping\"}\n"));
	hear(p, "'type':'error','code':'bad_json'");
	hear(p, "'type':'bye','code':'protocol_error','reconnect':false");
	hear_nothing(p);
	assert_true(p->closed);
}

/* A frame that is too long ends the connection as soon as that is certain. */
static void test_frame_too_large(void **state)
{
	struct peer *p = login(ALICE, "a");
	static char bytes[CHAT_FRAME_DEFAULT];

	(void)state;
	memset(bytes, 'x', sizeof(bytes));
	say_bytes(p, (struct chat_view){bytes, sizeof(bytes) - 1});
	hear_nothing(p);
	say_bytes(p, chat_view_of("x"));
	hear(p, "'type':'error','code':'frame_too_large'");
	hear_bye(p, "protocol_error");
	settle();
	assert_false(stored_online(ALICE, "a"));
}

/* Where the peer says no more, what it asked is answered, and then the connection is closed. */
static void test_input_end(void **state)
{
	struct peer *idle = peer_connect(), *p = login(ALICE, "a"), *bob = login(BOB, "b");

	(void)state;
	peer_end(idle);
	assert_true(idle->closed);
	world.config.requests_in_flight = 1;
	world_configure();
	world.held[CHAT_OP_APPEND] = true;
	say(bob, "'type':'send','id':5,'user':2,'text':'a note'");
	peer_end(bob);
	assert_false(bob->closed);
	for (int i = 1; i <= 3; i++)
		say(p, "'type':'send','id':%d,'user':2,'text':'x'", i);
	say(p, "'type':'ping','id':4");
	peer_end(p);
	settle();
	assert_false(p->closed);
	release(CHAT_OP_APPEND);
	for (int i = 1; i <= 3; i++)
		hear(p, "'type':'ok','id':%d,'seq':%d", i, i);
	hear(p, "'type':'pong','id':4");
	hear_nothing(p);
	assert_true(p->closed);
	assert_false(stored_online(ALICE, "a"));
	hear(bob, "'type':'ok','id':5,'seq':1");
	assert_true(bob->closed);
}

/* A connection that nothing can be sent on is closed, and its user is gone. */
static void test_broken(void **state)
{
	struct peer *alice = login(ALICE, "a"), *bob = login(BOB, "b");

	(void)state;
	alice->broken = true;
	say(alice, "'type':'ping'");
	assert_true(alice->closed);
	bob->broken = true;
	alice = login(ALICE, "a");
	assert_int_equal(send_text(alice, BOB, "x"), 1);
	assert_true(bob->closed);
	assert_false(stored_online(BOB, "b"));
	bob = login(BOB, "b");
	hear_messages(bob, 1, 1);
}

/* No more connections than max_connections; one that goes makes room. */
static void test_max_connections(void **state)
{
	struct peer *a = peer_connect(), *b = peer_connect();
	struct chat_node_stats stats;
	uint64_t conn = 0;

	(void)state;
	world.config.max_connections = 2;
	world_configure();
	assert_int_equal(chat_node_connect(world.node, &chat_codec_json, chat_view_of("x"), &conn),
			 CHAT_ERR_FULL);
	assert_int_equal(conn, 0);
	peer_break(a);
	a = peer_connect();
	say(b, "'type':'ping'");
	hear(b, "'type':'pong'");
	chat_node_stats_get(world.node, &stats);
	assert_int_equal(stats.connections, 2);
	assert_int_equal(stats.sessions, 0);
}

/* --- The node ---------------------------------------------------------------------------------------- */

/* Settings that make no sense are refused, and the ones before stay. */
static void test_config(void **state)
{
	static const struct chat_env env = {0};
	static const struct chat_transport transport = {0};
	struct chat_node_config config = world.config;
	struct chat_node *node = NULL;

	(void)state;
	config.name = NULL;
	assert_int_equal(chat_node_create(&config, &env, &transport, NULL, &node),
			 CHAT_ERR_INVALID);
	config = world.config;
	config.output_high = 100;
	assert_int_equal(chat_node_create(&config, &env, &transport, NULL, &node),
			 CHAT_ERR_INVALID);
	assert_null(node);
	config.heartbeat_ms = 5;
	assert_int_equal(chat_node_configure(world.node, &config), CHAT_ERR_INVALID);
	config = world.config;
	config.name = "n2"; /* stays what it was */
	config.heartbeat_ms = 10000;
	assert_int_equal(chat_node_configure(world.node, &config), 0);
	say(peer_connect(), "'type':'hello'");
	hear(&world.peers[0], "'type':'ok','node':'n1','heartbeat':10000");
	pass(30000);
	assert_true(world.peers[0].closed);
	chat_node_destroy(NULL);
}

/* While a node runs it says so to the store, well within the lease: its users stay online. */
static void test_beats(void **state)
{
	struct peer *p = login(ALICE, "a");

	(void)state;
	for (int i = 0; i < 10; i++) {
		pass(20000);
		assert_true(stored_online(ALICE, "a"));
		say(p, "'type':'ping'");
	}
	assert_int_equal(world.submitted[CHAT_OP_NODE_BEAT], 200000 / (15000 / 3));
}

/* A draining node takes nobody new, and says so to whom it has; they are sent away one after another. */
static void test_drain(void **state)
{
	struct peer *peers[10];
	uint64_t conn;
	size_t half = 0;

	(void)state;
	for (int i = 0; i < 10; i++)
		peers[i] = i == 3 ? peer_connect() : login(BOB, (char[]){(char)('a' + i), '\0'});
	chat_node_drain(world.node);
	assert_int_equal(chat_node_connect(world.node, &chat_codec_json, chat_view_of("x"), &conn),
			 CHAT_ERR_STATE);
	say(peers[3], "'type':'login','id':1,'user':1,'password':'password1'");
	hear(peers[3], "'type':'error','id':1,'code':'shutting_down'");
	say(peers[9], "'type':'ping','id':2");
	hear(peers[9], "'type':'error','id':2,'code':'shutting_down'");
	assert_false(chat_node_is_drained(world.node));
	pass(world.config.drain_ms / 2);
	for (int i = 0; i < 10; i++)
		half += peers[i]->closed;
	assert_in_range(half, 3, 7);
	pass(world.config.drain_ms / 2 + 100);
	for (int i = 0; i < 10; i++) {
		json_t *bye = hear(peers[i], "'type':'bye','code':'shutdown','reconnect':true");

		assert_in_range(json_integer_value(json_object_get(bye, "retry_after")), 1, 10000);
		hear_nothing(peers[i]);
		assert_true(peers[i]->closed);
	}
	assert_int_equal(world.submitted[CHAT_OP_NODE_STOP], 1);
	assert_true(chat_node_is_drained(world.node));
	assert_false(stored_online(BOB, "a"));
}

/* What is on the way is answered before the bye, and the drain is not over before. */
static void test_drain_waits(void **state)
{
	struct peer *alice = login(ALICE, "a");

	(void)state;
	world.held[CHAT_OP_APPEND] = true;
	say(alice, "'type':'send','id':1,'user':2,'text':'x'");
	chat_node_drain(world.node);
	pass(5000);
	hear_nothing(alice);
	assert_false(chat_node_is_drained(world.node));
	release(CHAT_OP_APPEND);
	pass(100);
	hear(alice, "'type':'ok','id':1,'seq':1");
	hear_bye(alice, "shutdown");
	assert_true(chat_node_is_drained(world.node));
}

/* A node that nobody is connected to is drained as soon as the store knows; to drain twice is to drain once. */
static void test_drain_nobody(void **state)
{
	(void)state;
	chat_node_drain(world.node);
	chat_node_drain(world.node);
	assert_false(chat_node_is_drained(world.node));
	settle();
	assert_true(chat_node_is_drained(world.node));
	assert_int_equal(world.submitted[CHAT_OP_NODE_STOP], 1);
	pass(20000);
	assert_int_equal(world.submitted[CHAT_OP_NODE_BEAT], 0);
}

/* What was acked is written before a drained node ends. */
static void test_drain_writes(void **state)
{
	struct peer *alice = login(ALICE, "a"), *bob = login(BOB, "b");

	(void)state;
	send_text(alice, BOB, "x");
	say(bob, "'type':'ack','user':1,'seq':1");
	chat_node_drain(world.node);
	pass(world.config.drain_ms + 100);
	assert_true(chat_node_is_drained(world.node));
	assert_int_equal(stored_mark(BOB, "b", (struct chat_target){.user = ALICE}), 1);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, world_setup, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_hello),
		TEST(test_register),
		TEST(test_wrong_password),
		TEST(test_token),
		TEST(test_tokens_differ),
		TEST(test_replace),
		TEST(test_removed),
		TEST(test_login_rate),
		TEST(test_token_rate),
		TEST(test_register_rate),
		TEST(test_login_holds),
		TEST(test_logout_settles),
		TEST(test_removal_settles),
		TEST(test_in_flight),
		TEST(test_pages_weigh),
		TEST(test_output_holds),
		TEST(test_send_rate),
		TEST(test_login_timeout),
		TEST(test_login_in_time),
		TEST(test_logout_timeout),
		TEST(test_idle),
		TEST(test_slow_is_not_idle),
		TEST(test_numbers),
		TEST(test_bad_frames),
		TEST(test_frame_too_large),
		TEST(test_input_end),
		TEST(test_broken),
		TEST(test_max_connections),
		TEST(test_config),
		TEST(test_beats),
		TEST(test_drain),
		TEST(test_drain_waits),
		TEST(test_drain_nobody),
		TEST(test_drain_writes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
