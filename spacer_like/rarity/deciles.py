"""The metadata's rarity as classes: its quantiles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from spacer_like.exceptions import TrainingLabelsError

if TYPE_CHECKING:
    from numpy.typing import NDArray

CLASSES = 10


@dataclass(frozen=True, eq=False)
class Deciles:
    """Scores cut at their quantiles.

    Attributes:
        edges: float64 [classes + 1], rising. Class k holds the scores above edge k up to and including edge k + 1; the
            first one holds its lower edge too.
    """

    edges: NDArray[np.float64]

    @property
    def n_classes(self) -> int:
        return len(self.edges) - 1

    def labels(self, scores: NDArray[np.float64]) -> NDArray[np.int64]:
        """The class of each score, int64 [n] from 0; beyond the ends the first and the last; -1 for NaN."""
        labels = np.searchsorted(self.edges[1:-1], scores, side="left").astype(np.int64)
        labels[np.isnan(scores)] = -1
        return labels


def deciles_of(scores: NDArray[np.float64], classes: int = CLASSES) -> Deciles:
    """Cut scores into classes of equal number, by linearly interpolated quantiles, as ``pandas.qcut``.

    Where quantiles coincide, because many scores are equal, there are fewer classes.

    Args:
        scores: [n]; NaN does not count.

    Raises:
        TrainingLabelsError: the scores give no two classes.
    """
    known = scores[~np.isnan(scores)]
    edges = np.unique(np.quantile(known, np.arange(classes + 1) / classes)) if len(known) else known
    if len(edges) < 3:
        raise TrainingLabelsError(
            f"The metadata's rarityScore gives no two classes to tell apart: {len(known)} tokens have one, "
            f"{len(np.unique(known))} of them different."
        )
    return Deciles(np.asarray(edges, np.float64))
