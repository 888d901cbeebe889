"""Models of image-tagging-tools: pickled estimators of scikit-learn, of which only the arrays are read."""

from __future__ import annotations

from typing import Any

import numpy as np

from spacer_like.exceptions import ModelFileError
from spacer_like.learning.sklearn_tree import from_pickle_bytes
from spacer_like.tags.tag_model import LinearScorer, Scorer, checked_scorer


def scorer_of_pickle(data: bytes) -> Scorer:
    """The scorer in a pickle, whose class 0 is the tag and class 1 all others. Nothing in the pickle is ever run.

    Raises:
        ModelFileError: the pickle is unsafe, damaged, or of another kind.
        ValueError: its arrays do not fit together.
    """
    estimator: Any = getattr(from_pickle_bytes(data), "estimator", None)
    if type(estimator).__name__ != "LogisticRegression" or list(estimator.classes_) != [0, 1]:
        raise ModelFileError("The pickle is no logistic regression of a tag, class 0, and all others, class 1.")
    weights, bias = (np.asarray(array, np.float64) for array in (estimator.coef_, estimator.intercept_))
    if weights.shape[:1] != (1,) or bias.shape != (1,):
        raise ValueError("its arrays are not of two classes")
    return checked_scorer(LinearScorer(-weights[0], -float(bias[0])))
