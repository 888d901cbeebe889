"""Sets of images as squares of pixels, from a folder, a prefix, an archive, a list, a stack or one file.

>>> from spacer_like.images.square import square_into
>>> from spacer_like.location import DataLocation
>>> with open_set(DataLocation("memory", "reefs/"), square_into, 224) as images:
...     for ids, pixels in images.batches():
...         print(len(ids), pixels.shape)
...     images.unreadable
[]
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, NamedTuple

from typing_extensions import Self

from spacer_like.exceptions import CollectionError, DataNotFoundError
from spacer_like.images.archive import ARCHIVE_ENDINGS
from spacer_like.images.decoding import BATCHES, Decoder, Fill, batch_length, squares_in
from spacer_like.images.files import Files, one_file, open_files
from spacer_like.images.stacks import STACK_ENDING, Stack, read_ids
from spacer_like.location import DataLocation
from spacer_like.memory import ReusedMemory
from spacer_like.message_base import Unreadable, ids_beside, none_of
from spacer_like.progress import report
from spacer_like.storage import open_file, storage_factory

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def name_of_file(name: str) -> str | None:
    """The name itself; None for one that file managers hide."""
    return None if name.rpartition("/")[2].startswith(".") else name


class Naming(NamedTuple):
    """How images are called.

    Fields:
        of_file: the id that a file's name stands for; None: the file is not looked at.
        of_text: the id that a text in a list of ids spells.
        order: the key to sort ids by.
        noun: what an id is, in sentences.
    """

    of_file: Callable[[str], str | None] = name_of_file
    of_text: Callable[[str], str] = str
    order: Callable[[str], Any] = str
    noun: str = "image"

    def first_of_each(self, names: Iterable[str]) -> tuple[list[tuple[str, str]], list[Unreadable]]:
        """(id, name) of the files that are looked at, in the order of the ids; and those whose id another file has that
        comes before them by name."""
        first: dict[str, str] = {}
        others = []
        for name in sorted(names):
            image_id = self.of_file(name)
            if image_id is None:
                continue
            if (counts := first.setdefault(image_id, name)) != name:
                reason = f"'{counts}' and '{name}' both are {self.noun} {image_id}: '{counts}' counts."
                others.append(Unreadable.of(name, reason))
        return sorted(first.items(), key=lambda pair: self.order(pair[0])), others


class Batch(NamedTuple):
    """Images of a set.

    Fields:
        ids: [n].
        pixels: uint8 [n, size, size, 3].
        unreadable: (name, reason) of files that are no images.
    """

    ids: list[str]
    pixels: NDArray[np.uint8]
    unreadable: list[tuple[str, str]]


class ImageSet(ABC):
    """Images by their ids, in the order of the ids.

    Attributes:
        name: what errors call it.
        ids: of the images, whether or not they can be decoded.
        size: width and height of the squares in pixels.
        unreadable: files that are no images. Complete once `batches` or `decode_in_threads` has come to its end, and in
            the same order each time.
    """

    def __init__(
        self,
        name: str,
        ids: list[str],
        size: int,
        unreadable: Sequence[Unreadable] = (),
        resources: ExitStack | None = None,
    ) -> None:
        self.name = name
        self.ids = ids
        self.size = size
        self.unreadable = list(unreadable)
        self._known_unreadable = tuple(unreadable)
        self._resources = resources or ExitStack()

    def batches(
        self, batch_size: int | None = None, indices: Sequence[int] | None = None
    ) -> Iterator[tuple[list[str], NDArray[np.uint8]]]:
        """Ids [n] and pixels uint8 [n, size, size, 3], n at most `batch_size`; None is about 32 MiB of pixels.

        No batch is empty. The pixels are the caller's. May be called again, and begins anew then. Progress is reported.

        Args:
            indices: ascending, into `ids`: only these images.

        Raises:
            CollectionError, ArchiveError: a damaged stack or archive.
            SpacerError: errors of the storage.
        """
        self.unreadable[:] = self._known_unreadable
        ended = 0
        indices = range(len(self.ids)) if indices is None else indices
        for ids, pixels, unreadable in self._batches(indices, batch_size or batch_length(self.size)):
            self.unreadable += [Unreadable.of(name, reason) for name, reason in unreadable]
            ended += len(ids) + len(unreadable)
            if ids:
                yield ids, pixels
                # The batch would be held while the next but one is being filled.
                del pixels
            self._report(ended, len(indices))

    def decode_in_threads(self, receive: Callable[[NDArray[np.uint8]], None]) -> None:
        """Call `receive` with the pixels of all images, uint8 [n, size, size, 3], a few at a time.

        Faster than `batches` where neither order nor ids are needed: several threads call `receive` at once, with
        pixels that still lie in the processor's cache and are overwritten afterwards. Errors as `batches`.
        """
        for _, pixels in self.batches():
            receive(pixels)

    @abstractmethod
    def _batches(self, indices: Sequence[int], length: int) -> Iterator[Batch]: ...

    def reason_for_nothing(self) -> str:
        """Why the set was empty, as a sentence; to be called after the reading."""
        if not self.unreadable:
            return f"The collection '{self.name}' holds no image."
        return none_of(self.unreadable, f"file of the collection '{self.name}'", "be decoded")

    def _report(self, ended: int, total: int) -> None:
        report(f"images of {self.name}", ended, total)

    def close(self) -> None:
        """Close open files."""
        self._resources.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


class FileSet(ImageSet):
    """A set of image files.

    Args:
        files: closed together with the set.
        pairs: (id, name) of those that are images, in the order of the ids; ids may be there twice.
        fill, size: see `Decoder`.
        unreadable: files that are known not to count.
    """

    def __init__(
        self, files: Files, pairs: Sequence[tuple[str, str]], fill: Fill, size: int, unreadable: Sequence[Unreadable]
    ) -> None:
        super().__init__(files.name, [image_id for image_id, _ in pairs], size, unreadable, files.resources)
        self._names = [name for _, name in pairs]
        self._decoder = Decoder(files.read, fill, size, files.is_far)

    def _batches(self, indices: Sequence[int], length: int) -> Iterator[Batch]:
        names = [self._names[index] for index in indices]
        for batch in self._decoder.batches(names, length):
            ids = [self.ids[indices[index]] for index in batch.indices]
            yield Batch(ids, batch.pixels, [(names[index], reason) for index, reason in batch.unreadable])
            # It would be held while the next but one is being filled.
            del batch

    def decode_in_threads(self, receive: Callable[[NDArray[np.uint8]], None]) -> None:
        names = self._names
        unreadable = self._decoder.decode_in_threads(names, receive, lambda ended: self._report(ended, len(names)))
        found = [Unreadable.of(names[index], reason) for index, reason in unreadable]
        self.unreadable[:] = [*self._known_unreadable, *found]


class StackSet(ImageSet):
    """A set of images that have been decoded into a stack."""

    def __init__(self, name: str, stack: Stack, ids: list[str], resources: ExitStack) -> None:
        super().__init__(name, ids, stack.shape[1], resources=resources)
        self._stack = stack

    def _batches(self, indices: Sequence[int], length: int) -> Iterator[Batch]:
        memory = ReusedMemory(BATCHES)
        parts = self._stack.parts(indices, length, lambda count: squares_in(memory, count, self.size))
        # Read in a thread, one part ahead.
        with ThreadPoolExecutor(1, thread_name_prefix="read-stack") as reading:
            coming = reading.submit(next, parts, None)
            for first in range(0, len(indices), length):
                pixels = coming.result()
                coming = reading.submit(next, parts, None)
                if pixels is not None:
                    yield Batch([self.ids[index] for index in indices[first : first + length]], pixels, [])
                del pixels


def open_set(
    images: DataLocation | Sequence[DataLocation],
    fill: Fill,
    size: int,
    naming: Naming | None = None,
    *,
    deep: bool = False,
    or_one: bool = False,
) -> ImageSet:
    """The images at a location: a stack (``.npz``), whose ids lie beside it, or what `open_files` opens.

    Args:
        fill: makes an image's square of its file's bytes, such as `spacer_like.images.square.square_into`.
        size: width and height of the squares in pixels.
        naming: how images are called; None: by the names of their files.
        deep: see `open_files`.
        or_one: the location may be a single image file, whatever its name.

    Raises:
        DataNotFoundError: there is no such file or folder; a prefix without a key is an empty set.
        ArchiveError, CollectionError: the archive or stack is malformed, unsafe, or of another size.
        SpacerError: other errors of the storage.
    """
    naming = naming or Naming()
    if isinstance(images, DataLocation):
        if images.filename.lower().endswith(STACK_ENDING):
            return _open_stack(images, size, naming)
        if or_one and _is_one(images):
            files = one_file(images)
            name = images.filename
            return FileSet(files, [(naming.of_file(name) or name, name)], fill, size, [])
    files = open_files(images, deep=deep)
    pairs, others = naming.first_of_each(files.names)
    known = [entry for entry in files.unreadable if naming.of_file(entry.name) is not None]
    return FileSet(files, pairs, fill, size, [*known, *others])


def _is_one(loc: DataLocation) -> bool:
    if not loc.key or loc.key.endswith("/") or loc.filename.lower().endswith(ARCHIVE_ENDINGS):
        return False
    return loc.storage_type == "url" or storage_factory(loc.storage_type, loc.bucket_name).exists(loc.key)


def _open_stack(loc: DataLocation, size: int, naming: Naming) -> ImageSet:
    name, ids_loc = loc.display_name, ids_beside(loc)
    with ExitStack() as cleaning:
        stack = Stack(cleaning.enter_context(open_file(loc)), name)
        if stack.shape[1] != size:
            raise CollectionError(
                f"The images of the stack '{name}' are {stack.shape[1]} pixels wide, and {size} are asked for: convert "
                "the collection again, or ask for that size."
            )
        try:
            with open_file(ids_loc) as file:
                ids = read_ids(file, ids_loc.display_name, stack.shape[0], naming.of_text, naming.noun)
        except DataNotFoundError:
            raise DataNotFoundError(
                f"The stack '{name}' needs the ids of its {naming.noun}s beside it, in '{ids_loc.display_name}'."
            ) from None
        return StackSet(name, stack, ids, cleaning.pop_all())
