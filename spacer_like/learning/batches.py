"""Features and labels in batches, kept in memory up to a limit, and read again for each pass beyond it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.random import RandomState
from numpy.typing import NDArray

from spacer_like.data_classes import DataLocation, ImageLabels, LabelId
from spacer_like.data_classes.feature_reading import READ_POINTS, FeatureReader, grouped, shuffled_images
from spacer_like.exceptions import FeatureFileError, TrainingLabelsError

_FLOAT32_BYTES = 4
# Where features do not fit, half of the memory keeps some; the other half holds up to four groups: one read ahead, one
# being worked on, and copies of both in the making.
_GROUPS_IN_MEMORY = 8


@dataclass(frozen=True)
class Batch:
    """Points to train on or to classify.

    Attributes:
        features: float32 [n, dimension]; more rows than the batch has points where everything is in memory.
        rows: [m] the batch's points among them, in order.
        targets: [m] their classes, as indices.
    """

    features: NDArray[np.float32]
    rows: NDArray[np.intp]
    targets: NDArray[np.intp]

    @property
    def vectors(self) -> NDArray[np.float32]:
        """The batch's own vectors, [m, dimension]."""
        return self.features[self.rows]


class LabelledFeatures:
    """The features of a set of labels, for any number of passes over them.

    As many images as `memory_bytes` allow, the first ones of the labels, are kept when the first pass has read them;
    the others are read again in each pass, several thousand points at a time, while those before are being worked on.
    Both ways give the same batches.

    Attributes:
        dimension: numbers in a vector.
        held_bytes: size of what is kept.
    """

    def __init__(self, labels: ImageLabels, class_index: Mapping[LabelId, int], memory_bytes: int) -> None:
        self.labels = labels
        self._reader = FeatureReader(labels)
        self._targets = {
            location: _indices([label for _, _, label in labels[location]], class_index)
            for location in list(labels.keys())
        }
        self._held = np.empty((0, 0), np.float32)
        self._first_row: dict[DataLocation, int] = {}
        self._is_read: set[DataLocation] = set()
        self._group_points = READ_POINTS
        self._make_room(memory_bytes)

    @property
    def dimension(self) -> int:
        return self._held.shape[1]

    @property
    def held_bytes(self) -> int:
        return self._held.nbytes

    @property
    def extractor_ids(self) -> set[str]:
        """Of the files read so far, those that the files name."""
        return self._reader.extractor_ids

    def _make_room(self, memory_bytes: int) -> None:
        locations = list(self.labels.keys())
        if not locations:
            raise TrainingLabelsError("There are no labels to learn from.")
        # The dimension, and with it how many files fit, is known from the first file.
        [(first, vectors)] = self._reader.read(locations[:1])
        vector_bytes = vectors.shape[1] * _FLOAT32_BYTES
        if self.labels.label_count * vector_bytes > memory_bytes:
            self._group_points = min(READ_POINTS, memory_bytes // _GROUPS_IN_MEMORY // vector_bytes)
            memory_bytes //= 2
        count = 0
        for location in locations:
            points = len(self.labels[location])
            if (count + points) * vector_bytes > memory_bytes:
                break
            self._first_row[location] = count
            count += points
        self._held = np.empty((count, vectors.shape[1]), np.float32)
        if first in self._first_row:
            self._hold(first, vectors)

    def _hold(self, location: DataLocation, vectors: NDArray[Any]) -> None:
        start = self._first_row[location]
        self._held[start : start + len(vectors)] = self._single(location, vectors)
        self._is_read.add(location)

    def _single(self, location: DataLocation, vectors: NDArray[Any]) -> NDArray[np.float32]:
        if vectors.shape[1:] != (self.dimension,):
            raise FeatureFileError(
                f"{location.key}: The feature vectors have {vectors.shape[1]} numbers, and others {self.dimension}: "
                "they are of different extractors."
            )
        with np.errstate(over="ignore"):
            single = vectors.astype(np.float32, copy=False)
        if not np.isfinite(single).all():
            raise FeatureFileError(f"{location.key}: The features hold numbers too large to learn from.")
        return single

    def batches(self, batch_size: int, random: RandomState | None = None) -> Iterator[Batch]:
        """One pass over the points, `batch_size` at a time; the last batch holds the rest.

        Args:
            batch_size: points in a batch.
            random: shuffles the images, not the points of an image; None leaves them in their order.
        """
        order = shuffled_images(self.labels, random)
        if len(self._is_read) == len(order):
            return self._held_batches(order, batch_size)
        return self._read_batches(order, batch_size)

    def _held_batches(self, order: Sequence[DataLocation], batch_size: int) -> Iterator[Batch]:
        rows = np.concatenate([self._rows_of(location) for location in order])
        targets = np.concatenate([self._targets[location] for location in order])
        for start in range(0, len(rows), batch_size):
            part = slice(start, start + batch_size)
            yield Batch(self._held, rows[part], targets[part])

    def _held_vectors(self, location: DataLocation) -> NDArray[np.float32]:
        start = self._first_row[location]
        return self._held[start : start + len(self._targets[location])]

    def _rows_of(self, location: DataLocation) -> NDArray[np.intp]:
        start = self._first_row[location]
        return np.arange(start, start + len(self._targets[location]))

    def _read_batches(self, order: Sequence[DataLocation], batch_size: int) -> Iterator[Batch]:
        """The batches of some thousand points; those of the next thousands are read meanwhile, by another thread."""
        chunks = self._chunks(order, batch_size)
        with ThreadPoolExecutor(1) as pool:
            pending = pool.submit(next, chunks, None)
            while (chunk := pending.result()) is not None:
                pending = pool.submit(next, chunks, None)
                yield from _sliced(*chunk, batch_size)

    def _chunks(
        self, order: Sequence[DataLocation], batch_size: int
    ) -> Iterator[tuple[NDArray[np.float32], NDArray[np.intp]]]:
        """Vectors and targets of consecutive points, in multiples of a batch but for the last."""
        vectors: list[NDArray[np.float32]] = []
        targets: list[NDArray[np.intp]] = []
        count = 0
        for group in grouped(self.labels, order, max(self._group_points, batch_size)):
            read = self._read_group(group)
            for location in group:
                vectors.append(read[location] if location in read else self._held_vectors(location))
                targets.append(self._targets[location])
                count += len(targets[-1])
            if count < batch_size:
                continue
            all_vectors, all_targets = np.concatenate(vectors), np.concatenate(targets)
            whole = count - count % batch_size
            yield all_vectors[:whole], all_targets[:whole]
            vectors, targets, count = [all_vectors[whole:]], [all_targets[whole:]], count - whole
        if count:
            yield np.concatenate(vectors), np.concatenate(targets)

    def _read_group(self, group: Sequence[DataLocation]) -> dict[DataLocation, NDArray[np.float32]]:
        """The vectors of those images of a group that are not kept; what there is room for is."""
        missing = [location for location in group if location not in self._is_read]
        for location, vectors in self._reader.read([one for one in missing if one in self._first_row]):
            self._hold(location, vectors)
        found = {}
        others = [location for location in missing if location not in self._first_row]
        for location, vectors in self._reader.read(others, keep_copies=True):
            found[location] = self._single(location, vectors)
        return found


def _sliced(vectors: NDArray[np.float32], targets: NDArray[np.intp], batch_size: int) -> Iterator[Batch]:
    for start in range(0, len(targets), batch_size):
        rows = np.arange(start, min(start + batch_size, len(targets)))
        yield Batch(vectors, rows, targets[rows])


def _indices(labels: Sequence[LabelId], class_index: Mapping[LabelId, int]) -> NDArray[np.intp]:
    try:
        return np.array([class_index[label] for label in labels], dtype=np.intp)
    except KeyError as missing:
        raise TrainingLabelsError(
            f"The class {missing} is not in the reference set: preprocess_labels leaves such classes out."
        ) from None
