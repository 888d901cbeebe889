"""Which galaxies are held out, which train, and which of these each sub-sample of an ensemble sees.

A split is one of galaxies, by their ids: it is made once for all bands, and every band's images follow it. A galaxy
that a sub-sample does not see is out of its bag; none of these is held out.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from spacer_like.exceptions import TrainingLabelsError
from spacer_like.regression.labels import BANDS, LOWEST

if TYPE_CHECKING:
    from numpy.typing import NDArray

HELD_OUT_SHARE = 0.10
N_SAMPLES = 3
ORIGINAL_SHARE = 0.15
ORIGINAL_ORDER = ("r", "i", "g", "RGB")
"""Of two bands, InclinET splits the galaxies of the one that stands first."""
_PART = re.compile(rf"(?P<band>{'|'.join(BANDS)})_(?P<size>\d{{1,5}})x(?P=size)_(train|test)_\d{{3,}}\.(npz|npy)")
_ORIGINAL_SHUFFLE, _ORIGINAL_DIVISION, _ORIGINAL_STEP = 0, 100, 100


@dataclass(frozen=True)
class GalaxySplit:
    """The ids of the galaxies in each part.

    Fields:
        held_out: for the test, int32 [h].
        training: all others, int32 [m].
        samples: those that each sub-sample trains on, two thirds of `training` without replacement, rounded down.
        out_of_bag: those of `training` that each sub-sample does not see.
    """

    held_out: NDArray[np.int32]
    training: NDArray[np.int32]
    samples: tuple[NDArray[np.int32], ...]
    out_of_bag: tuple[NDArray[np.int32], ...]

    def parts(self) -> dict[str, NDArray[np.int32]]:
        """The ids by the names that files have: test_000 and train_000 of the whole, then those of each sub-sample."""
        tests, trains = (self.held_out, *self.out_of_bag), (self.training, *self.samples)
        named = {f"train_{number:03d}": ids for number, ids in enumerate(trains)}
        return named | {f"test_{number:03d}": ids for number, ids in enumerate(tests)}


def inclined_galaxies(
    bands: Mapping[str, tuple[NDArray[np.integer], NDArray[np.integer]]], minimum: int = LOWEST
) -> NDArray[np.int32]:
    """The ids of galaxies with an inclination in any band, int32 [n], ascending.

    Args:
        bands: ids and codes of each band's images.
        minimum: the least inclination in degrees, itself included.

    Raises:
        TrainingLabelsError: two bands give a galaxy different codes, or no galaxy is left.
    """
    code_of: dict[int, int] = {}
    for band, (ids, codes) in bands.items():
        for galaxy, code in zip(ids.tolist(), codes.tolist(), strict=True):
            if code_of.setdefault(galaxy, code) != code:
                raise TrainingLabelsError(
                    f"The galaxy {galaxy} has the code {code} in the band {band} and {code_of[galaxy]} in another: "
                    "pack the bands with one catalog."
                )
    kept = sorted(galaxy for galaxy, code in code_of.items() if code >= minimum)
    if not kept:
        raise TrainingLabelsError(f"No galaxy has an inclination of {minimum} or more.")
    return np.array(kept, np.int32)


def split_galaxies(
    ids: NDArray[np.integer], held_out_share: float = HELD_OUT_SHARE, n_samples: int = N_SAMPLES, seed: int = 0
) -> GalaxySplit:
    """A random split; the order of the ids makes no difference, and equal arguments give equal splits.

    Args:
        ids: of galaxies; one that is there more than once counts once.
        held_out_share: of the galaxies, rounded up.
        n_samples: the number of sub-samples.

    Raises:
        TrainingLabelsError: a share outside 0 to 1, or too few galaxies.
    """
    unique = np.unique(np.asarray(ids, np.int32))
    n_held = _number_held_out(len(unique), held_out_share)
    # Unlike the streams of NumPy's newer generators, those of this one are promised never to change.
    shuffled = np.random.RandomState(np.array([seed, 0], np.uint32)).permutation(unique)
    orders = (np.random.RandomState(np.array([seed, number], np.uint32)) for number in range(1, n_samples + 1))
    return _sampled(shuffled[:n_held], shuffled[n_held:], orders)


def with_others(split: GalaxySplit, ids: NDArray[np.integer]) -> GalaxySplit:
    """The split with further galaxies to train on, which are out of every sub-sample's bag.

    Args:
        ids: those of the split among them count once.
    """
    others = np.setdiff1d(np.asarray(ids, np.int32), np.concatenate([split.held_out, split.training]))
    return GalaxySplit(
        split.held_out,
        np.concatenate([split.training, others]),
        split.samples,
        tuple(np.concatenate([rest, others]) for rest in split.out_of_bag),
    )


def original_split(
    ids: NDArray[np.integer], held_out_share: float = ORIGINAL_SHARE, n_samples: int = N_SAMPLES
) -> GalaxySplit:
    """The split that InclinET makes of the ids of its first band, in the order in which it finds them.

    NumPy's RandomState of seed 0 shuffles them; scikit-learn's train_test_split of random_state 100, whose steps are
    taken here, holds galaxies out; RandomState of seed 100 j draws the sub-sample j.

    Args:
        ids: of galaxies with an inclination, each once.

    Raises:
        TrainingLabelsError: as `split_galaxies`; an id that is there twice.
    """
    if len(np.unique(ids)) != len(ids):
        raise TrainingLabelsError("A galaxy is there twice: the original split is one of galaxies, each once.")
    n_held = _number_held_out(len(ids), held_out_share)
    shuffled = np.random.RandomState(_ORIGINAL_SHUFFLE).permutation(np.asarray(ids, np.int32))
    order = np.random.RandomState(_ORIGINAL_DIVISION).permutation(len(shuffled))
    orders = (np.random.RandomState(_ORIGINAL_STEP * number) for number in range(1, n_samples + 1))
    return _sampled(shuffled[order[:n_held]], shuffled[order[n_held:]], orders)


def rows_of_part(part: NDArray[np.int32], ids: NDArray[np.integer]) -> NDArray[np.int64]:
    """The rows of a band's images that belong to a part, in the part's order; galaxies without one are left out.

    Args:
        part: ids of galaxies, each once.
        ids: of the band's images, each once.
    """
    order = np.argsort(ids, kind="stable")
    if not len(order):
        return np.empty(0, np.int64)
    found = np.searchsorted(ids[order], part).clip(max=len(order) - 1)
    rows: NDArray[np.int64] = order[found]
    present: NDArray[np.int64] = rows[np.asarray(ids)[rows] == part]
    return present


def part_name(band: str, size: int, part: str) -> str:
    """The name of a part's file without its ending.

    >>> part_name("r", 128, "train_001")
    'r_128x128_train_001'
    """
    return f"{band}_{size}x{size}_{part}"


def is_part(name: str, size: int) -> bool:
    """Whether the name of a file is that of a part of a split of images of a size.

    >>> is_part("r_128x128_train_001.npz", 128), is_part("r_64x64_train_001.npz", 128), is_part("r_128x128.npz", 128)
    (True, False, False)
    """
    match = _PART.fullmatch(name)
    return match is not None and int(match["size"]) == size


def band_of_part(name: str) -> str | None:
    """The band that the name of a part's file begins with, whatever folders stand before it; None: another name.

    >>> band_of_part("samples/RGB_128x128_test_000.npz"), band_of_part("images.npz")
    ('RGB', None)
    """
    found = _PART.fullmatch(name.replace("\\", "/").rpartition("/")[2])
    return found["band"] if found else None


def _number_held_out(count: int, share: float) -> int:
    if not 0 <= share < 1:
        raise TrainingLabelsError(f"The share of galaxies held out must be from 0 to below 1, and is {share}.")
    n_held = math.ceil(share * count)
    if count - n_held < 2:
        raise TrainingLabelsError(
            f"Of {count} galaxies {n_held} are held out, which leaves too few to draw sub-samples from: give more "
            "galaxies, or a smaller share."
        )
    return n_held


def _sampled(
    held_out: NDArray[np.int32], training: NDArray[np.int32], randoms: Iterable[np.random.RandomState]
) -> GalaxySplit:
    n_drawn = 2 * len(training) // 3
    orders = [random.permutation(len(training)) for random in randoms]
    samples = tuple(training[order[:n_drawn]] for order in orders)
    return GalaxySplit(held_out, training, samples, tuple(training[order[n_drawn:]] for order in orders))
