"""Photos as cameras, phones and editors leave them, with noise and without: for training
what removes noise and what estimates it.

A picture is taken back to linear light in the colours of a sensor, exposed through a Bayer
mosaic with shot and read noise, interpolated, developed, perhaps smoothed, sharpened or
resized, and stored. The same without noise and without the file is the truth: what the
mosaic or a resizing does to the picture itself is not noise. What estimates sees white
noise too, and none. Nothing here is shared with scoreboard/camera.py, which measures.
"""

import math

import torch
from torch.nn import functional as F

from .colours import OPPONENT, to_8_bit
from .jpeg import jpeg
from .lines import along_both, resizing, smoothed

WHITE, NONE = 0.15, 0.2  # shares of white noise, of no noise
BLOCK = 8  # pixels, of a file's blocks

# Malvar, He, Cutler 2004: what is missing at a pixel from its neighbours, with the
# gradient of the colour that is there. Eighths.
GREEN_AT_OTHERS = [[0, 0, -1, 0, 0], [0, 0, 2, 0, 0], [-1, 2, 4, 2, -1],
                   [0, 0, 2, 0, 0], [0, 0, -1, 0, 0]]
COLOUR_IN_ROW = [[0, 0, 0.5, 0, 0], [0, -1, 0, -1, 0], [-1, 4, 5, 4, -1],
                 [0, -1, 0, -1, 0], [0, 0, 0.5, 0, 0]]
COLOUR_ACROSS = [[0, 0, -1.5, 0, 0], [0, 2, 0, 2, 0], [-1.5, 0, 6, 0, -1.5],
                 [0, 2, 0, 2, 0], [0, 0, -1.5, 0, 0]]
LINEAR_GREEN = [[0, 1, 0], [1, 4, 1], [0, 1, 0]]  # quarters
LINEAR_OTHER = [[1, 2, 1], [2, 4, 2], [1, 2, 1]]


def photographed(x, dice):
    """(truth, y) of pictures [n, 3, size, size] in 0..1, without and with noise: of a
    camera, white, or none."""
    counts = dice.counts(len(x), (WHITE, NONE, 1 - WHITE - NONE))
    white, none, camera = through_lens(x, dice).split(counts)
    truth, noisy = exposed(camera, dice)
    sigma = dice.uniform(len(white), 1, 1, 1, low=0, high=math.log(60)).exp() / 255
    y = torch.cat([white + sigma * dice.normal(*white.shape), none, noisy])
    return moved(torch.cat([white, none, truth]), stored(y, dice), dice)


def shot(x, dice):
    """(truth, y) of pictures [n, 3, size, size] in 0..1: without and with camera noise."""
    truth, noisy = exposed(through_lens(x, dice), dice)
    return moved(truth, stored(noisy, dice), dice)


def moved(truth, y, dice):
    """Both moved alike, what leaves on one side coming back on the other: mosaics and
    blocks of files begin anywhere in photos that were cropped, and a network that has
    seen them in one place alone removes noise worse in all others."""
    by = dice.host.integers(BLOCK, size=2).tolist()
    return truth.roll(by, dims=(2, 3)), y.roll(by, dims=(2, 3))


def through_lens(x, dice):
    """Half of the pictures softer."""
    n = len(x)
    return some(dice, n, 0.5, smoothed(x, dice.uniform(n, low=0.3, high=1.6)), x)


def some(dice, n, share, changed, kept):
    return torch.where(dice.chance(share, n, 1, 1, 1), changed, kept)


def exposed(x, dice):
    """A pair through one camera each."""
    n = len(x)
    gamma = dice.uniform(n, 1, 1, 1, low=1.6, high=2.6)
    balance = torch.ones(n, 3, 1, 1, device=x.device)
    balance[:, ::2] = dice.uniform(n, 2, 1, 1, low=1.2, high=2.4)
    colours = colour_matrices(n, dice).to(x)
    seen = torch.linalg.inv_ex(colours).inverse
    light = mixed_colours(seen, x**gamma).clamp(min=0) / balance
    # the noise of middle grey, 0..1, and the share of reading in the darkest places
    level = dice.uniform(n, 1, 1, 1, low=math.log(0.7), high=math.log(45)).exp() / 255
    slope = gamma * 0.5 ** (gamma - 1)  # of light over brightness there
    louder = colours.square().sum(dim=(1, 2)).div(3).sqrt()[:, None, None, None]
    shot = (level * slope / louder) ** 2 / 0.5**gamma
    read = shot * dice.uniform(n, 1, 1, 1, low=math.log(0.001), high=math.log(0.2)).exp()
    counted = light + (shot * light + read).sqrt() * dice.normal(*x.shape)
    pair = [light, counted]
    linear = dice.chance(0.5, n, 1, 1, 1)
    mosaic = dice.chance(0.85, n, 1, 1, 1)
    pair = [torch.where(mosaic, demosaiced(p, linear), p) for p in pair]
    pair = [mixed_colours(colours, p * balance).clamp(0, 1) ** (1 / gamma) for p in pair]
    return finished(pair, dice)


def colour_matrices(n, dice):
    """[n, 3, 3], from a sensor's colours to a screen's. Filters let some of the other
    colours through, which is taken off again: noise grows, and what one colour gains
    another loses. White stays white."""
    others = dice.uniform(n, 3, 3, high=0.8) * dice.uniform(n, 1, 1).sqrt()
    return torch.diag_embed(1 + others.sum(dim=2)) - others


def mixed_colours(matrices, x):
    return torch.einsum("nij,njhw->nihw", matrices, x)


def demosaiced(x, linear):
    """x [n, 3, h, w] seen through a Bayer mosaic, interpolated linearly where `linear`
    [n, 1, 1, 1], else by Malvar's filters."""
    site = torch.zeros_like(x[:1])
    site[:, 0, ::2, ::2] = site[:, 2, 1::2, 1::2] = 1
    site[:, 1, ::2, 1::2] = site[:, 1, 1::2, ::2] = 1
    raw = (x * site).sum(dim=1, keepdim=True)
    kernels = torch.tensor([GREEN_AT_OTHERS, COLOUR_IN_ROW, list(zip(*COLOUR_IN_ROW)),
                            COLOUR_ACROSS]).to(x)[:, None] / 8
    found = F.conv2d(F.pad(raw, (2, 2, 2, 2), mode="reflect"), kernels)
    green, row, column, across = found.split(1, dim=1)
    red_row = site[:, :1].amax(dim=3, keepdim=True) > 0
    is_red, is_green, is_blue = (site[:, c : c + 1] > 0 for c in range(3))
    beside = [torch.where(red_row == flag, row, column) for flag in (True, False)]
    malvar = torch.cat([
        torch.where(is_red, raw, torch.where(is_blue, across, beside[0])),
        torch.where(is_green, raw, green),
        torch.where(is_blue, raw, torch.where(is_red, across, beside[1])),
    ], dim=1)
    kernels = torch.tensor([LINEAR_OTHER, LINEAR_GREEN, LINEAR_OTHER]).to(x)[:, None] / 4
    spread = F.pad(raw * site, (1, 1, 1, 1), mode="reflect")
    return torch.where(linear, F.conv2d(spread, kernels, groups=3), malvar)


def finished(pair, dice):
    """What cameras and editors do afterwards, to both alike."""
    n, size = len(pair[0]), pair[0].shape[2]
    opponent = OPPONENT.to(pair[0])
    blur = dice.uniform(n, low=0.6, high=2.5)
    soft = dice.uniform(n, low=0.4, high=1.0)
    less_colour, less_grain = dice.chance(0.3, n, 1, 1, 1), dice.chance(0.2, n, 1, 1, 1)
    amount = dice.uniform(n, 1, 1, 1, high=1.5) * dice.chance(0.35, n, 1, 1, 1)
    small = (size / dice.uniform(n, low=1.0, high=2)).round()
    enlarge, mixed = resizing(small, size, size), dice.chance(0.25, n, 1, 1, 1)
    result = []
    for x in pair:
        a = torch.einsum("ij,njhw->nihw", opponent, x)
        colour = torch.where(less_colour, smoothed(a[:, 1:], blur), a[:, 1:])
        x = torch.einsum("ji,njhw->nihw", opponent, torch.cat([a[:, :1], colour], dim=1))
        x = torch.where(less_grain, smoothed(x, soft), x)
        x = x + amount * (x - smoothed(x, 1.0))
        result.append(torch.where(mixed, along_both(enlarge, x), x).clamp(0, 1))
    return result


def stored(y, dice):
    """As 8-bit files, most of them JPEG."""
    n = len(y)
    quality = 100 - 40 * dice.uniform(n) ** 2
    lossy = (jpeg(2 * y - 1, quality) + 1) / 2
    return some(dice, n, 0.55, lossy, (to_8_bit(2 * y - 1) + 1) / 2)
