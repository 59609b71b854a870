"""Training pictures: decoded once into files, then cut into crops by the batch."""

import json
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from .levels import CLASS_NAMES, NONE_CLASS
from .lines import along_both, resizing

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


def build_cache(files, cache, long_side=None):
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


def read_caches(caches):
    """The pixels of all caches in one array, labels and [offset, h, w] of each size."""
    pixels, labels, sizes, before = [], [], [], 0
    for cache in caches:
        pixels.append(np.memmap(cache, dtype=np.uint8, mode="c"))
        for entry in json.loads(Path(f"{cache}.json").read_text()):
            labels.append(entry["label"])
            sizes.append([[before + at, h, w] for at, h, w in entry["sizes"]])
        before += len(pixels[-1])
    return pixels[0] if len(pixels) == 1 else np.concatenate(pixels), labels, sizes


class Pictures:
    """Cuts random square crops out of the pictures of a cache, on any device.

    `cache` may be a pattern, as "parts/*.u8": all caches that match are used, and
    `refresh` finds those which came later.
    """

    def __init__(self, cache, device="cpu"):
        self.cache, self.device, self.caches = Path(cache), device, []
        self.refresh()

    def refresh(self):
        found = sorted(self.cache.parent.glob(self.cache.name))
        found = [file for file in found if Path(f"{file}.json").exists()]
        if found == self.caches:
            return
        self.caches = found
        pixels, labels, sizes = read_caches(found)
        self.pixels = torch.from_numpy(pixels).to(self.device)
        self.sizes = torch.tensor(sizes, device=self.device)
        labels = torch.tensor(labels, device=self.device)
        self.counts = torch.bincount(labels, minlength=NONE_CLASS)
        self.starts = self.counts.cumsum(0) - self.counts
        self.order = labels.argsort(stable=True)
        present = self.counts.nonzero()[:, 0]
        self.has_photos = bool(self.counts[0] > 0)
        self.art_labels = present[present > 0]

    def crops(self, dice, labels, size, whole=None):
        """Random crops [n, 3, size, size] in 0..1 of pictures of the classes `labels`.

        The pictures are shrunk to 0.35-1; where `whole` [n] is true, so that the shorter
        side is hardly longer than the crop.
        """
        n = len(labels)
        picture = self.order[self.starts[labels] + dice.below(self.counts[labels])]
        sizes = self.sizes[picture]  # [n, N_SIZES, 3]
        short = sizes[:, 0, 1:].amin(dim=1)
        shrunk = dice.uniform(n, low=np.log(0.35), high=0).exp()
        scale = torch.where(dice.chance(0.5, n), 1.0, shrunk)
        if whole is not None:
            framed = (size / short * dice.uniform(n, low=1, high=1.5)).clamp(max=1)
            scale = torch.where(whole, framed, scale)
        scale = torch.maximum(scale, size / short)

        k = (-scale.log2() + 1e-4).floor().long().clamp(0, N_SIZES - 1)
        offset, h, w = sizes[torch.arange(n, device=k.device), k].unbind(dim=1)
        side = (size / (scale * 2.0**k)).round().long()
        side = torch.minimum(side.clamp(max=2 * size), torch.minimum(h, w))
        y, x = dice.below(h - side + 1), dice.below(w - side + 1)
        window = self.windows(offset, w, y, x, side, 2 * size)
        turn = resizing(side, size, 2 * size)
        rows, columns = (
            torch.where(dice.chance(0.5, n, 1, 1), turn.flip(1), turn) for _ in "hw"
        )
        crop = along_both(rows, window, columns).clamp(0, 1)
        return torch.where(dice.chance(0.5, n, 1, 1, 1), crop.transpose(2, 3), crop)

    def windows(self, offset, width, y, x, side, longest):
        """[n, 3, longest, longest] in 0..1: pixels of the squares, then repetitions."""
        i = torch.minimum(
            torch.arange(longest, device=side.device), side[:, None] - 1
        )
        pixel = (y[:, None] + i)[:, :, None] * width[:, None, None]
        pixel = offset[:, None, None] + 3 * (pixel + (x[:, None] + i)[:, None, :])
        planes = [self.pixels[pixel + c] for c in range(3)]
        return torch.stack(planes, dim=1).float() / 255
