"""A method: something that repairs a picture, and what is needed to measure it fairly.

Time is CPU time on one thread, of this process and of programs that it starts. What a
program needs to start and to read its files is measured on a tiny picture and taken
off, so that the seconds are those of the work.
"""

import os
import re
import resource
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

from . import pictures

ONE_THREAD = {
    name: "1"
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "GEGL_THREADS")
}
N_STARTS = 5  # of which the median counts: a start varies more than small work takes


class Unavailable(Exception):
    """A method cannot run here: its program or library is missing."""


@dataclass
class Method:
    """`run(case, setting)` gives the repaired picture of a case of the task.

    Of several `settings` the best is searched anew for every noise level and kind of
    hole.
    """

    name: str
    run: Callable
    settings: tuple = (None,)
    ours: bool = False
    start_seconds: float = 0.0


def cpu_seconds():
    own, children = (
        resource.getrusage(who)
        for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def timed(method, case, setting):
    """(picture, seconds) of a method on a case."""
    before = cpu_seconds()
    picture = method.run(case, setting)
    return picture, max(0.0, cpu_seconds() - before - method.start_seconds)


def say(text):
    print(text, file=sys.stderr, flush=True)


def probe(methods, tiny_case):
    """The methods that can run, their start times noted, and the names of the others.

    Our own engine is never skipped: if it cannot run, there is nothing to measure.
    """
    usable, skipped = [], []
    for method in methods:
        try:
            setting = method.settings[0]
            method.run(tiny_case, setting)  # imports and caches come before the clock
            starts = [timed(method, tiny_case, setting)[1] for _ in range(N_STARTS)]
            method.start_seconds = statistics.median(starts)
            usable.append(method)
        except Exception as error:  # whatever a foreign program or library throws
            if method.ours:
                raise
            reason = str(error).strip().splitlines()
            skipped.append(f"{method.name} ({reason[-1] if reason else 'it failed'})")
            say(f"skipped: {skipped[-1]}")
    return usable, skipped


def best_setting(method, cases, score):
    """The setting with the highest mean of `score(picture, case)` over some cases."""
    if len(method.settings) == 1:
        return method.settings[0]

    def total(setting):
        return sum(score(method.run(case, setting), case) for case in cases)

    return max(method.settings, key=total)


def run_program(*words):
    """Run a program on one thread; its last words are the error when it fails."""
    try:
        done = subprocess.run(
            [str(word) for word in words],
            env={**os.environ, **ONE_THREAD},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
        )
    except FileNotFoundError as error:
        raise Unavailable(f"{words[0]} is not installed") from error
    if done.returncode != 0:
        plain = re.sub(r"\x1b\[[0-9;]*m", "", done.stderr)
        last = plain.strip().splitlines()[-1:] or ["no message"]
        raise RuntimeError(f"{words[0]} failed: {last[0]}")


def through_files(picture, command, suffix, mask=None):
    """What the command of `command(source, target[, mask])` makes of a picture."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, f"in{suffix}"), Path(folder, f"out{suffix}")
        pictures.write(source, picture)
        files = [source, target]
        if mask is not None:
            files.append(Path(folder, "mask.png"))
            pictures.write(files[-1], mask)
        run_program(*command(*files))
        if not target.exists():
            raise RuntimeError("no picture was written")
        return pictures.read(target)
