#!/usr/bin/env python3
"""Decode pictures for train.py, which does so itself unless they come in parts.

    python3 models/decode.py --photos PHOTOS --art ART PARTS/1.u8

A run with --cache 'PARTS/*.u8' uses every part from its next chunk on.
"""

import argparse
from pathlib import Path

from sdedit_models import pictures


def decode(photos, art, cache, long_side=None):
    """Make the cache, or say that there is nothing to make it of."""
    files = pictures.find_files(photos, art)
    if not files:
        raise SystemExit("no pictures: give --photos and perhaps --art")
    cache.parent.mkdir(parents=True, exist_ok=True)
    pictures.build_cache(files, cache, long_side)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("cache", type=Path, help="file to write")
    parser.add_argument("--photos", help="folder of photos (class 0)")
    parser.add_argument("--art", help="folder with one folder of pictures for each art class")
    parser.add_argument("--long-side", type=int, help="shrink larger pictures to this")
    args = parser.parse_args()
    decode(args.photos, args.art, args.cache, args.long_side)


if __name__ == "__main__":
    main()
