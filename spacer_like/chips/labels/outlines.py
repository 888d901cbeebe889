"""Tables of the parts of areas that lie in chips: a row for each chip and feature, outlines in pixels of the chip."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pyarrow as pa
import shapely

from spacer_like.chips.labels.label_table import FEATURE

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
