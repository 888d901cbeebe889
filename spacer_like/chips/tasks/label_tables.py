"""The tasks that join maps with chips, and draw the tables that come of it."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import chain, groupby, islice
from typing import TYPE_CHECKING

import numpy as np

from spacer_like.chips.chip_name import ChipName
from spacer_like.chips.grid import TILE_ZOOM, Cell
from spacer_like.chips.labels.label_rules import LabelRules
from spacer_like.chips.labels.map_elements import DATA_NAME, MapElements
from spacer_like.chips.messages import (
    BuildLabelTableMsg,
    BuildLabelTableReturnMsg,
    FailedCell,
    PlotLabelsMsg,
    PlotLabelsReturnMsg,
)
from spacer_like.chips.nodata import NodataIndex
from spacer_like.chips.tree import cell_folder, tree_of
from spacer_like.exceptions import (
    CollectionError,
    DataLimitError,
    DataNotFoundError,
    MapDataError,
    SpacerInputError,
    TableError,
    damage_as,
)
from spacer_like.extras import import_extra
from spacer_like.overwriting import task
from spacer_like.progress import report
from spacer_like.storage import read_bytes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from spacer_like.chips.labels.cell_labels import CellLabels
    from spacer_like.location import DataLocation

_MOST_VALUES = 2**33
"""Chips times labels of a table at most."""
# Map data of a cell may take a quarter of a gigabyte.
_READ_AHEAD = 4
_NAME_OF_CELL = len("Z33-") + TILE_ZOOM


@task
def build_label_table(msg: BuildLabelTableMsg) -> BuildLabelTableReturnMsg:
    """Join the elements of maps with chips: which chip shows what.

    Chips of cells of which there is no map are left out. Acquisitions of one cell have the same labels.

    Raises:
        CollectionError: the index has no chip to label.
        DataNotFoundError: there is no map of any of the cells.
        MapDataError: the labels or the map data are malformed.
        TableError: the index is malformed, or a table's name has an unknown ending.
        TileError: the index has a chip whose name has no cell.
    """
    import_extra("shapely", "Joining maps with chips", "geo")
    from spacer_like.chips.labels.cell_labels import RECORD_SCHEMA, cell_labels
    from spacer_like.tables.label_table import LabelTable
    from spacer_like.tables.writing import check_endings, growing_table, write_tables

    start = time.perf_counter()
    check_endings([*msg.sparse_locs, *msg.dense_locs, *msg.records_locs])
    rules = LabelRules.from_json(read_bytes(msg.labels_loc), msg.labels_loc.display_name)
    names = _names(msg)
    with growing_table(RECORD_SCHEMA, msg.records_locs) as append:
        found = _Found(_no_targets(len(names), len(rules.labels)), np.zeros(len(names), bool))
        for chips, cell, elements in _with_maps(names, tree_of(msg.ard_loc)):
            if elements is None:
                found.cells_without_map.append(cell.name)
            elif isinstance(elements, MapDataError):
                found.damaged_maps.append(FailedCell(cell=cell.name, reason=str(elements)))
            else:
                cells, of_chip = _cells(names[chips])
                sentence = f"The map data of the cell {cell.quadkey} cannot be joined"
                try:
                    with damage_as(MapDataError, cell.quadkey, sentence):
                        labels = cell_labels(elements, cells, rules, bool(msg.records_locs))
                except (MapDataError, DataLimitError) as error:
                    found.damaged_maps.append(FailedCell(cell=cell.name, reason=str(error)))
                    continue
                found.add(chips, labels, of_chip)
                if labels.records is not None:
                    append(labels.records)
        if not found.kept.any() and found.damaged_maps:
            raise MapDataError(found.damaged_maps[0].reason)
        if not found.kept.any():
            raise DataNotFoundError(
                f"There is no map of any of the {len(found.cells_without_map)} cells in '{msg.ard_loc.display_name}', "
                f"such as {found.cells_without_map[0]}: fetch them first."
            )
        table = LabelTable(
            [name for name, kept in zip(names, found.kept, strict=True) if kept],
            rules.labels,
            found.targets if found.kept.all() else found.targets[found.kept],
        )
        outputs = [(table.sparse(), loc) for loc in msg.sparse_locs]
        outputs += [(table.dense(), loc) for loc in msg.dense_locs]
        write_tables(outputs)
    return BuildLabelTableReturnMsg(
        n_chips=len(table.names),
        n_without_label=len(table.names) - int(np.count_nonzero(table.targets.any(axis=1))),
        counts=table.counts(),
        cells_without_map=found.cells_without_map,
        damaged_maps=found.damaged_maps,
        n_elements=_n_distinct(found.elements),
        n_without_geometry=_n_distinct(found.without_geometry),
        runtime=time.perf_counter() - start,
    )


@task
def plot_labels(msg: PlotLabelsMsg) -> PlotLabelsReturnMsg:
    """Draw a label table: its distribution, its correlation and its map.

    Raises:
        TableError: the table is malformed, or `label` is none of its labels.
        TileError: for the map: a chip's name has no cell.
        SpacerInputError: nothing is to be drawn, or a picture's name has an unknown ending.
    """
    from spacer_like.chips.labels.label_plots import correlation_picture, distribution_picture, map_picture
    from spacer_like.drawing.figures import check_drawing
    from spacer_like.tables.files import is_parquet
    from spacer_like.tables.label_table import read_label_table

    start = time.perf_counter()
    locs = [loc for loc in (msg.distribution_loc, msg.correlation_loc, msg.map_loc) if loc is not None]
    if not locs:
        raise SpacerInputError("Nothing to draw: give a location for the distribution, the correlation or the map.")
    check_drawing(*locs)
    name = msg.table_loc.display_name
    parquet = is_parquet(msg.table_loc)
    table = read_label_table(read_bytes(msg.table_loc), name, parquet)
    if not table.names:
        raise TableError(f"The table '{name}' has no chip to draw.")
    if msg.label is not None and msg.label not in table.labels:
        raise TableError(f"The table '{name}' has no label '{msg.label[:100]}', such as '{table.labels[0]}'.")
    if msg.distribution_loc:
        distribution_picture(table, msg.distribution_loc)
    if msg.correlation_loc:
        correlation_picture(table, msg.correlation_loc)
    if msg.map_loc:
        map_picture(table, msg.map_loc, msg.label)
    return PlotLabelsReturnMsg(
        n_chips=len(table.names), n_labels=len(table.labels), runtime=time.perf_counter() - start
    )


@dataclass
class _Found:
    """What the cells' maps say of all chips: which label each has, and whether there is a map of it."""

    targets: NDArray[np.bool_]
    kept: NDArray[np.bool_]
    cells_without_map: list[str] = field(default_factory=list)
    damaged_maps: list[FailedCell] = field(default_factory=list)
    elements: list[NDArray[np.int64]] = field(default_factory=list)
    without_geometry: list[NDArray[np.int64]] = field(default_factory=list)

    def add(self, chips: slice, labels: CellLabels, of_chip: Sequence[int]) -> None:
        """Take the labels of a tile's cell: `of_chip` is the index of each chip's cell in them."""
        self.targets[chips] = labels.targets[of_chip]
        self.kept[chips] = True
        self.elements.append(labels.elements)
        self.without_geometry.append(labels.without_geometry)


def _names(msg: BuildLabelTableMsg) -> list[str]:
    """The names of the chips to label, sorted: all of a cell of zoom 12 are one after the other."""
    index = NodataIndex.from_json(read_bytes(msg.index_loc), msg.index_loc.display_name)
    listed = chain(index.all_data, index.partial_data if msg.partial_data else ())
    # The names as chips are looked up by, without folders.
    names = sorted({str(ChipName.parse(name)) for name in listed})
    if not names:
        kinds = "any data" if msg.partial_data else "nothing but data"
        raise CollectionError(f"The index '{msg.index_loc.display_name}' has no chip with {kinds}.")
    return names


def _no_targets(n_chips: int, n_labels: int) -> NDArray[np.bool_]:
    if n_chips * n_labels > _MOST_VALUES:
        raise DataLimitError(
            f"A table of {n_chips} chips and {n_labels} labels is too large: make several, or one of fewer labels."
        )
    return np.zeros((n_chips, n_labels), bool)


def _with_maps(
    names: list[str], ard_loc: DataLocation
) -> Iterator[tuple[slice, Cell, MapElements | MapDataError | None]]:
    """The chips of each cell of zoom 12, the cell, and the elements there: None where there is no map, or the error."""
    groups: list[tuple[Cell, slice]] = []
    first = 0
    for name, same in groupby(names, key=lambda name: name[:_NAME_OF_CELL]):
        last = first + sum(1 for _ in same)
        groups.append((Cell.parse(name), slice(first, last)))
        first = last
    waiting = iter(groups)
    with ThreadPoolExecutor(_READ_AHEAD, thread_name_prefix="spacer-map") as readers:

        def begun(count: int) -> list[tuple[slice, Cell, Future[bytes | None]]]:
            return [(chips, cell, readers.submit(_map_data, ard_loc, cell)) for cell, chips in islice(waiting, count)]

        coming = deque(begun(_READ_AHEAD))
        for ended in range(1, len(groups) + 1):
            chips, cell, reading = coming.popleft()
            data = reading.result()
            coming.extend(begun(1))
            yield chips, cell, None if data is None else _elements(data, ard_loc, cell)
            report("joining maps", ended, len(groups))


def _map_data(ard_loc: DataLocation, cell: Cell) -> bytes | None:
    try:
        return read_bytes(cell_folder(ard_loc, cell.zone, cell.quadkey).below(DATA_NAME))
    except DataNotFoundError:
        return None


def _elements(data: bytes, ard_loc: DataLocation, cell: Cell) -> MapElements | MapDataError:
    name = f"'{cell_folder(ard_loc, cell.zone, cell.quadkey).below(DATA_NAME).display_name}'"
    try:
        elements = MapElements.from_json(data, name)
    except MapDataError as error:
        return error
    if elements.quadkey != cell.quadkey:
        return MapDataError(f"The map data {name} are of another cell, {elements.quadkey[:30]}: fetch them again.")
    return elements


def _cells(names: list[str]) -> tuple[list[Cell], list[int]]:
    """The cells of chips, each once, and the index of each chip's cell in them."""
    indices: dict[Cell, int] = {}
    of_chip = [indices.setdefault(ChipName.parse(name).cell, len(indices)) for name in names]
    return list(indices), of_chip


def _n_distinct(numbers: list[NDArray[np.int64]]) -> int:
    return len(np.unique(np.concatenate(numbers))) if numbers else 0
