#!/usr/bin/env python3
"""Fail when two labels of one dialog have the same mnemonic, in any language of po/: the
key then only moves between them. Skipped without gettext.

Usage: mnemonics.py ROOT. SPDX-License-Identifier: GPL-3.0-or-later
"""

import gettext
import io
import pathlib
import re
import shutil
import subprocess
import sys

import sources

FUNCTION = re.compile(r"^(\w+)\([^;{]*\)\n\{\n(.*?)^\}", re.MULTILINE | re.DOTALL)
LABEL = re.compile(r'\b_\("([^"]*_\w[^"]*)"\)')
MNEMONIC = re.compile(r"_(\w)")
# Every dialog is made of what its procedure adds, and of what all of them have.
ADDERS = ("add_arguments", "sde_arguments_add_common")


def read_functions(path):
    return dict(FUNCTION.findall(path.read_text(encoding="utf-8")))


def find_labels(functions, name, seen):
    """The labels in a function and in those that it calls."""
    if name not in functions or name in seen:
        return []
    seen.add(name)
    body = functions[name]
    labels = LABEL.findall(body)
    for called in re.findall(r"\b(\w+)\(", body):
        labels += find_labels(functions, called, seen)
    return labels


def read_languages(root):
    """Translations by language; the sources' own strings first."""
    languages = {"the sources": gettext.NullTranslations()}
    for language in (root / "po/LINGUAS").read_text(encoding="utf-8").split():
        made = subprocess.run(["msgfmt", "--output-file=-", root / f"po/{language}.po"],
                              check=True, capture_output=True)
        languages[language] = gettext.GNUTranslations(io.BytesIO(made.stdout))
    return languages


def find_clashes(labels):
    taken = {}
    for label in labels:
        key = MNEMONIC.search(label)
        taken.setdefault(key[1].upper() if key else "nothing", []).append(label)
    return {key: same for key, same in taken.items() if len(same) > 1 or key == "nothing"}


def main(root):
    if shutil.which("msgfmt") is None:
        print("gettext is not installed")
        return sources.SKIP
    root, bad = pathlib.Path(root), False
    languages = read_languages(root)
    shared = read_functions(root / "plugin/arguments.c")
    procedures = [path for path in sorted((root / "plugin").glob("*.c"))
                  if "add_arguments" in read_functions(path)]
    assert procedures, "no procedure was found in plugin/"
    for path in procedures:
        functions = shared | read_functions(path)
        seen = set()
        labels = [label for name in ADDERS for label in find_labels(functions, name, seen)]
        assert len(labels) > 5, f"{path.name}: hardly any labels were found"
        for language, translation in languages.items():
            clashes = find_clashes([translation.gettext(label) for label in labels])
            for key, same in clashes.items():
                print(f"{path.name}, {language}: {key} is the key of {', '.join(same)}")
                bad = True
    return bad


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
