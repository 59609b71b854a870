"""How different a picture looks from the true one: 0 is the same, 1 nothing in common.

PSNR and SSIM ask for every pixel and so reward blur. Here a picture may differ from the
truth in its pixels where it has the same texture; what costs is less, more or another
texture, edges that are not there, and wrong colours. It is what LPIPS (Zhang et al.
2018) and DISTS (Ding et al. 2020) are for, without a trained network: the features are
those of the first stage of vision instead.

The luma, an octave coarser from level to level, is filtered by complex Gabor functions
of four orientations. Their magnitudes say how much detail of that size and direction
there is, wherever exactly its ridges lie (complex cells; Portilla and Simoncelli 2000,
Freeman and Simoncelli 2011). The magnitudes of both pictures are compared in windows
some wavelengths wide with SSIM's three terms: their means and spreads (how much detail,
how unevenly spread: DISTS's texture) and, with less weight, their correlation (is it in
the same places: DISTS's structure). Colours are compared pixel by pixel, coarsely.
"""

import numpy as np
from scipy.ndimage import gaussian_filter
from scipy.signal import fftconvolve

N_LEVELS = 4
N_ORIENTATIONS = 4
WAVELENGTH = 3  # pixels of a level
SIGMA = WAVELENGTH / 2  # pixels: one octave, 45 degrees
WINDOW = 4  # pixels of a level, standard deviation
FAINT = 1 / 255  # amplitude that is hardly seen
FAINT_COLOUR = 20 / 255  # difference of large areas
SHARES = {"mean": 0.5, "spread": 0.25, "structure": 0.25}
COLOUR_SHARE = 0.2  # of the distance

YCBCR = np.array([[0.299, 0.587, 0.114], [-0.169, -0.331, 0.5], [0.5, -0.419, -0.081]])


def gabor(angle):
    """A kernel that answers a wave of amplitude 1 in its direction with magnitude 1."""
    reach = np.arange(-int(3 * SIGMA + 0.5), int(3 * SIGMA + 0.5) + 1)
    along = reach * np.cos(angle) + reach[:, None] * np.sin(angle)
    window = np.exp(-(reach**2 + reach[:, None] ** 2) / (2 * SIGMA**2))
    window /= window.sum()
    wave = np.exp(2j * np.pi * along / WAVELENGTH)
    return 2 * window * (wave - (window * wave).sum())  # flat pictures have no detail


KERNELS = [gabor(np.pi * i / N_ORIENTATIONS) for i in range(N_ORIENTATIONS)]


def filtered(plane, kernel):
    margin = len(kernel) // 2
    return fftconvolve(np.pad(plane, margin, mode="symmetric"), kernel, mode="valid")


def blurred(plane, sigma):
    return gaussian_filter(plane, sigma, mode="reflect")


def halved(plane):
    return blurred(plane, 1)[::2, ::2]


def unlikeness(a, b, faint):
    """1 - the term of SSIM: 0 for equals, 1 where one is there and the other is not."""
    return (a - b) ** 2 / (a * a + b * b + faint * faint)


def magnitude_differences(a, b):
    """How two magnitudes differ around every pixel."""
    mean_a, mean_b, aa, bb, ab = (
        blurred(plane, WINDOW) for plane in (a, b, a * a, b * b, a * b)
    )
    spread_a = np.sqrt(np.maximum(aa - mean_a**2, 0))
    spread_b = np.sqrt(np.maximum(bb - mean_b**2, 0))
    c = FAINT**2 / 2
    structure = (ab - mean_a * mean_b + c) / (spread_a * spread_b + c)
    return (
        SHARES["mean"] * unlikeness(mean_a, mean_b, FAINT)
        + SHARES["spread"] * unlikeness(spread_a, spread_b, FAINT)
        + SHARES["structure"] * (1 - np.clip(structure, 0, 1))
    )


def detail_differences(a, b):
    """The same of two planes of luma: the mean of all orientations."""
    return sum(
        magnitude_differences(np.abs(filtered(a, k)), np.abs(filtered(b, k)))
        for k in KERNELS
    ) / len(KERNELS)


def average(plane, weight):
    return float((plane * weight).sum() / weight.sum())


def distance(picture, truth, where=None):
    """0..1, over all pixels or those of a mask; pictures [h, w, 3], clipped to 0..1."""
    a, b = (np.clip(p, 0, 1).astype(np.float64) @ YCBCR.T for p in (picture, truth))
    weight = np.ones(a.shape[:2]) if where is None else where.astype(np.float64)
    planes, levels = np.concatenate([a, b], axis=2), []
    for level in range(N_LEVELS):
        if level > 0:
            planes = np.stack([halved(p) for p in np.moveaxis(planes, 2, 0)], axis=2)
            weight = halved(weight)
        detail = detail_differences(planes[..., 0], planes[..., 3])
        levels.append(average(detail, weight))
    shift = ((planes[..., :3] - planes[..., 3:]) ** 2).sum(axis=2)
    colour = average(shift / (shift + FAINT_COLOUR**2), weight)
    return (1 - COLOUR_SHARE) * sum(levels) / N_LEVELS + COLOUR_SHARE * colour
