"""Feature files of many images at once, as the vectors of their annotated points."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from os import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from spacer_like.data_classes import DataLocation, ImageFeatures, ImageLabels
from spacer_like.exceptions import FeatureFileError, RowColumnMismatchError, RowColumnMissingError
from spacer_like.progress import report

# Parsing is part inflating, part copying: two threads keep up with the reading.
_PARSING_THREADS = 2


class FeatureReader:
    """Reads the annotated points' vectors of images, many files at once.

    Attributes:
        extractor_ids: of the files read so far, those that the files name.
    """

    def __init__(self, labels: ImageLabels) -> None:
        self.labels = labels
        self.extractor_ids: set[str] = set()
        self._copies = Path(labels.filesystem_cache) if labels.filesystem_cache is not None else None

    def read(
        self, locations: Sequence[DataLocation], keep_copies: bool = False
    ) -> Iterator[tuple[DataLocation, NDArray[Any]]]:
        """Pairs (location, vectors [annotations, dimension]) as they arrive, which is in any order.

        Args:
            locations: images of the labels.
            keep_copies: whether remote files will be wanted again, and are kept in the labels' folder for that.

        Raises:
            RowColumnMissingError, RowColumnMismatchError, FeatureFileError: the sentence begins with the file's key.
        """
        with ThreadPoolExecutor(_PARSING_THREADS) as pool:
            pending = []
            for location, data in self._read_bytes(locations, keep_copies):
                pending.append(pool.submit(self._parse, location, data))
                while len(pending) > 2 * _PARSING_THREADS:
                    yield pending.pop(0).result()
            for future in pending:
                yield future.result()

    def _parse(self, location: DataLocation, data: bytes) -> tuple[DataLocation, NDArray[Any]]:
        features = ImageFeatures.from_bytes(data, location.display_name)
        if features.extractor_id is not None:
            self.extractor_ids.add(features.extractor_id)
        name = location.key if location.storage_type != "url" else location.display_name
        try:
            vectors = features.vectors_at(self.labels[location])
        except (RowColumnMissingError, RowColumnMismatchError) as error:
            raise type(error)(f"{name}: {error}") from None
        if not np.isfinite(vectors).all():
            raise FeatureFileError(f"{name}: The features hold numbers that are not finite.")
        return location, vectors

    def _read_bytes(self, locations: Sequence[DataLocation], keep_copies: bool) -> Iterator[tuple[DataLocation, bytes]]:
        from spacer_like.storage import read_many

        missing = []
        for location in locations:
            if (copy := self._copy_of(location)) is not None and copy.exists():
                yield location, copy.read_bytes()
            else:
                missing.append(location)
        for location, data in read_many(missing, progress=_report):
            if keep_copies and (copy := self._copy_of(location)) is not None:
                _write_whole(copy, data)
            yield location, data

    def _copy_of(self, location: DataLocation) -> Path | None:
        if self._copies is None or not location.is_remote:
            return None
        return self._copies / sha256(location.uri.encode()).hexdigest()


def _report(ended: int, total: int | None) -> None:
    report("feature files", ended, total or ended)


def _write_whole(path: Path, data: bytes) -> None:
    partial = path.with_name(f"{path.name}.{uuid4().hex}")
    partial.write_bytes(data)
    replace(partial, path)
