#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Counts the cases in meson's JUnit files: count.py STATUS FILE..., STATUS being 0 where every `meson test` exited with 0.

Every case of every test is counted. Exits 0 where none failed and meson agrees.
"""
import os
import sys
import xml.etree.ElementTree

status, paths = int(sys.argv[1]), sys.argv[2:]
passed = failed = skipped = 0
for path in paths:
    if not os.path.exists(path):
        print(f"there is no {path}")
        failed += 1
        continue
    for case in xml.etree.ElementTree.parse(path).iter("testcase"):
        kinds = {child.tag for child in case}
        if kinds & {"failure", "error"}:
            failed += 1
            print(f"failed: {case.get('classname')}: {case.get('name')}")
        elif "skipped" in kinds:
            skipped += 1
        else:
            passed += 1
if status != 0 and failed == 0:
    # A test that died or timed out has perhaps no case of its own to show for it.
    failed = 1
    print("meson test failed")
if passed == 0 and failed == 0:
    failed = 1
    print("nothing was tested")
print(f"{passed} passed, {failed} failed, {skipped} skipped")
sys.exit(1 if failed else 0)
