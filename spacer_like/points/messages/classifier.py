"""Messages of features and classifiers, in the layout of PySpacer 0.14; its older dialects are read as well."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, overload

from pydantic import (
    BeforeValidator,
    Field,
    PlainSerializer,
    StrictFloat,
    StrictInt,
    StrictStr,
    WithJsonSchema,
    model_validator,
)
from typing_extensions import Self

from spacer_like.data_classes import DataLocation, ImageLabels, TrainingTaskLabels
from spacer_like.exceptions import MessageError, RowColumnMissingError
from spacer_like.message_base import (
    Answered,
    ExtractorField,
    JobToken,
    Location,
    Message,
    ReturnMessage,
    Runtime,
    TrainerField,
    WritableFolder,
    WritableLocation,
)

if TYPE_CHECKING:
    from spacer_like.learning.trainer import ClassifierTrainer

# Far above any image's, and within what arrays of positions hold; a task refuses a point outside its image.
Coordinate = Annotated[StrictInt, Field(ge=-(2**31), lt=2**31)]
RowCol = tuple[Coordinate, Coordinate]
MOST_POINTS, MOST_EPOCHS = 1_000_000, 100_000

_SET_SCHEMA = {
    "type": "object",
    "description": "Annotations [row, column, label] by the JSON text of a feature file's location.",
}
Labels = Annotated[
    TrainingTaskLabels,
    BeforeValidator(lambda value: TrainingTaskLabels.deserialize(value) if isinstance(value, dict) else value),
    PlainSerializer(TrainingTaskLabels.serialize),
    WithJsonSchema(
        {
            "type": "object",
            "properties": dict.fromkeys(("train", "ref", "val"), _SET_SCHEMA),
            "required": ["train", "ref", "val"],
        }
    ),
]


class ExtractFeaturesMsg(Message, Answered["ExtractFeaturesReturnMsg"]):
    """Extract the features of points of an image and store them.

    Fields:
        extractor: the extractor that turns crops around points into feature vectors.
        rowcols: the points, [row, column] in pixels of the image as stored, from 0 at the top left; at least one.
        image_loc: the image.
        feature_loc: where the feature file goes.
    """

    task: ClassVar[str] = "extract_features"

    job_token: JobToken
    extractor: ExtractorField
    rowcols: Annotated[list[RowCol], Field(min_length=1, max_length=MOST_POINTS)]
    image_loc: Location
    feature_loc: WritableLocation

    @classmethod
    def example(cls) -> Self:
        return cls(
            job_token="123abc",
            extractor=_example_extractor(),
            rowcols=[(100, 100)],
            image_loc=DataLocation("memory", "my_image.jpg"),
            feature_loc=DataLocation("memory", "my_feats.json"),
        )


class ExtractFeaturesReturnMsg(ReturnMessage):
    """How the features were extracted.

    Fields:
        extractor_loaded_remotely: whether the extractor's weights were downloaded for this task.
    """

    extractor_loaded_remotely: bool
    runtime: Runtime

    @classmethod
    def example(cls) -> Self:
        return cls(extractor_loaded_remotely=True, runtime=2.1)


class TrainClassifierMsg(Message, Answered["TrainClassifierReturnMsg"]):
    """Train a classifier, evaluate it, and store both.

    Fields:
        trainer: the trainer: an object described by its class's path and arguments, the class's path alone, or
            ``minibatch``.
        nbr_epochs: number of passes over the training set.
        clf_type: type of the classifier: ``MLP``, a multi-layer perceptron, or ``LR``, logistic regression.
        labels: annotated points to train on (train), to calibrate on (ref) and to evaluate on (val).
        previous_model_locs: earlier classifiers to evaluate on the same points.
        model_loc: where the classifier goes.
        valresult_loc: where the evaluation's results go, point by point.
        feature_cache_dir: where remote feature files are kept for the time of the training: ``auto``: in a temporary
            folder; ``disabled``: nowhere, they are read again for each epoch; else the absolute path of a folder.
        report_loc: where the evaluation report goes (metrics by class, by image and by source, baselines, calibration,
            thresholds), JSON; None: nowhere.
        image_sources: the source of images (a site, a survey, a camera) by the key of their feature file, for metrics
            by source in the report; None: not known.
        snapshots_loc: a folder for a snapshot after each epoch, from which a training that was interrupted goes on;
            None: no snapshots.
        keep_features: whether the copies in the folder of `feature_cache_dir` stay there for later trainings, which
            read again only what has changed; None: they are removed after the training.
        pack_loc: a pack of feature files, as `pack_features` writes it: labels whose files lie in it, as in a folder,
            are read from there; None: there is none.

    PySpacer up to 0.13 said ``trainer_name``; up to 0.12 labels named features by text, and ``features_loc`` said where
    those live. Both are read, from arguments and from JSON.
    """

    class FeatureCache:
        AUTO = "auto"
        DISABLED = "disabled"

    task: ClassVar[str] = "train_classifier"
    omitted_when_none: ClassVar[frozenset[str]] = frozenset(
        {"report_loc", "image_sources", "snapshots_loc", "keep_features", "pack_loc"}
    )

    job_token: JobToken
    trainer: TrainerField
    nbr_epochs: Annotated[StrictInt, Field(ge=1, le=MOST_EPOCHS)]
    clf_type: Literal["MLP", "LR"]
    labels: Labels
    previous_model_locs: list[Location]
    model_loc: WritableLocation
    valresult_loc: WritableLocation
    feature_cache_dir: Annotated[
        str, BeforeValidator(lambda value: str(value) if isinstance(value, Path) else value)
    ] = "auto"
    report_loc: WritableLocation | None = None
    image_sources: dict[StrictStr, StrictStr] | None = None
    snapshots_loc: WritableFolder | None = None
    keep_features: bool | None = None
    pack_loc: Location | None = None

    reads_earlier_outputs: ClassVar[frozenset[str]] = frozenset({"previous_model_locs"})

    if TYPE_CHECKING:

        @overload
        def __init__(
            self,
            job_token: str,
            trainer: ClassifierTrainer | dict[str, Any] | str,
            nbr_epochs: int,
            clf_type: Literal["MLP", "LR"],
            labels: TrainingTaskLabels,
            previous_model_locs: list[DataLocation],
            model_loc: DataLocation,
            valresult_loc: DataLocation,
            feature_cache_dir: str | Path = "auto",
            report_loc: DataLocation | None = None,
            image_sources: dict[str, str] | None = None,
            snapshots_loc: DataLocation | None = None,
            keep_features: bool | None = None,
            pack_loc: DataLocation | None = None,
        ) -> None: ...

        # The older dialects, and fields out of a dictionary.
        @overload
        def __init__(self, *, features_loc: DataLocation | None = None, **fields: Any) -> None: ...

        def __init__(self, *args: Any, **kwargs: Any) -> None: ...

    @model_validator(mode="before")
    @classmethod
    def _read_older_dialects(cls, values: dict[str, Any]) -> dict[str, Any]:
        values = dict(values)
        if "trainer_name" in values:
            values.setdefault("trainer", values.pop("trainer_name"))
        if "features_loc" in values:
            features_loc = values.pop("features_loc")
            if isinstance(features_loc, dict):
                features_loc = DataLocation.deserialize(features_loc)
            labels = values.get("labels")
            labels = TrainingTaskLabels.deserialize(labels) if isinstance(labels, dict) else labels
            values["labels"] = labels.relocated(features_loc) if isinstance(labels, TrainingTaskLabels) else labels
        return values

    @model_validator(mode="after")
    def _check(self) -> Self:
        if any(self.labels[name].has_text_keys for name in ("train", "ref", "val")):
            raise MessageError(
                "labels: features that are named by text alone need a features_loc that says where they live"
            )
        if self.feature_cache_dir not in ("auto", "disabled") and not Path(self.feature_cache_dir).is_absolute():
            raise MessageError("feature_cache_dir: it must be 'auto', 'disabled' or the absolute path of a folder")
        if self.keep_features and self.feature_cache_dir in ("auto", "disabled"):
            raise MessageError("keep_features: name the folder to keep copies in as feature_cache_dir")
        return self

    @classmethod
    def example(cls) -> Self:
        return cls(
            job_token="123_abc",
            trainer="minibatch",
            nbr_epochs=2,
            clf_type="MLP",
            labels=TrainingTaskLabels.example(),
            previous_model_locs=[DataLocation("memory", f"previous_model{number}.pkl") for number in (1, 2)],
            model_loc=DataLocation("memory", "my_new_model.pkl"),
            valresult_loc=DataLocation("memory", "my_valresult.json"),
        )

    def without_labels(self) -> Self:
        """The same message with empty sets of labels, for a return message that need not carry them back."""
        empty = TrainingTaskLabels(ImageLabels(), ImageLabels(), ImageLabels())
        return self.model_copy(update={"labels": empty, "image_sources": None})


class LeftOutClass(ReturnMessage):
    """A class of the labels that the classifier does not know.

    Fields:
        label: the class's label.
        train: number of its points in the training set.
        ref: number of its points in the reference set.
        val: number of its points in the evaluation set.
        reason: why it was left out.
    """

    label: StrictInt | StrictStr
    train: int
    ref: int
    val: int
    reason: str

    @classmethod
    def example(cls) -> Self:
        return cls(label="gorgonian", train=12, ref=0, val=3, reason="None of its 15 points is in the reference set.")


class TrainClassifierReturnMsg(ReturnMessage):
    """Accuracies of the new and of previous classifiers, between 0 and 1.

    Fields:
        acc: accuracy of the new classifier on the evaluation set.
        pc_accs: accuracies of the previous classifiers on the same set, in the order of the request.
        ref_accs: accuracies of the uncalibrated classifier on the reference set, after each epoch.
        runtime: seconds that the task took, without loading the previous classifiers.
        left_out: classes of the labels that the classifier does not know, with the reasons; None: there are none.
        kept_epoch: the epoch whose weights the classifier has, counted from 1; None: the last one.
    """

    omitted_when_none: ClassVar[frozenset[str]] = frozenset({"left_out", "kept_epoch"})

    acc: float
    pc_accs: list[float]
    ref_accs: list[float]
    runtime: Runtime
    left_out: list[LeftOutClass] | None = None
    kept_epoch: int | None = None

    @classmethod
    def example(cls) -> Self:
        return cls(acc=0.7, pc_accs=[0.4, 0.5, 0.6], ref_accs=[0.55, 0.65, 0.64, 0.67, 0.70], runtime=123.4)


class ClassifyFeaturesMsg(Message, Answered["ClassifyReturnMsg"]):
    """Classify the points of a stored feature file.

    Fields:
        feature_loc: the feature file.
        classifier_loc: the classifier.
        scores_loc: where the scores go, as the JSON of the whole return message; None: into the return message.
    """

    task: ClassVar[str] = "classify_features"
    omitted_when_none: ClassVar[frozenset[str]] = frozenset({"scores_loc"})

    job_token: JobToken
    feature_loc: Location
    classifier_loc: Location
    scores_loc: WritableLocation | None = None

    @classmethod
    def example(cls) -> Self:
        return cls(
            job_token="my_job",
            feature_loc=DataLocation("url", "https://example.org/reef.png.featurevector"),
            classifier_loc=DataLocation("url", "https://example.org/my_model_id.model"),
        )


class ClassifyImageMsg(Message, Answered["ClassifyReturnMsg"]):
    """Extract and classify points of an image; the features are not stored.

    Fields:
        extractor: the extractor that the classifier was trained with.
        rowcols: the points, [row, column] in pixels of the image as stored, from 0 at the top left.
        image_loc: the image.
        classifier_loc: the classifier.
        scores_loc: where the scores go, as the JSON of the whole return message; None: into the return message.
    """

    task: ClassVar[str] = "classify_image"
    omitted_when_none: ClassVar[frozenset[str]] = frozenset({"scores_loc"})

    job_token: JobToken
    extractor: ExtractorField
    rowcols: Annotated[list[RowCol], Field(max_length=MOST_POINTS)]
    image_loc: Location
    classifier_loc: Location
    scores_loc: WritableLocation | None = None

    @classmethod
    def example(cls) -> Self:
        return cls(
            job_token="my_job",
            extractor=_example_extractor(),
            rowcols=[(1, 1), (2, 2)],
            image_loc=DataLocation("url", "https://example.org/reef.png"),
            classifier_loc=DataLocation("url", "https://example.org/my_model_id.model"),
        )


class ClassifyReturnMsg(ReturnMessage):
    """Probabilities of each class at each point.

    Fields:
        scores: [row, column, [probability of each class]] for each point, in the order of the points; row and column
            are None for legacy features. Empty if the request has a scores_loc.
        classes: the labels, in the order of the probabilities.
        valid_rowcol: whether rows and columns are known.
        scores_loc: where the scores are, as ``ClassifyReturnMsg.load(scores_loc).scores``; None: in this message.

    ``message[(row, col)]`` gives the probabilities of a point; of a position that occurs twice, the last ones.
    """

    omitted_when_none: ClassVar[frozenset[str]] = frozenset({"scores_loc"})

    runtime: Runtime
    scores: list[tuple[StrictInt | None, StrictInt | None, list[StrictFloat | StrictInt]]]
    classes: list[StrictInt | StrictStr]
    valid_rowcol: bool
    scores_loc: Location | None = None

    @cached_property
    def _by_position(self) -> dict[tuple[int | None, int | None], list[float]]:
        return {(row, col): scores for row, col, scores in self.scores}

    def __getitem__(self, rowcol: tuple[int, int]) -> list[float]:
        if self.scores_loc is not None:
            raise RowColumnMissingError(
                f"The scores are in the file {self.scores_loc.display_name}: load the message from there."
            )
        if not self.valid_rowcol:
            raise RowColumnMissingError("Method requires valid rows and columns")
        return self._by_position[rowcol]

    @classmethod
    def example(cls) -> Self:
        return cls(
            runtime=1.1,
            scores=[(10, 20, [0.1, 0.2, 0.7]), (20, 40, [0.9, 0.06, 0.04])],
            classes=[100, 12, 44],
            valid_rowcol=True,
        )


def _example_extractor() -> dict[str, Any]:
    return {
        "class_path": "spacer_like.extractors.efficientnet.EfficientNetExtractor",
        "data_locations": {"weights": DataLocation("filesystem", "/path/to/weights.pt").serialize()},
        "data_hashes": {},
    }
