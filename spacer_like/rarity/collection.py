"""The images of a collection, wherever they live: a folder, a prefix, an archive, a stack, or a single file.

>>> from spacer_like.data_classes import DataLocation
>>> with open_collection(DataLocation("memory", "punks/"), preparation) as collection:  # doctest: +SKIP
...     for tokens, pixels in collection.batches():
...         count(pixels)
...     collection.unreadable
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Self

from spacer_like.data_classes import DataLocation
from spacer_like.exceptions import (
    AccessDeniedError,
    CollectionError,
    DataNotFoundError,
    ImageError,
    StorageUnavailableError,
)
from spacer_like.progress import report
from spacer_like.rarity.decoding import Decoder, NamedFile, Preparation, batch_length
from spacer_like.rarity.messages import Unreadable
from spacer_like.rarity.tokens import first_of_each_token, token_of_file
from spacer_like.storage import storage_factory

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MOST_FILE_BYTES = 2**27
"""The largest image file that is read."""


class Collection(ABC):
    """Images by their tokens, in the order of the tokens: numbers by their value, then the others by their text.

    Attributes:
        name: what errors call it.
        tokens: the tokens that have a file, whether or not it can be decoded.
        unreadable: files that are no images. Complete once `batches` has come to its end, and in the same order
            each time.
    """

    def __init__(self, name: str, tokens: list[str], size: int, unreadable: list[Unreadable] | None = None) -> None:
        self.name = name
        self.tokens = tokens
        self.size = size
        self.unreadable = list(unreadable or ())
        self._known_unreadable = tuple(self.unreadable)
        self._resources = ExitStack()

    def batches(self, batch_size: int | None = None) -> Iterator[tuple[list[str], NDArray[np.uint8]]]:
        """Tokens [n] and pixels uint8 [n, size, size, 3], n at most `batch_size`; None is about 32 MiB of pixels.

        No batch is empty. The pixels are the caller's. May be called again, and begins anew then; progress is reported.

        Raises:
            CollectionError, ArchiveError: a damaged stack or archive.
            SpacerError: errors of the storage.
        """
        self.unreadable[:] = self._known_unreadable
        ended = 0
        for tokens, pixels, unreadable in self._batches(batch_size or batch_length(self.size)):
            self.unreadable += [_unreadable(name, reason) for name, reason in unreadable]
            ended += len(tokens) + len(unreadable)
            if tokens:
                yield tokens, pixels
                # The batch would be held while the next but one is being filled.
                del pixels
            report(f"images of {self.name}", ended, len(self.tokens))

    @abstractmethod
    def _batches(self, length: int) -> Iterator[tuple[list[str], NDArray[np.uint8], list[tuple[str, str]]]]: ...

    def reason_for_nothing(self) -> str:
        """Why `batches` gave no image, as a sentence; call it afterwards."""
        if not self.unreadable:
            return f"The collection '{self.name}' holds no image."
        first = self.unreadable[0]
        return (
            f"None of the {len(self.unreadable)} files of the collection '{self.name}' can be decoded, the first "
            f"because: {first.reason}"
        )

    def close(self) -> None:
        """Give back open files."""
        self._resources.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


class FileCollection(Collection):
    """A collection of image files, each of which `read` gives by its name."""

    def __init__(
        self,
        name: str,
        names: list[str],
        read: Callable[[str], bytes],
        preparation: Preparation,
        is_far: bool = False,
        unreadable: list[Unreadable] | None = None,
    ) -> None:
        files, others = first_of_each_token(names)
        duplicates = [
            Unreadable(
                name=_told(other), reason=_told(f"'{counts}' and '{other}' both are token {token}: '{counts}' counts.")
            )
            for other, counts, token in others
        ]
        super().__init__(name, [token for token, _ in files], preparation.size, [*(unreadable or ()), *duplicates])
        self._files = [NamedFile(*pair) for pair in files]
        self._decoder = Decoder(read, preparation, is_far)

    def _batches(self, length: int) -> Iterator[tuple[list[str], NDArray[np.uint8], list[tuple[str, str]]]]:
        return self._decoder.batches(self._files, length)


def open_collection(images_loc: DataLocation, preparation: Preparation) -> Collection:
    """The collection at a location: a ``.zip``, a ``.npz`` of `convert_collection`, otherwise a folder or prefix.

    Raises:
        DataNotFoundError: there is no such file or folder; a prefix without a key is an empty collection.
        ArchiveError, CollectionError: the archive or stack is malformed, unsafe, or of another size.
    """
    storage = storage_factory(images_loc.storage_type, images_loc.bucket_name)
    folder = images_loc.key if images_loc.key.endswith("/") or not images_loc.key else f"{images_loc.key}/"
    names = _folder_names(images_loc) if images_loc.storage_type == "filesystem" else _names_under(images_loc, folder)
    return FileCollection(
        images_loc.display_name,
        names,
        lambda name: _whole(storage.read_range(f"{folder}{name}", 0, MOST_FILE_BYTES + 1), name),
        preparation,
        is_far=images_loc.storage_type not in ("filesystem", "memory"),
    )


def open_images(images_loc: DataLocation, preparation: Preparation) -> Collection:
    """As `open_collection`, or a collection of one: `images_loc` may be a single image file."""
    ending = images_loc.filename.lower()
    storage = storage_factory(images_loc.storage_type, images_loc.bucket_name)
    is_file = bool(images_loc.key) and not images_loc.key.endswith(("/", ".zip", ".npz"))
    if ending.endswith((".zip", ".npz")) or not is_file:
        return open_collection(images_loc, preparation)
    if images_loc.storage_type != "url" and not storage.exists(images_loc.key):
        return open_collection(images_loc, preparation)
    name = images_loc.filename
    # Whatever its name, a file that was asked for by name is looked at.
    names = [name] if token_of_file(name) else [f"image {name}"]
    return FileCollection(
        images_loc.display_name,
        names,
        lambda _: _whole(storage.read_range(images_loc.key, 0, MOST_FILE_BYTES + 1), name),
        preparation,
    )


def _names_under(loc: DataLocation, folder: str) -> list[str]:
    storage = storage_factory(loc.storage_type, loc.bucket_name)
    names = (key[len(folder) :] for key in storage.list(folder))
    return [name for name in names if name and "/" not in name]


def _folder_names(loc: DataLocation) -> list[str]:
    """The files that lie in a folder itself; `Storage.list` would go through all folders in it."""
    try:
        with os.scandir(loc.key or ".") as entries:
            return [entry.name for entry in entries if entry.is_file()]
    except FileNotFoundError:
        raise DataNotFoundError(f"There is no folder '{loc.key}'.") from None
    except NotADirectoryError:
        raise CollectionError(
            f"'{loc.key}' is no collection: give a folder of images, a .zip of them, or a .npz of convert_collection."
        ) from None
    except PermissionError:
        raise AccessDeniedError(f"The permissions of the folder '{loc.key}' forbid reading it.") from None
    except OSError as error:
        raise StorageUnavailableError(f"The folder '{loc.key}' cannot be read: {error.strerror}.") from None


def _whole(data: bytes, name: str) -> bytes:
    if len(data) > MOST_FILE_BYTES:
        raise ImageError(f"The file '{name}' is larger than {MOST_FILE_BYTES // 2**20} MiB: no image is read of it.")
    return data


def _unreadable(name: str, reason: str) -> Unreadable:
    return Unreadable(name=_told(name), reason=_told(reason))


def _told(text: str) -> str:
    """A text as messages can carry it: names of files may hold bytes that are no text."""
    return text.encode("utf-8", "backslashreplace").decode()
