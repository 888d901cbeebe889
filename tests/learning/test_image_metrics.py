import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sklearn_metrics

from spacer_like.data_classes import DataLocation, ImageFeatures, ImageLabels, LabelId
from spacer_like.learning.baselines import Nearest, nearest_neighbours
from spacer_like.learning.image_metrics import (
    ImageEvaluation,
    Points,
    balanced_accuracy,
    cover_r2,
    evaluation_by_image,
    interval_by_image,
    matthews,
)


def points(seed: int = 0, images: int = 30, of_each: int = 10, classes: int = 4, skill: float = 0.7) -> Points:
    random = np.random.default_rng(seed)
    true = random.integers(0, classes, images * of_each)
    given = np.where(random.random(len(true)) < skill, true, random.integers(0, classes, len(true)))
    return Points(np.repeat(np.arange(images), of_each), true, given, random.random(len(true)))


class TestSinglePoints:
    @pytest.mark.filterwarnings("ignore")
    @given(st.integers(0, 10**6), st.integers(1, 5))
    def test_metrics_are_those_of_scikit_learn(self, seed: int, classes: int) -> None:
        some = points(seed, 5, 4, classes)
        assert balanced_accuracy(some) == pytest.approx(
            sklearn_metrics.recall_score(some.true, some.given, labels=np.unique(some.true), average="macro")
        )
        assert (matthews(some) or 0.0) == pytest.approx(sklearn_metrics.matthews_corrcoef(some.true, some.given))

    def test_where_all_points_are_of_one_class_there_is_no_correlation(self) -> None:
        zeros = np.zeros(3, np.intp)
        assert matthews(Points(zeros, zeros, zeros)) is None
        assert cover_r2(Points(zeros, zeros, zeros)) is None


class TestCover:
    def test_it_is_met_where_mistakes_cancel_within_an_image(self) -> None:
        swapped = Points(np.array([0, 0, 1, 1]), np.array([0, 1, 0, 0]), np.array([1, 0, 0, 0]))
        assert cover_r2(swapped) == 1

    def test_the_mean_of_all_images_explains_nothing(self) -> None:
        constant = Points(np.array([0, 0, 1, 1]), np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1]))
        assert cover_r2(constant) == 0


class TestIntervals:
    def test_points_of_an_image_that_are_right_together_widen_it(self) -> None:
        image = np.repeat(np.arange(40), 25)
        alone = np.random.default_rng(0).random(1000) < 0.6
        together = np.repeat(np.random.default_rng(0).random(40) < 0.6, 25)
        widths = [high - low for low, high in (interval_by_image(image, one) or (0, 0) for one in (alone, together))]
        assert widths[1] > 3 * widths[0]

    def test_few_images_have_none(self) -> None:
        assert interval_by_image(np.repeat(np.arange(4), 100), np.ones(400, np.bool_)) is None

    def test_they_hold_the_truth(self) -> None:
        """Images of accuracies between 0.2 and 1, 0.6 in the mean."""
        random, held = np.random.default_rng(3), 0
        for _ in range(60):
            shares = np.repeat(random.uniform(0.2, 1, 50), 20)
            low, high = interval_by_image(np.repeat(np.arange(50), 20), random.random(1000) < shares) or (0, 0)
            held += low <= 0.6 <= high
        assert held >= 53


class TestEvaluation:
    def test_it_survives_json(self) -> None:
        some = points()
        near = Nearest(some.image < 20, some.true[some.image < 20] == 0, np.arange(200) % 10 == 0)
        sources = [f"site {image % 3}" for image in some.image.tolist()]
        found = evaluation_by_image(some, 0, near, sources, [0.5, 0.4], 2)
        assert ImageEvaluation.deserialize(json.loads(json.dumps(found.serialize()))) == found
        assert [one.name for one in found.baselines] == ["majority", "nearest"]
        assert found.baselines[0].accuracy == pytest.approx((some.true == 0).mean())
        assert found.baselines[1].points == 200
        assert sorted(one.source for one in found.sources) == ["site 0", "site 1", "site 2"]
        assert sum(one.points for one in found.sources) == 300
        assert not any(one.unlike for one in found.sources)
        assert found.log_loss == pytest.approx(-np.log(some.of_true).mean())  # type: ignore[arg-type]

    def test_a_source_with_many_far_points_is_unlike_the_training(self) -> None:
        some = points(images=10)
        near = Nearest(np.ones(100, np.bool_), some.true == 0, some.image >= 5)
        found = evaluation_by_image(some, 0, near, np.where(some.image >= 5, "new", "known").tolist())
        assert {one.source: (one.far, one.unlike) for one in found.sources} == {"new": (1, True), "known": (0, False)}

    def test_what_is_not_known_is_none(self) -> None:
        some = points(images=3)
        found = evaluation_by_image(Points(some.image, some.true, some.given), -1)
        assert (found.interval, found.log_loss, found.sources) == (None, None, [])
        assert found.baselines[0].accuracy == 0


class TestNearestNeighbours:
    def store(self, name: str, centre: float, images: int = 8) -> ImageLabels:
        """Two classes, two apart, about a centre."""
        random, labels = np.random.default_rng(len(name)), ImageLabels()
        for number in range(images):
            names: list[LabelId] = ["a", "b"] * 5
            vectors = random.normal(size=(10, 6)) * 0.2 + centre + np.tile([[0.0], [2.0]], (5, 1))
            location = DataLocation("memory", f"{name}{number}")
            ImageFeatures.from_arrays([(row, row) for row in range(10)], vectors).store(location)
            labels.add_image(location, [(row, row, label) for row, label in enumerate(names)])
        return labels

    def test_they_classify_and_tell_what_is_far(self) -> None:
        train, alike, other = self.store("train", 0.0), self.store("alike", 0.0), self.store("other one", 9.0)
        near, far = nearest_neighbours(train, alike), nearest_neighbours(train, other)
        assert near.right.mean() == 1
        assert near.far.mean() < 0.2
        assert far.far.all()
        assert near.points.all()

    def test_of_many_points_whole_images_are_looked_at(self, monkeypatch: Any) -> None:
        monkeypatch.setattr("spacer_like.learning.baselines.MOST_POINTS", 25)
        found = nearest_neighbours(self.store("train", 0.0), self.store("alike", 0.0))
        assert found.points.reshape(8, 10).sum(axis=1).tolist().count(10) == 3
        assert len(found.right) == found.points.sum() == 30
