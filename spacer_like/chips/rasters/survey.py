"""How much each raster shows of each place, of few pixels of each, and which raster is taken for a place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from spacer_like.chips.rasters.pixels import ChipPixels, Values, lattice_pixels
from spacer_like.chips.rasters.places import Lattice, Place
from spacer_like.chips.rasters.raster import bands_of
from spacer_like.chips.rasters.warping import Member

if TYPE_CHECKING:
    from numpy.typing import NDArray

SIDE = 16
"""Pixels along the side of a place that are looked at."""
# Of the most that any raster shows of a place: who shows nearly as much shows it as well.
_AS_FULL = 0.98


@dataclass(frozen=True)
class Survey:
    """What a raster shows of places.

    Fields:
        date: of the raster, "" where it is not known.
        shown: the share of each place's pixels that have data; places without data are left out.
        clear: the share that has data and is no cloud, of the same places.
    """

    date: str
    shown: Mapping[str, float]
    clear: Mapping[str, float]


def survey(
    member: Member,
    lattices: Sequence[Lattice],
    clouds: Member | None,
    clouds_band: str | None,
    cloud_values: Sequence[int] | None,
) -> Survey:
    """What a raster shows of the places of lattices.

    Args:
        clouds: the raster that says where clouds are; None: nothing does.
        clouds_band: the band of it that does; None: its first.
        cloud_values: the values of that band that are clouds; None: all but 0.

    Raises:
        SpacerInputError: the raster has no such band.
        TileError: it cannot be read.
    """
    band = bands_of(clouds.raster, [clouds_band])[0] if clouds is not None and clouds_band is not None else 1
    shown: dict[str, float] = {}
    clear: dict[str, float] = {}
    for lattice in lattices:
        for chip in _looked_at(member, 1 if clouds is None or clouds is not member else band, lattice):
            if not chip.n_valid:
                continue
            shown[chip.place.name] = clear[chip.place.name] = chip.n_valid / SIDE**2
            if clouds is member:
                clear[chip.place.name] -= _cloudy(chip.pixels[0], cloud_values)
        if clouds is not None and clouds is not member:
            for chip in _looked_at(clouds, band, lattice):
                if chip.place.name in clear:
                    clear[chip.place.name] -= _cloudy(chip.pixels[0], cloud_values)
    return Survey(member.raster.date, shown, {name: max(share, 0.0) for name, share in clear.items()})


def _looked_at(member: Member, band: int, lattice: Lattice) -> Iterator[ChipPixels]:
    values = Values((band,), None, as_they_are=True, resampling="nearest")
    coarse = _coarse(lattice)
    with lattice_pixels([member], member.raster, coarse, values) as pixels:
        yield from pixels.chips(coarse.places)


def chosen_places(surveys: Sequence[Survey], overlap: str) -> list[list[str]]:
    """The places that are taken of each raster, sorted by name, so that each place is taken of one.

    Args:
        overlap: ``newest``: the raster of the latest date among those that show about as much of the place as any;
            ``best``: the one that shows most without clouds. The first of several that are as good.

    >>> old = Survey("2025-06-01", {"a": 1.0, "b": 1.0}, {"a": 0.9, "b": 1.0})
    >>> new = Survey("2026-06-01", {"a": 1.0, "b": 0.2}, {"a": 0.3, "b": 0.2})
    >>> chosen_places([old, new], "newest"), chosen_places([old, new], "best")
    ([['b'], ['a']], [['a', 'b'], []])
    """
    takers: dict[str, int] = {}
    for name in {name for one in surveys for name in one.shown}:
        those = [index for index, one in enumerate(surveys) if name in one.shown]
        if overlap == "newest":
            most = max(surveys[index].shown[name] for index in those)
            full = [index for index in those if surveys[index].shown[name] >= _AS_FULL * most]
            takers[name] = max(full, key=lambda index: (surveys[index].date, -index))
        else:
            takers[name] = max(
                those, key=lambda index: (surveys[index].clear[name], surveys[index].shown[name], -index)
            )
    return [sorted(name for name, taker in takers.items() if taker == index) for index in range(len(surveys))]


def _coarse(lattice: Lattice) -> Lattice:
    """The same places, of few pixels."""
    factor = lattice.size
    return replace(
        lattice,
        pixel=lattice.pixel * lattice.size / SIDE,
        width=lattice.width // factor * SIDE,
        height=lattice.height // factor * SIDE,
        size=SIDE,
        places=tuple(
            Place(place.name, place.column // factor * SIDE, place.row // factor * SIDE) for place in lattice.places
        ),
    )


def _cloudy(pixels: NDArray[Any], cloud_values: Sequence[int] | None) -> float:
    clouds = pixels != 0 if cloud_values is None else np.isin(pixels, list(cloud_values))
    return float(clouds.mean())
