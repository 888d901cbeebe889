"""A model that says how probable one tag is for an image, given the image's vector, and its file.

A model is linear, or a support vector machine with a kernel of radial basis functions (RBF). Many models score many
images together: all linear ones by one matrix product.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spacer_like.exceptions import ExtractorMismatchError
from spacer_like.learning import linear_tags
from spacer_like.learning.linear_tags import LinearTags
from spacer_like.learning.model_file import Header, ModelFormat, Tensors
from spacer_like.learning.svm_tags import SvmTags, svm_scores
from spacer_like.tags.model_names import is_utf8

Floats = NDArray[np.float64]

_MOST_LETTERS = 10_000
_LINEAR, _RBF, _COUPLED = "linear", "rbf", "rbf-coupled"
_RBF_NUMBERS = ("intercept", "gamma", "slope", "offset")


@dataclass(frozen=True, eq=False)
class LinearScorer:
    """A logistic regression: the probability is the logistic function of x · weights + bias.

    Attributes:
        weights: float64 [d].
        bias: a number.
    """

    weights: Floats
    bias: float

    @property
    def dimension(self) -> int:
        return len(self.weights)


@dataclass(frozen=True, eq=False)
class RbfScorer:
    """A support vector machine, whose decision is taken to a probability by Platt's logistic function.

    The decision is sum_i coefficients_i exp(-gamma |x - v_i|²) + intercept, positive for the tag; the probability is
    the logistic function of slope * decision + offset.

    Attributes:
        support_vectors: float32 or float64 [m, d].
        coefficients: float64 [m].
        intercept, gamma, slope, offset: numbers; gamma is 0 or more.
        is_coupled: probabilities are made as libsvm makes them, by which imported machines were trained.
    """

    support_vectors: NDArray[np.floating]
    coefficients: Floats
    intercept: float
    gamma: float
    slope: float
    offset: float
    is_coupled: bool = False

    @property
    def dimension(self) -> int:
        return int(self.support_vectors.shape[1])


Scorer = LinearScorer | RbfScorer


@dataclass(frozen=True, eq=False)
class TagModel:
    """A trained model of one tag.

    Attributes:
        tag: what it predicts.
        model_type: such as ``ovr-logistic-regression``, ``ovr-svm``, or what an imported file's name says.
        scorer: takes vectors to probabilities.
        extractor_id: identifies the encoder of the vectors that it was trained on; None: an imported file does not say.
        threshold: the probability from which on the tag is given; None: no probability is sure enough.
        review_threshold: the probability from which on a person is asked, where the tag is not given.
        metrics, versions: what is known of its quality, and of the packages that made it.
    """

    tag: str
    model_type: str
    scorer: Scorer
    extractor_id: str | None = None
    threshold: float | None = 0.5
    review_threshold: float = 0.5
    metrics: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)

    @property
    def dimension(self) -> int:
        """How many numbers a vector has."""
        return self.scorer.dimension

    def is_given(self, scores: Floats) -> NDArray[np.bool_]:
        """Whether each probability suffices for the tag."""
        return np.zeros(scores.shape, bool) if self.threshold is None else np.asarray(scores >= self.threshold)

    def is_for_review(self, scores: Floats) -> NDArray[np.bool_]:
        """Whether a person is to be asked at each probability."""
        return np.asarray(scores >= self.review_threshold) & ~self.is_given(scores)


def tag_scores(models: Sequence[TagModel], vectors: NDArray[np.floating]) -> Floats:
    """The probability of each model's tag for each of n images: float64 [n, models].

    Args:
        vectors: [n, d] of the encoder that the models were trained with.

    Raises:
        ExtractorMismatchError: a model takes vectors of another length.
    """
    return TagScorer(models)(vectors)


class TagScorer:
    """Scores vectors by models, whose arrays are put together once: for images that come in batches.

    Args:
        models: of any types.
    """

    def __init__(self, models: Sequence[TagModel]) -> None:
        self.models = list(models)
        scorers = [model.scorer for model in models]
        self._is_fitting = len({scorer.dimension for scorer in scorers}) <= 1
        linear = [(at, one) for at, one in enumerate(scorers) if isinstance(one, LinearScorer)]
        self._linear_at = [at for at, _ in linear]
        if self._is_fitting and linear:
            self._linear = np.stack([one.weights for _, one in linear]), np.array([one.bias for _, one in linear])
        self._machines: list[tuple[list[int], SvmTags]] = []
        for is_coupled in (False, True):
            machines = [(at, one) for at, one in enumerate(scorers) if isinstance(one, RbfScorer)]
            rbf = [(at, one) for at, one in machines if one.is_coupled is is_coupled]
            if self._is_fitting and rbf:
                self._machines.append(([at for at, _ in rbf], _united([one for _, one in rbf])))

    def __call__(self, vectors: NDArray[np.floating]) -> Floats:
        """The probabilities float64 [n, models] for vectors [n, d]; errors as `tag_scores`."""
        for model in self.models:
            if vectors.ndim != 2 or vectors.shape[1] != model.dimension:
                raise ExtractorMismatchError(
                    f"The model of the tag '{model.tag}' takes vectors of {model.dimension} numbers, and these have "
                    f"the shape {list(vectors.shape)}: they are of another encoder."
                )
        found = np.empty((len(vectors), len(self.models)))
        if self._linear_at:
            found[:, self._linear_at] = linear_tags.tag_scores(vectors, *self._linear)
        for at, machines in self._machines:
            found[:, at] = svm_scores(vectors, machines)
        return found


def _united(scorers: Sequence[RbfScorer]) -> SvmTags:
    """Machines, all coupled or none, that share support vectors: models of many tags are told from the same images."""
    row_of: dict[bytes, int] = {}
    rows = [[row_of.setdefault(vector.tobytes(), len(row_of)) for vector in _doubles(one)] for one in scorers]
    coefficients = np.zeros((len(scorers), len(row_of)))
    for own, at, one in zip(coefficients, rows, scorers, strict=True):
        np.add.at(own, at, one.coefficients)
    vectors = np.frombuffer(b"".join(row_of)).reshape(len(row_of), -1)
    numbers = np.array([[one.intercept, one.gamma, -one.slope, -one.offset] for one in scorers])
    intercepts, gammas, slopes, bias = numbers.T
    return SvmTags(vectors, coefficients, intercepts, gammas, slopes, bias, scorers[0].is_coupled)


def _doubles(scorer: RbfScorer) -> Floats:
    return np.ascontiguousarray(scorer.support_vectors, np.float64)


def scorers_of(fitted: LinearTags | SvmTags) -> list[Scorer]:
    """The scorer of each of some tags' classifiers; a machine has its own support vectors alone."""
    if isinstance(fitted, LinearTags):
        return [LinearScorer(weights, float(bias)) for weights, bias in zip(fitted.weights, fitted.bias, strict=True)]
    found: list[Scorer] = []
    for tag, coefficients in enumerate(fitted.coefficients):
        own = np.flatnonzero(coefficients)
        numbers = zip(_RBF_NUMBERS, (fitted.intercepts, fitted.gammas, -fitted.slopes, -fitted.bias), strict=True)
        of_tag = {name: float(values[tag]) for name, values in numbers}
        found.append(RbfScorer(fitted.vectors[own], coefficients[own], **of_tag, is_coupled=fitted.is_coupled))
    return found


def _parts(model: TagModel) -> tuple[Header, Tensors]:
    # The tensors: weights, bias; or support_vectors, coefficients, intercept, gamma, slope, offset.
    scorer = model.scorer
    header: Header = {
        "tag": model.tag,
        "model_type": model.model_type,
        "threshold": model.threshold,
        "review_threshold": model.review_threshold,
    }
    if isinstance(scorer, LinearScorer):
        return header | {"scorer": _LINEAR}, {"weights": scorer.weights, "bias": np.array([scorer.bias])}
    numbers = {name: np.array([getattr(scorer, name)]) for name in _RBF_NUMBERS}
    arrays = {"support_vectors": scorer.support_vectors, "coefficients": scorer.coefficients}
    kind = _COUPLED if scorer.is_coupled else _RBF
    return header | {"scorer": kind}, arrays | numbers


def _build(header: Header, tensors: Tensors) -> TagModel:
    model = TagModel(
        tag=header["tag"],
        model_type=header["model_type"],
        scorer=_scorer(header["scorer"], tensors),
        extractor_id=header["extractor_id"],
        threshold=header["threshold"],
        review_threshold=header["review_threshold"],
        metrics=header["metrics"],
        versions=header["versions"],
    )
    texts = [model.tag, model.model_type] + [model.extractor_id] * (model.extractor_id is not None)
    if not all(isinstance(text, str) and 0 < len(text) <= _MOST_LETTERS and is_utf8(text) for text in texts):
        raise ValueError("its tag, type or encoder is no text")
    thresholds: list[Any] = [model.review_threshold] + [model.threshold] * (model.threshold is not None)
    if not all(type(threshold) in (int, float) and 0 <= threshold <= 1 for threshold in thresholds):
        raise ValueError("a threshold of it is no probability")
    return model


def _scorer(kind: str, tensors: Tensors) -> Scorer:
    for name, array in tensors.items():
        if array.dtype not in (np.float32, np.float64) or not np.isfinite(array).all():
            raise ValueError(f"its {name[:50]} are no finite numbers")
    if kind == _LINEAR:
        return checked_scorer(LinearScorer(tensors["weights"].astype(np.float64), _number(tensors["bias"])))
    if kind not in (_RBF, _COUPLED):
        raise ValueError("it scores in a way that this version does not know")
    numbers = {name: _number(tensors[name]) for name in _RBF_NUMBERS}
    vectors, coefficients = tensors["support_vectors"], tensors["coefficients"].astype(np.float64)
    return checked_scorer(RbfScorer(vectors, coefficients, **numbers, is_coupled=kind == _COUPLED))


def checked_scorer(scorer: Scorer) -> Scorer:
    """The scorer, whose arrays are finite and fit together.

    Raises:
        ValueError: they do not.
    """
    if isinstance(scorer, LinearScorer):
        arrays: list[NDArray[np.floating]] = [scorer.weights, np.array([scorer.bias])]
        fits = scorer.weights.ndim == 1 and scorer.weights.size > 0
    else:
        vectors, coefficients = scorer.support_vectors, scorer.coefficients
        arrays = [vectors, coefficients, np.array([getattr(scorer, name) for name in _RBF_NUMBERS])]
        fits = vectors.ndim == 2 and vectors.size > 0 and coefficients.shape == vectors.shape[:1]
        fits = fits and scorer.gamma >= 0
    if not fits or not all(np.isfinite(array).all() for array in arrays):
        raise ValueError("its arrays do not fit together, or hold numbers that are not finite")
    return scorer


def _number(array: NDArray[Any]) -> float:
    if array.shape != (1,) or not math.isfinite(array[0]):
        raise ValueError("one of its numbers is none")
    return float(array[0])


TAG_MODEL = ModelFormat("spacer_like.tag_model", 1, "model of a tag", _parts, _build)
