"""Messages about chips and their labels for other programs and for eyes."""

from __future__ import annotations

from typing import ClassVar

from typing_extensions import Self

from spacer_like.chips.messages.tiles import ChipName, ChipsLocation
from spacer_like.location import DataLocation
from spacer_like.message_base import (
    Answered,
    ByKeyword,
    Location,
    Message,
    ReturnMessage,
    Runtime,
    WritableLocation,
)


class ExportCocoMsg(Message, Answered["ExportCocoReturnMsg"]):
    """Write chips and their labels in COCO's format: images, categories and annotations.

    A label of a chip is an annotation for each of its outlines there, else one of the whole chip.

    Fields:
        table_loc: a table of 0 and 1, of `build_label_table`, `label_from_features` or `label_from_mask`.
        chips_loc: a manifest (``.parquet``) of a tile's or a raster's chips, or a folder of manifests: they say how
            large the chips are.
        outlines_loc: the outlines of `label_from_features`; None: there are none.
        coco_loc: where the annotations go, JSON.
    """

    task: ClassVar[str] = "export_coco"

    table_loc: Location
    chips_loc: ChipsLocation
    coco_loc: WritableLocation
    outlines_loc: Location | None = None

    @classmethod
    def example(cls) -> Self:
        return cls(
            table_loc=DataLocation("memory", "labels/sparse.parquet"),
            chips_loc=DataLocation("memory", "chips"),
            coco_loc=DataLocation("memory", "labels/coco.json"),
        )


class ExportCocoReturnMsg(ReturnMessage):
    """Counts of what was written.

    Fields:
        n_images: number of chips.
        n_annotations: number of annotations.
        labels: the categories.
        n_unplaced: number of rows of the table whose chip no manifest names; they are left out.
    """

    n_images: int
    n_annotations: int
    labels: list[str]
    n_unplaced: int
    runtime: Runtime

    @classmethod
    def example(cls) -> Self:
        return cls(n_images=560, n_annotations=900, labels=["field", "tree"], n_unplaced=0, runtime=0.4)


class VisualizeChipMsg(Message, Answered["VisualizeChipReturnMsg"], metaclass=ByKeyword):
    """Draw a chip with its labels; the extension of the picture's name says its format.

    Fields:
        chip: the chip's name.
        table_loc: a table of 0 and 1, or of probabilities, with the chip's labels; None: none are shown.
        outlines_loc: the outlines of `label_from_features`, which are drawn on the chip; None: none are.
        picture_loc: where the picture goes.
    """

    task: ClassVar[str] = "visualize_chip"

    chip: ChipName
    chips_loc: ChipsLocation
    table_loc: Location | None = None
    outlines_loc: Location | None = None
    picture_loc: WritableLocation

    @classmethod
    def example(cls) -> Self:
        return cls(
            chip="Z33-03111121232201230_1050410012C31100.jpg",
            chips_loc=DataLocation("memory", "chips"),
            table_loc=DataLocation("memory", "labels/sparse.parquet"),
            picture_loc=DataLocation("memory", "chip.png"),
        )


class VisualizeChipReturnMsg(ReturnMessage):
    """What the picture shows.

    Fields:
        labels: of the chip, with their values in the table: 1, or probabilities.
        n_outlines: number of outlines drawn.
    """

    labels: dict[str, float]
    n_outlines: int
    runtime: Runtime

    @classmethod
    def example(cls) -> Self:
        return cls(labels={"field": 1.0}, n_outlines=2, runtime=0.4)
