"""Score images by 50 models of tags, and rank them anew after one more click.

usage: python -m benchmarks.tags.score ours|predict-proba|click EXAMPLES

``predict-proba`` asks scikit-learn's models one image and one model at a time, of a sample of the images.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import numpy as np
from numpy.typing import NDArray

from spacer_like.learning.batched_logistic import conditioner_of
from spacer_like.learning.linear_tags import LinearTags, fit_linear_tags
from spacer_like.learning.review import suggest_review
from spacer_like.tags import tag_model
from spacer_like.tags.reranking import Reranker

SAMPLE = 60
ROUNDS = 5
CLICKS = 20
N_REVIEWED = 10
LEARNT = 2000
"""Images that the models which score are fitted on: how good they are takes no time."""

Examples = tuple[NDArray[np.float32], NDArray[np.int8]]


def ours(vectors: NDArray[np.float32], fitted: LinearTags) -> dict[str, float]:
    """All images by all models, as `classify_images` scores them."""
    pairs = zip(fitted.weights, fitted.bias.tolist(), strict=True)
    models = [
        tag_model.TagModel(str(number), "ovr-logistic-regression", tag_model.LinearScorer(*pair))
        for number, pair in enumerate(pairs)
    ]
    tag_model.tag_scores(models, vectors[:10])
    seconds = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        scores = tag_model.tag_scores(models, vectors)
        seconds.append(time.perf_counter() - started)
    return {"seconds_each": median(seconds) / len(vectors), "mean_score": float(scores[_sample(vectors)].mean())}


def by_predict_proba(vectors: NDArray[np.float32], fitted: LinearTags) -> dict[str, float]:
    """``predict_proba`` for each image and model."""
    models = [_of_scikit_learn(*pair) for pair in zip(fitted.weights, fitted.bias, strict=True)]
    sample = vectors[_sample(vectors)].astype(np.float64)
    models[0].predict_proba(sample[:1])
    started = time.perf_counter()
    scores = [[model.predict_proba(image[None])[0, 1] for model in models] for image in sample]
    return {"seconds_each": (time.perf_counter() - started) / len(sample), "mean_score": float(np.mean(scores))}


def _sample(vectors: NDArray[np.float32]) -> NDArray[np.intp]:
    return np.linspace(0, len(vectors) - 1, min(SAMPLE, len(vectors))).astype(np.intp)


def _of_scikit_learn(weights: NDArray[np.float64], bias: float):
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression()
    model.classes_, model.coef_, model.intercept_ = np.array([0, 1]), weights[None], np.array([bias])
    model.n_features_in_ = len(weights)
    return model


def click(vectors: NDArray[np.float32], targets: NDArray[np.int8]) -> dict[str, float]:
    """A person corrects one image of a tag, all of whose images are labelled: it is learnt anew, and they are ranked.

    Afterwards some images are suggested, which the person need not wait for.
    """
    conditioner = conditioner_of(vectors)
    seconds, suggesting = [], []
    for tag, image in _clicks(targets):
        reranker = Reranker(vectors, targets[:, tag], conditioner=conditioner)
        is_known = np.zeros(len(vectors), bool)
        is_known[image] = True
        started = time.perf_counter()
        scores = reranker.answer(image, not targets[image, tag])
        np.argsort(-scores, kind="stable")
        seconds.append(time.perf_counter() - started)
        suggest_review(scores, 0.5, is_known, (N_REVIEWED, N_REVIEWED), vectors)
        suggesting.append(time.perf_counter() - started - seconds[-1])
    return {
        "click_seconds": median(seconds),
        "slowest_click_seconds": max(seconds),
        "suggesting_seconds": median(suggesting),
    }


def _clicks(targets: NDArray[np.int8]) -> Iterator[tuple[int, int]]:
    """Tags, from frequent to rare ones, and the image of each that is corrected."""
    random = np.random.default_rng(100)
    for tag in np.linspace(0, targets.shape[1] - 1, CLICKS).astype(int).tolist():
        yield tag, int(random.integers(len(targets)))


def main(side: str, examples: Path) -> None:
    vectors, targets = np.load(examples / "vectors.npy"), np.load(examples / "targets.npy")
    if side == "click":
        print(json.dumps(click(vectors, targets)))
        return
    fitted = fit_linear_tags(vectors[:LEARNT], targets[:LEARNT])
    print(json.dumps(ours(vectors, fitted) if side == "ours" else by_predict_proba(vectors, fitted)))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
