#!/usr/bin/env python3
"""Measure how the works of each style are toned: MODEL/styles/tones.json.

    dev/train python3 models/tones.py models/default --art ART

ART has a folder of works for each class of the model; classes without one are left out.
engine/model/style-tones.h says what the numbers are, engine/task/tones.c what they are
for. A "technique" (engine/model/technique.h) is nothing to be measured; one that is there
stays.
"""

import argparse
import json
from pathlib import Path

import numpy as np
from PIL import Image

N_TONES = 17
SHORT = 256  # pixels of the shorter side of a work
LUMA = np.array([0.299, 0.587, 0.114])
SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}


def read_work(file):
    """R'G'B' in 0..1 [pixels, 3], of a work that is not larger than needed."""
    with Image.open(file) as image:
        image = image.convert("RGB")
        ratio = min(1, SHORT / min(image.size))
        size = [round(side * ratio) for side in image.size]
        return np.asarray(image.resize(size, Image.LANCZOS)).reshape(-1, 3) / 255


def measure(works):
    """The tones of a style. Quantiles are means over the works, whose papers differ;
    the deviation is of all works together, or colours would be too pale."""
    ranks = (np.arange(N_TONES) + 0.5) / N_TONES
    luma, means, squares = [], [], []
    for rgb in works:
        y = rgb @ LUMA
        chroma = rgb - y[:, None]
        luma.append(np.quantile(y, ranks))
        means.append(chroma.mean(axis=0))
        squares.append((chroma**2).mean(axis=0))
    mean = np.mean(means, axis=0)
    deviation = np.sqrt((np.mean(squares, axis=0) - mean**2).mean())
    return {
        "luma": np.mean(luma, axis=0).round(3).tolist(),
        "chroma_mean": mean.round(4).tolist(),
        "chroma_deviation": round(float(deviation), 4),
    }


def main(argv=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", type=Path)
    parser.add_argument("--art", type=Path, required=True)
    args = parser.parse_args(argv)
    facts = json.loads((args.model / "model_index.json").read_text())["sdedit"]
    target = args.model / "styles" / "tones.json"
    before = json.loads(target.read_text()) if target.exists() else {}
    lines = []
    for style in facts["class_names"]:
        files = sorted(f for f in (args.art / style).glob("*") if f.suffix in SUFFIXES)
        if len(files) > 1:
            tones = measure(read_work(file) for file in files)
            if "technique" in before.get(style, {}):
                tones["technique"] = before[style]["technique"]
            lines.append(f' "{style}": {json.dumps(tones)}')
    target.parent.mkdir(exist_ok=True)
    target.write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
