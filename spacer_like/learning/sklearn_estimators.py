"""Classifiers of scikit-learn of any class: which are allowed, and how they are read without running a pickle.

A pickle is read as an inert tree. Of the classes in `SAFE`, objects are made without their constructors and get their
attributes: these answer by NumPy alone, or, decision trees, are checked before scikit-learn's compiled code follows
them. Other classes may be made only if the setting ALLOWED_CLASSIFIER_CLASSES names them, or their package: these are
made as pickle does it, and are trusted.
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spacer_like import config
from spacer_like.exceptions import ModelFileError, reason_of
from spacer_like.learning.heads import feature_vectors
from spacer_like.learning.pickled_arrays import (
    FROM_BUFFER,
    RECONSTRUCT,
    SCALAR,
    array_of,
    has_records,
    records_of,
    scalar_of,
)
from spacer_like.learning.pickles import Made, Reference

_TREE = "sklearn.tree._tree.Tree"
_TREE_OWNERS = frozenset({f"sklearn.tree._classes.{name}Classifier" for name in ("DecisionTree", "ExtraTree")})
SAFE = frozenset(
    f"sklearn.{module}.{name}"
    for module, names in {
        "calibration": "CalibratedClassifierCV _CalibratedClassifier _SigmoidCalibration",
        "decomposition._pca": "PCA",
        "discriminant_analysis": "LinearDiscriminantAnalysis QuadraticDiscriminantAnalysis",
        "dummy": "DummyClassifier",
        "ensemble._bagging": "BaggingClassifier",
        "ensemble._forest": "RandomForestClassifier ExtraTreesClassifier",
        "ensemble._weight_boosting": "AdaBoostClassifier",
        "frozen._frozen": "FrozenEstimator",
        "isotonic": "IsotonicRegression",
        "linear_model._logistic": "LogisticRegression LogisticRegressionCV",
        "linear_model._perceptron": "Perceptron",
        "linear_model._ridge": "RidgeClassifier",
        "linear_model._stochastic_gradient": "SGDClassifier",
        "multiclass": "OneVsRestClassifier OneVsOneClassifier _ConstantPredictor",
        "naive_bayes": "GaussianNB MultinomialNB BernoulliNB ComplementNB",
        "neural_network._multilayer_perceptron": "MLPClassifier",
        "pipeline": "Pipeline",
        "preprocessing._data": "StandardScaler MinMaxScaler MaxAbsScaler RobustScaler Normalizer",
        "preprocessing._label": "LabelEncoder LabelBinarizer",
        "svm._classes": "LinearSVC",
        "tree._classes": "DecisionTreeClassifier ExtraTreeClassifier",
        "tree._tree": "Tree",
    }.items()
    for name in names.split()
)
"""Classes of scikit-learn that a classifier's pickle may name beside those of `sklearn_tree`."""

# Parts of a random stream, of no use for answering.
_UNUSED = {f"numpy.random.bit_generator.{name}" for name in ("SeedSequence", "__pyx_unpickle_SeedSequence")}
# What is of no use for answering, or would let a file decide how many threads run and what is printed.
_FORGOTTEN = {"n_jobs": None, "verbose": 0, "_sklearn_output_config": None, "_metadata_request": None}


class Allowed:
    """The names that a classifier's pickle may mention, those of the setting included."""

    def __init__(self, names: frozenset[str]) -> None:
        self._names = names | SAFE | _UNUSED

    def __contains__(self, name: object) -> bool:
        return name in self._names or (isinstance(name, str) and is_trusted(name))


def is_trusted(name: str) -> bool:
    """Whether the setting ALLOWED_CLASSIFIER_CLASSES names a class or its package."""
    trusted = [f"{entry.rstrip('.')}." for entry in config.settings().allowed_classifier_classes]
    return any(f"{known}.".startswith(entry) for known in (name, _public(name)) for entry in trusted)


def _public(name: str) -> str:
    """A class's public name, without the modules that begin with an underscore."""
    *modules, own = name.split(".")
    return ".".join([module for module in modules if not module.startswith("_")] + [own])


_PUBLIC_SAFE = frozenset(map(_public, SAFE))


def check_classes(classes: Sequence[type | str]) -> None:
    """Refuse classes that a stored classifier may not consist of, before anything is trained.

    Raises:
        ModelFileError: a class is neither known to be safe nor trusted.
    """
    for found in classes:
        name = found if isinstance(found, str) else f"{found.__module__}.{found.__qualname__}"
        if name not in SAFE | _PUBLIC_SAFE and not is_trusted(name):
            raise ModelFileError(f"A classifier of the class {name} could not be loaded again: {ADVICE}")


ADVICE = "name the class or its package in the setting ALLOWED_CLASSIFIER_CLASSES, if you trust it."


class SklearnClassifier:
    """A fitted classifier of scikit-learn, or one that looks like it, as it was read from a file.

    Attributes:
        estimator: the classifier itself, whose other attributes are found here too.
    """

    extractor_id = None

    def __init__(self, estimator: Any) -> None:
        self.estimator = estimator
        try:
            self.classes_: NDArray[Any] = np.asarray(estimator.classes_)
            self.n_features_in_ = int(estimator.n_features_in_)
            fits = self.classes_.ndim == 1 and self.classes_.dtype.kind in "iuU" and len(self.classes_) >= 2
            probe = self.predict_proba(np.zeros((1, self.n_features_in_)))
        except Exception as error:
            raise ModelFileError(
                f"The {type(estimator).__name__} cannot be used with scikit-learn {version('scikit-learn')}: "
                f"{reason_of(error)}."
            ) from error
        if not fits or probe.shape != (1, len(self.classes_)):
            raise ModelFileError(
                "The classifier must know two classes or more, numbers or texts, and give a probability for each."
            )

    def predict_proba(self, features: Any) -> NDArray[np.float64]:
        """Probabilities, float64 [n, classes]; errors as of our own `Classifier`."""
        values = feature_vectors(features, self.n_features_in_, "The classifier")
        try:
            return np.asarray(self.estimator.predict_proba(values), dtype=np.float64)
        except Exception as error:
            raise ModelFileError(f"The {type(self.estimator).__name__} cannot answer: {reason_of(error)}.") from error

    def predict(self, features: Any) -> NDArray[Any]:
        """The most probable class of each of n vectors."""
        found: NDArray[Any] = self.classes_[self.predict_proba(features).argmax(axis=1)]
        return found

    def to_sklearn(self) -> Any:
        return self.estimator

    def __getattr__(self, name: str) -> Any:
        if name == "estimator":
            raise AttributeError(name)
        return getattr(self.estimator, name)

    def __repr__(self) -> str:
        return f"SklearnClassifier({type(self.estimator).__name__}, {len(self.classes_)} classes)"


def to_pickle(estimator: Any) -> bytes:
    """The pickle of a fitted classifier that `from_tree` will read.

    Raises:
        ModelFileError: it has no probabilities, or cannot be pickled.
    """
    if not hasattr(estimator, "predict_proba"):
        raise ModelFileError(
            f"A {type(estimator).__name__} gives no probabilities: calibrate it with CalibratedClassifierCV."
        )
    try:
        # The last protocol that numbers its memo as older readers expect.
        return pickle.dumps(estimator, protocol=3)
    except Exception as error:
        raise ModelFileError(f"The {type(estimator).__name__} cannot be pickled: {reason_of(error)}.") from error


def from_tree(tree: Any) -> SklearnClassifier:
    """The classifier that an inert tree describes.

    Raises:
        ModelFileError: it is none, or is malformed.
    """
    if not isinstance(tree, Made) or tree.name == _TREE:
        raise ModelFileError(f"The file holds a {type(tree).__name__} and no classifier.")
    return SklearnClassifier(_Builder().built(tree))


class _Builder:
    """A builder of a tree's objects, each built once."""

    def __init__(self) -> None:
        self._made: dict[int, Any] = {}
        self._trees: dict[tuple[int, int | None], Any] = {}

    def built(self, node: Any) -> Any:
        if isinstance(node, Made):
            if id(node) not in self._made:
                self._made[id(node)] = self._object(node)
            return self._made[id(node)]
        if isinstance(node, list | tuple | dict):
            # Each once, too: lists of the same lists could be more than there is time for.
            if id(node) not in self._made:
                self._made[id(node)] = self._collection(node)
            return self._made[id(node)]
        if isinstance(node, Reference):
            return _looked_up(node.name) if is_trusted(node.name) else None
        return node

    def _collection(self, node: list[Any] | tuple[Any, ...] | dict[Any, Any]) -> Any:
        if isinstance(node, dict):
            return {key: self.built(value) for key, value in node.items()}
        return type(node)(self.built(entry) for entry in node)

    def _object(self, node: Made) -> Any:
        if node.name in RECONSTRUCT | FROM_BUFFER:
            return records_of(node) if has_records(node) else array_of(node)
        if node.name in SCALAR:
            return scalar_of(node)
        if is_trusted(node.name):
            return self._trusted(node)
        if node.name not in SAFE or node.name == _TREE:
            # What a classifier keeps beside what it answers by: optimizers, losses, random streams.
            return None
        if not isinstance(node.state, dict) or node.arguments:
            raise ModelFileError(f"A {node.name.rpartition('.')[2]} in the pickle is malformed.")
        cls = _looked_up(node.name)
        instance = cls.__new__(cls)
        self._made[id(node)] = instance
        attributes = {key: self.built(value) for key, value in node.state.items()}
        attributes.update({key: value for key, value in _FORGOTTEN.items() if key in attributes})
        if node.name in _TREE_OWNERS and "tree_" in attributes:
            attributes["tree_"] = self._tree(node.state["tree_"], attributes.get("n_features_in_"))
        attributes.pop("_sklearn_version", None)
        vars(instance).update(attributes)
        if node.name.endswith(".IsotonicRegression"):
            instance._build_f(instance.X_thresholds_, instance.y_thresholds_)
        return instance

    def _tree(self, node: Any, n_features: Any) -> Any:
        key = id(node), n_features if isinstance(n_features, int) else None
        if key not in self._trees:
            self._trees[key] = _checked_tree(node, key[1])
        return self._trees[key]

    def _trusted(self, node: Made) -> Any:
        made = _looked_up(node.name)
        arguments = self.built(node.arguments)
        instance = made(*arguments) if node.is_called else made.__new__(made, *arguments)
        self._made[id(node)] = instance
        if node.state is not None:
            state = self.built(node.state)
            if hasattr(instance, "__setstate__"):
                instance.__setstate__(state)
            else:
                vars(instance).update(state)
        return instance


def _looked_up(name: str) -> Any:
    """The class of an allowed name; a name of something that is defined elsewhere is refused."""
    module, _, attribute = name.rpartition(".")
    try:
        found = getattr(import_module(module), attribute)
    except Exception as error:
        raise ModelFileError(f"{name}, which the pickle names, cannot be imported: {reason_of(error)}.") from error
    own_name = f"{getattr(found, '__module__', '')}.{getattr(found, '__qualname__', '')}"
    if own_name != name and not is_trusted(own_name):
        raise ModelFileError(f"The pickle names {name}, which is {own_name}: it was not opened.")
    return found


def _checked_tree(node: Any, n_features: int | None) -> Any:
    """A decision tree whose nodes and features are checked to exist."""
    if not isinstance(node, Made) or node.name != _TREE or not isinstance(node.state, Mapping):
        raise ModelFileError("A decision tree in the pickle is missing.")
    try:
        own_features, n_classes, n_outputs = node.arguments
        classes = array_of(n_classes).astype(np.intp)
        nodes, values = records_of(node.state["nodes"]), array_of(node.state["values"])
        own_features, n_outputs = int(scalar_of(own_features)), int(scalar_of(n_outputs))
        count, depth = int(scalar_of(node.state["node_count"])), int(scalar_of(node.state["max_depth"]))
        left, right, feature = (nodes[name].astype(np.int64) for name in ("left_child", "right_child", "feature"))
    except (TypeError, ValueError, KeyError, IndexError) as error:
        raise ModelFileError(f"A decision tree in the pickle is malformed: {reason_of(error)}.") from None
    inner = left != -1
    own = np.arange(len(nodes))
    fits = (
        own_features == n_features
        and classes.shape == (n_outputs,) == (1,)
        and count == len(nodes) > 0
        and 1 <= classes[0] == values.shape[-1]
        and values.shape == (count, 1, values.shape[-1])
        and values.dtype == np.float64
        # Children stand behind their parents, so that no path is endless.
        and bool(((left > own) & (left < count) & (right > own) & (right < count))[inner].all())
        and bool(((feature >= 0) & (feature < own_features))[inner].all())
    )
    if not fits:
        raise ModelFileError("A decision tree in the pickle leads outside itself.")
    tree = _looked_up(_TREE)(own_features, classes, n_outputs)
    try:
        tree.__setstate__(
            {"max_depth": depth, "node_count": count, "nodes": nodes, "values": np.ascontiguousarray(values)}
        )
    except (TypeError, ValueError) as error:
        raise ModelFileError(f"A decision tree is of another scikit-learn: {reason_of(error)}.") from None
    return tree
