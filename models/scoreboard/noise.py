"""Noise removal: white noise of a known level, and the noise of a simulated camera.

White noise is Gaussian, added to the developed photo: as floats, as in papers, and
clipped and rounded as in a file. Camera noise is camera.py's.
"""

import math
from dataclasses import dataclass, replace

import numpy as np

from . import camera, metrics, perceptual, report
from .method import best_setting, probe, say, timed
from .pictures import middle, to_8_bit

SIGMAS = (15, 25, 50)
N_SEARCHED = 2  # photos on which the settings are searched


@dataclass
class Case:
    """A noisy picture; `sigma` is its true noise level, `suffix` the file it is in."""

    clean: np.ndarray
    noisy: np.ndarray
    sigma: float
    suffix: str


@dataclass
class Result:
    psnr: float
    ssim: float
    distance: float  # perceptual
    worse: bool  # than the noisy picture
    seconds: float  # for a megapixel


def white_case(photo, sigma, seed, eight_bit):
    noise = np.random.default_rng(seed).standard_normal(photo.shape, np.float32)
    noisy = photo + noise * np.float32(sigma / 255)
    if eight_bit:
        return Case(photo, to_8_bit(noisy), sigma, ".png")
    return Case(photo, noisy, sigma, ".tif")


def camera_case(photo, shot, seed):
    clean, noisy = camera.photograph(photo, shot, seed)
    sigma = 255 * float(np.sqrt(np.mean((noisy - clean) ** 2, dtype=np.float64)))
    return Case(clean, noisy, round(sigma, 2), ".png")


def smaller(case):
    """The middle quarter of a case: enough for choosing a setting."""
    side = min(case.clean.shape[:2]) // 2
    return replace(case, clean=middle(case.clean, side), noisy=middle(case.noisy, side))


def score(picture, case):
    return metrics.psnr(picture, case.clean)


def rate(picture, case, worse, seconds):
    return Result(
        psnr=score(picture, case),
        ssim=metrics.ssim(picture, case.clean),
        distance=perceptual.distance(picture, case.clean),
        worse=worse,
        seconds=seconds,
    )


def measure(method, setting, case):
    picture, seconds = timed(method, case, setting)
    megapixels = case.clean.shape[0] * case.clean.shape[1] / 1e6
    worse = score(picture, case) < score(case.noisy, case)
    return picture, rate(picture, case, worse, seconds / megapixels)


def run_condition(name, methods, cases, sheets):
    """({method: results}, {method: setting that won}) under one kind of noise."""
    results, won = {}, {}
    some = [smaller(case) for case in cases[:: math.ceil(len(cases) / N_SEARCHED)]]
    unrepaired = []
    for i, case in enumerate(cases):
        sheets.add(name, i, "photo", case.clean)
        sheets.add(name, i, "noisy", case.noisy)
        unrepaired.append(rate(case.noisy, case, False, 0.0))
    for method in methods:
        say(f"{name}: {method.name}")
        won[method.name] = best_setting(method, some, score)
        results[method.name] = []
        for i, case in enumerate(cases):
            picture, result = measure(method, won[method.name], case)
            results[method.name].append(result)
            sheets.add(name, i, method.name, picture)
    return {"the noisy photo": unrepaired, **results}, won


def average(results):
    return [
        report.mean(getattr(result, figure) for result in results)
        for figure in ("psnr", "ssim", "distance")
    ]


def make_table(scores, columns, count_worse):
    """The markdown table of {condition: {method: results}}."""
    names = list(next(iter(scores.values())))
    rows, values = [], []
    for name in names:
        averages = [average(by_method[name]) for by_method in scores.values()]
        cells = ["{:.2f} / {:.3f} / {:.3f}".format(*figures) for figures in averages]
        if count_worse and name != names[0]:
            worse = [sum(r.worse for r in by[name]) for by in scores.values()]
            cells = [f"{cell}, {n} worse" for cell, n in zip(cells, worse)]
        rows.append(cells)
        values.append([psnr for psnr, _, _ in averages])
    report.best_in_bold(rows, values)
    for name, row in zip(names, rows):
        seconds = [r.seconds for by_method in scores.values() for r in by_method[name]]
        row.insert(0, name)
        row.append("" if name == names[0] else f"{report.mean(seconds):.1f}")
    return report.table(["", *columns, "s/MP"], rows)


def run(conditions, methods, sheets, count_worse=False):
    """The text of a table; `conditions` maps file-like names to (column, cases)."""
    tiny = next(iter(conditions.values()))[1][0]
    tiny = replace(tiny, clean=tiny.clean[:16, :16], noisy=tiny.noisy[:16, :16])
    methods, skipped = probe(methods, tiny)
    scores, won = {}, {}
    for name, (_, cases) in conditions.items():
        scores[name], won[name] = run_condition(name, methods, cases, sheets)
    columns = [column for column, _ in conditions.values()]
    text = make_table(scores, columns, count_worse) + report.describe_settings(won)
    return text, skipped


def denoise(photos, methods, sheets):
    conditions = {}
    for kind in ("float", "8 bit"):
        for sigma in SIGMAS:
            cases = [
                white_case(photo, sigma, seed, kind == "8 bit")
                for seed, (_, photo) in enumerate(photos)
            ]
            conditions[f"denoise {kind} {sigma}"] = f"{kind}, σ {sigma}", cases
    return run(conditions, methods, sheets)


def camera_noise(photos, methods, sheets):
    conditions = {}
    for shot in camera.SHOTS:
        cases = [camera_case(p, shot, seed) for seed, (_, p) in enumerate(photos)]
        sigma = report.mean(case.sigma for case in cases)
        conditions[f"camera {shot}"] = f"{shot} (σ {sigma:.1f})", cases
    return run(conditions, methods, sheets, count_worse=True)
