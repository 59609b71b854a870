#!/usr/bin/env python3
"""Write the golden cases of a model: what it must return, to the last digits.

    python3 models/golden.py models/default tests/golden/default_unet \\
        tests/golden/default_denoiser tests/golden/default_noise_net

The first is about the network: two samples of different classes, fractional timesteps
and level maps; one has a clean half. The second is about a picture with an angle per
pixel and guidance: x_t in, x0 out. The third is about the noise network: a noisy picture
in, a guess for every cell out. The tolerance is 16 times the difference between
float32 and float64, at least 4e-6 of the largest value.
"""

import argparse
import copy
import json
import os
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch.nn import functional as F

from sdedit_models import folder, native, noise_net
from sdedit_models.levels import NONE_CLASS, PATCH, filling, predict_v, timestep_of, x0_of

HEIGHT, WIDTH = 24, 32  # of what the network sees; twice that in pixels
LABELS = [0, 4]
TAPS = ("time_embedding", "class_embedding", "mid_block")
HOW = (
    "Load the UNet2DModel folder `model`; out = forward(sample, timestep, "
    "class_labels). BF16 weights are widened to f32, computation is f32. tap.* are "
    "outputs of the named submodules (for blocks: the hidden state)."
)


def make_input():
    """sample [2, 16, HEIGHT, WIDTH] and timestep [2] as the tasks make them."""
    seeded = torch.Generator().manual_seed(1)
    h, w = HEIGHT * PATCH, WIDTH * PATCH
    coarse = torch.rand(2, 3, 6, 8, generator=seeded) * 2 - 1
    x0 = F.interpolate(coarse, size=(h, w), mode="bilinear")
    angles = torch.full((2, 1, h, w), 0.191)
    angles[1] = 1.234
    angles[1, :, :, : w // 2] = 0
    noise = torch.randn(x0.shape, generator=seeded)
    x_t = angles.cos() * x0 + angles.sin() * noise
    levels = angles * (4 / torch.pi) - 1
    sample = F.pixel_unshuffle(torch.cat([x_t, levels], dim=1), PATCH)
    return sample, timestep_of(angles.amax(dim=(1, 2, 3)))


@torch.inference_mode()
def outputs(net, sample, timestep, labels):
    """`out` and the outputs of TAPS."""
    tensors, hooks = {}, []

    def keep(name):
        return lambda module, args, out: tensors.update({f"tap.{name}": out.clone()})

    for name in TAPS:
        if name != "mid_block":
            hooks.append(getattr(net, name).register_forward_hook(keep(name)))
    hooks.append(net.mid_block.resnets[-1].register_forward_hook(keep("mid_block")))
    tensors["out"] = net(sample, timestep, labels).clone()
    for hook in hooks:
        hook.remove()
    return tensors


def tolerance(single, double):
    """How far another implementation may be from `single`."""
    noise = (single.double() - double).abs().max().item()
    largest = double.abs().max().item()
    return {
        "max_abs_err": float(f"{max(16 * noise, 4e-6 * largest):.3g}"),
        "f32_noise_max_abs": float(f"{noise:.3g}"),
        "max_abs_ref": float(f"{largest:.4g}"),
    }


def make_picture():
    """x_t [1, 3, h, w] and angles [1, 1, h, w]: a clean border around two levels."""
    seeded = torch.Generator().manual_seed(2)
    h, w = HEIGHT * PATCH, WIDTH * PATCH
    coarse = torch.rand(1, 3, 6, 8, generator=seeded) * 2 - 1
    x0 = F.interpolate(coarse, size=(h, w), mode="bilinear")
    angles = torch.zeros(1, 1, h, w)
    angles[..., 5:40, 9:50] = 0.7
    angles[..., 11:30, 20:61] = 1.1
    noise = torch.randn(x0.shape, generator=seeded)
    return angles.cos() * x0 + angles.sin() * noise, angles


@torch.inference_mode()
def guided_x0(net, x_t, angles, mean, label, guidance):
    """x0 with classifier-free guidance, as the engine's denoiser gives it."""
    of = []
    for c in (NONE_CLASS, label):
        v = predict_v(net, x_t, angles, torch.tensor([c]), mean)
        of.append(x0_of(v, x_t, angles, mean))
    return of[0] + guidance * (of[1] - of[0])


def load_reference(model):
    """The network of a model folder, run by PyTorch alone."""
    torch.set_num_threads(1)
    native.stop()
    return folder.load_folder(model)


def save_case(case, words, model, params, tensors, roles, tolerances):
    """A case's folder. `words`: its kind, what it is, how to check it; `roles` of the
    tensors that are not inputs."""
    case = Path(case)
    case.mkdir(parents=True, exist_ok=True)
    kind, what, how = words
    description = {
        "case": case.name,
        "kind": kind,
        "what": what,
        "reference": {"torch": torch.__version__, "device": "cpu",
                      "compute_dtype": "float32"},
        "how_to_check": how,
        "model": os.path.relpath(model, case.parent),
        "params": params,
        "tensors": {
            name: {"role": roles.get(name, "input"), "shape": list(tensor.shape),
                   "dtype": "float32"}
            for name, tensor in tensors.items()
        },
        "tolerance": tolerances,
    }
    (case / "case.json").write_text(json.dumps(description, indent=1) + "\n")
    save_file(tensors, case / "tensors.safetensors")
    output = next(name for name, role in roles.items() if role == "output")
    print(case.name, tolerances[output])


def write_denoiser_case(model, case):
    net = load_reference(model)
    x_t, angles = make_picture()
    mean = filling(x_t, angles)
    params = {"class_label": LABELS[1], "guidance": 1.5}
    single = guided_x0(net, x_t, angles, mean, *params.values())
    double = guided_x0(copy.deepcopy(net).double(), x_t.double(), angles.double(),
                       mean.double(), *params.values())
    words = ("denoiser", "the default model: an angle per pixel, a class, guidance",
             "x0 of x where each pixel has the angle theta and is expected to be mean, "
             "with guidance from the class none to class_label")
    tensors = {"x": x_t.contiguous(), "theta": angles, "mean": mean, "x0": single.contiguous()}
    save_case(case, words, model, params, tensors, {"x0": "output"},
              {"x0": tolerance(single, double)})


@torch.inference_mode()
def write_noise_case(model, case):
    net = noise_net.load(model)
    x_t, angles = make_picture()
    x = (x_t / angles.cos()).clamp(-1, 1)
    single, double = net(x), copy.deepcopy(net).double()(x.double())
    words = ("noise_net", "the default model's noise network",
             "log_variance and log_spread of the cells of x")
    tensors = {"x": x.contiguous(), "out": single.contiguous()}
    save_case(case, words, model, {}, tensors, {"out": "output"},
              {"out": tolerance(single, double)})


def write_case(model, case):
    net = load_reference(model)
    sample, timestep = make_input()
    labels = torch.tensor(LABELS)
    single = outputs(net, sample, timestep, labels)
    twin = copy.deepcopy(net).double()
    double = outputs(twin, sample.double(), timestep.double(), labels)
    words = ("unet2d", "the default model: fractional timesteps, classes, level maps, bf16",
             HOW)
    roles = {name: "output" if name == "out" else "intermediate" for name in single}
    save_case(case, words, Path(model) / "unet",
              {"timestep": timestep.tolist(), "class_labels": LABELS},
              {"sample": sample.contiguous(), **single}, roles,
              {name: tolerance(single[name], double[name]) for name in single})
    save_file({"out": double["out"]}, Path(case) / "tensors_f64.safetensors")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", help="model folder")
    parser.add_argument("case", help="folder of the network's case")
    parser.add_argument("denoiser_case", nargs="?", help="folder of the picture's case")
    parser.add_argument("noise_case", nargs="?", help="folder of the noise network's case")
    args = parser.parse_args()
    write_case(args.model, args.case)
    if args.denoiser_case:
        write_denoiser_case(args.model, args.denoiser_case)
    if args.noise_case:
        write_noise_case(args.model, args.noise_case)


if __name__ == "__main__":
    main()
