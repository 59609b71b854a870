"""Our own rows: the command-line tool sdedit, as it ships."""

import shutil
from pathlib import Path

from .method import Method, through_files

BUILT = Path(__file__).parents[2] / "build" / "engine" / "tool" / "sdedit"


def find_sdedit(path=None):
    """The tool that was named, or built here, or installed."""
    for candidate in (path, None if path else BUILT):
        if candidate and Path(candidate).is_file():
            return str(candidate)
    installed = None if path else shutil.which("sdedit")
    if installed:
        return installed
    raise SystemExit(f"{path or BUILT}: no sdedit there; build it or give --sdedit")


def common(model, threads=1):
    """Options of every run; 0 threads are as many as there are cores."""
    return ["--quiet", "--threads", threads, *(["--model", model] if model else [])]


def denoisers(sdedit, model):
    """sdedit that is told the noise level, and sdedit that estimates it; the latter also
    with a second evaluation, and with four mirrored ones."""

    def row(name, sigma_of, *more):
        def run(case, setting):
            def command(source, target):
                options = ["--sigma", sigma_of(case), *more]
                return [sdedit, "denoise", *common(model), *options, source, target]

            return through_files(case.noisy, command, case.suffix)

        return Method(name, run, ours=True)

    return [
        row("**sdedit**, sigma told", lambda case: case.sigma),
        row("**sdedit**, sigma estimated", lambda case: "auto"),
        row("**sdedit**, sigma estimated, 2 steps", lambda case: "auto", "--steps", 2),
        row("**sdedit**, sigma estimated, 4 views", lambda case: "auto", "--views", 4),
    ]


def inpainters(sdedit, model, *options):
    def run(case, setting):
        def command(source, target, mask):
            return [sdedit, "inpaint", *common(model), *options, source, mask, target]

        return through_files(case.damaged, command, ".png", case.mask)

    return [Method("**sdedit**", run, ours=True)]


def restyler(sdedit, model):
    """A function that restyles a photo, with the tool's own steps and guidance."""

    def run(photo, style, strength, seed):
        options = ["--style", style, "--strength", strength, "--seed", seed]

        def command(source, target):
            start = [sdedit, "restyle", *common(model, threads=0)]
            return [*start, *options, source, target]

        return through_files(photo, command, ".png")

    return run
