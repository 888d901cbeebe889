"""The training loop: learning rate, order of examples, early stopping, snapshots, resuming after a kill.

What is trained is a `Learner`: a module of torch with its loss and metrics (`torch_training`), or whatever else makes
steps. All random numbers come from the seed and the epoch's number: the same config, examples and learner give the same
numbers, also where the training was killed between two epochs and went on from a snapshot.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Protocol

import numpy as np
from numpy.random import RandomState
from numpy.typing import NDArray

from spacer_like.exceptions import TrainingLabelsError, reason_of
from spacer_like.learning.snapshots import Snapshots, fingerprint, read_snapshot, write_snapshot
from spacer_like.learning.split import Split
from spacer_like.progress import report

logger = logging.getLogger(__name__)

LOWEST_RATE = 0.01
"""What is left of the learning rate at the end of a cosine."""
_MOST_SEED = 2**63
_STATE, _BEST = "state.", "best."

Indices = NDArray[np.int64]
Metrics = dict[str, float]
State = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class TrainingConfig:
    """The configuration of a training.

    Attributes:
        nbr_epochs: passes over the training set, at most.
        batch_size: examples in a step.
        learning_rate: of the first step.
        seed: of the order of examples, and of whatever the learner draws.
        schedule: how the rate falls: ``cosine``: with every step, along half a cosine to a hundredth; ``plateau``: by
            `plateau_factor` whenever the validation loss has not been better than its best for `plateau_patience`
            epochs; ``constant``: not at all.
        stop_patience: the training stops after as many epochs without a better validation loss; None: it does not.
        keeps: which epoch's weights are the result: of the ``last`` one, or of the ``best``, by the validation loss.
        warm_up: steps at the beginning over which the rate rises along a line to what it would be, at most half of
            all. Adam's first steps are as large as the rate, whatever the gradient, and can leave rectified units dead.
        no_single_batch: whether a last batch of one example, which no batch norm could learn from, joins the one
            before it.
    """

    nbr_epochs: int
    batch_size: int
    learning_rate: float
    seed: int
    schedule: Literal["cosine", "plateau", "constant"] = "cosine"
    plateau_factor: float = 0.1
    plateau_patience: int = 2
    stop_patience: int | None = None
    keeps: Literal["last", "best"] = "last"
    no_single_batch: bool = True
    warm_up: int = 0

    def batches(self, indices: Indices, epoch: int) -> list[Indices]:
        """The batches of an epoch, in an order that the seed and the epoch decide."""
        shuffled = RandomState([self.seed, epoch]).permutation(indices)
        starts = list(range(0, len(shuffled), self.batch_size))
        if self.no_single_batch and len(starts) > 1 and len(shuffled) - starts[-1] == 1:
            starts.pop()
        return np.split(shuffled, starts[1:])

    def rate(self, step: int, n_steps: int, n_waited: list[int]) -> float:
        """The learning rate of a step, counted from 0 over all epochs.

        Args:
            n_waited: for each epoch so far, as `waits` counts.
        """
        n_rising = min(self.warm_up, n_steps // 2)
        risen = min(1.0, (step + 1) / n_rising) if n_rising else 1.0
        return risen * self._full_rate(step, n_steps, n_waited)

    def _full_rate(self, step: int, n_steps: int, n_waited: list[int]) -> float:
        if self.schedule == "cosine":
            fallen = 0.5 * (1 - math.cos(math.pi * step / max(n_steps - 1, 1)))
            return self.learning_rate * (1 - (1 - LOWEST_RATE) * fallen)
        falls = 0
        if self.schedule == "plateau":
            falls = sum(waited > 0 and waited % self.plateau_patience == 0 for waited in n_waited)
        return float(self.learning_rate * self.plateau_factor**falls)

    def epoch_seed(self, epoch: int) -> int:
        """The seed of a learner's random numbers in an epoch, from 0 to 2^63 - 1."""
        return int(np.random.SeedSequence([self.seed, epoch]).generate_state(1, np.uint64)[0]) % _MOST_SEED


class Learner(Protocol):
    """A model in training, on examples given by their indices."""

    advice: str
    """What to do where a training diverges."""

    def begin_epoch(self, epoch: int, seed: int) -> Mapping[str, int | float]:
        """Prepare an epoch, counted from 1, whose random numbers come from `seed`.

        Returns:
            Entries for the history of the epoch, such as how many layers learn.
        """
        ...

    def step(self, rows: Indices, rate: float) -> tuple[float, NDArray[Any]]:
        """Learn from a batch. Returns the mean loss and the outputs [n, outputs], both of before the step."""
        ...

    def evaluate(self, rows: Indices) -> tuple[float, NDArray[Any]]:
        """The mean loss of some examples, and the outputs [n, outputs] for them, without learning."""
        ...

    def metrics(self, rows: Indices, outputs: NDArray[Any], of: Literal["train", "validation"]) -> Metrics:
        """Metrics of outputs for some examples, by name."""
        ...

    def state(self) -> State:
        """A copy of everything that a step changes."""
        ...

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Restore what `state` returned.

        Raises:
            ValueError, KeyError: it does not fit; nothing is changed.
        """
        ...


@dataclass(frozen=True)
class Epoch:
    """The results of an epoch.

    Attributes:
        learning_rate: of its last step.
        facts: the learner's own entries.
        train: ``loss`` and metrics over its batches as they were learnt from.
        validation: the same after it, on the validation set; empty where there is none.
    """

    epoch: int
    learning_rate: float
    facts: Mapping[str, int | float]
    train: Metrics
    validation: Metrics

    def flat(self) -> dict[str, int | float]:
        """Loss and metrics by names such as ``validation_loss``."""
        return {
            "epoch": self.epoch,
            "learning_rate": self.learning_rate,
            **self.facts,
            **{f"train_{name}": value for name, value in self.train.items()},
            **{f"validation_{name}": value for name, value in self.validation.items()},
        }


@dataclass
class Fitted:
    """The results of a training.

    Attributes:
        history: its epochs.
        resumed_from: the epoch after which a snapshot was restored, or 0.
        best_epoch: the epoch with the lowest validation loss, the first among equals; without a validation set the
            last one.
    """

    history: list[Epoch] = field(default_factory=list)
    resumed_from: int = 0
    best_epoch: int = 0


AfterEpoch = Callable[[Sequence[Epoch]], None]
"""What is told the epochs so far."""


def fit(
    learner: Learner,
    config: TrainingConfig,
    split: Split,
    snapshots: Snapshots | None = None,
    snapshot_epochs: int = 1,
    depends_on: tuple[Mapping[str, Any], Mapping[str, NDArray[Any]]] = ({}, {}),
    progress: str = "epochs of training",
    train_rows: Callable[[int], Indices] | None = None,
    after_epoch: AfterEpoch | None = None,
) -> Fitted:
    """Train, and leave the learner with the weights of the epoch that `config` keeps.

    Args:
        split: examples to learn from; those to validate with may be none.
        snapshots: where they are kept every `snapshot_epochs`, and in the end.
        depends_on: what else the result depends on, as `fingerprint` takes it: the examples above all.
        progress: what the progress is called.
        train_rows: the examples of an epoch, asked for when it has begun, where they are not those of `split` each
            time.
        after_epoch: called with the history so far after each epoch, when its snapshot is kept.

    Raises:
        TrainingLabelsError: the training diverges.
    """
    training = _Training(learner, config, split, progress, train_rows)
    return training.run(snapshots, snapshot_epochs, depends_on, after_epoch)


class _Training:
    """A training between its epochs."""

    def __init__(
        self,
        learner: Learner,
        config: TrainingConfig,
        split: Split,
        progress: str,
        train_rows: Callable[[int], Indices] | None,
    ) -> None:
        self._learner, self._config, self._split, self._progress = learner, config, split, progress
        self._train_rows = train_rows or (lambda epoch: split.train)
        self._fitted = Fitted()
        self._best: State = {}

    def run(
        self,
        snapshots: Snapshots | None,
        snapshot_epochs: int,
        depends_on: tuple[Mapping[str, Any], Mapping[str, NDArray[Any]]],
        after_epoch: AfterEpoch | None,
    ) -> Fitted:
        own = ""
        if snapshots is not None:
            own = self._fingerprint(*depends_on)
            if (data := snapshots.latest(own)) is not None:
                self._restore(data, own)
        fitted, last = self._fitted, self._config.nbr_epochs
        while len(fitted.history) < last and not self._is_stopped():
            self._epoch(len(fitted.history) + 1)
            done = len(fitted.history)
            is_last = done == last or self._is_stopped()
            if snapshots is not None and (done % snapshot_epochs == 0 or is_last):
                snapshots.keep(own, done, self._snapshot(own))
            if after_epoch is not None:
                after_epoch(fitted.history)
            report(self._progress, done, last)
        if self._best:
            self._learner.restore(self._best)
        return fitted

    def _fingerprint(self, facts: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> str:
        # Of the state, what the optimizer holds too: it is part of where the training begins.
        begin = {f"{_STATE}{name}": value for name, value in self._learner.state().items()}
        sets = {f"split.{name}": value for name, value in vars(self._split).items()}
        own = asdict(self._config)
        if not self._config.warm_up:
            # Snapshots from before there was one are resumed.
            del own["warm_up"]
        return fingerprint({"config": own, **facts}, {**arrays, **begin, **sets})

    def _snapshot(self, own: str) -> bytes:
        arrays = {f"{_STATE}{name}": value for name, value in self._learner.state().items()}
        arrays |= {f"{_BEST}{name}": value for name, value in self._best.items()}
        return write_snapshot(arrays, [asdict(entry) for entry in self._fitted.history], own)

    def _restore(self, data: bytes, own: str) -> None:
        """Resume from a snapshot; one that is damaged or of another training is logged and ignored."""
        begin = self._learner.state()
        try:
            arrays, entries = read_snapshot(data, own)
            history = [Epoch(**entry) for entry in entries]
            losses = [_loss(entry) for entry in history]
            if not np.isfinite(losses).all():
                raise ValueError("its losses are not finite")
            best = {name.removeprefix(_BEST): value for name, value in arrays.items() if name.startswith(_BEST)}
            state = {name.removeprefix(_STATE): value for name, value in arrays.items() if name.startswith(_STATE)}
            if bool(best) != (self._config.keeps == "best"):
                raise ValueError("it lacks the best weights")
            if best:
                self._learner.restore(best)
            self._learner.restore(state)
        # No list of what a library raises for damaged bytes is complete.
        except Exception as error:
            self._learner.restore(begin)
            logger.warning("A snapshot cannot be restored, and the training begins anew: %s", reason_of(error))
            return
        self._best = best
        self._fitted = Fitted(history, len(history), 1 + int(np.argmin(losses)) if losses else 0)

    def _waits(self) -> list[int]:
        """The number of epochs since the best one, for each epoch."""
        found, least, waited = [], math.inf, 0
        for entry in self._fitted.history:
            waited = 0 if _loss(entry) < least else waited + 1
            least = min(least, _loss(entry))
            found.append(waited)
        return found

    def _is_stopped(self) -> bool:
        patience, waits = self._config.stop_patience, self._waits()
        return patience is not None and bool(waits) and waits[-1] >= patience

    def _epoch(self, epoch: int) -> None:
        config, learner, split, fitted = self._config, self._learner, self._split, self._fitted
        facts = learner.begin_epoch(epoch, config.epoch_seed(epoch))
        train_rows = self._train_rows(epoch)
        batches = config.batches(train_rows, epoch)
        waits, rate = self._waits(), 0.0
        losses, outputs = [], []
        for number, rows in enumerate(batches):
            rate = config.rate((epoch - 1) * len(batches) + number, config.nbr_epochs * len(batches), waits)
            loss, found = learner.step(rows, rate)
            losses.append(loss * len(rows))
            outputs.append(found)
        train = {"loss": sum(losses) / len(train_rows)}
        validation = {}
        if len(split.validation):
            loss, found = learner.evaluate(split.validation)
            validation["loss"] = loss
        if not np.isfinite([train["loss"], *validation.values()]).all():
            raise TrainingLabelsError(f"The training diverges: {learner.advice}.")
        train |= learner.metrics(np.concatenate(batches), np.concatenate(outputs), "train")
        if len(split.validation):
            validation |= learner.metrics(split.validation, found, "validation")
        fitted.history.append(Epoch(epoch, rate, facts, train, validation))
        if not self._waits()[-1]:
            fitted.best_epoch = epoch
            if config.keeps == "best":
                self._best = learner.state()


def _loss(entry: Epoch) -> float:
    """The validation loss, least in the best epoch; without a validation set a number that falls with every epoch."""
    return entry.validation["loss"] if entry.validation else -float(entry.epoch)
