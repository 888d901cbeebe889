"""Names of images as people and programs write them, matched in other spellings where the match is unique."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterable, Iterator
from contextlib import suppress
from difflib import get_close_matches
from itertools import islice
from pathlib import Path

_DRIVE = re.compile(r"[A-Za-z]:(?=[\\/])")
_MOST_NEAR = 3
_MOST_COMPARED = 10_000


def folded(text: str) -> str:
    """A text in one case and one Unicode form, for comparison.

    >>> folded("Cafe\\u0301.JPG") == folded("caf\\u00e9.jpg")
    True
    """
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())


def with_slashes(name: str) -> str:
    """A path with slashes, without a drive.

    >>> with_slashes("D:\\\\survey\\\\001.jpg"), with_slashes(".\\\\001.jpg"), with_slashes("site/001.jpg")
    ('survey/001.jpg', './001.jpg', 'site/001.jpg')
    """
    found = _DRIVE.match(name)
    path = name[found.end() :] if found else name
    return path.replace("\\", "/").lstrip("/") if found or path.startswith("\\") else path.replace("\\", "/")


class ImageNames:
    """Names that are found in spite of another case, Unicode form, slashes or leading folders."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names = dict.fromkeys(names)
        # By the last parts of a path, of every length; None where several names end so.
        self._exact: dict[str, str | None] = {}
        self._folded: dict[str, str | None] = {}
        for name in self._names:
            for tail in _tails(name):
                self._exact[tail] = name if tail not in self._exact else None
            for tail in _tails(folded(name)):
                self._folded[tail] = name if tail not in self._folded else None

    def find(self, wanted: str) -> str | None:
        """The matching name: the same, or the one that shares most of the end of its path; else None."""
        if wanted in self._names:
            return wanted
        for tail in _tails(folded(wanted)):
            if tail in self._folded:
                return self._folded[tail] or self._exactly(wanted, tail)
        return None

    def _exactly(self, wanted: str, tail: str) -> str | None:
        """Of several names with the same folded ending, the one whose case matches too."""
        for exact in _tails(wanted):
            if exact in self._exact:
                name = self._exact[exact]
                return name if name is not None and tail in _tails(folded(name)) else None
        return None

    def nearest(self, wanted: str) -> str:
        """The most similar names as the end of an error's sentence; empty where there are none."""
        by_file: dict[str, list[str]] = {}
        for name in islice(self._names, _MOST_COMPARED):
            by_file.setdefault(_file(name), []).append(name)
        alike = get_close_matches(_file(wanted), by_file, _MOST_NEAR, 0.75)
        names = [repr(name) for file in alike for name in by_file[file]][:_MOST_NEAR]
        return f" (similar: {', '.join(names)})" if names else ""


class FolderNames:
    """Files below a folder, found by names as in `ImageNames`; only folders on the path are listed, once each."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._listings: dict[Path, ImageNames] = {}

    def find(self, wanted: str) -> Path | None:
        """The matching file, if there is exactly one."""
        for tail in _tails(wanted):
            path: Path | None = self._folder
            for part in tail.split("/"):
                path = path and self._entry(path, part)
            if path is not None and path.is_file():
                return path
        return None

    def nearest(self, wanted: str) -> str:
        """As `ImageNames.nearest`, in the folder of the name, or else in this one."""
        parents = ((self._folder / tail).parent for tail in _tails(wanted))
        return self._listing(next(filter(Path.is_dir, parents), self._folder)).nearest(wanted)

    def _entry(self, folder: Path, part: str) -> Path | None:
        if part == "..":
            return folder / part
        name = self._listing(folder).find(part)
        return None if name is None else folder / name

    def _listing(self, folder: Path) -> ImageNames:
        if folder not in self._listings:
            with suppress(OSError):
                self._listings[folder] = ImageNames(sorted(os.listdir(folder)))
        return self._listings.setdefault(folder, ImageNames(()))


def is_same_path(one: str, other: str) -> bool:
    """Whether the shorter of two paths is the end of the longer one.

    >>> is_same_path("/data/site/001.jpg", "site/001.jpg"), is_same_path("site/001.jpg", "site/001.JPG")
    (True, False)
    """
    return f"/{one}".endswith(f"/{other}") or f"/{other}".endswith(f"/{one}")


def _file(name: str) -> str:
    return with_slashes(folded(name)).rpartition("/")[2]


def _tails(name: str) -> Iterator[str]:
    """The endings of a path, longest first."""
    parts = [part for part in with_slashes(name).split("/") if part not in ("", ".")]
    return ("/".join(parts[first:]) for first in range(len(parts)))
