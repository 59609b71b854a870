"""Noise levels: every pixel has an angle theta, and t is a function of theta.

x_t = cos(theta) x0 + sin(theta) noise, with cos(theta)^2 = alphas_cumprod(t) and x0 in
-1..1. The network predicts v = cos(theta) noise - sin(theta) x0, therefore
x0 = cos(theta) x_t - sin(theta) v. README.md has the same formulas for other readers.
"""

import math

import numpy as np
import torch
from torch.nn import functional as F

N_TIMESTEPS = 1000
PATCH = 2
CLASS_NAMES = [
    "photo", "oil_painting", "impressionism", "watercolour", "ukiyoe",
    "wood_engraving", "etching", "ink_drawing", "sketch", "none",
]
NONE_CLASS = len(CLASS_NAMES) - 1


def angle_table():
    """theta of the timesteps -1, 0 ... 999 of squaredcos_cap_v2, as float64."""

    def alpha_bar(fraction):
        return math.cos((fraction + 0.008) / 1.008 * math.pi / 2) ** 2

    bars = np.array([alpha_bar(i / N_TIMESTEPS) for i in range(N_TIMESTEPS + 1)])
    betas = np.minimum(1 - bars[1:] / bars[:-1], 0.999)
    return np.concatenate([[0.0], np.arccos(np.sqrt(np.cumprod(1 - betas)))])


ANGLES = angle_table()
MAX_ANGLE = float(ANGLES[-1])


def timestep_of(angle):
    """t of theta: linear between the table's entries, -1 at theta 0. [n] to [n]."""
    table = torch.from_numpy(ANGLES).to(angle.device)
    dtype, angle = angle.dtype, angle.double()
    i = (torch.searchsorted(table, angle, right=True) - 1).clamp(0, N_TIMESTEPS - 1)
    t = i - 1 + (angle - table[i]) / (table[i + 1] - table[i])
    return t.clamp(-1, N_TIMESTEPS - 1).to(dtype)


def angle_of_sigma(sigma):
    """theta of noise with this standard deviation in a photo of 0..255."""
    return math.atan(2 * sigma / 255)


def predict_v(net, x_t, angles, labels, mean):
    """v of the difference to `mean`, as everything is of x0 - mean where there is one.

    x_t, mean [n, 3, h, w], angles [n, 1, h, w] and labels [n]. Height and width must be
    multiples of 2 (patch) times 2 for each downsampling. With `posterior_input` the
    network sees E[x0 | x_t] for x0 ~ N(mean, 1): where a pixel is mostly noise, that is
    the mean, not the noise.
    """
    cosine = angles.cos()
    seen = cosine * (x_t - cosine * mean) + mean if net.posterior_input else x_t
    levels = angles * (4 / math.pi) - 1
    x = F.pixel_unshuffle(torch.cat([seen, levels], dim=1), PATCH)
    v = net(x, timestep_of(angles.amax(dim=(1, 2, 3))), labels)
    return F.pixel_shuffle(v, PATCH)


def x0_of(v, x_t, angles, mean):
    """x0 of the network's v."""
    cosine = angles.cos()
    return cosine * (x_t - cosine * mean) - angles.sin() * v + mean


def predict_x0(net, x_t, angles, labels):
    """The denoised pictures: one evaluation."""
    mean = filling(x_t, angles) if net.posterior_input else torch.zeros_like(x_t)
    return x0_of(predict_v(net, x_t, angles, labels, mean), x_t, angles, mean)


N_RELAX = 8  # sweeps towards the Laplace equation at each size
N_BEND = 16  # steps of conjugate gradients towards the plate under tension
TENSION = 0.25


def filling(x_t, angles):
    """The pixels with theta 0, smoothly continued over the others; 0 where none is known.

    Push-pull, with some sweeps of Jacobi's method for the Laplace equation at each size;
    then a few steps towards a plate under tension, which also continues slopes: thin
    holes get there, wide ones only along their rims.
    """
    known = angles == 0
    some = known.any(dim=3).any(dim=2).any(dim=1) & ~known.all(dim=3).all(dim=2).all(dim=1)
    mean = torch.zeros_like(x_t)
    if some.any():
        mean[some] = continued(x_t[some], angles[some])
    return mean


def continued(x_t, angles):
    """`filling` without a look at where there is nothing to do."""
    known = (angles == 0).to(x_t.dtype)
    return bend(fill(x_t * known, known), 1 - known)


def laplacian(x):
    """4 x minus the four neighbours; the border is mirrored."""
    around = F.pad(x, (1, 1, 1, 1), mode="replicate")
    return (4 * x - around[:, :, :-2, 1:-1] - around[:, :, 2:, 1:-1]
            - around[:, :, 1:-1, :-2] - around[:, :, 1:-1, 2:])


def bend(x, unknown):
    """N_BEND steps towards (L L + TENSION L) x = 0 where `unknown` is 1, from x."""

    def apply(v):
        once = laplacian(v)
        return unknown * (laplacian(once) + TENSION * once)

    def dot(a, b):
        return (a * b).sum(dim=(2, 3), keepdim=True)

    rest = -apply(x)
    way, size = rest, dot(rest, rest)
    for _ in range(N_BEND):
        image = apply(way)
        length = size / (dot(way, image) + 1e-12)
        x, rest = x + length * way, rest - length * image
        before, size = size, dot(rest, rest)
        way = rest + size / (before + 1e-12) * way
    return x.clamp(-1, 1)


def fill(values, known):
    """`values` [n, 3, h, w] continued from where `known` [n, 1, h, w] is 1."""
    h, w = values.shape[2:]
    if max(h, w) > 1:
        pad = (0, w % 2, 0, h % 2)
        sums, count = (4 * F.avg_pool2d(F.pad(x, pad), 2) for x in (values, known))
        coarse = fill(sums / count.clamp(min=1), (count > 0).to(known.dtype))
        rough = F.interpolate(coarse, scale_factor=2.0, mode="bilinear")[:, :, :h, :w]
        values = values + (1 - known) * rough
        for _ in range(N_RELAX):
            around = F.pad(values, (1, 1, 1, 1), mode="replicate")
            mean = (around[:, :, :-2, 1:-1] + around[:, :, 2:, 1:-1]
                    + around[:, :, 1:-1, :-2] + around[:, :, 1:-1, 2:]) / 4
            values = torch.where(known.bool(), values, mean)
    return values


def padded(function, unit):
    """`function(net, x_t, angles, labels)` for any size: pads by mirroring."""

    def run(net, x_t, angles, labels):
        h, w = x_t.shape[2:]
        pad = (0, -w % unit, 0, -h % unit)
        x_t, angles = (F.pad(x, pad, mode="reflect") for x in (x_t, angles))
        return function(net, x_t, angles, labels)[:, :, :h, :w]

    return run


def unit_of(net):
    """What height and width must be multiples of."""
    return PATCH * 2 ** (len(net.config["block_out_channels"]) - 1)
