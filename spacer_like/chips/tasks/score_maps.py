"""The task that draws labels or probabilities of chips as maps."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from spacer_like.chips.chip_source import MANIFEST_ENDING, find_files, read_manifests
from spacer_like.chips.messages.rasters import MapScoresMsg, MapScoresReturnMsg
from spacer_like.chips.messages.tiles import UnreadableChip
from spacer_like.chips.rasters.manifest import RasterManifest
from spacer_like.chips.rasters.score_map import ScoreMap, map_of_places, map_of_windows
from spacer_like.exceptions import DataNotFoundError, SpacerInputError, nearest
from spacer_like.extras import import_extra
from spacer_like.location import DataLocation
from spacer_like.overwriting import task
from spacer_like.storage import read_bytes, write_bytes
from spacer_like.tables.files import is_parquet
from spacer_like.tables.label_table import read_score_table

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from spacer_like.chips.cutting.manifest import Manifest

    AnyManifest = Manifest | RasterManifest

_Named = tuple[str, Any, ScoreMap]


@task
def map_scores(msg: MapScoresMsg) -> MapScoresReturnMsg:
    """Draw a table of chips' labels or probabilities as maps.

    Raises:
        TableError: the table or a manifest is malformed.
        DataNotFoundError: there is no manifest.
        SpacerInputError: the table has no such label, or no chip of a manifest; chips lie on no grid, or too far apart.
        MissingExtraError: packages of the extra `geo` are not installed.
    """
    start = time.perf_counter()
    name = msg.table_loc.display_name
    names, known, scores = read_score_table(read_bytes(msg.table_loc), name, is_parquet(msg.table_loc))
    labels = list(known) if msg.labels is None else msg.labels
    for label in labels:
        if label not in known:
            raise SpacerInputError(f"The table '{name}' has no label '{label}'.{nearest(label, known)}")
    scores = scores[:, [known.index(label) for label in labels]]
    index_of = {chip: index for index, chip in enumerate(names)}
    maps, n_chips = draw_maps(msg.chips_loc, index_of, scores, labels, msg.maps_loc)
    return MapScoresReturnMsg(
        maps=maps,
        labels=labels,
        n_chips=n_chips,
        n_unplaced=len(names) - n_chips,
        runtime=time.perf_counter() - start,
    )


def draw_maps(
    chips_loc: DataLocation,
    index_of: Mapping[str, int],
    scores: NDArray[np.float32],
    labels: Sequence[str],
    maps_loc: DataLocation,
) -> tuple[list[str], int]:
    """Draw maps of chips' scores, as `map_scores`.

    Args:
        index_of: the row of each chip in `scores`, float32 [chips, labels].

    Returns:
        The names of the files, and how many chips are on a map.

    Raises:
        As `map_scores`, but for what concerns its table.
    """
    import_extra("rasterio", "Writing maps", "geo")
    placed: set[str] = set()
    maps = list(_maps(manifests_in(chips_loc), index_of, scores, placed))
    if not maps:
        raise SpacerInputError(f"No manifest in '{chips_loc.display_name}' names one of the chips.")
    for file, crs, one in maps:
        write_bytes(maps_loc.below(file), _geotiff(one, crs, labels))
    return [file for file, *_ in maps], len(placed)


def manifests_in(chips_loc: DataLocation) -> Iterator[AnyManifest]:
    """The manifest at a location, or those in a folder.

    Raises:
        DataNotFoundError: there is none.
        TableError: the only one is malformed.
    """
    is_one = chips_loc.filename.lower().endswith(MANIFEST_ENDING)
    locs = [chips_loc] if is_one else find_files(chips_loc)[1]
    if not locs:
        raise DataNotFoundError(f"There are no manifests of chips in '{chips_loc.display_name}'.")
    unreadable: list[UnreadableChip] = []
    for _, manifest in read_manifests(locs, unreadable):
        yield manifest


def _maps(
    manifests: Iterator[AnyManifest], index_of: Mapping[str, int], scores: NDArray[np.float32], placed: set[str]
) -> Iterator[_Named]:
    """Each map with its file's name and its projection; the chips on them are added to `placed`."""
    by_crs: dict[str, list[tuple[NDArray[np.float64], NDArray[np.float32]]]] = {}
    for manifest in manifests:
        chips = manifest.chips["chip"].to_pylist()
        rows = [row for row, chip in enumerate(chips) if chip in index_of]
        if not rows:
            continue
        placed.update(chips[row] for row in rows)
        table, values = manifest.chips.take(rows), scores[[index_of[chips[row]] for row in rows]]
        if isinstance(manifest, RasterManifest) and manifest.header.request.get("grid") == "pixels":
            yield _of_windows(manifest, table, values)
            continue
        bounds = np.stack([table[side].to_numpy() for side in ("west", "south", "east", "north")], axis=1)
        codes = _codes(manifest, table)
        for code in sorted(set(codes)):
            those = np.array([one == code for one in codes])
            by_crs.setdefault(code, []).append((bounds[those], values[those]))
    for code, parts in sorted(by_crs.items()):
        bounds, values = (np.concatenate([part[index] for part in parts]) for index in (0, 1))
        yield f"{code.replace(':', '-')}.tif", code, map_of_places(bounds, values, code)


def _codes(manifest: AnyManifest, table: Any) -> list[str]:
    if isinstance(manifest, RasterManifest):
        return [str(code) for code in table["crs"].to_pylist()]
    return [f"EPSG:{epsg}" for epsg in table["epsg"].to_pylist()]


def _of_windows(manifest: RasterManifest, table: Any, values: NDArray[np.float32]) -> _Named:
    from rasterio import Affine

    header = manifest.header
    size = int(table["width"][0].as_py())
    step = int(header.request.get("stride") or size)
    corners = np.stack([table[side].to_numpy() for side in ("column", "row")], axis=1).astype(np.int64)
    of_chip = Affine(*table["transform"][0].as_py())
    of_raster = of_chip * Affine.translation(-int(corners[0, 0]), -int(corners[0, 1]))
    drawn = map_of_windows(corners, of_raster, size, step, values, header.source)
    return f"{header.source}.tif", table["crs"][0].as_py(), drawn


def _geotiff(one: ScoreMap, crs: Any, labels: Sequence[str]) -> bytes:
    import warnings

    from rasterio import Env
    from rasterio.errors import NotGeoreferencedWarning
    from rasterio.io import MemoryFile

    n, height, width = one.values.shape
    profile = {"driver": "GTiff", "count": n, "height": height, "width": width, "dtype": "float32", "nodata": np.nan}
    with Env(GDAL_NUM_THREADS=1), MemoryFile() as memory, warnings.catch_warnings():
        # A raster that does not say where it lies has a map that does not, either.
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with memory.open(crs=crs, transform=one.transform, compress="deflate", predictor=3, **profile) as file:
            file.write(one.values)
            for number, label in enumerate(labels, 1):
                file.set_band_description(number, label)
        data: bytes = memory.read()
        return data
