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
    Runtime,
    Seed,
    WritableLocation,
    ids_beside,
)
from spacer_like.rarity.messages.preparation import (
    AnsweredId,
    CollectionId,
    ImagesLocation,
    LeftOut,
    MetadataOfRows,
    PreparationMsg,
    Unreadables,
)
from spacer_like.rarity.messages.scoring import Correlations

EmbeddingMethod = Literal["mean_activation", "kmeans_log", "kmeans_surprisal"]

HEAD_LAYERS = (1024, 512, 256, 128)


class TrainRarityClassifierMsg(PreparationMsg, Answered["TrainRarityClassifierReturnMsg"]):
    """Train a small dense network on a frozen extractor's features to predict the decile of the metadata's rarityScore.

    Fields:
        metadata_loc: the collection's metadata, CSV without a header: id, rarityScore, rarityRank, url.
        extractor: the extractor that turns images into features.
        model_loc: where the network goes, safetensors.
        layers: units of the network's hidden layers, one number a layer.
        nbr_epochs: maximum number of passes over the training set.
        held_out_share: share of the tokens that are kept out of training to evaluate, between 0 and 1.
        seed: seed of the split, the initial weights and the order of images.
        labels_loc: where the deciles go, ``.npz`` with arr_0 int [n], -1 for a token without rarityScore; None:
            nowhere.
        embeddings_loc: where the outputs of the last hidden layer for every image go, ``.npz`` with arr_0 float32 [n,
            m], with the ids in ``ids.npz`` beside it; None: nowhere.
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
    """How well the deciles are predicted on tokens that were kept out of training.

    Fields:
        n_train: number of tokens in the training set.
        n_held_out: number of tokens kept out of training.
        n_classes: number of deciles that differ.
        accuracy: accuracy on the tokens kept out, 0 to 1.
        train_accuracy: accuracy on the training set, 0 to 1.
        majority_accuracy: accuracy on the tokens kept out of always predicting the most frequent decile, 0 to 1.
        mean_absolute_error: mean difference of the predicted and the true decile on the tokens kept out, in deciles.
        spearman: Spearman correlation of the expected decile and rarityScore on the tokens kept out; None: either is
            constant.
        epochs: number of passes over the training set.
        n_without_rarity: number of images without a rarityScore, which are not trained on; None: unknown, in a return
            message of an older version.
        n_without_image: number of tokens of the metadata that have a rarityScore and no image; None: unknown, in a
            return message of an older version.
    """

    omitted_when_none: ClassVar[frozenset[str]] = frozenset({"n_without_rarity", "n_without_image"})

    collection_id: AnsweredId
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
    runtime: Runtime
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
        scores_locs: where the score tables go, CSV or Parquet, by extension.
        images_loc: the images, as a folder, zip archive or stack; None: `embeddings_loc` is given.
        extractor: the extractor whose features are the embedding, or that the model was trained with; None:
            `embeddings_loc` is given.
        model_loc: a network of `train_rarity_classifier`, whose last hidden layer gives the embedding; None: the
            extractor's features are the embedding.
        embeddings_loc: the embedding, ``.npz`` with arr_0 float [n, m], with the ids in ``ids.npz`` beside it; None: it
            is made of `images_loc`.
        method: the score. ``mean_activation``: mean of the embedding's numbers, scaled over the collection to 0 to 10;
            ``kmeans_log``, ``kmeans_surprisal``: from the share of images in the same k-means cluster.
        n_cells: number of k-means clusters.
        seed: seed of k-means.
    """

    task: ClassVar[str] = "embedding_score"

    collection_id: CollectionId
    scores_locs: Annotated[list[WritableLocation], Field(min_length=1)]
    images_loc: ImagesLocation | None = None
    extractor: OptionalExtractorField = None  # type: ignore[assignment]
    model_loc: Location | None = None
    embeddings_loc: Location | None = None
    metadata_loc: MetadataOfRows = None
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
    """Number of images that were scored.

    Fields:
        n_images: number of images with an embedding.
        n_tokens: number of rows in the table.
        n_not_scored: number of rows without a score.
        correlations: correlations with the metadata's rarity; None: there is no metadata.
    """

    collection_id: AnsweredId
    n_images: int
    n_tokens: int
    n_not_scored: int
    correlations: Correlations | None
    unreadable: Unreadables
    runtime: Runtime
    left_out: LeftOut = Field(default_factory=list)

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
