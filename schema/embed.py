#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Turns one dialect's migrations (NNN_name.sql) into a C file: embed.py OUTPUT DIALECT INPUT..."""
import os
import sys

output, dialect, inputs = sys.argv[1], sys.argv[2], sorted(sys.argv[3:], key=os.path.basename)
with open(output, "w", encoding="utf-8") as out:
    out.write('/* Made from schema/ by embed.py. */\n#include "store/migration.h"\n\n')
    out.write(f"const struct chat_migration chat_{dialect}_migrations[] = {{\n")
    for path in inputs:
        name = os.path.basename(path)
        out.write(f'\t{{{int(name.split("_")[0])}, "{name}",\n')
        with open(path, encoding="utf-8") as sql:
            for line in sql:
                line = line.rstrip("\n").replace("\\", "\\\\").replace('"', '\\"')
                out.write(f'\t "{line}\\n"\n')
        out.write("\t},\n")
    out.write(f"}};\nconst size_t chat_{dialect}_migration_count = {len(inputs)};\n")
