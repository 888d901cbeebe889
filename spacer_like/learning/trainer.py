"""Trainers, which make classifiers from labels. They import no NumPy, so that a message can hold one."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from logging import getLogger
from typing import TYPE_CHECKING, Any, ClassVar

from spacer_like import config
from spacer_like.exceptions import MessageError
from spacer_like.registry import Described

if TYPE_CHECKING:
    from spacer_like.data_classes import ImageLabels, TrainingTaskLabels, ValResults
    from spacer_like.learning.classifier import Classifier
    from spacer_like.learning.snapshots import Snapshots

logger = getLogger(__name__)

LARGE_HIDDEN_LAYERS, LARGE_LEARNING_RATE = (200, 100), 1e-4
MOST_LAYERS, MOST_UNITS, MOST_RATE = 8, 8192, 1000
SMALL_HIDDEN_LAYERS, SMALL_LEARNING_RATE = (100,), 1e-3


@dataclass(frozen=True)
class TrainingDetails:
    """The results of a training.

    Attributes:
        acc: the classifier's accuracy on val.
        pc_accs: those of the previous classifiers, in their order.
        ref_accs: its accuracy on ref after each epoch, before it was calibrated.
        runtime: in seconds.
        ref_losses: its loss on ref after each epoch; None: not known.
        kept_epoch: the epoch whose weights it has, from 1; None: not known.
        stopping_losses: its loss on the images held back to stop the training, after each epoch; None: there are none.
        stopping_points: how many points those have.
        val_probabilities: what it gives to the true class of each point of val, in their order; None: not known.
    """

    acc: float
    pc_accs: list[float]
    ref_accs: list[float]
    runtime: float
    ref_losses: list[float] | None = None
    kept_epoch: int | None = None
    val_probabilities: list[float] | None = None
    stopping_losses: list[float] | None = None
    stopping_points: int = 0


class ClassifierTrainer(Described):
    """Base of trainers. A subclass implements `__call__`, and `arguments` if it takes any."""

    kind: ClassVar[str] = "trainer"
    classifier_classes: ClassVar[Sequence[type | str]] = ()
    """Classes that its classifiers consist of, or their dotted names as pickles have them, where these are others than
    MLPClassifier and SGDClassifier: what could not be stored and loaded is refused before the training."""

    @abstractmethod
    def __call__(
        self,
        labels: TrainingTaskLabels | Mapping[str, ImageLabels],
        nbr_epochs: int,
        pc_models: Sequence[Any],
        clf_type: str,
    ) -> tuple[Any, ValResults, Any]:
        """Train a classifier and evaluate it.

        Args:
            labels: the sets train, ref and val.
            nbr_epochs: passes over the training set.
            pc_models: previous classifiers, to evaluate on the same points.
            clf_type: ``MLP`` or ``LR``.

        Returns:
            The classifier, calibrated; its answers on val; and an object with the attributes of `TrainingDetails`.
        """


class MiniBatchTrainer(ClassifierTrainer):
    """Trains in mini-batches, and calibrates on the reference set.

    Args:
        batch_size: points handed to the classifier at a time; None is the setting TRAINING_BATCH_LABEL_COUNT.
        mlp_hidden_layer_sizes: units of each hidden layer; None chooses (200, 100) for large sets, else (100,).
        mlp_learning_rate_init: Adam's rate; None chooses 0.0001 for the large network chosen so, else 0.001.
        mlp_large_data_threshold: labels from which on a training set is large.
        sgd_loss: loss of the linear classifier, by scikit-learn's names; all but log_loss are trained by scikit-learn.
        sgd_average: whether its weights are averaged over all steps; a number: over the steps after as many.
        sgd_random_state: seed of the order in which it sees the points of a batch.
        patience: epochs without a lower loss on the reference set after which the training stops, to keep the epoch
            with the lowest one; None: all epochs are trained, and the last is kept.
        stopping_share: the share of the training set's points, those of whole images, that is not learnt from, and
            whose loss `patience` watches instead; None, and where images are too few: the reference set's is watched.
        class_weight: ``balanced``: the classes count alike in the loss, however many points each has; None: the points.
        balanced_subsample: of each class at most as many points are learnt from as the rarest has, or as many as this
            where that is more; None: all.

    Raises:
        MessageError: an argument out of range.

    >>> MiniBatchTrainer(mlp_hidden_layer_sizes=(50,)).serialize()["mlp_hidden_layer_sizes"]
    [50]
    """

    def __init__(
        self,
        batch_size: int | None = None,
        mlp_hidden_layer_sizes: Sequence[int] | None = None,
        mlp_learning_rate_init: float | None = None,
        mlp_large_data_threshold: int = 50_000,
        sgd_loss: str = "log_loss",
        sgd_average: bool | int = True,
        sgd_random_state: int = 0,
        patience: int | None = None,
        class_weight: str | None = None,
        balanced_subsample: int | None = None,
        stopping_share: float | None = None,
    ) -> None:
        self._batch_size = batch_size
        self.mlp_hidden_layer_sizes = None if mlp_hidden_layer_sizes is None else _sizes(mlp_hidden_layer_sizes)
        self.mlp_learning_rate_init = mlp_learning_rate_init
        self.mlp_large_data_threshold = mlp_large_data_threshold
        self.sgd_loss = sgd_loss
        self.sgd_average = sgd_average
        self.sgd_random_state = sgd_random_state
        self.patience = patience
        self.class_weight = class_weight
        self.balanced_subsample = balanced_subsample
        self.stopping_share = stopping_share
        _check("batch_size", batch_size is None or _is_count(batch_size, 1, 10**7), "a number from 1 to 10000000")
        _check("mlp_large_data_threshold", _is_count(mlp_large_data_threshold, 0), "a number from 0 to 2^53")
        _check("sgd_random_state", _is_count(sgd_random_state, 0) and sgd_random_state < 2**32, "a number below 2^32")
        is_average = isinstance(sgd_average, bool) or _is_count(sgd_average, 0)
        _check("sgd_average", is_average, "true, false or a number of steps")
        _check("sgd_loss", isinstance(sgd_loss, str), "the name of a loss")
        rate = mlp_learning_rate_init
        _check("mlp_learning_rate_init", rate is None or _is_number(rate, above=0), "a number above 0, up to 1000")
        _check("patience", patience is None or _is_count(patience), "a number of epochs from 1 on")
        _check("class_weight", class_weight in (None, "balanced"), "'balanced' or nothing")
        is_fewest = balanced_subsample is None or _is_count(balanced_subsample)
        _check("balanced_subsample", is_fewest, "a number of points from 1 on")
        is_share = stopping_share is None or (_is_number(stopping_share, above=0) and stopping_share <= 0.5)
        _check("stopping_share", is_share, "a share above 0, up to 0.5")

    @property
    def batch_size(self) -> int:
        return config.settings().training_batch_label_count if self._batch_size is None else self._batch_size

    def arguments(self) -> dict[str, Any]:
        """The arguments that are not at their defaults."""
        defaults: dict[str, Any] = {
            "batch_size": config.settings().training_batch_label_count,
            "mlp_hidden_layer_sizes": None,
            "mlp_learning_rate_init": None,
            "mlp_large_data_threshold": 50_000,
            "sgd_loss": "log_loss",
            "sgd_average": True,
            "sgd_random_state": 0,
            "patience": None,
            "class_weight": None,
            "balanced_subsample": None,
            "stopping_share": None,
        }
        found = {name: getattr(self, name) for name in defaults}
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in found.items()
            if (value, type(value)) != (defaults[name], type(defaults[name]))
        }

    def network(self, label_count: int) -> tuple[tuple[int, ...], float]:
        """Hidden layers and learning rate for a training set of this size."""
        if self.mlp_hidden_layer_sizes is not None:
            sizes, rate = self.mlp_hidden_layer_sizes, SMALL_LEARNING_RATE
        elif label_count >= self.mlp_large_data_threshold:
            sizes, rate = LARGE_HIDDEN_LAYERS, LARGE_LEARNING_RATE
        else:
            sizes, rate = SMALL_HIDDEN_LAYERS, SMALL_LEARNING_RATE
        return sizes, rate if self.mlp_learning_rate_init is None else self.mlp_learning_rate_init

    def _train(
        self, train_labels: ImageLabels, ref_labels: ImageLabels, nbr_epochs: int, clf_type: str
    ) -> tuple[Classifier, list[float]]:
        """The calibrated classifier, and the uncalibrated one's accuracy on ref after each epoch."""
        from spacer_like.learning.training import train

        classifier, history = train(self, train_labels, ref_labels, nbr_epochs, clf_type)
        return classifier, [entry.accuracy for entry in history.epochs]

    def __call__(
        self,
        labels: TrainingTaskLabels | Mapping[str, ImageLabels],
        nbr_epochs: int,
        pc_models: Sequence[Any],
        clf_type: str,
        snapshots: Snapshots | None = None,
    ) -> tuple[Classifier, ValResults, TrainingDetails]:
        """As every trainer, with snapshots of its epochs where they are given."""
        from threadpoolctl import threadpool_limits

        from spacer_like.learning.evaluation import evaluate_classifiers, validation_results
        from spacer_like.learning.metrics import calc_acc
        from spacer_like.learning.training import train

        start = time.perf_counter()
        # The matrices are small: more threads gain little, lose much where the cores are shared, and would let the
        # number of cores decide how sums are rounded.
        with threadpool_limits(1, "blas"):
            classifier, history = train(self, labels["train"], labels["ref"], nbr_epochs, clf_type, snapshots)
            of_true: list[float] = []
            classifiers = [classifier, *pc_models]
            true, [(estimated, scores), *previous] = evaluate_classifiers(classifiers, labels["val"], of_true)
        results = validation_results(true, estimated, scores, classifier.classes_.tolist())
        accuracy = calc_acc(true, estimated)
        details = TrainingDetails(
            acc=accuracy,
            pc_accs=[calc_acc(true, previous_estimated) for previous_estimated, _ in previous],
            ref_accs=[entry.accuracy for entry in history.epochs],
            runtime=time.perf_counter() - start,
            ref_losses=[entry.loss for entry in history.epochs],
            kept_epoch=history.kept,
            val_probabilities=of_true,
            stopping_losses=[entry.watched_loss for entry in history.epochs] if history.stopping_points else None,
            stopping_points=history.stopping_points,
        )
        kept = history.epochs[history.kept - 1]
        metrics = {"accuracy": accuracy, "points": len(true), "ref_accuracy": kept.accuracy}
        return replace(classifier, metrics={**classifier.metrics, **metrics}), results, details


def trainer_factory(trainer: str | ClassifierTrainer) -> ClassifierTrainer:
    """The trainer of a name, ``minibatch`` or its class's dotted path; a trainer is returned as it is.

    Raises:
        ClassNotFoundError: the class may not be named, or cannot be imported (also an ImportError).
        ClassNotInModuleError: its module does not have it (also an AttributeError).
        WrongClassError: it is no trainer (also a TypeError).
    """
    if isinstance(trainer, ClassifierTrainer):
        return trainer
    return ClassifierTrainer.deserialize({"class_path": trainer})


def _sizes(sizes: Any) -> tuple[int, ...]:
    found = (sizes,) if isinstance(sizes, int) else tuple(sizes) if isinstance(sizes, list | tuple) else ()
    _check("mlp_hidden_layer_sizes", bool(found) and all(_is_count(size) for size in found), "numbers from 1 on")
    is_small = len(found) <= MOST_LAYERS and all(size <= MOST_UNITS for size in found)
    _check("mlp_hidden_layer_sizes", is_small, f"at most {MOST_LAYERS} numbers up to {MOST_UNITS}")
    return found


def _is_count(value: Any, smallest: int = 1, largest: int = 2**53) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and smallest <= value <= largest


def _is_number(value: Any, above: float) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and above < value <= MOST_RATE


def _check(name: str, is_valid: bool, wanted: str) -> None:
    if not is_valid:
        raise MessageError(f"The trainer's {name} must be {wanted}.")
