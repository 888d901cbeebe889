"""Archives of images, zip and tar, read member by member; archives may come from strangers."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterable
from contextlib import ExitStack
from io import BytesIO
from typing import BinaryIO

from typing_extensions import Self

from spacer_like.exceptions import ImageError, SpacerError, StorageUnavailableError
from spacer_like.images.members import LONGEST_NAME, Member, name_besides
from spacer_like.images.tars import plain_tar, tar_members
from spacer_like.images.zips import zip_members
from spacer_like.storage.ranges import PositionedReader

TAR_ENDINGS = (".tar", ".tar.gz", ".tgz")
ZIP_ENDING = ".zip"
ARCHIVE_ENDINGS = (ZIP_ENDING, *TAR_ENDINGS)

# Archives in archives that are larger lie in temporary files.
_HELD_BYTES = 2**23


class ImageArchive:
    """The files of that folder of an archive which holds the most of them, or of all its folders.

    Folders of other names, such as the ``__MACOSX`` of some computers, and files in them are not looked at.

    Args:
        file: open for reading; closed together with the archive.
        name: what errors call it.
        file_name: says by its ending whether it is a tar archive, packed by gzip or not, or a zip; None: `name`.
        deep: all files, by their paths.
        nested: zip archives among them are listed in `archives`, and not as files.

    Attributes:
        names: of the files, without their folder unless `deep`, in the order of the archive.
        archives: names of archives in it, where they are wanted.
        unreadable: (name, reason) of files that cannot be read, known from the archive's list; no name is one of
            `names`.
        size: of the archive, bytes; of one that is packed as a whole what is in it.

    Raises:
        ArchiveError: damaged, encrypted, too many members, or members that are links or devices, lead out of the
            archive, or would take a multiple of the archive's size.
        StorageUnavailableError: there is no room to unpack a tar archive in.
    """

    def __init__(
        self, file: BinaryIO, name: str, file_name: str | None = None, *, deep: bool = False, nested: bool = False
    ) -> None:
        self.name = name
        is_tar = archive_stem(name if file_name is None else file_name)[1] in TAR_ENDINGS
        self._bytes = plain_tar(file, name) if is_tar else PositionedReader(file)
        try:
            self._all = tar_members(self._bytes, name) if is_tar else zip_members(self._bytes, name)
        except BaseException:
            self.close()
            raise
        self.size = self._bytes.size
        folder = "" if deep else _fullest_folder(member.path for member in self._all)
        self._members: dict[str, Member] = {}
        self.unreadable: list[tuple[str, str]] = []
        for member in self._all:
            file_name = member.path.removeprefix(folder)
            if member.path.endswith("/") or not member.path.startswith(folder) or ("/" in file_name and not deep):
                continue
            is_archive = nested and file_name.lower().endswith(ZIP_ENDING)
            if (reason := member.reason_against(file_name, is_image=not is_archive)) is not None:
                self.unreadable.append((file_name[:LONGEST_NAME], reason))
                continue
            if file_name in self._members:
                self.unreadable.append((file_name, f"The archive holds '{file_name}' twice: the last one counts."))
            self._members[file_name] = member
        self.unreadable = [(name_besides(name, self._members), reason) for name, reason in self.unreadable]
        is_nested = {member: nested and member.lower().endswith(ZIP_ENDING) for member in self._members}
        self.archives = [member for member in self._members if is_nested[member]]
        self.names = [member for member in self._members if not is_nested[member]]

    def read(self, name: str) -> bytes:
        """The bytes of one of `names`. Threads may read at once.

        Raises:
            ImageError: the member is damaged, or is not as long as the archive says.
            SpacerError: errors of the storage that the archive is read from.
        """
        return self._members[name].read(name)

    def holds(self, name: str) -> bool:
        """Whether it has a file of this name that can be read."""
        return name in self._members

    def members(self) -> list[Member]:
        """All files and folders, those that are not read among them."""
        return list(self._all)

    def unpacked(self, name: str) -> BinaryIO:
        """A file object over one of `archives`, in memory or, where it is large, in a temporary file.

        Raises:
            ImageError, SpacerError: as `read`.
            StorageUnavailableError: there is no room for it.
        """
        member = self._members[name]
        if member.size <= _HELD_BYTES:
            return BytesIO(member.read(name))
        with ExitStack() as cleaning:
            copy = cleaning.enter_context(tempfile.TemporaryFile(prefix="spacer-"))
            try:
                for part in member.parts(name):
                    copy.write(part)
                copy.flush()
            except OSError as error:
                if isinstance(error, SpacerError):
                    raise
                raise StorageUnavailableError(
                    f"The archive '{name}' cannot be unpacked in '{tempfile.gettempdir()}': {error.strerror}."
                ) from None
            cleaning.pop_all()
            return copy

    def companion(self, file_name: str) -> bytes | None:
        """The bytes of the file of that name in any folder, the least deep one; None where there is none.

        Raises:
            ImageError: as `read`, or the member is too large, or compressed otherwise.
        """
        found = [member for member in self._all if member.path.split("/")[-1] == file_name]
        if not found:
            return None
        member = min(found, key=lambda member: (member.path.count("/"), member.path))
        if (reason := member.reason_against(member.path)) is not None:
            raise ImageError(reason)
        return member.read(member.path)

    def close(self) -> None:
        self._bytes.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def archive_stem(file_name: str) -> tuple[str, str]:
    """The name of a file without the ending of an archive, and that ending in lower case; empty if it has none.

    >>> archive_stem("reef.TAR.gz"), archive_stem("reef.npz")
    (('reef', '.tar.gz'), ('reef.npz', ''))
    """
    ending = next((one for one in ARCHIVE_ENDINGS if file_name.lower().endswith(one)), "")
    return file_name[: len(file_name) - len(ending)], ending


def _fullest_folder(paths: Iterable[str]) -> str:
    """The folder, with its slash, that directly holds the most files; of equal ones the first by name."""
    folders: Counter[str] = Counter()
    for path in paths:
        parts = path.split("/")
        if parts[-1] and not any(part.startswith((".", "__MACOSX")) for part in parts):
            folders[path[: len(path) - len(parts[-1])]] += 1
    return min(folders, key=lambda folder: (-folders[folder], folder), default="")
