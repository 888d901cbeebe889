"""Rasters of any format that keeps all in one file, opened wherever they lie."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from spacer_like.chips.cutting.gdal_reading import opened
from spacer_like.chips.rasters.raster import START_BYTES, Raster, described, driver_of
from spacer_like.chips.rasters.stac import assets_in
from spacer_like.chips.tasks.opened_tile import without_secrets
from spacer_like.data_classes.base import load_json
from spacer_like.exceptions import DataNotFoundError, SpacerInputError
from spacer_like.location import DataLocation
from spacer_like.storage import list_keys, open_file, storage_factory

ENDINGS = (".tif", ".tiff", ".jp2", ".img", ".ntf")
"""Of the rasters in a folder."""
_PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif")


@contextmanager
def opened_raster(loc: DataLocation, overview: int | None = None) -> Iterator[tuple[Any, Raster]]:
    """A raster as rasterio's data set, which belongs to this thread, and what it says of itself.

    Args:
        overview: the number of the overview that is opened, from 0; None: the raster itself.

    Raises:
        TileError: GDAL cannot read it, or it is of a format that is not read.
        MissingExtraError: rasterio is not installed.
        SpacerError: errors of the storage.
    """
    name = without_secrets(loc).display_name
    with ExitStack() as stack:
        is_local = loc.storage_type == "filesystem"
        driver = driver_of(storage_factory(loc.storage_type, loc.bucket_name).read_range(loc.key, 0, START_BYTES), name)
        source: Any = os.path.realpath(loc.key) if is_local else stack.enter_context(open_file(loc))
        dataset = stack.enter_context(opened(source, name, driver, overview))
        yield dataset, described(dataset, name)


@contextmanager
def opened_overview(loc: DataLocation, overview: int) -> Iterator[Any]:
    """An overview of a raster as rasterio's data set; arguments and errors as `opened_raster`."""
    with opened_raster(loc, overview) as (dataset, _):
        yield dataset


def rasters_in(
    raster_locs: Sequence[DataLocation], chips_loc: DataLocation, assets: Sequence[str] | None = None
) -> list[DataLocation]:
    """The rasters at locations, each once, by their keys within each folder; what lies in the chips' folder is none.

    Args:
        assets: names of those that are taken of STAC items; None: the only one, or `visual`.

    Raises:
        DataNotFoundError: a folder holds none.
        SpacerError: a folder cannot be listed, or a document of STAC names what is not there.
    """
    found: dict[DataLocation, None] = {}
    for loc in raster_locs:
        if without_secrets(loc).filename.lower().endswith((".json", ".geojson")):
            found |= dict.fromkeys(asset.loc for asset in assets_in(loc, load_json, assets))
            continue
        if _is_file(loc):
            found[loc] = None
            continue
        outside = [one for one in list_keys(loc.below("")) if not one.key.startswith(chips_loc.below("").key)]
        inside = [one for one in outside if one.key.lower().endswith(ENDINGS)]
        # Pictures count where nothing else does: beside rasters they are previews.
        inside = inside or [one for one in outside if one.key.lower().endswith(_PICTURES)]
        if not inside:
            raise DataNotFoundError(
                f"There are no rasters in '{loc.display_name}': files ending in {', '.join(ENDINGS)}."
            )
        found |= dict.fromkeys(sorted(inside, key=lambda one: one.key))
    return list(found)


def check_rasters(raster_locs: Sequence[DataLocation]) -> None:
    """Refuse tables and the like that are no rasters by their endings.

    Raises:
        SpacerInputError: one of them is a VRT, which names other files.
    """
    for loc in raster_locs:
        if loc.filename.lower().endswith(".vrt"):
            raise SpacerInputError(
                f"'{loc.display_name}' is a VRT, which is not read because it names other files: give those files."
            )


def _is_file(loc: DataLocation) -> bool:
    ending = os.path.splitext(without_secrets(loc).filename)[1].lower()
    return loc.storage_type == "url" or (ending in ENDINGS + _PICTURES + (".vrt",) and not os.path.isdir(loc.key))
