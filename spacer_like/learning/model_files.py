"""Classifiers stored at locations, as pickles for scikit-learn or as safetensors, and loaded from there."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from threading import Lock
from typing import IO, TYPE_CHECKING, Any, NamedTuple

import numpy as np

from spacer_like.exceptions import ExtractorMismatchError, ModelFileError, damage_as
from spacer_like.learning.classifier import Classifier, with_checked_arrays
from spacer_like.learning.heads import ACTIVATIONS, head_tensors, layers_in
from spacer_like.learning.model_card import checked_card
from spacer_like.learning.model_file import Header, ModelFormat, Tensors, begins_as_safetensors
from spacer_like.learning.sklearn_estimators import SklearnClassifier, check_classes
from spacer_like.learning.sklearn_objects import to_pickle_bytes
from spacer_like.learning.sklearn_tree import from_pickle_bytes, from_sklearn

if TYPE_CHECKING:
    from spacer_like.data_classes import DataLocation, ImageFeatures
    from spacer_like.extractors.base import FeatureExtractor

SAFETENSORS_SUFFIX = ".safetensors"
KEPT_CLASSIFIERS = 8


def _parts(classifier: Classifier) -> tuple[Header, Tensors]:
    header = {
        "kind": classifier.kind,
        "classes": classifier.classes_.tolist(),
        "activation": classifier.activation,
        "parameters": dict(classifier.parameters),
    }
    if classifier.card:
        header["card"] = dict(classifier.card)
    return header, head_tensors(classifier.head) | {"slopes": classifier.slopes, "offsets": classifier.bias}


def _build(header: Header, tensors: Tensors) -> Classifier:
    if header["kind"] not in ("MLP", "LR") or header["activation"] not in ACTIVATIONS:
        raise ValueError("it is of a kind that this version does not know")
    parameters = {
        name: tuple(value) if isinstance(value, list) else value for name, value in header["parameters"].items()
    }
    classifier = Classifier(
        header["kind"],
        np.array(header["classes"]),
        tuple((layer.weights, layer.bias) for layer in layers_in(tensors)),
        tensors["slopes"],
        tensors["offsets"],
        header["activation"],
        parameters,
        header["extractor_id"],
        header["metrics"],
        header["versions"],
        checked_card(header.get("card", {})),
    )
    return with_checked_arrays(classifier)


CLASSIFIER = ModelFormat("spacer_like.classifier", 1, "classifier", _parts, _build)


def classifier_from_bytes(data: bytes, name: str = "The classifier file") -> Classifier | SklearnClassifier:
    """The classifier in a file's bytes, of either format. Nothing in the file is ever run.

    Raises:
        ModelFileError: the file is unsafe or holds no classifier; the sentence begins with `name`.
    """
    with damage_as(ModelFileError, name, f"{name}: The file holds no classifier"):
        if begins_as_safetensors(data) or name.endswith(SAFETENSORS_SUFFIX):
            return CLASSIFIER.from_bytes(data, name)
        return from_pickle_bytes(data)


class ClassifierUnpickler:
    """Reads a classifier from an open file, as PySpacer's class of this name does, but runs nothing in it.

    Args:
        file: open for reading bytes; read from where it stands.
        options: those of `pickle.Unpickler`, which are not needed: pickles of any age are understood.
    """

    def __init__(self, file: IO[bytes], **options: Any) -> None:
        self._file = file

    def load(self) -> Classifier | SklearnClassifier:
        """The classifier; errors as `classifier_from_bytes`."""
        return classifier_from_bytes(self._file.read())


class _Kept(NamedTuple):
    version: str | None
    data: bytes
    classifier: Classifier | SklearnClassifier


class _ClassifierLoader:
    """Loads classifiers, and keeps the last few with their files' versions and bytes.

    What is kept is given only while the file has the same version, or, in a storage that has no sure ones, the same
    bytes: it is never stale.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._kept: OrderedDict[DataLocation, _Kept] = OrderedDict()
        self._lock = Lock()

    def __call__(self, loc: DataLocation) -> Classifier | SklearnClassifier:
        """The classifier at a location.

        Raises:
            ModelFileError: the file is unsafe or holds no classifier.
            DataNotFoundError: nothing is stored there.
        """
        from spacer_like.storage import storage_factory

        storage = storage_factory(loc.storage_type, loc.bucket_name)
        # Asked before the file is read: bytes that are newer than their version are read once more.
        version = storage.exact_version(loc.key)
        with self._lock:
            kept = self._kept.get(loc)
            if kept is not None:
                self._kept.move_to_end(loc)
        if kept is not None and version is not None and kept.version == version:
            return kept.classifier
        data = storage.read(loc.key)
        is_same = kept is not None and kept.data == data
        classifier = kept.classifier if kept and is_same else classifier_from_bytes(data, loc.display_name)
        with self._lock:
            self._kept[loc] = _Kept(version, data, classifier)
            self._kept.move_to_end(loc)
            while len(self._kept) > self._size:
                self._kept.popitem(last=False)
        return classifier

    def cache_clear(self) -> None:
        """Remove the classifiers that are kept."""
        with self._lock:
            self._kept.clear()


load_classifier = _ClassifierLoader(KEPT_CLASSIFIERS)


def store_classifier(loc: DataLocation, clf: Any) -> None:
    """Write a classifier to a location: as safetensors if its name ends so, else as scikit-learn's pickle.

    Args:
        loc: where.
        clf: a `Classifier`, or a fitted classifier of scikit-learn with probabilities; of which classes it may
            consist, `sklearn_estimators` says.

    Raises:
        ModelFileError: `clf` is not fitted, or of a kind that could not be loaded again.
    """
    from spacer_like.storage import write_bytes

    write_bytes(loc, classifier_bytes(loc, clf))


def classifier_bytes(loc: DataLocation, clf: Any) -> bytes:
    """What `store_classifier` writes; errors as there."""
    if isinstance(clf, SklearnClassifier):
        clf = clf.to_sklearn()
    if not isinstance(clf, Classifier):
        if not hasattr(clf, "classes_"):
            raise ModelFileError("Only fitted classifiers can be stored.")
        clf = from_sklearn(clf)
    as_tensors = loc.filename.endswith(SAFETENSORS_SUFFIX)
    if isinstance(clf, bytes):
        if as_tensors:
            raise ModelFileError(f"{loc.display_name}: {_ONLY_PICKLE}")
        return clf
    return CLASSIFIER.to_bytes(clf) if as_tensors else to_pickle_bytes(clf)


def check_storable(loc: DataLocation, classes: Sequence[type | str]) -> None:
    """Refuse, before it is trained, a classifier of classes that could not be stored at a location, or not be loaded.

    Raises:
        ModelFileError: a class is neither known to be safe nor trusted, or the file is to be of safetensors.
    """
    check_classes(classes)
    if classes and loc.filename.endswith(SAFETENSORS_SUFFIX):
        raise ModelFileError(f"{loc.display_name}: {_ONLY_PICKLE}")


_ONLY_PICKLE = "A classifier of one's own class can only be kept as a pickle: let the file's name end otherwise."


def check_same_extractor(classifier: Any, features: ImageFeatures, name: str) -> None:
    """Refuse to classify features of another extractor. Nothing is checked where either side does not name its one.

    Args:
        classifier: a `Classifier`.
        features: what is to be classified.
        name: the classifier's name, for the sentence.

    Raises:
        ExtractorMismatchError: the extractors differ, or the vectors' lengths.
    """
    _check_same(classifier, features.extractor_id, features.feature_dim, name)


def check_extractor(classifier: Any, extractor: FeatureExtractor, name: str) -> None:
    """As `check_same_extractor`, before there are features: as far as the extractor says without reading anything."""
    _check_same(classifier, extractor.known_id(), extractor.feature_dim, name)


def _check_same(classifier: Any, extractor_id: str | None, feature_dim: int, name: str) -> None:
    wanted = getattr(classifier, "extractor_id", None)
    if wanted is not None and extractor_id is not None and wanted != extractor_id:
        raise ExtractorMismatchError(
            f"{name}: the classifier was trained on features of the extractor {wanted[:16]}, and these are of "
            f"{extractor_id[:16]}: extract the features again, or train a classifier on them."
        )
    if classifier.n_features_in_ != feature_dim:
        raise ExtractorMismatchError(
            f"{name}: the classifier expects feature vectors of {classifier.n_features_in_} numbers, and these have "
            f"{feature_dim}: they are of another extractor."
        )
