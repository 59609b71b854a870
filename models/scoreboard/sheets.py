"""Contact sheets: the same piece of some photos, at 100 %, as every method left it."""

import io
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from .pictures import middle, to_bytes

PIECE = 192  # pixels
LABEL = 18
GAP = 4
MARGIN = 24  # for the names of rows
MAX_BYTES = 600_000  # of a sheet that is published


class Sheets:
    """Collects pieces while the tables are made; writes one PNG for each condition."""

    def __init__(self, folder, n_photos):
        self.folder, self.n_photos = folder, n_photos
        self.pieces = {}

    def add(self, condition, photo, label, picture, box=None):
        """Keep a picture, or the piece of it at `box` (y, x), for a sheet."""
        if self.folder is None or photo >= self.n_photos:
            return
        if box is None:
            piece = middle(picture, PIECE)
        else:
            piece = picture[box[0] : box[0] + PIECE, box[1] : box[1] + PIECE]
        row = self.pieces.setdefault(condition, {}).setdefault(photo, {})
        row[label.replace("*", "")] = to_bytes(piece)

    def write(self):
        for condition, rows in self.pieces.items():
            Path(self.folder).mkdir(parents=True, exist_ok=True)
            file = Path(self.folder, condition.replace(" ", "-") + ".png")
            draw_sheet(list(rows.values())).save(file)
        self.pieces = {}


def draw_sheet(rows, names=()):
    """One row a photo, one labelled column a method; rows may have short names."""
    labels, left = list(rows[0]), MARGIN if names else 0
    step = rows[0][labels[0]].shape[0] + GAP
    size = left + len(labels) * step, LABEL + len(rows) * step
    sheet = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(sheet)
    for line, name in enumerate(names):
        font = fitting_font(draw, name, left - GAP)
        draw.text((0, LABEL + line * step), name, fill="black", font=font)
    for column, label in enumerate(labels):
        font = fitting_font(draw, label, step - GAP)
        draw.text((left + column * step, 2), label, fill="black", font=font)
        for line, row in enumerate(rows):
            piece = Image.fromarray(np.ascontiguousarray(row[label]))
            sheet.paste(piece, (left + column * step, LABEL + line * step))
    return sheet


def save_small(sheet, target):
    """Save a JPEG, as good as MAX_BYTES allow."""
    for quality in range(90, 20, -5):
        file = io.BytesIO()
        sheet.save(file, "JPEG", quality=quality, optimize=True)
        if file.tell() <= MAX_BYTES:
            break
    Path(target).write_bytes(file.getvalue())


def fitting_font(draw, label, width):
    """The largest font, up to 13 pixels, in which a label is no wider than `width`."""
    for size in range(13, 6, -1):
        font = ImageFont.load_default(size=size)
        if draw.textlength(label, font=font) <= width:
            break
    return font
