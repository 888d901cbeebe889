"""Tables of the parts of areas that lie in chips: a row for each chip and feature, outlines in pixels of the chip."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import shapely

from spacer_like.exceptions import DataLimitError, TableError, damage_as
from spacer_like.tables.label_table import FEATURE

if TYPE_CHECKING:
    from spacer_like.chips.labels.vector_labels import Outlines

LABEL, NUMBER, OUTLINE = "Label", "Number", "Outline"
OUTLINE_SCHEMA = pa.schema({FEATURE: pa.string(), LABEL: pa.string(), NUMBER: pa.int64(), OUTLINE: pa.binary()})


def outline_rows(found: Outlines, names: Sequence[str]) -> pa.Table:
    """The rows of outlines; `names` are those of the chips."""
    columns = [
        pa.array([names[chip] for chip in found.chips], pa.string()),
        pa.array(found.labels, pa.string()),
        pa.array(found.numbers),
        pa.array(shapely.to_wkb(found.shapes).tolist(), pa.binary()),
    ]
    return pa.table(columns, schema=OUTLINE_SCHEMA)


def read_outlines(data: bytes, name: str) -> dict[tuple[str, str], list[Any]]:
    """The outlines in the bytes of a file by chip and label, polygons in pixels of the chip.

    Args:
        name: what errors call the file.

    Raises:
        TableError: no such table, or malformed.
        DataLimitError: it announces more rows than fit into it.
    """
    from pyarrow.parquet import ParquetFile

    with damage_as(TableError, name, f"The table '{name}' cannot be read as Parquet"):
        file = ParquetFile(pa.BufferReader(data))
        found = file.schema_arrow
        if [found.field(one).type for one in OUTLINE_SCHEMA.names if one in found.names] != OUTLINE_SCHEMA.types:
            raise TableError(f"The table '{name}' has no outlines: label_from_features writes such tables.")
        # An outline takes some bytes, at least those of its number.
        if file.metadata.num_rows > len(data):
            raise DataLimitError(f"The table '{name}' announces {file.metadata.num_rows} rows in {len(data)} bytes.")
        table = file.read(columns=OUTLINE_SCHEMA.names)
        table.validate(full=True)
        shapes = shapely.from_wkb(np.array(table[OUTLINE].to_pylist(), object), on_invalid="ignore")
        areas = np.isin(shapely.get_type_id(shapes), (3, 6)) & shapely.is_valid(shapes)
        if not areas.all() or any(table[one].null_count for one in (FEATURE, LABEL)):
            raise TableError(f"The table '{name}' has a row without an area, a chip or a label.")
    by_label: dict[tuple[str, str], list[Any]] = {}
    for chip, label, shape in zip(table[FEATURE].to_pylist(), table[LABEL].to_pylist(), shapes, strict=True):
        by_label.setdefault((chip, label), []).append(shape)
    return by_label
