#!/usr/bin/env python3
"""Print `N passed, N failed, N skipped` for meson's testlog.json; fail when a test did.

No test at all is a failure too: a mistyped suite must not look green.
SPDX-License-Identifier: GPL-3.0-or-later
"""

import json
import sys

PASSED = {"OK", "EXPECTEDFAIL"}
SKIPPED = {"SKIP"}


def main(path):
    try:
        with open(path, encoding="utf-8") as log:
            results = [(test["name"], test["result"]) for test in map(json.loads, log)]
    except OSError:
        results = []
    passed = sum(result in PASSED for _, result in results)
    skipped = [name for name, result in results if result in SKIPPED]
    failed = [name for name, result in results if result not in PASSED | SKIPPED]
    if not results:
        print("dev/check: no test ran")
    for name in skipped:
        print(f"skipped: {name}")
    for name in failed:
        print(f"failed: {name}")
    print(f"{passed} passed, {len(failed)} failed, {len(skipped)} skipped")
    return 1 if failed or not results else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
