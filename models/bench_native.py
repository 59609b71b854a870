#!/usr/bin/env python3
"""Time a training step's network with PyTorch's layers and with ours, in turns.

    dev/train python3 models/bench_native.py models/default --batch 16 --crop 64

CPU time of one thread, medians of forward and backward pass: on a busy machine that says
more than the clock on the wall.
"""

import argparse
import statistics
import time

import torch

from sdedit_models import folder, native


def step(net, inputs, dy):
    """Seconds of one forward and one backward pass."""
    start = time.process_time()
    y = net(*inputs)
    middle = time.process_time()
    (y * dy).sum().backward()
    return middle - start, time.process_time() - middle


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", help="model folder")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--crop", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=7)
    args = parser.parse_args()
    torch.set_num_threads(1)
    net = folder.load_folder(args.model).train().requires_grad_(True)
    n, side = args.batch, args.crop // 2
    inputs = (torch.randn(n, net.config["in_channels"], side, side),
              torch.full((n,), 100.0), torch.zeros(n, dtype=torch.long))
    dy = torch.randn(n, net.config["out_channels"], side, side)
    times = {"PyTorch": [], "native": []}
    for _ in range(args.rounds + 1):
        for name, seconds in times.items():
            if name == "PyTorch":
                native.stop()
            elif not native.start(1):
                raise SystemExit("models/native is not built: use dev/train")
            seconds.append(step(net, inputs, dy))
    for name, seconds in times.items():
        forward, backward = (1000 * statistics.median(s) for s in zip(*seconds[1:]))
        print(f"{name:8} forward {forward:6.0f} ms, backward {backward:6.0f} ms")


if __name__ == "__main__":
    main()
