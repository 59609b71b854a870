"""A network that learns from one that is trained already.

Nobody knows what is hidden under noise, so a network that learns from pictures averages
over all that might be, crop by crop. One that learns what another finds in other views
(views.py) has only the other's whims to average, and becomes better than its teacher.
"""

import torch

from .levels import predict_v, x0_of
from .views import laid, laid_back

N_VIEWS = 2


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
