#!/usr/bin/env python3
"""Paint a picture in every style of a model: MODEL/styles/NAME.jpg, for the dialog.

    dev/evaluate python3 models/thumbnails.py models/default PHOTO --sdedit build/…/sdedit

The middle square of the photo, as the tool paints it by default.
"""

import argparse
import json
import subprocess
import tempfile
from pathlib import Path

from PIL import Image

PAINTED = 384  # pixels; small, so that strokes are seen in the thumbnail
SIDE = 168  # twice what the dialog shows, for screens with small pixels


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", type=Path)
    parser.add_argument("photo")
    parser.add_argument("--sdedit", default="sdedit", help="the tool")
    args = parser.parse_args()
    facts = json.loads((args.model / "model_index.json").read_text())["sdedit"]
    none = facts.get("none_class", -1)
    styles = [name for i, name in enumerate(facts["class_names"]) if i != none]
    image = Image.open(args.photo).convert("RGB")
    side = min(image.size)
    left, top = ((length - side) // 2 for length in image.size)
    image = image.resize((PAINTED, PAINTED), Image.LANCZOS,
                         (left, top, left + side, top + side))
    (args.model / "styles").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        source, painted = Path(scratch, "photo.png"), Path(scratch, "painted.png")
        image.save(source)
        for style in styles:
            subprocess.run([args.sdedit, "restyle", source, painted, "--model", args.model,
                            "--style", style, "--quiet"], check=True)
            small = Image.open(painted).convert("RGB").resize((SIDE, SIDE), Image.LANCZOS)
            small.save(args.model / "styles" / f"{style}.jpg", quality=82)


if __name__ == "__main__":
    main()
