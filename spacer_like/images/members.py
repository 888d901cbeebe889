"""Members of archives of any format, and the limits for all of them."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator
from itertools import count
from typing import NamedTuple

from spacer_like.exceptions import ArchiveError

MOST_MEMBERS = 200_000
"""The most members of an archive, folders among them."""
MOST_MEMBER_BYTES = 2**27
"""The largest member that is read."""
MOST_RATIO = 100
"""How many times larger than the archive all members together may be, where they are larger than `FREE_BYTES`."""
FREE_BYTES = 2**30
LONGEST_NAME = 255
_LONGEST_PATH = 4096


class Member(NamedTuple):
    """A file or folder of an archive.

    Fields:
        path: with slashes, as the archive has it; a folder's ends with one.
        size: bytes, unpacked.
        read: gives the bytes; errors call the file by the name that is given.
        parts: gives the same in parts, for members that are larger than what is held in memory.
        problem: why it cannot be read, as the end of a sentence.
    """

    path: str
    size: int
    read: Callable[[str], bytes]
    parts: Callable[[str], Iterator[bytes]]
    problem: str | None = None

    def reason_against(self, name: str, is_image: bool = True) -> str | None:
        """Why the file, which errors call `name`, is not read, as a sentence; None: it is.

        Args:
            is_image: what is no image, but an archive, is read in parts, and may be larger.
        """
        if len(name) > _LONGEST_PATH or len(name.rpartition("/")[2]) > LONGEST_NAME:
            return f"Its name is longer than {LONGEST_NAME} letters."
        if is_image and self.size > MOST_MEMBER_BYTES:
            return f"The file '{name}' is larger than {MOST_MEMBER_BYTES // 2**20} MiB: no image is read of it."
        return self.problem and f"The file '{name}' {self.problem}"


def name_besides(name: str, names: Container[str]) -> str:
    """What a file is called that is not read because another one has its name: ``<name> [<number>]``.

    >>> name_besides("a.png", {"a.png", "b.png"}), name_besides("a.png", {"b.png"})
    ('a.png [1]', 'a.png')
    """
    return next(one for number in count() if (one := f"{name} [{number}]" if number else name) not in names)


def check_path(path: str, name: str) -> None:
    """Refuse the archive `name` because of a member's path.

    Raises:
        ArchiveError: the path is absolute, or leads out of the archive.
    """
    path = path.replace("\\", "/")
    if ".." in path.split("/"):
        raise ArchiveError(f"The archive '{name}' is refused: its member '{path[:200]}' leads out of it.")
    if path.startswith("/") or path[1:3] == ":/":
        raise ArchiveError(f"The archive '{name}' is refused: its member '{path[:200]}' has an absolute path.")


def most_unpacked(size: int) -> int:
    """The limit of unpacked bytes for an archive of this size."""
    return max(FREE_BYTES, MOST_RATIO * size)


def too_large(name: str, total: int, at_least: str = "") -> ArchiveError:
    """The error about an archive of too many unpacked bytes; `at_least`: words before their number."""
    return ArchiveError(
        f"The archive '{name}' is refused: unpacked, it would take {at_least}{total // 2**20} MiB, more than "
        f"{MOST_RATIO} times its size."
    )


def check_count(count: int, name: str) -> None:
    """Refuse an archive of so many members.

    Raises:
        ArchiveError: they are more than `MOST_MEMBERS`.
    """
    if count > MOST_MEMBERS:
        raise too_many(name)


def too_many(name: str) -> ArchiveError:
    """The error about an archive of more than `MOST_MEMBERS` members."""
    return ArchiveError(f"The archive '{name}' is refused: it has more than {MOST_MEMBERS} members.")
