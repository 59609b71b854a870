#!/usr/bin/env python3
"""Fail when shellcheck finds something in our scripts. Skipped where it is missing.

Usage: shell.py ROOT. SPDX-License-Identifier: GPL-3.0-or-later
"""

import pathlib
import shutil
import subprocess
import sys

import sources


def is_shell(path):
    if not path.is_file():
        return False
    with open(path, "rb") as file:
        first = file.readline()
    return first.startswith((b"#!/usr/bin/env bash", b"#!/bin/sh", b"# shellcheck shell="))


def main(root):
    if shutil.which("shellcheck") is None:
        print("shellcheck is not installed")
        return sources.SKIP
    scripts = [path for folder in (".ci", "dev", "tests")
               for path in sorted((pathlib.Path(root) / folder).rglob("*"))
               if is_shell(path)]
    return subprocess.run(["shellcheck", "-x", *scripts], check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
