"""How good a network is: PSNR of the photos that it never sees in training."""

import math
from pathlib import Path

import numpy as np
import torch

from .colours import to_8_bit
from .levels import angle_of_sigma, padded, predict_x0, unit_of
from .pictures import SUFFIXES, open_rgb

SIGMAS = (15, 25, 50)


def read_photo(file, crop=None):
    """A photo, or its middle, as a tensor [1, 3, h, w] in -1..1."""
    x = torch.from_numpy(np.array(open_rgb(file))).permute(2, 0, 1)[None]
    if crop:
        y, left = (max(0, (side - crop) // 2) for side in x.shape[2:])
        x = x[:, :, y : y + crop, left : left + crop]
    return x.float() / 127.5 - 1


def read_photos(folder, limit=None, crop=None):
    """The photos of a folder, or so many of them, evenly chosen."""
    files = sorted(f for f in Path(folder).rglob("*") if f.suffix.lower() in SUFFIXES)
    if limit and limit < len(files):
        files = [files[i * len(files) // limit] for i in range(limit)]
    return [read_photo(file, crop) for file in files]


def psnr(a, b, where=None):
    """PSNR in dB of pictures in -1..1, optionally where a mask [.., 1, h, w] is 1."""
    error = (a.clamp(-1, 1) - b).double() ** 2
    if where is None:
        mean = error.mean()
    else:
        mean = (error * where).sum() / (3 * where.sum())
    return 10 * math.log10(4 / max(float(mean), 1e-12))


def noisy(photo, sigma, seed, eight_bit=False):
    """A photo with white noise of sigma (0..255), as float or as an 8-bit file."""
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(photo.shape, generator=generator)
    y = photo + noise * (2 * sigma / 255)
    return to_8_bit(y) if eight_bit else y


@torch.inference_mode()
def denoise(net, y, sigma, label=0):
    """One evaluation of known noise."""
    angle = angle_of_sigma(sigma)
    device = next(net.parameters()).device
    y = y.to(device)
    angles = torch.full_like(y[:, :1], angle)
    labels = torch.full((len(y),), label, device=device)
    x_t = math.cos(angle) * y
    return padded(predict_x0, unit_of(net))(net, x_t, angles, labels).float().cpu()


def denoise_psnr(net, photos, sigma, eight_bit=False):
    """Mean PSNR over photos."""
    values = [
        psnr(denoise(net, noisy(photo, sigma, i, eight_bit), sigma), photo)
        for i, photo in enumerate(photos)
    ]
    return sum(values) / len(values)


def short_table(net, photos):
    """{sigma: PSNR} for white float noise."""
    return {sigma: round(denoise_psnr(net, photos, sigma), 3) for sigma in SIGMAS}
