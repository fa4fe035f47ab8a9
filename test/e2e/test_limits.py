# SPDX-License-Identifier: MIT
"""What is bounded, at its worst: pages full of the longest that they may hold, data of awkward numbers, requests that are refused
as fast as they can be sent."""
import decimal
import json
import time

from chatd import PASSWORD, Chatd, befriend, proves, run, server, unique

PAGE = 64 * 1024
EMOJI = "😀"


def pages(client, type, list_name, **keys):
    """All pages of a list: (bytes of the frame, the frame) each."""
    found, after = [], {}
    while True:
        number = client.ask(type, limit=200, **keys, **after)
        line = b"{}"
        while json.loads(line).get("id") != number:
            line = client.line()
        page = json.loads(line)
        assert page["type"] == "ok" and page[list_name], page
        found.append((len(line), page))
        if "next" not in page:
            return found
        after = {"after": page["next"]}


def check_pages(found, list_name, count):
    assert sum(len(page[list_name]) for _, page in found) == count
    for size, page in found:
        assert size < PAGE or len(page[list_name]) == 1, f"{size} bytes of {len(page[list_name])} {list_name}"


@proves("`limit` | 1 to 200; a page holds at most that many (default 50), or fewer (but one) where it would pass 64 KiB",
        "`groups` | `after`? `limit`? | `groups`: [group], `invitations` (first page): [{`group`: {`id`,`name`}, `by`}], `next`?")
def test_pages_of_groups():
    host, guest = server().user(), server().user()
    befriend(host, guest)
    for _ in range(100):
        group = host.ok("group.create", name=EMOJI * 64, open=False)["group"]["id"]
        host.ok("group.invite", group=group, user=guest.id)
    for _ in range(100):
        guest.ok("group.create", name=EMOJI * 64, description=EMOJI * 256)
    found = pages(guest, "groups", "groups")
    check_pages(found, "groups", 100)
    assert [len(page.get("invitations", [])) for _, page in found] == [100] + [0] * (len(found) - 1)
    assert "invitations" in found[0][1] and all("invitations" not in page for _, page in found[1:])


@proves("`limit` | 1 to 200; a page holds at most that many (default 50), or fewer (but one) where it would pass 64 KiB")
def test_a_page_is_not_cut_early():
    a, b = server().user(), server().user()
    for size in (150, 200, 250):
        asked = [a.ask("send", user=b.id, text="x" * size) for _ in range(200)]
        for number in asked:
            a.reply(number)
        assert len(a.ok("history", user=b.id, limit=200)["messages"]) == 200, size
    # As long as a page may be, and a byte more: the fewest keys there are, then texts that fill it up.
    c, d = server().user(), server().user()
    for _ in range(4):
        c.send(d, "x" * 16000)
    number = c.ask("history", user=d.id, limit=200)
    line = c.line()
    assert json.loads(line)["id"] == number and len(json.loads(line)["messages"]) == 4
    room = PAGE - len(line) - 1
    for text, count in (("y" * (room - 200), 5), ("y" * 300, 5)):
        c.send(d, text)
        page = c.ok("history", user=d.id, after=0, limit=200)
        assert len(page["messages"]) == count, (len(page["messages"]), count)
    assert page["more"] is True


@proves("`limit` | 1 to 200; a page holds at most that many (default 50), or fewer (but one) where it would pass 64 KiB",
        "From server to client a frame is at most 128 KiB.")
def test_pages_of_conversations():
    reader = server().user()
    worst = "\x01" * 10000  # 60,000 bytes on the wire
    writers = [server().user() for _ in range(6)]
    for number, writer in enumerate(writers):
        writer.send(reader, worst if number % 2 else "short", data={"k": "x" * 4000})
    found = pages(reader, "conversations", "conversations")
    check_pages(found, "conversations", 6)
    assert len(found) > 1


@proves("`limit` | 1 to 200; a page holds at most that many (default 50), or fewer (but one) where it would pass 64 KiB",
        "`friends` | `after`? (user id) `limit`? | `friends`: [{`id`,`name`,`state`,`online`?}], `next`?",
        "`group.members` | `group`, `after`? `limit`? | `members`: [{`id`,`name`,`role`,`online`}], `next`?")
def test_pages_of_people():
    host = server().user()
    group = host.ok("group.create", name="all")["group"]["id"]
    for _ in range(205):
        name = unique(EMOJI * 12 + '"\\')
        client = server().client()
        client.ok("register", name=(EMOJI * 32 + name)[-32:], password=PASSWORD)
        client.ok("login", name=(EMOJI * 32 + name)[-32:], password=PASSWORD)
        client.ok("friend.add", user=host.id)
        client.ok("group.join", group=group)
        client.close()
    found = pages(host, "friends", "friends")
    check_pages(found, "friends", 205)
    assert len(found[0][1]["friends"]) == 200
    found = pages(host, "group.members", "members", group=group)
    check_pages(found, "members", 206)


@proves("`data` | optional JSON object that the server stores and forwards unread, at most 4096 bytes as compact UTF-8 JSON")
def test_data_is_forwarded_as_it_came():
    a = server().user()
    for data in ('{"a":[%s]}' % ",".join(["0.1"] * 1000), '{"a":[%s]}' % ",".join(["1e5"] * 1000),
                 '{"a":0.1,"b":1.10,"c":1E-7,"d":123456789.123456789,"e":9007199254740993,"f":-0.5,"h":[1,-0,1e1,10.0],"i":"1 \\" 2\\b\\f","g":"\\u00e9\\/\\ud83d\\ude00"}'):
        a.write(('{"type":"send","id":"n","more":[1,{"2":-3.0}],"user":%d,"data":%s,"text":"4"}\n' % (a.id, data)).encode())
        reply = a.reply("n")
        assert reply["type"] == "ok", f"{len(data)} bytes: {reply}"
        a.frame(type="history", id="h", user=a.id, limit=1)
        page = json.loads(a.line(), parse_float=decimal.Decimal)
        assert page["messages"][0]["data"] == json.loads(data, parse_float=decimal.Decimal)


@proves("A connection that sends faster than the server's `send_rate` is read more slowly; it gets no error and loses nothing.")
def test_refused_requests_count():
    chatd = Chatd(settings=["send_rate=100"])
    for frame, code in ((b'{"type":"nonsense"}\n', "unknown_type"), (b'{"type":"user"}\n', "bad_request")):
        client = chatd.user()
        start = time.monotonic()
        client.write(frame * 180)
        assert all(client.next()["code"] == code for _ in range(180))
        took = time.monotonic() - start
        assert took > 0.5, f"180 requests at 100 a second were answered in {took:.2f} s"
    chatd.finish()


if __name__ == "__main__":
    run(globals())
