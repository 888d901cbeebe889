"""Histograms: of a collection, and of many."""

from __future__ import annotations

import time
from logging import getLogger

from spacer_like.exceptions import CollectionError, HistogramError
from spacer_like.overwriting import task
from spacer_like.progress import report
from spacer_like.rarity.count_table import CountTable
from spacer_like.rarity.histogram import HistogramBuilder, HistogramSum
from spacer_like.rarity.messages import (
    ComputeHistogramMsg,
    ComputeHistogramReturnMsg,
    MergeHistogramsMsg,
    MergeHistogramsReturnMsg,
)
from spacer_like.rarity.tasks.collections import open_collection
from spacer_like.rarity.tasks.histogram_storage import (
    header_of,
    open_histogram,
    write_dense,
    write_histogram,
    write_table,
)

logger = getLogger(__name__)


@task
def compute_histogram(msg: ComputeHistogramMsg) -> ComputeHistogramReturnMsg:
    """Count the colours of a collection, while its images are decoded."""
    start = time.perf_counter()
    builder = HistogramBuilder(header_of(msg))
    with open_collection(msg.images_loc, msg) as collection:
        collection.decode_in_threads(builder.add)
        if not builder.n_images:
            reason = collection.reason_for_nothing()
            raise CollectionError(f"The collection '{msg.collection_id}' has no image to count: {reason}")
        unreadable = collection.unreadable
    if msg.dense_loc is not None:
        write_dense(msg.dense_loc, builder.dense(msg.collection_id))
    counted = builder.counted(msg.collection_id)
    n_cells = write_histogram(msg.histogram_loc, counted)
    return ComputeHistogramReturnMsg(
        collection_id=msg.collection_id,
        n_images=builder.n_images,
        n_cells=n_cells,
        unreadable=unreadable,
        runtime=time.perf_counter() - start,
    )


@task
def merge_histograms(msg: MergeHistogramsMsg) -> MergeHistogramsReturnMsg:
    """Add histograms up, and take others away, one in memory at a time."""
    start = time.perf_counter()
    if not msg.histogram_locs:
        raise HistogramError("There is no histogram to merge: name at least one.")
    if msg.merged_loc is None and msg.table_loc is None:
        raise HistogramError("The sum has nowhere to go: name a merged_loc or a table_loc.")
    total, skipped = _sum(msg)
    n_images, (n_cells, smallest) = total.n_images, _counted(total)
    if msg.table_loc is not None:
        if not n_images:
            raise HistogramError("The sum counts no image: there is no table of it to score against.")
        write_table(msg.table_loc, CountTable(total.header, n_images, smallest, total.counts))
    if msg.merged_loc is not None:
        write_histogram(msg.merged_loc, total)
    return MergeHistogramsReturnMsg(
        n_images=n_images,
        n_collections=len(total.collections),
        n_cells=n_cells,
        smallest_count=smallest,
        skipped=skipped,
        runtime=time.perf_counter() - start,
    )


def _sum(msg: MergeHistogramsMsg) -> tuple[HistogramSum, list[str]]:
    first = open_histogram(msg.histogram_locs[0])
    total = HistogramSum(first.header).add(first)
    skipped: list[str] = []
    for number, histogram in enumerate(map(open_histogram, msg.histogram_locs[1:]), 2):
        twice = total.counted_already(histogram)
        if twice and msg.on_duplicate == "skip":
            logger.info("Collections counted already are skipped: %s", ", ".join(twice))
            skipped += list(histogram.collections)
            continue
        total.add(histogram)
        report("histograms merged", number, len(msg.histogram_locs))
    for histogram in map(open_histogram, msg.subtract_locs):
        total.subtract(histogram)
    return total, skipped


def _counted(total: HistogramSum) -> tuple[int, int]:
    """How many keys have a count, and the smallest count."""
    n_cells, smallest = 0, 2**32 - 1
    for _, counts in total.pieces():
        n_cells += len(counts)
        smallest = min(smallest, int(counts.min(initial=smallest)))
    return n_cells, smallest if n_cells else 0
