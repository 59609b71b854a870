#!/usr/bin/env python3
"""Measure what lies between the weights of a model and of a run that went on with it.

    python3 models/mix.py MODEL RUN --valid PHOTOS 0 0.25 0.5 0.75 1

A share of 0 is the model, 1 the run. What a short run learns, it mostly learns in its
first half of the way, and what it spoils elsewhere comes in the second (Wortsman et al.
2022, "Robust fine-tuning of zero-shot models"). `export.py --share` writes a mix.
"""

import argparse

import numpy as np
import torch

import export
from scoreboard import camera, holes
from sdedit_models import folder, native, sampling, validation

SHOTS = ("ISO 3200", "ISO 12800", "full frame, ISO 3200", "full frame, ISO 6400")
KINDS = {"scratches": holes.scratches, "text": holes.text, "blobs": holes.blobs}
TOLD = 1.2  # times the noise of a camera, of which the network is told more than there is


def parse_args(argv=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model")
    parser.add_argument("run")
    parser.add_argument("shares", type=float, nargs="+")
    parser.add_argument("--valid", required=True, help="folder of photos")
    parser.add_argument("--photos", type=int, default=20)
    parser.add_argument("--crop", type=int, default=160)
    return parser.parse_args(argv)


def to_tensor(picture):
    return torch.from_numpy(picture).float().permute(2, 0, 1)[None] * 2 - 1


def camera_cases(photos, shot):
    """(noisy, sigma, truth) of every photo."""
    cases = []
    for i, photo in enumerate(photos):
        picture = ((photo[0].permute(1, 2, 0) + 1) / 2).numpy()
        truth, noisy = camera.photograph(picture, shot, i)
        sigma = 255 * float(np.sqrt(((noisy - truth) ** 2).mean()))
        cases.append((to_tensor(noisy), sigma, to_tensor(truth)))
    return cases


def camera_psnr(net, cases):
    return np.mean([
        validation.psnr(validation.denoise(net, noisy, TOLD * sigma), truth)
        for noisy, sigma, truth in cases
    ])


def filling_psnr(net, photos, make):
    """Of holes that are filled with the mean alone."""
    values = []
    for i, photo in enumerate(photos):
        hole = make(np.random.default_rng([i, 7]), *photo.shape[2:])
        hole = torch.from_numpy(hole).float()[None, None]
        filled = sampling.mean_filling(net, photo, hole)
        values.append(validation.psnr(filled, photo, hole))
    return np.mean(values)


def main(argv=None):
    args = parse_args(argv)
    torch.set_num_threads(1)
    native.start(1)
    net = folder.load_folder(args.model)
    before = {name: w.clone() for name, w in net.state_dict().items()}
    after = export.read_run(args.run)[1]
    photos = validation.read_photos(args.valid, args.photos, args.crop)
    cases = {shot: camera_cases(photos, shot) for shot in SHOTS}
    for share in args.shares:
        net.load_state_dict(export.mixed(before, after, share))
        figures = {f"σ {s}": x for s, x in validation.short_table(net, photos).items()}
        figures |= {shot: camera_psnr(net, cases[shot]) for shot in SHOTS}
        figures |= {kind: filling_psnr(net, photos, make) for kind, make in KINDS.items()}
        words = (f"{name} {value:.2f}" for name, value in figures.items())
        print(f"{share:g}:", ", ".join(words), flush=True)


if __name__ == "__main__":
    main()
