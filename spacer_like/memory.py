"""Pools of memory that is used again, because new memory costs more than what is done in it; and freed memory."""

from __future__ import annotations

import ctypes
import mmap
import threading
from contextlib import suppress


class ReusedMemory:
    """A pool of memory: pieces are used again once nothing refers to them.

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


class _OfThread(threading.local):
    memory: ReusedMemory | None = None


_of_thread = _OfThread()
# One that is being computed on, one that is being read into.
_READ_AHEAD = 2


def reuse_thread_memory(most: int = _READ_AHEAD) -> None:
    """Give this thread a pool of `most` pieces of memory until the thread ends."""
    _of_thread.memory = ReusedMemory(most)


def thread_memory() -> ReusedMemory | None:
    """This thread's memory; None in a thread that did not call `reuse_thread_memory`."""
    return _of_thread.memory


def reusable_memory(size: int) -> mmap.mmap | None:
    """At least `size` bytes of this thread's memory; None in a thread that did not call `reuse_thread_memory`."""
    return None if _of_thread.memory is None else _of_thread.memory.take(size)


def return_freed_memory() -> None:
    """Give the system the memory back that the C library keeps of what was freed; glibc alone keeps much and can."""
    with suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)


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
