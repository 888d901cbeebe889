"""The vectors of the stamps and their tags, and how good classifiers of them are.

usage: python -m benchmarks.tags.stamps TABLE

TABLE is one of `process_images`. Of each of a few divisions into four folds, every image is judged by classifiers that
were fitted on the three folds that it is not in.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spacer_like.embeddings import duplicate_groups
from spacer_like.embeddings.embeddings_table import read_embeddings_table
from spacer_like.embeddings.encoder import unit_length
from spacer_like.learning.split import fold_numbers
from spacer_like.learning.tag_metrics import average_precision, mean_average_precision
from spacer_like.learning.thresholds import out_of_fold

FOLDS = 4
SEEDS = range(5)
NEAR = 0.25
"""As `train_tags` takes near duplicates, unless told otherwise."""

Floats = NDArray[np.float64]


def read(table: Path) -> tuple[NDArray[np.float32], NDArray[np.int8]]:
    """Vectors float32 [n, d], and targets int8 [n, tags], 1 or 0; an image has one tag."""
    with table.open("rb") as file:
        found = read_embeddings_table(file, table.name)
    tags = sorted({tag for record in found.records for tag in record.tags})
    targets = [[tag in record.tags for tag in tags] for record in found.records]
    return found.vectors, np.array(targets, np.int8)


def mean_precision(scores: Floats, targets: NDArray[np.int8]) -> float:
    """The mean over the tags of the average precision."""
    columns = zip(scores.T, targets.T == 1, strict=True)
    found = mean_average_precision(average_precision(*column) for column in columns)
    return float("nan") if found is None else found


def weighted_precision(scores: Floats, targets: NDArray[np.int8]) -> float:
    """The mean over the images of the average precision of their tag: frequent tags weigh more."""
    found = [average_precision(*column) for column in zip(scores.T, targets.T == 1, strict=True)]
    return float(np.average(np.array(found, np.float64), weights=targets.sum(axis=0)))


def accuracy(scores: Floats, targets: NDArray[np.int8]) -> float:
    """The share of images whose tag has the highest score."""
    return float((scores.argmax(axis=1) == targets.argmax(axis=1)).mean())


def nearest(vectors: NDArray[np.float32], targets: NDArray[np.int8], folds: NDArray[np.int64]) -> Floats:
    """For each image and tag the cosine of the nearest image with that tag in the other folds: [n, tags]."""
    units = unit_length(vectors)
    cosines = (units @ units.T).astype(np.float64)
    cosines[folds[:, None] == folds] = -1
    return np.stack([np.where(column == 1, cosines, -1).max(axis=1) for column in targets.T], axis=1)


def main(table: Path) -> None:
    vectors, targets = read(table)
    alone = np.arange(len(vectors))
    groups = duplicate_groups(vectors, NEAR)
    rows = []
    for seed in SEEDS:
        folds = fold_numbers(alone, targets == 1, FOLDS, seed)
        together = fold_numbers(groups, targets == 1, FOLDS, seed)
        scores, apart = (out_of_fold(vectors, targets, one) for one in (folds, together))
        neighbours = nearest(vectors, targets, folds)
        rows.append(
            {
                "map": mean_precision(scores, targets),
                "weighted_map": weighted_precision(scores, targets),
                "accuracy": accuracy(scores, targets),
                "nearest_map": mean_precision(neighbours, targets),
                "nearest_accuracy": accuracy(neighbours, targets),
                "apart_map": mean_precision(apart, targets),
            }
        )
    answer = {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}
    spread = {"lowest_map": min(row["map"] for row in rows), "highest_map": max(row["map"] for row in rows)}
    print(json.dumps({**answer, **spread, "images": len(vectors), "tags": targets.shape[1]}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
