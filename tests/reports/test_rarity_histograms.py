"""How scores spread: histogram, buckets, and the function of the log score."""

import numpy as np
import pytest

from spacer_like.exceptions import SpacerInputError
from spacer_like.reports import rarity_histograms
from spacer_like.reports.rarity_histograms import (
    bucket_shares_picture,
    collection_histograms_picture,
    log_function_picture,
    score_histogram_picture,
)

NAMES = {1: "common", 2: "rare", 3: "top 1% rarest"}


@pytest.fixture
def figures(monkeypatch):
    """The figures that were written, in place of files."""
    written = []
    monkeypatch.setattr(rarity_histograms, "write_figure", lambda figure, *_: written.append(figure))
    return written


def test_a_hundred_bins_hold_every_score(tmp_path):
    scores = np.random.default_rng(1).gamma(2, size=500)
    table = score_histogram_picture(np.append(scores, np.nan), tmp_path / "h.png")
    counts, edges = np.histogram(scores, 100)
    assert [row.images for row in table] == counts.tolist()
    assert [row.low for row in table] == edges[:-1].tolist()
    assert table[-1].high == scores.max()
    assert (tmp_path / "h.png").stat().st_size > 5000


def test_bins_may_be_fewer(figures):
    assert len(score_histogram_picture([1, 2, 3], "x.png", bins=28)) == 28


@pytest.mark.parametrize("scores", [[0.0], [1.0, 1.0], [1e-300] * 3, [0.1 + 0.2, 0.3], [-5e8] * 2])
def test_equal_scores_have_a_histogram(figures, scores):
    table = score_histogram_picture(scores, "x.png")
    assert sum(row.images for row in table) == len(scores)
    assert table[0].low < min(scores) < table[-1].high


@pytest.mark.parametrize(("common", "scale"), [(20, "linear"), (5000, "log")])
def test_a_single_image_is_seen_beside_thousands(figures, common, scale):
    score_histogram_picture([0.0] * common + [9.0], "x.png")
    axes = figures[0].axes[0]
    assert axes.get_yscale() == scale
    assert axes.get_ylim()[0] < 1


def test_buckets_have_their_share_and_empty_ones_are_shown(tmp_path):
    table = bucket_shares_picture([1, 1, 1, 3, np.nan, 0], NAMES, tmp_path / "b.png")
    assert table == [(1, "common", 3, 0.75), (2, "rare", 0, 0.0), (3, "top 1% rarest", 1, 0.25)]
    assert (tmp_path / "b.png").stat().st_size > 5000


def test_buckets_stand_by_number_in_whatever_order_they_are_named(tmp_path):
    names = {3: "top 1% rarest", 1: "common", 2: "rare"}
    table = bucket_shares_picture([1, 2, 3], names, tmp_path / "b.png")
    assert [(row.bucket, row.name) for row in table] == [(1, "common"), (2, "rare"), (3, "top 1% rarest")]


def test_the_axis_is_in_percent_and_each_bar_is_named(figures):
    bucket_shares_picture([1, 1, 2], NAMES, "x.png")
    axes = figures[0].axes[0]
    assert [label.get_text().split("   ")[1] for label in axes.get_yticklabels()] == list(NAMES.values())
    assert all(label.get_text().endswith(" %") for label in axes.get_xticklabels())
    assert "66.7 %  (2)" in [text.get_text() for text in axes.texts]


def test_a_bucket_without_a_name_is_refused():
    with pytest.raises(SpacerInputError, match="bucket 4 has no name"):
        bucket_shares_picture([1, 4], NAMES, "x.png")
    with pytest.raises(SpacerInputError, match="no bucket"):
        bucket_shares_picture([0, 0], NAMES, "x.png")


def test_the_log_function_is_tabled_from_0_to_99_hundredths(tmp_path):
    table = log_function_picture(tmp_path / "log.svg")
    assert len(table) == 100
    assert table[0] == (0.0, 0.0)
    assert table[50].value == pytest.approx(-0.4054651081)
    assert (tmp_path / "log.svg").read_text(encoding="utf-8").startswith("<?xml")


def test_each_collection_has_its_histogram_the_rarest_on_average_first(figures):
    scores = {"common": [1.0, 1.0, 2.0], "rare": [8.0, 9.0, np.nan], "unscored": [np.nan], "empty": []}
    counts = collection_histograms_picture(scores, "x.png", bins=8, score_name="ratio score")
    assert counts == {"rare": [0, 0, 0, 0, 0, 0, 0, 2], "common": [2, 1, 0, 0, 0, 0, 0, 0]}
    axes = figures[0].axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["rare", "common"]
    assert axes.get_xlabel().startswith("ratio score")


def test_no_more_collections_are_drawn_than_can_be_read(figures):
    counts = collection_histograms_picture({str(number): [number] for number in range(99)}, "x.png")
    assert list(counts)[:2] == ["98", "97"]
    assert len(counts) == 40
    assert any("the rarest 40 of 99 collections" in text.get_text() for text in figures[0].texts)


def test_collections_without_a_score_are_refused():
    with pytest.raises(SpacerInputError, match=r"^There is no score to draw\.$"):
        collection_histograms_picture({"a": [np.nan], "b": []}, "x.png")


def test_the_score_is_named_on_the_buckets(figures):
    bucket_shares_picture([1, 2], NAMES, "x.png", score_name="log score")
    assert any(text.get_text().startswith("log score: what share of 2 scores") for text in figures[0].texts)
