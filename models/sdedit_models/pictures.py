"""Training pictures: decoded once into a memory-mapped file, then cut into crops."""

import json
from pathlib import Path

import numpy as np
from PIL import Image

from .levels import CLASS_NAMES, NONE_CLASS

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff"}
N_SIZES = 4  # each picture is stored whole, at 1/2, 1/4 and 1/8


def find_files(photos, art):
    """(file, class index) of every picture: photos are class 0, art has folders."""
    folders = [(Path(photos), 0)] if photos else []
    if art:
        names = CLASS_NAMES[1:NONE_CLASS]
        folders += [(Path(art) / name, i) for i, name in enumerate(names, 1)]
    return [
        (file, label)
        for folder, label in folders
        for file in sorted(folder.rglob("*"))
        if file.suffix.lower() in SUFFIXES
    ]


def open_rgb(file, long_side=None):
    """A picture as RGB, shrunk to `long_side` if it is larger."""
    image = Image.open(file).convert("RGB")
    if long_side and max(image.size) > long_side:
        image.thumbnail((long_side, long_side), Image.LANCZOS)
    return image


def build_cache(files, cache, long_side):
    """Decode `files` into `cache` (all pixels) and `cache`.json (what is where)."""
    index, offset = [], 0
    unfinished = Path(f"{cache}.part")
    with open(unfinished, "wb") as pixels:
        for file, label in files:
            image, sizes = open_rgb(file, long_side), []
            for k in range(N_SIZES):
                small = image.reduce(2**k) if k else image
                pixels.write(small.tobytes())
                sizes.append([offset, small.height, small.width])
                offset += 3 * small.height * small.width
            index.append({"label": label, "sizes": sizes})
    unfinished.rename(cache)
    Path(f"{cache}.json").write_text(json.dumps(index))


class Pictures:
    """Cuts random square crops out of the pictures of a cache."""

    def __init__(self, cache):
        index = json.loads(Path(f"{cache}.json").read_text())
        self.pixels = np.memmap(cache, dtype=np.uint8, mode="r")
        self.sizes = [entry["sizes"] for entry in index]
        labels = [entry["label"] for entry in index]
        self.by_label = {
            label: [i for i, other in enumerate(labels) if other == label]
            for label in sorted(set(labels))
        }
        self.art_labels = [label for label in self.by_label if label != 0]

    def whole(self, picture, k=0):
        """One picture at 1/2^k of its size, as an array [h, w, 3]."""
        offset, h, w = self.sizes[picture][k]
        return self.pixels[offset : offset + 3 * h * w].reshape(h, w, 3)

    def crop(self, rng, label, size, whole_frame=False):
        """A random crop, size x size, of a picture shrunk to 0.35-1 or to `size`."""
        candidates = self.by_label[label]
        picture = candidates[rng.integers(len(candidates))]
        short = min(self.sizes[picture][0][1:])
        if whole_frame:
            scale = min(1.0, size / short * rng.uniform(1.0, 1.5))
        elif rng.random() < 0.5:
            scale = 1.0
        else:
            scale = np.exp(rng.uniform(np.log(0.35), 0.0))
        scale = max(scale, size / short)

        k = 0
        while k + 1 < N_SIZES and scale * 2 ** (k + 1) <= 1.0:
            k += 1
        source = self.whole(picture, k)
        h, w = source.shape[:2]
        side = int(min(round(size / (scale * 2**k)), h, w))
        y, x = rng.integers(h - side + 1), rng.integers(w - side + 1)
        part = source[y : y + side, x : x + side]
        if side != size:
            part = Image.fromarray(part).resize((size, size), Image.BICUBIC)
        return flipped(np.asarray(part), rng.integers(8))


def flipped(picture, which):
    """One of the eight turns and mirrorings."""
    picture = np.rot90(picture, which & 3)
    return picture[:, ::-1] if which & 4 else picture
