"""A multi-layer perceptron of rectified units, trained by Adam in float32.

Weights are drawn, samples are shuffled and steps are taken as scikit-learn's ``MLPClassifier`` does with its default
settings (X. Glorot, Y. Bengio 2010 for the first weights, D. Kingma, J. Ba 2014 for Adam), so that the same random
stream gives the same network but for rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from itertools import pairwise
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.random import RandomState
from numpy.typing import DTypeLike, NDArray

from spacer_like.cores import thread_count

Array = NDArray[np.floating]
Layer = tuple[Array, Array]
Result = TypeVar("Result")

ALPHA = 1e-4
"""Weight of the L2 penalty: scikit-learn's default."""
INNER_BATCH = 200
_BETA_1, _BETA_2, _EPSILON = 0.9, 0.999, 1e-8
_ROWS_AT_A_TIME = 4096
_SMALLEST_PROBABILITY = 1e-12


class Perceptron:
    """A network from `sizes[0]` inputs through hidden layers to `sizes[-1]` outputs; one output is two classes.

    Args:
        sizes: units of each layer, that of the inputs first.
        learning_rate: Adam's.
        random: draws the first weights.
        dtype: of all numbers.
        in_halves: whether the samples of a step are computed in two halves, at once where there are two cores: worth
            it for large networks. The numbers differ from others by rounding, and do not depend on the cores.

    Attributes:
        layers: (weights [inputs, outputs], bias [outputs]) of each layer, views of one array.
    """

    def __init__(
        self,
        sizes: Sequence[int],
        learning_rate: float,
        random: RandomState,
        dtype: DTypeLike = np.float32,
        in_halves: bool = False,
    ) -> None:
        self.learning_rate = learning_rate
        self._steps = 0
        self._is_binary = sizes[-1] == 1
        shapes = list(pairwise(sizes))
        count = sum((inputs + 1) * outputs for inputs, outputs in shapes)
        self._penalised = sum(inputs * outputs for inputs, outputs in shapes)
        self._parameters, self._gradient, self._mean, self._variance, self._scratch = (
            np.zeros(count, dtype) for _ in range(5)
        )
        self.layers = _views(self._parameters, shapes)
        self._gradients = _views(self._gradient, shapes)
        self._halves = _Halves(count, shapes, dtype) if in_halves else None
        for (inputs, outputs), (weights, bias) in zip(shapes, self.layers, strict=True):
            bound = np.sqrt(6 / (inputs + outputs))
            weights[...] = random.uniform(-bound, bound, (inputs, outputs))
            bias[...] = random.uniform(-bound, bound, outputs)

    def learn(
        self,
        features: Array,
        rows: NDArray[np.intp],
        targets: NDArray[np.bool_],
        random: RandomState,
        counted: NDArray[np.floating] | None = None,
    ) -> None:
        """One pass over samples, shuffled by `random`, in steps of at most `INNER_BATCH`.

        Args:
            features: [n, inputs].
            rows: [m] which of them to learn from.
            targets: [m, outputs] whether the sample is of the output's class.
            random: the stream that shuffles.
            counted: [m] what each sample counts in the loss; None: 1.
        """
        order = np.arange(len(rows))
        random.shuffle(order)
        wanted = targets.astype(self._parameters.dtype)
        for start in range(0, len(rows), INNER_BATCH):
            chosen = order[start : start + INNER_BATCH]
            self.step(features[rows[chosen]], wanted[chosen], None if counted is None else counted[chosen])

    def step(self, features: Array, wanted: Array, counted: NDArray[np.floating] | None = None) -> Array:
        """One step of Adam on samples [m, inputs] with targets [m, outputs]. Returns the outputs of before."""
        # Whoever trains looks at the weights afterwards; numbers beyond all bounds need no warning at each step.
        with np.errstate(over="ignore", invalid="ignore"):
            outputs = self._compute_gradient(features, wanted, counted)
            self._adam_step(len(features))
        return outputs

    def state(self) -> dict[str, NDArray[Any]]:
        """A copy of everything that steps change: weights, Adam's averages, and the number of steps."""
        arrays = {"parameters": self._parameters, "mean": self._mean, "variance": self._variance}
        return {name: array.copy() for name, array in arrays.items()} | {"steps": np.array(self._steps)}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Restore what `state` returned, or raise a ValueError or KeyError where it does not fit."""
        arrays = {"parameters": self._parameters, "mean": self._mean, "variance": self._variance}
        steps = int(state["steps"])
        if any(state[name].shape != own.shape or state[name].dtype != own.dtype for name, own in arrays.items()):
            raise ValueError("it is of another network")
        for name, own in arrays.items():
            own[...] = state[name]
        self._steps = steps

    def outputs(self, features: Array) -> Array:
        """Probabilities [n, outputs], not calibrated."""
        return self._activations(features)[-1]

    def _activations(self, features: Array) -> list[Array]:
        activations = [features]
        for weights, bias in self.layers:
            values = activations[-1] @ weights
            values += bias
            if len(activations) < len(self.layers):
                np.maximum(values, 0, out=values)
            activations.append(values)
        _normalise(activations[-1], self._is_binary)
        return activations

    def _compute_gradient(self, features: Array, wanted: Array, counted: NDArray[np.floating] | None) -> Array:
        """Sums of the cross entropy's gradient over samples, by backpropagation. Returns the outputs."""
        features = features.astype(self._parameters.dtype, copy=False)
        halves = self._halves
        if halves is None or len(features) < 2:
            outputs = self._backpropagate(features, wanted, counted, self._gradients)
        else:
            middle = len(features) // 2
            weighs = (None, None) if counted is None else (counted[:middle], counted[middle:])
            first, second = halves.both(
                lambda: self._backpropagate(features[:middle], wanted[:middle], weighs[0], self._gradients),
                lambda: self._backpropagate(features[middle:], wanted[middle:], weighs[1], halves.gradients),
            )
            outputs = np.concatenate([first, second])
        return outputs

    def _backpropagate(
        self, features: Array, wanted: Array, counted: NDArray[np.floating] | None, gradients: Sequence[Layer]
    ) -> Array:
        """The sums of the cross entropy's gradient over samples, into `gradients`. Returns the outputs."""
        activations = self._activations(features)
        deltas = activations[-1] - wanted
        if counted is not None:
            deltas *= counted[:, None].astype(deltas.dtype)
        for index in range(len(self.layers) - 1, -1, -1):
            weights_gradient, offsets_gradient = gradients[index]
            np.matmul(activations[index].T, deltas, out=weights_gradient)
            np.sum(deltas, axis=0, out=offsets_gradient)
            if index:
                deltas = deltas @ self.layers[index][0].T
                deltas[activations[index] == 0] = 0
        return activations[-1]

    def _adam_step(self, count: int) -> None:
        """A step by the gradient's sums over `count` samples, and the penalty."""
        self._steps += 1
        halves, middle = self._halves, len(self._parameters) // 2
        if halves is None:
            self._update(slice(None), count)
        else:
            if count > 1:
                self._gradient += halves.gradient
            halves.both(lambda: self._update(slice(middle), count), lambda: self._update(slice(middle, None), count))

    def _update(self, part: slice, count: int) -> None:
        """Adam's step for a part of the parameters, each of which is for itself."""
        parameters, gradient, mean, variance, scratch = (
            one[part] for one in (self._parameters, self._gradient, self._mean, self._variance, self._scratch)
        )
        penalised = max(self._penalised - (part.start or 0), 0)
        np.multiply(parameters[:penalised], ALPHA, out=scratch[:penalised])
        gradient[:penalised] += scratch[:penalised]
        gradient /= count
        rate = self.learning_rate * np.sqrt(1 - _BETA_2**self._steps) / (1 - _BETA_1**self._steps)
        mean *= _BETA_1
        np.multiply(gradient, 1 - _BETA_1, out=scratch)
        mean += scratch
        variance *= _BETA_2
        np.multiply(gradient, gradient, out=scratch)
        scratch *= 1 - _BETA_2
        variance += scratch
        np.sqrt(variance, out=scratch)
        scratch += _EPSILON
        np.divide(mean, scratch, out=scratch)
        scratch *= float(rate)
        parameters -= scratch


class _Halves:
    """The second half of the samples of each step: its gradient, and the thread that computes it."""

    def __init__(self, count: int, shapes: Sequence[tuple[int, int]], dtype: DTypeLike) -> None:
        self.gradient = np.zeros(count, dtype)
        self.gradients = _views(self.gradient, shapes)
        self._pool = ThreadPoolExecutor(1, "half") if thread_count() > 1 else None

    def both(self, first: Callable[[], Result], second: Callable[[], Result]) -> tuple[Result, Result]:
        """What two functions return, called at once where there are two cores."""
        if self._pool is None:
            return first(), second()
        # What numpy does about overflows is a thread's own affair.
        pending = self._pool.submit(copy_context().run, second)
        return first(), pending.result()


class PerceptronLearner:
    """A network of two outputs or more as a learner of `spacer_like.learning.training_loop`.

    Args:
        features: float32 [n, inputs].
        targets: [n, outputs] whether an example is of the output's class.
    """

    advice = "take a smaller learning_rate"

    def __init__(self, network: Perceptron, features: NDArray[np.float32], targets: NDArray[np.bool_]) -> None:
        self._network, self._features, self._targets = network, features, targets

    def begin_epoch(self, epoch: int, seed: int) -> Mapping[str, int | float]:
        """Nothing to do: no random numbers are drawn."""
        return {}

    def step(self, rows: NDArray[np.int64], rate: float) -> tuple[float, Array]:
        self._network.learning_rate = rate
        outputs = self._network.step(self._features[rows], self._targets[rows].astype(np.float32))
        return self._loss(rows, outputs), outputs

    def evaluate(self, rows: NDArray[np.int64]) -> tuple[float, Array]:
        starts = range(0, len(rows), _ROWS_AT_A_TIME)
        outputs = [self._network.outputs(self._features[rows[start : start + _ROWS_AT_A_TIME]]) for start in starts]
        found = np.concatenate(outputs)
        return self._loss(rows, found), found

    def _loss(self, rows: NDArray[np.int64], outputs: Array) -> float:
        """Mean cross entropy."""
        own = outputs[self._targets[rows]].astype(np.float64)
        return float(-np.log(np.maximum(own, _SMALLEST_PROBABILITY)).mean())

    def metrics(self, rows: NDArray[np.int64], outputs: Array, of: Literal["train", "validation"]) -> dict[str, float]:
        right = outputs.argmax(axis=1) == self._targets[rows].argmax(axis=1)
        return {"accuracy": float(right.mean())}

    def state(self) -> dict[str, NDArray[Any]]:
        return self._network.state()

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        self._network.restore(state)


def _views(flat: Array, shapes: Sequence[tuple[int, int]]) -> list[tuple[Array, Array]]:
    """Weights and bias of each layer within one array: first all weights, which are penalised, then all biases."""
    matrices, vectors, start = [], [], 0
    for inputs, outputs in shapes:
        matrices.append(flat[start : start + inputs * outputs].reshape(inputs, outputs))
        start += inputs * outputs
    for _, outputs in shapes:
        vectors.append(flat[start : start + outputs])
        start += outputs
    return list(zip(matrices, vectors, strict=True))


def _normalise(values: Array, is_binary: bool) -> None:
    """The logistic function of one output, the softmax of several, in place."""
    if is_binary:
        with np.errstate(over="ignore"):
            np.exp(-values, out=values)
        values += 1
        np.reciprocal(values, out=values)
    else:
        values -= values.max(axis=1, keepdims=True)
        np.exp(values, out=values)
        values /= values.sum(axis=1, keepdims=True)
