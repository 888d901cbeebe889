"""What the makers of collections write about their tokens."""

from __future__ import annotations

import csv
import io
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacer_like.exceptions import TableError
from spacer_like.rarity.metadata import read_metadata, token_id


def metadata(text: str, encoding: str = "utf-8"):
    found = read_metadata(text.encode(encoding), "metadata.csv")
    assert len(found) == len(found.token_ids) == len(found.rarity_scores) == len(found.rarity_ranks) == len(found.urls)
    return found


def test_columns_have_no_names():
    found = metadata("1,2.5,10,http://a/1.png\n2,3,9,http://a/2.png\n")
    assert found.token_ids == ["1", "2"]
    assert found.rarity_scores.tolist() == [2.5, 3.0]
    assert found.rarity_ranks.tolist() == [10.0, 9.0]
    assert found.urls == ["http://a/1.png", "http://a/2.png"]


@pytest.mark.parametrize("text", ["undefined", "", " ", "null", "nan", "inf", "-Infinity", "1e999", "n/a"])
def test_what_is_no_number_is_no_score(text):
    found = metadata(f"1,{text},{text},u\n")
    assert np.isnan(found.rarity_scores[0])
    assert np.isnan(found.rarity_ranks[0])
    assert found.urls == ["u"]


def test_quotes_commas_and_line_breaks_belong_to_their_cells():
    found = metadata('"1","1.5",2,"http://a/?x=1,2&y=""3"""\r\n"two\nlines",1,1,u\r\n')
    assert found.token_ids == ["1", "two\nlines"]
    assert found.urls == ['http://a/?x=1,2&y="3"', "u"]


@pytest.mark.parametrize(
    "header",
    [
        "id,rarityScore,rarityRank,url",
        "tokenId,RARITYSCORE,rarity_rank,imageUrl",
        "token_id, rarityScore ,rarityRank,URL",
    ],
)
def test_a_row_of_names_is_understood(header):
    found = metadata(f"{header}\n7,1.5,2,u\n")
    assert found.token_ids == ["7"]
    assert (found.rarity_scores[0], found.rarity_ranks[0], found.urls[0]) == (1.5, 2.0, "u")


def test_names_may_put_columns_in_another_order_and_leave_some_out():
    found = metadata("url,name,id,rarityRank\nu,Fred,7,3\n")
    assert (found.token_ids, found.urls) == (["7"], ["u"])
    assert found.rarity_ranks[0] == 3
    assert np.isnan(found.rarity_scores[0])


@pytest.mark.parametrize("row", ["7", "7,1", "7,1,2", "7,1,2,u,more"])
def test_columns_may_be_missing_or_too_many(row):
    assert metadata(f"{row}\n").token_ids == ["7"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_a_mark_at_the_beginning_is_no_letter_of_the_id(encoding):
    assert metadata("7,1,2,ü\n", encoding).token_ids == ["7"]


@pytest.mark.parametrize("text", ["", "\n\n", "id,rarityScore,rarityRank,url\n", ",,,\n"])
def test_no_rows_are_no_error(text):
    assert len(metadata(text)) == 0


def test_of_a_token_with_several_rows_the_last_one_counts_in_the_place_of_the_first():
    found = metadata("1,1,1,a\n2,2,2,b\n001,3,3,c\n")
    assert found.token_ids == ["1", "2"]
    assert found.rarity_scores.tolist() == [3.0, 2.0]
    assert found.urls == ["c", "b"]


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"\xff\xfe1,2", r"are no text in UTF-8: see byte 0\."),
        (b'1,"2\n', r"are no CSV in line 1: unexpected end of data\."),
        (b'1,"2"x,3\n', r"are no CSV in line 1: "),
        (b"1,2,3,u\n ,2,3,u\n", r"have a row without an id in line 2\."),
        (b"1," + b"x" * 200_000, r"are no CSV in line 1: field larger than field limit"),
    ],
)
def test_what_is_no_metadata_is_told(data, told):
    with pytest.raises(TableError, match=rf"^The metadata 'metadata\.csv' {told}"):
        read_metadata(data, "metadata.csv")


def test_an_image_that_is_called_like_a_column_makes_no_row_of_names():
    assert metadata("7,0.5,3,ID\n8,0.4,4,url\n").urls == ["ID", "url"]


def test_too_many_rows_are_told(monkeypatch):
    monkeypatch.setattr("spacer_like.rarity.metadata.MOST_ROWS", 9)
    with pytest.raises(TableError, match=r"have more than 9 rows\."):
        metadata("".join(f"{number}\n" for number in range(10)))


# An apostrophe at the beginning may be one of those that are written before formulas.
texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)
cells = texts.filter(lambda text: not text.startswith("'"))
ids = cells.filter(lambda text: token_id(text) and text.strip().lower() not in ("id", "tokenid", "token_id"))
rows = st.tuples(ids, st.floats(allow_nan=False, allow_infinity=False), st.integers(0, 10**6), cells.map(str.strip))


@given(st.lists(rows, max_size=20, unique_by=lambda row: token_id(row[0])))
def test_what_a_writer_of_csv_writes_is_read(written):
    stream = io.StringIO(newline="")
    # A carriage return of its own ends a line for some readers: the writer quotes it, and here it is kept.
    csv.writer(stream, quoting=csv.QUOTE_ALL).writerows(written)
    found = metadata(stream.getvalue())
    assert found.token_ids == [token_id(row[0]) for row in written]
    assert found.rarity_scores.tolist() == [row[1] for row in written]
    assert found.rarity_ranks.tolist() == [row[2] for row in written]
    assert found.urls == [row[3] for row in written]


def test_of_many_traits_only_four_columns_are_held():
    heading = ",".join(["id", *(f"trait {number}" for number in range(500)), "rarityScore"])
    rows = (",".join([str(row), *(f"value {number}" for number in range(500)), "1.5"]) for row in range(1500))
    data = "\n".join([heading, *rows]).encode()
    tracemalloc.start()
    found = read_metadata(data, "metadata.csv")
    taken = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(found) == 1500
    assert found.rarity_scores.tolist() == [1.5] * 1500
    # The text, and little else.
    assert taken < 1.5 * len(data)
