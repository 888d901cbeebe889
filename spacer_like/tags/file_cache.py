"""A cache of files by the hashes of their pixels: which image files and archives there are, in a SQLite database.

The table is that of image-tagging-tools' FileCache, with two columns more. Several processes may add to one database.
"""

from __future__ import annotations

import logging
import os
import random
import sqlite3
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from spacer_like.cores import thread_count
from spacer_like.exceptions import CollectionError, DataNotFoundError, ImageError, SpacerInputError, TableError
from spacer_like.images.archive import archive_stem
from spacer_like.images.files import OpenedArchive
from spacer_like.images.nested import is_hidden
from spacer_like.location import DataLocation
from spacer_like.message_base import Unreadable
from spacer_like.progress import report
from spacer_like.storage import temporary_file
from spacer_like.tags.image_hashes import content_hash, described_image, pixel_hash
from spacer_like.tags.source import SourceImage, TagSource, open_tag_source
from spacer_like.tags.sqlite_tables import Table, create_database, opened_database

if TYPE_CHECKING:
    from PIL import Image

logger = logging.getLogger(__name__)

OUT_DIR = "./output"
DB_NAME = "file_cache.sqlite"
FILE_CACHE = Table(
    "file_cache",
    (
        "file_name TEXT NOT NULL",
        "path TEXT",
        "hash_id TEXT",
        "type TEXT",
        "is_archive TEXT",
        "n_content INTEGER",
        "container_archive TEXT",
        "n_images INTEGER",
        "content_hash TEXT",
    ),
    (
        # Archives have no hash, and NULL would equal no other NULL.
        "CREATE UNIQUE INDEX file_cache_once ON file_cache(path, IFNULL(content_hash, ''))",
        "CREATE INDEX file_cache_hashes ON file_cache(hash_id)",
    ),
)
# The last columns, which tables of image-tagging-tools lack, as they lack the indices.
_N_OWN = 2
_COMPLETION = (
    f"UPDATE OR IGNORE {FILE_CACHE.name} SET content_hash = :content_hash "
    "WHERE path = :path AND hash_id = :hash_id AND content_hash IS NULL"
)
# Decoded, and then inserted in one transaction: others need not wait for the decoding.
_ROWS = 10_000
_IMAGES_OF_A_THREAD = 32


class AddedFiles(NamedTuple):
    """What came of adding files.

    Fields:
        n_added: rows that were not there.
        n_known: images and archives that were.
        unreadable: files that are no images, with the reasons.
    """

    n_added: int
    n_known: int
    unreadable: list[Unreadable]


class FileCache:
    """A database of image files and archives, by the hashes of their pixels.

    Paths are kept as they are given: ``<folder>/<file>``, ``<archive>/<member>``, ``<zip>/<nested.zip>/<member>``. A
    row of an image has `hash_id`, one of an archive `is_archive` (the text ``True``), `n_content` (files in it) and
    `n_images` (images among those); `container_archive` is the outermost archive that a file lies in, or empty.
    """

    @staticmethod
    def create_file_cache(out_dir: str | os.PathLike[str] = OUT_DIR, db_name: str = DB_NAME) -> str | None:
        """Create an empty database, and return its path; None, with a warning in the log, where there is one.

        Args:
            out_dir: the folder that it lies in, which is made where it is missing.
            db_name: the name of its file.
        """
        path = Path(out_dir) / db_name
        loc = DataLocation.local(path)
        with temporary_file(loc) as empty:
            create_database(empty, FILE_CACHE)
            try:
                # Unlike a rename, it never replaces what another process has just made.
                os.link(empty, loc.key)
            except FileExistsError:
                logger.warning(
                    "Previous %s already exist in %s. File-cache creation stopped.", db_name, os.fspath(out_dir)
                )
                return None
        logger.info("The file cache %s was created.", path)
        return str(path)

    @classmethod
    def add_folder_to_file_cache(
        cls, data_dir: str | os.PathLike[str], out_dir: str | os.PathLike[str] = OUT_DIR, db_name: str = DB_NAME
    ) -> AddedFiles:
        """Add the images of a folder at any depth, one image or one archive; what is there already is not added again.

        A database that image-tagging-tools made gets the columns and indices that it lacks; of its rows that are there
        more than once the first stays.

        Args:
            data_dir: a folder, an image or an archive; archives in it, and zips in those, are opened in turn.
            out_dir, db_name: the database, as `create_file_cache` took them.

        Raises:
            DataNotFoundError: there is no such database, or nothing at `data_dir`.
            ArchiveError, CollectionError: `data_dir` is an unsafe archive, or another kind of file.
            TableError: the file is no database, or one of another program.
        """
        db_path = Path(out_dir) / db_name
        _check_table(db_path)
        cls.empty_dirs_check(data_dir)
        with _opened_source(data_dir) as source:
            added = _add(source, db_path)
        for entry in added.unreadable:
            logger.warning("%s: %s", entry.name, entry.reason)
        logger.info("%d files of %s were added to %s.", added.n_added, os.fspath(data_dir), db_path)
        return added

    @classmethod
    def insert_file_to_cache(cls, file_path: str | os.PathLike[str], db_path: str | os.PathLike[str]) -> AddedFiles:
        """Add one image file; errors as `add_folder_to_file_cache`.

        Raises:
            ImageError: it cannot be decoded.
        """
        folder, name = os.path.split(db_path)
        added = cls.add_folder_to_file_cache(file_path, folder, name)
        if added.unreadable:
            raise ImageError(added.unreadable[0].reason)
        return added

    @classmethod
    def insert_zip_to_cache(cls, zip_path: str | os.PathLike[str], db_path: str | os.PathLike[str]) -> AddedFiles:
        """Add the images of an archive, and the archive; errors as `add_folder_to_file_cache`.

        Raises:
            CollectionError: the file does not end as an archive does.
        """
        if not archive_stem(os.fspath(zip_path))[1]:
            raise CollectionError(f"'{os.fspath(zip_path)}' is no archive: its name must end in .zip or .tar.")
        folder, name = os.path.split(db_path)
        return cls.add_folder_to_file_cache(zip_path, folder, name)

    @staticmethod
    def get_random_hash(db_path: str | os.PathLike[str]) -> dict[str, str | None] | None:
        """The hash of a random row, as ``{"hash_id": …}``, None of an archive's; None of a database without rows.

        Raises:
            DataNotFoundError, TableError: there is no such database, or the file is none.
        """
        row = _random_row(db_path)
        return None if row is None else {"hash_id": row["hash_id"]}

    @staticmethod
    def get_img_by_hash(db_path: str | os.PathLike[str], hash_id: str) -> dict[str, Any] | None:
        """The first row of a hash by its columns, with ``file_path`` beside ``path``, ``file_type`` beside ``type``.

        None where there is none; errors as of `get_random_hash`.
        """
        return _row(db_path, "WHERE hash_id = ? ORDER BY rowid LIMIT 1", (hash_id,))

    @staticmethod
    def get_random_image(db_path: str | os.PathLike[str]) -> dict[str, Any] | None:
        """A random row as of `get_img_by_hash`, which may be an archive's; None of a database without rows."""
        return _random_row(db_path)

    @staticmethod
    def clear_cache(db_path: str | os.PathLike[str], delete_cache: bool = False) -> None:
        """Delete all rows, or remove the file; errors as of `get_random_hash`.

        Args:
            delete_cache: whether the file is removed.
        """
        with opened_database(_path(db_path), writing=True) as database:
            # In both cases, so that no other file is removed.
            database.execute(f"DELETE FROM {FILE_CACHE.name}")
        if delete_cache:
            os.unlink(_path(db_path))

    @staticmethod
    def compute_hash(image: Image.Image | bytes) -> str:
        """The `hash_id` of an image, or of the bytes of an image file; see `pixel_hash`."""
        return pixel_hash(image)

    @staticmethod
    def empty_dirs_check(data_dir: str | os.PathLike[str]) -> list[str]:
        """The empty folders directly in a folder, each with a warning in the log; they are left out."""
        root = os.fspath(data_dir)
        if not os.path.isdir(root):
            return []
        with os.scandir(root) as entries:
            folders = [entry.path for entry in entries if entry.is_dir() and not is_hidden(entry.name)]
        empty = sorted(folder for folder in folders if not os.listdir(folder))
        for folder in empty:
            logger.warning("Empty folder found. Ignoring it: %s", folder)
        return empty

    @staticmethod
    def data_gen(data_dir: str | os.PathLike[str]) -> Iterator[str]:
        """The paths of the images and archives that would be added, in their order; errors as of adding them."""
        with _opened_source(data_dir) as source:
            yield from sorted([*(image.path for image in source.images), *(found.path for found in source.archives)])


def _opened_source(data_dir: str | os.PathLike[str]) -> TagSource:
    loc = DataLocation.local(data_dir)
    if not os.path.exists(loc.key):
        raise DataNotFoundError(f"There is no file or folder '{os.fspath(data_dir)}'.")
    return open_tag_source(loc, tagged=False, shown=os.fspath(data_dir))


def _path(db_path: str | os.PathLike[str]) -> Path:
    return Path(DataLocation.local(db_path).key)


def _check_table(db_path: Path) -> None:
    with opened_database(_path(db_path)) as database:
        found = _columns(database)
    if found not in (FILE_CACHE.column_names, FILE_CACHE.column_names[:-_N_OWN]):
        raise TableError(
            f"The database '{db_path}' is no file cache, or one of another program: create one with create_file_cache."
        )


def _columns(database: sqlite3.Connection) -> list[str]:
    return [row[1] for row in database.execute(f"PRAGMA table_info({FILE_CACHE.name})")]


def _migrate(database: sqlite3.Connection) -> None:
    """Give a table of image-tagging-tools what it lacks, in the transaction that is open.

    Its rows have no hash of the files' bytes, so that their paths tell which are the same.
    """
    if _columns(database) == FILE_CACHE.column_names:
        return
    for column in FILE_CACHE.columns[-_N_OWN:]:
        database.execute(f"ALTER TABLE {FILE_CACHE.name} ADD COLUMN {column}")
    database.execute(
        f"DELETE FROM {FILE_CACHE.name} WHERE path IS NOT NULL AND rowid NOT IN "
        f"(SELECT min(rowid) FROM {FILE_CACHE.name} GROUP BY path)"
    )
    for index in FILE_CACHE.indices:
        database.execute(index)


def _add(source: TagSource, db_path: Path) -> AddedFiles:
    unreadable = list(source.unreadable)
    n_added = 0
    outermost = _outermost(source.archives)
    with ThreadPoolExecutor(thread_count(), thread_name_prefix="decode") as pool:
        for begin in range(0, max(len(source.images), 1), _ROWS):
            images = source.images[begin : begin + _ROWS]
            rows: list[Sequence[Any]] = []
            parts = pool.map(lambda some: [_image_row(source, image, outermost) for image in some], _parts(images))
            for found in (row for part in parts for row in part):
                if isinstance(found, Unreadable):
                    unreadable.append(found)
                else:
                    rows.append(found)
            is_last = begin + _ROWS >= len(source.images)
            n_added += _insert(db_path, rows, _archive_rows(source.archives, outermost) if is_last else [])
            report(f"files of {source.name}", begin + len(images), len(source.images))
    n_files = len(source.images) + len(source.archives) - (len(unreadable) - len(source.unreadable))
    return AddedFiles(n_added, n_files - n_added, unreadable)


def _parts(images: Sequence[SourceImage]) -> Iterator[Sequence[SourceImage]]:
    return (images[first : first + _IMAGES_OF_A_THREAD] for first in range(0, len(images), _IMAGES_OF_A_THREAD))


def _outermost(archives: Sequence[OpenedArchive]) -> dict[str, str]:
    """The outermost archive that each archive lies in, or itself."""
    container = {found.path: found.container for found in archives}
    found = {}
    for path in container:
        outer = path
        while (next_outer := container.get(outer)) is not None:
            outer = next_outer
        found[path] = outer
    return found


def _image_row(source: TagSource, image: SourceImage, outermost: dict[str, str]) -> Sequence[Any] | Unreadable:
    try:
        data = source.read(image)
        found = described_image(data, image.path)
    except SpacerInputError as error:
        return Unreadable.of(image.path, str(error))
    name = image.path.rpartition("/")[2]
    # The archive whose path the image's begins with, if any.
    parts = image.path.split("/")
    outer = next((outermost[path] for n in range(len(parts), 0, -1) if (path := "/".join(parts[:n])) in outermost), "")
    ending = os.path.splitext(name)[1]
    return name, image.path, found.hash_id, ending, None, None, outer, None, content_hash(data)


def _archive_rows(archives: Sequence[OpenedArchive], outermost: dict[str, str]) -> list[Sequence[Any]]:
    rows: list[Sequence[Any]] = []
    for found in archives:
        name = found.path.rpartition("/")[2]
        container = "" if found.container is None else outermost[found.path]
        ending = os.path.splitext(name)[1]
        rows.append((name, found.path, None, ending, "True", found.n_files, container, found.n_images, None))
    return rows


def _insert(db_path: Path, images: Sequence[Sequence[Any]], archives: Sequence[Sequence[Any]]) -> int:
    """Insert rows that are not there, and renew those of archives; the number of new rows."""
    counting = f"SELECT count(*) FROM {FILE_CACHE.name}"
    with opened_database(_path(db_path), writing=True) as database:
        _migrate(database)
        # A row of image-tagging-tools does not say of which bytes it is until they are met again.
        known = [{"path": row[1], "hash_id": row[2], "content_hash": row[-1]} for row in images]
        database.executemany(_COMPLETION, known)
        before = database.execute(counting).fetchone()[0]
        for rows, verb in ((images, "INSERT OR IGNORE"), (archives, "INSERT OR REPLACE")):
            database.executemany(FILE_CACHE.insertion.replace("INSERT", verb, 1), rows)
        return int(database.execute(counting).fetchone()[0] - before)


def _random_row(db_path: str | os.PathLike[str]) -> dict[str, Any] | None:
    with opened_database(_path(db_path)) as database:
        count = database.execute(f"SELECT count(*) FROM {FILE_CACHE.name}").fetchone()[0]
    return _row(db_path, "LIMIT 1 OFFSET ?", (random.randrange(count),)) if count else None


def _row(db_path: str | os.PathLike[str], condition: str, values: Sequence[Any]) -> dict[str, Any] | None:
    with opened_database(_path(db_path)) as database:
        cursor = database.execute(f"SELECT * FROM {FILE_CACHE.name} {condition}", values)
        row = cursor.fetchone()
        names = [column[0] for column in cursor.description]
    if row is None:
        return None
    found = dict(zip(names, row, strict=True))
    return {**found, "file_path": found["path"], "file_type": found["type"]}
