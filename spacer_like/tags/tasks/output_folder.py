"""The folder that classified images are sorted into: copies, links or sidecars, a manifest, and ``output.json``."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from spacer_like.config import settings
from spacer_like.exceptions import MessageError, SpacerError, StorageUnavailableError, TableError, damage_as
from spacer_like.progress import report
from spacer_like.storage import (
    delete,
    exists,
    list_keys,
    open_file,
    temporary_file,
    write_bytes,
    write_file,
    writing_for,
)
from spacer_like.storage.base import outcomes
from spacer_like.storage.unfinished_files import unfinished_path
from spacer_like.tables.writing import growing_table
from spacer_like.tags.file_names import distinct_names, distinct_parts, is_path_part, path_part
from spacer_like.tags.scored_images import ScoredImages, manifest_schema
from spacer_like.tags.sidecars import SIDECARS

if TYPE_CHECKING:
    from spacer_like.location import DataLocation

MANIFEST = "manifest.parquet"
OUTPUT_JSON = "output.json"
Sink = Literal["copy", "link", "manifest", "sidecar"]


@dataclass(frozen=True)
class ImageFiles:
    """How the files of classified images are got at.

    Attributes:
        read: gives a file's bytes by its image's path; called in threads.
        local_path: the path of a file of this machine by its image's path; None: it is none, but a member of an archive
            or an object elsewhere.
    """

    read: Callable[[str], bytes]
    local_path: Callable[[str], str | None]


def check_output(folder: DataLocation, sink: Sink, images_loc: DataLocation) -> None:
    """Refuse, as a `MessageError`, links into a folder that is not of this machine, and images that an earlier
    classification put into the folder, which would be deleted or moved."""
    if sink == "link" and folder.storage_type != "filesystem":
        raise MessageError(
            f"Links are made in folders of this machine, and '{folder.display_name}' is none: choose the sink copy or "
            "manifest."
        )
    inside = _path_in(folder, images_loc)
    if inside and any(f"{name}/".startswith(f"{inside}/") for name in _files_before(folder)):
        raise MessageError(
            f"The images '{images_loc.display_name}' are files that an earlier classification put into "
            f"'{folder.display_name}', and would be sorted away: name another folder as output_loc."
        )


def _path_in(folder: DataLocation, loc: DataLocation) -> str:
    """The path of a location in a folder; empty: it is elsewhere."""
    if (folder.storage_type, folder.bucket_name) != (loc.storage_type, loc.bucket_name):
        return ""
    key, begin = loc.key, folder.below("").key
    if loc.storage_type == "filesystem":
        key, begin = os.path.realpath(key), f"{os.path.realpath(begin)}/"
    return key.removeprefix(begin).strip("/") if key.startswith(begin) else ""


def write_output(
    folder: DataLocation, images: ScoredImages, files: ImageFiles, root: str, sink: Sink, sidecar: str
) -> None:
    """Write the manifest, the files of classified images, and ``output.json`` last.

    Files that an earlier classification into the same folder made, even one that was killed, and this one does not, are
    deleted: an image is in one bin of a model.

    Args:
        root: what the paths of all images begin with, which their sidecars' paths do without.

    Raises:
        MessageError: a file would replace one that no classification made.
        TableError: the folder's manifest is damaged.
        SpacerError: errors of the storage.
    """
    names = _file_names(images, root, sink, sidecar)
    wanted = {name for of_image in names for name in of_image if name}
    before = _checked_files_before(folder, wanted)
    for name in sorted(before - wanted):
        delete(folder.below(name))
    if exists(folder.below(OUTPUT_JSON)):
        delete(folder.below(OUTPUT_JSON))
    # Before the files, so that those of a classification that is killed are known to be of one.
    with growing_table(manifest_schema(), [folder.below(MANIFEST)]) as append:
        for rows in images.manifest(names):
            append(rows)
    if sink in ("copy", "link"):
        _write_copies(folder, images, names, files, sink == "link")
    elif sink == "sidecar":
        _write_sidecars(folder, images, names, sidecar)
    _write_json(folder.below(OUTPUT_JSON), images)


def _file_names(images: ScoredImages, root: str, sink: Sink, sidecar: str) -> list[list[str]]:
    """[n][m]: the file of each image for each model, below the folder; empty: there is none."""
    if sink == "manifest":
        return [[""] * len(images.models)] * len(images.records)
    if sink == "sidecar":
        return list(_sidecar_names(images, root, sidecar))
    types = distinct_parts(model.model_type for model in images.models)
    tags = distinct_parts(model.tag for model in images.models)
    folders = [f"{types[model.model_type]}/{tags[model.tag]}" for model in images.models]
    return [
        [f"{folder}/{images.bin_names[bin]}/{name}" for folder, bin in zip(folders, bins, strict=True)]
        for name, bins in zip(distinct_names(images.records), images.bins.tolist(), strict=True)
    ]


def _sidecar_names(images: ScoredImages, root: str, form: str) -> Iterator[list[str]]:
    """[n][m]: beside each other, those of a.jpg and a.png are not one."""
    for image, record in enumerate(images.records):
        # One image is its own root.
        path = record.path.removeprefix(root).strip("/") or record.path.rpartition("/")[2]
        name = "/".join(path_part(part, 255 - len(form) - 1) for part in path.split("/")) + f".{form}"
        yield [name if images.tags_of(image) else ""] * len(images.models)


def _checked_files_before(folder: DataLocation, names: set[str]) -> set[str]:
    """The files that earlier classifications made.

    Raises:
        MessageError: in the place of one of `names`, which will be made, is a file of somebody else.
    """
    begin = folder.below("").key
    # Listed first: another process that does the same writes its manifest before its files.
    there = {loc.key.removeprefix(begin) for loc in list_keys(folder.below(""))} if names else set()
    before = _files_before(folder)
    if foreign := sorted((names & there) - before):
        raise MessageError(
            f"'{folder.below(foreign[0]).display_name}' is no file of an earlier classification, and would be lost: "
            "move it away, or name another folder as output_loc."
        )
    return before


def _files_before(folder: DataLocation) -> set[str]:
    """The files that the manifest of an earlier classification names."""
    loc = folder.below(MANIFEST)
    if not exists(loc):
        return set()
    from pyarrow.parquet import read_table

    with open_file(loc) as file, damage_as(TableError, loc.display_name, f"'{loc.display_name}' is no manifest"):
        names = read_table(file, columns=["file"])["file"].unique().to_pylist()
        return {name for name in names if name and _is_inside(name)}


def _is_inside(name: str) -> bool:
    """Whether a name from a manifest is one that could have been written here."""
    return all(is_path_part(part) for part in name.split("/"))


def _write_copies(
    folder: DataLocation, images: ScoredImages, names: list[list[str]], files: ImageFiles, links: bool
) -> None:
    def write(image: int) -> None:
        path = images.records[image].path
        target = files.local_path(path) if links else None
        data = files.read(path) if target is None else b""
        for name in names[image]:
            loc = folder.below(name)
            if target is None:
                _unlink(loc)
                write_bytes(loc, data)
            else:
                _link(target, loc)

    _each(write, len(images.records), "images sorted")


def _write_sidecars(folder: DataLocation, images: ScoredImages, names: list[list[str]], form: str) -> None:
    def write(image: int) -> None:
        if tags := images.tags_of(image):
            loc = folder.below(names[image][0])
            _unlink(loc)
            write_bytes(loc, SIDECARS[form](tags))

    _each(write, len(images.records), "sidecars")


def _each(work: Callable[[int], None], count: int, what: str) -> None:
    """Call `work` with the numbers below `count`, several at once; the first error ends it."""
    for done, (_, outcome) in enumerate(outcomes(work, range(count), settings().storage_concurrency), 1):
        if isinstance(outcome, SpacerError):
            raise outcome
        report(what, done, count)


def _unlink(loc: DataLocation) -> None:
    """Remove a link that an earlier classification made: writing would replace the image that it leads to."""
    if loc.storage_type == "filesystem" and os.path.islink(loc.key):
        delete(loc)


def _link(target: str, loc: DataLocation) -> None:
    """Make a symbolic link, in place of whatever was there."""
    path, target = Path(loc.key), os.path.abspath(target)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileExistsError):
            path.symlink_to(target)
            return
        if not path.is_symlink() or os.readlink(path) != target:
            temporary = unfinished_path(path)
            temporary.symlink_to(target)
            temporary.replace(path)
    except OSError as error:
        raise StorageUnavailableError(f"The link '{loc.key}' cannot be made: {error.strerror}.") from error


def _write_json(loc: DataLocation, images: ScoredImages) -> None:
    with temporary_file(loc) as path:
        with writing_for(loc, path), path.open("w", encoding="utf-8") as file:
            file.writelines(images.json_lines())
        write_file(loc, path, consume=True)
