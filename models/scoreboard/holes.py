"""Holes to be filled, as people select them; a kind, a size and a seed name one.

A hole is an array [h, w] of bool, true where the picture is unknown; a mask, an array of
levels 0..1, may fall off softly around it, over pixels that are as they were. This is
not the code that makes the holes of the training (sdedit_models/masks.py).
"""

import zlib

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from scipy.ndimage import distance_transform_edt, gaussian_filter

SOFT_EDGE = 8  # pixels
TEXT = "The quick brown fox jumps over the lazy dog 0123456789 "


def drawn(h, w, paint):
    """The pixels that `paint(draw)` sets, without soft edges."""
    image = Image.new("L", (w, h))
    draw = ImageDraw.Draw(image)
    draw.fontmode = "1"
    paint(draw)
    return np.asarray(image) > 0


def scratches(rng, h, w):
    """Eight nearly straight lines, 1 to 3 pixels wide, from edge to edge or shorter."""

    def paint(draw):
        for _ in range(8):
            ends = rng.uniform(0, 1, (2, 2)) * (w, h)
            bend = ends.mean(axis=0) + rng.normal(0, 0.03, 2) * (w, h)
            points = [tuple(p) for p in (ends[0], bend, ends[1])]
            draw.line(points, fill=1, width=int(rng.integers(1, 4)))

    return drawn(h, w, paint)


def text(rng, h, w):
    """Lines of text over the whole picture, letters 14 pixels high."""
    font = ImageFont.load_default(size=14)

    def paint(draw):
        for y in range(int(rng.integers(2, 12)), h - 16, 28):
            start = int(rng.integers(len(TEXT)))
            line = TEXT[start:] + TEXT * (w // 200 + 1)
            draw.text((4, y), line[: w // 7 - 2], fill=1, font=font)

    return drawn(h, w, paint)


def blobs(rng, h, w):
    """Six ellipses with radii of 5 to 14 pixels: stains, spots, small things."""

    def paint(draw):
        for _ in range(6):
            x, y = rng.uniform(0, 1, 2) * (w, h)
            a, b = rng.uniform(5, 14, 2)
            draw.ellipse((x - a, y - b, x + a, y + b), fill=1)

    return drawn(h, w, paint)


def box(side):
    """A square somewhere, not nearer than 16 pixels to an edge where there is room."""

    def make(rng, h, w):
        hole = np.zeros((h, w), bool)
        y, x = (
            int(rng.integers(16, size - side - 15))
            if size - side > 32
            else max(0, (size - side) // 2)
            for size in (h, w)
        )
        hole[y : y + side, x : x + side] = True
        return hole

    return make


def irregular(rng, h, w):
    """30 to 40 % of the picture in islands of all sizes: smooth noise above a level."""
    field = sum(gaussian_filter(rng.standard_normal((h, w)), s) * s for s in (4, 8, 16))
    return field > np.quantile(field, 1 - rng.uniform(0.3, 0.4))


def border(rng, h, w):
    """A canvas grown at one side by a quarter: the picture must go on there."""
    hole = np.zeros((h, w), bool)
    side = int(rng.integers(4))
    np.rot90(hole, side)[: (h if side % 2 == 0 else w) // 4] = True
    return hole


KINDS = {
    "scratches": scratches,
    "text": text,
    "blobs": blobs,
    "soft blobs": blobs,
    "box 64": box(64),
    "box 128": box(128),
    "box 192": box(192),
    "irregular": irregular,
    "border": border,
}


def kinds_for(h, w):
    """The kinds that leave something known around them in a picture of this size."""
    return [
        kind
        for kind in KINDS
        if not kind.startswith("box") or int(kind.split()[1]) < min(h, w)
    ]


def make_hole(kind, h, w, seed):
    """The hole that these four name; never empty."""
    rng = np.random.default_rng([zlib.crc32(kind.encode()), seed])
    hole = KINDS[kind](rng, h, w)
    if not hole.any():
        hole[h // 2, w // 2] = True
    return hole


def make_mask(kind, h, w, seed):
    """The mask of that hole: 1 inside; "soft" kinds fall off to 0 around it."""
    hole = make_hole(kind, h, w, seed)
    if not kind.startswith("soft"):
        return hole.astype(np.float32)
    levels = 1 - distance_transform_edt(~hole) / (SOFT_EDGE + 1)
    return np.clip(levels, 0, 1).astype(np.float32)
