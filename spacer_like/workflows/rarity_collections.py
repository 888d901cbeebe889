"""The collections below a folder: which there are, which are wanted, and whether their files have changed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from spacer_like.data_classes import DataLocation
from spacer_like.exceptions import DataNotFoundError, TableError, damage_as
from spacer_like.storage import read_bytes
from spacer_like.storage.ordinary_files import ordinary_files
from spacer_like.tables.cells import csv_rows, stripped


@dataclass(frozen=True)
class CollectionFolder:
    """A collection as it lies below the folder of collections.

    Attributes:
        collection_id: the folder's name, or the archive's without ``.zip``.
        images: the folder of images, or the archive.
        metadata: ``metadata/metadata.csv``, if there is one.
    """

    collection_id: str
    images: Path
    metadata: Path | None

    @property
    def images_loc(self) -> DataLocation:
        key = str(self.images)
        return DataLocation("filesystem", f"{key}/" if self.images.is_dir() else key)

    @property
    def metadata_loc(self) -> DataLocation | None:
        return None if self.metadata is None else DataLocation("filesystem", str(self.metadata))

    def lies_in(self, folder: Path) -> bool:
        """Whether its images lie directly in a folder, or in ``resized`` in it."""
        return folder.exists() and any(path.samefile(folder) for path in (self.images, self.images.parent))

    def version(self) -> str:
        """Different when an image's file was added, removed or written to."""
        return _digest(_states(self.images))

    def metadata_version(self) -> str:
        return "" if self.metadata is None else _digest(_states(self.metadata))


def collections_in(folder: Path) -> list[CollectionFolder]:
    """The collections below a folder, by their ids: its folders, with the images in ``resized`` or directly inside, and
    its zip archives.

    Raises:
        DataNotFoundError: no such folder, or no collection in it.
    """
    if not folder.is_dir():
        raise DataNotFoundError(f"There is no folder {folder}: name the one that holds a folder for each collection.")
    found: dict[str, CollectionFolder] = {}
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            continue
        if path.is_dir():
            images = path / "resized" if (path / "resized").is_dir() else path
            metadata = path / "metadata" / "metadata.csv"
            found[path.name] = CollectionFolder(path.name, images, metadata if metadata.is_file() else None)
        elif path.suffix.lower() == ".zip" and path.is_file():
            found.setdefault(path.stem, CollectionFolder(path.stem, path, None))
    if not found:
        raise DataNotFoundError(f"The folder {folder} holds no collection: no folder with images and no zip archive.")
    return [found[name] for name in sorted(found)]


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
        rows = [cells for _, cells in csv_rows(read_bytes(location).decode("utf-8-sig"), read=stripped) if cells]
        if not rows or "collection_id" not in rows[0]:
            raise TableError(f"The list {name} has no column 'collection_id'.")
        place = rows[0].index("collection_id")
        return [cells[place] for cells in rows[1:] if len(cells) > place and cells[place]]


def _states(path: Path) -> Iterator[str]:
    if path.is_file():
        status = path.stat()
        yield f"{path.name} {status.st_size} {status.st_mtime_ns}"
        return
    for name in sorted(ordinary_files(path)):
        status = (path / name).stat()
        yield f"{name} {status.st_size} {status.st_mtime_ns}"


def _digest(lines: Iterable[str]) -> str:
    digest = hashlib.sha256()
    for line in lines:
        digest.update(f"{line}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()
