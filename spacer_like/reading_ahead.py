"""Tasks whose reading can be done while another task computes."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import update_wrapper
from typing import Any, Generic, TypeVar

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


class _Memory(threading.local):
    buffers: list[bytearray] | None = None


_memory = _Memory()
# One that is being computed on, one that is being read into.
_KEPT_BUFFERS = 2


def keep_memory() -> None:
    """Let this thread's readings use the same memory again and again, until the thread ends.

    New memory is paid for page by page when it is first written to: a tenth of the time that decoding an image takes.
    """
    _memory.buffers = []


def reusable_memory(size: int) -> bytearray | None:
    """At least `size` bytes that nobody looks into any more; None in a thread that did not call `keep_memory`."""
    kept = _memory.buffers
    if kept is None:
        return None
    for buffer in kept:
        if len(buffer) >= size and is_free(buffer):
            return buffer
    kept[:] = [buffer for buffer in kept if not is_free(buffer)][: _KEPT_BUFFERS - 1]
    kept.append(bytearray(size))
    return kept[-1]


def is_free(buffer: bytearray) -> bool:
    """Whether nobody looks into a buffer."""
    try:
        # Python refuses to resize what an array or a memoryview still looks into.
        buffer.append(buffer.pop())
    except BufferError:
        return False
    return True
