#!/usr/bin/env python3
"""Fail when clang-format would change a C file. Skipped without the pinned version.

Usage: format.py ROOT. SPDX-License-Identifier: GPL-3.0-or-later
"""

import re
import shutil
import subprocess
import sys

import sources

VERSION = 19  # versions disagree in details; this is Debian 13's


def find_tool():
    for name in (f"clang-format-{VERSION}", "clang-format"):
        path = shutil.which(name)
        if path is None:
            continue
        text = subprocess.run([path, "--version"], capture_output=True, text=True,
                              check=True).stdout
        if re.search(rf"version {VERSION}\.", text):
            return path
    return None


def main(root):
    tool = find_tool()
    if tool is None:
        print(f"clang-format {VERSION} is not installed")
        return sources.SKIP
    files = sources.find(root, ("engine", "models", "plugin", "tests"), ".c", ".h")
    done = subprocess.run([tool, "--dry-run", "--Werror", "--ferror-limit=1", *files],
                          capture_output=True, text=True, check=False)
    print(done.stderr, end="")
    if done.returncode:
        print(f"to mend it: {tool} -i FILE")
    return done.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
