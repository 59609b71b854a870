#!/usr/bin/env python3
"""Draw what a model does to a few photos, to be looked at: a contact sheet.

    python3 models/sheet.py models/default sheet.png PHOTO...

A row for each photo: the photo; noise of sigma 25 and its removal; scratches and a box,
and their filling; then every art class, from half of the noise.
"""

import argparse

import torch
from PIL import Image

from scoreboard.holes import make_hole
from scoreboard.inpainters import harmonic
from sdedit_models import folder, sampling, validation
from sdedit_models.levels import NONE_CLASS

SIZE = 192


def read_photo(file):
    """The middle of a photo, shrunk so that it shows most of it."""
    photo = validation.read_photo(file, 2 * SIZE)
    return torch.nn.functional.interpolate(photo, size=(SIZE, SIZE), mode="area")


def fill_smoothly(photo, hole):
    """The harmonic filling of a photo [1, 3, h, w] in -1..1."""
    pixels = photo[0].permute(1, 2, 0).numpy()
    filled = harmonic(pixels, hole[0, 0].bool().numpy())
    return torch.from_numpy(filled).permute(2, 0, 1)[None]


def tiles(net, photo, start, n_steps, guidance):
    yield photo
    y = validation.noisy(photo, 25, 0)
    yield y
    yield validation.denoise(net, y, 25)
    for kind in ("scratches", "box 64"):
        hole = torch.from_numpy(make_hole(kind, SIZE, SIZE, 1))[None, None].float()
        yield photo * (1 - hole) + hole
        yield sampling.inpaint(net, photo, hole, n_steps=n_steps)
        yield sampling.inpaint(net, fill_smoothly(photo, hole), hole, 0.6, n_steps)
    for label in range(1, NONE_CLASS):
        yield sampling.restyle(net, photo, label, start, n_steps, guidance)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", help="model folder")
    parser.add_argument("sheet", help="PNG to write")
    parser.add_argument("photos", nargs="+")
    parser.add_argument("--start", type=float, default=0.5)
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--guidance", type=float, default=1.0)
    args = parser.parse_args()
    torch.set_num_threads(1)
    net = folder.load_folder(args.model)
    rows = []
    for file in args.photos:
        photo = read_photo(file)
        row = list(tiles(net, photo, args.start, args.steps, args.guidance))
        rows.append(torch.cat(row, dim=3))
    pixels = (torch.cat(rows, dim=2)[0] + 1) * 127.5
    pixels = pixels.round().clamp(0, 255).byte().permute(1, 2, 0).numpy()
    Image.fromarray(pixels).save(args.sheet)


if __name__ == "__main__":
    main()
