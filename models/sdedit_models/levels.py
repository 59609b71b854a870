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
    t = np.interp(angle.double().cpu().numpy(), ANGLES, np.arange(-1, N_TIMESTEPS))
    return torch.from_numpy(t).to(angle)


def angle_of_sigma(sigma):
    """theta of noise with this standard deviation in a photo of 0..255."""
    return math.atan(2 * sigma / 255)


def predict_v(net, x_t, angles, labels):
    """v of noisy pictures [n, 3, h, w] with angles [n, 1, h, w] and labels [n].

    Height and width must be multiples of 2 (patch) times 2 for each downsampling. With
    `scale_input` the network sees cos(theta) x_t: what is mostly noise is nearly 0.
    """
    levels = angles * (4 / math.pi) - 1
    seen = angles.cos() * x_t if net.scale_input else x_t
    x = F.pixel_unshuffle(torch.cat([seen, levels], dim=1), PATCH)
    v = net(x, timestep_of(angles.amax(dim=(1, 2, 3))), labels)
    return F.pixel_shuffle(v, PATCH)


def predict_x0(net, x_t, angles, labels):
    """The denoised pictures: one evaluation."""
    v = predict_v(net, x_t, angles, labels)
    return angles.cos() * x_t - angles.sin() * v


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
