"""Tasks whose reading can be done while another task computes."""

from __future__ import annotations

from collections.abc import Callable
from functools import update_wrapper
from typing import Any, Generic, TypeVar

from spacer_like.cores import thread_count

MessageType = TypeVar("MessageType")
Material = TypeVar("Material")
Answer = TypeVar("Answer")

_CORES_OF_A_READER = 4
_MOST_READERS = 4


class ReadingTask(Generic[MessageType, Material, Answer]):
    """A task in two steps: `read` fetches its material, `compute` does the rest. Called, it does both."""

    def __init__(
        self, read: Callable[[MessageType], Material], compute: Callable[[MessageType, Material], Answer]
    ) -> None:
        self.read = read
        self.compute = compute
        update_wrapper(self, compute)

    def __reduce__(self) -> str:
        # By its name, as functions are, so that other processes may be given it.
        name: str = self.__qualname__  # type: ignore[attr-defined]
        return name

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


def readers_ahead() -> int:
    """How many materials are read at a time, while another one is computed.

    A network takes some five to ten times as long for an image as its decoding takes: one reader keeps the first cores
    busy, and more cores want more.
    """
    return min(max(1, thread_count() // _CORES_OF_A_READER), _MOST_READERS)
