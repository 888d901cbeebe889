"""Suggestions of what to label next: gathered from feature files, with the labels that a classifier holds possible."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from spacer_like.points.choosing import Candidates, Pool, farthest_first, most_uncertain, uncertainties
from spacer_like.review.labels import MOST_SUGGESTIONS, LabelItem

if TYPE_CHECKING:
    import pyarrow as pa

    from spacer_like.data_classes import ImageFeatures
    from spacer_like.points.messages import SuggestLabelsMsg
    from spacer_like.points.messages.suggest import By

RowCol = tuple[int, int]

MOST_CANDIDATES, MOST_KNOWN = 20_000, 5_000
"""How many candidates the choice is of, and how many labelled points it is compared with."""
# An image fills its part of the list from so many times as many candidates.
_TIMES_THE_MOST = 4


class Suggested(NamedTuple):
    """A point to label.

    Fields:
        image: the image's name.
        row, column: in pixels.
        labels: (label, probability), the best first.
        reason: why, in a few words.
    """

    image: str
    row: int
    column: int
    labels: list[tuple[str, float]]
    reason: str


@dataclass(frozen=True)
class Chosen:
    """A chosen point, or a chosen image with all points that have no label.

    Attributes:
        image: its number.
        points: in the feature file.
        reason: why, in a few words.
    """

    image: int
    points: list[int]
    reason: str


class Gathering:
    """The candidates of images, one after the other, and what is labelled.

    Args:
        msg: how is chosen.
        by: what counts.
        classifier: the one that is to learn; None: only diversity counts.

    Attributes:
        n_candidates, n_labelled: points without a label, and those with one.
    """

    def __init__(self, msg: SuggestLabelsMsg, by: By, classifier: Any) -> None:
        self._msg = msg
        self._by = by
        self._classifier = classifier
        self._pool, self._known = Pool(MOST_CANDIDATES), Pool(MOST_KNOWN)
        # Of whole images, the points without a label.
        self._open: dict[int, list[int]] = {}
        self.n_candidates = 0
        self.n_labelled = 0

    def add(self, image: int, features: ImageFeatures, labelled: Collection[RowCol]) -> None:
        """Add the points of an image, whose number is larger than those before.

        Args:
            labelled: the positions that have a label.
        """
        rowcols = features.rowcols
        # A position that stands there twice is one point.
        numbers = {rowcol: number for number, rowcol in reversed(list(enumerate(rowcols)))}
        known = sorted(number for rowcol, number in numbers.items() if rowcol in labelled)
        points = sorted(number for rowcol, number in numbers.items() if rowcol not in labelled)
        self.n_labelled += len(known)
        self.n_candidates += len(points)
        random = np.random.default_rng([self._msg.seed, image])
        if self._by != "uncertainty":
            self._add(self._known, image, known, np.ones(len(known)), features.features, random.random(len(known)))
        if not points:
            return
        vectors, uncertainty = features.features[points], np.ones(len(points))
        if self._classifier is not None and self._by != "diversity":
            uncertainty = uncertainties(self._classifier.predict_proba(vectors), self._msg.uncertainty)
        if self._msg.unit == "images":
            self._open[image] = points
            of_image = uncertainty.mean() if self._msg.of_image == "mean" else uncertainty.max()
            vectors, points, uncertainty = vectors.mean(axis=0, keepdims=True), [0], np.array([of_image])
        ranks = random.random(len(points)) if self._by == "diversity" else uncertainty
        if self._msg.unit == "points" and self._msg.most_per_image is not None:
            kept = np.sort(np.argsort(-ranks, kind="stable")[: _TIMES_THE_MOST * self._msg.most_per_image])
            points, uncertainty, ranks = [points[at] for at in kept], uncertainty[kept], ranks[kept]
            vectors = vectors[kept]
        part = (np.full(len(points), image), np.array(points), uncertainty, vectors.astype(np.float32))
        self._pool.add(ranks, Candidates(*part))

    @staticmethod
    def _add(
        pool: Pool,
        image: int,
        points: list[int],
        uncertainty: NDArray[np.float64],
        vectors: NDArray[Any],
        ranks: NDArray[np.float64],
    ) -> None:
        part = Candidates(
            np.full(len(points), image), np.array(points, np.int64), uncertainty, vectors[points].astype(np.float32)
        )
        pool.add(ranks, part)

    def chosen(self) -> list[Chosen]:
        """What to label, the most useful first."""
        candidates = self._pool.candidates()
        if candidates is None:
            return []
        msg = self._msg
        most = msg.most_per_image if msg.unit == "points" else None
        distances: list[float] | None = None
        if self._by == "uncertainty":
            indices = most_uncertain(candidates, msg.count, most)
        else:
            known = self._known.candidates()
            indices, distances = farthest_first(candidates, known and known.vectors, msg.count, most)
        found = []
        for place, at in enumerate(indices):
            parts = []
            if self._by != "diversity":
                parts.append(f"{msg.uncertainty} uncertainty {candidates.uncertainty[at]:.2f}")
            if distances is not None:
                parts.append(f"distance {distances[place]:.2f}")
            image = int(candidates.image[at])
            points = self._open[image] if msg.unit == "images" else [int(candidates.point[at])]
            found.append(Chosen(image, points, ", ".join(parts)))
        return found


def best_labels(probabilities: NDArray[np.float64], classes: Sequence[Any]) -> list[list[tuple[str, float]]]:
    """Of each point the five best labels with their probabilities, the best first; of equal ones the first class."""
    order = np.argsort(-probabilities, axis=1, kind="stable")[:, :MOST_SUGGESTIONS]
    return [
        [(str(classes[at]), round(float(shares[at]), 6)) for at in best]
        for shares, best in zip(probabilities, order.tolist(), strict=True)
    ]


def suggestions_table(suggested: Sequence[Suggested]) -> pa.Table:
    """The list as a table: image, row, column, an empty label, the five best labels with probabilities, and the reason.

    A person may fill in the labels: it is a table of points then, as `read_points` takes it.
    """
    import pyarrow as pa

    columns: dict[str, Any] = {
        "image": pa.array([one.image for one in suggested], pa.string()),
        "row": pa.array([one.row for one in suggested], pa.int64()),
        "column": pa.array([one.column for one in suggested], pa.int64()),
        "label": pa.nulls(len(suggested), pa.string()),
    }
    for place in range(MOST_SUGGESTIONS):
        found = [one.labels[place] if place < len(one.labels) else (None, None) for one in suggested]
        columns[f"suggestion {place + 1}"] = pa.array([label for label, _ in found], pa.string())
        columns[f"probability {place + 1}"] = pa.array([share for _, share in found], pa.float64())
    columns["reason"] = pa.array([one.reason for one in suggested], pa.string())
    return pa.table(columns)


def page_items(
    suggested: Sequence[Suggested], pictures: Mapping[str, Mapping[RowCol, tuple[bytes, bytes]]]
) -> list[LabelItem]:
    """What the page asks about: the suggestions whose pictures there are, {image: {(row, column): (patch, around)}}."""
    return [
        LabelItem(
            {"image": one.image, "row": str(one.row), "column": str(one.column)},
            *pictures[one.image][one.row, one.column],
            suggestions=one.labels,
            reason=one.reason,
        )
        for one in suggested
        if one.image in pictures
    ]
