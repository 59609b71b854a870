"""What cases with a display share: finding windows and pressing keys in them.
SPDX-License-Identifier: GPL-3.0-or-later"""

import subprocess
import time

PATIENCE_S = 20


def wait_for(what, seconds=PATIENCE_S):
    """What a function returns once it returns something true; None when it never does."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = what()
        if found:
            return found
        time.sleep(0.2)
    return None


def find_window(title):
    result = subprocess.run(
        ["xdotool", "search", "--onlyvisible", "--name", title],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return result.stdout.split()[:1]


def take_picture(window):
    """Rows of a window, each the bytes of its RGB pixels."""
    size = subprocess.run(
        ["xdotool", "getwindowgeometry", "--shell", window],
        stdout=subprocess.PIPE, text=True, check=True).stdout
    width = int(dict(line.split("=") for line in size.split())["WIDTH"])
    pixels = subprocess.run(
        ["import", "-window", window, "-depth", "8", "rgb:-"],
        stdout=subprocess.PIPE, check=True).stdout
    return [pixels[i : i + 3 * width] for i in range(0, len(pixels), 3 * width)]


def press(window, key):
    subprocess.run(["xdotool", "windowfocus", "--sync", window], check=True)
    subprocess.run(["xdotool", "key", key], check=True)
