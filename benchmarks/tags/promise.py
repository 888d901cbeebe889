"""Whether thresholds that promise a precision keep it, of 100 drawings of the held-out images they are chosen by.

usage: python -m benchmarks.tags.promise drawn|digits
       python -m benchmarks.tags.promise stamps TABLE

``drawn``: scores of ten tags, good and poor, whose truth is drawn too, and is known of many more images than are held
out. ``digits``: the 1,797 handwritten digits of scikit-learn: a fifth is learnt from, half held out, and what is left
tagged. ``stamps``: the same of the stamps.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spacer_like.learning.linear_tags import fit_linear_tags, tag_scores
from spacer_like.learning.thresholds import precision_threshold

PRECISION = 0.95
RESAMPLES = 100
DRAWN_TAGS, DRAWN_IMAGES, DRAWN_HELD = 10, 40_000, 2000
LEARNT_SHARE, HELD_SHARE = 0.2, 0.5

Floats = NDArray[np.float64]
Case = tuple[Floats, NDArray[np.bool_], Floats, NDArray[np.bool_]]
"""Of a tag: scores of held-out images and whether they have it, and the same of all others."""


def drawn() -> Iterator[Case]:
    """Tags on a twentieth to a third of the images, which their scores tell apart well or badly."""
    random = np.random.default_rng(95)
    shares = np.geomspace(1 / 20, 1 / 3, DRAWN_TAGS)
    has = random.random((DRAWN_IMAGES, DRAWN_TAGS)) < shares
    apart = np.linspace(4, 1.5, DRAWN_TAGS)
    scores = 1 / (1 + np.exp(-(random.standard_normal(has.shape) + apart * (has - 0.5))))
    for _ in range(RESAMPLES):
        order = random.permutation(DRAWN_IMAGES)
        held, rest = order[:DRAWN_HELD], order[DRAWN_HELD:]
        for tag in range(DRAWN_TAGS):
            yield scores[held, tag], has[held, tag], scores[rest, tag], has[rest, tag]


def learnt(vectors: NDArray[np.floating], targets: NDArray[np.int8]) -> Iterator[Case]:
    """Tags of images, by classifiers of those that are neither held out nor tagged."""
    n = len(vectors)
    ends = [round(LEARNT_SHARE * n), round((LEARNT_SHARE + HELD_SHARE) * n)]
    for resample in range(RESAMPLES):
        order = np.random.default_rng([95, resample]).permutation(n)
        first, held, rest = np.split(order, ends)
        can = targets[first].any(axis=0)
        fitted = fit_linear_tags(vectors[first], targets[first][:, can])
        said, has = tag_scores(vectors, fitted.weights, fitted.bias), targets[:, can] == 1
        for tag in range(has.shape[1]):
            yield said[held, tag], has[held, tag], said[rest, tag], has[rest, tag]


def digits() -> Iterator[Case]:
    from sklearn.datasets import load_digits

    pixels, numbers = load_digits(return_X_y=True)
    return learnt(pixels / 16, (numbers[:, None] == np.arange(10)).astype(np.int8))


def stamps(table: str) -> Iterator[Case]:
    from benchmarks.tags.stamps import read

    return learnt(*read(Path(table)))


SOURCES: dict[str, Callable[..., Iterator[Case]]] = {"drawn": drawn, "digits": digits, "stamps": stamps}


def kept(cases: Iterator[Case]) -> dict[str, float]:
    """How often the promise is kept, and how much is tagged.

    A case without a threshold keeps it: it tags nothing. `given` are the cases with one.
    """
    n_cases = n_given = n_kept = n_tagged = n_right = n_with_tag = n_images = 0
    for held, held_has, rest, rest_has in cases:
        n_cases += 1
        n_images += len(rest)
        n_with_tag += int(rest_has.sum())
        threshold = precision_threshold(held, held_has.astype(np.int8), PRECISION)
        if threshold is None:
            n_kept += 1
            continue
        n_given += 1
        is_tagged = rest >= threshold
        tagged, right = int(is_tagged.sum()), int((is_tagged & rest_has).sum())
        n_kept += right >= PRECISION * tagged
        n_tagged, n_right = n_tagged + tagged, n_right + right
    broken = n_cases - n_kept
    return {
        "kept_share": n_kept / n_cases,
        "given_kept_share": 1 - broken / n_given if n_given else math.nan,
        "given_share": n_given / n_cases,
        "tagged_share": n_right / n_with_tag,
        "precision": n_right / n_tagged if n_tagged else math.nan,
    }


def main(source: str, *arguments: str) -> None:
    # Without a single threshold there is nothing that it could say of them: null is no number of the table.
    answer = kept(SOURCES[source](*arguments))
    print(json.dumps({name: value for name, value in answer.items() if not math.isnan(value)}))


if __name__ == "__main__":
    main(*sys.argv[1:])
