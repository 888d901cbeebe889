"""The epochs of a classifier's training: on the reference set each is evaluated.

What stops the training is the loss on that set, or on images held back from it.

With snapshots a training that was killed goes on after its last whole epoch, and ends with the same bytes as one that
was not: every epoch has its own stream of random numbers, and a snapshot holds all that an epoch changes.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.random import RandomState
from numpy.typing import NDArray

from spacer_like.data_classes import ImageLabels
from spacer_like.data_classes.feature_reading import READ_POINTS, versions_of
from spacer_like.exceptions import FeatureFileError, MessageError, reason_of
from spacer_like.extras import package_versions
from spacer_like.learning.batch_learners import Learner, Recipe, new_learner
from spacer_like.learning.batches import LabelledFeatures
from spacer_like.learning.evaluation import SMALLEST_PROBABILITY, agreement
from spacer_like.learning.sklearn_objects import Floats, Kind, Layer
from spacer_like.learning.snapshots import Snapshots, fingerprint, read_snapshot, write_snapshot
from spacer_like.progress import report

logger = logging.getLogger(__name__)

_STATE, _BEST_WEIGHTS, _BEST_BIAS = "state.", "best_weights.", "best_bias."


@dataclass(frozen=True)
class ReferenceEpoch:
    """What the uncalibrated classifier was worth on the reference set after an epoch.

    Attributes:
        epoch: counted from 1.
        accuracy: the share of its points with the right class.
        loss: mean negative log probability of the points' classes, weighted as in the training.
        extractor_ids: of the feature files read so far.
        stopping_loss: the loss on the images held back to stop the training; None: there are none.
    """

    epoch: int
    accuracy: float
    loss: float
    extractor_ids: Sequence[str]
    stopping_loss: float | None = None

    @property
    def watched_loss(self) -> float:
        """The loss that stops the training."""
        return self.loss if self.stopping_loss is None else self.stopping_loss


@dataclass
class History:
    """The epochs of a training.

    Attributes:
        epochs: all that were trained.
        kept: the number of the one whose weights the classifier has.
        stopping_points: how many points were held back to stop the training.
    """

    epochs: list[ReferenceEpoch] = field(default_factory=list)
    kept: int = 0
    stopping_points: int = 0

    @property
    def best(self) -> int:
        """The number of the epoch with the least loss, the first among equals; 0 before the first."""
        return min(self.epochs, key=lambda entry: entry.watched_loss).epoch if self.epochs else 0


class Epochs:
    """A training between its epochs.

    Args:
        trainer: its parameters.
        kind: of the classifier.
        data, ref: the sets to learn from and to follow the epochs on.
        weights: [classes] what a point of each class counts in the loss.
        snapshots: where one is kept after each epoch; None: nowhere.
        stop: the set whose loss stops the training; None: `ref`.

    Raises:
        MessageError: snapshots of a classifier that scikit-learn trains.
    """

    def __init__(
        self,
        trainer: Recipe,
        kind: Kind,
        data: LabelledFeatures,
        ref: LabelledFeatures,
        weights: Floats,
        snapshots: Snapshots | None = None,
        stop: LabelledFeatures | None = None,
    ) -> None:
        self._trainer, self._kind, self._data, self._ref, self._weights = trainer, kind, data, ref, weights
        self._snapshots, self._own, self._stop = snapshots, "", stop
        self.history = self._history()
        self._learner: Learner | None = None
        self._best: tuple[Layer, ...] = ()

    def run(self, nbr_epochs: int) -> tuple[Learner, tuple[Layer, ...]]:
        """Train at most so many epochs. Returns the learner, and the weights that are kept.

        Raises:
            FeatureFileError: features that cannot be learned from.
        """
        if self._snapshots is not None:
            self._own = self._fingerprint()
            if (data := self._snapshots.latest(self._own)) is not None:
                self._restore(data, nbr_epochs)
        done = self.history.epochs
        while len(done) < nbr_epochs and not self._is_stopped():
            learner = self._epoch(len(done))
            logger.debug("After epoch %d: %s", len(done), done[-1])
            if self._snapshots is not None:
                self._snapshots.keep(self._own, len(done), self._snapshot(learner))
            report("epochs", len(done), nbr_epochs)
        assert self._learner is not None
        self.history.kept = self.history.best if self._best else len(done)
        return self._learner, self._best or self._learner.layers()

    def _history(self, epochs: Sequence[ReferenceEpoch] = ()) -> History:
        return History(list(epochs), stopping_points=0 if self._stop is None else self._stop.labels.label_count)

    def _new_learner(self, random: RandomState) -> Learner:
        data = self._data
        return new_learner(self._trainer, self._kind, data.labels.label_count, data.dimension, self._weights, random)

    def _epoch(self, number: int) -> Learner:
        # One stream for an epoch: it shuffles the images, and then whatever the classifier draws.
        random = RandomState(number)
        for batch in self._data.batches(self._trainer.batch_size, random):
            self._learner = self._learner or self._new_learner(random)
            self._learner.learn(batch, random)
        learner = self._learner
        if learner is None or not all(np.isfinite(one).all() for one, _ in learner.layers()):
            raise FeatureFileError("The training diverged: the features hold numbers too large to learn from.")
        self.history.epochs.append(self._evaluated(learner, number + 1))
        if self._trainer.patience is not None and self.history.best == number + 1:
            self._best = tuple((one.copy(), bias.copy()) for one, bias in learner.layers())
        return learner

    def _is_stopped(self) -> bool:
        patience = self._trainer.patience
        return patience is not None and len(self.history.epochs) - self.history.best >= patience

    def _evaluated(self, learner: Learner, epoch: int) -> ReferenceEpoch:
        accuracy, loss = self._accuracy_and_loss(learner, self._ref)
        ids, stopping_loss = self._data.extractor_ids, None
        if self._stop is not None:
            _, stopping_loss = self._accuracy_and_loss(learner, self._stop)
            ids = ids | self._stop.extractor_ids
        return ReferenceEpoch(epoch, accuracy, loss, sorted(ids), stopping_loss)

    def _accuracy_and_loss(self, learner: Learner, features: LabelledFeatures) -> tuple[float, float]:
        hits, loss, counted = 0, 0.0, 0.0
        for batch in features.batches(READ_POINTS):
            outputs = learner.outputs(batch.vectors)
            hits += agreement(outputs, batch.targets)
            own = learner.probabilities(outputs)[np.arange(len(outputs)), batch.targets]
            of_points = self._weights[batch.targets]
            loss -= float(of_points @ np.log(np.maximum(own, SMALLEST_PROBABILITY)))
            counted += float(of_points.sum())
        return hits / features.labels.label_count, loss / counted

    def _fingerprint(self) -> str:
        """A hash of all that the epochs depend on, but for their number: a training may be made longer."""
        learner = self._new_learner(RandomState(0))
        begin = learner.state()
        if begin is None:
            raise MessageError(
                "A classifier that scikit-learn trains has no snapshots: leave them out, or train by the loss log_loss."
            )
        trainer, data = self._trainer, self._data
        config = {
            "kind": self._kind,
            "parameters": {name: str(value) for name, value in learner.parameters.items()},
            "batch_size": trainer.batch_size,
            "patience": trainer.patience,
            "versions": package_versions("numpy"),
            "sets": [labels_digest(one.labels) for one in (data, self._ref, self._stop) if one is not None],
        }
        return fingerprint(config, {"weights": self._weights, **begin})

    def _snapshot(self, learner: Learner) -> bytes:
        arrays = {f"{_STATE}{name}": value for name, value in (learner.state() or {}).items()}
        for number, (weights, bias) in enumerate(self._best):
            arrays |= {f"{_BEST_WEIGHTS}{number}": weights, f"{_BEST_BIAS}{number}": bias}
        return write_snapshot(arrays, [asdict(entry) for entry in self.history.epochs], self._own)

    def _restore(self, data: bytes, nbr_epochs: int) -> None:
        """Resume from a snapshot; one that is damaged, or of more epochs than are wanted, is logged and ignored."""
        learner = self._new_learner(RandomState(0))
        try:
            arrays, entries = read_snapshot(data, self._own)
            epochs = [ReferenceEpoch(**entry) for entry in entries]
            if len(epochs) > nbr_epochs:
                raise ValueError(f"it is of {len(epochs)} epochs, and {nbr_epochs} are wanted")
            learner.restore(_named(arrays, _STATE))
            weights, bias = _named(arrays, _BEST_WEIGHTS), _named(arrays, _BEST_BIAS)
            best = tuple((weights[f"{number}"], bias[f"{number}"]) for number in range(len(weights)))
        # No list of what a library raises for damaged bytes is complete.
        except Exception as error:
            logger.warning("A snapshot cannot be restored, and the training begins anew: %s", reason_of(error))
            return
        self._learner, self._best, self.history = learner, best, self._history(epochs)
        self._data.extractor_ids.update(epochs[-1].extractor_ids)


def _named(arrays: Mapping[str, NDArray[Any]], start: str) -> dict[str, NDArray[Any]]:
    return {name.removeprefix(start): array for name, array in arrays.items() if name.startswith(start)}


def class_weights(labels: ImageLabels, classes: NDArray[Any], how: str | None) -> Floats:
    """What a point of each class counts in the loss: 1, or so much that all classes count alike (``balanced``)."""
    if how is None:
        return np.ones(len(classes))
    counts = np.array([labels.label_count_per_class[label] for label in classes.tolist()], np.float64)
    # A class without a point has nothing to count.
    found: Floats = labels.label_count / (len(classes) * np.maximum(counts, 1))
    return found


def labels_digest(labels: ImageLabels) -> str:
    """A hash of labels in their order, and of the versions of their feature files."""
    pack = labels.pack
    versions = versions_of(location for location in labels if pack is None or location not in pack)
    packed = "" if pack is None else pack.version
    digest = hashlib.blake2b(digest_size=20)
    for location in labels:
        digest.update(f"{location.json_text}\n{versions.get(location, packed)}\n".encode("utf-8", "surrogatepass"))
        digest.update(repr([tuple(one) for one in labels[location]]).encode("utf-8", "surrogatepass"))
    return digest.hexdigest()
