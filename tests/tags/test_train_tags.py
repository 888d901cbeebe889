"""The task train_tags: models, reports, splits, thresholds, corrections, and what is refused."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from spacer_like.config import override
from spacer_like.embeddings.embeddings_table import EmbeddingsTable
from spacer_like.exceptions import ExtractorMismatchError, MessageError, TrainingLabelsError
from spacer_like.learning.linear_tags import NEGATIVE, NOT_USED, POSITIVE
from spacer_like.location import DataLocation
from spacer_like.tables.corrections import Answer, corrections_bytes
from spacer_like.tags.labelled_images import labelled_images, with_reviewed
from spacer_like.tags.messages import TrainTagsMsg
from spacer_like.tags.model_folder import read_tag_models
from spacer_like.tags.tag_model import tag_scores
from spacer_like.tags.tag_split import split_by_order, split_by_pixels, tag_targets
from spacer_like.tasks import train_tags

from .tag_making import COUNTS, ENCODER, record, stored, table_of

LR, SVM = "ovr-logistic-regression", "ovr-svm"


@pytest.fixture
def at(tmp_path):
    return lambda *names: DataLocation("filesystem", "/".join([str(tmp_path), *names]))


@pytest.fixture
def train(at):
    def trained(table=None, answers=None, **fields):
        given = {"embeddings_loc": stored(table or table_of(), at("table.parquet")), "models_loc": at("models")}
        if answers is not None:
            with open(at("answers.csv").key, "wb") as file:
                file.write(corrections_bytes(answers))
            given["corrections_loc"] = at("answers.csv")
        return train_tags(TrainTagsMsg(**(given | fields)))

    return trained


def files(tmp_path, folder):
    return {path.name: path.read_bytes() for path in sorted((tmp_path / folder).iterdir())}


class TestCounts:
    def test_are_those_of_image_tagging_tools(self, train, at, tmp_path):
        answer = train(split="first", reports_loc=at("reports"))
        names = [f"{kind}-tag-{tag}" for kind in (LR, SVM) for tag in ("blue", "red")]
        assert sorted(files(tmp_path, "models")) == [f"model-{name}.safetensors" for name in names]
        reports = [f"model-report-{name}.{suffix}" for name in names for suffix in ("json", "txt")]
        assert sorted(files(tmp_path, "reports")) == reports
        found = [(one.tag, one.model_type) for one in answer.models]
        assert found == [(tag, kind) for tag in ("blue", "red") for kind in (LR, SVM)]
        assert {(one.tag, one.n_tag, one.n_test_tag, one.n_other, one.n_test_other) for one in answer.models} == {
            ("blue", 12, 1, 11, 1),
            ("red", 13, 1, 11, 1),
        }
        assert answer.n_images == sum(COUNTS.values())

    def test_of_the_test_grow_with_its_share(self, train):
        answer = train(split="first", test_share=0.16, model_types=[LR])
        assert [(one.n_test_tag, one.n_test_other) for one in answer.models] == [(2, 1), (2, 1)]


class TestModels:
    def test_tell_their_tag_from_others_and_say_what_they_are(self, train, at):
        answer = train()
        models = read_tag_models(at("models"))
        assert [(one.model_type, one.tag) for one in models] == [(k, t) for k in (LR, SVM) for t in ("blue", "red")]
        table = table_of()
        is_tag = np.array([[one.tags == (model.tag,) for model in models] for one in table.records])
        used = np.array(["validation" not in one.tags[0] for one in table.records])
        scores = tag_scores(models, table.vectors)
        assert scores[is_tag].min() > scores[used & ~is_tag.any(axis=1)].max()
        by_name = {(one.model_type, one.tag): one for one in answer.models}
        for model in models:
            said = by_name[model.model_type, model.tag]
            assert (model.threshold, model.review_threshold) == (said.threshold, said.review_threshold)
            assert 0 < model.threshold < 1
            assert model.extractor_id == ENCODER
            assert model.metrics["roc_auc"] == said.roc_auc == 1.0
            assert set(model.versions) == {"spacer_like", "numpy", "scikit-learn"}
        assert answer.mean_average_precision == {LR: 1.0, SVM: 1.0}

    @pytest.mark.parametrize("split", ["hash", "first"])
    def test_are_the_same_with_any_number_of_threads(self, train, at, tmp_path, split):
        found = []
        for threads in (1, 3):
            with override(torch_threads=threads):
                train(split=split, models_loc=at(f"m{threads}"), reports_loc=at(f"r{threads}"), negatives="rest")
            found.append((files(tmp_path, f"m{threads}"), files(tmp_path, f"r{threads}")))
        assert found[0] == found[1]

    def test_of_some_tags_and_types_are_made_alone(self, train, tmp_path):
        answer = train(tags=["red", "green", "other-training"], model_types=[LR])
        assert list(files(tmp_path, "models")) == [f"model-{LR}-tag-red.safetensors"]
        assert [(one.tag, one.reason) for one in answer.without_model] == [
            ("other-training", "It is what tags are told from or compared with, and gets none."),
            ("green", "No image has it."),
        ]

    def test_of_earlier_trainings_stay_and_are_told(self, train):
        assert train(tags=["red"], model_types=[LR]).n_earlier_models == 0
        answer = train(tags=["blue"], model_types=[LR])
        assert (answer.n_earlier_models, answer.earlier_models) == (1, [f"model-{LR}-tag-red.safetensors"])

    def test_of_tags_of_any_letters_are_kept(self, train, at):
        tags = ["a/b", 'it\'s "x"-tag-y', "道" * 300]
        train(table_of(dict.fromkeys(tags, 4)), negatives="rest", model_types=[LR], reports_loc=at("reports"))
        assert [one.tag for one in read_tag_models(at("models"))] == sorted(tags)

    def test_of_one_image_learn_from_it_and_say_so(self, train, at, tmp_path):
        table = table_of({"one": 1, "other-training": 9})
        answer = train(table, split="first", reports_loc=at("reports"), model_types=[LR])
        (model,) = answer.models
        assert (model.n_tag, model.n_test_tag, model.accuracy, model.roc_auc) == (1, 0, None, None)
        text = files(tmp_path, "reports")[f"model-report-{LR}-tag-one.txt"].decode()
        assert "LEARNT FROM as well, for there are too few" in text
        assert answer.mean_average_precision == {}


class TestNegatives:
    def test_are_what_the_request_says(self):
        images = labelled_images(table_of({"blue": 2, "other-training": 2, "other-validation": 2, "red": 2}))
        images.correct([Answer("", "red/00.png", "blue", False)])
        blue = tag_targets(images, ["blue"], "other-training")[:, 0].tolist()
        assert blue == [POSITIVE] * 2 + [NEGATIVE] * 2 + [NOT_USED] * 2 + [NEGATIVE, NOT_USED]
        rest = tag_targets(images, ["blue"], "rest")[:, 0].tolist()
        assert rest == [POSITIVE] * 2 + [NEGATIVE] * 2 + [NOT_USED] * 2 + [NEGATIVE] * 2

    def test_without_other_training_are_refused_with_a_way_out(self, train):
        table = table_of({"blue": 5, "red": 5})
        with pytest.raises(MessageError, match=r"^No image has the tag 'other-training', .*: .* negatives=rest, "):
            train(table)
        assert len(train(table, negatives="rest").models) == 4

    def test_that_are_not_there_are_said_of_each_tag(self, train):
        sentence = r"^Nothing can be learnt of any tag: 'red': There is no image that it could be told from\.$"
        with pytest.raises(TrainingLabelsError, match=sentence):
            train(table_of({"red": 5}), negatives="rest")


def groups_of(images, together=()):
    groups = np.arange(len(images))
    groups[list(together)] = min(together, default=0)
    return groups


class TestTheSplit:
    def test_by_pixels_has_something_of_each_kind_to_learn_and_to_test(self):
        for seed in range(40):
            images = labelled_images(table_of({"a": 2, "b": 3, "other-training": 2}))
            targets = tag_targets(images, ["a", "b"], "other-training")
            split = split_by_pixels(images, ["a", "b"], targets, 0.3, groups_of(images), seed)
            for tag in range(2):
                for kind in (POSITIVE, NEGATIVE):
                    own = targets[:, tag] == kind
                    assert split.is_held_out[own, tag].any()
                    assert split.is_trained[own, tag].any()
            assert not split.is_trained[targets == NOT_USED].any()

    def test_by_pixels_keeps_near_duplicates_together(self):
        images = labelled_images(table_of({"a": 30, "other-training": 30}))
        targets = tag_targets(images, ["a"], "other-training")
        pair = [3, 40]
        held = []
        for seed in range(30):
            split = split_by_pixels(images, ["a"], targets, 0.3, groups_of(images, pair), seed)
            assert len({*split.is_held_out[pair, 0].tolist()}) == 1
            held.append(split.is_held_out[3, 0])
        assert 0 < sum(held) < 30

    def test_by_pixels_moves_no_image_when_others_come(self):
        sizes = {"a": 40, "other-training": 40}
        few = labelled_images(table_of(sizes))
        more = labelled_images(table_of(sizes | {"b": 40}))
        held = []
        for images in (few, more):
            targets = tag_targets(images, ["a"], "other-training")
            split = split_by_pixels(images, ["a"], targets, 0.2, groups_of(images), 0)
            held.append({path for path, out in zip(images.paths, split.is_held_out[:, 0], strict=True) if out})
        assert held[0] == held[1]
        assert 5 < len(held[0]) < 30

    def test_by_order_holds_the_first_ones_out(self):
        images = labelled_images(table_of({"a": 10, "other-training": 20}))
        split = split_by_order(images, ["a"], tag_targets(images, ["a"], "other-training"), 0.2)
        assert np.flatnonzero(split.is_held_out[:, 0]).tolist() == [0, 1, 10, 11, 12, 13]

    @pytest.mark.parametrize("by", ["pixels", "order"])
    def test_never_holds_an_image_out_that_a_person_answered_about(self, by):
        images = labelled_images(table_of({"a": 10, "other-training": 10}))
        images.correct([Answer("", path, "a", path < "o") for path in images.paths[::2]])
        targets = tag_targets(images, ["a"], "other-training")
        if by == "order":
            split = split_by_order(images, ["a"], targets, 0.5)
        else:
            split = split_by_pixels(images, ["a"], targets, 0.5, groups_of(images), 0)
        assert not split.is_test[::2].any()
        assert split.is_trained[::2].all()
        assert split.is_held_out.any()


class TestCorrections:
    def test_change_what_is_learnt(self, train, at):
        table = table_of({"blue": 12, "other-training": 12, "red": 12})
        wrong = [one for one in table.records if one.tags == ("red",)][:6]
        answers = [Answer(one.id, "", "red", False) for one in wrong]
        before = train(table, model_types=[LR])
        (old,) = read_tag_models(at("models"), tags=["red"])
        after = train(table, answers, model_types=[LR])
        (new,) = read_tag_models(at("models"), tags=["red"])
        rows = [table.row_of_path[one.path] for one in wrong]
        assert (tag_scores([new], table.vectors[rows]) < tag_scores([old], table.vectors[rows])).all()
        assert (before.n_corrections, after.n_corrections, after.n_unknown_corrections) == (0, 6, 0)

    def test_make_a_model_of_a_tag_without_a_folder(self, train, at):
        answers = [Answer("", f"red/0{n}.png", "round", n % 2 == 0) for n in range(8)]
        train(answers=answers, model_types=[LR])
        assert [one.tag for one in read_tag_models(at("models"))] == ["blue", "red", "round"]

    def test_of_no_to_every_image_of_a_tag_are_told_as_the_reason_why_it_has_no_model(self, train):
        answers = [Answer("", f"{tag}/{n:02}.png", "red", False) for tag in ("red", "blue") for n in range(13)]
        answer = train(answers=[*answers, Answer("", "red/13.png", "red", False)], model_types=[LR])
        assert [one.tag for one in answer.models] == ["blue"]
        assert [(one.tag, one.reason) for one in answer.without_model] == [("red", "No image has it.")]

    def test_that_a_later_one_contradicts_are_counted(self, train):
        answer = train(answers=[Answer("", "red/01.png", "red", said) for said in (True, True, False, True)])
        assert (answer.n_corrections, answer.n_contradicted_corrections) == (1, 2)

    def test_about_unknown_images_are_counted_and_named(self, train):
        answer = train(answers=[Answer("", "gone.png", "red", True), Answer("", "red/01.png", "red", True)])
        assert (answer.n_corrections, answer.n_unknown_corrections) == (1, 1)
        assert answer.unknown_corrections == ["gone.png"]


class TestReviewedImages:
    """Images of further tables, of which nothing is known but the answers about them."""

    @pytest.fixture
    def reviewed(self, at):
        table = table_of({"blue": 4, "red": 4}, spread=1.5)
        records = [
            one._replace(path=f"new/{one.path}", hash_id=f"{number:0128x}", tags=("wrong",))
            for number, one in enumerate(table.records)
        ]
        return stored(EmbeddingsTable("new", table.encoder_id, records, table.vectors), at("new.parquet"))

    def test_are_learnt_from_where_somebody_answered_about_them(self, train, reviewed):
        answers = [Answer("", "new/blue/00.png", "red", False), Answer("", "red/01.png", "red", True)]
        known = train(answers=answers, model_types=[LR])
        found = train(answers=answers, reviewed_locs=[reviewed], model_types=[LR])
        assert (known.n_corrections, found.n_corrections, found.n_unknown_corrections) == (1, 2, 0)
        assert found.n_images == known.n_images + 1
        assert [one.tag for one in found.models] == ["blue", "red"]

    def test_are_nothing_to_tags_that_nobody_was_asked_about(self):
        images = labelled_images(table_of({"blue": 3, "red": 3}))
        new = EmbeddingsTable("new", ENCODER, [record("new/1.png", "wrong")], np.ones((1, images.vectors.shape[1])))
        answers = [Answer("", "1.png", "red", False), Answer("", "nowhere.png", "red", True)]
        with_reviewed(images, [new], answers).correct(answers)
        assert tag_targets(images, ["blue", "red"], "rest")[-1].tolist() == [NOT_USED, NEGATIVE]
        assert images.unknown == ["nowhere.png"]
        assert "wrong" not in images.tags

    def test_of_another_encoder_are_refused(self, train, reviewed, at):
        other = table_of({"red": 2})
        other = stored(EmbeddingsTable("o", "f" * 40, other.records, other.vectors), at("other.parquet"))
        with pytest.raises(ExtractorMismatchError, match=r"^What is learnt from was made with the encoder"):
            train(answers=[Answer("", "x.png", "red", True)], reviewed_locs=[other])

    def test_need_answers(self, train, reviewed):
        with pytest.raises(MessageError, match=r"^reviewed_locs are of images that corrections answer about"):
            train(reviewed_locs=[reviewed])


class TestThePrecision:
    def test_is_promised_only_where_enough_images_show_it(self, train):
        few = train(precision=0.95, model_types=[LR])
        assert [one.threshold for one in few.models] == [None, None]
        table = table_of({"other-training": 200, "red": 240})
        (many,) = train(table, precision=0.95, test_share=0.5, model_types=[LR]).models
        assert many.review_threshold <= many.threshold < 1


class TestSources:
    def test_must_be_exactly_one(self, train, at):
        sentence = r"^train_tags learns from embeddings_loc, or else from metadata_json_loc and tag_to_hash_json_loc: "
        for fields in ({"metadata_json_loc": at("m")}, {"embeddings_loc": None}):
            with pytest.raises(MessageError, match=sentence):
                train(**fields)
        with pytest.raises(MessageError, match=r"belong together, and one of them is missing\.$"):
            train(embeddings_loc=None, metadata_json_loc=at("m"))

    def test_may_be_the_files_of_image_tagging_tools(self, train, at, tmp_path):
        table = table_of()
        metadata = {
            one.hash_id: {
                "hash_id": one.hash_id,
                "file_path": one.path,
                "file_name": one.path[-6:],
                "file_type": "PNG",
                "image_size_bytes": 99,
                "image_resolution": [8, 8],
                "image_xsize": 8,
                "image_ysize": 8,
                "image_tags": list(one.tags),
                "embeddings_type": "CLIP",
                "model": "ViT-B-32",
                "pretrained": "openai",
                "embeddings_vector": vector.tolist(),
            }
            for one, vector in zip(table.records, table.vectors, strict=True)
        }
        hashes = {tag: [one.hash_id for one in table.records if one.tags == (tag,)][::-1] for tag in COUNTS}
        (tmp_path / "metadata.json").write_text(json.dumps(metadata))
        (tmp_path / "hashes.json").write_text(json.dumps(hashes))
        pair = {"metadata_json_loc": at("metadata.json"), "tag_to_hash_json_loc": at("hashes.json")}
        train(embeddings_loc=None, split="first", reports_loc=at("reports"), test_share=0.2, **pair)
        report = json.loads(files(tmp_path, "reports")[f"model-report-{LR}-tag-red.json"])
        held = [one["path"] for one in report["validation_images"] if one["has_tag"]]
        assert held == ["red/12.png", "red/13.png"]
        (model, *_) = read_tag_models(at("models"))
        assert "ViT-B-32" in model.extractor_id

    def test_must_not_be_overwritten(self, train, at):
        loc = at("models", f"model-{LR}-tag-red.safetensors")
        Path(at("models").key).mkdir()
        with pytest.raises(MessageError, match=r"^the model of 'red' would overwrite embeddings_loc"):
            train(embeddings_loc=stored(table_of(), loc))


class TestReports:
    def test_hold_the_figures_in_their_order(self, train, at, tmp_path):
        train(split="first", test_share=0.2, reports_loc=at("reports"), model_types=[LR])
        lines = files(tmp_path, "reports")[f"model-report-{LR}-tag-red.txt"].decode().splitlines()
        assert lines[:8] == [
            f"model: {LR}",
            "task: binary-classification",
            "tag: [red]",
            "",
            "tag-set-image-count: 14",
            "other-set-image-count: 12",
            "validation-tag-image-count: 2",
            "validation-other-image-count: 2",
        ]
        assert lines[9:18] == [
            "false-positive-rate: 0.0000",
            "true-positive-rate: 1.0000",
            "false-negative-rate: 0.0000",
            "true-negative-rate: 1.0000",
            "",
            "false-positive: 0 out of 4",
            "true-positive: 2 out of 4",
            "false-negative: 0 out of 4",
            "true-negative: 2 out of 4",
        ]
        begins = [">Accuracy : 100.0000", "Index 0 is class red", "Index 1 is class other", "threshold: 0."]
        begins += ["roc-auc: 1.0000", "average-precision: 1.0000", "in-distribution: P(red) of 14 images"]
        begins += ["0.9 - 1.0 |     1", "out-distribution: P(other) of 10 images", "validation-images: held out"]
        begins += ["  red: red/00.png", "  other: "]
        places = [next(number for number, line in enumerate(lines) if line.startswith(begin)) for begin in begins]
        assert places == sorted(places)

    def test_as_json_hold_the_same(self, train, at, tmp_path):
        answer = train(split="first", test_share=0.2, reports_loc=at("reports"), model_types=[LR])
        report = json.loads(files(tmp_path, "reports")[f"model-report-{LR}-tag-red.json"])
        assert report["counts"] == {"false_positive": 0, "true_positive": 2, "false_negative": 0, "true_negative": 2}
        assert sum(report["in_distribution"]) == 14
        assert sum(report["out_distribution"]) == 10
        assert next(one["path"] for one in report["validation_images"]) == "other-training/00.png"
        assert math.isclose(report["threshold"], answer.models[1].threshold)
