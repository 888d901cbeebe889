"""The pixels of chips: windows of a raster, or of the raster warped to the pixels of a grid."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from itertools import groupby
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from spacer_like.chips.cutting.gdal_reading import CACHE_BYTES, environment, gdal_errors
from spacer_like.chips.cutting.tile_picture import Colours, TilePicture, colours_of
from spacer_like.chips.rasters.places import Lattice, Place, transform_of
from spacer_like.chips.rasters.raster import Raster
from spacer_like.chips.rasters.whole_warp import WholeWarp
from spacer_like.cores import thread_count
from spacer_like.exceptions import TileError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from spacer_like.chips.messages.rasters import RasterWay

OpenOverview = Callable[[int], AbstractContextManager[Any]]

_MOST_RUN_BYTES = 2**23
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

    @property
    def n_bands(self) -> int:
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
                yield from self._of_run(run)

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
        found = self._whole_window(place.column, place.row, self.lattice.size)
        return self._window(place.column, place.row, self.lattice.size) if found is None else found

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
        pixels = np.full((self.n_bands, size, width), self.fill, self.dtype)
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
            pixels[:, ~valid] = self.fill
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


@contextmanager
def lattice_pixels(
    dataset: Any, open_overview: OpenOverview, raster: Raster, lattice: Lattice, values: Values
) -> Iterator[LatticePixels]:
    """The pixels of a lattice, of an opened raster.

    Args:
        dataset: the raster, opened by rasterio.
        open_overview: opens its overview of a number, from 0.

    Raises:
        TileError: the raster has no such bands, or they are of several types.
        SpacerError: errors of reading.
    """
    colours = _colours(dataset, raster, values)
    dtype = np.dtype(raster.dtypes[colours.bands[0] - 1]) if values.as_they_are else np.dtype(np.uint8)
    fill = 0.0
    if values.as_they_are:
        fill = raster.nodata if raster.nodata is not None else np.nan if dtype.kind == "f" else 0.0
    corner = _corner(raster, lattice)
    if corner is not None:
        picture = TilePicture(dataset, None, colours, raster.name)
        step = _column_step(picture, lattice.size, (1.0, 1.0))
        yield LatticePixels(picture, lattice, corner, "windows", values.as_they_are, dtype, fill, step)
        return
    with _warped(dataset, open_overview, raster, lattice, colours, values.resampling) as (picture, whole, step):
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


def scales_of(raster: Raster, lattice: Lattice) -> tuple[float, float]:
    """Width and height of a lattice's pixel in pixels of the raster: the median of some places in the raster.

    Raises:
        TileError: the lattice's projection has no numbers for any of these.
    """
    if lattice.epsg is None:
        return 1.0, 1.0
    from pyproj import Transformer

    to_lattice = Transformer.from_crs(raster.crs.to_wkt(), lattice.epsg, always_xy=True)
    shares = np.linspace(0.1, 0.9, 5)
    columns, rows = (side.ravel() for side in np.meshgrid(shares * raster.width, shares * raster.height))
    x, y = to_lattice.transform(*(raster.transform * (columns, rows)))
    # Over some pixels, since small numbers are rounded.
    step = 16 * lattice.pixel
    sides = []
    for shifted in ((x + step, y), (x, y + step)):
        right = ~raster.transform * to_lattice.transform(*shifted, direction="INVERSE")
        lengths = np.hypot(right[0] - columns, right[1] - rows) / 16
        lengths = lengths[np.isfinite(lengths) & (lengths > 0)]
        if not len(lengths):
            raise TileError(f"The raster '{raster.name}' lies where the grid has no places.")
        sides.append(float(np.median(lengths)))
    return sides[0], sides[1]


def scale_of(raster: Raster, lattice: Lattice) -> float:
    """Width of a lattice's pixel in pixels of the raster, the mean of both directions; errors as `scales_of`."""
    across, down = scales_of(raster, lattice)
    return math.sqrt(across * down)


def _turned(source: Any, raster: Raster, lattice: Lattice) -> dict[str, Any]:
    """Options of a warp for a raster in degrees that reaches beyond the 180th meridian: it lies a turn away, too."""
    if not raster.crs.is_geographic:
        return {}
    from pyproj import Transformer
    from rasterio import Affine

    transformer = Transformer.from_crs(lattice.epsg, 4326, always_xy=True)
    x, y = transform_of(lattice, raster) * (lattice.width / 2, lattice.height / 2)
    longitude, _ = transformer.transform(x, y)
    middle, _ = raster.transform * (raster.width / 2, raster.height / 2)
    turns = round((longitude - middle) / 360)
    if not turns:
        return {}
    return {"src_crs": source.crs, "src_transform": Affine.translation(360 * turns, 0) * source.transform}


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


def _corner(raster: Raster, lattice: Lattice) -> tuple[int, int] | None:
    """Column and row of the lattice's corner in the raster; None: the raster's pixels are not those of the lattice."""
    if lattice.epsg is None:
        return 0, 0
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


@contextmanager
def _warped(
    dataset: Any, open_overview: OpenOverview, raster: Raster, lattice: Lattice, colours: Colours, resampling: str
) -> Iterator[tuple[TilePicture, WholeWarp, int]]:
    """The raster on the pixels of a lattice, of the overview that has pixels enough; and what `LatticePixels` needs."""
    from rasterio.enums import Resampling
    from rasterio.vrt import WarpedVRT

    method = Resampling[resampling] if colours.table is None else Resampling.nearest
    adds_alpha = dataset.nodata is None and colours.alpha is None
    transform = transform_of(lattice, raster)
    with ExitStack() as stack:
        scales = scales_of(raster, lattice)
        enough = [index for index, factor in enumerate(raster.overviews) if factor <= min(scales)]
        factor = raster.overviews[enough[-1]] if enough else 1
        scales = scales[0] / factor, scales[1] / factor
        source = stack.enter_context(open_overview(enough[-1])) if enough else dataset
        turned = _turned(source, raster, lattice)
        with gdal_errors(raster.name):
            warped = stack.enter_context(
                WarpedVRT(
                    source,
                    **turned,
                    crs=f"EPSG:{lattice.epsg}",
                    transform=transform,
                    width=lattice.width,
                    height=lattice.height,
                    resampling=method,
                    add_alpha=adds_alpha,
                    warp_mem_limit=64,
                    # Else GDAL guesses the width of its filters from each part that it warps, and parts differ.
                    XSCALE=1 / scales[0],
                    YSCALE=1 / scales[1],
                )
            )
            picture = TilePicture(source, None, colours, raster.name)
            placed = turned.get("src_transform", source.transform)
            whole = WholeWarp(picture, source.crs, placed, f"EPSG:{lattice.epsg}", transform, method, scales)
        if adds_alpha:
            colours = replace(colours, alpha=warped.count)
        yield TilePicture(warped, None, colours, raster.name), whole, _column_step(picture, lattice.size, scales)
