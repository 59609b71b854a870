"""A small network that sees how noisy a photo is, place by place.

It reads RGB in -1..1 and gives for every cell of 8 x 8 pixels the log of the variance of
the noise (mean over the channels, in 8-bit units squared) and the log of the variance of
this number: a normal distribution, trained by its likelihood (Nix, Weigend 1994).
engine/sample/noise-net.c is its twin.
"""

from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn import functional as F

from . import native

CELL = 8  # pixels
FLOOR = 0.25  # part of every variance: 8-bit rounding hides what is weaker
GAIN = 64  # of the first convolutions, before the log
WIDTHS = (64, 64, 96)
CONTEXT = 4  # the convolution that the mean over the picture has a say in
FILE = Path("noise_level") / "model.safetensors"


class NoiseNet(nn.Module):
    """Convolutions at a half, a quarter and an eighth of the size.

    The first ones measure differences of neighbours; what follows sees the logs of their
    squares, in which a twofold noise is the same step at every level. What the picture
    is like on the whole tells cells that cannot tell noise from texture by themselves.
    """

    def __init__(self, widths=WIDTHS):
        super().__init__()
        half, quarter, eighth = widths
        self.conv_in = nn.Conv2d(12, half, 3, padding=1)
        layers = [nn.Conv2d(half, quarter, 3, stride=2, padding=1)]
        layers += [nn.Conv2d(quarter, quarter, 3, padding=1) for _ in range(2)]
        layers += [nn.Conv2d(quarter, eighth, 3, stride=2, padding=1)]
        layers += [nn.Conv2d(eighth, eighth, 3, padding=1) for _ in range(3)]
        self.convs = nn.ModuleList(layers)
        self.context = nn.Linear(eighth, eighth)
        self.conv_out = nn.Conv2d(eighth, 2, 1)
        with torch.no_grad():  # differences, from the first step on
            weights = self.conv_in.weight.view(half, 3, 4, 3, 3)
            weights -= weights.mean(dim=(2, 3, 4), keepdim=True)
            self.context.weight.zero_()
            self.context.bias.zero_()

    def forward(self, x):
        h = (GAIN * self.conv_in(F.pixel_unshuffle(x, 2))).square().log1p()
        for i, conv in enumerate(self.convs):
            shift = self.context(h.mean(dim=(2, 3)))[:, :, None, None] if i == CONTEXT else 0
            h = F.relu(native.conv(conv, h) + shift)
        return self.conv_out(h)


def target(truth, y):
    """The log of the variance in every cell, pictures in 0..1."""
    square = ((y - truth) * 255).square().mean(dim=1, keepdim=True)
    return (F.avg_pool2d(square, CELL) + FLOOR).log()


def loss_of(output, wanted):
    """Negative log-likelihood."""
    mean, spread = output.split(1, dim=1)
    spread = spread.clamp(-6, 4)
    return 0.5 * ((wanted - mean).square() * (-spread).exp() + spread).mean()


def save(weights, model):
    """Weights by name into a model folder, in half precision."""
    file = Path(model) / FILE
    file.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: w.half().contiguous() for name, w in weights.items()}, file)


def load(model):
    """The noise network of a model folder, ready for inference."""
    weights = load_file(Path(model) / FILE)
    widths = [weights[name].shape[0] for name in ("conv_in.weight", "convs.0.weight",
                                                  "convs.3.weight")]
    net = NoiseNet(widths)
    net.load_state_dict({name: w.float() for name, w in weights.items()})
    return net.eval().requires_grad_(False)
