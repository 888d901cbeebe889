"""Feature files of many images at once, as the vectors of their annotated points.

Labels carry these functions, and messages carry labels: NumPy is imported only where features are read.
"""

from __future__ import annotations

import concurrent.futures
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from spacer_like import config, storage
from spacer_like.data_classes.base import Annotation, FeatureLabelBatch, LabelId
from spacer_like.data_classes.features import ImageFeatures
from spacer_like.exceptions import FeatureFileError, RowColumnMismatchError, RowColumnMissingError, SpacerError
from spacer_like.location import DataLocation
from spacer_like.progress import report
from spacer_like.storage.base import outcomes

if TYPE_CHECKING:
    import numpy as np
    from numpy.random import RandomState
    from numpy.typing import NDArray

    from spacer_like.data_classes.feature_pack import FeaturePack

READ_POINTS = 10_000
"""Points read at a time where features are not kept in memory; at least a batch, and fewer where memory is scarce."""
# Parsing is part inflating, part copying: two threads keep up with the reading.
_PARSING_THREADS = 2


class LabelledImages(Protocol):
    """The annotations of images by the location of their features, as `ImageLabels` holds them."""

    filesystem_cache: str | Path | None
    file_versions: Mapping[DataLocation, str] | None
    pack: FeaturePack | None

    def keys(self) -> Iterable[DataLocation]: ...

    def __getitem__(self, location: DataLocation) -> Sequence[Annotation]: ...


class FeatureReader:
    """Reads the annotated points' vectors of images, many files at once.

    Attributes:
        extractor_ids: of the files read so far, those that the files name.
    """

    def __init__(self, labels: LabelledImages) -> None:
        self.labels = labels
        self.extractor_ids: set[str] = set()
        self._copies = Path(labels.filesystem_cache) if labels.filesystem_cache is not None else None
        self._versions = labels.file_versions
        self._pack = labels.pack
        self._packed_rows: dict[DataLocation, NDArray[np.intp]] = {}

    def read(
        self, locations: Sequence[DataLocation], keep_copies: bool = False
    ) -> Iterator[tuple[DataLocation, NDArray[Any]]]:
        """Pairs (location, vectors [annotations, dimension]) as they arrive, which is in any order; first of a pack.

        Args:
            locations: images of the labels.
            keep_copies: whether remote files will be wanted again, and are kept in the labels' folder for that.

        Raises:
            RowColumnMissingError, RowColumnMismatchError, FeatureFileError: the sentence begins with the file's key.
        """
        files = [location for location in locations if self._pack is None or location not in self._pack]
        if self._pack is not None and len(files) < len(locations):
            yield from self._read_pack(self._pack, locations)
        with concurrent.futures.ThreadPoolExecutor(_PARSING_THREADS) as pool:
            pending = []
            for location, data in self._read_bytes(files, keep_copies):
                pending.append(pool.submit(self._parse, location, data))
                while len(pending) > 2 * _PARSING_THREADS:
                    yield pending.pop(0).result()
            for future in pending:
                yield future.result()

    def features_of(self, location: DataLocation) -> ImageFeatures:
        """The features of an image, of all its points."""
        if self._pack is not None and location in self._pack:
            return self._pack.features(location)
        return ImageFeatures.load(location)

    def _read_pack(
        self, pack: FeaturePack, locations: Sequence[DataLocation]
    ) -> Iterator[tuple[DataLocation, NDArray[Any]]]:
        if pack.extractor_id is not None:
            self.extractor_ids.add(pack.extractor_id)
        for location in (location for location in locations if location in pack):
            # Found once: a training reads them again in each epoch.
            if (rows := self._packed_rows.get(location)) is None:
                with _naming(location):
                    rows = self._packed_rows[location] = pack.rows(location, self.labels[location])
            yield location, _finite(location, pack.vectors(rows))

    def _parse(self, location: DataLocation, data: bytes) -> tuple[DataLocation, NDArray[Any]]:
        features = ImageFeatures.from_bytes(data, location.display_name)
        if features.extractor_id is not None:
            self.extractor_ids.add(features.extractor_id)
        with _naming(location):
            return location, _finite(location, features.vectors_at(self.labels[location]))

    def _read_bytes(self, locations: Sequence[DataLocation], keep_copies: bool) -> Iterator[tuple[DataLocation, bytes]]:
        missing = []
        for location in locations:
            if (copy := self._copy_of(location)) is not None and copy.exists():
                yield location, copy.read_bytes()
            else:
                missing.append(location)
        for location, data in storage.read_many(missing, progress=_report):
            is_kept = keep_copies or self._versions is not None
            if is_kept and (copy := self._copy_of(location)) is not None:
                _write_whole(copy, data)
            yield location, data

    def _copy_of(self, location: DataLocation) -> Path | None:
        if self._copies is None or not location.is_remote:
            return None
        # A copy that outlives the training is of one version of its file.
        version = "" if self._versions is None else f"\n{self._versions[location]}"
        return self._copies / sha256(f"{location.uri}{version}".encode("utf-8", "surrogatepass")).hexdigest()


def _name_of(location: DataLocation) -> str:
    return location.key if location.storage_type != "url" else location.display_name


@contextmanager
def _naming(location: DataLocation) -> Iterator[None]:
    """Begin errors about an image's positions with its name."""
    try:
        yield
    except (RowColumnMissingError, RowColumnMismatchError) as error:
        raise type(error)(f"{_name_of(location)}: {error}") from None


def _finite(location: DataLocation, vectors: NDArray[Any]) -> NDArray[Any]:
    import numpy as np

    if not np.isfinite(vectors).all():
        raise FeatureFileError(f"{_name_of(location)}: The features hold numbers that are not finite.")
    return vectors


def versions_of(locations: Iterable[DataLocation]) -> dict[DataLocation, str]:
    """A text for each feature file that changes when the file does; many are asked for at once.

    Raises:
        SpacerError: the first one that a storage gave, such as `DataNotFoundError`.
    """
    found = {}
    for location, outcome in outcomes(storage.version, locations, config.settings().storage_concurrency):
        if isinstance(outcome, SpacerError):
            raise outcome
        found[location] = outcome
    return found


def shuffled_images(labels: LabelledImages, random: RandomState | None) -> list[DataLocation]:
    """The labels' images, in the order that the stream gives; None leaves them as they are."""
    locations = list(labels.keys())
    if random is not None:
        random.shuffle(locations)  # type: ignore[arg-type, unused-ignore]
    return locations


def load_data_in_batches(
    labels: LabelledImages, batch_size: int | None = 1000, random_seed: int | None = None
) -> Iterator[FeatureLabelBatch]:
    """Pairs (vectors, labels) of at most `batch_size` points, read as they are needed.

    Args:
        labels: what to read.
        batch_size: None puts everything into one batch.
        random_seed: shuffles the images, not the points of an image; None leaves them in their order.

    Yields:
        A tuple of float64 [dimension] vectors and a tuple of labels, of equal length.

    Raises:
        RowColumnMissingError, RowColumnMismatchError, FeatureFileError: the sentence begins with the file's key.
    """
    import numpy as np

    random = None if random_seed is None else np.random.RandomState(random_seed)
    pending: list[NDArray[np.float64]] = []
    names: list[LabelId] = []
    for vectors, labels_read in read_in_groups(FeatureReader(labels), batch_size or READ_POINTS, random):
        pending.extend(vectors.astype(np.float64))
        names.extend(labels_read)
        while batch_size and len(pending) > batch_size:
            yield tuple(pending[:batch_size]), tuple(names[:batch_size])
            del pending[:batch_size], names[:batch_size]
    if pending:
        yield tuple(pending), tuple(names)


def read_in_groups(
    reader: FeatureReader, points: int = READ_POINTS, random: RandomState | None = None
) -> Iterator[tuple[NDArray[Any], list[LabelId]]]:
    """One pass over a reader's labels: vectors [n, dimension] and n labels, of images that have about `points`."""
    import numpy as np

    labels = reader.labels
    for group in grouped(labels, shuffled_images(labels, random), points):
        read = dict(reader.read(group))
        if len({vectors.shape[1] for vectors in read.values()}) > 1:
            raise FeatureFileError(
                f"{group[0].key}: The feature vectors of this file and of those after it differ in length: "
                "they are of different extractors."
            )
        yield (
            np.concatenate([read[location] for location in group]),
            [label for location in group for _, _, label in labels[location]],
        )


def grouped(labels: LabelledImages, locations: Sequence[DataLocation], points: int) -> Iterator[list[DataLocation]]:
    """Consecutive images that together have about `points` annotations."""
    group: list[DataLocation] = []
    count = 0
    for location in locations:
        group.append(location)
        count += len(labels[location])
        if count >= points:
            yield group
            group, count = [], 0
    if group:
        yield group


def _report(ended: int, total: int | None) -> None:
    report("feature files", ended, total or ended)


def _write_whole(path: Path, data: bytes) -> None:
    partial = path.with_name(f"{path.name}.{os.urandom(16).hex()}")
    partial.write_bytes(data)
    os.replace(partial, path)
