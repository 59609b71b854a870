#!/usr/bin/env python3
"""Fail when the engine defines a global symbol that does not start with sde_.

Usage: symbols.py LIBRARY…. SPDX-License-Identifier: GPL-3.0-or-later
"""

import subprocess
import sys


def find_names(library):
    listing = subprocess.run(
        ["nm", "--extern-only", "--defined-only", "--format=posix", library],
        check=True, capture_output=True, text=True).stdout
    return {line.split()[0] for line in listing.splitlines() if len(line.split()) > 2}


def main(libraries):
    status = 0
    for library in libraries:
        names = find_names(library)
        bad = sorted(name for name in names if not is_ours(name))
        for name in bad:
            print(f"{name}: a global symbol of the engine starts with sde_")
        if not names:
            print(f"{library}: no symbols found")
        if bad or not names:
            status = 1
    return status


def is_ours(name):
    # Sanitizers add symbols of their own, double underscore first.
    return name.startswith(("sde_", "__"))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
