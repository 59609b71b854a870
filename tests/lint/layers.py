#!/usr/bin/env python3
"""Fail when a source file includes a header of a folder it may not use.

Usage: layers.py ROOT. The tables are the whole policy: a folder may include itself, sde.h
and what its row names; the system headers listed have one home each.
SPDX-License-Identifier: GPL-3.0-or-later
"""

import re
import sys

import sources

ALLOWED = {
    "engine/base": set(),
    "engine/kernels": {"engine/base"},
    "engine/model": {"engine/base", "engine/kernels"},
    "engine/nn": {"engine/base", "engine/kernels", "engine/model"},
    "engine/sample": {"engine/base", "engine/kernels", "engine/model", "engine/nn"},
    "engine/task": {"engine/base", "engine/kernels", "engine/sample"},
    # sde.c puts a model together: its network and the denoiser around that.
    "engine": {"engine/base", "engine/model", "engine/nn", "engine/sample", "engine/task"},
    # `sdedit golden` and `sdedit bench` look below the public interface, the rest does not.
    "engine/verify": {"engine/base", "engine/kernels", "engine/model", "engine/nn",
                      "engine/sample"},
    "engine/tool": {"engine/verify"},
    "plugin": set(),
}
HOMES = {
    "immintrin.h": {"engine/kernels/"},
    "gegl.h": {"engine/tool/", "plugin/"},
    "gtk/gtk.h": {"plugin/"},
    "libgimp/gimp.h": {"plugin/"},
    "libgimp/gimpui.h": {"plugin/"},
}
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.M)


def is_allowed(path, layer, kind, name):
    if kind == "<":
        homes = HOMES.get(name)
        return homes is None or any(path.startswith(home) for home in homes)
    if name in ("sde.h", "engine/sde.h", "config.h") or "/" not in name:
        return True  # the public header lies below every layer; no slash: same folder
    folder = "engine/" + name.split("/")[0]
    return folder == layer or folder in ALLOWED[layer]


def main(root):
    bad = []
    for path in sources.find(root, ("engine", "plugin"), ".c", ".h"):
        relative = path.relative_to(root)
        parts = relative.parts[:-1]
        # engine/kernels/variants counts as engine/kernels, plugin/x as plugin
        layer = parts[0] if parts[0] == "plugin" else "/".join(parts[:2])
        if layer not in ALLOWED:
            bad.append(f"{relative}: folder {layer} has no row in layers.py")
            continue
        for kind, name in INCLUDE.findall(path.read_text(encoding="utf-8")):
            if not is_allowed(relative.as_posix(), layer, kind, name):
                bad.append(f"{relative}: may not include {name}")
    for line in bad:
        print(line)
    return bool(bad)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
