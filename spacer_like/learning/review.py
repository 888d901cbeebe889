"""Which images a person should look at next, tag by tag: the most uncertain ones and the most likely ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

NEAR_COSINE = 0.95
"""Two images whose vectors have this cosine or more are near duplicates, of which one is enough."""


@dataclass(frozen=True)
class Review:
    """Images to look at for a tag, by their indices, the most urgent first.

    Attributes:
        uncertain: whose probability is nearest to the threshold.
        likely: whose probability is highest, of those that are not among the uncertain ones.
    """

    uncertain: list[int]
    likely: list[int]


def suggest_review(
    probabilities: Floats,
    threshold: float,
    is_known: NDArray[np.bool_],
    counts: tuple[int, int],
    vectors: NDArray[np.floating] | None = None,
    near: float = NEAR_COSINE,
) -> Review:
    """The images whose label for a tag is worth most; of equally good ones the first.

    Args:
        probabilities: [n] of the tag; NaN: not a candidate.
        threshold: of the tag.
        is_known: [n] whether it is known if the image has the tag; such images are not suggested.
        counts: how many uncertain and how many likely images are wanted; there may be fewer.
        vectors: [n, d]; no image is then suggested that is near another suggested one.
        near: the cosine from which on two vectors are near each other.
    """
    candidates = np.flatnonzero(~is_known & ~np.isnan(probabilities))
    chosen: list[int] = []
    for count, cost in zip(counts, (np.abs(probabilities - threshold), -probabilities), strict=True):
        order = candidates[np.argsort(cost[candidates], kind="stable")]
        chosen += _apart(order, count, vectors, near, chosen)
    # Fewer uncertain images than are wanted leave no likely ones either.
    return Review(chosen[: counts[0]], chosen[counts[0] :])


def _apart(
    order: NDArray[np.intp], count: int, vectors: NDArray[np.floating] | None, near: float, before: list[int]
) -> list[int]:
    """The first images of an order that are neither among those before nor near one of them or each other."""
    found: list[int] = []
    taken = set(before)
    units = [] if vectors is None else [_unit(vectors[image]) for image in before]
    for image in order.tolist():
        if len(found) == count:
            break
        if image in taken:
            continue
        if vectors is not None:
            unit = _unit(vectors[image])
            if units and float((np.array(units) @ unit).max()) >= near:
                continue
            units.append(unit)
        found.append(image)
    return found


def _unit(vector: NDArray[np.floating]) -> Floats:
    exact = vector.astype(np.float64)
    length = float(np.sqrt(exact @ exact))
    return exact / length if length else exact
