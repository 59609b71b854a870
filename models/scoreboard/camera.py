"""Photos with noise as a camera makes it: a small, documented raw developer.

A photo is taken back to what a sensor would have counted, exposed with noise, and
developed again:

1. The sRGB curve and the tone curve are undone, sRGB's colours turned into the sensor's,
   the white balance divided out; lens and low-pass filter blur.
2. A Bayer mosaic keeps one colour of each pixel. Where it begins (RGGB, GRBG, GBRG, BGGR)
   goes by the seed: each is a quarter of the photos.
3. Photons are counted: Poisson noise in linear light, with so many electrons in a full
   pixel at base sensitivity (ISO 100); at ISO n, 100/n of that. Reading adds 3 electrons
   of Gaussian noise, and 12 bits above a black level are kept.
4. Demosaicing, white balance, sRGB's colours, tone curve, sRGB curve, 8 bits.
5. JPEG, colour at full or half resolution.

There are two cameras. COMPACT has small pixels, demosaics bilinearly, and stores JPEG of
quality 80 to 95. FULL_FRAME holds twice the light, has a softer lens at the scale of its
pixels, demosaics along edges (Hamilton and Adams 1997), and stores JPEG of 95 to 99: the
kind of file that collections of real noise are made of.

The truth to compare with is the same photo without noise and without JPEG (but with
mosaic and demosaicing, which are not the denoiser's to repair): what the mean of very
many shots would be. Nothing is shared with sdedit_models/cameras.py: this measures
whether training on that is good enough.
"""

import io
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image
from scipy.ndimage import convolve, convolve1d, gaussian_filter

from .pictures import from_bytes, to_8_bit, to_bytes

READ_NOISE = 3  # electrons
RAW_LEVELS = 4095
BLACK_LEVEL = 256

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


def choose_development(camera, rng):
    return Development(
        red=rng.uniform(1.6, 2.4),
        blue=rng.uniform(1.3, 2.0),
        contrast=rng.uniform(0.0, 0.6),
        quality=int(rng.integers(*camera.qualities)),
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


def to_sensor(photo, camera, development):
    """Linear light as it falls on the sensor, 0..1 of what a pixel can hold."""
    linear = srgb_to_linear(undo_tone_curve(photo, development.contrast))
    seen = np.maximum(linear @ np.linalg.inv(camera.colours).T, 0)
    balanced = seen / (development.red, 1, development.blue)
    return gaussian_filter(balanced, (camera.lens_blur, camera.lens_blur, 0))


def mosaic(sensor, phase=0):
    """One value for each pixel, and which colour it has, [h, w, 3] of bool. The first
    pixel is red, green beside red, green beside blue or blue: phase 0 to 3."""
    row, column = divmod(phase, 2)
    kept = np.zeros(sensor.shape, bool)
    kept[row::2, column::2, 0] = True
    kept[1 - row :: 2, 1 - column :: 2, 2] = True
    kept[..., 1] = ~kept.any(axis=2)
    return (sensor * kept).sum(axis=2), kept


def expose(light, camera, iso, rng):
    """What is read from a sensor under `light` (0..1 of a full pixel at this ISO)."""
    full = camera.full_well * 100 / iso
    electrons = rng.poisson(light * full) + rng.normal(0, READ_NOISE, light.shape)
    levels = np.rint(electrons / full * RAW_LEVELS)
    return np.clip(levels, -BLACK_LEVEL, RAW_LEVELS) / RAW_LEVELS


def interpolated(planes, kept):
    """Bilinear interpolation of each colour, [h, w, 3]."""
    known = (planes * kept).transpose(2, 0, 1)
    kernels = (RED_OR_BLUE, GREEN, RED_OR_BLUE)
    return np.stack(
        [convolve(p, k, mode="mirror") for p, k in zip(known, kernels)], axis=2
    )


def bilinear(raw, kept):
    return interpolated(raw[..., None], kept)


def along_edges(raw, kept):
    """Green from the direction in which it and the pixel's own colour change less, then
    the differences to green, bilinearly (Hamilton and Adams 1997)."""
    guesses, changes = [], []
    for axis in (0, 1):
        mean = convolve1d(raw, np.array([1, 0, 1]) / 2, axis, mode="mirror")
        step = convolve1d(raw, np.array([1, 0, -1]), axis, mode="mirror")
        bend = convolve1d(raw, np.array([-1, 0, 2, 0, -1]), axis, mode="mirror")
        guesses.append(mean + bend / 4)
        changes.append(np.abs(step) + np.abs(bend))
    down, right = changes
    guess = np.where(down < right, guesses[0], guesses[1])
    guess = np.where(down == right, (guesses[0] + guesses[1]) / 2, guess)
    green = np.where(kept[..., 1], raw, guess)
    developed = interpolated((raw - green)[..., None], kept) + green[..., None]
    developed[..., 1] = green
    return developed


def develop(raw, kept, camera, development):
    """From raw values to an 8-bit picture."""
    balanced = camera.demosaic(raw, kept) * (development.red, 1, development.blue)
    linear = balanced @ np.array(camera.colours).T
    bright = linear_to_srgb(np.clip(linear, 0, 1))
    return to_8_bit(tone_curve(bright, development.contrast).astype(np.float32))


def through_jpeg(picture, quality, subsampling):
    file = io.BytesIO()
    image = Image.fromarray(to_bytes(picture))
    image.save(file, "JPEG", quality=quality, subsampling=subsampling)
    return from_bytes(np.asarray(Image.open(file)))


@dataclass
class Camera:
    full_well: float  # electrons at ISO 100
    lens_blur: float  # pixels, standard deviation
    demosaic: Callable
    colours: tuple  # from the sensor's, white balanced, to sRGB's: rows of a matrix
    qualities: tuple  # of JPEG, from, and less than


# As raw developers have it for two cameras of the kind, rounded.
COMPACT_COLOURS = ((1.68, -0.52, -0.16), (-0.14, 1.55, -0.41), (0.07, -0.42, 1.35))
FULL_FRAME_COLOURS = ((1.78, -0.61, -0.17), (-0.17, 1.64, -0.47), (0.03, -0.45, 1.42))

COMPACT = Camera(30_000, 0.7, bilinear, COMPACT_COLOURS, (80, 96))
FULL_FRAME = Camera(60_000, 1.0, along_edges, FULL_FRAME_COLOURS, (95, 100))
SHOTS = {
    **{f"ISO {iso}": (COMPACT, iso) for iso in (800, 3200, 12800, 51200)},
    **{f"full frame, ISO {iso}": (FULL_FRAME, iso) for iso in (1600, 3200, 6400)},
}


def photograph(photo, shot, seed):
    """(truth, noisy): the photo as the camera makes it, without and with noise."""
    camera, iso = SHOTS[shot]
    rng = np.random.default_rng([iso, seed])
    development = choose_development(camera, rng)
    sensor = to_sensor(photo.astype(np.float64), camera, development)
    light, kept = mosaic(sensor, seed % 4)
    truth = develop(light, kept, camera, development)
    noisy = develop(expose(light, camera, iso, rng), kept, camera, development)
    return truth, through_jpeg(noisy, development.quality, development.subsampling)
