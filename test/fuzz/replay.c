/* SPDX-License-Identifier: MIT */
/*
 * For compilers without libFuzzer: gives a fuzzer the empty input and every file of a folder, and tells of each as TAP
 * (https://testanything.org). A fuzzer that finds something aborts, and with it this program.
 *
 *   replay FOLDER
 */
#include <dirent.h>
#include <string.h>

#include "fuzz.h"

static int is_file(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static void replay(const char *folder, const char *name)
{
	char path[4096];
	size_t room = 1 << 20, len;
	char *bytes = malloc(room), *exact;
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	file = fopen(path, "rb");
	if (!file || !bytes) {
		perror(path);
		exit(1);
	}
	len = fread(bytes, 1, room, file);
	fclose(file);
	exact = fuzz_copy((struct chat_view){bytes, len});
	free(bytes);
	LLVMFuzzerTestOneInput((const uint8_t *)exact, len);
	free(exact);
}

int main(int argc, char **argv)
{
	struct dirent **entries;
	int count;

	if (argc != 2) {
		fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
		return 2;
	}
	count = scandir(argv[1], &entries, is_file, alphasort);
	if (count < 0) {
		perror(argv[1]);
		return 1;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("1..%d\n", count + 1);
	LLVMFuzzerTestOneInput((const uint8_t *)"", 0);
	printf("ok 1 - nothing\n");
	for (int i = 0; i < count; i++) {
		printf("# %s\n", entries[i]->d_name);
		replay(argv[1], entries[i]->d_name);
		printf("ok %d - %s\n", i + 2, entries[i]->d_name);
		free(entries[i]);
	}
	free(entries);
	return 0;
}
