"""Metrics that know which points are of one photograph: intervals by image, metrics by source, cover.

Points of one photograph resemble each other: an interval that takes them for independent is far too narrow. Here whole
images are drawn again and again (the bootstrap of clusters: A. C. Davison, D. V. Hinkley, "Bootstrap methods and their
application", 1997, section 3.8), and an interval holds the middle 95 % of what such draws give.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.random import RandomState
from numpy.typing import NDArray

from spacer_like.learning.baselines import Nearest
from spacer_like.learning.evaluation import SMALLEST_PROBABILITY

DRAWS = 1000
FEWEST_IMAGES = 5
"""Of fewer images no interval is given: they cannot show how much images differ."""
FAR_SHARE = 0.25
"""From this share of far points on, of which 5 % are expected, a source counts as unlike the training."""
_LEVELS = (2.5, 97.5)

Floats = NDArray[np.float64]
Interval = Sequence[float] | None


@dataclass(frozen=True)
class Points:
    """The answers for n points.

    Attributes:
        image: [n] the number of each point's image, from 0.
        true, given: [n] class indices.
        of_true: [n] the probability given to the true class; None: not known.
    """

    image: NDArray[np.intp]
    true: NDArray[np.intp]
    given: NDArray[np.intp]
    of_true: Floats | None = None

    def of(self, chosen: NDArray[np.bool_]) -> Points:
        """The points of which `chosen` [n] is true."""
        of_true = None if self.of_true is None else self.of_true[chosen]
        return Points(self.image[chosen], self.true[chosen], self.given[chosen], of_true)


@dataclass(frozen=True)
class Baseline:
    """The accuracy of something simpler on the same points, or on as many of them as it looked at."""

    name: str
    accuracy: float
    interval: Interval
    points: int


@dataclass(frozen=True)
class SourceMetrics:
    """The metrics of one source's points.

    Attributes:
        far: the share of its points that lie farther from every point of the training than 95 % of the training's
            points do from those of other images; None: not known.
        unlike: whether so many are far that the source is unlike the training.
    """

    source: str
    images: int
    points: int
    accuracy: float
    interval: Interval
    balanced_accuracy: float | None
    log_loss: float | None
    far: float | None
    unlike: bool


@dataclass(frozen=True)
class ImageEvaluation:
    """What an evaluation says beyond single points.

    Attributes:
        images: how many images the points are of.
        interval: of the accuracy, with 95 % confidence, by images; None: too few images.
        balanced_accuracy: mean recall of the classes that occur.
        mcc: Matthews' correlation coefficient of several classes (J. Gorodkin, 2004); None where all points have, or
            were given, one class.
        log_loss: mean negative logarithm of the probability given to the true class; None: not known.
        cover_r2: how well the shares of classes in each image are met: 1 - sum of squared errors / sum of squares about
            each class's mean share; None where all images are alike.
        baselines: majority, the commonest class of the training; nearest, the class of the most similar of some of its
            points.
        sources: by source, the least accurate first; empty where sources are not known.
        ref_losses: on the reference set after each epoch; may be empty.
        kept_epoch: the epoch that was kept; None: not known.
        stopping_losses: on the points held back to stop the training, after each epoch; empty: `ref_losses` did.
        stopping_points: how many those are.
    """

    images: int
    interval: Interval
    balanced_accuracy: float | None
    mcc: float | None
    log_loss: float | None
    cover_r2: float | None
    baselines: list[Baseline] = field(default_factory=list)
    sources: list[SourceMetrics] = field(default_factory=list)
    ref_losses: list[float] = field(default_factory=list)
    kept_epoch: int | None = None
    stopping_losses: list[float] = field(default_factory=list)
    stopping_points: int = 0

    def serialize(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def deserialize(cls, data: Any) -> ImageEvaluation:
        """What `serialize` described, its types checked; what else it holds is ignored.

        Raises:
            ValueError: it is nothing of the kind.
        """
        from pydantic import TypeAdapter

        return TypeAdapter(cls).validate_python(data)


def evaluation_by_image(
    points: Points,
    majority: int,
    nearest: Nearest | None = None,
    sources: Sequence[str] | None = None,
    ref_losses: Sequence[float] = (),
    kept_epoch: int | None = None,
) -> ImageEvaluation:
    """The metrics of n points.

    Args:
        majority: the index of the commonest class of the training; -1: one that the classifier does not know.
        nearest: what nearest neighbours say of some of the points.
        sources: of each point; None: not known.
        ref_losses, kept_epoch: carried along.
    """
    right = points.true == majority
    baselines = [Baseline("majority", float(right.mean()), interval_by_image(points.image, right), len(right))]
    if nearest is not None and nearest.points.any():
        right, images = nearest.right, points.image[nearest.points]
        baselines.append(Baseline("nearest", float(right.mean()), interval_by_image(images, right), len(right)))
    right = points.true == points.given
    return ImageEvaluation(
        images=len(np.unique(points.image)),
        interval=interval_by_image(points.image, right),
        balanced_accuracy=balanced_accuracy(points),
        mcc=matthews(points),
        log_loss=_log_loss(points),
        cover_r2=cover_r2(points),
        baselines=baselines,
        sources=[] if sources is None else _by_source(points, np.asarray(sources), nearest),
        ref_losses=list(ref_losses),
        kept_epoch=kept_epoch,
    )


def interval_by_image(image: NDArray[np.intp], right: NDArray[np.bool_]) -> Interval:
    """The interval of an accuracy with 95 % confidence, from points [n]; None of too few images."""
    _, group = np.unique(image, return_inverse=True)
    sizes = np.bincount(group)
    count = len(sizes)
    if count < FEWEST_IMAGES:
        return None
    hits, random = np.bincount(group, weights=right), RandomState(0)
    shares = np.empty(DRAWS)
    for number in range(DRAWS):
        drawn = random.randint(0, count, count)
        shares[number] = hits[drawn].sum() / sizes[drawn].sum()
    found: list[float] = np.percentile(shares, _LEVELS).tolist()
    return found


def balanced_accuracy(points: Points) -> float | None:
    """The mean recall of the classes that occur; None without points."""
    support = np.bincount(points.true)
    hits = np.bincount(points.true, weights=points.true == points.given)
    occurs = support > 0
    return float((hits[occurs] / support[occurs]).mean()) if occurs.any() else None


def matthews(points: Points) -> float | None:
    """Matthews' correlation coefficient of several classes; None where it does not exist."""
    classes = int(max(points.true.max(), points.given.max())) + 1
    true, given = (np.bincount(one, minlength=classes).astype(np.float64) for one in (points.true, points.given))
    count, hits = float(len(points.true)), float((points.true == points.given).sum())
    spread = np.sqrt((count**2 - true @ true) * (count**2 - given @ given))
    return float((count * hits - true @ given) / spread) if spread > 0 else None


def cover_r2(points: Points) -> float | None:
    """How well each image's shares of classes are met; None where the truth is the same in all images."""
    _, group = np.unique(points.image, return_inverse=True)
    classes = int(max(points.true.max(), points.given.max())) + 1
    sizes = np.bincount(group)

    def cover(which: NDArray[np.intp]) -> Floats:
        counts = np.bincount(group * classes + which, minlength=len(sizes) * classes)
        shares: Floats = counts.reshape(len(sizes), classes) / sizes[:, None]
        return shares

    true, given = cover(points.true), cover(points.given)
    about_mean = float(((true - true.mean(axis=0)) ** 2).sum())
    return 1 - float(((true - given) ** 2).sum()) / about_mean if about_mean > 0 else None


def _log_loss(points: Points) -> float | None:
    if points.of_true is None:
        return None
    return float(-np.log(np.maximum(points.of_true, SMALLEST_PROBABILITY)).mean())


def _by_source(points: Points, sources: NDArray[Any], nearest: Nearest | None) -> list[SourceMetrics]:
    found = []
    for source in np.unique(sources).tolist():
        is_of = sources == source
        some = points.of(is_of)
        right = some.true == some.given
        is_far = np.zeros(0, np.bool_) if nearest is None else nearest.far[is_of[nearest.points]]
        far = float(is_far.mean()) if len(is_far) else None
        found.append(
            SourceMetrics(
                source=source,
                images=len(np.unique(some.image)),
                points=len(right),
                accuracy=float(right.mean()),
                interval=interval_by_image(some.image, right),
                balanced_accuracy=balanced_accuracy(some),
                log_loss=_log_loss(some),
                far=far,
                unlike=far is not None and far >= FAR_SHARE,
            )
        )
    return sorted(found, key=lambda one: (one.accuracy, one.source))
