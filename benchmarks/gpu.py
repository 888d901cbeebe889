"""Compare a GPU with the processor; `gpu.sh` says what for.

usage: python -m benchmarks.gpu [--dry-run]
       python -m benchmarks.gpu NAME FOLDER full|little

The second form is what the first one runs for each device, by a name of it: it leaves its numbers in FOLDER.
"""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spacer_like.data_classes import ImageFeatures, ImageLabels
from spacer_like.examples import LABELS, photograph
from spacer_like.extractors import EfficientNetLite0Extractor
from spacer_like.messages import ClassifyFeaturesMsg, DataLocation, ExtractFeaturesMsg, TrainClassifierMsg
from spacer_like.task_utils import SplitMode, preprocess_labels
from spacer_like.tasks import classify_features, extract_features, train_classifier

NO_GPU = "There is no GPU here that torch can use: nothing was measured. With --dry-run the processor does it twice."
NETWORK, SIZE, MINIBATCH = "model5", 128, 64


@dataclass(frozen=True)
class Work:
    """How much there is to do.

    Attributes:
        images: that the GPU learns from.
        images_of_cpu: that the processor learns from, in single steps.
        predicted: images whose predictions are compared.
        points: whose features are extracted.
    """

    images: int
    images_of_cpu: int
    predicted: int
    points: int


WORK = {"full": Work(4096, 128, 64, 1000), "little": Work(4, 4, 2, 20)}


def galaxies(count: int) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Bright ellipses in noise, uint8 [n, SIZE, SIZE, 3], and targets from -1 to 1 that their shapes tell."""
    random = np.random.default_rng(1)
    axis = np.linspace(-1, 1, SIZE, dtype=np.float32)
    targets = random.uniform(-1, 1, count).astype(np.float32)
    images = random.integers(0, 30, (count, SIZE, SIZE, 3)).astype(np.uint8)
    for image, target in zip(images, targets, strict=True):
        ratio = 0.55 - 0.4 * target
        light = 200 * np.exp(-3 * np.hypot(axis[None], axis[:, None] / ratio))
        image += light.astype(np.uint8)[..., None]
    return images, targets


def trained(count: int, minibatch: int) -> dict[str, float]:
    """Train on so many images, after a first step; images a second, and the loss of the last step."""
    from spacer_like.learning.training_loop import TrainingConfig
    from spacer_like.regression.networks import network
    from spacer_like.regression.regressor import UNIT_SCALE
    from spacer_like.regression.training import NetworkConfig, precision_here, train
    from spacer_like.regression.training_data import Examples, ReadAhead

    images, targets = galaxies(count)
    parts = [slice(0, minibatch), slice(0, count)]
    times: list[float] = []

    def examples(step: int) -> Examples:
        return Examples(images[parts[step]], targets[parts[step]])

    class Timed(ReadAhead):
        def __call__(self, step: int) -> Examples:
            times.append(time.perf_counter())
            return super().__call__(step)

    config = NetworkConfig(
        TrainingConfig(len(parts), minibatch, 1e-3, 0, "constant"), None, UNIT_SCALE, precision_here("auto")
    )
    nothing = Examples(images[:0], targets[:0])
    with Timed(examples, len(parts)) as batches:
        _, fitted = train(network(NETWORK, SIZE, None, 0), config, batches, nothing)
    seconds = time.perf_counter() - times[-1]
    return {"images_per_second": count / seconds, "loss": fitted.history[-1].train["loss"]}


def predictions(count: int) -> NDArray[np.float64]:
    """Degrees [n, 1] that a network with its first weights tells, the same weights on each device."""
    from spacer_like.regression.networks import network, weights_of
    from spacer_like.regression.predicting import predicted
    from spacer_like.regression.regressor import UNIT_SCALE, Domain, Regressor

    images, _ = galaxies(count)
    weights = weights_of(network(NETWORK, SIZE, None, 0))
    domain = Domain(("c",), count, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    return predicted(Regressor(NETWORK, SIZE, None, UNIT_SCALE, weights, domain), images, 1)


class Points:
    """Features of points of a photograph, and their classes.

    The classifier is the same for each device: the first one learns it, of points of the photograph that the examples
    label.
    """

    photograph, height, width = "china.jpg", 427, 640

    def __init__(self, folder: Path, own: Path) -> None:
        self._folder, self._own = folder, own
        (folder / self.photograph).write_bytes(photograph(self.photograph))

    def extracted(self, rowcols: list[tuple[int, int]], name: str) -> tuple[DataLocation, float]:
        """A file of features of points, and the seconds that the task took."""
        message = ExtractFeaturesMsg(
            job_token="gpu",
            extractor=EfficientNetLite0Extractor(),
            rowcols=rowcols,
            image_loc=at(self._folder / self.photograph),
            feature_loc=at(self._own / name),
        )
        begun = time.perf_counter()
        extract_features(message)
        return message.feature_loc, time.perf_counter() - begun

    def classifier(self) -> DataLocation:
        """Where the classifier is; made where it is not there."""
        classifier = at(self._folder / "classifier.pkl")
        if not Path(classifier.key).exists():
            with LABELS.open(newline="") as file:
                rows = [row for row in csv.DictReader(file) if row["image"] == self.photograph]
            labelled = [(int(row["row"]), int(row["col"]), row["label"]) for row in rows]
            features, _ = self.extracted([(row, column) for row, column, _ in labelled], "labelled")
            train_classifier(
                TrainClassifierMsg(
                    job_token="gpu",
                    trainer="minibatch",
                    nbr_epochs=20,
                    clf_type="MLP",
                    labels=preprocess_labels(
                        ImageLabels({features: labelled}), None, (0.2, 0.25), SplitMode.POINTS_STRATIFIED
                    ),
                    previous_model_locs=[],
                    model_loc=classifier,
                    valresult_loc=at(self._folder / "valresult.json"),
                )
            )
        return classifier

    def classified(self, count: int) -> tuple[dict[str, NDArray[np.float64]], float]:
        """Features and scores of so many points, and the points a second of the extraction."""
        random = np.random.default_rng(3)
        found = random.integers(0, (self.height, self.width), (count, 2)).tolist()
        rowcols = [(row, column) for row, column in found]
        classifier = self.classifier()
        # What is loaded on first use is no time of a point.
        self.extracted(rowcols[:10], "first")
        loc, seconds = self.extracted(rowcols, "features")
        answer = classify_features(ClassifyFeaturesMsg(job_token="gpu", feature_loc=loc, classifier_loc=classifier))
        scores = np.array([scores for _, _, scores in answer.scores])
        return {"features": ImageFeatures.load(loc).features, "scores": scores}, count / seconds


def at(path: Path) -> DataLocation:
    """The location of a file."""
    return DataLocation("filesystem", str(path))


def work(device: str, folder: Path, amount: Work) -> None:
    """Do all of it on one device, and leave the numbers in the folder."""
    own = folder / device
    own.mkdir()
    images = amount.images_of_cpu if device == "cpu" else amount.images
    rates = trained(images, min(MINIBATCH, images // 2))
    arrays, points_per_second = Points(folder, own).classified(amount.points)
    np.savez(own / "numbers.npz", degrees=predictions(amount.predicted), **arrays)
    rates["points_per_second"] = points_per_second
    (own / "rates.json").write_text(json.dumps(rates), encoding="utf-8")


def compared(folder: Path, first: str, second: str) -> list[str]:
    """Lines about two devices."""
    rates = [json.loads((folder / device / "rates.json").read_text(encoding="utf-8")) for device in (first, second)]
    lines = [
        f"{name}: {slow[key]:.1f} on {first}, {fast[key]:.1f} on {second}, {fast[key] / slow[key]:.1f} times as many"
        for slow, fast in [rates]
        for name, key in (
            (f"training of {NETWORK} at {SIZE} pixels, images a second", "images_per_second"),
            ("features of points, points a second", "points_per_second"),
        )
    ]
    with np.load(folder / first / "numbers.npz") as one, np.load(folder / second / "numbers.npz") as other:
        apart = {name: float(np.abs(one[name] - other[name]).max()) for name in one.files}
        cosines = [(file["features"] / np.linalg.norm(file["features"], axis=1)[:, None]) for file in (one, other)]
        same = float((one["scores"].argmax(axis=1) == other["scores"].argmax(axis=1)).mean())
    return [
        *lines,
        f"predictions of the same weights: {apart['degrees']:.2g} degrees apart at most",
        f"features: 1 - cosine {float(1 - (cosines[0] * cosines[1]).sum(axis=1).min()):.2g} at most",
        f"scores: {apart['scores']:.2g} apart at most, the same class of {same:.1%} of the points",
    ]


def run(device: str, name: str, folder: Path, amount: str) -> None:
    """Do it in a process of its own: the device is chosen once in each."""
    setting = {"SPACER_DEVICE": device}
    subprocess.run(
        [sys.executable, "-m", "benchmarks.gpu", name, str(folder), amount], env={**os.environ, **setting}, check=True
    )


def main(is_dry: bool) -> int:
    import torch

    if not torch.cuda.is_available() and not is_dry:
        print(NO_GPU)
        return 0
    begun, second = time.perf_counter(), "again" if is_dry else "cuda"
    with tempfile.TemporaryDirectory() as folder:
        for device, name in (("cpu", "cpu"), ("cpu" if is_dry else "cuda", second)):
            run(device, name, Path(folder), "little" if is_dry else "full")
        on = "the processor" if is_dry else torch.cuda.get_device_name()
        print("\n".join([f"{second}: {on}, torch {torch.__version__}", *compared(Path(folder), "cpu", second)]))
    print(f"{time.perf_counter() - begun:.0f} s in all")
    return 0


if __name__ == "__main__":
    if len(sys.argv) > 2:
        work(sys.argv[1], Path(sys.argv[2]), WORK[sys.argv[3]])
    else:
        sys.exit(main("--dry-run" in sys.argv))
