"""Which labels the chips of a tile's cell have, by the elements of the map there; needs shapely and pyproj."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from spacer_like.chips.grid import Cell
from spacer_like.chips.labels.geometries import geometries_of
from spacer_like.chips.labels.label_join import CellJoin
from spacer_like.chips.labels.label_rules import LabelRules
from spacer_like.chips.labels.map_elements import Element, MapElements
from spacer_like.exceptions import MapDataError

_TEXT = pa.dictionary(pa.int32(), pa.string())
RECORD_SCHEMA = pa.schema(
    {
        "TileQuadkey": _TEXT,
        "ElementType": _TEXT,
        "ElementId": pa.int64(),
        "PrimaryKey": _TEXT,
        "KeyValue": _TEXT,
        "Zone": pa.int32(),
    }
)
"""Of the table with a row for each chip cell, element in it, and tag of the element that makes a label. The zone tells
cells apart that have one quadkey in two zones."""

_TYPES = ("node", "way", "relation")


@dataclass(frozen=True)
class CellLabels:
    """The labels of cells.

    Fields:
        targets: bool [cells, labels], whether a chip of the cell has the label.
        elements: int64 [e], a number for each element that makes a label, the same in all cells.
        without_geometry: int64, those of them that have no usable geometry.
        records: of `RECORD_SCHEMA`, by cell in the order of the cells, by type and id; None where not asked for.
    """

    targets: NDArray[np.bool_]
    elements: NDArray[np.int64]
    without_geometry: NDArray[np.int64]
    records: pa.Table | None


def cell_labels(elements: MapElements, cells: Sequence[Cell], rules: LabelRules, records: bool = False) -> CellLabels:
    """The labels of cells, of any zooms of one zone, that lie in the cell of the elements.

    An element that is listed twice counts once.

    Args:
        records: whether the records are wanted.

    Raises:
        MapDataError: an element's id or text cannot be stored.
    """
    labelled = _labelled(elements, rules)
    numbers = np.array([one.number for one in labelled], np.int64)
    geometries = geometries_of([one.element for one in labelled], cells[0].zone)
    has_geometry = np.zeros(len(labelled), bool)
    has_geometry[geometries.owners()] = True
    # The labels of each element, one after the other.
    lengths = np.array([len(one.labels) for one in labelled], np.int64)
    begins = np.cumsum(lengths) - lengths
    labels = np.array([label for one in labelled for label in one.labels], np.int64)
    targets = np.zeros((len(cells), len(rules.labels)), bool)
    found = []
    of_zoom: dict[int, list[int]] = {}
    for index, cell in enumerate(cells):
        of_zoom.setdefault(cell.zoom, []).append(index)
    for some in of_zoom.values():
        indices = np.array(some)
        for owners, inside in CellJoin([cells[index] for index in some]).pairs(geometries):
            at = indices[inside]
            targets[np.repeat(at, lengths[owners]), labels[_ranges(begins[owners], lengths[owners])]] = True
            if records:
                found.append((owners, at))
    table = _records(labelled, numbers, found, cells, elements.quadkey) if records else None
    return CellLabels(targets, numbers, numbers[~has_geometry], table)


@dataclass(frozen=True)
class _Labelled:
    """An element that makes labels, and the tags for which it does."""

    number: int
    element: Element
    labels: list[int]
    tags: list[tuple[str, str]]


def _labelled(elements: MapElements, rules: LabelRules) -> list[_Labelled]:
    found: dict[int, _Labelled] = {}
    for kind, some in enumerate((elements.nodes, elements.ways, elements.relations)):
        for element in some:
            labels, tags = rules.matches(element["tags"])
            if labels:
                number = element["id"] * len(_TYPES) + kind
                if not -(2**63) <= number < 2**63:
                    raise MapDataError(
                        f"The map data of the cell {elements.quadkey} have an element with the id {element['id']}, "
                        "which is no id of OpenStreetMap."
                    )
                found.setdefault(number, _Labelled(number, element, sorted(labels), tags))
    return list(found.values())


def _ranges(begins: NDArray[np.int64], lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """The numbers ``begin, begin + 1, … begin + length - 1`` of each pair, concatenated."""
    ends = np.cumsum(lengths)
    return np.asarray(np.arange(ends[-1] if len(ends) else 0) + np.repeat(begins - ends + lengths, lengths))


def _records(
    labelled: list[_Labelled],
    numbers: NDArray[np.int64],
    found: list[tuple[NDArray[np.int64], NDArray[np.int64]]],
    cells: Sequence[Cell],
    quadkey: str,
) -> pa.Table:
    if not found:
        return RECORD_SCHEMA.empty_table()
    owners = np.concatenate([pair[0] for pair in found])
    indices = np.concatenate([pair[1] for pair in found])
    kinds, ids = numbers % len(_TYPES), numbers // len(_TYPES)
    order = np.lexsort((ids[owners], kinds[owners], indices))
    owners, indices = owners[order], indices[order]
    lengths = np.array([len(one.tags) for one in labelled], np.int64)
    tags = _ranges((np.cumsum(lengths) - lengths)[owners], lengths[owners])
    owners, indices = np.repeat(owners, lengths[owners]), np.repeat(indices, lengths[owners])
    pairs = [tag for one in labelled for tag in one.tags]
    try:
        columns: list[Any] = [
            _texts([cell.quadkey for cell in cells], indices),
            _texts(list(_TYPES), kinds[owners]),
            pa.array(ids[owners]),
            _texts([key for key, _ in pairs], tags),
            _texts([value for _, value in pairs], tags),
            pa.array(np.full(len(owners), cells[0].zone, np.int32)),
        ]
    except UnicodeEncodeError:
        raise MapDataError(f"A tag in the map data of the cell {quadkey} is no Unicode.") from None
    return pa.table(columns, schema=RECORD_SCHEMA)


def _texts(values: list[str], chosen: NDArray[np.int64]) -> pa.DictionaryArray:
    encoded = pa.array(values, pa.string()).dictionary_encode()
    indices = encoded.indices.to_numpy(zero_copy_only=False)[chosen].astype(np.int32)
    return pa.DictionaryArray.from_arrays(pa.array(indices), encoded.dictionary)
