"""Train model4 on batches of galaxies as `train_regressor` does: files read ahead, one step of the training for each.

usage: python -m benchmarks.regression.train_ours BATCHES PASSES

The first batch, in which kernels are chosen and compiled, is not counted.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import numpy as np

from benchmarks.regression.curve import Clock
from benchmarks.regression.made import locations
from spacer_like.learning.training_loop import TrainingConfig
from spacer_like.regression.networks import network
from spacer_like.regression.regressor import UNIT_SCALE
from spacer_like.regression.training import NetworkConfig, precision_here, train
from spacer_like.regression.training_data import BatchFiles, Examples, ReadAhead, batch_order, examples_of

NETWORK, MINIBATCH, RATE = "model4", 64, 3e-4


class Timed(ReadAhead):
    """Notes when each batch is asked for."""

    clock: Clock

    def __call__(self, step: int) -> Examples:
        self.clock.note()
        found = super().__call__(step)
        self.clock.images.append(len(found))
        return found


def main(folder: Path, passes: int) -> None:
    files = BatchFiles(locations(folder))
    size = files.examples[0].images.shape[1]
    order = batch_order(len(files), passes, 0)
    # Another order of the images each time: what differs between runs is noise.
    config = TrainingConfig(len(order), MINIBATCH, RATE, time.time_ns() % 2**31, "constant")
    nothing = Examples(np.empty((0, size, size, 3), np.uint8), np.empty(0, np.float32))
    clock = Clock()
    with Timed(lambda step: examples_of(files.pool(order[step], step), None), len(order)) as batches:
        batches.clock = clock
        begun = time.perf_counter()
        _, fitted = train(
            network(NETWORK, size, None, 0),
            NetworkConfig(config, None, UNIT_SCALE, precision_here("auto")),
            batches,
            nothing,
        )
        wall_seconds = time.perf_counter() - begun
    clock.note()
    waited = batches.seconds_waited / wall_seconds
    print(json.dumps(clock.answer([one.train["loss"] for one in fitted.history]) | {"waited_share": waited}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
