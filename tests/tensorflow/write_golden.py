"""Write tests/regression/golden/keras.tar.xz, by TensorFlow, Keras 3 and tf_keras (Keras 2).

    make test-tensorflow && .tensorflow-env/bin/python tests/tensorflow/write_golden.py

Of model4 for 28 pixels: the smallest size at which the rows and columns of the last block can be told apart. Its
weights are multiples of 1/512, so that the archive is small. All files hold the same weights, and some Adam's slots as
well.
"""

import io
import os
import sys
import tarfile
import tempfile
from pathlib import Path

import numpy as np
import tensorflow as tf
import tf_keras

from spacer_like.regression.keras_training import keras_network

SIZE, STEPS = 28, 512
TARGET = Path(__file__).parents[1] / "regression" / "golden" / "keras.tar.xz"


def chosen_weights(shapes: list[tuple[int, ...]]) -> list[np.ndarray]:
    """Weights of the usual size; what is added, and the numbers of norms, are others than they begin with."""
    random = np.random.default_rng(0)
    weights = []
    for shape in shapes:
        n_inputs = np.prod(shape[:-1]) if len(shape) > 1 else 50
        numbers = random.normal(0, np.sqrt(2 / n_inputs), shape)
        weights.append((np.rint(numbers * STEPS) / STEPS).astype(np.float32))
    # gamma, beta, mean and variance of the norm, behind four convolutions.
    weights[8] += 1
    weights[11] = np.abs(weights[11]) + 0.5
    return weights


def fitted(model, images: np.ndarray, optimizer) -> None:
    """Give the model an optimizer with slots, which hold something; its weights stay as they are."""
    weights = model.get_weights()
    model.compile(optimizer, "mse")
    model.fit(images[:2] / np.float32(255), np.zeros((2, 1), np.float32), verbose=0)
    for slot in model.optimizer.variables if hasattr(model.optimizer, "built") else model.optimizer.weights:
        if slot.shape.rank if hasattr(slot.shape, "rank") else len(slot.shape):
            slot.assign(np.full(slot.shape, 0.25, np.float32))
    model.set_weights(weights)


def write(folder: Path) -> None:
    images = np.random.default_rng(1).integers(0, 256, (6, SIZE, SIZE, 3), np.uint8)
    keras = tf.keras
    three = keras_network(keras, "model4", SIZE, None)
    two = keras_network(tf_keras, "model4", SIZE, None)
    weights = chosen_weights([tuple(one.shape) for one in three.get_weights()])
    three.set_weights(weights)
    two.set_weights(weights)
    outputs = three.predict(images / np.float32(255), verbose=0)
    assert np.abs(two.predict(images / np.float32(255), verbose=0) - outputs).max() < 1e-6
    tf.train.Checkpoint(three).write(str(folder / "keras3.ckpt"))
    three.save_weights(folder / "keras3.weights.h5")
    fitted(three, images, keras.optimizers.Adam())
    tf.train.Checkpoint(model=three).write(str(folder / "keras3-trained.ckpt"))
    three.save(folder / "keras3.keras")
    two.save_weights(folder / "keras2.h5")
    fitted(two, images, tf_keras.optimizers.legacy.Adam())
    two.save_weights(folder / "keras2-trained.ckpt")
    two.save(folder / "keras2-trained.h5")
    np.savez(folder / "expected.npz", images=images, outputs=outputs)


def main() -> None:
    with tempfile.TemporaryDirectory() as made:
        write(Path(made))
        with tarfile.open(TARGET, "w:xz", preset=9) as archive:
            for path in sorted(Path(made).iterdir()):
                if path.name == "checkpoint":
                    continue
                member = tarfile.TarInfo(path.name)
                member.size = path.stat().st_size
                archive.addfile(member, io.BytesIO(path.read_bytes()))
    sys.stdout.write(f"{TARGET}: {os.path.getsize(TARGET)} bytes\n")


if __name__ == "__main__":
    main()
