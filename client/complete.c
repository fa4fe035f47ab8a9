/* SPDX-License-Identifier: MIT */
/* Finds candidates. */
#include "complete.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "safe.h"

static void offer(struct complete *out, const char *candidate, const char *word)
{
	char *slot = out->words[out->count];

	if (out->count == COMPLETE_MAX || strlen(candidate) >= APP_LABEL_MAX ||
	    strncmp(candidate, word, out->word_len) != 0)
		return;
	for (size_t i = 0; i < out->count; i++)
		if (strcmp(out->words[i], candidate) == 0)
			return;
	strcpy(slot, candidate);
	if (out->count == 0)
		out->common = strlen(slot);
	while (strncmp(slot, out->words[0], out->common) != 0)
		out->common--;
	while (out->common > 0 && ((unsigned char)slot[out->common] & 0xc0) == 0x80)
		out->common--; /* not within a character */
	out->count++;
}

/* Whether a name may stand in a line as one word, and shows what it is. */
static bool is_plain(const char *name)
{
	char *safe = safe_name(chat_view_of(name));
	bool plain = safe && strcmp(safe, name) == 0 && !strpbrk(name, " \"");

	free(safe);
	return plain;
}

static void offer_names(const struct app *app, const char *word, struct complete *out)
{
	char candidate[APP_LABEL_MAX];

	for (size_t i = 0; word[0] != '#' && i < app->users.count; i++) {
		const char *name = app->users.items[i].name;

		snprintf(candidate, sizeof(candidate), "%s%s", word[0] == '@' ? "@" : "", name);
		if (is_plain(name))
			offer(out, candidate, word);
	}
	for (size_t i = 0; word[0] == '#' && i < app->groups.count; i++) {
		const struct name *group = &app->groups.items[i];

		if (is_plain(group->name))
			snprintf(candidate, sizeof(candidate), "#%s", group->name);
		else
			snprintf(candidate, sizeof(candidate), "#%" PRIu64, group->id);
		offer(out, candidate, word);
	}
}

static void offer_commands(const char *word, bool second, struct complete *out)
{
	for (size_t i = 0; i < command_count; i++) {
		const char *space = strchr(commands[i].name, ' ');
		char candidate[APP_LABEL_MAX];

		if (commands[i].where == COMMAND_SCRIPT || (second && !space))
			continue;
		if (second)
			snprintf(candidate, sizeof(candidate), "%s", space + 1);
		else
			snprintf(candidate, sizeof(candidate), "/%.*s",
				 (int)strcspn(commands[i].name, " "), commands[i].name);
		offer(out, candidate, word);
	}
}

void complete_line(const struct app *app, const char *line, size_t len, struct complete *out)
{
	char text[1024]; /* of a longer line nothing is completed */
	char *word;

	out->count = out->common = 0;
	out->word_len = 0;
	if (len >= sizeof(text))
		return;
	memcpy(text, line, len);
	text[len] = '\0';
	word = strrchr(text, ' ');
	word = word ? word + 1 : text;
	out->word_len = strlen(word);
	if (word == text && text[0] == '/')
		offer_commands(word, false, out);
	else if (strncmp(text, "/group ", 7) == 0 && word == text + 7)
		offer_commands(word, true, out);
	else if (word != text || text[0] == '@' || text[0] == '#')
		offer_names(app, word, out);
}
