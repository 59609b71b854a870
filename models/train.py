#!/usr/bin/env python3
"""Train a model of the default kind, from nothing or from a model folder.

    python3 models/train.py --photos PHOTOS --valid OTHERS --out RUN --minutes 60

Training goes in chunks. After each, RUN holds everything to go on exactly where it
stopped (state.pt), the averaged weights (ema.safetensors) and a line in log.jsonl with
the PSNR of the validation photos. The same command goes on with a run. The learning
rate follows a cosine that ends with --minutes, --until or --steps.
"""

import argparse
import copy
import datetime
import json
import math
import os
import time
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
from safetensors.torch import save_file

import decode
from sdedit_models import (
    folder, masks, mixture, muon, native, pictures, teacher, unet, validation,
)
from sdedit_models.dice import Dice
from sdedit_models.levels import predict_v


def parse_args(argv=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--photos", help="folder of photos (class 0)")
    add("--art", help="folder with one folder of pictures for each art class")
    add("--valid", help="folder of photos for validation only")
    add("--out", type=Path, required=True, help="folder of the run; goes on with it")
    add("--cache", type=Path, help="decoded pictures (default: OUT/pictures.u8); a pattern "
        "like 'parts/*.u8' is looked at again after every chunk")
    add("--init", help="model folder to start from")
    add("--teacher", help="model folder: learn what it finds in mirrored pictures where "
        "the noise is not a camera's")
    add("--long-side", type=int, help="shrink larger pictures to this before use")
    add("--minutes", type=float, help="stop after this many minutes")
    add("--until", help="stop at this time of day, HH:MM (UTC)")
    add("--steps", type=int, help="stop at this step")
    add("--chunk-minutes", type=float, default=10, help="between snapshots")
    add("--widths", default="48,96,160,160", help="channels of the levels")
    add("--layers", type=int, default=2, help="resnets per level")
    add("--groups", type=int, default=8, help="groups of the group norms")
    add("--time", default="scale_shift", choices=["scale_shift", "default"])
    add("--optimizer", default="muon", choices=["muon", "adamw"])
    add("--lr", type=float, default=1e-3, help="peak learning rate")
    add("--batch", type=int, default=16, help="crops in a step, all processes")
    add("--crop", type=int, default=64)
    add("--late-crop", type=int, help="for the last third, with as many pixels a step")
    add("--tasks", type=shares, default=mixture.WEIGHTS, help="shares of noise removal, "
        "restyling, holes and fields of levels in the samples, like 0.4,0.2,0.35,0.05")
    add("--warm-up", type=float, default=0.02, help="share of the run")
    add("--ema", type=float, default=0.999)
    add("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    add("--threads", type=int, default=1, help="of each process")
    add("--processes", type=int, default=1, help="share each step (CPU)")
    add("--loaders", type=int, default=0, help="processes that only draw holes")
    add("--compile", action="store_true", help="compile the network (torch.compile)")
    add("--seed", type=int, default=0)
    add("--valid-photos", type=int, default=20)
    add("--valid-crop", type=int, default=160)
    return parser.parse_args(argv)


def shares(text):
    """Numbers with commas between them, divided by their sum."""
    values = np.array([float(value) for value in text.split(",")])
    if len(values) != len(mixture.WEIGHTS) or (values < 0).any() or values.sum() == 0:
        raise argparse.ArgumentTypeError(f"{text}: {len(mixture.WEIGHTS)} shares are needed")
    return values / values.sum()


class Clock:
    """How much of the run is done, 0..1, by time or by steps."""

    def __init__(self, args, done):
        self.start, self.done, self.steps = time.time(), done, args.steps
        self.end = None
        if args.until:
            now = datetime.datetime.now(datetime.timezone.utc)
            hour, minute = map(int, args.until.split(":"))
            end = now.replace(hour=hour, minute=minute, second=0)
            if end < now:
                end += datetime.timedelta(days=1)
            self.end = end.timestamp()
        elif args.minutes:
            self.end = self.start + 60 * args.minutes
        elif not args.steps:
            raise SystemExit("one of --minutes, --until and --steps is needed")

    def progress(self, step):
        if self.end is None:
            return min(1.0, step / self.steps)
        share = (time.time() - self.start) / (self.end - self.start)
        return min(1.0, self.done + (1 - self.done) * share)


def learning_rate(progress, warm_up):
    """Share of the peak: linear warm-up, then a cosine to 2 %."""
    if progress < warm_up:
        return max(0.02, progress / warm_up)
    x = (progress - warm_up) / (1 - warm_up)
    return 0.02 + 0.98 * (1 + math.cos(math.pi * x)) / 2


class HoleLoader(torch.utils.data.IterableDataset):
    """Draws holes in processes of its own; such runs do not resume bit for bit."""

    TOGETHER = 16

    def __init__(self, args, step):
        self.args, self.step = args, step
        self.size = torch.tensor(args.crop).share_memory_()
        self.depths = torch.empty(0, 1, args.crop, args.crop, device=args.device)
        self.batches = iter(
            torch.utils.data.DataLoader(
                self, batch_size=None, num_workers=args.loaders, prefetch_factor=8,
                pin_memory=args.device != "cpu",
            )
        )

    def __iter__(self):
        worker = torch.utils.data.get_worker_info().id
        rng = np.random.default_rng([self.args.seed, self.step, worker])
        while True:
            yield masks.random_depths(rng, self.TOGETHER, int(self.size))

    def draw(self, n, size):
        self.size.fill_(size)
        found = [self.depths] if self.depths.shape[2] == size else []
        while sum(map(len, found)) < n:
            depths = next(self.batches)
            if depths.shape[2] == size:  # others were drawn ahead for smaller crops
                found.append(depths.to(self.args.device, non_blocking=True))
        found = torch.cat(found)
        self.depths = found[n:]
        return found[:n]


class Trainer:
    """Everything that a run consists of; `state` and `restore` make it resumable."""

    def __init__(self, args, rank=0):
        self.args, self.rank = args, rank
        torch.manual_seed(args.seed)
        if args.init:
            self.net = folder.load_folder(args.init).train().requires_grad_(True)
            self.net.posterior_input = True  # an older model learns it quickly
        else:
            widths = [int(width) for width in args.widths.split(",")]
            self.net = unet.UNet(
                unet.make_config(widths, args.layers, args.groups, args.time)
            )
        self.net.to(args.device)
        if args.device != "cpu":  # what its convolutions like
            self.net.to(memory_format=torch.channels_last)
        self.ema = copy.deepcopy(self.net).requires_grad_(False)
        self.teacher = None
        if args.teacher:
            self.teacher = folder.load_folder(args.teacher).to(args.device)
        self.optimizers = muon.make_optimizers(
            self.net, args.optimizer, args.lr, threads=args.threads
        )
        self.compiled = torch.compile(self.net) if args.compile else self.net
        self.dice = Dice([args.seed, rank], args.device)
        self.step = self.crops = 0
        self.done = self.seconds = 0.0
        self.pictures = pictures.Pictures(args.cache, args.device)
        self.hole_loader = None

    def state(self):
        return {
            "config": self.net.config,
            "net": self.net.state_dict(),
            "ema": self.ema.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "dice": self.dice.state(),
            "step": self.step,
            "crops": self.crops,
            "done": self.done,
            "seconds": self.seconds,
        }

    def restore(self, state):
        self.net.load_state_dict(state["net"])
        self.ema.load_state_dict(state["ema"])
        for optimizer, saved in zip(self.optimizers, state["optimizers"]):
            optimizer.load_state_dict(saved)
        if self.rank == 0:
            self.dice.restore(state["dice"])
        else:
            seed = [self.args.seed, self.rank, state["step"]]
            self.dice = Dice(seed, self.args.device)
        for key in ("step", "crops", "done", "seconds"):
            setattr(self, key, state[key])

    def next_batch(self, progress):
        """What to train on in one step."""
        args = self.args
        n, size = args.batch // args.processes, args.crop
        if args.late_crop and progress > 2 / 3:
            n = max(1, round(n * (size / args.late_crop) ** 2))
            size = args.late_crop
        late = bool(args.init) or progress > 0.2  # white noise is learnt first
        batch = mixture.batch(
            self.pictures, self.draw_holes, self.dice, n, size, late, args.tasks
        )
        if self.teacher:
            with self.half_precision():
                batch.x0 = teacher.taught_x0(self.teacher, batch, self.dice)
        return batch

    def half_precision(self):
        device = self.args.device
        return torch.autocast(device, torch.bfloat16, enabled=device != "cpu")

    def draw_holes(self, n, size):
        if not self.args.loaders:
            return masks.random_depths(self.dice.host, n, size).to(self.args.device)
        if self.hole_loader is None:
            self.hole_loader = HoleLoader(self.args, self.step)
        return self.hole_loader.draw(n, size)

    def train_step(self, progress):
        """One step of all optimisers; the loss."""
        batch = self.next_batch(progress)
        with self.half_precision():
            v = predict_v(
                self.compiled, batch.x_t, batch.angles, batch.labels, batch.mean
            )
        loss = mixture.loss_of(v, batch)
        loss.backward()
        params = list(self.net.parameters())
        if self.args.processes > 1:
            average_gradients(params)
        torch.nn.utils.clip_grad_norm_(params, 1.0, foreach=True)
        share = learning_rate(progress, self.args.warm_up)
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = share * self.args.lr
            optimizer.step()
        self.net.zero_grad()
        self.step += 1
        self.crops += len(batch.x0) * self.args.processes
        decay = min(self.args.ema, (1 + self.step) / (10 + self.step))
        torch._foreach_lerp_(list(self.ema.parameters()), params, 1 - decay)
        return loss.detach()

    def train(self, clock, seconds):
        """Steps for this long or to the end of the run; the mean loss."""
        losses, start = [], time.time()
        self.done = clock.progress(self.step)
        while not self.agree(self.done >= 1 or time.time() - start > seconds):
            losses.append(self.train_step(self.done))
            self.done = clock.progress(self.step)
        self.seconds += time.time() - start
        return float(sum(losses) / max(1, len(losses)))

    def agree(self, stop):
        """Whether to stop: what the first process thinks."""
        if self.args.processes == 1:
            return stop
        answer = torch.tensor([float(stop), self.done], dtype=torch.float64)
        dist.broadcast(answer, 0)
        self.done = float(answer[1])
        return bool(answer[0])


def average_gradients(params):
    """Make the gradients of all processes their mean."""
    flat = torch.cat([p.grad.reshape(-1) for p in params])
    dist.all_reduce(flat)
    flat /= dist.get_world_size()
    for p, part in zip(params, flat.split([p.numel() for p in params])):
        p.grad = part.view_as(p)


def save(trainer, out):
    """Write state and EMA so that a crash never leaves half a file."""
    torch.save(trainer.state(), out / "state.part")
    os.replace(out / "state.part", out / "state.pt")
    config = json.dumps(trainer.net.config)
    weights = {name: w.contiguous() for name, w in trainer.ema.state_dict().items()}
    save_file(weights, out / "ema.part", {"config": config})
    os.replace(out / "ema.part", out / "ema.safetensors")


def load(out):
    """The state that `save` wrote."""
    return torch.load(out / "state.pt", weights_only=False)


def run(rank, args):
    """One process of the training."""
    native.start(args.threads)
    torch.set_num_threads(1 if native.library else args.threads)
    torch.set_float32_matmul_precision("high")  # on a GPU; convolutions have bf16
    torch.backends.cudnn.benchmark = True
    if args.processes > 1:
        store = f"file://{args.out.resolve()}/rendezvous"
        dist.init_process_group("gloo", store, rank=rank, world_size=args.processes)
    trainer = Trainer(args, rank)
    if (args.out / "state.pt").exists():
        trainer.restore(load(args.out))
    photos = []
    if args.valid and rank == 0:
        photos = validation.read_photos(args.valid, args.valid_photos, args.valid_crop)
    clock = Clock(args, trainer.done)
    while True:
        loss = trainer.train(clock, 60 * args.chunk_minutes)
        if rank == 0:
            save(trainer, args.out)
            report(trainer, photos, loss)
        trainer.pictures.refresh()
        if trainer.done >= 1:
            break


def report(trainer, photos, loss):
    """A line in the log: what was done and how good the EMA is."""
    entry = {
        "time": datetime.datetime.now(datetime.timezone.utc).strftime("%H:%M:%S"),
        "step": trainer.step,
        "crops": trainer.crops,
        "minutes": round(trainer.seconds / 60, 1),
        "progress": round(trainer.done, 4),
        "loss": round(loss, 5),
    }
    if photos:
        entry["psnr"] = validation.short_table(trainer.ema, photos)
    print(json.dumps(entry), flush=True)
    with open(trainer.args.out / "log.jsonl", "a") as log:
        log.write(json.dumps(entry) + "\n")


def prepare(args):
    """Make the folder of the run, and decode the pictures if that was not done yet."""
    args.out.mkdir(parents=True, exist_ok=True)
    args.cache = args.cache or args.out / "pictures.u8"
    if not list(args.cache.parent.glob(args.cache.name)):
        decode.decode(args.photos, args.art, args.cache, args.long_side)


def main(argv=None):
    args = parse_args(argv)
    prepare(args)
    if args.processes == 1:
        run(0, args)
    else:
        (args.out / "rendezvous").unlink(missing_ok=True)
        torch.multiprocessing.spawn(run, (args,), nprocs=args.processes)


if __name__ == "__main__":
    main()
