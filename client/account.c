/* SPDX-License-Identifier: MIT */
/* The files of the state folder. */
#include "account.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { PATH_BYTES_MAX = 2048, PART_MAX = 400, LOCK_TRY_MS = 50 };

/* A name as a part of a path: what is not a letter, a digit, - or _ is %XX; ASCII case does not count. */
static void encode_part(const char *text, char out[PART_MAX])
{
	size_t at = 0;

	for (; *text && at + 4 < PART_MAX; text++) {
		unsigned char c = (unsigned char)*text;

		if (c >= 'A' && c <= 'Z')
			c = (unsigned char)(c - 'A' + 'a');
		if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_')
			out[at++] = (char)c;
		else
			at += (size_t)sprintf(out + at, "%%%02X", c);
	}
	out[at] = '\0';
}

static int join(char *out, size_t size, const char *format, const char *a, const char *b)
{
	int len = snprintf(out, size, format, a, b);

	return len < 0 || (size_t)len >= size ? -1 : 0;
}

static const char *home_folder(void)
{
	const char *home = getenv("HOME");
	const struct passwd *self;

	if (home)
		return home;
	self = getpwuid(getuid());
	return self ? self->pw_dir : NULL;
}

/* The folder, made where it is missing. */
static int state_folder(char *out, size_t size)
{
	const char *state = getenv("XDG_STATE_HOME"), *home = home_folder();
	char *slash;

	if (state && state[0] == '/') {
		if (join(out, size, "%s/chat%s", state, "") != 0)
			return -1;
	} else if (!home || home[0] != '/' ||
		   join(out, size, "%s/.local/state/chat%s", home, "") != 0) {
		return -1;
	}
	for (slash = strchr(out + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		(void)mkdir(out, 0700); /* whether it worked shows at the last */
		*slash = '/';
	}
	return mkdir(out, 0700) == 0 || errno == EEXIST ? 0 : -1;
}

static int server_folder(const char *server, char *out, size_t size)
{
	char part[PART_MAX], base[PATH_BYTES_MAX];

	encode_part(server, part);
	if (state_folder(base, sizeof(base)) != 0 || join(out, size, "%s/%s", base, part) != 0)
		return -1;
	return mkdir(out, 0700) == 0 || errno == EEXIST ? 0 : -1;
}

static int file_path(const char *server, const char *user, const char *device, char *out,
		     size_t size)
{
	char folder[PATH_BYTES_MAX], who[PART_MAX], name[2 * PART_MAX];

	encode_part(user, who);
	if (device ? join(name, sizeof(name), "%s.%s", who, device) != 0
		   : join(name, sizeof(name), "%s%s", user, "") != 0)
		return -1;
	if (strchr(name, '/') || server_folder(server, folder, sizeof(folder)) != 0)
		return -1;
	return join(out, size, "%s/%s", folder, name);
}

static int read_line(const char *path, char *out, size_t size)
{
	FILE *file = fopen(path, "re");
	char *line;

	if (!file)
		return -1;
	line = fgets(out, (int)size, file);
	fclose(file);
	if (!line)
		return -1;
	out[strcspn(out, "\r\n")] = '\0';
	return out[0] == '\0' ? -1 : 0;
}

/*
 * In place, so that a lock on the file stays one. Before the bytes are written the mode is set: the file may be
 * there from elsewhere.
 */
static int write_line(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	char line[PATH_BYTES_MAX];
	int len = snprintf(line, sizeof(line), "%s\n", text);
	int failed;

	if (fd < 0)
		return -1;
	failed = len < 0 || (size_t)len >= sizeof(line) || fchmod(fd, 0600) != 0 ||
		 ftruncate(fd, 0) != 0 || write(fd, line, (size_t)len) != len;
	return close(fd) != 0 || failed ? -1 : 0;
}

/* By another name first: who reads it meanwhile, without a lock, finds the former text or this one. */
static int write_whole(const char *path, const char *text)
{
	char beside[PATH_BYTES_MAX];

	if (snprintf(beside, sizeof(beside), "%s.%ld", path, (long)getpid()) >= (int)sizeof(beside))
		return -1;
	if (write_line(beside, text) == 0 && rename(beside, path) == 0)
		return 0;
	(void)unlink(beside);
	return -1;
}

int account_history_path(char *out, size_t size)
{
	char folder[PATH_BYTES_MAX];

	if (state_folder(folder, sizeof(folder)) != 0)
		return -1;
	return join(out, size, "%s/%s", folder, "history");
}

int account_current(const char *server, char *out, size_t size)
{
	char path[PATH_BYTES_MAX];

	return file_path(server, "current", NULL, path, sizeof(path)) == 0
		       ? read_line(path, out, size)
		       : -1;
}

int account_token(const char *server, const char *user, const char *device, char *out, size_t size)
{
	char path[PATH_BYTES_MAX];

	return file_path(server, user, device, path, sizeof(path)) == 0 ? read_line(path, out, size)
									: -1;
}

int account_keep(const char *server, const char *user, const char *device, const char *token)
{
	char path[PATH_BYTES_MAX];

	errno = 0;
	if (file_path(server, user, device, path, sizeof(path)) == 0 &&
	    write_line(path, token) == 0 &&
	    file_path(server, "current", NULL, path, sizeof(path)) == 0 &&
	    write_whole(path, user) == 0)
		return 0;
	if (errno)
		fprintf(stderr, "chat: cannot keep the login in the state folder: %s\n",
			strerror(errno));
	else
		fprintf(stderr,
			"chat: cannot keep the login: there is no state folder; set HOME\n");
	return -1;
}

void account_forget(const char *server, const char *user, const char *device)
{
	char path[PATH_BYTES_MAX];

	if (file_path(server, user, device, path, sizeof(path)) == 0)
		(void)unlink(path);
}

static int lock_file(int fd, unsigned timeout_s)
{
	const struct timespec pause = {.tv_nsec = LOCK_TRY_MS * 1000000L};

	for (unsigned tries = timeout_s * 1000 / LOCK_TRY_MS; flock(fd, LOCK_EX | LOCK_NB) != 0;
	     tries--) {
		if (errno != EWOULDBLOCK)
			return -1;
		if (tries == 0)
			return ACCOUNT_BUSY;
		nanosleep(&pause, NULL);
	}
	return 0;
}

int account_lock(const char *server, const char *user, const char *device, unsigned timeout_s)
{
	static struct {
		char path[PATH_BYTES_MAX];
		int fd;
	} held = {.fd = -1};
	char path[PATH_BYTES_MAX];
	int fd, result;

	if (file_path(server, user, device, path, sizeof(path)) != 0)
		return -1;
	if (held.fd >= 0 && strcmp(held.path, path) == 0)
		return 0;
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -1;
	result = lock_file(fd, timeout_s);
	if (result != 0) {
		close(fd);
		return result;
	}
	if (held.fd >= 0)
		close(held.fd);
	held.fd = fd; /* it stays open, and the lock with it */
	strcpy(held.path, path);
	return 0;
}
