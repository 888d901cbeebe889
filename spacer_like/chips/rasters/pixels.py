"""The pixels of chips: windows of a raster, or of the raster warped to the pixels of a grid."""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from itertools import chain, groupby
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from spacer_like.chips.cutting.gdal_reading import CACHE_BYTES, environment
from spacer_like.chips.cutting.tile_picture import Colours, TilePicture, colours_of
from spacer_like.chips.rasters.places import Lattice, Place
from spacer_like.chips.rasters.raster import Raster
from spacer_like.chips.rasters.warping import Member, WholeWarp, warped_raster
from spacer_like.cores import thread_count
from spacer_like.exceptions import TileError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from spacer_like.chips.messages.rasters import RasterWay

_MOST_RUN_BYTES = 2**22
# Of a pixel: what a raster may lie beside the pixels of a grid, since its georeference is written with decimals.
_TOLERANCE = 0.01


@dataclass(frozen=True)
class Values:
    """Which values of a raster become those of chips.

    Fields:
        bands: by number, from 1; None: those that the raster says are its colours.
        value_range: the values that become 0 and 255; None: bytes stay as they are.
        as_they_are: no value is changed, of whichever type.
        resampling: the name of rasterio's method.
    """

    bands: tuple[int, ...] | None
    value_range: tuple[float, float] | None
    as_they_are: bool = False
    resampling: str = "bilinear"


class ChipPixels(NamedTuple):
    """A chip's pixels.

    Fields:
        pixels: [bands, size, size].
        n_valid: how many have data; those that have none are 0 unless values stay as they are.
    """

    place: Place
    pixels: NDArray[Any]
    n_valid: int


@dataclass(frozen=True)
class LatticePixels:
    """The pixels of a lattice, with those of the raster where it reaches.

    Fields:
        corner: column and row of the lattice's corner in `picture`.
        dtype: of the chips' pixels.
        fill: the value outside of the raster.
        column_step: width of the parts of the lattice that are gone through one after the other, from north to south:
            GDAL keeps the blocks that the next row of such a part needs again.
        whole: parts that have data everywhere; None: no pixel is warped.
        others: further bands of the chips.
    """

    picture: TilePicture
    lattice: Lattice
    corner: tuple[int, int]
    way: RasterWay
    as_they_are: bool
    dtype: np.dtype[Any]
    fill: float
    column_step: int
    whole: WholeWarp | None = None
    others: tuple[LatticePixels, ...] = ()

    @property
    def n_bands(self) -> int:
        return self._n_bands + sum(other.n_bands for other in self.others)

    @property
    def _n_bands(self) -> int:
        colours = self.picture.colours
        return len(colours.bands) if self.as_they_are else colours.n_colours

    def chips(self, places: Sequence[Place]) -> Iterator[ChipPixels]:
        """The pixels of places, in any order; the next ones are read while some are used."""
        parts = self._parts(places)
        for part in _one_ahead(parts) if thread_count() > 1 else parts:
            yield from part

    def _parts(self, places: Sequence[Place]) -> Generator[list[ChipPixels], None, None]:
        # GDAL's errors are raised where the thread that meets them has an environment.
        with environment():
            for run in self._runs(places):
                if not self.others:
                    yield from self._of_run(run)
                    continue
                members = [chain.from_iterable(member._of_run(run)) for member in (self, *self.others)]
                yield [_together(chips) for chips in zip(*members, strict=True)]

    def _of_run(self, run: list[Place]) -> Iterator[list[ChipPixels]]:
        size = self.lattice.size
        first, last = run[0], run[-1]
        found = self._whole_window(first.column, first.row, last.column + size - first.column)
        if found is None:
            if self.whole is not None and len(run) > 1:
                # Only those are warped with masks that need them.
                yield from self._of_run(run[: len(run) // 2])
                yield from self._of_run(run[len(run) // 2 :])
                return
            found = self._window(first.column, first.row, last.column + size - first.column)
        pixels, valid = found
        parts = [slice(place.column - first.column, place.column - first.column + size) for place in run]
        yield [
            ChipPixels(place, pixels[:, :, part], int(np.count_nonzero(valid[:, part])))
            for place, part in zip(run, parts, strict=True)
        ]

    def window(self, place: Place) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """The pixels of a place [bands, size, size], and where they have data."""
        size = self.lattice.size
        found = self._whole_window(place.column, place.row, size) or self._window(place.column, place.row, size)
        if not self.others:
            return found
        all_bands = [found, *(other.window(place) for other in self.others)]
        valid: NDArray[np.bool_] = np.any([one[1] for one in all_bands], axis=0)
        return np.concatenate([one[0] for one in all_bands]), valid

    def _runs(self, places: Sequence[Place]) -> Iterator[list[Place]]:
        """Places of one row beside each other, as many as are read at once."""
        size = self.lattice.size
        most = max(size, _MOST_RUN_BYTES // (size * self.n_bands * max(self.dtype.itemsize, 4)))

        def row_of(place: Place) -> tuple[int, int]:
            return place.column // self.column_step, place.row

        for _, row in groupby(sorted(places, key=lambda place: (*row_of(place), place.column)), key=row_of):
            run: list[Place] = []
            for place in row:
                if run and (place.column - run[-1].column > 2 * size or place.column + size - run[0].column > most):
                    yield run
                    run = []
                run.append(place)
            yield run

    def _whole_window(self, column: int, row: int, width: int) -> tuple[NDArray[Any], NDArray[np.bool_]] | None:
        """As `_window`, of a warp whose pixels all have data; None: it has others, or is none."""
        found = None if self.whole is None else self.whole.window(column, row, width, self.lattice.size)
        return None if found is None else self._finished(*found)

    def _window(self, column: int, row: int, width: int) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """Pixels [bands, size, width] and where they have data, of a window of the lattice."""
        size = self.lattice.size
        dataset = self.picture.dataset
        left, top = column + self.corner[0], row + self.corner[1]
        begin, end = max(left, 0), min(left + width, dataset.width)
        upper, lower = max(top, 0), min(top + size, dataset.height)
        inside = begin < end and upper < lower
        if inside and (end - begin, lower - upper) == (width, size):
            return self._read(begin, upper, end, lower)
        pixels = np.full((self._n_bands, size, width), self.fill, self.dtype)
        valid = np.zeros((size, width), np.bool_)
        if inside:
            part = slice(upper - top, lower - top), slice(begin - left, end - left)
            pixels[:, part[0], part[1]], valid[part] = self._read(begin, upper, end, lower)
        return pixels, valid

    def _read(self, left: int, top: int, right: int, bottom: int) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        window = ((top, bottom), (left, right))
        values = self.picture.values(window)
        return self._finished(values, self.picture.valid_of(values, window))

    def _finished(self, values: NDArray[Any], valid: NDArray[np.bool_]) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        pixels = values if self.as_they_are else self.picture.coloured(values)
        # What is not warped stays as it is even where it is no data.
        if not valid.all() and (self.way == "warp" or not self.as_they_are):
            np.copyto(pixels, pixels.dtype.type(self.fill), where=~valid)
        return pixels, valid


def _one_ahead(parts: Generator[list[ChipPixels], None, None]) -> Iterator[list[ChipPixels]]:
    """The parts, the next of which another thread makes while one is used."""
    with ThreadPoolExecutor(1, thread_name_prefix="read-raster") as reader:
        try:
            waiting = reader.submit(next, parts, None)
            while (part := waiting.result()) is not None:
                waiting = reader.submit(next, parts, None)
                yield part
        finally:
            reader.submit(parts.close).result()


def _together(chips: Sequence[ChipPixels]) -> ChipPixels:
    """One chip of the bands of several; it has data where the fullest has."""
    pixels = np.concatenate([chip.pixels for chip in chips])
    return ChipPixels(chips[0].place, pixels, max(chip.n_valid for chip in chips))


@contextmanager
def lattice_pixels(
    members: Sequence[Member], base: Raster, lattice: Lattice, values: Values
) -> Iterator[LatticePixels]:
    """The pixels of a lattice, of opened rasters.

    Args:
        members: of several, each one's first band is a band of the chips.
        base: the raster whose pixels those of a lattice without a projection are.

    Raises:
        TileError: a raster has no such bands, or they are of several types.
        SpacerError: errors of reading.
    """
    if len(members) > 1:
        values = replace(values, bands=(1,))
    with ExitStack() as stack:
        found = [stack.enter_context(_member_pixels(member, base, lattice, values)) for member in members]
        dtypes = list(dict.fromkeys(one.dtype.name for one in found))
        if len(dtypes) > 1:
            raise TileError(f"The bands of the scene '{base.name}' are of several types: {', '.join(dtypes)}.")
        # They share GDAL's memory.
        step = max(min(one.column_step for one in found) // len(found), lattice.size)
        is_warped = lattice.epsg is not None and any(one.way == "warp" for one in found)
        yield replace(
            found[0],
            column_step=step if len(found) > 1 else found[0].column_step,
            way="warp" if is_warped else "windows",
            others=tuple(found[1:]),
        )


@contextmanager
def _member_pixels(member: Member, base: Raster, lattice: Lattice, values: Values) -> Iterator[LatticePixels]:
    dataset, raster = member.dataset, member.raster
    colours = _colours(dataset, raster, values)
    dtype = np.dtype(raster.dtypes[colours.bands[0] - 1]) if values.as_they_are else np.dtype(np.uint8)
    fill = 0.0
    if values.as_they_are:
        fill = raster.nodata if raster.nodata is not None else np.nan if dtype.kind == "f" else 0.0
    corner = _corner(raster, lattice, base)
    if corner is not None:
        picture = TilePicture(dataset, None, colours, raster.name)
        step = _column_step(picture, lattice.size, (1.0, 1.0))
        yield LatticePixels(picture, lattice, corner, "windows", values.as_they_are, dtype, fill, step)
        return
    with warped_raster(member, base, lattice, colours, values.resampling) as (picture, whole):
        step = _column_step(whole.picture, lattice.size, whole.scales)
        yield LatticePixels(picture, lattice, (0, 0), "warp", values.as_they_are, dtype, fill, step, whole)


def _column_step(picture: TilePicture, size: int, scales: tuple[float, float]) -> int:
    """How wide a part of a lattice is of which GDAL keeps the blocks of a row of places until the next."""
    dataset = picture.dataset
    height, width = (max(shape[side] for shape in dataset.block_shapes) for side in (0, 1))
    rows = (math.ceil(size * scales[1] / height) + 1) * height
    is_together = dataset.interleaving is None or dataset.interleaving.name == "pixel"
    bands = range(1, dataset.count + 1) if is_together else picture.colours.bands
    pixel_bytes = sum(np.dtype(dataset.dtypes[band - 1]).itemsize for band in bands)
    columns = CACHE_BYTES // (rows * pixel_bytes) // width * width
    # Rows of pixels that are stored as a whole are decoded as a whole.
    return dataset.width if width >= dataset.width else max(int(max(columns, width) / scales[0]), size)


def _colours(dataset: Any, raster: Raster, values: Values) -> Colours:
    colours = colours_of(dataset, raster.name, values.bands)
    if values.as_they_are:
        return replace(colours, table=None, stretch=None)
    if values.value_range is None:
        return colours
    # A palette's numbers are names of colours.
    return (
        colours
        if colours.table is not None and not values.bands
        else replace(colours, table=None, stretch=values.value_range)
    )


def _corner(raster: Raster, lattice: Lattice, base: Raster) -> tuple[int, int] | None:
    """Column and row of the lattice's corner in the raster; None: the raster's pixels are not those of the lattice."""
    if lattice.epsg is None:
        return (0, 0) if (raster.width, raster.height) == (base.width, base.height) else None
    transform = raster.transform
    if raster.crs.to_epsg() != lattice.epsg or (transform.b, transform.d) != (0, 0):
        return None
    longest = max(raster.width, raster.height)
    if any(abs(side / lattice.pixel - 1) * longest > _TOLERANCE for side in (transform.a, -transform.e)):
        return None
    column = (lattice.west - transform.c) / lattice.pixel
    row = (transform.f - lattice.north) / lattice.pixel
    whole = round(column), round(row)
    return whole if max(abs(column - whole[0]), abs(row - whole[1])) <= _TOLERANCE else None
