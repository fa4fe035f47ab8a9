/* SPDX-License-Identifier: MIT */
/* What connections cost that say nothing, and how they come. */
#include "bench.h"

#include <stdlib.h>
#include <string.h>

/* The crowd, if any, says that it is there. */
static void run_silent(double seconds, struct crowd *crowd)
{
	uint64_t until_ns = now_ns() + (uint64_t)(seconds * 1e9);

	while (now_ns() < until_ns) {
		if (crowd)
			crowd_beat(crowd);
		loop_turn(crowd_patience_ms());
	}
}

/* --- Idle -------------------------------------------------------------------------------------------- */

static void mark_memory(uint64_t *before)
{
	for (size_t i = 0; i < options.process_count; i++)
		before[i] = process_memory(&options.processes[i]);
}

static void report_memory(const uint64_t *before, const char *state)
{
	for (size_t i = 0; i < options.process_count; i++) {
		double grown = (double)process_memory(&options.processes[i]) - (double)before[i];

		report(grown / options.users, "bytes", "%s_%s", state, options.processes[i].name);
	}
}

bool mode_idle(void)
{
	enum { FEW = 8 };
	struct user *users = users_new(options.users);
	struct crowd crowd = {.users = users, .count = options.users};
	uint64_t before[BENCH_PROCESSES];

	/* Each has been here before, few at a time: what a server makes once is there already, and little memory is left over. */
	if (options.dialect->accounts) {
		users_login(users, options.users, LOGIN_REGISTER, FEW, NULL);
		run_silent(options.warm, NULL);
	}
	report(options.users, "", "connections");
	mark_memory(before);
	users_login(users, options.users, LOGIN_NONE, LOGIN_AT_A_TIME, NULL);
	run_silent(options.warm, NULL);
	report_memory(before, "open");
	if (options.dialect->accounts) {
		users_login(users, options.users, LOGIN_BY_PASSWORD, LOGIN_AT_A_TIME, NULL);
		run_silent(options.warm, NULL);
		report_memory(before, "logged_in");
	}
	process_mark_all();
	run_silent(options.seconds, &crowd);
	process_stop_all();
	report_cpu(options.seconds, "second");
	users_destroy(users, options.users);
	return true;
}

/* --- Logins ------------------------------------------------------------------------------------------ */

bool mode_login(void)
{
	static struct histogram latencies;
	struct user *users = users_new(options.users);
	uint64_t began_ns, took_ns;

	users_login(users, options.users, LOGIN_NEW, LOGIN_AT_A_TIME, NULL);
	past_conversations(users, options.users);
	past_friends(users, options.users);
	users_close(users, options.users);
	run_silent(options.warm, NULL);
	friends_until_gone(options.users);
	if (options.told)
		say_ready();
	while (options.told && !is_told())
		loop_turn(1);
	began_ns = now_ns();
	process_mark_all();
	users_login(users, options.users, options.by_password ? LOGIN_BY_PASSWORD : LOGIN_BY_TOKEN,
		    options.storm ? options.users : options.window, &latencies);
	took_ns = now_ns() - began_ns;
	friends_until_come(options.users);
	process_stop_all();
	report(options.users, "", "logins");
	report(options.users / ((double)took_ns / 1e9), "", "per_second");
	report_cpu(options.users, "login");
	report_latencies(&latencies);
	friends_leave();
	users_destroy(users, options.users);
	return true;
}
