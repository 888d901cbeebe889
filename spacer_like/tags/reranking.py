"""One tag's model while a person answers: each answer trains it again, from where it was, and ranks all images anew."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spacer_like.learning.batched_logistic import Conditioner, conditioner_of
from spacer_like.learning.linear_tags import (
    NEGATIVE,
    NOT_USED,
    POSITIVE,
    QUICK_TOLERANCE,
    LinearTags,
    fit_linear_tags,
    tag_scores,
)

Floats = NDArray[np.float64]


class Reranker:
    """The images of one tag in the order of their probability, which follows a person's answers.

    Args:
        vectors: float32 [n, d] of all images.
        targets: int [n] what each image is to the tag: `POSITIVE`, `NEGATIVE` or `NOT_USED`; of the first two at least
            one each. Images that are held out from training are `NOT_USED`.
        start: the classifier of the tag so far; None: it is trained first.
        conditioner: see `fit_linear_tags`; one serves all tags of the same images.

    Attributes:
        targets: with the answers.
        classifier: as trained last.
    """

    def __init__(
        self,
        vectors: NDArray[np.float32],
        targets: NDArray[np.integer],
        start: LinearTags | None = None,
        conditioner: Conditioner | None = None,
    ) -> None:
        self._vectors = vectors.astype(np.float64)
        self._conditioner = conditioner or conditioner_of(self._vectors)
        self.targets = np.array(targets, np.int8)
        self.classifier = start or self._fitted(None)

    def answer(self, image: int, has_tag: bool | None) -> Floats:
        """The probabilities of all images, float64 [n], after an answer about one of them; None takes it back.

        Raises:
            TrainingLabelsError: no image is left that has the tag, or none that has not.
        """
        self.targets[image] = NOT_USED if has_tag is None else POSITIVE if has_tag else NEGATIVE
        self.classifier = self._fitted(self.classifier)
        return self.scores()

    def scores(self) -> Floats:
        """The probabilities of all images: float64 [n]."""
        return tag_scores(self._vectors, self.classifier.weights, self.classifier.bias)[:, 0]

    def _fitted(self, start: LinearTags | None) -> LinearTags:
        return fit_linear_tags(
            self._vectors,
            self.targets[:, None],
            start=start,
            conditioner=self._conditioner,
            tolerance=QUICK_TOLERANCE,
        )
