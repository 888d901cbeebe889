"""What real images of galaxies have besides a smooth disc: spiral arms, dust, stars, neighbours and an uneven sky.

Each function draws all that it adds from the generator given to it, and returns new light, float64 [3, size, size] in
the order g, r, i.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Values = NDArray[np.float64]

_BLUE_KNOT = (1.3, 1.0, 0.8)
_DUST = (1.0, 0.75, 0.55)
_MOST_STARS = 40
# A Gaussian's standard deviation over its full width at half maximum.
_DEVIATION_OF_WIDTH = 0.4247


class Disc(NamedTuple):
    """Where the disc lies in the image.

    Attributes:
        inclination: degrees.
        position_angle: degrees from the x axis towards rows of higher number.
        scale_length: pixels.
        thickness: scale height over scale length.
        seeing: full width at half maximum of a star, pixels.
        shift: of the centre from the middle of the image, pixels, x and y.
    """

    inclination: float
    position_angle: float
    scale_length: float
    thickness: float
    seeing: float
    shift: Values

    def along_axes(self, size: int) -> tuple[Values, Values]:
        """Coordinates of each pixel along the major and the minor axis, from the centre, pixels [size, size]."""
        rows, columns = np.mgrid[:size, :size] - (size - 1) / 2
        return self.turned(columns - self.shift[0], rows - self.shift[1])

    def turned(self, x: Values, y: Values) -> tuple[Values, Values]:
        """Coordinates of the image as those along the axes."""
        angle = math.radians(self.position_angle)
        cosine, sine = math.cos(angle), math.sin(angle)
        return cosine * x + sine * y, cosine * y - sine * x


def with_clumps(light: Values, disc: Disc, random: np.random.Generator) -> Values:
    """The disc with a part of its light gathered in spiral arms, knots of young stars and perhaps a bar."""
    share, is_barred = random.uniform(0, 0.7), random.random() < 0.4
    n_arm, n_knots, n_bar = 90, 40, 15 if is_barred else 0
    n = n_arm + n_knots
    radii = disc.scale_length * random.gamma(2.2, 0.9, n).clip(0.4, 5.0)
    n_arms, pitch = random.integers(2, 5), math.radians(random.uniform(8, 35)) * random.choice((-1, 1))
    angles = np.log(radii / disc.scale_length) / math.tan(pitch) + 2 * math.pi / n_arms * random.integers(0, n_arms, n)
    angles += random.uniform(0, 2 * math.pi) + random.normal(0, random.uniform(0.1, 0.6), n)
    x, y = radii * np.cos(angles), radii * np.sin(angles)
    bar = np.linspace(-1, 1, n_bar) * random.uniform(0.6, 1.3) * disc.scale_length
    bar_angle = random.uniform(0, math.pi)
    x, y = np.append(x, bar * math.cos(bar_angle)), np.append(y, bar * math.sin(bar_angle))
    extents = disc.scale_length * np.concatenate(
        [random.uniform(0.1, 0.35, n_arm), random.uniform(0.02, 0.1, n_knots), np.full(n_bar, 0.2)]
    )
    weights = np.concatenate([np.exp(-radii / disc.scale_length) * random.exponential(1, n), np.full(n_bar, 0.25)])
    weights[n_arm:n] *= 0.5
    colours = np.ones((3, n + n_bar))
    colours[:, n_arm:n] = np.array(_BLUE_KNOT)[:, None]
    patterns = _projected(disc, light.shape[-1], x, y, extents, colours * (weights / weights.sum()))
    gathered: Values = (1 - share) * light + share * light.sum(axis=(1, 2), keepdims=True) * patterns
    return gathered


def _projected(disc: Disc, size: int, x: Values, y: Values, extents: Values, weights: Values) -> Values:
    """Round clumps in the plane of the disc as they are seen, of total light `weights`, [3, size, size]."""
    cosine, sine = math.cos(math.radians(disc.inclination)), math.sin(math.radians(disc.inclination))
    blur = (_DEVIATION_OF_WIDTH * disc.seeing) ** 2 + 1 / 12
    height = disc.thickness * disc.scale_length * 0.7
    along = np.sqrt(extents**2 + blur)
    across = np.sqrt((extents * cosine) ** 2 + (np.minimum(extents, height) * sine) ** 2 + blur)
    major, minor = disc.along_axes(size)
    pattern = np.zeros((3, size, size))
    for place, depth, width, breadth, colours in zip(x, y * cosine, along, across, weights.T, strict=True):
        bell = np.exp(-0.5 * (((major - place) / width) ** 2 + ((minor - depth) / breadth) ** 2))
        pattern += (colours / (2 * math.pi * width * breadth))[:, None, None] * bell
    return pattern


def with_dust(light: Values, disc: Disc, random: np.random.Generator) -> Values:
    """The galaxy behind a lane of dust, where it is seen nearly edge-on, and with a darker near side elsewhere."""
    tilt = disc.inclination
    major, minor = disc.along_axes(light.shape[-1])
    minor = minor * random.choice((-1, 1))
    half_width = disc.scale_length * math.cos(math.radians(tilt)) + disc.scale_length * disc.thickness
    lane_depth = random.uniform(0, 0.8) * min(max((tilt - 65) / 20, 0), 1)
    lane_width = math.hypot(random.uniform(0.03, 0.12) * disc.scale_length, _DEVIATION_OF_WIDTH * disc.seeing)
    offset = random.uniform(0, 0.5) * disc.scale_length * math.cos(math.radians(tilt))
    reach = random.uniform(1.5, 3.5) * disc.scale_length
    lane = lane_depth * np.exp(-0.5 * ((minor - offset) / lane_width) ** 2 - 0.5 * (major / reach) ** 2)
    near_side = random.uniform(0, 0.35) * (0.5 + 0.5 * np.tanh(minor / half_width)) * math.sin(math.radians(tilt))
    dust = np.array(_DUST)[:, None, None]
    dimmed: Values = light * (1 - dust * lane) * (1 - dust * near_side)
    return dimmed


def with_stars_and_neighbours(light: Values, disc: Disc, random: np.random.Generator) -> Values:
    """The field with stars before it, few or many, and small galaxies beside it."""
    size = light.shape[-1]
    light = light.copy()
    rows, columns = np.mgrid[:size, :size].astype(float)
    brightest = float(light[1].max())
    n_stars = min(random.poisson(math.exp(random.uniform(math.log(0.3), math.log(40)))), _MOST_STARS)
    slope, scale = random.uniform(2.5, 4.0), disc.seeing / 2
    for _ in range(n_stars):
        x, y = random.uniform(-2, size + 2, 2)
        # As many stars as there are in our own galaxy: ten times fainter, a few times more frequent.
        peak = brightest * 0.02 * min(random.pareto(0.8) + 1, 150)
        star = (1 + ((columns - x) ** 2 + (rows - y) ** 2) / scale**2 / (2 ** (1 / slope) - 1)) ** -slope
        light += (peak * random.uniform(0.5, 1.5, 3))[:, None, None] * star
    for _ in range(random.poisson(0.4)):
        angle, distance = random.uniform(0, 2 * math.pi), random.uniform(0.25, 0.65) * size
        x, y = (size - 1) / 2 + distance * np.array([math.cos(angle), math.sin(angle)])
        other = Disc(
            0, random.uniform(0, 180), disc.scale_length * random.uniform(0.1, 0.45), 0, disc.seeing, disc.shift
        )
        major, minor = other.turned(columns - x, rows - y)
        radii = np.hypot(major, minor / random.uniform(0.25, 1))
        neighbour = np.exp(-np.hypot(radii, disc.seeing / 3) / other.scale_length)
        light += (brightest * random.uniform(0.03, 0.5) * random.uniform(0.6, 1.3, 3))[:, None, None] * neighbour
    return light


def with_uneven_sky(bands: Values, noise: float, random: np.random.Generator) -> Values:
    """Counts with a sky that is not quite subtracted, and slopes across the image."""
    size = bands.shape[-1]
    rows, columns = np.mgrid[:size, :size] / size - 0.5
    level, slopes, bend = random.normal(0, 1, 3), random.normal(0, 1, 2), random.normal(0, 1)
    strength = noise * random.exponential(0.7)
    uneven = slopes[0] * columns + slopes[1] * rows + bend * (rows**2 + columns**2)
    seen: Values = bands + strength * (level[:, None, None] * 0.5 + uneven)
    return seen
