"""Messages about models of many labels, vectors of chips and the search among them."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, StrictBool, StrictFloat, StrictInt, StrictStr
from typing_extensions import Self

from spacer_like.chips.messages.fields import ChipsLocation, TreeLocation, example_extractor
from spacer_like.chips.messages.tiles import UnreadableChip
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


class TrainMultilabelMsg(Message, Answered["TrainMultilabelReturnMsg"]):
    """Train a model that predicts the labels of a chip.

    Chips of one grid square of zoom 12 are all in the training set or all in the validation set: neighbours look alike,
    and a chip beside one that was learned from would be too easy.

    Fields:
        table_loc: a table of 0 and 1 of `build_label_table`.
        model_loc: where the model goes, safetensors.
        extractor: a frozen extractor, on whose features of the chips a head is trained; None: `network` is trained as a
            whole.
        network: the network to train where there is no extractor: ``resnet50``, or ``small``, a small one of the same
            kind.
        weights_loc: a state dict that the network starts from; None: random weights.
        unfreeze_epochs: epochs at which one more stage of a network that started from weights is trained too; before
            the first only the head is. Ignored without weights, where everything is trained from the start.
        size: width and height in pixels of the chips that the network sees.
        layers: units of the head's hidden layers, one number a layer.
        dropouts: dropout rates of the hidden layers, 0 to 1; None: 0.5 after the last layer, 0.2 after the others.
        nbr_epochs: number of passes over the training set.
        batch_size: number of chips in a training step.
        learning_rate: initial learning rate of AdamW; it falls along a cosine to a hundredth.
        validation_share: share of the chips, about, in the validation set, 0 to 1; whole grid squares are drawn by
            `seed`.
        threshold: probability above which a label is given, 0 to 1; ``per_label``: for each label the one with the best
            F1 on the validation set, which makes its metrics there too good (`threshold_figures` has those of the
            default).
        seed: seed of the split, the initial weights and the order of chips.
        snapshots_loc: a folder for snapshots; a training that was interrupted is resumed from the newest. None: no
            snapshots.
        snapshot_epochs: number of epochs from one snapshot to the next.
        metrics_loc: where the metrics of every epoch go, JSON; None: nowhere.
        plot_loc: where a picture of the metrics of every epoch goes; None: not drawn.
    """

    task: ClassVar[str] = "train_multilabel"

    table_loc: Location
    chips_loc: ChipsLocation
    model_loc: WritableLocation
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
    validation_share: PartialShare = 0.2
    threshold: PartialShare | Literal["per_label"] = 0.35
    seed: Seed = 0
    snapshots_loc: WritableFolder | None = None
    snapshot_epochs: Annotated[StrictInt, Field(ge=1, le=1000)] = 1
    metrics_loc: WritableLocation | None = None
    plot_loc: WritableLocation | None = None

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
        unreadable: chips that could not be read, with the reasons.
        unlearned: labels that no training chip has, which the model cannot predict, with the number of validation chips
            that have them; None: there are none.
    """

    omitted_when_none: ClassVar[frozenset[str]] = frozenset({"unlearned"})

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
    unreadable: list[UnreadableChip]
    runtime: Runtime
    unlearned: dict[str, int] | None = None

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
        unreadable: chips that could not be read, with the reasons.
    """

    n_chips: int
    counts: dict[str, int]
    unreadable: list[UnreadableChip]
    runtime: Runtime

    @classmethod
    def example(cls) -> Self:
        return cls(n_chips=560, counts={"building": 300, "water": 40}, unreadable=[], runtime=10.0)


class EncodeChipsMsg(Message, Answered["EncodeChipsReturnMsg"]):
    """Encode every chip as a vector of length one; vectors of chips that look alike are near each other.

    Fields:
        embeddings_loc: where the vectors (float16) and the chips' names go, safetensors.
        extractor: the extractor whose features the vectors are; with `model_loc`, the one that the model was trained
            with; None: the model has a network of its own.
        model_loc: a model of `train_multilabel`, whose last hidden layer gives the vectors; None: the extractor's
            features are the vectors.
    """

    task: ClassVar[str] = "encode_chips"

    chips_loc: ChipsLocation
    embeddings_loc: WritableLocation
    extractor: OptionalExtractorField = None  # type: ignore[assignment]
    model_loc: Location | None = None

    @classmethod
    def example(cls) -> Self:
        return cls(
            chips_loc=DataLocation("memory", "chips/33"),
            embeddings_loc=DataLocation("memory", "embeddings.safetensors"),
            extractor=example_extractor(),
        )


class EncodeChipsReturnMsg(ReturnMessage):
    """Size of the file of vectors.

    Fields:
        n_chips: number of chips that were encoded.
        dimension: numbers in a vector.
        encoder_id: identifies what made the vectors; only vectors of the same encoder can be compared.
        unreadable: chips that could not be read, with the reasons.
    """

    n_chips: int
    dimension: int
    encoder_id: str
    unreadable: list[UnreadableChip]
    runtime: Runtime

    @classmethod
    def example(cls) -> Self:
        return cls(n_chips=560, dimension=512, encoder_id="0" * 40, unreadable=[], runtime=20.0)


class BuildIndexMsg(Message, Answered["BuildIndexReturnMsg"]):
    """Build one index of the vectors of any number of files.

    Fields:
        embeddings_locs: files of `encode_chips`, all of the same encoder.
        index_loc: where the index goes, safetensors.
        kind: ``exact``: every vector is compared with the query; ``ivf``: only those in the `n_probe` lists nearest to
            it, of `n_lists` into which k-means sorts all; for millions of vectors, and needs the extra ``search``.
        n_lists: number of lists of an ``ivf`` index; None: about four times the square root of the number of vectors.
        seed: seed of k-means, for an ``ivf`` index.
    """

    task: ClassVar[str] = "build_index"

    embeddings_locs: Annotated[list[Location], Field(min_length=1)]
    index_loc: WritableLocation
    kind: Literal["exact", "ivf"] = "exact"
    n_lists: Annotated[StrictInt, Field(ge=1, le=2**20)] | None = None
    seed: Seed = 0

    @classmethod
    def example(cls) -> Self:
        return cls(
            embeddings_locs=[DataLocation("memory", "embeddings.safetensors")],
            index_loc=DataLocation("memory", "index.safetensors"),
        )


class BuildIndexReturnMsg(ReturnMessage):
    """Size of the index.

    Fields:
        n_chips: number of vectors in the index.
        dimension: numbers in a vector.
        kind: ``exact`` or ``ivf``, as in the request.
        n_lists: number of lists of an ``ivf`` index; None: the index is exact.
    """

    n_chips: int
    dimension: int
    kind: Literal["exact", "ivf"]
    n_lists: int | None
    runtime: Runtime

    @classmethod
    def example(cls) -> Self:
        return cls(n_chips=560, dimension=512, kind="exact", n_lists=None, runtime=0.1)


class FindSimilarMsg(Message, Answered["FindSimilarReturnMsg"]):
    """Find the chips that look most like a chip of the index, or like an image.

    Fields:
        index_loc: an index of `build_index`.
        chip: name of a chip of the index to look for; None: `image_loc` is given.
        image_loc: an image to look for, encoded by the extractor or model that the index was made with; None: `chip` is
            given.
        extractor: the extractor that the index was made with, for `image_loc`; None: none was used, or a chip is looked
            for.
        model_loc: the model that the index was made with, for `image_loc`; None: none was used, or a chip is looked
            for.
        k: how many chips are wanted.
        n_probe: number of lists that are searched in an ``ivf`` index.
        other_places: whether chips that show the same location as the query, at another time, are left out.
        ard_loc: the root of the tree in which the tile of each chip is looked up; None: `tile` is a path within such a
            tree.
        chips_loc: where the pictures of the chips are, for `contact_sheet_loc`: a folder of chips or a manifest; None:
            no contact sheet.
        contact_sheet_loc: where a picture of the chips goes, the query first; None: not drawn.
        results_locs: where the result goes as a table, CSV or Parquet.
    """

    task: ClassVar[str] = "find_similar"

    index_loc: Location
    chip: StrictStr | None = None
    image_loc: Location | None = None
    extractor: OptionalExtractorField = None  # type: ignore[assignment]
    model_loc: Location | None = None
    k: Annotated[StrictInt, Field(ge=1, le=10_000)] = 10
    n_probe: Annotated[StrictInt, Field(ge=1, le=2**20)] = 16
    other_places: StrictBool = True
    ard_loc: TreeLocation | None = None
    chips_loc: ChipsLocation | None = None
    contact_sheet_loc: WritableLocation | None = None
    results_locs: list[WritableLocation] = Field(default_factory=list)

    @classmethod
    def example(cls) -> Self:
        return cls(
            index_loc=DataLocation("memory", "index.safetensors"), chip="Z33-03111121232201230_1050410012C31100.jpg"
        )


class SimilarChip(ReturnMessage):
    """A chip that was found.

    Fields:
        chip: the chip's name.
        distance: Euclidean distance of the vectors, whose length is one: 0 equal, 2 opposite.
        tile: URI of the chip's tile; without `ard_loc` its path ``<zone>/<quadkey>/*/<acquisition>-visual.tif``; None:
            no tile is known.
        longitude: longitude of the chip's centre in degrees of WGS84; None: the chip's name gives no coordinates.
        latitude: latitude of the chip's centre in degrees of WGS84; None: the chip's name gives no coordinates.
    """

    chip: str
    distance: float
    tile: str | None
    longitude: float | None
    latitude: float | None


class FindSimilarReturnMsg(ReturnMessage):
    """The chips that were found.

    Fields:
        similar: the chips, the nearest first.
    """

    similar: list[SimilarChip]
    runtime: Runtime

    @classmethod
    def example(cls) -> Self:
        found = SimilarChip(
            chip="Z33-03111121232201231_1050410012C31100.jpg",
            distance=0.3,
            tile="33/031111212322/*/1050410012C31100-visual.tif",
            longitude=12.28,
            latitude=44.08,
        )
        return cls(similar=[found], runtime=0.1)
