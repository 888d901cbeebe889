"""The task suggest_labels: what it suggests, writes and refuses, and the way through the page into a training."""

import csv
import json

import numpy as np
import pytest
from PIL import Image

from spacer_like.cli import main
from spacer_like.data_classes import ImageFeatures
from spacer_like.exceptions import (
    DataLimitError,
    DataNotFoundError,
    ExtractorMismatchError,
    FeatureFileError,
    MessageError,
    SpacerInputError,
    TableError,
)
from spacer_like.learning.classifier import Classifier
from spacer_like.learning.model_files import store_classifier
from spacer_like.location import DataLocation
from spacer_like.points.messages import SuggestLabelsMsg
from spacer_like.points.point_table import read_points
from spacer_like.tasks import suggest_labels
from spacer_like.testing.extractors import MeanColour

from ..review.test_label_page import text, waited_for
from ..tags.browser import CHROMIUM, Browser

# Four bands of colour, a class each.
COLOURS = {"coral": (230, 90, 90), "sand": (230, 220, 150), "turf": (70, 160, 70), "water": (40, 70, 200)}
POINTS = [(row, col) for row in (5, 15, 25, 35) for col in range(4, 40, 6)]
CLASSES = list(COLOURS)


def label_of(row):
    return CLASSES[row // 10]


@pytest.fixture
def at(tmp_path):
    return lambda *names: DataLocation("filesystem", "/".join([str(tmp_path), *names]))


@pytest.fixture
def ask(tmp_path, at):
    """Three photographs, their features, and a classifier that knows three of the classes."""
    random = np.random.default_rng(1)
    (tmp_path / "photos" / "site").mkdir(parents=True)
    for number in range(3):
        pixels = np.repeat(np.array(list(COLOURS.values())), 10, axis=0)[:, None].repeat(40, axis=1)
        pixels = np.clip(pixels + random.normal(0, 25, (40, 40, 3)), 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(tmp_path / "photos" / "site" / f"{number}.png")
        features, *_ = MeanColour()(pixels, POINTS)
        features.store(at("features", "site", f"{number}.png.features"))
    head = ((random.normal(0, 0.01, (features.feature_dim, 3)), np.zeros(3)),)
    classifier = Classifier(
        "LR", np.array(CLASSES[:3]), head, -np.ones(3), np.zeros(3), "relu", {}, features.extractor_id
    )
    store_classifier(at("model.safetensors"), classifier)

    def ask(**fields):
        given = {"features_loc": at("features"), "classifier_loc": at("model.safetensors"), "count": 9}
        return suggest_labels(SuggestLabelsMsg(**(given | fields)))

    return ask


def named(result):
    return [(one.image, one.row, one.column) for one in result.suggestions]


def write_labels(path, points):
    rows = [f"site/{image}.png,{row},{col},{label}" for image, row, col, label in points]
    path.write_text("\n".join(["image,row,col,label", *rows]) + "\n")


class TestSuggestions:
    @pytest.mark.parametrize("fields", [{}, {"by": "uncertainty"}, {"by": "diversity"}, {"uncertainty": "entropy"}])
    def test_repeat_nothing_and_leave_out_what_is_labelled(self, ask, at, tmp_path, fields):
        known = [(0, row, col, label_of(row)) for row, col in POINTS[:20]]
        write_labels(tmp_path / "labels.csv", known)
        result = ask(labels_loc=at("labels.csv"), count=200, **fields)
        assert result.n_labelled == 20
        assert result.n_candidates == len(result.suggestions) == result.n_suggested == 3 * len(POINTS) - 20
        there = {(f"site/{image}.png", *point) for image in range(3) for point in POINTS}
        assert set(named(result)) == there - {(f"site/{image}.png", row, col) for image, row, col, _ in known}

    def test_are_the_same_for_the_same_message_and_at_most_so_many_of_an_image(self, ask):
        for fields in ({}, {"by": "uncertainty"}, {"by": "diversity"}):
            first, again = ask(most_per_image=2, **fields), ask(most_per_image=2, **fields)
            assert first.suggestions == again.suggestions
            assert sorted(image for image, *_ in named(first)) == [f"site/{n}.png" for n in (0, 0, 1, 1, 2, 2)]

    def test_by_diversity_show_every_colour_first(self, ask):
        result = ask(by="diversity", count=4, classifier_loc=None)
        assert {label_of(row) for _, row, _ in named(result)} == set(CLASSES)
        assert result.by == "diversity"
        assert result.suggestions[0].labels == []

    def test_without_a_classifier_both_is_diversity_and_uncertainty_is_refused(self, ask):
        assert named(ask(classifier_loc=None)) == named(ask(by="diversity", classifier_loc=None))
        with pytest.raises(MessageError, match=r"^Without classifier_loc nothing is uncertain: give a classifier, or "):
            ask(classifier_loc=None, by="uncertainty")

    def test_name_the_best_labels_and_the_reason(self, ask):
        result = ask(by="uncertainty")
        margins = [one.labels[0].probability - one.labels[1].probability for one in result.suggestions]
        assert margins == sorted(margins)
        one = result.suggestions[0]
        assert one.reason == f"margin uncertainty {1 - margins[0]:.2f}"
        assert {label.label for label in one.labels} == set(CLASSES[:3])
        assert ", distance " in ask().suggestions[0].reason

    def test_of_images_are_all_points_without_a_label(self, ask, at, tmp_path):
        write_labels(tmp_path / "labels.csv", [(1, *POINTS[0], "coral")])
        for fields in ({}, {"of_image": "highest"}, {"by": "uncertainty"}):
            result = ask(unit="images", count=2, labels_loc=at("labels.csv"), **fields)
            assert result.n_images == 2
            images = list(dict.fromkeys(image for image, *_ in named(result)))
            assert named(result) == [
                (image, *point) for image in images for point in POINTS if (image, point) != ("site/1.png", POINTS[0])
            ]

    def test_tell_how_many_labelled_points_have_no_features(self, ask, at, tmp_path):
        write_labels(tmp_path / "labels.csv", [(0, *POINTS[0], "coral"), (0, 1, 1, "sand"), (7, *POINTS[0], "turf")])
        result = ask(labels_loc=at("labels.csv"))
        assert (result.n_labelled, result.n_without_features) == (1, 2)

    def test_of_a_finished_survey_are_none(self, ask, at, tmp_path):
        write_labels(tmp_path / "all.csv", [(n, row, col, label_of(row)) for n in range(3) for row, col in POINTS])
        result = ask(labels_loc=at("all.csv"), suggestions_loc=at("next.csv"))
        assert (result.suggestions, result.n_candidates, result.n_labelled) == ([], 0, 3 * len(POINTS))
        assert (tmp_path / "next.csv").read_text().splitlines()[0].startswith("image,row,column,label,suggestion 1,")


class TestFiles:
    def test_hold_the_list_as_a_table_of_points_to_fill_in(self, ask, at, tmp_path):
        result = ask(suggestions_loc=at("next.csv"))
        data = (tmp_path / "next.csv").read_bytes()
        assert [(image, row, col) for image, points in read_points(data, "n").images.items() for row, col, _ in points]
        rows = list(csv.DictReader(data.decode().splitlines()))
        assert [(row["image"], int(row["row"]), int(row["column"])) for row in rows] == named(result)
        assert rows[0]["label"] == rows[0]["suggestion 4"] == ""
        assert rows[0]["suggestion 1"] == result.suggestions[0].labels[0].label

    def test_may_lie_beside_the_photographs_but_are_none_of_them(self, ask, at):
        ask(suggestions_loc=at("photos", "next.csv"), page_loc=at("photos", "new", "n.html"), images_loc=at("photos"))
        with pytest.raises(MessageError, match=r"^page_loc '.*0\.png' would be one of the files of images_loc"):
            ask(page_loc=at("photos", "site", "0.png"), images_loc=at("photos"))

    def test_page_leaves_out_images_that_cannot_be_read_and_names_them(self, ask, at, tmp_path):
        (tmp_path / "photos" / "site" / "1.png").write_bytes(b"damaged")
        result = ask(count=72, page_loc=at("page.html"), images_loc=at("photos"), patch_size=8)
        assert result.unseen == ["site/1.png"]
        page = (tmp_path / "page.html").read_text()
        data = json.loads(page.partition('type="application/json">')[2].partition("</script>")[0])
        assert [item["columns"]["image"] for item in data["items"]] == [
            image for image, *_ in named(result) if image != "site/1.png"
        ]
        assert data["classes"] == sorted(CLASSES[:3])

    def test_that_cannot_be_made_are_refused(self, ask, at, tmp_path):
        with pytest.raises(MessageError, match=r"^page_loc needs images_loc, where the images are"):
            ask(page_loc=at("page.html"))
        with pytest.raises(MessageError, match=r"^A page asks about 1,000 points at most: lower count, or"):
            ask(page_loc=at("page.html"), images_loc=at("photos"), count=1001)
        with pytest.raises(TableError, match=r"next\.txt"):
            ask(suggestions_loc=at("next.txt"))
        (tmp_path / "others").mkdir()
        with pytest.raises(SpacerInputError, match=r"^None of the images to label is in .*others: 'site/"):
            ask(page_loc=at("page.html"), images_loc=at("others"))
        assert not (tmp_path / "page.html").exists()


class TestFeatures:
    def test_that_are_not_there_or_cannot_be_told_apart_are_refused(self, ask, at):
        with pytest.raises(DataNotFoundError, match=r"^There is no feature file in .*photos: extract"):
            ask(features_loc=at("photos"))
        ImageFeatures.from_arrays(None, np.ones((2, 3))).store(at("features", "site", "9.png.features"))
        with pytest.raises(FeatureFileError, match=r"9\.png\.features: The features know no positions"):
            ask()

    def test_of_a_name_that_no_table_could_hold_are_refused(self, ask, tmp_path):
        (tmp_path / "features" / "a\udcff.png.features").write_bytes(b"")
        with pytest.raises(SpacerInputError, match=r"is no text in UTF-8: rename it\.$"):
            ask()

    def test_of_other_extractors_or_with_numbers_that_are_none_are_refused(self, ask, at):
        odd = at("features", "site", "9.png.features")
        ImageFeatures.from_arrays([(1, 2)], np.ones((1, 5))).store(odd)
        with pytest.raises(ExtractorMismatchError, match="vectors of 6 numbers, and these have 5"):
            ask()
        with pytest.raises(FeatureFileError, match=r"9\.png\.features: The feature vectors of this file and of those"):
            ask(classifier_loc=None)
        ImageFeatures.from_arrays([(1, 2)], np.full((1, 6), np.nan)).store(odd)
        with pytest.raises(FeatureFileError, match="numbers that are not finite"):
            ask()


def test_more_points_than_a_page_shows_are_refused_of_whole_images(ask, at, monkeypatch):
    monkeypatch.setattr("spacer_like.points.tasks.suggest.MOST_ON_PAGE", 50)
    with pytest.raises(DataLimitError, match=r"^The images have 72 points without a label, and a page asks"):
        ask(unit="images", page_loc=at("page.html"), images_loc=at("photos"))


@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium to look at the page with")
def test_what_a_person_answers_on_the_page_is_what_train_learns_from(ask, at, tmp_path, capsys):
    """The whole way: the command makes a page, keys answer it, and the table that it saves trains a classifier."""
    page = tmp_path / "page.html"
    folders = [str(tmp_path / "features"), "--images", str(tmp_path / "photos")]
    assert main(["suggest", *folders, "--page", str(page), "--count", "40", "--patch-size", "8"]) == 0
    assert "40 points of 3 images, chosen by diversity of 72 without a label" in " ".join(
        capsys.readouterr().out.split()
    )
    with Browser(tmp_path) as browser:
        browser.open(page)
        known = set()
        for _ in range(40):
            label = label_of(int(text(browser, "name").rsplit("row ", 1)[1].partition(",")[0]))
            if label in known:
                choices = browser.value("[...document.querySelectorAll('#choices .label')].map(one => one.textContent)")
                browser.press(str(choices.index(label) + 1))
            else:
                known.add(label)
                browser.press("/")
                browser.call("Input.insertText", text=label)
                browser.press("Enter")
        assert text(browser, "count") == "Item 40 of 40: 40 answered"
        browser.value("document.getElementById('save').click()")
        saved = waited_for(tmp_path / "labels.csv")
    labels = read_points(saved.read_bytes(), "labels.csv").images
    assert all(label == label_of(row) for points in labels.values() for row, _, label in points)
    command = ["train", str(saved), "--features", str(tmp_path / "features"), "--model", str(tmp_path / "next.pkl")]
    assert main([*command, "--split", "points", "--classifier", "LR", "--epochs", "3", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["ok"]
