# SPDX-License-Identifier: MIT
"""The example of docs/embedding.md, a server of its own around libchat: it serves clients as chatd does."""
import os
import re
import signal
import socket
import struct
import subprocess

from chatd import PASSWORD, TIMEOUT, WRAPPER, Chatd, _die_with_parent, proves, run, unique

EXAMPLE = os.environ.get("EXAMPLE", "build/docs/poll_node")


class Example(Chatd):
    """The example's process, as the tests know chatd's."""

    def command(self):
        return [*WRAPPER, EXAMPLE, "0"]

    def start(self):
        self.log = []
        self.process = subprocess.Popen(self.command(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                                        preexec_fn=_die_with_parent)
        line = self.process.stdout.readline()
        listening = re.fullmatch(r"listening on 127\.0\.0\.1:(\d+)\n", line)
        assert listening, line
        self.port = int(listening[1])

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(TIMEOUT * 2)
        finally:
            self.process.kill()
            self.process.stdout.close()


@proves()
def test_two_people_talk():
    example = Example()
    a, b = example.user(), example.user()
    group = a.ok("group.create", name="both")["group"]["id"]
    b.ok("group.join", group=group)
    for i in range(1, 101):
        assert a.send(b, f"message {i}") == i
        b.find("message", seq=i, text=f"message {i}")
    b.send(group, "hello, all")
    a.find("message", group=group, text="hello, all")
    b.ack(a, 100)
    b.settle()
    assert len(b.ok("history", user=a.id, limit=200)["messages"]) == 100
    for client in (a, b):
        client.close()
    example.finish()


@proves("So `printf '…' | nc` works.", "A client may close its sending half: what it asked before is answered, then the server closes.")
def test_as_netcat_would():
    example = Example()
    client = example.client()
    name = unique("nc")
    for type in ("register", "login"):
        client.frame(type=type, id=type, name=name, password=PASSWORD)
    client.frame(type="group.create", id="group", name="mine")
    client.end_input()
    assert [client.next()["id"] for _ in range(3)] == ["register", "login", "group"]
    client.closed()
    example.finish()


@proves("As soon as that many have come without an LF, the answer is `error` `frame_too_large`, then `bye` `protocol_error`, then the "
        "server closes.")
def test_a_frame_without_an_end():
    example = Example()
    client = example.client()
    client.write(b"x" * 100000)
    assert client.next()["code"] == "frame_too_large"
    client.bye("protocol_error")
    example.finish()


@proves("A slow reader costs the server a bounded buffer: past it the server stops pushing to that connection, and goes on from the "
        "store when it has drained.")
def test_a_receiver_that_does_not_read():
    example = Example()
    a, silent = example.user(), example.user()
    before = example.rss()
    count, text = 2000, "x" * 16000
    for _ in range(count // 50):
        for number in [a.ask("send", user=silent.id, text=text) for _ in range(50)]:
            assert a.reply(number)["type"] == "ok"
    # Once in the store in memory, and no second time for the one who does not read.
    example.expect_memory(before, count * len(text) * 3 // 2)
    for seq in range(1, count + 1):
        silent.find("message", seq=seq, text=text)
    # It asks for more than it takes, too, and in more bytes than are kept of what it says: it is not heard until it takes.
    asked = [silent.ask("history", user=a.id, limit=1) for _ in range(3000)]
    for number in asked:
        assert len(silent.reply(number)["messages"]) == 1
    example.finish()


@proves()
def test_more_clients_than_it_has_room_for():
    example = Example()
    clients = [example.client() for _ in range(64)]
    for client in clients:
        client.settle()
    example.client().closed()
    # It goes without a word: a reset.
    clients[-1].socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    clients.pop().close()
    # The place is free as soon as the server has seen that.
    for _ in range(1000):
        late = example.client()
        try:
            late.settle()
            break
        except (AssertionError, OSError):
            continue
    else:
        raise AssertionError("a place that was left stays taken")
    example.finish()


@proves("`bye` is the server's last frame: {`type`:`bye`, `code`, `message`, `reconnect`: bool, `retry_after`?}.")
def test_it_drains():
    example = Example()
    user = example.user()
    example.process.send_signal(signal.SIGTERM)
    bye = user.bye("shutdown")
    assert bye["reconnect"] is True and bye["retry_after"] > 0
    user.close()
    assert example.process.wait(TIMEOUT) == 0
    example.process.stdout.close()


if __name__ == "__main__":
    run(globals())
