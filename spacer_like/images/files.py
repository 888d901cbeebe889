"""Many files with a reader: of a folder, a prefix, an archive, or a list of locations.

>>> from spacer_like.location import DataLocation
>>> with open_files(DataLocation("memory", "reefs/")) as files:
...     [len(files.read(name)) for name in files.names]
[]
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import NamedTuple

from typing_extensions import Self

from spacer_like.exceptions import (
    AccessDeniedError,
    CollectionError,
    DataNotFoundError,
    ImageError,
    StorageUnavailableError,
)
from spacer_like.images.archive import ARCHIVE_ENDINGS, ImageArchive
from spacer_like.location import DataLocation
from spacer_like.message_base import Unreadable, as_text
from spacer_like.storage import open_file, storage_factory
from spacer_like.storage.ordinary_files import ordinary_files, other_files

MOST_FILE_BYTES = 2**27
"""The largest image file that is read."""
LINKED_FOLDER = "It is a link to a folder, which is not entered."
"""The reason of an unreadable name."""


class OpenedArchive(NamedTuple):
    """An archive whose files are among others.

    Fields:
        path: its name among all files; empty: it is all that there is.
        container: the path of the archive that it lies in; None where it lies in none.
        n_files: how many files it holds itself, those that are no images and archives among them.
        n_images: how many of them are images by their endings.
    """

    path: str
    container: str | None
    n_files: int
    n_images: int


@dataclass
class Files:
    """Files by their names; use it in a ``with``.

    Attributes:
        name: what errors call all of them.
        names: in no promised order; of files deeper in folders their paths; of a list what errors call its locations.
        read: gives a file's bytes by its name; threads may call it at once.
        is_far: whether reading is waiting, such as for a network.
        unreadable: files that are known not to be read, with the reasons.
        archives: those that were opened, where they are opened in turn (`images.nested`).
        folders: of an archive, those that it lists, with their slash.
        excluded: names that were left out because of a pattern.
        unmatched: patterns of names to leave out that no name matches.
    """

    name: str
    names: list[str]
    read: Callable[[str], bytes]
    is_far: bool = False
    unreadable: list[Unreadable] = field(default_factory=list)
    archives: list[OpenedArchive] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)
    excluded: list[str] = field(default_factory=list)
    unmatched: list[str] = field(default_factory=list)
    resources: ExitStack = field(default_factory=ExitStack)

    def close(self) -> None:
        """Close open files."""
        self.resources.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def open_files(images: DataLocation | Sequence[DataLocation], *, deep: bool = False) -> Files:
    """The files at a location, an archive (``.zip``, ``.tar``, ``.tar.gz``, ``.tgz``), otherwise a folder or prefix; or
    those of a list of locations.

    Args:
        deep: those in folders of the folder as well; of an archive those of all its folders, and not only of the one
            with the most files.

    Folders that cannot be read, and links to folders, which are not entered, are unreadable files.

    Raises:
        DataNotFoundError: there is no such file or folder; a prefix without a key has no files.
        ArchiveError: the archive is malformed or unsafe.
        CollectionError: it is another kind of file.
        SpacerError: other errors of the storage.
    """
    if not isinstance(images, DataLocation):
        return _listed(images)
    if images.filename.lower().endswith(ARCHIVE_ENDINGS):
        return _in_archive(images, deep)
    folder = images.key if images.key.endswith("/") or not images.key else f"{images.key}/"
    not_opened: list[Unreadable] = []
    names: list[str] = []
    is_local = images.storage_type == "filesystem"
    if is_local:
        # A listing at any depth is silent about a folder that is not there, and about what it does not enter.
        names, not_opened = _folder_names(images)
    if is_local and deep:
        not_opened += sorted(_not_entered(images.key), key=lambda entry: entry.name)
    if deep or not is_local:
        storage = storage_factory(images.storage_type, images.bucket_name)
        names = [name for key in storage.list(folder) if (name := key[len(folder) :]) and (deep or "/" not in name)]
    names, not_text = text_names(names)
    return Files(
        images.display_name,
        names,
        lambda name: file_bytes(DataLocation(images.storage_type, f"{folder}{name}", images.bucket_name), name),
        _is_far(images),
        [*not_text, *not_opened],
    )


def one_file(loc: DataLocation) -> Files:
    """The file at a location, named by the last part of its key; a missing one is an error of the reading."""
    return Files(loc.display_name, [loc.filename], lambda _: file_bytes(loc, loc.filename))


def file_bytes(loc: DataLocation, name: str, most: int | None = None) -> bytes:
    """The bytes of an image file, which errors call `name`.

    Raises:
        ImageError: it is larger than `most`; None is `MOST_FILE_BYTES`.
        SpacerError: errors of the storage.
    """
    most = MOST_FILE_BYTES if most is None else most
    data = storage_factory(loc.storage_type, loc.bucket_name).read_range(loc.key, 0, most + 1)
    if len(data) > most:
        raise ImageError(f"The file '{as_text(name)}' is larger than {most // 2**20} MiB: no image is read of it.")
    return data


def _listed(locs: Sequence[DataLocation]) -> Files:
    by_name: dict[str, DataLocation] = {}
    twice = []
    for number, loc in enumerate(dict.fromkeys(locs)):
        # What errors call URLs leaves out what they may differ in.
        name = loc.display_name if loc.display_name not in by_name else f"{loc.display_name} [{number}]"
        by_name[name] = loc
    for loc, count in Counter(locs).items():
        if count > 1:
            twice.append(Unreadable.of(loc.display_name, f"It is in the list {count} times, and counts once."))
    name = locs[0].display_name if len(locs) == 1 else f"the list of {len(locs)} images"
    return Files(name, list(by_name), lambda name: file_bytes(by_name[name], name), any(map(_is_far, locs)), twice)


def _in_archive(loc: DataLocation, deep: bool) -> Files:
    name = loc.display_name
    with ExitStack() as cleaning:
        archive = ImageArchive(cleaning.enter_context(open_file(loc)), name, loc.filename, deep=deep)
        cleaning.enter_context(archive)
        names, not_text = text_names(archive.names)
        unreadable = [*(Unreadable.of(*pair) for pair in archive.unreadable), *not_text]
        return Files(name, names, archive.read, False, unreadable, resources=cleaning.pop_all())


def text_names(names: Iterable[str]) -> tuple[list[str], list[Unreadable]]:
    """The names that are text, and the others, which no table or message could hold."""
    kept: list[str] = []
    others: list[str] = []
    for name in names:
        (kept if name.isascii() or as_text(name) == name else others).append(name)
    reason = "The name of the file is no text in UTF-8: give it another one."
    return kept, [Unreadable.of(name, reason) for name in sorted(others)]


def _folder_names(loc: DataLocation) -> tuple[list[str], list[Unreadable]]:
    """The files directly in a folder, and what is not opened; `Storage.list` would go through all folders in it."""
    try:
        reason = "It is no ordinary file, or a link that leads to none: it is not opened."
        return ordinary_files(loc.key), [Unreadable.of(name, reason) for name in sorted(other_files(loc.key or "."))]
    except FileNotFoundError:
        raise DataNotFoundError(f"There is no folder '{loc.key}'.") from None
    except NotADirectoryError:
        raise CollectionError(
            f"'{loc.key}' is no collection: give a folder of images, a .zip or .tar of them, or a stack (.npz)."
        ) from None
    except PermissionError:
        raise AccessDeniedError(f"The permissions of the folder '{loc.key}' forbid reading it.") from None
    except OSError as error:
        raise StorageUnavailableError(f"The folder '{loc.key}' cannot be read: {error.strerror}.") from None


def _not_entered(root: str) -> Iterator[Unreadable]:
    """The folders that a listing at any depth passes over, and what is no ordinary file in deeper ones."""
    waiting = [""]
    while waiting:
        begin = waiting.pop()
        folder = os.path.join(root, begin) or "."
        try:
            others = other_files(folder) if begin else []
            with os.scandir(folder) as entries:
                folders = [entry for entry in entries if entry.is_dir()]
        except OSError as error:
            yield Unreadable.of(begin.rstrip("/"), f"The folder cannot be read: {error.strerror}.")
            continue
        for name in others:
            yield Unreadable.of(f"{begin}{name}", "It is no ordinary file, or a link that leads to none.")
        for entry in folders:
            if entry.is_symlink():
                yield Unreadable.of(f"{begin}{entry.name}", LINKED_FOLDER)
            else:
                waiting.append(f"{begin}{entry.name}/")


def _is_far(loc: DataLocation) -> bool:
    return loc.storage_type not in ("filesystem", "memory")
