"""Tasks whose reading can be done while another task computes."""

from __future__ import annotations

import mmap
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import update_wrapper
from typing import Any, Generic, TypeVar

from spacer_like.cores import thread_count

MessageType = TypeVar("MessageType")
Material = TypeVar("Material")
Answer = TypeVar("Answer")


class ReadingTask(Generic[MessageType, Material, Answer]):
    """A task in two steps: `read` fetches its material, `compute` does the rest. Called, it does both."""

    def __init__(
        self, read: Callable[[MessageType], Material], compute: Callable[[MessageType, Material], Answer]
    ) -> None:
        self.read = read
        self.compute = compute
        update_wrapper(self, compute)

    def __call__(self, msg: MessageType) -> Answer:
        return self.compute(msg, self.read(msg))


def reads_ahead(read: Callable[[Any], Any]) -> Callable[[Callable[[Any, Any], Answer]], ReadingTask[Any, Any, Answer]]:
    """Make a task of a function (message, material), whose material `read` fetches from the message.

    >>> @reads_ahead(lambda msg: msg * 2)
    ... def double_and_add_one(msg, material):
    ...     return material + 1
    >>> double_and_add_one(4)
    9
    """

    def decorate(compute: Callable[[Any, Any], Answer]) -> ReadingTask[Any, Any, Answer]:
        return ReadingTask(read, compute)

    return decorate


class ReusedMemory:
    """Memory that is handed out again once nobody looks into it.

    New memory is paid for page by page when it is first written to: a tenth of the time that decoding an image takes.
    Large pages, where the system has them, cost a quarter of that.

    Args:
        most: how many pieces are remembered at most.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._pieces: list[mmap.mmap] = []

    def take(self, size: int) -> mmap.mmap:
        """At least `size` bytes, of any content."""
        for piece in self._pieces:
            if len(piece) >= size and _is_free(piece):
                return piece
        # Who keeps all that was handed out must not make us keep it as well, once it is let go of.
        kept = [piece for piece in self._pieces if not _is_free(piece)]
        self._pieces = [*kept[max(0, len(kept) - self._most + 1) :], _memory(size)]
        return self._pieces[-1]


def readers_ahead() -> int:
    """How many materials are read at a time, while another one is computed.

    A network takes some five to ten times as long for an image as its decoding takes: one reader keeps the first cores
    busy, and more cores want more.
    """
    return min(max(1, thread_count() // _CORES_OF_A_READER), _MOST_READERS)


class _OfThread(threading.local):
    memory: ReusedMemory | None = None


_of_thread = _OfThread()
# One that is being computed on, one that is being read into.
_READ_AHEAD = 2
_CORES_OF_A_READER = 4
_MOST_READERS = 4


def keep_memory() -> None:
    """Let this thread's readings use the same memory again and again, until the thread ends."""
    _of_thread.memory = ReusedMemory(_READ_AHEAD)


def reusable_memory(size: int) -> mmap.mmap | None:
    """At least `size` bytes that nobody looks into any more; None in a thread that did not call `keep_memory`."""
    return None if _of_thread.memory is None else _of_thread.memory.take(size)


def _memory(size: int) -> mmap.mmap:
    # Private, where a system knows the difference: memory shared with child processes has small pages.
    private = {"flags": mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS} if hasattr(mmap, "MAP_ANONYMOUS") else {}
    memory = mmap.mmap(-1, max(1, size), **private)
    if hasattr(mmap, "MADV_HUGEPAGE"):
        with suppress(OSError):
            memory.madvise(mmap.MADV_HUGEPAGE)
    return memory


def _is_free(piece: mmap.mmap) -> bool:
    try:
        # Python refuses to resize what an array or a memoryview still looks into.
        piece.resize(len(piece))
    except (BufferError, OSError, SystemError):
        # Or the system cannot resize at all: then no memory is used again.
        return False
    return True
