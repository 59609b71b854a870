"""The training mixture: pictures, noise and level maps of one batch.

A sample is x0, x_t and a map of angles. For white noise x_t = cos x0 + sin noise. Where
noise is clipped, rounded or of a camera, x_t = cos y with y the noisy photo, and the
map carries what a noise estimator would report. The task is to find x0 in all cases.

All is computed by the batch, on the device that trains; only holes are drawn elsewhere.
"""

import math
from dataclasses import dataclass

import torch

from . import cameras
from .colours import OPPONENT, to_8_bit
from .levels import MAX_ANGLE, NONE_CLASS, continued
from .lines import along_both, resizing, smoothed

# The tasks, in the order that they have in a batch: noise removal, restyling, holes, and
# fields of levels. Shares of the samples; of art; of whole frames.
WEIGHTS = (0.28, 0.34, 0.35, 0.03)
ART = (0.05, 0.9, 0.2, 0.1)
WHOLE = (0.0, 0.35, 0.35, 0.1)
CAMERA = 0.5  # share of camera noise in noise removal


@dataclass
class Batch:
    """Samples: what is to be found, and what the network gets."""

    x0: torch.Tensor  # [n, 3, size, size]
    x_t: torch.Tensor  # as x0
    angles: torch.Tensor  # [n, 1, size, size]
    labels: torch.Tensor  # [n]
    mean: torch.Tensor  # as x0: known pixels, continued; else 0
    camera: torch.Tensor  # [n] of bool: photos with a camera's noise


def batch(pictures, draw_holes, dice, n, size, camera_noise=True, weights=WEIGHTS):
    """A Batch. `draw_holes(count, size)` gives depths like `masks.random_depths`, on the
    device."""
    counts = dice.counts(n, weights)
    labels, whole = draw_subjects(pictures, dice, counts)
    x0 = pictures.crops(dice, labels, size, whole)
    x0 = vary_colour(x0, dice, labels > 0) * 2 - 1
    labels = torch.where(dice.chance(0.1, n), NONE_CLASS, labels)

    # views of noise removal, restyling, and what has known pixels to be continued
    parts = [counts[0], counts[1], counts[2] + counts[3]]
    noisy, art, holed = range(3)
    x0s = x0.split(parts)
    angles = torch.cat([
        denoising_angles(dice, counts[0], size),
        restyling_angles(dice, counts[1], size),
        hole_angles(dice, draw_holes(counts[2], size)),
        field_angles(dice, x0s[holed][counts[2]:]),
    ])
    maps = angles.split(parts)
    start = x0
    if pictures.has_photos and len(pictures.art_labels):
        painted = as_photographed(
            x0s[art], labels.split(parts)[art], maps[art], pictures, dice)
        start = torch.cat([x0s[noisy], painted, x0s[holed]])
    x_t = angles.cos() * start + angles.sin() * dice.normal(*x0.shape)
    x_ts = x_t.split(parts)
    n_camera = as_files(x0s[noisy], x_ts[noisy], maps[noisy], dice,
                        CAMERA if camera_noise else 0.0)
    camera = torch.arange(n, device=dice.device) < n_camera
    mean = torch.zeros_like(x0)
    mean.split(parts)[holed].copy_(continued(x_ts[holed], maps[holed]))
    return Batch(x0, x_t, angles, labels, mean, camera)


def draw_subjects(pictures, dice, counts):
    """Classes of the samples, and which are of whole frames."""
    n, device = sum(counts), dice.device
    task = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    task = task.to(device)
    labels = torch.zeros(n, dtype=torch.long, device=device)
    if len(pictures.art_labels):
        art = dice.chance(torch.tensor(ART, device=device)[task], n)
        which = dice.below(len(pictures.art_labels), n)
        labels = torch.where(art, pictures.art_labels[which], labels)
    return labels, dice.chance(torch.tensor(WHOLE, device=device)[task], n)


def as_photographed(art, labels, angles, pictures, dice):
    """Art that is to be restyled, moved towards how a photo looks.

    What is restyled is a photo, whose colours and detail are not those of the style. A
    network that has only seen art with noise keeps them; one that has to find the art
    behind a photo's colours, a softer brush and a photo's grain repaints them. The more
    noise, the farther the way: at little noise a walk has nearly arrived.
    """
    n, size = len(art), art.shape[2]
    photos = pictures.crops(dice, torch.zeros_like(labels), size, dice.chance(0.5, n))
    share = angles.amax(dim=(1, 2, 3)).sin() / math.sin(math.pi / 4)
    way = share.clamp(max=1) * dice.uniform(n).sqrt()
    stays = (labels == 0) | (labels == NONE_CLASS) | dice.chance(0.2, n)
    way = torch.where(stays, 0.0, way)[:, None, None, None]
    return art + way * (photo_like(art, photos * 2 - 1, dice) - art)


def photo_like(art, photos, dice):
    """Art [n, 3, h, w] with the tones, colours and fine detail of photos."""
    n, size = len(art), art.shape[2]

    def some(share, changed, kept):
        return torch.where(dice.chance(share, n, 1, 1, 1), changed, kept)

    def deviation(x):
        return x.std(dim=(2, 3), keepdim=True, correction=0)

    opponent = OPPONENT.to(art)
    a, b = (torch.einsum("ij,njhw->nihw", opponent, x) for x in (art, photos))
    a = some(0.6, smoothed(a, dice.uniform(n, low=0.5, high=4)), a)

    ratio = deviation(b) / (deviation(a) + 0.02)
    toned = (a - a.mean(dim=(2, 3), keepdim=True)) * ratio.clamp(0.4, 2.5)
    toned = toned + b.mean(dim=(2, 3), keepdim=True)
    patches = smoothed(b, size * dice.uniform(n, low=0.02, high=0.12))
    patches = (patches - patches.mean(dim=(2, 3), keepdim=True))[:, 1:]
    tinted = toned[:, 1:] + dice.uniform(n, 1, 1, 1) * patches
    a = some(0.8, torch.cat([toned[:, :1], tinted], dim=1), a)

    fine = b - smoothed(b, dice.uniform(n, low=1, high=3))
    a = some(0.5, a + dice.uniform(n, 1, 1, 1) * fine, a)
    return torch.einsum("ji,njhw->nihw", opponent, a).clamp(-1, 1)


def vary_colour(x, dice, art):
    """Random white balance, gain and gamma of pictures in 0..1; less of it where `art`
    [n], whose paper and pigments belong to the style."""
    n = len(x)
    amount = torch.where(art, 0.3, 1.0)[:, None, None, None]
    gain = 0.05 * dice.normal(n, 3, 1, 1) + dice.uniform(n, 1, 1, 1, low=-0.25, high=0.1)
    gamma = dice.uniform(n, 1, 1, 1, low=-0.25, high=0.25)
    return (x * (amount * gain).exp()).clamp(0, 1) ** (amount * gamma).exp()


def everywhere(values, size):
    """Maps [n, 1, size, size] of one value each."""
    return values[:, None, None, None].expand(-1, 1, size, size)


def denoising_angles(dice, n, size):
    """Noise of 0.5 to 75 of 255."""
    return everywhere(torch.atan(2 * dice.uniform(n, low=0.5, high=75) / 255), size)


def hole_angles(dice, depths):
    """Half of the holes begin at nearly pure noise, as a first evaluation sees them; of
    the others most are graded, as deeper pixels know less."""
    n = len(depths)
    high = dice.chance(0.5, n, 1, 1, 1)
    graded = ~high & dice.chance(0.6, n, 1, 1, 1)
    low = torch.where(high, 0.85, 0.02)
    angle = low + (1 - low) * dice.uniform(n, 1, 1, 1)
    slope = (depths / dice.uniform(n, 1, 1, 1, low=2, high=16)).clamp(max=1)
    return MAX_ANGLE * angle * torch.where(graded, slope, (depths > 0).float())


def restyling_angles(dice, n, size):
    """SDEdit starts at 0.3 to 0.6 of the timesteps."""
    far = dice.chance(0.2, n)
    share = torch.where(far, dice.uniform(n, low=0.65), dice.uniform(n, low=0.08, high=0.65))
    return everywhere(share * MAX_ANGLE, size)


def field_angles(dice, x):
    """Levels that change smoothly, or with the brightness of x."""
    n, size = len(x), x.shape[2]
    cells = 2 + dice.below(4, n)
    coarse = dice.uniform(n, 1, 5, 5, low=-0.3, high=1.3)
    smooth = along_both(resizing(cells, size, 5), coarse).clamp(0, 1)
    top = torch.where(dice.chance(0.5, n, 1, 1, 1), MAX_ANGLE, 0.55)
    smooth = smooth * top * dice.uniform(n, 1, 1, 1, low=0.1)
    low, high = dice.uniform(2, n, 1, 1, 1, low=0.5, high=40)
    brightness = (x.mean(dim=1, keepdim=True) + 1) / 2
    bright = torch.atan((low + (high - low) * brightness) * 2 / 255)
    return torch.where(dice.chance(0.5, n, 1, 1, 1), smooth, bright)


def as_files(x0, x_t, angles, dice, camera):
    """Makes a share `camera` photos of a camera, and half of the rest 8-bit files; changes
    x0, x_t and angles in place. How many are of a camera: the first."""
    k, rest = dice.counts(len(x0), (camera, 1 - camera))
    x0[:k], x_t[:k], angles[:k] = camera_photos(x0[:k], dice)
    cosine = angles[k:].cos()
    stored = cosine * to_8_bit(x_t[k:] / cosine)
    x_t[k:] = torch.where(dice.chance(0.5, rest, 1, 1, 1), stored, x_t[k:])
    return k


def camera_photos(x, dice):
    """Photos without and with a camera's noise, and the angles one would estimate: a
    deviation that follows brightness, too low or too high by up to this much."""
    truth, y = (2 * z - 1 for z in cameras.shot((x + 1) / 2, dice))
    off = dice.uniform(len(x), 1, 1, 1, low=math.log(0.6), high=math.log(1.8)).exp()
    angles = torch.atan(off * by_brightness(truth, y - truth))
    return truth, angles.cos() * y, angles


def by_brightness(x, noise):
    """The deviation [n, 1, h, w] of noise, as a smooth function of brightness: the square
    that fits its variance best."""
    bright = smoothed(x.mean(dim=1, keepdim=True), 1.5)
    power = (noise**2).mean(dim=1, keepdim=True)
    terms = torch.stack([torch.ones_like(bright), bright, bright**2], dim=-1)
    terms, wanted = terms.flatten(1, -2), power.flatten(1)[..., None]
    ridge = 1e-3 * terms.shape[1] * torch.eye(3).to(terms)
    fit, _ = torch.linalg.solve_ex(terms.mT @ terms + ridge, terms.mT @ wanted)
    mean = power.mean(dim=(1, 2, 3), keepdim=True)
    found = (terms @ fit).reshape(power.shape)
    return torch.maximum(found, 0.1 * mean).clamp(min=1e-6).sqrt()


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


def loss_of(v, batch):
    """Mean square error of v where there is noise, by importance."""
    x0, x_t, angles, mean = batch.x0, batch.x_t, batch.angles, batch.mean
    target, weight = target_v(x0 - mean, x_t - angles.cos() * mean, angles)
    error = ((v.float() - target) ** 2 * weight).sum(dim=(1, 2, 3))
    error = error / (3 * weight.sum(dim=(1, 2, 3))).clamp(min=1)
    return (error * importance(x0, angles, mean, weight)).mean()
