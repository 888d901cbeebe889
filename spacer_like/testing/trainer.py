"""The contract suite of trainers.

>>> class TestMine(TrainerContract):
...     @pytest.fixture
...     def trainer(self):
...         return MyTrainer()
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, ClassVar, Literal

import pytest

from spacer_like.data_classes import ImageFeatures, ImageLabels, TrainingTaskLabels, ValResults
from spacer_like.learning.model_files import classifier_bytes, load_classifier
from spacer_like.learning.trainer import ClassifierTrainer
from spacer_like.location import DataLocation
from spacer_like.messages import ClassifyFeaturesMsg, TrainClassifierMsg
from spacer_like.storage import delete
from spacer_like.tasks import classify_features, train_classifier

CLASSES = (3, 7, 8)
_FOLDER = "trainer contract"


def _at(name: str) -> DataLocation:
    return DataLocation("memory", f"{_FOLDER}/{name}")


class TrainerContract:
    """Subclass it, and give by the fixture `trainer` a trainer that learns three clear classes within `nbr_epochs`."""

    clf_type: ClassVar[Literal["MLP", "LR"]] = "MLP"
    nbr_epochs: ClassVar[int] = 10
    model: ClassVar[str] = "model.pkl"
    """The name of a classifier's file, whose ending says the format."""

    @pytest.fixture
    def trainer(self) -> ClassifierTrainer:
        """The trainer."""
        raise NotImplementedError("give a trainer")

    @pytest.fixture
    def labels(self) -> Iterator[TrainingTaskLabels]:
        """Three sets of images with points of three classes, whose vectors of 6 numbers lie around three centres."""
        import numpy as np

        sets, centres = [], np.random.default_rng(5).normal(size=(len(CLASSES), 6)) * 3
        locations = []
        for seed, name in enumerate(("train", "ref", "val")):
            random = np.random.default_rng(seed)
            labels = ImageLabels()
            for image in range(4):
                location = _at(f"{name}{image}.npz")
                of = np.arange(30) % len(CLASSES)
                rowcols = [(index, 2 * index) for index in range(30)]
                vectors = (centres[of] + random.normal(size=(30, 6))).astype(np.float32)
                ImageFeatures.from_arrays(rowcols, vectors).store(location)
                locations.append(location)
                labels.add_image(location, [(*rowcols[index], CLASSES[of[index]]) for index in range(30)])
            sets.append(labels)
        yield TrainingTaskLabels(*sets)
        for location in locations:
            delete(location)

    def train(self, trainer: ClassifierTrainer, labels: TrainingTaskLabels, previous: Any = ()) -> Any:
        """The trainer's results for labels."""
        return trainer(labels, self.nbr_epochs, list(previous), self.clf_type)

    def test_it_travels_in_json(self, trainer):
        copy = ClassifierTrainer.deserialize(json.loads(json.dumps(trainer.serialize())))
        assert type(copy) is type(trainer)
        assert copy == trainer
        assert copy.serialize() == trainer.serialize()

    def test_it_learns_what_can_be_learnt_and_says_how_well(self, trainer, labels):
        classifier, results, answer = self.train(trainer, labels)
        assert list(classifier.classes_) == list(CLASSES)
        assert isinstance(results, ValResults)
        assert results.classes == list(CLASSES)
        right = sum(one == other for one, other in zip(results.gt, results.est, strict=True))
        assert len(results.gt) == 120
        assert answer.acc == pytest.approx(right / 120)
        assert answer.acc > 0.8
        assert list(answer.pc_accs) == []
        assert all(0 <= accuracy <= 1 for accuracy in answer.ref_accs)
        assert answer.runtime >= 0

    def test_its_classifier_gives_probabilities(self, trainer, labels):
        import numpy as np

        classifier, *_ = self.train(trainer, labels)
        vectors = ImageFeatures.load(next(iter(labels.val.keys()))).features
        probabilities = np.asarray(classifier.predict_proba(vectors))
        assert probabilities.shape == (30, len(CLASSES))
        assert (probabilities >= 0).all()
        assert probabilities.sum(axis=1) == pytest.approx(np.ones(30))

    def test_the_same_labels_give_the_same_bytes(self, trainer, labels):
        one, other = (self.train(trainer, labels)[0] for _ in range(2))
        assert classifier_bytes(_at(self.model), one) == classifier_bytes(_at(self.model), other)

    def test_it_does_not_change_the_labels(self, trainer, labels):
        before = labels.serialize()
        self.train(trainer, labels)
        assert labels.serialize() == before

    def test_it_compares_with_previous_classifiers_on_the_same_points(self, trainer, labels):
        first, _, answer = self.train(trainer, labels)
        *_, again = self.train(trainer, labels, [first, first])
        assert again.pc_accs == [answer.acc] * 2

    def test_a_message_carries_it_to_its_task_and_its_classifier_to_another(self, trainer, labels):
        model, results, features = _at(self.model), _at("results.json"), next(iter(labels.val.keys()))
        message = TrainClassifierMsg("1", trainer, self.nbr_epochs, self.clf_type, labels, [], model, results)
        try:
            answer = train_classifier(TrainClassifierMsg.deserialize(json.loads(json.dumps(message.serialize()))))
            expected, *_ = self.train(trainer, labels)
            assert answer.acc > 0.8
            assert ValResults.load(results).classes == list(CLASSES)
            classified = classify_features(ClassifyFeaturesMsg("2", features, model))
            assert classified.classes == list(CLASSES)
            of_first = expected.predict_proba(ImageFeatures.load(features).features)[0]
            assert classified.scores[0][2] == pytest.approx(list(of_first))
            load_classifier.cache_clear()
        finally:
            delete(model)
            delete(results)
