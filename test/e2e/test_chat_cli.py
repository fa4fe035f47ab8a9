# SPDX-License-Identifier: MIT
"""The terminal client against a real chatd: commands as scripts use them, and a session in a pseudo-terminal."""
import fcntl
import json
import os
import pty
import re
import select
import shutil
import signal
import struct
import subprocess
import tempfile
import termios
import time

from chatd import PASSWORD, TIMEOUT, Chatd, proves, run, unique

CHAT = os.environ.get("CHAT", "build/client/chat")


class Home:
    """A user's state folder, and chat run with it."""

    def __init__(self, chatd):
        self.folder = tempfile.mkdtemp(prefix="chat-home-")
        self.environment = {
            "PATH": os.environ["PATH"], "HOME": self.folder, "LC_ALL": "C.UTF-8", "TERM": "xterm",
            "CHAT_SERVER": f"127.0.0.1:{chatd.port}",
        }

    def chat(self, *words, stdin="", expect=0, **environment):
        """What the command printed; its exit code is the expected one."""
        done = subprocess.run([CHAT, *words], input=stdin.encode(), capture_output=True,
                              timeout=TIMEOUT * 2, env={**self.environment, **environment},
                              start_new_session=True)
        out, err = done.stdout.decode(), done.stderr.decode()
        assert done.returncode == expect, f"chat {words}: {done.returncode}: {out}{err}"
        self.errors = err
        return out

    def json(self, *words, **options):
        return [json.loads(line) for line in self.chat(*words, **options).splitlines()]

    def register(self, prefix="cli"):
        name = unique(prefix)
        self.chat("register", name, CHAT_PASSWORD=PASSWORD)
        return name

    def remove(self):
        shutil.rmtree(self.folder)


class Session:
    """chat without a command, in a pseudo-terminal."""

    def __init__(self, home, *options, **environment):
        self.seen = ""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            # libedit does not free what EL_ADDFN was given: a leak that is not chat's.
            os.execve(CHAT, [CHAT, *options],
                      {"ASAN_OPTIONS": "detect_leaks=0", **home.environment, **environment})
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))

    def read(self, seconds):
        if not select.select([self.fd], [], [], seconds)[0]:
            return False
        try:
            data = os.read(self.fd, 65536)
        except OSError:  # the other end is closed
            return False
        self.seen += data.decode(errors="replace")
        return bool(data)

    def expect(self, pattern):
        """Waits for it, and takes what was printed up to its end."""
        deadline = time.monotonic() + TIMEOUT
        while not (found := re.search(pattern, self.seen, re.S)):
            if time.monotonic() > deadline or not self.read(deadline - time.monotonic()):
                raise AssertionError(f"{pattern!r} is not in {self.seen!r}")
        before, self.seen = self.seen[:found.end()], self.seen[found.end():]
        return before

    def type(self, text):
        os.write(self.fd, text.encode())

    def line(self, text):
        self.type(text + "\r")

    def end(self, expect=0):
        deadline = time.monotonic() + TIMEOUT
        while time.monotonic() < deadline:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                os.close(self.fd)
                assert os.waitstatus_to_exitcode(status) == expect, (status, self.seen)
                return
            self.read(0.05)
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        raise AssertionError(f"the session did not end: {self.seen!r}")


chatd = Chatd()
alice, bob = Home(chatd), Home(chatd)
alice_name, bob_name = alice.register("alice"), bob.register("bob")


# --- Scripts ---------------------------------------------------------------------------------------


@proves("a message piped into `chat send` is stored, as one message")
def test_send_from_a_pipe():
    alice.chat("send", bob_name, "-", stdin="done\nand dusted\n")
    [message] = bob.json("history", "--json", alice_name)
    assert message["text"] == "done\nand dusted", message
    assert message["type"] == "message" and message["seq"] == 1
    assert alice.json("--json", "send", bob_name, "--", "-dash")[0]["seq"] == 2


@proves("each way to fail has its exit code")
def test_exit_codes():
    nobody = Home(chatd)
    alice.chat("send", "nobody.there", "x", expect=1)
    assert "no_such_user" in alice.errors
    alice.chat("send", bob_name, "-", stdin="", expect=2)
    alice.chat("send", bob_name, "-", stdin="x" * 16385, expect=2)
    alice.chat("frobnicate", expect=2)
    alice.chat("history", expect=2)
    alice.chat("--timeout", "1", "-s", "127.0.0.1:1", "friends", expect=3, CHAT_TOKEN="x")
    nobody.chat("friends", expect=4)
    nobody.chat("-u", alice_name, "friends", expect=4, CHAT_PASSWORD="wrong password")
    nobody.chat("-u", alice_name, "--password-file", "/nonexistent", "friends", expect=5)
    with open("/dev/full", "wb") as full:
        done = subprocess.run([CHAT, "history", bob_name], stdout=full, stderr=subprocess.DEVNULL,
                              env=alice.environment, timeout=TIMEOUT)
    assert done.returncode == 5, done.returncode
    nobody.remove()


@proves("user, password and token come from the environment or from files")
def test_credentials():
    other = Home(chatd)
    secret = os.path.join(other.folder, "secret")
    with open(secret, "w", encoding="utf-8") as file:
        file.write(PASSWORD + "\n")
    other.chat("--device", "env", "friends", CHAT_USER=alice_name, CHAT_PASSWORD=PASSWORD)
    alice.chat("friends", CHAT_PASSWORD=PASSWORD)  # takes the place of the token that was kept,
    alice.chat("friends")  # and is kept in its place
    other.chat("-u", alice_name, "--device", "cron", "--password-file", secret, "friends")
    client = chatd.client()
    token = client.ok("login", name=alice_name, password=PASSWORD, device="robot")["token"]
    client.close()
    other.chat("friends", CHAT_TOKEN=token)
    with open(secret, "w", encoding="utf-8") as file:
        file.write(token + "\n")
    other.chat("--token-file", secret, "friends")
    other.remove()


@proves("a login is kept in the state folder, for its owner alone")
def test_state_folder():
    kept = []
    for folder, _, files in os.walk(alice.folder):
        assert folder == alice.folder or os.stat(folder).st_mode & 0o077 == 0 or \
            os.path.basename(folder) in (".local", "state"), folder
        kept += [os.path.join(folder, name) for name in files]
    assert len(kept) >= 4, kept
    for path in kept:
        assert os.stat(path).st_mode & 0o777 == 0o600, path


@proves("friends are asked, accepted, listed, blocked and removed")
def test_friends():
    alice.chat("add", bob_name)
    [entry] = bob.json("friends", "--json")
    assert (entry["name"], entry["state"]) == (alice_name, "pending")
    bob.chat("accept", alice_name)
    [entry] = alice.json("--json", "friends")
    assert entry["state"] == "friends" and entry["online"] is False
    bob.chat("accept", alice_name, expect=1)
    bob.chat("block", alice_name)
    alice.chat("send", bob_name, "x", expect=1)
    assert "blocked" in alice.errors
    bob.chat("unblock", alice_name)
    bob.chat("remove", alice_name, expect=1)  # the block has ended it
    assert bob.json("friends", "--json") == []


@proves("a group is named by its id, or by a name that only one of one's groups has")
def test_groups():
    name = unique("ops")
    [group] = alice.json("--json", "group", "create", name, "the team")
    bob.chat("group", "join", str(group["id"]))
    alice.chat("send", "#" + name, "hello")
    bob.chat("send", "group:" + name.upper(), "hello back")
    assert [m["text"] for m in bob.json("--json", "history", f"#{group['id']}")] == \
        ["hello", "hello back"]
    members = alice.json("group", "members", "--json", "#" + name)
    assert {m["name"]: m["role"] for m in members} == {alice_name: "owner", bob_name: "member"}
    alice.chat("group", "role", "#" + name, bob_name, "admin")
    bob.chat("group", "update", "#" + name, "description", "renamed")
    [second] = alice.json("--json", "group", "create", name)
    alice.chat("send", "#" + name, "which?", expect=2)
    assert f"#{group['id']}" in alice.errors and f"#{second['id']}" in alice.errors
    alice.chat("group", "dissolve", f"#{second['id']}")
    alice.chat("group", "kick", "#" + name, bob_name)
    bob.chat("send", f"#{group['id']}", "x", expect=1)
    alice.chat("group", "leave", "#" + name)
    assert alice.json("groups", "--json") == []


@proves("what a peer sends is shown without a control character of it")
def test_harmless():
    evil = "a\x1b[2Jb\x07\x9bc\u202ed\x7f\re"
    peer = chatd.user()
    peer.ok("send", user=chatd_id(alice), text=evil, cid="evil")
    shown = alice.chat("history", peer.name)
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]", shown), shown
    assert "\\x1b[2J" in shown and "\\u202e" in shown
    [message] = alice.json("--json", "history", peer.name)
    assert message["text"] == evil
    peer.close()


def chatd_id(home):
    return home.json("--json", "user", alice_name if home is alice else bob_name)[0]["id"]


@proves("`tail` prints each message once, across runs too, and ends in order when it is interrupted")
def test_tail():
    peer = chatd.user()
    me = chatd_id(bob)
    for number in range(3):
        peer.ok("send", user=me, text=f"early {number}")
    seen = []
    for expected in (["early 0", "early 1", "early 2"], ["late"]):
        process = subprocess.Popen([CHAT, "tail", "--json"], env=bob.environment,
                                   stdout=subprocess.PIPE, text=True)
        if expected == ["late"]:
            peer.ok("send", user=me, text="late")
        texts = []
        while len(texts) < len(expected):
            frame = json.loads(process.stdout.readline())
            if frame["type"] == "message" and frame["from"] == peer.id:
                texts.append(frame["text"])
        process.send_signal(signal.SIGINT)
        assert process.wait(TIMEOUT) == 0
        seen += texts
        assert texts == expected, texts
    # what could not be printed comes again
    peer.ok("send", user=me, text="lost on a full disk")
    with open("/dev/full", "wb") as full:
        done = subprocess.run([CHAT, "tail"], env=bob.environment, stdout=full, timeout=TIMEOUT,
                              stderr=subprocess.DEVNULL)
    assert done.returncode == 5, done.returncode
    process = subprocess.Popen([CHAT, "tail"], env=bob.environment, stdout=subprocess.PIPE, text=True)
    while "lost on a full disk" not in process.stdout.readline():
        pass
    # and a command beside it does not end it
    bob.chat("friends")
    peer.ok("send", user=me, text="still there")
    while "still there" not in process.stdout.readline():
        pass
    process.send_signal(signal.SIGINT)
    assert process.wait(TIMEOUT) == 0
    peer.close()


@proves("commands that run at the same time on one device wait for one another")
def test_lock():
    running = [subprocess.Popen([CHAT, "send", bob_name, f"at once {n}"], env=alice.environment)
               for n in range(4)]
    assert [process.wait(TIMEOUT * 2) for process in running] == [0] * 4
    texts = [m["text"] for m in alice.json("--json", "history", bob_name)]
    assert sorted(t for t in texts if t.startswith("at once")) == [f"at once {n}" for n in range(4)]


@proves("edit, recall, read, conversations, devices and who do what they say")
def test_other_commands():
    [sent] = alice.json("--json", "send", bob_name, "tpyo")
    alice.chat("edit", bob_name, str(sent["seq"]), "typo")
    messages = {m["seq"]: m for m in bob.json("--json", "history", alice_name)}
    assert messages[sent["seq"]]["text"] == "typo" and messages[sent["seq"]]["edited"]
    alice.chat("recall", bob_name, str(sent["seq"]))
    bob.chat("recall", alice_name, str(sent["seq"]), expect=1)
    [before] = [c for c in bob.json("--json", "conversations") if c["name"] == alice_name]
    assert before["unread"] > 0
    bob.chat("read", alice_name)
    [after] = [c for c in bob.json("--json", "conversations") if c["name"] == alice_name]
    assert after["unread"] == 0
    devices = {d["device"]: d["online"] for d in alice.json("--json", "devices")}
    assert devices["script"] is True and devices["terminal"] is False
    alice.chat("who")


# --- Sessions --------------------------------------------------------------------------------------


def start(home, name):
    session = Session(home)
    session.expect(f"you are {name} on .*> ")
    return session


@proves("a session registers a user, with a password that is not echoed, and keeps the login")
def test_session_register():
    home, name = Home(chatd), unique("fresh")
    session = Session(home)
    session.expect("Name: ")
    session.line(name)
    session.expect("Password: ")
    session.line("a quiet password")
    session.expect(r"Register \[y/N\]: ")
    session.line("y")
    seen = session.expect(f"you are {name} on ")
    session.expect("> ")
    assert "a quiet password" not in seen
    session.line("/quit")
    session.end()
    session = start(home, name)  # and no question is asked
    session.type("\x04")
    session.end()
    home.remove()


@proves("incoming lines appear above the prompt, and what is being typed is kept")
def test_session_incoming():
    peer = chatd.user()
    session = start(alice, alice_name)
    session.type("half a li")
    session.expect("half a li")
    peer.ok("send", user=chatd_id(bob), text="not for alice")
    peer.ok("send", user=chatd_id(alice), text="hello \x1b[31malice")
    seen = session.expect(rf"\r.*{peer.name}.*: hello \\x1b\[31malice\r?\n.*> half a li")
    assert "\x1b[J" in seen
    session.type("\x15/open " + peer.name + "\r")
    session.expect(f"@{peer.name} > ")
    session.line("plain words")
    assert peer.find("message")["text"] == "plain words"
    session.line("/edit last better words")
    edit = peer.find("message")
    assert edit["text"] == "better words" and edit["edits"] == 2
    session.line("//slash")
    assert peer.find("message")["text"] == "/slash"
    session.line("/quit")
    session.end()
    peer.close()


@proves("Tab completes commands and names, and the up arrow brings back a line")
def test_session_completion():
    peer = chatd.user(unique("completable"))
    alice.chat("send", peer.name, "hi")
    session = start(alice, alice_name)
    session.type("/conv\t")
    session.expect("ersations ")
    session.line("")
    session.expect(f"@{peer.name}.*> ")
    session.type("/open completabl\t")
    session.expect(peer.name[len("completabl"):] + " ")
    session.line("")
    session.expect(f"@{peer.name} > ")
    session.line("once")
    assert peer.find("message")["text"] == "hi"
    assert peer.find("message")["text"] == "once"
    session.type("\x1b[A\r")
    assert peer.find("message")["text"] == "once"
    session.type("/qui\t\r")
    session.end()
    peer.close()


@proves("a session says that the server is gone, comes back by itself, and sends what was typed meanwhile")
def test_session_reconnect():
    folder = tempfile.mkdtemp(prefix="chat-test-")
    server = Chatd(store=f"sqlite:{folder}/chat.db")  # one that outlives its process
    home = Home(server)
    name = home.register("dropped")
    peer = server.user()
    peer_name, port = peer.name, server.port
    session = start(home, name)
    session.line("/open " + peer_name)
    session.expect(f"@{peer_name} > ")
    peer.close()
    server.kill()
    session.expect("disconnected .*trying again")
    session.line("sent into the dark")
    command = server.command
    server.command = lambda: [w.replace("127.0.0.1:0", f"127.0.0.1:{port}") for w in command()]
    server.start()
    session.expect("connected again")
    peer = server.client()
    peer.ok("login", name=peer_name, password=PASSWORD, replace=True)
    assert peer.find("message")["text"] == "sent into the dark"
    session.line("/quit")
    session.end()
    peer.close()
    server.finish()
    home.remove()
    shutil.rmtree(folder)


@proves("NO_COLOR is respected, and so is Ctrl-C")
def test_session_colours():
    peer = chatd.user()
    peer.ok("send", user=chatd_id(alice), text="grey")
    session = Session(alice, NO_COLOR="1")
    seen = session.expect("grey.*> ")
    assert not re.search("\x1b\\[[0-9;]*m", seen), seen
    session.type("nonsense\x03")
    session.expect(r"\^C.*> ")
    session.line("/quit")
    session.end()
    session = Session(alice)
    peer.ok("send", user=chatd_id(alice), text="green")
    assert re.search("\x1b\\[[0-9;]*m", session.expect("green"))
    session.expect("> ")
    session.line("/quit")
    session.end()
    peer.close()


@proves("a session that another takes the place of ends, and says why")
def test_session_replaced():
    first = start(alice, alice_name)
    second = start(alice, alice_name)
    first.expect("logged in|replaced|elsewhere")
    first.end(expect=4)
    second.line("/logout")
    second.end()
    third = Session(alice)
    third.expect("Name: ")
    third.type("\x04")
    third.end(expect=4)


def finish():
    alice.remove()
    bob.remove()
    chatd.finish()


try:
    run(globals())
finally:
    finish()
