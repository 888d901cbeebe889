"""Figures of a table's scores."""

import statistics

import numpy as np
import pyarrow as pa
import pytest

from spacer_like.rarity.comparison import description
from spacer_like.rarity.merging import merged
from spacer_like.rarity.score_table import token_rows

NAN = float("nan")


def table_of(**collections):
    return merged(
        [
            (name, token_rows([str(token) for token in range(len(scores))]).table(name, np.array(scores, float)))
            for name, scores in collections.items()
        ]
    )


def test_the_figures_are_those_of_the_scores_that_there_are():
    scores = [4.0, 1.0, 7.0, 2.0]
    found = description(table_of(a=[*scores[:2], NAN], b=scores[2:]))

    assert (found.count, found.nulls) == (4, 1)
    assert (found.min, found.max, found.mean) == (1, 7, 3.5)
    assert found.std == pytest.approx(statistics.stdev(scores))
    assert found.quantiles["0.50"] == 3
    assert found.quantiles["0.25"] == 1.75
    assert (found.quantiles["0.00"], found.quantiles["1.00"]) == (1, 7)


def test_collections_come_by_their_mean_the_highest_first_equals_by_name():
    found = description(table_of(b=[1, 3], a=[2, NAN], c=[9], d=[NAN]))

    assert found.collections == [("c", 1, 9.0), ("a", 1, 2.0), ("b", 2, 2.0)]


def test_one_score_has_no_spread():
    found = description(table_of(a=[3]))

    assert found.std is None
    assert set(found.quantiles.values()) == {3}


@pytest.mark.parametrize("table", [table_of(), table_of(a=[NAN, NAN])], ids=["no row", "no score"])
def test_without_a_score_there_are_no_figures(table):
    found = description(table)

    assert (found.count, found.nulls) == (0, len(table))
    assert found.min is found.max is found.mean is found.std is None
    assert found.quantiles == {}
    assert found.collections == []


def test_a_name_that_no_row_bears_is_no_collection():
    table = table_of(a=[1], b=[2])
    only_b = type(table)(table.columns.filter(pa.array([True, False])))

    assert [name for name, *_ in description(only_b).collections] == ["b"]
