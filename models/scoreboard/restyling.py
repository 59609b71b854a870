"""Restyling: every style at some strengths, over photos that show a whole scene.

A judge (judge.py) says how often the result is taken for the style, and two
correlations (metrics.py) say how much of the photo is kept. Each is worth nothing
without the other: strength 0 keeps everything, and noise in the right colours may be
taken for a style.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from . import metrics, report
from .judge import CLASSES, SHORT, look
from .method import say
from .pictures import framed, shrunk, to_bytes

STRENGTHS = (0.3, 0.5, 0.7)
EVERY = "every style"
RESTYLED = 480  # pixels of a photo for the sheet that is published
SHOWN = 2  # of so many pixels the sheet shows one


@dataclass
class Result:
    place: int  # of the style among the judge's guesses, 0 is the first
    tones: float
    edges: float


def rate(picture, photo, label, judge, seed):
    """The judge sees the picture as small as the works that it learnt, whose lines are
    finer than their pixels."""
    small = shrunk(Image.fromarray(to_bytes(picture)), SHORT)
    looks = look(small, np.random.default_rng(seed))
    return Result(
        place=judge.places(looks)[label],
        tones=metrics.tones_kept(picture, photo),
        edges=metrics.edges_kept(picture, photo),
    )


def run_style(style, photos, restyle, judge, sheets):
    """{strength: results}; at strength 0 is the photo itself."""
    label, results = CLASSES.index(style), {}
    for strength in (0, *STRENGTHS):
        say(f"{style}: strength {strength}")
        results[strength] = []
        for seed, (_, photo) in enumerate(photos):
            picture = restyle(photo, style, strength, seed) if strength else photo
            results[strength].append(rate(picture, photo, label, judge, seed))
            if strength:
                sheets.add(f"restyle {strength}", seed, "photo", photo)
                sheets.add(f"restyle {strength}", seed, style, picture)
    return results


def percent(share):
    return f"{100 * share:.0f} %"


def guesses(results):
    """Shares of results whose style was the first guess, and one of the first two."""
    return [report.mean(result.place < n for result in results) for n in (1, 2)]


def kept(results):
    tones = report.mean(result.tones for result in results)
    return tones, report.mean(result.edges for result in results)


def recognised_table(scores, accuracy):
    """How often real works, photos and restyled photos are taken for each style."""
    rows = [
        [style, percent(accuracy[style])]
        + [", ".join(map(percent, guesses(results))) for results in by.values()]
        for style, by in scores.items()
    ]
    columns = ["the photo", *(f"strength {strength}" for strength in STRENGTHS)]
    return report.table(["first guess, first two", "real works", *columns], rows)


def kept_table(scores):
    """How much of the photo is left."""
    rows = [
        [style] + ["{:.2f} / {:.2f}".format(*kept(by[s])) for s in STRENGTHS]
        for style, by in scores.items()
    ]
    columns = [f"strength {strength}" for strength in STRENGTHS]
    return report.table(["tones / edges kept", *columns], rows)


def restyle(photos, run, styles, judge, accuracy, sheets):
    """The tables as text; `accuracy` is the judge's by class."""
    scores = {style: run_style(style, photos, run, judge, sheets) for style in styles}
    scores[EVERY] = {
        strength: [result for by in scores.values() for result in by[strength]]
        for strength in (0, *STRENGTHS)
    }
    accuracy = {**accuracy, EVERY: report.mean(accuracy[style] for style in styles)}
    return recognised_table(scores, accuracy) + "\n\n" + kept_table(scores)


def for_sheet(picture):
    return np.asarray(Image.fromarray(to_bytes(picture)).reduce(SHOWN))


def sheet_rows(files, run, styles):
    """Rows for a contact sheet, and their names: every photo at every strength."""
    rows, names = [], []
    for seed, file in enumerate(files):
        photo = framed(file, RESTYLED)
        for strength in STRENGTHS:
            say(f"{Path(file).name}: strength {strength}")
            row = {style: run(photo, style, strength, seed) for style in styles}
            rows.append({k: for_sheet(v) for k, v in {"photo": photo, **row}.items()})
            names.append(str(strength))
    return rows, names
