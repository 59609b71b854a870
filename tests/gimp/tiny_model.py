"""Writes a tiny random model of the default model's kind, for tests: a diffusers folder
with pixel-unshuffle x2, a level map and three named styles. Its pictures are noise, but it
runs in milliseconds. Needs nothing but Python. SPDX-License-Identifier: GPL-3.0-or-later

usage: tiny_model.py FOLDER
"""

import json
import pathlib
import random
import struct
import sys

CHANNELS = (8, 16)
PATCH = 2
CLASSES = ["photo", "etching", "none"]
TIME = 4 * CHANNELS[0]


def resnet(name, n_in, n_out):
    yield f"{name}.norm1", (n_in,)
    yield f"{name}.conv1", (n_out, n_in, 3, 3)
    yield f"{name}.time_emb_proj", (n_out, TIME)
    yield f"{name}.norm2", (n_out,)
    yield f"{name}.conv2", (n_out, n_out, 3, 3)
    if n_in != n_out:
        yield f"{name}.conv_shortcut", (n_out, n_in, 1, 1)


def attention(name, width):
    yield f"{name}.group_norm", (width,)
    for part in ("to_q", "to_k", "to_v", "to_out.0"):
        yield f"{name}.{part}", (width, width)


def layers():
    """Name and weight shape of every layer; each has a bias too, but class_embedding."""
    a, b = CHANNELS
    yield "conv_in", (a, 4 * PATCH * PATCH, 3, 3)
    yield "time_embedding.linear_1", (TIME, a)
    yield "time_embedding.linear_2", (TIME, TIME)
    yield "class_embedding", (len(CLASSES), TIME)
    yield from resnet("down_blocks.0.resnets.0", a, a)
    yield "down_blocks.0.downsamplers.0.conv", (a, a, 3, 3)
    yield from resnet("down_blocks.1.resnets.0", a, b)
    yield from attention("down_blocks.1.attentions.0", b)
    yield from resnet("mid_block.resnets.0", b, b)
    yield from attention("mid_block.attentions.0", b)
    yield from resnet("mid_block.resnets.1", b, b)
    yield from resnet("up_blocks.0.resnets.0", b + b, b)
    yield from resnet("up_blocks.0.resnets.1", b + a, b)
    yield from attention("up_blocks.0.attentions.0", b)
    yield from attention("up_blocks.0.attentions.1", b)
    yield "up_blocks.0.upsamplers.0.conv", (b, b, 3, 3)
    yield from resnet("up_blocks.1.resnets.0", b + a, a)
    yield from resnet("up_blocks.1.resnets.1", a + a, a)
    yield "conv_norm_out", (a,)
    yield "conv_out", (3 * PATCH * PATCH, a, 3, 3)


def tensors():
    dice = random.Random(1)
    for name, shape in layers():
        count = 1
        for side in shape:
            count *= side
        scale = (shape[0] / count) ** 0.5
        is_norm = len(shape) == 1
        weight = [1.0] * count if is_norm else [dice.gauss(0, scale) for _ in range(count)]
        yield name + ".weight", shape, weight
        if name != "class_embedding":
            yield name + ".bias", shape[:1], [0.0] * shape[0]


def write_safetensors(path):
    header, data = {}, bytearray()
    for name, shape, values in tensors():
        start = len(data)
        data += struct.pack(f"<{len(values)}f", *values)
        header[name] = {
            "dtype": "F32",
            "shape": list(shape),
            "data_offsets": [start, len(data)],
        }
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


UNET = {
    "_class_name": "UNet2DModel",
    "sample_size": 32,
    "in_channels": 4 * PATCH * PATCH,
    "out_channels": 3 * PATCH * PATCH,
    "block_out_channels": list(CHANNELS),
    "down_block_types": ["DownBlock2D", "AttnDownBlock2D"],
    "up_block_types": ["AttnUpBlock2D", "UpBlock2D"],
    "layers_per_block": 1,
    "attention_head_dim": 8,
    "norm_num_groups": 4,
    "num_class_embeds": len(CLASSES),
}
SCHEDULER = {
    "_class_name": "DDIMScheduler",
    "num_train_timesteps": 1000,
    "beta_schedule": "squaredcos_cap_v2",
    "prediction_type": "v_prediction",
    "clip_sample": True,
}
INDEX = {
    "_class_name": "DDIMPipeline",
    "unet": ["diffusers", "UNet2DModel"],
    "scheduler": ["diffusers", "DDIMScheduler"],
    "sdedit": {
        "patch_size": PATCH,
        "level_map": True,
        "class_names": CLASSES,
        "none_class": CLASSES.index("none"),
        "default_class": 0,
    },
}
# Grey ones, from black to white.
TONES = {
    "etching": {
        "luma": [i / 16 for i in range(17)],
        "chroma_mean": [0, 0, 0],
        "chroma_deviation": 0,
        "technique": "etching",
    },
}


def write(folder):
    folder = pathlib.Path(folder)
    (folder / "unet").mkdir(parents=True)
    (folder / "scheduler").mkdir()
    (folder / "styles").mkdir()
    (folder / "model_index.json").write_text(json.dumps(INDEX, indent=2))
    (folder / "unet/config.json").write_text(json.dumps(UNET, indent=2))
    (folder / "scheduler/scheduler_config.json").write_text(json.dumps(SCHEDULER, indent=2))
    (folder / "styles/tones.json").write_text(json.dumps(TONES))
    write_safetensors(folder / "unet/diffusion_pytorch_model.safetensors")


if __name__ == "__main__":
    write(sys.argv[1])
