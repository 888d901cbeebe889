"""Rasters of any format that keeps all in one file, opened wherever they lie."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

from spacer_like.chips.cutting.gdal_reading import opened
from spacer_like.chips.messages.rasters import CutRastersMsg
from spacer_like.chips.rasters.raster import START_BYTES, Raster, described, driver_of, source_name
from spacer_like.chips.rasters.scenes import Scene, scene_raster, scenes_of
from spacer_like.chips.rasters.stac import assets_in
from spacer_like.chips.rasters.warping import Member
from spacer_like.chips.rasters.world_files import MOST_BYTES, auxiliary, projection, world_endings, world_transform
from spacer_like.chips.tasks.opened_tile import without_secrets
from spacer_like.data_classes.base import load_json
from spacer_like.exceptions import DataNotFoundError, SpacerInputError
from spacer_like.location import DataLocation
from spacer_like.storage import exists, list_keys, open_file, storage_factory

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
        raster = described(dataset, name)
        if overview is None and raster.crs is None and dataset.transform.is_identity:
            raster = _placed(raster, loc)
        yield dataset, raster


def files_beside(loc: DataLocation) -> list[DataLocation]:
    """The files beside a raster of this machine that may say where it lies: a world file and ``.prj``, ``.aux.xml``."""
    if loc.storage_type not in ("filesystem", "memory"):
        return []
    stem, dot, _ = loc.key.rpartition(".")
    stem = stem if dot else loc.key
    worlds = [f"{stem}{ending}" for ending in world_endings(loc.filename)]
    found = [DataLocation(loc.storage_type, key) for key in (*worlds, f"{stem}.prj", f"{loc.key}.aux.xml")]
    return [one for one in found if exists(one)]


def _placed(raster: Raster, loc: DataLocation) -> Raster:
    """A raster that says nothing of its place, where the files beside it say it.

    Raises:
        TileError: they are malformed.
    """
    transform, crs = None, None
    for beside in files_beside(loc):
        storage = storage_factory(beside.storage_type, beside.bucket_name)
        data, name = storage.read_range(beside.key, 0, MOST_BYTES), beside.display_name
        if beside.key.endswith(".aux.xml"):
            more = auxiliary(data, name)
            transform, crs = transform or more[0], crs or more[1]
        elif beside.key.endswith(".prj"):
            crs = projection(data.decode("utf-8", "replace"), name)
        elif transform is None:
            transform = world_transform(data, name)
    return raster if transform is None or crs is None else replace(raster, crs=crs, transform=transform)


@contextmanager
def opened_overview(loc: DataLocation, overview: int) -> Iterator[Any]:
    """An overview of a raster as rasterio's data set; arguments and errors as `opened_raster`."""
    with opened_raster(loc, overview) as (dataset, _):
        yield dataset


@contextmanager
def opened_member(loc: DataLocation) -> Iterator[Member]:
    """A raster with its overviews; errors as `opened_raster`."""
    with opened_raster(loc) as (dataset, raster):
        yield Member(dataset, raster, partial(opened_overview, loc))


@contextmanager
def opened_scene(
    loc: DataLocation, band_locs: Sequence[DataLocation], names: Sequence[str]
) -> Iterator[tuple[list[Member], Raster]]:
    """A raster, or the files of a scene's bands, and what it says of itself.

    Args:
        names: of the bands, where there are further files.

    Raises:
        SpacerInputError: the files do not belong together.
        SpacerError: as `opened_raster`.
    """
    with ExitStack() as stack:
        members = [stack.enter_context(opened_member(one)) for one in (loc, *band_locs)]
        rasters = [member.raster for member in members]
        yield members, scene_raster(rasters, names) if band_locs else rasters[0]


def scenes_in(msg: CutRastersMsg) -> list[Scene]:
    """The rasters at a request's locations, each once, by their keys within each folder; what lies in the chips' folder
    is none, nor are chips that were cut into a folder below.

    Raises:
        DataNotFoundError: a folder holds none.
        SpacerError: a folder cannot be listed, or a document of STAC names what is not there.
        SpacerInputError: files that are bands of scenes do not make whole ones.
    """
    found: dict[DataLocation, Scene] = {}
    files: dict[DataLocation, str] = {}
    bands = [band for band in msg.bands or () if not band.isdecimal()]
    for loc in msg.raster_locs:
        if without_secrets(loc).filename.lower().endswith((".json", ".geojson")):
            for asset in assets_in(loc, load_json, msg.assets, bands, msg.clouds):
                name = asset.item if asset.band_locs else without_secrets(asset.loc).filename
                found[asset.loc] = Scene(asset.loc, source_name(name), asset.band_locs, asset.clouds_loc)
        elif _is_file(loc):
            files[loc] = without_secrets(loc).filename
        else:
            files |= {one: one.filename for one in _in_folder(loc, msg.chips_loc)}
    scenes = None
    if len(bands) == len(msg.bands or ()) > (msg.band_files is None):
        scenes = scenes_of(files, bands, msg.band_files, msg.clouds)
    if scenes is None:
        scenes = _rasters(files, msg.clouds)
    return list((found | {scene.loc: scene for scene in scenes}).values())


def _in_folder(loc: DataLocation, chips_loc: DataLocation) -> list[DataLocation]:
    keys, folder = list(list_keys(loc.below(""))), loc.below("").key
    # The chips' folder, unless the rasters lie in it, and those of other requests.
    chips = {key for key in (chips_loc.below("").key,) if not folder.startswith(key)}
    chips |= {found for key in keys if (found := _folder_of_manifest(key)) and found != folder}
    outside = [one for one in keys if not one.key.startswith(tuple(chips))]
    inside = [one for one in outside if one.key.lower().endswith(ENDINGS)]
    # Pictures count where nothing else does: beside rasters they are previews.
    inside = inside or [one for one in outside if one.key.lower().endswith(_PICTURES)]
    if not inside:
        raise DataNotFoundError(f"There are no rasters in '{loc.display_name}': files ending in {', '.join(ENDINGS)}.")
    return sorted(inside, key=lambda one: one.key)


def _folder_of_manifest(loc: DataLocation) -> str | None:
    """The key of the folder whose chips a file describes, with its last slash; None: it is no manifest."""
    folder, found, name = loc.key.rpartition("manifests/")
    is_manifest = found and name.endswith(".parquet") and "/" not in name and (not folder or folder.endswith("/"))
    return folder if is_manifest else None


def _rasters(files: Mapping[DataLocation, str], clouds: str | None) -> list[Scene]:
    """Files that are rasters of their own; those that say where others have clouds are none."""
    clouds_locs: dict[DataLocation, DataLocation] = {}
    if clouds is not None and "*" in clouds:
        for loc, filename in files.items():
            before, name, after = loc.key.rpartition(filename)
            beside = clouds.replace("*", filename.rpartition(".")[0])
            clouds_locs[loc] = DataLocation(
                loc.storage_type, f"{before}{beside}{after if name else ''}", loc.bucket_name
            )
    masks = set(clouds_locs.values())
    return [
        Scene(loc, source_name(filename), clouds_loc=clouds_locs.get(loc))
        for loc, filename in files.items()
        if loc not in masks
    ]


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
