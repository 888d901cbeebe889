"""No cell of our CSV files is a formula to a spreadsheet, and every reader gets back the text that was written."""

import ast
import csv
import io
import re
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import spacer_like
from spacer_like.data_classes import DataLocation
from spacer_like.exceptions import TableError
from spacer_like.points.point_table import read_points
from spacer_like.rarity.metadata import read_metadata, token_id
from spacer_like.rarity.score_table import token_rows
from spacer_like.rarity.table_files import encoded, read_table
from spacer_like.storage import clear_memory_storage, write_bytes
from spacer_like.tables.cells import _SPACE, csv_bytes, csv_rows, decoded_table, guarded, stripped, unguarded
from spacer_like.tables.files import csv_names, read_csv, table_bytes
from spacer_like.tables.label_table import LabelTable, read_label_table
from spacer_like.workflows.rarity_collections import read_list

PACKAGE = Path(spacer_like.__file__).parent

# Everything that UTF-8 can hold but NUL, with a liking for what is special in CSV, in formulas, or white space.
SPECIAL = st.sampled_from("=+-@'\t\r\n \",;|\v\xa0\u2028\u3000\uff1d\uff0b\uff0d\uff20\ufeff01a.")
TEXTS = st.text(SPECIAL | st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=12)
HOSTILE = [
    "-001.jpg", "=reef.jpg", "@x.jpg", "+1+1", "'=x.jpg", "''x", "'tis.jpg", "\t=x", "\r=x", "\n=x", " =x", "x ",
    "'x ", "'", "' ", "''=x", "-1.5", "+3", "-1e5", "'-1.5", "-", "--1", "-1-1", "\uff1dx", "\xa0=x",
    '="x"', "a,=b", "=a\r\nb",
]  # fmt: skip


def is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def is_harmless(cell: str) -> bool:
    return not cell.strip().startswith(tuple("=+-@\uff1d\uff0b\uff0d\uff20")) or is_number(cell)


def cells_of(data: bytes) -> list[str]:
    return [cell for row in csv.reader(io.StringIO(data.decode(), newline=""), strict=True) for cell in row]


def texts(function):
    """Run a test with any text, and with each of the hostile ones."""
    function = settings(max_examples=200)(given(text=TEXTS)(function))
    for text in HOSTILE:
        function = example(text=text)(function)
    return function


@texts
def test_a_cell_is_read_as_it_was_written(text):
    assert unguarded(str(guarded(text))) == text
    assert stripped(str(guarded(text))) == text


@texts
def test_no_text_is_written_as_a_formula(text):
    data = csv_bytes([text], [[text, 1]])
    assert all(map(is_harmless, cells_of(data)))
    assert [cells for _, cells in csv_rows(data.decode())] == [[text], [text, "1"]]


@pytest.mark.parametrize("number", [-1, -1.5, 2.5e-7, "-1.5", "+3", "-1e-5", "0"])
def test_numbers_stay_as_they_are(number):
    assert csv_bytes(["n"], [[number]]).decode() == f"n\n{number}\n"


def test_arrow_leaves_numbers_as_they_are():
    table = pa.table({"number": [-1.5, None], "text": ["-1.5", "=1"]})
    assert table_bytes(table, parquet=False) == b"number,text\n-1.5,-1.5\n,'=1\n"


def test_what_people_write_is_read_without_the_space_around_it():
    assert [stripped(text) for text in (" sand ", " '=x", "'sand", "=x")] == ["sand", "=x", "'sand", "=x"]


def test_space_is_what_python_strips():
    found = [character for character in map(chr, range(sys.maxunicode)) if re.fullmatch(f"[{_SPACE}]", character)]
    assert found == [character for character in map(chr, range(sys.maxunicode)) if character.isspace()]


@texts
def test_arrow_writes_what_python_does(text):
    table = pa.table({"a": [text, "plain"], text + "b": pa.array([text, None]).dictionary_encode()})
    data = table_bytes(table, parquet=False)
    rows = [cells for _, cells in csv_rows(data.decode())]
    assert rows == [["a", text + "b"], [text, text], ["plain", ""]]
    assert all(map(is_harmless, cells_of(data)))


@texts
def test_arrow_reads_what_python_does(text):
    from pyarrow.csv import ConvertOptions

    data = csv_bytes([text, "b"], [[text, text], ["plain", "x"]])
    raw = csv_names(data, "t.csv", 2**16)
    assert [unguarded(name) for name in raw] == [text, "b"]
    if text == "b" or text.startswith("\ufeff"):
        return
    options = ConvertOptions(
        column_types={raw[0]: pa.string(), "b": pa.dictionary(pa.int32(), pa.string())}, strings_can_be_null=False
    )
    table = read_csv(data, options, 2**20)
    assert table.column_names == [text, "b"]
    assert table.column(0).to_pylist() == [text, "plain"]
    assert table.column(1).to_pylist() == [text, "x"]


@texts
def test_points_are_read_as_they_were_written(text):
    data = csv_bytes(("image", "row", "col", "label"), [(text, 1, 2, f"{text}a"), (text, 3, 4, f"a{text}")])
    assert read_points(data, "points.csv", labelled=True).images == {text: [(1, 2, f"{text}a"), (3, 4, f"a{text}")]}


@texts
def test_label_tables_are_read_as_they_were_written(text):
    targets = np.array([[True, False], [False, True]])
    table = LabelTable([text, f"{text}2"], (f"{text}a", f"b{text}"), targets)
    data = table_bytes(table.sparse(), parquet=False)
    found = read_label_table(data, "labels.csv", parquet=False)
    assert (found.names, found.labels) == (table.names, table.labels)
    assert np.array_equal(found.targets, targets)
    dense = table_bytes(table.dense(), parquet=False)
    assert all(map(is_harmless, cells_of(data) + cells_of(dense)))


@texts
def test_score_tables_are_read_as_they_were_written(text):
    # Ids of tokens have no space around them and no leading zeros, wherever they are from.
    ids = list(dict.fromkeys([token_id(text) or "0", "x"]))
    table = token_rows(ids).table(text, np.arange(len(ids), dtype=float))
    data = encoded(table, parquet=False)
    found = read_table(data, "scores.csv", parquet=False)
    assert found.token_ids == table.token_ids
    assert found.collections()[0] == [text]
    assert all(map(is_harmless, cells_of(data)))


@texts
def test_metadata_are_read_as_they_were_written(text):
    data = csv_bytes(("id", "rarityScore", "url"), [(text, -1.5, text)])
    if token_id(text):
        found = read_metadata(data, "metadata.csv")
        assert (found.token_ids, found.urls) == ([token_id(text)], [text.strip()])
        assert found.rarity_scores.tolist() == [-1.5]


@texts
def test_lists_of_collections_are_read_as_they_were_written(text):
    loc = DataLocation("memory", "list.csv")
    write_bytes(loc, csv_bytes(("n", "collection_id"), [(1, text)]))
    assert read_list(loc) == [text]
    clear_memory_storage()


def test_a_name_that_is_no_text_is_refused_in_a_sentence():
    with pytest.raises(TableError, match=r"cannot hold the name 'a/\\udcff'"):
        csv_bytes(["image"], [["a/\udcff.jpg"]])


MAKERS = ("to_csv", "savetxt", "writer", "DictWriter", "DictReader")


def calls_of(tree: ast.AST) -> set[str]:
    """What a module imports and calls that makes CSV, or reads it."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names if alias.name == "pyarrow.csv"}
        elif isinstance(node, ast.ImportFrom) and node.module in ("csv", "pyarrow.csv", "pyarrow"):
            names = {alias.name for alias in node.names} - {"ConvertOptions", "Error"}
            found |= names if node.module != "pyarrow" else names & {"csv"}
        elif isinstance(node, ast.Attribute) and node.attr in (
            "to_csv",
            "savetxt",
            "writer",
            "DictWriter",
            "DictReader",
        ):
            found.add(node.attr)
        elif isinstance(node, ast.Attribute) and ast.unparse(node) == "csv.reader":
            found.add("csv.reader")
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in ("','.join", "';'.join", "'\\t'.join"):
            found.add("join")
    return found


def test_no_other_module_reads_or_writes_csv():
    # There it is a list of ids for a command of Slurm.
    others = {PACKAGE / "engines" / "slurm.py"}
    found = {
        str(path): calls
        for path in set(PACKAGE.rglob("*.py")) - others
        if (calls := calls_of(ast.parse(path.read_text(encoding="utf-8")))) and path.parent.name != "tables"
    }
    assert found == {}


def test_csv_past_this_mechanism_would_be_noticed():
    for text in ("import csv\ncsv.writer(f)", "from pyarrow.csv import write_csv", "from pyarrow import csv as c"):
        assert calls_of(ast.parse(text))
    assert calls_of(ast.parse("import pyarrow.csv"))
    assert calls_of(ast.parse("','.join(cells)"))
    assert not calls_of(ast.parse("import csv\nfrom pyarrow.csv import ConvertOptions\ncsv.Error"))


@given(st.text(st.sampled_from("a,;\"\r\n \x0b\x85\u2028'"), max_size=40))
def test_rows_are_those_that_the_csv_module_finds_in_a_file(text):
    def rows(read):
        try:
            return list(read())
        except csv.Error as error:
            return str(error.args[0])

    def of_file():
        lines = csv.reader(io.StringIO(text, newline=""), strict=True)
        for cells in lines:
            yield lines.line_num, cells

    assert rows(lambda: csv_rows(text, read=str)) == rows(of_file)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("sep=;\na;b\n", ("\na;b\n", ";")),
        ("SEP=\t\r\na\tb", ("\na\tb", "\t")),
        ("sep=;", ("\n", ";")),
        # A heading that merely begins so.
        ("sep=x,b\n1,2\n", ("sep=x,b\n1,2\n", ",")),
        ("sep=;b\n1;2\n", ("sep=;b\n1;2\n", ";")),
        ("sep=\n1,2\n", ("sep=\n1,2\n", ",")),
        # By both the rows have equally many cells: what comes first parts them.
        ("a;b,c\n1;2,3\n", ("a;b,c\n1;2,3\n", ";")),
        ("a,b;c\n1,2;3\n", ("a,b;c\n1,2;3\n", ",")),
        # By the comma alone they have not.
        ("a;b\n1,5;2\n", ("a;b\n1,5;2\n", ";")),
        ("a\n1;2\n", ("a\n1;2\n", ",")),
    ],
)
def test_the_delimiter_is_the_one_that_is_named_or_that_parts_all_rows_alike(text, found):
    assert decoded_table(text.encode()) == found
