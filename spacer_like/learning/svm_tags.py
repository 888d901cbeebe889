"""Support vector machines of tags, with a Gaussian kernel: one for each tag, and a sigmoid to its probability.

Each is scikit-learn's ``SVC(C=1, gamma="scale")``. The sigmoid is fitted to decision values out of fold, so that the
same data give the same probabilities.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spacer_like.learning.calibration import fit_sigmoids, sigmoid
from spacer_like.learning.heads import check_width
from spacer_like.learning.linear_tags import NEGATIVE, NOT_USED, POSITIVE, check_targets
from spacer_like.row_blocks import block_threads, row_blocks

Floats = NDArray[np.float64]

_KERNEL_BYTES = 2**25
_FLOAT64_BYTES = 8
# libsvm's, for two classes.
_LEAST_PROBABILITY = 1e-7
_COUPLING_ERROR = 0.005 / 2
_COUPLING_STEPS = 100


@dataclass(frozen=True, eq=False)
class SvmTags:
    """Support vector machines of tags, which share their support vectors.

    A decision value above 0 speaks for the tag, whose probability is 1 / (1 + exp(slope * decision + bias)).

    Attributes:
        vectors: [m, d] support vectors of one tag or more.
        coefficients: float64 [tags, m], 0 where a vector is none of the tag's.
        intercepts: [tags], added to the decision values.
        gammas: [tags] of the kernel exp(-gamma * squared distance).
        slopes, bias: [tags].
        is_coupled: probabilities are made as libsvm makes them, for classifiers that were trained by it: see `coupled`.
    """

    vectors: NDArray[np.floating]
    coefficients: Floats
    intercepts: Floats
    gammas: Floats
    slopes: Floats
    bias: Floats
    is_coupled: bool = False


def fit_svm_tags(
    features: NDArray[np.floating],
    targets: NDArray[np.integer],
    folds: NDArray[np.integer],
    *,
    names: Sequence[str] | None = None,
) -> tuple[SvmTags, Floats]:
    """A support vector machine for each tag, and the probabilities [n, tags] of its examples out of fold.

    The latter are NaN for images that a tag does not use, and where a fold has all of its positive or negative
    examples. A tag of which the others tell nothing, or the contrary, is calibrated on the decision values of the
    images it was trained on.

    Args:
        features: float32 or float64 [n, d].
        targets: [n, tags] `POSITIVE`, `NEGATIVE` or `NOT_USED`.
        folds: [n] the fold of each image, as `split.fold_numbers` gives them.
        names: of the tags, for errors.

    Raises:
        TrainingLabelsError: arrays that do not fit together, or a tag without an example of either kind.
        FeatureFileError: features that are not finite.
    """
    # Before the limit of threads, which libraries that are loaded later do not know.
    import sklearn.svm  # noqa: F401

    check_targets(features, targets, names=names)
    exact = features.astype(np.float64, copy=False)
    decisions, machines = np.full(targets.shape, np.nan), []
    with block_threads() as threads:
        tags = range(targets.shape[1])
        for tag, (machine, values) in enumerate(threads.map(lambda tag: _fitted(exact, targets[:, tag], folds), tags)):
            machines.append(machine)
            decisions[:, tag] = values
    used = np.unique(np.concatenate([rows for rows, _, _, _ in machines]))
    coefficients = np.zeros((len(machines), len(used)))
    for tag, (rows, own, _, _) in enumerate(machines):
        coefficients[tag, np.searchsorted(used, rows)] = own
    intercepts, gammas = (np.array([machine[part] for machine in machines]) for part in (2, 3))
    nothing = np.zeros(len(machines))
    found = SvmTags(features[used], coefficients, intercepts, gammas, nothing, nothing)
    slopes, bias = _sigmoids(found, features, targets, decisions)
    scores = sigmoid(-(slopes * decisions + bias))
    return SvmTags(found.vectors, coefficients, intercepts, gammas, slopes, bias), scores


def _fitted(
    features: Floats, targets: NDArray[np.integer], folds: NDArray[np.integer]
) -> tuple[tuple[NDArray[np.intp], Floats, float, float], Floats]:
    """A tag's support vectors' rows and coefficients, intercept and gamma; and decision values out of fold [n]."""
    rows = np.flatnonzero(targets != NOT_USED)
    decisions = np.full(len(targets), np.nan)
    for fold in np.unique(folds[rows]):
        train, held = rows[folds[rows] != fold], rows[folds[rows] == fold]
        if {POSITIVE, NEGATIVE} <= set(targets[train].tolist()):
            machine, _ = _machine(features, targets, train)
            decisions[held] = machine.decision_function(features[held])
    machine, gamma = _machine(features, targets, rows)
    return (rows[machine.support_], machine.dual_coef_[0], float(machine.intercept_[0]), gamma), decisions


def _machine(features: Floats, targets: NDArray[np.integer], rows: NDArray[np.intp]) -> tuple[Any, float]:
    from sklearn.svm import SVC

    # scikit-learn's "scale", which is 1 where all numbers are alike.
    variance = features[rows].var()
    gamma = 1 / (features.shape[1] * variance) if variance else 1.0
    return SVC(C=1, gamma=gamma).fit(features[rows], targets[rows]), gamma


def _sigmoids(
    found: SvmTags, features: NDArray[np.floating], targets: NDArray[np.integer], decisions: Floats
) -> tuple[Floats, Floats]:
    slopes, bias = np.zeros(len(found.gammas)), np.zeros(len(found.gammas))
    for tag in range(len(slopes)):
        known = ~np.isnan(decisions[:, tag])
        slopes[tag], bias[tag] = _sigmoid_of(decisions[known, tag], targets[known, tag])
        if slopes[tag] >= 0:
            # A falling sigmoid would turn the machine's answers around.
            known = targets[:, tag] != NOT_USED
            slopes[tag], bias[tag] = _sigmoid_of(svm_decisions(features[known], found)[:, tag], targets[known, tag])
    return slopes, bias


def _sigmoid_of(decisions: Floats, targets: NDArray[np.integer]) -> tuple[float, float]:
    """Slope and bias of the sigmoid of -(slope * decision + bias); a slope of 0 where one kind of examples lacks."""
    is_positive = targets == POSITIVE
    if is_positive.all() or not is_positive.any():
        return 0.0, 0.0
    (slope,), (bias,) = fit_sigmoids(decisions[:, None], is_positive[:, None])
    return float(slope), float(bias)


def svm_decisions(features: NDArray[np.floating], model: SvmTags) -> Floats:
    """The decision values for feature vectors [n, d]: float64 [n, tags], in blocks of at most 32 MiB for each thread.

    Raises:
        ExtractorMismatchError: features of another length.
    """
    check_width(features, model.vectors.shape[1], "The tags' classifier")
    vectors = model.vectors.astype(np.float64, copy=False)
    squares = np.einsum("ij,ij->i", vectors, vectors)
    found = np.empty((len(features), len(model.gammas)))
    # Tags with one gamma share a kernel, or at least what it is made of.
    kernels = []
    for gamma in np.unique(model.gammas):
        tags = np.flatnonzero(model.gammas == gamma)
        own = np.flatnonzero(model.coefficients[tags].any(axis=0))
        kernels.append((gamma, tags, own, np.ascontiguousarray(model.coefficients[np.ix_(tags, own)].T)))

    def work(rows: slice) -> None:
        some = features[rows].astype(np.float64, copy=False)
        distances = some @ vectors.T
        distances *= -2
        distances += squares
        distances += np.einsum("ij,ij->i", some, some)[:, None]
        np.maximum(distances, 0, out=distances)
        for gamma, tags, own, coefficients in kernels:
            found[rows, tags] = np.exp(distances[:, own] * -gamma) @ coefficients + model.intercepts[tags]

    step = max(_KERNEL_BYTES // (2 * _FLOAT64_BYTES * max(len(vectors), 1)), 1)
    blocks = [slice(start, start + step) for start in range(0, len(features), step)]
    with block_threads() as threads:
        for _ in threads.map(work, blocks if step < len(features) else row_blocks(len(features))):
            pass
    return found


def svm_scores(features: NDArray[np.floating], model: SvmTags) -> Floats:
    """The probability of each tag for each feature vector: float64 [n, tags]; errors as `svm_decisions`."""
    found = sigmoid(-(model.slopes * svm_decisions(features, model) + model.bias))
    return coupled(found) if model.is_coupled else found


def coupled(probabilities: Floats) -> Floats:
    """Probabilities of a class against another one, as libsvm's coupling of classes changes them, by up to .005.

    It is the second algorithm of T.-F. Wu, C.-J. Lin, R. C. Weng, "Probability estimates for multi-class classification
    by pairwise coupling" (2004), which for two classes would give the same probabilities back, if it did not stop as
    soon as its error is below .0025.
    """
    one = np.clip(probabilities, _LEAST_PROBABILITY, 1 - _LEAST_PROBABILITY)
    other = 1 - one
    matrix = ((other * other, -other * one), (-other * one, one * one))
    shares = [np.full_like(one, 0.5), np.full_like(one, 0.5)]
    for _ in range(_COUPLING_STEPS):
        products = [row[0] * shares[0] + row[1] * shares[1] for row in matrix]
        mean = shares[0] * products[0] + shares[1] * products[1]
        goes_on = np.maximum(np.abs(products[0] - mean), np.abs(products[1] - mean)) >= _COUPLING_ERROR
        if not goes_on.any():
            break
        for number in range(2):
            step = np.where(goes_on, (mean - products[number]) / matrix[number][number], 0.0)
            mean = (mean + step * (step * matrix[number][number] + 2 * products[number])) / (1 + step) ** 2
            products = [(products[row] + step * matrix[number][row]) / (1 + step) for row in range(2)]
            shares[number] = shares[number] + step
            shares = [share / (1 + step) for share in shares]
    return shares[0]
