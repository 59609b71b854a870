#!/usr/bin/env python3
"""Measure a model folder on photos that it never saw; prints markdown tables.

    python3 models/evaluate.py models/default --valid PHOTOS

Noise removal with known sigma, the 1-evaluation answer; camera noise with a level that
is up to 15 % wrong; weak noise; filling of holes beside the harmonic (Laplace) filling.
"""

import argparse
import math

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from scipy.sparse import csr_matrix
from scipy.sparse.linalg import spsolve
from torch.nn import functional as F

from sdedit_models import folder, mixture, sampling, validation
from sdedit_models.levels import padded, predict_x0, unit_of
from sdedit_models.validation import denoise, noisy, psnr

HOLE_CROP = 128
HOLE_PHOTOS = 12
START = 0.6


def mean(values):
    values = list(values)
    return sum(values) / len(values)


def ssim(a, b):
    """SSIM of the mean of the channels, Gaussian window of 11 pixels."""
    a, b = (x.clamp(-1, 1).mean(dim=1, keepdim=True).double() / 2 + 0.5 for x in (a, b))
    line = torch.exp(-(torch.arange(-5, 6).double() ** 2) / (2 * 1.5**2))
    window = (line[:, None] * line / line.sum() ** 2)[None, None]
    means = [F.conv2d(x, window) for x in (a, b, a * a, b * b, a * b)]
    mu_a, mu_b, aa, bb, ab = means
    c1, c2 = 0.01**2, 0.03**2
    value = (2 * mu_a * mu_b + c1) * (2 * (ab - mu_a * mu_b) + c2)
    value /= (mu_a**2 + mu_b**2 + c1) * (aa - mu_a**2 + bb - mu_b**2 + c2)
    return float(value.mean())


def row(*cells):
    texts = [f"{c:.2f}" if isinstance(c, float) else str(c) for c in cells]
    print("| " + " | ".join(texts) + " |", flush=True)


def header(*cells):
    print()
    row(*cells)
    row(*["---"] * len(cells))


def white_noise(net, photos, sigmas, variants):
    header("white noise", "sigma", "input PSNR", "PSNR", "SSIM")
    for name in variants:
        for sigma in sigmas:
            before, after, likeness = [], [], []
            for i, photo in enumerate(photos):
                y = noisy(photo, sigma, i, name == "8 bit")
                x = denoise(net, y, sigma)
                before.append(psnr(y, photo))
                after.append(psnr(x, photo))
                likeness.append(ssim(x, photo))
            row(name, sigma, mean(before), mean(after), f"{mean(likeness):.4f}")


def camera_noise(net, photos):
    header("camera noise (simulated)", "input PSNR", "PSNR", "worse than the input")
    for sigma in (7, 15, 30):
        before, after = [], []
        for i, photo in enumerate(photos):
            h, w = (side // 2 * 2 for side in photo.shape[2:])
            x, rng = photo[0, :, : min(h, w), : min(h, w)], np.random.default_rng(i)
            start = torch.full((1, *x.shape[1:]), math.atan(2 * sigma / 0.7 / 255))
            x_t, angles = mixture.camera_photo(x, start, rng)
            with torch.inference_mode():
                clean = padded(predict_x0, unit_of(net))(
                    net, x_t[None], angles[None], torch.zeros(1, dtype=torch.long)
                )
            before.append(psnr(x_t / angles.cos(), x))
            after.append(psnr(clean[0], x))
        worse = sum(b > a for b, a in zip(before, after))
        row(f"about {sigma}", mean(before), mean(after), f"{worse} of {len(photos)}")


def make_hole(kind, size, seed):
    """A test hole [1, 1, size, size]; not the code that makes the training masks."""
    rng = np.random.default_rng(seed)
    image = Image.new("L", (size, size))
    draw = ImageDraw.Draw(image)
    draw.fontmode = "1"
    if kind == "scratches":
        for _ in range(6):
            ends = rng.integers(0, size, 4).tolist()
            draw.line(ends, fill=1, width=int(rng.integers(1, 4)))
    elif kind == "text":
        for y in range(4, size, 16):
            draw.text((2, y), "photograph " * 4, fill=1, font=ImageFont.load_default())
    elif kind == "blobs":
        for _ in range(4):
            (x, y), r = rng.integers(16, size - 16, 2), rng.integers(6, 14)
            draw.ellipse([int(v) for v in (x - r, y - r, x + r, y + r)], fill=1)
    else:
        edge = size // 4
        draw.rectangle((edge, edge, size - edge - 1, size - edge - 1), fill=1)
    return torch.from_numpy(np.asarray(image) > 0)[None, None].float()


def harmonic(photo, hole):
    """Fill the hole with the solution of the Laplace equation, each channel."""
    inside = hole[0, 0].bool().numpy()
    h, w = inside.shape
    number = np.full((h, w), -1)
    number[inside] = np.arange(inside.sum())
    rows, cols, values = [], [], []
    right = np.zeros((inside.sum(), 3))
    x = photo[0].permute(1, 2, 0).double().numpy()
    for r, c in zip(*np.nonzero(inside)):
        me, count = number[r, c], 0
        for rr, cc in ((r - 1, c), (r + 1, c), (r, c - 1), (r, c + 1)):
            if not (0 <= rr < h and 0 <= cc < w):
                continue
            count += 1
            if inside[rr, cc]:
                rows.append(me), cols.append(number[rr, cc]), values.append(-1.0)
            else:
                right[me] += x[rr, cc]
        rows.append(me), cols.append(me), values.append(float(count))
    filled = x.copy()
    filled[inside] = spsolve(csr_matrix((values, (rows, cols))).tocsc(), right)
    return torch.from_numpy(filled).permute(2, 0, 1)[None].float()


def holes(net, photos, n_steps):
    header("hole (PSNR inside)", "harmonic", "one evaluation", f"{n_steps} steps",
           f"{n_steps} steps from {START} after harmonic")
    for kind in ("scratches", "text", "blobs", "64 px box"):
        scores = []
        for i, photo in enumerate(photos):
            hole = make_hole(kind, photo.shape[2], i)
            smooth = harmonic(photo, hole)
            fillings = (
                smooth,
                sampling.inpaint(net, photo, hole, n_steps=1, seed=i),
                sampling.inpaint(net, photo, hole, n_steps=n_steps, seed=i),
                sampling.inpaint(net, smooth, hole, START, n_steps, seed=i),
            )
            scores.append([psnr(x, photo, hole) for x in fillings])
        row(kind, *(mean(column) for column in zip(*scores)))


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", help="model folder")
    parser.add_argument("--valid", required=True, help="folder of photos")
    parser.add_argument("--limit", type=int, help="use so many photos")
    parser.add_argument("--crop", type=int, help="use the middle of each photo")
    parser.add_argument("--steps", type=int, default=12, help="for filling holes")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--only", choices=["white", "8bit", "camera", "weak", "holes"])
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    net = folder.load_folder(args.model)
    photos = validation.read_photos(args.valid, args.limit, args.crop)
    print(f"{len(photos)} photos, {args.crop or 'whole'}")

    if args.only in (None, "white"):
        white_noise(net, photos, validation.SIGMAS, ["float"])
    if args.only in (None, "8bit"):
        white_noise(net, photos, validation.SIGMAS, ["8 bit"])
    if args.only in (None, "weak"):
        white_noise(net, photos, (0, 1, 3, 5), ["float"])
    if args.only in (None, "camera"):
        camera_noise(net, photos)
    if args.only in (None, "holes"):
        small = validation.read_photos(args.valid, HOLE_PHOTOS, HOLE_CROP)
        holes(net, small, args.steps)


if __name__ == "__main__":
    main()
