"""Groups of images of a table that are the same: by their bytes, by their pixels, or nearly, by their vectors."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from spacer_like.embeddings import duplicate_groups, unit_length
from spacer_like.embeddings.embeddings_table import EmbeddingsTable

if TYPE_CHECKING:
    import pyarrow as pa

Kind = Literal["bytes", "pixels", "near"]


class ImageGroup(NamedTuple):
    """Images that are the same.

    Fields:
        kind: ``bytes``: all files are equal; ``pixels``: all pictures are; ``near``: they look alike.
        rows: of the table, ascending.
        distances: float64 [n]: Euclidean, of the vectors of length one from the first one's.
    """

    kind: Kind
    rows: list[int]
    distances: NDArray[np.float64]


def image_groups(table: EmbeddingsTable, distance: float) -> list[ImageGroup]:
    """The groups of two images or more, the largest first, equally large ones by their first image.

    Equal bytes, equal pixels, or vectors at `distance` at most are of one group, and so are those that a chain of such
    images connects.

    Args:
        distance: Euclidean, of vectors of length one, 0 to 2.
    """
    contents = [record.content_hash for record in table.records]
    pixels = table.first_of_picture
    near = duplicate_groups(table.vectors, distance, table.name)
    group_of = _connected([_numbered(contents), np.array(pixels, np.int64), near])
    vectors = unit_length(table.vectors)
    order = np.argsort(group_of, kind="stable")
    begins = np.flatnonzero(np.diff(group_of[order], prepend=-1))
    found = []
    for rows in np.split(order, begins[1:]):
        if len(rows) > 1:
            differences = vectors[rows].astype(np.float64) - vectors[rows[0]]
            distances = np.sqrt(np.square(differences).sum(axis=1))
            kind: Kind = "bytes" if _is_one(contents, rows) else "pixels" if _is_one(pixels, rows) else "near"
            found.append(ImageGroup(kind, rows.tolist(), distances))
    return sorted(found, key=lambda group: (-len(group.rows), group.rows[0]))


def groups_table(table: EmbeddingsTable, groups: Iterable[ImageGroup]) -> pa.Table:
    """A row for every image of the groups: group, from 0 on, kind, path, id and distance from the group's first."""
    import pyarrow as pa

    rows = [
        (number, group.kind, table.records[row].path, table.records[row].id, distance)
        for number, group in enumerate(groups)
        for row, distance in zip(group.rows, group.distances.tolist(), strict=True)
    ]
    texts = [(name, pa.string()) for name in ("kind", "path", "id")]
    schema = pa.schema([("group", pa.int64()), *texts, ("distance", pa.float64())])
    columns = zip(*rows, strict=True) if rows else [()] * len(schema)
    return pa.table([pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)], schema)


def _is_one(values: list[Any], rows: NDArray[np.int64]) -> bool:
    return len({values[row] for row in rows}) == 1


def _numbered(values: list[Any]) -> NDArray[np.int64]:
    """For each value the index of the first one that is equal."""
    first: dict[Hashable, int] = {}
    return np.array([first.setdefault(value, index) for index, value in enumerate(values)], np.int64)


def _connected(parts: list[NDArray[np.int64]]) -> NDArray[np.int64]:
    """The group of each row after those are joined that some part [n] gives one number, which is a row's."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    n = len(parts[0])
    ends = np.concatenate(parts)
    begins = np.tile(np.arange(n), len(parts))
    edges: Any = coo_array((np.ones(len(ends), bool), (begins, ends)), shape=(n, n))
    groups: NDArray[np.int64] = connected_components(edges, directed=False)[1].astype(np.int64)
    return groups
