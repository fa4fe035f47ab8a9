/* SPDX-License-Identifier: MIT */
/* One run: what the seed draws for itself, the events until the end, and what is said where a promise is broken. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "sim.h"

enum { BOUNDS_EVERY = 256, EVENTS_MAX = 20000000 };

struct sim sim;

static jmp_buf failed;

void sim_fail(const char *checker, const char *format, ...)
{
	va_list args;

	fflush(stdout);
	printf("FAILED seed %llu profile %s step %llu at %llu.%06llu s, checker %s: ",
	       (unsigned long long)sim.seed, sim.profile->name, (unsigned long long)sim.step,
	       (unsigned long long)(sim.now_us / SECOND), (unsigned long long)(sim.now_us % SECOND),
	       checker);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n  replay: chat-sim --seed %llu --profile %s", (unsigned long long)sim.seed,
	       sim.profile->name);
	if (sim.steps_wanted > 0)
		printf(" --steps %u", sim.steps_wanted);
	if (sim.wrong != WRONG_NONE)
		printf(" --wrong %s", wrong_names[sim.wrong]);
	printf(" --trace\n");
	fflush(stdout);
	alloc_leave();
	longjmp(failed, 1);
}

/* --- What a run is ----------------------------------------------------------------------------------- */

static uint32_t one_of(const uint32_t *values, uint32_t count)
{
	return values[chance_below(CHANCE_SETUP, count)];
}

#define ONE_OF(...)                                                                                \
	one_of((const uint32_t[]){__VA_ARGS__},                                                    \
	       sizeof((const uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t))

static void setup_sizes(struct setup *setup)
{
	setup->servers = ONE_OF(1, 1, 2, 2, 2, 3, 3, 3, 4, 5);
	setup->people = 2 + chance_below(CHANCE_SETUP, 7);
	setup->devices = setup->people + chance_below(CHANCE_SETUP, 6);
	setup->steps = 60 + chance_below(CHANCE_SETUP, 540);
	if (chance_hits(CHANCE_SETUP, 50)) { /* a crowd */
		setup->people = 10 + chance_below(CHANCE_SETUP, 50);
		setup->devices = setup->people + chance_below(CHANCE_SETUP, 41);
		setup->steps = 1500;
	}
	if (sim.steps_wanted > 0)
		setup->steps = sim.steps_wanted;
	setup->work_pause_ms = ONE_OF(5, 50, 150, 300, 600);
}

static void setup_ports(struct setup *setup)
{
	setup->bus = setup->servers > 1 || chance_hits(CHANCE_SETUP, 3000);
	setup->unordered = setup->servers > 1 || chance_hits(CHANCE_SETUP, 3000);
	setup->writers = 1;
	setup->readers = 0;
	if (setup->unordered)
		setup->writers = ONE_OF(2, 3, 4, 4);
	else
		setup->readers = ONE_OF(0, 1, 2);
	setup->batch_max = ONE_OF(1, 2, 8, 512, 512);
	setup->tight = chance_hits(CHANCE_SETUP, 1500);
	setup->store_us = ONE_OF(100, 1000, 3000, 10000, 40000);
	if (setup->store_us > 5000 && setup->batch_max < 8)
		setup->batch_max = 8; /* else it could not keep up */
	setup->link_us = ONE_OF(200, 2000, 20000, 80000);
	setup->bus_us = ONE_OF(200, 1000, 5000, 60000);
}

static void setup_node(struct chat_node_config *node)
{
	chat_node_config_init(node);
	node->heartbeat_ms = ONE_OF(3000, 10000, 30000);
	node->login_timeout_ms = ONE_OF(5000, 30000);
	node->lease_ms = ONE_OF(3000, 6000, 15000);
	node->send_rate = ONE_OF(0, 0, 20, 1000);
	node->login_rate = ONE_OF(0, 0, 600);
	node->register_rate = ONE_OF(0, 600);
	node->drain_ms = ONE_OF(100, 2000);
	node->output_high = ONE_OF(4096, 16384, 65536, 262144);
	node->requests_in_flight = ONE_OF(1, 4, 16, 64);
}

static void setup_client(struct chat_client_config *client)
{
	*client = (struct chat_client_config){.name = "sim"};
	client->backoff_max_ms = ONE_OF(2000, 10000, 30000);
	client->ack_delay_ms = ONE_OF(1, 100, 500, 2000);
	client->ack_count = ONE_OF(1, 8, 64);
	client->reply_timeout_ms = ONE_OF(20000, 60000);
}

static void start_people(void)
{
	char hash[64];

	for (unsigned i = 0; i < sim.setup.people; i++) {
		struct person *person = model_person_new();
		struct chat_op *op;

		/* The last ones are registered in the course of the run, if at all. */
		if (i > 1 && i + 2 > sim.setup.people)
			continue;
		op = chat_op_create(CHAT_OP_USER_CREATE);
		if (!op)
			abort();
		snprintf(hash, sizeof(hash), "$sim$%s", person->password);
		op->u.user.name = chat_view_of(person->name);
		op->u.user.hash = chat_view_of(hash);
		if (store_run(op) != CHAT_CODE_OK)
			sim_fail("setup", "nobody can be registered");
	}
}

static void start(void)
{
	setup_sizes(&sim.setup);
	setup_ports(&sim.setup);
	setup_node(&sim.setup.node);
	setup_client(&sim.setup.client);
	store_wipe();
	model_start();
	start_people();
	for (unsigned i = 0; i < sim.setup.servers; i++) {
		struct server *server = &sim.servers[i];

		server->index = i;
		snprintf(server->name, sizeof(server->name), "n%u", i + 1);
		server_start(server);
	}
	devices_start();
	faults_start();
	work_start();
}

static void finish(void)
{
	devices_finish();
	servers_finish();
	links_finish();
	clock_finish();
	model_finish();
}

int sim_run(uint64_t seed)
{
	sim.seed = seed;
	sim.hash = seed;
	sim.phase = PHASE_WORK;
	sim.faulty = sim.paging = false;
	chance_seed(seed);
	clock_start();
	if (setjmp(failed) != 0) {
		/* Somebody is in the middle of something: what there is is left as it is. */
		memset(sim.devices, 0, sizeof(sim.devices));
		memset(sim.servers, 0, sizeof(sim.servers));
		links_forget();
		clock_finish();
		return 1;
	}
	start();
	while (sim.phase != PHASE_OVER) {
		if (!clock_step())
			sim_fail("clock", "nothing is to happen any more");
		if (sim.step % BOUNDS_EVERY == 0)
			check_bounds();
		if (sim.step > EVENTS_MAX)
			sim_fail("liveness", "there is no end to it");
	}
	trace_number(sim.now_us);
	sim.counts.seeds++;
	sim.counts.virtual_us += sim.now_us;
	finish();
	return 0;
}
