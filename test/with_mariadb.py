#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs a program with a MariaDB server of its own, whose URL is in CHAT_TEST_STORE: with_mariadb.py PROGRAM [ARGUMENT ...]"""
import os
import subprocess
import sys

import servers

server = servers.MariaDb(quick=True).start()
try:
    sys.exit(subprocess.run(sys.argv[1:], env={**os.environ, "CHAT_TEST_STORE": server.url("contract")}).returncode)
finally:
    server.finish()
