"""Honest and hostile mistakes: each gives one sentence that names what is wrong, exit code 64, and no traceback."""

import json

import pytest
from PIL import Image

from .conftest import COLOURS, TRAINING

EXTRACT = ("extract", "--points", "points.csv", "--out", "f", "--extractor", COLOURS)
HEAD = "image,row,col\n"


def sentence(said) -> str:
    """The one sentence that a failing command says."""
    assert said.code == 64
    assert said.out == ""
    assert "Traceback" not in said.err
    assert said.err.count("\n") == 1, said.err
    return said.err.strip()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("name;Row;Column;Label\nphotos/0.jpg;5;8;sand\n", None),
        ("\ufeffimage,row,col\nphotos/0.jpg,5,8\n", None),
        ("IMAGE\tY\tX\nphotos/0.jpg\t5\t8\n", None),
        (HEAD + "photos/0.jpg,5.0,8.0\n\n,,\n", None),
        ("image,row,col\r\nphotos/0.jpg,5,8\r\n", None),
        (
            "image,label\nphotos/0.jpg,sand\n",
            "has no column 'row': its first line must name image, row, col, and names",
        ),
        ("photos/0.jpg,5,8\n", "has no column 'image'"),
        ("", "has no column 'image': its first line must name image, row, col, and names nothing."),
        (HEAD, "holds no points"),
        (HEAD + "photos/0.jpg,5,8\nphotos/0.jpg,5,8.5\n", "line 3: the col '8.5' is not a whole number of pixels"),
        (HEAD + "photos/0.jpg,-5,8\n", "line 2: the row '-5' is not a whole number"),
        (HEAD + "photos/0.jpg,5\n", "line 2: the col is empty"),
        (HEAD + ",5,8\n", "line 2: the image is empty"),
        (HEAD + 'photos/0.jpg,"5,8\n', "this is not CSV"),
        (HEAD + "photos/0.jpg,40,8\n", "points.csv, line 2: "),
        (HEAD + "photos/9.jpg,5,8\n", "points.csv, line 2: There is no file"),
        (
            HEAD + "photos/0.jpg,5,8\nphotos/0.jpg,39,79\nphotos/0.jpg,7,80\n",
            "points.csv, line 4: ",
        ),
    ],
)
def test_a_table_of_points(reef, command, text, told):
    (reef / "points.csv").write_text(text, encoding="utf-8", newline="")
    said = command(*EXTRACT)
    if told is None:
        assert said.code == 0, said.err
    else:
        assert told in sentence(said)


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"PK\x03\x04\xff\xfe\x00", "is not UTF-8 text"),
        ("image,row,col,label\nr\u00e9cif.jpg,1,1,x\n".encode("latin-1"), "is not UTF-8 text"),
        (b"image,row,col\n\0\0\0\n", "is no text file"),
    ],
)
def test_a_table_that_is_no_text(reef, command, data, told):
    (reef / "points.csv").write_bytes(data)
    assert told in sentence(command(*EXTRACT))


def test_a_table_that_a_spreadsheet_wrote_as_unicode_text(reef, command):
    (reef / "points.csv").write_bytes("image\trow\tcol\nphotos/0.jpg\t5\t8\n".encode("utf-16"))
    assert command(*EXTRACT).code == 0


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("extract", "photos/0.jpg", "--out", "f"), "Say where the points are"),
        (("extract", "photos/0.jpg", "--grid", "3"), "Missing option '--out'. See spacer-like extract --help."),
        (
            ("extract", "photos/0.jpg", "--grid", "3", "--random", "4", "--out", "f"),
            "Choose between --grid and --random",
        ),
        (("extract", "photos/0.jpg", "--grid", "3,4", "--out", "f"), "'3,4' is no grid"),
        (("extract", "photos/0.jpg", "--grid", "99", "--out", "f"), "finer than an image of 40 x 80"),
        (("extract", "photos/0.jpg", "--random", "9999", "--out", "f"), "more than an image of 40 x 80 pixels has"),
        (("extract", "--grid", "3", "--out", "f"), "Name at least one image"),
        (("extract", "features", "--grid", "3", "--out", "f"), "holds no image"),
        (("extract", "nix.jpg", "--grid", "3", "--out", "f"), "nix.jpg"),
        (("extract", "labels.csv", "--grid", "3", "--out", "f"), "labels.csv"),
        (
            ("extract", "photos/0.jpg", "--grid", "3", "--out", "f", "--extractor", "resnet"),
            "must be one of lite0, lite0-dense, lite2, efficientnet-b0, resnet50, vgg16, band-statistics, "
            "random-features, timm:MODEL, open_clip:MODEL",
        ),
        (("extract", "photos/0.jpg", "--grid", "3", "--out", "f", "--extractor", "vgg16"), "needs --weights"),
        (("extract", "photos/0.jpg", "--grid", "3", "--out", "f", "--weights", "w.pt"), "takes no --weights"),
        (("extract", "photos/0.jpg", "--grid", "3", "--out", "f", "--extractor", "os.system"), "unknown"),
        (("extract", "photos/0.jpg", "--grid", "3", "--out", "https://example.org/f"), "Write not supported for 'url'"),
        (("extract", "photos/0.jpg", "--random", "0", "--out", "f"), "--random"),
        (("train", "labels.csv", "--features", "features"), "Missing option '--model'. See spacer-like train --help."),
        (("train", "labels.csv", "--features", "nix", "--model", "m.pkl"), "6 of the 6 images"),
        (("train", "nix.csv", "--features", "features", "--model", "m.pkl"), "nix.csv"),
        ((*("train", *TRAINING), "--classifier", "SVM"), "Invalid value for '--classifier': 'SVM' is not one of"),
        (
            (*("train", *TRAINING), "--split", "halves"),
            "'halves' is not one of 'vectors', 'sources', 'points', 'points-stratified'",
        ),
        ((*("train", *TRAINING), "--validation", "0.7"), "must leave points to learn from"),
        ((*("train", *TRAINING), "--epochs", "none"), "--epochs"),
        ((*("train", *TRAINING), "--previous", "nix.pkl"), "nix.pkl"),
        (("classify", "photos/0.jpg", "--model", "nix.pkl", "--grid", "2", "--extractor", COLOURS), "nix.pkl"),
        (("classify", "photos/0.jpg", "--model", "labels.csv", "--grid", "2", "--extractor", COLOURS), "labels.csv"),
        (
            ("classify", "photos/0.jpg", "--model", "m.pkl", "--grid", "2", "--out", "o.xlsx"),
            "must end in .csv or .json",
        ),
        (("classify", "a.features", "--model", "m.pkl", "--grid", "2"), "has its points already"),
        (("clasify",), "No such command 'clasify'"),
        (("train", "--colour"), "--colour"),
        (("run",), "JOB.json"),
    ],
    ids=lambda value: " ".join(map(str, value)) if isinstance(value, tuple) else "",
)
def test_arguments(extracted, command, arguments, told):
    assert told in sentence(command(*arguments))


def test_a_label_is_missing(extracted, command):
    (extracted / "labels.csv").write_text("image,row,col\nphotos/0.jpg,5,8\n")
    assert "has no column 'label'" in sentence(command("train", *TRAINING))


def test_labels_of_points_that_the_features_lack(extracted, command):
    with (extracted / "labels.csv").open("a") as file:
        file.write("photos/0.jpg,1,1,sand\n")
    said = sentence(command("train", *TRAINING))
    last = len((extracted / "labels.csv").read_text().splitlines())
    assert f"labels.csv, line {last}: " in said
    assert "(1, 1)" in said


def test_one_class_only(extracted, command):
    (extracted / "labels.csv").write_text((extracted / "labels.csv").read_text().replace("coral", "sand"))
    assert "Need multiple classes to do training" in sentence(command("train", *TRAINING))


def test_too_few_images_to_split_come_with_advice(extracted, command):
    lines = (extracted / "labels.csv").read_text().splitlines()
    (extracted / "labels.csv").write_text("\n".join(lines[:17]))
    assert "--split points-stratified" in sentence(command("train", *TRAINING))


def test_two_images_of_one_name(reef, command):
    Image.new("RGB", (9, 9)).save(reef / "0.jpg")
    said = command("extract", "photos/0.jpg", "0.jpg", "--grid", 2, "--out", "f", "--extractor", COLOURS)
    assert "Two images are named '0.jpg'" in sentence(said)


def test_the_same_mistake_as_json(reef, command):
    said = command("extract", "nix.jpg", "--grid", 3, "--out", "f", "--json")
    answer = json.loads(said.out)
    assert (said.code, answer["ok"], answer["exit_code"]) == (64, False, 64)
    assert answer["error"]["class"] == "spacer_like.exceptions.DataNotFoundError"
    assert "nix.jpg" in answer["error"]["message"]
    assert answer["error"]["message"] in said.err


def test_debug_shows_where_it_went_wrong_wherever_it_stands(reef, command):
    said = command("extract", "nix.jpg", "--grid", 3, "--out", "f", "--debug")
    assert "Traceback" in said.err
    assert said.code == 64


def test_names_of_classes_cannot_speak_to_the_terminal(extracted, command):
    text = (extracted / "labels.csv").read_text().replace("sand", "[red]\x1b[2Jsand").replace("coral", "=cmd()")
    (extracted / "labels.csv").write_text(text)
    said = command("train", *TRAINING)
    assert said.code == 0, said.err
    assert "\x1b" not in said.out
    assert "[red] [2Jsand" in said.out

    command("classify", "features/photos/0.jpg.features", "--model", "reef.pkl", "--out", "c.csv")
    assert ",'=cmd()," in (extracted / "c.csv").read_text()
