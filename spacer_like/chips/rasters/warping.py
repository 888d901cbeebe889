"""Rasters warped to the pixels of a lattice.

Parts that have data everywhere are warped without masks: GDAL does that in half the time; where the axes of the raster
are those of the lattice, filters along them take a fifth of that.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from spacer_like.chips.cutting.gdal_reading import gdal_errors
from spacer_like.chips.cutting.tile_picture import Colours, TilePicture
from spacer_like.chips.rasters.places import Lattice, transform_of
from spacer_like.chips.rasters.raster import Raster
from spacer_like.chips.rasters.separable import REACHES, resampled_by, taps
from spacer_like.exceptions import TileError

if TYPE_CHECKING:
    from numpy.typing import NDArray

OpenOverview = Callable[[int], AbstractContextManager[Any]]

_WARP_MEGABYTES = 16
# Points along each side of a part, of which every second one is checked against its neighbours.
_POINTS = 17
# In pixels of the raster: how far a position may lie from the middle of its neighbours.
_BENT = 0.5


class Member(NamedTuple):
    """An opened raster.

    Fields:
        dataset: rasterio's.
        open_overview: opens the overview of a number, from 0.
    """

    dataset: Any
    raster: Raster
    open_overview: OpenOverview


class WholeWarp:
    """A raster on the pixels of a lattice, where all that they are made of has data.

    Args:
        picture: the raster, or an overview of it.
        crs, transform: of the picture.
        to_crs, to_transform: of the lattice.
        resampling: rasterio's.
        scales: width and height of a pixel of the lattice in pixels of the picture.
    """

    def __init__(
        self,
        picture: TilePicture,
        crs: Any,
        transform: Any,
        to_crs: Any,
        to_transform: Any,
        resampling: Any,
        scales: tuple[float, float],
    ) -> None:
        from pyproj import Transformer
        from rasterio.crs import CRS

        self.picture = picture
        self.scales = scales
        self._crs, self._transform = crs, transform
        self._to_crs, self._to_transform = CRS.from_user_input(to_crs), to_transform
        self._resampling = resampling
        self._transformer = Transformer.from_crs(self._to_crs.to_wkt(), crs.to_wkt(), always_xy=True)
        mapped = ~transform * to_transform
        is_upright = (mapped.b, mapped.d) == (0, 0) and mapped.a > 0 and mapped.e > 0
        self._mapped = mapped if is_upright and self._to_crs == crs and resampling.name in REACHES else None

    def window(self, left: int, top: int, width: int, height: int) -> tuple[NDArray[Any], NDArray[np.bool_]] | None:
        """The numbers of a window of the lattice, [bands, height, width], and where it lies in the raster; None: they
        may need a pixel without data.

        Raises:
            TileError: the raster cannot be read.
        """
        if self._mapped is not None:
            return self._filtered(self._mapped, left, top, width, height)
        values = self._warped(left, top, width, height)
        return None if values is None else (values, np.ones((height, width), np.bool_))

    def _filtered(
        self, mapped: Any, left: int, top: int, width: int, height: int
    ) -> tuple[NDArray[Any], NDArray[np.bool_]] | None:
        picture, method = self.picture, self._resampling.name
        x, y = mapped * (left, top)
        down = taps(y, mapped.e, height, picture.dataset.height, method)
        across = taps(x, mapped.a, width, picture.dataset.width, method)
        # At the sides GDAL takes another filter than the cubic.
        if method == "cubic" and not (down.is_whole and across.is_whole):
            return None
        rows, columns = ((int(one.indices.min()), int(one.indices.max()) + 1) for one in (down, across))
        source = picture.values((rows, columns))
        if not picture.valid_of(source, (rows, columns)).all():
            return None
        values = resampled_by(
            source,
            down._replace(indices=down.indices - rows[0]),
            across._replace(indices=across.indices - columns[0]),
        )
        return values, down.inside[:, None] & across.inside

    def _warped(self, left: int, top: int, width: int, height: int) -> NDArray[Any] | None:
        from rasterio import Affine
        from rasterio.warp import reproject

        window = self._window(left, top, width, height)
        if window is None:
            return None
        source = self.picture.values(window)
        if not self.picture.valid_of(source, window).all():
            return None
        (upper, _), (begin, _) = window
        found = np.empty((len(source), height, width), source.dtype)
        with gdal_errors(self.picture.name):
            reproject(
                source,
                found,
                src_crs=self._crs,
                src_transform=self._transform * Affine.translation(begin, upper),
                dst_crs=self._to_crs,
                dst_transform=self._to_transform * Affine.translation(left, top),
                resampling=self._resampling,
                warp_mem_limit=_WARP_MEGABYTES,
                # Else GDAL guesses the width of its filters from each part that it warps, and parts differ.
                XSCALE=1 / self.scales[0],
                YSCALE=1 / self.scales[1],
            )
        return found

    def _window(self, left: int, top: int, width: int, height: int) -> tuple[tuple[int, int], tuple[int, int]] | None:
        """Rows and columns of the raster that a window of the lattice is made of; None: they are not all in it."""
        across, down = np.meshgrid(np.linspace(left, left + width, _POINTS), np.linspace(top, top + height, _POINTS))
        x, y = self._transformer.transform(*(self._to_transform * (across, down)))
        found = []
        for places, scale, end in zip(
            reversed(~self._transform * (x, y)),
            reversed(self.scales),
            self.picture.dataset.shape,
            strict=True,
        ):
            if not np.isfinite(places).all():
                return None
            bent = np.abs(places[:-2:2] + places[2::2] - 2 * places[1:-1:2]).max()
            bent = max(bent, np.abs(places[:, :-2:2] + places[:, 2::2] - 2 * places[:, 1:-1:2]).max())
            # The widest filter, cubic, reaches two pixels of the coarser of both.
            margin = math.ceil(2 * max(scale, 1)) + 2
            begin, stop = math.floor(places.min()) - margin, math.ceil(places.max()) + margin
            if bent > 2 * _BENT or begin < 0 or stop > end:
                return None
            found.append((begin, stop))
        return found[0], found[1]


@contextmanager
def warped_raster(
    member: Member, base: Raster, lattice: Lattice, colours: Colours, resampling: str
) -> Iterator[tuple[TilePicture, WholeWarp]]:
    """A raster on the pixels of a lattice, of the overview that has pixels enough; by masks, and where all has data.

    Args:
        base: the raster whose pixels those of a lattice without a projection are.
    """
    from rasterio.enums import Resampling
    from rasterio.vrt import WarpedVRT

    dataset, raster = member.dataset, member.raster
    method = Resampling[resampling] if colours.table is None else Resampling.nearest
    adds_alpha = dataset.nodata is None and colours.alpha is None
    transform = transform_of(lattice, base)
    crs = base.crs if lattice.epsg is None else f"EPSG:{lattice.epsg}"
    with ExitStack() as stack:
        scales = scales_of(raster, lattice, base)
        enough = [index for index, factor in enumerate(raster.overviews) if factor <= min(scales)]
        factor = raster.overviews[enough[-1]] if enough else 1
        scales = scales[0] / factor, scales[1] / factor
        source = stack.enter_context(member.open_overview(enough[-1])) if enough else dataset
        placed = _placed(source, raster, lattice)
        is_elsewhere = source.crs != raster.crs or placed != source.transform
        with gdal_errors(raster.name):
            warped = stack.enter_context(
                WarpedVRT(
                    source,
                    **({"src_crs": raster.crs, "src_transform": placed} if is_elsewhere else {}),
                    crs=crs,
                    transform=transform,
                    width=lattice.width,
                    height=lattice.height,
                    resampling=method,
                    add_alpha=adds_alpha,
                    warp_mem_limit=_WARP_MEGABYTES,
                    # Else GDAL guesses the width of its filters from each part that it warps, and parts differ.
                    XSCALE=1 / scales[0],
                    YSCALE=1 / scales[1],
                )
            )
            picture = TilePicture(source, None, colours, raster.name)
            whole = WholeWarp(picture, raster.crs, placed, crs, transform, method, scales)
        if adds_alpha:
            colours = replace(colours, alpha=warped.count)
        yield TilePicture(warped, None, colours, raster.name), whole


def scales_of(raster: Raster, lattice: Lattice, base: Raster | None = None) -> tuple[float, float]:
    """Width and height of a lattice's pixel in pixels of the raster: the median of some places in the raster.

    Args:
        base: the raster whose pixels those of a lattice without a projection are; None: this one.

    Raises:
        TileError: the lattice's projection has no numbers for any of these.
    """
    if lattice.epsg is None:
        mapped = ~raster.transform * (base or raster).transform
        return math.hypot(mapped.a, mapped.d), math.hypot(mapped.b, mapped.e)
    from pyproj import Transformer

    to_lattice = Transformer.from_crs(raster.crs.to_wkt(), lattice.epsg, always_xy=True)
    shares = np.linspace(0.1, 0.9, 5)
    columns, rows = (side.ravel() for side in np.meshgrid(shares * raster.width, shares * raster.height))
    places = raster.transform * (columns, rows)
    x, y = to_lattice.transform(*places)
    # Over some pixels, since small numbers are rounded.
    step = 16 * lattice.pixel
    sides = []
    for shifted in ((x + step, y), (x, y + step)):
        back_x, back_y = to_lattice.transform(*shifted, direction="INVERSE")
        if raster.crs.is_geographic:
            # A raster across the 180th meridian counts on beyond it, or begins before -180.
            with np.errstate(invalid="ignore"):
                back_x = back_x + 360 * np.round((places[0] - back_x) / 360)
        right = ~raster.transform * (back_x, back_y)
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


def _placed(source: Any, raster: Raster, lattice: Lattice) -> Any:
    """From the pixels of a raster or of its overview to its projection, affine.Affine; where it is in degrees and
    reaches beyond the 180th meridian, by the turn that the lattice lies in.
    """
    from pyproj import Transformer
    from rasterio import Affine

    shrunk = Affine.scale(raster.width / source.width, raster.height / source.height)
    transform = raster.transform if source.shape == (raster.height, raster.width) else raster.transform * shrunk
    if lattice.epsg is None or not raster.crs.is_geographic:
        return transform
    transformer = Transformer.from_crs(lattice.epsg, 4326, always_xy=True)
    x, y = transform_of(lattice, raster) * (lattice.width / 2, lattice.height / 2)
    longitude, _ = transformer.transform(x, y)
    middle, _ = raster.transform * (raster.width / 2, raster.height / 2)
    return Affine.translation(360 * round((longitude - middle) / 360), 0) * transform
