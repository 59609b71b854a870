"""What the lint scripts share: which files are ours, which languages we
speak, and how the build compiles them.

SPDX-License-Identifier: GPL-3.0-or-later
"""

import json
import pathlib
import shlex

SKIP = 77  # meson's exit status for a test that could not run


def find(root, folders, *suffixes):
    """Sorted files below `folders` of the repository with one of the suffixes."""
    root = pathlib.Path(root)
    return sorted(
        path
        for folder in folders
        for path in (root / folder).rglob("*")
        if path.suffix in suffixes and path.is_file()
    )


def read_languages(root):
    """The languages that po/ has translations into."""
    return (pathlib.Path(root) / "po/LINGUAS").read_text(encoding="utf-8").split()


def compile_commands(build):
    """(source, arguments) of everything the build compiles, one of each source."""
    with open(pathlib.Path(build) / "compile_commands.json", encoding="utf-8") as file:
        entries = json.load(file)
    seen = {}
    for entry in entries:
        source = (pathlib.Path(entry["directory"]) / entry["file"]).resolve()
        seen.setdefault(source, shlex.split(entry["command"]))
    return seen
