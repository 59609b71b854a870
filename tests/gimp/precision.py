"""Cases: every precision, with and without alpha and color profile. The promise is that
pixels outside the selection are the same bytes. SPDX-License-Identifier: GPL-3.0-or-later"""

from helper import *  # noqa: F403

KINDS = ["U8", "U16", "U32", "HALF", "FLOAT"]
BOX = (20, 16, 40, 32)
QUICK = {
    "inpaint": {"steps": 2, "seed": 1, "grow": 0, "feather": 0},
    "denoise": {"noise_level": 30},
    "restyle": {"steps": 2, "seed": 1},
}


def inside(x, y):
    return BOX[0] <= x < BOX[0] + BOX[2] and BOX[1] <= y < BOX[1] + BOX[3]


def check(task, precision, base, alpha, profile=None):
    image, layer = new_image(base, precision, alpha, profile=profile)
    select(image, *BOX)
    before = raw(layer)
    result, _ = run(task, image, [layer], **QUICK[task])
    assert raw(layer) == before, "the source was changed"
    assert result.type() == layer.type()
    changed = changed_pixels(layer, result)
    assert changed, "nothing was repainted"
    outside = [p for p in changed if not inside(*p)]
    assert not outside, f"{len(outside)} pixels outside changed, first {outside[0]}"
    image.delete()


def every_precision(linearity, base, alpha, profile=None):
    for kind in KINDS:
        precision = getattr(Gimp.Precision, f"{kind}_{linearity}")
        try:
            check("inpaint", precision, base, alpha, profile)
        except AssertionError as error:
            raise AssertionError(f"{kind}: {error}") from error


RGB, GRAY = Gimp.ImageBaseType.RGB, Gimp.ImageBaseType.GRAY


@case
def rgb_alpha_perceptual_keeps_outside_bits():
    every_precision("NON_LINEAR", RGB, True)


@case
def rgb_perceptual_keeps_outside_bits():
    every_precision("NON_LINEAR", RGB, False)


@case
def rgb_alpha_linear_keeps_outside_bits():
    every_precision("LINEAR", RGB, True)


@case
def rgb_linear_keeps_outside_bits():
    every_precision("LINEAR", RGB, False)


@case
def gray_alpha_perceptual_keeps_outside_bits():
    every_precision("NON_LINEAR", GRAY, True)


@case
def gray_linear_keeps_outside_bits():
    every_precision("LINEAR", GRAY, False)


@case
def rgb_with_profile_keeps_outside_bits():
    every_precision("NON_LINEAR", RGB, True, Gimp.ColorProfile.new_rgb_adobe())


@case
def denoise_and_restyle_keep_outside_bits():
    for task in ("denoise", "restyle"):
        for name in ("U8_NON_LINEAR", "U16_LINEAR", "FLOAT_LINEAR"):
            check(task, getattr(Gimp.Precision, name), RGB, True)


@case
def values_beyond_white_survive_outside():
    image, layer = new_image(precision=Gimp.Precision.FLOAT_LINEAR, alpha=False)
    bright = array.array("f", [40.0, -3.0, 9.5] * WIDTH)
    buffer = layer.get_buffer()
    buffer.set(Gegl.Rectangle.new(0, 0, WIDTH, 1), "RGB float", bright.tobytes())
    buffer.flush()
    select(image, *BOX)
    result, _ = inpaint(image, layer)
    assert raw(result, (0, 0, WIDTH, 1), "RGB float") == bright.tobytes()


done()
