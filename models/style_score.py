#!/usr/bin/env python3
"""How often a restyled photo is taken for a work of the style that was asked for.

    dev/train python3 models/style_score.py models/default --photos PHOTOS --art ART

A judge (logistic regression over some fifty statistics of colour, tone and texture) learns
the art classes and photographs from four fifths of the works. What it says of the other
fifth is its own accuracy; then it looks at photos restyled by the network with each class.
"same scene": correlation of the coarse brightness of photo and result.
"""

import argparse
import math
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch.nn import functional as F

from sdedit_models import folder, native, sampling
from sdedit_models.levels import CLASS_NAMES, NONE_CLASS
from sdedit_models.lines import smoothed
from sdedit_models.mixture import OPPONENT
from sdedit_models.pictures import find_files, open_rgb

SIDE = 192
N_CROPS = 3  # of each work


def crops(file, n, rng):
    """n squares of a picture, shrunk to show a third of it or more; [n, 3, SIDE, SIDE]."""
    image, found = open_rgb(file), []
    for _ in range(n):
        side = int(min(image.size) * rng.uniform(0.5, 1))
        x, y = (int(rng.integers(length - side + 1)) for length in image.size)
        part = image.resize((SIDE, SIDE), Image.BOX, (x, y, x + side, y + side))
        found.append(torch.from_numpy(np.array(part)).permute(2, 0, 1) / 127.5 - 1)
    return torch.stack(found)


def texture(luma):
    """Energy, peakedness and directions of the detail at three sizes."""
    values = []
    for k in range(3):
        fine = luma - smoothed(luma[None], 1.0)[0]
        energy = fine.std() + 1e-4
        values += [energy.log(), (fine / energy).abs().pow(4).mean().clamp(max=60).log()]
        dx, dy = (fine[:, :, 1:] - fine[:, :, :-1])[:, 1:], (fine[:, 1:] - fine[:, :-1])[:, :, 1:]
        angle = torch.atan2(dy, dx) % math.pi
        strength = (dx**2 + dy**2).flatten()
        bins = (angle.flatten() / math.pi * 4).long().clamp(max=3)
        share = torch.zeros(4).index_add_(0, bins, strength) / (strength.sum() + 1e-6)
        values += [*share.sort().values]
        luma = F.avg_pool2d(luma, 2)
    return values


def features(picture):
    """Statistics of a picture [3, SIDE, SIDE] in -1..1."""
    luma, *colours = torch.einsum("ij,jhw->ihw", OPPONENT, picture)
    chroma = torch.hypot(*colours)
    hue = torch.atan2(colours[1], colours[0])
    steps = torch.tensor([0.02, 0.1, 0.25, 0.5, 0.75, 0.9, 0.98])
    values = [*luma.flatten().quantile(steps), *chroma.flatten().quantile(steps)]
    for colour in colours:
        values += [colour.mean(), colour.std()]
    weights = chroma / (chroma.sum() + 1e-3)
    values += [(weights * (k * hue).cos()).sum() for k in (1, 2)]
    values += [(weights * (k * hue).sin()).sum() for k in (1, 2)]
    values += [smoothed(luma[None, None], 8.0).std(), chroma.std()]
    return torch.stack([torch.as_tensor(v, dtype=torch.float32)
                        for v in values + texture(luma[None])])


class Judge:
    """Logistic regression over standardised features and their squares."""

    def __init__(self, x, labels):
        self.mean, self.deviation = x.mean(dim=0), x.std(dim=0) + 1e-3
        x = self.prepare(x)
        n_classes = int(labels.max()) + 1
        self.layer = torch.nn.Linear(x.shape[1], n_classes)
        counts = torch.bincount(labels, minlength=n_classes).float()
        optimizer = torch.optim.AdamW(self.layer.parameters(), 0.02, weight_decay=0.3)
        for _ in range(400):
            optimizer.zero_grad()
            F.cross_entropy(self.layer(x), labels, weight=1 / counts).backward()
            optimizer.step()

    def prepare(self, x):
        x = ((x - self.mean) / self.deviation).clamp(-4, 4)
        return torch.cat([x, x * x / 4], dim=1)

    @torch.inference_mode()
    def ranks(self, x, labels):
        """Place of the true class among the judge's guesses, 0 is the first."""
        scores = self.layer(self.prepare(x))
        own = scores.gather(1, labels[:, None])
        return (scores > own).sum(dim=1)


def read_works(photos, art, every):
    """Features and labels for learning and for testing; every so many-th photo."""
    files = find_files(photos, art)
    files = [(f, label) for i, (f, label) in enumerate(files) if label or i % every == 0]
    rng, parts = np.random.default_rng(0), ([], [])
    for i, (file, label) in enumerate(files):
        for picture in crops(file, N_CROPS, rng):
            parts[i % 5 == 0].append((features(picture), label))
    return [(torch.stack([x for x, _ in part]), torch.tensor([y for _, y in part]))
            for part in parts]


def same_scene(a, b):
    """Correlation of coarse brightness."""
    a, b = (F.avg_pool2d(x.mean(dim=1), 8).flatten() for x in (a, b))
    return float(torch.corrcoef(torch.stack([a, b]))[0, 1])


def restyled(net, photos, label, args):
    for i, photo in enumerate(photos):
        yield photo, sampling.restyle(net, photo, label, args.strength, args.steps,
                                      args.guidance, seed=i)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", help="model folder")
    parser.add_argument("--photos", required=True, help="photos to restyle, never trained on")
    parser.add_argument("--learn", help="photos the judge learns from (default: --photos)")
    parser.add_argument("--art", required=True, help="folder of folders of art")
    parser.add_argument("--limit", type=int, default=8, help="restyle so many photos")
    parser.add_argument("--strength", type=float, default=0.5)
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--guidance", type=float, default=2.0)
    args = parser.parse_args()
    torch.set_num_threads(1)
    native.start(1)
    torch.manual_seed(0)
    learn, test = read_works(args.learn or args.photos, args.art, 4 if args.learn else 1)
    judge = Judge(*learn)
    net = folder.load_folder(args.model)
    rng = np.random.default_rng(1)
    files = [f for f, _ in find_files(Path(args.photos), None)]
    files = [files[i * len(files) // args.limit] for i in range(args.limit)]
    photos = [crops(file, 1, rng) for file in files]
    print(f"strength {args.strength}, guidance {args.guidance}, {args.steps} steps; "
          f"{len(photos)} photos\n\n"
          "| style | judge on real works | first guess | first two | same scene |\n"
          "| --- | --- | --- | --- | --- |")
    for label in range(1, NONE_CLASS):
        own = judge.ranks(*(part[test[1] == label] for part in test))
        pairs = list(restyled(net, photos, label, args))
        x = torch.stack([features(result[0]) for _, result in pairs])
        ranks = judge.ranks(x, torch.full((len(x),), label))
        scene = sum(same_scene(*pair) for pair in pairs) / len(pairs)
        first, two = ((ranks < n).float().mean() for n in (1, 2))
        print(f"| {CLASS_NAMES[label]} | {100 * (own < 1).float().mean():.0f} % "
              f"| {100 * first:.0f} % | {100 * two:.0f} % | {scene:.2f} |", flush=True)


if __name__ == "__main__":
    main()
