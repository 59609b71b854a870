"""Model folders in diffusers layout: what the plug-in loads."""

import json
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from .levels import CLASS_NAMES, N_TIMESTEPS, NONE_CLASS, PATCH
from .unet import UNet

WEIGHTS = "diffusion_pytorch_model.safetensors"
INDEX = {
    "_class_name": "DDIMPipeline",
    "_diffusers_version": "0.31.0",
    "scheduler": ["diffusers", "DDIMScheduler"],
    "unet": ["diffusers", "UNet2DModel"],
    "sdedit": {
        "patch_size": PATCH,
        "level_map": True,
        "posterior_input": True,
        "class_names": CLASS_NAMES,
        "none_class": NONE_CLASS,
        "default_class": 0,
        "restyle_class": CLASS_NAMES.index("oil_painting"),
    },
}
SCHEDULER = {
    "_class_name": "DDIMScheduler",
    "_diffusers_version": "0.31.0",
    "num_train_timesteps": N_TIMESTEPS,
    "beta_schedule": "squaredcos_cap_v2",
    "beta_start": 0.0001,
    "beta_end": 0.02,
    "trained_betas": None,
    "prediction_type": "v_prediction",
    "clip_sample": True,
    "clip_sample_range": 1.0,
    "thresholding": False,
    "dynamic_thresholding_ratio": 0.995,
    "sample_max_value": 1.0,
    "rescale_betas_zero_snr": False,
    "set_alpha_to_one": True,
    "steps_offset": 0,
    "timestep_spacing": "trailing",
}


def write_json(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=2) + "\n")


def save_folder(folder, config, weights, dtype=torch.bfloat16, more=None):
    """Write a complete model folder; `weights` are tensors by name.

    `more`: further keys of the index's "sdedit" object.
    """
    folder = Path(folder)
    index = {**INDEX, "sdedit": {**INDEX["sdedit"], **(more or {})}}
    write_json(folder / "model_index.json", index)
    write_json(folder / "scheduler" / "scheduler_config.json", SCHEDULER)
    write_json(folder / "unet" / "config.json", config)
    tensors = {name: w.detach().to(dtype).contiguous() for name, w in weights.items()}
    save_file(tensors, folder / "unet" / WEIGHTS, {"format": "pt"})


def load_folder(folder, dtype=torch.float32):
    """The network of a model folder, ready for inference."""
    unet = Path(folder) / "unet"
    index = json.loads((Path(folder) / "model_index.json").read_text())
    posterior_input = index["sdedit"].get("posterior_input", False)
    net = UNet(json.loads((unet / "config.json").read_text()), posterior_input)
    weights = load_file(unet / WEIGHTS)
    net.load_state_dict({name: w.to(dtype) for name, w in weights.items()})
    return net.to(dtype).eval().requires_grad_(False)
