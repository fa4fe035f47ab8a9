#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What every file of the tree owes its reader."""
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
FILE_LINES, FUNCTION_LINES = 1000, 90
# Written so that this file does not find itself.
UNFINISHED = re.compile(r"\b(?:" + "|".join(["TO" + "DO", "FIX" + "ME", "XX" + "X"]) + r")\b")
SOMEBODYS_MACHINE = re.compile("(?<![a-z.])/(?:ho" + "me|ro" + "ot|wo" + "rk|Us" + "ers)/")
CODE = {".c", ".h", ".py", ".sql", ".build"}
LICENSED = {".c", ".h", ".py"}
CORPORA = ROOT / "test" / "fuzz" / "corpus"  # bytes as they came, for no reader


def tracked():
    """The files that belong to the tree: git's, or (of an unpacked archive) all but what is built."""
    listed = subprocess.run(["git", "-C", str(ROOT), "ls-files", "-co", "--exclude-standard"], capture_output=True, text=True)
    if listed.returncode == 0:
        return [ROOT / name for name in listed.stdout.splitlines() if (ROOT / name).is_file()]
    return [p for p in ROOT.rglob("*") if p.is_file() and not any(
        part.startswith(("build", ".git")) or part == "__pycache__" for part in p.relative_to(ROOT).parts[:-1])]


def is_script(text):
    return text.startswith("#!")


def check_lines(lines):
    for number, line in enumerate(lines, 1):
        if line != line.rstrip():
            yield number, "blanks at the end of the line"
        if UNFINISHED.search(line):
            yield number, "something unfinished is announced"
        if SOMEBODYS_MACHINE.search(line):
            yield number, "a path of somebody's machine"


def check_functions(lines):
    """A body of a C function begins with { and ends with } at the margin."""
    start = None
    for number, line in enumerate(lines, 1):
        if line == "{":
            start = number
        elif line == "}" and start:
            if number - start > FUNCTION_LINES:
                yield start, f"a function of {number - start} lines, {FUNCTION_LINES} at most"
            start = None


def check(path):
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return
    lines = text.splitlines()
    code = path.suffix in CODE or path.name == "meson_options.txt" or is_script(text)
    if (path.suffix in LICENSED or is_script(text)) and "SPDX-License-Identifier: MIT" not in "\n".join(lines[:2]):
        yield 1, "no SPDX-License-Identifier on top"
    if not text.endswith("\n") and text:
        yield len(lines), "no end of line at the end"
    if code and len(lines) > FILE_LINES:
        yield len(lines), f"{len(lines)} lines, {FILE_LINES} at most"
    yield from check_lines(lines)
    if path.suffix == ".c":
        yield from check_functions(lines)


wrong = [f"{path.relative_to(ROOT)}:{number}: {what}" for path in tracked() if CORPORA not in path.parents for number, what in check(path)]
print("\n".join(wrong) or "clean")
sys.exit(1 if wrong else 0)
