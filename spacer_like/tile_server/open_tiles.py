"""The tiles that a thread has open."""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from spacer_like.exceptions import SpacerError, TransientError
from spacer_like.tile_server.open_tile import OpenTile

if TYPE_CHECKING:
    from spacer_like.chips.grid import Cell
    from spacer_like.location import DataLocation

logger = logging.getLogger(__name__)

_SECONDS_BROKEN = 60.0
_BROKEN_KEPT = 1000


class OpenTiles:
    """The tiles that a thread has open, those used last; no other thread may use it.

    Args:
        capacity: how many.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._open: OrderedDict[str, OpenTile] = OrderedDict()
        self._broken: OrderedDict[str, tuple[float, SpacerError]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._open)

    @contextmanager
    def use(self, loc: DataLocation, cell: Cell) -> Iterator[OpenTile]:
        """The tile of a cell at a location; one that cannot be read is not tried again for a minute.

        Raises:
            SpacerError: as `OpenTile`; logged the first time.
        """
        name = loc.json_text
        self._refuse_broken(name)
        try:
            yield self._take(loc, cell)
        except SpacerError as error:
            self._forget(name)
            if not isinstance(error, TransientError):
                self._broken[name] = (time.monotonic(), error)
                while len(self._broken) > _BROKEN_KEPT:
                    self._broken.popitem(last=False)
            logger.warning("The tile %s is passed over: %s", loc.display_name, error)
            raise
        except BaseException:
            self._forget(name)
            raise

    def close(self) -> None:
        while self._open:
            self._forget(next(iter(self._open)))

    def _take(self, loc: DataLocation, cell: Cell) -> OpenTile:
        name = loc.json_text
        if name in self._open and self._open[name].is_stale():
            self._forget(name)
        if name not in self._open:
            self._open[name] = OpenTile(loc, cell)
        self._open.move_to_end(name)
        while len(self._open) > self._capacity:
            self._forget(next(iter(self._open)))
        return self._open[name]

    def _refuse_broken(self, name: str) -> None:
        since, error = self._broken.get(name, (0.0, None))
        if error is not None:
            if time.monotonic() - since < _SECONDS_BROKEN:
                raise error
            del self._broken[name]

    def _forget(self, name: str) -> None:
        if (tile := self._open.pop(name, None)) is not None:
            tile.close()
