"""The task that fetches labels from maps: from an Overpass server, or from an extract."""

from __future__ import annotations

import re
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import BinaryIO

from spacer_like import config
from spacer_like.chips.geography import boxes_of
from spacer_like.chips.grid import Cell
from spacer_like.chips.labels.map_elements import (
    DATA_NAME,
    FILTERED_NAME,
    TAG_NAMES,
    MapElements,
    Tags,
    merged_tags,
    write_json,
)
from spacer_like.chips.labels.osm_extract import elements_in
from spacer_like.chips.labels.overpass import OverpassServer
from spacer_like.chips.messages import FailedCell, FetchedCell, FetchLabelsMsg, FetchLabelsReturnMsg
from spacer_like.chips.messages.labels import OVERPASS
from spacer_like.chips.tree import cell_folder, tree_of
from spacer_like.exceptions import MapDataError, SpacerError, SpacerInputError
from spacer_like.location import DataLocation
from spacer_like.overwriting import task
from spacer_like.progress import report
from spacer_like.storage import delete, exists, list_keys, open_file, read_bytes, write_bytes
from spacer_like.storage.base import outcomes

# A server that gives none of so many cells is no Overpass server, or is asked the wrong way.
_REFUSALS = 3
_CELL_FOLDER = re.compile(r"([0-3]{12})/")


@task
def fetch_labels(msg: FetchLabelsMsg) -> FetchLabelsReturnMsg:
    """Fetch the tagged elements of OpenStreetMap in cells, one after the other; each is stored as it comes.

    Of a cell that is there already, only the elements that `keys` choose are stored again.

    Raises:
        StorageUnavailableError: the server stayed busy; cells that came before are stored, and skipped next time.
        MapDataError: the server refuses the first cells, or is none; the extract is damaged, or has nothing of a cell.
        TileError: a cell is where its zone's projection has no meaning.
    """
    start = time.perf_counter()
    ard_loc = tree_of(msg.ard_loc)
    quadkeys = list(dict.fromkeys(msg.quadkeys))
    skipped = [] if msg.overwrite else _stored(ard_loc, msg.zone, quadkeys)
    failed: list[FailedCell] = []
    if msg.keys is not None:
        for quadkey in skipped:
            folder = cell_folder(ard_loc, msg.zone, quadkey)
            try:
                _store_filtered(folder, _read_elements(folder), msg.keys)
            except MapDataError as error:
                failed.append(FailedCell(cell=Cell(msg.zone, quadkey).name, reason=str(error)))
    there = set(skipped)
    missing = [quadkey for quadkey in quadkeys if quadkey not in there]
    fetched: list[FetchedCell] = []
    for elements, attempts in _elements(msg, missing, failed):
        _store(cell_folder(ard_loc, msg.zone, elements.quadkey), elements, msg.keys)
        fetched.append(
            FetchedCell(
                quadkey=elements.quadkey,
                nodes=len(elements.nodes),
                ways=len(elements.ways),
                relations=len(elements.relations),
                attempts=attempts,
            )
        )
        report("fetching map data", len(fetched), len(missing))
    if len(failed) == len(quadkeys):
        raise MapDataError(failed[0].reason)
    return FetchLabelsReturnMsg(fetched=fetched, skipped=skipped, failed=failed, runtime=time.perf_counter() - start)


def fetch_osm_by_quadkey(zone: int, path: str | DataLocation, endpoint: str = OVERPASS) -> tuple[Tags, Tags, Tags]:
    """The tags in all cells of a zone that have a folder in a tree; missing ones are fetched.

    They are stored as ``node_tags.json``, ``way_tags.json`` and ``relation_tags.json`` in the zone's folder.

    Args:
        path: the root of the tree, as a path, a URI or a location.

    Returns:
        For nodes, ways and relations: each key with the values of all elements that have it.

    Raises:
        MapDataError: the tree has no cell of the zone; others as `fetch_labels`.
    """
    ard_loc = tree_of(path if isinstance(path, DataLocation) else DataLocation.from_uri(path))
    zone_folder = ard_loc.below(f"{zone:02d}", "")
    keys = (loc.key.removeprefix(zone_folder.key) for loc in list_keys(zone_folder))
    quadkeys = sorted({found[1] for key in keys if (found := _CELL_FOLDER.match(key))})
    if not quadkeys:
        raise MapDataError(f"'{zone_folder.display_name}' has no folder of a cell of zoom 12.")
    fetch_labels(FetchLabelsMsg(zone=zone, quadkeys=quadkeys, ard_loc=ard_loc, endpoint=endpoint))
    of_cells = [_read_elements(cell_folder(ard_loc, zone, quadkey)).tags() for quadkey in quadkeys]
    nodes, ways, relations = (merged_tags(tags[kind] for tags in of_cells) for kind in range(3))
    for name, tags in zip(TAG_NAMES, (nodes, ways, relations), strict=True):
        write_bytes(ard_loc.below(f"{zone:02d}", name), write_json(tags, name))
    return nodes, ways, relations


def _elements(
    msg: FetchLabelsMsg, quadkeys: Sequence[str], failed: list[FailedCell]
) -> Iterator[tuple[MapElements, int]]:
    """The elements of each cell, and how often a server was asked for them; cells that it refuses go to `failed`.

    Raises:
        SpacerInputError: the server refuses the first `_REFUSALS` cells, or all.
    """
    if not quadkeys:
        return
    cells = [Cell(msg.zone, quadkey) for quadkey in quadkeys]
    areas = [boxes_of(cell) for cell in cells]
    if msg.extract_loc is not None:
        name = msg.extract_loc.display_name
        with _local_file(msg.extract_loc) as file:
            for cell, found in zip(cells, elements_in(file, areas, name), strict=True):
                yield MapElements.of(cell.quadkey, found, f"the extract '{name}'"), 0
        return
    server = OverpassServer(msg.endpoint, msg.timeout, msg.max_bytes, msg.attempts)
    n_given = n_refused = 0
    for cell, area in zip(cells, areas, strict=True):
        try:
            found, attempts = server.elements(area, f"the cell {cell.name}")
            elements = MapElements.of(cell.quadkey, found, f"the answer of {server.name}")
        except SpacerInputError as error:
            n_refused += 1
            if not n_given and n_refused == min(len(cells), _REFUSALS):
                raise
            failed.append(FailedCell(cell=cell.name, reason=str(error)))
            continue
        n_given += 1
        yield elements, attempts


@contextmanager
def _local_file(loc: DataLocation) -> Iterator[BinaryIO]:
    """A local file with the bytes at a location, which can be read many times."""
    with open_file(loc) as source:
        if not loc.is_remote:
            yield source
            return
        with tempfile.TemporaryFile(prefix="spacer-") as copy:
            shutil.copyfileobj(source, copy, 2**20)
            yield copy


def _stored(ard_loc: DataLocation, zone: int, quadkeys: Sequence[str]) -> list[str]:
    """Those cells whose elements are there, in their order."""
    folders = {quadkey: cell_folder(ard_loc, zone, quadkey) for quadkey in quadkeys}
    found: set[str] = set()
    concurrency = config.settings().storage_concurrency
    for quadkey, is_there in outcomes(lambda quadkey: exists(folders[quadkey].below(DATA_NAME)), quadkeys, concurrency):
        if isinstance(is_there, SpacerError):
            raise is_there
        if is_there:
            found.add(quadkey)
    return [quadkey for quadkey in quadkeys if quadkey in found]


def _read_elements(folder: DataLocation) -> MapElements:
    loc = folder.below(DATA_NAME)
    return MapElements.from_json(read_bytes(loc), f"'{loc.display_name}'")


def _store(folder: DataLocation, elements: MapElements, keys: Sequence[str] | None) -> None:
    data = elements.to_json()
    # Data of before must not stand beside tags that belong to others.
    delete(folder.below(DATA_NAME))
    for name, tags in zip(TAG_NAMES, elements.tags(), strict=True):
        write_bytes(folder.below(name), write_json(tags, name))
    if keys is None:
        delete(folder.below(FILTERED_NAME))
    else:
        _store_filtered(folder, elements, keys)
    # The data last: where they exist, the other files do too.
    write_bytes(folder.below(DATA_NAME), data)


def _store_filtered(folder: DataLocation, elements: MapElements, keys: Sequence[str]) -> None:
    write_bytes(folder.below(FILTERED_NAME), elements.filtered(keys).to_json())
