"""Batches of changed images in which every five degrees of inclination are equally frequent.

Half of a batch is of colour, half grey, and half of the grey images are inverted. Each image of a batch is changed by
random numbers of its own, made of the seed and its row: the bytes depend on nothing else, whichever thread makes them.

The axis ratio is what tells the inclination, so an image is enlarged equally along both axes. InclinET does not do so:
two independent scales between 0.8 and 1.2 change the ratio by up to 1.5.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy import ndimage

from spacer_like.exceptions import TrainingLabelsError
from spacer_like.regression.labels import HIGHEST, LOWEST

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Values = NDArray[np.float32]
    _Step = Callable[[Values, np.random.Generator], Values]

BIN_DEGREES = 5
N_BINS = (HIGHEST - LOWEST) // BIN_DEGREES
GREY_FACTOR = 3
"""Grey images drawn for each of colour, before as many are kept: there are three grey bands."""
# As scipy calls constant, edge, symmetric, reflect and wrap of numpy.pad.
_FILLS = ("constant", "nearest", "reflect", "mirror", "grid-wrap")
_WHITE = 255.0


class Options(NamedTuple):
    """How images are changed; the default is what keeps their axis ratio.

    Attributes:
        anisotropic_scale: draw the scales of both axes independently, as the original does.
        grey_recipe_for_colour: change images of colour as grey ones, as the original does.
        random_order: take the steps in random order, so that noise may come before the interpolation.
    """

    anisotropic_scale: bool = False
    grey_recipe_for_colour: bool = False
    random_order: bool = False


@dataclass(frozen=True)
class Pool:
    """Images to draw from.

    Fields:
        images: uint8 [n, size, size, 3].
        inclinations: degrees, int32 [n].
        ids: of the galaxies, int32 [n].
        filters: one of c, g, r, i for each image, text [n].
    """

    images: NDArray[np.uint8] = field(repr=False)
    inclinations: NDArray[np.int32] = field(repr=False)
    ids: NDArray[np.int32] = field(repr=False)
    filters: NDArray[np.str_] = field(repr=False)


def bin_of(inclinations: NDArray[np.integer]) -> NDArray[np.int64]:
    """The bin of each inclination: 45 to 50, above 50 to 55, and so on up to 90.

    >>> bin_of(np.array([45, 50, 51, 90]))
    array([0, 0, 1, 8])
    """
    return np.maximum(-((LOWEST - np.asarray(inclinations, np.int64)) // BIN_DEGREES) - 1, 0)


def uniform_batch(grey: Pool, colour: Pool, per_bin: int, seed: int, options: Options | None = None) -> Pool:
    """A batch of `per_bin` images of colour for each bin that has any, and as many grey ones, in random order.

    Args:
        grey: images of the bands g, r and i; not changed.
        colour: images of colour; not changed.
        per_bin: images of colour a bin.
        seed: of all that is random, 0 to 2**63 - 1.

    Raises:
        TrainingLabelsError: a pool is empty, an inclination lies outside 45 to 90, or sizes differ.
    """
    options = options or Options()
    for pool, noun in ((grey, "grey image"), (colour, "image of colour")):
        _check(pool, noun)
    if grey.images.shape[1:] != colour.images.shape[1:]:
        raise TrainingLabelsError("The grey images and those of colour are not of one size.")
    random = np.random.default_rng([seed, 0])
    of_colour = _drawn(colour.inclinations, per_bin, random)
    of_grey = random.permutation(_drawn(grey.inclinations, GREY_FACTOR * per_bin, random))[: len(of_colour)]
    n_colour, n = len(of_colour), len(of_colour) + len(of_grey)
    # The rows of both pools, one after the other: those of colour, then the grey ones.
    pools = [(colour, row) for row in of_colour.tolist()] + [(grey, row) for row in of_grey.tolist()]
    order = random.permutation(n).tolist()
    images = np.empty((n, *colour.images.shape[1:]), np.uint8)
    for place, index in enumerate(order):
        pool, row = pools[index]
        is_grey = index >= n_colour
        image = changed(
            pool.images[row],
            np.random.default_rng([seed, 1, index]),
            is_grey or options.grey_recipe_for_colour,
            options,
        )
        is_inverted = is_grey and index - n_colour < len(of_grey) // 2
        images[place] = 255 - image if is_inverted else image
    chosen = [pools[index] for index in order]
    return Pool(
        images,
        np.array([pool.inclinations[row] for pool, row in chosen], np.int32),
        np.array([pool.ids[row] for pool, row in chosen], np.int32),
        np.array([pool.filters[row] for pool, row in chosen], np.str_),
    )


def changed(
    image: NDArray[np.uint8], random: np.random.Generator, is_grey: bool, options: Options
) -> NDArray[np.uint8]:
    """An image after the recipe of grey ones or of colour, uint8 [size, size, 3]."""

    def moved(values: Values, random: np.random.Generator) -> Values:
        fill = "constant" if is_grey else _FILLS[random.integers(len(_FILLS))]
        colour = _WHITE if is_grey else random.uniform(0, 255)
        return _moved(values, random, fill, colour, options.anisotropic_scale)

    # Numbers of light come last: noise is then as it was drawn, and no step of interpolation smooths it.
    steps: list[_Step] = [_flipped, moved, _gamma]
    if not is_grey:
        steps += [_noise, _added, _multiplied, _partly_grey]
    if options.random_order:
        steps = [steps[index] for index in random.permutation(len(steps))]
    values: Values = image.astype(np.float32)
    for step in steps:
        values = step(values, random).clip(0, 255).astype(np.float32, copy=False)
    return np.rint(values).astype(np.uint8)


def _moved(values: Values, random: np.random.Generator, fill: str, colour: float, anisotropic: bool) -> Values:
    """Turned, scaled and shifted about the middle."""
    angle = np.deg2rad(random.uniform(0, 359))
    scales = random.uniform(0.8, 1.2, 2 if anisotropic else 1) * np.ones(2)
    size = np.array(values.shape[:2])
    shift = random.uniform(-0.15, 0.15, 2) * size
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    # From the pixels of the result to those of the image, as scipy asks for it.
    back: NDArray[np.float64] = np.diag(1 / scales) @ turn.T
    middle = (size - 1) / 2
    offset = middle - back @ (middle + shift)
    result = np.empty_like(values)
    # Cubic: linear interpolation widens what is thin, an edge-on galaxy by a third of a degree.
    for channel in range(values.shape[2]):
        ndimage.affine_transform(
            values[..., channel], back, offset, output=result[..., channel], order=3, mode=fill, cval=colour
        )
    return result


def _flipped(values: Values, random: np.random.Generator) -> Values:
    left_right, up_down = random.random(2) < 0.5
    return values[:: -1 if up_down else 1, :: -1 if left_right else 1]


def _gamma(values: Values, random: np.random.Generator) -> Values:
    power = np.float32(random.uniform(0.97, 1.03))
    return (255 * (values / 255) ** power).astype(np.float32, copy=False)


def _noise(values: Values, random: np.random.Generator) -> Values:
    n_channels = values.shape[2] if random.random() < 0.5 else 1
    deviation = np.float32(random.uniform(0, 3))
    return values + deviation * random.standard_normal((*values.shape[:2], n_channels), np.float32)


def _added(values: Values, random: np.random.Generator) -> Values:
    return values + _numbers(random, -5, 5)


def _multiplied(values: Values, random: np.random.Generator) -> Values:
    return values * _numbers(random, 0.8, 1.2)


def _partly_grey(values: Values, random: np.random.Generator) -> Values:
    is_done, share = random.random() < 0.1, np.float32(random.random())
    if not is_done:
        return values
    grey: Values = values.mean(axis=2, keepdims=True)
    return values + share * (grey - values)


def _numbers(random: np.random.Generator, low: float, high: float) -> Values:
    """A number for all channels, or one for each: either half of the time."""
    n = 3 if random.random() < 0.5 else 1
    numbers: Values = random.uniform(low, high, n).astype(np.float32)
    return numbers


def _check(pool: Pool, noun: str) -> None:
    if not len(pool.images):
        raise TrainingLabelsError(f"There is no {noun} to make a batch of.")
    if pool.inclinations.min() < LOWEST or pool.inclinations.max() > HIGHEST:
        raise TrainingLabelsError(f"A {noun} has an inclination outside {LOWEST} to {HIGHEST} degrees.")


def _drawn(inclinations: NDArray[np.int32], per_bin: int, random: np.random.Generator) -> NDArray[np.int64]:
    """Rows of a pool, `per_bin` of each bin that has any: each of them as often as the others, or once more."""
    bins = bin_of(inclinations)
    drawn = []
    for number in range(N_BINS):
        rows = np.flatnonzero(bins == number)
        if len(rows):
            repeated = np.tile(rows, -(-per_bin // len(rows)))
            drawn.append(random.permutation(repeated)[:per_bin])
    return np.concatenate(drawn)
