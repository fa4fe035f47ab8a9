/* SPDX-License-Identifier: MIT */
/* Reads the values of settings. Each kind is one function; the table of settings is in config.c. */
#include "setting.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct unit {
	const char *name;
	uint64_t factor;
};

static const struct unit duration_units[] = {
	{"ms", 1},	    {"s", 1000},	 {"m", 60 * 1000},
	{"h", 3600 * 1000}, {"d", 86400 * 1000}, {NULL, 0},
};
static const struct unit size_units[] = {
	{"", 1},
	{"k", 1024},
	{"M", 1024 * 1024},
	{NULL, 0},
};
static const struct unit number_units[] = {{"", 1}, {NULL, 0}};

/* Digits and a unit. */
static bool quantity_parse(const char *text, const struct unit *units, uint64_t *out)
{
	char *end;
	unsigned long long count;

	if (text[0] < '0' || text[0] > '9')
		return false;
	errno = 0;
	count = strtoull(text, &end, 10);
	if (errno != 0)
		return false;
	for (; units->name; units++) {
		if (strcmp(end, units->name) == 0)
			return !__builtin_mul_overflow((uint64_t)count, units->factor, out);
	}
	return false;
}

static const struct unit *kind_units(enum setting_kind kind)
{
	switch (kind) {
	case SETTING_DURATION:
		return duration_units;
	case SETTING_SIZE:
		return size_units;
	default:
		return number_units;
	}
}

static const char *kind_text(enum setting_kind kind)
{
	switch (kind) {
	case SETTING_DURATION:
		return "a duration with its unit (ms, s, m, h, d)";
	case SETTING_SIZE:
		return "a size in bytes, or with k or M";
	default:
		return "a whole number";
	}
}

static int read_quantity(const struct setting *setting, const char *value, uint64_t *out,
			 struct setting_error *error)
{
	const struct unit *units = kind_units(setting->kind);
	uint64_t number = 0, least = 0, most = UINT64_MAX;

	quantity_parse(setting->least, units, &least);
	quantity_parse(setting->most, units, &most);
	if (!quantity_parse(value, units, &number) || number < least || number > most) {
		snprintf(error->text, sizeof(error->text), "%s is %s from %s to %s, not \"%.80s\"",
			 setting->key, kind_text(setting->kind), setting->least, setting->most,
			 value);
		return CHAT_ERR_INVALID;
	}
	*out = number;
	return 0;
}

static int read_choice(const struct setting *setting, const char *const *choices, const char *value,
		       uint64_t *out, struct setting_error *error)
{
	char all[160] = "";

	for (uint64_t i = 0; choices[i]; i++) {
		if (strcmp(value, choices[i]) == 0) {
			*out = i;
			return 0;
		}
		if (i > 0)
			strncat(all, choices[i + 1] ? ", " : " or ", sizeof(all) - strlen(all) - 1);
		strncat(all, choices[i], sizeof(all) - strlen(all) - 1);
	}
	snprintf(error->text, sizeof(error->text), "%s is %s, not \"%.80s\"", setting->key, all,
		 value);
	return CHAT_ERR_INVALID;
}

static int read_text(const struct setting *setting, const char *value, char *out, size_t size,
		     struct setting_error *error)
{
	size_t len = strlen(value);

	if (len == 0 || len >= size) {
		snprintf(error->text, sizeof(error->text), "%s is a text of 1 to %zu bytes",
			 setting->key, size - 1);
		return CHAT_ERR_INVALID;
	}
	memset(out, 0, size); /* so that equal texts compare as equal bytes */
	memcpy(out, value, len);
	return 0;
}

static int read_list(const struct setting *setting, const char *value, struct setting_list *list,
		     struct setting_error *error)
{
	int err;

	if (list->count == SETTING_LIST_MAX) {
		snprintf(error->text, sizeof(error->text), "%s may be given %d times at most",
			 setting->key, SETTING_LIST_MAX);
		return CHAT_ERR_INVALID;
	}
	err = read_text(setting, value, list->items[list->count], SETTING_LIST_TEXT_MAX, error);
	if (err == 0)
		list->count++;
	return err;
}

int setting_read(const struct setting *setting, const char *value, void *config,
		 struct setting_error *error)
{
	static const char *const switches[] = {"false", "true", NULL};
	void *place = (char *)config + setting->offset;

	switch (setting->kind) {
	case SETTING_DURATION:
	case SETTING_SIZE:
	case SETTING_NUMBER:
		return read_quantity(setting, value, place, error);
	case SETTING_SWITCH:
		return read_choice(setting, switches, value, place, error);
	case SETTING_CHOICE:
		return read_choice(setting, setting->choices, value, place, error);
	case SETTING_TEXT:
		return read_text(setting, value, place, setting->size, error);
	case SETTING_LIST:
		break;
	}
	return read_list(setting, value, place, error);
}
