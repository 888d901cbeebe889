"""Histograms: of a collection, and of many."""

from __future__ import annotations

import time
from io import BytesIO
from logging import getLogger

import numpy as np

from spacer_like.data_classes import DataLocation
from spacer_like.exceptions import CollectionError, HistogramError
from spacer_like.progress import report
from spacer_like.rarity.collection import open_collection
from spacer_like.rarity.count_table import CountTable
from spacer_like.rarity.histogram import Histogram, HistogramBuilder, HistogramSum
from spacer_like.rarity.messages import (
    ComputeHistogramMsg,
    ComputeHistogramReturnMsg,
    MergeHistogramsMsg,
    MergeHistogramsReturnMsg,
)
from spacer_like.rarity.tasks.histogram_storage import header_of, read_histogram, write_histogram, write_table
from spacer_like.storage import write_bytes

logger = getLogger(__name__)


def compute_histogram(msg: ComputeHistogramMsg) -> ComputeHistogramReturnMsg:
    """Count the colours of a collection, a batch of images at a time."""
    start = time.perf_counter()
    builder = HistogramBuilder(header_of(msg))
    with open_collection(msg.images_loc, msg) as collection:
        for _, pixels in collection.batches():
            builder.add(pixels)
        if not builder.n_images:
            reason = collection.reason_for_nothing()
            raise CollectionError(f"The collection '{msg.collection_id}' has no image to count: {reason}")
        unreadable = collection.unreadable
    histogram = builder.histogram(msg.collection_id)
    if msg.dense_loc is not None:
        _write_dense(msg.dense_loc, histogram)
    write_histogram(msg.histogram_loc, histogram)
    return ComputeHistogramReturnMsg(
        collection_id=msg.collection_id,
        n_images=histogram.n_images,
        n_cells=len(histogram.keys),
        unreadable=unreadable,
        runtime=time.perf_counter() - start,
    )


def _write_dense(loc: DataLocation, histogram: Histogram) -> None:
    file = BytesIO()
    np.savez_compressed(file, histogram.to_dense())
    write_bytes(loc, file.getvalue())


def merge_histograms(msg: MergeHistogramsMsg) -> MergeHistogramsReturnMsg:
    """Add histograms up, and take others away, one in memory at a time."""
    start = time.perf_counter()
    if not msg.histogram_locs:
        raise HistogramError("There is no histogram to merge: name at least one.")
    if msg.merged_loc is None and msg.table_loc is None:
        raise HistogramError("The sum has nowhere to go: name a merged_loc or a table_loc.")
    total, skipped = _sum(msg)
    smallest = _smallest_count(total)
    n_images = sum(total.collections.values())
    n_cells = int(np.count_nonzero(total.counts))
    if msg.table_loc is not None:
        if not n_images:
            raise HistogramError("The sum counts no image: there is no table of it to score against.")
        write_table(msg.table_loc, CountTable(total.header, n_images, smallest, total.counts))
    if msg.merged_loc is not None:
        write_histogram(msg.merged_loc, total.histogram())
    return MergeHistogramsReturnMsg(
        n_images=n_images,
        n_collections=len(total.collections),
        n_cells=n_cells,
        smallest_count=smallest,
        skipped=skipped,
        runtime=time.perf_counter() - start,
    )


def _sum(msg: MergeHistogramsMsg) -> tuple[HistogramSum, list[str]]:
    first = read_histogram(msg.histogram_locs[0])
    total = HistogramSum(first.header).add(first)
    skipped: list[str] = []
    for number, histogram in enumerate(map(read_histogram, msg.histogram_locs[1:]), 2):
        twice = total.counted_already(histogram)
        if twice and msg.on_duplicate == "skip":
            logger.info("Collections counted already are skipped: %s", ", ".join(twice))
            skipped += list(histogram.collections)
            continue
        total.add(histogram)
        report("histograms merged", number, len(msg.histogram_locs))
    for histogram in map(read_histogram, msg.subtract_locs):
        total.subtract(histogram)
    return total, skipped


def _smallest_count(total: HistogramSum) -> int:
    smallest = 0
    for row in range(0, len(total.counts), 1024):
        block = total.counts[row : row + 1024]
        if (found := block[block > 0]).size:
            smallest = min(smallest or int(found.min()), int(found.min()))
    return smallest
