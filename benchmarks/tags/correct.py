"""What 50 labels teach, chosen as `suggest_review` chooses them, or at random.

usage: python -m benchmarks.tags.correct TABLE

A quarter of the images is held out. Of each tag two images with it and six without are known at first; 50 more are
asked about in rounds of ten, and the classifier is fitted anew after each. What it then knows of the held-out images
is compared with a classifier to which all labels are known.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.tags.stamps import FOLDS, Floats, mean_precision, read
from spacer_like.learning.linear_tags import NOT_USED, fit_linear_tags, tag_scores
from spacer_like.learning.review import suggest_review
from spacer_like.learning.split import fold_numbers
from spacer_like.learning.thresholds import f1_thresholds, out_of_fold

SEEDS = range(3)
FIRST = ((1, 2), (0, 6))
LABELS, EACH_ROUND = 50, 10
THRESHOLD_FOLDS = 5
"""As `train_tags` chooses thresholds."""

Choose = Callable[[NDArray[np.float32], NDArray[np.int8], np.random.Generator], list[list[int]]]
"""Takes vectors and what is known, `NOT_USED` where nothing is, to the images that are asked about, tag by tag."""


def by_review(vectors: NDArray[np.float32], known: NDArray[np.int8], random: np.random.Generator) -> list[list[int]]:
    """Half of them the most uncertain ones, and half the most likely ones."""
    fitted = fit_linear_tags(vectors, known)
    alone = np.arange(len(known))
    folds = fold_numbers(alone, known == 1, THRESHOLD_FOLDS, int(random.integers(2**31)))
    thresholds = f1_thresholds(out_of_fold(vectors, known, folds, start=fitted), known)
    scores = tag_scores(vectors, fitted.weights, fitted.bias)
    counts = (EACH_ROUND // 2, EACH_ROUND - EACH_ROUND // 2)
    found = []
    for column, threshold, of_tag in zip(scores.T, thresholds.tolist(), known.T, strict=True):
        review = suggest_review(column, threshold, of_tag != NOT_USED, counts, vectors)
        found.append(review.uncertain + review.likely)
    return found


def at_random(vectors: NDArray[np.float32], known: NDArray[np.int8], random: np.random.Generator) -> list[list[int]]:
    found = []
    for column in known.T:
        candidates = np.flatnonzero(column == NOT_USED)
        found.append(random.choice(candidates, min(EACH_ROUND, len(candidates)), replace=False).tolist())
    return found


def first_known(targets: NDArray[np.int8], random: np.random.Generator) -> NDArray[np.int8]:
    """What is known of each tag before anybody is asked."""
    known = np.full_like(targets, NOT_USED)
    for column, of_tag in zip(known.T, targets.T, strict=True):
        for kind, count in FIRST:
            column[random.choice(np.flatnonzero(of_tag == kind), count, replace=False)] = kind
    return known


def asked(vectors: NDArray[np.float32], targets: NDArray[np.int8], choose: Choose, seed: int) -> NDArray[np.int8]:
    """What is known after `LABELS` answers about each tag."""
    random = np.random.default_rng(seed)
    known = first_known(targets, random)
    for _ in range(LABELS // EACH_ROUND):
        for tag, images in enumerate(choose(vectors, known, random)):
            known[images, tag] = targets[images, tag]
    return known


def precision_of(
    learnt: tuple[NDArray[np.float32], NDArray[np.int8]], held: tuple[NDArray[np.float32], NDArray[np.int8]]
) -> float:
    """The mean average precision on held-out images, of classifiers of others."""
    fitted = fit_linear_tags(*learnt)
    scores: Floats = tag_scores(held[0], fitted.weights, fitted.bias)
    return mean_precision(scores, held[1])


def main(table: Path) -> None:
    vectors, targets = read(table)
    rows = []
    for seed in SEEDS:
        folds = fold_numbers(np.arange(len(vectors)), targets == 1, FOLDS, seed)
        for fold in range(FOLDS):
            out, rest = folds == fold, folds != fold
            learnt, truth, held = vectors[rest], targets[rest], (vectors[out], targets[out])
            knowns = {
                "full": truth,
                "first": first_known(truth, np.random.default_rng(seed)),
                "review": asked(learnt, truth, by_review, seed),
                "random": asked(learnt, truth, at_random, seed),
            }
            rows.append({name: precision_of((learnt, known), held) for name, known in knowns.items()})
    means = {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}
    shares = {f"{name}_share": means[name] / means["full"] for name in ("first", "review", "random")}
    print(json.dumps({**means, **shares}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
