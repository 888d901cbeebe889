"""The task that finds labels that look wrong."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, cast

from spacer_like.overwriting import task
from spacer_like.storage import open_file, read_bytes, write_bytes
from spacer_like.tables.corrections import read_corrections
from spacer_like.tables.files import is_parquet
from spacer_like.tables.writing import check_endings, write_tables
from spacer_like.wrong_labels.messages import (
    FindWrongLabelsMsg,
    FindWrongLabelsReturnMsg,
    WrongLabel,
    WrongPair,
)

if TYPE_CHECKING:
    from spacer_like.location import DataLocation
    from spacer_like.wrong_labels.found import Found
    from spacer_like.wrong_labels.labelled import Labelled

MOST_ANSWERED = 1000


@task
def find_wrong_labels(msg: FindWrongLabelsMsg) -> FindWrongLabelsReturnMsg:
    """Find labels that look wrong, by classifiers that have not learnt from them, and draw them for a person.

    Raises:
        TrainingLabelsError: there are no labels, or none can be judged, as each class lies in one group.
        DataLimitError: more than 2,000 classes or tags, or far too many examples.
        TableError, FeatureFileError: a malformed table, or features that are damaged or not finite.
        ExtractorMismatchError: features of different extractors.
        CollectionError: no chip of the table has a vector, or no image that is to be drawn is there.
    """
    from spacer_like.wrong_labels.found import judged, pairs_table, wrong_table

    start = time.perf_counter()
    check_endings([loc for loc in (msg.wrong_loc, msg.pairs_loc) if loc is not None])
    labelled = _labelled(msg)
    if msg.corrections_loc is not None:
        data, name = read_bytes(msg.corrections_loc), msg.corrections_loc.display_name
        labelled = labelled.corrected(read_corrections(data, name))
    result = judged(labelled, msg.rule, msg.folds, msg.seed)
    shown = result.found[: msg.most]
    page, n_without_picture = None, 0
    if msg.page_loc is not None and msg.images_loc is not None:
        from spacer_like.wrong_labels.page import wrong_labels_page

        page, n_without_picture = wrong_labels_page(labelled, shown, msg.images_loc, msg.crop_size)
    tables = [
        (msg.wrong_loc, wrong_table(labelled, result.found)),
        (msg.pairs_loc, pairs_table(result, labelled.kind != "points")),
    ]
    write_tables([(table, loc) for loc, table in tables if loc is not None])
    if msg.page_loc is not None and page is not None:
        write_bytes(msg.page_loc, page)
    interval = result.share.interval
    return FindWrongLabelsReturnMsg(
        kind=labelled.kind,
        n_labels=int(labelled.given.size),
        n_judged=result.n_judged,
        not_judged=result.not_judged,
        n_without_features=labelled.n_without_features,
        n_unknown_corrections=labelled.n_unknown_answers,
        n_wrong=len(result.found),
        share=result.share.share,
        interval=None if interval is None else (interval[0], interval[1]),
        pairs=[
            WrongPair(tag=tag, given=given, likely=likely, n_wrong=n_wrong, estimated=estimated)
            for tag, given, likely, n_wrong, estimated in result.pairs[:MOST_ANSWERED]
        ],
        wrong=[_answered(labelled, one) for one in shown],
        n_without_picture=n_without_picture,
        runtime=time.perf_counter() - start,
    )


def _labelled(msg: FindWrongLabelsMsg) -> Labelled:
    """What the message names, read."""
    from spacer_like.wrong_labels.labelled import labelled_chips, labelled_images, labelled_points

    if msg.labels is not None:
        return labelled_points(msg.labels, msg.image_names, msg.image_sources, msg.grouped, msg.checked)
    # The message has the one or the other.
    vectors_loc = cast("DataLocation", msg.embeddings_loc)
    with open_file(vectors_loc) as file:
        if msg.table_loc is None:
            from spacer_like.embeddings.embeddings_table import read_embeddings_table

            return labelled_images(read_embeddings_table(file, vectors_loc.display_name), msg.grouped)
        from spacer_like.embeddings import read_embeddings
        from spacer_like.tables.label_table import read_label_table

        embeddings = read_embeddings(file, vectors_loc.display_name)
    data, name = read_bytes(msg.table_loc), msg.table_loc.display_name
    return labelled_chips(read_label_table(data, name, is_parquet(msg.table_loc)), embeddings, msg.grouped)


def _answered(labelled: Labelled, one: Found) -> WrongLabel:
    row, column = labelled.positions[one.row] if one.tag is None else (None, None)
    return WrongLabel(
        name=labelled.names[one.row],
        row=row,
        column=column,
        tag=one.tag,
        given=one.given,
        likely=one.likely,
        likely_probability=one.likely_probability,
        self_confidence=one.self_confidence,
        score=one.score,
    )
