#!/usr/bin/env python3
"""Measure the shipped engine beside other programs; prints tables in markdown.

    dev/evaluate                                       sets everything up for this:
    python3 models/evaluate.py --valid PHOTOS
    python3 models/evaluate.py --task denoise --sheets FOLDER --write MODEL_CARD.md
    python3 models/evaluate.py --style-sheet SHEET.jpg PHOTO...    draws that, no tables

It runs the tool `sdedit` as users do, on photos that the model never saw; peers that
are not installed are named and left out. scoreboard/ has the parts: noise.py,
filling.py and restyling.py say what is measured, metrics.py, perceptual.py and judge.py
how, camera.py and holes.py on what damage, and denoisers.py and inpainters.py against
whom.
"""

import argparse
import os
import sys
import textwrap
from pathlib import Path

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[variable] = "1"  # before any library counts the cores

from scoreboard import denoisers, engine, filling, inpainters, judge  # noqa: E402
from scoreboard import noise, pictures, report, restyling  # noqa: E402
from scoreboard.sheets import Sheets, draw_sheet, save_small  # noqa: E402

TASKS = ("denoise", "camera", "inpaint", "evaluations", "restyle")
SHARED = Path(__file__).resolve().parents[2] / "shared"
SEARCHED = (
    "The settings of the peers are searched anew for every column on 2 of the photos, "
    "with the truth at hand, so the peers are at their best; sdedit has none."
)
INTRODUCTIONS = {
    "denoise": (
        "White Gaussian noise, σ of 0…255. Cells are PSNR in dB / SSIM / perceptual "
        "distance (`perceptual.py`; 0 is the same, and blur costs). “Float” is noise as "
        "in papers, handed over as float TIFF; “8 bit” is clipped and rounded as in a "
        "file. The peers are told σ. OpenCV knows only 8 bits. " + SEARCHED
    ),
    "camera": (
        "Simulated camera noise: Poisson and read noise in linear light, Bayer mosaic, "
        "white balance, colour matrix, tone curve, JPEG 80–95, or 95–99 from the "
        "full-frame camera (`models/scoreboard/camera.py`); the model was trained on another simulation. "
        "Cells are PSNR in dB / SSIM / perceptual distance, and how many photos came out "
        "worse than they went in. Nobody tells sdedit the noise level where it says "
        "“estimated”; all others are told the true mean level of each photo. " + SEARCHED
    ),
    "inpaint": (
        "Filling holes (`models/scoreboard/holes.py`). The first table has PSNR in dB "
        "/ SSIM in the hole, the largest change outside of it (of 255; it must be 0), "
        "and seconds for a picture. Soft blobs have an edge that falls off over 8 pixels "
        "of what is known; all but sdedit take it for a hole. The second is about looks: the perceptual distance "
        "(`perceptual.py`: 0 is the same, 1 nothing in common), the texture error, how "
        "far local contrast is off, in octaves of detail, as |log2| (0 is right; blur "
        "has more), and the seam, the mean jump over the hole's edge by the photo's own "
        "near it: about 1 is right (`metrics.py`). The third says on how many photos a "
        "fill is perceptually nearer to the truth than matchpatch's. The last is how "
        "strong the finest grain in the hole is by the photo's own there, after noise "
        "was added to the whole photo: 1 is right. " + SEARCHED
    ),
    "evaluations": (
        "Filling holes with `--steps N`: PSNR in dB / perceptual distance in the hole. "
        "The first step is the mean, of four mirrored evaluations, so N steps are at "
        "most N + 3; holes up to 6 pixels deep have two, and no second step. Everything "
        "else is the default, the texture and grain at the end included."
    ),
    "restyle": (
        "Photos restyled by `sdedit restyle --style NAME --strength X`, everything else "
        "as the tool has it. The first table says how often a judge takes the result for "
        "the style when it is shrunk to 256 pixels, as the works are that the judge "
        "knows: as its first guess, and as one of its first two. The judge "
        "(`models/scoreboard/judge.py`) tells eight styles and photographs apart by "
        "statistics of colour, tone and texture; “real works” is how often it knows "
        "works when it learnt four fifths of all and not these, and “the photo” how "
        "often it takes the photos themselves for the style. The second table says how "
        "much of the photo is kept, 1 is all: correlation of the coarse brightness / of "
        "the edges."
    ),
}


def parse_args():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", nargs="?", help="model folder (the one that ships)")
    parser.add_argument("--valid", default=SHARED / "photos" / "valid",
                        help="folder of photos")
    parser.add_argument("--task", choices=[*TASKS, "all"], default="all")
    parser.add_argument("--sdedit", help="the tool (build/engine/tool/sdedit)")
    parser.add_argument("--limit", type=int, default=12, help="use so many photos (12)")
    parser.add_argument("--crop", type=int, default=256,
                        help="use the middle of each photo (256 pixels)")
    parser.add_argument("--only", help="only the methods with this word in their name")
    parser.add_argument("--style", choices=judge.STYLES, help="restyle: only this style")
    parser.add_argument("--art", default=SHARED / "art" / "train",
                        help="folders of works, named as the styles, for the judge")
    parser.add_argument("--learn", default=SHARED / "photos" / "train",
                        help="folder of other photos, for the judge")
    parser.add_argument("--sheets", help="folder for contact sheets")
    parser.add_argument("--sheet-photos", type=int, default=4, help="rows of them (4)")
    parser.add_argument("--write", help="markdown file whose sections are replaced")
    parser.add_argument("--style-sheet", nargs="+", metavar=("FILE", "PHOTO"),
                        help="draw photos in every style into a JPEG, and nothing else")
    args = parser.parse_args()
    if (args.only or args.style) and args.write:
        parser.error("--write wants whole tables, --only and --style make parts")
    if args.style_sheet and len(args.style_sheet) < 2:
        parser.error("--style-sheet wants a file to write and photos")
    return args


def methods_of(task, args):
    sdedit = engine.find_sdedit(args.sdedit)
    if task == "inpaint":
        methods = engine.inpainters(sdedit, args.model) + inpainters.peers()
    else:
        methods = engine.denoisers(sdedit, args.model) + denoisers.peers()
    chosen = [m for m in methods if args.only is None or args.only in m.name]
    if not chosen:
        raise SystemExit(f"no method of {task} has '{args.only}' in its name")
    return chosen


def conditions_of(task, args, photos):
    """What anybody needs to get the same table."""
    model = f" {Path(args.model).name}" if args.model else ""
    command = f"dev/evaluate{model} --task {task} --limit {args.limit}"
    command += f" --crop {args.crop}" + (f" --only {args.only}" if args.only else "")
    command += f" --style {args.style}" if args.style else ""
    size = f"{args.crop} × {args.crop}"
    if task == "restyle":
        shown = f"the middle square of each shrunk to {size}"
    else:
        shown = f"the middle {size} of each. Times are CPU seconds on one thread of "
        shown += f"{report.processor()}, without the start of the program"
    return f"{len(photos)} photos, {shown}. Made by `{command}`."


def restyler_and_styles(args):
    run = engine.restyler(engine.find_sdedit(args.sdedit), args.model)
    return run, [args.style] if args.style else judge.STYLES


def measure(task, args, photos):
    """The section of one task, and whether the engine kept what it must keep."""
    sheets = Sheets(args.sheets, args.sheet_photos)
    skipped, changed = [], 0.0
    if task == "denoise":
        text, skipped = noise.denoise(photos, methods_of(task, args), sheets)
    elif task == "camera":
        text, skipped = noise.camera_noise(photos, methods_of(task, args), sheets)
    elif task == "inpaint":
        methods = methods_of(task, args)
        text, skipped, changed = filling.inpaint(photos, methods, sheets)
    elif task == "evaluations":
        sdedit = engine.find_sdedit(args.sdedit)
        text = filling.evaluations(
            photos,
            lambda n: engine.inpainters(sdedit, args.model, "--steps", n)[0],
        )
    else:
        run, styles = restyler_and_styles(args)
        learnt = judge.learn(args.learn, args.art)
        text = restyling.restyle(photos, run, styles, *learnt, sheets)
    sheets.write()
    introduction = f"{INTRODUCTIONS[task]} {conditions_of(task, args, photos)}"
    parts = [textwrap.fill(introduction, 88), text]
    if skipped:
        parts.append(textwrap.fill("Left out: " + "; ".join(skipped) + ".", 88))
    return "\n\n".join(parts), changed


def draw_style_sheet(args):
    target, *photos = args.style_sheet
    rows, names = restyling.sheet_rows(photos, *restyler_and_styles(args))
    save_small(draw_sheet(rows, names), target)


def main():
    args = parse_args()
    if args.style_sheet:
        draw_style_sheet(args)
        return 0
    status = 0
    for task in TASKS if args.task == "all" else [args.task]:
        shrink = task == "restyle"
        photos = pictures.read_photos(args.valid, args.limit, args.crop, shrink)
        text, changed = measure(task, args, photos)
        print(f"\n## {task}\n\n{text}", flush=True)
        if args.write:
            report.replace_section(args.write, task, text)
        if changed:
            print(f"sdedit changed known pixels by {changed:g} of 255", file=sys.stderr)
            status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())
