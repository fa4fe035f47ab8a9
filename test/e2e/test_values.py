# SPDX-License-Identifier: MIT
"""Section 3: each value exactly at its limit, and one beyond."""
import json
import unicodedata

from chatd import PASSWORD, make_group, proves, run, server, to, unique

# Unicode's property White_Space (PropList.txt).
WHITE_SPACE = [*range(9, 14), 0x20, 0x85, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x2028, 0x2029, 0x202F, 0x205F, 0x3000]


def register(name, password=PASSWORD):
    return server().client().request("register", name=name, password=password)


def refused(reply, code, key):
    assert reply["type"] == "error" and reply["code"] == code and key in reply["message"], reply


@proves("user id, group id | integer, 1 to 2^53−1")
def test_ids():
    a = server().user()
    for id in (0, -1, 2**53, 1.5, "1", None, True):
        refused(a.request("user", user=id), "bad_request", "user")
        refused(a.request("group.join", group=id), "bad_request", "group")
    a.error("no_such_user", "user", user=2**53 - 1)
    a.error("no_such_group", "group.join", group=2**53 - 1)


@proves("`seq` | integer ≥ 1: a message's place in its conversation, gap-free, in commit order")
def test_seq():
    a = server().user()
    a.send(a)
    for seq in (0, -1, 1.0, "1", None):
        refused(a.request("read", user=a.id, seq=seq), "bad_request", "seq")
    for seq in (-1, 0.5, None):
        refused(a.request("history", user=a.id, after=seq), "bad_request", "after")
    refused(a.request("history", user=a.id, before=0), "bad_request", "before")
    a.ok("history", user=a.id, after=0)


@proves("`name` of a user | 1 to 32 code points, no control characters (Unicode Cc), no white space (Unicode White_Space), not only "
        "ASCII digits; unique, and looked up, ignoring ASCII case; no normalization",
        "`too_large` | `text`, `name`, `description` or `data` is longer than its limit; `message` names the key and the limit")
def test_user_names():
    assert register("😀" * 24 + unique("é" * 6)[-8:])["type"] == "ok"
    reply = register("x" * 33)
    refused(reply, "too_large", "name")
    assert "32" in reply["message"]
    refused(register("é" * 33), "too_large", "name")
    for name in ("", "123", "0"):
        refused(register(name), "bad_request", "name")
    for point in WHITE_SPACE + [1, 8, 0x1F, 0x7F, 0x80, 0x9F]:
        refused(register(f"a{chr(point)}b"), "bad_request", "name")
    for point in (0xAD, 0x200B, 0x180E, 0xFEFF, 0x2060):  # neither Cc nor White_Space
        assert register(unique("a" + chr(point)))["type"] == "ok"
    for name in ("١٢٣", "１２３", "½", "1a", "1.0", "+1", "😀" * 32, "x" * 32, "\u00e9" * 32):
        assert register(name)["user"]["name"] == name
        refused(register(name + "x" * (33 - len(name))), "too_large", "name")
    name = unique("Straße")
    id = register(name)["user"]["id"]
    assert register(name.replace("S", "s"))["code"] == "name_taken"
    a = server().user()
    assert a.ok("user", name=name.lower())["user"] == {"id": id, "name": name}
    composed = unique("é")
    assert register(composed)["type"] == "ok"
    assert register(unicodedata.normalize("NFD", composed))["type"] == "ok"
    assert register(composed.replace("é", "É"))["type"] == "ok"  # ASCII case alone


@proves("`name` of a group | 1 to 64 code points, no control characters; not unique",
        "`description` | at most 256 code points")
def test_group_names():
    a = server().user()
    for name in ("x", "😀" * 64, "two words", "123", "x"):
        group = a.ok("group.create", name=name)["group"]
        assert group["name"] == name and group["description"] == ""
    refused(a.request("group.create", name="é" * 65), "too_large", "name")
    refused(a.request("group.create", name=""), "bad_request", "name")
    for bad in ("a\nb", "a\x7fb", "a\x85b"):
        refused(a.request("group.create", name=bad), "bad_request", "name")
    text = "😀" * 256
    assert a.ok("group.create", name="x", description=text)["group"]["description"] == text
    reply = a.request("group.create", name="x", description="x" * 257)
    refused(reply, "too_large", "description")
    assert "256" in reply["message"]
    assert a.ok("group.update", group=group["id"], description="")["group"]["description"] == ""


@proves("`password` | 8 to 256 bytes of UTF-8")
def test_passwords():
    for password in ("x" * 8, "é" * 4, "x" * 256, "é" * 128, " \t\n\x01 spaces"):
        name = unique("p")
        assert register(name, password)["type"] == "ok"
        server().client().ok("login", name=name, password=password)
        server().client().error("invalid_credentials", "login", name=name, password=password + "x"
                                if len(password.encode()) < 256 else "x" * 255)
    for password in ("x" * 7, "é" * 3 + "x", "x" * 257, "é" * 129, 12345678, None):
        refused(register(unique("p"), password), "bad_request", "password")


@proves("`text` | 1 to 16384 bytes of UTF-8, after decoding")
def test_text():
    a = server().user()
    for text in ("x", "x" * 16384, "é" * 8192, "\n" * 16384, "\x01\x7f\u2028"):
        a.send(a, text)
        assert a.ok("history", user=a.id, limit=1)["messages"][0]["text"] == text
    reply = a.request("send", user=a.id, text="x" * 16385)
    refused(reply, "too_large", "text")
    assert "16384" in reply["message"]
    refused(a.request("send", user=a.id, text="é" * 8192 + "x"), "too_large", "text")
    refused(a.request("send", user=a.id, text=""), "bad_request", "text")
    refused(a.request("edit", user=a.id, seq=1, text=""), "bad_request", "text")


@proves("`data` | optional JSON object that the server stores and forwards unread, at most 4096 bytes as compact UTF-8 JSON")
def test_data():
    a = server().user()
    phone = server().again(a, device="phone")
    values = [{}, {"b": 1, "a": [True, None, -1.5, "é", {"c": {}}]}, {"big": 9223372036854775807, "small": 5e-324},
              {"x": "é" * 2000}, {"from": 1, "seq": 2, "type": "bye"}]
    for data in values:
        a.send(a, "x", data=data)
        assert phone.push("message")["data"] == data
    keys = {"user": a.id, "text": "x"}
    fits = {"k": "x" * (4096 - len('{"k":""}'))}
    assert len(json.dumps(fits, separators=(",", ":"))) == 4096
    a.ok("send", **keys, data=fits)
    a.write(json.dumps({"type": "send", "id": "spaced", **keys, "data": fits}, indent=4).replace("\n", " ").encode() + b"\n")
    assert a.reply("spaced")["type"] == "ok"
    reply = a.request("send", **keys, data={"k": fits["k"] + "x"})
    refused(reply, "too_large", "data")
    assert "4096" in reply["message"]
    for data in ([], "x", 1, None, True):
        refused(a.request("send", **keys, data=data), "bad_request", "data")


@proves("`cid` | optional string of 1 to 36 bytes chosen by the sender: makes a send idempotent (section 5)")
def test_cids():
    a = server().user()
    for cid in ("x", "x" * 36, "é" * 18, "\x01"):
        assert a.ok("send", user=a.id, text="x", cid=cid).get("duplicate") is None
        assert a.ok("send", user=a.id, text="x", cid=cid)["duplicate"]
    for cid in ("", "x" * 37, "é" * 18 + "x", 1, None):
        refused(a.request("send", user=a.id, text="x", cid=cid), "bad_request", "cid")


@proves("`device` | optional string of 1 to 32 of `A-Z a-z 0-9 . _ -`; `default` where left out")
def test_devices():
    a = server().user()
    assert a.device == "default"
    for device in ("a", "A" * 32, "A.z_9-"):
        client = server().client()
        assert client.ok("login", user=a.id, password=PASSWORD, device=device)["device"] == device
    for device in ("", "x" * 33, "a b", "é", "a/b", 1, None):
        refused(server().client().request("login", user=a.id, password=PASSWORD, device=device), "bad_request", "device")


@proves("`limit` | 1 to 200; a page holds at most that many (default 50), or fewer (but one) where it would pass 64 KiB")
def test_limit():
    a = server().user()
    asked = [a.ask("send", user=a.id, text=str(i)) for i in range(210)]
    assert all(a.reply(number)["type"] == "ok" for number in asked)
    count = lambda **keys: len(a.ok("history", user=a.id, **keys)["messages"])
    assert (count(), count(limit=1), count(limit=200)) == (50, 1, 200)
    for limit in (0, 201, -1, 1.0, "1", None):
        for type in ("history", "conversations", "friends", "groups"):
            keys = {"user": a.id} if type == "history" else {}
            refused(a.request(type, limit=limit, **keys), "bad_request", "limit")
    for i in range(8):
        a.send(a, "x" * 16000)
    page = a.ok("history", user=a.id, limit=200)
    assert len(page["messages"]) < 8 and page["more"] is True
    assert len(json.dumps(page)) < 65536


@proves("A **conversation** is named by exactly one of `user` (the other person) or `group`.")
def test_conversation():
    a, b = server().user(), server().user()
    group = make_group(a, b)
    a.send(b, "x")
    a.send(group, "y")
    assert b.push("message")["to"] == b.id
    assert b.push("message")["group"] == group
    assert a.ok("history", **to(b))["messages"][0]["text"] == "x"
    assert a.ok("history", **to(group))["messages"][0]["text"] == "y"
    a.error("bad_request", "send", text="x")
    a.error("bad_request", "send", text="x", user=b.id, group=group)


if __name__ == "__main__":
    run(globals())
