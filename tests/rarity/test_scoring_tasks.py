"""Collections, new images and single ones are scored from storage to storage."""

import csv
import io
import logging
import math

import numpy as np
import pytest
from PIL import Image

from spacer_like.data_classes import DataLocation
from spacer_like.exceptions import (
    CollectionError,
    DataNotFoundError,
    HistogramError,
    ImageError,
    TableError,
)
from spacer_like.rarity.bins import colours_of
from spacer_like.rarity.buckets import Buckets
from spacer_like.rarity.count_table import CountTable
from spacer_like.rarity.histogram import Header, HistogramBuilder
from spacer_like.rarity.messages import (
    QUANTILE_PROBABILITIES,
    BucketizeScoresMsg,
    ExplainImageMsg,
    ScoreCollectionMsg,
    ScoreUnseenMsg,
)
from spacer_like.rarity.table_files import read_table
from spacer_like.rarity.tasks.histogram_storage import write_histogram, write_table
from spacer_like.rarity.tasks.scoring import explain_image, score_collection, score_unseen
from spacer_like.rarity.tasks.tables import bucketize_scores
from spacer_like.storage import exists, read_bytes, write_bytes

SIZE = 4
LOOK = {"size": SIZE, "resample": "nearest"}
METHODS = ["raw", "ratio", "log", "surprisal", "top_surprisal"]
NAN = float("nan")


def at(key):
    return DataLocation("memory", key)


def put_image(key, pixels):
    sink = io.BytesIO()
    Image.fromarray(pixels).save(sink, "PNG")
    write_bytes(at(key), sink.getvalue())
    return at(key)


def some_images(n=6):
    """Images of few colours, so that some are shared, uint8 [n, SIZE, SIZE, 3]."""
    numbers = np.random.default_rng(3).integers(0, 3, (n, SIZE, SIZE, 1))
    return (np.repeat(numbers, 3, axis=-1) * 100).astype(np.uint8)


@pytest.fixture
def images():
    return some_images()


def histogram_of(stack):
    builder = HistogramBuilder(Header(SIZE, "nearest", "drop"))
    builder.add(stack)
    return builder.histogram("punks")


@pytest.fixture
def collection(images):
    """Tokens 1, 2, ... stored as images, and what counts them."""
    for token, pixels in enumerate(images, 1):
        put_image(f"punks/{token}.png", pixels)
    write_histogram(at("punks.parquet"), histogram_of(images))
    return {"collection_id": "0xab", "images_loc": at("punks/"), "histogram_loc": at("punks.parquet"), **LOOK}


def by_hand(stack, counted, method):
    """The formulas, image by image and position by position."""
    scores = []
    for image in stack:
        values = []
        for row in range(SIZE):
            for col in range(SIZE):
                count = sum(colours_of(other[row, col]) == colours_of(image[row, col]) for other in counted)
                share = count / len(counted)
                values.append(
                    {
                        "raw": count,
                        "ratio": 10 / max(count, 0.5),
                        "log": 1 - math.log(1 + share),
                        "surprisal": -math.log2(max(count, 0.5) / len(counted)),
                    }["surprisal" if method == "top_surprisal" else method]
                )
        if method == "top_surprisal":
            values = sorted(values)[-math.ceil(0.05 * len(values)) :]
        mean = sum(values) / len(values)
        scores.append(1 / mean if method == "raw" else mean)
    if method == "raw":
        low, high = min(scores), max(scores)
        scores = [10 * (score - low) / (high - low) for score in scores]
    return scores


def table_at(key):
    return read_table(read_bytes(at(key)), key, key.endswith(".parquet"))


def column(table, name):
    return table.columns[name].to_pylist()


# score_collection


def test_all_methods_are_scored_into_csv_and_parquet(collection, images):
    locs = {method: [at(f"{method}.csv"), at(f"{method}.parquet")] for method in METHODS}
    answer = score_collection(ScoreCollectionMsg(**collection, scores_locs=locs))

    assert (answer.n_images, answer.n_tokens, answer.n_not_scored, answer.correlations) == (6, 6, 0, {})
    for method in METHODS:
        table = table_at(f"{method}.csv")
        assert column(table, "tokenId") == [1, 2, 3, 4, 5, 6]
        assert column(table, "pixelScore") == pytest.approx(by_hand(images, images, method))
        assert table_at(f"{method}.parquet").columns.equals(table.columns)


def test_metadata_give_the_rows_and_the_correlations(collection, images, caplog):
    write_bytes(at("metadata.csv"), b"9,4.5,1,http://9\n3,undefined,,\n2,1.5,3,\n1,2.5,2,\n4,0.5,4,\n")
    msg = ScoreCollectionMsg(
        **collection,
        scores_locs={"ratio": [at("ratio.csv")]},
        metadata_loc=at("metadata.csv"),
        not_scored_loc=at("not_scored_ids.csv"),
    )
    with caplog.at_level(logging.WARNING):
        answer = score_collection(msg)
    scores = by_hand(images, images, "ratio")
    table = table_at("ratio.csv")

    assert (answer.n_images, answer.n_tokens, answer.n_not_scored) == (6, 5, 1)
    assert column(table, "tokenId") == [1, 2, 3, 4, 9]
    assert column(table, "pixelScore")[:4] == pytest.approx(scores[:4])
    assert column(table, "pixelScore")[4] is None
    assert "2 images are left out" in caplog.text
    found = answer.correlations["ratio"]
    assert found.n == 3
    expected = np.corrcoef([2.5, 1.5, 0.5], [scores[0], scores[1], scores[3]])[0, 1]
    assert found.pearson_score == pytest.approx(expected)
    assert list(csv.reader(io.StringIO(read_bytes(at("not_scored_ids.csv")).decode()))) == [["notScoredIds"], ["9"]]


def test_a_table_of_many_collections_scores_as_the_histogram_does(collection, images, tmp_path):
    histogram = histogram_of(images)
    table_locs = [at("global.npy"), DataLocation("filesystem", str(tmp_path / "global.npy"))]
    score_collection(ScoreCollectionMsg(**collection, scores_locs={"log": [at("0.csv")]}))
    for number, loc in enumerate(table_locs, 1):
        write_table(loc, CountTable.from_histogram(histogram))
        msg = ScoreCollectionMsg(**collection | {"histogram_loc": loc}, scores_locs={"log": [at(f"{number}.csv")]})
        score_collection(msg)

    assert read_bytes(at("0.csv")) == read_bytes(at("1.csv")) == read_bytes(at("2.csv"))


def test_ids_that_are_no_numbers_are_scored_and_joined(images):
    for token, pixels in zip(["ape", "10", "zebra"], images, strict=False):
        put_image(f"words/{token}.png", pixels)
    write_histogram(at("words.parquet"), histogram_of(images[:3]))
    write_bytes(at("metadata.csv"), b'ape,1,1,"a ""b"", c"\n10,2,2,\n')
    answer = score_collection(
        ScoreCollectionMsg(
            collection_id="w",
            images_loc=at("words"),
            histogram_loc=at("words.parquet"),
            scores_locs={"log": [at("log.csv")]},
            metadata_loc=at("metadata.csv"),
            **LOOK,
        )
    )

    assert (answer.n_images, answer.n_tokens) == (3, 2)
    assert column(table_at("log.csv"), "tokenId") == ["10", "ape"]
    assert column(table_at("log.csv"), "imageUrl") == [None, 'a "b", c']


def test_a_file_that_is_no_image_is_reported_and_its_token_is_not_scored(collection):
    write_bytes(at("punks/7.png"), b"no image")
    write_bytes(at("metadata.csv"), b"1,1,1,\n7,2,2,\n")
    msg = ScoreCollectionMsg(
        **collection, scores_locs={"log": [at("log.csv")]}, metadata_loc=at("metadata.csv"), not_scored_loc=at("no.csv")
    )
    answer = score_collection(msg)

    assert [unreadable.name for unreadable in answer.unreadable] == ["7.png"]
    assert (answer.n_images, answer.n_not_scored) == (6, 1)
    assert read_bytes(at("no.csv")) == b"notScoredIds\n7\n"


@pytest.mark.parametrize("n", [1, 2])
def test_one_image_and_two_equal_ones_are_scored(n):
    stack = some_images(1).repeat(n, axis=0)
    for token, pixels in enumerate(stack):
        put_image(f"few/{token}", pixels)
    write_histogram(at("few.parquet"), histogram_of(stack))
    answer = score_collection(
        ScoreCollectionMsg(
            collection_id="few",
            images_loc=at("few"),
            histogram_loc=at("few.parquet"),
            scores_locs={method: [at(f"{method}.csv")] for method in METHODS},
            **LOOK,
        )
    )

    assert answer.n_images == n
    assert column(table_at("raw.csv"), "pixelScore") == [0] * n
    assert column(table_at("log.csv"), "pixelScore") == pytest.approx([1 - math.log(2)] * n)
    assert column(table_at("surprisal.csv"), "pixelScore") == [0] * n
    assert column(table_at("ratio.csv"), "pixelScoreRankMin") == [1] * n


def test_a_histogram_of_images_prepared_otherwise_is_refused_and_nothing_is_written(collection):
    with pytest.raises(HistogramError, match="resample"):
        score_collection(ScoreCollectionMsg(**collection | {"resample": "box"}, scores_locs={"log": [at("log.csv")]}))
    assert not exists(at("log.csv"))


def test_a_collection_without_an_image_is_an_error_with_the_reason(collection):
    msg = ScoreCollectionMsg(**collection | {"images_loc": at("none/")}, scores_locs={"log": [at("log.csv")]})
    with pytest.raises(CollectionError, match="'memory://none/' holds no image"):
        score_collection(msg)


def test_an_ending_that_is_no_table_s_is_refused_before_the_work(collection):
    with pytest.raises(TableError, match=r"log\.txt"):
        score_collection(ScoreCollectionMsg(**collection, scores_locs={"log": [at("log.txt")]}))


# score_unseen


@pytest.fixture
def unseen(collection):
    edges = np.linspace(0.4, 0.9, len(QUANTILE_PROBABILITIES))
    write_bytes(at("edges.npz"), Buckets(edges, QUANTILE_PROBABILITIES).to_npz())
    return collection | {"edges_loc": at("edges.npz")}


def test_new_images_are_sorted_into_the_buckets_as_they_were_stored(unseen, images):
    new = np.concatenate([some_images(9)[6:], images[:1]])
    for token, pixels in enumerate(new):
        put_image(f"new/{token}.png", pixels)
    answer = score_unseen(ScoreUnseenMsg(**unseen | {"images_loc": at("new/")}, scores_loc=at("new.csv")))
    expected = by_hand(new, images, "log")
    table = table_at("new.csv")

    assert answer.n_images == 4
    assert [score.token_id for score in answer.scores] == ["0", "1", "2", "3"]
    assert [score.score for score in answer.scores] == pytest.approx(expected)
    assert [score.bin for score in answer.scores] == [math.ceil((score - 0.4) / 0.05 - 1e-9) for score in expected]
    assert column(table, "bin_pixelScore") == [score.bin for score in answer.scores]
    assert column(table, "readable_bin_pixelScore") == [score.readable_bin for score in answer.scores]


def test_a_single_image_whose_colours_nobody_has_is_in_the_rarest_bucket(unseen):
    loc = put_image("new/77.png", np.full((9, 9, 3), 255, np.uint8))
    answer = score_unseen(ScoreUnseenMsg(**unseen | {"images_loc": loc}))
    (score,) = answer.scores

    assert (score.token_id, score.score, score.bin, score.readable_bin) == ("77", 1.0, 10, "top 1% rarest")


@pytest.mark.parametrize(("edges", "number"), [([2.0, 3.0, 4.0], 1), ([0.0, 0.1, 0.2], 2)])
def test_a_score_beyond_the_edges_is_in_the_bucket_at_that_end(unseen, edges, number):
    write_bytes(at("edges.npz"), Buckets(np.array(edges), (0, 0.5, 1)).to_npz())
    answer = score_unseen(ScoreUnseenMsg(**unseen))

    assert {score.bin for score in answer.scores} == {number}


@pytest.mark.parametrize("method", METHODS[1:])
def test_every_method_that_needs_no_other_image_scores_unseen_ones_finitely(unseen, method):
    loc = put_image("new/1.png", np.full((4, 4, 3), 255, np.uint8))
    (score,) = score_unseen(ScoreUnseenMsg(**unseen | {"images_loc": loc}, method=method)).scores

    assert score.score == pytest.approx({"ratio": 20, "log": 1}.get(method, math.log2(12)))


def test_the_answer_carries_no_more_than_was_asked_for(unseen):
    msg = ScoreUnseenMsg(**unseen, max_returned=2, scores_loc=at("all.parquet"))
    answer = score_unseen(msg)

    assert (answer.n_images, len(answer.scores)) == (6, 2)
    assert len(table_at("all.parquet")) == 6


def test_what_the_metadata_do_not_know_or_have_no_image_of_is_not_in_the_answer(unseen):
    write_bytes(at("metadata.csv"), b"1,1,1,\n99,2,2,\n")
    msg = ScoreUnseenMsg(**unseen, metadata_loc=at("metadata.csv"), scores_loc=at("all.csv"))
    answer = score_unseen(msg)

    assert [score.token_id for score in answer.scores] == ["1"]
    assert column(table_at("all.csv"), "bin_pixelScore")[1] is None


def test_edges_of_another_method_are_refused_and_of_the_same_or_an_unknown_one_not(unseen):
    scores = write_bytes(at("s.csv"), b"collectionAddress,tokenId,pixelScore\na,1,0.5\na,2,0.9\n") or at("s.csv")
    for known in ("log", "ratio", None):
        bucketize_scores(
            BucketizeScoresMsg(scores_loc=scores, bucketized_loc=None, edges_loc=at("edges.npz"), method=known)
        )
        if known == "ratio":
            with pytest.raises(
                TableError, match=r"^The edges 'memory://edges.npz' are of the score 'ratio', and 'log' is asked for"
            ):
                score_unseen(ScoreUnseenMsg(**unseen, method="log"))
        else:
            assert len(score_unseen(ScoreUnseenMsg(**unseen, method="log")).scores) == 6


def test_edges_that_are_none_are_refused_by_name(unseen):
    write_bytes(at("edges.npz"), b"")
    with pytest.raises(TableError, match=r"memory://edges\.npz"):
        score_unseen(ScoreUnseenMsg(**unseen))


# explain_image


def explained(collection, image_loc, **changes):
    fields = {"image_loc": image_loc, "histogram_loc": collection["histogram_loc"], **LOOK}
    return explain_image(ExplainImageMsg(**fields | changes))


def test_an_image_is_explained_by_its_scores_places_and_colours(collection, images):
    answer = explained(collection, at("punks/2.png"), n_cells=3, overlay_loc=at("2.png"))
    (image,) = images[1:2]
    counts = (colours_of(images) == colours_of(image)).sum(axis=0)

    assert set(answer.scores) == {"ratio", "log", "surprisal", "top_surprisal"}
    for method, score in answer.scores.items():
        assert score == pytest.approx(by_hand([image], images, method)[0])
    assert [cell.count for cell in answer.cells] == sorted(counts.ravel().tolist())[:3]
    for cell in answer.cells:
        assert cell.count == counts[cell.row, cell.col]
        assert cell.surprisal == pytest.approx(math.log2(6 / cell.count))
    assert sum(colour.share for colour in answer.colours) == pytest.approx(1)
    assert sum(colour.n_positions for colour in answer.colours) == SIZE * SIZE
    mean = sum(colour.n_positions * colour.mean_surprisal for colour in answer.colours) / SIZE**2
    assert mean == pytest.approx(answer.scores["surprisal"])
    assert Image.open(io.BytesIO(read_bytes(at("2.png")))).format == "PNG"


def test_a_colour_that_nobody_has_counts_as_the_unseen_count(collection):
    loc = put_image("new.png", np.full((4, 4, 3), 255, np.uint8))
    answer = explained(collection, loc, unseen_count=0.25, n_cells=1)

    assert answer.cells[0].count == 0
    assert answer.scores["surprisal"] == pytest.approx(math.log2(6 / 0.25))


def test_what_is_no_image_is_told_by_name(collection):
    write_bytes(at("punks/8.png"), b"no image")
    with pytest.raises(ImageError, match=r"8\.png"):
        explained(collection, at("punks/8.png"))
    with pytest.raises(DataNotFoundError, match=r"9\.png"):
        explained(collection, at("punks/9.png"))


def test_images_of_other_preparation_are_not_explained(collection):
    with pytest.raises(HistogramError, match="size"):
        explained(collection, at("punks/1.png"), size=8)


def test_the_scores_of_an_explanation_are_those_of_its_collection(collection):
    locs = {method: [at(f"{method}.parquet")] for method in METHODS[1:]}
    score_collection(ScoreCollectionMsg(**collection, scores_locs=locs))
    answer = explained(collection, at("punks/4.png"))

    for method in METHODS[1:]:
        assert answer.scores[method] == pytest.approx(column(table_at(f"{method}.parquet"), "pixelScore")[3], rel=1e-12)
