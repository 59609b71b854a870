"""Photos and their files: float TIFF where noise leaves 0..1, PNG for 8 bits.

Programs that are measured get files; libraries get arrays. Both see the same numbers.
"""

from pathlib import Path

import numpy as np
from PIL import Image

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff"}


def to_8_bit(picture):
    """As a file stores it: clipped to 0..1 and rounded to 256 values."""
    return np.clip(np.rint(picture * 255), 0, 255).astype(np.float32) / 255


def to_bytes(picture):
    return np.clip(np.rint(picture * 255), 0, 255).astype(np.uint8)


def from_bytes(pixels):
    return pixels.astype(np.float32) / 255


def read(file):
    """A picture file as floats; a float TIFF as it is."""
    if Path(file).suffix in (".tif", ".tiff"):
        import tifffile

        pixels = tifffile.imread(file)
        if pixels.dtype.kind == "f":
            return pixels[..., :3].astype(np.float32)
        return pixels[..., :3].astype(np.float32) / np.iinfo(pixels.dtype).max
    with Image.open(file) as image:
        return from_bytes(np.asarray(image.convert("RGB")))


def write(file, picture):
    """Write a float TIFF or an 8-bit PNG; a mask [h, w] becomes black and white."""
    if Path(file).suffix == ".tif":
        import tifffile

        tifffile.imwrite(file, picture.astype(np.float32), photometric="rgb")
    elif picture.dtype == bool:
        Image.fromarray(picture.astype(np.uint8) * 255).save(file, compress_level=1)
    else:
        Image.fromarray(to_bytes(picture)).save(file, compress_level=1)


def middle(picture, crop):
    """The middle of a picture, at most `crop` pixels wide and high."""
    y, x = (max(0, (side - crop) // 2) for side in picture.shape[:2])
    return picture[y : y + crop, x : x + crop]


def shrunk(image, short):
    """An image in RGB whose shorter side is at most `short` pixels."""
    ratio = min(1, short / min(image.size))
    size = [round(side * ratio) for side in image.size]
    return image.convert("RGB").resize(size, Image.LANCZOS)


def framed(file, side):
    """The middle square of a photo, shrunk so that it shows all of that."""
    with Image.open(file) as image:
        return middle(from_bytes(np.asarray(shrunk(image, side))), side)


def find(folder):
    """The picture files below a folder."""
    files = sorted(f for f in Path(folder).rglob("*") if f.suffix.lower() in SUFFIXES)
    if not files:
        raise SystemExit(f"{folder}: no pictures there")
    return files


def read_photos(folder, limit=None, crop=None, shrink=False):
    """(name, picture) of the photos of a folder, or of so many, evenly chosen.

    `crop` takes the middle of each, or shrinks the middle square to that size.
    """
    files = find(folder)
    if limit and limit < len(files):
        files = [files[i * len(files) // limit] for i in range(limit)]
    if shrink:
        return [(file.name, framed(file, crop)) for file in files]
    photos = [(file.name, read(file)) for file in files]
    return [(name, middle(photo, crop) if crop else photo) for name, photo in photos]
