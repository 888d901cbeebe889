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
from spacer_like.learning.calibration import sigmoid
from spacer_like.learning.model_file import Header, ModelFormat, Tensors

Floats = NDArray[np.float64]

_MOST_LETTERS = 10_000
_ROWS_AT_ONCE = 512
_LINEAR, _RBF = "linear", "rbf"
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
        intercept, gamma, slope, offset: numbers; gamma is above 0.
    """

    support_vectors: NDArray[np.floating]
    coefficients: Floats
    intercept: float
    gamma: float
    slope: float
    offset: float

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
        self._linear = [(at, one) for at, one in enumerate(scorers) if isinstance(one, LinearScorer)]
        self._rbf = [(at, one) for at, one in enumerate(scorers) if isinstance(one, RbfScorer)]
        self._is_fitting = len({scorer.dimension for scorer in scorers}) <= 1
        if self._is_fitting and self._linear:
            self._weights = np.stack([one.weights for _, one in self._linear], axis=1)
            self._bias = np.array([one.bias for _, one in self._linear])
        if self._is_fitting and self._rbf:
            self._support, self._rows = _united([one.support_vectors for _, one in self._rbf])

    def __call__(self, vectors: NDArray[np.floating]) -> Floats:
        """The probabilities float64 [n, models] for vectors [n, d]; errors as `tag_scores`."""
        for model in self.models:
            if vectors.ndim != 2 or vectors.shape[1] != model.dimension:
                raise ExtractorMismatchError(
                    f"The model of the tag '{model.tag}' takes vectors of {model.dimension} numbers, and these have "
                    f"the shape {list(vectors.shape)}: they are of another encoder."
                )
        found = np.empty((len(vectors), len(self.models)))
        for start in range(0, len(vectors), _ROWS_AT_ONCE):
            rows = slice(start, start + _ROWS_AT_ONCE)
            block = vectors[rows].astype(np.float64, copy=False)
            if self._linear:
                found[rows, [at for at, _ in self._linear]] = block @ self._weights + self._bias
            if self._rbf:
                self._score_by_rbf(block, found[rows])
        return sigmoid(found)

    def _score_by_rbf(self, block: Floats, found: Floats) -> None:
        squares = np.square(block).sum(axis=1)[:, None] + np.square(self._support).sum(axis=1)
        distances = np.maximum(squares - 2 * (block @ self._support.T), 0)
        for (at, one), rows in zip(self._rbf, self._rows, strict=True):
            decision = np.exp(-one.gamma * distances[:, rows]) @ one.coefficients + one.intercept
            found[:, at] = one.slope * decision + one.offset


def _united(groups: Sequence[NDArray[np.floating]]) -> tuple[Floats, list[NDArray[np.intp]]]:
    """The different ones of all support vectors, float64 [m, d], and of each model the rows of its own: models of many
    tags share what they are told from."""
    together = np.concatenate([group.astype(np.float64) for group in groups])
    row_of: dict[bytes, int] = {}
    rows = np.array([row_of.setdefault(vector.tobytes(), len(row_of)) for vector in together], np.intp)
    different = np.unique(rows, return_index=True)[1]
    return together[different], np.split(rows, np.cumsum([len(group) for group in groups])[:-1])


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
    return header | {"scorer": _RBF}, arrays | numbers


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
    if not all(isinstance(text, str) and 0 < len(text) <= _MOST_LETTERS for text in texts):
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
    if kind != _RBF:
        raise ValueError("it scores in a way that this version does not know")
    numbers = {name: _number(tensors[name]) for name in _RBF_NUMBERS}
    vectors, coefficients = tensors["support_vectors"], tensors["coefficients"].astype(np.float64)
    return checked_scorer(RbfScorer(vectors, coefficients, **numbers))


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
        fits = fits and scorer.gamma > 0
    if not fits or not all(np.isfinite(array).all() for array in arrays):
        raise ValueError("its arrays do not fit together, or hold numbers that are not finite")
    return scorer


def _number(array: NDArray[Any]) -> float:
    if array.shape != (1,) or not math.isfinite(array[0]):
        raise ValueError("one of its numbers is none")
    return float(array[0])


TAG_MODEL = ModelFormat("spacer_like.tag_model", 1, "model of a tag", _parts, _build)
