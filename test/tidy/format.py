#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Every C file has the layout that .clang-format gives it (clang-format 14; other versions differ in details)."""
import pathlib
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]

tool = shutil.which("clang-format-14")
if not tool:
    print("there is no clang-format-14 here; deploy/install-deps --tests installs it")
    sys.exit(1)
files = sorted(p for top in ("libchat", "server", "client", "test", "docs") for p in (ROOT / top).rglob("*.[ch]"))
result = subprocess.run([tool, "--dry-run", "--Werror", *map(str, files)], capture_output=True, text=True)
names = sorted({line.split(":")[0] for line in result.stderr.splitlines() if ": error:" in line})
for name in names:
    print(f"{pathlib.Path(name).relative_to(ROOT)}: run clang-format-14 -i on it")
print(f"{len(files)} files, {len(names)} to be formatted")
sys.exit(1 if result.returncode or not files else 0)
