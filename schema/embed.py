#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Turns migrations (NNN_name.sql) into a C file: embed.py OUTPUT INPUT..."""
import os
import sys

output, inputs = sys.argv[1], sorted(sys.argv[2:], key=os.path.basename)
with open(output, "w", encoding="utf-8") as out:
    out.write('/* Made from schema/ by embed.py. */\n#include "store/migration.h"\n\n')
    out.write("const struct chat_migration chat_sqlite_migrations[] = {\n")
    for path in inputs:
        name = os.path.basename(path)
        out.write(f'\t{{{int(name.split("_")[0])}, "{name}",\n')
        with open(path, encoding="utf-8") as sql:
            for line in sql:
                line = line.rstrip("\n").replace("\\", "\\\\").replace('"', '\\"')
                out.write(f'\t "{line}\\n"\n')
        out.write("\t},\n")
    out.write(f"}};\nconst size_t chat_sqlite_migration_count = {len(inputs)};\n")
