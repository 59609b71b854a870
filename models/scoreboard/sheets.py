"""Contact sheets: the same piece of some photos, at 100 %, as every method left it."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from .pictures import middle, to_bytes

PIECE = 192  # pixels
LABEL = 18
GAP = 4


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


def draw_sheet(rows):
    """One row a photo, one labelled column a method."""
    labels = list(rows[0])
    step = rows[0][labels[0]].shape[0] + GAP
    size = len(labels) * step, LABEL + len(rows) * step
    sheet = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(sheet)
    for column, label in enumerate(labels):
        font = fitting_font(draw, label, step - GAP)
        draw.text((column * step, 2), label, fill="black", font=font)
        for line, row in enumerate(rows):
            piece = Image.fromarray(np.ascontiguousarray(row[label]))
            sheet.paste(piece, (column * step, LABEL + line * step))
    return sheet


def fitting_font(draw, label, width):
    """The largest font, up to 13 pixels, in which a label is no wider than `width`."""
    for size in range(13, 6, -1):
        font = ImageFont.load_default(size=size)
        if draw.textlength(label, font=font) <= width:
            break
    return font
