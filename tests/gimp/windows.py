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


def press(window, key):
    subprocess.run(["xdotool", "windowfocus", "--sync", window], check=True)
    subprocess.run(["xdotool", "key", key], check=True)
