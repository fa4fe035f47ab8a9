/* SPDX-License-Identifier: MIT */
/*
 * Keys, drawing and history.
 *
 *   IDLE --editor_read--> READING --a line, Ctrl-C, the end--> IDLE       the terminal is raw in READING alone
 */
#include "editor.h"

#include <errno.h>
#include <histedit.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>
#include <wchar.h>

#include "complete.h"
#include "layout.h"
#include "safe.h"
#include "screen.h"

enum {
	HISTORY_LINES = 1000,
	KEYS_BYTES = 4096,
	LINE_CHARS_MAX = 65536, /* of a line; what is typed or pasted beyond it is dropped */
	PATH_BYTES = 2048
};

/* libedit's callbacks have no argument for it. */
static struct editor {
	struct app *app;
	const struct editor_hooks *hooks;
	EditLine *edit; /* NULL: the terminal is dumb */
	HistoryW *history;
	FILE *null;	      /* what libedit draws on */
	struct event *input;  /* stdin can be read */
	struct termios usual; /* how the terminal was found */
	bool reading;	      /* a line is being typed */
	bool drawn;	      /* and it is on the screen, */
	bool stale;	      /* but is not any more what it should be */
	bool suspended;	      /* the terminal is lent to others */
	bool ended;	      /* stdin is at its end */
	int age;	      /* of the history's line that is in the editor; 0: it is none of it */
	wchar_t *typed;	      /* what was in the editor before one of it was */
	int loaded; /* the number of the newest line in the history that is of former sessions */
	char shown[EDITOR_PROMPT_MAX]; /* the prompt that is drawn */
	int columns;		       /* of the terminal when it was drawn */
	int cursor_row;		       /* rows of it that are above the cursor */
	int rows_below;		       /* and below */
	char keys[KEYS_BYTES];	       /* read and not taken yet */
	size_t key_count, key_at;
	mbstate_t shift;
	struct complete complete;
} editor;

/* --- Drawing ----------------------------------------------------------------------------------------- */

static struct winsize window_size(void)
{
	struct winsize size = {0};

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0)
		size.ws_col = 80;
	if (size.ws_row == 0)
		size.ws_row = 24;
	return size;
}

/* Prompt and line; false: memory is out. Whatever it returns, layout_finish is to be called. */
static bool lay_out(struct layout *layout, int columns)
{
	const LineInfoW *info = el_wline(editor.edit);
	const wchar_t *end = info->lastchar, *cursor = info->cursor;

	if (!editor.reading && end > info->buffer) { /* complete: its line end is no part of it */
		end--;
		cursor = end;
	}
	layout_init(layout, columns);
	layout_put_text(layout, editor.shown);
	for (const wchar_t *c = info->buffer; c < end; c++) {
		if (c == cursor)
			layout_set_cursor(layout);
		layout_put(layout, (long)*c);
	}
	if (cursor == end)
		layout_set_cursor(layout);
	return layout_end(layout);
}

static void print_rows(const struct layout *layout, int first, int last)
{
	size_t len;

	for (int row = first; row <= last; row++) {
		const char *bytes = layout_row(layout, row, &len);

		/* A row that follows a full one is on the next line by itself, and the terminal knows that they belong together. */
		if (row > first && !(layout->rows[row - 1].full && len > 0))
			fputs("\r\n", stdout);
		fwrite(bytes, 1, len, stdout);
	}
}

/*
 * Terminals wrap anew what had wrapped when their width changes, and the signal that tells of it may come after what is
 * printed next: so where the cursor is follows from the width of this moment.
 */
static void find_cursor(void)
{
	struct winsize size = window_size();
	struct layout layout;

	if (size.ws_col == editor.columns)
		return;
	if (lay_out(&layout, editor.columns) && layout.cursor_row >= editor.cursor_row)
		editor.cursor_row = layout_rewrapped(&layout, layout.cursor_row - editor.cursor_row,
						     size.ws_col);
	editor.columns = size.ws_col;
	layout_finish(&layout);
}

static void erase(void)
{
	find_cursor();
	fputs("\r", stdout);
	if (editor.cursor_row > 0)
		printf("\033[%dA", editor.cursor_row);
	fputs("\033[J", stdout);
}

/* The line takes half of the window at most, so that what comes is to be seen too. */
static int height_of(struct winsize size)
{
	return size.ws_row / 2;
}

static void draw(void)
{
	struct winsize size = window_size();
	struct layout layout;
	int first, last;

	if (editor.drawn)
		erase();
	if (lay_out(&layout, size.ws_col)) {
		layout_window(&layout, height_of(size), &first, &last);
		print_rows(&layout, first, last);
		editor.cursor_row = layout.cursor_row - first;
		editor.rows_below = last - layout.cursor_row;
		editor.columns = size.ws_col;
		if (editor.rows_below > 0)
			printf("\033[%dA", editor.rows_below);
		fputs("\r", stdout);
		if (layout.cursor_column > 0)
			printf("\033[%dC", layout.cursor_column);
		editor.drawn = true;
	}
	layout_finish(&layout);
	editor.stale = false;
}

/* On a dumb terminal a prompt stands until something else is printed. */
static void draw_if_needed(void)
{
	const char *prompt = editor.hooks->prompt(editor.app);

	if (editor.suspended)
		return;
	if (editor.drawn && (!editor.edit || (!editor.stale && strcmp(prompt, editor.shown) == 0)))
		return;
	snprintf(editor.shown, sizeof(editor.shown), "%s", prompt);
	if (editor.edit) {
		draw();
	} else {
		fputs(editor.shown, stdout);
		editor.drawn = true;
	}
	fflush(stdout);
}

void editor_hide(void)
{
	if (!editor.drawn)
		return;
	if (editor.edit)
		erase();
	else if (editor.reading) /* of a line that is complete the terminal has shown the end */
		putchar('\n');
	editor.drawn = false;
}

void editor_keep(void)
{
	if (editor.edit) {
		draw(); /* keys that came at once have not been drawn */
		if (editor.rows_below > 0)
			printf("\033[%dB", editor.rows_below);
		fputs("\r\n", stdout);
	}
	editor.drawn = false;
}

void editor_resize(void)
{
	editor.stale = true;
}

/* --- The terminal ------------------------------------------------------------------------------------ */

static void start_typing(void)
{
	editor.reading = true;
	if (editor.edit)
		fputs("\033[?2004h", stdout); /* what is pasted comes in brackets */
}

static void stop_typing(void)
{
	if (editor.edit && editor.reading)
		fputs("\033[?2004l", stdout);
	editor.reading = false;
	fflush(stdout);
}

void editor_suspend(void)
{
	if (editor.drawn)
		editor_keep();
	editor.suspended = editor.app != NULL;
	if (editor.edit) {
		if (editor.reading)
			fputs("\033[?2004l", stdout);
		fflush(stdout);
		el_set(editor.edit, EL_PREP_TERM, 0);
		tcsetattr(STDIN_FILENO, TCSADRAIN, &editor.usual);
	}
}

/* Whoever had the terminal left it, and the cursor, as they liked. */
void editor_resume(void)
{
	editor.suspended = editor.drawn = false;
	if (editor.edit && editor.reading) {
		el_set(editor.edit, EL_PREP_TERM, 0);
		el_set(editor.edit, EL_PREP_TERM, 1);
		fputs("\r\033[?2004h", stdout);
	}
}

/* --- Keys -------------------------------------------------------------------------------------------- */

/* Bytes that are there to be read, without waiting. */
static void fill_keys(void)
{
	struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
	ssize_t got;

	if (poll(&input, 1, 0) <= 0)
		return;
	got = read(STDIN_FILENO, editor.keys, sizeof(editor.keys));
	if (got == 0 || (got < 0 && errno != EINTR && errno != EAGAIN))
		editor.ended = true;
	editor.key_at = 0;
	editor.key_count = got > 0 ? (size_t)got : 0;
}

/* A character out of the bytes that were read; bytes that are none are passed over. False: they are all taken. */
static bool take_key(wchar_t *out)
{
	while (editor.key_at < editor.key_count) {
		size_t used = mbrtowc(out, editor.keys + editor.key_at,
				      editor.key_count - editor.key_at, &editor.shift);

		if (used == (size_t)-2) { /* its rest is yet to come */
			editor.key_at = editor.key_count;
			return false;
		}
		if (used == (size_t)-1) {
			memset(&editor.shift, 0, sizeof(editor.shift));
			editor.key_at++;
			continue;
		}
		editor.key_at += used > 0 ? used : 1;
		return true;
	}
	return false;
}

static bool is_over(void)
{
	const struct app *app = editor.app;

	return app->quit || app->refused || app->failed_io || editor.ended;
}

static void on_input(evutil_socket_t fd, short what, void *context)
{
	(void)fd;
	(void)what;
	(void)context; /* that the loop turned is all */
}

/* Turns the loop until there is something to read. False: there is no line to be read any more. */
static bool wait_key(void)
{
	if (is_over() || editor.app->interrupted)
		return false;
	fill_keys();
	if (editor.key_count > editor.key_at || editor.ended)
		return true;
	editor.hooks->idle(editor.app);
	if (is_over() || editor.app->interrupted)
		return false;
	draw_if_needed();
	event_add(editor.input, NULL);
	app_turn(editor.app);
	event_del(editor.input);
	return true;
}

static void tell_typed(void)
{
	const LineInfoW *info = el_wline(editor.edit);

	editor.hooks->typed(editor.app, info->lastchar > info->buffer && info->buffer[0] != L'/');
}

static bool is_control(wchar_t c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0);
}

static size_t line_room(void)
{
	const LineInfoW *info = el_wline(editor.edit);
	size_t len = (size_t)(info->lastchar - info->buffer);

	return len < LINE_CHARS_MAX ? LINE_CHARS_MAX - len : 0;
}

/* libedit's question for the next character. */
static int give_key(EditLine *edit, wchar_t *out)
{
	(void)edit;
	editor.stale = true;
	tell_typed();
	for (;;) {
		while (!take_key(out)) {
			if (!wait_key()) {
				errno = 0;
				return -1;
			}
			if (editor.ended)
				return 0;
		}
		if (is_control(*out) || line_room() > 0)
			return 1;
	}
}

/* --- Keys of our own --------------------------------------------------------------------------------- */

static size_t add_pasted(wchar_t *text, size_t len, size_t room, wchar_t c)
{
	if (c == L'\r')
		c = L'\n';
	if (len < room && (c == L'\n' || c == L'\t' || !is_control(c)))
		text[len++] = c;
	return len;
}

/* What is pasted, up to the closing bracket, is text: its line ends too. Other controls in it are passed over. */
static unsigned char on_paste(EditLine *edit, int key)
{
	static const wchar_t end[] = L"\033[201~";
	const size_t end_len = sizeof(end) / sizeof(end[0]) - 1, room = line_room();
	wchar_t *text = malloc((room + 1) * sizeof(*text)), c;
	size_t len = 0, matched = 0;

	(void)key;
	if (!text)
		return CC_ERROR;
	while (matched < end_len && give_key(edit, &c) == 1) {
		if (c == end[matched]) {
			matched++;
			continue;
		}
		for (size_t i = 1; i < matched; i++) /* that was no bracket */
			len = add_pasted(text, len, room, end[i]);
		matched = c == end[0];
		len = add_pasted(text, len, room, c);
	}
	while (len > 0 && text[len - 1] == L'\n')
		len--;
	text[len] = L'\0';
	if (len > 0)
		el_winsertstr(edit, text);
	free(text);
	return CC_REFRESH;
}

static unsigned char on_line_feed(EditLine *edit, int key)
{
	(void)key;
	return line_room() > 0 && el_winsertstr(edit, L"\n") == 0 ? CC_REFRESH : CC_ERROR;
}

static unsigned char on_clear(EditLine *edit, int key)
{
	(void)edit;
	(void)key;
	fputs("\033[H\033[2J", stdout);
	editor.drawn = false;
	return CC_NORM;
}

static void list_candidates(const struct complete *complete)
{
	const char *between = "";

	editor_hide();
	for (size_t i = 0; i < complete->count; i++, between = "  ")
		printf("%s%s", between, complete->words[i]);
	putchar('\n');
}

static unsigned char on_tab(EditLine *edit, int key)
{
	const LineInfo *info = el_line(edit);
	struct complete *complete = &editor.complete;
	char insert[APP_LABEL_MAX + 1];

	(void)key;
	complete_line(editor.app, info->buffer, (size_t)(info->cursor - info->buffer), complete);
	if (complete->count == 0) {
		putchar('\a');
		return CC_NORM;
	}
	if (complete->count > 1 && complete->common <= complete->word_len) {
		list_candidates(complete);
		return CC_NORM;
	}
	snprintf(insert, sizeof(insert), "%.*s%s", (int)(complete->common - complete->word_len),
		 complete->words[0] + complete->word_len, complete->count == 1 ? " " : "");
	return el_insertstr(edit, insert) == 0 ? CC_REFRESH : CC_ERROR;
}

/* The line of that age in the history, 1 being the newest. NULL: there is none so old. */
static const wchar_t *history_at(int age)
{
	HistEventW event;
	int found = history_w(editor.history, &event, H_FIRST);

	for (int i = 1; i < age && found >= 0; i++)
		found = history_w(editor.history, &event, H_NEXT);
	return found >= 0 ? event.str : NULL;
}

static void replace_line(EditLine *edit, const wchar_t *text)
{
	const LineInfoW *info = el_wline(edit);
	int len = (int)(info->lastchar - info->buffer);

	el_cursor(edit, (int)(info->lastchar - info->cursor));
	if (len > 0)
		el_deletestr(edit, len);
	if (text[0])
		el_winsertstr(edit, text);
}

static wchar_t *copy_line(const LineInfoW *info, size_t len)
{
	wchar_t *copy = malloc((len + 1) * sizeof(*copy));

	if (copy) {
		wmemcpy(copy, info->buffer, len); /* libedit's has no end */
		copy[len] = L'\0';
	}
	return copy;
}

/* What is typed and not sent yet is kept meanwhile, whole: libedit's own keys keep 1024 characters of it. */
static unsigned char go_to(EditLine *edit, int age)
{
	const LineInfoW *info = el_wline(edit);
	const wchar_t *text;

	if (editor.age == 0) {
		free(editor.typed);
		editor.typed = copy_line(info, (size_t)(info->lastchar - info->buffer));
	}
	text = age == 0 ? editor.typed : age > 0 ? history_at(age) : NULL;
	if (!text || !editor.typed) {
		putchar('\a');
		return CC_NORM;
	}
	editor.age = age;
	replace_line(edit, text);
	return CC_REFRESH;
}

static unsigned char on_older(EditLine *edit, int key)
{
	(void)key;
	return go_to(edit, editor.age + 1);
}

static unsigned char on_newer(EditLine *edit, int key)
{
	(void)key;
	return go_to(edit, editor.age - 1);
}

static void bind_keys(EditLine *edit)
{
	static const struct {
		const wchar_t *name, *help, *keys;
		unsigned char (*run)(EditLine *, int);
	} own[] = {
		{L"chat-complete", L"complete a name", L"^I", on_tab},
		{L"chat-clear", L"clear the screen", L"^L", on_clear},
		{L"chat-line-feed", L"begin a line within the message", L"\\e^M", on_line_feed},
		{L"chat-paste", L"take what is pasted as text", L"\\e[200~", on_paste},
		{L"chat-older", L"the line before in the history", L"^P", on_older},
		{L"chat-newer", L"the line after it", L"^N", on_newer},
	};
	static const struct {
		const wchar_t *keys, *name;
	} more[] = {
		{L"\\e[A", L"chat-older"},     {L"\\eOA", L"chat-older"},
		{L"\\e[B", L"chat-newer"},     {L"\\eOB", L"chat-newer"},
		{L"\\e^J", L"chat-line-feed"}, {L"^R", L"em-inc-search-prev"},
	};

	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
		el_wset(edit, EL_ADDFN, own[i].name, own[i].help, own[i].run);
		el_wset(edit, EL_BIND, own[i].keys, own[i].name, NULL);
	}
	for (size_t i = 0; i < sizeof(more) / sizeof(more[0]); i++)
		el_wset(edit, EL_BIND, more[i].keys, more[i].name, NULL);
}

/* --- History ----------------------------------------------------------------------------------------- */

static HistoryW *history_open(const char *path)
{
	HistoryW *history = history_winit();
	HistEventW event;

	if (!history)
		return NULL;
	history_w(history, &event, H_SETSIZE, HISTORY_LINES);
	history_w(history, &event, H_SETUNIQUE, 1);
	if (path)
		history_w(history, &event, H_LOAD, path);
	return history;
}

/* By another name first, so that the file is whole whenever it is read. What is no file (/dev/null) is left what it is. */
static void history_write(HistoryW *history, const char *path)
{
	char beside[PATH_BYTES + 16];
	HistEventW event;
	struct stat info;

	if (lstat(path, &info) == 0 && !S_ISREG(info.st_mode)) {
		history_w(history, &event, H_SAVE, path);
		return;
	}
	snprintf(beside, sizeof(beside), "%s.%ld", path, (long)getpid());
	if (history_w(history, &event, H_SAVE, beside) < 0 || rename(beside, path) != 0)
		unlink(beside);
}

/* To what other sessions have written meanwhile, the lines of this one are added. */
static void history_save(const char *path)
{
	HistoryW *all = history_open(path);
	HistEventW line, event;
	int more;

	if (!all)
		return;
	for (more = history_w(editor.history, &line, H_LAST); more >= 0;
	     more = history_w(editor.history, &line, H_PREV))
		if (line.num > editor.loaded)
			history_w(all, &event, H_ENTER, line.str);
	history_write(all, path);
	history_wend(all);
}

static void history_add(const wchar_t *line)
{
	HistEventW event;

	if (editor.history && line[0])
		history_w(editor.history, &event, H_ENTER, line);
}

/* --- Reading a line ---------------------------------------------------------------------------------- */

static char *to_utf8(const wchar_t *line, size_t len)
{
	char *text = malloc(4 * len + 1), *p = text;

	for (size_t i = 0; text && i < len; i++)
		p += safe_put(p, (long)line[i]);
	if (text)
		*p = '\0';
	return text;
}

static enum editor_result read_edited(char **line)
{
	int count = 0;
	const wchar_t *text = el_wgets(editor.edit, &count);
	const LineInfoW *info = el_wline(editor.edit);
	size_t len = (size_t)(info->lastchar - info->buffer);
	wchar_t *copy;

	if (!text && !editor.app->interrupted)
		return is_over() ? EDITOR_ENDED : EDITOR_LEAVE;
	if (text && len > 0)
		len--; /* its line end */
	copy = copy_line(info, len);
	if (!copy)
		return EDITOR_INTERRUPTED;
	history_add(copy);
	*line = text ? to_utf8(copy, len) : NULL;
	free(copy);
	if (text)
		return *line ? EDITOR_LINE : EDITOR_INTERRUPTED;
	return len > 0 ? EDITOR_INTERRUPTED : EDITOR_EMPTY;
}

/* A character at a time would do too, but a line is what the terminal gives. */
static enum editor_result read_dumb(char **line)
{
	static char text[4 * LINE_CHARS_MAX];
	size_t len = 0;

	for (;;) {
		while (editor.key_at < editor.key_count) {
			char c = editor.keys[editor.key_at++];

			if (c == '\n') {
				*line = strndup(text, len);
				return *line ? EDITOR_LINE : EDITOR_INTERRUPTED;
			}
			if (c != '\0' && len < sizeof(text))
				text[len++] = c;
		}
		if (!wait_key())
			return editor.app->interrupted ? EDITOR_INTERRUPTED : EDITOR_ENDED;
		if (editor.ended)
			return EDITOR_ENDED;
	}
}

enum editor_result editor_read(char **line)
{
	enum editor_result result;

	editor.age = 0;
	start_typing();
	result = editor.edit ? read_edited(line) : read_dumb(line);
	if (result != EDITOR_LINE) {
		editor_hide();
		editor.key_at = editor.key_count;
		if (!editor.app->terminated)
			editor.app->interrupted = 0;
	}
	stop_typing();
	return result;
}

/* --- Life -------------------------------------------------------------------------------------------- */

static int say_unable(void)
{
	screen_notice("the terminal cannot be set up");
	return STATUS_IO;
}

/* libedit is given the terminal for its keys alone: it draws on nothing. */
static int start_libedit(const char *history_path)
{
	HistEventW event;

	editor.null = fopen("/dev/null", "re+");
	editor.history = history_open(history_path);
	if (editor.null && editor.history)
		editor.edit = el_init_fd("chat", stdin, editor.null, editor.null, STDIN_FILENO,
					 STDOUT_FILENO, STDERR_FILENO);
	if (!editor.edit)
		return say_unable();
	if (history_w(editor.history, &event, H_FIRST) >= 0)
		editor.loaded = event.num;
	el_wset(editor.edit, EL_EDITOR, L"emacs");
	el_wset(editor.edit, EL_HIST, history_w, editor.history);
	el_wset(editor.edit, EL_SIGNAL, 0);
	el_wset(editor.edit, EL_GETCFN, give_key);
	/* What is typed while a command runs is taken, and shown, afterwards, as the keys that it was. */
	el_wset(editor.edit, EL_SETTY, L"-x", L"-echo", L"-icanon", NULL);
	bind_keys(editor.edit);
	el_source(editor.edit, NULL); /* the user's ~/.editrc */
	el_wset(editor.edit, EL_EDITMODE, 1);
	return STATUS_OK;
}

int editor_start(struct app *app, const struct editor_hooks *hooks, const char *history_path)
{
	const char *term = getenv("TERM");

	editor.app = app;
	editor.hooks = hooks;
	editor.input = event_new(app->base, STDIN_FILENO, EV_READ, on_input, NULL);
	if (!editor.input || tcgetattr(STDIN_FILENO, &editor.usual) != 0)
		return say_unable();
	if (!term || term[0] == '\0' || strcmp(term, "dumb") == 0)
		return STATUS_OK;
	return start_libedit(history_path);
}

void editor_finish(const char *history_path)
{
	editor_hide();
	fflush(stdout);
	if (editor.edit)
		el_end(editor.edit);
	if (editor.edit && history_path)
		history_save(history_path);
	if (editor.history)
		history_wend(editor.history);
	free(editor.typed);
	if (editor.null)
		fclose(editor.null);
	if (editor.input)
		event_free(editor.input);
	tcsetattr(STDIN_FILENO, TCSADRAIN, &editor.usual);
	memset(&editor, 0, sizeof(editor));
}
