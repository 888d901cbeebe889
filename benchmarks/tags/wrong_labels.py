"""How many wrong labels are found among labels of which some were changed, and how many that look wrong are.

usage: python -m benchmarks.tags.wrong_labels digits|points FILE
       python -m benchmarks.tags.wrong_labels stamps FILE TABLE

Of each set 5 and 10 % of the labels are changed to another class drawn at random, five times over. ``digits``: those of
scikit-learn, as pixels. ``points``: the labelled points of the two photographs of the examples, by their Lite0
features, without groups, as each class lies in one photograph. ``stamps``: the tags of the stamps, of which each image
has one; a changed one is wrong twice, where it is missing and where it is given. FILE, npz, keeps the probabilities
and labels for `wrong_labels_by_cleanlab`.
"""

from __future__ import annotations

import csv
import json
import sys
from collections import defaultdict
from contextlib import ExitStack
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.sparse import csr_array

from spacer_like.embeddings import duplicate_groups
from spacer_like.learning.confident import UNKNOWN, JudgedLabels, judge_labels, judge_tags, wrong_share
from spacer_like.learning.tag_metrics import average_precision
from spacer_like.learning.unseen_probabilities import Examples, unseen_probabilities

SHARES = (0.05, 0.1)
SEEDS = range(5)
FOLDS = 5
NEAR = 0.25

Set = tuple[NDArray[np.float32], NDArray[np.intp], NDArray[np.integer], bool]
"""Features, classes, groups, and whether an example has exactly one label."""


def digits() -> Set:
    from sklearn.datasets import load_digits

    found = load_digits()
    return found.data.astype(np.float32), found.target, np.arange(len(found.target)), True


def points() -> Set:
    import sklearn.datasets

    from spacer_like.extractors import EfficientNetLite0Extractor

    extractor, images = EfficientNetLite0Extractor(), files(sklearn.datasets) / "images"
    rows = defaultdict(list)
    with (files("spacer_like.examples") / "labels.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            rows[row["image"]].append(((int(row["row"]), int(row["col"])), row["label"]))
    vectors, labels = [], []
    for name, labelled in rows.items():
        with (images / name).open("rb") as file, Image.open(file) as photograph:
            vectors.append(extractor(photograph, [point for point, _ in labelled]).features.features)
        labels += [label for _, label in labelled]
    return np.concatenate(vectors).astype(np.float32), _numbers(labels), np.arange(len(labels)), True


def stamps(table: str) -> Set:
    from benchmarks.tags.stamps import read

    vectors, targets = read(Path(table))
    return vectors, targets.argmax(axis=1), duplicate_groups(vectors, NEAR), False


def _numbers(labels: list[str]) -> NDArray[np.intp]:
    return np.asarray(np.unique(np.array(labels), return_inverse=True)[1], np.intp)


def changed(classes: NDArray[np.intp], share: float, seed: int) -> NDArray[np.intp]:
    random = np.random.default_rng([18, seed])
    n, k = len(classes), int(classes.max()) + 1
    chosen = random.permutation(n)[: round(share * n)]
    found = classes.copy()
    found[chosen] = (classes[chosen] + random.integers(1, k, len(chosen))) % k
    return found


def judged(data: Set, given: NDArray[np.intp], rule: Any) -> tuple[list[JudgedLabels], NDArray[np.float32]]:
    vectors, _, groups, one_label = data
    has = given[:, None] == np.arange(int(given.max()) + 1)
    with ExitStack() as resources:
        examples = Examples(lambda: [vectors], csr_array(has), groups, one_label)
        unseen = unseen_probabilities(examples, FOLDS, 0, resources)
    learnt = unseen.learnt[unseen.fold]
    if one_label:
        known = np.where(learnt[np.arange(len(given)), given], given, UNKNOWN)
        return [judge_labels(unseen.probabilities, known, rule)], unseen.probabilities
    return judge_tags(unseen.probabilities, np.where(learnt, has, UNKNOWN).astype(np.int8), rule), unseen.probabilities


def metrics(flagged: NDArray[np.bool_], wrong: NDArray[np.bool_]) -> tuple[float, float]:
    """Precision and recall."""
    hits = float((flagged & wrong).sum())
    return hits / max(int(flagged.sum()), 1), hits / int(wrong.sum())


def measure(data: Set, share: float, seed: int) -> tuple[dict[str, float], dict[str, NDArray[Any]]]:
    """What is found of one drawing, and the arrays that another package needs for the same."""
    _, true, groups, one_label = data
    given = changed(true, share, seed)
    k = int(true.max()) + 1
    parts, probabilities = judged(data, given, "confident_joint")
    by_rate, _ = judged(data, given, "noise_rate")
    if one_label:
        wrong, plain = given != true, probabilities.argmax(axis=1) != given
    else:
        wrong = ((given[:, None] == np.arange(k)) != (true[:, None] == np.arange(k))).T.ravel()
        plain = ((probabilities > 0.5) != (given[:, None] == np.arange(k))).T.ravel()
    scores = np.concatenate([part.score for part in parts])
    estimate = wrong_share(parts, groups)
    found: dict[str, float] = {}
    for name, flagged in (
        ("joint", np.concatenate([part.wrong for part in parts])),
        ("rate", np.concatenate([part.wrong for part in by_rate])),
        ("plain", plain),
    ):
        found[f"{name}_precision"], found[f"{name}_recall"] = metrics(flagged, wrong)
    ranking = average_precision(-np.nan_to_num(scores, nan=1.0), wrong)
    found["ranking"] = float("nan") if ranking is None else ranking
    found["estimated"], found["wrong"] = estimate.share, float(wrong.mean())
    return found, {"probabilities": probabilities, "given": given, "true": true}


def main(source: str, file: str, *arguments: str) -> None:
    data: Set = {"digits": digits, "points": points, "stamps": stamps}[source](*arguments)
    answer: dict[str, float] = {"examples": len(data[1]), "classes": int(data[1].max()) + 1}
    kept: dict[str, NDArray[Any]] = {}
    for share in SHARES:
        rows = []
        for seed in SEEDS:
            row, arrays = measure(data, share, seed)
            rows.append(row)
            kept |= {f"{name}_{share:.0%}_{seed}": array for name, array in arrays.items()}
        answer |= {f"{name}_{share:.0%}": float(np.mean([row[name] for row in rows])) for name in rows[0]}
    Path(file).parent.mkdir(parents=True, exist_ok=True)
    np.savez(file, **kept)
    print(json.dumps(answer))


if __name__ == "__main__":
    main(*sys.argv[1:])
