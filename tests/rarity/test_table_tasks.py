"""The tasks with tables of scores, from and to storage."""

import csv
import io
import json
import logging

import numpy as np
import pyarrow.parquet as pq
import pytest

from spacer_like.data_classes import DataLocation
from spacer_like.exceptions import DataNotFoundError, TableError
from spacer_like.rarity.buckets import read_buckets
from spacer_like.rarity.messages import (
    AnalyzeScoresMsg,
    BucketizeScoresMsg,
    CompareRankingsMsg,
    MergeScoresMsg,
)
from spacer_like.rarity.metadata import Metadata
from spacer_like.rarity.score_table import token_rows
from spacer_like.rarity.table_files import encoded
from spacer_like.rarity.tasks.tables import analyze_scores, bucketize_scores, compare_rankings, merge_scores
from spacer_like.storage import exists, read_bytes, write_bytes

NAN = float("nan")


def at(key):
    return DataLocation("memory", key)


def place(key, collection, scores, rarity=None):
    """Store a table of tokens 0, 1, ... with these scores, and perhaps this rarityScore."""
    tokens = [str(token) for token in range(len(scores))]
    metadata = None
    if rarity is not None:
        nothing = np.full(len(scores), NAN)
        metadata = Metadata(tokens, np.array(rarity, float), nothing, [""] * len(tokens))
    table = token_rows(tokens, metadata).table(collection, np.array(scores, float))
    write_bytes(at(key), encoded(table, key.endswith(".parquet")))
    return at(key)


def csv_rows(loc):
    return list(csv.DictReader(io.StringIO(read_bytes(loc).decode())))


def parquet_rows(loc):
    return pq.read_table(io.BytesIO(read_bytes(loc))).to_pylist()


# merge_scores


def test_tables_are_merged_into_csv_and_parquet_and_their_top():
    locs = [place("b.csv", "b", [2.0, NAN]), place("a.parquet", "a", [3.0, 1.0])]
    msg = MergeScoresMsg(locs, [at("all.csv"), at("all.parquet")], top_loc=at("all_20k.csv"), top_rows=2)
    answer = merge_scores(msg)

    assert (answer.n_rows, answer.n_collections, answer.missing) == (4, 2, [])
    tokens = [(row["collectionAddress"], row["tokenId"], row["pixelRank"]) for row in csv_rows(at("all.csv"))]
    assert tokens == [("a", "0", "1"), ("b", "0", "2"), ("a", "1", "3"), ("b", "1", "")]
    assert csv_rows(at("all_20k.csv")) == csv_rows(at("all.csv"))[:2]
    assert [row["pixelRank"] for row in parquet_rows(at("all.parquet"))] == [1, 2, 3, None]


def test_a_missing_table_is_reported_and_left_out(caplog):
    locs = [at("gone.csv"), place("a.csv", "a", [1.0]), at("lost.parquet")]
    with caplog.at_level(logging.WARNING):
        answer = merge_scores(MergeScoresMsg(locs, [at("all.csv")]))

    assert answer.missing == ["memory://gone.csv", "memory://lost.parquet"]
    assert answer.n_collections == 1
    assert "2 of 3 score tables are missing" in caplog.text


def test_where_all_tables_are_missing_there_is_nothing_to_merge():
    with pytest.raises(DataNotFoundError, match=r"None of the score tables is there, such as 'memory://gone\.csv'"):
        merge_scores(MergeScoresMsg([at("gone.csv")], [at("all.csv")]))
    assert not exists(at("all.csv"))


def test_a_collection_that_was_given_twice_is_refused_and_nothing_is_written():
    locs = [place("one.csv", "a", [1.0]), place("two.csv", "a", [2.0])]
    with pytest.raises(TableError, match=r"'memory://one\.csv' and 'memory://two\.csv'"):
        merge_scores(MergeScoresMsg(locs, [at("all.csv")]))
    assert not exists(at("all.csv"))


def test_a_malformed_table_is_refused_by_name():
    write_bytes(at("bad.csv"), b"a,b\n1,2\n")
    with pytest.raises(TableError, match=r"'memory://bad\.csv' has no column collectionAddress"):
        merge_scores(MergeScoresMsg([at("bad.csv")], [at("all.csv")]))


def test_an_ending_that_is_no_table_s_is_refused_before_anything_is_read():
    with pytest.raises(TableError, match=r"'memory://all\.xlsx' must end with"):
        merge_scores(MergeScoresMsg([at("gone.csv")], [at("all.xlsx")]))


def test_merging_twice_gives_the_same_bytes_in_files_too(tmp_path):
    locs = [place(f"{name}.csv", name, [1.0, 2.0]) for name in "abc"]
    out = [DataLocation("filesystem", str(tmp_path / "new" / name)) for name in ("all.csv", "all.parquet")]
    merge_scores(MergeScoresMsg(locs, out))
    first = [read_bytes(loc) for loc in out]
    merge_scores(MergeScoresMsg(locs[::-1], out))

    assert [read_bytes(loc) for loc in out] == first
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["all.csv", "all.parquet"]


# analyze_scores


def test_scores_are_described_in_the_answer_and_in_a_file():
    loc = place("a.csv", "a", [1.0, 2.0, 6.0, NAN])
    answer = analyze_scores(AnalyzeScoresMsg(loc, at("analysis.json")))
    written = json.loads(read_bytes(at("analysis.json")))

    assert (answer.count, answer.nulls, answer.min, answer.max, answer.mean) == (3, 1, 1, 6, 3)
    assert answer.quantiles["0.50"] == 2
    assert [(mean.collection_id, mean.n, mean.mean) for mean in answer.collections] == [("a", 3, 3.0)]
    assert written == {name: value for name, value in answer.serialize().items() if name != "runtime"}


def test_a_table_without_a_row_is_described_as_empty():
    answer = analyze_scores(AnalyzeScoresMsg(place("a.parquet", "a", [])))

    assert (answer.count, answer.mean, answer.quantiles) == (0, None, {})


# bucketize_scores


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_scores_are_sorted_into_buckets(ending):
    loc = place("a.parquet", "a", [*range(100), NAN])
    out, edges = at(f"b.{ending}"), at("edges.npz")
    answer = bucketize_scores(BucketizeScoresMsg(loc, out, edges))
    rows = csv_rows(out) if ending == "csv" else parquet_rows(out)

    assert answer.merged_edges == 0
    assert answer.edges == read_buckets(read_bytes(edges), "").edges.tolist()
    assert answer.edges[:2] == pytest.approx([0.0, 34.65])
    assert sum(answer.counts.values()) == 100
    assert answer.counts["10"] == 1
    assert (str(rows[99]["bin_pixelScore"]), rows[99]["readable_bin_pixelScore"]) == ("10", "top 1% rarest")
    assert (str(rows[0]["bin_pixelScore"]), rows[0]["readable_bin_pixelScore"]) == ("1", "less than 65% rarest")
    assert (rows[100]["bin_pixelScore"] or None, rows[100]["readable_bin_pixelScore"] or None) == (None, None)


def test_edges_that_coincide_are_reported(caplog):
    loc = place("a.csv", "a", [0.0] * 80 + [1.0] * 20)
    with caplog.at_level(logging.WARNING):
        answer = bucketize_scores(BucketizeScoresMsg(loc, None, at("edges.npz")))

    assert answer.merged_edges == 9
    assert answer.counts == {"1": 80, "2": 0, "3": 0, "4": 20} | dict.fromkeys(map(str, range(5, 11)), 0)
    assert "9 of the 11 edges" in caplog.text


def test_probabilities_may_be_others():
    loc = place("a.csv", "a", [1.0, 2.0, 3.0, 4.0])
    answer = bucketize_scores(BucketizeScoresMsg(loc, at("b.csv"), at("edges.npz"), [0, 0.5, 1]))

    assert answer.edges == [1, 2.5, 4]
    assert answer.counts == {"1": 2, "2": 2}
    assert [row["readable_bin_pixelScore"] for row in csv_rows(at("b.csv"))][-1] == "top 50% rarest"


def test_a_table_without_a_score_has_no_buckets_and_nothing_is_written():
    with pytest.raises(TableError, match="has no score"):
        bucketize_scores(BucketizeScoresMsg(place("a.csv", "a", [NAN]), at("b.csv"), at("edges.npz")))
    assert not exists(at("edges.npz"))


# compare_rankings


def test_each_two_rankings_and_each_with_the_metadata_are_compared():
    rarity = [1.0, 2.0, 3.0, NAN]
    locs = {
        "up": place("up.csv", "a", [1, 2, 3, 4], rarity),
        "down": place("down.parquet", "a", [4, 3, 2, 1]),
        "few": place("few.csv", "a", [1, 9], [5.0, 5.0]),
    }
    answer = compare_rankings(CompareRankingsMsg(locs, top_share=0.25, comparison_loc=at("comparison.csv")))
    found = {(comparison.first, comparison.second): comparison for comparison in answer.comparisons}

    assert list(found) == [
        ("up", "down"),
        ("up", "few"),
        ("down", "few"),
        ("up", "rarityScore"),
        ("few", "rarityScore"),
    ]
    opposite = found["up", "down"]
    assert (opposite.n, opposite.pearson, opposite.spearman, opposite.kendall) == pytest.approx((4, -1, -1, -1))
    assert opposite.top_overlap == 0
    assert (found["up", "few"].n, found["up", "few"].kendall) == (2, pytest.approx(1))
    assert found["up", "rarityScore"].n == 3
    constant = found["few", "rarityScore"]
    assert (constant.n, constant.pearson, constant.spearman, constant.kendall) == (2, None, None, None)
    assert [row["first"] for row in csv_rows(at("comparison.csv"))] == ["up", "up", "down", "up", "few"]
    assert csv_rows(at("comparison.csv"))[-1]["pearson"] == ""


def test_tokens_are_the_same_only_in_the_same_collection():
    locs = {"a": place("a.csv", "a", [1, 2, 3]), "b": place("b.csv", "b", [1, 2, 3])}
    (comparison,) = compare_rankings(CompareRankingsMsg(locs)).comparisons

    assert (comparison.n, comparison.pearson) == (0, None)


def test_numbers_and_words_are_compared_by_their_text():
    write_bytes(at("n.csv"), b"collectionAddress,tokenId,pixelScore\na,1,1\na,2,2\n")
    write_bytes(at("w.csv"), b"collectionAddress,tokenId,pixelScore\na,2,5\na,001,4\na,x,9\n")
    (comparison,) = compare_rankings(CompareRankingsMsg({"n": at("n.csv"), "w": at("w.csv")})).comparisons

    assert (comparison.n, comparison.pearson) == (2, pytest.approx(1))


def test_a_token_that_a_table_has_twice_is_refused():
    write_bytes(at("n.csv"), b"collectionAddress,tokenId,pixelScore\na,1,1\na,1,2\n")
    with pytest.raises(TableError, match="'n' has the token 1 of the collection a twice"):
        compare_rankings(CompareRankingsMsg({"n": at("n.csv")}))


def test_the_metadata_s_name_is_taken():
    with pytest.raises(TableError, match="rarityScore"):
        compare_rankings(CompareRankingsMsg({"rarityScore": place("a.csv", "a", [1.0])}))
