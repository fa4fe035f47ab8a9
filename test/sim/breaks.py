#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""That the simulator can fail: the code is broken, each time in one place, and seeds are run until one finds it.

    breaks.py [--seeds N] [NAME ...]    all breaks, or those of these names; the table for docs/testing.md goes to stdout
    breaks.py --check                   only whether each break still has its place in the tree, and its row in docs/testing.md

A file of test/sim/breaks is a group: its title, then breaks, with an empty line before each:

    break NAME
    what  what is broken, for the table
    profile NAME                        of chat-sim; `default` where it is left out
    good  what else makes it good       where no seed can find it
    file  FILE
    a hunk as of a unified diff: lines that are kept begin with a blank, those that go with -, those that come with +

The lines that are kept and those that go have to stand in the file once. All happens in a copy of the tree, which is removed at the end.
"""
import argparse
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
BREAKS = ROOT / "test" / "sim" / "breaks"
DOCS = ROOT / "docs" / "testing.md"
SEEDS = 5000
HANGS_S = 1800
OPTIONS = ["-Dwerror=false", "-Ddocs=disabled", "-Dmysql=disabled", "-Dredis=disabled", "-Dtls=disabled"]


class Break:
    def __init__(self, group, lines):
        self.group, self.profile, self.good = group, "default", None
        self.old, self.new = [], []
        for line in lines:
            if line[0] in " -":
                self.old.append(line[1:])
            if line[0] in " +":
                self.new.append(line[1:])
            if line[0] not in " -+":
                key, value = line.split(maxsplit=1)
                setattr(self, {"break": "name"}.get(key, key), value)

    def apply(self, text):
        """The file's text with the break in it."""
        old, new = ("\n" + "\n".join(lines) + "\n" for lines in (self.old, self.new))
        count = ("\n" + text).count(old)
        if count != 1:
            sys.exit(f"{self.name}: what it breaks stands in {self.file} {count} times, not once")
        if old == new:
            sys.exit(f"{self.name}: it changes nothing")
        return ("\n" + text).replace(old, new)[1:]

    def cells(self):
        """What its row in docs/testing.md has, whoever finds it."""
        return f"{self.what} | `{self.name}` |"


def read_breaks():
    breaks = []
    for path in sorted(BREAKS.glob("*.txt")):
        title, *parts = path.read_text().rstrip("\n").split("\n\n")
        breaks += [Break(title.removeprefix("# "), part.split("\n")) for part in parts]
    names = [b.name for b in breaks]
    for name in names:
        if names.count(name) > 1:
            sys.exit(f"{name}: two breaks have this name")
    return breaks


def check(breaks):
    docs = DOCS.read_text()
    for b in breaks:
        b.apply((ROOT / b.file).read_text())
        if b.cells() not in docs:
            sys.exit(f"{b.name}: docs/testing.md does not have it, or says something else of it")
    print(f"{len(breaks)} breaks have their places")


def build(folder):
    made = subprocess.run(["ninja", "-C", str(folder), "test/sim/chat-sim"], capture_output=True, text=True)
    if made.returncode != 0:
        sys.exit(f"chat-sim cannot be built:\n{made.stdout[-4000:]}")


def first_seed(program, profile, seeds):
    """The first seed that fails, and the checker: or what ended a run that died of it. (None, None): none of them fails."""
    try:
        ran = subprocess.run([program, "--profile", profile, "--seeds", f"1..{seeds}", "--failures", "1", "--hash"],
                             capture_output=True, text=True, timeout=HANGS_S)
    except subprocess.TimeoutExpired:
        sys.exit(f"seeds of {profile} have not come to an end within {HANGS_S} s")
    failed = re.search(r"^FAILED seed (\d+) .* checker (\w+):", ran.stdout, re.M)
    if failed:
        return failed.groups()
    if ran.returncode < 0:
        over = re.findall(r"^(\d+) [0-9a-f]{16}$", ran.stdout, re.M)
        died_of = "assert" if "Assertion" in ran.stderr else signal.Signals(-ran.returncode).name
        return str(int(over[-1]) + 1 if over else 1), died_of
    return None, None


def run(breaks, seeds, folder):
    """Of each break what became of it, a row of the one table or the other; and how many were not as they should be."""
    source, built = folder / "source", folder / "build"
    shutil.copytree(ROOT, source, ignore=shutil.ignore_patterns("build*", ".git", "__pycache__"))
    subprocess.run(["meson", "setup", *OPTIONS, str(built), str(source)], check=True, stdout=subprocess.DEVNULL)
    build(built)
    if first_seed(built / "test/sim/chat-sim", "default", 20) != (None, None):
        sys.exit("a seed fails though nothing is broken")
    caught, good, wrong = [], [], 0
    for b in breaks:
        path = source / b.file
        whole = path.read_text()
        path.write_text(b.apply(whole))
        build(built)
        seed, checker = first_seed(built / "test/sim/chat-sim", b.profile, seeds)
        path.write_text(whole)
        as_expected = (seed is None) == (b.good is not None)
        found = f"{b.profile} {seed}, {checker}" if seed else f"not caught by {seeds} seeds of {b.profile}"
        print(f"{b.name}: {found}{'' if as_expected else ' - WRONG'}", file=sys.stderr, flush=True)
        wrong += not as_expected
        if seed:
            caught.append((b, f"{b.profile} {seed} | `{checker}`"))
        elif b.good:
            good.append((b, b.good))
    return caught, good, wrong


def print_table(head, rows):
    group = None
    print(head, re.sub(r"[^|]+", " --- ", head), sep="\n")
    for b, result in rows:
        print(f"| {'' if b.group == group else f'**{b.group}.** '}{b.cells()} {result} |")
        group = b.group


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--seeds", type=int, default=SEEDS, metavar="N", help=f"of each break, at most; {SEEDS} unless told")
    parser.add_argument("--check", action="store_true", help="whether each still has its place; nothing is built")
    arguments = parser.parse_args()
    breaks = read_breaks()
    unknown = set(arguments.names) - {b.name for b in breaks}
    if unknown:
        sys.exit(f"there is no break of the name {', '.join(sorted(unknown))}")
    if arguments.check:
        check(breaks)
        return 0
    with tempfile.TemporaryDirectory(prefix="chat-breaks-") as folder:
        caught, good, wrong = run([b for b in breaks if not arguments.names or b.name in arguments.names],
                                  arguments.seeds, pathlib.Path(folder))
    print_table("| what was broken | its name | the first seed that found it | checker |", caught)
    if good:
        print()
        print_table("| what was broken | its name | what makes it good |", good)
    return 1 if wrong else 0


sys.exit(main())
