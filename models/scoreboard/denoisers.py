"""The peers in noise removal, each with the grid of settings that is searched.

All are told the noise level. A setting is a factor on that level, or GEGL's number of
iterations, which knows no level; G'MIC has its smoothness before the factor. What is
not searched was found on three photos: the wavelet db2 and BayesShrink were better than
sym4, db4, bior4.4 and VisuShrink. OpenCV knows only 8 bits and gets the picture clipped
and rounded. G'MIC's patch PCA is not here: at 500 seconds a megapixel it was not better
than its `denoise`.
"""

import numpy as np

from .method import Method, through_files
from .pictures import from_bytes, to_bytes

FACTORS = (0.3, 0.4, 0.5, 0.6, 0.75, 1.0, 1.3, 1.8)
FEW_FACTORS = (0.8, 1.0, 1.3, 1.8, 2.5)
SMOOTHNESS = (  # of G'MIC: of the picture in which patches are compared
    *((0, factor) for factor in (0.6, 0.75, 1.0, 1.4)),
    *((1, factor) for factor in (0.3, 0.4)),
)


def opencv_nlm(case, factor):
    import cv2

    cv2.setNumThreads(1)
    h = factor * case.sigma
    return from_bytes(
        cv2.fastNlMeansDenoisingColored(to_bytes(case.noisy), None, h, h, 7, 21)
    )


def skimage_nlm(case, factor):
    from skimage.restoration import denoise_nl_means

    sigma = case.sigma / 255
    return denoise_nl_means(
        case.noisy, 5, 6, h=factor * sigma, sigma=sigma, fast_mode=True,
        channel_axis=-1, preserve_range=True,
    )


def skimage_wavelet(case, factor):
    from skimage.restoration import denoise_wavelet

    return denoise_wavelet(
        case.noisy, sigma=factor * case.sigma / 255, wavelet="db2",
        method="BayesShrink", mode="soft", convert2ycbcr=True, channel_axis=-1,
        rescale_sigma=True,
    ).astype(np.float32)


def gegl(operation, options):
    """A GEGL operation through the command `gegl`; `options(case, setting)`."""

    def run(case, setting):
        def command(source, target):
            words = [f"{key}={value}" for key, value in options(case, setting)]
            return ["gegl", source, "-o", target, "--", operation, *words]

        return through_files(case.noisy, command, case.suffix)

    return run


def dct_options(case, factor):
    return [("sigma", factor * case.sigma)]


def gmic(words):
    """G'MIC's pipeline of `words(case, setting)`, for values of 0..255."""

    def run(case, setting):
        def command(source, target):
            if case.suffix == ".png":
                return ["gmic", "-v", "-", source, *words(case, setting), "-o", target]
            scaled = ["-mul", "255", *words(case, setting), "-div", "255"]
            return ["gmic", "-v", "-", source, *scaled, "-o", f"{target},float"]

        return through_files(case.noisy, command, case.suffix)

    return run


def gmic_denoise(case, setting):
    smoothness, factor = setting
    return ["-denoise", f"10,{factor * case.sigma},5,9,{smoothness}"]


def peers():
    return [
        Method("OpenCV non-local means", opencv_nlm, FACTORS),
        Method("scikit-image non-local means", skimage_nlm, FACTORS[:6]),
        Method("scikit-image wavelets", skimage_wavelet, FEW_FACTORS),
        Method("GEGL denoise-dct", gegl("gegl:denoise-dct", dct_options), FEW_FACTORS),
        Method(
            "GEGL noise-reduction",
            gegl("gegl:noise-reduction", lambda case, n: [("iterations", n)]),
            (1, 2, 4, 8, 16),
        ),
        Method("G'MIC denoise", gmic(gmic_denoise), SMOOTHNESS),
        Method("G'MIC denoise_cnn", gmic(lambda case, setting: ["-denoise_cnn", "0"])),
    ]
