"""In what order the tables in a terminal name what was found."""

from __future__ import annotations

import pytest

from spacer_like.chips.messages.models import LabelChipsReturnMsg
from spacer_like.cli.chip_rendering import labelled_chips
from spacer_like.cli.classified import Cover
from spacer_like.cli.rarity_rendering import rarity_check
from spacer_like.cli.rendering import MOST_ROWS, cover, evaluation
from spacer_like.cli.terminal import Terminal
from spacer_like.reports.evaluation import read_evaluation
from spacer_like.workflows.rarity_report import CollectionReport, RarityReport

from ..reports.conftest import make_report


@pytest.fixture
def first_words(capsys):
    """The first word of each line that a terminal is given."""

    def shown(parts):
        Terminal().show(*parts)
        return [line.split()[0] for line in capsys.readouterr().out.splitlines() if line.strip()]

    return shown


def test_the_commonest_labels_come_first_and_equal_ones_by_name(first_words):
    counts = {"rare": 1, "pool": 7, "barn": 7, "common": 300}
    answer = LabelChipsReturnMsg(n_chips=315, counts=counts, unreadable=[], runtime=1.0)
    assert [word for word in first_words(labelled_chips(answer, "labels.csv")) if word in counts] == [
        "common", "barn", "pool", "rare",
    ]  # fmt: skip


def test_classes_of_an_evaluation_come_by_their_points(first_words):
    report = make_report(["mud", "sand", "coral"])
    points = {row["label"]: row["support"] for row in report["per_class"]}
    expected = sorted(points, key=lambda label: -points[label])
    assert expected != list(points)
    words = first_words(evaluation(read_evaluation(report), None))
    assert [word for word in words if word in points][:3] == expected


def test_the_cover_of_the_commonest_class_comes_first(first_words):
    counts = {"mud": [2, 1], "sand": [9, 9], "coral": [5, 0]}
    words = first_words(cover(Cover(0.5, points=16, classes=counts)))
    assert [word for word in words if word in counts] == ["sand", "coral", "mud"]


def test_collections_that_need_attention_come_first_each_kind_by_id(first_words):
    states = {"d": "good", "b": "good", "c": "failed", "a": "empty"}
    report = RarityReport([CollectionReport(name, state) for name, state in states.items()], [])
    assert [word for word in first_words(rarity_check(report, {})) if word in states] == ["a", "c", "b", "d"]


def test_a_failed_collection_is_shown_however_many_good_ones_there_are(first_words):
    good = [CollectionReport(f"a{number}", "good") for number in range(MOST_ROWS)]
    words = first_words(rarity_check(RarityReport([*good, CollectionReport("z", "failed")], []), {}))
    assert "z" in words
    assert len([word for word in words if word in {one.collection_id for one in good}]) == MOST_ROWS - 1
