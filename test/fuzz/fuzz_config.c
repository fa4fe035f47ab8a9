/* SPDX-License-Identifier: MIT */
/*
 * A configuration file. What is taken is within the ranges that chatd.conf(5) tells, and nothing of it is lost on the way to the
 * library; what is refused is refused with its place and reason; and a setting that is refused changes nothing.
 *
 * Input: a file.
 */
#include <netinet/in.h>
#include <sys/mman.h>
#include <unistd.h>

#include "config.h"
#include "fuzz.h"
#include "proxy.h"

#define DAY (UINT64_C(86400) * 1000)

/* Numbers as the manual page has them; durations in milliseconds, sizes in bytes. */
static const struct {
	const char *key;
	size_t offset;
	uint64_t least, most;
} numbers[] = {
	{"heartbeat", offsetof(struct config, heartbeat_ms), 100, 3600 * 1000},
	{"login_timeout", offsetof(struct config, login_timeout_ms), 100, 3600 * 1000},
	{"token_lifetime", offsetof(struct config, token_lifetime_ms), 1000, 3650 * DAY},
	{"lease", offsetof(struct config, lease_ms), 100, 3600 * 1000},
	{"proxy_protocol", offsetof(struct config, proxy_protocol), 0, 1},
	{"max_frame", offsetof(struct config, max_frame), 256, 16 << 20},
	{"send_rate", offsetof(struct config, send_rate), 0, 1000000},
	{"login_rate", offsetof(struct config, login_rate), 0, 1000000},
	{"register_rate", offsetof(struct config, register_rate), 0, 1000000},
	{"friends_only", offsetof(struct config, friends_only), 0, 1},
	{"password_cost", offsetof(struct config, password_cost), 0, 2},
	{"log_level", offsetof(struct config, log_level), 0, 3},
	{"hash_workers", offsetof(struct config, hash_workers), 1, 64},
	{"store_lanes", offsetof(struct config, store_lanes), 1, 64},
	{"store_readers", offsetof(struct config, store_readers), 1, 64},
	{"drain", offsetof(struct config, drain_ms), 0, 600 * 1000},
	{"drain_timeout", offsetof(struct config, drain_timeout_ms), 0, 3600 * 1000},
	{"max_connections", offsetof(struct config, max_connections), 1, 10000000},
	{"output_high", offsetof(struct config, output_high), 4096, 1 << 30},
	{"requests_in_flight", offsetof(struct config, requests_in_flight), 1, 65536},
	{"devices", offsetof(struct config, devices_max), 1, 1000},
	{"friends", offsetof(struct config, friends_max), 1, 100000},
	{"groups", offsetof(struct config, groups_max), 1, 100000},
	{"members", offsetof(struct config, members_max), 1, 1000000},
	{"invitations", offsetof(struct config, invitations_max), 1, 100},
	{"conversations", offsetof(struct config, conversations_max), 1, 1000000},
};

static void text_is_good(const char *text, size_t size)
{
	assert(strnlen(text, size) < size);
}

static void list_is_good(const struct setting_list *list)
{
	assert(list->count <= SETTING_LIST_MAX);
	for (size_t i = 0; i < list->count; i++) {
		text_is_good(list->items[i], sizeof(list->items[i]));
		assert(list->items[i][0] != '\0');
	}
}

static void config_is_good(const struct config *config)
{
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		uint64_t value;

		assert(config_has(numbers[i].key));
		memcpy(&value, (const char *)config + numbers[i].offset, sizeof(value));
		assert(value >= numbers[i].least && value <= numbers[i].most);
	}
	text_is_good(config->tls_certificate, sizeof(config->tls_certificate));
	text_is_good(config->tls_key, sizeof(config->tls_key));
	text_is_good(config->admin, sizeof(config->admin));
	text_is_good(config->store, sizeof(config->store));
	text_is_good(config->bus, sizeof(config->bus));
	text_is_good(config->node, sizeof(config->node));
	assert(config->store[0] && config->bus[0] && config->node[0]);
	list_is_good(&config->listen);
	list_is_good(&config->listen_tls);
	list_is_good(&config->proxy_from);
}

/* All of it arrives. */
static void library_is_told(const struct config *config)
{
	struct chat_node_config node;
	struct chat_pool_config pool;

	config_fill_node(config, &node);
	config_fill_pool(config, &pool);
	assert(node.heartbeat_ms == config->heartbeat_ms);
	assert(node.login_timeout_ms == config->login_timeout_ms);
	assert(node.token_lifetime_ms == config->token_lifetime_ms);
	assert(node.lease_ms == config->lease_ms && node.max_frame == config->max_frame);
	assert(node.send_rate == config->send_rate && node.login_rate == config->login_rate);
	assert(node.register_rate == config->register_rate);
	assert(node.friends_only == (config->friends_only == 1));
	assert(node.drain_ms == config->drain_ms);
	assert(node.max_connections == config->max_connections);
	assert(node.output_high == config->output_high);
	assert(node.requests_in_flight == config->requests_in_flight);
	assert(strcmp(node.name, config->node) == 0);
	assert(pool.limits.devices == config->devices_max);
	assert(pool.limits.friends == config->friends_max);
	assert(pool.limits.groups == config->groups_max);
	assert(pool.limits.members == config->members_max);
	assert(pool.limits.invitations == config->invitations_max);
	assert(pool.limits.conversations == config->conversations_max);
	assert(pool.writer_lanes == config->store_lanes);
	assert(pool.reader_lanes == config->store_readers);
	assert(pool.hash_workers == config->hash_workers);
	assert(strcmp(pool.url, config->store) == 0);
}

static void reason_is_good(const struct setting_error *error)
{
	text_is_good(error->text, sizeof(error->text));
	assert(error->text[0] != '\0');
}

static void config_is_used(struct config *config)
{
	const struct sockaddr_in four = {.sin_family = AF_INET};
	const struct sockaddr_in6 six = {.sin6_family = AF_INET6};
	struct setting_error error = {""};

	config_is_good(config);
	library_is_told(config);
	config_complete(config);
	if (config_check(config, &error) != 0) {
		reason_is_good(&error);
		return;
	}
	assert(strcmp(config->bus, "local:") == 0 || strncmp(config->store, "mysql:", 6) == 0);
	proxy_is_trusted(&config->proxy_from, (const struct sockaddr *)&four);
	proxy_is_trusted(&config->proxy_from, (const struct sockaddr *)&six);
}

/* Of a file in memory: its path goes to out. */
static int file_make(const uint8_t *data, size_t size, char out[32])
{
	int fd = memfd_create("chatd.conf", MFD_CLOEXEC);
	ssize_t written;

	assert(fd >= 0);
	written = write(fd, data, size);
	assert(written == (ssize_t)size);
	snprintf(out, 32, "/proc/self/fd/%d", fd);
	return fd;
}

/* Each line that may be a setting, by itself. */
static void set_one(struct chat_view line)
{
	const char *equals = line.len ? memchr(line.data, '=', line.len) : NULL;
	struct config before, after;
	struct setting_error error = {""};
	char *key, *value;

	if (!equals)
		return;
	key = strndup(line.data, (size_t)(equals - line.data));
	value = strndup(equals + 1, line.len - (size_t)(equals + 1 - line.data));
	assert(key && value);
	config_init(&before);
	after = before;
	if (config_set(&after, CONFIG_COMMAND_LINE, key, value, &error) == 0) {
		assert(config_has(key));
		config_is_good(&after);
	} else {
		reason_is_good(&error);
		/* A list is begun anew where it is given from another source. */
		if (strncmp(key, "listen", 6) != 0 && strcmp(key, "proxy_from") != 0)
			assert(memcmp(&before, &after, sizeof(before)) == 0);
	}
	free(key);
	free(value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = {data, size};
	struct config config;
	struct setting_error error = {""};
	char path[32], place[40];
	int fd = file_make(data, size, path);

	config_init(&config);
	if (config_read(&config, path, &error) == 0) {
		config_is_used(&config);
	} else {
		reason_is_good(&error);
		snprintf(place, sizeof(place), "%s:", path);
		assert(strncmp(error.text, place, strlen(place)) == 0);
	}
	close(fd);
	while (input.len > 0)
		set_one(input_line(&input));
	return 0;
}
