"""The tiles of a map, made by threads each of which has tiles of the tree open for itself."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO
from typing import TYPE_CHECKING, Literal

import numpy as np
import rasterio

from spacer_like.chips.cutting.gdal_reading import GDAL_OPTIONS
from spacer_like.tile_server.coverage import draw_coverage
from spacer_like.tile_server.mosaic import put_together, unchanged_block
from spacer_like.tile_server.open_tiles import OpenTiles
from spacer_like.tile_server.raster_index import RasterIndex
from spacer_like.tile_server.raster_mosaic import draw_outlines, put_rasters_together

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL.Image import Image

    from spacer_like.tile_server.footprint import Footprint
    from spacer_like.tile_server.mosaic import Choice
    from spacer_like.tile_server.tree_index import TreeIndex

logger = logging.getLogger(__name__)

Format = Literal["jpg", "png", "webp"]

MEDIA_TYPES: dict[Format, str] = {"jpg": "image/jpeg", "png": "image/png", "webp": "image/webp"}
_BACKGROUND = 238
"""What JPEG shows where there is no data: a light grey."""
_QUALITY = 85

OPEN_TILES = 96
"""How many tiles of the tree are open at most, by all threads together."""
_SECONDS_TO_CLOSE = 10.0


@dataclass(frozen=True)
class Rendered:
    """A tile of the map.

    Fields:
        way: how it was made: ``passthrough``, ``mosaic``, ``coverage`` or ``empty``.
        is_sure: False where a storage did not answer: the next time there may be more.
    """

    data: bytes
    media_type: str
    way: str
    is_sure: bool = True


class Renderer:
    """Makes tiles of the map.

    Args:
        index: gives what there is to show just now, a tree of tiles or rasters.
        n_threads: how many tiles are made at once.
    """

    def __init__(self, index: Callable[[], TreeIndex | RasterIndex], n_threads: int) -> None:
        self._index = index
        self._n_threads = n_threads
        self._capacity = max(OPEN_TILES // n_threads, 4)
        self._threads = ThreadPoolExecutor(n_threads, thread_name_prefix="tile-server")
        self._of_thread = threading.local()

    def submit(
        self, footprint: Footprint, choice: Choice, format: Format | None, transparent: Format
    ) -> Future[Rendered]:
        """A tile, made by one of the threads.

        Args:
            format: None: JPEG where there is data everywhere, else `transparent`.
        """
        return self._threads.submit(self._render, footprint, choice, format, transparent)

    def close(self) -> None:
        """End the threads; what they have open is closed by themselves."""
        gate = threading.Barrier(self._n_threads)
        for _ in range(self._n_threads):
            self._threads.submit(self._close_own, gate)
        self._threads.shutdown()

    def _render(self, footprint: Footprint, choice: Choice, format: Format | None, transparent: Format) -> Rendered:
        index, open_tiles = self._index(), self._open_tiles()
        with rasterio.Env(**GDAL_OPTIONS):
            if isinstance(index, RasterIndex):
                mosaic = put_rasters_together(footprint, index, choice)
            elif format in (None, "jpg") and (block := unchanged_block(footprint, index, choice, open_tiles)):
                return Rendered(block, MEDIA_TYPES["jpg"], "passthrough")
            else:
                mosaic = put_together(footprint, index, choice, open_tiles)
        if mosaic is None:
            return _coverage(footprint, index, choice, format or transparent)
        if not mosaic.has_data.any():
            kind = format or transparent
            return Rendered(encode_empty(footprint.size, kind), MEDIA_TYPES[kind], "empty", mosaic.is_sure)
        kind = format or ("jpg" if mosaic.has_data.all() else transparent)
        return Rendered(encode(mosaic.pixels, mosaic.has_data, kind), MEDIA_TYPES[kind], "mosaic", mosaic.is_sure)

    def _open_tiles(self) -> OpenTiles:
        if not hasattr(self._of_thread, "open_tiles"):
            self._of_thread.open_tiles = OpenTiles(self._capacity)
        tiles: OpenTiles = self._of_thread.open_tiles
        return tiles

    def _close_own(self, gate: threading.Barrier) -> None:
        # Each thread waits until all are here, so that each closes its own tiles.
        try:
            gate.wait(_SECONDS_TO_CLOSE)
        except threading.BrokenBarrierError:
            logger.warning("A tile takes long to be made; some tiles are not closed.")
        self._open_tiles().close()


def _coverage(footprint: Footprint, index: TreeIndex | RasterIndex, choice: Choice, format: Format) -> Rendered:
    if isinstance(index, RasterIndex):
        picture = draw_outlines(footprint, index, choice)
    else:
        picture = draw_coverage(footprint, index, choice)
    if picture is None:
        return Rendered(encode_empty(footprint.size, format), MEDIA_TYPES[format], "empty")
    return Rendered(encode_picture(picture, format), MEDIA_TYPES[format], "coverage")


def encode(pixels: NDArray[np.uint8], has_data: NDArray[np.bool_], format: Format) -> bytes:
    """A picture, transparent where there is no data, in JPEG light grey.

    Args:
        pixels: uint8 [height, width, 3].
        has_data: bool [height, width].
    """
    from PIL import Image

    if has_data.all():
        return _encoded(Image.fromarray(np.ascontiguousarray(pixels)), format)
    if format == "jpg":
        filled = np.where(has_data[..., None], pixels, np.uint8(_BACKGROUND))
        return _encoded(Image.fromarray(np.ascontiguousarray(filled)), format)
    alpha = np.where(has_data, np.uint8(255), np.uint8(0))
    # Invisible pixels compress best where they are equal.
    shown = np.where(has_data[..., None], pixels, np.uint8(0))
    return _encoded(Image.fromarray(np.dstack([shown, alpha])), format)


def encode_picture(picture: Image, format: Format) -> bytes:
    """A picture of RGBA; in JPEG on light grey."""
    from PIL import Image

    if format == "jpg":
        ground = Image.new("RGB", picture.size, (_BACKGROUND,) * 3)
        ground.paste(picture, mask=picture.getchannel("A"))
        return _encoded(ground, format)
    return _encoded(picture, format)


@lru_cache(maxsize=16)
def encode_empty(size: int, format: Format) -> bytes:
    """A picture without any data."""
    return encode(np.zeros((size, size, 3), np.uint8), np.zeros((size, size), bool), format)


def _encoded(picture: Image, format: Format) -> bytes:
    stream = BytesIO()
    if format == "jpg":
        picture.save(stream, "JPEG", quality=_QUALITY)
    elif format == "webp":
        # Slower methods take three times as long for a twentieth of the bytes.
        picture.save(stream, "WEBP", quality=_QUALITY, method=2)
    else:
        picture.save(stream, "PNG", compress_level=3)
    return stream.getvalue()
