"""Images with their tags: of a folder of tag folders, or of any folders, archives or one file without tags.

The logical path of an image is that of its collection as it was given, a slash, and its path in it; a file in an
archive is called ``<archive>/<member>``. The collection is never written to.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from typing_extensions import Self

from spacer_like.exceptions import CollectionError
from spacer_like.images.archive import archive_stem
from spacer_like.images.exclusion import Exclusion
from spacer_like.images.files import LINKED_FOLDER, Files, OpenedArchive, file_bytes
from spacer_like.images.nested import IMAGE_ENDINGS, is_hidden, is_image_name, open_nested_files
from spacer_like.location import DataLocation
from spacer_like.message_base import Unreadable, as_text
from spacer_like.storage import exists

_PARTS_OF_A_TAGGED = 2


class SourceImage(NamedTuple):
    """An image that is to be read.

    Fields:
        path: its logical path.
        tag: the folder that it is in; None: the collection has no tags.
        name: the path in the collection.
    """

    path: str
    tag: str | None
    name: str


@dataclass
class TagSource:
    """The images of a collection; use it in a ``with``.

    Attributes:
        name: the collection, as it was given.
        images: in the order of their paths.
        unreadable: files that are known to be no images, by their logical paths and in their order.
        archives: those that were opened, by their logical paths.
        n_excluded: how many files patterns left out.
        unmatched: patterns that no name matches.
        files: the reader of the files.
    """

    name: str
    images: list[SourceImage]
    unreadable: list[Unreadable]
    archives: list[OpenedArchive]
    n_excluded: int = 0
    unmatched: list[str] = field(default_factory=list)
    files: Files = field(default_factory=lambda: Files("", [], lambda _: b""))

    def read(self, image: SourceImage) -> bytes:
        """The bytes of one of `images`; threads may call it at once.

        Raises:
            ImageError: it cannot be read out of its archive, or is too large.
            SpacerError: errors of the storage.
        """
        return self.files.read(image.name)

    def close(self) -> None:
        """Close open files."""
        self.files.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def open_tag_source(
    location: DataLocation, tagged: bool, exclude: Sequence[str] = (), shown: str | None = None
) -> TagSource:
    """The images at a location: a folder or prefix, an archive, or, without tags, one image file.

    Hidden files, such as ``.DS_Store``, ``Thumbs.db`` and ``__MACOSX``, are left out. Files whose ending is not that of
    an image are unreadable.

    Args:
        tagged: an image's tag is the folder that it is in, directly below the root; the root of an archive is its only
            folder that holds folders, where there is one. Else images lie at any depth, and in archives as well.
        exclude: patterns of paths below the location that are left out, see `spacer_like.images.exclusion.Exclusion`.
        shown: how logical paths begin; None: as errors call the location.

    Raises:
        CollectionError: of a tagged collection, a file outside of a tag folder, an empty folder, or a folder in a tag
            folder; or the location is another kind of file.
        DataNotFoundError, ArchiveError, SpacerError: as `open_nested_files`.
    """
    shown = as_text(location.display_name if shown is None else shown)
    if _is_one_image(location):
        return _one_image(location, tagged, shown)
    files = open_nested_files(location, exclude, inner=not tagged)
    try:
        begin = f"{shown.rstrip('/')}/" if shown else ""
        tags = _tags(files, location, begin, Exclusion(exclude)) if tagged else {}
        images = [SourceImage(f"{begin}{name}", tags.get(name), name) for name in files.names if is_image_name(name)]
        others = [Unreadable.of(name, _no_image(name)) for name in files.names if not is_image_name(name)]
        unreadable = [Unreadable.of(f"{begin}{entry.name}", entry.reason) for entry in [*files.unreadable, *others]]
        archives = [
            OpenedArchive(f"{begin}{found.path}" if found.path else shown, _logical(found, begin, shown), *found[2:])
            for found in files.archives
        ]
    except BaseException:
        files.close()
        raise
    return TagSource(
        shown,
        sorted(images),
        sorted(unreadable, key=lambda entry: (entry.name, entry.reason)),
        sorted(archives),
        len(files.excluded),
        files.unmatched,
        files,
    )


def _logical(found: OpenedArchive, begin: str, shown: str) -> str | None:
    """The logical path of the archive that an archive lies in."""
    if found.container is None:
        return None
    return f"{begin}{found.container}" if found.container else shown


def _no_image(name: str) -> str:
    return f"'{name}' does not end as an image does: {', '.join(IMAGE_ENDINGS)}."


def _is_one_image(loc: DataLocation) -> bool:
    if not loc.key or loc.key.endswith("/") or archive_stem(loc.filename)[1]:
        return False
    return loc.storage_type == "url" or (is_image_name(loc.filename) and exists(loc))


def _one_image(loc: DataLocation, tagged: bool, shown: str) -> TagSource:
    if tagged:
        raise CollectionError(
            f"'{shown}' is one image, and no collection with tags: give the folder of its tag folders."
        )
    name = loc.filename
    files = Files(loc.display_name, [name], lambda name: file_bytes(loc, name))
    return TagSource(shown, [SourceImage(shown, None, name)], [], [], files=files)


def _tags(files: Files, location: DataLocation, begin: str, exclusion: Exclusion) -> dict[str, str]:
    """The tag of each file of a tagged collection, by its name."""
    is_archive = archive_stem(location.filename)[1] != ""
    names = [*files.names, *(entry.name for entry in files.unreadable)]
    if (link := next((entry for entry in files.unreadable if entry.reason == LINKED_FOLDER), None)) is not None:
        raise CollectionError(
            f"The folder '{begin}{link.name}' is a link, which is not entered: give what it leads to."
        )
    folders = [name.rstrip("/") for name in files.folders if not is_hidden(name)]
    root = _root([*files.names, *folders]) if is_archive else ""
    if not is_archive and location.storage_type == "filesystem":
        folders = _folders_of(location.key)
    folders = [folder for folder in folders if f"{folder}/" != root and not exclusion.matches(folder)]
    held = {name.removeprefix(root).partition("/")[0] for name in [*names, *files.excluded]}
    _check_folders(folders, root, held, begin)
    tags = {}
    for name in sorted(names):
        parts = name.removeprefix(root).split("/")
        if len(parts) < _PARTS_OF_A_TAGGED:
            raise CollectionError(
                f"The collection has a file outside of a tag folder, '{begin}{name}': move it into the folder of its "
                "tag, or leave it out (exclude)."
            )
        if len(parts) > _PARTS_OF_A_TAGGED:
            _refuse_folder(f"{begin}{name.rpartition('/')[0]}")
        tags[name] = parts[0]
    return tags


def _check_folders(folders: Sequence[str], root: str, held: set[str], begin: str) -> None:
    for folder in sorted(folders):
        tag, slash, _ = folder.removeprefix(root).partition("/")
        if slash:
            _refuse_folder(f"{begin}{folder}")
        if tag not in held:
            raise CollectionError(f"The collection has an empty folder, '{begin}{folder}': remove it, or fill it.")


def _refuse_folder(path: str) -> None:
    raise CollectionError(
        f"The collection has a folder in a tag folder, '{path}': images of a tag lie directly in its folder."
    )


def _root(paths: Sequence[str]) -> str:
    """The only folder at the top of an archive, with its slash, where folders lie in it; else nothing."""
    tops = {path.partition("/")[0] for path in paths}
    is_deep = any(path.count("/") >= _PARTS_OF_A_TAGGED for path in paths)
    return f"{tops.pop()}/" if len(tops) == 1 and is_deep else ""


def _folders_of(folder: str) -> list[str]:
    """Visible folders in a folder and in those, by their paths in it, for files alone do not tell of empty ones."""
    found = []
    for tag in _visible_folders(folder):
        found += [as_text(tag), *(as_text(f"{tag}/{name}") for name in _visible_folders(os.path.join(folder, tag)))]
    return found


def _visible_folders(folder: str) -> list[str]:
    with os.scandir(folder or ".") as entries:
        return [entry.name for entry in entries if entry.is_dir() and not is_hidden(entry.name)]
