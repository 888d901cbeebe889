"""The page of labels that look wrong in a browser: what a person saves is taken where labels are learnt from."""

import csv
import time

import pytest

from spacer_like.messages import FindWrongLabelsMsg
from spacer_like.points.point_table import read_points
from spacer_like.tables.corrections import read_corrections
from spacer_like.tables.label_table import read_label_table
from spacer_like.wrong_labels.tasks import find_wrong_labels

from ..tags.browser import CHROMIUM, Browser
from . import making
from .making import loc

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium to look at the page with")


def saved_by(page, folder):
    """What the page saves after its first suggestion was taken for each item."""
    with Browser(folder) as browser:
        browser.open(page)
        browser.until("document.getElementById('patch')?.naturalWidth")
        for _ in range(browser.value("data.items.length")):
            browser.press("1")
        browser.until("/^Item \\d+ of (\\d+): \\1 answered$/.test(document.getElementById('count').textContent)")
        browser.value("document.getElementById('save').click()")
        return waited_for(folder / "corrections.csv").read_bytes()


def waited_for(path):
    last = time.monotonic() + 30
    while not path.exists():
        assert time.monotonic() < last
        time.sleep(0.02)
    return path


def test_points_are_corrected_in_the_table_that_train_takes(tmp_path, command):
    labels, wrong = making.points(tmp_path)
    with (tmp_path / "labels.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["image", "row", "col", "label"])
        rows.writerows((one.filename.removesuffix(".features"), *point) for one in labels for point in labels[one])
    given = ["wrong-labels", tmp_path / "labels.csv", "--features", tmp_path / "features"]
    found = command(*given, "--images", tmp_path / "images", "--page", tmp_path / "page.html")
    assert found.code == 0, found.err
    assert "4 of 72 labels look wrong" in found.out
    answers = tmp_path / "answers.csv"
    answers.write_bytes(saved_by(tmp_path / "page.html", tmp_path))
    table = read_points((tmp_path / "labels.csv").read_bytes(), "labels.csv")
    corrected = table.corrected(read_points(answers.read_bytes(), "answers.csv"))
    assert {
        (image, row, col): label
        for image, points in corrected.images.items()
        for row, col, label in points
        if (row, col, label) not in table.images[image]
    } == wrong
    assert "0 of 72 labels look wrong" in command(*given, "--answers", answers).out
    model = ["--model", tmp_path / "model.pkl", "--epochs", 1, "--answers", answers]
    trained = command("train", tmp_path / "labels.csv", "--features", tmp_path / "features", *model)
    assert trained.code == 0, trained.err


def test_chips_are_corrected_in_their_table(tmp_path):
    vectors, table, wrong = making.chips(tmp_path)
    outputs = {"images_loc": loc(tmp_path / "chips"), "page_loc": loc(tmp_path / "page.html")}
    find_wrong_labels(FindWrongLabelsMsg(embeddings_loc=vectors, table_loc=table, **outputs))
    answers = read_corrections(saved_by(tmp_path / "page.html", tmp_path), "corrections.csv")
    before = read_label_table((tmp_path / "table.csv").read_bytes(), "table.csv", parquet=False)
    after = before.corrected(answers, "corrections.csv")
    changed = zip(*(before.targets != after.targets).nonzero(), strict=True)
    assert {(before.names[row], before.labels[column]) for row, column in changed} == wrong
