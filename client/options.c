/* SPDX-License-Identifier: MIT */
/* Reads the command line and the environment. */
#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

enum {
	OPTION_PASSWORD_FILE = 256,
	OPTION_TOKEN_FILE,
	OPTION_DEVICE,
	OPTION_TIMEOUT,
	OPTION_JSON,
	OPTION_TLS,
	OPTION_TLS_CA,
	OPTION_VERSION
};

static const struct option long_options[] = {
	{"server", required_argument, NULL, 's'},
	{"user", required_argument, NULL, 'u'},
	{"password-file", required_argument, NULL, OPTION_PASSWORD_FILE},
	{"token-file", required_argument, NULL, OPTION_TOKEN_FILE},
	{"device", required_argument, NULL, OPTION_DEVICE},
	{"timeout", required_argument, NULL, OPTION_TIMEOUT},
	{"json", no_argument, NULL, OPTION_JSON},
	{"tls", no_argument, NULL, OPTION_TLS},
	{"tls-ca", required_argument, NULL, OPTION_TLS_CA},
	{"help", no_argument, NULL, 'h'},
	{"version", no_argument, NULL, OPTION_VERSION},
	{NULL, 0, NULL, 0},
};

/* The first line of a file. */
static int read_secret(const char *path, char *out, size_t size)
{
	FILE *file = fopen(path, "re");
	int status = STATUS_IO;
	char *line;

	if (!file) {
		fprintf(stderr, "chat: cannot read %s: %s\n", path, strerror(errno));
		return STATUS_IO;
	}
	errno = 0;
	line = fgets(out, (int)size, file);
	if (!line)
		out[0] = '\0';
	if (ferror(file))
		fprintf(stderr, "chat: cannot read %s: %s\n", path, strerror(errno));
	else if (strlen(out) + 1 == size && !strpbrk(out, "\r\n"))
		fprintf(stderr, "chat: the first line of %s is too long\n", path);
	else if (strcspn(out, "\r\n") == 0)
		fprintf(stderr, "chat: the first line of %s is empty\n", path);
	else
		status = STATUS_OK;
	fclose(file);
	out[status == STATUS_OK ? strcspn(out, "\r\n") : 0] = '\0';
	return status;
}

static int read_timeout(const char *text, unsigned *out)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	if (text[0] < '0' || text[0] > '9' || *end != '\0' || value < 1 || value > 86400) {
		fprintf(stderr, "chat: --timeout takes seconds, 1 to 86400\n");
		return STATUS_USAGE;
	}
	*out = (unsigned)value;
	return STATUS_OK;
}

static int take(struct options *options, int option)
{
	switch (option) {
	case 's':
		options->server = optarg;
		return STATUS_OK;
	case 'u':
		options->user = optarg;
		return STATUS_OK;
	case OPTION_PASSWORD_FILE:
		return read_secret(optarg, options->password, sizeof(options->password));
	case OPTION_TOKEN_FILE:
		return read_secret(optarg, options->token, sizeof(options->token));
	case OPTION_DEVICE:
		options->device = optarg;
		return STATUS_OK;
	case OPTION_TIMEOUT:
		return read_timeout(optarg, &options->timeout_s);
	case OPTION_JSON:
		options->json = true;
		return STATUS_OK;
	case OPTION_TLS:
		options->tls = true;
		return STATUS_OK;
	case OPTION_TLS_CA:
		options->tls = true;
		options->tls_ca = optarg;
		return STATUS_OK;
	case OPTION_VERSION:
		options->version = true;
		return STATUS_OK;
	case 'h':
		options->help = true;
		return STATUS_OK;
	default: /* getopt has said why */
		fprintf(stderr, "chat: see chat --help\n");
		return STATUS_USAGE;
	}
}

static int take_all(struct options *options, int argc, char **argv, const char *letters)
{
	int option, status = STATUS_OK;

	optind = 0; /* glibc and musl: start over, with these letters */
	while (status == STATUS_OK &&
	       (option = getopt_long(argc, argv, letters, long_options, NULL)) != -1)
		status = take(options, option);
	return status;
}

static int take_environment(const char *name, char *out, size_t size)
{
	const char *value = getenv(name);

	if (out[0] != '\0' || !value)
		return STATUS_OK;
	if (strlen(value) >= size) {
		fprintf(stderr, "chat: %s is too long\n", name);
		return STATUS_USAGE;
	}
	strcpy(out, value);
	return STATUS_OK;
}

int options_parse(struct options *options, int argc, char **argv)
{
	int status;

	*options = (struct options){.server = getenv("CHAT_SERVER"),
				    .user = getenv("CHAT_USER"),
				    .device = getenv("CHAT_DEVICE"),
				    .tls_ca = getenv("CHAT_TLS_CA"),
				    .timeout_s = OPTIONS_TIMEOUT_DEFAULT_S};
	options->tls = options->tls_ca || (getenv("CHAT_TLS") && getenv("CHAT_TLS")[0] == '1');
	status = take_all(options, argc, argv, "+s:u:h");
	options->first = optind;
	if (!options->server || options->server[0] == '\0')
		options->server = "127.0.0.1:6000";
	if (options->user && options->user[0] == '\0')
		options->user = NULL;
	if (options->device && options->device[0] == '\0')
		options->device = NULL;
	if (status == STATUS_OK && options->token[0] == '\0')
		status = take_environment("CHAT_PASSWORD", options->password,
					  sizeof(options->password));
	if (status == STATUS_OK && options->password[0] == '\0')
		status = take_environment("CHAT_TOKEN", options->token, sizeof(options->token));
	return status;
}

int options_parse_rest(struct options *options, int *argc, char **argv, bool mixed)
{
	/* argv[0] is the command's word, as getopt wants it. */
	int status = take_all(options, *argc, argv, mixed ? "s:u:h" : "+s:u:h");

	if (status != STATUS_OK)
		return status;
	memmove(argv, argv + optind, (size_t)(*argc - optind) * sizeof(*argv));
	*argc -= optind;
	if (!mixed && *argc > 1 && strcmp(argv[1], "--") == 0) { /* "send bob -- -text" */
		memmove(argv + 1, argv + 2, (size_t)(*argc - 2) * sizeof(*argv));
		--*argc;
	}
	return STATUS_OK;
}

void options_help(FILE *out)
{
	fputs("usage: chat [OPTION...] [COMMAND [ARGUMENT...]]\n"
	      "\n"
	      "  -s, --server HOST:PORT  where the server is (CHAT_SERVER; 127.0.0.1:6000)\n"
	      "  -u, --user NAME         who to be (CHAT_USER; who logged in last)\n"
	      "  --password-file FILE    its first line is the password (CHAT_PASSWORD)\n"
	      "  --token-file FILE       its first line is a login token (CHAT_TOKEN)\n"
	      "  --device NAME           which of the user's devices to be (CHAT_DEVICE)\n"
	      "  --tls                   encrypt, and check the server's certificate (CHAT_TLS=1)\n"
	      "  --tls-ca FILE           the same, with the certificates to trust (CHAT_TLS_CA)\n"
	      "  --timeout SECONDS       give up after so long (15)\n"
	      "  --json                  one JSON object a line\n"
	      "  --version, --help\n"
	      "\n"
	      "Without a command, chat is interactive. Commands:\n",
	      out);
}
