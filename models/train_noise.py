#!/usr/bin/env python3
"""Train the noise network of a model folder: what estimates the noise of photos.

    python3 models/train_noise.py models/default --photos PHOTOS --minutes 30

It goes on from the network that the folder has, unless --afresh is given, and writes
MODEL/noise_level/model.safetensors every few minutes and at the end. On one core some
minutes show whether it works; half an hour makes a good one.
"""

import argparse
import math
import time
from pathlib import Path

import torch
from torch.utils import data

import decode
from sdedit_models import cameras, native, noise_net, pictures
from sdedit_models.dice import Dice

SAVE_EVERY = 500  # steps


def parse_args(argv=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("model", type=Path, help="model folder, which gets the network")
    add("--photos", help="folder of photos, for a cache that is not there yet")
    add("--cache", type=Path, default=Path(".cache/photos.u8"), help="decoded photos")
    add("--minutes", type=float, required=True)
    add("--afresh", action="store_true", help="do not go on from what the folder has")
    add("--batch", type=int, default=12, help="crops in a step")
    add("--crop", type=int, default=112, help="pixels, a multiple of 8")
    add("--lr", type=float, default=2e-3, help="peak learning rate")
    add("--loaders", type=int, default=0, help="processes that make batches beside this")
    add("--threads", type=int, default=1)
    add("--seed", type=int, default=0)
    return parser.parse_args(argv)


def start_net(args):
    if args.afresh or not (args.model / noise_net.FILE).exists():
        return noise_net.NoiseNet()
    return noise_net.load(args.model).train().requires_grad_(True)


def parameter_groups(net, lr):
    """The first layer's weights are small and a large gain follows: small steps."""
    first = [p for name, p in net.named_parameters() if name.startswith("conv_in")]
    rest = [p for name, p in net.named_parameters() if not name.startswith("conv_in")]
    return [{"params": rest, "peak": lr}, {"params": first, "peak": 0.05 * lr}]


class Batches(data.IterableDataset):
    """What the network sees, and what it should say, without end."""

    def __init__(self, args):
        self.args = args

    def __iter__(self):
        args, worker = self.args, data.get_worker_info()
        found = pictures.Pictures(args.cache)
        dice = Dice(args.seed if worker is None else [args.seed, worker.id])
        labels = torch.zeros(args.batch, dtype=torch.long)
        while True:
            with torch.no_grad():
                truth, y = cameras.photographed(found.crops(dice, labels, args.crop), dice)
            yield 2 * y - 1, noise_net.target(truth, y)


def train(args):
    torch.set_num_threads(args.threads)
    native.start(args.threads)
    torch.manual_seed(args.seed)
    if not args.cache.exists():
        decode.decode(args.photos, None, args.cache)
    batches = data.DataLoader(Batches(args), batch_size=None, num_workers=args.loaders)
    net = start_net(args)
    average = {name: w.clone() for name, w in net.state_dict().items()}
    optimizer = torch.optim.AdamW(parameter_groups(net, args.lr), betas=(0.9, 0.98))
    begin, losses = time.time(), []
    for step, (x, wanted) in enumerate(batches, 1):
        if (done := (time.time() - begin) / (60 * args.minutes)) >= 1:
            break
        rate = min(1, step / 100) * (0.01 + 0.99 * (1 + math.cos(math.pi * done)) / 2)
        for group in optimizer.param_groups:
            group["lr"] = group["peak"] * rate
        loss = noise_net.loss_of(net(x), wanted)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        share = max(0.003, 1 / (step + 1))
        for name, w in net.state_dict().items():
            average[name].lerp_(w, share)
        losses.append(loss.item())
        if step % SAVE_EVERY == 0:
            noise_net.save(average, args.model)
            recent = sum(losses[-SAVE_EVERY:]) / SAVE_EVERY
            print(f"step {step}, {100 * done:.0f} %, loss {recent:.3f}", flush=True)
    noise_net.save(average, args.model)
    return losses


if __name__ == "__main__":
    train(parse_args())
