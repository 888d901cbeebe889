"""Tables of points as annotation programs and spreadsheets write them, and names spelt otherwise than the files'."""

import unicodedata
from pathlib import Path

import pytest

from spacer_like.exceptions import SpacerInputError
from spacer_like.points.point_table import read_points

from .conftest import COLOURS, TRAINING

ROWS = [("a.jpg", 69, 474, "Turf"), ("a.jpg", 87, 525, "Sand")]
PLAIN = {"a.jpg": [(69, 474, "Turf"), (87, 525, "Sand")]}


def table(text, **options):
    return read_points(text if isinstance(text, bytes) else text.encode(), "p.csv", **options)


def text_of(heading=("Name", "Row", "Column", "Label"), rows=ROWS, delimiter=",", end="\n"):
    return "".join(delimiter.join(map(str, row)) + end for row in (heading, *rows))


@pytest.mark.parametrize(
    "data",
    [
        "sep=;\r\n" + text_of(delimiter=";", end="\r\n"),
        b"\xef\xbb\xbf" + ("SEP=;\r\n" + text_of(delimiter=";", end="\r\n")).encode(),
        "sep=|\n" + text_of(delimiter="|"),
        text_of(delimiter="\t"),
        text_of(end="\r\n") + "\r\n,,,\r\n\r\n",
        "\n\n" + text_of(),
        text_of(delimiter="\t", end="\r\n").encode("utf-16"),
        b"\xfe\xff" + text_of().encode("utf-16-be"),
        b"\xef\xbb\xbf" + text_of(('"Name"', '"Row"', '"Column"', '"Label"')).encode(),
        text_of(("Image-Name", "ROW ", " column", "LABEL_CODE")),
        text_of(("Name", "Column", "Row", "Label"), [("a.jpg", 474, 69, "Turf"), ("a.jpg", 525, 87, "Sand")]),
        text_of(("Name", "Date", "Row", "Column", "Label", "Annotator"), [(n, "", *r, "me") for n, *r in ROWS]),
        text_of(rows=[("a.jpg", "69.00", "474.0", "Turf"), ("a.jpg", "87.", "525.000", "Sand")]),
        text_of(rows=[("a.jpg", "69,00", "474,0", "Turf"), ("a.jpg", "87", "525.0", "Sand")], delimiter=";"),
    ],
)  # fmt: skip
def test_a_table_is_read_as_programs_write_it(data):
    assert table(data).images == PLAIN


@pytest.mark.parametrize(
    ("number", "delimiter"),
    [
        ("69.5", ","), ("69,5", ";"), ("69.01", ","), ('"1,234"', ","), ('"1,000"', ","), ("1.000", ";"),
        ("1,000", ";"), ("1 000", ","), ("1'000", ","), ("6e1", ","), ("-1", ","), ("+1", ","), (".0", ","),
        ("1.0.0", ","), ("nan", ","),
    ],
)  # fmt: skip
def test_what_is_no_whole_number_of_pixels_is_refused_with_its_line(number, delimiter):
    rows = [ROWS[0], ("a.jpg", number, 525, "Sand")]
    shown = number.strip('"')
    with pytest.raises(SpacerInputError, match=f"^p.csv, line 3: the row '{shown.replace('+', '.')}' is not a whole"):
        table(text_of(rows=rows, delimiter=delimiter))


def test_numbers_of_labels_count_where_there_are_no_names_of_labels():
    by_number = text_of(("Name", "Row", "Column", "Label ID"), [("a.jpg", 1, 2, 103), ("a.jpg", 3, 4, 102)])
    assert table(by_number, labelled=True).images == {"a.jpg": [(1, 2, 103), (3, 4, 102)]}
    both = text_of(("Name", "Row", "Column", "Label ID", "Label code"), [("a.jpg", 1, 2, 103, "Turf")])
    assert table(both).labels == {"Turf"}
    three = text_of(("Label ID", "Label code", "Label", "Name", "Row", "Column"), [(103, "T", "Turf", "a.jpg", 1, 2)])
    assert table(three).labels == {"Turf"}


def test_points_may_be_without_a_label_but_not_all_where_labels_are_needed():
    rows = [("a.jpg", 1, 2, ""), ("a.jpg", 3, 4, "7"), ("b.jpg", 5, 6, "")]
    found = table(text_of(rows=rows), labelled=True)
    assert found.images == {"a.jpg": [(1, 2, None), (3, 4, 7)], "b.jpg": [(5, 6, None)]}
    with pytest.raises(SpacerInputError, match=r"^p\.csv labels none of its 1 points: fill in the column of labels\."):
        table(text_of(rows=rows[:1]), labelled=True)


def test_a_repeated_point_counts_once_and_two_labels_of_a_point_are_refused():
    rows = [("a.jpg", 1, 2, ""), ("a.jpg", 1, 2, "Turf"), ("a.jpg", 1, 2, "Turf"), ("a.jpg", 1, 2, "")]
    found = table(text_of(rows=rows))
    assert found.images == {"a.jpg": [(1, 2, "Turf")]}
    assert found.notices() == ["p.csv repeats points; 3 of its rows were left out."]
    with pytest.raises(SpacerInputError, match=r"line 6: the point .* has the label 'Sand', and 'Turf' in line 3"):
        table(text_of(rows=[*rows, ("a.jpg", 1, 2, "Sand")]))


@pytest.mark.parametrize("other", ["SAND", "sand", "Sa\u0301nd"])
def test_labels_that_are_spelt_almost_alike_are_noted(other):
    label = "S\u00e1nd" if other == "Sa\u0301nd" else "Sand"
    (notice,) = table(text_of(rows=[("a.jpg", 1, 2, label), ("a.jpg", 3, 4, other)])).notices()
    assert f"spelt almost alike ({' and '.join(map(repr, sorted([label, other])))}): " in notice
    assert "count as different classes" in notice
    assert table(text_of()).notices() == []


def relabelled(reef, change):
    lines = (reef / "labels.csv").read_text().splitlines()
    (reef / "labels.csv").write_text("\n".join([lines[0], *map(change, lines[1:])]) + "\n")


def test_training_leaves_unlabelled_points_out_and_says_how_many(reef, command):
    relabelled(reef, lambda line: line.rpartition(",")[0] + "," if "/5.jpg" in line or ",5,8," in line else line)
    said = command("extract", "--points", "labels.csv", "--out", "features", "--extractor", COLOURS, "--json")
    assert [file["points"] for file in said.json["files"]] == [16] * 6
    said = command("train", *TRAINING, "--validation", 0.2)
    assert said.code == 0, said.err
    assert "21 points without a label left out." in said.err


@pytest.mark.parametrize(
    "spelt",
    [
        lambda name: name.upper(),
        lambda name: name.replace("/", "\\"),
        lambda name: "D:\\survey\\" + name.replace("/", "\\"),
        lambda name: "\\\\server\\share\\" + name.replace("/", "\\"),
        lambda name: f"/Users/me/{name}",
        lambda name: f"elsewhere/{name}",
        lambda name: f".\\{name.upper()}",
    ],
)
def test_names_spelt_otherwise_are_matched_and_noted_by_every_command(reef, command, spelt):
    def change(line):
        name, _, rest = line.partition(",")
        return f"{spelt(name)},{rest}"

    relabelled(reef, change)
    common = ("--points", "labels.csv", "--extractor", COLOURS)
    notice = "labels.csv that differ from those of files: "
    for images in ((), ("photos",)):
        said = command("extract", *images, *common, "--out", "features")
        assert said.code == 0, said.err
        assert notice in said.err
        assert ", and 5 more." in said.err
    said = command("train", *TRAINING, "--validation", 0.2)
    assert said.code == 0, said.err
    said = command("classify", "photos", *common, "--model", "reef.pkl")
    assert "of the 96 labelled ones are right" in said.out, said.err
    files = sorted(map(str, (reef / "features").rglob("*.features")))
    said = command("classify", *files, "--points", "labels.csv", "--model", "reef.pkl")
    assert "of the 96 labelled ones are right" in said.out, said.err


@pytest.mark.parametrize(("in_file", "in_table"), [("NFC", "NFD"), ("NFD", "NFC")])
def test_names_in_the_other_unicode_form_are_matched(reef, command, in_file, in_table):
    (reef / "photos/0.jpg").rename(reef / "photos" / unicodedata.normalize(in_file, "café.jpg"))
    relabelled(reef, lambda line: line.replace("0.jpg", unicodedata.normalize(in_table, "café.jpg")))
    said = command("extract", "photos", "--points", "labels.csv", "--out", "f", "--extractor", COLOURS)
    assert said.code == 0, said.err
    assert "is taken for" in said.err


def test_names_that_are_the_files_own_are_not_noted(reef, command):
    for images in ((), ("photos",), ("photos/0.jpg",)):
        said = command("extract", *images, "--points", "labels.csv", "--out", "f", "--extractor", COLOURS)
        assert said.err == ""


def test_names_that_may_mean_two_files_are_refused_with_the_nearest(reef, command):
    (reef / "photos/1.jpg").rename(reef / "photos/reef.jpg")
    (reef / "photos/2.jpg").rename(reef / "photos/REEF.jpg")
    relabelled(reef, lambda line: line.replace("/1.jpg", "/Reef.jpg").replace("/2.jpg", "/3.jpg"))
    Path("labels.csv").write_text("\n".join(dict.fromkeys(Path("labels.csv").read_text().splitlines())))
    said = command("extract", "--points", "labels.csv", "--out", "f", "--extractor", COLOURS)
    assert said.code == 64
    assert "photos/Reef.jpg' (similar: 'REEF.jpg', 'reef.jpg')." in said.err
    said = command("extract", "photos/0.png", "--points", "labels.csv", "--out", "f", "--extractor", COLOURS)
    assert "names no such image, or several (similar: 'photos/0.jpg'" in said.err


def test_two_names_of_one_file_are_refused(reef, command):
    relabelled(reef, lambda line: line.replace("/1.jpg", "/0.JPG"))
    said = command("extract", "--points", "labels.csv", "--out", "f", "--extractor", COLOURS)
    assert said.code == 64
    assert "both 'photos/0.jpg' and 'photos/0.JPG': give it one name." in said.err


def test_training_hints_at_the_nearest_feature_files(extracted, command):
    relabelled(extracted, lambda line: line.replace("0.jpg", "0.jpeg"))
    said = command("train", *TRAINING)
    assert said.code == 64
    assert "run spacer-like extract first (similar: 'photos/0.jpg'" in said.err


def test_a_machines_labels_are_written_as_coralnet_exports_them_and_read_again(trained, command):
    common = ("--model", "reef.pkl", "--extractor", COLOURS)
    said = command("classify", "photos", "--grid", 2, *common, "--out", "export.csv", "--coralnet")
    assert said.code == 0, said.err
    heading, first, *rest = (trained / "export.csv").read_text().splitlines()
    assert heading.startswith("Name,Row,Column,Label,Machine suggestion 1,Machine confidence 1,Machine suggestion 2,")
    name, row, column, label, best, confidence, *_ = first.split(",")
    assert (label, len(first.split(",")), len(rest)) == (best, len(heading.split(",")), 23)
    assert 50 <= int(confidence) <= 100
    points = read_points((trained / "export.csv").read_bytes(), "export.csv", labelled=True)
    assert points.images[name][0] == (int(row), int(column), label)
    refused = command("classify", "photos", "--grid", 2, *common, "--coralnet")
    assert (refused.code, "name one that ends in .csv with --out" in refused.err) == (64, True)
