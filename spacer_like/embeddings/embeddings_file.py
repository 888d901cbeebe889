"""Vectors of images as safetensors: float16 and the names, with the id of what made them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from spacer_like.embeddings.mapped_tensors import Layout, TensorWriter, read_tensors
from spacer_like.embeddings.names import NameList
from spacer_like.exceptions import FeatureFileError

FORMAT = "spacer_like.chip_embeddings"
FORMAT_VERSION = 1
MOST_DIMENSIONS = 2**16
MOST_ID = 200
NAME_LAYOUTS = {"names": Layout(np.uint8, 1), "name_ends": Layout(np.int64, 1)}
_LAYOUTS = {"vectors": Layout(np.float16, 2), **NAME_LAYOUTS}


class Embeddings(NamedTuple):
    """Vectors of images.

    Fields:
        source: what errors call the file that they are from.
        encoder_id: of what made them.
        names: the images', in any order.
        vectors: float16 [n, d], of length one, or of nothing but zeros; not read before they are looked at.
    """

    source: str
    encoder_id: str
    names: NameList
    vectors: NDArray[np.float16]


def write_embeddings(
    file: BinaryIO,
    encoder_id: str,
    dimension: int,
    batches: Iterable[tuple[Sequence[str], NDArray[np.floating]]],
) -> int:
    """Write a file, a batch after the other; the same vectors give the same bytes.

    Args:
        file: seekable and empty.
        batches: names [b] and vectors [b, dimension] of length one.

    Returns:
        The number of vectors.
    """
    names: list[NameList] = []

    def vectors() -> Iterable[NDArray[np.floating]]:
        for some, block in batches:
            names.append(NameList.of(some))
            yield block

    writer = TensorWriter(file)
    count = writer.add("vectors", vectors(), np.float16, (dimension,))
    begins = np.cumsum([0, *(len(some.text) for some in names)])
    writer.add("name_ends", (some.ends + begin for some, begin in zip(names, begins, strict=False)), np.int64)
    writer.add("names", (some.text for some in names), np.uint8)
    writer.finish({"format": FORMAT, "format_version": FORMAT_VERSION, "encoder_id": encoder_id})
    return count


def read_embeddings(file: BinaryIO, name: str) -> Embeddings:
    """The vectors in a file, which may be closed afterwards.

    Args:
        name: what errors call it.

    Raises:
        FeatureFileError: a damaged file, or one that holds no embeddings.
    """
    header, arrays = read_tensors(file, name, FORMAT, FORMAT_VERSION, _LAYOUTS)
    encoder_id, names, vectors = described_vectors(header, arrays, name)
    return Embeddings(name, encoder_id, names, vectors)


def described_vectors(
    header: dict[str, object], arrays: dict[str, NDArray[np.generic]], name: str
) -> tuple[str, NameList, NDArray[np.float16]]:
    """The id of the encoder, the names and the vectors in a file; errors as `read_embeddings`."""
    if missing := [tensor for tensor in _LAYOUTS if tensor not in arrays]:
        raise FeatureFileError(f"'{name}' is damaged: it has no array {missing[0]}.")
    encoder_id = header.get("encoder_id")
    if not isinstance(encoder_id, str) or not 0 < len(encoder_id) <= MOST_ID:
        raise FeatureFileError(f"'{name}' is damaged: it does not say what made its vectors.")
    vectors = arrays["vectors"]
    names = NameList(arrays["names"], arrays["name_ends"], name)  # type: ignore[arg-type]
    if len(names) != len(vectors) or not 1 <= vectors.shape[1] <= MOST_DIMENSIONS:
        raise FeatureFileError(f"'{name}' is damaged: it has {len(names)} names, and {list(vectors.shape)} numbers.")
    return encoder_id, names, vectors  # type: ignore[return-value]
