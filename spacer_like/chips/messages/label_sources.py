"""Messages about labels of chips from files of one's own: features and masks."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field, StrictInt, StrictStr
from pydantic import StrictBool as Bool
from typing_extensions import Self

from spacer_like.chips.messages.tiles import ChipsLocation
from spacer_like.location import DataLocation
from spacer_like.message_base import (
    Answered,
    ByKeyword,
    Location,
    Message,
    ReturnMessage,
    Runtime,
    Share,
    WritableLocation,
)

LabelText = Annotated[StrictStr, Field(min_length=1, max_length=200)]
_Text = Annotated[StrictStr, Field(min_length=1, max_length=1000)]
_Crs = Annotated[StrictStr, Field(min_length=1, max_length=10_000)]


class _ChipLabellingMsg(Message, metaclass=ByKeyword):
    """What requests for labels from files share.

    Fields:
        sparse_locs: where the table that models learn from goes, CSV or Parquet: Feature (the chip's name), and a
            column of 0 and 1 for each label.
        dense_locs: where the same goes with all labels of a chip in one column: Feature, Labels (``a|b|c``); CSV or
            Parquet.
        shares_locs: where the same goes with the share of each chip's area that each label takes, 0 to 1, in place of
            0 and 1; CSV or Parquet.
        min_share: share of a chip's area from which on it has the label; None: any part of it, however small.
        partial_data: whether chips with some data are included; false: only those full of data.
    """

    chips_loc: ChipsLocation
    sparse_locs: Annotated[list[WritableLocation], Field(min_length=1)]
    dense_locs: list[WritableLocation] = Field(default_factory=list)
    shares_locs: list[WritableLocation] = Field(default_factory=list)
    min_share: Share | None = None
    partial_data: Bool = False


class LabelFromFeaturesMsg(_ChipLabellingMsg, Answered["LabelFromFeaturesReturnMsg"]):
    """Label chips by the features of a vector file, such as parcels, roads or trees.

    A chip has a label where a feature of it lies in the chip by more than a touch. Features are brought to the
    projection of the chips; the chips' places are those of their manifests.

    Fields:
        features_loc: the features, of one of these formats: GeoJSON, GeoPackage, GeoParquet, Shapefile (with its files
            of the same name beside it).
        layer: the layer of a GeoPackage; None: its only one.
        attribute: the attribute whose values are the labels; None: all features are of `label`.
        label: the label of all features, where there is no attribute; None: the name of the file.
        labels: the only values of the attribute that become labels, and those that the table has a column for in any
            case; None: all.
        crs: the projection of a file that does not say it, such as ``EPSG:4326``; None: the file says it, or lies in
            the pixels of a raster that does not say where it lies.
        min_count: number of features of a label from which on a chip has it. With `min_share`, both are needed.
        outlines_loc: where the parts of areas within chips go, Parquet: Feature (the chip's name), Label, Number (of
            the feature in its file), Outline (WKB, in pixels of the chip); None: nowhere.
    """

    task: ClassVar[str] = "label_from_features"

    features_loc: Location
    layer: _Text | None = None
    attribute: _Text | None = None
    label: LabelText | None = None
    labels: Annotated[list[LabelText], Field(min_length=1, max_length=10_000)] | None = None
    crs: _Crs | None = None
    min_count: Annotated[StrictInt, Field(ge=1, le=2**31)] = 1
    outlines_loc: WritableLocation | None = None

    @classmethod
    def example(cls) -> Self:
        return cls(
            chips_loc=DataLocation("memory", "chips"),
            features_loc=DataLocation("memory", "parcels.gpkg"),
            attribute="crop",
            min_share=0.1,
            sparse_locs=[DataLocation("memory", "labels/sparse.parquet")],
        )


class LabelFromFeaturesReturnMsg(ReturnMessage):
    """Counts of the table's rows and labels.

    Fields:
        n_chips: number of rows, one for each chip.
        n_without_label: number of rows that have no label.
        counts: number of chips that have each label, by label.
        n_features: number of features near the chips, of the labels that were asked for.
        n_without_geometry: number of those features without usable geometry, which label no chip.
        n_without_value: number of features near the chips without a value of the attribute.
    """

    n_chips: int
    n_without_label: int
    counts: dict[str, int]
    n_features: int
    n_without_geometry: int
    n_without_value: int
    runtime: Runtime

    @classmethod
    def example(cls) -> Self:
        return cls(
            n_chips=560,
            n_without_label=100,
            counts={"maize": 300, "wheat": 40},
            n_features=5000,
            n_without_geometry=2,
            n_without_value=3,
            runtime=1.0,
        )


class LabelFromMaskMsg(_ChipLabellingMsg, Answered["LabelFromMaskReturnMsg"]):
    """Label chips by a raster of classes, such as a map of land cover.

    The share of a class is that of the chip's pixels of which the mask has data. Masks of other projections or pixels
    are resampled to the pixels of the chips, or to parts of these where the mask's are smaller, by the nearest: 64 in
    each direction at most, and 16,384 of a chip, beyond which pixels of the mask are passed over.

    Fields:
        mask_loc: the raster of whole numbers, of a format that `cut_raster` reads; its no-data is left out.
        band: number of the band with the classes, from 1.
        names_loc: names of the values, CSV with the columns value and name, or JSON ``{value: name}``; values without a
            name are no label. None: the raster's own names (``.aux.xml`` beside it), else the numbers.
    """

    task: ClassVar[str] = "label_from_mask"

    mask_loc: Location
    band: Annotated[StrictInt, Field(ge=1, le=65_535)] = 1
    names_loc: Location | None = None

    @classmethod
    def example(cls) -> Self:
        return cls(
            chips_loc=DataLocation("memory", "chips"),
            mask_loc=DataLocation("memory", "land-cover.tif"),
            names_loc=DataLocation("memory", "classes.csv"),
            min_share=0.05,
            sparse_locs=[DataLocation("memory", "labels/sparse.parquet")],
        )


class LabelFromMaskReturnMsg(ReturnMessage):
    """Counts of the table's rows and labels.

    Fields:
        n_chips: number of rows, one for each chip of which the mask has data.
        n_without_label: number of rows that have no label.
        n_without_data: number of chips of which the mask has no data; they have no row.
        counts: number of chips that have each label, by label.
        unnamed: values of the mask in the chips that have no name and are no label, at most 100.
    """

    n_chips: int
    n_without_label: int
    n_without_data: int
    counts: dict[str, int]
    unnamed: list[int]
    runtime: Runtime

    @classmethod
    def example(cls) -> Self:
        return cls(
            n_chips=560,
            n_without_label=0,
            n_without_data=12,
            counts={"forest": 300, "water": 40},
            unnamed=[0],
            runtime=1.0,
        )
