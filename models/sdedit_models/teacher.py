"""A network that learns from one that is trained already.

The best guess of a mirrored picture is the mirrored guess, but a network finds another one
for each of the eight ways to lay a picture, and their mean is better than any: 0.2 dB of
white noise, 0.3 dB of thin holes. A pupil that learns the mean of some of them has nothing
but the teacher's whims to average, where one that learns pictures has all that noise hides.
"""

import torch

from .levels import predict_v, x0_of

N_VIEWS = 2


def laid(x, way):
    """x [n, c, size, size] mirrored and turned: ways 0 (as it is) to 7."""
    x = x.flip(3) if way & 1 else x
    x = x.flip(2) if way & 2 else x
    return x.transpose(2, 3) if way & 4 else x


def laid_back(x, way):
    x = x.transpose(2, 3) if way & 4 else x
    x = x.flip(2) if way & 2 else x
    return x.flip(3) if way & 1 else x


@torch.no_grad()
def taught_x0(net, batch, dice):
    """What `net` finds of a mixture.Batch, laid in some other ways; but the pictures
    themselves where the noise is a camera's, of which the pupil is to learn more."""
    views = []
    for _ in range(N_VIEWS):
        way = int(dice.host.integers(1, 8))
        x_t, angles, mean = (
            laid(x, way).contiguous() for x in (batch.x_t, batch.angles, batch.mean)
        )
        v = predict_v(net, x_t, angles, batch.labels, mean)
        views.append(laid_back(x0_of(v.float(), x_t, angles, mean), way))
    camera = batch.camera[:, None, None, None]
    return torch.where(camera, batch.x0, sum(views) / N_VIEWS)
