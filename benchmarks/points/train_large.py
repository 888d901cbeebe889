"""Train on annotations by the hundred thousand, from feature files: as a task, or by PySpacer's loop.

The loop is PySpacer's as its code has it: for each epoch the files are read again in another order, and scikit-learn's
``MLPClassifier.partial_fit`` is given 5,000 annotations at a time in float64.

usage: python -m benchmarks.points.train_large ours|loop FOLDER|PACK.safetensors IMAGES EPOCHS [SNAPSHOTS]
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.points.make_large import CLASSES, POINTS, ROWCOLS, labels_of, path_of

LAYERS = (500, 300, 100)
HELD_BACK = 100
"""Images to follow the epochs on, and as many to evaluate on."""
BATCH = 5000


def ours(folder: Path, images: int, epochs: int, snapshots: str | None) -> dict[str, float]:
    """The whole task: reading, epochs, calibration, evaluation, files written."""
    from spacer_like.data_classes import DataLocation, ImageLabels, TrainingTaskLabels
    from spacer_like.messages import TrainClassifierMsg
    from spacer_like.tasks import train_classifier
    from spacer_like.train_classifier import MiniBatchTrainer

    def labels(chosen: range) -> ImageLabels:
        return ImageLabels(
            {
                DataLocation("filesystem", str(path_of(folder, image))): [
                    (row, col, label) for (row, col), label in zip(ROWCOLS, labels_of(image).tolist(), strict=True)
                ]
                for image in chosen
            }
        )

    sets = TrainingTaskLabels(
        labels(range(2 * HELD_BACK, images)), labels(range(HELD_BACK)), labels(range(HELD_BACK, 2 * HELD_BACK))
    )
    message = TrainClassifierMsg(
        job_token="large",
        trainer=MiniBatchTrainer(mlp_hidden_layer_sizes=LAYERS, mlp_learning_rate_init=1e-4),
        nbr_epochs=epochs,
        clf_type="MLP",
        labels=sets,
        previous_model_locs=[],
        model_loc=DataLocation("memory", "large.safetensors"),
        valresult_loc=DataLocation("memory", "large.json"),
        snapshots_loc=None if snapshots is None else DataLocation("filesystem", snapshots),
        pack_loc=DataLocation("filesystem", str(folder)) if folder.is_file() else None,
    )
    begun, used = time.perf_counter(), time.process_time()
    answer = train_classifier(message)
    return _figures(images, epochs, begun, used) | {"accuracy": answer.acc}


def loop(folder: Path, images: int, epochs: int, snapshots: str | None) -> dict[str, float]:
    """The epochs alone, without calibration."""
    from sklearn.neural_network import MLPClassifier

    def batches(order: list[int]) -> Iterator[tuple[list[np.ndarray], list[int]]]:
        vectors: list[np.ndarray] = []
        labels: list[int] = []
        for image in order:
            with np.load(path_of(folder, image)) as file:
                rows, cols, features = (file[name] for name in ("rows", "cols", "feat"))
            of = {(int(row), int(col)): vector for row, col, vector in zip(rows, cols, features, strict=True)}
            vectors += [of[rowcol].astype(np.float64) for rowcol in ROWCOLS]
            labels += labels_of(image).tolist()
            while len(vectors) > BATCH:
                yield vectors[:BATCH], labels[:BATCH]
                vectors, labels = vectors[BATCH:], labels[BATCH:]
        yield vectors, labels

    known, asked = zip(*batches(list(range(HELD_BACK))), strict=True)
    begun, used = time.perf_counter(), time.process_time()
    classifier = MLPClassifier(LAYERS, learning_rate_init=1e-4)
    for epoch in range(epochs):
        np.random.seed(epoch)
        order = list(range(2 * HELD_BACK, images))
        np.random.shuffle(order)
        for vectors, labels in batches(order):
            classifier.partial_fit(np.array(vectors), labels, classes=list(range(CLASSES)))
        accuracy = float(np.mean(classifier.predict(np.concatenate(known)) == np.concatenate(asked)))
    return _figures(images, epochs, begun, used) | {"accuracy": accuracy}


def _figures(images: int, epochs: int, begun: float, used: float) -> dict[str, float]:
    count = (images - 2 * HELD_BACK) * POINTS * epochs
    seconds, processor = time.perf_counter() - begun, time.process_time() - used
    return {
        "annotation_epochs_a_second": count / seconds,
        "annotation_epochs_a_processor_second": count / processor,
        "task_seconds": seconds,
        "largest_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def main(side: str, folder: str, images: str, epochs: str, snapshots: str | None = None) -> None:
    program = {"ours": ours, "loop": loop}[side]
    print(json.dumps(program(Path(folder), int(images), int(epochs), snapshots)))


if __name__ == "__main__":
    main(*sys.argv[1:])
