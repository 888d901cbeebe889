"""Messages about predicted inclinations: how good they are, and intervals around them."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, StrictFloat, StrictInt, StrictStr
from typing_extensions import Doc, Self

from spacer_like.location import DataLocation
from spacer_like.message_base import (
    Answered,
    ByKeyword,
    Folder,
    Location,
    Message,
    PartialShare,
    ReturnMessage,
    Runtime,
    Seed,
    TextLike,
    Unreadable,
    WritableFolder,
    WritableLocation,
)
from spacer_like.regression.messages.data import indexes_beside

Column = Annotated[StrictStr, Field(min_length=1, max_length=1000)]
PredictionColumns = Annotated[
    list[Column],
    Field(min_length=1, max_length=1000),
    Doc("names of the columns with the predictions, one for each network, degrees; empty cells are left out."),
]
LabelColumn = Annotated[Column, Doc("name of the column with the labels, degrees from 45 to 90.")]
BandColumn = Annotated[Column | None, Doc("name of the column with the bands; None: all rows are of one band.")]
IdColumn = Annotated[
    Column | None, Doc("name of the column with the galaxies' numbers; None: each row is a galaxy of its own.")
]
Joined = Annotated[Literal["median", "mean"], Doc("how the predictions of several networks are joined to one.")]
ModelLocations = Annotated[
    dict[Annotated[StrictStr, TextLike(r"[A-Za-z0-9_.-]{1,50}$", "letters, digits and _ . -")], list[Location]],
    Field(max_length=100),
    Doc(
        "the networks of inclinations by groups, such as those of one architecture; each is called by its group and "
        "its number in it, such as ``model4_0``."
    ),
]


class CalibrateRegressorMsg(Message, Answered["CalibrateRegressorReturnMsg"]):
    """Make intervals that hold a given share of the labels, in every five degrees, of a table of predictions.

    Rows without a label or without a prediction are left out.

    Fields:
        table_loc: predictions and labels, CSV or Parquet, of galaxies that no network was trained on.
        out_loc: where the calibration goes, JSON.
        out_of_bag_loc: a table of the same columns to fit the linear bias to, which is then taken out of predictions.
            Each prediction must be out of bag: of a network that was not trained on that galaxy. None: no bias is
            taken out; nor is one where no line can be fitted.
        model_locs: the networks that made the predictions, by groups; their digests are kept, and the calibration is
            refused with other ones, such as the same networks trained again. Empty: only their names are compared.
        coverage: the share of galaxies whose label lies in its interval.
        least_rows: rows that a group must have; bins of five degrees with fewer are merged with their neighbours, and
            bands with fewer share the intervals of all.
    """

    task: ClassVar[str] = "calibrate_regressor"

    table_loc: Location
    prediction_columns: PredictionColumns
    out_loc: WritableLocation
    label_column: LabelColumn = "inc_m"
    band_column: BandColumn = "filter"
    id_column: IdColumn = "pgc"
    joined: Joined = "median"
    out_of_bag_loc: Location | None = None
    model_locs: ModelLocations = Field(default_factory=dict)
    coverage: PartialShare = 0.9
    least_rows: Annotated[StrictInt, Field(ge=2, le=1_000_000)] = 30

    @classmethod
    def example(cls) -> Self:
        return cls(
            table_loc=DataLocation("memory", "evaluation/predictions.csv"),
            prediction_columns=["model4_0", "model4_1"],
            out_loc=DataLocation("memory", "calibration.json"),
        )


class BandCoverage(ReturnMessage):
    """How the intervals of a band do, measured by cross-validation over galaxies.

    Fields:
        band: its name; ``any``: all rows together.
        n_rows: rows that the intervals were fitted to.
        coverage: the share of the labels that intervals hold; None: there are too few galaxies to measure it.
        by_prediction: that share in the bins of the prediction, from 45 to 50 degrees on; None: there is no row.
        by_label: the same in the bins of the label.
        mean_width: of the intervals, degrees.
    """

    band: str
    n_rows: int
    coverage: float | None
    by_prediction: list[float | None]
    by_label: list[float | None]
    mean_width: float | None


class CalibrateRegressorReturnMsg(ReturnMessage, metaclass=ByKeyword):
    """The intervals that were made.

    Fields:
        n_rows: rows that they were fitted to.
        n_left_out: rows without a label or a prediction.
        n_galaxies: galaxies among the rows.
        n_bias: rows that the bias was fitted to; 0: no bias is taken out.
        small_bands: bands with too few rows for intervals of their own.
        bands: how the intervals do.
        warnings: sentences: that no bias could be fitted to the table out of bag, and none is taken out; in which bins
            of five degrees there are too few rows for intervals of their own.
    """

    n_rows: int
    n_left_out: int
    n_galaxies: int
    n_bias: int
    small_bands: list[str]
    bands: list[BandCoverage]
    # Those of earlier versions had none.
    warnings: list[str] = Field(default_factory=list)
    runtime: Runtime

    @classmethod
    def example(cls) -> Self:
        band = BandCoverage(
            band="any", n_rows=1000, coverage=0.9, by_prediction=[0.9] * 9, by_label=[0.9] * 9, mean_width=9.6
        )
        return cls(n_rows=1000, n_left_out=0, n_galaxies=1000, n_bias=0, small_bands=[], bands=[band], runtime=0.1)


GoodBadLocations = Annotated[
    list[Location],
    Field(max_length=100),
    Doc("networks that tell galaxies with an inclination from others; each is called ``good_bad_`` and its number."),
]
CalibrationLocation = Annotated[
    Location | None, Doc("the calibration of these networks, by `calibrate_regressor`; None: there are no intervals.")
]
Views = Annotated[
    Literal[1, 2, 4],
    Field(json_schema_extra={"minimum": 1, "maximum": 4}),
    Doc("turned copies of an image that a network looks at; their median is its prediction."),
]


class PredictRegressorMsg(Message, Answered["PredictRegressorReturnMsg"]):
    """Predict the inclinations of the galaxies in images by networks, with intervals and warnings.

    An image is shown without its transparency, grey three times, in the middle of a black square, resized as
    `prepare_images` does. A warning is given of an image of a band that a network was not trained on, of one whose
    pixels have a mean or a standard deviation more than four standard deviations from those of the training images, and
    of an inclination within half a degree of 45 or 90, the ends of what networks can say.

    Fields:
        images_locs: one location: a folder or prefix, an archive, or an image; or a list of images; or files of
            `split_dataset`, ending with .npz or .npy.
        out_loc: where the answers go, a JSON list of one object for each image: status, filename or galaxy,
            inclinations by group and network, interval, rejection_likelihood and warnings, in whole degrees and per
            cent.
        table_loc: where a table of the same in full precision goes, CSV or Parquet; None: nowhere.
        band: the band of images whose file's name does not give it; None: colour where the channels differ.
    """

    task: ClassVar[str] = "predict_regressor"

    images_locs: Annotated[
        list[Annotated[Location, Folder(r"(?i).+\.(png|jpe?g|gif|bmp|tiff?|webp)$")]],
        Field(min_length=1, max_length=100_000),
    ]
    model_locs: ModelLocations
    out_loc: WritableLocation
    table_loc: WritableLocation | None = None
    good_bad_locs: GoodBadLocations = Field(default_factory=list)
    calibration_loc: CalibrationLocation = None
    views: Views = 2
    band: Literal["c", "g", "r", "i"] | None = None

    def implied_inputs(self) -> dict[str, DataLocation]:
        return indexes_beside(self.images_locs)

    @classmethod
    def example(cls) -> Self:
        return cls(
            images_locs=[DataLocation("memory", "galaxies")],
            model_locs={"model4": [DataLocation("memory", "models/model4.safetensors")]},
            out_loc=DataLocation("memory", "inclinations.json"),
        )


class PredictRegressorReturnMsg(ReturnMessage):
    """What was predicted.

    Fields:
        n_images: images that were predicted.
        n_warned: those with a warning.
        n_failed: files that are no images.
        failed: the first 1,000 of them.
    """

    n_images: int
    n_warned: int
    n_failed: int
    failed: list[Unreadable]
    runtime: Runtime

    @classmethod
    def example(cls) -> Self:
        failed = [Unreadable(name="galaxies/notes.png", reason="It is no image.")]
        return cls(n_images=4, n_warned=1, n_failed=1, failed=failed, runtime=0.5)


class EvaluateRegressorMsg(Message, Answered["EvaluateRegressorReturnMsg"], metaclass=ByKeyword):
    """Measure how well networks tell inclinations: errors in degrees of each, and of the mean and median of many.

    Either networks are asked about samples, and compared with the axis ratios of their images by Hubble's formula, or a
    table of predictions is given. Into the folder go the predictions as
    ``predictions.csv``, the errors as ``report.json`` and ``report.txt``, figures as ``errors.png`` and ``bins.png``,
    and labels far from the predictions as ``suspicious.csv``, with their pictures on ``suspicious.png`` where there are
    samples. With a calibration ``intervals.png`` is drawn, and with networks of two classes ``good_bad.csv`` written.

    Fields:
        out_loc: the folder where the files go.
        sample_locs: files of `split_dataset` with galaxies that no network was trained on. With a table they are only
            looked at for pictures of suspicious labels.
        table_loc: predictions and labels, CSV or Parquet, in place of networks; None: networks are asked.
        prediction_columns: of the table, by groups of networks.
        baseline_column: of the table, with a classical measurement in degrees to compare with; None: there is none.
        out_of_bag_loc: a table with the columns of the predictions, each of them out of bag: of a network that was not
            trained on that galaxy. The linear bias is fitted to it, and errors are also given with the bias taken out;
            None: they are not.
        out_of_bag_sample_locs: of networks, in place of `out_of_bag_loc`: files of `split_dataset` with galaxies out of
            a network's bag, by its name, such as ``model4_1``. What it says of them goes into ``out_of_bag.csv``, in
            the form of ``predictions.csv``.
        suspicious_ratio: a label is suspicious from so many half widths of the interval that holds nine in ten.
    """

    task: ClassVar[str] = "evaluate_regressor"

    out_loc: WritableFolder
    sample_locs: Annotated[list[Location], Field(max_length=1000)] = Field(default_factory=list)
    model_locs: ModelLocations = Field(default_factory=dict)
    good_bad_locs: GoodBadLocations = Field(default_factory=list)
    views: Views = 2
    table_loc: Location | None = None
    prediction_columns: Annotated[dict[Column, PredictionColumns], Field(max_length=100)] = Field(default_factory=dict)
    label_column: LabelColumn = "inc_m"
    band_column: BandColumn = "filter"
    id_column: IdColumn = "pgc"
    baseline_column: Column | None = None
    out_of_bag_loc: Location | None = None
    out_of_bag_sample_locs: Annotated[dict[Column, list[Location]], Field(max_length=10_000)] = Field(
        default_factory=dict
    )
    calibration_loc: CalibrationLocation = None
    suspicious_ratio: Annotated[StrictFloat | StrictInt, Field(gt=0, le=100)] = 2.0
    seed: Seed = 0

    def implied_inputs(self) -> dict[str, DataLocation]:
        out_of_bag = [loc for locs in self.out_of_bag_sample_locs.values() for loc in locs]
        return indexes_beside(dict.fromkeys([*self.sample_locs, *out_of_bag]))

    @classmethod
    def example(cls) -> Self:
        return cls(
            out_loc=DataLocation("memory", "evaluation"),
            sample_locs=[DataLocation("memory", "samples/r_128x128_test_000.npz")],
            model_locs={"model4": [DataLocation("memory", "models/model4.safetensors")]},
        )


class EvaluateRegressorReturnMsg(ReturnMessage):
    """How good the networks are.

    Fields:
        n_rows: images with a label and a prediction.
        n_left_out: images without.
        n_galaxies: galaxies among the rows.
        rms: of the median of all networks, degrees; None: only networks of two classes were asked.
        mae: the same of the mean absolute error.
        coverage: the share of labels that the calibration's intervals hold; None: there is no calibration.
        accuracy: of the median of the networks of two classes; None: there are none.
        n_suspicious: suspicious labels.
        files: names of the files below `out_loc`.
    """

    n_rows: int
    n_left_out: int
    n_galaxies: int
    rms: float | None
    mae: float | None
    coverage: float | None
    accuracy: float | None
    n_suspicious: int
    files: list[str]
    runtime: Runtime

    @classmethod
    def example(cls) -> Self:
        return cls(
            n_rows=1000,
            n_left_out=0,
            n_galaxies=1000,
            rms=3.1,
            mae=2.1,
            coverage=None,
            accuracy=None,
            n_suspicious=3,
            files=["report.json"],
            runtime=20.0,
        )
