"""Random holes, as someone would select them: strokes, text, blobs, boxes, borders."""

import string

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from scipy.ndimage import distance_transform_edt

LETTERS = list(string.ascii_letters + string.digits)


def draw_boxes(draw, rng, size):
    for _ in range(rng.integers(1, 4)):
        w, h = rng.integers(size // 8, size * 5 // 8, 2)
        x = rng.integers(-w // 4, size - w // 2)
        y = rng.integers(-h // 4, size - h // 2)
        shape = draw.rectangle if rng.random() < 0.5 else draw.ellipse
        shape((x, y, x + w, y + h), fill=1)


def draw_strokes(draw, rng, size):
    for _ in range(rng.integers(1, 6)):
        points = rng.uniform(0, size, (1, 2))
        steps = rng.normal(0, size / 4, (rng.integers(1, 6), 2))
        path = np.concatenate([points, points + np.cumsum(steps, axis=0)])
        width = 1 + int(9 * rng.random() ** 2)
        draw.line([tuple(point) for point in path], fill=1, width=width, joint="curve")


def draw_text(draw, rng, size):
    font = ImageFont.load_default()
    for y in range(int(rng.integers(-4, 8)), size, int(rng.integers(10, 24))):
        text = "".join(rng.choice(LETTERS, size // 4))
        draw.text((int(rng.integers(-6, 6)), y), text, fill=1, font=font)


def draw_border(draw, rng, size):
    """A half plane, or a frame around the picture (for growing a canvas)."""
    far = 2 * size
    if rng.random() < 0.5:
        angle, middle = rng.uniform(0, 2 * np.pi), rng.uniform(0.3, 0.7, 2) * size
        along = np.array([np.cos(angle), np.sin(angle)]) * far
        across = np.array([-along[1], along[0]])
        corners = (middle - along, middle + along, middle + along + across,
                   middle - along + across)
        draw.polygon([tuple(corner) for corner in corners], fill=1)
    else:
        left, top, right, bottom = rng.integers(0, size // 3, 4) * rng.integers(0, 2, 4)
        draw.rectangle((0, 0, size, size), fill=1)
        draw.rectangle((left, top, size - 1 - right, size - 1 - bottom), fill=0)


KINDS = (draw_boxes, draw_strokes, draw_text, draw_border)
WEIGHTS = (0.25, 0.4, 0.25, 0.1)


def random_hole(rng, size):
    """[size, size] of bool, true in the hole; never empty and never everything."""
    while True:
        image = Image.new("L", (size, size))
        draw = ImageDraw.Draw(image)
        draw.fontmode = "1"
        KINDS[rng.choice(len(KINDS), p=WEIGHTS)](draw, rng, size)
        hole = np.asarray(image) > 0
        if 0 < hole.mean() < 0.9:
            return hole


def random_depths(rng, n, size):
    """Holes [n, 1, size, size]: how deep inside each pixel is (at least 1), outside 0."""
    depths = [distance_transform_edt(random_hole(rng, size)) for _ in range(n)]
    depths = np.array(depths, dtype=np.float32).reshape(n, 1, size, size)
    return torch.from_numpy(depths)
