"""The images of a collection, wherever they live: a folder, a prefix, an archive, a stack, or a single file.

>>> from spacer_like.location import DataLocation
>>> with open_collection(DataLocation("memory", "punks/"), preparation) as collection:  # doctest: +SKIP
...     for tokens, pixels in collection.batches():
...         count(pixels)
...     collection.unreadable
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, Protocol

from typing_extensions import Self

from spacer_like.exceptions import (
    AccessDeniedError,
    CollectionError,
    DataNotFoundError,
    ImageError,
    StorageUnavailableError,
)
from spacer_like.images.archive import ImageArchive
from spacer_like.images.decoding import BATCHES, Decoder, batch_length, squares_in
from spacer_like.images.square import square_into
from spacer_like.location import DataLocation
from spacer_like.progress import report
from spacer_like.rarity.messages import Unreadable
from spacer_like.rarity.messages.fields import ids_beside
from spacer_like.rarity.stack_file import Stack, read_ids
from spacer_like.rarity.tokens import first_of_each_token, token_of_file
from spacer_like.reused_memory import ReusedMemory
from spacer_like.storage import open_file, storage_factory
from spacer_like.storage.ordinary_files import ordinary_files, other_files

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MOST_FILE_BYTES = 2**27
"""The largest image file that is read."""


class Preparation(Protocol):
    """How images become squares: `spacer_like.rarity.messages.PreparationMsg`, or whatever has its fields."""

    @property
    def size(self) -> int: ...
    @property
    def resample(self) -> str: ...
    @property
    def background(self) -> str: ...


class NamedFile(NamedTuple):
    """A file of a collection, and the token whose image it is."""

    token: str
    name: str


class Batch(NamedTuple):
    """Images of a collection.

    Fields:
        tokens: [n].
        pixels: uint8 [n, size, size, 3].
        unreadable: (name, reason) of files that are no images.
    """

    tokens: list[str]
    pixels: NDArray[np.uint8]
    unreadable: list[tuple[str, str]]


class Collection(ABC):
    """Images by their tokens, in the order of the tokens: numbers by their value, then the others by their text.

    Attributes:
        name: what errors call it.
        tokens: the tokens that have a file, whether or not it can be decoded.
        unreadable: files that are no images. Complete once `batches` or `hand_over` has come to its end, and in the
            same order each time.
    """

    def __init__(
        self,
        name: str,
        tokens: list[str],
        size: int,
        unreadable: list[Unreadable] | None = None,
        resources: ExitStack | None = None,
    ) -> None:
        self.name = name
        self.tokens = tokens
        self.size = size
        self.unreadable = list(unreadable or ())
        self._known_unreadable = tuple(self.unreadable)
        self._resources = resources or ExitStack()

    def batches(
        self, batch_size: int | None = None, places: Sequence[int] | None = None
    ) -> Iterator[tuple[list[str], NDArray[np.uint8]]]:
        """Tokens [n] and pixels uint8 [n, size, size, 3], n at most `batch_size`; None is about 32 MiB of pixels.

        With `places`, ascending numbers, only of the tokens at these places among all tokens. No batch is empty. The
        pixels are the caller's. May be called again, and begins anew then. Progress is reported.

        Raises:
            CollectionError, ArchiveError: a damaged stack or archive.
            SpacerError: errors of the storage.
        """
        self.unreadable[:] = self._known_unreadable
        ended = 0
        places = range(len(self.tokens)) if places is None else places
        for tokens, pixels, unreadable in self._batches(places, batch_size or batch_length(self.size)):
            self.unreadable += [_unreadable(name, reason) for name, reason in unreadable]
            ended += len(tokens) + len(unreadable)
            if tokens:
                yield tokens, pixels
                # The batch would be held while the next but one is being filled.
                del pixels
            self._report(ended, len(places))

    def hand_over(self, receive: Callable[[NDArray[np.uint8]], None]) -> None:
        """Have `receive` called with the pixels of all images, uint8 [n, size, size, 3], a few at a time.

        Faster than `batches` for whoever needs neither order nor tokens, for `receive` may be called by several threads
        at once, and what it is given lies in the processor's cache; it must not be kept. Errors as there.
        """
        for _, pixels in self.batches():
            receive(pixels)

    @abstractmethod
    def _batches(self, places: Sequence[int], length: int) -> Iterator[Batch]: ...

    def reason_for_nothing(self) -> str:
        """Why there was no image, as a sentence; call it afterwards."""
        if not self.unreadable:
            return f"The collection '{self.name}' holds no image."
        first = self.unreadable[0]
        return (
            f"None of the {len(self.unreadable)} files of the collection '{self.name}' can be decoded, the first "
            f"because: {first.reason}"
        )

    def _report(self, ended: int, total: int) -> None:
        report(f"images of {self.name}", ended, total)

    def close(self) -> None:
        """Give back open files."""
        self._resources.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


class FileCollection(Collection):
    """A collection of image files, each of which `read` gives by its name.

    Args:
        files: with their tokens, in order.
        is_far: whether reading is waiting, such as for a network.
        unreadable: files that are known not to count.
        resources: closed together with the collection.
    """

    def __init__(
        self,
        name: str,
        files: list[NamedFile],
        read: Callable[[str], bytes],
        preparation: Preparation,
        *,
        is_far: bool = False,
        unreadable: list[Unreadable] | None = None,
        resources: ExitStack | None = None,
    ) -> None:
        super().__init__(name, [file.token for file in files], preparation.size, unreadable, resources)
        self._files = files
        fill = partial(square_into, resample=preparation.resample, background=preparation.background)
        self._decoder = Decoder(read, fill, preparation.size, is_far)

    def _batches(self, places: Sequence[int], length: int) -> Iterator[Batch]:
        files = [self._files[place] for place in places]
        for batch in self._decoder.batches([file.name for file in files], length):
            tokens = [files[place].token for place in batch.places]
            yield Batch(tokens, batch.pixels, [(files[place].name, reason) for place, reason in batch.unreadable])
            # It would be held while the next but one is being filled.
            del batch

    def hand_over(self, receive: Callable[[NDArray[np.uint8]], None]) -> None:
        names = [file.name for file in self._files]
        unreadable = self._decoder.hand_over(names, receive, lambda ended: self._report(ended, len(names)))
        self.unreadable[:] = [*self._known_unreadable, *(_unreadable(names[place], why) for place, why in unreadable)]


class StackCollection(Collection):
    """A collection that `convert_collection` has decoded."""

    def __init__(self, name: str, stack: Stack, tokens: list[str], resources: ExitStack) -> None:
        super().__init__(name, tokens, stack.shape[1], resources=resources)
        self._stack = stack

    def _batches(self, places: Sequence[int], length: int) -> Iterator[Batch]:
        memory = ReusedMemory(BATCHES)
        parts = self._stack.parts(places, length, lambda count: squares_in(memory, count, self.size))
        # Read in a thread, one part ahead.
        with ThreadPoolExecutor(1, thread_name_prefix="read-stack") as reading:
            coming = reading.submit(next, parts, None)
            for first in range(0, len(places), length):
                pixels = coming.result()
                coming = reading.submit(next, parts, None)
                if pixels is not None:
                    yield Batch([self.tokens[place] for place in places[first : first + length]], pixels, [])
                del pixels


def open_collection(images_loc: DataLocation, preparation: Preparation) -> Collection:
    """The collection at a location: a ``.zip``, a ``.npz`` of `convert_collection`, otherwise a folder or prefix.

    Raises:
        DataNotFoundError: there is no such file or folder; a prefix without a key is an empty collection.
        ArchiveError, CollectionError: the archive or stack is malformed, unsafe, or of another size.
    """
    ending = images_loc.filename.lower()
    if ending.endswith(".zip"):
        return _open_archive(images_loc, preparation)
    if ending.endswith(".npz"):
        return _open_stack(images_loc, preparation)
    storage = storage_factory(images_loc.storage_type, images_loc.bucket_name)
    folder = images_loc.key if images_loc.key.endswith("/") or not images_loc.key else f"{images_loc.key}/"
    if images_loc.storage_type == "filesystem":
        names, not_opened = _folder_names(images_loc)
    else:
        names, not_opened = _names_under(images_loc, folder), []
    files, others = _files_that_count(names)
    return FileCollection(
        images_loc.display_name,
        files,
        lambda name: _whole(storage.read_range(f"{folder}{name}", 0, MOST_FILE_BYTES + 1), name),
        preparation,
        is_far=images_loc.storage_type not in ("filesystem", "memory"),
        unreadable=[*others, *not_opened],
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
    return FileCollection(
        images_loc.display_name,
        # Whatever it is called, a file that was asked for is looked at.
        [NamedFile(token_of_file(name) or name, name)],
        lambda _: _whole(storage.read_range(images_loc.key, 0, MOST_FILE_BYTES + 1), name),
        preparation,
    )


def _open_archive(loc: DataLocation, preparation: Preparation) -> Collection:
    with ExitStack() as cleaning:
        file = cleaning.enter_context(open_file(loc))
        archive = ImageArchive(file, loc.display_name)
        files, others = _files_that_count(archive.names)
        collection = FileCollection(
            loc.display_name,
            files,
            archive.read,
            preparation,
            unreadable=[*(_unreadable(*pair) for pair in archive.unreadable), *others],
            resources=cleaning.pop_all(),
        )
    return collection


def _open_stack(loc: DataLocation, preparation: Preparation) -> Collection:
    name = loc.display_name
    ids_loc = ids_beside(loc)
    with ExitStack() as cleaning:
        stack = Stack(cleaning.enter_context(open_file(loc)), name)
        if stack.shape[1] != preparation.size:
            raise CollectionError(
                f"The images of the stack '{name}' are {stack.shape[1]} pixels wide, and {preparation.size} are asked "
                "for: convert the collection again, or ask for that size."
            )
        try:
            with open_file(ids_loc) as file:
                tokens = read_ids(file, ids_loc.display_name, stack.shape[0])
        except DataNotFoundError:
            raise DataNotFoundError(
                f"The stack '{name}' needs the ids of its tokens beside it, in '{ids_loc.display_name}'."
            ) from None
        collection = StackCollection(name, stack, tokens, cleaning.pop_all())
    return collection


def _files_that_count(names: list[str]) -> tuple[list[NamedFile], list[Unreadable]]:
    # No table could hold the token of such a name.
    misnamed = [name for name in names if not name.isascii() and _told(name) != name]
    files, others = first_of_each_token(set(names).difference(misnamed))
    return [NamedFile(*pair) for pair in files], [
        *(
            _unreadable(name, "The name of the file is no text in UTF-8: give it another one.")
            for name in sorted(misnamed)
        ),
        *(
            _unreadable(other, f"'{counts}' and '{other}' both are token {token}: '{counts}' counts.")
            for other, counts, token in others
        ),
    ]


def _names_under(loc: DataLocation, folder: str) -> list[str]:
    storage = storage_factory(loc.storage_type, loc.bucket_name)
    names = (key[len(folder) :] for key in storage.list(folder))
    return [name for name in names if name and "/" not in name]


def _folder_names(loc: DataLocation) -> tuple[list[str], list[Unreadable]]:
    """The files directly in a folder, and what is not opened; `Storage.list` would go through all folders in it."""
    try:
        reason = "It is no ordinary file, or a link that leads to none: it is not opened."
        others = sorted(name for name in other_files(loc.key or ".") if token_of_file(name) is not None)
        return ordinary_files(loc.key), [_unreadable(name, reason) for name in others]
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
