"""A trained and calibrated classifier."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spacer_like.exceptions import ExtractorMismatchError, FeatureFileError, ModelFileError
from spacer_like.learning.calibration import calibrated, sigmoid
from spacer_like.learning.sklearn_objects import ClassifierArrays, Floats, as_sklearn

ACTIVATIONS = ("relu", "tanh", "logistic", "identity")


class Classifier(ClassifierArrays):
    """A trained and calibrated classifier, which answers as scikit-learn's ``CalibratedClassifierCV`` does.

    `to_sklearn` makes one. Its attributes are those of `ClassifierArrays`.
    """

    def predict_proba(self, features: Any) -> Floats:
        """Calibrated probabilities.

        Args:
            features: [n, n_features_in_] or n vectors.

        Returns:
            float64 [n, classes]; each row sums to 1.

        Raises:
            ExtractorMismatchError: vectors of another length.
            FeatureFileError: a number that is not finite.
        """
        probabilities = calibrated(self.scores(features), self.slopes, self.offsets)
        return np.minimum(probabilities, 1.0)

    def predict(self, features: Any) -> NDArray[Any]:
        """The most probable class of each of n vectors: [n], of the type of `classes_`."""
        predicted: NDArray[Any] = self.classes_[self.predict_proba(features).argmax(axis=1)]
        return predicted

    def scores(self, features: Any) -> Floats:
        """What the classifier says before calibration, float64 [n, outputs]."""
        values = self._checked(features)
        layers = self._exact_layers
        for weights, offsets in layers[:-1]:
            values = _activated(values @ weights + offsets, self.activation)
        weights, offsets = layers[-1]
        values = values @ weights + offsets
        if self.kind == "LR":
            return values
        return sigmoid(values) if values.shape[1] == 1 else _softmax(values)

    def _checked(self, features: Any) -> Floats:
        values = np.asarray(features if isinstance(features, np.ndarray) else list(features), dtype=np.float64)
        if values.ndim != 2 or values.shape[1] != self.n_features_in_:
            raise ExtractorMismatchError(
                f"The classifier expects feature vectors of {self.n_features_in_} numbers, and these have the shape "
                f"{values.shape}: they are of another extractor."
            )
        if not np.isfinite(values).all():
            raise FeatureFileError("The features hold numbers that are not finite.")
        return values

    @cached_property
    def _exact_layers(self) -> tuple[tuple[Floats, Floats], ...]:
        return tuple((weights.astype(np.float64), offsets.astype(np.float64)) for weights, offsets in self.layers)

    def to_sklearn(self) -> Any:
        """The same classifier as a fitted ``sklearn.calibration.CalibratedClassifierCV``."""
        return as_sklearn(self)

    @cached_property
    def calibrated_classifiers_(self) -> Any:
        """As scikit-learn's attribute of the same name."""
        return self.to_sklearn().calibrated_classifiers_

    @property
    def estimator(self) -> Any:
        """The classifier without its calibration: a fitted ``MLPClassifier`` or ``SGDClassifier``."""
        calibrated = self.calibrated_classifiers_[0].estimator
        return getattr(calibrated, "estimator", calibrated)

    def __repr__(self) -> str:
        sizes = " → ".join(str(size) for size in (self.n_features_in_, *(len(offsets) for _, offsets in self.layers)))
        return f"Classifier({self.kind}, {sizes}, {len(self.classes_)} classes)"


def _activated(values: Floats, activation: str) -> Floats:
    if activation == "relu":
        return np.maximum(values, 0, out=values)
    if activation == "tanh":
        return np.tanh(values, out=values)
    return sigmoid(values) if activation == "logistic" else values


def _softmax(values: Floats) -> Floats:
    values = values - values.max(axis=1, keepdims=True)
    np.exp(values, out=values)
    values /= values.sum(axis=1, keepdims=True)
    return values


def with_checked_arrays(classifier: Classifier) -> Classifier:
    """The same classifier, its arrays made read-only: what is loaded may be shared.

    Raises:
        ModelFileError: the arrays do not fit together.
    """
    classes, outputs = classifier.classes_, classifier.slopes.shape
    fits = classes.ndim == 1 and classes.dtype.kind in "iuU" and len(classes) >= 2
    fits = fits and outputs == classifier.offsets.shape == (len(classes) if len(classes) > 2 else 1,)
    width = None
    for weights, offsets in classifier.layers:
        fits = fits and weights.ndim == 2 and weights.dtype.kind == offsets.dtype.kind == "f"
        fits = fits and offsets.shape == weights.shape[1:] and width in (None, weights.shape[0])
        width = weights.shape[-1] if fits else None
    if not fits or outputs != (width,):
        raise ModelFileError("The classifier's arrays do not fit together.")
    for arrays in ((classes, classifier.slopes, classifier.offsets), *classifier.layers):
        for array in arrays:
            array.flags.writeable = False
    return classifier
