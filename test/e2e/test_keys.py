# SPDX-License-Identifier: MIT
"""Every request with every key: left out, null, of another type, of another form, out of range; keys that are no business of the
request's; and the order in which all that is looked at."""
from chatd import PASSWORD, make_group, proves, run, server

NOBODY = 2**53 - 1  # a user, a group, a message that is not there: keys are right, and nothing is done
NO_INTEGER = [None, True, "1", 1.0, 1.5, 1e300, [], {}]
NO_STRING = [None, False, 1, 1.5, ["x"], {"x": 1}]
NO_SWITCH = [None, 0, 1, "true", [], {}]
BAD, LARGE = "bad_request", "too_large"

# What each key may not be, with the code of it.
ID = [(value, BAD) for value in [*NO_INTEGER, 0, -1, 2**53, -2**53, 2**63 - 1, -2**63]]
AFTER = [(value, BAD) for value in [*NO_INTEGER, -1, 2**53]]
LIMIT = [(value, BAD) for value in [*NO_INTEGER, 0, -1, 201, 2**32 + 1, 2**63 - 1]]
SWITCH = [(value, BAD) for value in NO_SWITCH]
SECRET = [(value, BAD) for value in [*NO_STRING, "", "x" * 7, "é" * 3 + "x", "x" * 257, "é" * 128 + "x"]]
DEVICE = [(value, BAD) for value in [*NO_STRING, "", "x" * 33, "a b", "a\n", "é", "a/b", "a:b", "@"]]
USER_NAME = [(value, BAD) for value in [*NO_STRING, "", "12", "a b", "a\x7f", "a\x85", "a\u3000"]] + [("x" * 33, LARGE), ("😀" * 33, LARGE)]
GROUP_NAME = [(value, BAD) for value in [*NO_STRING, "", "a\x01", "\x85"]] + [("x" * 65, LARGE), ("😀" * 65, LARGE)]
TEXT = [(value, BAD) for value in [*NO_STRING, ""]] + [("x" * 16385, LARGE), ("é" * 8192 + "x", LARGE)]
DATA = [(value, BAD) for value in [None, True, 1, "{}", []]] + [({"k": "x" * 4089}, LARGE), ({"é" * 2046: 1}, LARGE)]
CID = [(value, BAD) for value in [*NO_STRING, "", "x" * 37, "é" * 18 + "x"]]
ROLE = [(value, BAD) for value in [*NO_STRING, "", "king", "none", "Owner", "admin "]]
DESCRIPTION = [(value, BAD) for value in NO_STRING] + [("x" * 257, LARGE), ("😀" * 257, LARGE)]

USER, GROUP, SEQ, PAGE = (NOBODY, ID), (NOBODY, ID), (NOBODY, ID), {"after": (NOBODY, AFTER), "limit": (1, LIMIT)}

# Of each request: what it needs, and what else it may have; of each key a value that is fine, and those that are not. A conversation
# is named by its user here; test_conversations_are_named_once does the rest.
REQUESTS = {
    "hello": ({}, {"version": (1, [(v, BAD) for v in [*NO_INTEGER, 0, -1]]), "client": ("", [(v, BAD) for v in NO_STRING])}),
    "ping": ({}, {}),
    "register": ({"name": ("keeper", USER_NAME), "password": (PASSWORD, SECRET)}, {}),
    "login": ({"user": USER, "password": (PASSWORD, SECRET)}, {"device": ("d", DEVICE), "replace": (True, SWITCH)}),
    "password": ({"old": ("not the one", SECRET), "new": (PASSWORD, SECRET)}, {}),
    "devices": ({}, {}),
    "device.remove": ({"device": ("unknown", DEVICE)}, {}),
    "send": ({"user": USER, "text": ("x", TEXT)}, {"data": ({"k": "x" * 4088}, DATA), "cid": ("é" * 18, CID)}),
    "edit": ({"user": USER, "text": ("é" * 8192, TEXT), "seq": SEQ}, {"data": ({}, DATA), "cid": ("c", CID)}),
    "recall": ({"user": USER, "seq": SEQ}, {"cid": ("x" * 36, CID)}),
    "ack": ({"user": USER, "seq": SEQ}, {}),
    "read": ({"user": USER, "seq": SEQ}, {}),
    "typing": ({"user": USER}, {}),
    "history": ({"user": USER}, {"after": (0, AFTER), "limit": (200, LIMIT)}),
    "conversations": ({}, PAGE),
    "user": ({"user": USER}, {}),
    "friend.add": ({"user": USER}, {}),
    "friend.accept": ({"user": USER}, {}),
    "friend.decline": ({"user": USER}, {}),
    "friend.remove": ({"user": USER}, {}),
    "friend.block": ({"user": USER}, {}),
    "friend.unblock": ({"user": USER}, {}),
    "friends": ({}, PAGE),
    "group.create": ({"name": ("😀" * 64, GROUP_NAME)}, {"description": ("😀" * 256, DESCRIPTION), "open": (False, SWITCH)}),
    "group.join": ({"group": GROUP}, {}),
    "group.leave": ({"group": GROUP}, {}),
    "group.invite": ({"group": GROUP, "user": USER}, {}),
    "group.kick": ({"group": GROUP, "user": USER}, {}),
    "group.role": ({"group": GROUP, "user": USER, "role": ("owner", ROLE)}, {}),
    "group.update": ({"group": GROUP}, {"name": ("x", GROUP_NAME), "description": ("", DESCRIPTION), "open": (True, SWITCH)}),
    "group.dissolve": ({"group": GROUP}, {}),
    "group.members": ({"group": GROUP}, PAGE),
    "groups": ({}, PAGE),
}
LOGGED_OUT = ("hello", "ping", "register", "login")
IN_CONVERSATIONS = ("send", "edit", "recall", "ack", "read", "typing", "history")
BY_NAME_TOO = ("login", "user", "friend.add")
KEYS = sorted({key for needs, may in REQUESTS.values() for key in (*needs, *may)} | {"before", "token", "from", "to", "time"})
# What is answered where the keys are right, but there is nobody, no group and no message to which they could apply.
RIGHT = (None, "no_such_user", "no_such_group", "invalid_credentials", "conflict")


def fine(keys):
    return {key: value for key, (value, _) in keys.items()}


def asker(type):
    return server().client() if type in LOGGED_OUT else server().user()


def refused(client, code, named, type, keys):
    """It is, with that code, and the message names the key, or one of these."""
    reply = client.error(code, type, **keys)
    assert any(key in reply["message"] for key in named.split()), (type, keys, reply)


@proves("`bad_request` | a key is missing, has the wrong type or form, or is out of range (but see `too_large`); `message` names the key",
        "`too_large` | `text`, `name`, `description` or `data` is longer than its limit; `message` names the key and the limit",
        "A key that is `null` is of the wrong type, not absent.", "`1.0` is not an integer.",
        "Checks come in this order: JSON, known type, login, keys, rights.")
def test_every_key():
    for type, (needs, may) in REQUESTS.items():
        client = asker(type)
        for key in needs:
            others = "group name" if key == "user" else ""
            refused(client, BAD, f"{key} {others}", type, fine({k: v for k, v in needs.items() if k != key}))
        for key, (_, wrong) in {**needs, **may}.items():
            for value, code in wrong:
                refused(client, code, key, type, {**fine(needs), key: value})
        client.close()


@proves("A **conversation** is named by exactly one of `user` (the other person) or `group`.",
        "`history`: `before` and `after` exclude the seq they name; both are `bad_request`;",
        "`user` | `user` or `name` | `user`: {`id`,`name`}",
        "`friend.add` | `user` or `name` | `state`: `requested`, or `friends` where the other had asked already")
def test_either_or():
    client, outside = server().user(), server().client()
    for type in IN_CONVERSATIONS:
        keys = fine(REQUESTS[type][0])
        refused(client, BAD, "user group", type, {**keys, "group": NOBODY})
        del keys["user"]
        refused(client, BAD, "user group", type, keys)
        client.error("no_such_group", type, **keys, group=NOBODY)
        for value, code in ID:
            refused(client, code, "group", type, {**keys, "group": value})
    for type in BY_NAME_TOO:
        asking, keys = (outside, {"password": PASSWORD}) if type == "login" else (client, {})
        refused(asking, BAD, "user name", type, {**keys, "user": NOBODY, "name": "x"})
        refused(asking, BAD, "user name", type, keys)
        assert asking.request(type, **keys, name="nobody-of-that-name")["code"] in RIGHT
        for value, code in USER_NAME:
            refused(asking, code, "name", type, {**keys, "name": value})
    for value, code in ID:
        refused(client, code, "before", "history", {"user": NOBODY, "before": value})
    refused(client, BAD, "before after", "history", {"user": client.id, "before": 1, "after": 0})


@proves("Unknown keys are ignored, on both sides: that is how the protocol grows.", "A `from` in a request is ignored.")
def test_keys_of_others_are_ignored():
    for type, (needs, may) in REQUESTS.items():
        own = {*needs, *may}
        if type in IN_CONVERSATIONS:
            own |= {"group", "before"} if type == "history" else {"group"}
        if type in BY_NAME_TOO:
            own |= {"name", "token"} if type == "login" else {"name"}
        client = asker(type)
        reply = client.request(type, **fine({**needs, **may}), **{key: [{"not": "its business"}] for key in KEYS if key not in own})
        assert reply.get("code") in RIGHT, (type, reply)
        client.close()


@proves("`no_such_user` · `no_such_group` | there is none of that id or name",
        "`not_a_member` | the sender, or the one that the request is about, is not in that group",
        "`forbidden` | the role in that group, or not being the author, does not allow it; or the server's settings",
        "Checks come in this order: JSON, known type, login, keys, rights.")
def test_who_may_not():
    """Each request about a group that is not there, is no more, is not one's own, or in which one has no say; and about nobody."""
    owner, member, outside = [server().user() for _ in range(3)]
    group, gone = make_group(owner, member), make_group(owner)
    owner.ok("group.dissolve", group=gone)
    for type, (needs, may) in REQUESTS.items():
        keys = fine({**needs, **may})
        if type in IN_CONVERSATIONS:
            outside.error("no_such_user", type, **keys)
            keys["group"] = keys.pop("user")
        elif type.startswith("friend.") or type == "user":
            outside.error("no_such_user", type, **keys)
        if "group" not in keys:
            continue
        for id in (NOBODY, gone):
            outside.error("no_such_group", type, **{**keys, "group": id})
            owner.error("no_such_group", type, **{**keys, "group": id})
        if type != "group.join":
            outside.error("not_a_member", type, **{**keys, "group": group})
        if type in ("group.invite", "group.kick", "group.role", "group.update", "group.dissolve"):
            member.error("forbidden", type, **{**keys, "group": group})
        if type in ("group.invite", "group.kick", "group.role"):
            owner.error("no_such_user", type, **{**keys, "group": group})
        if type in ("group.kick", "group.role"):
            owner.error("not_a_member", type, **{**keys, "group": group, "user": outside.id})


@proves("Checks come in this order: JSON, known type, login, keys, rights.",
        "`hello`, `ping`, `register` and `login` are all that a logged-out connection may ask; all else is `not_logged_in`.",
        "`register` and `login` on a logged-in one are `already_logged_in`.", "An `id` of another form is `bad_request`, answered without an `id`.")
def test_login_is_looked_at_before_keys():
    client = server().client()
    for type in [t for t in REQUESTS if t not in LOGGED_OUT] + ["logout"]:
        for keys in ({}, {key: None for key in KEYS}):
            client.error("not_logged_in", type, **keys)
        client.error("unknown_type", type + "x", **{key: None for key in KEYS})
        client.error("unknown_type", type.upper())
    user = server().user()
    for type in ("register", "login"):
        for keys in ({}, {key: None for key in KEYS}):
            user.error("already_logged_in", type, **keys)
    # Of another form the id is none: the reply bears it nowhere.
    for type, code in (("nonsense", "unknown_type"), ("send", "not_logged_in"), ("hello", "bad_request")):
        client.frame(type=type, id=1.0)
        reply = client.next()
        assert reply["code"] == code and "id" not in reply, reply


if __name__ == "__main__":
    run(globals())
