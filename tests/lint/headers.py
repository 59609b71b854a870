#!/usr/bin/env python3
"""Fail when a header does not compile alone, or sde.h not as C++.

Usage: headers.py ROOT BUILD CC CXX; CXX may be empty.
SPDX-License-Identifier: GPL-3.0-or-later
"""

import concurrent.futures
import os
import pathlib
import subprocess
import sys

import sources

def find_flags(commands, folder):
    """The flags that matter to headers, of all sources below `folder` in the build."""
    keep = ("-I", "-isystem", "-pthread", "-std=", "-W")
    flags = {}
    for source, arguments in commands.items():
        if folder in source.parents:
            flags.update(dict.fromkeys(a for a in arguments if a.startswith(keep)))
    return list(flags)


def compile_alone(compiler, flags, header, build):
    done = subprocess.run(
        [*compiler, *flags, "-Werror", "-fsyntax-only", "-"], cwd=build, text=True,
        input=f'#include "{header}"\n', capture_output=True, check=False)
    return f"{header}: does not compile alone\n{done.stderr}" if done.returncode else ""


def main(root, build, cc, cxx):
    root = pathlib.Path(root).resolve()
    commands = sources.compile_commands(build)
    tasks = []
    for top in ("engine", "plugin"):
        flags = find_flags(commands, root / top)
        for header in sources.find(root, (top,), ".h") if flags else ():
            tasks.append(([*cc.split(), "-x", "c"], flags, header, build))
    if cxx:
        flags = [f for f in find_flags(commands, root / "engine")
                 if f.startswith(("-I", "-pthread"))]
        tasks.append(([*cxx.split(), "-x", "c++", "-Wall"], flags,
                      root / "engine/sde.h", build))
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        bad = [text for text in pool.map(lambda task: compile_alone(*task), tasks) if text]
    print("".join(bad), end="")
    return bool(bad) or not tasks


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
