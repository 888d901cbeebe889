"""Many feature files as one, which is mapped into memory: safetensors with vectors, positions and the files' names.

A pack is like a folder: `DataLocation.below` its own location, each file lies under its name. Version 1 holds float32
vectors, version 2 float16.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import chain, pairwise
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from spacer_like import storage
from spacer_like.data_classes.base import Annotation
from spacer_like.data_classes.features import ImageFeatures
from spacer_like.exceptions import ExtractorMismatchError, FeatureFileError, RowColumnMissingError, damage_as
from spacer_like.location import DataLocation
from spacer_like.mapped_tensors import Layout, TensorWriter, read_tensors

FORMAT = "spacer_like.feature_pack"
ENDING = ".safetensors"
VERSIONS: dict[str, int] = {"float32": 1, "float16": 2}
_BETWEEN_NAMES = "\0"
_PLACES = {"positions": Layout(np.uint32, 2), "begins": Layout(np.int64, 1), "names": Layout(np.uint8, 1)}
_LAYOUTS = {
    1: {"features": Layout(np.float32, 2), **_PLACES},
    2: {"features": Layout(np.float16, 2), **_PLACES},
}


class Packed(NamedTuple):
    """What a pack holds."""

    n_files: int
    n_points: int
    dimension: int
    extractor_id: str | None


def write_pack(file: BinaryIO, files: Iterable[tuple[str, ImageFeatures]], dtype: str = "float32") -> Packed:
    """Write a pack, a file's vectors after the other's; the same features give the same bytes.

    Args:
        file: seekable and empty.
        files: names and features; at least one.
        dtype: of the vectors, ``float32`` or ``float16``.

    Raises:
        RowColumnMissingError: features that know no positions.
        ExtractorMismatchError: features of different extractors, or of another number of numbers.
        FeatureFileError: numbers that are not finite, or become so.
    """
    names: list[str] = []
    positions: list[NDArray[np.uint32]] = []
    waiting = iter(files)
    first = next(waiting)
    extractor_ids = {first[1].extractor_id}
    dimension, layout = first[1].feature_dim, _LAYOUTS[VERSIONS[dtype]]["features"].dtype

    def vectors() -> Iterator[NDArray[Any]]:
        for name, features in chain([first], waiting):
            if features.rows is None or features.cols is None:
                raise RowColumnMissingError(f"{name}: Features without rowcols cannot be trained on: leave them out.")
            extractor_ids.add(features.extractor_id)
            if features.feature_dim != dimension or len(extractor_ids - {None}) > 1:
                raise ExtractorMismatchError(
                    f"{name}: its features are of another extractor than those of {first[0]}: pack them apart."
                )
            names.append(name)
            positions.append(np.stack([features.rows, features.cols], axis=1))
            yield _finite(features.features, layout, name)

    writer = TensorWriter(file)
    count = writer.add("features", vectors(), layout, (dimension,))
    writer.add("positions", positions, np.uint32, (2,))
    writer.add("begins", [np.cumsum([0, *map(len, positions)])], np.int64)
    writer.add(
        "names", [np.frombuffer(_BETWEEN_NAMES.join(names).encode("utf-8", "surrogatepass"), np.uint8)], np.uint8
    )
    extractor_id = next(iter(extractor_ids - {None}), None)
    writer.finish({"format": FORMAT, "format_version": VERSIONS[dtype], "extractor_id": extractor_id})
    return Packed(len(names), count, dimension, extractor_id)


def _finite(vectors: NDArray[Any], dtype: type[np.generic], name: str) -> NDArray[Any]:
    with np.errstate(over="ignore"):
        found = vectors.astype(dtype, copy=False)
    if not np.isfinite(found).all():
        raise FeatureFileError(f"{name}: The features hold numbers that are not finite as {np.dtype(dtype).name}.")
    return found


class FeaturePack:
    """The features of many files, of which only what is looked at is read.

    Attributes:
        names: of the files, as `DataLocation.below` takes them.
        version: of the pack's own file.
        extractor_id: what made the features; None: not known.

    Raises:
        FeatureFileError: a damaged file, or one of another format.
    """

    def __init__(self, loc: DataLocation, version: str) -> None:
        name = loc.display_name
        with storage.open_file(loc) as file:
            header, arrays = read_tensors(file, name, FORMAT, _LAYOUTS)
        with damage_as(FeatureFileError, name, f"'{name}' is no feature pack, or is damaged"):
            self.extractor_id: str | None = header["extractor_id"]
            self._features: NDArray[Any] = arrays["features"]
            self._positions, self._begins = arrays["positions"], arrays["begins"].tolist()
            self.names = bytes(arrays["names"].data).decode("utf-8", "surrogatepass").split(_BETWEEN_NAMES)
            self._check()
        self.version = version
        self._number = {loc.below(name): number for number, name in enumerate(self.names)}

    def _check(self) -> None:
        count, begins = len(self._features), self._begins
        if self.extractor_id is not None and not isinstance(self.extractor_id, str):
            raise ValueError("the id of its extractor is no text")
        if self._positions.shape != (count, 2) or not self._features.shape[1]:
            raise ValueError("its arrays do not agree with each other")
        if len(begins) != len(self.names) + 1 or (begins[0], begins[-1]) != (0, count):
            raise ValueError("its files do not begin and end where its vectors do")
        if any(first >= last for first, last in pairwise(begins)):
            raise ValueError("a file of it holds no points")
        if "" in self.names or len(set(self.names)) < len(self.names):
            raise ValueError("the names of its files are none, or not each its own")

    def __contains__(self, loc: object) -> bool:
        return loc in self._number

    def features(self, loc: DataLocation) -> ImageFeatures:
        """The features of a file that is in the pack."""
        number = self._number[loc]
        part = slice(self._begins[number], self._begins[number + 1])
        return ImageFeatures.from_arrays(self._positions[part], self._features[part], self.extractor_id)

    def rows(self, loc: DataLocation, annotations: Sequence[Annotation]) -> NDArray[np.intp]:
        """Which of all vectors those of annotated points are; errors as `ImageFeatures.vectors_at`."""
        begin: int = self._begins[self._number[loc]]
        return begin + self.features(loc).rows_of(annotations)

    def vectors(self, rows: NDArray[np.intp]) -> NDArray[np.float32]:
        """Vectors [n, dimension], read now."""
        return self._features[rows].astype(np.float32, copy=False)


def feature_pack(loc: DataLocation) -> FeaturePack:
    """The pack at a location, kept open by the process while it does not change.

    One that is not a file of the filesystem is copied to a temporary one.

    Raises:
        FeatureFileError: a damaged file, or one of another format.
        DataNotFoundError: there is none.
    """
    return _opened(loc, storage.version(loc))


_opened = lru_cache(maxsize=2)(FeaturePack)
