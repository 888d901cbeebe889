"""Messages about cover: the share of each class."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, StrictFloat, StrictInt, StrictStr
from typing_extensions import Doc, Self

from spacer_like.location import DataLocation
from spacer_like.message_base import Answered, Location, Message, ReturnMessage, Runtime, WritableLocation

Basis = Literal["people", "people and machine", "machine"]
Coverage = Annotated[
    StrictFloat, Field(ge=0.5, le=0.999), Doc("how often an interval is to hold the truth: 0.95 for 95 percent.")
]


class EstimateCoverMsg(Message, Answered["EstimateCoverReturnMsg"]):
    """Estimate the cover of each class, in all, of each group of photographs and of each photograph, with intervals.

    The intervals count photographs and not points, which are alike within one. Where a machine labelled the photographs
    and people checked some of them, drawn at random, the estimate is people's, made narrower by the machine's labels; a
    machine that nobody checked gives shares without intervals.

    Fields:
        labels_loc: points that people labelled: a table with the columns image, row, col, label; None: there are none.
        machine_loc: points that a machine labelled, as a table alike, of the checked photographs too; None: none are.
        group_column: a column of either table by whose values photographs are grouped; None: they are not.
        folder_level: of an image's path, by whose name photographs are grouped, 1 for the first folder; None: they are
            not.
        taxonomy_loc: a table of the groups of labels: the labels in its first column, and their groups in each further
            one, such as genus, family; None: only labels are counted.
        coverage: as `Coverage` says.
        cover_loc: where the table of cover goes, CSV or Parquet; None: it is only answered.
        picture_loc: where a picture of stacked bars with intervals goes; None: nowhere.
    """

    task: ClassVar[str] = "estimate_cover"

    labels_loc: Location | None = None
    machine_loc: Location | None = None
    group_column: Annotated[StrictStr, Field(min_length=1, max_length=200)] | None = None
    folder_level: Annotated[StrictInt, Field(ge=1, le=100)] | None = None
    taxonomy_loc: Location | None = None
    coverage: Coverage = 0.95
    cover_loc: WritableLocation | None = None
    picture_loc: WritableLocation | None = None

    @classmethod
    def example(cls) -> Self:
        return cls(
            labels_loc=DataLocation("memory", "checked.csv"),
            machine_loc=DataLocation("memory", "predicted.csv"),
            cover_loc=DataLocation("memory", "cover.csv"),
        )


class CoverOfLabel(ReturnMessage):
    """The share of a label, or of a group of labels.

    Fields:
        level: ``label``, or the column of the taxonomy that the group is of.
        label: the label or group.
        share: of the points, 0 to 1, each photograph counting the same.
        low: the lower end of the interval; None: too few photographs, or a machine that nobody checked.
        high: the upper end; None: likewise.
        n_with_label: photographs that hold it, of those that people labelled, or of the machine's where they did none.
        too_few: whether the photographs that hold it are too few for an interval of use.
    """

    level: str
    label: str
    share: float
    low: float | None
    high: float | None
    n_with_label: int
    too_few: bool


class EstimateCoverReturnMsg(ReturnMessage):
    """The cover in all; that of groups and photographs is in the table.

    Fields:
        basis: whose labels it rests on.
        cover: the largest of each level first: the first 1,000.
        n_photographs: photographs with labels.
        n_checked: of them, those that people labelled.
        n_points: points with a label that was counted.
        n_unlabelled: points without a label, which were left out.
        groups: photographs of each group.
        ungrouped: labels that the taxonomy lacks, which form groups of their own: the first 1,000.
    """

    basis: Basis
    cover: list[CoverOfLabel]
    n_photographs: int
    n_checked: int
    n_points: int
    n_unlabelled: int
    groups: dict[str, int]
    ungrouped: list[str]
    runtime: Runtime

    @classmethod
    def example(cls) -> Self:
        porites = CoverOfLabel(
            level="label", label="Porites", share=0.3, low=0.2, high=0.42, n_with_label=14, too_few=False
        )
        return cls(
            basis="people and machine",
            cover=[porites],
            n_photographs=100,
            n_checked=20,
            n_points=5000,
            n_unlabelled=0,
            groups={},
            ungrouped=[],
            runtime=0.1,
        )
