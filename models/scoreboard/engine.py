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


def common(model):
    """Options of every run."""
    return ["--quiet", "--threads", "1", *(["--model", model] if model else [])]


def denoisers(sdedit, model):
    """sdedit that is told the noise level, and sdedit that estimates it."""

    def row(name, sigma_of):
        def run(case, setting):
            def command(source, target):
                sigma = ["--sigma", sigma_of(case)]
                return [sdedit, "denoise", *common(model), *sigma, source, target]

            return through_files(case.noisy, command, case.suffix)

        return Method(name, run, ours=True)

    known = row("**sdedit**, sigma told", lambda case: case.sigma)
    return [known, row("**sdedit**, sigma estimated", lambda case: "auto")]


def inpainters(sdedit, model):
    def run(case, setting):
        def command(source, target, mask):
            return [sdedit, "inpaint", *common(model), source, mask, target]

        return through_files(case.damaged, command, ".png", case.hole)

    return [Method("**sdedit**", run, ours=True)]
