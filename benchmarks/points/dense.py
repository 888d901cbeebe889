"""Print what the features of many points take by crops and by windows of the whole photograph, and are worth.

usage: python -m benchmarks.points.dense FOLDER, where `spacer-like examples FOLDER` has written photographs and labels

Time: processor seconds for 1,000 points of a photograph of 4,000 x 3,000 pixels. Accuracy: five-fold, ten times over,
of logistic regressions on the first 64 principal components of the labelled points' features.
"""

from __future__ import annotations

import csv
import statistics
import sys
import time
from collections import defaultdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict

from spacer_like.extractors import DenseLite0Extractor, EfficientNetLite0Extractor
from spacer_like.extractors.base import FeatureExtractor

EXTRACTORS = (EfficientNetLite0Extractor(), DenseLite0Extractor())


def seconds(extractor: FeatureExtractor, photograph: Image.Image, points: list[tuple[int, int]]) -> float:
    before = time.process_time()
    extractor(photograph, points)
    return time.process_time() - before


def labelled_features(extractor: FeatureExtractor, folder: Path) -> tuple[NDArray[np.floating], list[str]]:
    """The features [n, dimension] and the labels of the example points."""
    points = defaultdict(list)
    with (folder / "labels.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            points[row["image"]].append(((int(row["row"]), int(row["col"])), row["label"]))
    features, labels = [], []
    for name, labelled in points.items():
        with Image.open(folder / name) as photograph:
            features.append(extractor(photograph, [point for point, _ in labelled]).features.features)
        labels += [label for _, label in labelled]
    return np.concatenate(features), labels


def accuracies(extractor: FeatureExtractor, folder: Path) -> list[float]:
    features, labels = labelled_features(extractor, folder)
    components, truth = PCA(64, random_state=0).fit_transform(features), np.array(labels)
    model = LogisticRegression(max_iter=300)
    folds = (StratifiedKFold(5, shuffle=True, random_state=seed) for seed in range(10))
    return [float((cross_val_predict(model, components, truth, cv=fold) == truth).mean()) for fold in folds]


def main(folder: str) -> None:
    rng = np.random.default_rng(0)
    small = Image.fromarray(rng.integers(0, 256, (300, 400, 3), np.uint8))
    photograph = small.resize((4000, 3000), Image.Resampling.BICUBIC)
    points = [
        (int(row), int(col)) for row, col in zip(rng.integers(0, 3000, 1000), rng.integers(0, 4000, 1000), strict=True)
    ]
    for extractor in EXTRACTORS:
        extractor(photograph, points[:1])
    taken = [[seconds(extractor, photograph, points) for extractor in EXTRACTORS] for _ in range(3)]
    for extractor, times in zip(EXTRACTORS, zip(*taken, strict=True), strict=True):
        found = accuracies(extractor, Path(folder))
        print(
            f"{type(extractor).__name__}: {statistics.median(times):.2f} s, accuracy {np.mean(found):.3f} "
            f"+- {np.std(found):.3f} from split to split"
        )


if __name__ == "__main__":
    main(*sys.argv[1:])
