"""What a classifier said of points whose labels are known."""

from __future__ import annotations

import json

from spacer_like.data_classes.base import DataClass, LabelId
from spacer_like.exceptions import MessageError


class ValResults(DataClass):
    """Evaluation of a classifier, point by point.

    Attributes:
        scores: highest calibrated probability of each point.
        gt: true class of each point, as an index into `classes`.
        est: estimated class of each point, likewise.
        classes: the labels.

    Raises:
        MessageError: lists of unequal length, or an index outside `classes`.
    """

    def __init__(self, scores: list[float], gt: list[int], est: list[int], classes: list[LabelId]) -> None:
        if not len(gt) == len(est) == len(scores):
            raise MessageError(f"There must be as many scores ({len(scores)}) as gt ({len(gt)}) and est ({len(est)}).")
        for name, indices in (("gt", gt), ("est", est)):
            if not indices:
                raise MessageError(f"{name} is empty: there is nothing to evaluate.")
            if min(indices) < 0 or max(indices) >= len(classes):
                raise MessageError(f"{name} points outside the {len(classes)} classes.")
        self.scores = scores
        self.gt = gt
        self.est = est
        self.classes = classes

    @classmethod
    def example(cls) -> ValResults:
        return cls(scores=[0.9, 0.8, 0.7], gt=[0, 1, 0], est=[0, 1, 1], classes=[121, 1222])

    def to_json(self, name: str = "The results") -> bytes:
        # Of any size: a training must not be lost for it.
        return json.dumps(self.serialize()).encode()

    def __repr__(self) -> str:
        return f"ValResults({len(self.gt)} points, {len(self.classes)} classes)"
