#!/usr/bin/env python3
"""Fail when the engine defines a global symbol that does not start with sde_.

Usage: symbols.py LIBRARY. SPDX-License-Identifier: GPL-3.0-or-later
"""

import subprocess
import sys


def main(library):
    listing = subprocess.run(
        ["nm", "--extern-only", "--defined-only", "--format=posix", library],
        check=True, capture_output=True, text=True).stdout
    names = [line.split()[0] for line in listing.splitlines() if len(line.split()) > 2]
    if not names:
        print(f"{library}: no symbols found")
        return 1
    bad = sorted(name for name in set(names) if not is_ours(name))
    for name in bad:
        print(f"{name}: a global symbol of the engine starts with sde_")
    return bool(bad)


def is_ours(name):
    # Sanitizers add symbols of their own, double underscore first.
    return name.startswith(("sde_", "__"))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
