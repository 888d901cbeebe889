"""The tasks that give chips and their labels to other programs and to eyes."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np

from spacer_like.chips.chip_drawing import drawn
from spacer_like.chips.chip_source import open_chips
from spacer_like.chips.messages.exports import (
    ExportCocoMsg,
    ExportCocoReturnMsg,
    VisualizeChipMsg,
    VisualizeChipReturnMsg,
)
from spacer_like.chips.tasks.score_maps import manifests_in
from spacer_like.exceptions import SpacerInputError, TableError
from spacer_like.extras import import_extra
from spacer_like.overwriting import task
from spacer_like.storage import read_bytes, write_bytes
from spacer_like.tables.files import is_parquet
from spacer_like.tables.label_table import read_label_table, read_score_table

if TYPE_CHECKING:
    from spacer_like.location import DataLocation

_VERSION_DIGITS = 16


@task
def export_coco(msg: ExportCocoMsg) -> ExportCocoReturnMsg:
    """Write chips and their labels in COCO's format.

    Raises:
        TableError: the table, the outlines or a manifest is malformed.
        DataNotFoundError: there is no manifest.
        SpacerInputError: no manifest names a chip of the table.
        MissingExtraError: packages of the extra `geo` are not installed.
    """
    start = time.perf_counter()
    import_extra("shapely", "Writing annotations", "geo")
    from spacer_like.chips.labels.coco import CocoImage, coco_json
    from spacer_like.chips.labels.footprints import footprints_of

    name, parquet = msg.table_loc.display_name, is_parquet(msg.table_loc)
    table = read_label_table(read_bytes(msg.table_loc), name, parquet)
    places = footprints_of(manifests_in(msg.chips_loc), True, msg.chips_loc.display_name)
    sizes = {
        chip: (width, height)
        for one in places
        for chip, (width, height) in zip(one.names, one.sizes.tolist(), strict=True)
    }
    rows = sorted((row for row, chip in enumerate(table.names) if chip in sizes), key=table.names.__getitem__)
    if not rows:
        raise SpacerInputError(f"No manifest in '{msg.chips_loc.display_name}' names a chip of the table '{name}'.")
    images = [CocoImage(table.names[row], *sizes[table.names[row]], row) for row in rows]
    version = table.digest().hex()[:_VERSION_DIGITS]
    content, n_annotations = coco_json(table, images, _outlines(msg.outlines_loc), version)
    write_bytes(msg.coco_loc, content)
    return ExportCocoReturnMsg(
        n_images=len(images),
        n_annotations=n_annotations,
        labels=list(table.labels),
        n_unplaced=len(table.names) - len(images),
        runtime=time.perf_counter() - start,
    )


@task
def visualize_chip(msg: VisualizeChipMsg) -> VisualizeChipReturnMsg:
    """Draw a chip with its labels.

    Raises:
        DataNotFoundError: there is no such chip, or no such file.
        ImageError: the chip is no image.
        TableError: the table or the outlines are malformed, or the table has no such chip.
        SpacerInputError: the picture's name has an unknown ending.
        MissingExtraError: matplotlib, or for outlines shapely, is not installed.
    """
    from spacer_like.chips.labels import chip_picture
    from spacer_like.drawing.figures import check_drawing

    start = time.perf_counter()
    check_drawing(msg.picture_loc)
    with open_chips(msg.chips_loc, arrays=None) as chips:
        chips.check_kept(msg)
        pixels = drawn(chips.read(msg.chip), msg.chip, nodata=chips.nodata_of(msg.chip))
    labels = {} if msg.table_loc is None else _labels(msg.table_loc, msg.chip)
    outlines = {label: shapes for (chip, label), shapes in _outlines(msg.outlines_loc).items() if chip == msg.chip}
    chip_picture.visualize_chip(msg.chip, pixels, labels, outlines, msg.picture_loc)
    return VisualizeChipReturnMsg(
        labels=labels,
        n_outlines=sum(len(shapes) for shapes in outlines.values()),
        runtime=time.perf_counter() - start,
    )


def _labels(loc: DataLocation, chip: str) -> dict[str, float]:
    """The labels of a chip with their values, the highest first; those of value 0 are left out."""
    names, labels, values = read_score_table(read_bytes(loc), loc.display_name, is_parquet(loc))
    if chip not in names:
        raise TableError(f"The table '{loc.display_name}' has no chip '{chip}'.")
    row = np.round(values[names.index(chip)].astype(np.float64), 6)
    order = np.argsort(-row, kind="stable")
    return {labels[index]: float(row[index]) for index in order if row[index] > 0}


def _outlines(loc: DataLocation | None) -> dict[tuple[str, str], list[Any]]:
    if loc is None:
        return {}
    import_extra("shapely", "Outlines", "geo")
    from spacer_like.chips.labels.outlines import read_outlines

    return read_outlines(read_bytes(loc), loc.display_name)
