"""Training of models of many labels: binary cross entropy, AdamW, a rate that falls along a cosine.

The same course, examples and network give the same model, also where the training was broken off between two epochs
and taken up again; all random numbers come from the seed and the epoch's number. That holds for one machine with the
same number of threads: torch adds up numbers in an order that depends on it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from spacer_like.chips.models.multilabel_course import Course, EpochFigures, Examples, fingerprint
from spacer_like.chips.models.multilabel_figures import THRESHOLD, multilabel_figures, sample_f_score
from spacer_like.chips.models.multilabel_head import MultilabelHead
from spacer_like.chips.models.multilabel_model import HiddenLayer
from spacer_like.chips.models.multilabel_network import PIXEL_SCALE, let_learn, state_arrays
from spacer_like.chips.models.multilabel_snapshot import Snapshots, take_up, write_snapshot
from spacer_like.cores import library_thread_count
from spacer_like.exceptions import TrainingLabelsError
from spacer_like.extractors.network_extractor import chosen_device
from spacer_like.extractors.resnet_layout import layout_of
from spacer_like.extractors.resnet_network import Normalised, ResNet
from spacer_like.progress import report

_ROWS_OF_VALIDATION = 4096
_CHIPS_OF_VALIDATION = 32
_MOST_SEED = 2**63


@dataclass(frozen=True)
class Trained:
    """What a training gives.

    Attributes:
        hidden, weights, offsets: the head's layers, as `MultilabelModel` takes them.
        state: the network's weights, if there is one.
        history: the epochs; resumed_from: the one after which a snapshot was taken up, or 0.
    """

    hidden: tuple[HiddenLayer, ...]
    weights: NDArray[np.float32]
    offsets: NDArray[np.float32]
    state: dict[str, NDArray[Any]] = field(default_factory=dict)
    history: list[EpochFigures] = field(default_factory=list)
    resumed_from: int = 0


def train(
    course: Course,
    examples: Examples,
    network: tuple[str, ResNet] | None = None,
    snapshots: Snapshots | None = None,
    snapshot_epochs: int = 1,
) -> Trained:
    """Train a head, and a network where there is one that learns.

    Args:
        course: how.
        examples: what is learnt from; two chips or more. Features where the extractor or network is frozen at first,
            pixels where a network learns.
        network: a network of its own with its name; it is changed.
        snapshots: where they are kept every `snapshot_epochs`.

    Raises:
        TrainingLabelsError: the training diverges.
    """
    if (threads := library_thread_count()) and threads != torch.get_num_threads():
        torch.set_num_threads(threads)
    with _exact_computing():
        return _Training(course, examples, network).run(snapshots, snapshot_epochs)


class _Training:
    """A training between its epochs."""

    def __init__(self, course: Course, examples: Examples, network: tuple[str, ResNet] | None) -> None:
        self._course, self._examples = course, examples
        self._device = torch.device(chosen_device())
        features = examples.features
        generator = torch.Generator().manual_seed(course.seed)
        inputs = layout_of(network[0]).dimension if network else 0 if features is None else features.shape[1]
        self._head = MultilabelHead(inputs, course.layers, course.dropouts, examples.borne.shape[1], generator)
        self._head.expect(_expected_logits(examples.borne[examples.split.train]))
        self._network = network[1] if network else None
        parts: dict[str, nn.Module] = {"head": self._head}
        if self._network is not None:
            parts["network"] = self._network
        self._module = nn.ModuleDict(parts).to(self._device)
        self._normalised = Normalised(self._network).to(self._device) if self._network is not None else None
        self._mean, self._scale = _scaling(features, examples.split.train, inputs)
        self._optimizer = torch.optim.AdamW(self._module.parameters(), lr=course.learning_rate)
        self._history: list[EpochFigures] = []

    def run(self, snapshots: Snapshots | None, snapshot_epochs: int) -> Trained:
        course, own, resumed_from = self._course, "", 0
        if snapshots is not None:
            own = fingerprint(course, self._examples, self._state())
            if (data := snapshots.latest(own)) is not None:
                self._history = take_up(data, self._module, self._optimizer, own)
                resumed_from = len(self._history)
        for epoch in range(resumed_from + 1, course.nbr_epochs + 1):
            self._history.append(self._epoch(epoch))
            if snapshots is not None and (epoch % snapshot_epochs == 0 or epoch == course.nbr_epochs):
                snapshots.keep(own, epoch, write_snapshot(self._module, self._optimizer, self._history, own))
            report("epochs of training", epoch, course.nbr_epochs)
        arrays = self._head.arrays(self._mean, self._scale)
        return Trained(*arrays, self._state(), self._history, resumed_from)

    def _state(self) -> dict[str, NDArray[Any]]:
        return state_arrays(self._network) if self._network is not None else {}

    def _epoch(self, epoch: int) -> EpochFigures:
        course, split = self._course, self._examples.split
        n_stages = course.n_stages(epoch) if self._network is not None else 0
        inputs = self._inputs(n_stages)
        random = torch.Generator(self._device).manual_seed(_seed(course.seed, epoch))
        batches = course.batches(split.train, epoch)
        self._head.train()
        if self._network is not None:
            let_learn(self._network, n_stages)
        losses, said = [], []
        rate = 0.0
        for number, rows in enumerate(batches):
            rate = course.rate((epoch - 1) * len(batches) + number, course.nbr_epochs * len(batches))
            for group in self._optimizer.param_groups:
                group["lr"] = rate
            logits = self._head(inputs(rows), random)
            loss = nn.functional.binary_cross_entropy_with_logits(logits, self._targets(rows))
            self._optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            self._optimizer.step()
            losses.append(float(loss.detach()) * len(rows))
            said.append(_given(logits))
        train_loss = sum(losses) / len(split.train)
        validation_loss, given = self._validation(inputs)
        if not np.isfinite([train_loss, validation_loss]).all():
            raise TrainingLabelsError("The training diverges: take a smaller learning_rate.")
        borne = self._examples.borne
        figures = multilabel_figures(borne[split.validation], given, [str(label) for label in range(borne.shape[1])])
        return EpochFigures(
            epoch=epoch,
            learning_rate=rate,
            n_stages=n_stages,
            train_loss=train_loss,
            train_sample_f1=sample_f_score(borne[np.concatenate(batches)], np.concatenate(said)),
            validation_loss=validation_loss,
            validation_sample_f1=figures.sample_f1,
            validation_sample_f2=figures.sample_f2,
            validation_micro_f1=figures.micro_f1,
            validation_macro_f1=figures.macro_f1,
        )

    def _validation(self, inputs: Callable[[NDArray[np.int64]], Tensor]) -> tuple[float, NDArray[np.bool_]]:
        """The mean loss on the validation set, and the labels that are given to it."""
        places = self._examples.split.validation
        self._module.eval()
        step = _ROWS_OF_VALIDATION if self._examples.pixels is None else _CHIPS_OF_VALIDATION
        total, said = 0.0, []
        with torch.inference_mode():
            for start in range(0, len(places), step):
                rows = places[start : start + step]
                logits = self._head(inputs(rows))
                loss = nn.functional.binary_cross_entropy_with_logits(logits, self._targets(rows))
                total += float(loss) * len(rows)
                said.append(_given(logits))
        return total / len(places), np.concatenate(said)

    def _inputs(self, n_stages: int) -> Callable[[NDArray[np.int64]], Tensor]:
        """What the head takes of chips at some places: features, or, once the network learns, what it makes of them."""
        features, pixels, normalised = self._examples.features, self._examples.pixels, self._normalised
        if not n_stages and features is not None:
            return lambda rows: self._scaled(torch.from_numpy(features[rows]).to(self._device))
        if pixels is None or normalised is None:
            raise TrainingLabelsError("A network that learns needs the pixels of chips.")

        def made(rows: NDArray[np.int64]) -> Tensor:
            batch = torch.from_numpy(np.array(pixels[rows])).to(self._device).permute(0, 3, 1, 2)
            return self._scaled(normalised.extract_features(batch.float() / PIXEL_SCALE))

        return made

    def _scaled(self, features: Tensor) -> Tensor:
        mean = torch.from_numpy(self._mean.astype(np.float32)).to(features.device)
        return (features - mean) / self._scale

    def _targets(self, rows: NDArray[np.int64]) -> Tensor:
        return torch.from_numpy(self._examples.borne[rows].astype(np.float32)).to(self._device)


def _scaling(
    features: NDArray[np.float32] | None, train: NDArray[np.int64], inputs: int
) -> tuple[NDArray[np.float64], float]:
    """The mean of features [inputs], and one deviation for all: one that is nearly always 0 would become huge."""
    if features is None:
        return np.zeros(inputs), 1.0
    learnt = features[train]
    mean = learnt.mean(axis=0, dtype=np.float64)
    return mean, float(np.sqrt(learnt.var(axis=0, dtype=np.float64).mean())) or 1.0


def _expected_logits(borne: NDArray[np.bool_]) -> NDArray[np.float64]:
    """The log odds of each label among chips [n, labels], as if one more bore it and one more did not."""
    count = borne.sum(axis=0)
    return np.asarray(np.log((count + 1) / (len(borne) - count + 1)), np.float64)


def _given(logits: Tensor) -> NDArray[np.bool_]:
    return np.asarray(torch.sigmoid(logits.detach()).cpu().numpy() > THRESHOLD)


def _seed(seed: int, epoch: int) -> int:
    return int(np.random.SeedSequence([seed, epoch]).generate_state(1, np.uint64)[0]) % _MOST_SEED


@contextmanager
def _exact_computing() -> Iterator[None]:
    """On a GPU: the same bits each time, and no short floats. On a CPU this is so anyway."""
    with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False):
        yield
