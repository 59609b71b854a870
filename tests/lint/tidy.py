#!/usr/bin/env python3
"""Fail when clang-tidy finds something in engine/ or plugin/ (.clang-tidy says what).

Usage: tidy.py ROOT BUILD. A file that was found clean is not looked at again until it, one
of its headers, the rules or the way it is compiled change. Skipped where clang-tidy is
missing.
SPDX-License-Identifier: GPL-3.0-or-later
"""

import concurrent.futures
import hashlib
import os
import pathlib
import shutil
import subprocess
import sys

import sources


def find_includes(root, build):
    """The files of ours that each source of ours was compiled from, itself included."""
    listing = subprocess.run(["ninja", "-t", "deps"], cwd=build, check=True,
                             capture_output=True, text=True).stdout
    includes = {}
    for block in listing.split("\n\n"):
        paths = [(build / line.strip()).resolve() for line in block.splitlines()[1:]]
        if paths:
            includes.setdefault(paths[0], []).extend(
                path for path in paths if root in path.parents)
    return includes


def find_tasks(root, build):
    """(source, name of its stamp) of each source that the build compiles."""
    rules = (root / ".clang-tidy").read_bytes()
    includes = find_includes(root, build)
    for source, arguments in sorted(sources.compile_commands(build).items()):
        if not {root / "engine", root / "plugin"} & set(source.parents):
            continue
        key = hashlib.sha256(rules + " ".join(arguments).encode())
        for path in sorted(set(includes.get(source, [source]))):
            key.update(path.read_bytes())
        yield source, key.hexdigest()


def check(source, stamp, build):
    """The findings in one source; leaves its stamp when there are none."""
    done = subprocess.run(
        ["clang-tidy", "--quiet", "--warnings-as-errors=*", "-p", build, source],
        capture_output=True, text=True, check=False)
    if done.returncode == 0:
        stamp.touch()
        return ""
    return done.stdout + "".join(
        line + "\n" for line in done.stderr.splitlines() if "error:" in line)


def main(root, build):
    root, build = pathlib.Path(root).resolve(), pathlib.Path(build).resolve()
    if shutil.which("clang-tidy") is None:
        print("clang-tidy is not installed")
        return sources.SKIP
    stamps = build / "clang-tidy"
    stamps.mkdir(exist_ok=True)
    tasks = [(source, stamps / name) for source, name in find_tasks(root, build)]
    wanted = {stamp for _, stamp in tasks}
    for stamp in set(stamps.iterdir()) - wanted:
        stamp.unlink(missing_ok=True)
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        found = list(pool.map(lambda task: check(*task, build),
                              [task for task in tasks if not task[1].exists()]))
    print("".join(found), end="")
    return any(found) or not tasks


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
