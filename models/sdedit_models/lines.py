"""Resizing and blurring as matrices along the sides of a picture.

Every picture of a batch has its own, so that one product treats them all, on any device.
"""

import torch


def along_both(rows, x, columns=None):
    """x [n, c, h, w] with `rows` [n, h2, h] applied to its columns of pixels, and
    `columns` [n, w2, w] (the same when left out) to its rows."""
    columns = rows if columns is None else columns
    return rows[:, None] @ x @ columns[:, None].transpose(2, 3)


def cubic(x):
    """Keys' cubic convolution kernel with a = -1/2, as Pillow's BICUBIC."""
    x = x.abs()
    near = (1.5 * x - 2.5) * x * x + 1
    far = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return torch.where(x < 1, near, torch.where(x < 2, far, 0.0))


def resizing(sides, size, longest):
    """[n, size, longest]: the first `sides` [n] of `longest` pixels resized to `size`.

    Bicubic, with the kernel widened where it shrinks; exact where side is size.
    """
    ratio = (sides / size)[:, None, None]
    out = torch.arange(size, device=sides.device)[:, None]
    source = torch.arange(longest, device=sides.device)
    centre = (out + 0.5) * ratio - 0.5
    weights = cubic((source - centre) / ratio.clamp(min=1))
    weights = weights * (source < sides[:, None, None])
    return weights / weights.sum(dim=2, keepdim=True)


def blurring(sigma, size):
    """[n, size, size]: a Gaussian blur of `sigma` [n] pixels, mirrored at the ends."""
    i = torch.arange(size, device=sigma.device, dtype=sigma.dtype)

    def bell(distance):
        return torch.exp(-(distance**2) / (2 * sigma[:, None, None] ** 2))

    across = i[:, None] + i
    weights = (bell(i[:, None] - i) + bell(across) * (i > 0)
               + bell(2 * (size - 1) - across) * (i < size - 1))
    return weights / weights.sum(dim=2, keepdim=True)


def smoothed(x, sigma):
    """x [n, c, h, w] blurred by `sigma` pixels, a number or [n]."""
    sigma = torch.as_tensor(sigma, dtype=x.dtype, device=x.device).expand(len(x))
    h, w = x.shape[2:]
    return along_both(blurring(sigma, h), x, blurring(sigma, w))
