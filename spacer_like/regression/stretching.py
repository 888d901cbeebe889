"""Counts of three bands as images of eight bits: asinh for one band, the way of Lupton et al. for colour.

Lupton et al. 2004, PASP 116, 133. A display drawn at random differs as the pictures of many people do.
"""

from __future__ import annotations

import math
from io import BytesIO
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from PIL import Image
from scipy import ndimage

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Values = NDArray[np.float64]

_DARK_PERCENTILE, _NOISE_PERCENTILE = 25.0, 10.0
# Of a normal distribution, between its 10th and 25th percentile, in standard deviations.
_NOISE_STEP = 0.607


class Display(NamedTuple):
    """How counts are shown.

    Attributes:
        white_percentile: of the counts, shown white.
        softening: how much faint light is raised over bright light, above 0.
        black: standard deviations of the noise above the dark quarter of the image that are shown black.
        gamma: power of the result.
        saturation: distance of colours from grey, 1 as they are.
        sharpness: what an unsharp mask adds, 0 nothing, below 0 a blur.
        jpeg_quality: of Pillow, 1 to 95; None: no JPEG.
    """

    white_percentile: float = 99.5
    softening: float = 8.0
    black: float = -1.5
    gamma: float = 1.0
    saturation: float = 1.0
    sharpness: float = 0.0
    jpeg_quality: int | None = None


def ordinary_display() -> Display:
    """What every image gets that is not randomised."""
    return Display()


def random_display(random: np.random.Generator) -> Display:
    """A display as one of many people might choose it."""
    return Display(
        white_percentile=random.uniform(96, 99.95),
        softening=math.exp(random.uniform(math.log(0.5), math.log(30))),
        black=random.uniform(-2, 2.5),
        gamma=math.exp(random.uniform(math.log(0.6), math.log(1.5))),
        saturation=random.uniform(0.2, 2.2),
        sharpness=random.uniform(-0.6, 1.2) if random.random() < 0.5 else 0.0,
        jpeg_quality=int(random.integers(40, 96)) if random.random() < 0.8 else None,
    )


def shown_grey(bands: Values, display: Display) -> NDArray[np.uint8]:
    """Each band as an image of its own.

    Args:
        bands: counts, [n, height, width].

    Returns:
        uint8 [n, height, width].
    """
    planes = []
    for band in bands:
        above = _above_black(band, display.black)
        shown = _finished(_raised(above, display)[None], display)[0]
        planes.append(_through_jpeg(shown, display.jpeg_quality))
    return np.stack(planes)


def shown_colour(bands: Values, display: Display) -> NDArray[np.uint8]:
    """The bands g, r and i as one image: i red, r green, g blue.

    Args:
        bands: counts, [3, height, width].

    Returns:
        uint8 [height, width, 3].
    """
    above = np.stack([_above_black(band, display.black) for band in bands[::-1]])
    total = above.mean(axis=0)
    factor = _raised(total, display, clipped=False) / np.maximum(total, 1e-9)
    colours = above * factor
    grey = colours.mean(axis=0)
    colours = np.maximum(grey + display.saturation * (colours - grey), 0)
    # Where one colour is more than white, all are lowered: the hue stays.
    colours /= np.maximum(colours.max(axis=0), 1)
    return _through_jpeg(np.ascontiguousarray(_finished(colours, display).transpose(1, 2, 0)), display.jpeg_quality)


def _above_black(band: Values, black: float) -> Values:
    low, dark = np.percentile(band, (_NOISE_PERCENTILE, _DARK_PERCENTILE))
    above: Values = np.maximum(band - dark - black * (dark - low) / _NOISE_STEP, 0)
    return above


def _raised(above: Values, display: Display, clipped: bool = True) -> Values:
    white = float(np.percentile(above, display.white_percentile)) or float(above.max()) or 1.0
    shares = above / white
    if clipped:
        shares = np.minimum(shares, 1)
    raised: Values = np.arcsinh(display.softening * shares) / math.asinh(display.softening)
    return raised


def _finished(planes: Values, display: Display) -> NDArray[np.uint8]:
    """Sharpness, power and rounding of shares of white."""
    if display.sharpness:
        blurred = ndimage.gaussian_filter(planes, (0, 1, 1))
        planes = planes + display.sharpness * (planes - blurred)
    return np.rint(255 * planes.clip(0, 1) ** display.gamma).astype(np.uint8)


def _through_jpeg(pixels: NDArray[np.uint8], quality: int | None) -> NDArray[np.uint8]:
    if quality is None:
        return pixels
    sink = BytesIO()
    Image.fromarray(pixels).save(sink, "JPEG", quality=quality)
    with Image.open(sink) as image:
        return np.asarray(image)
