"""The histograms of many collections, merged in parts and at once."""

import pytest

from spacer_like.engines.base import Serial
from spacer_like.workflows import rarity_run
from spacer_like.workflows.rarity import RarityOptions, score_collections

SMALL = RarityOptions(size=8, methods=("ratio",), keep_stacks=False)
MERGED = ("global/histogram.parquet", "global/table.npy", "scores/ratio.csv")


@pytest.fixture(scope="module")
def collections(make_collections, tmp_path_factory):
    return make_collections(tmp_path_factory.mktemp("many"), scored=("apes", "cats", "dogs"), images=4)


def test_parts_give_the_bytes_of_one_request(collections, tmp_path, monkeypatch):
    score_collections(collections, tmp_path / "once", SMALL, Serial())
    monkeypatch.setattr(rarity_run, "MERGED_AT_ONCE", 2)
    report = score_collections(collections, tmp_path / "parts", SMALL, Serial())
    assert not report.failures
    assert {"merge histograms 0-0.parquet", "merge histograms"} <= report.steps_done
    for name in MERGED:
        assert (tmp_path / "parts" / name).read_bytes() == (tmp_path / "once" / name).read_bytes()
    # All is on record but the check that failed; and parts that are not wanted any more go.
    assert score_collections(collections, tmp_path / "parts", SMALL, Serial()).steps_run == 1
    monkeypatch.undo()
    again = score_collections(collections, tmp_path / "parts", SMALL, Serial())
    assert "global/parts/0-0.parquet" in again.removed
    assert (tmp_path / "parts/global/histogram.parquet").read_bytes() == (
        tmp_path / "once/global/histogram.parquet"
    ).read_bytes()
