"""What storing as JPEG does to pictures, on tensors: without the file, on any device.

Quantisation tables and quality are those of libjpeg (ITU T.81, annex K), colour is
sampled 4:2:0; results differ from a file's by rounding alone.
"""

import math

import torch
from torch.nn import functional as F

LUMA = torch.tensor([
    [16, 11, 10, 16, 24, 40, 51, 61], [12, 12, 14, 19, 26, 58, 60, 55],
    [14, 13, 16, 24, 40, 57, 69, 56], [14, 17, 22, 29, 51, 87, 80, 62],
    [18, 22, 37, 56, 68, 109, 103, 77], [24, 35, 55, 64, 81, 104, 113, 92],
    [49, 64, 78, 87, 103, 121, 120, 101], [72, 92, 95, 98, 112, 100, 103, 99],
])
CHROMA = torch.full((8, 8), 99)
CHROMA[:4, :4] = torch.tensor(
    [[17, 18, 24, 47], [18, 21, 26, 66], [24, 26, 56, 99], [47, 66, 99, 99]]
)
TO_YCC = torch.tensor([
    [0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312],
])
DCT = torch.tensor([
    [math.sqrt((2 if u else 1) / 8) * math.cos((2 * i + 1) * u * math.pi / 16)
     for i in range(8)] for u in range(8)
])


def through_blocks(x, table):
    """Planes [n, c, h, w] of whole blocks, quantised by `table` [n, 8, 8]."""
    n, c, h, w = x.shape
    dct = DCT.to(x)
    table = table[:, None, None, :, None, :]
    blocks = x.reshape(n, c, h // 8, 8, w // 8, 8)
    waves = torch.einsum("ui,ncaibj,vj->ncaubv", dct, blocks, dct)
    waves = (waves / table).round() * table
    return torch.einsum("ui,ncaubv,vj->ncaibj", dct, waves, dct).reshape(x.shape)


def scaled(table, quality):
    """Table [8, 8] for each quality [n] of 1 ... 100."""
    quality = quality[:, None, None]
    percent = torch.where(quality < 50, 5000 / quality, 200 - 2 * quality)
    return ((table.to(quality) * percent + 50) / 100).floor().clamp(1, 255)


def jpeg(x, quality):
    """Pictures [n, 3, h, w] in -1..1 as they come back, quality [n] (float)."""
    h, w = x.shape[2:]
    pixels = ((x + 1) * 127.5).round().clamp(0, 255)
    pixels = F.pad(pixels, (0, -w % 16, 0, -h % 16), mode="replicate")
    ycc = torch.einsum("ij,njhw->nihw", TO_YCC.to(x), pixels)
    luma = through_blocks(ycc[:, :1] - 128, scaled(LUMA, quality)) + 128
    chroma = through_blocks(F.avg_pool2d(ycc[:, 1:], 2), scaled(CHROMA, quality))
    chroma = F.interpolate(chroma, scale_factor=2.0, mode="bilinear")
    back = torch.cat([luma, chroma], dim=1)[:, :, :h, :w]
    rgb = torch.einsum("ij,njhw->nihw", torch.linalg.inv(TO_YCC).to(x), back)
    return rgb.round().clamp(0, 255) / 127.5 - 1
