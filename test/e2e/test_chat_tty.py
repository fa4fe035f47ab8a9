# SPDX-License-Identifier: MIT
"""What a person sees who chats at a terminal: the screen after each thing that happens, and where the cursor is."""
import os
import random
import re
import shutil
import signal
import socket
import tempfile

from chatd import PASSWORD, TIMEOUT, Chatd, proves, run, unique
from terminal import Home, Screen, Session, begin

CLOCK = r"\d\d:\d\d"

chatd = Chatd()


class Talk:
    """A user at a terminal, and a peer on the wire, who talk to each other."""

    def __init__(self, prefix="ann", **options):
        self.home = Home(chatd)
        self.name = self.home.register(prefix)
        self.peer = chatd.user()
        self.session = begin(self.home, self.name, **options)
        self.user = self.peer.ok("user", name=self.name)["user"]["id"]
        self.prompt = f"@{self.peer.name} > "

    def open(self):
        self.session.line("/open " + self.peer.name)
        self.session.shows(self.prompt)
        return self

    def say(self, text):
        """The peer says it; how the line begins that shows it, the time apart."""
        seq = self.peer.ok("send", user=self.user, text=text)["seq"]
        return f"@{self.peer.name}/{seq} {self.peer.name}: "

    def hears(self, text):
        frame = self.peer.find("message")
        assert frame["text"] == text, frame
        return frame

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        self.peer.close()
        if kind:
            self.session.kill()
        else:
            self.session.line("/quit")
            self.session.end()
        self.home.remove()


def above(session, *lines, cursor=None):
    """The screen ends in these lines, the times in them being any."""

    def timeless(line):
        return re.sub("^" + CLOCK + " ", "", line)

    def check():
        display = [timeless(line) for line in session.screen.display()]
        wanted = [line.rstrip() for line in lines]
        row, column = session.screen.cursor()
        return display[-len(wanted):] == wanted and row == len(display) - 1 and \
            column == (len(lines[-1]) if cursor is None else cursor)

    session.until(check, "\n".join(lines))


# --- Who one is ----------------------------------------------------------------------------------------


@proves("a password is never shown, and after it the terminal is as it was")
def test_passwords():
    home, name = Home(chatd), unique("fresh")
    session = Session(home)
    session.expect("Name: ")
    assert session.echoes()
    session.line(name)
    session.expect("Password: ")
    assert not session.echoes()
    session.line("a quiet password")
    session.expect(r"Register \[y/N\]: ")
    assert session.echoes()
    session.line("y")
    session.expect("again: ")
    session.line("another password")
    session.expect("differ")
    session.expect("Password: ")
    session.line("short")
    session.expect("Password: ")
    session.type("\x03")
    session.end(130)
    assert "quiet" not in session.screen.text() and "another" not in session.screen.text()
    home.remove()


@proves("one who mistypes the password is asked again, and one who registers types it twice")
def test_wrong_password():
    home, name = Home(chatd), unique("typo")
    chatd.user(name).close()
    session = Session(home, "-u", name)
    session.expect("Password: ")
    session.line("not that one")
    session.expect(r"Register \[y/N\]: ")
    session.line("n")
    session.expect("Password: ")
    session.line("nor that one")
    session.expect("wrong.*Password: ")
    session.line(PASSWORD)
    session.expect(f"you are {name} .*> ")
    session.type("\x04")
    session.end()
    home.remove()


@proves("two windows of one user and one state folder are two users, or two devices of one")
def test_two_windows():
    home, name = Home(chatd), unique("both")
    home.chat("register", name, CHAT_PASSWORD=PASSWORD)
    first = begin(home, name)
    second = Session(home)  # nobody told who: not the one who is there
    second.expect(f"{name} is logged in in another window.*Name: ")
    second.line("\x04")
    second.end(4)
    second = Session(home, "-u", name)
    second.expect("Password: ")
    second.line(PASSWORD)
    second.expect(f"you are {name} .*> ")
    peer = chatd.user()
    peer.ok("send", user=peer.ok("user", name=name)["user"]["id"], text="to both")
    first.expect("to both")
    second.expect("to both")
    third_name = home.register()  # whose login is kept, too
    home.chat("login", name, CHAT_PASSWORD=PASSWORD)  # who is the last again, and whose session is not ended by it
    assert f"another chat runs as {name}'s device terminal" in home.errors
    third = Session(home)
    third.expect(f"{name} is logged in in another window.*Name: ")
    third.line(third_name)
    third.expect(f"you are {third_name} .*> ")
    for session in (first, second, third):
        session.line("/quit")
        session.end()
    peer.close()
    home.remove()


# --- The line ------------------------------------------------------------------------------------------


@proves("what comes is shown above the line, which stays as it is, and the cursor in it")
def test_incoming():
    with Talk() as talk:
        session, prompt = talk.open().session, talk.prompt
        session.type("half a li")
        session.shows(prompt + "half a li")
        first = talk.say("hello")
        above(session, first + "hello", prompt + "half a li")
        session.type("\x1b[D\x1b[D\x1b[D")  # left
        session.shows(prompt + "half a li", cursor=len(prompt) + 6)
        second = talk.say("more")
        above(session, first + "hello", second + "more", prompt + "half a li", cursor=len(prompt) + 6)
        session.type("X")
        session.shows(prompt + "half aX li", cursor=len(prompt) + 7)
        session.type("\x05ne\r")
        talk.hears("half aX line")
        above(session, second + "more", f"@{talk.peer.name}/3 {talk.name}: half aX line", prompt)


def cut(text, columns):
    """The rows of a text on a terminal, and where its end is."""
    screen = Screen(columns, 1000)
    screen.feed(text)
    if screen.column == columns:
        screen.row, screen.column = screen.row + 1, 0
    return ["".join(row) for row in screen.cells], (screen.row, screen.column)


@proves("the line may be long, of wide characters and of marks: where the cursor is follows from what is shown")
def test_wide():
    texts = ["plain " * 20, "日本語" * 20, "x日本語のテキスト" * 9, "e\u0301a\u0308o\u0302" * 40, "🙂x🙂🙂" * 17]
    for columns in (40, 41, 79):
        with Talk(columns=columns, rows=30) as talk:
            session, prompt = talk.open().session, talk.prompt
            for text in texts:
                session.type(text)
                for left in (0, 1, 9, len(text)):  # how far from the end the cursor is
                    session.type("\x05" + "\x1b[D" * left)
                    typed = text[:len(text) - left]
                    base = len(typed)  # marks are on what is before them
                    while left and base < len(text) and Screen.width(text[base]) == 0:
                        base += 1
                    rows, _ = cut(prompt + text, columns)
                    _, cursor = cut(prompt + text[:base], columns)
                    if base < len(text) and cursor[1] + Screen.width(text[base]) > columns:
                        cursor = cursor[0] + 1, 0
                    said = cut("00:00 " + talk.say("news") + "news", columns)[0]

                    def check():
                        display = session.screen.display()
                        shown = display[-len(rows):]
                        news = re.sub(CLOCK, "00:00", "".join(display[-len(rows) - len(said):-len(rows)]))
                        row, column = session.screen.cursor()
                        return shown == [r.rstrip() for r in rows] and news == "".join(said) and \
                            (row - (len(display) - len(rows)), column) == cursor

                    session.until(check, "\n".join(said + rows) + f"\n{cursor}")
                session.type("\x05\x15")
                session.shows(prompt)


@proves("a line that is longer than the screen takes half of it, and nothing of it is lost")
def test_longer_than_the_screen():
    with Talk(columns=40, rows=12) as talk:
        session = talk.open().session
        text = "".join(f"{number:03d} " for number in range(500))
        session.paste(text)
        session.until(lambda: session.screen.display()[-1].endswith("499"), "499")
        said = talk.say("news") + "news"
        session.until(lambda: [re.sub(CLOCK + " ", "", row) for row in session.screen.display()[-7:-6]] == [said], said)
        session.type("\x1b[A")  # to the line before, and back: it is there still
        session.until(lambda: session.screen.display()[-1].endswith(talk.peer.name), "the former line")
        session.type("\x1b[B")
        session.until(lambda: session.screen.display()[-1].endswith("499"), "499")
        session.type("\r")
        talk.hears(text)


@proves("whatever is typed, erased and moved while messages come, the screen shows it, and it is what is sent")
def test_any_keys():
    chance = random.Random(7)
    with Talk(columns=40, rows=40) as talk:
        session, prompt = talk.open().session, talk.prompt
        text, at = [], 0
        for step in range(250):
            key = chance.choice("iiiiiiilrbdhe") if len(text) < 150 else chance.choice("lrbbbdde")
            if key == "i":
                char = chance.choice("abc de日本🙂\u0301é")
                text.insert(at, char)
                at += 1
                session.type(char)
            elif key == "l":
                at = max(0, at - 1)
                session.type("\x1b[D")
            elif key == "r":
                at = min(len(text), at + 1)
                session.type("\x1b[C")
            elif key == "b":
                del text[max(0, at - 1):at]
                at = max(0, at - 1)
                session.type("\x7f")
            elif key == "d" and at < len(text):
                del text[at]
                session.type("\x1b[3~")
            elif key in "he":
                at = 0 if key == "h" else len(text)
                session.type("\x01" if key == "h" else "\x05")
            if step % 5 == 0:
                talk.say(f"news {step}")
            rows, _ = cut(prompt + "".join(text), 40)
            session.until(lambda: session.screen.display()[-len(rows):] == [r.rstrip() for r in rows] or
                          not "".join(text).strip(), "\n".join(rows))
        if "".join(text).strip():
            session.type("\r")
            talk.hears("".join(text))


@proves("when the window gets another size the line is wrapped anew, and what was said stays")
def test_resize():
    with Talk() as talk:
        session, prompt = talk.open().session, talk.prompt
        said = talk.say("before") + "before"
        above(session, said, prompt)
        text = "a line that is long enough to be wrapped where the window is not as wide as it was: again and again"
        session.type(text)
        for columns in (50, 33, 120, 80):
            for key, end in (("!", "again!"), ("\x7f", "again")):  # by then nothing is on its way for the former width
                session.type(key)
                session.until(lambda: session.screen.display()[-1].endswith(end), end)
            session.resize(columns, 24)
            said = talk.say(f"at {columns}") + f"at {columns}"
            rows, cursor = cut(prompt + text, columns)
            session.until(lambda: session.screen.display()[-len(rows):] == [r.rstrip() for r in rows] and
                          re.sub(CLOCK + " ", "", session.screen.display()[-len(rows) - 1]) == said and
                          session.screen.cursor()[1] == cursor[1], "\n".join([said] + rows))
        assert session.screen.text().count("a line that is long") == 1, session.screen.text()
        assert session.screen.text().count("before") == 1
        session.type("\x15")


@proves("what is pasted is one message, its line ends too, and no command")
def test_paste():
    with Talk() as talk:
        session, prompt = talk.open().session, talk.prompt
        session.paste("one\r/quit\ntwo\x07\x1b[31m\n")
        session.shows("/quit", "two[31m")
        session.type(" \x1b\rthree\r")
        talk.hears("one\n/quit\ntwo[31m \nthree")
        above(session, f"@{talk.peer.name}/1 {talk.name}: one", "    /quit", "    two[31m", "    three", prompt)
        session.type("first\rsecond\rthird\r")  # from a terminal that has no brackets for it
        for text in ("first", "second", "third"):
            talk.hears(text)
        above(session, f"@{talk.peer.name}/4 {talk.name}: third", prompt)


@proves("Ctrl-C drops the line, which the history keeps, or ends nothing; Ctrl-D on an empty line leaves")
def test_interrupt():
    with Talk() as talk:
        session, prompt = talk.open().session, talk.prompt
        session.type("never mind")
        session.shows(prompt + "never mind")
        session.type("\x03")
        session.shows(prompt)
        session.type("\x03")
        session.shows("-- Ctrl-D or /quit leaves", prompt)
        session.type("\x1b[A")
        session.shows(prompt + "never mind")
        session.type("\x15")
        session.shows(prompt)


@proves("Ctrl-Z stops the session and gives the terminal back; when it goes on, so does the line")
def test_stop():
    with Talk() as talk:
        session, prompt = talk.open().session, talk.prompt
        session.type("half")
        session.shows(prompt + "half")
        raw = session.echoes()
        session.type("\x1a")
        os.waitpid(session.pid, os.WUNTRACED)
        assert session.echoes() and not raw
        said = talk.say("meanwhile") + "meanwhile"
        os.kill(session.pid, signal.SIGCONT)
        above(session, said, prompt + "half")
        assert not session.echoes()
        session.type(" a line\r")
        talk.hears("half a line")


@proves("a signal that ends it leaves the terminal as it was, and the history whole")
def test_terminate():
    for number in (signal.SIGTERM, signal.SIGHUP):
        home = Home(chatd)
        name = home.register()
        session = begin(home, name)
        session.line("/who")
        session.shows("-- no friend is online", "> ")
        os.kill(session.pid, number)
        session.end(130)
        assert session.left_echo
        assert "2004" not in session.screen.modes
        with open(home.folder + "/.local/state/chat/history", encoding="utf-8") as file:
            assert "/who" in file.read()
        home.remove()


@proves("sessions that run beside each other keep each other's lines in the history")
def test_history_of_two():
    home = Home(chatd)
    first_name, second_name = home.register(), home.register()
    first, second = begin(home, first_name, "-u", first_name), begin(home, second_name, "-u", second_name)
    for session, text in ((first, "/user one"), (second, "/user two")):
        session.line(text)
        session.expect("no_such_user")
        session.type("\x04")
        session.end()
    third = begin(home, first_name, "-u", first_name)
    third.type("\x1b[A")
    third.shows("> /user two")
    third.type("\x1b[A")
    third.shows("> /user one")
    third.type("\x15\x04")
    third.end()
    history = home.folder + "/.local/state/chat/history"
    assert os.stat(history).st_mode & 0o777 == 0o600
    assert sorted(os.listdir(os.path.dirname(history)))[-1] == "history"  # and nothing beside it
    home.remove()


@proves("Tab completes commands and names, and lists what there is to choose from")
def test_completion():
    stem = unique("pal") + "x"
    one, two = chatd.user(stem + "one"), chatd.user(stem + "two")
    home = Home(chatd)
    name = home.register()
    home.chat("send", one.name, "hi")
    home.chat("send", two.name, "hi")
    session = begin(home, name)
    session.type("/conv\t")
    session.shows("> /conversations ")
    session.type("\x15/op\t" + stem[:3] + "\t")
    session.shows(f"> /open {stem}")
    session.type("\t")
    session.shows(f"{stem}one  {stem}two", f"> /open {stem}")
    session.type("t\t")
    session.shows(f"> /open {stem}two ")
    session.type("\x15/nothing of the ki\t")
    session.until(lambda: session.screen.bells == 1, "a bell")
    session.shows("> /nothing of the ki")
    session.type("\x15/quit\r")
    session.end()
    one.close()
    two.close()
    home.remove()


@proves("a dumb terminal is told nothing but text, and still chats")
def test_dumb():
    home = Home(chatd)
    name = home.register()
    peer = chatd.user()
    session = begin(home, name, TERM="dumb")
    session.line("/open " + peer.name)
    session.expect(f"@{peer.name} > ")
    session.line("from a dumb one")
    assert peer.find("message")["text"] == "from a dumb one"
    peer.ok("send", user=peer.ok("user", name=name)["user"]["id"], text="hello")
    session.expect(f"{peer.name}: hello\r\n@{peer.name} > ")
    session.type("\x04")
    session.end()
    assert "\x1b" not in session.screen.text()
    peer.close()
    home.remove()


# --- What others send ----------------------------------------------------------------------------------


@proves("whatever a peer sends, in texts and in names, the terminal obeys none of it")
def test_hostile():
    evil = "".join(map(chr, [*range(1, 32), *range(127, 160), 0x200b, *range(0x200e, 0x2010), *range(0x2028, 0x202f),
                             *range(0x2060, 0x2070), 0xfeff, 0xad, 0x61c]))
    with Talk(columns=100) as talk:  # Screen refuses to be given any of it
        session, prompt = talk.open().session, talk.prompt
        talk.say("\x1b]0;title\x07\x1b[2J\x1b[?1049h\x9b31m" + evil)
        session.contains(r"\\x1b\[2J\\x1b\[\?1049h\\x9b31m")
        session.contains(r"\\u202e.*\\u2066")
        session.shows(prompt)
        talk.say("one\n00:00 @you/1 you: forged")
        above(session, f"@{talk.peer.name}/2 {talk.peer.name}: one", "    00:00 @you/1 you: forged", prompt)
        talk.say("x" * 16384)
        session.contains("x" * 16384)
        session.shows(prompt)
        talk.say("\u0301" * 2000)
        session.shows(prompt)
        group = talk.peer.ok("group.create", name="ops/1 you: \u202elies\u200d", open=False)["group"]["id"]
        talk.session.line("/add " + talk.peer.name)
        talk.peer.find("friend")
        talk.peer.ok("friend.accept", user=talk.user)
        talk.peer.ok("group.invite", group=group, user=talk.user)
        session.contains(r'invites you to "#ops/1 you: \\u202elies\\u200d": /group join #' + str(group))
        ghost = chatd.user(unique("gh\u2066ost\u200d"))
        ghost.ok("friend.add", user=talk.user)
        session.contains(r"^-- gh\\u2066ost\\u200d\d+ asks to be friends")
        ghost.close()
        session.type("a\u202eb")  # pasted by oneself, say
        session.shows(prompt + r"a\u202eb")
        session.type("\x15")


@proves("a group's name passes for no other's")
def test_group_names():
    with Talk() as talk:
        session = talk.session
        groups = [talk.peer.ok("group.create", name=name)["group"]["id"] for name in ("twin", "TWIN", "123")]
        for group in groups:
            session.line(f"/group join #{group}")
            session.contains(f"^#{group} ")
        for group in groups:
            talk.peer.ok("send", group=group, text=f"in {group}")
        session.contains(rf"#{groups[0]} \(twin\)/1 .*: in {groups[0]}$")
        session.contains(rf"#{groups[1]} \(TWIN\)/1 .*: in {groups[1]}$")
        session.contains(rf"^{CLOCK} #{groups[2]}/1 .*: in {groups[2]}$")


# --- The connection ------------------------------------------------------------------------------------


class Outage:
    """A server on a port that it has after a restart too, with somebody at a terminal and a peer."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="chat-test-")
        self.server = Chatd(store=f"sqlite:{self.folder}/chat.db")
        self.home = Home(self.server)
        self.name = self.home.register("dropped")
        self.peer = self.server.user()
        self.session = begin(self.home, self.name)
        self.prompt = f"@{self.peer.name} > "
        self.session.line("/open " + self.peer.name)
        self.session.shows(self.prompt)

    def down(self):
        port, command = self.server.port, self.server.command
        self.peer.close()
        self.server.kill()
        self.server.command = lambda: [w.replace("127.0.0.1:0", f"127.0.0.1:{port}") for w in command()]

    def up(self):
        self.server.start()
        peer = self.server.client()
        peer.login(user=self.peer.id, replace=True)
        self.peer = peer

    def finish(self):
        self.peer.close()
        self.server.finish()
        self.home.remove()
        shutil.rmtree(self.folder)


@proves("when the server is gone the prompt says so, what is typed waits, and goes once when it is back")
def test_outage():
    outage = Outage()
    session, prompt = outage.session, outage.prompt
    session.type("half")
    session.shows(prompt + "half")
    outage.down()
    session.contains("^-- disconnected .*trying again")
    session.shows("(offline) " + prompt + "half")
    with socket.create_server(("127.0.0.1", outage.server.port)) as nobody:  # it is tried again and again,
        nobody.settimeout(TIMEOUT)
        for _ in range(3):
            nobody.accept()[0].close()
    session.shows("(offline) " + prompt + "half")  # and not a word more is said of it
    session.line(" a line")
    session.shows("(offline, 1 to send) " + prompt)
    session.line("and another")
    session.shows("(offline, 2 to send) " + prompt)
    session.line("/friends")
    session.shows("not connected", "(offline, 2 to send) " + prompt)
    outage.up()
    session.contains("^-- connected again")
    assert [outage.peer.find("message")["text"] for _ in range(2)] == ["half a line", "and another"]
    above(session, f"@{outage.peer.name}/1 {outage.name}: half a line", f"@{outage.peer.name}/2 {outage.name}: and another",
          prompt)
    outage.peer.nothing("message")
    assert session.screen.text().count("disconnected") == 1
    session.line("/quit")
    session.end()
    outage.finish()


@proves("who leaves with messages unsent is told of them first, and which they were")
def test_leave_unsent():
    outage = Outage()
    session, prompt = outage.session, outage.prompt
    outage.down()
    session.contains("disconnected")
    session.line("into the dark")
    session.shows("(offline, 1 to send) " + prompt)
    session.type("\x04")
    session.contains("^-- 1 not sent yet")
    session.type("\x04")
    session.contains("into the dark")
    session.end()
    outage.up()
    outage.finish()


@proves("what was asked, invited and read while one was away is told at the next login, and once")
def test_news():
    outage = Outage()
    session, prompt = outage.session, outage.prompt
    asker = outage.server.user(unique("asker"))
    asker_name = asker.name
    user = asker.ok("user", name=outage.name)["user"]["id"]
    outage.down()
    session.contains("disconnected")
    outage.session.line("/close")
    asker.close()
    session.shows("(offline) > ")
    # The session is held where it is, so that it is away while that is asked.
    os.kill(session.pid, signal.SIGSTOP)
    outage.up()
    asker = outage.server.client()
    asker.ok("login", name=asker_name, password=PASSWORD, replace=True)
    asker.ok("friend.add", user=user)
    outage.peer.ok("send", user=user, text="while you were away")
    os.kill(session.pid, signal.SIGCONT)
    session.contains(f"^-- {asker_name} asks to be friends: /accept {asker_name} or /decline {asker_name}$")
    session.contains("while you were away")
    session.shows("(1 unread) > ")
    session.line("/open " + outage.peer.name)
    session.shows(prompt)
    session.line("/quit")
    session.end()
    again = begin(outage.home, outage.name)
    again.contains(f"^-- {asker_name} asks to be friends")
    again.shows("> ")  # and nothing is unread
    again.line("/accept " + asker_name)
    asker.find("friend", event="accepted")
    again.type("\x04")
    again.end()
    asker.close()
    outage.finish()


@proves("a device that is removed, and one of a user whose password was changed, is told, and ends")
def test_removed():
    for ending in ("device", "password"):
        home = Home(chatd)
        name = home.register()
        session = begin(home, name)
        other = chatd.client()
        other.ok("login", name=name, password=PASSWORD, device="other")
        if ending == "device":
            other.ok("device.remove", device="terminal")
        else:
            other.ok("password", old=PASSWORD, new="a new password")
        session.contains("removed|password was changed")
        session.end(4)
        again = Session(home)
        again.expect(f"login of {name} is at its end.*Name: ")
        again.line("\x04")
        again.end(4)
        other.close()
        home.remove()


@proves("/password asks without an echo, the session goes on, and the new password is the one")
def test_change_password():
    with Talk() as talk:
        session = talk.session
        session.line("/password")
        for question, answer in (("Old password: ", PASSWORD), ("New password: ", "a newer one"), ("Again: ", "a newer one")):
            session.expect(question)
            assert not session.echoes()
            session.line(answer)
        session.contains("^the password is changed")
        session.shows("> ")
        assert PASSWORD not in session.screen.text() and "newer" not in session.screen.text()
        other = chatd.client()
        other.ok("login", name=talk.name, password="a newer one", device="other")
        other.close()
        talk.open()


@proves("messages, edits and recalls of one's own are shown with their numbers when they are stored; what is refused comes back")
def test_own():
    with Talk() as talk:
        session, prompt = talk.open().session, talk.prompt
        where = f"@{talk.peer.name}"
        session.line("tpyo")
        above(session, f"{where}/1 {talk.name}: tpyo", prompt)
        session.line("/edit last typo")
        above(session, f"{where}/2 {talk.name} edits 1: typo", prompt)
        session.line("/recall last")
        above(session, f"{where}/3 {talk.name} recalls 1", prompt)
        session.line("/history")
        session.contains(rf"{where}/1 {talk.name}: \(recalled\)")
        talk.peer.ok("friend.block", user=talk.user)
        session.line("do you hear me")
        session.contains(f"^-- not sent to {where}: .*blocked.*: do you hear me$")
        session.shows(prompt)


@proves("a conversation that is opened shows what was said last, and all that is unread, once")
def test_open():
    with Talk() as talk:
        session, prompt, peer = talk.session, talk.prompt, talk.peer.name
        for number in range(30):
            talk.say(f"early {number}")
        session.contains("early 29$")
        session.line("/open " + peer)
        session.shows(prompt)
        assert session.screen.text().count("early 7") == 1  # it was on the screen already
        session.line("/quit")
        session.end()
        for number in range(15):
            talk.say(f"late {number}")
        session = begin(talk.home, talk.name)
        session.contains("late 14$")
        session.line("/quit")
        session.end()
        talk.session = session = begin(talk.home, talk.name)
        session.contains(f"^  15 unread in @{peer}$")
        session.shows("(15 unread) > ")
        session.line("/open " + peer)
        above(session, *(f"@{peer}/{31 + number} {peer}: late {number}" for number in range(15)), prompt)
        session.line("/close")
        session.line("/open " + peer)
        session.shows(prompt)
        assert session.screen.text().count("late 7") == 1
        session.line("/history 20")  # who or what is 20? nobody's
        session.contains("no_such_user|nothing was said")
        session.line(f"/history {peer} 5")
        session.contains(f"^-- older ones: /history @{peer} 5 41$")
        session.line(f"/history @{peer} 5 41")
        session.contains(f"^-- older ones: /history @{peer} 5 36$")


@proves("the prompt says that somebody types, until they say it")
def test_typing():
    with Talk() as talk:
        session, prompt = talk.open().session, talk.prompt
        talk.peer.frame(type="typing", user=talk.user)
        session.shows(f"({talk.peer.name} is typing) {prompt}")
        said = talk.say("there") + "there"
        above(session, said, prompt)
        session.type("x")
        talk.peer.find("typing")
        session.type("\x15")


@proves("each command of a session says that it worked")
def test_remarks():
    with Talk() as talk:
        session, peer = talk.session, talk.peer.name
        for command, answer in (("/friends", "-- nobody yet"), ("/who", "-- no friend is online"),
                                ("/groups", "-- none yet"), ("/conversations", "-- none yet"),
                                (f"/history {peer}", "-- nothing was said"), (f"/add {peer}", "asked"),
                                (f"/remove {peer}", f"-- {peer} is removed"), (f"/block {peer}", f"-- {peer} is blocked"),
                                (f"/unblock {peer}", f"-- {peer} is not blocked"),
                                ("/open #999999999", "you are not in #999999999"), ("/open 999999999", "no_such_user"),
                                ("/group", "  /group create"), ("/help group", "  /group create"),
                                ("/block one too many", "usage: /block USER; with spaces:"),
                                ("/nonsense", "there is no such command"), ("no conversation", "no conversation is open")):
            session.line(command)
            session.contains("^" + re.escape(answer) if answer != "no_such_user" else answer)
            session.shows("> ")


def finish():
    chatd.finish()


try:
    run(globals())
finally:
    finish()
