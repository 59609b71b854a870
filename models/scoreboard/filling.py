"""Filling holes: every kind of hole in every photo, by every method.

What is known must come back bit for bit, so the known pixels are compared exactly. The
hole is black in what the methods get.
"""

from dataclasses import dataclass

import numpy as np

from . import holes, metrics, perceptual, report
from .method import best_setting, probe, say, timed
from .pictures import to_8_bit
from .sheets import PIECE

N_SEARCHED = 2  # photos on which the settings are searched
GRAIN = 8  # of 0..255, noise of photos on which the grain is compared
GRAIN_KINDS = ("text", "blobs", "box 64")
EVALUATIONS = (1, 2, 5, 10, 20, 50)
EVALUATED_KINDS = ("scratches", "blobs", "box 64")
RIVAL = "G'MIC inpaint_matchpatch"  # the one that we want to look better than


@dataclass
class Case:
    photo: np.ndarray
    damaged: np.ndarray  # the hole is black
    mask: np.ndarray  # levels 0..1
    hole: np.ndarray  # where that is above 0: what may change


@dataclass
class Result:
    psnr: float
    ssim: float
    distance: float
    texture: float
    seam: float
    outside: float
    seconds: float


def make_case(photo, kind, seed):
    mask = holes.make_mask(kind, *photo.shape[:2], seed)
    damaged = np.where(mask[..., None] == 1, 0, photo).astype(np.float32)
    return Case(photo, damaged, mask, mask > 0)


def score(picture, case):
    return metrics.psnr(picture, case.photo, case.hole)


def rate(picture, case, seconds):
    return Result(
        psnr=score(picture, case),
        ssim=metrics.ssim(picture, case.photo, case.hole),
        distance=perceptual.distance(picture, case.photo, case.hole),
        texture=metrics.texture_error(picture, case.photo, case.hole),
        seam=metrics.seam(picture, case.photo, case.hole),
        outside=metrics.change_outside(picture, case.photo, case.hole),
        seconds=seconds,
    )


def piece_around(hole):
    """Where a sheet's piece begins, so that it shows the hole."""
    middle = (int(places.mean()) - PIECE // 2 for places in np.nonzero(hole))
    return [max(0, min(m, size - PIECE)) for m, size in zip(middle, hole.shape)]


def run_kind(kind, methods, cases, sheets):
    """({method: results}, {method: setting that won}) for one kind of hole."""
    results, won = {"the photo itself": []}, {}
    for i, case in enumerate(cases):
        box = piece_around(case.hole)
        sheets.add(f"inpaint {kind}", i, "photo", case.photo, box)
        shown = np.where(case.hole[..., None], 1, case.photo)
        sheets.add(f"inpaint {kind}", i, "hole", shown, box)
        results["the photo itself"].append(rate(case.photo, case, 0.0))
    for method in methods:
        say(f"{kind}: {method.name}")
        won[method.name] = best_setting(method, cases[:N_SEARCHED], score)
        results[method.name] = []
        for i, case in enumerate(cases):
            picture, seconds = timed(method, case, won[method.name])
            picture = to_8_bit(picture)
            results[method.name].append(rate(picture, case, seconds))
            box = piece_around(case.hole)
            sheets.add(f"inpaint {kind}", i, method.name, picture, box)
    return results, won


def averages(scores, name, figure):
    """The mean of a figure of each kind of hole."""
    return [
        report.mean(getattr(result, figure) for result in by_method[name])
        for by_method in scores.values()
    ]


def fidelity_table(scores, names):
    """PSNR and SSIM in the hole; what changed outside; seconds."""
    psnrs = [averages(scores, name, "psnr") for name in names]
    ssims = [averages(scores, name, "ssim") for name in names]
    rows = [
        [f"{psnr:.2f} / {ssim:.3f}" for psnr, ssim in zip(*lines)]
        for lines in zip(psnrs, ssims)
    ]
    report.best_in_bold(rows, psnrs)
    for name, row in zip(names, rows):
        everything = [result for by in scores.values() for result in by[name]]
        outside = max(result.outside for result in everything)
        row.insert(0, name)
        row.append(f"{outside:.0f}")
        row.append(f"{report.mean(r.seconds for r in everything):.1f}")
    return report.table(["PSNR / SSIM in the hole", *scores, "outside", "s"], rows)


def looks_table(scores, names):
    """Perceptual distance, texture error and seam."""
    figures = [
        [averages(scores, name, figure) for name in names]
        for figure in ("distance", "texture", "seam")
    ]
    rows = [
        [f"{d:.3f} / {texture:.2f} / {seam:.2f}" for d, texture, seam in zip(*lines)]
        for lines in zip(*figures)
    ]
    report.best_in_bold(rows[1:], figures[0][1:], better=min)
    rows = [[name, *row] for name, row in zip(names, rows)]
    return report.table(["distance / texture error / seam", *scores], rows)


def wins_table(scores, names):
    """On how many photos a method is perceptually nearer than the rival; maybe none."""
    if any(RIVAL not in by_method for by_method in scores.values()):
        return ""
    rows = [[name] for name in names if name != RIVAL]
    for row in rows:
        for by_method in scores.values():
            pairs = list(zip(by_method[row[0]], by_method[RIVAL]))
            nearer = sum(ours.distance < theirs.distance for ours, theirs in pairs)
            row.append(f"{nearer} of {len(pairs)}")
    return report.table([f"nearer than {RIVAL}", *scores], rows)


def noisy(photo, seed):
    noise = np.random.default_rng(seed).normal(0, GRAIN / 255, photo.shape)
    return to_8_bit((photo + noise).astype(np.float32))


def grain_table(photos, methods, won):
    """How strong a fill's grain is by the photo's, where the photo has noise."""
    names = [method.name for method in methods]
    rows, values = [[] for _ in names], [[] for _ in names]
    for kind in GRAIN_KINDS:
        say(f"grain: {kind}")
        cases = [make_case(noisy(p, s), kind, s) for s, (_, p) in enumerate(photos)]
        for method, row, value in zip(methods, rows, values):
            setting = won[kind][method.name]
            fills = [to_8_bit(method.run(case, setting)) for case in cases]
            match = report.mean(
                metrics.grain_match(fill, case.photo, case.hole)
                for fill, case in zip(fills, cases)
            )
            row.append(f"{match:.2f}")
            value.append(abs(match - 1))
    report.best_in_bold(rows, values, better=min)
    rows = [[name, *row] for name, row in zip(names, rows)]
    return report.table([f"grain, photos with σ {GRAIN}", *GRAIN_KINDS], rows)


def evaluations(photos, method_of):
    """The table of quality against evaluations; `method_of(n)` takes n steps."""
    rows = []
    for n in EVALUATIONS:
        say(f"{n} steps")
        method, results = method_of(n), {}
        for kind in EVALUATED_KINDS:
            cases = [make_case(p, kind, s) for s, (_, p) in enumerate(photos)]
            results[kind] = {
                method.name: [
                    rate(to_8_bit(picture), case, seconds)
                    for case in cases
                    for picture, seconds in [timed(method, case, None)]
                ]
            }
        psnrs = averages(results, method.name, "psnr")
        distances = averages(results, method.name, "distance")
        cells = [f"{psnr:.2f} / {d:.3f}" for psnr, d in zip(psnrs, distances)]
        seconds = averages(results, method.name, "seconds")[-1]
        rows.append([f"{n}", *cells, f"{seconds:.1f}"])
    head = ["steps", *EVALUATED_KINDS, f"s, {EVALUATED_KINDS[-1]}"]
    return report.table(head, rows)


def inpaint(photos, methods, sheets):
    """The tables as text, the methods left out, and what ours changed outside holes."""
    tiny = make_case(photos[0][1][:32, :32], "scratches", 0)
    methods, skipped = probe(methods, tiny)
    scores, won = {}, {}
    for kind in holes.kinds_for(*photos[0][1].shape[:2]):
        cases = [make_case(p, kind, seed) for seed, (_, p) in enumerate(photos)]
        scores[kind], won[kind] = run_kind(kind, methods, cases, sheets)
    names = [method.name for method in methods]
    tables = [
        fidelity_table(scores, names),
        looks_table(scores, ["the photo itself", *names]),
        wins_table(scores, names),
        grain_table(photos, methods, won),
    ]
    text = "\n\n".join(table for table in tables if table)
    text += report.describe_settings(won)
    return text, skipped, broken_rule(scores, methods)


def broken_rule(scores, methods):
    """The largest change that our engine made outside of a hole; it must be 0."""
    ours = [method.name for method in methods if method.ours]
    return max(
        (r.outside for by in scores.values() for name in ours for r in by[name]),
        default=0.0,
    )
