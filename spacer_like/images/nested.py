"""Files at any depth, those in archives in archives among them: of a folder, a prefix or an archive.

A file in an archive is called ``<archive>/<name>``, and the archive may lie in another one. An archive that is damaged
or unsafe is an unreadable file; only where it is all that was asked for, it is an error.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import BinaryIO, NamedTuple

from spacer_like.exceptions import ArchiveError, CollectionError, ImageError, SpacerInputError
from spacer_like.images import members
from spacer_like.images.archive import ARCHIVE_ENDINGS, ImageArchive, archive_stem
from spacer_like.images.exclusion import Exclusion
from spacer_like.images.files import Files, OpenedArchive, open_files, text_names
from spacer_like.images.members import most_unpacked, name_besides
from spacer_like.location import DataLocation
from spacer_like.message_base import Unreadable
from spacer_like.storage import open_file, read_range

IMAGE_ENDINGS = (".gif", ".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")
MOST_DEPTH = 4
"""How many archives a file may lie in, one in the other."""
# Of a remote one tens of MiB are held.
_MOST_OPEN = 8
_OTHER_ARCHIVES = {".7z": "7z", ".rar": "RAR"}
_MAGIC = {b"7z\xbc\xaf\x27\x1c": "7z", b"Rar!\x1a\x07": "RAR"}
_HIDDEN = {"__macosx", "thumbs.db", "desktop.ini"}


def is_image_name(name: str) -> bool:
    """Whether a name has the ending of an image, in capitals or not."""
    return name.lower().endswith(IMAGE_ENDINGS)


def is_hidden(name: str) -> bool:
    """Whether a file, or a folder that it is in, is one that file managers and systems make for themselves."""
    return any(part.startswith(".") or part.lower() in _HIDDEN for part in name.split("/"))


def open_nested_files(images: DataLocation, exclude: Sequence[str] = (), *, inner: bool = True) -> Files:
    """The files at a location at any depth, an archive's or a folder's or prefix's, and those of archives in it.

    Hidden files are left out. Every archive is held against limits together with those that lie in it.

    Args:
        exclude: patterns of names that are left out, see `Exclusion`; archives that match are not opened.
        inner: open archives in the location; else they are files as others.

    Raises:
        DataNotFoundError: there is no such file or folder; a prefix without a key has no files.
        ArchiveError: the location is an archive that is malformed or unsafe.
        CollectionError: it is another kind of file, such as an archive of 7z or RAR.
        SpacerError: other errors of the storage.
    """
    _check_other_archive(images)
    found = _Found(images, Exclusion(exclude), inner)
    try:
        if archive_stem(images.filename)[1]:
            found.add_archive("", lambda: open_file(images), images.filename)
        else:
            found.add_folder()
    except BaseException:
        found.open.close()
        raise
    return found.files()


class _Budget:
    """What an archive of the location may take together with the archives in it."""

    def __init__(self, size: int) -> None:
        self.bytes = most_unpacked(size)
        self.members = members.MOST_MEMBERS

    def take(self, archive: ImageArchive) -> None:
        listed = archive.members()
        total = sum(member.size for member in listed)
        if len(listed) > self.members:
            raise ArchiveError(
                f"The archive '{archive.name}' is refused: together with those that it lies in or beside, it has more "
                f"than {members.MOST_MEMBERS} members."
            )
        if total > self.bytes:
            raise ArchiveError(
                f"The archive '{archive.name}' is refused: unpacked, it and those that it lies in or beside would take "
                f"more than {members.MOST_RATIO} times the size of the outermost one."
            )
        self.members -= len(listed)
        self.bytes -= total


class _Source(NamedTuple):
    """How an archive is opened: from where, what errors call it, and by which name its ending is known."""

    open: Callable[[], BinaryIO]
    shown: str
    file_name: str


@dataclass
class _Entry:
    """An archive that is open, or being opened."""

    users: int = 0
    archive: ImageArchive | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)


class _OpenArchives:
    """Archives by their paths, of which a bounded number is open at a time; threads may use them at once."""

    def __init__(self, inner: bool) -> None:
        self.inner = inner
        self.sources: dict[str, _Source] = {}
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        self._lock = threading.Lock()

    @contextmanager
    def using(self, path: str) -> Iterator[ImageArchive]:
        """The archive, open for as long as the block lasts."""
        with self._lock:
            entry = self._entries.setdefault(path, _Entry())
            entry.users += 1
            self._entries.move_to_end(path)
        try:
            with entry.lock:
                if entry.archive is None:
                    source = self.sources[path]
                    entry.archive = ImageArchive(
                        source.open(), source.shown, source.file_name, deep=True, nested=self.inner
                    )
            yield entry.archive
        finally:
            with self._lock:
                entry.users -= 1
                self._close_some(_MOST_OPEN)

    def _close_some(self, most: int) -> None:
        idle = [path for path, entry in self._entries.items() if not entry.users]
        for path in idle[: max(0, len(self._entries) - most)]:
            archive = self._entries.pop(path).archive
            if archive is not None:
                archive.close()

    def close(self) -> None:
        with self._lock:
            self._close_some(0)


class _Found:
    """The files found so far, and where they lie."""

    def __init__(self, images: DataLocation, exclusion: Exclusion, inner: bool) -> None:
        self.images = images
        self.inner = inner
        self.exclusion = exclusion
        self.open = _OpenArchives(inner)
        self.loose: Files | None = None
        self.places: dict[str, tuple[str | None, str]] = {}
        self.archives: list[OpenedArchive] = []
        self.folders: list[str] = []
        self.excluded: list[str] = []
        self.unreadable: list[Unreadable] = []

    def add_folder(self) -> None:
        """Add the files of a folder or prefix, and of its archives."""
        self.loose = open_files(self.images, deep=True)
        self.unreadable += [entry for entry in self.loose.unreadable if not self._is_left_out(entry.name)]
        for name in sorted(self.loose.names):
            if self._is_left_out(name):
                continue
            if self.inner and archive_stem(name)[1]:
                self._try_archive(name, partial(open_file, self.images.below(name)))
            else:
                self._add_file(name, None, name)

    def add_archive(
        self,
        path: str,
        open_it: Callable[[], BinaryIO],
        file_name: str,
        container: str | None = None,
        depth: int = 1,
        budget: _Budget | None = None,
    ) -> None:
        """Add the files of an archive, and of the archives in it."""
        shown = "/".join(part for part in (self.images.display_name, path) if part)
        if depth > MOST_DEPTH:
            raise ArchiveError(f"The archive '{shown}' is not opened: it lies in {depth - 1} others.")
        if path in self.open.sources:
            raise ArchiveError(f"The archive '{shown}' is not opened: another one has the same name.")
        self.open.sources[path] = _Source(open_it, shown, file_name)
        with self.open.using(path) as archive:
            budget = budget or _Budget(archive.size)
            budget.take(archive)
            files = [member.path for member in archive.members() if not member.path.endswith("/")]
            self.archives.append(OpenedArchive(path, container, len(files), sum(map(is_image_name, files))))
            begin = f"{path}/" if path else ""
            self.folders += [f"{begin}{member.path}" for member in archive.members() if member.path.endswith("/")]
            self.unreadable += [
                Unreadable.of(f"{begin}{name}", reason)
                for name, reason in archive.unreadable
                if not self._is_left_out(f"{begin}{name}")
            ]
            for name in archive.names:
                if not self._is_left_out(f"{begin}{name}"):
                    self._add_file(f"{begin}{name}", path, name)
            for name in archive.archives:
                if not self._is_left_out(f"{begin}{name}"):
                    self._try_archive(f"{begin}{name}", self._opener(path, name), path, depth + 1, budget)

    def files(self) -> Files:
        """All of them together."""
        names, not_text = text_names(self.places)
        is_far = self.loose is not None and self.loose.is_far
        not_read = [
            Unreadable(name=name_besides(entry.name, self.places), reason=entry.reason)
            for entry in [*self.unreadable, *not_text]
        ]
        files = Files(self.images.display_name, names, self._read, is_far, not_read, self.archives)
        files.folders = self.folders
        files.excluded = self.excluded
        files.unmatched = self.exclusion.unmatched
        files.resources.callback(self.open.close)
        return files

    def _opener(self, path: str, name: str) -> Callable[[], BinaryIO]:
        def unpacked() -> BinaryIO:
            with self.open.using(path) as archive:
                return archive.unpacked(name)

        return unpacked

    def _try_archive(
        self,
        path: str,
        open_it: Callable[[], BinaryIO],
        container: str | None = None,
        depth: int = 1,
        budget: _Budget | None = None,
    ) -> None:
        try:
            self.add_archive(path, open_it, path, container, depth, budget)
        except SpacerInputError as error:
            self.unreadable.append(Unreadable.of(path, str(error)))

    def _add_file(self, path: str, archive: str | None, name: str) -> None:
        ending = archive_stem(name)[1] if archive is not None and self.inner else ""
        if kind := _OTHER_ARCHIVES.get(f".{name.lower().rpartition('.')[2]}", ending):
            self.unreadable.append(Unreadable.of(path, _other_archive(path, kind)))
        elif path in self.places:
            reason = f"'{path}' is the name of two files, one in an archive and one in a folder: the first one counts."
            self.unreadable.append(Unreadable.of(path, reason))
        else:
            self.places[path] = (archive, name)

    def _is_left_out(self, path: str) -> bool:
        if is_hidden(path):
            return True
        if is_excluded := self.exclusion.matches(path):
            self.excluded.append(path)
        return is_excluded

    def _read(self, path: str) -> bytes:
        archive_path, name = self.places[path]
        if archive_path is None and self.loose is not None:
            return self.loose.read(name)
        with self.open.using(archive_path or "") as archive:
            if not archive.holds(name):
                raise ImageError(f"The file '{path}' is not in its archive any more: it has changed.")
            return archive.read(name)


def _check_other_archive(loc: DataLocation) -> None:
    name = loc.filename.lower()
    kind = next((kind for ending, kind in _OTHER_ARCHIVES.items() if name.endswith(ending)), None)
    if kind is None and name.endswith(ARCHIVE_ENDINGS):
        begin = read_range(loc, 0, max(map(len, _MAGIC)))
        kind = next((kind for magic, kind in _MAGIC.items() if begin.startswith(magic)), None)
    if kind is not None:
        raise CollectionError(_other_archive(loc.display_name, kind))


def _other_archive(name: str, kind: str) -> str:
    return f"'{name}' is a {kind} archive, which is not opened: unpack it into a folder, or pack its files as .zip."
