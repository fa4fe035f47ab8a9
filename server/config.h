/* SPDX-License-Identifier: MIT */
/*
 * The configuration: defaults, then a file, then the environment, then the command line; each overrides what is before it. One table in
 * config.c describes every setting.
 */
#ifndef CHATD_CONFIG_H
#define CHATD_CONFIG_H

#include <stdint.h>
#include <stdio.h>

#include "chat/node.h"
#include "chat/store.h"
#include "setting.h"

enum { CONFIG_SETTINGS_MAX = 64 };

enum config_source { CONFIG_DEFAULT, CONFIG_FILE, CONFIG_ENVIRONMENT, CONFIG_COMMAND_LINE };

struct config {
	struct setting_list listen;
	struct setting_list listen_tls;
	char tls_certificate[1024];
	char tls_key[1024];
	char admin[SETTING_LIST_TEXT_MAX]; /* empty: off */
	char store[1024];
	char bus[1024];
	char node[65];
	uint64_t log_level; /* enum chat_log_level */
	uint64_t heartbeat_ms;
	uint64_t login_timeout_ms;
	uint64_t token_lifetime_ms;
	uint64_t lease_ms;
	uint64_t proxy_protocol;
	struct setting_list proxy_from;
	uint64_t max_frame;
	uint64_t send_rate;
	uint64_t login_rate;
	uint64_t register_rate;
	uint64_t friends_only;
	uint64_t password_cost; /* enum chat_password_cost */
	uint64_t hash_workers;
	uint64_t store_lanes;
	uint64_t store_readers;
	uint64_t drain_ms;
	uint64_t drain_timeout_ms;
	uint64_t max_connections;
	uint64_t output_high;
	uint64_t requests_in_flight;
	uint64_t devices_max;
	uint64_t friends_max;
	uint64_t groups_max;
	uint64_t members_max;
	uint64_t invitations_max;
	uint64_t conversations_max;
	enum config_source sources[CONFIG_SETTINGS_MAX]; /* where each setting's value comes from */
};

/* The defaults. The node's name is the host's. */
void config_init(struct config *config);
/* One setting. CHAT_ERR_INVALID, CHAT_ERR_NOT_FOUND (no such key), with the reason in error. */
CHAT_MUST_CHECK int config_set(struct config *config, enum config_source source, const char *key,
			       const char *value, struct setting_error *error);
/* A file of `key = value` lines. The error names the file and the line. */
CHAT_MUST_CHECK int config_read(struct config *config, const char *path,
				struct setting_error *error);
/* Once all is set: who listens with TLS listens without it only where that was asked for. */
void config_complete(struct config *config);
/* What one setting alone cannot say. */
CHAT_MUST_CHECK int config_check(const struct config *config, struct setting_error *error);

/*
 * Takes over what may change while the server runs. Calls `left` for each other setting that differs.
 */
void config_take_live(struct config *config, const struct config *next,
		      void (*left)(const char *key));
/* Whether there is such a key. */
bool config_has(const char *key);
/* Every setting with its help, a line each. */
void config_help(FILE *out);

/* The parts of a configuration that libchat takes. */
void config_fill_node(const struct config *config, struct chat_node_config *out);
void config_fill_pool(const struct config *config, struct chat_pool_config *out);

#endif
