"""What a network learns from, batch after batch, read ahead while it learns, and what it is validated with."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.random import RandomState

from spacer_like.exceptions import MessageError, TrainingLabelsError
from spacer_like.regression.augmentation import Options, Pool, changed, class_of, fly_batch, grey_and_colour
from spacer_like.regression.dataset import open_pool, pool_files
from spacer_like.regression.labels import LOWEST, to_target
from spacer_like.storage import open_file

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from typing_extensions import Self

    from spacer_like.learning.training_loop import TrainingConfig
    from spacer_like.location import DataLocation

Precision = Literal["float32", "bfloat16"]
HELD_OUT = "_test_000."
"""What the names of files of held-out galaxies hold."""
AS_ORIGINAL = Options(anisotropic_scale=True, random_order=True)
_ORIGINAL_SEED = 50
_VALIDATION_SEED = 50
_BLOCKS, _BLOCK_BYTES = 16, 2**16
_GREY_SHARE = 0.5


@dataclass(frozen=True)
class NetworkConfig:
    """How a network is trained.

    Attributes:
        training: the loop; an epoch is one batch of images.
        n_classes: None: a number is learnt, with the mean square of the errors; else classes, with the cross entropy.
        input_scale: what pixels are multiplied by.
        precision: of products; weights and sums are float32 always.
    """

    training: TrainingConfig
    n_classes: int | None
    input_scale: float
    precision: Precision


@dataclass(frozen=True)
class Examples:
    """Images and what a network should say of them.

    Attributes:
        inputs: uint8 [n, size, size, 3], or float32 [n, numbers], an extractor's features of them.
        targets: float32 [n] between -1 and 1, or the classes as int64 [n].
    """

    inputs: NDArray[Any]
    targets: NDArray[Any]

    def __len__(self) -> int:
        return len(self.targets)


def metrics_of(outputs: NDArray[Any], targets: NDArray[Any]) -> dict[str, float]:
    """How near outputs are to targets, and ``spread``, their standard deviation, unless the targets are all the same.

    Args:
        outputs: [n], or [n, classes], of which the largest counts; their spread is that of the last less the first.
        targets: float32 [n], or the classes as int64 [n].
    """
    if is_of_classes := outputs.ndim > 1:
        found = {"accuracy": float((outputs.argmax(axis=1) == targets).mean())}
    else:
        errors = outputs.astype(np.float64) - targets
        found = {"mse": float(np.mean(errors**2)), "mae": float(np.abs(errors).mean())}
    if (targets != targets[0]).any():
        spread = outputs[:, -1] - outputs[:, 0] if is_of_classes else outputs
        found["spread"] = float(spread.std(dtype=np.float64))
    return found


def examples_of(pool: Pool, n_classes: int | None) -> Examples:
    """The images of a pool with their targets, without those that have none.

    Args:
        n_classes: None: the inclination is learnt, and only galaxies that have one are kept; 2: whether there is one.
    """
    if n_classes is not None:
        return Examples(pool.images, class_of(pool.inclinations))
    kept = _with_inclination(pool)
    return Examples(kept.images, to_target(kept.inclinations.astype(np.float64)).astype(np.float32))


def _with_inclination(pool: Pool) -> Pool:
    has_one = pool.inclinations >= LOWEST
    # What is mapped from a file is not read for nothing.
    return pool if has_one.all() else Pool(*(values[has_one] for values in vars(pool).values()))


def batch_order(n_batches: int, passes: int, seed: int) -> list[int]:
    """The number of the batch of each step: every pass has all of them, in a random order of its own."""
    random = (np.random.default_rng([seed, number]) for number in range(passes))
    return [index for one in random for index in one.permutation(n_batches).tolist()]


def original_order(n_batches: int, passes: int, sub_sample: int) -> list[int]:
    """As `batch_order`, in InclinET's order for a sub-sample, or 0 for all galaxies, where later passes are alike.

    >>> original_order(5, 1, 0)
    [3, 2, 1, 4, 0]
    """
    order: list[int] = []
    for number in range(passes):
        numbers = np.arange(n_batches)
        seed = number * _ORIGINAL_SEED * sub_sample if number else _ORIGINAL_SEED
        RandomState(seed % 2**32).shuffle(numbers)
        order += numbers.tolist()
    return order


def validation_pool(pools: Sequence[Pool], original: bool) -> Pool | None:
    """The images that a network is validated with; None where there are none.

    Args:
        pools: of one band or several; not changed.
        original: those of colour are changed and half of them made grey, as many grey ones are drawn and changed, and
            half of those inverted, as InclinET does; else all images stay as they are.

    Raises:
        TrainingLabelsError: images of different sizes.
    """
    pools = [pool for pool in pools if len(pool.images)]
    if not pools:
        return None
    check_sizes(pools)
    if original:
        pools = _changed_as_original(pools)
    columns = zip(*(vars(pool).values() for pool in pools), strict=True)
    return Pool(*(np.concatenate(parts) for parts in columns))


def _changed_as_original(pools: Sequence[Pool]) -> list[Pool]:
    greys, colours = grey_and_colour(pools)
    n_colour = sum(len(pool.images) for pool in colours)
    rows = [(pool, row) for pool in colours for row in range(len(pool.images))]
    grey_rows = [(pool, row) for pool in greys for row in range(len(pool.images))]
    drawn = np.random.default_rng(_VALIDATION_SEED).permutation(len(grey_rows))[: n_colour or None]
    rows += [grey_rows[index] for index in drawn.tolist()]
    images = np.empty((len(rows), *rows[0][0].images.shape[1:]), np.uint8)
    for number, (pool, row) in enumerate(rows):
        random = np.random.default_rng([_VALIDATION_SEED, number])
        images[number] = changed(pool.images[row], random, number >= n_colour, AS_ORIGINAL)
        if number < n_colour and random.random() < _GREY_SHARE:
            images[number] = np.rint(images[number].mean(axis=2, keepdims=True))
        if 0 <= number - n_colour < len(drawn) // 2:
            np.subtract(255, images[number], out=images[number])
    columns = (
        np.array([getattr(pool, name)[row] for pool, row in rows]) for name in ("inclinations", "ids", "filters")
    )
    return [Pool(images, *columns)]


def check_sizes(pools: Sequence[Pool]) -> int:
    """The width and height of the images of pools, of which there is one at least.

    Raises:
        TrainingLabelsError: they have several.
    """
    sizes = sorted({pool.images.shape[1] for pool in pools})
    if len(sizes) > 1:
        raise TrainingLabelsError(
            f"The images have {sizes[0]} and {sizes[1]} pixels: a network learns from images of one size."
        )
    return int(sizes[0])


def check_not_held_out(locations: Sequence[DataLocation]) -> None:
    """Refuse, as a `MessageError`, to choose a network by galaxies that are held out to test it."""
    for loc in locations:
        if HELD_OUT in loc.filename:
            raise MessageError(
                f"'{loc.display_name}' holds the galaxies that are held out for the test: validate with those out of "
                "the bag of a sub-sample, such as test_001, or set original to do as InclinET does."
            )


def contents_mark(loc: DataLocation) -> str:
    """A hash that changes with a file of images, of its length and 16 parts of it, with little read.

    An ``.npz`` ends with the checksums of all its arrays; of an ``.npy`` the table beside it counts too.
    """
    digest = hashlib.blake2b(digest_size=20)
    for one in pool_files(loc):
        with open_file(one) as file:
            length = file.seek(0, 2)
            digest.update(length.to_bytes(8, "little"))
            last = max(0, length - _BLOCK_BYTES)
            for start in sorted({last * part // (_BLOCKS - 1) for part in range(_BLOCKS)}):
                file.seek(start)
                digest.update(file.read(_BLOCK_BYTES))
    return digest.hexdigest()


class BatchFiles:
    """Batches in files."""

    def __init__(self, locations: Sequence[DataLocation]) -> None:
        self._locations = list(locations)

    def __len__(self) -> int:
        return len(self._locations)

    @cached_property
    def examples(self) -> list[Pool]:
        """Images like those of all batches: the first batch."""
        return [open_pool(self._locations[0])]

    def pool(self, number: int, step: int) -> Pool:
        """The images of a batch; the step makes no difference."""
        return open_pool(self._locations[number])

    @property
    def names(self) -> list[str | None]:
        """Of the files, by the number of the batch."""
        return [loc.filename for loc in self._locations]


class MadeBatches:
    """Batches that are made of the images of samples while a network learns, of each step another one."""

    def __init__(self, pools: Sequence[Pool], n_batches: int, per_bin: int, seed: int, options: Options) -> None:
        pools = list(pools) if options.by_class else [_with_inclination(pool) for pool in pools]
        self._greys, self._colours = grey_and_colour([pool for pool in pools if len(pool.images)])
        self._n_batches, self._per_bin, self._seed, self._options = n_batches, per_bin, seed, options

    def __len__(self) -> int:
        return self._n_batches

    @property
    def examples(self) -> list[Pool]:
        """Images like those of all batches: those of which they are made."""
        return [*self._greys, *self._colours]

    def pool(self, number: int, step: int) -> Pool:
        """The images of a batch, made for a step."""
        return fly_batch(self._greys, self._colours, self._per_bin, self._seed, step, self._options)

    @property
    def names(self) -> list[str | None]:
        """There are no files."""
        return [None] * self._n_batches


Batches = BatchFiles | MadeBatches


class ReadAhead:
    """What a function makes of each step, counted from 0; the next one is made while one is used. A context.

    Attributes:
        seconds_waited: for steps but the first.
    """

    def __init__(self, make: Callable[[int], Examples], n_steps: int) -> None:
        self._make, self._n_steps = make, n_steps
        self._executor = ThreadPoolExecutor(1, "batch")
        self._pending: dict[int, Future[Examples]] = {}
        self.seconds_waited = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._executor.shutdown(cancel_futures=True)

    def __call__(self, step: int) -> Examples:
        """That of a step; to be asked for in order, from any step on."""
        is_ahead = step in self._pending
        began = time.perf_counter()
        found = self._submitted(step).result()
        if is_ahead:
            self.seconds_waited += time.perf_counter() - began
        self._pending.clear()
        if step + 1 < self._n_steps:
            self._submitted(step + 1)
        return found

    def _submitted(self, step: int) -> Future[Examples]:
        if step not in self._pending:
            self._pending[step] = self._executor.submit(self._make, step)
        return self._pending[step]
