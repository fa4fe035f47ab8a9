#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Every public header of libchat compiles alone, as C11 and as C++, with the warnings of a careful user."""
import pathlib
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
INCLUDE = ROOT / "libchat" / "include"
WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fsyntax-only"]
LANGUAGES = [("cc", "c", "c11"), ("c++", "c++", "c++17")]

failed = checked = 0
for header in sorted(INCLUDE.glob("chat/*.h")):
    source = f'#include "chat/{header.name}"\n'
    for compiler, language, standard in LANGUAGES:
        if not shutil.which(compiler):
            sys.exit(f"there is no {compiler} here; deploy/install-deps --tests installs it")
        result = subprocess.run([compiler, "-x", language, f"-std={standard}", *WARNINGS, "-I", str(INCLUDE), "-"],
                                input=source, capture_output=True, text=True)
        checked += 1
        if result.returncode != 0:
            failed += 1
            print(f"{header.name} does not compile alone as {standard}:\n{result.stderr}")
print(f"{checked} compilations, {failed} failed")
sys.exit(1 if failed or not checked else 0)
