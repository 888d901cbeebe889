"""Images in files to vectors: each content is decoded once, in threads that decode and run the network at once.

What is made of an image depends on its bytes alone: neither on the number of threads nor on the images beside it.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from spacer_like import config
from spacer_like.cores import thread_count
from spacer_like.embeddings import Encoder
from spacer_like.embeddings.embeddings_table import ImageRecord
from spacer_like.exceptions import SpacerInputError
from spacer_like.progress import report
from spacer_like.tags.image_hashes import content_hash, described_image
from spacer_like.tags.known_images import KnownImages

if TYPE_CHECKING:
    from PIL import Image

    from spacer_like.extractors.base import FeatureExtractor

# While as many wait for the network, others decode.
_THREADS_OF_A_CORE = 2
# Known images are read and hashed in so little time that handing each to a thread would take as long.
_RUN = 8
TOGETHER_ON_A_GPU = 64
"""How many squares enter a network at once there."""

Square = Callable[["Image.Image | NDArray[np.uint8]"], NDArray[np.uint8]]
Receive = Callable[[Sequence[ImageRecord], NDArray[np.float32]], None]


@dataclass
class Encoded:
    """What became of images.

    Attributes:
        contents: the content hash of each image, whose vector is known now; None: it failed.
        reasons: why images failed, by their index and in its order.
        n_encoded: images that were decoded.
    """

    contents: list[str | None]
    reasons: dict[int, str] = field(default_factory=dict)
    n_encoded: int = 0


@dataclass(frozen=True)
class ImageEncoding:
    """Makes vectors of image files.

    Fields:
        encoder: of the squares.
        square: makes the square of a decoded image, uint8 [size, size, 3].
        together: how many squares enter the encoder at once, filled up with black ones; for GPUs, whose vectors depend
            on that number and on nothing else.
        by_pixels: vectors that are known by the hash of an image's pixels.
        why_no_other: why images have no vector that is not known; None: the encoder makes it.
    """

    encoder: Encoder
    square: Square
    together: int = 1
    by_pixels: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)
    why_no_other: str | None = None

    def __call__(
        self,
        paths: Sequence[str],
        read: Callable[[int], bytes],
        known: KnownImages,
        receive: Receive,
        is_far: bool = False,
    ) -> Encoded:
        """Add the vector of every image to those that are known; what is known is read and not decoded.

        Args:
            paths: of the images, in their order.
            read: gives the bytes of the image of an index; called in many threads.
            receive: called in this thread with the records and vectors of images that were decoded and are known now.
            is_far: whether reading is waiting, such as for a network.

        Raises:
            SpacerError: one that is not the fault of a single file.
        """
        return _Run(self, paths, read, known, receive, is_far).result()


def encoding_of(extractor: FeatureExtractor, encoder: Encoder) -> ImageEncoding:
    """The encoding of images by an extractor.

    Args:
        encoder: the extractor's, of whole images.
    """
    from spacer_like.extractors.network_extractor import NetworkExtractor, chosen_device

    on_a_gpu = isinstance(extractor, NetworkExtractor) and chosen_device() == "cuda"
    return ImageEncoding(encoder, extractor.preprocessing.square, TOGETHER_ON_A_GPU if on_a_gpu else 1)


@dataclass(frozen=True)
class _Outcome:
    """Of one image: a content that is known or being made, a reason, or what was made of it, a vector or a square."""

    index: int
    content: str | None = None
    reason: str | None = None
    record: ImageRecord | None = None
    made: NDArray[Any] | None = None
    is_square: bool = False


class _Run:
    def __init__(
        self,
        encoding: ImageEncoding,
        paths: Sequence[str],
        read: Callable[[int], bytes],
        known: KnownImages,
        receive: Receive,
        is_far: bool,
    ) -> None:
        self._encoding = encoding
        self._paths = paths
        self._read = read
        self._known = known
        self._receive = receive
        computing = _THREADS_OF_A_CORE * thread_count()
        self._workers = max(computing, config.settings().storage_concurrency) if is_far else computing
        self._slots: AbstractContextManager[Any] = threading.BoundedSemaphore(computing) if is_far else nullcontext()
        self._lock = threading.Lock()
        self._begun: set[str] = set()
        self._squares: list[_Outcome] = []
        self._encoded = Encoded([None] * len(paths))

    def result(self) -> Encoded:
        encoded = self._encoded
        for ended, outcome in enumerate(self._outcomes(), 1):
            self._take(outcome)
            report("images", ended, len(self._paths))
        self._encode_squares()
        # What was left to another file of the same bytes that then failed fails for its own reason.
        for index, content in enumerate(encoded.contents):
            if content is not None and not self._known.has(content):
                self._begun.discard(content)
                self._take(self._outcome(index))
                self._encode_squares()
        encoded.reasons = dict(sorted(encoded.reasons.items()))
        return encoded

    def _outcomes(self) -> Iterator[_Outcome]:
        """What became of each image, in their order."""
        indices = range(len(self._paths))
        step = max(1, min(_RUN, len(indices) // (4 * self._workers)))
        runs = iter([indices[first : first + step] for first in range(0, len(indices), step)])
        with ThreadPoolExecutor(self._workers, thread_name_prefix="encode") as pool:
            waiting: deque[Future[list[_Outcome]]] = deque()
            try:
                for run in islice(runs, 2 * self._workers):
                    waiting.append(pool.submit(self._do, run))
                while waiting:
                    outcomes = waiting.popleft().result()
                    for run in islice(runs, 1):
                        waiting.append(pool.submit(self._do, run))
                    yield from outcomes
            finally:
                pool.shutdown(wait=True, cancel_futures=True)

    def _do(self, indices: range) -> list[_Outcome]:
        return [self._outcome(index) for index in indices]

    def _outcome(self, index: int) -> _Outcome:
        try:
            data = self._read(index)
        except SpacerInputError as error:
            return _Outcome(index, reason=str(error))
        content = content_hash(data)
        if self._known.has(content):
            return _Outcome(index, content)
        with self._lock:
            if content in self._begun:
                return _Outcome(index, content)
            self._begun.add(content)
        with self._slots:
            return self._made(index, data, content)

    def _made(self, index: int, data: bytes, content: str) -> _Outcome:
        path = self._paths[index]
        squares: list[NDArray[np.uint8]] = []
        try:
            found = described_image(data, path, lambda image: squares.append(self._encoding.square(image)))
        except SpacerInputError as error:
            return _Outcome(index, reason=str(error))
        made: NDArray[Any] | None = self._encoding.by_pixels.get(found.hash_id)
        is_square = made is None and self._encoding.together > 1
        if made is None and self._encoding.why_no_other is not None:
            return _Outcome(index, reason=self._encoding.why_no_other)
        if made is None:
            made = squares[0] if is_square else self._encoding.encoder.features(squares[0][None])[0]
        size = (found.n_bytes, found.width, found.height)
        record = ImageRecord(path, content, found.hash_id, found.file_type, *size)
        return _Outcome(index, content, record=record, made=made, is_square=is_square)

    def _take(self, outcome: _Outcome) -> None:
        self._encoded.contents[outcome.index] = outcome.content
        if outcome.reason is not None:
            self._encoded.reasons[outcome.index] = outcome.reason
        elif outcome.record is not None and outcome.made is not None:
            self._encoded.n_encoded += 1
            if not outcome.is_square:
                self._keep([outcome.record], outcome.made[None])
            else:
                self._squares.append(outcome)
                if len(self._squares) == self._encoding.together:
                    self._encode_squares()

    def _encode_squares(self) -> None:
        squares = [outcome.made for outcome in self._squares if outcome.made is not None]
        records = [outcome.record for outcome in self._squares if outcome.record is not None]
        self._squares.clear()
        if squares:
            pixels = np.zeros((self._encoding.together, *squares[0].shape), np.uint8)
            pixels[: len(squares)] = squares
            self._keep(records, self._encoding.encoder.features(pixels)[: len(squares)])

    def _keep(self, records: Sequence[ImageRecord], vectors: NDArray[np.float32]) -> None:
        self._known.add(records, vectors)
        self._receive(records, vectors)
