"""A trained and calibrated classifier."""

from __future__ import annotations

from functools import cached_property
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spacer_like.exceptions import ModelFileError
from spacer_like.learning.calibration import calibrated
from spacer_like.learning.heads import Head, Layer, Output, feature_vectors, output_width
from spacer_like.learning.sklearn_objects import ClassifierArrays, Floats, as_sklearn


class Classifier(ClassifierArrays):
    """A trained and calibrated classifier with the answers of scikit-learn's ``CalibratedClassifierCV``.

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
        probabilities = calibrated(self.scores(features), self.slopes, self.bias)
        return np.minimum(probabilities, 1.0)

    def predict(self, features: Any) -> NDArray[Any]:
        """The most probable class of each of n vectors: [n], of the type of `classes_`."""
        predicted: NDArray[Any] = self.classes_[self.predict_proba(features).argmax(axis=1)]
        return predicted

    def scores(self, features: Any) -> Floats:
        """Scores before calibration, float64 [n, outputs]."""
        return self.head.exact(feature_vectors(features, self.n_features_in_, "The classifier"))

    @cached_property
    def head(self) -> Head:
        """The layers as a head, whose outputs are not calibrated."""
        layers = tuple(Layer(weights, bias) for weights, bias in self.layers)
        output: Output = "linear" if self.kind == "LR" else "sigmoid" if len(layers[-1].bias) == 1 else "softmax"
        return Head(layers, output, self.activation)

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
        sizes = " → ".join(str(size) for size in (self.n_features_in_, *(len(bias) for _, bias in self.layers)))
        return f"Classifier({self.kind}, {sizes}, {len(self.classes_)} classes)"


def with_checked_arrays(classifier: Classifier) -> Classifier:
    """The same classifier, its arrays made read-only: what is loaded may be shared.

    Raises:
        ModelFileError: the arrays do not fit together, a class is named twice, or a number is not finite.
    """
    classes, outputs = classifier.classes_, classifier.slopes.shape
    fits = classes.ndim == 1 and classes.dtype.kind in "iuU" and len(classes) >= 2
    fits = fits and outputs == classifier.bias.shape == (len(classes) if len(classes) > 2 else 1,)
    if not fits or outputs != (output_width([Layer(*arrays) for arrays in classifier.layers]),):
        raise ModelFileError("The classifier's arrays do not fit together.")
    if len(np.unique(classes)) < len(classes):
        raise ModelFileError("The classifier has two classes of one name.")
    if not all(np.isfinite(array).all() for array in (classifier.slopes, classifier.bias, *chain(*classifier.layers))):
        raise ModelFileError("The classifier has numbers that are not finite.")
    for arrays in ((classes, classifier.slopes, classifier.bias), *classifier.layers):
        for array in arrays:
            array.flags.writeable = False
    return classifier
