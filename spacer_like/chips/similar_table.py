"""The chips that were found, as a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spacer_like.chips.messages import SimilarChip

COLUMNS = ("chip", "distance", "tile", "longitude", "latitude")


def similar_table(similar: Sequence[SimilarChip]) -> Any:
    """A pyarrow table with a row a chip, the nearest first; what is not known is empty."""
    import pyarrow as pa

    kinds = (pa.string(), pa.float64(), pa.string(), pa.float64(), pa.float64())
    schema = pa.schema(list(zip(COLUMNS, kinds, strict=True)))
    columns = [pa.array([getattr(chip, field.name) for chip in similar], field.type) for field in schema]
    return pa.table(columns, schema=schema)
