"""Catalogs of galaxies: both separators, padded cells, rows and files that are damaged."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacer_like.exceptions import DataLimitError, TableError
from spacer_like.regression import catalog as catalog_module
from spacer_like.regression.catalog import CatalogRow, read_catalog

PADDED = b"""\
   pgc  | ra      | inc | inc_flg | fon | inc_note          \r
      2 |  0.0070 |  67 |    0    |     |                   \r
      4 |  0.0099 |  0  |    2    |  F  | 5" [loose arms]   \r
     12 |  0.0363 |  0  |    1    |     | "[face_on]        \r
     16 |  0.0417 |     |    4    |     | [merger]          \r
"""


def test_padded_cells_are_stripped_and_quotation_marks_are_letters():
    catalog = read_catalog(PADDED, "cf4.txt")
    assert catalog.rows[1] == CatalogRow(4, 0.0, 2, "F", '5" [loose arms]')
    assert [(row.id, row.label, row.code) for row in catalog.rows] == [
        (2, "67", 67),
        (4, "F", 1),
        (12, "F", 1),
        (16, "0", 0),
    ]
    assert catalog.faults == []


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_csv_is_read_as_well(separator):
    text = "inc_note,fon,inc,pgc,inc_flg\n,, 50 ,7,0\n".replace(",", separator)
    assert read_catalog(text.encode(), "a.csv").rows == [CatalogRow(7, 50.0, 0, "", "")]


def test_csv_quotes_its_texts():
    [row] = read_catalog(b'pgc,inc,inc_flg,fon,inc_note\n7,50,0,,"[standard], good"\n', "a.csv").rows
    assert row.note == "[standard], good"


def test_missing_columns_are_named_beside_those_there_are():
    with pytest.raises(
        TableError, match=r"'a.csv' lacks the columns inc_flg, fon\. Its columns are: pgc, inc, inc_note"
    ):
        read_catalog(b"pgc,inc,inc_note\n1,50,\n", "a.csv")


def test_a_file_that_is_no_text_is_one_sentence():
    with pytest.raises(TableError, match=r"^The catalog 'a\.txt' cannot be read: it is not text in UTF-8\.$"):
        read_catalog(b"\xccSIMPLE\x00\xff", "a.txt")


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("x|50|0||", "column pgc holds 'x', which is no whole number"),
        ("-4|50|0||", "column pgc holds '-4'"),
        ("99999999999|50|0||", "column pgc holds '99999999999'"),
        (f"{'9' * 5000}|50|0||", "column pgc holds"),
        ("3|nan|0||", "column inc holds 'nan', which is no inclination from 0 to 90"),
        ("3||0||", "column inc holds ''"),
        ("3|50|?||", "column inc_flg holds"),
        ("3|50|0", "The row has 3 cells, and the table 5 columns"),
        ("1|50|0||", "The galaxy 1 is there for the second time"),
    ],
)
def test_a_damaged_row_is_reported_and_the_others_are_read(line, reason):
    text = f"pgc|inc|inc_flg|fon|inc_note\n1|50|0||\n{line}\n2|60|0||\n"
    catalog = read_catalog(text.encode(), "a.txt")
    assert [row.id for row in catalog.rows] == [1, 2]
    [fault] = catalog.faults
    assert (fault.line, catalog.n_faults) == (3, 1)
    assert reason in fault.reason


def test_only_the_first_faults_are_kept(monkeypatch):
    monkeypatch.setattr(catalog_module, "MOST_FAULTS", 2)
    catalog = read_catalog(b"pgc,inc,inc_flg,fon,inc_note\n" + b"x,1,0,,\n" * 5, "a.csv")
    assert (len(catalog.faults), catalog.n_faults) == (2, 5)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_catalog_or_an_error_in_a_sentence(data):
    for content in (data, b"pgc,inc,inc_flg,fon,inc_note\n" + data, b"pgc|inc|inc_flg|fon|inc_note\n" + data):
        with suppress(TableError):
            read_catalog(content, "a.csv")


def test_a_catalog_over_the_limit_is_not_read(monkeypatch):
    monkeypatch.setattr(catalog_module, "MOST_BYTES", 10)
    with pytest.raises(DataLimitError, match="is not read"):
        read_catalog(PADDED, "cf4.txt")


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("bar", ["|", ","])
def test_lines_may_end_in_any_way(bar, end):
    text = "pgc|inc|inc_flg|fon|inc_note\n 7|67|0||\n8|70|0||\n".replace("|", bar).replace("\n", end)
    assert [row.id for row in read_catalog(text.encode(), "catalog").rows] == [7, 8]


@pytest.mark.parametrize("cells", ["1_0|60|0", "٣|60|0", "3|6_0|0", "3|60|٠", "3|infinity|0"])
def test_what_only_python_takes_for_a_number_is_a_fault(cells):
    catalog = read_catalog(f"pgc|inc|inc_flg|fon|inc_note\n{cells}||\n".encode(), "catalog")
    assert (catalog.rows, catalog.n_faults) == ([], 1)
