# SPDX-License-Identifier: MIT
"""Crowds: thousands of clients that come back at once, and a group that everybody is in. What they cost is measured, and bounded."""
import concurrent.futures
import json
import os
import subprocess
import time

from cluster import SLOW, Channel, Cluster
from chatd import INSTRUMENTED, proves, run

STORM = os.environ.get("STORM", os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "build", "test", "cluster", "storm"))
CROWD = 400 if INSTRUMENTED else 2000
MEMBERS = 200 if INSTRUMENTED else 1000
MESSAGES = 40
HANDS = 8  # that make users at a time
STEADY_S = 3     # for which sends are measured before
BACK_S = 10      # in which a crowd is back
HELD_UP = 10     # by how much slower sends may be while it comes back,
HELD_UP_MS = 250  # where they take longer than this at all


def cluster():
    return Cluster.shared()


class Storm:
    """The program of that name: see there."""

    def __init__(self, c, crowd_at, senders=20, sends_per_s=200):
        others = [str(node.port) for node in c.nodes if node is not crowd_at]
        self.process = subprocess.Popen([STORM, str(CROWD), str(crowd_at.port), str(c.balancer.port), str(senders), str(sends_per_s / SLOW), *others],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        began = time.monotonic()
        assert self.process.stdout.readline() == "ready\n"
        print(f"# {CROWD} clients registered and logged in in {time.monotonic() - began:.1f} s")

    def say(self, word):
        self.process.stdin.write(word + "\n")
        self.process.stdin.flush()

    def result(self):
        out, _ = self.process.communicate()
        assert self.process.returncode == 0, "the storm did not end well"
        return json.loads(out)


@proves("Clients whose node died come back by token to the others, and nobody else's sends are held up.")
def test_crowd_comes_back():
    c = cluster()
    node = c.nodes[2]
    storm = Storm(c, node)
    try:
        storm.say("go")
        time.sleep(STEADY_S)
        storm.say("blow")
        Cluster.hands.submit(node.kill).result()
        result = storm.result()
    finally:
        storm.process.kill()
    before, during = result["before"], result["during"]
    print(f"# {result['clients']} clients were all back {result['back_s']:.2f} s after the kill, {result['logins'] / result['back_s']:.0f} logins a"
          f" second, {result['refused']} attempts refused")
    for name, times in (("before", before), ("meanwhile", during)):
        print(f"# sends {name}: {times['count']}, p50 {times['p50_ms']} ms, p99 {times['p99_ms']} ms, at most {times['max_ms']} ms")
    assert result["logins"] == CROWD
    assert result["back_s"] < BACK_S * SLOW
    limit = max(HELD_UP * before["p99_ms"], HELD_UP_MS) * SLOW
    assert during["p99_ms"] < limit, f"senders were held up: p99 {during['p99_ms']} ms meanwhile, {limit:.0f} ms at most"


def members_of(c, group, count):
    """So many who have joined, a third at each node, all online. Each was alone when they joined: nobody had to be told."""

    def one(i):
        guest = c.user(i % 3)
        guest.ok("group.join", group=group)
        guest.close()
        member = c.nodes[i % 3].client()
        member.login(token=guest.token, replace=True)
        return member

    with concurrent.futures.ThreadPoolExecutor(HANDS) as hands:
        return list(hands.map(one, range(count)))


@proves("A group message is one row and one PUBLISH, whatever the group's size.")
def test_a_message_to_a_thousand_members():
    """Counted in the database, in what Redis was told (INFO commandstats), and in what it said to whoever listens."""
    c = cluster()
    began = time.monotonic()
    sender = c.user(0)
    group = sender.ok("group.create", name="crowd")["group"]["id"]
    members = members_of(c, group, MEMBERS - 1)
    assert c.query(f"SELECT members FROM chat_group WHERE id={group}") == MEMBERS
    print(f"# a group of {MEMBERS} in {time.monotonic() - began:.1f} s")
    channels, own = Channel(c, "chat:*:[ugn]:*"), Channel(c, "chat:*:self:*")
    rows = c.query("SELECT COUNT(*) FROM message WHERE kind>=0")
    c.redis_command("CONFIG", "RESETSTAT")
    began = time.monotonic()
    for i in range(MESSAGES):
        sender.send(group, f"to all {i}")
    sent = time.monotonic() - began
    for member in members:
        for seq in range(1, MESSAGES + 1):
            frame = member.find("message")
            assert frame["group"] == group and frame["seq"] == seq and frame["text"] == f"to all {seq - 1}", frame
    took = time.monotonic() - began
    stats = c.redis_command("INFO", "commandstats")
    calls = int(stats.split("cmdstat_publish:calls=")[1].split(",")[0])
    heard, beats = channels.count(), own.count()
    rows = c.query("SELECT COUNT(*) FROM message WHERE kind>=0") - rows
    assert rows == MESSAGES, f"{rows} rows"
    assert heard == MESSAGES, f"{heard} publications of {MESSAGES} messages"
    assert MESSAGES <= calls <= MESSAGES + beats, f"{calls} PUBLISH, of them {beats} of nodes to themselves"
    print(f"# {MESSAGES} messages to {MEMBERS} members on 3 nodes, sent in {sent:.2f} s, all there and looked at in {took:.2f} s: {rows} rows, {heard} PUBLISH")
    for member in members:
        member.close()


@proves("A node that dies is not missed by those who are elsewhere.")
def test_nodes_end_in_order():
    cluster().expect_alive()
    Cluster.finish_shared()


if __name__ == "__main__":
    run(globals())
