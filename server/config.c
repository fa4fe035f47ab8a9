/* SPDX-License-Identifier: MIT */
/* The table of settings, and what is done with it. */
#include "config.h"

#include <assert.h>
#include <errno.h>
#include <ini.h>
#include <string.h>
#include <unistd.h>

#include "proxy.h"

#define FIELD(member) offsetof(struct config, member), sizeof(((struct config *)0)->member)
#define SETTINGS (sizeof(settings) / sizeof(settings[0]))

static const char *const log_levels[] = {"debug", "info", "warn", "error", NULL};
static const char *const costs[] = {"min", "interactive", "moderate", NULL};

static const struct setting settings[] = {
	{"listen", SETTING_LIST, FIELD(listen), "127.0.0.1:6000", NULL, NULL, NULL, false,
	 "ADDRESS:PORT for clients; may be given several times; port 0 picks one; none by default "
	 "where listen_tls is given"},
	{"listen_tls", SETTING_LIST, FIELD(listen_tls), NULL, NULL, NULL, NULL, false,
	 "ADDRESS:PORT for clients with TLS; may be given several times"},
	{"tls_certificate", SETTING_TEXT, FIELD(tls_certificate), NULL, NULL, NULL, NULL, true,
	 "file of the server's certificate and its chain, as PEM"},
	{"tls_key", SETTING_TEXT, FIELD(tls_key), NULL, NULL, NULL, NULL, true,
	 "file of the certificate's private key, as PEM"},
	{"admin", SETTING_TEXT, FIELD(admin), NULL, NULL, NULL, NULL, false,
	 "ADDRESS:PORT of /healthz, /readyz and /metrics over HTTP, for operators alone"},
	{"store", SETTING_TEXT, FIELD(store), "sqlite:chat.db", NULL, NULL, NULL, false,
	 "where everything is kept: sqlite:PATH, mysql://USER:PASSWORD@HOST[:PORT][,HOST2]/DB or "
	 "memory:"},
	{"bus", SETTING_TEXT, FIELD(bus), "local:", NULL, NULL, NULL, false,
	 "how nodes hear of each other: local: (one node) or "
	 "redis://[:PASSWORD@]HOST[:PORT][,HOST2][/NUMBER]"},
	{"node", SETTING_TEXT, FIELD(node), "the host's name", NULL, NULL, NULL, false,
	 "name of this node, unique among those that share a store"},
	{"log_level", SETTING_CHOICE, FIELD(log_level), "info", NULL, NULL, log_levels, true,
	 "least level that is logged: debug, info, warn or error"},
	{"heartbeat", SETTING_DURATION, FIELD(heartbeat_ms), "30s", "100ms", "1h", NULL, true,
	 "how often clients are asked to be heard; after three times that they are closed"},
	{"login_timeout", SETTING_DURATION, FIELD(login_timeout_ms), "30s", "100ms", "1h", NULL,
	 true, "how long a connection may stay without a login"},
	{"token_lifetime", SETTING_DURATION, FIELD(token_lifetime_ms), "30d", "1s", "3650d", NULL,
	 true, "how long a token serves to log in after its last use"},
	{"lease", SETTING_DURATION, FIELD(lease_ms), "15s", "100ms", "1h", NULL, true,
	 "how old a node's heartbeat may be for its sessions to count as online"},
	{"proxy_protocol", SETTING_SWITCH, FIELD(proxy_protocol), "false", NULL, NULL, NULL, true,
	 "whether connections begin with a PROXY header (version 1 or 2) that says whose they are"},
	{"proxy_from", SETTING_LIST, FIELD(proxy_from), "127.0.0.0/8", NULL, NULL, NULL, false,
	 "address or network whose PROXY headers are believed; may be given several times"},
	{"max_frame", SETTING_SIZE, FIELD(max_frame), "64k", "256", "16M", NULL, true,
	 "longest frame that a client may send"},
	{"send_rate", SETTING_NUMBER, FIELD(send_rate), "1000", "0", "1000000", NULL, true,
	 "requests a second on one connection; 0 is no limit"},
	{"login_rate", SETTING_NUMBER, FIELD(login_rate), "600", "0", "1000000", NULL, true,
	 "attempts a minute to log in, from one address; 0 is no limit"},
	{"register_rate", SETTING_NUMBER, FIELD(register_rate), "600", "0", "1000000", NULL, true,
	 "attempts a minute to register, from one address; 0 is no limit"},
	{"friends_only", SETTING_SWITCH, FIELD(friends_only), "false", NULL, NULL, NULL, true,
	 "whether direct messages go between friends alone"},
	{"password_cost", SETTING_CHOICE, FIELD(password_cost), "interactive", NULL, NULL, costs,
	 false, "of hashing passwords: interactive, moderate, or min (for tests)"},
	{"hash_workers", SETTING_NUMBER, FIELD(hash_workers), "2", "1", "64", NULL, false,
	 "threads that hash passwords"},
	{"store_lanes", SETTING_NUMBER, FIELD(store_lanes), "4", "1", "64", NULL, false,
	 "connections to a MySQL store"},
	{"store_readers", SETTING_NUMBER, FIELD(store_readers), "2", "1", "64", NULL, false,
	 "connections to an SQLite store that read only, beside the one that writes"},
	{"drain", SETTING_DURATION, FIELD(drain_ms), "2s", "0ms", "10m", NULL, true,
	 "over how long a server that stops spreads its goodbyes"},
	{"drain_timeout", SETTING_DURATION, FIELD(drain_timeout_ms), "10s", "0ms", "1h", NULL, true,
	 "after how long a server that stops exits whatever is left"},
	{"max_connections", SETTING_NUMBER, FIELD(max_connections), "65536", "1", "10000000", NULL,
	 true, "connections at once; those beyond it are closed"},
	{"output_high", SETTING_SIZE, FIELD(output_high), "256k", "4k", "1024M", NULL, true,
	 "bytes waiting for one client past which nothing more is pushed to it"},
	{"requests_in_flight", SETTING_NUMBER, FIELD(requests_in_flight), "64", "1", "65536", NULL,
	 true, "unanswered requests of one connection at which reading from it stops"},
	{"devices", SETTING_NUMBER, FIELD(devices_max), "16", "1", "1000", NULL, false,
	 "devices of one user"},
	{"friends", SETTING_NUMBER, FIELD(friends_max), "1000", "1", "100000", NULL, false,
	 "friends of one user; requests and blocks count"},
	{"groups", SETTING_NUMBER, FIELD(groups_max), "1000", "1", "100000", NULL, false,
	 "groups that one user is in"},
	{"members", SETTING_NUMBER, FIELD(members_max), "10000", "1", "1000000", NULL, false,
	 "members of one group"},
	{"invitations", SETTING_NUMBER, FIELD(invitations_max), "100", "1", "100", NULL, false,
	 "unused invitations to groups that one user holds"},
	{"conversations", SETTING_NUMBER, FIELD(conversations_max), "10000", "1", "1000000", NULL,
	 false, "direct conversations of one user"},
};

_Static_assert(SETTINGS <= CONFIG_SETTINGS_MAX, "struct config has room for every setting");

static const struct setting *setting_find(const char *key)
{
	for (size_t i = 0; i < SETTINGS; i++)
		if (strcmp(settings[i].key, key) == 0)
			return &settings[i];
	return NULL;
}

bool config_has(const char *key)
{
	return setting_find(key) != NULL;
}

void config_init(struct config *config)
{
	struct setting_error error;

	*config = (struct config){0};
	for (size_t i = 0; i < SETTINGS; i++) {
		int err = settings[i].fallback
				  ? setting_read(&settings[i], settings[i].fallback, config, &error)
				  : 0;

		assert(err == 0); /* every default is within its own bounds */
		(void)err;
	}
	if (gethostname(config->node, sizeof(config->node) - 1) != 0 || config->node[0] == '\0')
		strcpy(config->node, "chatd");
}

int config_set(struct config *config, enum config_source source, const char *key, const char *value,
	       struct setting_error *error)
{
	const struct setting *setting = setting_find(key);
	size_t index;
	int err;

	if (!setting) {
		snprintf(error->text, sizeof(error->text),
			 "there is no setting \"%.80s\"; chatd --help lists them", key);
		return CHAT_ERR_NOT_FOUND;
	}
	index = (size_t)(setting - settings);
	if (setting->kind == SETTING_LIST && config->sources[index] != source) {
		((struct setting_list *)((char *)config + setting->offset))->count = 0;
	} else if (source == CONFIG_FILE && config->sources[index] == source &&
		   setting->kind != SETTING_LIST) {
		snprintf(error->text, sizeof(error->text), "%s is given twice", key);
		return CHAT_ERR_INVALID;
	}
	err = setting_read(setting, value, config, error);
	if (err == 0)
		config->sources[index] = source;
	return err;
}

void config_complete(struct config *config)
{
	size_t listen = (size_t)(setting_find("listen") - settings);

	if (config->listen_tls.count > 0 && config->sources[listen] == CONFIG_DEFAULT)
		config->listen.count = 0;
}

int config_check(const struct config *config, struct setting_error *error)
{
	if (strcmp(config->bus, "local:") != 0 && strncmp(config->bus, "redis:", 6) != 0) {
		snprintf(error->text, sizeof(error->text),
			 "bus is local: or redis://[:PASSWORD@]HOST[:PORT]");
		return CHAT_ERR_INVALID;
	}
	if (strcmp(config->bus, "local:") != 0 && strncmp(config->store, "mysql:", 6) != 0) {
		snprintf(error->text, sizeof(error->text),
			 "a bus is for nodes that share a store: with it goes --store mysql://...");
		return CHAT_ERR_INVALID;
	}
	for (size_t i = 0; i < config->proxy_from.count; i++)
		if (proxy_check_network(config->proxy_from.items[i], error) != 0)
			return CHAT_ERR_INVALID;
	if (config->listen_tls.count > 0 &&
	    (config->tls_certificate[0] == '\0' || config->tls_key[0] == '\0')) {
		snprintf(error->text, sizeof(error->text),
			 "listen_tls needs tls_certificate and tls_key");
		return CHAT_ERR_INVALID;
	}
	return 0;
}

/* --- The file ---------------------------------------------------------------------------------------- */

struct reading {
	struct config *config;
	FILE *file;
	unsigned line; /* the one that was read last */
	unsigned error_line;
	bool too_long;
	struct setting_error error; /* the first */
};

/*
 * inih takes an indented line for more of the value before it, and a line too long for two: here the one is
 * shifted to the margin, the other refused.
 */
static char *reading_line(char *out, int size, void *stream)
{
	struct reading *reading = stream;
	size_t blank, len;

	if (!fgets(out, size, reading->file))
		return NULL;
	reading->line++;
	len = strlen(out);
	if (len + 1 == (size_t)size && out[len - 1] != '\n') {
		reading->too_long = true;
		return NULL;
	}
	blank = strspn(out, " \t");
	memmove(out, out + blank, len - blank + 1);
	return out;
}

static int reading_value(void *user, const char *section, const char *key, const char *value)
{
	struct reading *reading = user;
	struct setting_error error;
	int err;

	if (reading->error_line != 0)
		return 0;
	if (section[0] != '\0') {
		snprintf(error.text, sizeof(error.text), "there are no sections here");
		err = CHAT_ERR_INVALID;
	} else {
		err = config_set(reading->config, CONFIG_FILE, key, value, &error);
	}
	if (err != 0) {
		reading->error = error;
		reading->error_line = reading->line;
	}
	return err == 0;
}

int config_read(struct config *config, const char *path, struct setting_error *error)
{
	struct reading reading = {.config = config, .file = fopen(path, "re")};
	int first_bad;

	if (!reading.file) {
		snprintf(error->text, sizeof(error->text), "%.200s: %s", path, strerror(errno));
		return CHAT_ERR_NOT_FOUND;
	}
	first_bad = ini_parse_stream(reading_line, &reading, reading_value, &reading);
	fclose(reading.file);
	if (first_bad == 0 && !reading.too_long)
		return 0;
	if (reading.error_line != 0 && (first_bad < 0 || (unsigned)first_bad == reading.error_line))
		snprintf(error->text, sizeof(error->text), "%.200s:%u: %.280s", path,
			 reading.error_line, reading.error.text);
	else if (first_bad > 0)
		snprintf(error->text, sizeof(error->text), "%.200s:%d: not of the form key = value",
			 path, first_bad);
	else
		snprintf(error->text, sizeof(error->text), "%.200s:%u: %s", path, reading.line,
			 reading.too_long ? "the line is too long" : "out of memory");
	return CHAT_ERR_INVALID;
}

/* --- Use --------------------------------------------------------------------------------------------- */

void config_take_live(struct config *config, const struct config *next,
		      void (*left)(const char *key))
{
	for (size_t i = 0; i < SETTINGS; i++) {
		char *to = (char *)config + settings[i].offset;
		const char *from = (const char *)next + settings[i].offset;

		if (settings[i].live)
			memcpy(to, from, settings[i].size);
		else if (memcmp(to, from, settings[i].size) != 0)
			left(settings[i].key);
	}
}

void config_help(FILE *out)
{
	for (size_t i = 0; i < SETTINGS; i++) {
		const struct setting *setting = &settings[i];

		fprintf(out, "  %-19s %s (default: %s", setting->key, setting->help,
			setting->fallback ? setting->fallback : "none");
		if (setting->least)
			fprintf(out, "; %s to %s", setting->least, setting->most);
		fprintf(out, ")\n");
	}
}

void config_fill_node(const struct config *config, struct chat_node_config *out)
{
	/* The table's bounds keep every value within 32 bits, but for the token's lifetime. */
	chat_node_config_init(out);
	out->name = config->node;
	out->server = "chatd " CHATD_VERSION;
	out->heartbeat_ms = (uint32_t)config->heartbeat_ms;
	out->login_timeout_ms = (uint32_t)config->login_timeout_ms;
	out->token_lifetime_ms = config->token_lifetime_ms;
	out->lease_ms = (uint32_t)config->lease_ms;
	out->max_frame = (uint32_t)config->max_frame;
	out->send_rate = (uint32_t)config->send_rate;
	out->login_rate = (uint32_t)config->login_rate;
	out->register_rate = (uint32_t)config->register_rate;
	out->friends_only = config->friends_only != 0;
	out->drain_ms = (uint32_t)config->drain_ms;
	out->max_connections = (uint32_t)config->max_connections;
	out->output_high = (uint32_t)config->output_high;
	out->requests_in_flight = (uint32_t)config->requests_in_flight;
}

void config_fill_pool(const struct config *config, struct chat_pool_config *out)
{
	*out = (struct chat_pool_config){
		.url = config->store,
		.limits =
			{
				.devices = (uint32_t)config->devices_max,
				.friends = (uint32_t)config->friends_max,
				.groups = (uint32_t)config->groups_max,
				.members = (uint32_t)config->members_max,
				.invitations = (uint32_t)config->invitations_max,
				.conversations = (uint32_t)config->conversations_max,
			},
		.password_cost = (enum chat_password_cost)config->password_cost,
		.hash_workers = (unsigned)config->hash_workers,
		.writer_lanes = (unsigned)config->store_lanes,
		.reader_lanes = (unsigned)config->store_readers,
	};
}
