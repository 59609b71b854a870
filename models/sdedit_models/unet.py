"""The network: a diffusers UNet2DModel without attention, in plain PyTorch.

Parameter names are those of diffusers, so that its safetensors file loads as it is.
"""

import math

import torch
from torch import nn
from torch.nn import functional as F

from .native import conv, norm_silu

CONFIG = {
    "_class_name": "UNet2DModel",
    "_diffusers_version": "0.31.0",
    "sample_size": None,
    "in_channels": 16,
    "out_channels": 12,
    "center_input_sample": False,
    "time_embedding_type": "positional",
    "freq_shift": 0,
    "flip_sin_to_cos": True,
    "block_out_channels": [48, 96, 160, 160],
    "down_block_types": ["DownBlock2D"] * 4,
    "up_block_types": ["UpBlock2D"] * 4,
    "mid_block_scale_factor": 1,
    "layers_per_block": 2,
    "downsample_type": "conv",
    "downsample_padding": 1,
    "upsample_type": "conv",
    "dropout": 0.0,
    "act_fn": "silu",
    "attention_head_dim": 8,
    "norm_num_groups": 8,
    "norm_eps": 1e-5,
    "resnet_time_scale_shift": "scale_shift",
    "class_embed_type": None,
    "num_class_embeds": 10,
    "add_attention": False,
}
FREE = {
    "in_channels", "out_channels", "block_out_channels", "down_block_types",
    "up_block_types", "layers_per_block", "norm_num_groups", "norm_eps",
    "resnet_time_scale_shift", "num_class_embeds", "_diffusers_version", "sample_size",
    "attention_head_dim", "dropout",
}


def make_config(widths, layers=2, groups=8, time="scale_shift", classes=10):
    """The config of a network with these widths, one block for each."""
    n = len(widths)
    return {
        **CONFIG,
        "block_out_channels": list(widths),
        "down_block_types": ["DownBlock2D"] * n,
        "up_block_types": ["UpBlock2D"] * n,
        "layers_per_block": layers,
        "norm_num_groups": groups,
        "resnet_time_scale_shift": time,
        "num_class_embeds": classes,
    }


def check_config(config):
    """Refuse what this network would silently leave out."""
    for key, value in CONFIG.items():
        if key not in FREE and config.get(key, value) != value:
            raise ValueError(f"{key}: expected {value!r}, found {config[key]!r}")
    for key in ("down_block_types", "up_block_types"):
        if any("Attn" in kind for kind in config[key]):
            raise ValueError(f"{key}: attention is not supported")


class TimestepEmbedding(nn.Module):
    """Sinusoids of a fractional timestep, then two linear layers."""

    def __init__(self, width, embedding):
        super().__init__()
        self.width = width
        self.linear_1 = nn.Linear(width, embedding)
        self.linear_2 = nn.Linear(embedding, embedding)

    def forward(self, timestep):
        half = self.width // 2
        index = torch.arange(half, device=timestep.device, dtype=timestep.dtype)
        angles = timestep[:, None] * torch.exp(-math.log(10000) * index / half)
        waves = torch.cat([angles.cos(), angles.sin()], dim=1)
        waves = waves.to(self.linear_1.weight.dtype)
        return self.linear_2(F.silu(self.linear_1(waves)))


class Resnet(nn.Module):
    """Twice norm, activation, convolution around a shortcut; time enters in between."""

    def __init__(self, c_in, c_out, config, embedding):
        super().__init__()
        groups, eps = config["norm_num_groups"], config["norm_eps"]
        self.scale_shift = config["resnet_time_scale_shift"] == "scale_shift"
        self.norm1 = nn.GroupNorm(groups, c_in, eps)
        self.conv1 = nn.Conv2d(c_in, c_out, 3, padding=1)
        self.time_emb_proj = nn.Linear(embedding, c_out * (1 + self.scale_shift))
        self.norm2 = nn.GroupNorm(groups, c_out, eps)
        self.conv2 = nn.Conv2d(c_out, c_out, 3, padding=1)
        self.conv_shortcut = nn.Conv2d(c_in, c_out, 1) if c_in != c_out else None
        nn.init.zeros_(self.conv2.weight)
        nn.init.zeros_(self.time_emb_proj.bias)

    def forward(self, x, temb):
        h = conv(self.conv1, norm_silu(self.norm1, x))
        time = self.time_emb_proj(temb)
        if self.scale_shift:
            h = norm_silu(self.norm2, h, *time.chunk(2, dim=1))
        else:
            h = norm_silu(self.norm2, h + time[:, :, None, None])
        h = conv(self.conv2, h)
        return h + (x if self.conv_shortcut is None else conv(self.conv_shortcut, x))


class Resample(nn.Module):
    """Stride-2 convolution down, or nearest neighbour x2 and a convolution up."""

    def __init__(self, c, up):
        super().__init__()
        self.up = up
        self.conv = nn.Conv2d(c, c, 3, stride=1 if up else 2, padding=1)

    def forward(self, x):
        if self.up:
            x = F.interpolate(x, scale_factor=2.0, mode="nearest")
        return conv(self.conv, x)


class Block(nn.Module):
    """Resnets, and perhaps a resampling: a down, middle or up block."""

    def __init__(self, widths_in, c_out, config, embedding, resample=None):
        super().__init__()
        self.resnets = nn.ModuleList(
            Resnet(c_in, c_out, config, embedding) for c_in in widths_in
        )
        self.resample = resample
        if resample:
            one = Resample(c_out, up=resample == "upsamplers")
            setattr(self, resample, nn.ModuleList([one]))

    def down(self, x, temb, skips):
        """Run, appending every result to `skips`."""
        for resnet in self.resnets:
            x = resnet(x, temb)
            skips.append(x)
        if self.resample:
            x = self.downsamplers[0](x)
            skips.append(x)
        return x

    def middle(self, x, temb):
        for resnet in self.resnets:
            x = resnet(x, temb)
        return x

    def up(self, x, temb, skips):
        """Run, taking from `skips` what each resnet gets beside its input."""
        for resnet in self.resnets:
            x = resnet(torch.cat([x, skips.pop()], dim=1), temb)
        return self.upsamplers[0](x) if self.resample else x


class UNet(nn.Module):
    """The network of a config (a dict like `CONFIG`); `levels` feeds it."""

    def __init__(self, config, posterior_input=True):
        super().__init__()
        check_config(config)
        self.config = config
        self.posterior_input = posterior_input
        widths, layers = config["block_out_channels"], config["layers_per_block"]
        last = len(widths) - 1
        c, embedding = widths[0], 4 * widths[0]
        self.time_embedding = TimestepEmbedding(c, embedding)
        self.class_embedding = nn.Embedding(config["num_class_embeds"], embedding)
        self.conv_in = nn.Conv2d(config["in_channels"], c, 3, padding=1)

        skips = [c]
        self.down_blocks = nn.ModuleList()
        for i, width in enumerate(widths):
            resample = "downsamplers" if i < last else None
            widths_in = [c] + [width] * (layers - 1)
            self.down_blocks.append(
                Block(widths_in, width, config, embedding, resample)
            )
            skips += [width] * (layers + (i < last))
            c = width

        self.mid_block = Block([c, c], c, config, embedding)

        self.up_blocks = nn.ModuleList()
        for i, width in enumerate(reversed(widths)):
            resample = "upsamplers" if i < last else None
            widths_in = [c + skips.pop()] + [width + skips.pop() for _ in range(layers)]
            self.up_blocks.append(Block(widths_in, width, config, embedding, resample))
            c = width

        groups, eps = config["norm_num_groups"], config["norm_eps"]
        self.conv_norm_out = nn.GroupNorm(groups, c, eps)
        self.conv_out = nn.Conv2d(c, config["out_channels"], 3, padding=1)
        nn.init.normal_(self.class_embedding.weight, std=0.02)
        nn.init.zeros_(self.conv_out.weight)
        nn.init.zeros_(self.conv_out.bias)

    def forward(self, x, timestep, labels):
        """x [n, in_channels, h, w], timestep [n] (may be fractional), labels [n]."""
        temb = self.time_embedding(timestep) + self.class_embedding(labels)
        temb = F.silu(temb)
        x = conv(self.conv_in, x)
        skips = [x]
        for block in self.down_blocks:
            x = block.down(x, temb, skips)
        x = self.mid_block.middle(x, temb)
        for block in self.up_blocks:
            x = block.up(x, temb, skips)
        return conv(self.conv_out, norm_silu(self.conv_norm_out, x))


def count_mflop(net, size=256):
    """MFLOP of one evaluation per picture pixel, two for each multiply-add."""
    flop = 0

    def count(module, args, out):
        nonlocal flop
        flop += 2 * out.numel() * module.weight[0].numel()

    with torch.device("meta"):
        twin = UNet(net.config)
        for module in twin.modules():
            if isinstance(module, nn.Conv2d):
                module.register_forward_hook(count)
        x = torch.empty(1, net.config["in_channels"], size // 2, size // 2)
        twin(x, torch.zeros(1), torch.zeros(1, dtype=torch.long))
    return flop / size**2 / 1e6
