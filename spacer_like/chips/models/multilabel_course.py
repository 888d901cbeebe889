"""How a model of many labels is trained, and on what: the parts that need no torch."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np
from numpy.random import RandomState
from numpy.typing import NDArray

from spacer_like.learning.split import Split

LOWEST_RATE = 0.01
"""What is left of the learning rate in the end."""
N_STAGES = 5
_ROWS_AT_A_TIME = 256


@dataclass(frozen=True)
class Course:
    """How a training goes; the fields are those of `TrainMultilabelMsg`.

    Attributes:
        learns_from_start: whether a network of its own began with random weights, so that all of it learns.
    """

    layers: tuple[int, ...]
    dropouts: tuple[float, ...]
    nbr_epochs: int
    batch_size: int
    learning_rate: float
    seed: int
    learns_from_start: bool = False
    unfreeze_epochs: tuple[int, ...] = ()

    def n_stages(self, epoch: int) -> int:
        """How many stages of a network of its own learn in an epoch, counted from 1."""
        return N_STAGES if self.learns_from_start else sum(begin <= epoch for begin in self.unfreeze_epochs)

    @property
    def network_learns(self) -> bool:
        """Whether a network of its own ever learns; otherwise the features of chips stay the same."""
        return self.n_stages(self.nbr_epochs) > 0

    def rate(self, step: int, n_steps: int) -> float:
        """The learning rate of a step, counted from 0: from the whole to a hundredth along half a cosine."""
        fallen = 0.5 * (1 - math.cos(math.pi * step / max(n_steps - 1, 1)))
        return self.learning_rate * (1 - (1 - LOWEST_RATE) * fallen)

    def batches(self, places: NDArray[np.int64], epoch: int) -> list[NDArray[np.int64]]:
        """The batches of an epoch, in an order that only the seed and the epoch tell.

        None is of one alone, which no batch normalisation could learn from: the last one takes it in.
        """
        shuffled = RandomState([self.seed, epoch]).permutation(places)
        starts = list(range(0, len(shuffled), self.batch_size))
        if len(starts) > 1 and len(shuffled) - starts[-1] == 1:
            starts.pop()
        return np.split(shuffled, starts[1:])


@dataclass(frozen=True)
class Examples:
    """What is learnt from.

    Attributes:
        borne: [n, labels], whether a chip bears a label.
        split: which of them are learnt from, and which validate.
        features: float32 [n, inputs], what a frozen extractor or network makes of the chips; None: it learns at once.
        pixels: uint8 [n, size, size, 3], for a network that learns.
    """

    borne: NDArray[np.bool_]
    split: Split
    features: NDArray[np.float32] | None = None
    pixels: NDArray[np.uint8] | None = None


@dataclass(frozen=True)
class EpochFigures:
    """How an epoch went.

    Attributes:
        learning_rate: of its last step; n_stages: of the network that learnt.
        train_loss, train_sample_f1: over its batches as they were learnt from, with dropout.
        validation_loss, validation_*: after it, on the validation set. The loss is the mean binary cross entropy.
    """

    epoch: int
    learning_rate: float
    n_stages: int
    train_loss: float
    train_sample_f1: float
    validation_loss: float
    validation_sample_f1: float
    validation_sample_f2: float
    validation_micro_f1: float
    validation_macro_f1: float


def fingerprint(course: Course, examples: Examples, state: Mapping[str, NDArray[np.generic]]) -> str:
    """A hash of all that a training depends on: a snapshot of another one must not be taken up.

    Args:
        state: the weights that a network begins with.
    """
    digest = hashlib.blake2b(json.dumps(asdict(course), sort_keys=True).encode(), digest_size=20)
    arrays = {"borne": examples.borne, "train": examples.split.train, "validation": examples.split.validation}
    inputs = {"features": examples.features, "pixels": examples.pixels}
    given = {name: array for name, array in inputs.items() if array is not None}
    for name, array in sorted({**arrays, **given, **state}.items()):
        digest.update(f"{name} {array.dtype} {array.shape}".encode())
        # In parts, for pixels may lie in a file that is larger than memory.
        for start in range(0, len(array), _ROWS_AT_A_TIME):
            digest.update(array[start : start + _ROWS_AT_A_TIME].tobytes())
    return digest.hexdigest()
