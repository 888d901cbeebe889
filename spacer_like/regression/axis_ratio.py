"""The axis ratio of the galaxy in an image, and the inclination that it stands for: no network, and nothing learned.

The galaxy is what stands out around the middle. What is not symmetric about its centre, stars and neighbours, is left
out; ellipses are fitted to isophotes of many levels, from the brightest to the sky, and those that are ellipses indeed
decide. An image in which nothing can be fitted gets a reason, not an error.

Hubble 1926, ApJ 64, 321 has the formula; Bernstein and Jarvis 2002, AJ 123, 583 the adaptive moments.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
from PIL import Image
from scipy import ndimage

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Values = NDArray[np.float64]

EDGE_ON_RATIO = 0.2
"""Axis ratio of a disc seen from its edge, as Hubble took it."""
LEAST_SIZE = 16
GOOD, DOUBTFUL, NOT_MEASURED = 0, 1, 2
"""Flags."""
LEAST_QUALITY = 0.5
"""Below it, a measurement is doubtful."""
Method = Literal["isophotes", "moments"]
# Larger images are averaged to this: isophotes are then smooth.
_WORKING_SIZE = 128
_LEVELS = np.geomspace(0.03, 0.8, 24)
_LEAST_PIXELS = 8
_LEAST_COVERAGE = 0.8
# Of the square of an axis where the seeing takes all of it off.
_LEAST_MAJOR = 1e-3
_SMOOTHING = 0.8
_DEVIATION_OF_WIDTH = 0.4247
_NORMAL_DEVIATION = 1.4826


class AxisRatio(NamedTuple):
    """A measurement; NaN where nothing was measured.

    Attributes:
        semi_major: of the outermost isophote that is an ellipse, pixels of the image.
        semi_minor: `axis_ratio` times `semi_major`.
        axis_ratio: above 0, 1 at most.
        position_angle: degrees of the major axis from the x axis towards rows of higher number, 0 to below 180.
        inclination: degrees by `hubble_inclination`.
        x: column of the centre.
        y: row of the centre.
        quality: 0 to 1: how far isophotes are ellipses, and of one shape.
        flag: `GOOD`, `DOUBTFUL` or `NOT_MEASURED`.
        reason: a sentence, unless the flag is `GOOD`.
    """

    semi_major: float
    semi_minor: float
    axis_ratio: float
    position_angle: float
    inclination: float
    x: float
    y: float
    quality: float
    flag: int
    reason: str


class _Ellipse(NamedTuple):
    """Second moments in pixels squared, the centre, and how well an ellipse covers what they are of, 0 to 1."""

    xx: float
    xy: float
    yy: float
    x: float
    y: float
    coverage: float
    level: float


class _Unmeasurable(Exception):
    """The reason is the message."""


def hubble_inclination(axis_ratio: float, edge_on_ratio: float = EDGE_ON_RATIO) -> float:
    """Degrees from face-on of a disc whose image has an axis ratio: cos² i = (q² - q0²) / (1 - q0²).

    >>> hubble_inclination(1.0), round(hubble_inclination(0.5), 1), hubble_inclination(0.1)
    (0.0, 62.1, 90.0)
    """
    squared = (axis_ratio**2 - edge_on_ratio**2) / (1 - edge_on_ratio**2)
    return math.degrees(math.acos(math.sqrt(min(max(squared, 0.0), 1.0))))


def measured_axis_ratio(
    image: NDArray[np.generic],
    method: Method = "isophotes",
    background: float | None = None,
    seeing: float = 0.0,
    edge_on_ratio: float = EDGE_ON_RATIO,
) -> AxisRatio:
    """The axis ratio of the galaxy nearest the middle.

    Args:
        image: [height, width] or [height, width, channels] of which the mean is taken; NaN and infinite values are
            left out. It is not modified.
        method: ``isophotes``, or ``moments``: adaptive ones, which follow the bright inner part.
        background: the sky in the image's numbers, 0 where it was subtracted; None: a plane through the border.
        seeing: full width at half maximum of a star in pixels, which is taken off; 0: nothing is.
        edge_on_ratio: axis ratio of a disc seen from its edge, 0 to below 1.
    """
    try:
        light, shrinkage = _light(np.asarray(image))
        above, noise = _above_background(light, background)
        # A plane through equal numbers leaves the errors of rounding.
        noise = max(noise, 1e-9 * float(np.nanmax(np.abs(light))))
        centre = _centre(above, noise)
        cleaned = _symmetric(ndimage.gaussian_filter(above, _SMOOTHING), centre)
        ellipses = _isophotes(cleaned, centre, noise)
        # A pixel has an extent, too.
        blur = _SMOOTHING**2 + (_DEVIATION_OF_WIDTH * seeing / shrinkage) ** 2 + 1 / 12
        return _answer(ellipses, cleaned, method, blur, shrinkage, edge_on_ratio)
    except _Unmeasurable as error:
        return not_measured(str(error))


def not_measured(reason: str) -> AxisRatio:
    """The row of an image in which nothing was measured."""
    return AxisRatio(*(math.nan,) * 7, 0.0, NOT_MEASURED, reason)


def _light(image: NDArray[np.generic]) -> tuple[Values, float]:
    """The mean of the channels, averaged to the working size, NaN where there is no number; pixels a pixel."""
    if image.ndim not in (2, 3) or min(image.shape[:2]) < LEAST_SIZE:
        raise _Unmeasurable(f"The image is {list(image.shape)}: it must have {LEAST_SIZE} rows and columns at least.")
    values: Values = image.astype(np.float64)
    values = values.mean(axis=2) if values.ndim == 3 else values
    is_number = np.isfinite(values)
    if not is_number.any():
        raise _Unmeasurable("The image holds no number at all.")
    values = np.where(is_number, values, np.nan)
    shrinkage = max(1.0, max(values.shape) / _WORKING_SIZE)
    if shrinkage > 1:
        size = [max(LEAST_SIZE, round(length / shrinkage)) for length in values.shape[::-1]]
        scale = float(np.abs(values[is_number]).max()) or 1.0
        sums, counts = (
            np.asarray(Image.fromarray(plane.astype(np.float32)).resize(size, Image.Resampling.BOX), np.float64)
            for plane in (np.where(is_number, values, 0) / scale, is_number)
        )
        values = np.where(counts > 0.5, sums * scale / np.maximum(counts, 0.5), np.nan)
    return values, shrinkage


def _above_background(light: Values, background: float | None) -> tuple[Values, float]:
    """The light above the sky, 0 where there is no number, and the standard deviation of the sky's noise."""
    is_number = np.isfinite(light)
    height, width = light.shape
    depth = max(2, min(height, width) // 16)
    is_border = is_number.copy()
    is_border[depth:-depth, depth:-depth] = False
    if is_border.sum() < 4 * depth:
        is_border = is_number
    rows, columns = np.indices(light.shape)
    # About the middle: the numbers of a turned image are those of the image.
    places = np.stack([np.ones(light.shape), columns - (width - 1) / 2, rows - (height - 1) / 2], axis=-1)
    values, at = light[is_border], places[is_border]
    sky = np.full(len(values), float(np.median(values)) if background is None else background)
    for _ in range(4):
        rest = values - sky
        middle = np.median(rest)
        noise = _NORMAL_DEVIATION * float(np.median(np.abs(rest - middle)))
        if background is not None:
            return np.where(is_number, light - background, 0), noise
        is_sky = np.abs(rest - middle) <= 2.5 * noise
        plane = np.linalg.lstsq(at[is_sky], values[is_sky], rcond=None)[0]
        sky = at @ plane
    return np.where(is_number, light - places @ plane, 0), noise


def _centre(above: Values, noise: float) -> tuple[float, float]:
    """Column and row of the brightest part near the middle."""
    height, width = above.shape
    size = min(height, width)
    wide = ndimage.gaussian_filter(above, max(1.0, size / 40))
    rows, columns = np.indices(above.shape)
    distance = ((columns - (width - 1) / 2) ** 2 + (rows - (height - 1) / 2) ** 2) / (size / 5) ** 2
    row, column = np.unravel_index(int(np.argmax(np.maximum(wide, 0) * np.exp(-distance / 2))), above.shape)
    peak = wide[row, column]
    if peak <= noise:
        raise _Unmeasurable("Nothing stands out from the background near the middle.")
    inner = _part_of(wide > 0.6 * peak, int(column), int(row))
    weights = np.where(inner, wide, 0)
    return float((weights * columns).sum() / weights.sum()), float((weights * rows).sum() / weights.sum())


def _part_of(mask: NDArray[np.bool_], column: int, row: int) -> NDArray[np.bool_]:
    """The connected part of a mask at a place or nearest to it, without holes; all False where the mask is."""
    labels, n = ndimage.label(mask)
    number = labels[row, column]
    if n and not number:
        places = np.argwhere(mask)
        nearest = places[np.argmin(((places - (row, column)) ** 2).sum(axis=1))]
        number = labels[tuple(nearest)]
    part: NDArray[np.bool_] = ndimage.binary_fill_holes((labels == number) & mask)
    return part


def _symmetric(smooth: Values, centre: tuple[float, float]) -> Values:
    """The darker one of each pixel and the one opposite the centre: stars and neighbours have nothing opposite."""
    height, width = smooth.shape
    x, y = (round(2 * place) for place in centre)
    rows, columns = y - np.arange(height), x - np.arange(width)
    has_row, has_column = (rows >= 0) & (rows < height), (columns >= 0) & (columns < width)
    opposite = smooth[rows.clip(0, height - 1)][:, columns.clip(0, width - 1)]
    return np.where(np.outer(has_row, has_column), np.minimum(smooth, opposite), smooth)


def _isophotes(cleaned: Values, centre: tuple[float, float], noise: float) -> list[_Ellipse]:
    """The ellipses of the levels that stand out from the noise and end within the image, the faintest first."""
    column, row = round(centre[0]), round(centre[1])
    near = cleaned[max(row - 2, 0) : row + 3, max(column - 2, 0) : column + 3]
    peak = float(near.max())
    # Of white noise after a Gaussian of this width.
    faintest = 3 * noise / (2 * math.sqrt(math.pi) * _SMOOTHING)
    ellipses = []
    for share in _LEVELS:
        level = share * peak
        if level < faintest:
            continue
        part = _part_of(cleaned > level, column, row)
        reaches_border = part[0].any() or part[-1].any() or part[:, 0].any() or part[:, -1].any()
        if part.sum() >= _LEAST_PIXELS and not reaches_border:
            ellipses.append(_ellipse(np.where(part, np.clip(cleaned - level, 0, level), 0), part, share))
    if not ellipses:
        raise _Unmeasurable("No isophote stands out from the background and ends within the image.")
    return ellipses


def _ellipse(weights: Values, part: NDArray[np.bool_], level: float) -> _Ellipse:
    rows, columns = np.nonzero(part)
    values = weights[rows, columns]
    total = values.sum()
    x, y = (values * columns).sum() / total, (values * rows).sum() / total
    dx, dy = columns - x, rows - y
    xx, xy, yy = ((values * product).sum() / total for product in (dx * dx, dx * dy, dy * dy))
    area_xx, area_xy, area_yy = (np.mean(product) for product in (dx * dx, dx * dy, dy * dy))
    determinant = max(area_xx * area_yy - area_xy**2, 1e-9)
    # The ellipse of the same second moments as the part, and the share of both that is common to both.
    everywhere_y, everywhere_x = np.indices(part.shape)
    dx, dy = everywhere_x - x, everywhere_y - y
    inside = (area_yy * dx * dx - 2 * area_xy * dx * dy + area_xx * dy * dy) / determinant <= 4
    coverage = (inside & part).sum() / (inside | part).sum()
    return _Ellipse(xx, xy, yy, x, y, float(coverage), float(level))


def _adaptive(cleaned: Values, start: _Ellipse) -> _Ellipse:
    """Moments under a Gaussian that has the shape that they give, iterated from an isophote."""
    rows, columns = np.indices(cleaned.shape)
    light = np.maximum(cleaned, 0)
    found = start
    for _ in range(60):
        determinant = found.xx * found.yy - found.xy**2
        if determinant <= 1e-6:
            raise _Unmeasurable("The adaptive moments shrink to a point or a line.")
        dx, dy = columns - found.x, rows - found.y
        radii = (found.yy * dx * dx - 2 * found.xy * dx * dy + found.xx * dy * dy) / determinant
        weights = light * np.exp(-radii / 2)
        total = weights.sum()
        x, y = found.x + 2 * (weights * dx).sum() / total, found.y + 2 * (weights * dy).sum() / total
        # A Gaussian under a Gaussian of its own shape has half of its moments.
        xx, xy, yy = (2 * (weights * product).sum() / total for product in (dx * dx, dx * dy, dy * dy))
        change = max(abs(xx - found.xx), abs(xy - found.xy), abs(yy - found.yy)) / (xx + yy)
        found = _Ellipse(xx, xy, yy, x, y, start.coverage, 0.5)
        if change < 1e-5:
            return found
    raise _Unmeasurable("The adaptive moments do not settle.")


def _axes(ellipse: _Ellipse, blur: float) -> tuple[float, float, float]:
    """Major and minor axis in standard deviations, without the blur, and the position angle in degrees."""
    mean, half = (ellipse.xx + ellipse.yy) / 2, math.hypot((ellipse.xx - ellipse.yy) / 2, ellipse.xy)
    angle = math.degrees(math.atan2(2 * ellipse.xy, ellipse.xx - ellipse.yy) / 2) % 180
    major = max(mean + half - blur, _LEAST_MAJOR)
    return math.sqrt(major), math.sqrt(min(max(mean - half - blur, 1e-3 * major), major)), angle


def _answer(
    ellipses: list[_Ellipse], cleaned: Values, method: Method, blur: float, shrinkage: float, edge_on_ratio: float
) -> AxisRatio:
    axes = [_axes(one, blur) for one in ellipses]
    ratios = np.array([minor / major for major, minor, _ in axes])
    majors = np.array([major for major, *_ in axes])
    coverages = np.array([one.coverage for one in ellipses])
    # The bulge makes bright isophotes round, and what is hardly an ellipse may be anything.
    largest = majors[coverages >= min(_LEAST_COVERAGE, float(coverages.max()))].max()
    if largest**2 <= 1.001 * _LEAST_MAJOR:
        raise _Unmeasurable("The galaxy is no larger than the seeing that is taken off.")
    is_outer = (majors >= largest / 2) & (majors <= largest)
    weights = np.where(is_outer, np.maximum(coverages - 0.6, 1e-3) ** 2, 0)
    ratio = _interquartile_mean(ratios, weights)
    outermost = ellipses[int(np.flatnonzero(majors == largest)[0])]
    best = int(np.argmin(np.where(is_outer, np.abs(ratios - ratio), np.inf)))
    doubled = np.radians([2 * angle for *_, angle in axes])
    flatness = weights * (1 - ratios)
    angle = math.degrees(math.atan2((flatness * np.sin(doubled)).sum(), (flatness * np.cos(doubled)).sum())) / 2 % 180
    if method == "moments":
        adaptive = _adaptive(cleaned, ellipses[best])
        major, minor, angle = _axes(adaptive, blur)
        ratio, outermost = minor / major, adaptive
    inclinations = np.array([hubble_inclination(one, edge_on_ratio) for one in ratios])
    quality = _quality(inclinations, weights, hubble_inclination(ratio, edge_on_ratio))
    semi_major = 2 * _axes(outermost, 0.0)[0] * shrinkage
    is_good = quality >= LEAST_QUALITY
    return AxisRatio(
        semi_major,
        ratio * semi_major,
        ratio,
        angle,
        hubble_inclination(ratio, edge_on_ratio),
        float(outermost.x + 0.5) * shrinkage - 0.5,
        float(outermost.y + 0.5) * shrinkage - 0.5,
        quality,
        GOOD if is_good else DOUBTFUL,
        "" if is_good else "Isophotes of different levels are no ellipses of one shape.",
    )


def _quality(inclinations: Values, weights: Values, inclination: float) -> float:
    """Near 1 where isophotes are ellipses, and many and bright and faint ones give one inclination."""
    spread = math.sqrt(float((weights * (inclinations - inclination) ** 2).sum() / weights.sum()))
    coverage = 0.6 + float((weights * np.sqrt(weights)).sum() / weights.sum())
    return min(coverage, 1.0) ** 2 * math.exp(-spread / 15)


def _interquartile_mean(values: Values, weights: Values) -> float:
    """The mean of the middle half of the weight."""
    order = np.argsort(values, kind="stable")
    values, weights = values[order], weights[order]
    ends = np.cumsum(weights) / weights.sum()
    starts = np.append(0, ends[:-1])
    middle = np.clip(np.minimum(ends, 0.75) - np.maximum(starts, 0.25), 0, None)
    return float((middle * values).sum() / middle.sum())
