# SPDX-License-Identifier: MIT
"""Commits are shared, and hashing passwords holds nobody up."""
import collections
import re
import selectors
import threading
import time

from chatd import INSTRUMENTED, PASSWORD, STORE, Chatd, proves, run, unique

SENDERS, OUTSTANDING, EACH = 64, 8, 150


def totals(chatd):
    """What the last line of its log says of the store's work."""
    line = [line for line in chatd.log if "event=stopped" in line][-1]
    return {key: int(value) for key, value in re.findall(r"(\w+)=(\d+)(?: |$)", line)}


@proves()
def test_commits_are_shared():
    chatd = Chatd()
    clients = [chatd.user() for _ in range(SENDERS)]
    receiver = chatd.user()
    sent, waiting = collections.Counter(), {}
    with selectors.DefaultSelector() as selector:
        for client in clients:
            selector.register(client.socket, selectors.EVENT_READ, client)
            for _ in range(OUTSTANDING):
                waiting[client] = waiting.get(client, 0) + 1
                client.ask("send", user=receiver.id, text="x" * 100)
        while any(waiting.values()):
            for key, _ in selector.select(10):
                client = key.data
                client.buffer += client.socket.recv(1 << 16)
                while b"\n" in client.buffer:
                    line, _, client.buffer = client.buffer.partition(b"\n")
                    assert line.startswith(b'{"type":"ok"'), line
                    sent[client] += 1
                    waiting[client] -= 1
                    if sent[client] + waiting[client] < EACH:
                        waiting[client] += 1
                        client.ask("send", user=receiver.id, text="x" * 100)
    assert chatd.stop() == 0
    stats = totals(chatd)
    assert stats["appends"] == SENDERS * EACH == sum(sent.values()), stats
    shared = stats["appends"] / stats["transactions"]
    print(f"# {STORE} {stats['appends']} messages in {stats['transactions']} transactions: {shared:.1f} in each")
    # In memory a commit costs nothing, so there is less to wait for and to gather.
    assert shared > (4 if STORE == "sqlite:" and not INSTRUMENTED else 1), shared


@proves()
def test_nobody_waits_behind_a_password():
    """As many logins as keep every hashing thread busy for seconds; a sender beside them is as quick as ever."""
    chatd = Chatd(settings=["password_cost=moderate", "hash_workers=1"])
    a = chatd.user()
    name = unique("p")
    registering = [chatd.client() for _ in range(6)]
    start = time.monotonic()
    numbers = [c.ask("register", name=f"{name}-{i}", password=PASSWORD) for i, c in enumerate(registering)]
    done = threading.Event()

    def wait():
        for client, number in zip(registering, numbers):
            client.reply(number, timeout=100)
        done.set()

    thread = threading.Thread(target=wait)
    thread.start()
    worst = count = 0
    while not done.is_set():
        before = time.monotonic()
        a.send(a, "quick")
        worst = max(worst, time.monotonic() - before)
        count += 1
    thread.join()
    took = time.monotonic() - start
    print(f"# {len(numbers)} hashes in {took:.1f} s; {count} sends meanwhile, {worst * 1000:.0f} ms at worst")
    assert worst < took / len(numbers) / 2 or INSTRUMENTED, "a send waited as long as a hash takes"
    chatd.finish()


if __name__ == "__main__":
    run(globals())
