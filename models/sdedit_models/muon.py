"""Muon: momentum whose matrices are made orthogonal; AdamW for everything else."""

from concurrent.futures import ThreadPoolExecutor

import torch


def orthogonal(matrix, steps=5):
    """Nearly the orthogonal factor of [m, n], by a Newton-Schulz iteration."""
    a, b, c = 3.4445, -4.7750, 2.0315
    tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.T if tall else matrix
    x = x / (x.norm() + 1e-7)
    for _ in range(steps):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.T if tall else x


class Muon(torch.optim.Optimizer):
    """For weights of two or more dimensions; the step has the size that Adam's has."""

    def __init__(self, params, lr, momentum=0.95, weight_decay=0.0, threads=1):
        defaults = {"lr": lr, "momentum": momentum, "weight_decay": weight_decay}
        super().__init__(params, defaults)
        self.threads = ThreadPoolExecutor(threads)

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            work = [(p, group) for p in group["params"]]
            work.sort(key=lambda pair: -pair[0].numel())
            for p, _ in work:
                if not self.state[p]:
                    self.state[p]["average"] = torch.zeros_like(p)
            list(self.threads.map(self.step_one, work))

    @torch.no_grad()
    def step_one(self, work):
        p, group = work
        average = self.state[p]["average"].mul_(group["momentum"]).add_(p.grad)
        update = p.grad + group["momentum"] * average
        matrix = update.reshape(len(p), -1)
        size = 0.2 * max(matrix.shape) ** 0.5
        update = orthogonal(matrix).reshape(p.shape)
        p.mul_(1 - group["lr"] * group["weight_decay"])
        p.add_(update, alpha=-group["lr"] * size)


def make_optimizers(net, kind, lr, weight_decay=0.01, threads=1):
    """The optimisers of a network, "muon" or "adamw"; edges are AdamW's in both."""
    edges = ("conv_in", "conv_out", "class_embedding", "time_emb")
    matrices, rest = [], []
    for name, p in net.named_parameters():
        inner = p.dim() > 1 and not name.startswith(edges)
        (matrices if inner and kind == "muon" else rest).append(p)
    betas = (0.9, 0.99)
    adam = torch.optim.AdamW(rest, lr=lr, betas=betas, weight_decay=0.0, foreach=True)
    if not matrices:
        return [adam]
    return [adam, Muon(matrices, lr, weight_decay=weight_decay, threads=threads)]
