# SPDX-License-Identifier: MIT
"""Section 2: requests, replies, pushes; ids; the order of the checks; the codes."""
import json
import signal

from chatd import Chatd, PASSWORD, of_one_node, proves, run, server, unique


def raw(client, text):
    client.write(text.encode() + b"\n")
    return client.next()


@proves("Every frame has a string `type`.",
        "Unknown keys are ignored, on both sides: that is how the protocol grows.",
        "`unknown_type` | no such request")
def test_type():
    client = server().client()
    assert raw(client, '{"id":1}')["code"] == "bad_request"
    assert raw(client, '{"type":1,"id":1}')["code"] == "bad_request"
    reply = raw(client, '{"type":"nonsense","id":1}')
    assert reply["code"] == "unknown_type" and reply["id"] == 1
    assert raw(client, '{"type":"PING","id":1}')["code"] == "unknown_type"
    assert raw(client, '{"type":"ping","id":1,"unknown":[{}]}') == {"type": "pong", "id": 1}


@proves(
    "A **request** may carry `id`: an integer in ±(2^53−1), or a string of at most 64 bytes.",
    "It is answered by exactly one **reply**, `ok` (to `ping`: `pong`) or `error`, bearing the same `id` (none where the request "
    "had none).",
    "An `id` of another form is `bad_request`, answered without an `id`.",
    "A key that is `null` is of the wrong type, not absent.",
)
def test_ids():
    client = server().client()
    for number in ("0", "-0", "-1", "9007199254740991", "-9007199254740991", '""', '"%s"' % ("x" * 64), '"%s"' % ("é" * 32),
                   '"%s"' % ("😀" * 16), '"%s"' % ("\\u00e9" * 32), '"\\u0001\\"\\\\\\/\\n"', '"1"'):
        reply = raw(client, '{"type":"ping","id":%s}' % number)
        assert reply == {"type": "pong", "id": json.loads(number)}, reply
    for number in ("null", "true", "1.0", "-0.0", "1e2", "1E0", "9223372036854775807", "-9223372036854775808", "9007199254740992", "-9007199254740992", '"%s"' % ("x" * 65), '"%s"' % ("é" * 33),
                   '"%s"' % ("😀" * 16 + "x"), "[]", "{}"):
        reply = raw(client, '{"type":"ping","id":%s}' % number)
        assert reply["type"] == "error" and reply["code"] == "bad_request" and "id" not in reply, (number, reply)
    assert raw(client, '{"type":"ping"}') == {"type": "pong"}
    reply = raw(client, '{"type":"hello","id":5,"client":null}')
    assert reply["code"] == "bad_request" and reply["id"] == 5 and "client" in reply["message"]


@proves(
    "Requests may be pipelined; replies may come in another order, so clients pair them by `id`.",
    "What follows a `login` or `logout` on a connection is handled after it.",
    "No push comes before the `ok` of `login`, none but `bye` after that of `logout`.",
)
def test_pipelined_around_login():
    a, b = server().user(), server().user()
    for i in range(20):
        a.send(b, str(i))
    client = server().client()
    client.frame(type="login", id=1, user=b.id, password=PASSWORD, device="other")
    client.frame(type="history", id=2, user=a.id, after=0, limit=1)
    client.frame(type="logout", id=3)
    client.frame(type="history", id=4, user=a.id)
    client.frame(type="login", id=5, user=b.id, password=PASSWORD, device="third")
    client.frame(type="friends", id=6)
    frames = []
    while not frames or frames[-1].get("id") != 6:
        frames.append(client.next())
    ids = [f.get("id") for f in frames]
    assert ids[0] == 1 and frames[0]["type"] == "ok", frames[0]
    out = ids.index(3)
    assert 2 in ids[:out]
    assert frames[out + 1]["id"] == 4 and frames[out + 1]["code"] == "not_logged_in", frames[out + 1]
    assert ids[out + 2] == 5, "a push came while nobody was logged in"


@proves("Checks come in this order: JSON, known type, login, keys, rights.", "`1.0` is not an integer.",
        "`not_logged_in` | the request needs a login",
        "`bad_request` | a key is missing, has the wrong type or form, or is out of range (but see `too_large`); `message` names "
        "the key")
def test_order_of_checks():
    client = server().client()
    assert raw(client, '{"type":"nonsense","user":"x"}')["code"] == "unknown_type"
    assert raw(client, '{"type":"send","user":"x"}')["code"] == "not_logged_in"
    assert raw(client, '{"type":"ack","user":"x"}')["code"] == "not_logged_in"
    a = server().user()
    assert raw(a, '{"type":"send","group":999999,"text":5}')["code"] == "bad_request"
    assert raw(a, '{"type":"send","group":999999,"text":"x"}')["code"] == "no_such_group"
    for key, frame in (("user", '{"type":"send","user":1.0,"text":"x"}'), ("text", '{"type":"send","user":1}'),
                       ("user", '{"type":"send","user":0,"text":"x"}'), ("user", '{"type":"send","user":-1,"text":"x"}'),
                       ("user", '{"type":"send","text":"x"}'), ("user", '{"type":"send","user":1,"group":1,"text":"x"}'),
                       ("group", '{"type":"group.join"}'), ("limit", '{"type":"friends","limit":0}'),
                       ("limit", '{"type":"friends","limit":201}'), ("open", '{"type":"group.create","name":"x","open":1}'),
                       ("role", '{"type":"group.role","group":1,"user":1,"role":"king"}'),
                       ("data", '{"type":"send","user":1,"text":"x","data":[]}')):
        reply = raw(a, frame)
        assert reply["code"] == "bad_request" and key in reply["message"], (frame, reply)


@proves("A **conversation** is named by exactly one of `user` (the other person) or `group`.")
def test_exactly_one():
    a = server().user()
    for type in ("send", "edit", "recall", "read", "ack", "typing", "history"):
        keys = {"text": "x", "seq": 1}
        a.error("bad_request", type, **keys)
        a.error("bad_request", type, user=a.id, group=1, **keys)


@proves("A **notification** (`ack`, `typing`) is answered only when it fails.")
def test_notifications():
    a, b = server().user(), server().user()
    a.send(b, "x")
    b.push("message")
    b.frame(type="ack", id=1, user=a.id, seq=1)
    b.frame(type="typing", id=2, user=a.id)
    assert b.ask("ping") and b.next()["type"] == "pong"
    b.frame(type="ack", id=3, user=a.id, seq=0)
    assert b.next()["id"] == 3


# What each push bears, beside its type.
DIRECT, GROUP = {"from", "to", "seq", "time", "text"}, {"from", "group", "seq", "time", "text"}
PUSHES = {
    "message": [DIRECT, GROUP, DIRECT | {"data"}, DIRECT | {"edits"}, GROUP | {"recalls"}, GROUP | {"recalled"}],
    "delivered": [{"by", "to", "seq"}],
    "read": [{"by", "to", "seq"}, {"by", "group", "seq"}],
    "typing": [{"from", "to"}, {"from", "group"}],
    "presence": [{"user", "online"}],
    "friend": [{"event", "user"}],
    "bye": [{"code", "message", "reconnect"}],
    "group joined": [{"user"}], "group left": [{"user"}],
    "group kicked": [{"user", "by"}], "group invited": [{"user", "by"}],
    "group role": [{"user", "by", "role"}],
    "group updated": [{"by"}], "group dissolved": [{"by"}],
}


def check_push(push):
    """Its keys and their types; what it is, with the keys it has."""
    kind, keys = push["type"], set(push) - {"type"}
    if kind == "group":
        kind += " " + push["event"]
        keys -= {"event", "group"}
        assert type(push["group"]) is int
    assert keys in PUSHES[kind], push
    for key in keys & {"from", "to", "by", "user", "group", "seq", "time", "edits", "recalls"}:
        if kind == "friend":
            assert set(push[key]) == {"id", "name"} and type(push[key]["id"]) is int and type(push[key]["name"]) is str, push
        else:
            assert type(push[key]) is int and push[key] >= 1, push
    for key in keys & {"online", "edited", "reconnect"}:
        assert type(push[key]) is bool, push
    return kind, frozenset(keys)


@proves("A **push** comes unasked: `message`, `delivered`, `read`, `typing`, `presence`, `friend`, `group`, `bye`.",
        "In all pushes people and groups are ids; `friend` alone carries {`id`,`name`}.",
        "`joined` and `left` with `user`; `kicked` and `invited` with `user`, `by`; `role` with `user`, `by`, `role`; `updated` and "
        "`dissolved` with `by`.")
def test_every_push():
    seen = set()

    def take(client, type, **keys):
        """Its pushes up to one like this."""
        push = {}
        while push.get("type") != type or any(push.get(key) != value for key, value in keys.items()):
            push = client.pushes.popleft() if client.pushes else client.next()
            seen.add(check_push(push))

    a, b = server().user(), server().user()
    phone = server().again(b, device="phone")
    a.ok("friend.add", user=b.id)
    b.ok("friend.accept", user=a.id)
    group = a_group(a)
    b.ok("group.join", group=group)
    a.ok("group.role", group=group, user=b.id, role="admin")
    a.ok("group.update", group=group, open=False)
    for target, mine in (({"user": b.id}, {"user": a.id}), ({"group": group}, {"group": group})):
        a.ok("send", **target, text="x")
        a.frame(type="typing", **target)
        take(b, "typing")
        b.ok("read", **mine, seq=1)
    a.ok("send", user=b.id, text="x", data={})
    a.ok("edit", user=b.id, seq=1, text="y")
    a.ok("recall", group=group, seq=1)
    take(b, "message", recalls=1)
    b.frame(type="ack", user=a.id, seq=3)
    take(a, "delivered")
    late = server().again(b, device="late", replace=True)
    take(late, "message", recalled=True)
    phone.ok("device.remove", device="late")
    take(late, "bye")
    a.ok("group.kick", group=group, user=b.id)
    a.ok("group.invite", group=group, user=b.id)
    b.ok("group.join", group=group)
    b.ok("group.leave", group=group)
    a.ok("group.dissolve", group=group)
    a.ok("logout")
    take(b, "presence", online=False)
    for client in (a, b, phone):
        client.settle()
        seen.update(check_push(push) for push in client.pushes)
    missing = {(kind, frozenset(keys)) for kind, shapes in PUSHES.items() for keys in shapes} - seen
    assert not missing, missing


@proves("`code` is stable and for programs; `message` is for people and may change.")
def test_errors_bear_a_code_and_a_message():
    a, b = server().user(), server().user()
    reply = a.error("not_a_member", "send", group=a_group(b), text="x")
    assert set(reply) == {"type", "id", "code", "message"}

def a_group(owner):
    return owner.ok("group.create", name="g")["group"]["id"]


@proves(
    "`already_logged_in` | this connection is logged in",
    "`invalid_credentials` | no such user, wrong password, or a token that is unknown, expired or revoked: never says which",
    "`name_taken` | the name is in use",
    "`no_such_user` · `no_such_group` | there is none of that id or name",
    "`not_a_member` | the sender, or the one that the request is about, is not in that group",
    "`blocked` | one of the two has blocked the other",
    "`forbidden` | the role in that group, or not being the author, does not allow it; or the server's settings",
    "`conflict` | it stands already (a friend, a member, asked before), or does not stand (nothing to accept, remove, unblock), or "
    "the `cid` was used for another message",
)
def test_codes():
    a, b = server().user(), server().user()
    a.error("already_logged_in", "login", user=a.id, password=PASSWORD)
    a.error("already_logged_in", "register", name=unique("n"), password=PASSWORD)
    client = server().client()
    replies = [client.error("invalid_credentials", "login", **keys) for keys in (
        {"user": 2**50, "password": PASSWORD}, {"name": "nobody-here", "password": PASSWORD},
        {"name": a.name, "password": "wrong password"}, {"token": "unknown"})]
    assert len({r["message"] for r in replies}) == 1, "it says which"
    client.error("name_taken", "register", name=a.name.upper(), password=PASSWORD)
    a.error("no_such_user", "user", name="nobody-here")
    a.error("no_such_user", "user", user=2**50)
    a.error("no_such_group", "group.join", group=2**50)
    group = a_group(a)
    b.error("not_a_member", "history", group=group)
    a.error("not_a_member", "group.kick", group=group, user=b.id)
    b.ok("group.join", group=group)
    b.error("forbidden", "group.update", group=group, name="x")
    b.error("conflict", "group.join", group=group)
    b.error("conflict", "friend.unblock", user=a.id)
    b.ok("friend.block", user=a.id)
    a.error("blocked", "send", user=b.id, text="x")


@proves("`rate_limited` | too many attempts to log in or register; carries `retry_after`",
        "An error that is worth retrying carries `retry_after` (milliseconds).")
def test_rates():
    of_one_node()
    chatd = Chatd(settings=["login_rate=3", "register_rate=2"])
    client = chatd.client()
    names = [unique("r") for _ in range(3)]
    for name in names[:2]:
        client.ok("register", name=name, password=PASSWORD)
    reply = client.error("rate_limited", "register", name=names[2], password=PASSWORD)
    assert 0 < reply["retry_after"] <= 30000
    for _ in range(2):
        client.error("invalid_credentials", "login", name=names[0], password="wrong password")
    client.ok("login", name=names[0], password=PASSWORD)
    other = chatd.client()
    other.error("rate_limited", "login", name=names[1], password=PASSWORD)
    chatd.finish()


@proves("`limit_reached` | a count is at its limit (devices, friends, groups, members …); `message` names it")
def test_limits():
    chatd = Chatd(settings=["devices=2", "friends=2", "groups=2", "members=2", "invitations=1", "conversations=2"])
    a, b, c, d = [chatd.user() for _ in range(4)]

    def limit(client, what, type, **keys):
        assert what in client.error("limit_reached", type, **keys)["message"]

    chatd.again(a, device="two")
    client = chatd.client()
    limit(client, "device", "login", user=a.id, password=PASSWORD, device="three")
    for other in (b, c):
        a.ok("friend.add", user=other.id)
    limit(a, "friend", "friend.add", user=d.id)
    groups = [a_group(a), a_group(a)]
    limit(a, "group", "group.create", name="x")
    b.ok("group.join", group=groups[0])
    limit(c, "member", "group.join", group=groups[0])
    a.send(b)
    a.send(c)
    limit(a, "conversation", "send", user=d.id, text="x")
    b.ok("friend.accept", user=a.id)
    c.ok("friend.accept", user=a.id)
    a.ok("group.invite", group=groups[0], user=c.id)
    limit(a, "invitation", "group.invite", group=groups[1], user=c.id)
    chatd.finish()


@proves("`shutting_down` | this server is draining; reconnect",
        "a draining server answers `error` `shutting_down`")
def test_shutting_down():
    of_one_node()
    chatd = Chatd(settings=["drain=2s"])
    clients = [chatd.client() for _ in range(2)]
    for client in clients:
        client.settle()
    chatd.process.send_signal(signal.SIGTERM)
    seen = set()
    for client in clients:
        while True:
            number = client.ask("ping")
            frame = client.next()
            if frame is None or frame["type"] == "bye":
                break
            assert frame["id"] == number
            if frame["type"] == "error":
                seen.add(frame["code"])
    assert seen == {"shutting_down"}, seen
    assert chatd.process.wait(10) == 0
    chatd.finish()


if __name__ == "__main__":
    run(globals())
