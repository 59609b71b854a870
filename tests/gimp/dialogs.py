"""Cases: the dialogs, as the user sees them. Need a display.
SPDX-License-Identifier: GPL-3.0-or-later"""

import threading
import time

from helper import *  # noqa: F403
from windows import find_window, press, wait_for

TITLES = {"inpaint": "Inpaint Selection", "denoise": "Remove Noise", "restyle": "Restyle"}
PREVIEW_S = 3  # until one is surely there


def answer(task, key, delay):
    """Presses a key in the dialog, so many seconds after it has opened."""
    windows = wait_for(lambda: find_window(TITLES[task]))
    if windows:
        time.sleep(delay)
        press(windows[0], key)


def ask(task, image, layer, key, delay=0):
    """A run that is asked for: (layer, seed), or Refused."""
    user = threading.Thread(target=answer, args=(task, key, delay))
    user.start()
    try:
        return run(task, image, [layer], run_mode=Gimp.RunMode.INTERACTIVE)
    finally:
        user.join()


def new_selected_image():
    image, layer = new_image()
    select(image, 20, 20, 40, 30)
    return image, layer


def check_closing(task, delay):
    image, layer = new_selected_image()
    before = state(image)
    try:
        ask(task, image, layer, "Escape", delay)
    except Refused:
        pass
    else:
        raise AssertionError("a closed dialog ran")
    assert state(image) == before


@case
def a_closed_dialog_changes_nothing():
    for task in TITLES:
        check_closing(task, PREVIEW_S)


@case
def a_dialog_can_be_closed_while_its_preview_is_made():
    for delay in (0, 0.1, 0.3, 0.5):
        check_closing("denoise", delay)


@case
def denoise_after_a_preview_makes_the_same_layer():
    image, layer = new_selected_image()
    asked, _ = ask("denoise", image, layer, "Return", PREVIEW_S)
    plain, _ = run("denoise", image, [layer])
    assert changed_pixels(asked, plain) == []
    assert changed_pixels(asked, layer) != []


done()
