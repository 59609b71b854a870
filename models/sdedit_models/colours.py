"""Colours of pictures, as tensors [n, 3, h, w] in -1..1."""

import torch

# of R, G, B: brightness and two differences of colours, orthogonal
OPPONENT = torch.tensor([[1.0, 1, 1], [1, 0, -1], [1, -2, 1]])
OPPONENT = OPPONENT / OPPONENT.norm(dim=1, keepdim=True)


def to_8_bit(x):
    """As a file stores it: clipped to -1..1 and rounded to 256 values."""
    return ((x + 1) * 127.5).round().clamp(0, 255) / 127.5 - 1
