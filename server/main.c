/* SPDX-License-Identifier: MIT */
/* chatd: reads its configuration, starts, serves. Exits 0 after a drain, 1 where it cannot start. */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>

#include "address.h"
#include "bus_redis.h"
#include "log.h"
#include "server.h"
#include "tls.h"

enum {
	DESCRIPTORS_OTHER = 64
}; /* what the process needs besides a descriptor for each connection */

static int complain(const struct setting_error *error)
{
	fprintf(stderr, "chatd: %s\n", error->text);
	return 1;
}

/* As many open files as the system allows, and a warning where that is fewer than connections. */
static void raise_descriptors(uint64_t max_connections)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return;
	if (limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		if (setrlimit(RLIMIT_NOFILE, &limit) != 0 && getrlimit(RLIMIT_NOFILE, &limit) != 0)
			return;
	}
	if (limit.rlim_cur < max_connections + DESCRIPTORS_OTHER)
		log_event(CHAT_LOG_WARN, "few_descriptors", "limit", LOG_NUMBER(limit.rlim_cur),
			  "max_connections", LOG_NUMBER(max_connections), NULL);
}

static int check_addresses(const struct config *config, struct setting_error *error)
{
	struct address address;

	for (size_t i = 0; i < config->listen.count; i++)
		if (address_parse(config->listen.items[i], &address, error) != 0)
			return CHAT_ERR_INVALID;
	for (size_t i = 0; i < config->listen_tls.count; i++)
		if (address_parse(config->listen_tls.items[i], &address, error) != 0)
			return CHAT_ERR_INVALID;
	return config->admin[0] == '\0' ? 0 : address_parse(config->admin, &address, error);
}

/* What can be tried without serving: addresses have the right form, the certificate is good, the store opens, or is made. */
static int check(const struct config *config, struct setting_error *error)
{
	struct chat_store_error reason;
	struct chat_pool_config pool_config;
	struct chat_pool *pool;
	struct tls *tls = NULL;

	if (check_addresses(config, error) != 0 ||
	    (config->listen_tls.count > 0 && tls_create(config, &tls, error) != 0))
		return complain(error);
	tls_destroy(tls);
	config_fill_pool(config, &pool_config);
	if (chat_pool_create(&pool_config, &pool, &reason) != 0) {
		snprintf(error->text, sizeof(error->text), "cannot open the store: %.400s",
			 reason.text);
		return complain(error);
	}
	chat_pool_destroy(pool);
	if (bus_redis_is_url(config->bus) && bus_redis_check(config->bus, error) != 0)
		return complain(error);
	puts("the configuration is good, and the store opens");
	return 0;
}

static int migrate(const struct config *config, struct setting_error *error)
{
	struct chat_store_error reason;

	if (chat_store_migrate(config->store, &reason) != 0) {
		snprintf(error->text, sizeof(error->text), "cannot migrate the store: %.400s",
			 reason.text);
		return complain(error);
	}
	puts("the store has the schema of this program");
	return 0;
}

static int run(const struct options *options, const struct config *config,
	       struct setting_error *error)
{
	struct server *server;
	int code;

	log_level_set((enum chat_log_level)config->log_level);
	raise_descriptors(config->max_connections);
	signal(SIGPIPE, SIG_IGN);
	chat_store_tune_process();
	if (server_create(options, config, &server, error) != 0)
		return complain(error);
	code = server_run(server);
	server_destroy(server);
	return code;
}

int main(int argc, char **argv)
{
	static struct options options;
	static struct config config;
	struct setting_error error;

	if (options_parse(&options, argc, argv, &error) != 0)
		return complain(&error);
	if (options.action == OPTIONS_VERSION) {
		puts("chatd " CHATD_VERSION);
		return 0;
	}
	if (options.action == OPTIONS_HELP) {
		options_help(stdout);
		return 0;
	}
	if (options_config(&options, &config, &error) != 0)
		return complain(&error);
	switch (options.action) {
	case OPTIONS_CHECK:
		return check(&config, &error);
	case OPTIONS_MIGRATE:
		return migrate(&config, &error);
	default:
		return run(&options, &config, &error);
	}
}
