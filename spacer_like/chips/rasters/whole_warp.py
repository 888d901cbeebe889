"""Parts of a raster that have data everywhere, warped without masks: GDAL does that in half the time.

Where the axes of the raster are those of the lattice, filters along them take a fifth of that.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from spacer_like.chips.cutting.gdal_reading import gdal_errors
from spacer_like.chips.cutting.tile_picture import TilePicture
from spacer_like.chips.rasters.separable import REACHES, resampled_by, taps

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Points along each side of a part, of which every second one is checked against its neighbours.
_POINTS = 17
# In pixels of the raster: how far a position may lie from the middle of its neighbours.
_BENT = 0.5


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

        self._picture = picture
        self._crs, self._transform = crs, transform
        self._to_crs, self._to_transform = CRS.from_user_input(to_crs), to_transform
        self._resampling = resampling
        self._scales = scales
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
        picture, method = self._picture, self._resampling.name
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
        source = self._picture.values(window)
        if not self._picture.valid_of(source, window).all():
            return None
        (upper, _), (begin, _) = window
        found = np.empty((len(source), height, width), source.dtype)
        with gdal_errors(self._picture.name):
            reproject(
                source,
                found,
                src_crs=self._crs,
                src_transform=self._transform * Affine.translation(begin, upper),
                dst_crs=self._to_crs,
                dst_transform=self._to_transform * Affine.translation(left, top),
                resampling=self._resampling,
                warp_mem_limit=64,
                # Else GDAL guesses the width of its filters from each part that it warps, and parts differ.
                XSCALE=1 / self._scales[0],
                YSCALE=1 / self._scales[1],
            )
        return found

    def _window(self, left: int, top: int, width: int, height: int) -> tuple[tuple[int, int], tuple[int, int]] | None:
        """Rows and columns of the raster that a window of the lattice is made of; None: they are not all in it."""
        across, down = np.meshgrid(np.linspace(left, left + width, _POINTS), np.linspace(top, top + height, _POINTS))
        x, y = self._transformer.transform(*(self._to_transform * (across, down)))
        found = []
        for places, scale, end in zip(
            reversed(~self._transform * (x, y)),
            reversed(self._scales),
            self._picture.dataset.shape,
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
