"""The end of a child whose shard has been done by its other child meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import suppress

from spacer_like.engines.base import Before, Ended, Engine
from spacer_like.engines.child_records import Child, child_record_loc, parse_child_record
from spacer_like.engines.processes import Processes
from spacer_like.exceptions import SpacerError
from spacer_like.location import DataLocation
from spacer_like.mailman import ExitCode
from spacer_like.message_base import Message
from spacer_like.storage import exists, read_bytes

SUPERSEDED = "The other child of its shard has ended first."
_FIRST_SECONDS, _MOST_SECONDS = 1.0, 30.0
"""Between looks, each twice as long after the start as the one before."""


class BesideTwin(Engine):
    """Processes that end when the other child of the same shard has left a word of its end, and nothing is left to do.

    Outcomes of requests that this ends are not among those of `outcomes`.

    Args:
        engine: the processes.
        folder, run: of the submission.
        other: the other child.
    """

    def __init__(self, engine: Processes, folder: DataLocation, run: int, other: Child) -> None:
        self._engine = engine
        self._loc = child_record_loc(folder, run, other)
        self._ended = threading.Event()
        self.is_superseded = False
        """Whether the other one was first."""

    def __exit__(self, *exception: object) -> None:
        self._ended.set()

    def work(self, messages: Iterator[tuple[int, Message]], before: Before | None) -> Iterator[Ended]:
        threading.Thread(target=self._watch, name="twin", daemon=True).start()
        for ended in self._engine.work(messages, before):
            if self.is_superseded:
                return
            yield ended

    def _watch(self) -> None:
        seconds = _FIRST_SECONDS
        while not self._ended.wait(seconds):
            with suppress(SpacerError):
                if exists(self._loc) and _is_whole(self._loc):
                    self.is_superseded = True
                    self._engine.stop()
                    return
            seconds = min(2 * seconds, _MOST_SECONDS)


def _is_whole(loc: DataLocation) -> bool:
    """Whether a child has ended with an outcome of every request, none of which may be tried again."""
    code = parse_child_record(read_bytes(loc), loc.display_name)["exit_code"]
    return code in (ExitCode.DONE, ExitCode.PERMANENT_FAILURE)
