"""Messages about models of many labels."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, StrictFloat, StrictInt, model_validator
from typing_extensions import Self

from spacer_like.chips.messages.tiles import ChipsLocation, UnreadableChips, example_extractor
from spacer_like.location import DataLocation
from spacer_like.message_base import (
    Answered,
    Location,
    Message,
    OptionalExtractorField,
    PartialShare,
    ReturnMessage,
    Runtime,
    Seed,
    WritableFolder,
    WritableLocation,
)

HEAD_LAYERS = (1024, 512)
MOMENTUM = 0.9


class TrainMultilabelMsg(Message, Answered["TrainMultilabelReturnMsg"]):
    """Train a model that predicts the labels of a chip.

    Chips of one grid square of zoom 12 are all in the training set or all in the validation set: neighbours look alike,
    and a chip beside one that was learned from would be too easy. So are those of a tile of Web Mercator three levels
    up, and windows that begin in one square of 1,024 pixels of a raster; of windows that overlap, those that share
    pixels with one of the validation set are not learnt from.

    Fields:
        table_loc: a table of 0 and 1 of `build_label_table`.
        model_loc: where the model goes, safetensors.
        corrections_loc: a CSV of people's answers (path, tag, answer), saved by the page of `find_wrong_labels`, which
            have precedence over the table; None: there are none.
        extractor: a frozen extractor, on whose features of the chips a head is trained; None: `network` is trained as a
            whole.
        network: the network to train where there is no extractor: ``resnet50``, or ``small``, a small one of the same
            kind.
        weights_loc: a state dict that the network starts from; None: random weights.
        unfreeze_epochs: epochs at which one more stage of a network that started from weights is trained too; before
            the first only the head is. Without weights there are none: everything is trained from the start.
        size: width and height in pixels of the chips that the network sees.
        layers: units of the head's hidden layers, one number a layer.
        dropouts: dropout rates of the hidden layers, 0 to 1; None: 0.5 after the last layer, 0.2 after the others.
        nbr_epochs: number of passes over the training set.
        batch_size: number of chips in a training step.
        learning_rate: initial learning rate; it falls along a cosine to a hundredth.
        optimizer: ``adamw``, ``adam``, or ``sgd`` (stochastic gradient descent with momentum).
        momentum: momentum of ``sgd``, 0 to 1; the others have none. None: 0.9.
        validation_share: share of the chips, about, in the validation set, 0 to 1; whole grid squares are drawn by
            `seed`.
        threshold: probability above which a label is given, 0 to 1; ``per_label``: for each label the one with the best
            F1 on the validation set, which makes its metrics there too good; those of the default are returned beside
            them.
        seed: seed of the split, the initial weights and the order of chips.
        snapshots_loc: a folder for snapshots; a training that was interrupted is resumed from the newest. None: no
            snapshots.
        snapshot_epochs: number of epochs from one snapshot to the next.
        metrics_loc: where the metrics of every epoch go, JSON; None: nowhere.
        plot_loc: where a picture of the metrics of every epoch goes; None: not drawn.
        events_loc: a folder for a file of TensorBoard's events, written anew after every epoch; None: none.
    """

    task: ClassVar[str] = "train_multilabel"

    table_loc: Location
    chips_loc: ChipsLocation
    model_loc: WritableLocation
    corrections_loc: Location | None = None
    extractor: OptionalExtractorField = None  # type: ignore[assignment]
    network: Literal["resnet50", "small"] = "resnet50"
    weights_loc: Location | None = None
    unfreeze_epochs: list[Annotated[StrictInt, Field(ge=1, le=10_000)]] = Field(default_factory=list, max_length=5)
    size: Annotated[StrictInt, Field(ge=32, le=1024)] = 224
    layers: Annotated[list[Annotated[StrictInt, Field(ge=1, le=8192)]], Field(min_length=1, max_length=8)] = Field(
        default_factory=lambda: list(HEAD_LAYERS)
    )
    dropouts: Annotated[list[Annotated[StrictFloat, Field(ge=0, lt=1)]], Field(max_length=8)] | None = None
    nbr_epochs: Annotated[StrictInt, Field(ge=1, le=10_000)] = 15
    batch_size: Annotated[StrictInt, Field(ge=2, le=4096)] = 32
    learning_rate: Annotated[StrictFloat, Field(gt=0, le=1)] = 1e-3
    optimizer: Literal["adamw", "adam", "sgd"] = "adamw"
    momentum: Annotated[StrictFloat, Field(ge=0, lt=1)] | None = None
    validation_share: PartialShare = 0.2
    threshold: PartialShare | Literal["per_label"] = 0.35
    seed: Seed = 0
    snapshots_loc: WritableFolder | None = None
    snapshot_epochs: Annotated[StrictInt, Field(ge=1, le=1000)] = 1
    metrics_loc: WritableLocation | None = None
    plot_loc: WritableLocation | None = None
    events_loc: WritableFolder | None = None

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        if self.momentum is not None and self.optimizer != "sgd":
            raise ValueError(f"momentum is of the optimizer sgd, and {self.optimizer} has none: leave it out")
        if self.network != "resnet50" and self.extractor is not None:
            raise ValueError("network is trained where there is no extractor: give one of them")
        if self.unfreeze_epochs and (self.weights_loc is None or self.extractor is not None):
            raise ValueError("unfreeze_epochs are of a network that starts from weights: leave them out")
        if self.snapshot_epochs != 1 and self.snapshots_loc is None:
            raise ValueError("snapshot_epochs are of snapshots: give snapshots_loc, too")
        return self

    @classmethod
    def example(cls) -> Self:
        return cls(
            table_loc=DataLocation("memory", "labels/sparse.parquet"),
            chips_loc=DataLocation("memory", "chips/33"),
            model_loc=DataLocation("memory", "model.safetensors"),
            extractor=example_extractor(),
        )


class MultilabelFigures(ReturnMessage):
    """Metrics of predicted labels, 0 to 1.

    Fields:
        sample_f1: mean over chips of the F1 of each; a chip without labels counts as 0, even where none is predicted.
        sample_f2: mean over chips of the F2 of each, which weighs recall higher.
        micro_f1: F1 over all predictions.
        macro_f1: mean of the F1 of each label.
        precision: precision by label.
        recall: recall by label.
        f1: F1 by label.
        support: number of chips that have each label, by label.
    """

    sample_f1: float
    sample_f2: float
    micro_f1: float
    macro_f1: float
    precision: dict[str, float]
    recall: dict[str, float]
    f1: dict[str, float]
    support: dict[str, int]

    @classmethod
    def example(cls) -> Self:
        by_label = {"building": 0.8, "water": 0.7}
        return cls(
            sample_f1=0.7,
            sample_f2=0.72,
            micro_f1=0.75,
            macro_f1=0.75,
            precision=by_label,
            recall=by_label,
            f1=by_label,
            support={"building": 60, "water": 8},
        )


class TrainMultilabelReturnMsg(ReturnMessage):
    """Metrics of the model on grid squares that it was not trained on.

    Fields:
        n_train: number of chips in the training set.
        n_validation: number of chips in the validation set.
        n_train_cells: number of grid squares of zoom 12 in the training set.
        n_validation_cells: number of grid squares of zoom 12 in the validation set.
        labels: the labels that the model predicts.
        thresholds: probability above which each label is given, by label.
        figures: metrics on the validation set.
        train_figures: metrics on the training set.
        threshold_figures: metrics on the validation set with one threshold for all labels: the one asked for, or 0.35.
        majority_sample_f1: sample F1 on the validation set of always giving the labels that most training chips have.
        epochs: number of epochs in all, those before a resumption included.
        resumed_from: epoch of the snapshot that the training was resumed from; 0: it started anew.
        missing: chips of the table without an image.
        unlearned: labels that no training chip has, which the model cannot predict, with the number of validation chips
            that have them; None: there are none.
        dataset: version of the chips and their table, a hash, which the model records; None: not known.
        n_overlapping: number of windows of a raster that are in neither set, because they share pixels with one that
            validates; None: there is none.
    """

    omitted_when_none: ClassVar[frozenset[str]] = frozenset({"unlearned", "dataset", "n_overlapping"})

    n_train: int
    n_validation: int
    n_train_cells: int
    n_validation_cells: int
    labels: list[str]
    thresholds: dict[str, float]
    figures: MultilabelFigures
    train_figures: MultilabelFigures
    threshold_figures: MultilabelFigures
    majority_sample_f1: float
    epochs: int
    resumed_from: int
    missing: list[str]
    unreadable: UnreadableChips
    runtime: Runtime
    unlearned: dict[str, int] | None = None
    dataset: str | None = None
    n_overlapping: int | None = None

    @classmethod
    def example(cls) -> Self:
        return cls(
            n_train=400,
            n_validation=100,
            n_train_cells=8,
            n_validation_cells=2,
            labels=["building", "water"],
            thresholds={"building": 0.35, "water": 0.35},
            figures=MultilabelFigures.example(),
            train_figures=MultilabelFigures.example(),
            threshold_figures=MultilabelFigures.example(),
            majority_sample_f1=0.5,
            epochs=15,
            resumed_from=0,
            missing=[],
            unreadable=[],
            runtime=60.0,
        )


class LabelChipsMsg(Message, Answered["LabelChipsReturnMsg"]):
    """Predict the labels of chips with a trained model.

    Fields:
        model_loc: a model of `train_multilabel`.
        table_locs: where the probabilities go, CSV or Parquet: Feature (the chip's name), and a column for each label.
        given_locs: where the same table goes with 0 and 1 in place of probabilities, by the model's thresholds.
        extractor: the extractor that the model was trained with; None: the model has a network of its own.
    """

    task: ClassVar[str] = "label_chips"

    chips_loc: ChipsLocation
    model_loc: Location
    table_locs: Annotated[list[WritableLocation], Field(min_length=1)]
    given_locs: list[WritableLocation] = Field(default_factory=list)
    extractor: OptionalExtractorField = None  # type: ignore[assignment]

    @classmethod
    def example(cls) -> Self:
        return cls(
            chips_loc=DataLocation("memory", "chips/33"),
            model_loc=DataLocation("memory", "model.safetensors"),
            table_locs=[DataLocation("memory", "labels/predicted.parquet")],
        )


class LabelChipsReturnMsg(ReturnMessage):
    """Number of chips with each label.

    Fields:
        n_chips: number of chips that were labelled.
        counts: number of chips that were given each label, by label.
    """

    n_chips: int
    counts: dict[str, int]
    unreadable: UnreadableChips
    runtime: Runtime

    @classmethod
    def example(cls) -> Self:
        return cls(n_chips=560, counts={"building": 300, "water": 40}, unreadable=[], runtime=10.0)
