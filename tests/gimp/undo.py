"""Cases: undo, as the user does it: Ctrl+Z in a real image window. Needs a display.
SPDX-License-Identifier: GPL-3.0-or-later"""

from helper import *  # noqa: F403
from windows import find_window, press, wait_for


def check_one_step(task, **values):
    """The first Ctrl+Z takes back the whole run and nothing else."""
    image, layer = new_image()
    image.set_selected_layers([layer])
    select(image, 20, 20, 30, 30)
    display = Gimp.Display.new(image)
    Gimp.displays_flush()
    image.clean_all()
    try:
        before = state(image)
        run(task, image, [layer], **values)
        Gimp.displays_flush()
        assert len(image.get_layers()) == 2 and image.is_dirty()
        windows = wait_for(lambda: find_window(f"{WIDTH}x{HEIGHT}"))
        assert windows, "no image window"
        press(windows[0], "ctrl+z")
        assert wait_for(lambda: len(image.get_layers()) == 1), "the new layer is still there"
        assert state(image) == before
    finally:
        display.delete()


@case
def one_undo_takes_back_an_inpainting():
    check_one_step("inpaint", steps=2)


@case
def one_undo_takes_back_a_denoising():
    check_one_step("denoise", noise_level=20)


@case
def one_undo_takes_back_a_restyling():
    check_one_step("restyle", steps=2)


done()
