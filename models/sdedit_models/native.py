"""Layers that run on the engine's kernels: faster on a CPU than PyTorch's own.

models/native/ has the code; `dev/train` builds it. Where the library is missing, or the
tensors are not float32 on the CPU, `conv` and `norm_silu` are PyTorch's layers.
"""

import ctypes
import os
from pathlib import Path

import torch
from torch.nn import functional as F

LIBRARY = Path(__file__).parents[2] / "build-train/models/native/libsdedit-train.so"
MEMORY = torch.channels_last


class ConvShape(ctypes.Structure):
    _fields_ = [(name, ctypes.c_int) for name in ("n", "h", "w", "cin", "cout", "side",
                                                  "stride")]


class NormShape(ctypes.Structure):
    _fields_ = [(name, ctypes.c_int) for name in ("n", "pixels", "channels", "groups")]
    _fields_.append(("eps", ctypes.c_float))


class Library:
    """The loaded library, with the threads it works with."""

    def __init__(self, path, n_threads):
        self.code = ctypes.CDLL(os.fspath(path))
        self.code.sde_train_new.restype = ctypes.c_void_p
        self.train = ctypes.c_void_p(self.code.sde_train_new(n_threads))

    def call(self, name, shape, *tensors):
        """`name`(train, shape, pointers of the tensors; None is NULL)."""
        pointers = [None if t is None else ctypes.c_void_p(t.data_ptr()) for t in tensors]
        getattr(self.code, name)(self.train, ctypes.byref(shape), *pointers)


library = None


def start(n_threads, path=LIBRARY):
    """Use the library from now on, if it is there; whether it is."""
    global library
    if library is None and path.exists():
        library = Library(path, n_threads)
    return library is not None


def stop():
    """Use PyTorch's own layers from now on."""
    global library
    library = None


def fits(x, channels):
    """Whether these inputs are for the library."""
    return (library is not None and x.device.type == "cpu" and channels % 16 == 0
            and x.dtype == torch.float32)


def conv_shape(x, weight, stride):
    n, cin, h, w = x.shape
    return ConvShape(n, h, w, cin, weight.shape[0], weight.shape[2], stride)


class Conv(torch.autograd.Function):
    """Side 3 or 1 with half of it as padding."""

    @staticmethod
    def forward(ctx, x, weight, bias, stride):
        x = x.contiguous(memory_format=MEMORY)
        shape = conv_shape(x, weight, stride)
        ctx.save_for_backward(x, weight)
        ctx.stride = stride
        size = (shape.n, shape.cout, -(-shape.h // stride), -(-shape.w // stride))
        y = torch.empty(size, memory_format=MEMORY)
        library.call("sde_train_conv", shape, x, weight, bias, y)
        return y

    @staticmethod
    def backward(ctx, dy):
        x, weight = ctx.saved_tensors
        dy = dy.contiguous(memory_format=MEMORY)
        dx = torch.empty_like(x) if ctx.needs_input_grad[0] else None
        dweight, dbias = torch.empty_like(weight), torch.empty(len(weight))
        library.call("sde_train_conv_backward", conv_shape(x, weight, ctx.stride), x,
                     weight, dy, dx, dweight, dbias)
        return dx, dweight, dbias, None


class NormSilu(torch.autograd.Function):
    """silu(group norm(x) * (1 + scale) + shift); scale, shift: [n, c] or None."""

    @staticmethod
    def forward(ctx, x, gain, bias, scale, shift, groups, eps):
        x = x.contiguous(memory_format=MEMORY)
        if scale is not None:
            scale, shift = scale.contiguous(), shift.contiguous()
        n, channels, h, w = x.shape
        ctx.shape = NormShape(n, h * w, channels, groups, eps)
        y, statistics = torch.empty_like(x), torch.empty(n, groups, 2)
        library.call("sde_train_norm", ctx.shape, x, gain, bias, scale, shift, y,
                     statistics)
        ctx.save_for_backward(x, gain, bias, scale, shift, statistics)
        return y

    @staticmethod
    def backward(ctx, dy):
        x, gain, bias, scale, shift, statistics = ctx.saved_tensors
        dy, dx = dy.contiguous(memory_format=MEMORY), torch.empty_like(x)
        dgain, dbias = torch.empty_like(gain), torch.empty_like(bias)
        dscale, dshift = (None if t is None else torch.empty_like(t)
                          for t in (scale, shift))
        library.call("sde_train_norm_backward", ctx.shape, x, gain, bias, scale, shift,
                     statistics, dy, dx, dgain, dbias, dscale, dshift)
        return dx, dgain, dbias, dscale, dshift, None, None


def conv(layer, x):
    """A Conv2d of side 3 or 1, padded by half of it."""
    if not fits(x, x.shape[1]):
        return layer(x)
    return Conv.apply(x, layer.weight, layer.bias, layer.stride[0])


def norm_silu(layer, x, scale=None, shift=None):
    """A GroupNorm, modulated by [n, c] if given, and SiLU."""
    if fits(x, x.shape[1]):
        return NormSilu.apply(x, layer.weight, layer.bias, scale, shift,
                              layer.num_groups, layer.eps)
    h = layer(x)
    if scale is not None:
        h = torch.addcmul(shift[:, :, None, None], h, 1 + scale[:, :, None, None])
    return F.silu(h)
