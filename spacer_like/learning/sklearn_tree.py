"""Classifiers from scikit-learn's pickles and objects.

Read are the pickles of scikit-learn 0.17 to 1.9: MLPClassifier and SGDClassifier, calibrated by a sigmoid.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spacer_like.exceptions import ModelFileError
from spacer_like.learning.classifier import Classifier, with_checked_arrays
from spacer_like.learning.heads import ACTIVATIONS
from spacer_like.learning.model_card import checked_card
from spacer_like.learning.pickled_arrays import NAMES, array_of, scalar_of
from spacer_like.learning.pickles import Made, read_pickle
from spacer_like.learning.sklearn_estimators import SAFE, Allowed, SklearnClassifier, from_tree, is_trusted, to_pickle
from spacer_like.learning.sklearn_objects import (
    CALIBRATED,
    CALIBRATED_CV,
    FROZEN,
    LINEAR,
    OWN_ATTRIBUTE,
    PERCEPTRON,
    SIGMOID,
    Kind,
    Layer,
)

_PERCEPTRONS = frozenset({PERCEPTRON, "sklearn.neural_network.multilayer_perceptron.MLPClassifier"})
_LINEARS = frozenset({LINEAR, "sklearn.linear_model.stochastic_gradient.SGDClassifier"})
_LOSSES = (
    *("Log", "Hinge", "SquaredHinge", "ModifiedHuber", "SquaredLoss", "Huber"),
    *("EpsilonInsensitive", "SquaredEpsilonInsensitive", "LossFunction", "Classification", "Regression"),
)
_CYTHON_LOSSES = ("CyHalfBinomialLoss", "CyHalfSquaredError", "CyHuberLoss")
# Parts of a classifier that are of no use for answering, but stand in its pickle.
_SUPERFLUOUS = frozenset(
    [f"sklearn.linear_model.{module}.{name}" for module in ("sgd_fast", "_sgd_fast") for name in _LOSSES]
    + [f"{module}.{name}" for module in ("sklearn._loss._loss", "_loss") for name in _CYTHON_LOSSES]
    + [
        f"sklearn.neural_network.{module}.{name}"
        for module in ("_stochastic_optimizers", "_base", "stochastic_optimizers")
        for name in ("AdamOptimizer", "SGDOptimizer")
    ]
    + [f"sklearn.preprocessing.{module}.LabelBinarizer" for module in ("label", "_label")]
    + [f"sklearn.preprocessing.{module}.LabelEncoder" for module in ("label", "_label")]
    + [
        "numpy.random._mt19937.MT19937",
        "numpy.random._pickle.__bit_generator_ctor",
        "numpy.random._pickle.__randomstate_ctor",
        "numpy.random.__RandomState_ctor",
        "numpy.random.mtrand.__RandomState_ctor",
    ]
)  # fmt: skip
_PYTHON = {"copy_reg._reconstructor", "copyreg._reconstructor", "__builtin__.object", "builtins.object"}
_CALIBRATIONS = {CALIBRATED_CV, CALIBRATED, SIGMOID, FROZEN}
ALLOWED = frozenset(NAMES | _PERCEPTRONS | _LINEARS | _SUPERFLUOUS | _PYTHON | _CALIBRATIONS)
"""Every name that a classifier's pickle may mention."""

_KEPT_PARAMETERS = (
    "hidden_layer_sizes",
    "activation",
    "alpha",
    "learning_rate_init",
    "loss",
    "average",
    "random_state",
)
_RENAMED_LOSSES = {"log": "log_loss"}


_TRUST = "The setting ALLOWED_CLASSIFIER_CLASSES can name further classes, or their package, that you trust."


def from_pickle_bytes(data: bytes) -> Classifier | SklearnClassifier:
    """The classifier in a pickle: plain arrays for the kinds that this package trains, else an object of scikit-learn.

    Nothing that the pickle names is imported or called, but for the classes of `sklearn_estimators`.

    Raises:
        ModelFileError: the pickle names what no classifier needs, or holds another kind of object.
    """
    tree = read_pickle(data, Allowed(ALLOWED))
    is_other = isinstance(tree, Made) and (tree.name in SAFE or is_trusted(tree.name)) and not is_ours(tree)
    return from_tree(tree) if is_other else classifier_of(tree)


def from_sklearn(fitted: Any) -> Classifier | bytes:
    """A fitted classifier as plain arrays, where it is of a kind that we train, else as the pickle to store.

    Raises:
        ModelFileError: it is of a kind that could not be read again.
    """
    data = to_pickle(fitted)
    try:
        back = from_pickle_bytes(data)
    except ModelFileError as error:
        raise ModelFileError(f"The {type(fitted).__name__} could not be loaded again. {error} {_TRUST}") from error
    return back if isinstance(back, Classifier) else data


def classifier_of(tree: Any) -> Classifier:
    """The classifier that a pickle's tree describes.

    Raises:
        ModelFileError: it describes something else, or a kind of classifier that is not supported.
    """
    if not isinstance(tree, Made) or tree.name != CALIBRATED_CV:
        found = tree.name.rpartition(".")[2] if isinstance(tree, Made) else type(tree).__name__
        raise ModelFileError(f"Loaded a {found} instead of a CalibratedClassifierCV.")
    outer = _attributes(tree)
    members = outer.get("calibrated_classifiers_")
    if not isinstance(members, list) or len(members) != 1:
        raise ModelFileError("Only a classifier that was trained and calibrated once can be read; this is several.")
    inner = _attributes(members[0])
    if scalar_of(inner.get("method")) != "sigmoid":
        raise ModelFileError("Only classifiers calibrated by the method 'sigmoid' can be read.")
    estimator = _unfrozen(_either(inner, "estimator", "base_estimator"))
    slopes, bias = _sigmoids(_either(inner, "calibrators", "calibrators_"))
    classes = array_of(_either(outer, "classes_", "classes"))
    kind, layers, activation = _estimator_layers(estimator, classes)
    return with_checked_arrays(
        Classifier(kind, classes, layers, slopes, bias, activation, _parameters(estimator), **_own(outer))
    )


def is_ours(tree: Made) -> bool:
    """Whether a pickle's tree is of the kinds that `classifier_of` reads, judged by its classes."""
    if tree.name != CALIBRATED_CV:
        return False
    members = tree.state.get("calibrated_classifiers_") if isinstance(tree.state, dict) else None
    if not isinstance(members, list) or not members or not all(isinstance(one, Made) for one in members):
        return True
    inner = members[0].state if isinstance(members[0].state, dict) else {}
    estimator = inner.get("estimator") or inner.get("base_estimator")
    if isinstance(estimator, Made) and estimator.name == FROZEN and isinstance(estimator.state, dict):
        estimator = estimator.state.get("estimator")
    is_known = not isinstance(estimator, Made) or estimator.name in _PERCEPTRONS | _LINEARS
    return len(members) == 1 and is_known and inner.get("method") not in ("isotonic", "temperature")


def _attributes(node: Any) -> Mapping[str, Any]:
    if not isinstance(node, Made) or not isinstance(node.state, dict):
        raise ModelFileError("A part of the classifier is missing or malformed.")
    return node.state


def _either(attributes: Mapping[str, Any], name: str, older_name: str) -> Any:
    for candidate in (name, older_name):
        if attributes.get(candidate) is not None:
            return attributes[candidate]
    raise ModelFileError(f"The classifier lacks its {name}: it was never fitted.")


def _unfrozen(node: Any) -> Made:
    if isinstance(node, Made) and node.name == FROZEN:
        node = _attributes(node).get("estimator")
    if not isinstance(node, Made) or node.name not in _PERCEPTRONS | _LINEARS:
        found = node.name.rpartition(".")[2] if isinstance(node, Made) else type(node).__name__
        raise ModelFileError(f"Only MLPClassifier and SGDClassifier can be read, and this is a {found}.")
    return node


def _sigmoids(nodes: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    if not isinstance(nodes, list) or any(getattr(node, "name", None) != SIGMOID for node in nodes):
        raise ModelFileError("The classifier's calibration is missing or no sigmoid.")
    pairs = [[scalar_of(_attributes(node).get(name)) for name in ("a_", "b_")] for node in nodes]
    if not all(isinstance(number, float) for pair in pairs for number in pair):
        raise ModelFileError("The classifier's calibration consists of something else than numbers.")
    numbers = np.array(pairs, dtype=np.float64).reshape(-1, 2)
    return numbers[:, 0], numbers[:, 1]


def _estimator_layers(estimator: Made, classes: NDArray[Any]) -> tuple[Kind, tuple[Layer, ...], str]:
    attributes = _attributes(estimator)
    own_classes = attributes.get("classes_")
    if own_classes is not None and not np.array_equal(array_of(own_classes), classes):
        raise ModelFileError("The classifier and its calibration speak of different classes.")
    if estimator.name in _LINEARS:
        weights, bias = (array_of(_either(attributes, name, name)) for name in ("coef_", "intercept_"))
        return "LR", ((weights.T, bias),), "identity"
    matrices, vectors = (_either(attributes, name, name) for name in ("coefs_", "intercepts_"))
    activation = scalar_of(attributes.get("activation"))
    if not isinstance(matrices, list) or not isinstance(vectors, list) or activation not in ACTIVATIONS:
        raise ModelFileError("The network's layers are missing or malformed.")
    pairs = zip(matrices, vectors, strict=False)
    return "MLP", tuple((array_of(matrix), array_of(vector)) for matrix, vector in pairs), activation


def _parameters(estimator: Made) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in _KEPT_PARAMETERS:
        value = _attributes(estimator).get(name)
        if isinstance(value, list | tuple):
            found[name] = tuple(scalar_of(entry) for entry in value)
        elif isinstance(value, str | int | float):
            found[name] = _RENAMED_LOSSES.get(value, value) if isinstance(value, str) else value
    return found


def _own(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """The attributes that this package added to scikit-learn's."""
    text = attributes.get(OWN_ATTRIBUTE)
    try:
        found = json.loads(text) if isinstance(text, str) else {}
        extractor_id = found.get("extractor_id")
        return {
            "extractor_id": extractor_id if isinstance(extractor_id, str) else None,
            "metrics": dict(found.get("metrics", {})),
            "versions": dict(found.get("versions", {})),
            "card": checked_card(found.get("card", {})),
        }
    except (ValueError, TypeError, AttributeError, RecursionError):
        return {}
