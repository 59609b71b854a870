#!/usr/bin/env python3
"""Fail when two labels of one dialog have the same mnemonic, in any language of po/: the
key then only moves between them; or when a translation lost its own. Skipped without
gettext.

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


def read_dialogs(root):
    """The labels of each dialog, by the file of its procedure."""
    shared = read_functions(root / "plugin/arguments.c")
    dialogs = {}
    for path in sources.find(root, ["plugin"], ".c"):
        own = read_functions(path)
        if "add_arguments" in own:
            seen = set()
            dialogs[path.name] = [label for name in ADDERS
                                  for label in find_labels(shared | own, name, seen)]
    return dialogs


def read_translations(root):
    """Translations by language; the sources' own strings first."""
    translations = {"the sources": gettext.NullTranslations()}
    for language in sources.read_languages(root):
        made = subprocess.run(["msgfmt", "--output-file=-", root / f"po/{language}.po"],
                              check=True, capture_output=True)
        translations[language] = gettext.GNUTranslations(io.BytesIO(made.stdout))
    return translations


def find_faults(labels):
    """Labels without a key, and keys of several labels, in words."""
    owners = {}
    for label in labels:
        key = MNEMONIC.search(label)
        if key is None:
            yield f"{label} has no key"
        else:
            owners.setdefault(key[1].upper(), []).append(label)
    for key, same in owners.items():
        if len(same) > 1:
            yield f"{key} is the key of {', '.join(same)}"


def main(root):
    if shutil.which("msgfmt") is None:
        print("gettext is not installed")
        return sources.SKIP
    root, bad = pathlib.Path(root), False
    dialogs, translations = read_dialogs(root), read_translations(root)
    assert dialogs, "no procedure was found in plugin/"
    for file, labels in dialogs.items():
        assert len(labels) > 5, f"{file}: hardly any labels were found"
        for language, translation in translations.items():
            for fault in find_faults(map(translation.gettext, labels)):
                print(f"{file}, {language}: {fault}")
                bad = True
    return bad


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
