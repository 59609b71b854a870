"""Cases: the dialogs, as the user sees them. Need a display.
SPDX-License-Identifier: GPL-3.0-or-later"""

import threading
import time

from helper import *  # noqa: F403
from windows import find_window, press, take_picture, wait_for

TITLES = {"inpaint": "Inpaint Selection", "denoise": "Remove Noise", "restyle": "Restyle"}
PREVIEW_S = 3  # until one is surely there


def answer(task, key, delay, seen):
    """Presses a key in the dialog, so many seconds after it has opened; `seen` gets what
    the window looks like then."""
    windows = wait_for(lambda: find_window(TITLES[task]))
    if windows:
        time.sleep(delay)
        seen.extend(take_picture(windows[0]))
        press(windows[0], key)


def ask(task, image, layer, key, delay=0, seen=None):
    """A run that is asked for: (layer, seed), or Refused."""
    seen = [] if seen is None else seen
    user = threading.Thread(target=answer, args=(task, key, delay, seen))
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
        check_closing("inpaint", delay)


def check_preview(task):
    """It shows what the run makes, which is what the run makes without it."""
    image, layer = new_selected_image()
    seen = []
    asked, seed = ask(task, image, layer, "Return", PREVIEW_S, seen)
    plain, _ = run(task, image, [layer], **({} if task == "denoise" else {"seed": seed}))
    assert changed_pixels(asked, plain) == []
    for y in range(20, 50):
        made, before = (raw(it, (20, y, 40, 1), "R'G'B' u8") for it in (asked, layer))
        assert made != before
        assert any(made in row for row in seen), f"row {y} is not shown"


@case
def inpaint_previews_what_it_makes():
    check_preview("inpaint")


@case
def denoise_previews_what_it_makes():
    check_preview("denoise")


@case
def restyle_previews_what_it_makes():
    check_preview("restyle")


@case
def a_result_does_not_depend_on_when_one_agrees():
    image, layer = new_selected_image()
    for delay in (0, 0.1, 0.2, 0.3, 0.5):
        asked, seed = ask("restyle", image, layer, "Return", delay)
        plain, _ = run("restyle", image, [layer], seed=seed)
        assert changed_pixels(asked, plain) == [], delay


done()
