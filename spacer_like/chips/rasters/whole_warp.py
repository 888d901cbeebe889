"""Parts of a raster that have data everywhere, warped without masks: GDAL does that in half the time."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from spacer_like.chips.cutting.gdal_reading import gdal_errors
from spacer_like.chips.cutting.tile_picture import TilePicture

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

    def values(self, left: int, top: int, width: int, height: int) -> NDArray[Any] | None:
        """The numbers of a window of the lattice, [bands, height, width]; None: they may need a pixel without data.

        Raises:
            TileError: the raster cannot be read.
        """
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
