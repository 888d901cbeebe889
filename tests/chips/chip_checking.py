"""Chips of a tile, and what GDAL reads in their places."""

import io
import warnings
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import rasterio
from rasterio.errors import NotGeoreferencedWarning

from spacer_like.chips.cutting.manifest import Manifest, read_manifest
from spacer_like.chips.grid import chip_pixels
from spacer_like.chips.messages.tiles import ChipTileMsg, ChipTileReturnMsg
from spacer_like.chips.tasks.tiles import chip_tile
from spacer_like.data_classes import DataLocation
from spacer_like.storage import read_bytes

from .tile_making import ACQUISITION, CELL

MANIFEST = DataLocation("memory", "manifest.parquet")
CHIPS = DataLocation("memory", "chips")
GTIFF = {"driver": "GTiff", "TILED": "YES", "BLOCKXSIZE": 512, "BLOCKYSIZE": 512}


FIRST = f"Z33-{CELL}00000_{ACQUISITION}.jpg"


@dataclass
class Cut:
    answer: ChipTileReturnMsg
    manifest: Manifest

    @cached_property
    def rows(self) -> dict[str, dict]:
        """The rows of the manifest by chip."""
        return {row["chip"]: row for row in self.manifest.chips.to_pylist()}

    @cached_property
    def made(self) -> dict[str, dict]:
        return {name: row for name, row in self.rows.items() if row["n_bytes"] is not None}

    def jpeg(self, name) -> bytes:
        return read_bytes(DataLocation("memory", f"chips/{name[1:3]}/{name}"))

    def pixels(self, name) -> np.ndarray:
        """[height, width, bands], decoded by GDAL: other decoders round otherwise."""
        with (
            warnings.catch_warnings(action="ignore", category=NotGeoreferencedWarning),
            rasterio.open(io.BytesIO(self.jpeg(name))) as file,
        ):
            return file.read().transpose(1, 2, 0)


def cut(tile, **fields) -> Cut:
    loc = tile if isinstance(tile, DataLocation) else DataLocation("filesystem", str(tile))
    fields = {"zone": 33, "quadkey": CELL, "acquisition": ACQUISITION, "chips_loc": CHIPS} | fields
    answer = chip_tile(ChipTileMsg(tile_loc=loc, manifest_loc=MANIFEST, **fields))
    return Cut(answer, read_manifest(read_bytes(MANIFEST), "manifest"))


class Expected:
    """What GDAL reads of a tile, black and without data around it."""

    def __init__(self, path) -> None:
        with rasterio.open(path) as file:
            self.pixels = file.read().transpose(1, 2, 0)
            self.mask = file.dataset_mask() > 0
            self.transform = file.transform

    def part(self, row) -> tuple[np.ndarray, np.ndarray] | None:
        """Pixels [side, side, bands] and mask where a row of a manifest says that its chip is; None: outside."""
        side = chip_pixels(len(row["quadkey"]))
        left, top = (round(place) for place in ~self.transform * (row["west"], row["north"]))
        height, width = self.mask.shape
        x, y = slice(max(left, 0), min(left + side, width)), slice(max(top, 0), min(top + side, height))
        if x.start >= x.stop or y.start >= y.stop:
            return None
        pixels, mask = np.zeros((side, side, self.pixels.shape[2]), np.uint8), np.zeros((side, side), bool)
        inside = slice(y.start - top, y.stop - top), slice(x.start - left, x.stop - left)
        pixels[inside], mask[inside] = self.pixels[y, x], self.mask[y, x]
        return pixels, mask


def check_against_gdal(path, found: Cut, tolerance: float) -> None:
    """The valid fraction of each chip of the cell, exactly, and the mean difference of its pixels in the raster."""
    expected = Expected(path)
    assert found.made
    for name, row in found.rows.items():
        part = expected.part(row)
        if part is None:
            assert row["valid_fraction"] == 0, name
            continue
        pixels, mask = part
        assert row["valid_fraction"] == mask.mean(), name
        if name in found.made and mask.any():
            difference = np.abs(found.pixels(name).astype(float) - pixels)[mask]
            assert difference.mean() <= tolerance, name


def corner_mask(column, row, width, height):
    """No data in a corner beyond a slanted edge."""
    x, y = np.arange(column, column + width), np.arange(row, row + height)
    return x[None] * 2 + y[:, None] * 3 < 6200
