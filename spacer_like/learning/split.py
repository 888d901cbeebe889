"""Division of examples into a training, a validation and a test set: by ratio, by a hash of names, or by whole groups.

Examples that resemble each other, as neighbouring chips or pictures of one object do, belong into one set: a model
recognises the neighbours of what it was trained on, and its metrics would promise too much of other ones.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.random import RandomState
from numpy.typing import NDArray

from spacer_like.exceptions import TrainingLabelsError

DRAWS = 256
"""Divisions into groups that are drawn, of which the most even one is taken."""
_NOT_LEARNT, _NOT_VALIDATED = 10.0, 1.0
"""What a target counts that one side lacks: without it nothing could be learnt, or said of the target."""
_HASH_BITS = 64


@dataclass(frozen=True)
class Split:
    """Indices of examples, int64, ascending; together they are all, and none is in two sets.

    Attributes:
        train: what a model is trained on.
        validation: what training looks at, and metrics are of.
        test: what is looked at once, in the end; may be empty.
    """

    train: NDArray[np.int64]
    validation: NDArray[np.int64]
    test: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))


def split_by_ratio(indices: NDArray[np.int64], validation_share: float, seed: int) -> Split:
    """A random part of `indices` for validation, at least one of them and not all.

    Raises:
        TrainingLabelsError: there are fewer than two.
    """
    if len(indices) < 2:
        raise TrainingLabelsError(f"There must be at least two examples to learn from, and there are {len(indices)}.")
    held = min(max(round(validation_share * len(indices)), 1), len(indices) - 1)
    order = RandomState(seed).permutation(len(indices))
    return Split(np.sort(indices[order[held:]]), np.sort(indices[order[:held]]))


def split_by_hash(names: Sequence[str], validation_share: float, test_share: float = 0.0, seed: int = 0) -> Split:
    """A division by the hash of names: an example keeps its set whatever other examples are added or removed.

    Args:
        names: of examples or of their groups; equal names are in one set.
        validation_share, test_share: expected shares, 0 or more and together at most 1; a set may turn out empty.
        seed: another one gives another division.
    """
    bounds = np.array([1 - validation_share - test_share, 1 - test_share])
    positions = np.array([hash_position(name, seed) for name in names], np.float64)
    sets = np.searchsorted(bounds, positions, side="right")
    return Split(*(np.flatnonzero(sets == number) for number in range(3)))


def hash_position(name: str, seed: int) -> float:
    """A number in [0, 1) determined by a name and a seed."""
    digest = hashlib.blake2b(f"{seed} {name}".encode("utf-8", "surrogatepass"), digest_size=_HASH_BITS // 8).digest()
    # 53 bits: as many as a float holds, so that none is rounded up to 1.
    return (int.from_bytes(digest, "big") >> 11) / 2**53


def split_by_group(groups: Sequence[str], targets: NDArray[np.bool_], validation_share: float, seed: int) -> Split:
    """A division of whole groups, with about the wanted share of examples and of each target's examples.

    Of `DRAWS` random divisions it is the one in which these shares differ least from it in the mean; a target that
    only one side has counts more. It depends on which examples there are, and not on their order.

    Args:
        groups: the group of each of n examples.
        targets: [n, targets], whether an example has a target.
        validation_share: between 0 and 1; neither side is ever empty.

    Raises:
        TrainingLabelsError: there are fewer than two groups.
    """
    names, group = np.unique(np.asarray(groups), return_inverse=True)
    if len(names) < 2:
        raise TrainingLabelsError(
            f"Examples of at least two groups are needed, one to learn from and one to validate with, and there "
            f"{'is 1' if len(names) else 'are 0'}: add examples of another group."
        )
    # Of each group: its examples, and how many of them have each target.
    counts = np.zeros((len(names), 1 + targets.shape[1]), np.int64)
    np.add.at(counts, group, np.concatenate([np.ones((len(targets), 1), bool), targets], axis=1))
    random = RandomState(seed)
    best, least = np.zeros(0, np.int64), np.inf
    for _ in range(DRAWS):
        order = random.permutation(len(names))
        wanted = validation_share * len(groups)
        held = int(np.abs(np.cumsum(counts[order[:-1], 0]) - wanted).argmin()) + 1
        unevenness = _unevenness(counts, order[:held], validation_share)
        if unevenness < least:
            best, least = order[:held], unevenness
    validates = np.isin(group, best)
    return Split(np.flatnonzero(~validates), np.flatnonzero(validates))


def _unevenness(counts: NDArray[np.int64], held: NDArray[np.int64], wanted: float) -> float:
    total, validating = counts.sum(axis=0), counts[held].sum(axis=0)
    there = total > 0
    total, validating = total[there], validating[there]
    missing = _NOT_LEARNT * (validating == total) + _NOT_VALIDATED * (validating == 0)
    return float((np.abs(validating / total - wanted) + missing).mean())


def names_of_groups(names: Sequence[str], groups: NDArray[np.integer]) -> list[str]:
    """For each example the least name in its group, for `split_by_hash` to keep groups in one set.

    Args:
        names: of the examples, such as their hashes.
        groups: [n] equal numbers for examples that belong together, such as near duplicates.
    """
    least: dict[int, str] = {}
    for name, group in zip(names, groups.tolist(), strict=True):
        least[group] = min(name, least.get(group, name))
    return [least[group] for group in groups.tolist()]


def first_for_test(n: int, test_share: float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The examples to train and to test with, where the first ones of a list of n are for the test.

    At least one is, and where none remains to train with, all are trained with too.
    """
    held = min(max(1, int(test_share * n)), n)
    order = np.arange(n)
    return order[held:] if held < n else order, order[:held]


def fold_numbers(groups: NDArray[np.integer], targets: NDArray[np.bool_], folds: int, seed: int) -> NDArray[np.int64]:
    """The fold of each example, 0 to folds - 1: whole groups, with each target spread over as many folds as it can.

    Args:
        groups: [n] equal numbers for examples that belong together.
        targets: [n, targets], whether an example has a target.
    """
    names, group = np.unique(groups, return_inverse=True)
    has = np.zeros((len(names), targets.shape[1] + 1), bool)
    has[:, -1] = True
    np.logical_or.at(has[:, :-1], group, targets)
    # Groups are dealt in turn, those with the same rarest target one after the other.
    rarity = np.where(has, has.sum(axis=0), len(names) + 1)
    order = np.lexsort((RandomState(seed).permutation(len(names)), rarity.argmin(axis=1)))
    found = np.empty(len(names), np.int64)
    found[order] = np.arange(len(names)) % folds
    return found[group]
