#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What libchat's objects export and import.

Exports begin with chat_. The parts that do no I/O (base, wire, node, client) import nothing but what is listed here:
memory, texts, jansson in the wire, and libchat itself. No socket, file, thread, clock, random source, log or exit, no
libevent, no SQL.
"""
import os
import re
import subprocess
import sys

LIBC = {"malloc", "calloc", "realloc", "free", "memcpy", "memmove", "memset", "memcmp", "memchr", "strlen", "strcmp", "strncmp", "strchr",
        "strtoll", "strtoull", "strtod", "snprintf", "vsnprintf", "qsort", "bsearch", "explicit_bzero", "__assert_fail", "abort",
        # what a compiler puts in by itself
        "_GLOBAL_OFFSET_TABLE_", "__stack_chk_fail", "__memcpy_chk", "__memmove_chk", "__memset_chk", "__snprintf_chk",
        "__vsnprintf_chk", "__isoc99_sscanf", "__isoc23_strtoull", "__isoc23_strtoll", "__explicit_bzero_chk"}
SANITIZERS = re.compile(r"__(asan|ubsan|tsan|sanitizer|gcov|llvm)_|__cyg_profile")
JANSSON = re.compile(r"json_|hashtable_")
PURE = ("base_", "wire_", "node_", "client_")


def symbols(library):
    """(object, kind, name) of every symbol; kind as nm(1) names it."""
    out = subprocess.run(["nm", "-A", library], capture_output=True, text=True, check=True).stdout
    for line in out.splitlines():
        match = re.match(r"(?:.*:)?([^:]+\.o):\s*[0-9a-f]*\s+(\w) (\S+)$", line)
        if match:
            yield match.groups()


wrong = []
seen = set()
for part, kind, name in symbols(os.environ["LIBCHAT"]):
    seen.add(part)
    if SANITIZERS.match(name):
        continue
    if kind in "TDBRCVW" and not name.startswith("chat_"):
        wrong.append(f"{part} exports {name}, which does not begin with chat_")
    if kind in "Uvw" and part.startswith(PURE) and not name.startswith("chat_") and name not in LIBC and not (
            part.startswith("wire_") and JANSSON.match(name)):
        wrong.append(f"{part} imports {name}, which a part without I/O has no use for")
for prefix in PURE:
    if not any(part.startswith(prefix) for part in seen):
        wrong.append(f"no object of {prefix[:-1]} was looked at")
print("\n".join(wrong) or f"{len(seen)} objects are as they should be")
sys.exit(1 if wrong else 0)
