/* SPDX-License-Identifier: MIT */
/*
 * URLs of stores and of buses. What is taken names at least one host with a port, and says the same when it is written once more;
 * what is refused is refused with a reason.
 *
 * Input: a URL.
 */
#include "fuzz.h"
#include "redis_url.h"
#include "store/backend.h"
#ifdef CHAT_MYSQL
#include "store/mysql.h"
#endif

enum { URL_MAX = 4096 };

static void host_is_good(const char *name, size_t size)
{
	size_t len = strnlen(name, size);

	assert(len > 0 && len < size);
	assert(strcspn(name, ":,/@") == len);
}

static void reason_is_good(const char *text, size_t size)
{
	assert(strnlen(text, size) > 0 && strnlen(text, size) < size);
}

/* --- Redis ------------------------------------------------------------------------------------------- */

static void redis_write(const struct redis_url *url, char *out)
{
	char *end = out + sprintf(out, "redis://");

	if (url->password[0])
		end += sprintf(end, ":%s@", url->password);
	for (size_t i = 0; i < url->hosts.count; i++)
		end += sprintf(end, "%s%s:%u", i ? "," : "", url->hosts.items[i].name,
			       url->hosts.items[i].port);
	sprintf(end, "/%u", url->number);
}

static void redis_check(const char *text)
{
	struct redis_url url, again;
	struct setting_error error = {""};
	char written[URL_MAX];

	if (redis_url_parse(text, &url, &error) != 0) {
		reason_is_good(error.text, sizeof(error.text));
		return;
	}
	assert(url.hosts.count >= 1 && url.hosts.count <= CHAT_HOSTS_MAX);
	for (size_t i = 0; i < url.hosts.count; i++) {
		host_is_good(url.hosts.items[i].name, sizeof(url.hosts.items[i].name));
		assert(url.hosts.items[i].port >= 1);
	}
	redis_write(&url, written);
	assert(redis_url_parse(written, &again, &error) == 0);
	assert(memcmp(&url, &again, sizeof(url)) == 0);
}

/* --- Stores ------------------------------------------------------------------------------------------ */

#ifdef CHAT_MYSQL
static char *mysql_write_escaped(const char *text, char *out)
{
	for (; *text; text++)
		out += sprintf(out, "%%%02x", (unsigned char)*text);
	return out;
}

static void mysql_write(const struct mysql_url *url, char *out)
{
	char *end = mysql_write_escaped(url->user, out + sprintf(out, "mysql://"));

	end = mysql_write_escaped(url->password, end + sprintf(end, ":"));
	end += sprintf(end, "@");
	for (size_t i = 0; i < url->hosts.count; i++)
		end += sprintf(end, "%s%s:%u", i ? "," : "", url->hosts.items[i].name,
			       url->hosts.items[i].port);
	sprintf(end, "/%s", url->database);
}

static void mysql_check(const char *text)
{
	struct mysql_url url, again;
	struct chat_store_error error = {""};
	char written[URL_MAX];

	if (chat_mysql_url_parse(text, &url, &error) != 0) {
		reason_is_good(error.text, sizeof(error.text));
		return;
	}
	assert(url.hosts.count >= 1 && url.hosts.count <= CHAT_HOSTS_MAX);
	for (size_t i = 0; i < url.hosts.count; i++) {
		host_is_good(url.hosts.items[i].name, sizeof(url.hosts.items[i].name));
		assert(url.hosts.items[i].port >= 1);
	}
	assert(strlen(url.user) < sizeof(url.user) && url.user[0]);
	assert(url.database[0] && strlen(url.database) < sizeof(url.database));
	assert(!strchr(url.database, '/'));
	mysql_write(&url, written);
	assert(chat_mysql_url_parse(written, &again, &error) == 0);
	assert(memcmp(&url, &again, sizeof(url)) == 0);
}
#else
static void mysql_check(const char *text)
{
	(void)text;
}
#endif

static void store_check(const char *text)
{
	struct chat_store_error error = {""};
	enum backend_kind kind;

	if (chat_backend_kind_parse(text, &kind, &error) != 0) {
		reason_is_good(error.text, sizeof(error.text));
		return;
	}
	switch (kind) {
	case BACKEND_MEMORY:
		assert(strcmp(text, "memory:") == 0);
		break;
	case BACKEND_SQLITE:
		assert(strncmp(text, "sqlite:", 7) == 0 && text[7] != '\0');
		break;
	case BACKEND_MYSQL:
		mysql_check(text);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);

	assert(text);
	if (size > 0)
		memcpy(text, data, size);
	text[size] = '\0';
	redis_check(text);
	store_check(text);
	free(text);
	return 0;
}
