#!/usr/bin/env python3
"""How good the noise estimate is: adds known noise to photos and asks `sdedit noise`.

    dev/train python3 tests/bench/noise-table.py PHOTOS [--tool build/engine/tool/sdedit]

Prints Markdown. White noise is added in float, then the photo is clipped and rounded to
8 bits as a file is. The photos have noise of their own, so the truth is not known
exactly: "of added" compares with the noise that was added, which no estimate can meet for
weak noise in a noisy photo; "with own" with sqrt(added^2 + own^2), where own is what the
tool says of the untouched photo, which says how steady the answers are, not how true.
Correlated noise is compared with the root mean square of what was added; camera noise
(models/scoreboard/camera.py) with the difference to the photo without noise and without
JPEG, which dev/evaluate calls the true level: at low ISO most of it is what JPEG does to
the photo itself. The last table lets `sdedit denoise` loose on the untouched photos.
SPDX-License-Identifier: GPL-3.0-or-later
"""

import argparse
import io
import json
import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "models"))
from scoreboard import camera  # noqa: E402
from scoreboard.pictures import middle  # noqa: E402

WHITE = (0, 2, 5, 10, 15, 25, 35, 50)
CORRELATED = (5, 15, 30)
TABLES = ("white", "correlated", "camera", "clean")


def to_8_bit(x):
    return np.clip(np.round(x), 0, 255).astype(np.uint8)


def white(shape, rng):
    return rng.standard_normal(shape, dtype=np.float32)


def demosaiced(shape, rng):
    """White noise of a Bayer sensor after bilinear interpolation."""
    noise, out = white(shape, rng), np.zeros(shape, np.float32)
    sites = np.zeros(shape, np.float32)
    sites[::2, ::2, 0] = sites[::2, 1::2, 1] = sites[1::2, ::2, 1] = sites[1::2, 1::2, 2] = 1
    padded = np.pad(noise * sites, ((1, 1), (1, 1), (0, 0)))
    for c, kernel in enumerate(("cross", "green", "cross")):
        for dy in (-1, 0, 1):
            for dx in (-1, 0, 1):
                far = abs(dy) + abs(dx)
                weight = (1, 0.25, 0)[far] if kernel == "green" else (1, 0.5, 0.25)[far]
                h, w = shape[:2]
                out[..., c] += weight * padded[1 + dy : 1 + dy + h, 1 + dx : 1 + dx + w, c]
    return out


def resized(shape, rng):
    """White noise enlarged 1.5 times."""
    h, w = shape[:2]
    small = white((-(-2 * h // 3), -(-2 * w // 3), 3), rng)
    planes = [Image.fromarray(small[..., c]).resize((w, h), Image.BICUBIC) for c in range(3)]
    return np.stack([np.asarray(plane) for plane in planes], axis=2)


def jpeg(x, quality=90):
    file = io.BytesIO()
    Image.fromarray(to_8_bit(x)).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file)).astype(np.float32)


def make(photo, kind, sigma, seed):
    rng = np.random.default_rng(seed)
    if kind == "JPEG q90":
        return jpeg(photo + sigma * white(photo.shape, rng))
    field = {"white": white, "demosaiced": demosaiced, "resized": resized}[kind]
    noise = field(photo.shape, rng)
    return photo + sigma / noise.std() * noise if kind != "white" else photo + sigma * noise


def rms(x):
    return float(np.sqrt(np.mean(np.square(x, dtype=np.float64))))


def ask(tool, picture):
    with tempfile.NamedTemporaryFile(suffix=".png") as file:
        Image.fromarray(to_8_bit(picture)).save(file, "PNG", compress_level=1)
        file.flush()
        said = subprocess.run([tool, "noise", "--json", file.name], check=True,
                              capture_output=True, text=True).stdout
    return json.loads(said)


def denoise(tool, picture):
    with tempfile.TemporaryDirectory() as folder:
        noisy, clean = Path(folder) / "noisy.png", Path(folder) / "clean.png"
        Image.fromarray(to_8_bit(picture)).save(noisy, compress_level=1)
        subprocess.run([tool, "denoise", "--quiet", "--threads", "1", noisy, clean], check=True)
        return np.asarray(Image.open(clean)).astype(np.float32)


def for_all(args, function, photos):
    with ThreadPoolExecutor(args.jobs) as pool:
        return list(pool.map(function, enumerate(photos)))


def ask_all(args, photos, kind, sigma):
    """What the tool says of every photo, and the noise that is really in it."""

    def one(item):
        seed, photo = item
        noisy = make(photo, kind, sigma, seed)
        return {**ask(args.tool, noisy), "rms": rms(noisy - photo)}

    return for_all(args, one, photos)


def within(ratios, share):
    return sum(abs(ratio - 1) <= share for ratio in ratios)


def summary(ratios):
    worst = max(ratios, key=lambda ratio: abs(np.log(max(ratio, 1e-6))))
    return f"{within(ratios, 0.1)} | {np.median(ratios):.3f} | {worst:.2f}"


def print_white(args, photos, own):
    print("| white, sigma | within 10 % of added | median | worst "
          "| within 10 % with own | median | worst | called correlated | gains used |")
    print("| --- " * 9 + "|")
    for sigma in WHITE[1:]:
        said = ask_all(args, photos, "white", sigma)
        bare = [s["sigma"] / sigma for s in said]
        both = [s["sigma"] / np.hypot(sigma, o) for s, o in zip(said, own)]
        print(f"| {sigma} | {summary(bare)} | {summary(both)} "
              f"| {sum(s['correlated'] for s in said)} "
              f"| {sum(s['gain'][1] > s['gain'][0] for s in said)} |", flush=True)


def print_correlated(args, photos, own):
    print("| correlated | sigma | rms found / true: within 10 % | median | worst "
          "| called correlated |")
    print("| --- " * 6 + "|")
    for kind in ("demosaiced", "JPEG q90", "resized"):
        for sigma in CORRELATED:
            said = ask_all(args, photos, kind, sigma)
            ratios = [s["sigma"] / np.hypot(s["rms"], o) for s, o in zip(said, own)]
            print(f"| {kind} | {sigma} | {summary(ratios)} "
                  f"| {sum(s['correlated'] for s in said)} |", flush=True)


def print_camera(args, photos, own):
    def one(item):
        seed, photo = item
        clean, noisy = (255 * x for x in camera.photograph(photo / 255, shot, seed))
        return ask(args.tool, noisy)["sigma"] / rms(noisy - clean)

    print("| camera | rms found / true: within 10 % | within 25 % | median "
          "| lowest tenth below | highest tenth above |")
    print("| --- " * 6 + "|")
    for shot in camera.SHOTS:
        ratios = for_all(args, one, photos)
        low, median, high = np.percentile(ratios, (10, 50, 90))
        print(f"| {shot} | {within(ratios, 0.1)} | {within(ratios, 0.25)} "
              f"| {median:.3f} | {low:.2f} | {high:.2f} |", flush=True)


def print_clean(args, photos, own):
    def one(item):
        error = rms(denoise(args.tool, item[1]) - item[1])
        return 20 * np.log10(255 / max(error, 1e-3))

    psnr = for_all(args, one, photos)
    print("| untouched photos after denoising: above 50 dB | above 45 dB | median | lowest |")
    print("| --- " * 4 + "|")
    print(f"| {sum(p > 50 for p in psnr)} | {sum(p > 45 for p in psnr)} "
          f"| {np.median(psnr):.1f} | {min(psnr):.1f} |")


def read(file, crop):
    with Image.open(file) as image:
        photo = np.asarray(image.convert("RGB")).astype(np.float32)
    return middle(photo, crop) if crop else photo


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("photos", help="folder of photos")
    parser.add_argument("--tool", default="build/engine/tool/sdedit")
    parser.add_argument("--every", type=int, default=1, help="use every N-th photo")
    parser.add_argument("--crop", type=int, help="use the middle of each photo only")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--only", choices=TABLES)
    args = parser.parse_args()
    files = sorted(Path(args.photos).glob("*.jpg"))[:: args.every]
    photos = [read(file, args.crop) for file in files]
    print(f"{len(photos)} photos\n")

    own = [said["sigma"] for said in ask_all(args, photos, "white", 0)]
    worst = int(np.argmax(own))
    print(f"untouched: median {np.median(own):.2f}, highest {own[worst]:.2f} "
          f"({files[worst].name})")
    for name, show in zip(TABLES, (print_white, print_correlated, print_camera, print_clean)):
        if args.only in (None, name):
            print()
            show(args, photos, own)


if __name__ == "__main__":
    main()
