"""Labels that look wrong: of points, of tags and of chips by one message, with tables and a page."""

import csv
import json
import re

import numpy as np
import pytest
from PIL import Image

from spacer_like.chips.tasks.models import train_multilabel
from spacer_like.data_classes import ImageFeatures, ImageLabels
from spacer_like.embeddings.embeddings_table import EmbeddingsTable
from spacer_like.exceptions import (
    CollectionError,
    ExtractorMismatchError,
    MessageError,
    TableError,
    TrainingLabelsError,
)
from spacer_like.location import DataLocation
from spacer_like.messages import FindWrongLabelsMsg, TrainMultilabelMsg
from spacer_like.points.point_table import read_points
from spacer_like.tables.corrections import Answer, corrections_bytes, read_corrections
from spacer_like.tables.label_table import LabelTable
from spacer_like.testing.extractors import MeanColour
from spacer_like.wrong_labels.tasks import find_wrong_labels

from ..tags.tag_making import ENCODER, record, stored
from . import making
from .making import loc


def rows_of(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def page_data(path):
    text = re.search(r'<script id="data"[^>]*>(.*?)</script>', path.read_text(encoding="utf-8"), re.DOTALL)[1]
    return json.loads(text)


@pytest.fixture
def outputs(tmp_path):
    return {
        "wrong_loc": loc(tmp_path / "wrong.csv"),
        "pairs_loc": loc(tmp_path / "pairs.csv"),
        "page_loc": loc(tmp_path / "page.html"),
    }


class TestPoints:
    def test_wrong_ones_are_found_with_what_they_should_be(self, tmp_path, outputs):
        labels, wrong = making.points(tmp_path)
        names = {one.key: one.filename.removesuffix(".features") for one in labels}
        found = find_wrong_labels(
            FindWrongLabelsMsg(labels=labels, image_names=names, images_loc=loc(tmp_path / "images"), **outputs)
        )
        assert (found.kind, found.n_labels, found.n_judged, found.n_without_picture) == ("points", 72, 72, 0)
        assert {(one.name, one.row, one.column): one.likely for one in found.wrong} == wrong
        assert found.interval[0] <= len(wrong) / 72 <= found.interval[1]
        rows = rows_of(tmp_path / "wrong.csv")
        assert list(rows[0]) == [
            *("image", "row", "column", "given", "likely", "likely_probability", "self_confidence", "score"),
        ]
        assert {(one["image"], int(one["row"]), int(one["column"])): one["likely"] for one in rows} == wrong
        assert [float(one["score"]) for one in rows] == sorted(float(one["score"]) for one in rows)
        pairs = rows_of(tmp_path / "pairs.csv")
        assert list(pairs[0]) == ["given", "likely", "n_wrong", "estimated"]
        assert sum(int(one["n_wrong"]) for one in pairs) == len(wrong)
        data = page_data(tmp_path / "page.html")
        assert (data["columns"], data["answer"], data["classes"]) == (
            ["image", "row", "column"],
            "label",
            making.CLASSES,
        )
        assert all(item["surroundings"] for item in data["items"])
        assert [item["suggestions"][0][0] for item in data["items"]] == [one.likely for one in found.wrong]

    def test_points_of_one_image_are_judged_by_other_images_unless_told_otherwise(self, tmp_path):
        labels, _ = making.points(tmp_path)
        alone = ImageLabels({one: labels[one] for one in list(labels)[:1]})
        with pytest.raises(TrainingLabelsError, match=r"all are of one\. Not grouped, they"):
            find_wrong_labels(FindWrongLabelsMsg(labels=alone))
        assert find_wrong_labels(FindWrongLabelsMsg(labels=alone, grouped=False)).n_judged > 0

    def test_a_class_of_one_image_or_source_is_not_judged(self, tmp_path):
        labels, _ = making.points(tmp_path)
        first = next(iter(labels))
        labels.add_image(
            first,
            [(row, col, "new" if number < 2 else label) for number, (row, col, label) in enumerate(labels[first])],
        )
        found = find_wrong_labels(FindWrongLabelsMsg(labels=labels))
        assert found.not_judged == {"new": 2}
        assert found.n_judged == 70
        of_two = {one.key: "ab"[number % 2] for number, one in enumerate(labels)}
        assert find_wrong_labels(FindWrongLabelsMsg(labels=labels, image_sources=of_two)).not_judged["new"] == 2

    def test_whole_numbers_are_classes_too(self, tmp_path):
        labels, wrong = making.points(tmp_path)
        numbered = ImageLabels(
            {one: [(row, col, making.CLASSES.index(label)) for row, col, label in labels[one]] for one in labels}
        )
        found = find_wrong_labels(FindWrongLabelsMsg(labels=numbered))
        assert sorted(one.likely for one in found.wrong) == sorted(
            str(making.CLASSES.index(label)) for label in wrong.values()
        )

    def test_features_of_two_extractors_are_refused(self, tmp_path):
        labels, _ = making.points(tmp_path)
        for number, one in enumerate(labels):
            features = ImageFeatures.load(one)
            features.extractor_id = "ab"[number % 2] * 40
            features.store(one)
        with pytest.raises(ExtractorMismatchError, match="different extractors"):
            find_wrong_labels(FindWrongLabelsMsg(labels=labels))

    def test_points_outside_their_image_and_images_that_are_none_are_left_off_the_page(self, tmp_path, outputs):
        labels, wrong = making.points(tmp_path)
        first, second, *_ = sorted({name for name, *_ in wrong})
        (tmp_path / "images" / first).write_bytes(b"no image")
        Image.new("RGB", (8, 8)).save(tmp_path / "images" / second)
        found = find_wrong_labels(FindWrongLabelsMsg(labels=labels, images_loc=loc(tmp_path / "images"), **outputs))
        assert found.n_without_picture == 2
        assert len(page_data(tmp_path / "page.html")["items"]) == len(wrong) - 2


class TestTags:
    def test_wrong_ones_are_found_and_the_page_saves_what_train_tags_takes(self, tmp_path, outputs):
        table, wrong = making.tags(tmp_path)
        found = find_wrong_labels(FindWrongLabelsMsg(embeddings_loc=table, images_loc=loc(tmp_path / "in"), **outputs))
        assert (found.kind, found.n_labels) == ("tags", 180)
        assert {one.name for one in found.wrong} == wrong
        assert {one.tag for one in found.wrong if (one.given, one.likely) == ("yes", "no")} == {"sand", "alga"}
        assert list(rows_of(tmp_path / "pairs.csv")[0]) == ["tag", "given", "likely", "n_wrong", "estimated"]
        data = page_data(tmp_path / "page.html")
        assert (data["columns"], data["answer"], data["classes"]) == (["id", "path", "tag"], "answer", ["yes", "no"])
        assert not data["others"]
        saved = [",".join([*data["columns"], data["answer"]])]
        saved += [",".join([*item["columns"].values(), item["suggestions"][0][0]]) for item in data["items"]]
        answers = read_corrections("\n".join(saved).encode(), "corrections.csv")
        assert {(one.path, one.tag, one.is_yes) for one in answers} == {
            (one.name, one.tag, one.likely == "yes") for one in found.wrong
        }

    def test_untagged_images_are_left_out_and_copies_of_one_picture_have_all_its_tags(self, tmp_path):
        made = making.vectors(np.arange(30) % 3, 3)
        tags = [((), ("a",), ("b",))[number % 3] for number in range(30)]
        records = [record(f"{number:02}.png", *tags[number]) for number in range(30)]
        records.append(record("copy.png", "c", pixels="01.png"))
        table = EmbeddingsTable("table", ENCODER, records, np.concatenate([made, made[1:2]]))
        found = find_wrong_labels(FindWrongLabelsMsg(embeddings_loc=stored(table, loc(tmp_path / "t.parquet"))))
        assert (found.n_labels, found.not_judged) == (20 * 3, {"c": 4})

    def test_without_tags_there_is_nothing_to_judge(self, tmp_path):
        table = EmbeddingsTable("table", ENCODER, [record("0.png")], np.ones((1, 3), np.float32))
        with pytest.raises(TrainingLabelsError, match="has a tag"):
            find_wrong_labels(FindWrongLabelsMsg(embeddings_loc=stored(table, loc(tmp_path / "t.parquet"))))


class TestChips:
    def test_wrong_ones_are_found(self, tmp_path, outputs):
        vectors, table, wrong = making.chips(tmp_path)
        found = find_wrong_labels(
            FindWrongLabelsMsg(embeddings_loc=vectors, table_loc=table, images_loc=loc(tmp_path / "chips"), **outputs)
        )
        assert (found.kind, found.n_labels) == ("chips", 240)
        assert {(one.name, one.tag) for one in found.wrong} == wrong
        assert page_data(tmp_path / "page.html")["columns"] == ["path", "tag"]

    def test_chips_without_a_vector_are_counted_and_without_any_refused(self, tmp_path):
        vectors, table, _ = making.chips(tmp_path)
        lines = (tmp_path / "table.csv").read_text().splitlines()
        (tmp_path / "table.csv").write_text("\n".join([*lines, "M14-1-1_b.png,0,1"]))
        found = find_wrong_labels(FindWrongLabelsMsg(embeddings_loc=vectors, table_loc=table))
        assert found.n_without_features == 1
        (tmp_path / "table.csv").write_text("\n".join([lines[0], "M14-1-1_b.png,0,1"]))
        with pytest.raises(CollectionError, match=r"such as .M14-1-1_b\.png."):
            find_wrong_labels(FindWrongLabelsMsg(embeddings_loc=vectors, table_loc=table))


class TestAnyKind:
    def test_both_rules_find_them_and_the_same_request_gives_the_same_answer(self, tmp_path):
        table, wrong = making.tags(tmp_path)
        for rule in ("confident_joint", "noise_rate"):
            one, other = (find_wrong_labels(FindWrongLabelsMsg(embeddings_loc=table, rule=rule)) for _ in range(2))
            assert {found.name for found in one.wrong} == wrong
            assert one.model_copy(update={"runtime": 0}) == other.model_copy(update={"runtime": 0})

    def test_most_bounds_the_page_and_the_answer_and_not_the_table(self, tmp_path, outputs):
        table, _ = making.tags(tmp_path)
        found = find_wrong_labels(
            FindWrongLabelsMsg(embeddings_loc=table, images_loc=loc(tmp_path / "in"), most=1, **outputs)
        )
        assert len(found.wrong) == len(page_data(tmp_path / "page.html")["items"]) == 1
        assert len(rows_of(tmp_path / "wrong.csv")) == found.n_wrong == 4

    def test_images_of_another_place_are_refused(self, tmp_path, outputs):
        table, _ = making.tags(tmp_path)
        (tmp_path / "other").mkdir()
        (tmp_path / "other" / "x.png").write_bytes(making.picture((0, 0, 0)))
        with pytest.raises(CollectionError, match="None of the images to draw"):
            find_wrong_labels(FindWrongLabelsMsg(embeddings_loc=table, images_loc=loc(tmp_path / "other"), **outputs))
        assert not (tmp_path / "wrong.csv").exists()

    @pytest.mark.parametrize(
        ("fields", "words"),
        [
            ({}, "give labels of points, or embeddings_loc"),
            ({"labels": ImageLabels.example(), "embeddings_loc": DataLocation("memory", "e")}, "and not both"),
            ({"labels": ImageLabels.example(), "table_loc": DataLocation("memory", "t")}, "need embeddings_loc"),
            ({"labels": ImageLabels.example(), "page_loc": DataLocation("memory", "p")}, "needs images_loc"),
            ({"labels": ImageLabels({"text": []})}, "named by locations"),
            ({"labels": ImageLabels.example(), "corrections_loc": DataLocation("memory", "c")}, "into checked"),
        ],
    )
    def test_fields_that_do_not_go_together_are_refused(self, fields, words):
        with pytest.raises(MessageError, match=words):
            FindWrongLabelsMsg(**fields)


class TestCorrections:
    def test_what_a_person_has_answered_counts_and_is_not_asked_about_again(self, tmp_path):
        table, wrong = making.tags(tmp_path)
        first = find_wrong_labels(FindWrongLabelsMsg(embeddings_loc=table))
        answers = [Answer("", one.name.removeprefix("in/"), str(one.tag), one.given == "yes") for one in first.wrong]
        answers.append(Answer("", "nowhere.png", "sand", is_yes=True))
        (tmp_path / "answers.csv").write_bytes(corrections_bytes(answers))
        corrections = loc(tmp_path / "answers.csv")
        found = find_wrong_labels(FindWrongLabelsMsg(embeddings_loc=table, corrections_loc=corrections))
        assert (len(first.wrong), found.n_wrong, found.n_unknown_corrections) == (2 * len(wrong), 0, 1)

    def test_points_that_were_checked_keep_their_label_and_are_not_asked_about_again(self, tmp_path):
        labels, wrong = making.points(tmp_path)
        files = {one.filename.removesuffix(".features"): one for one in labels}
        (name, row, col), *others = wrong
        checked = {files[name]: [(row, col, wrong[name, row, col]), (999, 999, "sand")]}
        for image, *at in others[:1]:
            checked[files[image]] = [one for one in labels[files[image]] if list(one[:2]) == at]
        found = find_wrong_labels(FindWrongLabelsMsg(labels=labels, checked=ImageLabels(checked)))
        assert found.n_unknown_corrections == 1
        assert {(one.row, one.column) for one in found.wrong} == {tuple(at) for _, *at in others[1:]}

    def test_answers_count_instead_of_labels_and_bring_other_points_along(self):
        table = read_points(b"image,row,col,label\na.jpg,1,2,x\na.jpg,3,4,y\n", "labels.csv")
        answers = read_points(b"image,row,column,label\nA.jpg,1,2,7\nA.jpg,9,9,8\nb.jpg,1,2,5\n", "answers.csv")
        found = table.corrected(answers)
        assert found.images == {"a.jpg": [(1, 2, "7"), (3, 4, "y"), (9, 9, "8")], "b.jpg": [(1, 2, "5")]}
        lacking = "there is no feature at {} of the points' (example: {})"
        assert found.row_of("a.jpg", lacking.format(1, "(3, 4)")) == "labels.csv, line 3"
        assert found.row_of("a.jpg", lacking.format(1, "(9, 9)")) == "answers.csv, line 3"
        assert found.row_of("b.jpg", "") == "answers.csv, line 4"

    def test_answers_about_chips_of_the_table_count_and_others_are_refused(self):
        table = LabelTable(["a.png", "b.png"], ("home", "water"), np.zeros((2, 2), bool))
        answers = [Answer("", "b.png", "home", is_yes=False), Answer("", "b.png", "home", is_yes=True)]
        assert table.corrected(answers, "c.csv").targets.tolist() == [[False, False], [True, False]]
        assert not table.targets.any()
        for path, tag, words in (("c.png", "home", "chip 'c.png'"), ("a.png", "sea", "label 'sea'")):
            with pytest.raises(TableError, match=f"answer about the {words}"):
                table.corrected([Answer("", path, tag, is_yes=True)], "c.csv")

    def test_models_of_chips_learn_from_the_answers(self, tmp_path):
        _, table, _ = making.chips(tmp_path)
        (tmp_path / "answers.csv").write_text("path,tag,answer\nM14-0-0_a.png,sea,yes\n")
        with pytest.raises(TableError, match="label 'sea'"):
            train_multilabel(
                TrainMultilabelMsg(
                    table_loc=table,
                    chips_loc=loc(tmp_path / "chips"),
                    model_loc=loc(tmp_path / "model.safetensors"),
                    corrections_loc=loc(tmp_path / "answers.csv"),
                    extractor=MeanColour(),
                    size=32,
                )
            )
