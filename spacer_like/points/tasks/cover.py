"""The task that estimates cover."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING

from spacer_like.exceptions import MessageError
from spacer_like.overwriting import task
from spacer_like.points.cover.estimates import ALL, Row, cover_rows, cover_table
from spacer_like.points.cover.photographs import photographs_of
from spacer_like.points.cover.taxonomy import Taxonomy, read_taxonomy
from spacer_like.points.messages import CoverOfLabel, EstimateCoverMsg, EstimateCoverReturnMsg
from spacer_like.points.point_table import PointTable, read_points
from spacer_like.storage import read_bytes

if TYPE_CHECKING:
    from spacer_like.location import DataLocation

MOST_ANSWERED = 1000


@task
def estimate_cover(msg: EstimateCoverMsg) -> EstimateCoverReturnMsg:
    """Estimate the cover of each class, in all, of each group of photographs and of each photograph, with intervals.

    Raises:
        MessageError: neither table is given, or both a column and a level of folders.
        SpacerInputError: a table without labels, or without the column; photographs that the machine's table lacks.
        TableError: a malformed taxonomy, or a table's name with another ending.
    """
    start = time.perf_counter()
    _check(msg)
    people, machine = (_table(loc, msg.group_column) for loc in (msg.labels_loc, msg.machine_loc))
    taxonomy: Taxonomy = {}
    if msg.taxonomy_loc is not None:
        taxonomy = read_taxonomy(read_bytes(msg.taxonomy_loc), msg.taxonomy_loc.display_name)
    photographs = photographs_of(people, machine, msg.group_column, msg.folder_level)
    rows = cover_rows(photographs, taxonomy, msg.coverage)
    _write(msg, rows)
    of_all = [row for row in rows if row.scope == ALL]
    known = {label for groups in taxonomy.values() for label in groups}
    return EstimateCoverReturnMsg(
        basis=of_all[0].basis,
        cover=[
            CoverOfLabel(**{name: getattr(row, name) for name in CoverOfLabel.model_fields})
            for row in of_all[:MOST_ANSWERED]
        ],
        n_photographs=of_all[0].n_photographs,
        n_checked=of_all[0].n_checked,
        n_points=of_all[0].n_points,
        n_unlabelled=photographs.n_unlabelled,
        groups=dict(sorted(Counter(photographs.groups).items())),
        ungrouped=[label for label in photographs.labels if taxonomy and label not in known][:MOST_ANSWERED],
        runtime=time.perf_counter() - start,
    )


def _check(msg: EstimateCoverMsg) -> None:
    if msg.labels_loc is None and msg.machine_loc is None:
        raise MessageError("Neither labels_loc nor machine_loc is given: there are no labels to estimate cover from.")
    if msg.group_column is not None and msg.folder_level is not None:
        raise MessageError("Give group_column or folder_level, and not both.")
    if msg.cover_loc is not None:
        from spacer_like.tables.writing import check_endings

        check_endings([msg.cover_loc])
    if msg.picture_loc is not None:
        from spacer_like.drawing.figures import check_drawing

        check_drawing(msg.picture_loc)


def _table(loc: DataLocation | None, column: str | None) -> PointTable | None:
    return None if loc is None else read_points(read_bytes(loc), loc.display_name, column=column)


def _write(msg: EstimateCoverMsg, rows: list[Row]) -> None:
    if msg.picture_loc is not None:
        from spacer_like.points.cover.picture import cover_picture

        cover_picture(rows, msg.picture_loc)
    if msg.cover_loc is not None:
        from spacer_like.tables.writing import write_tables

        write_tables([(cover_table(rows), msg.cover_loc)])
