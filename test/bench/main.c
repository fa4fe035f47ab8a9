/* SPDX-License-Identifier: MIT */
/* What is asked for on the command line. */
#include "bench.h"

#include <arpa/inet.h>
#include <getopt.h>
#include <poll.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

struct options options = {.dialect = &dialect_chat,
			  .users = 200,
			  .window = 16,
			  .text = 100,
			  .backlog = 1000,
			  .seconds = 5,
			  .warm = 1};

static const struct dialect *const dialects[] = {
	&dialect_chat, &dialect_relay, &dialect_relay_answers, &dialect_irc, &dialect_mqtt,
};
enum { DIALECTS = sizeof(dialects) / sizeof(*dialects) };

static const struct {
	const char *name;
	bool (*run)(void);
	bool accounts; /* without them there is nothing to measure */
	const char *help;
} modes[] = {
	{"pairs", mode_pairs, false, "users in pairs, one of each sends to the other"},
	{"cluster", mode_cluster, false, "the same, the two at different addresses"},
	{"fanout", mode_fanout, false, "one sends to a group of all"},
	{"idle", mode_idle, false,
	 "connections that say nothing: their memory, the CPU that they take"},
	{"login", mode_login, true, "logins by token or password, or all at once"},
	{"offline", mode_offline, true,
	 "a backlog of each user's, sent while they are away, and drained"},
	{"history", mode_history, true,
	 "pages of a long conversation, at its beginning, middle and end"},
};
enum { MODES = sizeof(modes) / sizeof(*modes) };

static const struct number {
	const char *name;
	unsigned *value, least, most;
	const char *help;
} numbers[] = {
	{"users", &options.users, 2, 200000, "how many users"},
	{"window", &options.window, 1, BENCH_OUTSTANDING,
	 "messages of a sender on their way, or logins"},
	{"text", &options.text, BENCH_TEXT_MIN, 16384, "bytes of a text"},
	{"ack", &options.ack_every, 1, BENCH_OUTSTANDING,
	 "messages to an ack; else as many as the window, 16 at most"},
	{"rate", &options.rate, 1, 1000000, "messages a second by the clock, instead of a window"},
	{"backlog", &options.backlog, 1, 10000000, "messages that wait for each user"},
	{"before", &options.before, 1, 1000000000, "messages of all before it is measured"},
	{"crowd", &options.crowd, 1, 200000, "users who are online besides"},
	{"heartbeat", &options.heartbeat, 1, 3600,
	 "seconds after which who is idle says that they are there"},
	{"conversations", &options.conversations, 1, 10000, "conversations that each has besides"},
	{"friends", &options.friends, 1, 1000, "friends who are online when one logs in"},
};
enum { NUMBERS = sizeof(numbers) / sizeof(*numbers) };

void die(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fputs("chat-bench: ", stderr);
	vfprintf(stderr, format, args);
	fputs("\n", stderr);
	va_end(args);
	exit(2);
}

static void usage(void)
{
	puts("chat-bench MODE --to HOST:PORT [--to ...] [--process NAME=PID ...] [OPTION "
	     "...]\n\nmodes:");
	for (size_t i = 0; i < MODES; i++)
		printf("  %-8s %s\n", modes[i].name, modes[i].help);
	puts("\noptions:");
	for (size_t i = 0; i < NUMBERS; i++)
		printf("  --%-13s %s\n", numbers[i].name, numbers[i].help);
	puts("  --seconds       how long it is measured\n"
	     "  --warm          and before that not\n"
	     "  --told          said to be `ready`, and begun and ended when a line comes\n"
	     "  --password      log in by it, not by token\n"
	     "  --storm         log in all at once\n"
	     "  --dialect       of what is there: chat, relay, relay-answers, irc or mqtt\n"
	     "  --json          one object, not a line");
	exit(0);
}

static void take_address(const char *text)
{
	struct sockaddr_in *to = &options.to[options.to_count];
	char host[64];
	const char *colon = strrchr(text, ':');

	if (options.to_count == BENCH_ADDRESSES || !colon || (size_t)(colon - text) >= sizeof(host))
		die("--to %s: HOST:PORT, %d times at most", text, BENCH_ADDRESSES);
	memcpy(host, text, (size_t)(colon - text));
	host[colon - text] = '\0';
	to->sin_family = AF_INET;
	to->sin_port = htons((uint16_t)strtoul(colon + 1, NULL, 10));
	if (inet_pton(AF_INET, host, &to->sin_addr) != 1)
		die("--to %s: the host is an IPv4 address", text);
	options.to_count++;
}

static void take_process(char *text)
{
	struct process *process = &options.processes[options.process_count];
	char *equals = strchr(text, '=');

	if (options.process_count == BENCH_PROCESSES || !equals)
		die("--process %s: NAME=PID, %d times at most", text, BENCH_PROCESSES);
	*equals = '\0';
	process->name = text;
	process->pid = (pid_t)strtol(equals + 1, NULL, 10);
	options.process_count++;
}

static void take_dialect(const char *name)
{
	for (size_t i = 0; i < DIALECTS; i++) {
		if (strcmp(dialects[i]->name, name) == 0) {
			options.dialect = dialects[i];
			return;
		}
	}
	die("--dialect %s: there is none of that name", name);
}

static void take_number(const struct number *number, const char *text)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	if (*end != '\0' || value < number->least || value > number->most)
		die("--%s is from %u to %u", number->name, number->least, number->most);
	*number->value = (unsigned)value;
}

static void take_options(int argc, char **argv)
{
	enum { TO = NUMBERS, PROCESS, DIALECT, SECONDS, WARM };
	struct option known[NUMBERS + 11] = {{"", 0, NULL, 0}};
	struct option rest[] = {{"to", 1, NULL, TO},
				{"process", 1, NULL, PROCESS},
				{"dialect", 1, NULL, DIALECT},
				{"seconds", 1, NULL, SECONDS},
				{"warm", 1, NULL, WARM},
				{"json", 0, NULL, 'j'},
				{"storm", 0, NULL, 's'},
				{"password", 0, NULL, 'p'},
				{"told", 0, NULL, 't'},
				{"help", 0, NULL, 'h'},
				{0}};
	int which;

	for (int i = 0; i < NUMBERS; i++)
		known[i] = (struct option){numbers[i].name, 1, NULL, i};
	memcpy(known + NUMBERS, rest, sizeof(rest));
	while ((which = getopt_long(argc, argv, "", known, NULL)) != -1) {
		if (which < NUMBERS)
			take_number(&numbers[which], optarg);
		else if (which == TO)
			take_address(optarg);
		else if (which == PROCESS)
			take_process(optarg);
		else if (which == DIALECT)
			take_dialect(optarg);
		else if (which == SECONDS)
			options.seconds = strtod(optarg, NULL);
		else if (which == WARM)
			options.warm = strtod(optarg, NULL);
		else if (which == 'h')
			usage();
		else if (which == '?')
			exit(2);
		options.json |= which == 'j';
		options.storm |= which == 's';
		options.by_password |= which == 'p';
		options.told |= which == 't';
	}
}

void say_ready(void)
{
	puts("ready");
	fflush(stdout);
}

bool is_told(void)
{
	struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};
	char byte = '\0';

	if (poll(&in, 1, 0) <= 0)
		return false;
	while (byte != '\n' && read(STDIN_FILENO, &byte, 1) == 1)
		;
	return true;
}

static void raise_descriptors(void)
{
	struct rlimit limit;
	size_t needed = options.users + options.crowd + friends_count() + 64;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur < needed)
		die("there are descriptors for %llu connections at most (ulimit -n)",
		    (unsigned long long)limit.rlim_cur);
}

int main(int argc, char **argv)
{
	const char *name = argc > 1 && argv[1][0] != '-' ? argv[1] : NULL;

	take_options(argc, argv);
	if (options.ack_every == 0)
		options.ack_every = options.window < 16 ? options.window : 16;
	for (size_t i = 0; name && i < MODES; i++) {
		bool ok;

		if (strcmp(modes[i].name, name) != 0)
			continue;
		if (options.to_count == 0)
			die("--to says where the server is");
		if (!options.dialect->accounts &&
		    (modes[i].accounts || options.heartbeat > 0 || options.conversations > 0))
			die("%s has no accounts: pairs, cluster, fanout and idle alone",
			    options.dialect->name);
		raise_descriptors();
		ok = modes[i].run();
		report_print(name);
		return ok ? 0 : 1;
	}
	die("the first argument is a mode (--help)");
}
