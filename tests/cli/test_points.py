"""From a table of points and a folder of photographs to features, a classifier and classes, without a message."""

import csv

import pytest
from PIL import Image

from spacer_like.data_classes import DataLocation, ImageFeatures
from spacer_like.points.point_table import read_points

from .conftest import COLOURS, TRAINING, WIDTH


def rows_of(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def features(path):
    return ImageFeatures.load(DataLocation("filesystem", str(path)))


def test_features_of_the_tables_points_lie_under_the_images_names(extracted):
    files = sorted(
        path.relative_to(extracted / "features").as_posix() for path in (extracted / "features").rglob("*.features")
    )
    assert files == [f"photos/{number}.jpg.features" for number in range(6)]
    assert features(extracted / "features/photos/3.jpg.features").rowcols[:2] == [(5, 8), (5, 28)]


def test_the_table_may_lie_in_another_folder(reef, command, monkeypatch, tmp_path_factory):
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    said = command("extract", "--points", reef / "labels.csv", "--out", "features", "--extractor", COLOURS, "--json")
    assert [file["points"] for file in said.json["files"]] == [16] * 6


def test_images_may_be_picked_from_the_table(reef, command):
    said = command(
        "extract",
        "photos/2.jpg",
        reef / "photos/4.jpg",
        "--points",
        "labels.csv",
        "--out",
        "f",
        "--extractor",
        COLOURS,
        "--json",
    )
    assert [file["image"] for file in said.json["files"]] == ["photos/2.jpg", "photos/4.jpg"]


def test_a_folder_stands_for_its_images_and_a_grid_for_points(reef, command):
    said = command(
        "extract", "photos", "--grid", "2x3", "--out", "f", "--extractor", COLOURS, "--points-out", "grid.csv"
    )
    assert "Features of 36 points in 6 images." in said.out
    assert features(reef / "f/0.jpg.features").rowcols == [(10, 13), (10, 40), (10, 66), (30, 13), (30, 40), (30, 66)]
    assert len(rows_of(reef / "grid.csv")) == 36


def test_random_points_are_the_same_for_a_seed_and_other_in_each_image(reef, command):
    for out, seed in (("a", 1), ("b", 1), ("c", 2)):
        command(
            "extract",
            "photos/0.jpg",
            "photos/1.jpg",
            "--random",
            9,
            "--seed",
            seed,
            "--out",
            out,
            "--extractor",
            COLOURS,
        )
    a0, b0, c0, a1 = (features(reef / f"{name}.jpg.features").rowcols for name in ("a/0", "b/0", "c/0", "a/1"))
    assert a0 == b0
    assert len(set(a0)) == 9
    assert a0 != c0
    assert a0 != a1


def test_training_tells_how_good_the_classifier_is(extracted, command):
    said = command(
        "train", *TRAINING, "--validation", 0.2, "--report", "report.json", "--plot", "eval.png", "--page", "eval.html"
    )
    assert said.code == 0, said.err
    assert "points in 2 classes" in said.out
    assert "precision" in said.out
    assert "Above 0.80 the machine is right" in said.out
    assert (extracted / "report.json").is_file()
    with Image.open(extracted / "eval.png") as picture:
        assert picture.width > 500
    assert "</html>" in (extracted / "eval.html").read_text()


def test_training_as_json(extracted, command):
    answer = command("train", *TRAINING, "--validation", 0.2, "--json").json
    assert answer["ok"] is True
    assert answer["accuracy"] == answer["report"]["accuracy"] > 0.9
    assert sum(answer["sets"].values()) == 96
    assert answer["sentence"].startswith("Above 0.80")
    assert 10 < len(answer["report"]["ref_accs"]) <= 100


def test_an_older_model_is_compared_on_the_same_points(trained, command):
    said = command("train", *TRAINING, "--validation", 0.2, "--previous", "reef.pkl", "--model", "new.pkl")
    assert "Previous models on the same points: " in said.out


def test_only_what_was_asked_for_is_left_behind(trained):
    assert {path.name for path in trained.iterdir()} == {"photos", "labels.csv", "features", "reef.pkl"}


def test_classifying_an_image_writes_points_and_draws_them(trained, command):
    said = command(
        "classify", "photos/0.jpg", "--model", "reef.pkl", "--grid", "4x4", "--extractor", COLOURS,
        "--out", "classes.csv", "--annotate", "drawn.png", "--threshold", 0.6,
    )  # fmt: skip
    assert said.code == 0, said.err
    rows = rows_of(trained / "classes.csv")
    assert list(rows[0]) == ["image", "row", "col", "label", "score", "decided"]
    assert [row["label"] for row in rows[:4]] == ["sand", "sand", "coral", "coral"]
    assert "50.0 %" in said.out
    with Image.open(trained / "drawn.png") as picture:
        assert picture.width > 500


def test_labelled_points_are_compared(trained, command):
    said = command(
        "classify",
        "photos",
        "--model",
        "reef.pkl",
        "--points",
        "labels.csv",
        "--extractor",
        COLOURS,
        "--annotate",
        "drawn",
    )
    assert "of the 96 labelled ones are right" in said.out
    assert len(list((trained / "drawn").rglob("*.png"))) == 6


def test_feature_files_are_classified_without_images(trained, command):
    answer = command("classify", "features/photos/0.jpg.features", "--model", "reef.pkl", "--json").json
    assert answer["images"][0]["image"] == "0.jpg"
    point = answer["images"][0]["points"][0]
    assert point["label"] == "sand"
    assert point["score"] == max(point["scores"])
    assert sum(point["scores"]) == pytest.approx(1)


def test_all_scores_go_into_a_json_file(trained, command):
    command("classify", "features/photos/0.jpg.features", "--model", "reef.pkl", "--out", "scores.json")
    assert '"scores": [' in (trained / "scores.json").read_text()


def test_one_broken_photograph_does_not_spoil_the_others(reef, command):
    (reef / "photos/1.jpg").write_text("not an image")
    said = command("extract", "--points", "labels.csv", "--out", "f", "--extractor", COLOURS, "--json")
    assert said.code == 64
    answer = said.json
    assert answer["ok"] is False
    assert [file["image"] for file in answer["files"]] == [f"photos/{number}.jpg" for number in (0, 2, 3, 4, 5)]
    assert [failure["name"] for failure in answer["failures"]] == ["photos/1.jpg"]
    assert "photos/1.jpg" in said.err
    assert "Traceback" not in said.err


def test_labels_that_are_numbers_are_learned_as_numbers(extracted, command):
    text = (extracted / "labels.csv").read_text().replace("sand", "12").replace("coral", "340")
    (extracted / "labels.csv").write_text(text)
    answer = command("train", *TRAINING, "--validation", 0.2, "--json").json
    assert answer["report"]["classes"] == [12, 340]


def test_images_whose_names_begin_a_formula_are_extracted_labelled_trained_and_classified(reef, command):
    names = ["-001.jpg", "=reef.jpg", "@x.jpg", "'=x.jpg", "''x.jpg", "+1 .jpg"]
    for photo, name in zip(sorted((reef / "photos").iterdir()), names, strict=True):
        photo.rename(photo.with_name(name))
    common = ("--extractor", COLOURS)
    said = command("extract", "photos", "--grid", "4x4", "--out", "features", "--points-out", "p.csv", *common)
    assert said.code == 0, said.err

    table = (reef / "p.csv").read_text()
    written = {line.split(",")[0] for line in table.splitlines()[1:]}
    assert written == {"'-001.jpg", "'=reef.jpg", "'@x.jpg", "''=x.jpg", "''x.jpg", "'+1 .jpg"}
    rows = [line.split(",") for line in table.splitlines()]
    labels = ["label", *("=sand" if int(row[2]) < WIDTH // 2 else "-coral" for row in rows[1:])]
    (reef / "labels.csv").write_text("".join(f"{','.join(row)},{of}\n" for row, of in zip(rows, labels, strict=True)))
    said = command("train", *TRAINING, "--validation", 0.2, "--json")
    assert said.code == 0, said.err

    said = command("classify", "photos", "--points", "p.csv", "--model", "reef.pkl", "--out", "c.csv", *common)
    assert said.code == 0, said.err
    found = read_points((reef / "c.csv").read_bytes(), "c.csv")
    assert sorted(found.images) == sorted(names)
    assert found.labels == {"=sand", "-coral"}
