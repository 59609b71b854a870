#!/usr/bin/env python3
"""Noise removal raced against the networks that are known for it, per megapixel.

    dev/race python3 tests/bench/race-denoisers.py [--threads N] [--rounds N]

FFDNet (Zhang et al. 2018, colour: 12 layers of 96 channels at half size) and DRUNet (Zhang
et al. 2021) are built here with random weights, as only their time is asked for, and run
once over a picture in PyTorch (f32, bf16) and ONNX Runtime (f32). sdedit does the whole
job: it starts, loads its model, reads a picture and writes one. Every round gives each one
turn, in rotating order; printed are medians of wall seconds a megapixel.
"""

import argparse
import io
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SIDES = {"sdedit": 2048, "FFDNet": 1024, "DRUNet": 512}  # of the square picture


def ffdnet(nn):
    layers = [nn.PixelUnshuffle(2), nn.Conv2d(12, 96, 3, padding=1), nn.ReLU()]
    for _ in range(10):
        layers += [nn.Conv2d(96, 96, 3, padding=1), nn.ReLU()]
    return nn.Sequential(*layers, nn.Conv2d(96, 12, 3, padding=1), nn.PixelShuffle(2))


def drunet(nn):
    """Four levels of four residual blocks each way; skips are added."""

    class Block(nn.Module):
        def __init__(self, width):
            super().__init__()
            self.first = nn.Conv2d(width, width, 3, padding=1, bias=False)
            self.second = nn.Conv2d(width, width, 3, padding=1, bias=False)

        def forward(self, x):
            return x + self.second(self.first(x).relu())

    class DRUNet(nn.Module):
        def __init__(self, widths=(64, 128, 256, 512), n_blocks=4):
            super().__init__()

            def blocks(width):
                return nn.Sequential(*(Block(width) for _ in range(n_blocks)))

            pairs = list(zip(widths, widths[1:]))
            self.head = nn.Conv2d(3, widths[0], 3, padding=1, bias=False)
            self.down = nn.ModuleList(
                nn.Sequential(blocks(a), nn.Conv2d(a, b, 2, 2, bias=False)) for a, b in pairs)
            self.body = blocks(widths[-1])
            self.up = nn.ModuleList(
                nn.Sequential(nn.ConvTranspose2d(b, a, 2, 2, bias=False), blocks(a))
                for a, b in reversed(pairs))
            self.tail = nn.Conv2d(widths[0], 3, 3, padding=1, bias=False)

        def forward(self, x):
            x = self.head(x)
            skips = [x]
            for stage in self.down:
                x = stage(x)
                skips.append(x)
            x = self.body(x)
            for stage in self.up:
                x = stage(x + skips.pop())
            return self.tail(x + skips.pop())

    return DRUNet()


def torch_runner(net, side, dtype):
    import torch

    net = net.to(dtype).to(memory_format=torch.channels_last)
    x = torch.rand(1, 3, side, side).to(dtype).to(memory_format=torch.channels_last)

    def run():
        with torch.inference_mode():
            net(x)

    return run


def onnx_runner(net, side, threads):
    import onnxruntime
    import torch

    x = torch.rand(1, 3, side, side)
    file = io.BytesIO()
    torch.onnx.export(net, x, file, input_names=["x"])
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(file.getvalue(), options)
    feed = {"x": x.numpy()}
    return lambda: session.run(None, feed)


def sdedit_runner(tool, side, threads, folder):
    import numpy as np
    from PIL import Image

    noise = np.random.default_rng(1).normal(128, 40, (side, side, 3))
    source, target = folder / "in.tif", folder / "out.tif"
    Image.fromarray(noise.clip(0, 255).astype(np.uint8)).save(source)
    command = [tool, "denoise", "--model", ROOT / "models/default", "--sigma", "25",
               "--threads", str(threads), "--quiet", source, target]
    return lambda: subprocess.run(command, check=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tool", default=ROOT / "build/engine/tool/sdedit")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = str(args.threads)
    import torch

    torch.manual_seed(1)
    torch.set_num_threads(args.threads)
    with tempfile.TemporaryDirectory() as folder:
        runners = {"sdedit": sdedit_runner(args.tool, SIDES["sdedit"], args.threads,
                                           Path(folder))}
        for name, make in (("FFDNet", ffdnet), ("DRUNet", drunet)):
            side = SIDES[name]
            runners[f"{name}, ONNX Runtime f32"] = onnx_runner(
                make(torch.nn).eval(), side, args.threads)
            for word, dtype in (("f32", torch.float32), ("bf16", torch.bfloat16)):
                runners[f"{name}, PyTorch {word}"] = torch_runner(
                    make(torch.nn).eval(), side, dtype)
        race(runners, args.rounds)


def race(runners, rounds):
    names, seconds = list(runners), {name: [] for name in runners}
    for name in names:  # what is done only once
        runners[name]()
    for i in range(rounds):
        for name in names[i % len(names):] + names[: i % len(names)]:
            begin = time.monotonic()
            runners[name]()
            megapixels = SIDES[name.split(",")[0]] ** 2 / 1e6
            seconds[name].append((time.monotonic() - begin) / megapixels)
            print(f"round {i + 1}: {name} {seconds[name][-1]:.2f}", file=sys.stderr)
    ours = statistics.median(seconds["sdedit"])
    print(f"load average {os.getloadavg()[0]:.1f}\n")
    print("| | s/MP | times ours |\n| --- | ---: | ---: |")
    for name in names:
        median = statistics.median(seconds[name])
        print(f"| {name} | {median:.2f} | {median / ours:.1f} |")


if __name__ == "__main__":
    main()
