"""Cases: the model that ships, on small pictures: it must do what users came for.
SPDX-License-Identifier: GPL-3.0-or-later"""

import random

from helper import *  # noqa: F403

SIZE = (192, 160)


def smooth_picture(layer, sigma=0.0):
    """Soft hills of color, with Gaussian noise; returns the clean values."""
    dice = random.Random(1)
    clean, noisy = [], array.array("f")
    for y in range(SIZE[1]):
        for x in range(SIZE[0]):
            pixel = (0.2 + 0.6 * x / SIZE[0], 0.2 + 0.6 * y / SIZE[1], 0.5)
            clean.extend(pixel)
            noisy.extend(v + dice.gauss(0, sigma) for v in pixel)
    buffer = layer.get_buffer()
    rect = Gegl.Rectangle.new(0, 0, *SIZE)
    buffer.set(rect, "R'G'B' float", noisy.tobytes())
    buffer.flush()
    return clean


def error_against(clean, layer, chosen=lambda x, y: True):
    """Root of the mean squared error over the chosen pixels, in steps of 8 bit."""
    values = array.array("f", bytes(raw(layer, None, "R'G'B' float")))
    squares = [
        (values[i] - clean[i]) ** 2
        for i in range(len(clean))
        if chosen(i // 3 % SIZE[0], i // 3 // SIZE[0])
    ]
    return 255 * (sum(squares) / len(squares)) ** 0.5


@case
def noise_is_removed_and_its_level_is_estimated():
    image, layer = new_image(alpha=False, size=SIZE)
    clean = smooth_picture(layer, 15 / 255)
    before = error_against(clean, layer)
    result, _ = run("denoise", image, [layer])
    after = error_against(clean, result)
    assert after < before / 3, (before, after)


@case
def quality_is_the_mean_over_views():
    """A little nearer to the truth than the fast result, and not the same."""
    image, layer = new_image(alpha=False, size=SIZE)
    clean = smooth_picture(layer, 25 / 255)
    errors = [
        error_against(clean, run("denoise", image, [layer], quality=quality)[0])
        for quality in ("fast", "better", "best")
    ]
    assert errors[2] < errors[0] and errors[1] < errors[0], errors


@case
def clean_picture_stays_nearly_as_it_is():
    image, layer = new_image(alpha=False, size=SIZE)
    clean = smooth_picture(layer)
    result, _ = run("denoise", image, [layer])
    assert error_against(clean, result) < 2


@case
def hole_is_filled_like_its_surroundings():
    image, layer = new_image(alpha=False, size=SIZE)
    clean = smooth_picture(layer)
    image.select_rectangle(ADD, 80, 60, 24, 24)
    Gimp.context_set_foreground(Gegl.Color.new("red"))
    layer.edit_fill(Gimp.FillType.FOREGROUND)
    in_hole = lambda x, y: 80 <= x < 104 and 60 <= y < 84  # noqa: E731
    before = error_against(clean, layer, in_hole)
    result, _ = inpaint(image, layer, steps=6, grow=2, feather=2)
    after = error_against(clean, result, in_hole)
    assert after < 20 and after < before / 4, (before, after)


@case
def restyle_changes_the_picture():
    image, layer = new_image(alpha=False, size=SIZE)
    clean = smooth_picture(layer)
    result, _ = run("restyle", image, [layer], steps=4, seed=1, strength=0.5)
    assert 1 < error_against(clean, result) < 80


@case
def layers_call_styles_by_names_for_people():
    image, layer = new_image(alpha=False, size=SIZE)
    for style, label in (("ink_drawing", "ink drawing"), ("ukiyoe", "ukiyo-e")):
        result, _ = run("restyle", image, [layer], steps=2, seed=1, style=style)
        assert result.get_name() == f"Restyle {label} (seed 1, 2 steps)"


done()
