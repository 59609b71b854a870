"""The training mixture: pictures, noise and level maps of one batch.

A sample is x0, x_t and a map of angles. For white noise x_t = cos x0 + sin noise. Where
noise is clipped, rounded or of a camera, x_t = cos y with y the noisy photo, and the
map carries what a noise estimator would report. The task is to find x0 in all cases.

All is computed by the batch, on the device that trains; only holes are drawn elsewhere.
"""

import math

import torch
from torch.nn import functional as F

from .jpeg import jpeg
from .levels import MAX_ANGLE, NONE_CLASS, continued
from .lines import along_both, resizing, smoothed

# The tasks, in the order that they have in a batch: noise removal, restyling, holes, and
# fields of levels. Shares of the samples; of art; of whole frames.
WEIGHTS = (0.28, 0.34, 0.35, 0.03)
ART = (0.05, 0.9, 0.2, 0.1)
WHOLE = (0.0, 0.35, 0.35, 0.1)
CAMERA = 0.4  # share of camera noise in noise removal
# of R, G, B in -1..1: brightness and two differences of colours, orthogonal
OPPONENT = torch.tensor([[1.0, 1, 1], [1, 0, -1], [1, -2, 1]])
OPPONENT = OPPONENT / OPPONENT.norm(dim=1, keepdim=True)


def batch(pictures, draw_holes, dice, n, size, camera_noise=True, weights=WEIGHTS):
    """x0 [n, 3, size, size], x_t, angles [n, 1, size, size], labels [n] and mean.

    `draw_holes(count, size)` gives depths like `masks.random_depths`, on the device.
    """
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
    as_files(x0s[noisy], x_ts[noisy], maps[noisy], dice, CAMERA if camera_noise else 0.0)
    mean = torch.zeros_like(x0)
    mean.split(parts)[holed].copy_(continued(x_ts[holed], maps[holed]))
    return x0, x_t, angles, labels, mean


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


def to_8_bit(x):
    """As a file stores it: clipped to -1..1 and rounded to 256 values."""
    return ((x + 1) * 127.5).round().clamp(0, 255) / 127.5 - 1


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
    """Makes a share `camera` photos with a camera's noise, and half of the rest 8-bit
    files; changes x_t and angles in place."""
    n = len(x0)
    k, rest = dice.counts(n, (camera, 1 - camera))
    x_t[:k], angles[:k] = camera_photos(x0[:k], angles[:k], dice)
    cosine = angles[k:].cos()
    stored = cosine * to_8_bit(x_t[k:] / cosine)
    x_t[k:] = torch.where(dice.chance(0.5, rest, 1, 1, 1), stored, x_t[k:])


def camera_photos(x, angles, dice):
    """Photos with noise as cameras make it: x_t and the angles one would estimate."""
    n = len(x)
    sigma = angles[:, :, :1, :1].tan() * 0.7  # in units of -1..1
    bright = ((x.mean(dim=1, keepdim=True) + 1) / 2).clamp(0, 1)
    linear = bright**2.2  # shot noise in linear light, seen through gamma 2.2
    shot = linear + dice.uniform(n, 1, 1, 1, low=0.002, high=0.1)
    shot = shot.sqrt() / (linear + 0.01) ** 0.545
    shot = sigma * shot / shot.mean(dim=(1, 2, 3), keepdim=True)
    deviation = torch.where(dice.chance(0.7, n, 1, 1, 1), shot, sigma)
    y = x + deviation * correlated(dice.normal(*x.shape), dice)
    stored = jpeg(y, 60 + dice.below(36, n).float())
    y = torch.where(dice.chance(0.4, n, 1, 1, 1), stored, to_8_bit(y))

    def power(z):
        return (z**2).mean(dim=(1, 2, 3), keepdim=True)

    measured = (power(y - x) / power(deviation)).sqrt()
    blurred = F.avg_pool2d(deviation, 5, 1, 2, count_include_pad=False)
    report = dice.uniform(n, 1, 1, 1, low=0.7, high=1.2)
    estimate = torch.atan(blurred * measured * report)
    return estimate.cos() * y, estimate


def correlated(noise, dice):
    """White noise [n, 3, h, w], a third of it as it comes out of demosaicing, a third
    out of resizing."""
    n, size = len(noise), noise.shape[2]
    kind = dice.uniform(n, 1, 1, 1)
    small = (size / dice.uniform(n, low=1.2, high=2)).round()
    resized = along_both(resizing(small, size, size), noise)
    return torch.where(kind < 0.35, demosaiced(noise),
                       torch.where(kind < 0.65, resized, noise))


def demosaiced(noise):
    """Noise [n, 3, h, w] as a Bayer sensor's, interpolated linearly."""
    mosaic = torch.zeros_like(noise)
    for colour, y, x in ((0, 0, 0), (1, 0, 1), (1, 1, 0), (2, 1, 1)):
        mosaic[:, colour, y::2, x::2] = noise[:, colour, y::2, x::2]
    cross = noise.new_tensor([[0.25, 0.5, 0.25], [0.5, 1, 0.5], [0.25, 0.5, 0.25]])
    green = noise.new_tensor([[0, 0.25, 0], [0.25, 1, 0.25], [0, 0.25, 0]])
    kernel = torch.stack([cross, green, cross])[:, None]
    return F.conv2d(mosaic, kernel, padding=1, groups=3)


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
