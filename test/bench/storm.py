# SPDX-License-Identifier: MIT
"""Everybody comes back at once, while others talk: what a login costs then, and what the others feel of it."""
import json
import statistics
import subprocess
import sys

from subjects import Chatd, bench, command, print_table

STEADY = ["pairs", "--users", 200, "--rate", 1000, "--ack", 1]
CLIENTS, FRIENDS = 10000, 10


def begun(subject, *words):
    process = subprocess.Popen(command(subject, *words, "--told"), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    if process.stdout.readline() != "ready\n":
        sys.exit(f"{subject.title}, {words}: it did not become ready")
    return process


def told(process):
    process.stdin.write("\n")
    process.stdin.flush()


def ended(process):
    """What it reports, when it is at its end or is told that it is."""
    out = process.communicate("\n")[0]
    if process.returncode not in (0, 1):  # 1: something has not come, which is told
        sys.exit(f"it ended with {process.returncode}: {out}")
    return json.loads(out)


def storm(store, friends):
    """Alone, for what it costs; and beside a steady load, for what that feels of it."""
    logins = ["login", "--storm", "--users", CLIENTS, *(["--friends", friends] if friends else [])]
    with Chatd(store) as subject:
        alone = bench(subject, *logins)
        before = bench(subject, *STEADY)
        steady, crowd = begun(subject, *STEADY), begun(subject, *logins)
        told(steady)
        beside = ended(crowd)
        during = ended(steady)
    return (alone["per_second"], alone["cpu_login_us"], beside["per_second"], before["p99_us"] / 1000, during["p99_us"] / 1000,
            during["lost"])


def table(stores, rounds):
    runs = {(store, friends): [] for store in stores for friends in (0, FRIENDS)}
    for _ in range(rounds):
        for (store, friends), done in runs.items():
            done.append(storm(store, friends))
    print_table([f"{CLIENTS:,} logins by token at once", "logins a second", "CPU of a login, µs", "logins a second beside 1,000 messages a second",
                 "these messages' p99 before, ms", "and during it, ms", "not there 10 s after it"],
                [(f"{store}, " + (f"{friends} friends online of each" if friends else "no friends"), *map(statistics.median, zip(*done)))
                 for (store, friends), done in runs.items()])
