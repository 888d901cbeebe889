"""A trainer of one's own: scikit-learn's forests of decision trees."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from sklearn.ensemble import RandomForestClassifier

from spacer_like.data_classes import ImageLabels, TrainingTaskLabels, ValResults
from spacer_like.learning.evaluation import evaluate_classifiers, validation_results
from spacer_like.learning.metrics import calc_acc
from spacer_like.learning.trainer import TrainingDetails
from spacer_like.registry import register
from spacer_like.train_classifier import ClassifierTrainer


@register
class ForestTrainer(ClassifierTrainer):
    """Trains a forest on all points at once; it has no epochs, and needs no reference set.

    Args:
        trees: how many.
        seed: of their randomness.
    """

    classifier_classes = (RandomForestClassifier,)

    def __init__(self, trees: int = 50, seed: int = 0) -> None:
        self.trees, self.seed = trees, seed

    def arguments(self) -> dict[str, Any]:
        return {"trees": self.trees, "seed": self.seed}

    def __call__(
        self,
        labels: TrainingTaskLabels | Mapping[str, ImageLabels],
        nbr_epochs: int,
        pc_models: Sequence[Any],
        clf_type: str,
    ) -> tuple[Any, ValResults, TrainingDetails]:
        start = time.perf_counter()
        vectors, classes = labels["train"].load_all_data()
        forest = RandomForestClassifier(self.trees, random_state=self.seed).fit(np.array(vectors), classes)
        true, [(estimated, scores), *previous] = evaluate_classifiers([forest, *pc_models], labels["val"])
        answer = TrainingDetails(
            acc=calc_acc(true, estimated),
            pc_accs=[calc_acc(true, of_previous) for of_previous, _ in previous],
            ref_accs=[],
            runtime=time.perf_counter() - start,
        )
        return forest, validation_results(true, estimated, scores, forest.classes_.tolist()), answer
