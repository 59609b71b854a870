#!/usr/bin/env python3
"""Fail when a translation in po/ lacks a string of the sources. Skipped without gettext.

Usage: translations.py ROOT. SPDX-License-Identifier: GPL-3.0-or-later
"""

import pathlib
import shutil
import subprocess
import sys
import tempfile

import sources

EXTRACT = ["xgettext", "--from-code=UTF-8", "--files-from=po/POTFILES", "--keyword=_",
           "--keyword=N_", "--keyword=C_:1c,2", "--keyword=NC_:1c,2"]


def main(root):
    if shutil.which("xgettext") is None or shutil.which("msgcmp") is None:
        print("gettext is not installed")
        return sources.SKIP
    root, bad = pathlib.Path(root), False
    with tempfile.TemporaryDirectory() as folder:
        template = f"{folder}/sdedit.pot"
        subprocess.run([*EXTRACT, f"--output={template}"], cwd=root, check=True)
        for language in sources.read_languages(root):
            po = root / f"po/{language}.po"
            bad |= subprocess.run(["msgfmt", "--check", "--output=/dev/null", po],
                                  check=False).returncode != 0
            bad |= subprocess.run(["msgcmp", po, template], check=False).returncode != 0
    return bad


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
