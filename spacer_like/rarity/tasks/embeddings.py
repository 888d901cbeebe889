"""Tasks with networks: learn the metadata's rarity from an extractor's features, and score images by embeddings."""

from __future__ import annotations

import time
from dataclasses import replace
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np

from spacer_like.embeddings import extractor_encoder
from spacer_like.exceptions import CollectionError, MessageError
from spacer_like.extractors.base import check_size
from spacer_like.extras import package_versions
from spacer_like.images.stacks import ids_file, read_ids
from spacer_like.learning.split import Split, split_by_ratio
from spacer_like.message_base import IDS_NAME, ids_beside
from spacer_like.overwriting import task
from spacer_like.rarity.embedding import checked_embeddings, embedding_scores
from spacer_like.rarity.messages import (
    EmbeddingScoreMsg,
    EmbeddingScoreReturnMsg,
    PreparationMsg,
    TrainRarityClassifierMsg,
    TrainRarityClassifierReturnMsg,
    Unreadable,
)
from spacer_like.rarity.metadata import deciles_of, read_metadata, token_id
from spacer_like.rarity.ranking import spearman
from spacer_like.rarity.rarity_network import RARITY_NETWORK, RarityNetwork, train_head
from spacer_like.rarity.tasks.collections import open_collection
from spacer_like.storage import delete, read_bytes, write_bytes
from spacer_like.tables.array_file import from_npz, to_npz

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from spacer_like.extractors.base import FeatureExtractor
    from spacer_like.location import DataLocation


@task
def train_rarity_classifier(msg: TrainRarityClassifierMsg) -> TrainRarityClassifierReturnMsg:
    """Train a network that predicts the deciles of rarityScore, and evaluate it on tokens that it has not learnt from.

    The deciles are those of all images that have a rarityScore. The labels and embeddings that are stored are of every
    image, in the order of the tokens; the label -1 stands where there is no rarityScore.

    Raises:
        TrainingLabelsError: too few images have a rarityScore, or too few of these differ.
        CollectionError: there is no image.
        MessageError: the extractor takes squares of another size.
    """
    start = time.perf_counter()
    if msg.embeddings_loc is not None:
        _check_name(msg.embeddings_loc)
    metadata = read_metadata(read_bytes(msg.metadata_loc), msg.metadata_loc.display_name)
    # Extraction takes long: useless metadata are refused before it.
    deciles_of(metadata.rarity_scores)
    tokens, features, unreadable = _features(msg.extractor, msg.images_loc, msg)
    rarity_of = dict(zip(metadata.token_ids, metadata.rarity_scores.tolist(), strict=True))
    rarity = np.array([rarity_of.get(token, np.nan) for token in tokens], np.float64)
    deciles = deciles_of(rarity)
    labels = deciles.labels(rarity)
    split = split_by_ratio(np.flatnonzero(labels >= 0), msg.held_out_share, msg.seed)
    head, epochs = train_head(
        features[split.train], labels[split.train], deciles.n_classes, msg.layers, msg.nbr_epochs, msg.seed
    )
    network = RarityNetwork(head, deciles.edges, msg.extractor.extractor_id, _preparation(msg))
    embeddings = network.embeddings(features)
    metrics = _evaluation(head.outputs_of(embeddings), labels, rarity, split)
    network = replace(network, metrics=metrics, versions=package_versions("numpy"))
    if msg.labels_loc is not None:
        write_bytes(msg.labels_loc, to_npz(labels))
    if msg.embeddings_loc is not None:
        # Embeddings of before must not stand beside ids that belong to others.
        delete(msg.embeddings_loc)
        write_bytes(ids_beside(msg.embeddings_loc), ids_file(tokens))
        write_bytes(msg.embeddings_loc, to_npz(embeddings))
    # The network last: where it exists, the other files do too.
    write_bytes(msg.model_loc, RARITY_NETWORK.to_bytes(network))
    return TrainRarityClassifierReturnMsg(
        collection_id=msg.collection_id,
        n_train=len(split.train),
        n_held_out=len(split.validation),
        n_classes=deciles.n_classes,
        epochs=epochs,
        unreadable=unreadable,
        runtime=time.perf_counter() - start,
        n_without_rarity=int(np.isnan(rarity).sum()),
        n_without_image=len({token for token, score in rarity_of.items() if not np.isnan(score)}.difference(tokens)),
        **metrics,
    )


@task
def embedding_score(msg: EmbeddingScoreMsg) -> EmbeddingScoreReturnMsg:
    """Score images by embeddings that are given, that an extractor makes, or that a trained network makes of these.

    Raises:
        MessageError: not exactly one source of embeddings is named, or the extractor takes squares of another size.
        ExtractorMismatchError: the network was trained on other features, or on images prepared otherwise.
        ModelFileError, TableError: a malformed network, metadata or embeddings.
        CollectionError: there is no image, or the ids of the embeddings are malformed.
    """
    from spacer_like.rarity.comparison import rarity_correlations
    from spacer_like.rarity.score_table import token_rows
    from spacer_like.tables.writing import check_endings, write_tables

    start = time.perf_counter()
    check_endings(msg.scores_locs)
    metadata = None
    if msg.metadata_loc is not None:
        metadata = read_metadata(read_bytes(msg.metadata_loc), msg.metadata_loc.display_name)
    tokens, embeddings, unreadable = _embeddings(msg)
    rows = token_rows(tokens, metadata)
    table = rows.table(msg.collection_id, embedding_scores(embeddings, msg.method, msg.n_cells, msg.seed))
    write_tables([(table.columns, loc) for loc in msg.scores_locs])
    return EmbeddingScoreReturnMsg(
        collection_id=msg.collection_id,
        n_images=len(tokens),
        n_tokens=len(table),
        n_not_scored=int(np.isnan(table.scores).sum()),
        correlations=None if metadata is None else rarity_correlations(table),
        unreadable=unreadable,
        left_out=rows.dropped,
        runtime=time.perf_counter() - start,
    )


def _embeddings(msg: EmbeddingScoreMsg) -> tuple[list[str], NDArray[np.floating], list[Unreadable]]:
    """Tokens [n], embeddings [n, m], and the files that are no images."""
    if msg.embeddings_loc is not None:
        for field in ("images_loc", "extractor", "model_loc"):
            if getattr(msg, field) is not None:
                raise MessageError(f"embedding_score takes embeddings_loc or {field}, and the message has both.")
        return *_given_embeddings(msg.embeddings_loc), []
    if msg.images_loc is None or msg.extractor is None:
        raise MessageError("embedding_score needs embeddings_loc, or else images_loc and extractor.")
    if msg.model_loc is None:
        return _features(msg.extractor, msg.images_loc, msg)
    network = RARITY_NETWORK.from_bytes(read_bytes(msg.model_loc), msg.model_loc.display_name)
    network.check_features(msg.extractor.extractor_id, _preparation(msg), msg.model_loc.display_name)
    tokens, features, unreadable = _features(msg.extractor, msg.images_loc, msg)
    return tokens, network.embeddings(features), unreadable


def _given_embeddings(loc: DataLocation) -> tuple[list[str], NDArray[np.floating]]:
    _check_name(loc)
    embeddings = checked_embeddings(from_npz(read_bytes(loc), loc.display_name), loc.display_name)
    ids_loc = ids_beside(loc)
    return read_ids(BytesIO(read_bytes(ids_loc)), ids_loc.display_name, len(embeddings), token_id, "token"), embeddings


def _features(
    extractor: FeatureExtractor, images_loc: DataLocation, preparation: PreparationMsg
) -> tuple[list[str], NDArray[np.float32], list[Unreadable]]:
    """Tokens [n] of the images that can be decoded, their features float32 [n, m], and the other files."""
    check_size(extractor, preparation.size)
    with open_collection(images_loc, preparation) as collection:
        tokens, features = extractor_encoder(extractor).features_of_all(collection.batches())
        if not tokens:
            raise CollectionError(collection.reason_for_nothing())
        return tokens, features, collection.unreadable


def _evaluation(
    probabilities: NDArray[np.float64], labels: NDArray[np.int64], rarity: NDArray[np.float64], split: Split
) -> dict[str, Any]:
    """The metrics of `TrainRarityClassifierReturnMsg`.

    The majority is that of the held-out tokens: no constant answer is right more often. Deciles are of nearly equal
    number, so that the majority among the others is by its nature a minority here.
    """
    given = probabilities.argmax(axis=1)
    right = given == labels
    held_out = split.validation
    expected = probabilities @ np.arange(probabilities.shape[1])
    return {
        "accuracy": float(right[held_out].mean()),
        "train_accuracy": float(right[split.train].mean()),
        "majority_accuracy": float(np.bincount(labels[held_out]).max() / len(held_out)),
        "mean_absolute_error": float(np.abs(given - labels)[held_out].mean()),
        "spearman": spearman(expected[held_out], rarity[held_out]),
    }


def _preparation(msg: PreparationMsg) -> dict[str, Any]:
    return {"size": msg.size, "resample": msg.resample, "background": msg.background}


def _check_name(embeddings_loc: DataLocation) -> None:
    if embeddings_loc.filename == IDS_NAME:
        raise MessageError(f"The embeddings '{embeddings_loc.display_name}' must not be called as their ids are.")
