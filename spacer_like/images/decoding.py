"""Many image files decoded in bounded memory: in batches ahead of their use, or passed on in the decoding threads."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from spacer_like import config
from spacer_like.cores import thread_count
from spacer_like.exceptions import SpacerInputError
from spacer_like.memory import ReusedMemory, thread_memory

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Three batches are held at a time: one that is looked at, one that is ready, one that is being filled.
_BATCH_BYTES = 2**25
BATCHES = 3
_MOST_IMAGES = 4096
# Local files are decoded in runs, for giving each alone to a thread costs more than a twentieth of its decoding.
_RUN = 32
_RUNS_OF_A_THREAD = 2
# Given away at a time: where images are looked at again so soon, they have not gone far from the core.
_FEW, _FEW_BYTES = 16, 5 * 2**19
# Files are read some at a time, and then decoded: threads that do both in turn wait for each other's Python
# twice as long.
_READ_BYTES = 2**22
_SECONDS_BETWEEN_REPORTS = 0.25


Fill = Callable[["NDArray[np.uint8]", bytes, str], None]
"""Fills uint8 [size, size, 3] with the pixels of an image, which is given by its file's bytes and name."""


class Batch(NamedTuple):
    """Images that were decoded.

    Fields:
        indices: [n]: which they are among all.
        pixels: uint8 [n, size, size, 3].
        unreadable: (index, reason) of those that are no images.
    """

    indices: list[int]
    pixels: NDArray[np.uint8]
    unreadable: list[tuple[int, str]]


def batch_length(size: int) -> int:
    """The number of squares of `size` pixels in a batch."""
    return min(max(_BATCH_BYTES // (3 * size * size), 1), _MOST_IMAGES)


@dataclass(frozen=True)
class Decoder:
    """Reads and decodes files in threads.

    Fields:
        read: gives a file's bytes by its name; called in many threads.
        fill: such as `spacer_like.images.square.square_into`.
        size: width and height in pixels that images are made to have.
        is_far: whether reading is waiting, such as for a network: then many are read at once.
    """

    read: Callable[[str], bytes]
    fill: Fill
    size: int
    is_far: bool = False

    def batches(self, names: Sequence[str], length: int) -> Iterator[Batch]:
        """All files in batches of `length`, in their order; the next one is decoded while one is used.

        Raises:
            SpacerError: one that is not the fault of a single file, such as a storage that does not answer.
        """
        workers, slots = self._workers()
        most_in_a_run = 1 if self.is_far else _RUN
        memory = thread_memory() or ReusedMemory(BATCHES)
        with ThreadPoolExecutor(workers, thread_name_prefix="decode") as pool:
            waiting: deque[_Filling] = deque()
            begins = iter(range(0, len(names), length))

            def begin() -> None:
                for first in begins:
                    indices = range(first, min(first + length, len(names)))
                    pixels = squares_in(memory, len(indices), self.size)
                    run = self._share(len(indices), workers, most_in_a_run)
                    waiting.append(_Filling(self, names, indices, run, pixels, slots, pool))
                    return

            try:
                begin()
                while waiting:
                    begin()
                    yield waiting.popleft().batch()
            finally:
                pool.shutdown(wait=True, cancel_futures=True)

    def decode_in_threads(
        self, names: Sequence[str], receive: Callable[[NDArray[np.uint8]], None], progress: Callable[[int], None]
    ) -> list[tuple[int, str]]:
        """Call `receive` with the pixels of all files, uint8 [n, size, size, 3], a few at a time.

        It is called by the threads that decode, in no order, and what it is given lies in the processor's cache still
        and is overwritten afterwards. `progress` is called now and then with how many files are done.

        Returns:
            (index, reason) of those that are no images, in their order.

        Raises:
            SpacerError: as `batches`; and whatever `receive` raises.
        """
        workers, slots = self._workers()
        most = 1 if self.is_far else min(_FEW, max(1, _FEW_BYTES // (3 * self.size * self.size)))
        parts = iter(self._parts(len(names), workers, most))
        unreadable: dict[int, str] = {}
        ended: list[int] = []

        def work() -> None:
            pixels = np.empty((most, self.size, self.size, 3), np.uint8)
            for first, stop in parts:
                some = names[first:stop]
                reasons = self.decode(some, pixels, slots)
                kept = [number for number in range(len(some)) if number not in reasons]
                if kept:
                    with slots:
                        receive(pixels[kept] if reasons else pixels[: len(some)])
                unreadable.update((first + number, reason) for number, reason in reasons.items())
                ended.append(len(some))

        with ThreadPoolExecutor(workers, thread_name_prefix="decode") as pool:
            try:
                working = {pool.submit(work) for _ in range(min(workers, len(names)))}
                while working:
                    finished, working = wait(working, _SECONDS_BETWEEN_REPORTS, FIRST_EXCEPTION)
                    for worker in finished:
                        worker.result()
                    progress(sum(ended))
            finally:
                # Nobody begins with more, if one has failed.
                deque(parts, maxlen=0)
        return sorted(unreadable.items())

    def _workers(self) -> tuple[int, AbstractContextManager[Any]]:
        """The number of threads, and what they hold while they compute."""
        computing = thread_count()
        workers = max(computing, config.settings().storage_concurrency) if self.is_far else computing
        # As many threads as there are cores need no leave to compute.
        return workers, threading.BoundedSemaphore(computing) if workers > computing else nullcontext()

    def _parts(self, count: int, workers: int, most: int) -> list[tuple[int, int]]:
        """The begin and end of the parts of `count` files that threads take one after the other."""
        ends = [0]
        while ends[-1] < count:
            ends.append(ends[-1] + self._share(count - ends[-1], workers, most))
        return list(pairwise(ends))

    @staticmethod
    def _share(count: int, workers: int, most: int) -> int:
        """The number of files that a thread takes at a time of `count`, so that all end at about the same time."""
        return max(1, min(most, -(-count // (_RUNS_OF_A_THREAD * workers))))

    def decode(
        self, names: Sequence[str], pixels: NDArray[np.uint8], slots: AbstractContextManager[Any]
    ) -> dict[int, str]:
        """Fill the first of `pixels` with the images of files; the reasons of those that cannot be, by their number."""
        reasons = {}
        waiting = deque(enumerate(names))
        while waiting:
            files, n_bytes = [], 0
            while waiting and n_bytes < _READ_BYTES:
                number, name = waiting.popleft()
                try:
                    data = self.read(name)
                except SpacerInputError as error:
                    reasons[number] = str(error)
                else:
                    files.append((number, data))
                    n_bytes += len(data)
            for number, data in files:
                try:
                    with slots:
                        self.fill(pixels[number], data, names[number])
                except SpacerInputError as error:
                    reasons[number] = str(error)
        return reasons


def squares_in(memory: ReusedMemory, count: int, size: int) -> NDArray[np.uint8]:
    """Uninitialised uint8 [count, size, size, 3]."""
    n_bytes = count * size * size * 3
    return np.frombuffer(memory.take(n_bytes), np.uint8, n_bytes).reshape(count, size, size, 3)


class _Filling:
    """A batch that is being decoded."""

    def __init__(
        self,
        decoder: Decoder,
        names: Sequence[str],
        indices: range,
        run: int,
        pixels: NDArray[np.uint8],
        slots: AbstractContextManager[Any],
        pool: ThreadPoolExecutor,
    ) -> None:
        self._decoder = decoder
        self._names = names
        self._indices = indices
        self._slots = slots
        self._pixels = pixels
        self._runs: list[Future[dict[int, str]]] = [
            pool.submit(self._fill, indices[first : first + run]) for first in range(0, len(indices), run)
        ]

    def _fill(self, indices: range) -> dict[int, str]:
        """Decode the files of some indices; the reasons of those that cannot be."""
        first = indices.start - self._indices.start
        names = [self._names[index] for index in indices]
        reasons = self._decoder.decode(names, self._pixels[first:], self._slots)
        return {indices[number]: reason for number, reason in reasons.items()}

    def batch(self) -> Batch:
        reasons: dict[int, str] = {}
        # To be woken once, and not for each run: the threads that decode would have to wait for this one.
        wait(self._runs, return_when=FIRST_EXCEPTION)
        for run in self._runs:
            reasons |= run.result()
        if not reasons:
            return Batch(list(self._indices), self._pixels, [])
        kept = [index for index in self._indices if index not in reasons]
        return Batch(kept, self._pixels[[index - self._indices.start for index in kept]], sorted(reasons.items()))
