"""Buckets by quantiles: edges as NumPy's, ends clamped, and numbers that keep their meaning where scores are equal."""

import io
import pickle

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from spacer_like.exceptions import TableError
from spacer_like.rarity.buckets import Buckets, quantile_buckets, read_buckets
from spacer_like.rarity.messages import QUANTILE_PROBABILITIES
from spacer_like.rarity.score_table import token_rows

NAN = float("nan")
READABLE = {
    10: "top 1% rarest",
    9: "top 3% rarest",
    8: "top 5% rarest",
    7: "top 7% rarest",
    6: "top 10% rarest",
    5: "top 15% rarest",
    4: "top 25% rarest",
    3: "top 40% rarest",
    2: "top 65% rarest",
    1: "less than 65% rarest",
}
SCORES = arrays(float, st.integers(1, 60), elements=st.integers(-3, 3).map(float))


def npz(**members):
    sink = io.BytesIO()
    np.savez(sink, **members)
    return sink.getvalue()


@given(SCORES)
def test_the_edges_are_numpy_s_quantiles(scores):
    buckets = quantile_buckets(np.append(scores, NAN), "t")

    assert buckets.edges.tolist() == np.quantile(scores, QUANTILE_PROBABILITIES).tolist()


def test_a_thousand_different_scores_fill_the_buckets_by_their_shares():
    scores = np.random.default_rng(0).permutation(np.arange(1000.0))
    buckets = quantile_buckets(scores, "t")
    numbers = buckets.numbers(scores)

    assert buckets.n_merged == 0
    assert buckets.counts(numbers) == {
        "1": 350, "2": 250, "3": 150, "4": 100, "5": 50, "6": 30, "7": 20, "8": 20, "9": 20, "10": 10
    }  # fmt: skip
    assert set(numbers[scores >= 990]) == {10}


@given(SCORES)
def test_a_bucket_is_open_below_and_closed_above(scores):
    buckets = quantile_buckets(scores, "t")
    for score, number in zip(scores, buckets.numbers(scores), strict=True):
        assert score <= buckets.edges[number]
        assert score > buckets.edges[number - 1] or (number == 1 and score == buckets.edges[0])


@given(SCORES)
def test_no_score_is_called_rarer_than_it_is(scores):
    """However many scores are equal, at most the share that the number names lies in it or above."""
    buckets = quantile_buckets(scores, "t")
    numbers = buckets.numbers(scores)
    for number, probability in enumerate(QUANTILE_PROBABILITIES[1:-1], 2):
        assert (numbers >= number).sum() <= round((1 - probability) * (len(scores) - 1), 6) + 1


def test_where_edges_coincide_the_numbers_above_keep_their_meaning():
    scores = np.concatenate([np.zeros(800), np.arange(1.0, 201)])
    buckets = quantile_buckets(scores, "t")
    numbers = buckets.numbers(scores)

    assert buckets.n_merged == 3
    assert set(numbers[scores == 0]) == {1}
    assert set(numbers) == {1, 4, 5, 6, 7, 8, 9, 10}
    assert buckets.counts(numbers)["10"] == 10
    assert buckets.counts(numbers)["2"] == 0


def test_scores_that_are_all_equal_are_all_common():
    buckets = quantile_buckets(np.full(5, 7.0), "t")

    assert buckets.n_merged == 10
    assert buckets.numbers(np.full(5, 7.0)).tolist() == [1] * 5


def test_what_lies_beyond_the_edges_belongs_to_the_ends():
    buckets = quantile_buckets(np.arange(1000.0), "t")

    assert buckets.numbers(np.array([-1e9, 0.0, 999.0, 1e9, NAN])).tolist() == [1, 1, 10, 10, 0]


def test_the_buckets_have_the_original_s_words():
    words = quantile_buckets(np.arange(10.0), "t").labels

    assert dict(enumerate(words, 1)) == READABLE


def test_other_probabilities_have_words_of_their_own():
    buckets = quantile_buckets(np.arange(10.0), "t", [0, 0.5, 0.9995, 1])

    assert buckets.labels == ["less than 50% rarest", "top 50% rarest", "top 0.05% rarest"]
    assert quantile_buckets(np.arange(3.0), "t", [0, 1]).labels == ["as rare as any"]


def test_a_table_gets_two_columns_with_nothing_where_there_is_no_score():
    table = token_rows(["1", "2", "3"]).table("a", np.array([5.0, NAN, 1.0]))
    columns = quantile_buckets(table.scores, "t").bucketized(table).columns

    assert columns["bin_pixelScore"].to_pylist() == [10, None, 1]
    assert columns["readable_bin_pixelScore"].to_pylist() == [READABLE[10], None, READABLE[1]]


def test_without_a_score_there_are_no_buckets():
    with pytest.raises(TableError, match=r"'empty\.csv' has no score"):
        quantile_buckets(np.array([NAN]), "empty.csv")


@pytest.mark.parametrize("probabilities", [QUANTILE_PROBABILITIES, [0, 0.2, 1]])
def test_buckets_are_read_as_they_were_written(probabilities):
    buckets = quantile_buckets(np.array([0.1, 0.2, 0.30000000000000004]), "t", probabilities)
    back = read_buckets(buckets.to_npz(), "edges.npz")

    assert back.edges.tolist() == buckets.edges.tolist()
    assert back.labels == buckets.labels
    assert back.to_npz() == buckets.to_npz()
    with np.load(io.BytesIO(buckets.to_npz())) as file:
        assert file["arr_0"].dtype == np.float64


def test_the_original_s_edges_are_read():
    assert read_buckets(npz(arr_0=np.arange(11.0)), "e").labels == list(READABLE.values())[::-1]


def test_edges_of_unknown_probabilities_promise_no_percentage():
    assert read_buckets(npz(arr_0=np.arange(3.0)), "e").labels == [
        "bucket 1 of 2, 2 the rarest",
        "bucket 2 of 2, 2 the rarest",
    ]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no zip",
        pickle.dumps([1.0, 2.0]),
        npz(),
        npz(arr_0=np.array([1.0])),
        npz(arr_0=np.array([1, 2])),
        npz(arr_0=np.array([2.0, 1.0])),
        npz(arr_0=np.array([0.0, np.inf])),
        npz(arr_0=np.array([0.0, NAN])),
        npz(arr_0=np.zeros((2, 2))),
        npz(arr_0=np.array([0.0, "x"], object)),
        npz(arr_0=np.arange(1e6)),
        npz(arr_0=np.arange(3.0), probabilities=np.array([0.0, 1.0])),
        npz(arr_0=np.arange(3.0), probabilities=np.array([0.0, 2.0, 1.0])),
        npz(arr_0=np.arange(11.0))[:-40],
    ],
)
def test_other_files_are_refused_by_name(data):
    with pytest.raises(TableError, match=r"'edges\.npz'"):
        read_buckets(data, "edges.npz")


def test_words_are_plain_text_for_other_programs():
    table = token_rows(["1"]).table("a", np.array([5.0]))
    bucketized = Buckets(np.array([0.0, 1.0]), (0.0, 1.0)).bucketized(table)

    assert bucketized.columns["readable_bin_pixelScore"].type.value_type == pa.string()
