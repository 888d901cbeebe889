"""Where bytes live: a storage for each type, and free functions over locations."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from importlib import import_module
from typing import Any

from spacer_like import config
from spacer_like.data_classes import DataLocation
from spacer_like.exceptions import MessageError, SpacerError
from spacer_like.storage.base import Storage
from spacer_like.storage.filesystem import FilesystemStorage
from spacer_like.storage.memory import MemoryStorage

_memory: MemoryStorage | None = None
_registered: dict[str, Callable[[str | None], Storage]] = {}


def storage_factory(storage_type: str, bucket_name: str | None = None) -> Storage:
    """The storage of a type, of S3 that of a bucket."""
    global _memory
    if storage_type == "memory":
        _memory = _memory or MemoryStorage()
        return _memory
    if storage_type == "filesystem":
        return FilesystemStorage()
    if storage_type in _registered:
        return _registered[storage_type](bucket_name)
    raise MessageError(f"The storage type '{storage_type}' is unknown.")


def clear_memory_storage() -> None:
    """Forget all that the memory storage holds."""
    global _memory
    _memory = None


def register_storage(storage_type: str, make: Callable[[str | None], Storage]) -> None:
    """Make a storage of one's own known: `make` gets a location's bucket name."""
    _registered[storage_type] = make
    if storage_type not in config.STORAGE_TYPES:
        config.STORAGE_TYPES.append(storage_type)


def read_bytes(loc: DataLocation) -> bytes:
    return storage_factory(loc.storage_type, loc.bucket_name).read(loc.key)


def write_bytes(loc: DataLocation, data: bytes) -> None:
    storage_factory(loc.storage_type, loc.bucket_name).write(loc.key, data)


def read_many(
    locs: Iterable[DataLocation],
    *,
    concurrency: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Iterator[tuple[DataLocation, bytes]]:
    """Every location with its bytes, many at once, in the order of completion; the first error is raised.

    Args:
        concurrency: how many at once; None is the setting STORAGE_CONCURRENCY.
        progress: called with (read, all) after each.
    """
    by_storage: dict[tuple[str, str | None], list[DataLocation]] = {}
    for loc in locs:
        by_storage.setdefault((loc.storage_type, loc.bucket_name), []).append(loc)
    count, total = 0, sum(map(len, by_storage.values()))
    for (storage_type, bucket_name), group in by_storage.items():
        of_key = {loc.key: loc for loc in group}
        for key, found in storage_factory(storage_type, bucket_name).read_many(of_key, concurrency):
            if isinstance(found, SpacerError):
                raise found
            count += 1
            if progress:
                progress(count, total)
            yield of_key[key], found


def exists(loc: DataLocation) -> bool:
    return storage_factory(loc.storage_type, loc.bucket_name).exists(loc.key)


def delete(loc: DataLocation) -> None:
    storage_factory(loc.storage_type, loc.bucket_name).delete(loc.key)


_ELSEWHERE = {
    "load_image": "spacer_like.images.decode",
    "store_image": "spacer_like.images.decode",
    "load_classifier": "spacer_like.learning.model_files",
    "store_classifier": "spacer_like.learning.model_files",
}


def __getattr__(name: str) -> Any:
    # PySpacer has these here; they belong to floors above.
    if name in _ELSEWHERE:
        return getattr(import_module(_ELSEWHERE[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
