"""Muon: momentum whose matrices are made orthogonal; AdamW for everything else."""

from concurrent.futures import ThreadPoolExecutor

import torch


def orthogonal(matrices, steps=5):
    """Nearly the orthogonal factors of [k, m, n], by a Newton-Schulz iteration."""
    a, b, c = 3.4445, -4.7750, 2.0315
    tall = matrices.shape[1] > matrices.shape[2]
    x = matrices.mT if tall else matrices
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(steps):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.mT if tall else x


class Muon(torch.optim.Optimizer):
    """For weights of two or more dimensions; the step has the size that Adam's has."""

    def __init__(self, params, lr, momentum=0.95, weight_decay=0.0, threads=1):
        defaults = {"lr": lr, "momentum": momentum, "weight_decay": weight_decay}
        super().__init__(params, defaults)
        self.threads = ThreadPoolExecutor(threads)

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            alike = {}
            for p in group["params"]:
                if not self.state[p]:
                    self.state[p]["average"] = torch.zeros_like(p)
                together = p.reshape(len(p), -1).shape if p.is_cuda else p
                alike.setdefault(together, []).append(p)
            work = [(params, group) for params in alike.values()]
            work.sort(key=lambda pair: -sum(p.numel() for p in pair[0]))
            list(self.threads.map(self.step_some, work))

    @torch.no_grad()
    def step_some(self, work):
        """For weights of one shape: few large products suit a GPU."""
        params, group = work
        averages = [self.state[p]["average"] for p in params]
        grads = [p.grad for p in params]
        torch._foreach_mul_(averages, group["momentum"])
        torch._foreach_add_(averages, grads)
        updates = torch._foreach_add(grads, averages, alpha=group["momentum"])
        updates = orthogonal(torch.stack([u.reshape(len(u), -1) for u in updates]))
        size = 0.2 * max(updates.shape[1:]) ** 0.5
        torch._foreach_mul_(params, 1 - group["lr"] * group["weight_decay"])
        for p, update in zip(params, updates):
            p.add_(update.reshape(p.shape), alpha=-group["lr"] * size)


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
