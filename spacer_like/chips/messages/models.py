"""Messages about models of many labels.

``chips_loc`` is one of these: a folder of chips; a manifest (``.parquet``) of chips that were written, or that are
still in their tile; a folder of such manifests.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, StrictBool, StrictFloat, StrictInt, StrictStr
from typing_extensions import Self

from spacer_like.chips.messages.fields import ChipsLocation, Seed, Share, TreeLocation, example_extractor
from spacer_like.chips.messages.tiles import UnreadableChip
from spacer_like.location import DataLocation
from spacer_like.message_base import (
    Answered,
    Location,
    Message,
    OptionalExtractorField,
    ReturnMessage,
    WritableFolder,
    WritableLocation,
)

HEAD_LAYERS = (1024, 512)


class TrainMultilabelMsg(Message, Answered["TrainMultilabelReturnMsg"]):
    """Train a model that says which labels a chip bears.

    Chips of one cell of zoom 12 are never in both sets: neighbours look alike, and one would be told by the other.

    Fields:
        table_loc: a sparse table of `build_label_table`.
        chips_loc: the chips.
        model_loc: the model, safetensors.
        extractor: a frozen extractor that makes features of chips, on which the head is trained; None: `network`.
        network: ``resnet50`` or ``small``, a small one of the same kind, trained as a whole.
        weights_loc: a state dict that the network begins with; None: random weights.
        unfreeze_epochs: epochs at which one more stage of a network that began with weights learns too; before the
            first only the head does. Ignored without weights, where everything learns from the start.
        size: width and height in pixels that chips have for the network.
        layers: units of the head's hidden layers; dropouts: the shares of units left out after the first ones; None: .5
            after the last, .2 after the others.
        learning_rate: of AdamW, which falls along a cosine to a hundredth.
        validation_share: the share of chips, about, that only validate; their cells are drawn by `seed`.
        threshold: the probability above which a label is given; ``per_label``: for each label the one that is best for
            its F1 on the validation set, which makes its figures there too good; `threshold_figures` says what the
            fixed one gives.
        snapshots_loc: a folder for a snapshot every `snapshot_epochs`, from which a training that was broken off goes
            on; None: none.
        metrics_loc: JSON with the figures of every epoch; plot_loc: a picture of them.
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
    validation_share: Share = 0.2
    threshold: Share | Literal["per_label"] = 0.35
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
    """How good answers are.

    Fields:
        sample_f1: the mean over chips of each one's F1; a chip with no label, to which none is given, counts as 0.
        sample_f2: the same of F2, which weighs recall higher; micro_f1, macro_f1: over all answers, over labels.
        precision, recall, f1, support: by label; support is the number of chips that bear it.
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
    """How good the model is on cells that it has not learnt from.

    Fields:
        n_train, n_validation: chips; n_train_cells, n_validation_cells: cells of zoom 12.
        thresholds: the probability above which each label is given.
        figures: on the validation set; train_figures: on the other.
        threshold_figures: on the validation set with the fixed threshold .35, or the one that was asked for.
        majority_sample_f1: of always giving those labels that most training chips bear, on the validation set.
        epochs: that were run in all; resumed_from: the epoch after which a snapshot was taken up, or 0.
        missing: chips of the table of which there is no image.
        unlearned: labels that no chip of the training set bears, and that the model cannot know, with the number of
            validation chips that bear them; None: there are none.
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
    runtime: float
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
    """Let a trained model say which labels chips bear.

    Fields:
        extractor: the one that the model was trained with; None for a model with a network of its own.
        table_locs: a row a chip: Feature, and a column a label with its probability.
        given_locs: the same with 0 and 1, by the model's thresholds.
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
    """How many chips were given each label."""

    n_chips: int
    counts: dict[str, int]
    unreadable: list[UnreadableChip]
    runtime: float

    @classmethod
    def example(cls) -> Self:
        return cls(n_chips=560, counts={"building": 300, "water": 40}, unreadable=[], runtime=10.0)


class EncodeChipsMsg(Message, Answered["EncodeChipsReturnMsg"]):
    """Make a vector of length one of every chip: those of chips that look alike are near each other.

    Fields:
        extractor: whose features the vectors are; with `model_loc` the extractor that the model was trained with.
        model_loc: the vectors are what the model's last hidden layer makes of the chips.
        embeddings_loc: float16 vectors and the chips' names, safetensors.
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
    """`encoder_id` says what made the vectors: only those of the same are comparable."""

    n_chips: int
    dimension: int
    encoder_id: str
    unreadable: list[UnreadableChip]
    runtime: float

    @classmethod
    def example(cls) -> Self:
        return cls(n_chips=560, dimension=512, encoder_id="0" * 40, unreadable=[], runtime=20.0)


class BuildIndexMsg(Message, Answered["BuildIndexReturnMsg"]):
    """Make one index of the vectors of any number of files.

    Fields:
        kind: ``exact``: every vector is compared; ``ivf``: only those in the `n_probe` lists nearest to the query, of
            `n_lists` into which k-means sorts all; needs the extra ``search``.
        n_lists: None: about four times the root of the number of vectors.
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
    n_chips: int
    dimension: int
    kind: Literal["exact", "ivf"]
    n_lists: int | None
    runtime: float

    @classmethod
    def example(cls) -> Self:
        return cls(n_chips=560, dimension=512, kind="exact", n_lists=None, runtime=0.1)


class FindSimilarMsg(Message, Answered["FindSimilarReturnMsg"]):
    """Find the chips that look most like one.

    Fields:
        index_loc: of `build_index`.
        chip: the name of a chip of the index, or None where `image_loc` is given.
        image_loc: an image that is encoded first; with the extractor, and the model, that the index was made with.
        k: how many are wanted.
        n_probe: lists that an ``ivf`` index looks into.
        other_places: leave out chips that show the same place as the query at another time.
        ard_loc: the tree of tiles, where the tile of each chip is looked up; None: its path in a tree is told.
        chips_loc: where pictures of the chips are; contact_sheet_loc: a picture of them, the query first.
        results_locs: the answer as a table, CSV or Parquet.
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
        distance: Euclidean, of vectors of length one: 0 the same, 2 opposite.
        tile: the URI of its tile, or without `ard_loc` its path ``<zone>/<quadkey>/*/<acquisition>-visual.tif``.
        longitude, latitude: of its centre in degrees of WGS84; None for a name that says no place.
    """

    chip: str
    distance: float
    tile: str | None
    longitude: float | None
    latitude: float | None


class FindSimilarReturnMsg(ReturnMessage):
    """The nearest first."""

    similar: list[SimilarChip]
    runtime: float

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
