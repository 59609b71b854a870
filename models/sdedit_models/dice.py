"""Random numbers for a batch: on the device that makes it, and resumable."""

import numpy as np
import torch


class Dice:
    """Tensors from a generator of the device; counts from one of the host."""

    def __init__(self, seed, device="cpu"):
        self.device = torch.device(device)
        self.host = np.random.default_rng(seed)
        seed = int(self.host.integers(2**62))
        self.generator = torch.Generator(self.device).manual_seed(seed)

    def state(self):
        return self.host.bit_generator.state, self.generator.get_state()

    def restore(self, state):
        self.host.bit_generator.state = state[0]
        self.generator.set_state(state[1])

    def counts(self, n, shares):
        """How many of n fall to each of `shares`, which add up to 1; on the host."""
        return self.host.multinomial(n, shares).tolist()

    def uniform(self, *shape, low=0.0, high=1.0):
        x = torch.rand(shape, generator=self.generator, device=self.device)
        return low + (high - low) * x

    def normal(self, *shape):
        return torch.randn(shape, generator=self.generator, device=self.device)

    def chance(self, share, *shape):
        """True with probability `share`, a number or a tensor."""
        return self.uniform(*shape) < share

    def below(self, bound, *shape):
        """Integers 0 ... bound - 1: of this shape, or one for each of a tensor of bounds."""
        draws = self.uniform(*(shape or bound.shape))
        return (draws * bound).long().clamp(max=bound - 1)
