"""Probabilities of labels by classifiers that have not seen the example: k folds, whole groups in one, in two passes.

The first pass gathers what is learnt from, at most `MOST_LEARNT` examples; the second asks the classifiers. Of features
no more is held at a time, so that they may be of files that are read block by block.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.random import RandomState
from numpy.typing import NDArray

from spacer_like.exceptions import DataLimitError, FeatureFileError, TrainingLabelsError
from spacer_like.learning.heads import unscaled
from spacer_like.learning.linear_tags import QUICK_TOLERANCE, LinearTags, tag_scores
from spacer_like.learning.split import fold_numbers
from spacer_like.learning.thresholds import FoldClassifiers, fold_classifiers
from spacer_like.progress import report
from spacer_like.storage.unfinished_files import array_or_file

if TYPE_CHECKING:
    from scipy.sparse import csr_array

MOST_LEARNT = 50_000
MOST_LABELS = 2000
"""More labels are not judged at once."""
MOST_PROBABILITIES = 2**34
"""More of them, of all examples for all labels, would fill a disk."""
# Targets of all folds, a byte each.
_MOST_TARGETS = 2**28
# Features are centred, and scaled so that their mean squared length is this one's square: the penalty on the weights
# then means the same for all extractors. Digits and points of photographs, 5 and 10 % of whose labels were changed, are
# told best at 3 to 7.
_SPREAD = 5.0
_SUREST = 1e-12


@dataclass(frozen=True, eq=False)
class Examples:
    """Examples and their labels.

    Attributes:
        blocks: each call begins a pass over the features: float [b, d] blocks that together have n rows, in order.
        targets: [n, k] sparse, true where an example has a label.
        groups: [n] equal numbers for examples that belong together, such as the points of one photograph.
        one_label: whether each has exactly one label: its probabilities then sum to 1.
    """

    blocks: Callable[[], Iterable[NDArray[np.floating]]]
    targets: csr_array
    groups: NDArray[np.integer]
    one_label: bool


@dataclass(frozen=True, eq=False)
class Unseen:
    """The probabilities of n examples, each by classifiers that were trained without its fold.

    Attributes:
        probabilities: float32 [n, k], in memory or in a file; 0 where the label was not learnt.
        fold: int64 [n].
        learnt: [folds, k], whether there was anything to learn the label from without the fold.
    """

    probabilities: NDArray[np.float32]
    fold: NDArray[np.int64]
    learnt: NDArray[np.bool_]


def unseen_probabilities(examples: Examples, folds: int, seed: int, resources: ExitStack) -> Unseen:
    """The probability of each label for each example by a classifier that did not learn from its group.

    Memory: the features of `MOST_LEARNT` examples, drawn by `seed`, a block, and a few numbers for each group and
    label. Probabilities of more than the setting TRAINING_MEMORY_BYTES are in a temporary file, of 4 n k bytes.

    Args:
        folds: how many, 2 or more; there are not more than groups.
        resources: where that file ends with.

    Raises:
        TrainingLabelsError: all examples are of one group, or fewer than two labels could be learnt.
        DataLimitError: more than `MOST_LABELS` labels, or `MOST_PROBABILITIES` probabilities.
        FeatureFileError: features that are not finite.
    """
    n, k = examples.targets.shape
    check_counts(n, k)
    fold = _folds(examples, folds, seed)
    chosen = _chosen(examples, min(MOST_LEARNT, _MOST_TARGETS // (k * folds)), seed)
    classifiers = _trained(examples, fold, chosen)
    learnt = np.zeros((int(fold.max()) + 1, k), np.bool_)
    for number, places, _ in classifiers:
        learnt[number, places] = True
    # Of one label each, a fold that knows but one would be sure of it.
    learnt &= learnt.sum(axis=1, keepdims=True) > int(examples.one_label)
    if not learnt.any():
        raise TrainingLabelsError(
            "Nothing can be learnt of the labels: two of them at least must each have examples in several groups, such "
            "as photographs."
        )
    found = array_or_file((n, k), np.float32, resources)
    begin = 0
    for block in examples.blocks():
        rows = slice(begin, begin + len(block))
        found[rows] = _asked(block, fold[rows], classifiers, learnt, examples.one_label)
        begin += len(block)
        report("examples judged", begin, n)
    return Unseen(found, fold, learnt)


def check_counts(n: int, k: int) -> None:
    """Refuse more labels, or examples and labels, than can be judged at once, as a `DataLimitError`."""
    if k > MOST_LABELS or n * k > MOST_PROBABILITIES:
        raise DataLimitError(
            f"There are {n:,} examples of {k:,} labels: at most {MOST_LABELS:,} labels are judged at once, and at most "
            f"{MOST_PROBABILITIES:,} probabilities kept. Leave rare labels out, or judge parts."
        )


def _folds(examples: Examples, folds: int, seed: int) -> NDArray[np.int64]:
    """The fold of each example."""
    from scipy.sparse import coo_array

    names, group = np.unique(examples.groups, return_inverse=True)
    if len(names) < 2:
        raise TrainingLabelsError(
            "Labels are judged by what is learnt from other groups, such as other photographs, and all are of one. "
            "Not grouped, they are judged by each other."
        )
    n = len(group)
    members = coo_array((np.ones(n, np.bool_), (group, np.arange(n))), shape=(len(names), n)).tocsr()
    has = (members @ examples.targets).toarray()
    of_group = fold_numbers(np.arange(len(names)), has, min(folds, len(names)), seed)
    return np.asarray(of_group[group], np.int64)


def _chosen(examples: Examples, most: int, seed: int) -> NDArray[np.intp]:
    """The examples that are learnt from, ascending: all, or of each label some and of the others at random."""
    n, k = examples.targets.shape
    if n <= most:
        return np.arange(n)
    order = RandomState(seed).permutation(n)
    each = most // (2 * k)
    shuffled = examples.targets[order].tocsc()
    ends = zip(shuffled.indptr[:-1], shuffled.indptr[1:], strict=True)
    first = np.unique(np.concatenate([shuffled.indices[begin : min(begin + each, end)] for begin, end in ends]))
    rest = np.setdiff1d(np.arange(n), first)[: most - len(first)]
    return np.sort(order[np.concatenate([first, rest])])


def _trained(examples: Examples, fold: NDArray[np.int64], chosen: NDArray[np.intp]) -> list[FoldClassifiers]:
    """The classifiers, for features as they are."""
    features = _gathered(examples, chosen)
    if not np.isfinite(features).all():
        raise FeatureFileError("The features hold numbers that are not finite.")
    mean = features.mean(axis=0, dtype=np.float64)
    length = float(np.sqrt(features.var(axis=0, dtype=np.float64).sum())) or 1.0
    features -= mean.astype(np.float32)
    features *= _SPREAD / length
    targets = examples.targets[chosen].toarray().astype(np.int8)
    trained = fold_classifiers(features, targets, fold[chosen], tolerance=QUICK_TOLERANCE)
    found = []
    for number, places, fitted in trained:
        weights, bias = unscaled(fitted.weights.T, fitted.bias, mean.astype(np.float32), length / _SPREAD)
        found.append(FoldClassifiers(number, places, LinearTags(np.ascontiguousarray(weights.T), bias)))
    return found


def _gathered(examples: Examples, chosen: NDArray[np.intp]) -> NDArray[np.float32]:
    """The features of some examples."""
    parts, begin = [], 0
    for block in examples.blocks():
        first, last = np.searchsorted(chosen, (begin, begin + len(block)))
        parts.append(block[chosen[first:last] - begin].astype(np.float32))
        begin += len(block)
        report("examples read", begin, examples.targets.shape[0])
    return np.concatenate(parts)


def _asked(
    block: NDArray[np.floating],
    fold: NDArray[np.int64],
    classifiers: list[FoldClassifiers],
    learnt: NDArray[np.bool_],
    one_label: bool,
) -> NDArray[np.float64]:
    """The probabilities of a block of examples."""
    found = np.zeros((len(block), learnt.shape[1]))
    for number, places, fitted in classifiers:
        rows = np.flatnonzero(fold == number)
        if len(rows) and learnt[number].any():
            found[np.ix_(rows, places)] = tag_scores(block[rows], fitted.weights, fitted.bias)
    if one_label:
        # One against all others for each label: their odds, as parts of one.
        np.clip(found, 0, 1 - _SUREST, out=found)
        found /= 1 - found
        found /= np.maximum(found.sum(axis=1, keepdims=True), _SUREST)
    return found
