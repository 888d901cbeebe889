"""Many logistic regressions on the same features, solved together: each step is one matrix product for all of them.

The method is L-BFGS (J. Nocedal, S. Wright, "Numerical optimization", 2nd edition, section 7.2), whose first guess of
the inverse Hessian comes from the features' covariance: without it, features that are not scaled take hundreds of
steps. Neither this guess nor the centring of features, which moves only the intercept, changes what is minimised.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spacer_like.row_blocks import BlockThreads, row_blocks

logger = logging.getLogger(__name__)

Floats = NDArray[np.float64]

_HISTORY = 10
_MOST_STEPS = 1000
_MOST_TRIALS = 60
_SAMPLE_ROWS = 2048
# A step is taken if it lowers the loss and makes it flatter than this share of what it was.
_FLATTER = 0.9
# A rise of the loss that rounding may explain.
_ROUNDING = 1e-10
_LEAST_CURVATURE = 0.05
_TINY = 1e-300


@dataclass(frozen=True, eq=False)
class Conditioner:
    """What the solver knows of the features beforehand. A poor one costs steps and changes no result.

    Attributes:
        mean: [d] of the features.
        directions: float32 [d, r] orthonormal principal directions.
        variances: [r] of the features along them.
    """

    mean: Floats
    directions: NDArray[np.float32]
    variances: Floats

    def applied(self, gradient: Floats, curvature: Floats) -> Floats:
        """An approximate inverse Hessian's product with gradients [d + 1, tags].

        Args:
            curvature: [tags] sum of p (1 - p) over the examples.
        """
        # Where a poor start makes every example certain, the sum says nothing of where the optimum is.
        curvature = np.maximum(curvature, _LEAST_CURVATURE)
        shrunk = 1 / (1 + np.outer(self.variances, curvature)) - 1
        # In single precision, of the directions that memory is slow to bring: the inverse is approximate anyhow.
        longest = np.maximum(np.abs(gradient[:-1]).max(axis=0), _TINY)
        along = self.directions.T @ (gradient[:-1] / longest).astype(np.float32)
        found = np.empty_like(gradient)
        np.add(gradient[:-1], (self.directions @ (along * shrunk).astype(np.float32)) * longest, out=found[:-1])
        np.divide(gradient[-1], curvature, out=found[-1])
        return found


def conditioner_of(features: NDArray[np.floating]) -> Conditioner:
    """The conditioner for features [n, d], from 2,048 of their rows at most."""
    n, dimension = features.shape
    rows = np.unique(np.linspace(0, n - 1, min(n, _SAMPLE_ROWS)).astype(np.intp))
    sample = features[rows].astype(np.float64)
    mean = sample.mean(axis=0)
    sample -= mean
    if len(sample) >= dimension:
        variances, directions = np.linalg.eigh(sample.T @ sample / len(sample))
        return Conditioner(mean, directions.astype(np.float32), np.maximum(variances, 0))
    variances, left = np.linalg.eigh(sample @ sample.T / len(sample))
    kept = variances > variances[-1] * 1e-12
    lengths = np.sqrt(variances[kept] * len(sample))
    directions = (sample.T @ left[:, kept] / lengths).astype(np.float32)
    return Conditioner(mean, directions, variances[kept])


@dataclass(frozen=True, eq=False)
class _Point:
    """What the examples say of a point: [4, tags] sums, and the losses' gradient [d + 1, tags]."""

    sums: Floats
    gradient: Floats

    @property
    def loss(self) -> Floats:
        found: Floats = self.sums[0]
        return found

    @property
    def slope(self) -> Floats:
        """Of the loss, along the direction."""
        found: Floats = self.sums[1]
        return found

    @property
    def bend(self) -> Floats:
        """The second derivative along the direction."""
        found: Floats = self.sums[2]
        return found

    @property
    def curvature(self) -> Floats:
        """The sum of p (1 - p)."""
        found: Floats = self.sums[3]
        return found


class _Examples:
    """Features [n, d], and of each tag targets, importance, margins, and their change along the direction [n, tags].

    The margin of an example is its features, less the mean, times the weights, plus the bias.
    """

    def __init__(
        self,
        features: NDArray[np.floating],
        mean: Floats,
        targets: Floats,
        importance: Floats,
        threads: BlockThreads,
    ) -> None:
        self.features, self.mean, self.threads = features, mean, threads
        self.targets, self.importance = targets, importance
        self.margins, self.moves = np.zeros_like(targets), np.zeros_like(targets)
        self.blocks = row_blocks(len(features))

    def of_tags(self, kept: NDArray[np.intp]) -> _Examples:
        """A copy that has only some tags."""
        found = _Examples(self.features, self.mean, self.targets[:, kept], self.importance[:, kept], self.threads)
        found.margins, found.moves = self.margins[:, kept], self.moves[:, kept]
        return found

    def point(self, lengths: Floats, direction: Floats | None = None, with_gradient: bool = True) -> _Point:
        """What is at `lengths` [tags] along a direction [d + 1, tags]; None: along the one before."""
        shift = 0.0 if direction is None else self.mean @ direction[:-1]

        def work(rows: slice) -> tuple[Floats, Floats | None]:
            features, moves = self.features[rows].astype(np.float64, copy=False), self.moves[rows]
            if direction is not None:
                np.matmul(features, direction[:-1], out=moves)
                moves += direction[-1] - shift
            sums, residuals = self._sums(rows, lengths)
            return sums, features.T @ residuals if with_gradient else None

        sums, gradient = np.zeros((5, len(lengths))), np.zeros((len(self.mean) + 1, len(lengths)))
        for part, products in self.threads.map(work, self.blocks):
            sums += part
            if products is not None:
                gradient[:-1] += products
        gradient[:-1] -= np.outer(self.mean, sums[4])
        gradient[-1] = sums[4]
        return _Point(sums[:4], gradient)

    def _sums(self, rows: slice, lengths: Floats) -> tuple[Floats, Floats]:
        """A block's sums of losses, slopes, bends, curvatures and residuals [5, tags], and the residuals [n, tags]."""
        importance, targets, moves = self.importance[rows], self.targets[rows], self.moves[rows]
        margins = self.margins[rows] + moves * lengths
        small = np.exp(-np.abs(margins))
        losses = np.log1p(small)
        losses += np.maximum(margins, 0)
        losses -= targets * margins
        losses *= importance
        probabilities = 1 / (1 + small)
        weights = small * probabilities
        weights *= probabilities
        weights *= importance
        np.multiply(probabilities, small, out=probabilities, where=margins < 0)
        residuals = probabilities
        residuals -= targets
        residuals *= importance
        parts = losses, residuals * moves, weights * moves * moves, weights, residuals
        return np.array([part.sum(axis=0) for part in parts]), residuals

    def move(self, lengths: Floats) -> None:
        """Take a step of `lengths` [tags] along the direction."""
        for rows in self.blocks:
            self.margins[rows] += self.moves[rows] * lengths


class _History:
    """The last steps and what they did to the gradient, from which the next direction is made."""

    def __init__(self, conditioner: Conditioner) -> None:
        self.conditioner = conditioner
        self.steps: list[tuple[Floats, Floats, Floats]] = []

    def add(self, step: Floats, change: Floats) -> None:
        products = (step * change).sum(axis=0)
        inverse = np.divide(1, products, out=np.zeros_like(products), where=products > _TINY)
        self.steps = [*self.steps[1 - _HISTORY :], (step, change, inverse)]

    def narrow(self, kept: NDArray[np.intp]) -> None:
        self.steps = [(step[:, kept], change[:, kept], inverse[kept]) for step, change, inverse in self.steps]

    def direction(self, gradient: Floats, curvature: Floats) -> Floats:
        """The direction [d + 1, tags] in which to go, by two loops over the steps."""
        rest, shares = gradient.copy(), []
        for step, change, inverse in reversed(self.steps):
            shares.append(inverse * (step * rest).sum(axis=0))
            rest -= shares[-1] * change
        found = self.conditioner.applied(rest, curvature)
        if self.steps:
            found *= self._scale(curvature)
        for (step, change, inverse), share in zip(self.steps, reversed(shares), strict=True):
            found += (share - inverse * (change * found).sum(axis=0)) * step
        found *= -1
        return found

    def _scale(self, curvature: Floats) -> Floats:
        """How much longer the last step was than the conditioner alone would make it for the same change."""
        _, change, inverse = self.steps[-1]
        products = inverse * (change * self.conditioner.applied(change, curvature)).sum(axis=0)
        found: Floats = np.divide(1, products, out=np.ones_like(products), where=products > _TINY)
        return found


class _Solver:
    """The tags that are not solved yet: where each is [d + 1, tags], with the bias of centred features."""

    def __init__(self, examples: _Examples, start: Floats, conditioner: Conditioner, tolerance: float) -> None:
        self.examples, self.place = examples, start
        self.history = _History(conditioner)
        # Half the squared weights bend the loss by at least 1, so that weights are no farther from the optimum than
        # the gradient is long, a margin at most twice the radius times that, and a probability a quarter of this.
        self.steepest = 2 * tolerance / max(_radius(examples), _TINY)
        self.shift = 4 * tolerance
        whole = np.ones(start.shape[1])
        self.point = examples.point(whole, start)
        examples.move(whole)
        self.gradient = self._gradient()
        self.stuck = np.zeros(start.shape[1], bool)

    def _gradient(self) -> Floats:
        found = self.point.gradient.copy()
        found[:-1] += self.place[:-1]
        return found

    def unsolved(self) -> NDArray[np.bool_]:
        """Whether each tag is not solved, and rounding does not hide the way."""
        steep: NDArray[np.bool_] = np.linalg.norm(self.gradient[:-1], axis=0) > self.steepest
        steep |= np.abs(self.gradient[-1]) > self.shift * self.point.curvature
        steep &= ~self.stuck
        return steep

    def narrow(self, kept: NDArray[np.intp]) -> None:
        """Go on with some tags only."""
        self.examples = self.examples.of_tags(kept)
        self.history.narrow(kept)
        self.place, self.gradient, self.stuck = self.place[:, kept], self.gradient[:, kept], self.stuck[kept]
        self.point = _Point(self.point.sums[:, kept], self.point.gradient[:, kept])

    def step(self, unsolved: NDArray[np.bool_]) -> None:
        """One step for each unsolved tag."""
        direction = self.history.direction(self.gradient, self.point.curvature)
        direction[:, ~unsolved] = 0
        lengths = self._lengths(direction)
        self.examples.move(lengths)
        step, before = lengths * direction, self.gradient
        self.place += step
        self.gradient = self._gradient()
        self.history.add(step, self.gradient - before)
        self.stuck |= unsolved & (lengths == 0)

    def _lengths(self, direction: Floats) -> Floats:
        """How far to go [tags]; the point is then the one there."""
        steepness = (self.gradient * direction).sum(axis=0)
        along = (self.place[:-1] * direction[:-1]).sum(axis=0)
        square = np.square(direction[:-1]).sum(axis=0)
        before = self.point.loss
        lengths = np.ones_like(before)
        self.point = self.examples.point(lengths, direction)
        slope = self.point.slope + along + square
        rise = self.point.loss - before + along + square / 2
        good = (rise <= _ROUNDING * np.abs(before)) & (np.abs(slope) <= _FLATTER * np.abs(steepness))
        if bad := np.flatnonzero(~good).tolist():
            some = self.examples.of_tags(np.array(bad))
            lengths[bad] = _downhill(some, along[bad], square[bad], steepness[bad])
            there = some.point(lengths[bad])
            self.point.sums[:, bad], self.point.gradient[:, bad] = there.sums, there.gradient
        return lengths


def _downhill(examples: _Examples, along: Floats, square: Floats, steepness: Floats) -> Floats:
    """For each tag a length at which the loss still falls, half as steeply as at first or less; 0 where none is found.

    Args:
        along, square: the penalty's slope at first, and its second derivative.
        steepness: the slope at first, below 0.
    """
    lower, upper = np.zeros_like(along), np.full_like(along, np.inf)
    lengths, is_found = np.ones_like(along), np.zeros(len(along), bool)
    for _ in range(_MOST_TRIALS):
        point = examples.point(lengths, with_gradient=False)
        slope = point.slope + along + lengths * square
        falls = slope <= 0
        lower = np.where(~is_found & falls, lengths, lower)
        upper = np.where(~is_found & ~falls, lengths, upper)
        is_found |= falls & (slope >= steepness / 2)
        if is_found.all():
            break
        # Newton's method aims at the middle of the slopes that will do.
        aimed = lengths - (slope - steepness / 4) / np.maximum(point.bend + square, _TINY)
        halved = np.where(np.isinf(upper), 2 * lengths, (lower + np.where(np.isinf(upper), 0, upper)) / 2)
        lengths = np.where(is_found, lower, np.where((aimed > lower) & (aimed < upper), aimed, halved))
    return lower


def solve(
    examples: tuple[NDArray[np.floating], Floats, Floats],
    start: Floats,
    conditioner: Conditioner,
    tolerance: float,
    threads: BlockThreads,
) -> Floats:
    """Weights and, in the last row, bias [d + 1, tags] that minimise the sum of losses plus half the squared weights.

    Args:
        examples: features, float32 or float64 [n, d]; targets [n, tags], 1 or 0; and importance [n, tags], what an
            example's loss counts.
        start: [d + 1, tags] where to begin.
        tolerance: no example's probability is farther than this from the optimum's.
    """
    features, targets, importance = examples
    found, mean = start.copy(), conditioner.mean
    found[-1] += mean @ found[:-1]
    solver = _Solver(_Examples(features, mean, targets, importance, threads), found.copy(), conditioner, tolerance)
    tags = np.arange(found.shape[1])
    for _ in range(_MOST_STEPS):
        unsolved = solver.unsolved()
        if 2 * unsolved.sum() <= len(tags):
            found[:, tags] = solver.place
            kept = np.flatnonzero(unsolved)
            if not len(kept):
                break
            solver.narrow(kept)
            tags, unsolved = tags[kept], unsolved[kept]
        solver.step(unsolved)
    else:
        found[:, tags] = solver.place
        logger.warning("After %d steps %d tags' weights are not at their optimum.", _MOST_STEPS, len(tags))
    found[-1] -= mean @ found[:-1]
    return found


def _radius(examples: _Examples) -> float:
    """The greatest distance of a feature vector from the mean."""

    def work(rows: slice) -> float:
        features = examples.features[rows].astype(np.float64, copy=False)
        squares = np.einsum("ij,ij->i", features, features) - 2 * (features @ mean)
        return float(squares.max()) + float(mean @ mean)

    mean = examples.mean
    return float(np.sqrt(max(0.0, *examples.threads.map(work, examples.blocks))))
