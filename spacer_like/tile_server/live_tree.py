"""The tree as it is just now: listed at the start, and again from time to time."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

from spacer_like.chips.tree import find_tiles
from spacer_like.exceptions import DataNotFoundError, SpacerError
from spacer_like.tile_server.tree_index import TreeIndex

if TYPE_CHECKING:
    from collections.abc import Sequence

    from spacer_like.location import DataLocation

logger = logging.getLogger(__name__)


class LiveTree:
    """What a tree holds.

    Args:
        ard_loc: the root of the tree.
        kind: of the tiles that are shown.
        zones: only these; None: all.
        refresh: seconds after which the tree is listed again; 0: never.

    Raises:
        DataNotFoundError: the tree has no tile.
        SpacerError: as `find_tiles`.
    """

    def __init__(
        self, ard_loc: DataLocation, kind: str = "visual", zones: Sequence[int] | None = None, refresh: float = 0
    ) -> None:
        self.ard_loc = ard_loc
        self.kind = kind
        self._zones = zones
        self._refresh = refresh
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        self._index = self._listed()
        if not self._index.n_tiles:
            raise DataNotFoundError(
                f"'{ard_loc.display_name}' holds no tile: they lie in it like "
                f"33/031111212322/2015-05-28/1050410012C31100-{kind}.tif."
            )

    @property
    def index(self) -> TreeIndex:
        return self._index

    def start(self) -> None:
        """Look again from time to time, until `stop`."""
        if self._refresh > 0:
            self._thread = threading.Thread(target=self._look_again, name="tile-server-tree", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        self._ended.set()

    def _listed(self) -> TreeIndex:
        return TreeIndex(find_tiles(self.ard_loc, self._zones, self.kind))

    def _look_again(self) -> None:
        while not self._ended.wait(self._refresh):
            try:
                self._index = self._listed()
            except SpacerError as error:
                logger.warning("The tree could not be listed again: %s", error)
