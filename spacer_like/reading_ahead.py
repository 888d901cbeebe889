"""Tasks whose reading can be done while another task computes."""

from __future__ import annotations

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
