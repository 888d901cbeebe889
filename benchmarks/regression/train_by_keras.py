"""Train model4 on batches of galaxies by Keras on TensorFlow, with `fit`, by a Python that has them.

usage: python -m benchmarks.regression.train_by_keras BATCHES PASSES THREADS

All batches lie in memory as float32 before it begins. Layers, order of batches, loss and optimizer are those of
`train_ours`; first weights are drawn from the same distributions.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.regression.curve import Clock
from spacer_like.regression.keras_training import keras_network

# As those of train_ours, which needs torch.
NETWORK, MINIBATCH, RATE = "model4", 64, 3e-4
LOWEST, HALF_RANGE = 45, 22.5


def order(n_batches: int, passes: int) -> list[int]:
    """As `training_data.batch_order` with the seed 0."""
    random = (np.random.default_rng([0, number]) for number in range(passes))
    return [index for one in random for index in one.permutation(n_batches).tolist()]


def read(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Pixels float32 [n, size, size, 3] from 0 to 1, and targets float32 [n]."""
    with np.load(path) as file:
        pixels = file["images"].astype(np.float32) / 255
        return pixels, ((file["labels"] - LOWEST) / HALF_RANGE - 1).astype(np.float32)


def main(folder: Path, passes: int, threads: int) -> None:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import tensorflow

    tensorflow.config.threading.set_intra_op_parallelism_threads(threads)
    tensorflow.config.threading.set_inter_op_parallelism_threads(threads)
    keras: Any = tensorflow.keras
    batches = [read(path) for path in sorted(folder.glob("batch_*.npz"))]
    model = keras_network(keras, NETWORK, batches[0][0].shape[1], None)
    model.compile(optimizer=keras.optimizers.Adam(RATE), loss="mse")
    clock, losses = Clock(), []
    for number in order(len(batches), passes):
        pixels, targets = batches[number]
        clock.note()
        clock.images.append(len(pixels))
        found = model.fit(pixels, targets, batch_size=MINIBATCH, epochs=1, verbose=0)
        losses.append(float(found.history["loss"][0]))
    clock.note()
    print(json.dumps(clock.answer(losses)))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
