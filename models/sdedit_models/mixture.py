"""The training mixture: pictures, noise and level maps of one batch.

A sample is x0, x_t and a map of angles. For white noise x_t = cos x0 + sin noise. Where
noise is clipped, rounded or of a camera, x_t = cos y with y the noisy photo, and the
map carries what a noise estimator would report. The task is to find x0 in all cases.
"""

import io
import math

import numpy as np
import torch
from PIL import Image
from scipy.ndimage import distance_transform_edt
from torch.nn import functional as F

from .levels import MAX_ANGLE, NONE_CLASS, filling
from .masks import random_hole

# denoise, holes, restyle, fields
WEIGHTS = (0.28, 0.35, 0.34, 0.03)
# of R, G, B in -1..1: brightness and two differences of colours, orthogonal
OPPONENT = torch.tensor([[1.0, 1, 1], [1, 0, -1], [1, -2, 1]])
OPPONENT = OPPONENT / OPPONENT.norm(dim=1, keepdim=True)


def batch(pictures, rng, n, size, camera_noise=True, weights=WEIGHTS):
    """x0 [n, 3, size, size], x_t, angles [n, 1, size, size], labels [n] and mean."""
    tasks = rng.choice(len(weights), n, p=weights)
    crops, labels = [], []
    for task in tasks:
        art = pictures.art_labels and rng.random() < (0.05, 0.2, 0.9, 0.1)[task]
        label = int(rng.choice(pictures.art_labels)) if art else 0
        whole = rng.random() < (0.0, 0.35, 0.35, 0.1)[task]
        crops.append(pictures.crop(rng, label, size, whole))
        labels.append(label)
    labels = torch.tensor(labels)
    labels[torch.from_numpy(rng.random(n) < 0.1)] = NONE_CLASS

    x0 = torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2).float() / 255
    x0 = vary_colour(x0, rng) * 2 - 1
    noise = torch.from_numpy(rng.standard_normal(x0.shape, dtype=np.float32))
    angles = torch.stack([angle_map(task, rng, x) for task, x in zip(tasks, x0)])
    start = x0
    if pictures.art_labels and 0 in pictures.by_label:
        start = as_photographed(x0, tasks, labels, angles, pictures, rng)
    x_t = angles.cos() * start + angles.sin() * noise
    for i in np.flatnonzero(tasks == 0):
        if camera_noise and rng.random() < 0.33:
            x_t[i], angles[i] = camera_photo(x0[i], angles[i], rng)
        elif rng.random() < 0.5:
            x_t[i] = angles[i].cos() * to_8_bit(x_t[i] / angles[i].cos())
    return x0, x_t, angles, labels, filling(x_t, angles)


def as_photographed(x0, tasks, labels, angles, pictures, rng):
    """x0, with the art that is to be restyled moved towards how a photo looks.

    What is restyled is a photo, whose colours and detail are not those of the style. A
    network that has only seen art with noise keeps them; one that has to find the art
    behind a photo's colours, a softer brush and a photo's grain repaints them. The more
    noise, the farther the way: at little noise a walk has nearly arrived.
    """
    start = x0.clone()
    size = x0.shape[2]
    for i in np.flatnonzero(tasks == 2):
        if labels[i] in (0, NONE_CLASS) or rng.random() < 0.2:
            continue
        crop = pictures.crop(rng, 0, size, rng.random() < 0.5)
        photo = torch.from_numpy(crop.copy()).permute(2, 0, 1).float() / 127.5 - 1
        share = min(1.0, math.sin(angles[i].max()) / math.sin(math.pi / 4))
        way = share * math.sqrt(rng.random())
        start[i] += way * (photo_like(x0[i], photo, rng) - x0[i])
    return start


def photo_like(art, photo, rng):
    """Art [3, h, w] with the tones, colours and fine detail of a photo."""
    a, b = (torch.einsum("ij,jhw->ihw", OPPONENT, x) for x in (art, photo))
    if rng.random() < 0.6:
        a = smoothed(a, rng.uniform(0.5, 3))
    if rng.random() < 0.8:
        ratio = b.std(dim=(1, 2)) / (a.std(dim=(1, 2)) + 0.02)
        ratio = ratio.clamp(0.4, 2.5)[:, None, None]
        moved = a - a.mean(dim=(1, 2), keepdim=True)
        a = moved * ratio + b.mean(dim=(1, 2), keepdim=True)
        coarse = smoothed(b, size_of_patches(rng, a))
        a[1:] += rng.uniform(0, 1) * (coarse - coarse.mean(dim=(1, 2), keepdim=True))[1:]
    if rng.random() < 0.5:
        a = a + rng.uniform(0, 1) * (b - smoothed(b, rng.uniform(1, 3)))
    return torch.einsum("ji,jhw->ihw", OPPONENT, a).clamp_(-1, 1)


def size_of_patches(rng, x):
    return x.shape[1] * rng.uniform(0.02, 0.12)


def smoothed(x, sigma):
    """A Gaussian blur of [c, h, w], mirrored at the border."""
    radius = min(int(2.5 * sigma) + 1, x.shape[1] - 1, x.shape[2] - 1)
    line = torch.exp(-(torch.arange(-radius, radius + 1.0) ** 2) / (2 * sigma**2))
    line = (line / line.sum()).expand(len(x), 1, -1)
    x = F.pad(x[None], (radius,) * 4, mode="reflect")
    x = F.conv2d(x, line[:, :, None, :], groups=x.shape[1])
    return F.conv2d(x, line[:, :, :, None], groups=x.shape[1])[0]


def vary_colour(x, rng):
    """Random white balance, gain and gamma of pictures in 0..1."""
    n = len(x)
    gain = np.exp(rng.normal(0, 0.05, (n, 3, 1, 1)))
    gain = gain * np.exp(rng.uniform(-0.25, 0.1, (n, 1, 1, 1)))
    gamma = np.exp(rng.uniform(-0.25, 0.25, (n, 1, 1, 1)))
    gain, gamma = (torch.from_numpy(a.astype(np.float32)) for a in (gain, gamma))
    return (x * gain).clamp_(0, 1).pow_(gamma)


def to_8_bit(x):
    """As a file stores it: clipped to -1..1 and rounded to 256 values."""
    return ((x + 1) * 127.5).round_().clamp_(0, 255) / 127.5 - 1


def angle_map(task, rng, x):
    """The map of angles [1, size, size] of one sample."""
    size = x.shape[1]
    full = torch.ones(1, size, size)
    if task == 0:
        return full * math.atan(2 * rng.uniform(0.5, 75) / 255)
    if task == 1:
        high = rng.random() < 0.5
        angle = rng.uniform(0.85 if high else 0.02, 1) * MAX_ANGLE
        hole = random_hole(rng, size)
        share = hole.astype(np.float32)
        if not high and rng.random() < 0.6:  # deeper pixels know less
            share = np.minimum(distance_transform_edt(hole) / rng.uniform(2, 16), 1)
        return torch.from_numpy(share).float()[None] * angle
    if task == 2:  # SDEdit starts at 0.3 to 0.6 of the timesteps
        far = rng.random() < 0.2
        return full * rng.uniform(*((0.65, 1) if far else (0.08, 0.65))) * MAX_ANGLE
    return field(rng, x)


def field(rng, x):
    """Levels that change smoothly, or with brightness."""
    size = x.shape[1]
    if rng.random() < 0.5:
        cells = int(rng.integers(2, 6))
        coarse = torch.from_numpy(rng.uniform(-0.3, 1.3, (1, 1, cells, cells))).float()
        smooth = F.interpolate(coarse, size=(size, size), mode="bicubic")[0].clamp(0, 1)
        top = MAX_ANGLE if rng.random() < 0.5 else 0.55
        return smooth * rng.uniform(0.1, 1) * top
    low, high = rng.uniform(0.5, 40, 2)
    brightness = (x.mean(dim=0, keepdim=True) + 1) / 2
    return torch.atan((low + (high - low) * brightness) * 2 / 255)


def camera_photo(x, angles, rng):
    """A photo with noise as cameras make it: x_t and the angles one would estimate."""
    sigma = float(angles[0, 0, 0].tan()) * 0.7  # in units of -1..1
    size = x.shape[1]
    bright = ((x.mean(dim=0, keepdim=True) + 1) / 2).clamp(0, 1)
    deviation = torch.full_like(bright, sigma)
    if rng.random() < 0.7:  # shot noise in linear light, seen through gamma 2.2
        linear = bright**2.2
        shot = (linear + rng.uniform(0.002, 0.1)).sqrt() / (linear + 0.01) ** 0.545
        deviation = sigma * shot / shot.mean()
    noise = torch.from_numpy(rng.standard_normal(x.shape, dtype=np.float32))
    noise = deviation * correlated(noise, rng)
    y = x + noise
    if rng.random() < 0.4:
        y = jpeg(y, int(rng.integers(60, 96)))
    else:
        y = to_8_bit(y)
    measured = (y - x).pow(2).mean().sqrt() / deviation.pow(2).mean().sqrt()
    blurred = F.avg_pool2d(deviation[None], 5, 1, 2, count_include_pad=False)[0]
    estimate = torch.atan(blurred * measured * rng.uniform(0.85, 1.15))
    return estimate.cos() * y, estimate


def correlated(noise, rng):
    """White noise [3, h, w] as it comes out of demosaicing or resizing."""
    kind = rng.random()
    size = noise.shape[1]
    if kind < 0.35:
        kept = torch.zeros_like(noise)
        kept[0, ::2, ::2] = noise[0, ::2, ::2]
        kept[1, ::2, 1::2] = noise[1, ::2, 1::2]
        kept[1, 1::2, ::2] = noise[1, 1::2, ::2]
        kept[2, 1::2, 1::2] = noise[2, 1::2, 1::2]
        cross = torch.tensor([[0.25, 0.5, 0.25], [0.5, 1, 0.5], [0.25, 0.5, 0.25]])
        green = torch.tensor([[0, 0.25, 0], [0.25, 1, 0.25], [0, 0.25, 0]])
        kernel = torch.stack([cross, green, cross])[:, None]
        return F.conv2d(kept[None], kernel, padding=1, groups=3)[0]
    if kind < 0.65:
        small = round(size / rng.uniform(1.2, 2.0))
        part = noise[None, :, :small, :small]
        return F.interpolate(part, size=(size, size), mode="bicubic")[0]
    return noise


def jpeg(x, quality):
    """Through a JPEG file and back."""
    pixels = ((x + 1) * 127.5).round_().clamp_(0, 255).byte().permute(1, 2, 0).numpy()
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality)
    pixels = np.array(Image.open(file))
    return torch.from_numpy(pixels).permute(2, 0, 1).float() / 127.5 - 1


def target_v(x0, x_t, angles):
    """The v that turns x_t into exactly x0, and where it is defined (theta > 0)."""
    sine = angles.sin()
    known = sine < 1e-4
    v = (angles.cos() * x_t - x0) / torch.where(known, torch.ones_like(sine), sine)
    return v, (~known).float()


def importance(x0, angles, mean, weight):
    """How much a sample counts: more where a small error can be expected, [n].

    In a thin hole the filling is nearly right, and what is left to learn would vanish
    beside the noise of other samples. If x0 - mean has variance b, v can be known to
    b / (sin^2 + b cos^2) on average.
    """
    pixels = weight.sum(dim=(1, 2, 3)).clamp(min=1)
    left = (((x0 - mean) ** 2) * weight).sum(dim=(1, 2, 3)) / (3 * pixels)
    left = left.clamp(min=1e-4)[:, None, None, None]
    expected = left / (angles.sin() ** 2 + left * angles.cos() ** 2)
    expected = (expected * weight).sum(dim=(1, 2, 3)) / pixels
    filled = (mean != 0).any(dim=3).any(dim=2).any(dim=1)
    return torch.where(filled, (0.18 * expected**-0.75).clamp(0.5, 12), 1.0)


def loss_of(v, x0, x_t, angles, mean):
    """Mean square error of v where there is noise, by importance."""
    target, weight = target_v(x0 - mean, x_t - angles.cos() * mean, angles)
    error = ((v.float() - target) ** 2 * weight).sum(dim=(1, 2, 3))
    error = error / (3 * weight.sum(dim=(1, 2, 3))).clamp(min=1)
    return (error * importance(x0, angles, mean, weight)).mean()
