"""Images of made galaxies whose inclination is known: a disc with a bulge, seen through the air, with noise.

GalSim draws the disc (an exponential one of finite thickness, van der Kruit and Searle 1981, A&A 95, 105), the bulge
(Sersic) and their convolution with a Moffat profile. Each galaxy has a stream of random numbers of its own, made of the
seed and its number: it is the same whichever thread, process or machine makes it, and whatever was made before.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from spacer_like.extras import import_extra
from spacer_like.regression.scenery import Disc, with_clumps, with_dust, with_stars_and_neighbours, with_uneven_sky
from spacer_like.regression.stretching import ordinary_display, random_display, shown_colour, shown_grey

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Values = NDArray[np.float64]

BAND_NAMES = ("g", "r", "i")
"""The bands that are made, in the order of their planes."""
FIELD_IN_SCALE_LENGTHS = 12.3
"""Width of an image in scale lengths of the disc: twice the isophotal diameter of a disc as Freeman (1970) found."""
LEAST_SIZE = 16
_DISC_COLOURS = ((0.5, 0.8), (1.0, 1.0), (1.0, 1.3))
_BULGE_COLOURS = ((0.35, 0.55), (1.0, 1.0), (1.2, 1.5))
_SKY_COLOURS = (0.5, 1.0, 1.4)
# GalSim makes tables for each value, and keeps a few of them.
_BULGE_INDICES = (1.0, 1.5, 2.0, 2.5, 3.0, 4.0)
_SEEING_SLOPES = (2.5, 3.0, 3.5, 4.765)
# Errors of the drawing below 5e-4 of the brightest pixel, far below the noise, for half the time.
_DRAWING = Lock()
_ACCURACY = {"folding_threshold": 0.05, "maxk_threshold": 1e-2, "stepk_minimum_hlr": 2.0}


class SimulationOptions(NamedTuple):
    """Which galaxies are made, and how much they vary.

    Attributes:
        least_inclination: degrees; inclinations are uniform from here to `most_inclination`.
        most_inclination: degrees, 90 at most.
        rotated: the major axis is horizontal, as in images prepared for InclinET; else it has any direction.
        randomised: what real images differ in is drawn at random as well: spiral arms, dust, stars and neighbours,
            sharpness, noise, an uneven sky, the size in the image, stretch, colours and traces of JPEG. Networks that
            see made galaxies only are trained on such images.
    """

    least_inclination: float = 45.0
    most_inclination: float = 90.0
    rotated: bool = True
    randomised: bool = False


class Truth(NamedTuple):
    """What a made galaxy is.

    Attributes:
        inclination: degrees from face-on.
        position_angle: degrees of the major axis from the x axis towards rows of higher number, 0 to below 180.
        thickness: scale height of the disc over its scale length.
        bulge_share: of the light in the band r, 0 to 1.
        scale_length: of the disc, pixels.
        seeing: full width at half maximum of a star, pixels.
        noise: standard deviation of the sky in the band r, in the counts of `SimulatedGalaxy.bands`.
    """

    inclination: float
    position_angle: float
    thickness: float
    bulge_share: float
    scale_length: float
    seeing: float
    noise: float


@dataclass(frozen=True)
class SimulatedGalaxy:
    """A made galaxy.

    Fields:
        bands: counts above the sky, float32 [3, size, size], in the order of `BAND_NAMES`.
        grey: each band as an image, uint8 [3, size, size].
        colour: all bands as an image, uint8 [size, size, 3], red first.
        truth: what it is.
    """

    bands: NDArray[np.float32] = field(repr=False)
    grey: NDArray[np.uint8] = field(repr=False)
    colour: NDArray[np.uint8] = field(repr=False)
    truth: Truth


def simulated(seed: int, index: int, size: int, options: SimulationOptions | None = None) -> SimulatedGalaxy:
    """The galaxy number `index` of a seed; equal arguments give equal bytes.

    Args:
        seed: 0 to 2**32 - 1.
        index: 0 or more.
        size: width and height of the images in pixels, `LEAST_SIZE` at least.

    Raises:
        MissingExtraError: without GalSim.
        ValueError: a size that is too small, or inclinations that are no range within 0 to 90.
    """
    options = options or SimulationOptions()
    if size < LEAST_SIZE:
        raise ValueError(f"A galaxy is drawn in {LEAST_SIZE} pixels at least, not in {size}.")
    if not 0 <= options.least_inclination <= options.most_inclination <= 90:
        raise ValueError("Inclinations are drawn from a range within 0 to 90 degrees.")
    random = np.random.default_rng([seed, index])
    truth = _truth(size, options, random)
    shift = random.normal(0, 0.02 if options.randomised else 0.003, 2).clip(-0.06, 0.06) * size
    # The brightness of the centre of the disc, seen face-on, over the noise of the sky.
    contrast = math.exp(random.uniform(*np.log((15, 1000) if options.randomised else (20, 150))))
    disc, bulge = _drawn(truth, contrast, size, shift, random)
    disc_colours, bulge_colours = _colours(_DISC_COLOURS, random), _colours(_BULGE_COLOURS, random)
    if options.randomised:
        balance = np.exp(random.normal(0, 0.2, 3))
        disc_colours, bulge_colours = disc_colours * balance, bulge_colours * balance
    light = disc_colours[:, None, None] * disc
    if options.randomised:
        layout = Disc(truth.inclination, truth.position_angle, truth.scale_length, truth.thickness, truth.seeing, shift)
        light = with_clumps(light, layout, random)
        light = with_dust(light + bulge_colours[:, None, None] * bulge, layout, random)
        light = with_stars_and_neighbours(light, layout, random)
    else:
        light += bulge_colours[:, None, None] * bulge
    bands = _observed(light, truth.noise, random)
    if options.randomised:
        bands = with_uneven_sky(bands, truth.noise, random)
    display = random_display(random) if options.randomised else ordinary_display()
    return SimulatedGalaxy(bands.astype(np.float32), shown_grey(bands, display), shown_colour(bands, display), truth)


def _truth(size: int, options: SimulationOptions, random: np.random.Generator) -> Truth:
    inclination = random.uniform(options.least_inclination, options.most_inclination)
    angle = random.uniform(0, 180)
    wide = options.randomised
    enlargement = math.exp(random.uniform(math.log(0.6), math.log(1.5))) if wide else random.uniform(0.85, 1.15)
    # A sky of n counts has a deviation of sqrt(n).
    sky = math.exp(random.uniform(math.log(200), math.log(20_000 if wide else 5000)))
    return Truth(
        inclination=inclination,
        position_angle=0.0 if options.rotated else angle,
        thickness=random.uniform(0.1, 0.35 if wide else 0.3),
        bulge_share=random.beta(1.2, 3.5) * 0.8,
        scale_length=enlargement * size / FIELD_IN_SCALE_LENGTHS,
        seeing=size / 64 * (random.uniform(1.0, 3.5) if wide else random.uniform(1.4, 2.6)),
        noise=math.sqrt(sky),
    )


def _colours(ranges: tuple[tuple[float, float], ...], random: np.random.Generator) -> Values:
    lows, highs = np.array(ranges).T
    colours: Values = random.uniform(lows, highs)
    return colours


def _drawn(
    truth: Truth, contrast: float, size: int, shift: Values, random: np.random.Generator
) -> tuple[Values, Values]:
    """The disc and the bulge as the atmosphere shows them, in counts of the band r, float64 [size, size] each."""
    galsim = import_extra("galsim", "Making galaxies", "galaxies")
    accuracy = galsim.GSParams(**_ACCURACY)
    disc_light = contrast * truth.noise * 2 * math.pi * truth.scale_length**2
    disc = galsim.InclinedExponential(
        truth.inclination * galsim.degrees,
        scale_radius=truth.scale_length,
        scale_h_over_r=truth.thickness,
        flux=disc_light,
        gsparams=accuracy,
    )
    flattening = random.uniform(0.5, 1.0)
    # An oblate spheroid of this axis ratio, seen from the disc's inclination.
    ratio = math.hypot(
        math.cos(math.radians(truth.inclination)), flattening * math.sin(math.radians(truth.inclination))
    )
    bulge = galsim.Sersic(
        _BULGE_INDICES[random.integers(len(_BULGE_INDICES))],
        half_light_radius=truth.scale_length * random.uniform(0.2, 0.6),
        flux=disc_light * truth.bulge_share / (1 - truth.bulge_share),
        gsparams=accuracy,
    ).shear(q=ratio, beta=0 * galsim.degrees)
    air = galsim.Moffat(beta=_SEEING_SLOPES[random.integers(len(_SEEING_SLOPES))], fwhm=truth.seeing, gsparams=accuracy)
    # What GalSim keeps of earlier galaxies is not made for several threads.
    with _DRAWING:
        planes = [_plane(galsim, part, air, truth.position_angle, size, shift) for part in (disc, bulge)]
    return planes[0], planes[1]


def _plane(galsim: Any, part: Any, air: Any, angle: float, size: int, shift: Values) -> Values:
    image = galsim.ImageD(size, size, scale=1.0)
    turned = part.rotate(angle * galsim.degrees).shift(*shift.tolist())
    galsim.Convolve([turned, air]).drawImage(image)
    # Fourier transforms leave values a little below 0.
    plane: Values = np.maximum(image.array, 0)
    return plane


def _observed(light: Values, noise: float, random: np.random.Generator) -> Values:
    """Counts above the sky of what a camera counts, float64 [3, size, size]."""
    sky = noise**2 * np.array(_SKY_COLOURS)[:, None, None]
    counted: Values = random.poisson(light + sky) - sky
    return counted
