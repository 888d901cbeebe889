"""Messages of the tasks that count pixels and add counts."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field
from typing_extensions import Self

from spacer_like.location import DataLocation
from spacer_like.message_base import Answered, Location, Message, ReturnMessage, Runtime, WritableLocation
from spacer_like.rarity.messages.preparation import (
    AnsweredId,
    CollectionId,
    ImagesLocation,
    PreparationMsg,
    Unreadables,
    table_description,
)


class ComputeHistogramMsg(PreparationMsg, Answered["ComputeHistogramReturnMsg"]):
    """Count, for every position of the square, how many images have which colour there.

    Fields:
        histogram_loc: where the histogram goes, sparse and mergeable, Parquet.
        dense_loc: where the histogram also goes in the dense layout of PixelScore, ``.npz`` with arr_0 int32 [size *
            size, 10, 10, 10]; None: nowhere.
    """

    task: ClassVar[str] = "compute_histogram"

    collection_id: CollectionId
    images_loc: ImagesLocation
    histogram_loc: WritableLocation
    dense_loc: WritableLocation | None = None

    @classmethod
    def example(cls) -> Self:
        return cls(
            collection_id="punks",
            images_loc=DataLocation("memory", "punks/resized/"),
            histogram_loc=DataLocation("memory", "punks/histogram.parquet"),
        )


class ComputeHistogramReturnMsg(ReturnMessage):
    """Size of the histogram.

    Fields:
        n_images: number of images counted.
        n_cells: number of (position, colour) pairs that occur.
    """

    collection_id: AnsweredId
    n_images: int
    n_cells: int
    unreadable: Unreadables
    runtime: Runtime

    @classmethod
    def example(cls) -> Self:
        return cls(collection_id="punks", n_images=3, n_cells=60_000, unreadable=[], runtime=0.1)


class MergeHistogramsMsg(Message, Answered["MergeHistogramsReturnMsg"]):
    """Add the histograms of any number of collections, and subtract others.

    Fields:
        histogram_locs: histograms to add, each of one collection or already merged.
        merged_loc: where the sum goes, Parquet; None: nowhere.
        subtract_locs: histograms to subtract; what they count must be part of the sum.
        on_duplicate: what happens to a histogram with a collection that is counted already: ``refuse``: an error;
            ``skip``: it is left out.
        table_loc: where the sum goes as a table to score with, ``.npy``, which processes share in memory; None:
            nowhere.
    """

    task: ClassVar[str] = "merge_histograms"

    histogram_locs: list[Location]
    merged_loc: WritableLocation | None
    subtract_locs: list[Location] = Field(default_factory=list)
    on_duplicate: Literal["refuse", "skip"] = "refuse"
    table_loc: WritableLocation | None = None

    reads_earlier_outputs: ClassVar[frozenset[str]] = frozenset({"histogram_locs", "subtract_locs"})

    def implied_outputs(self) -> dict[str, DataLocation]:
        return {} if self.table_loc is None else {"the description of table_loc": table_description(self.table_loc)}

    @classmethod
    def example(cls) -> Self:
        return cls(
            histogram_locs=[DataLocation("memory", f"{name}/histogram.parquet") for name in ("punks", "apes")],
            merged_loc=DataLocation("memory", "global.parquet"),
        )


class MergeHistogramsReturnMsg(ReturnMessage):
    """Size of the sum.

    Fields:
        n_images: number of images counted.
        n_collections: number of collections counted.
        n_cells: number of (position, colour) pairs that occur.
        smallest_count: the smallest count above zero; 0: nothing is counted.
        skipped: ids of the collections that were left out as counted already.
    """

    n_images: int
    n_collections: int
    n_cells: int
    smallest_count: int
    skipped: list[str]
    runtime: Runtime

    @classmethod
    def example(cls) -> Self:
        return cls(n_images=6, n_collections=2, n_cells=110_000, smallest_count=1, skipped=[], runtime=0.1)
