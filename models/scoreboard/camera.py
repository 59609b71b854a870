"""Photos with noise as a camera makes it: a small, documented raw developer.

A photo is taken back to what a sensor would have counted, exposed with noise, and
developed again:

1. The sRGB curve and the tone curve are undone, the white balance divided out; lens and
   low-pass filter blur by 0.7 pixels.
2. A Bayer mosaic (RGGB) keeps one colour of each pixel.
3. Photons are counted: Poisson noise in linear light. At base sensitivity (ISO 100) a
   pixel holds 30,000 electrons, at ISO n 100/n of that. Reading adds 3 electrons of
   Gaussian noise, and 12 bits above a black level are kept.
4. Bilinear demosaicing, white balance, tone curve, sRGB curve, 8 bits.
5. JPEG of quality 80 to 95, colour at full or half resolution.

The truth to compare with is the same photo without noise and without JPEG (but with
mosaic and demosaicing, which are not the denoiser's to repair). Nothing is shared with
the noise in sdedit_models/mixture.py, which works on developed photos: this measures
whether that is good enough.
"""

import io
from dataclasses import dataclass

import numpy as np
from PIL import Image
from scipy.ndimage import convolve, gaussian_filter

from .pictures import from_bytes, to_8_bit, to_bytes

FULL_WELL = 30_000  # electrons at ISO 100
READ_NOISE = 3  # electrons
RAW_LEVELS = 4095
LENS_BLUR = 0.7  # pixels, standard deviation
BLACK_LEVEL = 256
STRENGTHS = (800, 3200, 12800, 51200)  # ISO

GREEN = np.array([[0, 1, 0], [1, 4, 1], [0, 1, 0]]) / 4
RED_OR_BLUE = np.array([[1, 2, 1], [2, 4, 2], [1, 2, 1]]) / 4


@dataclass
class Development:
    """How one photo is developed: white balance of red and blue, contrast, JPEG."""

    red: float
    blue: float
    contrast: float
    quality: int
    subsampling: int


def choose_development(rng):
    return Development(
        red=rng.uniform(1.6, 2.4),
        blue=rng.uniform(1.3, 2.0),
        contrast=rng.uniform(0.0, 0.6),
        quality=int(rng.integers(80, 96)),
        subsampling=int(rng.choice([0, 2])),
    )


def srgb_to_linear(x):
    return np.where(x <= 0.04045, x / 12.92, ((x + 0.055) / 1.055) ** 2.4)


def linear_to_srgb(x):
    return np.where(x <= 0.0031308, x * 12.92, 1.055 * x ** (1 / 2.4) - 0.055)


def tone_curve(x, contrast):
    """Between the identity and an S of the developed brightness, 0..1."""
    return (1 - contrast) * x + contrast * x * x * (3 - 2 * x)


def undo_tone_curve(y, contrast):
    x = np.linspace(0, 1, 4096)
    return np.interp(y, tone_curve(x, contrast), x)


def to_sensor(photo, development):
    """Linear light as it falls on the sensor, 0..1 of what a pixel can hold."""
    linear = srgb_to_linear(undo_tone_curve(photo, development.contrast))
    balanced = linear / (development.red, 1, development.blue)
    return gaussian_filter(balanced, (LENS_BLUR, LENS_BLUR, 0))


def mosaic(sensor):
    """One value for each pixel, and which colour it has, [h, w, 3] of bool."""
    kept = np.zeros(sensor.shape, bool)
    kept[::2, ::2, 0] = True
    kept[::2, 1::2, 1] = kept[1::2, ::2, 1] = True
    kept[1::2, 1::2, 2] = True
    return (sensor * kept).sum(axis=2), kept


def expose(light, iso, rng):
    """What is read from a sensor under `light` (0..1 of a full pixel at this ISO)."""
    full = FULL_WELL * 100 / iso
    electrons = rng.poisson(light * full) + rng.normal(0, READ_NOISE, light.shape)
    levels = np.rint(electrons / full * RAW_LEVELS)
    return np.clip(levels, -BLACK_LEVEL, RAW_LEVELS) / RAW_LEVELS


def demosaic(raw, kept):
    """Bilinear interpolation of each colour."""
    planes = (raw[..., None] * kept).transpose(2, 0, 1)
    kernels = (RED_OR_BLUE, GREEN, RED_OR_BLUE)
    return np.stack(
        [convolve(p, k, mode="mirror") for p, k in zip(planes, kernels)], axis=2
    )


def develop(raw, kept, development):
    """From raw values to an 8-bit picture."""
    linear = demosaic(raw, kept) * (development.red, 1, development.blue)
    bright = linear_to_srgb(np.clip(linear, 0, 1))
    return to_8_bit(tone_curve(bright, development.contrast).astype(np.float32))


def through_jpeg(picture, quality, subsampling):
    file = io.BytesIO()
    image = Image.fromarray(to_bytes(picture))
    image.save(file, "JPEG", quality=quality, subsampling=subsampling)
    return from_bytes(np.asarray(Image.open(file)))


def photograph(photo, iso, seed):
    """(truth, noisy): the photo as the camera makes it, without and with noise."""
    rng = np.random.default_rng([iso, seed])
    development = choose_development(rng)
    light, kept = mosaic(to_sensor(photo.astype(np.float64), development))
    truth = develop(light, kept, development)
    noisy = develop(expose(light, iso, rng), kept, development)
    return truth, through_jpeg(noisy, development.quality, development.subsampling)
