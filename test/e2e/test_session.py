# SPDX-License-Identifier: MIT
"""Section 4: hello, register, login, tokens, devices, byes, timeouts."""
import contextlib
import signal
import socket
import threading
import time

from chatd import INSTRUMENTED, PASSWORD, Chatd, befriend, eventually, of_one_node, proves, run, server, unique


@proves("`hello` | `version`? `client`? | `version`:1, `server`, `node`, `max_frame`, `heartbeat` (ms), `features`: [string]",
        "`ping` | | `type` is `pong` instead of `ok`; a draining server answers `error` `shutting_down`",
        "`hello`, `ping`, `register` and `login` are all that a logged-out connection may ask; all else is `not_logged_in`.",
        "`register` and `login` on a logged-in one are `already_logged_in`.")
def test_logged_out():
    client = server().client()
    reply = client.ok("hello", version=1, client="test")
    assert reply["version"] == 1 and reply["node"] in ("n1", "n2", "n3") and reply["max_frame"] == 65536 and reply["heartbeat"] == 30000
    assert isinstance(reply["server"], str) and all(isinstance(f, str) for f in reply["features"])
    client.ok("hello")
    assert client.request("ping")["type"] == "pong"
    for type in ("logout", "password", "devices", "device.remove", "send", "edit", "recall", "ack", "read", "typing", "history",
                 "conversations", "user", "friend.add", "friend.accept", "friend.decline", "friend.remove", "friend.block",
                 "friend.unblock", "friends", "group.create", "group.join", "group.leave", "group.invite", "group.kick",
                 "group.role", "group.update", "group.dissolve", "group.members", "groups"):
        client.error("not_logged_in", type)
    a = server().user()
    a.ok("hello")
    a.error("already_logged_in", "login", user=a.id, password=PASSWORD)
    a.error("already_logged_in", "register", name=unique("n"), password=PASSWORD)


@proves("A connection that has not logged in within `login_timeout` (default 30 s) is closed with `bye` `idle`.")
def test_the_time_to_log_in_is_not_put_off():
    chatd = Chatd(settings=["login_timeout=500ms", "password_cost=interactive"])
    client = chatd.client()
    start = time.monotonic()
    asked = [client.ask("login", name="nobody", password=PASSWORD) for _ in range(100)]
    frame = client.next()
    answered = 0
    while frame["type"] != "bye":
        assert frame["code"] == "invalid_credentials" and frame["id"] == asked[answered]
        answered += 1
        frame = client.next()
    took = time.monotonic() - start
    assert frame["code"] == "idle" and 0 < answered < 100
    # What was on its way then was answered, and no more.
    assert INSTRUMENTED or took < 0.5 + max(1, 4 * took / answered), "it was put off"
    client.closed()
    chatd.finish()


def deaf(chatd):
    """A client that has asked for far more than it takes, so that the server does not read what it says."""
    client = chatd.user()
    for _ in range(4):
        client.send(client, "x" * 16000)
    asked = [client.ask("history", user=client.id) for _ in range(400)]
    return client, asked


@contextlib.contextmanager
def pinging(client):
    """It pings all the time, whatever else the test waits for."""
    over = threading.Event()

    def ping():
        while not over.wait(0.05):
            client.frame(type="ping")

    thread = threading.Thread(target=ping)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@proves("`ping`, or a blank line, is enough to stay.",
        "A connection from which nothing has come for 3 × `heartbeat` (default heartbeat 30 s) is closed with `bye` `idle`.")
def test_who_does_not_read():
    chatd = Chatd(settings=["heartbeat=500ms", "output_high=16k"])
    silent, unanswered = deaf(chatd)
    watcher = chatd.again(silent, device="watcher")
    client, asked = deaf(chatd)

    def is_over():
        return [d["device"] for d in watcher.ok("devices")["devices"] if d["online"]] == ["watcher"]

    with pinging(client), pinging(watcher):
        eventually(is_over)
        for number in asked:
            assert client.reply(number)["type"] == "ok"
    client.settle()
    # Of the other as many were answered as had been heard before the server had enough.
    frames = []
    while (frame := silent.next()) is not None:
        frames.append(frame)
    assert 0 < len(frames) < len(unanswered) and frames[-1]["code"] == "idle", frames[-1]
    chatd.finish()


@proves("`register` | `name` `password` | `user`: {`id`,`name`}")
def test_register():
    name = unique("Reg")
    client = server().client()
    user = client.ok("register", name=name, password=PASSWORD)["user"]
    assert set(user) == {"id", "name"} and user["name"] == name and user["id"] >= 1
    client.error("not_logged_in", "friends")
    client.error("bad_request", "register", name=name)
    client.error("bad_request", "register", password=PASSWORD)


@proves(
    "`login` | `name` or `user`, `password`, `device`?; or `token` alone; `replace`? bool | `user`: {`id`,`name`}, `device`, "
    "`token`, `token_expires` (time), `heartbeat` (ms), `pending`: number of conversations with undelivered messages",
    "`replace` goes with both; `device` with `token` is `bad_request`.",
)
def test_login():
    a = server().user()
    client = server().client()
    reply = client.ok("login", name=a.name.upper(), password=PASSWORD, device="d")
    assert set(reply) == {"type", "id", "user", "device", "token", "token_expires", "heartbeat", "pending"}, reply
    assert reply["user"] == {"id": a.id, "name": a.name} and reply["device"] == "d" and reply["pending"] == 0
    month = 30 * 86400 * 1000
    assert abs(reply["token_expires"] - time.time() * 1000 - month) < 60000
    for keys in ({"name": a.name, "user": a.id, "password": PASSWORD}, {"password": PASSWORD}, {"user": a.id},
                 {"token": a.token, "password": PASSWORD}, {"token": a.token, "user": a.id},
                 {"token": a.token, "device": "x"}, {"token": a.token, "name": a.name}, {"token": a.token, "replace": 1}, {"token": None},
                 {"token": 1}, {"token": [a.token]}, {"token": None, "user": a.id, "password": PASSWORD}, {}):
        server().client().error("bad_request", "login", **keys)


@proves("`hello` | `version`? `client`? | `version`:1, `server`, `node`, `max_frame`, `heartbeat` (ms), `features`: [string]",
        "`invalid_credentials` | no such user, wrong password, or a token that is unknown, expired or revoked: never says which")
def test_any_string():
    """The protocol gives clients' names and tokens no form: whatever fits a frame is one."""
    a = server().user()
    client = server().client()
    for text in ("", "x", "é" * 10000, "\x01\n\"\\", "x" * 65000):
        reply = client.ok("hello", client=text, version=1)
        assert reply["version"] == 1
        assert client.error("invalid_credentials", "login", token=text)["message"] == \
            client.error("invalid_credentials", "login", user=a.id, password="wrong password")["message"]
    for token in (a.token[:-1], a.token + "x", a.token.swapcase(), a.token + "\n", " " + a.token):
        client.error("invalid_credentials", "login", token=token)
    a.settle()


@proves("A user may be online on several devices, on each of them once.",
        "A second login with the same `device` (two plain logins, say) gets `already_online`, unless it says `\"replace\":true`: then "
        "the older connection gets `bye` `replaced` and is closed, wherever in the cluster it is.",
        "`already_online` | this user is online on another connection with the same `device` (see `login`)",
        "`replaced` · `removed` | false | the same device logged in elsewhere · the device was removed, or the password changed",
        "`bye` is the server's last frame: {`type`:`bye`, `code`, `message`, `reconnect`: bool, `retry_after`?}.")
def test_already_online():
    a = server().user()
    server().again(a, device="other")
    client = server().client()
    client.error("already_online", "login", user=a.id, password=PASSWORD)
    client.error("already_online", "login", token=a.token)
    client.ok("login", token=a.token, replace=True)
    bye = a.bye("replaced")
    assert bye["reconnect"] is False and isinstance(bye["message"], str) and set(bye) <= {"type", "code", "message", "reconnect"}
    client.settle()


@proves("`token` logs in again without the password (after a drop, at the next start), as the device that it was given to.",
        "It lives `token_lifetime` (default 30 days); a login by it returns the same token, renewed.",
        "A login by password gives the device a new one, and its old one is revoked.")
def test_tokens():
    a = server().user(device="phone")
    a.close()
    client = server().client()
    first = a.token
    reply = client.login(token=first, replace=True)
    assert reply["token"] == first and reply["device"] == "phone" and reply["user"]["id"] == a.id
    again = server().again(a, device="phone", replace=True)
    assert again.token != first
    server().client().error("invalid_credentials", "login", token=first)
    other = server().again(a, device="tablet")
    server().client().ok("login", token=again.token, replace=True)
    other.settle()
    chatd = Chatd(settings=["token_lifetime=1s"])
    b = chatd.client()
    b.id = chatd.user().id
    expires = end = b.login(device="phone")["token_expires"]
    while time.time() * 1000 < expires + 100:  # past the first end, each time within the last
        reply = chatd.client().ok("login", token=b.token, replace=True)
        assert end <= reply["token_expires"], "it is not renewed"
        end = reply["token_expires"]
        time.sleep(0.05)
    eventually(lambda: time.time() * 1000 > reply["token_expires"] + 50)
    chatd.client().error("invalid_credentials", "login", token=b.token, replace=True)
    chatd.finish()


@proves("`logout` | | — ; the token is revoked and the connection is back to logged out")
def test_logout():
    a = server().user()
    a.ok("logout")
    a.error("not_logged_in", "friends")
    a.error("invalid_credentials", "login", token=a.token)
    a.login()
    a.ok("friends")


@proves("`password` | `old` `new` | — ; every other token of the user is revoked")
def test_password():
    a = server().user()
    other = server().again(a, device="other")
    a.error("invalid_credentials", "password", old="not the one", new="new password")
    a.error("bad_request", "password", old=PASSWORD, new="short")
    other.settle()
    a.ok("password", old=PASSWORD, new="new password")
    assert other.bye("removed")["reconnect"] is False
    client = server().client()
    client.error("invalid_credentials", "login", token=other.token)
    client.error("invalid_credentials", "login", user=a.id, password=PASSWORD, device="x")
    client.ok("login", user=a.id, password="new password", device="x")
    a.settle()
    a.close()
    server().client().ok("login", token=a.token, replace=True)
    # Of those who are away, too; and the new one is the one that counts.
    b = server().user()
    tokens = [server().again(b, device=device) for device in ("x", "y")]
    for device in tokens:
        device.ok("logout") if device.device == "y" else device.close()
    b.ok("password", old=PASSWORD, new="x" * 8)
    b.ok("password", old="x" * 8, new="é" * 128)
    for device in tokens:
        server().client().error("invalid_credentials", "login", token=device.token, replace=True)
    for password in (PASSWORD, "x" * 8):
        b.error("invalid_credentials", "password", old=password, new="new password")
        server().client().error("invalid_credentials", "login", user=b.id, password=password, device="z")


def flood(client, other, count=120):
    """So many sends, which are not waited for; their ids."""
    return [client.ask("send", user=other.id, text=f"{client.device} {i}", cid=f"{client.device} {i}") for i in range(count)]


def log_of(client, other):
    """All of the conversation; its seqs are dense."""
    messages = []
    while True:
        page = client.ok("history", user=other.id, after=len(messages), limit=200)
        messages += page["messages"]
        assert [m["seq"] for m in messages] == list(range(1, len(messages) + 1))
        if not page["more"]:
            return messages


@proves("What follows a `login` or `logout` on a connection is handled after it.",
        "No push comes before the `ok` of `login`, none but `bye` after that of `logout`.",
        "`logout` | | — ; the token is revoked and the connection is back to logged out")
def test_logout_amid_sends():
    a, b = server().user(), server().user()
    others = flood(b, a)
    asked = flood(a, b)
    last = [a.ask("logout"), a.ask("friends"), a.ask("login", user=a.id, password=PASSWORD), a.ask("ping")]
    frames = []
    while not frames or frames[-1].get("id") != last[-1]:
        frames.append(a.next())
    ids = [f["id"] for f in frames if "id" in f]
    assert ids[:120] == asked and ids[120:] == last, "not in order"
    replies = {f["id"]: f for f in frames if "id" in f}
    assert all(replies[n]["type"] == "ok" for n in asked + [last[0], last[2]]) and replies[last[1]]["code"] == "not_logged_in"
    out = [f.get("id") for f in frames].index(last[0])
    assert [f.get("id") for f in frames[out:out + 3]] == last[:3], "a push came while nobody was logged in"
    assert all(b.reply(n)["type"] == "ok" for n in others)
    assert len(log_of(b, a)) == 240


@proves("`password` | `old` `new` | — ; every other token of the user is revoked",
        "`device.remove` | `device` | — ; its token is revoked, its marks forgotten, and where it is online it gets `bye` `removed` (one's own: "
        "`ok` first); unknown: `conflict`",
        "**An `ok` to `send` means durable.** The message is committed to the store before the reply, and before anyone is pushed it.",
        "`bye` is the server's last frame: {`type`:`bye`, `code`, `message`, `reconnect`: bool, `retry_after`?}.")
def test_a_device_is_sent_away_amid_its_sends():
    for request in ({"type": "password", "old": PASSWORD, "new": "new password"}, {"type": "device.remove", "device": "busy"}):
        a, b = server().user(), server().user()
        busy = server().again(a, device="busy")
        asked = flood(busy, b)
        a.ok(**request)
        frames = []
        while (frame := busy.next()) is not None:
            frames.append(frame)
        assert (frames[-1]["type"], frames[-1]["code"]) == ("bye", "removed") and [f["type"] for f in frames].count("bye") == 1
        acked = {f["id"]: f["seq"] for f in frames if f["type"] == "ok"}
        log = log_of(a, b)
        for number, seq in acked.items():
            assert log[seq - 1]["text"] == f"busy {asked.index(number)}"
        # What was not answered is there once or not at all, and the sender can say it again.
        again = server().client()
        again.id = a.id
        again.login(device="busy", password=request.get("new", PASSWORD))
        assert all(again.reply(n)["type"] == "ok" for n in flood(again, b))
        assert sorted(m["text"] for m in log_of(a, b)) == sorted(f"busy {i}" for i in range(120))


@proves("`devices` | | `devices`: [{`device`, `online`, `since` (time of its last login, or of its going)}]")
def test_devices():
    a = server().user()
    before = int(time.time() * 1000)
    b = server().again(a, device="b")
    items = {d["device"]: d for d in a.ok("devices")["devices"]}
    assert set(items) == {"default", "b"} and all(set(d) == {"device", "online", "since"} for d in items.values())
    assert items["b"]["online"] and before - 5 <= items["b"]["since"] <= time.time() * 1000 + 5
    came = items["b"]["since"]
    eventually(lambda: time.time() * 1000 > came + 2)
    b.close()

    def gone():
        item = [d for d in a.ok("devices")["devices"] if d["device"] == "b"][0]
        return not item["online"] and came < item["since"] <= time.time() * 1000 + 5

    eventually(gone)


@proves("`device.remove` | `device` | — ; its token is revoked, its marks forgotten, and where it is online it gets `bye` `removed` "
        "(one's own: `ok` first); unknown: `conflict`")
def test_device_remove():
    a = server().user()
    b = server().again(a, device="b")
    a.error("conflict", "device.remove", device="unknown")
    a.ok("device.remove", device="b")
    assert b.bye("removed")["reconnect"] is False
    server().client().error("invalid_credentials", "login", token=b.token)
    assert [d["device"] for d in a.ok("devices")["devices"]] == ["default"]
    asked = [a.ask(type, user=a.id, text="x") for type in ("history", "send", "devices", "conversations", "send") * 8]
    number, late = a.ask("device.remove", device="default"), a.ask("send", user=a.id, text="too late")
    assert all(a.reply(n)["type"] == "ok" for n in asked), "what was asked before was not answered"
    assert a.reply(number)["type"] == "ok"
    a.bye("removed")
    assert late not in a.replies
    server().client().error("invalid_credentials", "login", token=a.token)
    back = server().client()
    back.id = a.id
    back.login()
    assert len(back.ok("history", user=a.id)["messages"]) == 16
    assert [d["device"] for d in back.ok("devices")["devices"]] == ["default"]


@proves("A connection that has not logged in within `login_timeout` (default 30 s) is closed with `bye` `idle`.",
        "A connection from which nothing has come for 3 × `heartbeat` (default heartbeat 30 s) is closed with `bye` `idle`.",
        "`ping`, or a blank line, is enough to stay.",
        "`idle` | true | nothing came for too long, or no login in time")
def test_timeouts():
    chatd = Chatd(settings=["login_timeout=400ms"])
    client, frame, count = chatd.client(), {"type": "pong"}, 0
    start = time.monotonic()
    while frame == {"type": "pong"} and time.monotonic() < start + 5:
        client.write(b'\n{"type":"ping"}\n')
        frame, count = client.next(), count + 1
        time.sleep(0.02)
    assert count > 1 and time.monotonic() - start > 0.35
    assert (frame["type"], frame["code"], frame["reconnect"]) == ("bye", "idle", True), frame
    client.closed()
    chatd.finish()
    chatd = Chatd(settings=["heartbeat=300ms"])
    a, b = chatd.user(), chatd.user()
    assert a.ok("hello")["heartbeat"] == 300
    start = time.monotonic()
    while time.monotonic() < start + 1.5:
        a.write(b"\n")
        time.sleep(0.05)
    assert b.bye("idle")["reconnect"] is True
    assert INSTRUMENTED or time.monotonic() - start < 6
    a.settle()
    start = time.monotonic()
    a.bye("idle")
    assert time.monotonic() - start > 0.8
    chatd.finish()


@proves("On `shutdown`, `retry_after` is spread at random by the server so that clients do not all come back at once.",
        "`shutdown` | true | this server is draining")
def test_shutdown():
    of_one_node()
    chatd = Chatd(settings=["drain=200ms"])
    clients = [chatd.user() for _ in range(8)]
    asked = [c.ask("send", user=clients[0].id, text="last") for c in clients]
    for client, number in zip(clients, asked):
        assert client.reply(number)["type"] == "ok"
    chatd.process.send_signal(signal.SIGTERM)
    byes = [client.bye("shutdown") for client in clients]
    assert all(bye["reconnect"] is True and bye["retry_after"] > 0 for bye in byes)
    assert len({bye["retry_after"] for bye in byes}) > 1
    for client in clients:
        client.close()
    assert chatd.process.wait(10) == 0
    chatd.finish()


@proves("A user whose server died without a word can log in again at once on the same server when it is back, and within the lease "
        "(default 15 s) elsewhere.")
def test_after_a_crash():
    chatd = Chatd()
    if chatd.store != "memory:":
        a, b = chatd.user(), chatd.user()
        befriend(a, b)
        chatd.restart()
        client = chatd.client()
        client.login(token=a.token)
        client.id = a.id
        assert [d["online"] for d in client.ok("devices")["devices"]] == [True]
        assert [f["online"] for f in client.ok("friends")["friends"]] == [False], "who has not come back is online"
        chatd.client().ok("login", user=b.id, password=PASSWORD)
    else:
        a, b = chatd.user(), chatd.user()
        befriend(a, b)
        a.socket.close()
        eventually(lambda: chatd.client().request("login", token=a.token)["type"] == "ok")
    chatd.finish()


@proves("A connection that sends faster than the server's `send_rate` is read more slowly; it gets no error and loses nothing.")
def test_send_rate():
    chatd = Chatd(settings=["send_rate=100"])
    a = chatd.user()
    start = time.monotonic()
    asked = [a.ask("send", user=a.id, text=str(i)) for i in range(250)]
    assert [a.reply(n).get("seq") for n in asked] == list(range(1, 251))
    assert 1.2 < time.monotonic() - start < 8, "a second's worth at once, then a hundred a second"
    chatd.finish()


if __name__ == "__main__":
    run(globals())
