"""The tasks with networks, from storage to storage: a real extractor on real images."""

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from spacer_like.data_classes import DataLocation
from spacer_like.examples import EMOJI
from spacer_like.exceptions import (
    CollectionError,
    DataNotFoundError,
    ExtractorMismatchError,
    MessageError,
    ModelFileError,
    TableError,
    TrainingLabelsError,
)
from spacer_like.extractors import DummyExtractor, EfficientNetLite0Extractor
from spacer_like.extractors.base import FeatureExtractor
from spacer_like.images.stacks import ids_file
from spacer_like.rarity.messages import EmbeddingScoreMsg, TrainRarityClassifierMsg
from spacer_like.rarity.table_files import read_table
from spacer_like.rarity.tasks.embeddings import embedding_score, train_rarity_classifier
from spacer_like.registry import register
from spacer_like.storage import exists, read_bytes, write_bytes
from spacer_like.tables.array_file import from_npz, to_npz


@register
class MeanColours(FeatureExtractor):
    """The mean of each channel over each quarter of the image, which takes no time."""

    CROP_SIZE = 8

    @property
    def feature_dim(self) -> int:
        return 12

    def patches_to_features(self, patch_list):
        quarters = np.asarray(patch_list).reshape(-1, 2, 4, 2, 4, 3).mean(axis=(2, 4))
        return quarters.reshape(len(quarters), -1), False


@register
class MeanGreys(MeanColours):
    """Other features of the same length."""


def at(key: str) -> DataLocation:
    return DataLocation("memory", key)


def png(pixels: np.ndarray) -> bytes:
    sink = io.BytesIO()
    Image.fromarray(pixels).save(sink, "PNG")
    return sink.getvalue()


def put_collection(count: int = 150) -> np.ndarray:
    """Squares of one colour, and metadata whose rarityScore is their red; returns those scores."""
    colours = np.random.default_rng(4).integers(0, 256, (count, 1, 1, 3), dtype=np.uint8)
    for token, colour in enumerate(colours):
        write_bytes(at(f"c/images/{token}"), png(np.tile(colour, (8, 8, 1))))
    red = colours[:, 0, 0, 0].astype(float)
    write_bytes(at("c/metadata.csv"), "".join(f"{token},{score},,\n" for token, score in enumerate(red)).encode())
    return red


def training(**fields) -> TrainRarityClassifierMsg:
    given = {
        "collection_id": "c",
        "images_loc": at("c/images/"),
        "metadata_loc": at("c/metadata.csv"),
        "extractor": MeanColours(),
        "model_loc": at("c/rarity.safetensors"),
        "size": 8,
        "layers": [32, 16],
        "nbr_epochs": 60,
    }
    return TrainRarityClassifierMsg(**given | fields)


def scoring(**fields) -> EmbeddingScoreMsg:
    given = {"collection_id": "c", "scores_locs": [at("c/scores.csv")], "size": 8}
    return EmbeddingScoreMsg(**given | fields)


def made(**fields) -> EmbeddingScoreMsg:
    return scoring(images_loc=at("c/images/"), extractor=MeanColours(), **fields)


def scores_at(key: str):
    return read_table(read_bytes(at(key)), key, key.endswith(".parquet"))


def put_embeddings(array, ids, folder="c/numpy/"):
    write_bytes(at(f"{folder}dnn_layers.npz"), array if isinstance(array, bytes) else to_npz(np.asarray(array)))
    write_bytes(at(f"{folder}ids.npz"), ids if isinstance(ids, bytes) else ids_file(ids))
    return at(f"{folder}dnn_layers.npz")


# Training.


def test_what_can_be_learnt_is_told_of_tokens_that_were_held_out():
    put_collection()
    answer = train_rarity_classifier(training())
    assert (answer.n_train, answer.n_held_out, answer.n_classes) == (120, 30, 10)
    assert answer.accuracy > 2 * answer.majority_accuracy >= 0.2
    assert answer.mean_absolute_error < 1.5
    assert answer.spearman > 0.9
    assert answer.unreadable == []


def test_what_cannot_be_learnt_is_not_told():
    put_collection()
    noise = np.random.default_rng(9).random(150)
    write_bytes(at("c/metadata.csv"), "".join(f"{token},{score}\n" for token, score in enumerate(noise)).encode())
    answer = train_rarity_classifier(training())
    assert answer.accuracy < 0.3
    assert abs(answer.spearman) < 0.5


def test_the_same_message_gives_the_same_bytes_and_another_seed_others():
    put_collection(60)
    places = {"labels_loc": at("l.npz"), "embeddings_loc": at("e/e.npz")}
    written = []
    for seed in (5, 5, 6):
        train_rarity_classifier(training(seed=seed, nbr_epochs=3, **places))
        written.append([read_bytes(at(key)) for key in ("c/rarity.safetensors", "l.npz", "e/e.npz", "e/ids.npz")])
    assert written[0] == written[1]
    assert written[0][0] != written[2][0]


def test_labels_and_embeddings_are_of_every_image_in_the_order_of_the_tokens():
    red = put_collection(40)
    write_bytes(
        at("c/metadata.csv"), "".join(f"{token},{red[token]}\n" for token in range(36)).encode() + b"36,undefined"
    )
    write_bytes(at("c/images/7"), b"no image")
    answer = train_rarity_classifier(
        training(nbr_epochs=2, layers=[6, 5], labels_loc=at("l.npz"), embeddings_loc=at("e/e.npz"))
    )
    assert answer.n_train + answer.n_held_out == 35
    # Token 36 has no number, and 37 to 39 no row; the image of 7 cannot be decoded.
    assert (answer.n_without_rarity, answer.n_without_image) == (4, 1)
    assert [one.name for one in answer.unreadable] == ["7"]
    labels = from_npz(read_bytes(at("l.npz")), "l")
    embeddings = from_npz(read_bytes(at("e/e.npz")), "e")
    tokens = from_npz(read_bytes(at("e/ids.npz")), "ids").tolist()
    assert tokens == [str(token) for token in range(40) if token != 7]
    assert (embeddings.shape, embeddings.dtype) == ((39, 5), np.float32)
    assert np.flatnonzero(labels == -1).tolist() == [35, 36, 37, 38]
    assert labels[:35].tolist() == sorted_labels(np.delete(red[:36], 7))


def sorted_labels(scores: np.ndarray) -> list[int]:
    """Deciles by counting how many edges lie below."""
    edges = np.quantile(scores, np.arange(1, 10) / 10)
    return [int((edges < score).sum()) for score in scores]


def test_the_model_says_how_good_it_is_and_what_made_it():
    put_collection(40)
    answer = train_rarity_classifier(training(nbr_epochs=2))
    data = read_bytes(at("c/rarity.safetensors"))
    header = json.loads(json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])["__metadata__"]["header"])
    assert header["metrics"]["accuracy"] == answer.accuracy
    assert header["extractor_id"] == MeanColours().extractor_id
    assert header["preparation"] == {"size": 8, "resample": "bicubic", "background": "drop"}
    assert set(header["versions"]) == {"spacer_like", "numpy"}


@pytest.mark.parametrize(
    ("metadata", "said"), [(b"0,undefined\n1,undefined\n", "0 tokens"), (b"0,1\n1,1\n", "fewer than two classes")]
)
def test_metadata_without_different_scores_are_refused_before_any_image_is_read(metadata, said):
    write_bytes(at("c/metadata.csv"), metadata)
    with pytest.raises(TrainingLabelsError, match=said):
        train_rarity_classifier(training(images_loc=DataLocation("filesystem", "/nowhere")))
    assert not exists(at("c/rarity.safetensors"))


def test_images_without_metadata_cannot_be_learnt_from():
    put_collection(5)
    write_bytes(at("c/metadata.csv"), b"a,1\nb,2\nc,3\n")
    with pytest.raises(TrainingLabelsError, match="0 tokens"):
        train_rarity_classifier(training())


# Extractors.


@pytest.mark.parametrize("message", [training, made])
def test_an_empty_collection_is_told(message):
    write_bytes(at("c/metadata.csv"), b"0,1\n1,2\n2,3\n")
    write_bytes(at("c/images/1"), b"no image")
    task = train_rarity_classifier if message is training else embedding_score
    with pytest.raises(CollectionError, match="The one file"):
        task(message())


def test_squares_that_the_extractor_does_not_take_are_told():
    put_collection(5)
    with pytest.raises(MessageError, match="size must be 8, and is 16"):
        embedding_score(made(size=16))


def test_an_extractor_that_looks_at_no_image_is_told():
    put_collection(5)
    with pytest.raises(MessageError, match="DummyExtractor does not look at images"):
        embedding_score(scoring(images_loc=at("c/images/"), extractor=DummyExtractor(), size=224))


# Scoring.


def test_the_mean_activation_of_given_embeddings_is_joined_with_the_metadata():
    write_bytes(at("c/metadata.csv"), b"3,1.5,2,http://a/3\n1,2.5,1,http://a/1\n9,,,\n")
    loc = put_embeddings([[1.0, 3.0], [0.0, 0.0], [5.0, 3.0]], ["1", "2", "003"])
    answer = embedding_score(
        scoring(embeddings_loc=loc, metadata_loc=at("c/metadata.csv"), scores_locs=[at("s.csv"), at("s.parquet")])
    )
    assert (answer.n_images, answer.n_tokens, answer.n_not_scored, answer.correlations.n) == (3, 3, 1, 2)
    assert answer.correlations.pearson_score == pytest.approx(-1)
    for key in ("s.csv", "s.parquet"):
        table = scores_at(key)
        assert table.token_ids == ["1", "3", "9"]
        assert table.scores.tolist()[:2] == [5, 10]


def test_without_metadata_every_image_is_a_row_and_there_is_no_correlation():
    loc = put_embeddings([[1.0], [2.0]], ["b", "a"])
    answer = embedding_score(scoring(embeddings_loc=loc))
    assert (answer.n_tokens, answer.correlations) == (2, None)
    assert dict(zip(scores_at("c/scores.csv").token_ids, scores_at("c/scores.csv").scores, strict=True)) == {
        "a": 10,
        "b": 0,
    }


def test_an_odd_embedding_is_the_rarest_by_its_cell():
    rng = np.random.default_rng(0)
    vectors = np.concatenate([rng.normal(size=(40, 4)), rng.normal(size=(1, 4)) + 50])
    loc = put_embeddings(vectors, [str(token) for token in range(41)])
    for method in ("kmeans_log", "kmeans_surprisal"):
        embedding_score(scoring(embeddings_loc=loc, method=method, n_cells=2))
        assert scores_at("c/scores.csv").scores.argmax() == 40
    assert scores_at("c/scores.csv").scores[40] == pytest.approx(np.log2(41))


def test_the_extractors_features_are_embeddings():
    put_collection(30)
    answer = embedding_score(made(method="mean_activation"))
    brightness = [np.asarray(Image.open(io.BytesIO(read_bytes(at(f"c/images/{t}"))))).mean() for t in range(30)]
    scores = scores_at("c/scores.csv").scores
    assert answer.n_images == 30
    assert np.argsort(scores).tolist() == np.argsort(brightness).tolist()


def test_a_trained_networks_embeddings_score_as_those_that_training_stored():
    put_collection(40)
    train_rarity_classifier(training(nbr_epochs=2, embeddings_loc=at("e/e.npz")))
    embedding_score(made(model_loc=at("c/rarity.safetensors"), scores_locs=[at("model.csv")]))
    embedding_score(scoring(embeddings_loc=at("e/e.npz"), scores_locs=[at("stored.csv")]))
    assert read_bytes(at("model.csv")) == read_bytes(at("stored.csv"))


def test_a_network_of_another_extractor_is_refused_and_nothing_is_written():
    put_collection(20)
    train_rarity_classifier(training(nbr_epochs=1))
    model = {"model_loc": at("c/rarity.safetensors")}
    with pytest.raises(ExtractorMismatchError, match="trained on features of the extractor"):
        embedding_score(scoring(images_loc=at("c/images/"), extractor=MeanGreys(), **model))
    with pytest.raises(ExtractorMismatchError, match="resample is bicubic"):
        embedding_score(made(resample="nearest", **model))
    assert not exists(at("c/scores.csv"))


def test_a_file_that_is_no_network_is_refused():
    put_collection(2)
    write_bytes(at("m.safetensors"), b"nonsense")
    with pytest.raises(ModelFileError, match=r"m\.safetensors"):
        embedding_score(made(model_loc=at("m.safetensors")))


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"images_loc": at("c/images/")},
        {"extractor": MeanColours()},
        {"embeddings_loc": at("e.npz"), "images_loc": at("c/images/")},
        {"embeddings_loc": at("e.npz"), "extractor": MeanColours()},
        {"embeddings_loc": at("e.npz"), "model_loc": at("m")},
        {"embeddings_loc": at("c/ids.npz")},
    ],
)
def test_a_message_must_name_one_source_of_embeddings(fields):
    with pytest.raises(
        MessageError, match=r"^embedding_score (needs|takes) embeddings_loc|must not be called as their ids are"
    ):
        embedding_score(scoring(**fields))


@pytest.mark.parametrize(
    ("array", "ids", "error", "sentence"),
    [
        ([[1.0, 2.0]], ["1", "2"], CollectionError, "must be an array of 1 texts"),
        ([[1.0], [2.0]], ["1", "01"], CollectionError, "hold the token '1' twice"),
        ([[1.0], [np.inf]], ["1", "2"], TableError, "hold numbers that are not finite"),
        ([[1], [2]], ["1", "2"], TableError, "must be floating-point numbers"),
        (b"nonsense", ["1", "2"], TableError, r"is no \.npz of one array"),
    ],
)
def test_embeddings_that_are_none_are_refused(array, ids, error, sentence):
    with pytest.raises(error, match=sentence):
        embedding_score(scoring(embeddings_loc=put_embeddings(array, ids)))
    assert not exists(at("c/scores.csv"))


def test_embeddings_without_ids_are_told():
    write_bytes(at("e/e.npz"), to_npz(np.ones((2, 2))))
    with pytest.raises(DataNotFoundError, match=r"ids\.npz"):
        embedding_score(scoring(embeddings_loc=at("e/e.npz")))


def test_a_table_that_cannot_be_written_is_told_before_the_work():
    with pytest.raises(TableError, match=r"\.csv or \.parquet"):
        embedding_score(made(scores_locs=[at("scores.txt")]))


# The real thing.


def put_emoji(folder: Path, metadata: Path) -> None:
    """Eighty emoji, on three quarters of which noise lies; the more noise, the higher the rarityScore."""
    folder.mkdir()
    random = np.random.default_rng(0)
    rows = []
    with zipfile.ZipFile(EMOJI) as archive:
        for token, name in enumerate(sorted(archive.namelist())[:960:12]):
            emoji = Image.open(io.BytesIO(archive.read(name))).convert("RGBA").convert("RGB")
            strength = 60 * (token % 4)
            noisy = np.asarray(emoji) + random.normal(0, strength, (*emoji.size, 3))
            (folder / f"{token}.png").write_bytes(png(noisy.clip(0, 255).astype(np.uint8)))
            rows.append(f"{token},{strength + token / 80},,\n")
    metadata.write_text("".join(rows))


def test_a_real_extractor_tells_the_rarity_of_emoji_better_than_any_constant_answer(tmp_path):
    put_emoji(tmp_path / "emoji", tmp_path / "metadata.csv")
    look = {"extractor": EfficientNetLite0Extractor(), "size": 224}
    images = DataLocation("filesystem", str(tmp_path / "emoji"))
    metadata = DataLocation("filesystem", str(tmp_path / "metadata.csv"))
    share = {"held_out_share": 0.25, "layers": [128, 64]}
    answer = train_rarity_classifier(training(images_loc=images, metadata_loc=metadata, **look, **share))
    assert (answer.n_train, answer.n_held_out) == (60, 20)
    assert answer.accuracy > answer.majority_accuracy
    assert answer.spearman > 0.7
    scored = embedding_score(scoring(images_loc=images, model_loc=at("c/rarity.safetensors"), **look))
    scores = scores_at("c/scores.csv").scores
    assert scored.n_images == 80
    assert (scores.min(), scores.max()) == (0, 10)
