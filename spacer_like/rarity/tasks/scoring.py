"""Tasks that score images by the colours of their pixels, and explain a score."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from spacer_like.exceptions import CollectionError, TableError
from spacer_like.overwriting import task
from spacer_like.rarity.messages import (
    Correlations,
    ExplainImageMsg,
    ExplainImageReturnMsg,
    Method,
    ScoreCollectionMsg,
    ScoreCollectionReturnMsg,
    ScoreUnseenMsg,
    ScoreUnseenReturnMsg,
    ScoringMsg,
    UnseenScore,
)
from spacer_like.storage import read_bytes, write_bytes

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from spacer_like.images.sets import ImageSet
    from spacer_like.location import DataLocation
    from spacer_like.rarity.metadata import Metadata
    from spacer_like.rarity.score_table import ScoreTable

    Scores = dict[Method, NDArray[np.float64]]

EXPLAINED_METHODS: tuple[Method, ...] = ("ratio", "log", "surprisal", "top_surprisal")
"""Methods that score an image by itself; ``raw`` is scaled over a collection."""


@task
def score_collection(msg: ScoreCollectionMsg) -> ScoreCollectionReturnMsg:
    """Score every image of a collection by one or more methods, against one histogram or two in the same pass.

    Raises:
        CollectionError: there is no image.
        HistogramError: a histogram is malformed, empty, or of images that were prepared otherwise.
        TableError: the metadata are malformed, or a table's location has an ending that is no table's.
    """
    from spacer_like.rarity.score_table import token_rows
    from spacer_like.rarity.tasks.collections import open_collection
    from spacer_like.tables.writing import check_endings, write_tables

    start = time.perf_counter()
    wanted = [(msg.histogram_loc, msg.scores_locs)]
    if msg.second_histogram_loc is not None and msg.second_scores_locs is not None:
        wanted.append((msg.second_histogram_loc, msg.second_scores_locs))
    check_endings([loc for _, by_method in wanted for locs in by_method.values() for loc in locs])
    metadata = _metadata(msg.metadata_loc)
    with open_collection(msg.images_loc, msg) as collection:
        tokens, scores = _scores(msg, collection, [(histogram, list(locs)) for histogram, locs in wanted])
        unreadable = list(collection.unreadable)
    rows = token_rows(tokens, metadata)
    tables = [{method: rows.table(msg.collection_id, one) for method, one in found.items()} for found in scores]
    not_scored = next(iter(tables[0].values())).not_scored
    if msg.not_scored_loc:
        write_bytes(msg.not_scored_loc, _not_scored_csv(not_scored))
    outputs = zip(tables, wanted, strict=True)
    write_tables([(found[method].columns, loc) for found, (_, by) in outputs for method in by for loc in by[method]])
    correlations = [_correlations(found, metadata) for found in tables]
    return ScoreCollectionReturnMsg(
        collection_id=msg.collection_id,
        n_images=len(tokens),
        n_tokens=len(rows.token_ids),
        n_not_scored=len(not_scored),
        correlations=correlations[0],
        unreadable=unreadable,
        left_out=rows.dropped,
        runtime=time.perf_counter() - start,
        second_correlations=correlations[1] if len(correlations) > 1 else None,
    )


@task
def score_unseen(msg: ScoreUnseenMsg) -> ScoreUnseenReturnMsg:
    """Score images that the histogram has not counted, and sort them into buckets by the edges as they were stored.

    A score beyond the edges is in the first or the last bucket. The answer carries the first scores in the order of the
    tokens; with metadata, of those that they know.

    Raises:
        CollectionError: there is no image.
        HistogramError: the histogram is malformed, empty, or of images that were prepared otherwise.
        TableError: the edges or the metadata are malformed, or the edges are known to be of another method.
    """
    from spacer_like.rarity.buckets import read_buckets
    from spacer_like.rarity.score_table import token_rows
    from spacer_like.rarity.tasks.collections import open_collection
    from spacer_like.tables.writing import check_endings, write_tables

    start = time.perf_counter()
    if msg.scores_loc:
        check_endings([msg.scores_loc])
    metadata = _metadata(msg.metadata_loc)
    buckets = read_buckets(read_bytes(msg.edges_loc), msg.edges_loc.display_name)
    if buckets.method not in (None, msg.method):
        raise TableError(
            f"The edges '{msg.edges_loc.display_name}' are of the score '{buckets.method}', and '{msg.method}' is "
            "asked for: name that method, or the edges of this one."
        )
    with open_collection(msg.images_loc, msg, or_one=True) as collection:
        tokens, (scores,) = _scores(msg, collection, [(msg.histogram_loc, [msg.method])])
        unreadable = list(collection.unreadable)
    rows = token_rows(tokens, metadata)
    table = buckets.bucketized(rows.table(msg.collection_id, scores[msg.method]))
    if msg.scores_loc:
        write_tables([(table.columns, msg.scores_loc)])
    names = ("pixelScore", "bin_pixelScore", "readable_bin_pixelScore")
    scored = table.columns.filter(table.columns["pixelScore"].is_valid()).slice(0, msg.max_returned)
    columns = [scored["tokenId"].cast("string").to_pylist(), *(scored[name].to_pylist() for name in names)]
    return ScoreUnseenReturnMsg(
        collection_id=msg.collection_id,
        n_images=len(tokens),
        scores=[
            UnseenScore(token_id=token, score=score, bin=number, readable_bin=words)
            for token, score, number, words in zip(*columns, strict=True)
        ],
        unreadable=unreadable,
        left_out=rows.dropped,
        runtime=time.perf_counter() - start,
    )


@task
def explain_image(msg: ExplainImageMsg) -> ExplainImageReturnMsg:
    """Find where an image is rare and which colours make it so, and draw it.

    Raises:
        ImageError: no image, or one that cannot be decoded.
        HistogramError: the histogram is malformed, empty, or of images that were prepared otherwise.
    """
    import numpy as np

    from spacer_like.images.files import file_bytes
    from spacer_like.images.square import squared
    from spacer_like.rarity.bins import colours_of
    from spacer_like.rarity.explanation import overlay, rarest_colours, rarest_positions
    from spacer_like.rarity.scores import Scorer, surprisals
    from spacer_like.rarity.tasks.histogram_storage import header_of, read_table

    start = time.perf_counter()
    name = msg.image_loc.display_name
    image = squared(file_bytes(msg.image_loc, name), name, msg.size, msg.resample, msg.background)
    table = read_table(msg.histogram_loc, header_of(msg))
    scorer = Scorer(table, EXPLAINED_METHODS, unseen_count=msg.unseen_count)
    scorer.add(image[None])
    colours = colours_of(image)
    counts = table.counts[np.arange(colours.size), colours.ravel()].reshape(colours.shape).astype(np.int64)
    surprisal = surprisals(counts, table.n_images, msg.unseen_count)
    if msg.overlay_loc:
        most = surprisals(np.zeros(1, np.int64), table.n_images, msg.unseen_count)[0]
        write_bytes(msg.overlay_loc, overlay(image, surprisal, float(most)))
    return ExplainImageReturnMsg(
        scores={method: float(values[0]) for method, values in scorer.scores().items()},
        cells=rarest_positions(colours, counts, surprisal, msg.n_cells),
        colours=rarest_colours(colours, surprisal),
        runtime=time.perf_counter() - start,
    )


def _scores(
    msg: ScoringMsg, collection: ImageSet, wanted: Sequence[tuple[DataLocation, Sequence[Method]]]
) -> tuple[list[str], list[Scores]]:
    """The tokens of the images that can be decoded, and their scores by method against each of the histograms.

    Every image is decoded once.

    Raises:
        CollectionError: there is no image.
    """
    from spacer_like.rarity.scores import Scorer
    from spacer_like.rarity.tasks.histogram_storage import header_of, read_table

    header = header_of(msg)
    scorers = [
        Scorer(read_table(histogram, header), methods, msg.top_share, msg.unseen_count) for histogram, methods in wanted
    ]
    tokens: list[str] = []
    for some, pixels in collection.batches():
        tokens += some
        for scorer in scorers:
            scorer.add(pixels)
    if not tokens:
        raise CollectionError(collection.reason_for_nothing())
    return tokens, [scorer.scores() for scorer in scorers]


def _correlations(tables: dict[Method, ScoreTable], metadata: Metadata | None) -> dict[str, Correlations]:
    from spacer_like.rarity.comparison import rarity_correlations

    return {method: rarity_correlations(table) for method, table in tables.items()} if metadata else {}


def _metadata(loc: DataLocation | None) -> Metadata | None:
    from spacer_like.rarity.metadata import read_metadata

    return None if loc is None else read_metadata(read_bytes(loc), loc.display_name)


def _not_scored_csv(tokens: list[str]) -> bytes:
    import pyarrow as pa

    from spacer_like.rarity.score_table import token_column
    from spacer_like.tables.files import table_bytes

    return table_bytes(pa.table({"notScoredIds": token_column(pa.array(tokens, pa.large_string()))}), parquet=False)
