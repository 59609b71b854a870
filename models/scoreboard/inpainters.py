"""The peers in filling holes, each with the grid of settings that is searched.

All get the picture with the hole blacked out, and the hole.
"""

import numpy as np

from .method import Method, through_files
from .pictures import from_bytes, to_bytes

RADII = (2, 4, 8)  # pixels
PATCHES = (7, 11)  # pixels
DIFFUSIONS = (0, 2)  # isotropic, edge-guided; 1 (Delaunay) yields NaN at times


def neighbours(index):
    """(one, other) for every two pixels side by side, as flat arrays, both ways."""
    for one, other in (
        (index[1:], index[:-1]),
        (index[:, 1:], index[:, :-1]),
    ):
        yield one.ravel(), other.ravel()
        yield other.ravel(), one.ravel()


def harmonic(picture, hole):
    """Fill with the solution of the Laplace equation, the hole's edge as boundary."""
    from scipy.sparse import csc_matrix
    from scipy.sparse.linalg import spsolve

    inside, n = hole.ravel(), int(hole.sum())
    colours = picture.reshape(-1, 3).astype(np.float64)
    number = np.cumsum(inside) - 1
    count, known = np.zeros(n), np.zeros((n, 3))
    rows, columns = [], []
    for one, other in neighbours(np.arange(hole.size).reshape(hole.shape)):
        unknown = inside[one]
        one, other = one[unknown], other[unknown]
        free = inside[other]
        np.add.at(count, number[one], 1)
        np.add.at(known, number[one[~free]], colours[other[~free]])
        rows.append(number[one[free]])
        columns.append(number[other[free]])
    rows, columns = np.concatenate(rows), np.concatenate(columns)
    values = np.concatenate([count, -np.ones(len(rows))])
    diagonal = np.arange(n)
    places = np.concatenate([diagonal, rows]), np.concatenate([diagonal, columns])
    filled = picture.copy()
    filled[hole] = spsolve(csc_matrix((values, places), shape=(n, n)), known)
    return filled


def opencv(flag):
    def run(case, radius):
        import cv2

        cv2.setNumThreads(1)
        mask = case.hole.astype(np.uint8) * 255
        method = getattr(cv2, flag)
        return from_bytes(cv2.inpaint(to_bytes(case.damaged), mask, radius, method))

    return run


def biharmonic(case, setting):
    from skimage.restoration import inpaint_biharmonic

    return inpaint_biharmonic(
        case.damaged, case.hole, split_into_regions=True, channel_axis=-1
    ).astype(np.float32)


def gmic(words):
    """G'MIC's pipeline of `words(setting)`, where [1] is the hole."""

    def run(case, setting):
        def command(source, target, mask):
            return ["gmic", "-v", "-", source, mask, "-channels[1]", "0",
                    *words(setting), "-keep[0]", "-o", f"{target}"]

        return through_files(case.damaged, command, ".png", case.hole)

    return run


def pde(diffusion):
    return ["-inpaint_pde[0]", f"[1],75%,{diffusion},20"]


def matchpatch(patch):
    return ["-inpaint_matchpatch[0]", f"[1],0,{patch},10,5,1"]


def copied_patches(patch):
    return ["-inpaint[0]", f"[1],{patch},22,0.5,1,{patch},0"]


def peers():
    return [
        Method("harmonic (Laplace)", lambda case, s: harmonic(case.damaged, case.hole)),
        Method("OpenCV Telea", opencv("INPAINT_TELEA"), RADII),
        Method("OpenCV Navier-Stokes", opencv("INPAINT_NS"), RADII),
        Method("scikit-image biharmonic", biharmonic),
        Method("G'MIC inpaint_pde", gmic(pde), DIFFUSIONS),
        Method("G'MIC inpaint_matchpatch", gmic(matchpatch), PATCHES),
        Method("G'MIC inpaint (patches)", gmic(copied_patches), PATCHES),
    ]
