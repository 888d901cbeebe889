"""The tiles of a map, made by threads each of which has tiles of the tree open for itself."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import rasterio

from spacer_like.chips.cutting.gdal_files import GDAL_OPTIONS
from spacer_like.tile_server.coverage import draw_coverage
from spacer_like.tile_server.encoding import MEDIA_TYPES, encode, encode_empty, encode_picture
from spacer_like.tile_server.mosaic import put_together
from spacer_like.tile_server.open_tiles import OpenTiles
from spacer_like.tile_server.unchanged import unchanged_block

if TYPE_CHECKING:
    from spacer_like.tile_server.encoding import Format
    from spacer_like.tile_server.footprint import Footprint
    from spacer_like.tile_server.mosaic import Choice
    from spacer_like.tile_server.tree_index import TreeIndex

logger = logging.getLogger(__name__)

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
        index: gives what the tree holds just now.
        n_threads: how many tiles are made at once.
    """

    def __init__(self, index: Callable[[], TreeIndex], n_threads: int) -> None:
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
            if format in (None, "jpg") and (block := unchanged_block(footprint, index, choice, open_tiles)):
                return Rendered(block, MEDIA_TYPES["jpg"], "passthrough")
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
        # No thread goes on before each is here: so each closes its own.
        try:
            gate.wait(_SECONDS_TO_CLOSE)
        except threading.BrokenBarrierError:
            logger.warning("A tile takes long to be made; some tiles are not closed.")
        self._open_tiles().close()


def _coverage(footprint: Footprint, index: TreeIndex, choice: Choice, format: Format) -> Rendered:
    picture = draw_coverage(footprint, index, choice)
    if picture is None:
        return Rendered(encode_empty(footprint.size, format), MEDIA_TYPES[format], "empty")
    return Rendered(encode_picture(picture, format), MEDIA_TYPES[format], "coverage")
