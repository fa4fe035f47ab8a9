/* SPDX-License-Identifier: MIT */
/* Reads the command line. */
#include "options.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

static const struct option long_options[] = {
	{"config", required_argument, NULL, 'c'},
	{"option", required_argument, NULL, 'o'},
	{"listen", required_argument, NULL, 's'},
	{"store", required_argument, NULL, 's'},
	{"bus", required_argument, NULL, 's'},
	{"node", required_argument, NULL, 's'},
	{"admin", required_argument, NULL, 's'},
	{"log-level", required_argument, NULL, 's'},
	{"check", no_argument, NULL, 'C'},
	{"migrate", no_argument, NULL, 'M'},
	{"version", no_argument, NULL, 'V'},
	{"help", no_argument, NULL, 'h'},
	{NULL, 0, NULL, 0},
};

static int options_add(struct options *options, const char *key, size_t key_len, const char *value,
		       struct setting_error *error)
{
	char *copy;

	if (options->count == OPTIONS_SETTINGS_MAX || key_len >= sizeof(options->settings[0].key)) {
		snprintf(error->text, sizeof(error->text), "%s",
			 options->count == OPTIONS_SETTINGS_MAX ? "too many settings"
								: "no setting is that long");
		return CHAT_ERR_INVALID;
	}
	copy = options->settings[options->count].key;
	for (size_t i = 0; i < key_len; i++)
		copy[i] = key[i] == '-' ? '_' : key[i]; /* --log-level is log_level */
	copy[key_len] = '\0';
	options->settings[options->count++].value = value;
	return 0;
}

static int options_add_pair(struct options *options, const char *pair, struct setting_error *error)
{
	const char *equal = strchr(pair, '=');

	if (!equal) {
		snprintf(error->text, sizeof(error->text), "-o takes key=value, not \"%.80s\"",
			 pair);
		return CHAT_ERR_INVALID;
	}
	return options_add(options, pair, (size_t)(equal - pair), equal + 1, error);
}

static int options_take(struct options *options, int option, int index, struct setting_error *error)
{
	switch (option) {
	case 'c':
		options->file = optarg;
		return 0;
	case 'o':
		return options_add_pair(options, optarg, error);
	case 's':
		return options_add(options, long_options[index].name,
				   strlen(long_options[index].name), optarg, error);
	case 'C':
		options->action = OPTIONS_CHECK;
		return 0;
	case 'M':
		options->action = OPTIONS_MIGRATE;
		return 0;
	case 'V':
		options->action = OPTIONS_VERSION;
		return 0;
	case 'h':
		options->action = OPTIONS_HELP;
		return 0;
	default: /* getopt has said why */
		snprintf(error->text, sizeof(error->text), "chatd --help lists the options");
		return CHAT_ERR_INVALID;
	}
}

int options_parse(struct options *options, int argc, char **argv, struct setting_error *error)
{
	int option, index = 0;

	*options = (struct options){0};
	while ((option = getopt_long(argc, argv, "c:o:h", long_options, &index)) != -1) {
		int err = options_take(options, option, index, error);

		if (err != 0)
			return err;
	}
	if (optind < argc) {
		snprintf(error->text, sizeof(error->text), "\"%.80s\" is no option; see --help",
			 argv[optind]);
		return CHAT_ERR_INVALID;
	}
	return 0;
}

/* What may hold a password, which a command line would show to everyone on the machine. */
static const struct {
	const char *variable, *key;
} secrets[] = {{"CHATD_STORE", "store"}, {"CHATD_BUS", "bus"}};

int options_config(const struct options *options, struct config *out, struct setting_error *error)
{
	int err = 0;

	config_init(out);
	if (options->file)
		err = config_read(out, options->file, error);
	for (size_t i = 0; err == 0 && i < sizeof(secrets) / sizeof(*secrets); i++)
		if (getenv(secrets[i].variable))
			err = config_set(out, CONFIG_ENVIRONMENT, secrets[i].key,
					 getenv(secrets[i].variable), error);
	for (size_t i = 0; err == 0 && i < options->count; i++)
		err = config_set(out, CONFIG_COMMAND_LINE, options->settings[i].key,
				 options->settings[i].value, error);
	if (err == 0)
		config_complete(out);
	return err != 0 ? err : config_check(out, error);
}

void options_help(FILE *out)
{
	fputs("usage: chatd [OPTION...]\n"
	      "\n"
	      "  -c, --config FILE    read settings from a file, a line `key = value` each\n"
	      "  --listen ADDR:PORT   where clients connect; may be repeated\n"
	      "  --store URL          sqlite:PATH, mysql://USER:PASSWORD@HOST[:PORT]/DB or "
	      "memory:\n"
	      "  --bus URL            local: or redis://[:PASSWORD@]HOST[:PORT]\n"
	      "  --node NAME          name of this node\n"
	      "  --admin ADDR:PORT    /healthz, /readyz and /metrics over HTTP\n"
	      "  --log-level LEVEL    debug, info, warn or error\n"
	      "  -o key=value         any setting; may be repeated\n"
	      "  --check              try the configuration and the store, and exit\n"
	      "  --migrate            make or update the schema of a MySQL store, and exit\n"
	      "  --version, --help\n"
	      "\n"
	      "CHATD_STORE and CHATD_BUS in the environment are the same as --store and --bus.\n"
	      "\n"
	      "Settings, for the file and -o:\n",
	      out);
	config_help(out);
}
