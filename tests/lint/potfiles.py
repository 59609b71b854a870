#!/usr/bin/env python3
"""Fail when po/POTFILES misses a file with translatable strings or names one without.

Usage: potfiles.py ROOT. SPDX-License-Identifier: GPL-3.0-or-later
"""

import pathlib
import re
import sys

import sources

CALL = re.compile(r'(?<![\w"])(?:_|N_|C_|NC_|ngettext|dgettext)\s*\(\s*"')


def main(root):
    root = pathlib.Path(root)
    listed = {
        line.strip()
        for line in (root / "po/POTFILES").read_text(encoding="utf-8").splitlines()
        if line.strip() and not line.startswith("#")
    }
    marked = {
        path.relative_to(root).as_posix()
        for path in sources.find(root, ("plugin", "engine"), ".c", ".h")
        if CALL.search(path.read_text(encoding="utf-8"))
    }
    bad = [f"{name}: has strings to translate but is not in po/POTFILES"
           for name in sorted(marked - listed)]
    for name in sorted(listed - marked):
        if not (root / name).is_file():
            bad.append(f"{name}: is in po/POTFILES but does not exist")
        elif name.endswith((".c", ".h")):
            bad.append(f"{name}: is in po/POTFILES but has nothing to translate")
    for line in bad:
        print(line)
    return bool(bad)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
