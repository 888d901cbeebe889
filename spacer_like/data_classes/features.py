"""Feature vectors of the points of an image."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spacer_like.data_classes import feature_file
from spacer_like.data_classes.base import Annotation, DataClass, LabelId
from spacer_like.exceptions import (
    FeatureFileError,
    RowColumnMismatchError,
    RowColumnMissingError,
    damage_as,
    reason_of,
)
from spacer_like.location import DataLocation

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

RowCol = tuple[int, int]


class PointFeatures:
    """The feature vector of one point: `row`, `col` (None in legacy files) and `data` float64[dimension]."""

    def __init__(self, row: int | None, col: int | None, data: Any) -> None:
        import numpy as np

        self.row = row
        self.col = col
        self.data: NDArray[np.float64] = np.asarray(data, dtype=np.float64)

    @classmethod
    def example(cls) -> PointFeatures:
        return cls(row=100, col=100, data=[1.1, 1.3, 1.12])

    def __eq__(self, other: object) -> bool:
        import numpy as np

        if not isinstance(other, PointFeatures):
            return NotImplemented
        return (self.row, self.col) == (other.row, other.col) and bool(np.allclose(self.data, other.data))

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"PointFeatures(row={self.row}, col={self.col}, data=<{len(self.data)} numbers>)"


class ImageFeatures(DataClass):
    """Feature vectors of the points of one image.

    Attributes:
        rows, cols: uint32[n] positions; None in legacy files, which know none.
        features: float32 or float64 [n, feature_dim].
        extractor_id: what made them; None where the file does not say.

    Raises:
        FeatureFileError: no points, or numbers that do not agree with each other.
    """

    def __init__(self, point_features: list[PointFeatures], valid_rowcol: bool, feature_dim: int, npoints: int) -> None:
        import numpy as np

        if not point_features or len(point_features) != npoints:
            raise FeatureFileError(
                f"There must be {npoints} points, and at least one; there are {len(point_features)}."
            )
        if any(len(point.data) != feature_dim for point in point_features):
            raise FeatureFileError(f"Every feature vector must have {feature_dim} numbers.")
        positions = [(point.row, point.col) for point in point_features] if valid_rowcol else None
        self._set(positions, np.stack([point.data for point in point_features]), None)

    @classmethod
    def from_arrays(
        cls,
        rowcols: Sequence[RowCol] | NDArray[Any] | None,
        features: NDArray[Any],
        extractor_id: str | None = None,
    ) -> ImageFeatures:
        """Features of n points at once.

        Args:
            rowcols: n pairs (row, column); None for legacy features.
            features: [n, dimension], any float type.

        >>> import numpy as np
        >>> ImageFeatures.from_arrays([(3, 4), (5, 6)], np.zeros((2, 1280), np.float32)).npoints
        2
        """
        made = cls.__new__(cls)
        made._set(rowcols, features, extractor_id)
        return made

    def _set(self, rowcols: Any, features: NDArray[Any], extractor_id: str | None) -> None:
        import numpy as np

        self._claims: dict[str, int | bool] = {}
        features = np.asarray(features)
        if features.ndim != 2 or not len(features) or not features.shape[1]:
            raise FeatureFileError("Features must be one vector for each point, of at least one point.")
        self.features = features if features.dtype.kind == "f" else features.astype(np.float64)
        self.extractor_id = extractor_id
        self.rows: NDArray[np.uint32] | None = None
        self.cols: NDArray[np.uint32] | None = None
        if rowcols is not None:
            positions = np.asarray(rowcols, dtype=np.int64)
            if positions.shape != (len(features), 2) or positions.min() < 0 or positions.max() > 2**32 - 1:
                raise FeatureFileError(
                    f"There must be one position of two non-negative integers for each of {len(features)} vectors."
                )
            self.rows, self.cols = positions.astype(np.uint32).T

    @property
    def valid_rowcol(self) -> bool:
        """Whether positions are known; may be set, as the next two: `store` writes what was set."""
        return bool(self._claims.get("valid_rowcol", self.rows is not None))

    @valid_rowcol.setter
    def valid_rowcol(self, value: bool) -> None:
        self._claims["valid_rowcol"] = bool(value)

    @property
    def npoints(self) -> int:
        return self._claims.get("npoints", len(self.features))

    @npoints.setter
    def npoints(self, value: int) -> None:
        self._claims["npoints"] = int(value)

    @property
    def feature_dim(self) -> int:
        return self._claims.get("feature_dim", int(self.features.shape[1]))

    @feature_dim.setter
    def feature_dim(self, value: int) -> None:
        self._claims["feature_dim"] = int(value)

    @property
    def rowcols(self) -> list[RowCol]:
        """The positions; of legacy features, which know none, `RowColumnMissingError`."""
        if self.rows is None or self.cols is None or not self.valid_rowcol:
            raise RowColumnMissingError("Features without rowcols know no positions.")
        return list(zip(self.rows.tolist(), self.cols.tolist(), strict=True))

    @cached_property
    def point_features(self) -> list[PointFeatures]:
        """The points one by one, as PySpacer has them; `store` writes them as they were changed."""
        positions: Any = self.rowcols if self.valid_rowcol else [(None, None)] * len(self.features)
        return [PointFeatures(row, col, vector) for (row, col), vector in zip(positions, self.features, strict=True)]

    def _as_changed(self) -> ImageFeatures:
        """These features with changes made in `point_features`; the same object if that was never read."""
        import numpy as np

        if "point_features" not in vars(self):
            return self
        points: list[PointFeatures] = self.point_features
        positions: Any = [(point.row, point.col) for point in points]
        known = self.valid_rowcol and not any(None in rowcol for rowcol in positions)
        try:
            vectors = np.array([point.data for point in points], self.features.dtype)
            changed = type(self).from_arrays(positions if known else None, vectors, self.extractor_id)
        except (TypeError, ValueError) as error:
            if isinstance(error, FeatureFileError):
                raise
            raise FeatureFileError(
                "The point_features were changed to something else than whole-number positions and vectors of one "
                f"length: {reason_of(error)}."
            ) from None
        changed._claims = {"npoints": self.npoints, "feature_dim": self.feature_dim, "valid_rowcol": self.valid_rowcol}
        return changed

    @cached_property
    def _index(self) -> dict[RowCol, int]:
        return {rowcol: number for number, rowcol in enumerate(self.rowcols)}

    def __getitem__(self, rowcol: RowCol) -> NDArray[np.float64]:
        """The vector at a position, float64[dimension]; of a position given twice the last one."""
        if not self.valid_rowcol:
            raise RowColumnMissingError("Method not supported for legacy features")
        vector: NDArray[np.float64] = self.features[self._index[rowcol]].astype("float64")
        return vector

    def get_array(self, rowcol: RowCol) -> NDArray[np.float64]:
        """The vector at a position as float64[1, dimension]."""
        return self[rowcol].reshape(1, -1)

    def vectors_at(self, annotations: Sequence[Annotation]) -> NDArray[Any]:
        """The vectors of annotated points, [len(annotations), dimension], in their order.

        Raises:
            RowColumnMissingError: the features know no positions.
            RowColumnMismatchError: an annotated point is not among them.
        """
        return self.features[self.rows_of(annotations)]

    def rows_of(self, annotations: Sequence[Annotation]) -> NDArray[np.intp]:
        """Which of the vectors those of annotated points are; errors as `vectors_at`."""
        import numpy as np

        if not self.valid_rowcol:
            raise RowColumnMissingError("Features without rowcols are no longer supported for training.")
        index = self._index
        try:
            return np.array([index[row, col] for row, col, _ in annotations], np.intp)
        except KeyError as missing:
            raise RowColumnMismatchError(
                "The labels' row-column positions don't match those of the feature vector"
                f" (example: {missing.args[0]})."
            ) from None

    def match_with_annotations(self, labels_data: Sequence[Annotation]) -> Iterator[tuple[NDArray[Any], LabelId]]:
        """Pairs (vector, label) in the order of the annotations; errors as `vectors_at`."""
        vectors = self.vectors_at(labels_data)
        return ((vector, label) for vector, (_, _, label) in zip(vectors, labels_data, strict=True))

    @classmethod
    def example(cls) -> ImageFeatures:
        import numpy as np

        return cls.from_arrays([(100, 100), (120, 110)], np.array([[1.1, 1.3, 1.12], [1.9, 1.3, 1.12]]))

    @classmethod
    def make_random(cls, point_labels: list[LabelId], feature_dim: int) -> ImageFeatures:
        """Vectors that depend on the labels, at the positions (0, 0), (1, 1) …; for tests.

        A vector is the label's number (of a text: a checksum) plus standard normal noise, the same at each call.
        """
        from zlib import crc32

        import numpy as np

        centres = [label if isinstance(label, int) else crc32(label.encode()) % 100 for label in point_labels]
        noise = np.random.default_rng(centres).standard_normal((len(centres), feature_dim))
        return cls.from_arrays([(number, number) for number in range(len(centres))], noise + np.array(centres)[:, None])

    def serialize(self) -> Any:
        raise NotImplementedError("Use .store() and .load() methods instead.")

    @classmethod
    def deserialize(cls, data: Any) -> ImageFeatures:
        """Features of the legacy JSON: a list of vectors without positions."""
        import numpy as np

        if not isinstance(data, list):
            raise FeatureFileError("Deserialize only supported for legacy format: a list of vectors.")
        if not data:
            raise FeatureFileError("Empty features file.")
        try:
            return cls.from_arrays(None, np.array(data, dtype=np.float64))
        except (TypeError, ValueError):
            raise FeatureFileError(
                "A legacy features file must hold vectors of numbers, all of the same length."
            ) from None

    def to_bytes(self) -> bytes:
        """The feature file, in the layout of the setting FEATURE_FILE_FORMAT. The same features give the same bytes."""
        found = self._as_changed()
        meta = (found.valid_rowcol, found.npoints, found.feature_dim)
        return feature_file.encode(found.rows, found.cols, found.features, found.extractor_id, meta)

    @classmethod
    def from_bytes(cls, data: bytes, name: str = "The feature file") -> ImageFeatures:
        """Read a feature file of any layout.

        Raises:
            FeatureFileError: neither an archive of the four members nor legacy JSON.
            DataLimitError: members that would unpack to more bytes than the setting MAX_DOWNLOAD_BYTES.
        """
        with damage_as(FeatureFileError, name, f"{name}: it is no feature file, or is damaged"):
            if data.startswith(feature_file.SIGNATURE):
                return cls.from_arrays(*feature_file.decode(data))
            return cls.deserialize(feature_file.decode_legacy(data))

    @classmethod
    def load(cls, loc: DataLocation, filesystem_cache: str | Path | None = None) -> ImageFeatures:
        """Read the feature file at a location; a remote one through the folder `filesystem_cache`, if given."""
        from spacer_like.storage import storage_factory

        storage = storage_factory(loc.storage_type, loc.bucket_name)
        if filesystem_cache is not None and loc.is_remote:
            return cls.from_bytes(storage.load(loc.key, filesystem_cache).getvalue(), loc.display_name)  # type: ignore[call-arg]
        return cls.from_bytes(storage.read(loc.key), loc.display_name)

    def store(self, loc: DataLocation) -> None:
        """Write the feature file to a location, whole or not at all."""
        from spacer_like.storage import write_bytes

        write_bytes(loc, self.to_bytes())

    def __eq__(self, other: object) -> bool:
        import numpy as np

        if not isinstance(other, ImageFeatures):
            return NotImplemented
        mine, others = self._as_changed(), other._as_changed()
        return (
            (mine.valid_rowcol, mine.npoints, mine.feature_dim)
            == (others.valid_rowcol, others.npoints, others.feature_dim)
            and mine.features.shape == others.features.shape
            and (not mine.valid_rowcol or mine.rowcols == others.rowcols)
            and bool(np.allclose(mine.features, others.features))
        )

    __hash__ = None

    def __repr__(self) -> str:
        return (
            f"ImageFeatures({self.npoints} points, {self.feature_dim} numbers each, valid_rowcol={self.valid_rowcol})"
        )
