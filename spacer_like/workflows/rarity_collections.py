"""The collections below a folder: which there are, which are wanted, and whether their files have changed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from spacer_like.config import settings
from spacer_like.exceptions import (
    ArchiveError,
    CollectionError,
    DataNotFoundError,
    ImageError,
    TableError,
    damage_as,
)
from spacer_like.images.archive import ImageArchive, archive_stem
from spacer_like.location import DataLocation
from spacer_like.message_base import as_text
from spacer_like.storage import read_bytes, write_bytes
from spacer_like.storage.ordinary_files import open_ordinary, ordinary_files, other_files
from spacer_like.tables.cells import csv_rows, decoded_table, stripped
from spacer_like.workflows.steps import LOCK

_LONGEST_ID = 200


@dataclass(frozen=True)
class CollectionFolder:
    """A collection as it lies below the folder of collections.

    Attributes:
        collection_id: the folder's name, or the archive's without its ending.
        images: the folder of images, or the archive.
        metadata: ``metadata/metadata.csv``, or, of an archive, the CSV file of its name beside it, if there is one.
        problem: why it cannot be worked on, as a sentence.
    """

    collection_id: str
    images: Path
    metadata: Path | None = None
    problem: str | None = None

    @property
    def images_loc(self) -> DataLocation:
        key = str(self.images)
        return DataLocation("filesystem", f"{key}/" if self.images.is_dir() else key)

    @property
    def metadata_loc(self) -> DataLocation | None:
        return None if self.metadata is None else DataLocation("filesystem", str(self.metadata))

    def version(self) -> str:
        """Different when an image's file was added, removed or written to, or other files count as images.

        Raises:
            CollectionError: the folder cannot be read.
        """
        return _digest([*_states(self.images), f"{settings().max_image_pixels}"])

    def unpacked(self, file: Path) -> CollectionFolder:
        """The same, with the ``metadata.csv`` inside an archive, if there is one, written to `file`.

        Raises:
            CollectionError: it is damaged.
            SpacerError: it cannot be written.
        """
        if self.metadata is not None or self.images.is_dir():
            return self
        try:
            with _reading(self.images), ImageArchive(open_ordinary(self.images), str(self.images)) as archive:
                data = archive.companion("metadata.csv")
        except ArchiveError:
            # Which the check of the collection says.
            return self
        except ImageError as error:
            raise CollectionError(f"The metadata in '{self.images}' cannot be read: {error}") from None
        if data is None:
            return self
        loc = DataLocation("filesystem", str(file))
        # An equal file is not written again: its time decides whether the scores are made again.
        if not file.is_file() or read_bytes(loc) != data:
            write_bytes(loc, data)
        return replace(self, metadata=file)

    def metadata_version(self) -> str:
        return "" if self.metadata is None else _digest(_states(self.metadata))


def collections_in(folder: Path, output: Path) -> list[CollectionFolder]:
    """The collections below a folder, by their ids: its folders, with the images in ``resized`` or directly inside, and
    its archives, zip or tar.

    Args:
        output: the folder of the results, which is none of them, as are those of earlier runs.

    Raises:
        DataNotFoundError: no such folder, or no collection in it.
        CollectionError: the results would come among the images, or the folder cannot be read.
    """
    if not folder.is_dir():
        raise DataNotFoundError(f"There is no folder {folder}: name the one that holds a folder for each collection.")
    results = _results_folder(folder, output)
    found: dict[str, CollectionFolder] = {}
    with _reading(folder):
        # Folders first: an archive beside the folder of its name is not a second collection of that name.
        paths = sorted(folder.iterdir(), key=lambda path: (not path.is_dir(), path.name))
    for path in paths:
        if path.name.startswith(".") or path == results or (path / LOCK).is_file():
            continue
        if path.is_dir():
            name, one = path.name, _of_folder(path)
        elif archive_stem(path.name)[1]:
            name = archive_stem(path.name)[0]
            beside = path.with_name(f"{name}.csv")
            metadata = beside if beside.is_file() else None
            one = CollectionFolder(name, path, metadata, None if path.is_file() else _no_file(path))
        else:
            continue
        if name in found:
            problem = (
                f"There is '{found[name].images}' for the collection '{name}' already: give '{path}' another name."
            )
            one = CollectionFolder(name := path.name, path, None, problem)
        found[name] = _checked_name(one)
    if not found:
        raise DataNotFoundError(
            f"The folder {folder} holds no collection: no folder with images, and no archive (.zip or .tar)."
        )
    return [found[name] for name in sorted(found)]


def _of_folder(path: Path) -> CollectionFolder:
    try:
        images = path / "resized" if (path / "resized").is_dir() else path
        metadata = path / "metadata" / "metadata.csv"
        if metadata.exists() and not metadata.is_file():
            return CollectionFolder(path.name, images, None, _no_file(metadata))
    except OSError as error:
        return CollectionFolder(path.name, path, None, f"The folder '{path}' cannot be read: {error.strerror}.")
    return CollectionFolder(path.name, images, metadata if metadata.is_file() else None)


def _checked_name(one: CollectionFolder) -> CollectionFolder:
    name = one.collection_id
    if len(name) > _LONGEST_ID:
        problem = f"The name of the collection '{name}' is longer than {_LONGEST_ID} letters: give it a shorter one."
        return replace(one, problem=problem)
    readable = as_text(name)
    if readable != name:
        problem = f"The name of the collection '{readable}' is no text in UTF-8: give it another one."
        return CollectionFolder(readable, one.images, None, problem)
    return one


def _no_file(path: Path) -> str:
    return f"'{path}' is no ordinary file: it is not opened."


def _results_folder(folder: Path, output: Path) -> Path | None:
    """Where in the folder of collections the results lie, if they lie there.

    Raises:
        CollectionError: they would lie among the images, or among the collections.
    """
    inside, results = folder.resolve(), output.resolve()
    if results != inside and not results.is_relative_to(inside):
        return None
    parts = results.relative_to(inside).parts
    path = folder / parts[0] if parts else folder
    # What an earlier run has made is known by its records.
    if parts and (not path.exists() or (results / LOCK).is_file() or (path.is_dir() and not any(path.iterdir()))):
        return path
    raise CollectionError(f"The results in '{output}' would come among the collections: name another folder for them.")


def wanted(
    collections: Iterable[CollectionFolder], whitelist: DataLocation | None, blacklist: DataLocation | None
) -> tuple[list[CollectionFolder], list[str]]:
    """Those of the whitelist (None: all) that are not on the blacklist; and the ids of the whitelist that lack.

    Raises:
        TableError: a list has no column ``collection_id``.
    """
    by_id = {one.collection_id: one for one in collections}
    allowed = list(by_id) if whitelist is None else read_list(whitelist)
    refused = set() if blacklist is None else set(read_list(blacklist))
    names = [name for name in dict.fromkeys(allowed) if name not in refused]
    return [by_id[name] for name in sorted(names) if name in by_id], sorted(set(names) - set(by_id))


def read_list(location: DataLocation) -> list[str]:
    """The column ``collection_id`` of a CSV file."""
    name = location.display_name
    with damage_as(TableError, name, f"The list {name} is no CSV file in UTF-8"):
        text, delimiter = decoded_table(read_bytes(location))
        rows = [fields for _, fields in csv_rows(text, delimiter, read=stripped) if any(fields)]
        if not rows or "collection_id" not in rows[0]:
            raise TableError(f"The list {name} has no column 'collection_id'.")
        column = rows[0].index("collection_id")
        return [fields[column] for fields in rows[1:] if len(fields) > column and fields[column]]


def _states(path: Path) -> Iterator[str]:
    with _reading(path):
        if not path.is_dir():
            status = path.stat()
            yield f"{path.name} {status.st_size} {status.st_mtime_ns}"
            return
        for name in sorted(ordinary_files(path)):
            status = (path / name).stat()
            yield f"{name} {status.st_size} {status.st_mtime_ns}"
        yield from sorted(other_files(path))


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise CollectionError(f"'{path}' cannot be read: {error.strerror}.") from None


def _digest(lines: Iterable[str]) -> str:
    digest = hashlib.sha256()
    for line in lines:
        digest.update(f"{line}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()
