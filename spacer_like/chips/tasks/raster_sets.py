"""The task that cuts many rasters into chips."""

from __future__ import annotations

import hashlib
import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING

import numpy as np

from spacer_like.chips.cutting.tile_picture import value_range
from spacer_like.chips.messages.rasters import (
    CutRasterMsg,
    CutRasterReturnMsg,
    CutRastersMsg,
    CutRastersReturnMsg,
    RasterChippingMsg,
)
from spacer_like.chips.messages.tiles import FailedTile
from spacer_like.chips.rasters.manifest import RasterManifest, read_raster_manifest
from spacer_like.chips.rasters.places import lattices_of
from spacer_like.chips.rasters.raster import bands_of
from spacer_like.chips.rasters.scenes import Scene
from spacer_like.chips.rasters.stac_items import stac_collection, stac_items
from spacer_like.chips.rasters.survey import Survey, chosen_places, survey
from spacer_like.chips.tasks.opened_raster import check_rasters, opened_member, opened_scene, scenes_in
from spacer_like.chips.tasks.opened_tile import without_secrets
from spacer_like.chips.tasks.rasters import BLOWN_UP, cut_raster, is_cut, values_in
from spacer_like.chips.tasks.tiles import one_by_one
from spacer_like.exceptions import SpacerError, SpacerInputError, TransientError
from spacer_like.location import DataLocation
from spacer_like.overwriting import task
from spacer_like.progress import report
from spacer_like.storage import read_many, write_bytes

if TYPE_CHECKING:
    from numpy.typing import NDArray

RasterEnd = tuple[int, CutRasterReturnMsg | FailedTile]
"""The index of a raster's request, and what came of it."""
MANIFESTS = "manifests"
"""The folder of the manifests, in that of the chips."""
# Of each raster, for the range of all.
_MOST_VALUES = 200_000


@task
def cut_rasters(msg: CutRastersMsg) -> CutRastersReturnMsg:
    """Cut rasters into chips, one after the other.

    Raises:
        DataNotFoundError: there is no raster.
        TransientError: a storage did not answer for some raster; the others were cut, and are not cut again.
        SpacerInputError: no raster can be read that the range of values or the choice of places needs.
    """
    passing: list[TransientError] = []
    answer = cut_all(msg, lambda messages: one_by_one(messages, cut_raster, _raster_of, "raster", passing))
    if passing:
        raise passing[-1]
    return answer


def _raster_of(msg: CutRasterMsg) -> DataLocation:
    return msg.raster_loc


def cut_all(msg: CutRastersMsg, cut: Callable[[Sequence[CutRasterMsg]], Iterator[RasterEnd]]) -> CutRastersReturnMsg:
    """Cut the rasters that are not cut yet by `cut`, which may work in any order, and count them.

    Raises:
        As `cut_rasters`, but for the TransientError.
    """
    start = time.perf_counter()
    scenes = scenes_in(msg)
    raster_locs = [scene.loc for scene in scenes]
    check_rasters(raster_locs)
    failed: dict[DataLocation, FailedTile] = {}
    messages = raster_messages(msg, scenes, failed)
    waiting = [one for one in messages if not _is_known_cut(one)]
    n_skipped = len(messages) - len(waiting)
    results = []
    report("rasters", n_skipped, len(messages))
    for count, (index, end) in enumerate(cut(waiting), 1):
        if isinstance(end, FailedTile):
            failed[waiting[index].raster_loc] = end
        else:
            results.append(end)
        report("rasters", n_skipped + count, len(messages))
    if msg.stac:
        _write_stac(msg.chips_loc, [one.manifest_loc for one in messages if one.raster_loc not in failed])
    return CutRastersReturnMsg(
        n_rasters=len(raster_locs),
        n_skipped=n_skipped,
        n_chips=sum(one.n_chips for one in results),
        n_blown_up=sum(one.scale < BLOWN_UP for one in results),
        value_range=next((one.value_range for one in results if one.value_range is not None), None),
        failed=[failed[loc] for loc in raster_locs if loc in failed],
        runtime=time.perf_counter() - start,
    )


def raster_messages(
    msg: CutRastersMsg, scenes: Sequence[Scene], failed: dict[DataLocation, FailedTile]
) -> list[CutRasterMsg]:
    """A message for each raster that can be looked at, of one range of values; the others are put into `failed`."""
    span = None if msg.value_range is None else tuple(msg.value_range)
    values: dict[DataLocation, NDArray[np.float64]] = {}
    surveys: dict[DataLocation, Survey] = {}
    wants_range = span is None and msg.dtype == "uint8"
    if wants_range or msg.overlap != "all":
        for scene in scenes:
            try:
                values[scene.loc], surveys[scene.loc] = _looked_at(msg, scene, wants_range)
            except (SpacerInputError, TransientError) as error:
                name = without_secrets(scene.loc).display_name
                failed[scene.loc] = FailedTile(
                    tile=name, reason=str(error), transient=isinstance(error, TransientError)
                )
        if any(len(one) for one in values.values()):
            span = value_range(np.concatenate(list(values.values())))
    names = _source_names(scenes)
    places: dict[DataLocation, list[str]] = {}
    if msg.overlap != "all":
        places = dict(zip(surveys, chosen_places(list(surveys.values()), msg.overlap), strict=True))
    shared = {name: getattr(msg, name) for name in RasterChippingMsg.model_fields if name != "value_range"}

    def span_of(loc: DataLocation) -> list[float] | None:
        # Rasters of bytes stay as they are beside others, whose values are far larger.
        is_kept = wants_range and not len(values[loc])
        return None if span is None or is_kept else list(span)

    return [
        CutRasterMsg(
            **shared,
            value_range=span_of(scene.loc),
            raster_loc=scene.loc,
            band_locs=list(scene.band_locs) or None,
            chips_loc=msg.chips_loc,
            manifest_loc=msg.chips_loc.below(MANIFESTS, f"{names[scene.loc]}_{msg.grid}.parquet"),
            source=names[scene.loc],
            places=places.get(scene.loc),
        )
        for scene in scenes
        if scene.loc not in failed
    ]


def _write_stac(chips_loc: DataLocation, manifest_locs: Sequence[DataLocation]) -> None:
    """Describe the chips of manifests by STAC, beside them."""
    manifests = [read_raster_manifest(data, loc.display_name) for loc, data in read_many(manifest_locs)]
    items = [item for manifest in sorted(manifests, key=_source) for item in stac_items(manifest)]
    write_bytes(chips_loc.below("items.json"), json.dumps({"type": "FeatureCollection", "features": items}).encode())
    write_bytes(chips_loc.below("collection.json"), json.dumps(stac_collection(items), indent=1).encode())


def _source(manifest: RasterManifest) -> str:
    return manifest.header.source


def _looked_at(msg: CutRastersMsg, scene: Scene, wants_range: bool) -> tuple[NDArray[np.float64], Survey]:
    """Values of a raster that are not bytes, for the range of all, and what it shows of places."""
    with ExitStack() as stack:
        members, raster = stack.enter_context(opened_scene(scene.loc, scene.band_locs, msg.bands or ()))
        values, seen = np.empty(0), Survey(raster.date, {}, {})
        if wants_range:
            bands = None if msg.bands is None or scene.band_locs else bands_of(raster, msg.bands)
            values = values_in(members, bands)
            values = values[:: -(-len(values) // _MOST_VALUES) or 1]
        if msg.overlap != "all":
            lattices = lattices_of(raster, msg.grid, msg.size, msg.zoom, msg.stride)
            clouds, band = None, None
            if scene.clouds_loc is not None:
                clouds = stack.enter_context(opened_member(scene.clouds_loc))
            elif msg.clouds is not None and not scene.band_locs:
                clouds, band = members[0], msg.clouds
            elif msg.clouds is not None:
                raise SpacerInputError(f"The scene of '{raster.name}' has no file of the clouds '{msg.clouds}'.")
            seen = survey(members[0], lattices, clouds, band, msg.cloud_values)
        return values, seen


def _source_names(scenes: Sequence[Scene]) -> dict[DataLocation, str]:
    """The name of each raster in those of its chips; with a part of its location's digest where two would be alike."""
    counts = Counter(scene.name.lower() for scene in scenes)
    return {
        scene.loc: scene.name if counts[scene.name.lower()] == 1 else f"{scene.name[:90]}-{_digest(scene.loc)}"
        for scene in scenes
    }


def _digest(loc: DataLocation) -> str:
    return hashlib.sha256(without_secrets(loc).json_text.encode()).hexdigest()[:8]


def _is_known_cut(msg: CutRasterMsg) -> bool:
    try:
        return is_cut(msg)
    # Cutting that raster raises the error, for it alone.
    except SpacerError:
        return False
