"""The scores of a table in figures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from spacer_like.rarity.score_table import ScoreTable

PROBABILITIES = (0, 0.01, 0.05, 0.10, 0.25, 0.35, 0.50, 0.60, 0.75, 0.85, 0.90, 0.93, 0.95, 0.97, 0.99, 1)


@dataclass(frozen=True)
class Description:
    """Figures of a column of scores.

    Attributes:
        count: scores; nulls: rows without one.
        std: with n - 1 in the denominator; None below two scores. `min`, `max` and `mean` need one.
        quantiles: score by probability, linearly interpolated, as text with two digits; empty without a score.
        collections: (collection, number of scores, their mean), the highest mean first, equals by name; those without
            a score are left out.
    """

    count: int
    nulls: int
    min: float | None
    max: float | None
    mean: float | None
    std: float | None
    quantiles: dict[str, float]
    collections: list[tuple[str, int, float]]


def description(table: ScoreTable) -> Description:
    """The figures of a table's pixelScore."""
    all_scores = table.scores
    scored = ~np.isnan(all_scores)
    scores = all_scores[scored]
    if not len(scores):
        return Description(0, len(all_scores), None, None, None, None, {}, [])
    quantiles = np.quantile(scores, PROBABILITIES).tolist()
    names, collection = table.collections()
    counts = np.bincount(collection[scored], minlength=len(names))
    sums = np.bincount(collection[scored], weights=scores, minlength=len(names))
    means = [
        (name, int(count), float(total / count))
        for name, count, total in zip(names, counts, sums, strict=True)
        if count
    ]
    return Description(
        count=len(scores),
        nulls=len(all_scores) - len(scores),
        min=float(scores.min()),
        max=float(scores.max()),
        mean=float(scores.mean()),
        std=float(scores.std(ddof=1)) if len(scores) > 1 else None,
        quantiles={f"{probability:.2f}": value for probability, value in zip(PROBABILITIES, quantiles, strict=True)},
        collections=sorted(means, key=lambda entry: (-entry[2], entry[0])),
    )
