"""Labels that look wrong, from the probabilities of a classifier that did not learn from them: confident learning.

Source of the formulas: C. Northcutt, L. Jiang, I. Chuang, "Confident learning: estimating uncertainty in dataset
labels", Journal of Artificial Intelligence Research 70, 2021. An example counts as confidently of a class if its
probability of the class is at least the mean that the class's own examples have. Where this class is another one than
the given label, the label looks wrong; how often that happens tells how many labels are wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.random import RandomState
from numpy.typing import NDArray

from spacer_like.learning.image_metrics import DRAWS, FEWEST_IMAGES, Interval
from spacer_like.row_blocks import row_blocks

Floats = NDArray[np.float64]
Rule = Literal["confident_joint", "noise_rate"]

UNKNOWN = -1
"""Of an example that was not judged, or is of no class confidently."""
# Probabilities in single precision may miss the mean of equal ones by their rounding.
_ROUNDING = 1e-6
_DRAWS_AT_ONCE = 50
_LEVELS = (2.5, 97.5)


@dataclass(frozen=True, eq=False)
class JudgedLabels:
    """What the probabilities say of the labels of n examples.

    Attributes:
        given: intp [n] the class of each, `UNKNOWN` where it was not judged.
        confident: intp [n] the class that each is of confidently; `UNKNOWN`: of none.
        thresholds: float64 [k] the mean probability of each class for its own examples; NaN: it has none.
        joint: float64 [k, k] estimated number of examples by given and true class. A row sums to the number of examples
            that were given the class.
        wrong: [n] whether the label looks wrong.
        likely: intp [n] the most probable other class; of a label that looks wrong, the class that it should be.
        likely_probability: float64 [n] of that class.
        self_confidence: float64 [n] the probability of the given class.
        score: float64 [n] the normalised margin, 0 to 1: (probability given - highest other one + 1) / 2. The lower it
            is, the likelier the label is wrong. NaN where it was not judged, as are the two probabilities.
    """

    given: NDArray[np.intp]
    confident: NDArray[np.intp]
    thresholds: Floats
    joint: Floats
    wrong: NDArray[np.bool_]
    likely: NDArray[np.intp]
    likely_probability: Floats
    self_confidence: Floats
    score: Floats

    @property
    def n_judged(self) -> int:
        return int((self.given != UNKNOWN).sum())

    def ranked(self) -> NDArray[np.intp]:
        """The examples whose label looks wrong, the likeliest first."""
        rows = np.flatnonzero(self.wrong)
        return rows[np.argsort(self.score[rows], kind="stable")]


def judge_labels(
    probabilities: NDArray[np.floating], given: NDArray[np.integer], rule: Rule = "confident_joint"
) -> JudgedLabels:
    """What probabilities say of one label for each of n examples.

    Memory: some twenty numbers an example, and a few hundred rows of probabilities at a time; the probabilities may be
    mapped from a file.

    Args:
        probabilities: [n, k] of two classes or more, of classifiers that did not learn from the example.
        given: [n] the class of each; `UNKNOWN`: it is not judged.
        rule: what looks wrong: ``confident_joint``: all that count beside the diagonal of the confident joint;
            ``noise_rate``: of each given and each other class as many as the calibrated joint says, those with the
            greatest margin first, as long as the other class is the more probable one.
    """
    classes = np.asarray(given, np.intp)
    thresholds = self_confidences(probabilities, classes)
    n, k = probabilities.shape
    confident, likely = np.full(n, UNKNOWN, np.intp), np.zeros(n, np.intp)
    own, other = np.full(n, np.nan), np.full(n, np.nan)
    # Of a class without examples nobody can be sure.
    least = np.where(np.isnan(thresholds), np.inf, thresholds - _ROUNDING)
    for rows in row_blocks(n):
        some = probabilities[rows].astype(np.float64)
        labels, at = classes[rows], np.arange(len(some))
        above = some >= least
        of_class = np.where(above, some, -1).argmax(axis=1)
        judged = labels != UNKNOWN
        confident[rows] = np.where(above.any(axis=1) & judged, of_class, UNKNOWN)
        own[rows] = np.where(judged, some[at, labels], np.nan)
        some[at, labels] = np.where(judged, -1, some[at, labels])
        likely[rows] = some.argmax(axis=1)
        other[rows] = np.where(judged, some.max(axis=1), np.nan)
    score = (own - other + 1) / 2
    joint = calibrated(confident_joint(classes, confident, k), np.bincount(classes[classes != UNKNOWN], minlength=k))
    if rule == "noise_rate":
        wrong = by_noise_rate(probabilities, classes, joint, likely)
    else:
        wrong = (confident != UNKNOWN) & (confident != classes)
        likely[wrong] = confident[wrong]
    other[wrong] = probabilities[np.flatnonzero(wrong), likely[wrong]]
    return JudgedLabels(classes, confident, thresholds, joint, wrong, likely, other, own, score)


def judge_tags(
    probabilities: NDArray[np.floating], has: NDArray[np.integer], rule: Rule = "confident_joint"
) -> list[JudgedLabels]:
    """What probabilities say of tags, of which an example may have any number: each is a question of no (0) or yes (1).

    Args:
        probabilities: [n, tags] of having each tag.
        has: [n, tags] 1, 0, or `UNKNOWN` where it is not judged.
    """
    found = []
    for column in range(has.shape[1]):
        yes = np.asarray(probabilities[:, column], np.float64)
        found.append(judge_labels(np.stack([1 - yes, yes], axis=1), has[:, column], rule))
    return found


def self_confidences(probabilities: NDArray[np.floating], given: NDArray[np.integer]) -> Floats:
    """The mean probability of each class for the examples that were given it: [k], NaN without any."""
    k = probabilities.shape[1]
    own = np.zeros(len(given))
    for rows in row_blocks(len(given)):
        own[rows] = probabilities[rows][np.arange(len(given[rows])), given[rows]]
    judged = given != UNKNOWN
    counts = np.bincount(given[judged], minlength=k)
    with np.errstate(invalid="ignore"):
        found: Floats = np.bincount(given[judged], weights=own[judged], minlength=k) / counts
    return found


def confident_joint(given: NDArray[np.intp], confident: NDArray[np.intp], k: int) -> NDArray[np.int64]:
    """How many examples have each given class and are of each class confidently: [k, k]."""
    counted = confident != UNKNOWN
    return np.bincount(given[counted] * k + confident[counted], minlength=k * k).reshape(k, k)


def calibrated(counts: NDArray[np.int64], examples: NDArray[np.int64]) -> Floats:
    """A confident joint whose rows sum to the number of examples that were given the class.

    Args:
        counts: [k, k]; a row of nothing says that all labels of this class are right.
        examples: [k].
    """
    sums = counts.sum(axis=1)
    counts = counts + np.diag(np.where(sums, 0, 1))
    found: Floats = counts * (examples / np.maximum(sums, 1))[:, None]
    return found


def by_noise_rate(
    probabilities: NDArray[np.floating], given: NDArray[np.intp], joint: Floats, likely: NDArray[np.intp]
) -> NDArray[np.bool_]:
    """Which labels look wrong by the number of errors that a joint says there are, pair of classes by pair.

    Args:
        likely: [n] the most probable other class; of labels that look wrong, the most probable one that says so.
    """
    wrong, highest = np.zeros(len(given), np.bool_), np.zeros(len(given))
    wanted = np.rint(joint).astype(np.int64)
    np.fill_diagonal(wanted, 0)
    for one in np.flatnonzero(wanted.any(axis=1)):
        rows = np.flatnonzero(given == one)
        own = np.asarray(probabilities[rows, one], np.float64)
        for other in np.flatnonzero(wanted[one]):
            its = np.asarray(probabilities[rows, other], np.float64)
            first = np.argsort(own - its, kind="stable")[: wanted[one, other]]
            first = first[(its > own)[first]]
            better = first[its[first] > highest[rows[first]]]
            wrong[rows[first]] = True
            highest[rows[better]], likely[rows[better]] = its[better], other
    return wrong


@dataclass(frozen=True)
class WrongShare:
    """How many labels are wrong, as a joint estimates it.

    Attributes:
        share: of the labels that were judged, 0 to 1.
        interval: of the share with 95 % confidence, from drawing whole groups again; None: of too few groups. It holds
            what another sample would change, and not what the classifier cannot tell apart.
    """

    share: float
    interval: Interval


def wrong_share(parts: Sequence[JudgedLabels], groups: NDArray[np.integer]) -> WrongShare:
    """The share of wrong labels, in all tags together where there are several.

    Args:
        parts: of the same n examples; one, or one for each tag.
        groups: [n] equal numbers for examples that belong together, such as the points of one photograph.
    """
    from scipy.sparse import coo_array

    _, group = np.unique(groups, return_inverse=True)
    # Of each group and class: its labels, and those that are of this class, or of another one, confidently.
    entries: list[NDArray[Any]] = []
    begin = 0
    for part in parts:
        judged = np.flatnonzero(part.given != UNKNOWN)
        sure = judged[part.confident[judged] != UNKNOWN]
        kind = np.where(part.confident[sure] == part.given[sure], 1, 2)
        columns = np.concatenate([3 * part.given[judged], 3 * part.given[sure] + kind]) + begin
        entries.append(np.stack([np.concatenate([group[judged], group[sure]]), columns]))
        begin += 3 * len(part.thresholds)
    places = np.concatenate(entries, axis=1)
    count = int(group.max()) + 1 if len(group) else 0
    table = coo_array((np.ones(places.shape[1]), (places[0], places[1])), shape=(count, begin)).tocsr()
    share = float(_share(np.asarray(table.sum(axis=0)).reshape(1, -1))[0])
    if count < FEWEST_IMAGES:
        return WrongShare(share, None)
    random, shares = RandomState(0), []
    for _ in range(0, DRAWS, _DRAWS_AT_ONCE):
        drawn = (np.bincount(random.randint(0, count, count), minlength=count) for _ in range(_DRAWS_AT_ONCE))
        shares.append(_share((table.T @ np.stack(list(drawn), axis=1)).T))
    interval: list[float] = np.percentile(np.concatenate(shares), _LEVELS).tolist()
    return WrongShare(share, interval)


def _share(sums: Floats) -> Floats:
    """The shares [draws] of sums [draws, 3 k]."""
    counts, right, wrong = (sums[:, kind::3] for kind in range(3))
    rates = wrong / np.maximum(right + wrong, 1)
    found: Floats = (counts * rates).sum(axis=1) / np.maximum(counts.sum(axis=1), 1)
    return found
