"""Batches of changed images in which every five degrees of inclination are equally frequent.

Half of a batch is of colour, half grey, and half of the grey images are inverted. Each image of a batch is changed by
random numbers of its own, made of the seed and its row: the bytes depend on nothing else, whichever thread makes them.

The axis ratio is what tells the inclination, so an image is enlarged equally along both axes. InclinET does not do so:
two independent scales between 0.8 and 1.2 change the ratio by up to 1.5.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from PIL import Image

from spacer_like.exceptions import DataLimitError, TrainingLabelsError
from spacer_like.regression.labels import HIGHEST, LOWEST
from spacer_like.tables.array_file import MOST_BYTES

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Values = NDArray[np.float32]
    _Step = Callable[[Values, np.random.Generator], Values]

BIN_DEGREES = 5
GREY_FACTOR = 3
"""Grey images drawn for each of colour, before as many are kept: there are three grey bands."""
LEAST_WITH_INCLINATION = 10
"""Codes below it are those of galaxies without an inclination."""
_CLASSES = ("with an inclination", "without")
# As numpy.pad calls them.
_FILLS = ("constant", "edge", "symmetric", "reflect", "wrap")
_WHITE = 255.0
# Linear interpolation widens what is thin: its triangle has the second moment 1/6 and the fourth 1/15. These five, the
# middle first, have moments that make those of both together 0, as cubic interpolation has them.
_SHARPENING = np.array([37 / 30, -23 / 180, 1 / 90], np.float32)


class Options(NamedTuple):
    """How images are changed; the default is what keeps their axis ratio.

    Attributes:
        anisotropic_scale: draw the scales of both axes independently, as the original does.
        grey_recipe_for_colour: change images of colour as grey ones, as the original does.
        random_order: take the steps in random order, so that noise may come before the interpolation.
        by_class: let the galaxies with an inclination and those without be equally frequent, in place of every five
            degrees.
    """

    anisotropic_scale: bool = False
    grey_recipe_for_colour: bool = False
    random_order: bool = False
    by_class: bool = False


@dataclass(frozen=True)
class Pool:
    """Images to draw from.

    Fields:
        images: uint8 [n, size, size, 3].
        inclinations: degrees; of galaxies without one their code, 0 or 1; int32 [n].
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


def class_of(codes: NDArray[np.integer]) -> NDArray[np.int64]:
    """The class of each code: 0 of a galaxy with an inclination, 1 of one without, rejected or seen face-on.

    >>> class_of(np.array([67, 0, 1]))
    array([0, 1, 1])
    """
    return (np.asarray(codes) < LEAST_WITH_INCLINATION).astype(np.int64)


def counted_bins(codes: NDArray[np.integer], by_class: bool) -> dict[str, int]:
    """The number of images in each bin that has any, by the degrees in it, or in each class.

    >>> counted_bins(np.array([45, 50, 51]), False)
    {'45 to 50': 2, '51 to 55': 1}
    """
    names = (
        _CLASSES
        if by_class
        else [f"{low + (low > LOWEST)} to {low + BIN_DEGREES}" for low in range(LOWEST, HIGHEST, BIN_DEGREES)]
    )
    numbers, counts = np.unique(class_of(codes) if by_class else bin_of(codes), return_counts=True)
    return {names[number]: count for number, count in zip(numbers.tolist(), counts.tolist(), strict=True)}


def batch_name(size: int, sub_sample: int, batch: int) -> str:
    """The name of a batch's file below the folder of all, without its ending.

    >>> batch_name(128, 1, 4)
    'Uset_001_npz/128x128_train_aug_04'
    """
    return f"Uset_{sub_sample:03d}_npz/{size}x{size}_train_aug_{batch:02d}"


def grey_and_colour(pools: Sequence[Pool]) -> tuple[list[Pool], list[Pool]]:
    """The images of the bands g, r and i, and those of colour, as `fly_batch` takes them.

    Nothing is copied of a pool of one band.
    """
    parted: tuple[list[Pool], list[Pool]] = [], []
    for pool in pools:
        is_colour = pool.filters == "c"
        for part, belongs in zip(parted, (~is_colour, is_colour), strict=True):
            if belongs.all():
                part.append(pool)
            elif belongs.any():
                part.append(Pool(*(values[belongs] for values in vars(pool).values())))
    return parted


def fly_batch(
    grey: Pool | Sequence[Pool],
    colour: Pool | Sequence[Pool],
    per_bin: int,
    seed: int,
    step: int = 0,
    options: Options | None = None,
) -> Pool:
    """A batch of `per_bin` images of colour for each bin that has any, and as many grey ones, in random order.

    Args:
        grey: images of the bands g, r and i; not changed.
        colour: images of colour; not changed.
        per_bin: images of colour a bin.
        seed: of all that is random, 0 to 2**63 - 1.
        step: the number of the batch among those of the seed.

    Raises:
        TrainingLabelsError: a pool is empty, an inclination lies outside 45 to 90, or sizes differ.
        DataLimitError: more than `MOST_BYTES`.
    """
    options = options or Options()
    greys, colours = ([pools] if isinstance(pools, Pool) else list(pools) for pools in (grey, colour))
    _check(greys, colours, options)
    random = np.random.default_rng([seed, step, 0])
    of_colour = _drawn(colours, per_bin, random, options)
    of_grey = random.permutation(_drawn(greys, GREY_FACTOR * per_bin, random, options))[: len(of_colour)]
    shape = (len(of_colour) + len(of_grey), *colours[0].images.shape[1:])
    # One that is larger could not be read again.
    if (n_bytes := math.prod(shape)) > MOST_BYTES:
        raise DataLimitError(
            f"A batch of {shape[0]} images of {shape[1]} pixels takes {n_bytes / 2**30:.1f} GiB, more than the "
            f"{MOST_BYTES // 2**30} that a batch may: make more batches with fewer images of each bin."
        )
    # Numbers of images: those of colour, then the grey ones.
    rows = [*_found(colours, of_colour), *_found(greys, of_grey)]
    n_colour, n_inverted = len(of_colour), len(of_grey) // 2
    order = random.permutation(len(rows)).tolist()
    images = np.empty(shape, np.uint8)
    for place, number in enumerate(order):
        pool, row = rows[number]
        own = np.random.default_rng([seed, step, 1, number])
        is_grey = number >= n_colour
        images[place] = changed(pool.images[row], own, is_grey or options.grey_recipe_for_colour, options)
        if is_grey and number - n_colour < n_inverted:
            np.subtract(255, images[place], out=images[place])
    chosen = [rows[number] for number in order]
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
    # All of this on three equal channels would be done three times.
    one_is_enough = is_grey and all((image[..., 0] == image[..., channel]).all() for channel in (1, 2))
    values: Values = image.transpose(2, 0, 1)[: 1 if one_is_enough else 3].astype(np.float32)
    for step in steps:
        values = step(values, random)
        values = np.clip(values, 0, 255, out=values)
    pixels = np.empty_like(image, order="C")
    pixels[...] = np.rint(values).astype(np.uint8).transpose(1, 2, 0)
    return pixels


def _moved(values: Values, random: np.random.Generator, fill: str, colour: float, anisotropic: bool) -> Values:
    """Turned, scaled and shifted about the middle."""
    angle = np.deg2rad(random.uniform(0, 359))
    scales = random.uniform(0.8, 1.2, 2 if anisotropic else 1) * np.ones(2)
    size = np.array(values.shape[1:])
    shift = random.uniform(-0.15, 0.15, 2) * size
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    # From points of the result to those of the image, both (y, x) and in pixels from the corner.
    back: NDArray[Any] = np.diag(1 / scales) @ turn.T
    offset = size / 2 - back @ (size / 2 + shift)
    rows = columns = None
    if fill != "constant":
        corners = offset + np.array([(y, x) for y in (0, size[0]) for x in (0, size[1])]) @ back.T
        begin, end = np.floor(corners.min(axis=0)).astype(int) - 1, np.ceil(corners.max(axis=0)).astype(int) + 1
        rows, columns = (_repeated(begin[axis], end[axis], size[axis], fill) for axis in range(2))
        offset = offset - begin
    # Pillow's points are (x, y).
    matrix = np.column_stack([back, offset])[::-1, [1, 0, 2]].ravel().tolist()
    result = np.empty(values.shape, np.float32)
    for channel, plane in enumerate(values):
        sharp = _sharpened(plane)
        if rows is not None and columns is not None:
            sharp = sharp.take(rows, 0).take(columns, 1)
        turned = Image.fromarray(sharp).transform(
            plane.shape[::-1], Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR, fillcolor=colour
        )
        result[channel] = np.asarray(turned)
    return result


def _repeated(begin: int, end: int, size: int, fill: str) -> NDArray[np.int64]:
    """The index in an image of each position from `begin` to `end`, where it goes on as `numpy.pad` says."""
    at = np.arange(begin, end)
    if fill == "edge":
        return at.clip(0, size - 1)
    if fill == "wrap":
        return at % size
    # The image there and back, with its last row once more or not.
    last = 2 * size - (1 if fill == "symmetric" else 2)
    at %= last + 1 if fill == "symmetric" else max(last, 1)
    return np.minimum(at, last - at)


def _sharpened(plane: NDArray[Any]) -> NDArray[Any]:
    """An image [height, width] that linear interpolation then widens no more than cubic interpolation does."""
    middle, near, far = (np.float32(share) for share in _SHARPENING)
    for axis in range(2):
        n = plane.shape[axis]
        wide = plane.take(np.arange(-2, n + 2).clip(0, n - 1), axis)
        lines = [wide[place : place + n] if axis == 0 else wide[:, place : place + n] for place in range(5)]
        plane = middle * lines[2]
        plane += near * (lines[1] + lines[3])
        plane += far * (lines[0] + lines[4])
    return plane


def _flipped(values: Values, random: np.random.Generator) -> Values:
    left_right, up_down = random.random(2) < 0.5
    return values[:, :: -1 if up_down else 1, :: -1 if left_right else 1]


def _gamma(values: Values, random: np.random.Generator) -> Values:
    power = np.float32(random.uniform(0.97, 1.03))
    result: Values = (values / np.float32(255)) ** power
    result *= np.float32(255)
    return result


def _noise(values: Values, random: np.random.Generator) -> Values:
    n_channels = 3 if random.random() < 0.5 else 1
    deviation = np.float32(random.uniform(0, 3))
    return values + deviation * random.standard_normal((n_channels, *values.shape[1:]), np.float32)


def _added(values: Values, random: np.random.Generator) -> Values:
    return values + _numbers(random, -5, 5)


def _multiplied(values: Values, random: np.random.Generator) -> Values:
    return values * _numbers(random, 0.8, 1.2)


def _partly_grey(values: Values, random: np.random.Generator) -> Values:
    is_done, share = random.random() < 0.1, np.float32(random.random())
    if not is_done:
        return values
    grey: Values = values.mean(axis=0, keepdims=True)
    return values + share * (grey - values)


def _numbers(random: np.random.Generator, low: float, high: float) -> Values:
    """A number for all channels, or one for each: either half of the time."""
    n = 3 if random.random() < 0.5 else 1
    numbers: Values = random.uniform(low, high, (n, 1, 1)).astype(np.float32)
    return numbers


def _check(greys: Sequence[Pool], colours: Sequence[Pool], options: Options) -> None:
    for pools, noun, bands in ((greys, "grey image", "g, r or i"), (colours, "image of colour", "gri")):
        if not any(len(pool.images) for pool in pools):
            raise TrainingLabelsError(
                f"There is no {noun} to make a batch of: prepare and pack those of the band {bands}, and split again."
            )
        codes = np.concatenate([pool.inclinations for pool in pools])
        if not options.by_class and (codes.min() < LOWEST or codes.max() > HIGHEST):
            raise TrainingLabelsError(f"A {noun} has an inclination outside {LOWEST} to {HIGHEST} degrees.")
    if len({pool.images.shape[1:] for pool in (*greys, *colours)}) > 1:
        raise TrainingLabelsError("The grey images and those of colour are not of one size.")


def _drawn(pools: Sequence[Pool], per_bin: int, random: np.random.Generator, options: Options) -> NDArray[np.int64]:
    """Rows of pools, `per_bin` of each bin that has any: each of them as often as the others, or once more."""
    inclinations = np.concatenate([pool.inclinations for pool in pools])
    bins = class_of(inclinations) if options.by_class else bin_of(inclinations)
    drawn = []
    for number in np.unique(bins):
        rows = np.flatnonzero(bins == number)
        repeated = np.tile(rows, -(-per_bin // len(rows)))
        drawn.append(random.permutation(repeated)[:per_bin])
    return np.concatenate(drawn)


def _found(pools: Sequence[Pool], rows: NDArray[np.int64]) -> Iterator[tuple[Pool, int]]:
    """The pool, and the row in it, of each of the rows of all pools, one after the other."""
    begins = np.cumsum([0, *(len(pool.images) for pool in pools)])
    which = np.searchsorted(begins, rows, "right") - 1
    yield from zip((pools[number] for number in which), (rows - begins[which]).tolist(), strict=True)
