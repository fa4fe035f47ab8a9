# SPDX-License-Identifier: MIT
"""The load generator: it works in every mode, and counts what is lost, doubled or out of order. Nothing is timed here."""
import contextlib
import json
import os
import re
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))

import others  # noqa: E402
from chatd import INSTRUMENTED, Node, proves, run  # noqa: E402

BENCH, RELAY = os.environ["CHAT_BENCH"], os.environ["BENCH_RELAY"]
QUICK = ["--seconds", "0.2", "--warm", "0.1"]


def bench(mode, port, *options, expect=0):
    """What it reports; None where it has given up (2)."""
    command = [BENCH, mode, "--json", "--to", f"127.0.0.1:{port}", *QUICK, *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == expect, (command, done.returncode, done.stdout, done.stderr)
    return json.loads(done.stdout) if expect < 2 else None


def is_clean(result):
    return result["deliveries"] > 0 and not any(result[key] for key in ("lost", "doubled", "reordered", "unanswered"))


def relay_joins(file):
    assert file.readline().startswith(b"join ")
    file.write(b'{"id":2}\n')


def irc_joins(file):
    assert file.readline().startswith(b"NICK b") and file.readline().startswith(b"USER ")
    file.write(b":irc.local 001 b :Welcome\r\nPING :there?\r\n")
    file.flush()
    assert file.readline() == b"PONG :there?\r\n"
    file.write(b":irc.local 422 b :No MOTD\r\n")


def mqtt_packet(file):
    """With its header, whose length has seven bits to a byte; b"" at the end."""
    packet, rest, shift = file.read(1), 0, 0
    while packet and (len(packet) == 1 or packet[-1] & 128):
        packet += file.read(1)
        rest |= (packet[-1] & 127) << shift
        shift += 7
    return packet + file.read(rest)


def mqtt_joins(file):
    assert mqtt_packet(file)[0] == 0x10 and mqtt_packet(file)[0] == 0x82
    file.write(b"\x20\2\0\0" + b"\x90\3\0\1\1")


def mqtt_answer(packet):
    """PUBACK, of the id behind the topic: the length of a packet with a text of 200 bytes has two."""
    at = 3 + 2 + int.from_bytes(packet[3:5], "big")
    return b"\x40\2" + packet[at:at + 2]


class Fake:
    """What a server of a dialect does at a login, takes for a message, answers to it, and says before it."""

    def __init__(self, joins, reads=lambda file: file.readline(), answer=lambda message: b"", prefix=b""):
        self.joins, self.reads, self.answer, self.prefix = joins, reads, answer, prefix


FAKES = {"relay": Fake(relay_joins), "irc": Fake(irc_joins, prefix=b":b!~bench@127.0.0.1 "), "mqtt": Fake(mqtt_joins, mqtt_packet, mqtt_answer)}


class BadRelay(threading.Thread):
    """
    Two connections; what the one sends the other is given, in three pieces, but for the messages that `change` changes: it is given their
    number. `acked` is what the other one has said, `due` what they have to say.
    """

    def __init__(self, dialect, change):
        super().__init__(daemon=True)
        self.fake, self.change = FAKES[dialect], change
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.due, self.acked = b"", b""
        self.start()

    def run(self):
        sender, receiver = self.accept(), self.accept()
        while message := self.fake.reads(sender):
            sender.write(self.fake.answer(message))
            sender.flush()
            for other in self.change(int(re.search(rb"(\d{10})x", message)[1]), message):
                for piece in (self.fake.prefix + other[:2], other[2:9], other[9:]):
                    receiver.write(piece)
                    receiver.flush()
                self.due += self.fake.answer(other)
        self.acked = receiver.read()

    def accept(self):
        file = self.listener.accept()[0].makefile("rwb")
        self.fake.joins(file)
        file.flush()
        return file


def lose(number, line):
    return [] if number in (7, 20) else [line]


def double(number, line):
    return [line, line] if number == 7 else [line]


def swap(number, line, kept=[]):
    if number == 7:
        kept.append(line)
        return []
    return [line, kept.pop()] if number == 8 else [line]


@proves()
def everything_arrives_in_order_and_is_counted():
    node = Node()
    cpu = ["--process", f"chatd={node.process.pid}"]
    for options in (["--window", "16"], ["--window", "1"], ["--rate", "500"]):
        result = bench("pairs", node.port, "--users", "8", *cpu, *options)
        assert is_clean(result) and result["cpu_delivery_chatd_us"] > 0 and result["p50_us"] <= result["p99_us"], result
    assert is_clean(bench("fanout", node.port, "--users", "9", "--window", "4", *cpu))
    assert is_clean(bench("cluster", node.port, "--users", "4", "--to", f"127.0.0.1:{node.port}"))
    node.finish()


@proves()
def idle_connections_are_weighed():
    node = Node()
    result = bench("idle", node.port, "--users", "1000", "--process", f"chatd={node.process.pid}")
    assert 200 < result["open_chatd_bytes"] < result["logged_in_chatd_bytes"] < 40000, result
    node.finish()


@proves()
def who_is_idle_says_so_in_time():
    """Longer than a silence of three heartbeats; without --heartbeat they are cut off."""
    node = Node(settings=["heartbeat=1s"])
    silence = ["--users", "20", "--seconds", "4"]
    bench("idle", node.port, *silence, "--heartbeat", "1")
    bench("idle", node.port, *silence, expect=2)
    result = bench("pairs", node.port, "--users", "4", "--seconds", "4", "--crowd", "30", "--heartbeat", "1")
    assert is_clean(result), result
    node.finish()


def stored(folder, what):
    with contextlib.closing(sqlite3.connect(f"{folder}/chat.db")) as database:
        return database.execute(f"SELECT count(*) FROM {what}").fetchone()[0]


@proves()
def users_have_what_they_are_to_have_before():
    for mode, options, direct, messages in (("login", ["--users", "6", "--conversations", "40"], 6 * 40, 6 * 40),
                                            ("pairs", ["--users", "4", "--conversations", "7", "--before", "5000"], 4 * 7 + 2, 4 * 7 + 5000)):
        with tempfile.TemporaryDirectory() as folder:
            node = Node(store=f"sqlite:{folder}/chat.db")
            result = bench(mode, node.port, *options)
            assert stored(folder, "conversation WHERE low IS NOT NULL") == direct, result
            assert stored(folder, "message") >= messages + result.get("deliveries", 0), result
            node.finish()


@proves()
def friends_hear_who_comes():
    node = Node()
    result = bench("login", node.port, "--users", "30", "--friends", "5", "--storm")
    assert result["logins"] == 30 and result["presences"] == 30 * 5, result
    node.finish()


@proves()
def it_begins_and_ends_when_it_is_told():
    node = Node()
    steady, storm = (subprocess.Popen([BENCH, mode, "--json", "--to", f"127.0.0.1:{node.port}", "--told", *options],
                                      stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
                     for mode, options in (("pairs", ["--users", "8", "--window", "4"]), ("login", ["--users", "200", "--storm"])))
    for each in (steady, storm):
        assert each.stdout.readline() == "ready\n"
    steady.stdin.write("begin\n")
    steady.stdin.flush()
    logins = json.loads(storm.communicate("begin\n")[0])
    assert storm.returncode == 0 and logins["logins"] == 200, logins
    assert steady.poll() is None
    messages = json.loads(steady.communicate("end\n")[0])
    assert steady.returncode == 0 and messages["lost"] == messages["unanswered"] == 0, messages
    node.finish()


@proves()
def logins_are_counted():
    node = Node()
    for options in ([], ["--password"], ["--storm"]):
        result = bench("login", node.port, "--users", "20", *options, "--process", f"chatd={node.process.pid}")
        assert result["logins"] == 20 and result["cpu_login_us"] > 0, result
    node.finish()


@proves()
def a_backlog_is_drained_and_a_history_is_read():
    node = Node()
    result = bench("offline", node.port, "--users", "6", "--backlog", "300", "--process", f"chatd={node.process.pid}")
    assert result["wrong"] == 0 and result["messages"] == 900 and result["cpu_drained_us"] > 0, result
    assert INSTRUMENTED or 0 <= result["grown_chatd_bytes"] < 4 << 20, result
    result = bench("history", node.port, "--users", "2", "--backlog", "300", "--process", f"chatd={node.process.pid}")
    assert result["cpu_begin_us"] > 0 and result["cpu_middle_us"] > 0 and result["cpu_end_us"] > 0, result
    node.finish()


def relay_is_measured(dialect, *options):
    relay = subprocess.Popen([RELAY, *options], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    port = int(relay.stdout.readline())
    cpu = ["--dialect", dialect, "--process", f"relay={relay.pid}"]
    assert is_clean(bench("pairs", port, "--users", "8", *cpu))
    assert is_clean(bench("fanout", port, "--users", "9", "--window", "4", "--ack", "4", *cpu))
    assert bench("idle", port, "--users", "400", *cpu)["open_relay_bytes"] > 500
    relay.stdin.close()
    assert relay.wait() == 0


@proves()
def the_relay_forwards_between_pairs_and_in_a_group():
    relay_is_measured("relay")


@proves()
def it_answers_and_takes_acks_where_it_is_told_to():
    relay_is_measured("relay-answers", "--answers")


@proves()
def what_is_wrong_is_told():
    options = ["--users", "2", "--window", "64", "--text", "200"]
    wrongs = {lose: ("lost", 2), double: ("doubled", 1), swap: ("reordered", 1)}
    for dialect, change in (("relay", lose), *((dialect, change) for dialect in FAKES for change in (double, swap))):
        key, count = wrongs[change]
        relay = BadRelay(dialect, change)
        result = bench("pairs", relay.port, "--dialect", dialect, *options, expect=1)
        wrong = {name: result[name] for name in ("lost", "doubled", "reordered", "unanswered")}
        assert wrong == {"lost": 0, "doubled": 0, "reordered": 0, "unanswered": 0, key: count}, (dialect, wrong)
        relay.join(10)
        assert relay.acked == relay.due, (dialect, relay.acked, relay.due)


@proves()
def servers_of_other_protocols_are_measured_where_they_are_installed():
    for daemon in others.installed():
        server = daemon().start()
        try:
            cpu = ["--dialect", daemon.dialect, "--process", f"{daemon.name}={server.process.pid}"]
            assert is_clean(bench("pairs", server.port, "--users", "8", *cpu))
            assert is_clean(bench("fanout", server.port, "--users", "9", "--window", "4", *cpu))
            assert bench("idle", server.port, "--users", "400", *cpu)[f"open_{daemon.name}_bytes"] > 200
        finally:
            server.finish()


run(globals())
