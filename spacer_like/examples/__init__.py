"""The example files of the documentation, and `write_examples`, which writes them into a folder.

Labels, emoji and a map lie beside this module; the photographs are those of scikit-learn; the tiles are drawn.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from importlib.resources import files
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import NamedTuple
from zipfile import ZipFile, ZipInfo

from spacer_like.exceptions import SpacerInputError
from spacer_like.location import DataLocation
from spacer_like.storage import write_bytes
from spacer_like.storage.unfinished_files import temporary_folder
from spacer_like.tables.cells import csv_rows

HERE = Path(__file__).parent
EMOJI, LABELS, MAP = HERE / "noto.zip", HERE / "labels.csv", HERE / "helsinki.osm.pbf"
NAMED_EMOJI = HERE / "emoji.csv"
PHOTOGRAPHS = ("china.jpg", "flower.jpg")
FOR_TILES = ("osmium", "pyproj", "rasterio", "shapely")


class Examples(NamedTuple):
    """The files written into a folder.

    Fields:
        files: paths below the folder, those that were there already among them.
        missing: packages without which there are no tiles, and none were made.
    """

    files: list[str]
    missing: list[str]


def photograph(name: str) -> bytes:
    """The JPEG file of one of `PHOTOGRAPHS`."""
    return (files("sklearn.datasets") / "images" / name).read_bytes()


def emoji_archives() -> dict[str, bytes]:
    """``tagged.zip``, emoji in folders that bear their tags' names, and ``new.zip``, others without tags."""
    _, *lines = csv_rows(NAMED_EMOJI.read_text())
    rows = [(folder, name, f"{number}.png") for _, (number, name, folder) in lines]
    with ZipFile(EMOJI) as emoji:
        return {
            "tagged.zip": _zip(
                (f"{folder}/{name}.png", emoji.read(png)) for folder, name, png in rows if folder != "new"
            ),
            "new.zip": _zip((f"{name}.png", emoji.read(png)) for folder, name, png in rows if folder == "new"),
        }


def _zip(members: Iterable[tuple[str, bytes]]) -> bytes:
    """An archive of files by their paths; the same files give the same bytes."""
    data = BytesIO()
    with ZipFile(data, "w") as archive:
        for path, content in sorted(members):
            archive.writestr(ZipInfo(path), content)
    return data.getvalue()


def write_examples(folder: Path) -> Examples:
    """Write photographs, labels, collections of emoji and, with the packages of the extra ``geo``, tiles and their map.

    Raises:
        SpacerInputError: a file of that name is there and is another one; nothing was written.
    """
    contents = {name: photograph(name) for name in PHOTOGRAPHS} | {
        "labels.csv": LABELS.read_bytes(),
        "collections/noto.zip": EMOJI.read_bytes(),
        **emoji_archives(),
        "NOTO_EMOJI_LICENSE": (HERE / "NOTO_EMOJI_LICENSE").read_bytes(),
        "ORIGINS.md": (HERE / "ORIGINS.md").read_bytes(),
    }
    missing = [name for name in FOR_TILES if find_spec(name) is None]
    if not missing:
        contents |= _tiles(folder)
    for name, data in contents.items():
        path = folder / name
        if path.exists() and not (path.is_file() and path.read_bytes() == data):
            raise SpacerInputError(
                f"{path} is there and is another file than the example: name an empty folder, or move it away."
            )
    for name, data in contents.items():
        write_bytes(DataLocation.local(str(folder / name)), data)
    return Examples(list(contents), missing)


def _tiles(folder: Path) -> dict[str, bytes]:
    """The tree of tiles, its map and labels for it, by their paths; where they are in the folder, only the labels."""
    from spacer_like.examples.map_tiles import MovedMap, labels

    # The labels are written last.
    last = {"labels.json": (json.dumps(labels(), indent=1) + "\n").encode()}
    if (folder / "labels.json").exists():
        return last
    with temporary_folder() as work:
        MovedMap(MAP, work / MAP.name).write_tiles(work / "ard")
        found = {str(path.relative_to(work)): path.read_bytes() for path in sorted(work.rglob("*")) if path.is_file()}
    return found | last
