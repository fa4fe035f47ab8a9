#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""One seed is one run: the hash of its trace is the same whenever, wherever and after whatever it is run.

    same.py CHAT_SIM [CHAT_SIM ...]     further programs may stand in CHAT_SIM_OTHERS

Seeds of every profile run in a row, backwards in pairs of jobs, and each alone; and the same with each further program, which
another compiler has built, or with sanitizers.
"""
import os
import re
import subprocess
import sys

SEEDS = 12
ALONE = 2

# Whoever instruments is to run all of these few.
os.environ.pop("CHAT_TEST_INSTRUMENTED", None)


def hashes(program, profile, seeds, *more):
    out = subprocess.run([program, "--profile", profile, "--seeds", seeds, "--hash", *more], capture_output=True, text=True)
    return {int(seed): value for seed, value in re.findall(r"^(\d+) ([0-9a-f]{16})$", out.stdout, re.M)}


def profiles(program):
    out = subprocess.run([program, "--list"], capture_output=True, text=True, check=True).stdout
    return re.findall(r"^  (\w+)  *\S", out.split("wrong ports:")[0], re.M)


def compare(what, profile, expected, got):
    for seed, value in got.items():
        if expected[seed] != value:
            print(f"profile {profile} seed {seed}: {what} its trace is another")
            return 1
    if not got:
        print(f"profile {profile}: {what} there is no trace")
        return 1
    return 0


first, *others = sys.argv[1:] + os.environ.get("CHAT_SIM_OTHERS", "").split()
wrong = count = 0
for profile in profiles(first):
    expected = hashes(first, profile, f"1..{SEEDS}")
    if len(expected) != SEEDS or len(set(expected.values())) != SEEDS:
        sys.exit(f"profile {profile}: {len(expected)} traces, {len(set(expected.values()))} of them different")
    wrong += compare("with other jobs", profile, expected, hashes(first, profile, f"1..{SEEDS}", "--jobs", "3"))
    for seed in range(SEEDS, SEEDS - ALONE, -1):
        wrong += compare("alone", profile, expected, hashes(first, profile, f"{seed}..{seed}"))
    for other in others:
        wrong += compare(f"run by {other}", profile, expected, hashes(other, profile, f"1..{SEEDS}"))
    count += 1
print(f"{count} profiles, {SEEDS} seeds each, {1 + len(others)} programs: {wrong} differ")
sys.exit(1 if wrong or not count else 0)
