#!/usr/bin/env python3
"""Print DATA.md: the sources and licences of the pictures, from their manifests.

    python3 models/list_data.py TRAIN.tsv VALID.tsv ART.tsv > models/DATA.md
"""

import csv
import sys
from collections import Counter

INTRODUCTION = """\
# Training data

The pictures themselves are not part of this project. This list names every source,
its licence as the source states it, and how many pictures of it were used.

The default model saw {train} photographs and {art} works of art in training. {valid}
other photographs, from the same sources, chose between models and give the numbers in
the model card; they were never trained on. Some photo sources are free to use but not
to re-publish, and {share} photographs are under a share-alike licence: see the model
card for what follows for the weights.

To train on pictures of your own see README.md; any folder of JPEG, PNG, WebP or TIFF
files will do."""


def read(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def table(title, headings, counts):
    print(f"\n## {title}\n")
    print("| " + " | ".join(headings) + " |")
    print("|" + " --- |" * len(headings))
    for key, count in sorted(counts.items()):
        print("| " + " | ".join((str(count), *key)) + " |")


def main():
    if len(sys.argv) != 4:
        raise SystemExit(__doc__)
    train, valid, art = (read(path) for path in sys.argv[1:])
    share = sum("BY-SA" in row["licence"] for row in train)
    print(INTRODUCTION.format(train=len(train), valid=len(valid), art=len(art),
                              share=f"up to {share}"))
    for title, rows in (("Photographs", train), ("Validation photographs", valid)):
        counts = Counter((row["source"], row["licence"]) for row in rows)
        table(title, ("pictures", "source", "licence"), counts)
    counts = Counter(
        (row["class"], row["artist"], row["source_repo"], row["public_domain_basis"])
        for row in art
    )
    headings = ("pictures", "class", "artist", "source", "basis")
    table("Art (public domain)", headings, counts)
    authors = {row["author"] for row in train} - {""}
    names = sorted(name for name in authors if not name.startswith("photo-"))
    print("\n## Photographers, where the source names them\n")
    print(", ".join(names) + ".")


if __name__ == "__main__":
    main()
