#!/usr/bin/env python3
"""Advice only: name functions over 60 lines or 8 parameters and files over 600 lines.

Usage: length.py ROOT. Always succeeds. SPDX-License-Identifier: GPL-3.0-or-later
"""

import re
import sys

import sources

MAX_LINES = 60
MAX_PARAMETERS = 8
MAX_FILE_LINES = 600
# The house style puts a definition's name at the start of a line and its brace alone.
DEFINITION = re.compile(r"^(\w+)\(([^{};]*)\)\n\{\n(.*?)^\}", re.M | re.S)


def main(root):
    for path in sources.find(root, ("engine", "models", "plugin", "tests"), ".c", ".h"):
        text = path.read_text(encoding="utf-8")
        name = path.relative_to(root)
        if text.count("\n") > MAX_FILE_LINES:
            print(f"advice: {name}: {text.count(chr(10))} lines")
        for function, parameters, body in DEFINITION.findall(text):
            n_parameters = parameters.count(",") + 1
            if body.count("\n") > MAX_LINES:
                print(f"advice: {name}: {function} has {body.count(chr(10))} lines")
            if n_parameters > MAX_PARAMETERS:
                print(f"advice: {name}: {function} has {n_parameters} parameters")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
