#!/usr/bin/env python3
"""Turn the averaged weights of a training run into a model folder in bf16.

    python3 models/export.py RUN FOLDER --valid PHOTOS

With --valid the rounded weights must denoise as well as the float32 ones (0.02 dB).
The folder appears whole, or not at all; an older one in its place is replaced.
"""

import argparse
import json
import shutil
from pathlib import Path

import torch
from safetensors import safe_open

from sdedit_models import folder, native, pictures, sampling, unet, validation

MAX_LOSS_DB = 0.02


def read_run(run):
    """Config and float32 EMA weights of a training run."""
    with safe_open(Path(run) / "ema.safetensors", framework="pt") as stored:
        config = json.loads(stored.metadata()["config"])
        return config, {name: stored.get_tensor(name) for name in stored.keys()}


def mixed(before, after, share):
    """Weights on the way from `before` (share 0) to `after` (1)."""
    return {name: w + share * (after[name] - w) for name, w in before.items()}


def check_rounding(config, weights, exported, valid):
    """Compare both on the validation photos; the two tables."""
    net = unet.UNet(config).eval().requires_grad_(False)
    net.load_state_dict(weights)
    photos = validation.read_photos(valid, limit=8, crop=128)
    before = validation.short_table(net, photos)
    after = validation.short_table(folder.load_folder(exported), photos)
    for sigma in before:
        if after[sigma] < before[sigma] - MAX_LOSS_DB:
            raise SystemExit(f"bf16 loses too much at sigma {sigma}: {before} {after}")
    return before, after


def measure(config, weights, cache):
    """What of the index must be measured: on the run's own pictures."""
    if not Path(f"{cache}.json").exists():
        return {}
    net = unet.UNet(config).eval().requires_grad_(False)
    net.load_state_dict(weights)
    gains = sampling.filling_gain(net, pictures.Pictures(cache))
    print(f"filling_gain {gains}")
    return {"filling_gain": gains}


def export(run, target, valid=None, threads=1, cache=None, share=1.0):
    """Write `target` from the run's EMA; with a share, mixed with what target was."""
    torch.set_num_threads(threads)
    native.start(threads)
    target = Path(target)
    config, weights = read_run(run)
    if share != 1.0:
        weights = mixed(folder.load_folder(target).state_dict(), weights, share)
    fresh = target.with_name(target.name + ".new")
    shutil.rmtree(fresh, ignore_errors=True)
    if target.exists():  # a model card and the like stay
        shutil.copytree(target, fresh)
    more = measure(config, weights, cache or Path(run) / "pictures.u8")
    folder.save_folder(fresh, config, weights, more=more)
    if valid:
        before, after = check_rounding(config, weights, fresh, valid)
        print(f"float32 {before}\nbf16    {after}")
    old = target.with_name(target.name + ".old")
    shutil.rmtree(old, ignore_errors=True)
    if target.exists():
        target.rename(old)
    fresh.rename(target)
    shutil.rmtree(old, ignore_errors=True)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run")
    parser.add_argument("folder")
    parser.add_argument("--valid", help="folder of validation photos")
    parser.add_argument("--cache", help="the run's pictures (default: RUN/pictures.u8)")
    parser.add_argument("--share", type=float, default=1.0,
        help="of the run's weights, the rest of those in FOLDER (mix.py says how good)")
    args = parser.parse_args()
    export(args.run, args.folder, args.valid, cache=args.cache, share=args.share)


if __name__ == "__main__":
    main()
