"""Messages of the tasks that train a rarity network, and that score by embeddings."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, StrictFloat, StrictInt
from typing_extensions import Self

from spacer_like.location import DataLocation
from spacer_like.message_base import (
    Answered,
    ExtractorField,
    Location,
    OptionalExtractorField,
    ReturnMessage,
    WritableLocation,
)
from spacer_like.rarity.messages.fields import CollectionId, ImagesLocation, Seed, ids_beside
from spacer_like.rarity.messages.preparation import PreparationMsg, Unreadables
from spacer_like.rarity.messages.scoring import Correlations

EmbeddingMethod = Literal["mean_activation", "kmeans_log", "kmeans_surprisal"]

HEAD_LAYERS = (1024, 512, 256, 128)


class TrainRarityClassifierMsg(PreparationMsg, Answered["TrainRarityClassifierReturnMsg"]):
    """Train a small dense network on a frozen extractor's features to tell the deciles of the metadata's rarityScore.

    Fields:
        extractor: turns images into features.
        model_loc: the network, safetensors.
        layers: units of its hidden layers.
        nbr_epochs: passes over the training set at most.
        held_out_share: the share of tokens that only evaluate.
        labels_loc: the deciles, ``.npz`` with arr_0 int [n]; embeddings_loc: ``.npz`` with arr_0 float32 [n, m], what
            the last hidden layer makes of every image; None: nowhere.
    """

    task: ClassVar[str] = "train_rarity_classifier"

    collection_id: CollectionId
    images_loc: ImagesLocation
    metadata_loc: Location
    extractor: ExtractorField
    model_loc: WritableLocation
    layers: Annotated[list[Annotated[StrictInt, Field(ge=1, le=4096)]], Field(min_length=1, max_length=8)] = Field(
        default_factory=lambda: list(HEAD_LAYERS)
    )
    nbr_epochs: Annotated[StrictInt, Field(ge=1, le=10_000)] = 27
    held_out_share: Annotated[StrictFloat, Field(gt=0, lt=1)] = 0.2
    seed: Seed = 0
    labels_loc: WritableLocation | None = None
    embeddings_loc: WritableLocation | None = None

    def implied_outputs(self) -> dict[str, DataLocation]:
        return {} if self.embeddings_loc is None else {"the ids of embeddings_loc": ids_beside(self.embeddings_loc)}

    @classmethod
    def example(cls) -> Self:
        return cls(
            collection_id="punks",
            images_loc=DataLocation("memory", "punks/resized/"),
            metadata_loc=DataLocation("memory", "punks/metadata/metadata.csv"),
            extractor=_example_extractor(),
            model_loc=DataLocation("memory", "punks/rarity.safetensors"),
        )


class TrainRarityClassifierReturnMsg(ReturnMessage):
    """How well the deciles are told, on tokens that were not learnt from.

    Fields:
        n_train, n_held_out: tokens; n_classes: deciles that differ.
        accuracy: on the held-out tokens; train_accuracy: on the others.
        majority_accuracy: of always saying the most frequent decile, on the held-out tokens.
        mean_absolute_error: deciles that the answer is off, on the held-out tokens.
        spearman: of the expected decile and rarityScore there; None where either is constant.
        n_without_rarity: images without a rarityScore, which nothing is learnt from; n_without_image: tokens of the
            metadata that have a rarityScore and no image.
    """

    omitted_when_none: ClassVar[frozenset[str]] = frozenset({"n_without_rarity", "n_without_image"})

    collection_id: str
    n_train: int
    n_held_out: int
    n_classes: int
    accuracy: float
    train_accuracy: float
    majority_accuracy: float
    mean_absolute_error: float
    spearman: float | None
    epochs: int
    unreadable: Unreadables
    runtime: float
    n_without_rarity: int | None = None
    n_without_image: int | None = None

    @classmethod
    def example(cls) -> Self:
        return cls(
            collection_id="punks",
            n_train=80,
            n_held_out=20,
            n_classes=10,
            accuracy=0.3,
            train_accuracy=0.5,
            majority_accuracy=0.1,
            mean_absolute_error=1.9,
            spearman=0.4,
            epochs=27,
            unreadable=[],
            runtime=1.1,
        )


class EmbeddingScoreMsg(PreparationMsg, Answered["EmbeddingScoreReturnMsg"]):
    """Score images by an embedding: of a trained rarity network, of an extractor, or given as an array.

    Fields:
        images_loc: the images; None where `embeddings_loc` is given.
        extractor, model_loc: the embedding is the extractor's, or with a model that of its last hidden layer.
        embeddings_loc: ``.npz`` with arr_0 float [n, m]; its ids beside it in ``ids.npz``.
        method: ``mean_activation``: the mean over the numbers, scaled to 0 to 10 as the original; ``kmeans_log`` and
            ``kmeans_surprisal``: by the share of images in the same of `n_cells` k-means cells.
        scores_locs, metadata_loc: as in `ScoreCollectionMsg`.
    """

    task: ClassVar[str] = "embedding_score"

    collection_id: CollectionId
    scores_locs: Annotated[list[WritableLocation], Field(min_length=1)]
    images_loc: ImagesLocation | None = None
    extractor: OptionalExtractorField = None  # type: ignore[assignment]
    model_loc: Location | None = None
    embeddings_loc: Location | None = None
    metadata_loc: Location | None = None
    method: EmbeddingMethod = "mean_activation"
    n_cells: Annotated[StrictInt, Field(ge=1, le=100_000)] = 1000
    seed: Seed = 0

    def implied_inputs(self) -> dict[str, DataLocation]:
        if self.embeddings_loc is None:
            return super().implied_inputs()
        return {"the ids of embeddings_loc": ids_beside(self.embeddings_loc)}

    @classmethod
    def example(cls) -> Self:
        return cls(
            collection_id="punks",
            scores_locs=[DataLocation("memory", "punks/pixelscore.csv")],
            embeddings_loc=DataLocation("memory", "punks/numpy/dnn_layers.npz"),
        )


class EmbeddingScoreReturnMsg(ReturnMessage):
    """As `ScoreCollectionReturnMsg`, of one method."""

    collection_id: str
    n_images: int
    n_tokens: int
    n_not_scored: int
    correlations: Correlations | None
    unreadable: Unreadables
    runtime: float
    left_out: list[str] = Field(default_factory=list)

    @classmethod
    def example(cls) -> Self:
        return cls(
            collection_id="punks",
            n_images=3,
            n_tokens=3,
            n_not_scored=0,
            correlations=Correlations.example(),
            unreadable=[],
            runtime=0.1,
        )


def _example_extractor() -> dict[str, Any]:
    return {"class_path": "spacer_like.extractors.efficientnet_lite.EfficientNetLite0Extractor"}
