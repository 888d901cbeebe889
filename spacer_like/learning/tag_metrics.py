"""Metrics of a tag's classifier, from its probabilities for images of which it is known whether they have the tag."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

BINS = 10


@dataclass(frozen=True)
class TagMetrics:
    """Counts and rates of a tag, which is the positive class; a rate of no image is None.

    Attributes:
        true_positives, false_positives, true_negatives, false_negatives: numbers of images.
        roc_auc: area under the receiver operating characteristic; None where all images are of one class.
        average_precision: as `average_precision` gives it.
    """

    true_positives: int
    false_positives: int
    true_negatives: int
    false_negatives: int
    roc_auc: float | None
    average_precision: float | None

    @property
    def count(self) -> int:
        """Images."""
        return self.true_positives + self.false_positives + self.true_negatives + self.false_negatives

    @property
    def accuracy(self) -> float | None:
        """Images that are given their class, in percent."""
        return _share(100 * (self.true_positives + self.true_negatives), self.count)

    @property
    def true_positive_rate(self) -> float | None:
        """Of the images with the tag, the share that is given it."""
        return _share(self.true_positives, self.true_positives + self.false_negatives)

    @property
    def false_negative_rate(self) -> float | None:
        """Of the images with the tag, the share that is not given it."""
        return _share(self.false_negatives, self.true_positives + self.false_negatives)

    @property
    def true_negative_rate(self) -> float | None:
        """Of the images without the tag, the share that is not given it."""
        return _share(self.true_negatives, self.true_negatives + self.false_positives)

    @property
    def false_positive_rate(self) -> float | None:
        """Of the images without the tag, the share that is given it."""
        return _share(self.false_positives, self.true_negatives + self.false_positives)

    @property
    def precision(self) -> float | None:
        """Of the images that are given the tag, the share that has it."""
        return _share(self.true_positives, self.true_positives + self.false_positives)


def tag_metrics(probabilities: Floats, has_tag: NDArray[np.bool_], threshold: float = 0.5) -> TagMetrics:
    """The metrics of a tag.

    Args:
        probabilities: [n] of the tag.
        has_tag: [n].
        threshold: an image whose probability reaches it is given the tag.
    """
    given = probabilities >= threshold
    return TagMetrics(
        true_positives=int((given & has_tag).sum()),
        false_positives=int((given & ~has_tag).sum()),
        true_negatives=int((~given & ~has_tag).sum()),
        false_negatives=int((~given & has_tag).sum()),
        roc_auc=roc_auc(probabilities, has_tag),
        average_precision=average_precision(probabilities, has_tag),
    )


def roc_auc(scores: Floats, has_tag: NDArray[np.bool_]) -> float | None:
    """The probability that an image with the tag scores higher than one without, where equal scores count half.

    It is None where all images are of one class.
    """
    positives = int(has_tag.sum())
    if positives in (0, len(has_tag)):
        return None
    _, which, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = np.cumsum(counts) - (counts - 1) / 2
    above = ranks[which][has_tag].sum() - positives * (positives + 1) / 2
    return float(above / (positives * (len(has_tag) - positives)))


def average_precision(scores: Floats, has_tag: NDArray[np.bool_]) -> float | None:
    """The mean precision, over the images with the tag, of what scores as high or higher; None without any."""
    if not has_tag.any():
        return None
    order = np.argsort(-scores, kind="stable")
    hits, ranked = np.cumsum(has_tag[order]), scores[order]
    # Of equal scores all images are given the tag, or none.
    ends = np.searchsorted(-ranked, -ranked, side="right") - 1
    precisions = hits[ends] / (ends + 1)
    return float(precisions[has_tag[order]].mean())


def mean_average_precision(precisions: Iterable[float | None]) -> float | None:
    """The mean of the tags' average precisions that are known; None where none is."""
    known = [one for one in precisions if one is not None]
    return sum(known) / len(known) if known else None


def probability_bins(probabilities: Floats, bins: int = BINS) -> list[int]:
    """The numbers of images whose probability lies in [0, .1), [.1, .2) ... [.9, 1], for 10 bins.

    The bounds are the numbers k / bins themselves, so that a probability of .3 is in the bin that begins with .3.
    """
    bounds = np.arange(1, bins) / bins
    found: list[int] = np.bincount(np.searchsorted(bounds, probabilities, side="right"), minlength=bins).tolist()
    return found


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
