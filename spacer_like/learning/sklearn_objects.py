"""A classifier's arrays, as scikit-learn's objects and pickles.

Importing scikit-learn takes longer than training on ten thousand points. The pickle is therefore composed from names
and arrays, as long as the installed version is one whose objects are known; for others it is made by pickling real
objects.
"""

from __future__ import annotations

import json
import pickle
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from importlib.metadata import version
from inspect import signature
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from spacer_like.exceptions import ModelFileError
from spacer_like.learning.pickles import Made, write_pickle

CALIBRATED_CV = "sklearn.calibration.CalibratedClassifierCV"
CALIBRATED = "sklearn.calibration._CalibratedClassifier"
SIGMOID = "sklearn.calibration._SigmoidCalibration"
FROZEN = "sklearn.frozen._frozen.FrozenEstimator"
PERCEPTRON = "sklearn.neural_network._multilayer_perceptron.MLPClassifier"
LINEAR = "sklearn.linear_model._stochastic_gradient.SGDClassifier"
BINARIZER = "sklearn.preprocessing._label.LabelBinarizer"
OWN_ATTRIBUTE = "spacer_like_"
"""Of a pickled classifier, what scikit-learn's objects do not hold."""

Floats = NDArray[np.float64]
Layer = tuple[NDArray[np.floating], NDArray[np.floating]]
Kind = Literal["MLP", "LR"]

KNOWN_VERSIONS = ("1.5", "1.6", "1.7", "1.8", "1.9")
"""Versions of scikit-learn whose constructors take the arguments below, and no others."""

_PERCEPTRON_DEFAULTS: dict[str, Any] = {
    "hidden_layer_sizes": (100,),
    "activation": "relu",
    "solver": "adam",
    "alpha": 0.0001,
    "batch_size": "auto",
    "learning_rate": "constant",
    "learning_rate_init": 0.001,
    "power_t": 0.5,
    "max_iter": 200,
    "shuffle": True,
    "random_state": None,
    "tol": 0.0001,
    "verbose": False,
    "warm_start": False,
    "momentum": 0.9,
    "nesterovs_momentum": True,
    "early_stopping": False,
    "validation_fraction": 0.1,
    "beta_1": 0.9,
    "beta_2": 0.999,
    "epsilon": 1e-08,
    "n_iter_no_change": 10,
    "max_fun": 15000,
    "loss": "log_loss",
}
_LINEAR_DEFAULTS: dict[str, Any] = {
    "loss": "hinge",
    "penalty": "l2",
    "alpha": 0.0001,
    "l1_ratio": 0.15,
    "fit_intercept": True,
    "max_iter": 1000,
    "tol": 0.001,
    "shuffle": True,
    "verbose": 0,
    "epsilon": 0.1,
    "n_jobs": None,
    "random_state": None,
    "learning_rate": "optimal",
    "eta0": 0.01,
    "power_t": 0.5,
    "early_stopping": False,
    "validation_fraction": 0.1,
    "n_iter_no_change": 5,
    "class_weight": None,
    "warm_start": False,
    "average": False,
}


@dataclass(frozen=True, eq=False)
class ClassifierArrays:
    """A multi-layer perceptron or a linear classifier, and a sigmoid for each of its outputs.

    Attributes:
        kind: ``MLP``, whose scores are probabilities, or ``LR``, whose scores are decision values.
        classes_: [classes] the labels, sorted: int64 or text.
        layers: (weights [inputs, outputs], bias [outputs]) of each layer; LR has one. Two classes have one output,
            which speaks for the second.
        slopes, bias: float64 [outputs]; a score s means the probability 1 / (1 + exp(slope * s + bias)).
        activation: of the hidden layers.
        parameters: what distinguishes the training from scikit-learn's defaults, by scikit-learn's names.
        extractor_id: what made the features that it was trained on; None where that is not known.
        metrics, versions: what is known of its quality and of the packages that made it.
        card: what it was trained on, what it knows, and where that holds, as `model_card` makes it; may be empty.
    """

    kind: Kind
    classes_: NDArray[Any]
    layers: tuple[Layer, ...]
    slopes: Floats
    bias: Floats
    activation: str = "relu"
    parameters: Mapping[str, Any] = field(default_factory=dict)
    extractor_id: str | None = None
    metrics: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    card: Mapping[str, Any] = field(default_factory=dict)

    @property
    def n_features_in_(self) -> int:
        """Numbers in a feature vector."""
        return int(self.layers[0][0].shape[0])


def to_pickle_bytes(classifier: ClassifierArrays) -> bytes:
    """A pickle that a plain scikit-learn opens, of a ``CalibratedClassifierCV``. Equal classifiers give equal bytes."""
    if _minor_version() in KNOWN_VERSIONS:
        return write_pickle(tree_of(classifier))
    return pickle.dumps(as_sklearn(classifier), protocol=3)


def as_sklearn(classifier: ClassifierArrays) -> Any:
    """A fitted ``CalibratedClassifierCV`` that answers as `classifier` does."""
    return _realise(tree_of(classifier), {})


def tree_of(classifier: ClassifierArrays) -> Made:
    """The classifier as scikit-learn's objects, described and not made."""
    estimator = _perceptron(classifier) if classifier.kind == "MLP" else _linear(classifier)
    # What freezes a classifier is of scikit-learn 1.6.
    is_older = _minor_version() == "1.5"
    frozen = estimator if is_older else _object(FROZEN, {"estimator": estimator})
    sigmoids = [
        _object(SIGMOID, {"a_": float(slope), "b_": float(bias)})
        for slope, bias in zip(classifier.slopes, classifier.bias, strict=True)
    ]
    calibrated = Made(
        CALIBRATED,
        state={"estimator": frozen, "calibrators": sigmoids, "classes": classifier.classes_, "method": "sigmoid"},
    )
    return _object(
        CALIBRATED_CV,
        {
            "estimator": frozen,
            "method": "sigmoid",
            "cv": "prefit" if is_older else None,
            "n_jobs": None,
            "ensemble": True if is_older else "auto",
            "classes_": classifier.classes_,
            "n_features_in_": classifier.n_features_in_,
            "calibrated_classifiers_": [calibrated],
            OWN_ATTRIBUTE: own_text(classifier),
        },
    )


def _perceptron(classifier: ClassifierArrays) -> Made:
    outputs = len(classifier.slopes)
    is_binary = outputs == 1
    binarizer = _object(
        BINARIZER,
        {
            "neg_label": 0,
            "pos_label": 1,
            "sparse_output": False,
            "y_type_": "binary" if is_binary else "multiclass",
            "sparse_input_": False,
            "classes_": classifier.classes_,
            "n_features_in_": 1,
        },
    )
    fitted = {
        "n_features_in_": classifier.n_features_in_,
        "classes_": classifier.classes_,
        "_label_binarizer": binarizer,
        "coefs_": [np.ascontiguousarray(weights) for weights, _ in classifier.layers],
        "intercepts_": [np.ascontiguousarray(bias) for _, bias in classifier.layers],
        "n_layers_": len(classifier.layers) + 1,
        "n_outputs_": outputs,
        "out_activation_": "logistic" if is_binary else "softmax",
        "n_iter_": 1,
        "t_": 0,
        "loss_curve_": [],
        "best_loss_": float("inf"),
        "validation_scores_": None,
        "best_validation_score_": None,
        "_no_improvement_count": 0,
    }
    sizes = tuple(len(bias) for _, bias in classifier.layers[:-1])
    own = {"hidden_layer_sizes": sizes, "activation": classifier.activation}
    return _object(PERCEPTRON, _PERCEPTRON_DEFAULTS | _accepted(classifier, _PERCEPTRON_DEFAULTS) | own | fitted)


def _linear(classifier: ClassifierArrays) -> Made:
    weights, bias = classifier.layers[0]
    fitted = {
        "n_features_in_": classifier.n_features_in_,
        "classes_": classifier.classes_,
        "coef_": np.ascontiguousarray(weights.T),
        "intercept_": np.ascontiguousarray(bias),
        "t_": 1.0,
        "n_iter_": 1,
    }
    own = {"loss": "log_loss"} | _accepted(classifier, _LINEAR_DEFAULTS)
    return _object(LINEAR, _LINEAR_DEFAULTS | own | fitted)


def _accepted(classifier: ClassifierArrays, defaults: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in classifier.parameters.items() if name in defaults}


def _object(name: str, state: dict[str, Any]) -> Made:
    return Made(name, state=state | {"_sklearn_version": _sklearn_version()})


def _sklearn_version() -> str:
    return version("scikit-learn")


def _minor_version() -> str:
    return ".".join(_sklearn_version().split(".")[:2])


def _realise(node: Any, made: dict[int, Any]) -> Any:
    if isinstance(node, list):
        return [_realise(entry, made) for entry in node]
    if not isinstance(node, Made):
        return node
    if id(node) not in made:
        module, _, name = node.name.rpartition(".")
        try:
            cls = getattr(import_module(module), name)
        except (ImportError, AttributeError) as error:
            raise ModelFileError(f"The installed scikit-learn has no {node.name}: install another version.") from error
        made[id(node)] = instance = cls.__new__(cls)
        # A newer version's constructor may have arguments that are not known here.
        defaults = {key: argument.default for key, argument in signature(cls).parameters.items()}
        state = {key: _realise(value, made) for key, value in node.state.items() if key != "_sklearn_version"}
        vars(instance).update({key: value for key, value in defaults.items() if key not in state} | state)
    return made[id(node)]


def own_text(classifier: ClassifierArrays) -> str:
    """The classifier's attributes besides its arrays, as JSON."""
    found = {
        "extractor_id": classifier.extractor_id,
        "metrics": dict(classifier.metrics),
        "versions": dict(classifier.versions),
    }
    if classifier.card:
        found["card"] = dict(classifier.card)
    return json.dumps(found, sort_keys=True)
