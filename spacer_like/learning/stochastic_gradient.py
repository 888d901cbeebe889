"""Logistic regression, one class against the others, by averaged stochastic gradient descent: many samples at a time.

The recursion is that of scikit-learn's ``SGDClassifier(loss="log_loss", penalty="l2", learning_rate="optimal")``: for
the sample x with target y in {0, 1}, at step t,

    eta_t = 1 / (alpha * (t0 + t - 1)),  t0 = 1 / (alpha * sqrt(1 / sqrt(alpha)))
    p_t   = sigmoid(w . x + b)
    w     = (1 - eta_t * alpha) * w + eta_t * (y - p_t) * x,   b = b + eta_t * (y - p_t)

(L. Bottou, "Stochastic gradient descent tricks", 2012). Samples are strictly sequential, but within a block the weights
are the block's first ones plus a combination of the samples seen since, so that w . x needs only the block's Gram
matrix: all work with vectors becomes products of matrices, and what is left of the recursion is a product with a
triangular matrix and a tanh for each sample. All classes share the order of samples, which makes the products possible.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

ALPHA = 1e-4
"""Weight of the L2 penalty: scikit-learn's default."""
_BLOCK = 64
_STATE = ("weights", "bias", "mean_weights", "mean_bias", "step")


class StochasticGradient:
    """Weights of `columns` binary classifiers and their running averages.

    Attributes:
        weights, bias: float64 [columns, dimension] and [columns], after the last step.
        mean_weights, mean_bias: their means over all steps.
    """

    def __init__(self, columns: int, dimension: int, alpha: float = ALPHA) -> None:
        self.alpha = alpha
        self.weights = np.zeros((columns, dimension))
        self.bias = np.zeros(columns)
        self.mean_weights = np.zeros((columns, dimension))
        self.mean_bias = np.zeros(columns)
        self.step = 1
        self._first_step = 1 / (alpha * np.sqrt(1 / np.sqrt(alpha)))

    def state(self) -> dict[str, NDArray[Any]]:
        """A copy of everything that steps change."""
        return {name: np.array(getattr(self, name)) for name in _STATE}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Restore what `state` returned, or raise a ValueError or KeyError where it does not fit."""
        if any(state[name].shape != np.shape(getattr(self, name)) for name in _STATE):
            raise ValueError("it is of another classifier")
        for name in _STATE[:-1]:
            setattr(self, name, np.array(state[name], np.float64))
        self.step = int(state["step"])

    def learn(
        self,
        features: NDArray[np.floating],
        rows: NDArray[np.intp],
        targets: NDArray[np.bool_],
        counted: Floats | None = None,
    ) -> None:
        """One pass over samples in the given order.

        Args:
            features: [n, dimension].
            rows: [m] which of them to visit, in order.
            targets: [m, columns] whether the sample visited is of the column's class.
            counted: [m] what each of them counts in the loss; None: 1.
        """
        counted = np.ones(len(rows)) if counted is None else counted
        with np.errstate(over="ignore", invalid="ignore"):
            for start in range(0, len(rows), _BLOCK):
                block = slice(start, start + _BLOCK)
                self._learn_block(features[rows[block]].astype(np.float64), targets[block], counted[block])

    def _learn_block(self, samples: Floats, targets: NDArray[np.bool_], counted: Floats) -> None:
        count = len(samples)
        rates = 1 / (self.alpha * (self._first_step + self.step + np.arange(count) - 1))
        shrunk = np.cumprod(1 - rates * self.alpha)
        before = np.concatenate([[1.0], shrunk[:-1]])

        # A sample that counts twice pushes twice as far; the penalty does not.
        rates = rates * counted
        updates = rates[:, None] * self._residuals(samples, targets, rates, shrunk, before)
        # In units of the weights as they stand before any shrinking of this block.
        pushes = updates / shrunk[:, None]
        # The sum over the block's steps of the weights: a sample counts from its own step on.
        lasting = np.cumsum(shrunk[::-1])[::-1]
        combined = np.concatenate([pushes, pushes * lasting[:, None]], axis=1).T @ samples
        columns = len(self.weights)
        bias = self.bias + np.cumsum(updates, axis=0)

        last_step = self.step + count - 1
        kept = (self.step - 1) / last_step
        self.mean_weights *= kept
        self.mean_weights += (combined[columns:] + lasting[0] * self.weights) / last_step
        self.mean_bias = kept * self.mean_bias + bias.sum(axis=0) / last_step
        self.weights += combined[:columns]
        self.weights *= shrunk[-1]
        self.bias = bias[-1]
        self.step += count

    def _residuals(
        self, samples: Floats, targets: NDArray[np.bool_], rates: Floats, shrunk: Floats, before: Floats
    ) -> Floats:
        """The residuals y - p [count, columns] of samples, at the weights after the samples before each.

        With p = 1/2 + tanh(z/2)/2, all that does not depend on an earlier tanh is gathered beforehand.
        """
        influence = (samples @ samples.T) * (before[:, None] / shrunk) + 1
        influence *= rates / 2
        influence = np.tril(influence, -1)
        halves = targets - 0.5
        known = (samples @ self.weights.T * before[:, None] + self.bias) / 2 + influence @ halves
        influence /= -2
        tanhs = np.zeros_like(known)
        tanh = np.tanh
        for row, value, result in zip(influence, known, tanhs, strict=True):
            value += row.dot(tanhs)
            tanh(value, result)
        residuals: Floats = halves - tanhs / 2
        return residuals
