"""Learning inclinations from simulated galaxies within a budget of processor time."""

from __future__ import annotations

import time
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from spacer_like.learning.training_loop import TrainingConfig
from spacer_like.regression.augmentation import Pool
from spacer_like.regression.networks import network
from spacer_like.regression.predicting import predicted
from spacer_like.regression.regressor import UNIT_SCALE, Domain, Regressor
from spacer_like.regression.training import NetworkConfig, precision_here, train
from spacer_like.regression.training_data import Examples, ReadAhead, examples_of

MINIBATCH = 64
RATES = {"small_cnn": 2e-3, "model4": 1e-3}
VIEWS = 4
_FARTHEST = 4
_TRIED = 16
"""Minibatches that tell how long one takes."""


class Learnt(NamedTuple):
    """A network, and what it took.

    Attributes:
        model: the network.
        cpu_seconds: of the processor, user and system, for all of the learning.
        passes: over the galaxies.
    """

    model: Regressor
    cpu_seconds: float
    passes: int


def learnt(name: str, pool: Pool, seed: int, budget: float) -> Learnt:
    """A network that has learnt from galaxies for about as many seconds of the processor.

    A few minibatches tell first how long one takes, within the budget; then the learning rate falls along half a
    cosine that ends when the budget does.
    """
    started = time.process_time()
    tried = Pool(*(values[: _TRIED * MINIBATCH] for values in vars(pool).values()))
    # The first time each kernel is prepared, too.
    _trained(name, Pool(*(values[:MINIBATCH] for values in vars(pool).values())), seed, 1)
    before = time.process_time()
    _trained(name, tried, seed, 1)
    each = (time.process_time() - before) / len(tried.images)
    left = budget - (time.process_time() - started)
    passes = max(1, round(left / each / len(pool.images)))
    model = _trained(name, pool, seed, passes)
    return Learnt(model, time.process_time() - started, passes)


def _trained(name: str, pool: Pool, seed: int, passes: int) -> Regressor:
    size = pool.images.shape[1]
    training = TrainingConfig(passes, MINIBATCH, RATES[name], seed)
    config = NetworkConfig(training, None, UNIT_SCALE, precision_here("auto"))
    nothing = Examples(np.empty((0, size, size, 3), np.uint8), np.empty(0, np.float32))
    with ReadAhead(lambda step: examples_of(moved(pool, seed, step), None), passes) as batches:
        weights, _ = train(network(name, size, None, seed), config, batches, nothing)
    return Regressor(name, size, None, UNIT_SCALE, weights, Domain.of([pool]))


def moved(pool: Pool, seed: int, step: int) -> Pool:
    """The images of a pool, each turned by quarters, mirrored and shifted by a few pixels at random."""
    random = np.random.default_rng([seed, step])
    images = np.empty_like(pool.images)
    turns, mirrors = random.integers(4, size=len(images)), random.integers(2, size=len(images))
    shifts = random.integers(-_FARTHEST, _FARTHEST + 1, (len(images), 2))
    for row, (turn, mirror, shift) in enumerate(zip(turns, mirrors, shifts, strict=True)):
        image = np.rot90(pool.images[row], turn)
        images[row] = np.roll(image[::-1] if mirror else image, tuple(shift), (0, 1))
    return Pool(images, pool.inclinations, pool.ids, pool.filters)


def views_of(model: Regressor, images: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Degrees that a network tells for each image and each of its views, [n, `VIEWS`]."""
    return predicted(model, images, VIEWS, threads=1)
