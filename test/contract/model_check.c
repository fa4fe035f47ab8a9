/* SPDX-License-Identifier: MIT */
/*
 * The model check of the stores: operations by chance, on the model (model.h) and on real stores side by side, in batches of
 * chance sizes, which each store executes as one transaction or one by one. After each batch every answer of every store is the
 * model's; now and then so is all that can be asked, small pages add up to the whole, and a store that is closed and opened
 * again has lost nothing.
 *
 *   model_check [--seed N] [--seeds N] [--operations N] [--seconds N] [--trace]
 *
 * --seed: the first, 1 unless told; --seeds: how many, one after the other; --operations: of each; --seconds: seeds until so
 * many have passed. The stores are one in memory that executes one by one, one that executes batches, and an SQLite file; with
 * CHAT_TEST_STORE=mysql://... that one too. What a failure prints names the seed that shows it again.
 */
#include "model_check.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { AUDIT_EVERY = 20 /* batches */ };

static bool tracing;
static unsigned long operations; /* so far, of this seed */
static uint64_t seed;

/* --- Batches ----------------------------------------------------------------------------------------- */

static void tell_batch(struct chat_op **plan, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		char *text = op_print_asked(plan[i]);

		printf("# %zu: %s\n", i, text);
		free(text);
	}
}

static void tell_difference(const struct store *store, struct chat_op **plan, size_t count,
			    size_t place, bool together, const char *expected, const char *got)
{
	printf("# seed %llu, after %lu operations: operation %zu of a batch of %zu, %s\n",
	       (unsigned long long)seed, operations, place, count,
	       together ? "in one transaction" : "one by one");
	printf("# the model: %s\n# %s: %s\n", expected, store->name, got);
	if (store->backend->error[0])
		printf("# %s\n", store->backend->error);
	tell_batch(plan, place + 1);
}

static bool is_as_expected(struct store *store, struct chat_op **plan, size_t count, size_t place,
			   bool together, const struct chat_op *got, const struct chat_op *expected)
{
	char *want = op_print(expected, NULL), *is = op_print(got, &store->ids);
	bool same = strcmp(want, is) == 0;

	if (!same)
		tell_difference(store, plan, count, place, together, want, is);
	free(want);
	free(is);
	return same;
}

/* Mostly the same, which so remembers much when the other writes. */
static struct chat_backend *backend_of(struct store *store)
{
	return store->elsewhere && chance_below(&store->chance, 16) == 0 ? store->elsewhere
									 : store->backend;
}

static bool run_on(struct store *store, struct chat_op **plan, struct chat_op **expected,
		   size_t count)
{
	bool together = store->mode == TOGETHER ||
			(store->mode == EITHER && chance_below(&store->chance, 3) > 0);
	struct chat_backend *backend = backend_of(store);
	struct chat_op *ops[AUDIT_MAX];
	bool good = true;

	for (size_t i = 0; i < count; i++) {
		ops[i] = plan_copy(plan[i], &store->ids);
		if (!together)
			chat_backend_run(backend, &ops[i], 1);
	}
	if (together)
		chat_backend_run(backend, ops, count);
	for (size_t i = 0; i < count; i++) {
		store_learn(store, ops[i], expected[i]);
		good = good && is_as_expected(store, plan, count, i, together, ops[i], expected[i]);
	}
	for (size_t i = 0; i < count; i++)
		chat_op_destroy(ops[i]);
	return good;
}

static void trace(const struct chat_op *expected)
{
	char *text = op_print(expected, NULL);

	printf("# %s\n", text);
	free(text);
}

/* The plan is done with then. */
static bool run_batch(struct chat_op **plan, size_t count)
{
	struct chat_op *expected[AUDIT_MAX];
	bool good = true;

	for (size_t i = 0; i < count; i++) {
		expected[i] = plan_copy(plan[i], NULL);
		model_run(expected[i]);
		if (tracing)
			trace(expected[i]);
	}
	for (size_t i = 0; good && i < store_count; i++)
		good = run_on(&stores[i], plan, expected, count);
	for (size_t i = 0; i < count; i++) {
		chat_op_destroy(expected[i]);
		chat_op_destroy(plan[i]);
	}
	return good;
}

static bool audit(void)
{
	struct chat_op *plan[AUDIT_MAX];

	for (size_t i = 0; i < store_count; i++)
		if (chance_below(&stores[i].chance, 3) == 0 && !store_reopen(&stores[i]))
			return false;
	return run_batch(plan, work_audit(plan, AUDIT_MAX));
}

/* --- Pages ------------------------------------------------------------------------------------------- */

static bool check_pages(struct store *store)
{
	const char *list = pages_check(store);

	if (list)
		printf("# seed %llu, after %lu operations: %s: the pages of %s do not add up\n",
		       (unsigned long long)seed, operations, store->name, list);
	return !list;
}

/* --- Runs -------------------------------------------------------------------------------------------- */

static bool check_all(void)
{
	bool good = audit();

	for (size_t i = 0; good && i < store_count; i++)
		good = check_pages(&stores[i]);
	return good;
}

static bool run_seed(unsigned long count)
{
	struct chat_op *plan[BATCH_MAX];
	bool good;

	model_reset(&model_limits);
	work_begin(seed);
	operations = 0;
	good = stores_open(seed) && run_batch(plan, work_people(plan));
	for (unsigned batch = 1; good && operations < count; batch++) {
		size_t len = chance_below(&work.chance, 4) == 0
				     ? 1
				     : 1 + chance_below(&work.chance, BATCH_MAX);

		work_batch(plan, len);
		good = run_batch(plan, len);
		operations += len;
		if (good && batch % AUDIT_EVERY == 0)
			good = check_all();
	}
	stores_close();
	return good;
}

static int usage(const char *program)
{
	fprintf(stderr,
		"usage: %s [--seed N] [--seeds N] [--operations N] [--seconds N] [--trace]\n",
		program);
	return 2;
}

static const char *const options[] = {"--seed", "--seeds", "--operations", "--seconds"};
enum { FIRST, SEEDS, OPERATIONS, SECONDS, OPTIONS };

/* False: they are none. */
static bool read_arguments(char **argv, unsigned long values[OPTIONS])
{
	for (char **arg = argv + 1; *arg; arg++) {
		size_t option = 0;

		if (strcmp(*arg, "--trace") == 0) {
			tracing = true;
			continue;
		}
		while (option < OPTIONS && strcmp(*arg, options[option]) != 0)
			option++;
		if (option == OPTIONS || !arg[1])
			return false;
		values[option] = strtoul(*++arg, NULL, 10);
	}
	return true;
}

int main(int argc, char **argv)
{
	unsigned long values[OPTIONS] = {1, 1, 2000, 0}, done = 0;
	time_t began = time(NULL);
	bool good = true;

	(void)argc;
	if (!read_arguments(argv, values))
		return usage(argv[0]);
	setvbuf(stdout, NULL, _IOLBF, 0);
	while (values[SECONDS] ? time(NULL) - began < (time_t)values[SECONDS]
			       : done < values[SEEDS]) {
		bool passed;

		seed = values[FIRST] + done++;
		passed = run_seed(values[OPERATIONS]);
		printf("%s %lu - seed %llu: %lu operations\n", passed ? "ok" : "not ok", done,
		       (unsigned long long)seed, operations);
		good = good && passed;
	}
	printf("1..%lu\n", done);
	model_reset(&model_limits);
	return good ? 0 : 1;
}
