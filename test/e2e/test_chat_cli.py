# SPDX-License-Identifier: MIT
"""The terminal client against a real chatd: commands as scripts use them, and a session in a pseudo-terminal."""
import json
import os
import re
import shutil
import socket
import subprocess
import tempfile

from chatd import PASSWORD, TIMEOUT, Chatd, Skip, proves, run, unique
from terminal import CHAT, Home, Session, begin

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
    for expected in (["early 0", "early 1", "early 2"], ["late"]):
        with bob.start("tail", "--json") as tail:
            if expected == ["late"]:
                peer.ok("send", user=me, text="late")
            texts = []
            while len(texts) < len(expected):
                frame = json.loads(tail.line())
                if frame["type"] == "message" and frame["from"] == peer.id:
                    texts.append(frame["text"])
            assert tail.interrupt() == 0
        assert texts == expected, texts
    # what could not be printed comes again
    peer.ok("send", user=me, text="lost on a full disk")
    with open("/dev/full", "wb") as full:
        done = subprocess.run([CHAT, "tail"], env=bob.environment, stdout=full, timeout=TIMEOUT,
                              stderr=subprocess.DEVNULL)
    assert done.returncode == 5, done.returncode
    with bob.start("tail") as tail:
        tail.until("lost on a full disk")
        bob.chat("friends")  # and a command beside it does not end it
        peer.ok("send", user=me, text="still there")
        tail.until("still there")
        assert tail.interrupt() == 0
    peer.close()


@proves("a second `tail` on one device is refused, and does not end the first")
def test_tail_twice():
    peer = chatd.user()
    with bob.start("tail") as tail:
        peer.ok("send", user=chatd_id(bob), text="once")
        tail.until("once")
        bob.chat("--timeout", "1", "tail", expect=4)
        assert "another chat runs" in bob.errors and "--device" in bob.errors
        peer.ok("send", user=chatd_id(bob), text="twice")
        tail.until("twice")
        assert tail.interrupt() == 0
    peer.close()


@proves("`send` waits for its text before it logs in: however long that takes, it has its time to send, and nobody waits")
def test_slow_stdin():
    process = subprocess.Popen([CHAT, "send", bob_name], env=alice.environment, stdin=subprocess.PIPE)
    with process.stdin as stdin:
        alice.chat("--timeout", "2", "friends")  # on the same device
        stdin.write(b"at last")
    assert process.wait(TIMEOUT) == 0
    assert bob.json("--json", "history", alice_name, "1")[0]["text"] == "at last"


@proves("a text of several words needs no quotes, and one from a pipe is UTF-8 or refused")
def test_texts():
    alice.chat("send", bob_name, "three", "plain", "words")
    [sent] = alice.json("--json", "send", bob_name, "--", "-x", "y")
    alice.chat("edit", bob_name, str(sent["seq"]), "four", "words,", "not", "three")
    texts = [m["text"] for m in bob.json("--json", "history", alice_name, "3")]
    assert texts == ["three plain words", "four words, not three", "four words, not three"], texts
    before = len(bob.json("--json", "history", alice_name, "200"))
    for bad in (b"\xff\xfe", b"a\0b", b"\xc3", b"\n", b""):
        alice.chat("send", bob_name, stdin=bad, expect=2)
    alice.chat("send", bob_name, stdin=b"x" * (8 << 20), expect=2)
    assert len(bob.json("--json", "history", alice_name, "200")) == before
    alice.chat("send", bob_name, stdin="é" * 8192 + "\n")  # as long as may be
    assert len(bob.json("--json", "history", alice_name, "1")[0]["text"]) == 8192


@proves("`history` gives as many as were asked for, however long they are")
def test_long_history():
    peer = chatd.user()
    for number in range(120):
        peer.ok("send", user=chatd_id(alice), text=f"{number} " + "x" * 1500)
    messages = alice.json("--json", "history", peer.name, "110")
    assert [m["seq"] for m in messages] == list(range(11, 121))
    assert [m["seq"] for m in alice.json("--json", "history", peer.name, "100", "60")] == list(range(1, 60))
    peer.close()


@proves("a server that is none is told apart from one that does not answer")
def test_servers():
    for bad in ("::1", ":6000", "http://x", "127.0.0.1:0", "127.0.0.1:65536", "127.0.0.1:", "127.0.0.1:x", "[::1", "[::1]x"):
        alice.chat("-s", bad, "friends", expect=2, CHAT_TOKEN="x")
        assert "HOST:PORT" in alice.errors, bad
    alice.chat("--timeout", "1", "-s", "host.invalid", "friends", expect=3, CHAT_TOKEN="x")
    assert alice.errors.count("trying again") == 1 and "no answer" in alice.errors, alice.errors
    six = socket.socket(socket.AF_INET6)
    try:
        six.bind(("::1", 0))
    except OSError as reason:
        raise Skip(f"no IPv6: {reason}") from reason
    finally:
        six.close()
    server = Chatd("--listen", "[::1]:0")
    home = Home(server)
    port = next(re.search(r"addr=\[::1\]:(\d+)", line)[1] for line in server.log if "addr=[::1]" in line)
    home.environment["CHAT_SERVER"] = f"[::1]:{port}"
    name = home.register()
    assert home.json("--json", "user", name)[0]["name"] == name
    home.remove()
    server.finish()


@proves("what cannot be read, written or kept is said, and has its exit code")
def test_broken_descriptors():
    home = Home(chatd)

    def chat(command, expect, errors, **environment):
        done = subprocess.run(["sh", "-c", command], env={**home.environment, "CHAT": CHAT, **environment},
                              capture_output=True, timeout=TIMEOUT, stdin=subprocess.DEVNULL, start_new_session=True)
        assert done.returncode == expect and re.search(errors, done.stderr.decode()), (command, done)

    login = {"CHAT_USER": alice_name, "CHAT_PASSWORD": PASSWORD, "CHAT_DEVICE": "broken"}
    chat(f'"$CHAT" send {bob_name} <&-', 5, "cannot read stdin", **login)
    chat(f'"$CHAT" history {bob_name} >&-', 5, "", **login)
    chat(f'"$CHAT" history {bob_name} 2>&-', 0, "", **login)
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run([CHAT, "history", bob_name], env={**home.environment, **login}, stdout=writer, timeout=TIMEOUT)
    os.close(writer)
    assert done.returncode == 5, done
    chat('"$CHAT" --password-file / friends', 5, "cannot read /: Is a directory", CHAT_USER=alice_name)
    chat('"$CHAT" login', 4, "no terminal to ask on")
    chat(f'"$CHAT" login {alice_name}', 5, "cannot keep the login", XDG_STATE_HOME="/dev/null/x", **login)
    chat('"$CHAT" friends', 0, "", XDG_STATE_HOME="/dev/null/x", **login)
    chat('"$CHAT" friends', 4, "chat login", XDG_STATE_HOME="/dev/null/x")
    home.remove()


@proves("a kept login that has ended is said to have")
def test_ended_login():
    home = Home(chatd)
    name = home.register()
    client = chatd.client()
    client.ok("login", name=name, password=PASSWORD, device="other")
    client.ok("device.remove", device="script")
    home.chat("friends", expect=4)
    assert f"the login of {name} as script has ended: chat login" in home.errors
    client.close()
    home.remove()


@proves("who logged in last is never half written, whoever reads it meanwhile")
def test_current():
    home = Home(chatd)
    first = home.register()
    [path] = [file for file in home.files() if os.path.basename(file) == "current"]
    with open(path, encoding="utf-8") as before:
        second = home.register()
        assert before.read() == first + "\n"
    with open(path, encoding="utf-8") as after:
        assert after.read() == second + "\n"
    home.remove()


@proves("where no locale is set texts are UTF-8, and where it is ASCII the rest is escaped")
def test_locale():
    peer = chatd.user()
    peer.ok("send", user=chatd_id(alice), text="hé 日本")
    del alice.environment["LC_ALL"]
    assert "hé 日本" in alice.chat("history", peer.name)
    assert "h\\xe9 \\u65e5\\u672c" in alice.chat("history", peer.name, LC_ALL="C")
    alice.environment["LC_ALL"] = "C.UTF-8"
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
    session.expect("again: ")
    session.line("a quiet password")
    seen = session.expect(f"you are {name} on ")
    session.expect("> ")
    assert "a quiet password" not in seen
    session.line("/quit")
    session.end()
    session = begin(home, name)  # and no question is asked
    session.type("\x04")
    session.end()
    home.remove()


@proves("incoming lines appear above the prompt, and what is being typed is kept")
def test_session_incoming():
    peer = chatd.user()
    session = begin(alice, alice_name)
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
    session = begin(alice, alice_name)
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
    session = begin(home, name)
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
    session.type("nonsense")
    session.expect("nonsense")
    session.type("\x03")
    session.until(lambda: "nonsense" not in session.screen.text(), "no nonsense")
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
    first = begin(alice, alice_name)
    second = begin(alice, alice_name, "--device", "terminal")
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
