"""How near a picture comes to the true one. Pictures are clipped to 0..1 first.

PSNR and SSIM are the usual ones. Both favour blur, so a filled hole has three more
figures, which are our own and no more than what is said here:

* `texture_error`: how far the local contrast is from the photo's, octave by octave. It
  knows nothing of shapes: noise of the right strength would pass, blur does not.
* `seam`: how much more the picture jumps over the edge of the hole than the photo does
  near it, from pixel to pixel. The photo itself has about 1, a fill that is cut off has
  more, a fill that fades out of its edge has less.

* `grain_match`: how strong the finest grain in the hole is, by the photo's own there: 1
  is right, a fill without grain in a noisy photo is near 0.

A restyled picture shall not come near, but show the same thing. Two more figures of our
own, correlations over all pixels, say how much of the photo it keeps: `tones_kept` of
the coarse brightness, `edges_kept` of how strong the edges are, at a scale that leaves
out most strokes. 1 is all.
"""

import math

import numpy as np
from scipy.ndimage import binary_dilation, convolve
from scipy.ndimage import gaussian_filter, gaussian_gradient_magnitude

N_OCTAVES = 4
FAINT = 1 / 255  # contrast below which nobody looks
NEAR = 8  # pixels
COARSE = 4  # pixels, standard deviation
EDGES = 2  # pixels, standard deviation
# Blind to planes and nearly to edges; noise of deviation 1 becomes 1 (Immerkaer 1996).
GRAIN_KERNEL = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]]) / 6


def psnr(picture, truth, where=None):
    """PSNR in dB, infinite for equal pictures, of all pixels or those of a mask."""
    error = (np.clip(picture, 0, 1).astype(np.float64) - truth) ** 2
    mean = float(error.mean() if where is None else error[where].mean())
    return math.inf if mean == 0 else -10 * math.log10(mean)


def grey(picture):
    return np.clip(picture, 0, 1).astype(np.float64).mean(axis=2)


def blurred(plane, sigma):
    return gaussian_filter(plane, sigma, mode="reflect", truncate=5 / 1.5)


def ssim(picture, truth, where=None):
    """SSIM of the mean of the channels, Gaussian window of 11 pixels, sigma 1.5."""
    a, b = grey(picture), grey(truth)
    mean_a, mean_b, aa, bb, ab = (blurred(p, 1.5) for p in (a, b, a * a, b * b, a * b))
    c1, c2 = 0.01**2, 0.03**2
    value = (2 * mean_a * mean_b + c1) * (2 * (ab - mean_a * mean_b) + c2)
    value /= (mean_a**2 + mean_b**2 + c1) * (aa - mean_a**2 + bb - mean_b**2 + c2)
    return float(value[5:-5, 5:-5].mean() if where is None else value[where].mean())


def change_outside(picture, photo, hole):
    """The largest difference outside the hole, of 0..255: 0 means none, bit for bit."""
    return float(np.abs(picture - photo)[~hole].max(initial=0)) * 255


def local_contrast(plane):
    """Standard deviation of each octave of detail around every pixel."""
    octaves = []
    for k in range(N_OCTAVES):
        coarser = blurred(plane, 2**k)
        octaves.append(np.sqrt(blurred((plane - coarser) ** 2, 2 * 2**k)))
        plane = coarser
    return np.stack(octaves)


def texture_error(picture, photo, hole):
    """Mean of |log2| of the ratio of local contrasts: 0 is right, 1 a factor of two."""
    ours, theirs = (local_contrast(grey(p)) + FAINT for p in (picture, photo))
    return float(np.abs(np.log2(ours / theirs))[:, hole].mean())


def jumps(picture):
    """Differences of vertical neighbours, then of horizontal ones: one list."""
    down = np.abs(picture[1:] - picture[:-1]).mean(axis=2)
    right = np.abs(picture[:, 1:] - picture[:, :-1]).mean(axis=2)
    return np.concatenate([down.ravel(), right.ravel()])


def pairs(one, combine):
    """`combine` of a mask's neighbours, in the order of `jumps`."""
    down, right = combine(one[1:], one[:-1]), combine(one[:, 1:], one[:, :-1])
    return np.concatenate([down.ravel(), right.ravel()])


def seam(picture, photo, hole):
    """The mean jump over the hole's edge, by the photo's mean jump near the hole."""
    near = binary_dilation(hole, iterations=NEAR) & ~hole
    over_edge = jumps(np.clip(picture, 0, 1))[pairs(hole, np.not_equal)].mean()
    usual = jumps(photo)[pairs(near, np.logical_and)].mean()
    return float(over_edge / max(usual, FAINT / 4))


def grain(picture, where):
    """Median of what noise leaves of the finest detail; edges are too rare to count."""
    planes = np.moveaxis(np.clip(picture, 0, 1).astype(np.float64), 2, 0)
    detail = [np.abs(convolve(plane, GRAIN_KERNEL))[where] for plane in planes]
    return float(np.median(np.concatenate(detail)))


def grain_match(picture, photo, hole):
    return grain(picture, hole) / max(grain(photo, hole), FAINT / 16)


def correlation(a, b):
    """Of two planes; 0 if one of them is flat."""
    a, b = a - a.mean(), b - b.mean()
    size = math.sqrt((a * a).sum() * (b * b).sum())
    return float((a * b).sum() / size) if size > 0 else 0.0


def tones_kept(picture, photo):
    return correlation(*(blurred(grey(p), COARSE) for p in (picture, photo)))


def edges_kept(picture, photo):
    planes = (gaussian_gradient_magnitude(grey(p), EDGES) for p in (picture, photo))
    return correlation(*planes)
