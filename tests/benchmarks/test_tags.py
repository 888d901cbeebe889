"""The tags family's measures: material is the same each time, and peers compute the same as ours."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks import measures
from benchmarks.__main__ import take_all
from benchmarks.figures import Comparison
from benchmarks.tags import correct, make_images, pick_stamps, promise, score, stamps, train, write_scores
from benchmarks.tags.folders import Folders
from benchmarks.tags.make_vectors import tagged, vectors
from benchmarks.tags.measures import TagsMeasures
from spacer_like.embeddings.embeddings_table import ImageRecord, embeddings_writer
from spacer_like.learning.linear_tags import NOT_USED, LinearTags


@pytest.fixture(scope="module")
def examples():
    random = np.random.default_rng(1)
    made = vectors(300, random)
    return made, tagged(made, random)


@pytest.fixture
def table(tmp_path):
    """Five tags of ten images each, in vectors of six numbers."""
    random = np.random.default_rng(2)
    numbers = np.repeat(np.arange(5), 10)
    points = (random.standard_normal((50, 6)) + 4 * np.eye(6)[numbers]).astype(np.float32)
    records = [ImageRecord(f"{n}", f"{n}", f"{n}", "PNG", 1, 1, 1, (f"tag {t}",)) for n, t in enumerate(numbers)]
    path = tmp_path / "table.parquet"
    with path.open("wb") as file, embeddings_writer(file, "encoder", 6) as append:
        append(records, points)
    return path


def answer_of(capsys):
    return json.loads(capsys.readouterr().out.splitlines()[-1])


def test_a_photograph_is_the_same_each_time_and_of_its_own_size():
    once, again = (make_images.photograph(7) for _ in range(2))
    assert np.array_equal(np.asarray(once), np.asarray(again))
    assert len({make_images.photograph(number).size for number in range(4)}) == 4


def test_tags_are_frequent_and_rare_and_every_vector_is_its_own(examples):
    made, targets = examples
    assert made.shape == (300, 512)
    assert targets.shape == (300, 50)
    assert targets[:, 0].mean() == pytest.approx(1 / 3, abs=0.1)
    assert targets[:, -1].sum() <= 5


def stamp(path, size=(80, 70)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGBA", size).save(path)


def test_photographs_among_stamps_are_large_and_in_two_folders_but_none_of_drawings(tmp_path):
    for number in range(4):
        stamp(tmp_path / f"animals/birds/owls/{number}.png")
        stamp(tmp_path / f"animals/fish/cartoon/{number}.png")
        stamp(tmp_path / f"clothes/{number}.png")
        stamp(tmp_path / f"food/nuts/{number}.png", (63, 90))
        stamp(tmp_path / f"food/fruit/{number}.png", (80, 70) if number else (80, 63))
    found = pick_stamps.photographs(tmp_path)
    assert {tag: len(paths) for tag, paths in found.items()} == {"animals-birds": 4}


def test_a_stamp_is_in_the_middle_of_a_white_square():
    picture = pick_stamps.on_white(Image.new("RGBA", (70, 35), "red"))
    assert picture.size == (80, 80)
    assert picture.getpixel((4, 40)) == (255, 255, 255)
    assert picture.getpixel((5, 40)) == picture.getpixel((74, 40)) == (255, 0, 0)


def test_all_who_train_find_about_the_same_weights(examples):
    made, targets = examples
    few = targets[:, :2]
    own, exact = train.SIDES["ours"](made, few), train.SIDES["exact"](made, few)
    assert np.abs(made @ (own[0] - exact[0]).T + own[1] - exact[1]).max() < 0.01


def test_probabilities_of_all_tags_are_compared_with_those_of_every_tenth(tmp_path):
    many = np.random.default_rng(3).random((4, 50))
    few = many[:, ::10].copy()
    few[2, 1] += 0.25
    for name, array in (("many", many), ("few", few)):
        np.save(tmp_path / f"{name}.npy", array)
    assert train.apart(tmp_path / "many.npy", tmp_path / "few.npy") == pytest.approx(0.25)


def test_both_who_score_give_the_same_scores(examples):
    made, _ = examples
    random = np.random.default_rng(4)
    fitted = LinearTags(random.standard_normal((3, 512)), random.standard_normal(3))
    own, other = (side(made, fitted)["mean_score"] for side in (score.ours, score.by_predict_proba))
    assert own == pytest.approx(other, abs=1e-12)


@pytest.mark.parametrize("side", ["ours", "row-by-row"])
def test_scores_are_written(side, tmp_path, capsys):
    write_scores.main(side, 20, tmp_path / "new")
    answer = answer_of(capsys)
    assert answer["database_seconds"] > 0
    assert answer.get("rows", 1000) == 1000


def test_the_quality_of_tags_that_are_far_apart_is_high(table, capsys):
    stamps.main(table)
    answer = answer_of(capsys)
    assert (answer["images"], answer["tags"]) == (50, 5)
    for name in ("map", "weighted_map", "accuracy", "nearest_accuracy"):
        assert 0.9 < answer[name] <= 1


def test_a_neighbour_is_not_of_the_same_fold():
    points = np.array([[1, 0], [1, 0.1], [0, 1]], np.float32)
    scores = stamps.nearest(points, np.array([[1, 0], [1, 0], [0, 1]]), np.array([0, 0, 1]))
    assert scores[0].tolist() == pytest.approx([-1, 0])
    assert scores[2].tolist() == pytest.approx([0.0995, -1], abs=1e-3)


@pytest.mark.parametrize("choose", [correct.by_review, correct.at_random])
def test_ten_labels_of_each_tag_are_asked_in_a_round(choose, table):
    points, targets = stamps.read(table)
    random = np.random.default_rng(5)
    known = correct.first_known(targets, random)
    assert ((known == 1).sum(axis=0).tolist(), (known == 0).sum(axis=0).tolist()) == ([2] * 5, [6] * 5)
    chosen = choose(points, known, random)
    assert all(len(set(images)) == len(images) <= 10 for images in chosen)
    assert all((known[images, tag] == NOT_USED).all() for tag, images in enumerate(chosen))


def test_a_promise_is_kept_by_what_is_never_tagged_and_broken_by_what_is_wrong():
    sure, all_have = np.linspace(0.5, 1, 200), np.ones(200, bool)
    cases = [
        (sure, all_have, sure, all_have),
        (sure, all_have, sure, ~all_have),
        (sure[:10], all_have[:10], sure, all_have),
    ]
    found = promise.kept(iter(cases))
    assert found["given_share"] == pytest.approx(2 / 3)
    assert found["kept_share"] == pytest.approx(2 / 3)
    assert found["given_kept_share"] == found["precision"] == pytest.approx(1 / 2)


def test_every_measure_has_a_name_of_the_family_and_sides_for_its_figures(tmp_path):
    all_measures = TagsMeasures(Folders(tmp_path), Path("ours")).all()
    assert len({measure.name for measure in all_measures}) == len(all_measures)
    assert all(measure.name.startswith("tags-") and measure.family == "tags" for measure in all_measures)
    for measure in all_measures:
        sides = {figure.ours for figure in measure.figures} | {figure.other for figure in measure.figures}
        assert sides - {None} <= set(measure.sides)


def test_without_stamps_what_is_measured_on_them_is_left_out_and_the_run_says_how_to_get_them(tmp_path, capsys):
    wanted = [
        measure
        for measure in TagsMeasures(Folders(tmp_path), Path("ours"), tmp_path / "none").all()
        if measure.name in ("tags-quality-lite0", "tags-correct-lite2", "tags-promise-stamps")
    ]
    assert len(wanted) == 3
    assert take_all(wanted, 1) == ([], [])
    assert "tags-quality-lite0 is left out: there are no stamps" in capsys.readouterr().err


def test_a_measure_that_is_the_same_each_time_runs_once(monkeypatch):
    monkeypatch.setattr(measures, "run", lambda command: {"n": 1.0})
    once = measures.Measure("m", {"ours": None}, [], once=True)
    assert measures.take(once, 5, measures.nothing).runs == {"ours": [{"n": 1.0}]}


def test_a_figure_alone_can_have_to_be_large_enough():
    assert Comparison.LEAST.of(0.9, 0.5) == 0.9
    assert Comparison.LEAST.is_met(0.9, 0.87)
    assert not Comparison.LEAST.is_met(0.86, 0.87)
