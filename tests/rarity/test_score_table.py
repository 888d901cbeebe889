"""Tables of scores: the metadata's rows with their scores, in the order of the tokens; as CSV and as Parquet."""

import csv
import io
import logging
import math

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacer_like.exceptions import DataLimitError, TableError
from spacer_like.rarity.metadata import read_metadata
from spacer_like.rarity.score_table import BASE_COLUMNS, token_rows
from spacer_like.rarity.table_files import encoded, read_table
from spacer_like.tables.files import write_csv

from ..readers.refusals import refused_by_name

NAN = float("nan")
ORIGINAL = b"""\
,collectionAddress,tokenId,pixelScore,pixelScoreRank,rarityScore,rarityRank,imageUrl
0,0xab,3,7.5,1.5,undefined,,http://a/3
1,0xab,1,7.5,1.5,2.25,1.0,http://a/1
2,0xab,2,,,1.0,2.0,
"""
METADATA = b'10,undefined,,"http://a/10,b"\n2,1.5,2,"say ""cheese"""\n007,3.25,1,\n5,0.5,3,http://a/5\n'
FORMATS = pytest.mark.parametrize("parquet", [False, True], ids=["csv", "parquet"])


def made(tokens=("10", "2", "7", "99"), scores=(1.0, 3.0, 3.0, 9.0), metadata=METADATA):
    known = read_metadata(metadata, "metadata.csv") if metadata is not None else None
    return token_rows(tokens, known).table("0xab", np.array(scores))


def test_images_without_a_row_in_the_metadata_are_told_by_number():
    found = token_rows(["99", "100", "2", "11"], read_metadata(METADATA, "metadata.csv"))
    assert found.dropped == ["11", "99", "100"]


def rows(table):
    return table.columns.to_pylist()


def column(table, name):
    return table.columns[name].to_pylist()


def csv_rows(table):
    return list(csv.DictReader(io.StringIO(encoded(table, parquet=False).decode())))


# The rows


def test_every_row_of_the_metadata_is_a_row_in_the_order_of_the_tokens():
    table = made()

    assert column(table, "tokenId") == [2, 5, 7, 10]
    assert column(table, "pixelScore") == [3, None, 3, 1]
    assert column(table, "pixelScoreRank") == [1.5, None, 1.5, 3]
    assert column(table, "pixelScoreRankMin") == [1, None, 1, 3]
    assert column(table, "rarityScore") == [1.5, 0.5, 3.25, None]
    assert column(table, "rarityRank") == [2, 3, 1, None]
    assert column(table, "imageUrl") == ['say "cheese"', "http://a/5", None, "http://a/10,b"]
    assert set(column(table, "collectionAddress")) == {"0xab"}
    assert table.not_scored == ["5"]


def test_an_image_without_a_row_of_the_metadata_is_left_out_and_the_log_says_so(caplog):
    with caplog.at_level(logging.WARNING):
        table = made()

    assert 99 not in column(table, "tokenId")
    assert "1 images are left out" in caplog.text
    assert "99" in caplog.text


def test_without_metadata_every_image_is_a_row():
    table = made(metadata=None)

    assert column(table, "tokenId") == [2, 7, 10, 99]
    assert column(table, "rarityScore") == [None] * 4
    assert column(table, "imageUrl") == [None] * 4


def test_ids_that_are_no_numbers_are_text_numbers_before_words():
    table = made(tokens=["b", "10", "2", str(2**63), "a"], scores=range(5), metadata=None)

    assert column(table, "tokenId") == ["2", "10", str(2**63), "a", "b"]
    assert column(table, "pixelScore") == [2, 1, 3, 4, 0]


@pytest.mark.parametrize("nothing", [NAN, math.inf, -math.inf])
@FORMATS
def test_what_is_no_number_is_no_score(nothing, parquet):
    table = made(tokens=["1", "2"], scores=[nothing, 1.0], metadata=None)

    assert column(table, "pixelScore") == [None, 1]
    assert column(table, "pixelScoreRank") == [None, 1]
    assert rows(read_table(encoded(table, parquet), "t", parquet)) == rows(table)


def test_a_collection_without_an_image_has_a_table_without_a_row():
    table = made(tokens=[], scores=[], metadata=None)

    assert len(table) == 0
    assert table.collections()[0] == []
    assert encoded(table, parquet=False).decode() == ",".join(BASE_COLUMNS) + "\n"


# Files


def test_csv_has_the_original_s_columns_and_no_index():
    first, second, *_ = encoded(made(), parquet=False).decode().splitlines()

    assert first.split(",") == list(BASE_COLUMNS)
    assert second == '"0xab",2,3,1.5,1,1.5,2,"say ""cheese"""'
    plain = encoded(made(tokens=["1"], scores=[0.1], metadata=None), parquet=False)
    assert plain.splitlines()[1] == b"0xab,1,0.1,1,1,,,"


def test_texts_with_quotes_commas_and_line_breaks_survive_csv():
    metadata = b'1,1,1,"a,b"\n2,1,1,"c ""d"""\n3,1,1,"e\nf"\n'
    table = made(tokens=["1"], scores=[1.0], metadata=metadata)

    assert [row["imageUrl"] for row in csv_rows(table)] == ["a,b", 'c "d"', "e\nf"]
    assert column(read_table(encoded(table, parquet=False), "t", False), "imageUrl") == ["a,b", 'c "d"', "e\nf"]


@FORMATS
@given(
    tokens=st.lists(st.text(st.characters(codec="utf-8"), min_size=1).map(str.strip).filter(bool), unique=True),
    data=st.data(),
)
def test_every_table_is_read_as_it_was_written(parquet, tokens, data):
    tokens = sorted({token.lstrip("0") or "0" if token.isascii() and token.isdigit() else token for token in tokens})
    numbers = st.floats(allow_nan=True, allow_infinity=False)
    scores = data.draw(st.lists(numbers, min_size=len(tokens), max_size=len(tokens)))
    table = token_rows(tokens).table('0x, "quoted"', np.array(scores, float))
    back = read_table(encoded(table, parquet), "t", parquet)

    assert rows(back) == rows(table)
    assert back.columns.schema == table.columns.schema


def test_the_same_table_gives_the_same_bytes_by_any_number_of_threads():
    table = made(tokens=[str(number) for number in range(150_000)], scores=np.arange(150_000) / 7, metadata=None)
    files = [io.BytesIO(), io.BytesIO()]
    for threads, file in enumerate(files, 1):
        write_csv(table.columns, file, threads)

    assert files[0].getvalue() == files[1].getvalue() == encoded(table, parquet=False)
    assert encoded(table, parquet=True) == encoded(table, parquet=True)


def test_parquet_has_plain_types():
    schema = pq.read_schema(io.BytesIO(encoded(made(), parquet=True)))

    assert schema.field("collectionAddress").type == schema.field("imageUrl").type == pa.string()
    assert schema.field("tokenId").type == schema.field("pixelScoreRankMin").type == pa.int64()
    assert schema.field("pixelScore").type == schema.field("pixelScoreRank").type == pa.float64()


def test_the_original_s_files_are_read():
    table = read_table(ORIGINAL, "pixelscore.csv", parquet=False)

    assert column(table, "tokenId") == [3, 1, 2]
    assert column(table, "pixelScore") == [7.5, 7.5, None]
    assert column(table, "pixelScoreRank") == [1.5, 1.5, None]
    assert column(table, "pixelScoreRankMin") == [1, 1, None]
    assert column(table, "rarityScore") == [None, 2.25, 1.0]
    assert column(table, "imageUrl") == ["http://a/3", "http://a/1", None]


@FORMATS
def test_ranks_that_a_file_lacks_are_those_within_its_collections(parquet):
    plain = pa.table({"collectionAddress": ["b", "a", "b"], "tokenId": [1, 1, 2], "pixelScore": [1.0, 2.0, 3.0]})
    table = read_table(file_of(plain, parquet), "t", parquet)

    assert column(table, "pixelScoreRank") == [2, 1, 1]
    assert column(table, "pixelScoreRankMin") == [2, 1, 1]
    assert table.collections()[0] == ["a", "b"]
    assert table.collections()[1].tolist() == [1, 0, 1]


def test_a_byte_order_mark_and_windows_line_ends_do_no_harm():
    data = b"\xef\xbb\xbf" + ORIGINAL.replace(b"\n", b"\r\n")

    assert rows(read_table(data, "t", False)) == rows(read_table(ORIGINAL, "t", False))


def test_whole_numbers_that_were_written_with_a_fraction_are_read():
    data = b"collectionAddress,tokenId,pixelScore,pixelScoreRankMin\na,1,2,1.0\na,2,,\n"

    assert column(read_table(data, "t", False), "pixelScoreRankMin") == [1, None]


def test_words_that_others_write_for_nothing_stay_ids():
    data = b"collectionAddress,tokenId,pixelScore\nnull,nan,undefined\nnull,NA,nan\n"
    table = read_table(data, "t", False)

    assert column(table, "tokenId") == ["nan", "NA"]
    assert column(table, "pixelScore") == [None, None]
    assert set(column(table, "collectionAddress")) == {"null"}


# What is refused


def file_of(table, parquet):
    sink = io.BytesIO()
    if parquet:
        pq.write_table(table, sink)
    else:
        import pyarrow.csv

        pyarrow.csv.write_csv(table, sink)
    return sink.getvalue()


@pytest.mark.parametrize("missing", ["collectionAddress", "tokenId", "pixelScore"])
@FORMATS
def test_a_missing_column_is_named_with_the_file(missing, parquet):
    table = made().columns.drop_columns([missing])

    with pytest.raises(TableError, match=rf"^The table 'scores' has no column {missing}: [^.]+\.$"):
        read_table(file_of(table, parquet), "scores", parquet)


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "has no row of names"),
        (b"\n", "has no"),
        (b"collectionAddress,tokenId,pixelScore\na,1\n", "cannot be read as CSV"),
        (b"collectionAddress,tokenId,pixelScore\na,1,much\n", "cannot be read as CSV"),
        (b"collectionAddress,tokenId,pixelScore\na,1,\xff\n", "cannot be read as CSV"),
        (b"collectionAddress,tokenId,pixelScore\n\xff,1,1\n", "cannot be read as CSV"),
        (b"collectionAddress,tokenId,pixelScore\n,1,1\n", "a row without collectionAddress"),
        (b"collectionAddress,tokenId,pixelScore\na,,1\n", "a row without tokenId"),
        (b"collectionAddress,tokenId,pixelScore,tokenId\na,1,1,2\n", "two columns tokenId"),
        (b"collectionAddress,tokenId,pixelScore,pixelScoreRankMin\na,1,1,1.5\n", "pixelScoreRankMin"),
        (b"\x89PNG\r\n\x1a\n", "has no column"),
    ],
)
def test_a_malformed_csv_is_refused_by_name(data, sentence):
    with pytest.raises(TableError, match=rf"'bad.csv'.*{sentence}|{sentence}.*'bad.csv'"):
        read_table(data, "bad.csv", parquet=False)


@pytest.mark.parametrize("data", [b"", b"PAR1", b"PAR1" + bytes(100) + b"PAR1", b"no parquet at all"])
def test_what_is_no_parquet_is_refused_by_name(data):
    with pytest.raises(TableError, match=r"'bad\.parquet' cannot be read as Parquet"):
        read_table(data, "bad.parquet", parquet=True)


@pytest.mark.parametrize(
    "values", [["much"], [[1.0]], [{"score": 1.0}], [b"\xff"]], ids=["text", "list", "struct", "bytes"]
)
def test_parquet_with_other_kinds_of_values_is_refused(values):
    table = pa.table({"collectionAddress": ["a"], "tokenId": [1], "pixelScore": values})

    with pytest.raises(TableError, match=r"column pixelScore.*'bad\.parquet'"):
        read_table(file_of(table, parquet=True), "bad.parquet", parquet=True)


def test_texts_that_are_not_utf_8_are_refused():
    address = pa.array([b"0x\xff"]).view(pa.string())
    table = pa.table({"collectionAddress": address, "tokenId": [1], "pixelScore": [1.0]})

    with pytest.raises(TableError, match=r"'bad\.parquet' cannot be read as Parquet"):
        read_table(file_of(table, parquet=True), "bad.parquet", parquet=True)


def test_a_damaged_file_is_refused_or_read_but_never_anything_else():
    data = encoded(made(), parquet=True)
    random = np.random.default_rng(0)
    for place in random.permutation(len(data))[:300]:
        damaged = bytearray(data)
        damaged[place] ^= int(random.integers(1, 256))
        with refused_by_name("bad.parquet", TableError, DataLimitError):
            read_table(bytes(damaged), "bad.parquet", parquet=True)


def test_parquet_that_announces_rows_without_bytes_is_refused():
    nothing = pa.nulls(10_000_000, pa.float64())
    table = pa.table({"collectionAddress": nothing, "tokenId": nothing, "pixelScore": nothing})

    with pytest.raises(DataLimitError, match="10000000 rows"):
        read_table(file_of(table, parquet=True), "bomb.parquet", parquet=True)


def test_parquet_that_repeats_a_long_text_is_refused():
    n = 1000
    repeated = pa.DictionaryArray.from_arrays(np.zeros(n, np.int32), ["x" * 100_000])
    columns = {"collectionAddress": ["a"] * n, "tokenId": range(n), "pixelScore": [1.0] * n, "imageUrl": repeated}

    with pytest.raises(DataLimitError, match="imageUrl"):
        read_table(file_of(pa.table(columns), parquet=True), "bomb.parquet", parquet=True)
