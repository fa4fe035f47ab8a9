/* SPDX-License-Identifier: MIT */
/*
 * chat-sim: a whole cluster in one thread, from one seed. docs/testing.md explains it.
 *
 *   chat-sim [--seed N] [--seeds FROM..TO] [--steps N] [--profile NAME] [--jobs N] [--minutes N] [--wrong NAME] [--failures N]
 *            [--cases FILE] [--hash] [--trace] [--list]
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "sim.h"

enum { JOBS_MAX = 64, FAILURES_MAX = 20, INSTRUMENTED_PART = 20 };

struct options {
	uint64_t from, to;
	uint32_t steps; /* 0: the seed's own */
	unsigned jobs;
	unsigned minutes;  /* 0: all seeds */
	uint64_t failures; /* seeds that fail, after which a job ends */
	const char *cases; /* a file of profiles and seeds, instead */
	bool hash;	   /* print each seed's */
};

static struct options options = {.from = 1, .to = 1, .jobs = 1, .failures = FAILURES_MAX};

static const char usage[] =
	"usage: chat-sim [--seed N] [--seeds FROM..TO] [--steps N] [--profile NAME] [--jobs N]\n"
	"                [--minutes N] [--wrong NAME] [--failures N] [--cases FILE] [--hash]\n"
	"                [--trace] [--list]\n";

static void print_names(void)
{
	const struct profile *profile;

	puts("profiles:");
	for (size_t i = 0; (profile = profile_at(i)) != NULL; i++)
		printf("  %-8s %s\n", profile->name, profile->what);
	puts("wrong ports:");
	for (int i = 1; i < WRONG_COUNT; i++)
		printf("  %s\n", wrong_names[i]);
}

_Noreturn static void refuse(const char *what, const char *value)
{
	fprintf(stderr, "chat-sim: %s: %s\n%s", what, value, usage);
	exit(2);
}

static uint64_t number(const char *text, const char **end)
{
	char *stop;
	unsigned long long value;

	errno = 0;
	value = strtoull(text, &stop, 10);
	if (errno != 0 || stop == text || (!end && *stop != '\0'))
		refuse("not a number", text);
	if (end)
		*end = stop;
	return value;
}

static void read_range(const char *text)
{
	const char *end;

	options.from = number(text, &end);
	if (strncmp(end, "..", 2) != 0)
		refuse("not FROM..TO", text);
	options.to = number(end + 2, NULL);
	if (options.to < options.from)
		refuse("not a range", text);
}

static void read_wrong(const char *name)
{
	for (int i = 0; i < WRONG_COUNT; i++)
		if (strcmp(wrong_names[i], name) == 0) {
			sim.wrong = (enum wrong)i;
			return;
		}
	refuse("no such wrong port", name);
}

static void read_profile(const char *name)
{
	sim.profile = profile_find(name);
	if (!sim.profile)
		refuse("no such profile", name);
}

static void read_options(int argc, char **argv)
{
	static const struct option known[] = {
		{"seed", required_argument, NULL, 's'},	 {"seeds", required_argument, NULL, 'r'},
		{"steps", required_argument, NULL, 'n'}, {"profile", required_argument, NULL, 'p'},
		{"jobs", required_argument, NULL, 'j'},	 {"minutes", required_argument, NULL, 'm'},
		{"wrong", required_argument, NULL, 'w'}, {"failures", required_argument, NULL, 'f'},
		{"cases", required_argument, NULL, 'c'}, {"hash", no_argument, NULL, 'x'},
		{"trace", no_argument, NULL, 't'},	 {"list", no_argument, NULL, 'l'},
		{"help", no_argument, NULL, 'h'},	 {0},
	};
	int option;

	sim.profile = profile_at(0);
	while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
		switch (option) {
		case 's':
			options.from = options.to = number(optarg, NULL);
			break;
		case 'r':
			read_range(optarg);
			break;
		case 'n':
			options.steps = (uint32_t)number(optarg, NULL);
			break;
		case 'p':
			read_profile(optarg);
			break;
		case 'j':
			options.jobs = (unsigned)number(optarg, NULL);
			break;
		case 'm':
			options.minutes = (unsigned)number(optarg, NULL);
			break;
		case 'w':
			read_wrong(optarg);
			options.failures = 1;
			break;
		case 'f':
			options.failures = number(optarg, NULL);
			break;
		case 'c':
			options.cases = optarg;
			break;
		case 'x':
			options.hash = true;
			break;
		case 't':
			sim.tracing = true;
			break;
		case 'l':
			print_names();
			exit(0);
		case 'h':
			fputs(usage, stdout);
			exit(0);
		default:
			fputs(usage, stderr);
			exit(2);
		}
	}
	if (optind < argc)
		refuse("unexpected", argv[optind]);
	if (options.jobs < 1 || options.jobs > JOBS_MAX)
		options.jobs = 1;
	sim.steps_wanted = options.steps;
	/* Programs that sanitizers have instrumented are slow. */
	if (getenv("CHAT_TEST_INSTRUMENTED") && options.to - options.from >= INSTRUMENTED_PART)
		options.to = options.from + (options.to - options.from) / INSTRUMENTED_PART;
}

/* What a job has done, in memory that it shares with the parent. */
struct job {
	struct counts counts;
	uint64_t failures;
	uint64_t first_failure;
};

/* --- Known cases ------------------------------------------------------------------------------------- */

/* Lines of a profile, a seed, and for people why it is there. */
static void run_cases(struct job *job)
{
	FILE *file = fopen(options.cases, "r");
	char line[512], profile[32];
	uint64_t seed;

	if (!file)
		refuse("cannot be read", options.cases);
	store_open();
	while (fgets(line, sizeof(line), file)) {
		if (line[0] == '#' || line[0] == '\n')
			continue;
		if (sscanf(line, "%31s %" SCNu64, profile, &seed) != 2)
			refuse("not a profile and a seed", line);
		read_profile(profile);
		job->failures += sim_run(seed) != 0;
		job->counts = sim.counts;
	}
	fclose(file);
	store_close();
}

/* --- Many seeds -------------------------------------------------------------------------------------- */

static bool time_is_up(time_t started)
{
	return options.minutes > 0 && time(NULL) - started >= (time_t)options.minutes * 60;
}

static void run_seeds(struct job *job, unsigned which)
{
	time_t started = time(NULL);

	store_open();
	for (uint64_t seed = options.from + which; seed <= options.to && !time_is_up(started);
	     seed += options.jobs) {
		int failed = sim_run(seed);

		if (options.hash)
			printf("%" PRIu64 " %016" PRIx64 "\n", seed, sim.hash);
		job->counts = sim.counts;
		if (failed == 0)
			continue;
		if (job->failures++ == 0)
			job->first_failure = seed;
		/* A promise that is broken is broken often: more of the same teaches nothing. */
		if (job->failures >= options.failures)
			break;
	}
	store_close();
	fflush(stdout);
}

static struct job *jobs_share(void)
{
	struct job *jobs = mmap(NULL, sizeof(*jobs) * JOBS_MAX, PROT_READ | PROT_WRITE,
				MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (jobs == MAP_FAILED) {
		perror("chat-sim: mmap");
		exit(2);
	}
	return jobs;
}

/* Returns how many of them ended otherwise than they should. */
static unsigned run_jobs(struct job *jobs)
{
	unsigned broken = 0;
	int status;

	if (options.cases) {
		run_cases(&jobs[0]);
		return 0;
	}
	if (options.jobs == 1) {
		run_seeds(&jobs[0], 0);
		return 0;
	}
	fflush(stdout);
	for (unsigned i = 0; i < options.jobs; i++) {
		pid_t child = fork();

		if (child < 0) {
			perror("chat-sim: fork");
			exit(2);
		}
		if (child == 0) {
			run_seeds(&jobs[i], i);
			_exit(0);
		}
	}
	while (wait(&status) > 0)
		broken += !WIFEXITED(status) || WEXITSTATUS(status) != 0;
	return broken;
}

static void counts_add(struct counts *sum, const struct counts *counts)
{
	const uint64_t *from = (const uint64_t *)counts;
	uint64_t *to = (uint64_t *)sum;

	for (size_t i = 0; i < sizeof(*sum) / sizeof(*to); i++)
		to[i] += from[i];
}

static void print_summary(const struct counts *sum, uint64_t failures)
{
	printf("profile %s: %" PRIu64 " seeds, %.1f virtual hours, %" PRIu64 " events, %" PRIu64
	       " messages, %" PRIu64 " pushes, %" PRIu64 " operations in %" PRIu64
	       " transactions, %" PRIu64 " failed\n",
	       sim.profile->name, sum->seeds, (double)sum->virtual_us / 3.6e9, sum->events,
	       sum->sends, sum->pushes, sum->operations, sum->transactions, failures);
	printf("faults:");
	for (int i = 0; i < FAULT_KINDS; i++)
		if (sum->faults[i] > 0)
			printf(" %s %" PRIu64, fault_names[i], sum->faults[i]);
	putchar('\n');
}

int main(int argc, char **argv)
{
	struct job *jobs = jobs_share();
	struct counts sum = {0};
	uint64_t failures = 0;
	unsigned broken;

	setvbuf(stdout, NULL, _IOLBF, BUFSIZ); /* of a run that dies, what it said is wanted */
	read_options(argc, argv);
	broken = run_jobs(jobs);
	for (unsigned i = 0; i < options.jobs; i++) {
		counts_add(&sum, &jobs[i].counts);
		failures += jobs[i].failures;
	}
	print_summary(&sum, failures);
	if (broken > 0)
		printf("%u jobs died\n", broken);
	if (sim.wrong == WRONG_NONE)
		return failures > 0 || broken > 0 || sum.seeds == 0;
	printf("%s is %s\n", wrong_names[sim.wrong], failures > 0 ? "caught" : "NOT caught");
	return failures > 0 && broken == 0 ? 0 : 1;
}
