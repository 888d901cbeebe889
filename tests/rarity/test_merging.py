"""Many tables become one ranking, the same whatever the order of the tables."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacer_like.exceptions import TableError
from spacer_like.rarity.merging import merged
from spacer_like.rarity.score_table import BASE_COLUMNS, ScoreTable, token_rows
from spacer_like.rarity.table_files import encoded

NAN = float("nan")


def named(collection, scores):
    """(name, table) of a collection whose tokens have these scores."""
    table = token_rows(list(scores)).table(collection, np.array(list(scores.values()), float))
    return f"{collection}.csv", table


def rows(table):
    names = ["collectionAddress", "tokenId", "pixelScore", "pixelRank"]
    return [tuple(row[name] for name in names) for row in table.columns.to_pylist()]


def test_the_rarest_is_first_and_what_has_no_score_last_without_a_rank():
    table = merged([named("b", {"1": 2.0, "2": NAN}), named("a", {"10": 1.0, "9": 3.0})])

    assert rows(table) == [("a", 9, 3.0, 1), ("b", 1, 2.0, 2), ("a", 10, 1.0, 3), ("b", 2, None, None)]
    assert table.columns.column_names == [*BASE_COLUMNS, "pixelRank"]


def test_equals_are_in_the_order_of_the_collections_then_of_the_tokens():
    table = merged([named("b", {"1": 5, "x": NAN}), named("a", {"10": 5, "9": 5, "y": 5})])

    assert [row[:2] for row in rows(table)] == [("a", "9"), ("a", "10"), ("a", "y"), ("b", "1"), ("b", "x")]
    assert [row[3] for row in rows(table)] == [1, 2, 3, 4, None]


SCORES = st.dictionaries(
    st.integers(0, 30).map(str) | st.sampled_from(["x", "y", "z"]), st.integers(-2, 2).map(float) | st.just(NAN)
)


def reference(tables):
    """The order, by Python's own sorting."""

    def key(row):
        collection, token, score = row
        number = str(token).isdigit()
        unscored = score is None
        return unscored, 0 if unscored else -score, collection, not number, int(token) if number else 0, str(token)

    return sorted((row[:3] for _, table in tables for row in rows(table_with_rank(table))), key=key)


def table_with_rank(table):
    return table.with_column("pixelRank", table.columns["pixelScoreRankMin"])


@settings(max_examples=30)
@given(st.dictionaries(st.sampled_from("abcdef"), SCORES), st.randoms(use_true_random=False))
def test_merging_is_sorting_in_whatever_order_the_tables_come(collections, random):
    tables = [named(*item) for item in collections.items()]
    table = merged(tables)
    random.shuffle(tables)

    assert [(row[0], str(row[1]), row[2]) for row in rows(table)] == [
        (collection, str(token), score) for collection, token, score in reference(tables)
    ]
    assert encoded(merged(tables, threads=2), parquet=True) == encoded(table, parquet=True)


@given(st.dictionaries(st.sampled_from("abcdef"), SCORES, min_size=2))
@settings(max_examples=30)
def test_merging_what_was_merged_changes_nothing(collections):
    tables = [named(*item) for item in collections.items()]
    some = [("some.csv", merged(tables[::2])), ("others.csv", merged(tables[1::2]))]

    assert rows(merged(some)) == rows(merged(tables))


def test_a_shuffled_table_is_put_in_order():
    name, table = named("a", {"3": 1, "1": 1, "2": 1})
    shuffled = ScoreTable(table.columns.take([2, 0, 1]))

    assert [row[1] for row in rows(merged([(name, shuffled)]))] == [1, 2, 3]


def test_columns_of_an_earlier_merging_are_made_anew():
    first = merged([named("a", {"1": 1.0})])
    table = merged([("first", first), named("b", {"1": 2.0})])

    assert [row[3] for row in rows(table)] == [1, 2]


def test_a_collection_in_two_tables_is_refused_by_both_names():
    _, table = named("0xab", {"1": 1.0})

    with pytest.raises(TableError, match=r"0xab is in two tables, 'one\.csv' and 'two\.csv'"):
        merged([("one.csv", table), ("two.csv", table)])


def test_no_table_at_all_gives_an_empty_one():
    table = merged([])

    assert len(table) == 0
    assert table.columns.column_names == [*BASE_COLUMNS, "pixelRank"]


def test_scores_keep_all_their_digits():
    scores = {"1": 0.1 + 0.2, "2": math.pi, "3": 5e-324, "4": 1.7976931348623157e308}

    assert sorted(row[2] for row in rows(merged([named("a", scores)]))) == sorted(scores.values())
