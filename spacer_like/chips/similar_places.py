"""The chips of an index that look most like a query, with where they are on the globe."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from spacer_like.chips.chip_name import ChipName
from spacer_like.chips.geography import centres
from spacer_like.chips.grid import TILE_ZOOM
from spacer_like.embeddings import NameList, VectorIndex
from spacer_like.exceptions import DataNotFoundError, TileError

if TYPE_CHECKING:
    from spacer_like.chips.messages import SimilarChip

_NEAR_NAMES = 3
COLUMNS = ("chip", "distance", "tile", "longitude", "latitude")


class Found(NamedTuple):
    """A chip of an index, and how far its vector is from the query's."""

    name: str
    distance: float


def index_of_chip(names: NameList, source: str, chip: str) -> int:
    """The number of a chip among sorted names, by its name with or without folders before it and its ending.

    Args:
        source: what errors call what has the names, such as ``The index 'a.safetensors'``.

    Raises:
        DataNotFoundError: there is no such chip; the sentence suggests names that begin alike.
    """
    candidates = [chip, chip.replace("\\", "/").rpartition("/")[2]]
    if parsed := parsed_name(chip):
        candidates.append(str(parsed))
    for candidate in candidates:
        if (number := names.find(candidate)) is not None:
            return number
    near = ", ".join(f"'{name}'" for name in names.near(candidates[-1], _NEAR_NAMES))
    shown = chip if len(chip) <= 100 else f"{chip[:97]}..."
    raise DataNotFoundError(f"{source} has no chip '{shown}'; next to where it would be are {near}.")


def parsed_name(name: str) -> ChipName | None:
    """What the name of a chip says, or None where it is a name of another kind."""
    try:
        return ChipName.parse(name)
    except TileError:
        return None


def indices_of_same_ground(names: NameList, chip: ChipName) -> list[range]:
    """The numbers of all chips in one zone whose cell is a chip's, lies in it, or contains it.

    The name of a cell begins with that of every cell around it, so that sorted names have each kind side by side.
    """
    zone = f"Z{chip.zone:02d}-"
    around = [names.with_prefix(f"{zone}{chip.quadkey[:zoom]}_") for zoom in range(TILE_ZOOM, chip.zoom)]
    return [*around, names.with_prefix(f"{zone}{chip.quadkey}")]


def similar_chips(
    index: VectorIndex, query: NDArray[np.float32], k: int, n_probe: int, left_out: Sequence[range] = ()
) -> list[Found]:
    """The `k` chips nearest to a query [d], the nearest first, equal ones by their names.

    Where an index with lists has too few in the `n_probe` lists nearest to the query, more lists are looked into.

    Args:
        left_out: numbers of chips that are not wanted.

    Raises:
        FeatureFileError: the query has another dimension, or the index is damaged.
    """
    n_left_out = sum(len(numbers) for numbers in left_out)
    wanted = min(k, len(index) - n_left_out)
    if wanted <= 0:
        return []
    while True:
        distances, numbers = (found[0] for found in index.search(query, wanted + n_left_out, n_probe))
        kept = numbers >= 0
        for some in left_out:
            kept &= (numbers < some.start) | (numbers >= some.stop)
        if kept.sum() >= wanted or n_probe >= (index.n_lists or 0):
            break
        n_probe *= 2
    chosen = np.flatnonzero(kept)[:wanted]
    return [Found(index.names[int(numbers[one])], float(distances[one])) for one in chosen]


def centres_of(chips: Sequence[ChipName | None]) -> list[tuple[float, float] | None]:
    """Longitude and latitude of the centre of each chip; None where its name has no cell.

    Raises:
        MissingExtraError: pyproj is not installed.
    """
    cells = [chip.cell for chip in chips if chip is not None]
    found = iter(centres(cells).tolist() if cells else [])
    return [None if chip is None else tuple(next(found)) for chip in chips]


def similar_table(similar: Sequence[SimilarChip]) -> Any:
    """A pyarrow table with a row for each chip, the nearest first; unknown values are null."""
    import pyarrow as pa

    kinds = (pa.string(), pa.float64(), pa.string(), pa.float64(), pa.float64())
    schema = pa.schema(list(zip(COLUMNS, kinds, strict=True)))
    columns = [pa.array([getattr(chip, field.name) for chip in similar], field.type) for field in schema]
    return pa.table(columns, schema=schema)
