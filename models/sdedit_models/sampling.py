"""From noise to pictures: DDIM with a level for every pixel."""

import numpy as np
import torch

from .dice import Dice
from .levels import (
    ANGLES, MAX_ANGLE, N_TIMESTEPS, filling, padded, predict_v, predict_x0, unit_of, x0_of,
)
from .masks import random_depths
from .views import laid, laid_back, mean_over_views


def angles_down(start, n_steps):
    """Angles from `start` (0..1 of all timesteps) to 0, n_steps + 1 of them."""
    t = np.linspace(start * N_TIMESTEPS - 1, -1, n_steps + 1)
    return np.interp(t, np.arange(-1, N_TIMESTEPS), ANGLES).tolist()


@torch.inference_mode()
def ddim(net, x_t, angles, labels, ladder, guidance=1.0):
    """Walk x_t down `ladder`; no pixel starts higher than its own angle.

    With guidance g the prediction is none + g (class - none).
    """
    denoise = padded(predict_x0, unit_of(net))
    none = torch.full_like(labels, net.config["num_class_embeds"] - 1)
    for now, after in zip(ladder[:-1], ladder[1:]):
        level = angles.clamp(max=now)
        x0 = denoise(net, x_t, level, labels)
        if guidance != 1:
            base = denoise(net, x_t, level, none)
            x0 = base + guidance * (x0 - base)
        x0 = x0.clamp(-1, 1)
        sine = level.sin()
        noise = (x_t - level.cos() * x0) / sine.clamp(min=1e-6)
        lower = angles.clamp(max=after)
        x_t = torch.where(sine > 0, lower.cos() * x0 + lower.sin() * noise, x_t)
    return x_t


def seeded_noise(like, seed):
    return torch.randn(like.shape, generator=torch.Generator().manual_seed(seed))


def restyle(net, photo, label, start=0.5, n_steps=20, guidance=1.0, seed=0):
    """SDEdit: noise up to `start`, then down with another class."""
    ladder = angles_down(start, n_steps)
    angles = torch.full_like(photo[:, :1], ladder[0])
    x_t = angles.cos() * photo + angles.sin() * seeded_noise(photo, seed)
    labels = torch.full((len(photo),), label)
    return ddim(net, x_t, angles, labels, ladder, guidance)


def inpaint(net, photo, hole, start=1.0, n_steps=20, label=0, seed=0):
    """Fill `hole` [n, 1, h, w] (1 = unknown). One step gives the mean filling."""
    ladder = angles_down(start, n_steps)
    angles = hole * ladder[0]
    blank = photo * (1 - hole) if start >= 1 else photo
    x_t = angles.cos() * blank + angles.sin() * seeded_noise(photo, seed)
    return ddim(net, x_t, angles, torch.full((len(photo),), label), ladder)


@torch.inference_mode()
def mean_filling(net, photo, hole, seed=0):
    """The mean that the engine's fills begin with (evaluate_mean in engine/task/walk.c):
    half of the views begin with the smooth filling, the others with what the first found,
    and all count alike. Height and width: multiples of `unit_of(net)`."""
    labels = torch.zeros(len(photo), dtype=torch.long)
    angles = MAX_ANGLE * hole
    x_t = angles.cos() * photo * (1 - hole) + angles.sin() * seeded_noise(photo, seed)

    def in_view(way, mean):
        seen = [laid(x, way) for x in (x_t, angles, mean)]
        v = predict_v(net, seen[0], seen[1], labels, seen[2])
        return laid_back(x0_of(v, *seen), way)

    def in_views(ways, mean):
        return photo * (1 - hole) + hole * sum(in_view(way, mean) for way in ways) / len(ways)

    first = in_views((0, 1), filling(photo * (1 - hole), hole))
    second = in_views((2, 3), first)
    return ((first + second) / 2).clamp(-1, 1)


N_GAINS = 4  # deeper down few crops would decide


@torch.inference_mode()
def filling_gain(net, pictures, n=96, size=160, seed=0):
    """Least squares gains of the mean's difference to the filling, by depth in the hole.

    The mean is that over four views of the filling. (Gains of `mean_filling` are lower by
    a fifth, and fill validation photos worse by 0.04 to 0.1 dB.) Near the rim the filling
    is nearly right, and what a network adds that has not learnt enough is partly noise.
    Measured on crops of the training photos, where pictures is a `Pictures`; numbers up to
    1 for depths of 1, 2, ... pixels, the last for all deeper.
    """
    dice = Dice(seed)
    top, bottom = np.full(N_GAINS, 1.0), np.full(N_GAINS, 1.0)  # towards 1 without data
    for i in range(n):
        whole = torch.tensor([i % 4 == 0])
        photo = pictures.crops(dice, torch.zeros(1, dtype=torch.long), size, whole) * 2 - 1
        depths = random_depths(dice.host, 1, size)
        hole = (depths > 0).float()
        first = filling(photo * (1 - hole), hole)[0]
        mean = mean_over_views(
            lambda photo, hole, i=i: inpaint(net, photo, hole, n_steps=1, seed=i), photo, hole
        )
        ours = (mean[0] - first).numpy()
        wanted = (photo[0] - first).numpy()
        depth = depths[0, 0].round().numpy()
        for k in range(N_GAINS):
            there = depth == k + 1
            top[k] += (ours[:, there] * wanted[:, there]).sum()
            bottom[k] += (ours[:, there] ** 2).sum()
    return [round(float(g), 3) for g in (top / bottom).clip(0, 1)] + [1.0]
