"""Base class of values with a JSON form."""

from __future__ import annotations

import gc
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

from typing_extensions import Self

from spacer_like import config
from spacer_like.exceptions import DataLimitError, MessageError, damage_as
from spacer_like.location import DataLocation

if TYPE_CHECKING:
    import numpy as np

LabelId: TypeAlias = int | str
Annotation: TypeAlias = tuple[int, int, LabelId]
"""Row, column and label of a point."""
FeatureLabelBatch: TypeAlias = "tuple[tuple[np.ndarray[Any, Any], ...], tuple[LabelId, ...]]"


class _Collector:
    """Python's garbage collector, as far as threads have paused it."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.pauses = 0
        self.was_enabled = False


_collector = _Collector()


@contextmanager
def paused_collector() -> Iterator[None]:
    """Pause the garbage collector, which would take most of the time while millions of lists are created.

    In several threads at once it stays paused until the last one is done.
    """
    with _collector.lock:
        if not _collector.pauses:
            _collector.was_enabled = gc.isenabled()
            gc.disable()
        _collector.pauses += 1
    try:
        yield
    finally:
        with _collector.lock:
            _collector.pauses -= 1
            if not _collector.pauses and _collector.was_enabled:
                gc.enable()


class DataClass:
    """A value with a JSON form, which can be loaded from a location and stored there."""

    WHEN_TOO_LARGE: ClassVar[str] = "Divide it, or raise the setting MAX_MESSAGE_BYTES."
    """What to do about one with more bytes than the setting MAX_MESSAGE_BYTES."""

    @classmethod
    def example(cls) -> Self:
        """An instance to look at."""
        raise MessageError(f"{cls.__name__} has no example.")

    def serialize(self) -> Any:
        """The value as numbers, texts, lists and dictionaries."""
        return dict(vars(self))

    @classmethod
    def deserialize(cls, data: Any) -> Self:
        """The value that `serialize` described."""
        return cls(**data)

    @classmethod
    def load(cls, loc: DataLocation) -> Self:
        """Read and validate the JSON at a location.

        Raises:
            DataLimitError: more bytes than the setting MAX_MESSAGE_BYTES.
            MessageError: not JSON, or not a value of this class.
        """
        with paused_collector():
            data = load_json(loc)
            with damage_as(MessageError, loc.display_name, f"{loc.display_name} holds no {cls.__name__}"):
                return cls.deserialize(data)

    def store(self, loc: DataLocation) -> None:
        """Write the JSON to a location, whole or not at all; errors as `to_json`, and those of the storage."""
        # Messages are made of these classes, and who only makes messages needs no storage.
        from spacer_like.storage import write_bytes

        write_bytes(loc, self.to_json(loc.display_name))

    def to_json(self, name: str = "The message") -> bytes:
        """The JSON in UTF-8.

        Args:
            name: what errors call it.

        Raises:
            DataLimitError: more bytes than the setting MAX_MESSAGE_BYTES: `load` would refuse it.
        """
        data = json.dumps(self.serialize()).encode()
        try:
            _check_size(len(data), name)
        except DataLimitError as error:
            raise DataLimitError(
                f"{error} It could not be read back, and is not written. {self.WHEN_TOO_LARGE}"
            ) from None
        return data

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and vars(self) == vars(other)

    __hash__ = None  # type: ignore[assignment]  # mutable values; Python's own convention


def plain(value: Any) -> Any:
    """A value with the numbers and arrays of NumPy that it holds, in lists and dictionaries too, as Python's own."""
    if type(value).__module__ == "numpy" and callable(tolist := getattr(value, "tolist", None)):
        return tolist()
    if isinstance(value, list | tuple):
        return type(value)(map(plain, value)) if type(value) in (list, tuple) else value
    if isinstance(value, dict):
        return {name: plain(one) for name, one in value.items()}
    return value


def load_json(loc: DataLocation) -> Any:
    """The JSON at a location; errors as `DataClass.load`. What is too large is not read."""
    from spacer_like.storage import storage_factory

    storage = storage_factory(loc.storage_type, loc.bucket_name)
    _check_size(storage.size(loc.key), loc.display_name)
    return parse_json(storage.read(loc.key), loc.display_name)


def parse_json(data: bytes, name: str = "The message") -> Any:
    """JSON bytes as numbers, texts, lists and dictionaries.

    Raises:
        DataLimitError: more bytes than the setting MAX_MESSAGE_BYTES.
        MessageError: not JSON, or nested beyond any message.
    """
    from pydantic_core import from_json

    _check_size(len(data), name)
    try:
        with paused_collector():
            return from_json(data)
    except ValueError as error:
        raise MessageError(f"{name} is not valid JSON: {error}.") from None


def _check_size(size: int, name: str) -> None:
    limit = config.settings().max_message_bytes
    if size > limit:
        raise DataLimitError(f"{name} has {size} bytes, more than the {limit} that a message may have.")
