"""The format of feature files: arrays to bytes and back.

It is a NumPy ``.npz`` with four members: ``meta`` int64[3] = (positions known, points, dimension), ``rows`` and
``cols`` uint32[n], ``feat`` float32[n, dimension], not deflated. The archive's comment carries the extractor's id as
JSON. Files with float64 or uint16 members, deflated ones, and the legacy JSON (a list of vectors without positions) are
read as well.
"""

from __future__ import annotations

import json
from io import BytesIO
from typing import TYPE_CHECKING, Any

from spacer_like import config
from spacer_like.exceptions import DataLimitError, FeatureFileError
from spacer_like.npy_header import read_npy_header

if TYPE_CHECKING:
    from zipfile import ZipFile

    import numpy as np
    from numpy.typing import NDArray

SIGNATURE = b"PK"
MEMBERS = ("meta", "rows", "cols", "feat")
_NPY_HEADER_BYTES = 128
_OWN_COMMENT = b'{"extractor_id"'
# Far above what deflating makes of real features, whose numbers are half zeros at the most.
_FREE_BYTES, _MOST_RATIO = 2**26, 100


def encode(
    rows: NDArray[np.uint32] | None,
    cols: NDArray[np.uint32] | None,
    features: NDArray[Any],
    extractor_id: str | None,
    meta: tuple[bool, int, int] | None = None,
) -> bytes:
    """The file of n vectors, in the layout that the setting FEATURE_FILE_FORMAT names.

    Args:
        rows, cols: [n] positions, None for legacy features.
        features: [n, dimension].
        meta: the member of this name, where it is to say something else than the arrays do.
    """
    import zipfile

    import numpy as np

    as_pyspacer = config.settings().feature_file_format == "pyspacer"
    known = rows is not None and cols is not None
    rows, cols = (np.array([]), np.array([])) if rows is None or cols is None else (rows, cols)
    if known:
        position_type = np.uint16 if as_pyspacer and max(rows.max(), cols.max()) < 2**16 else np.uint32
        rows, cols = rows.astype(position_type), cols.astype(position_type)
    vectors = features.astype(np.float64 if as_pyspacer else np.float32, copy=False)
    stream = BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        described = np.array(meta or (known, *vectors.shape), dtype=np.int64)
        arrays: list[NDArray[Any]] = [described, rows, cols, vectors]
        for name, array in zip(MEMBERS, arrays, strict=True):
            # A ZipInfo made by hand has a fixed date: numpy's own savez would write today's.
            info = zipfile.ZipInfo(f"{name}.npy")
            info.compress_type = zipfile.ZIP_DEFLATED if as_pyspacer else zipfile.ZIP_STORED
            # By it zipfile decides how long numbers the member's header needs.
            info.file_size = array.nbytes + _NPY_HEADER_BYTES
            # Piece by piece: no second copy of the vectors is made.
            with archive.open(info, "w") as member:
                np.lib.format.write_array(member, np.ascontiguousarray(array), allow_pickle=False)
        if extractor_id:
            archive.comment = json.dumps({"extractor_id": extractor_id}).encode()
    return stream.getvalue()


def decode(data: bytes) -> tuple[NDArray[np.int64] | None, NDArray[Any], str | None]:
    """The positions [n, 2] (None in legacy files), the vectors [n, dimension], and the extractor's id (None: not said).

    Raises:
        FeatureFileError: members that do not agree with each other. Of a damaged archive whatever `zipfile` raises.
        DataLimitError: members that would unpack to more bytes than the setting MAX_DOWNLOAD_BYTES, or to a multiple of
            the file's that no features have.
    """
    import zipfile

    import numpy as np

    with zipfile.ZipFile(BytesIO(data)) as archive:
        size = sum(member.file_size for member in archive.infolist())
        if size > min(config.settings().max_download_bytes, max(_FREE_BYTES, _MOST_RATIO * len(data))):
            raise DataLimitError(f"The feature file would unpack to {size} bytes, more than is allowed.")
        meta, rows, cols, features = (_member(archive, name) for name in MEMBERS)
        comment = archive.comment
    if meta.shape != (3,) or features.shape != tuple(meta[1:]):
        raise FeatureFileError("the numbers in meta do not agree with the features.")
    if not meta[0]:
        return None, features, _extractor_id(comment)
    if not rows.shape == cols.shape == (len(features),):
        raise FeatureFileError("there must be one row and one column for each vector.")
    return np.stack([rows, cols], axis=1).astype(np.int64), features, _extractor_id(comment)


def decode_legacy(data: bytes) -> Any:
    """The value of a legacy file, which is JSON."""
    from pydantic_core import from_json

    if not data:
        raise FeatureFileError("the file is empty.")
    try:
        return from_json(data)
    except ValueError:
        raise FeatureFileError("it is neither an archive of features nor JSON.") from None


def _extractor_id(comment: bytes) -> str | None:
    try:
        found = json.loads(comment)["extractor_id"]
    except (ValueError, KeyError, TypeError, RecursionError):
        if comment.startswith(_OWN_COMMENT):
            raise FeatureFileError("it ends in the middle of the extractor's id.") from None
        return None
    return found if isinstance(found, str) else None


def _member(archive: ZipFile, name: str) -> NDArray[Any]:
    # As numpy's reader, but nothing is allocated before the sizes are seen to agree.
    import numpy as np

    data = archive.read(f"{name}.npy")
    stream = BytesIO(data)
    try:
        shape, in_columns, dtype = read_npy_header(stream)
        if dtype.kind not in "fiub" or dtype.itemsize > 8:
            raise ValueError(f"its numbers are of the type {dtype}")
        return np.frombuffer(data, dtype, offset=stream.tell()).reshape(shape, order="F" if in_columns else "C")
    except ValueError as error:
        raise FeatureFileError(f"the member '{name}' is no array of numbers ({error}).") from None
