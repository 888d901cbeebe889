"""Vectors of images as safetensors: with their names and the id of what made them; one file, or several as one.

A file of version 1 holds float16 vectors of length one, for search. One of version 2 holds float32 vectors as they were
made, for models that learn from them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from spacer_like.embeddings.encoder import unit_length
from spacer_like.embeddings.names import NameList
from spacer_like.embeddings.search import Vectors, as_single
from spacer_like.exceptions import ExtractorMismatchError, FeatureFileError
from spacer_like.mapped_tensors import Layout, TensorWriter, read_tensors

FORMAT = "spacer_like.chip_embeddings"
UNIT_VERSION, RAW_VERSION = 1, 2
MOST_DIMENSIONS = 2**16
MOST_ID = 200
NAME_LAYOUTS = {"names": Layout(np.uint8, 1), "name_ends": Layout(np.int64, 1)}
_LAYOUTS = {
    UNIT_VERSION: {"vectors": Layout(np.float16, 2), **NAME_LAYOUTS},
    RAW_VERSION: {"vectors": Layout(np.float32, 2), **NAME_LAYOUTS},
}
_LARGEST_DEVIATION = 0.01


class Embeddings(NamedTuple):
    """Vectors of images.

    Fields:
        source: what errors call the file that they are from.
        encoder_id: of what made them.
        names: the images', in any order.
        vectors: float16 [n, d], of length one, or of nothing but zeros; or float32 [n, d] as they were made. Not read
            before they are looked at, so that they may be more than the memory holds.
        images: what is said of the images: of those with any number of bands ``bands``, ``dtype`` and ``range``, the
            values that became 0 and 1; None: nothing.
        dataset: the version of the images; None: not known.
    """

    source: str
    encoder_id: str
    names: NameList
    vectors: Vectors
    images: Mapping[str, Any] | None = None
    dataset: str | None = None

    @property
    def unit_length(self) -> bool:
        """Whether the vectors were scaled to length one."""
        return self.vectors.dtype == np.float16


def write_embeddings(
    file: BinaryIO,
    encoder_id: str,
    dimension: int,
    batches: Iterable[tuple[Sequence[str], NDArray[np.floating]]],
    unit_length: bool = True,
    images: Mapping[str, Any] | None = None,
    dataset: str | None = None,
) -> int:
    """Write a file, a batch after the other; the same vectors give the same bytes.

    Args:
        file: seekable and empty.
        batches: names [b] and vectors [b, dimension], of length one where `unit_length`.
        unit_length: write float16 and not float32.
        images: what the header says of the images, JSON values; None: nothing.
        dataset: the version of the images; None: not known.

    Returns:
        The number of vectors.
    """
    names: list[NameList] = []

    def vectors() -> Iterable[NDArray[np.floating]]:
        for some, block in batches:
            names.append(NameList.of(some))
            yield block

    writer = TensorWriter(file)
    version = UNIT_VERSION if unit_length else RAW_VERSION
    count = writer.add("vectors", vectors(), _LAYOUTS[version]["vectors"].dtype, (dimension,))
    begins = np.cumsum([0, *(len(some.text) for some in names)])
    writer.add("name_ends", (some.ends + begin for some, begin in zip(names, begins, strict=False)), np.int64)
    writer.add("names", (some.text for some in names), np.uint8)
    header: dict[str, Any] = {"format": FORMAT, "format_version": version, "encoder_id": encoder_id}
    known = {"images": None if images is None else dict(images), "dataset": dataset}
    writer.finish(header | {name: value for name, value in known.items() if value is not None})
    return count


def read_embeddings(file: BinaryIO, name: str) -> Embeddings:
    """The vectors in a file, which may be closed afterwards.

    Args:
        name: what errors call it.

    Raises:
        FeatureFileError: a damaged file, or one that holds no embeddings.
    """
    header, arrays = read_tensors(file, name, FORMAT, _LAYOUTS)
    encoder_id, names, vectors = described_vectors(header, arrays, name)
    images, dataset = header.get("images"), header.get("dataset")
    if dataset is not None and not (isinstance(dataset, str) and len(dataset) <= MOST_ID):
        raise FeatureFileError(f"'{name}' is damaged: the version of its images is none.")
    return Embeddings(name, encoder_id, names, vectors, images if isinstance(images, dict) else None, dataset)


def described_vectors(
    header: dict[str, object], arrays: dict[str, NDArray[np.generic]], name: str
) -> tuple[str, NameList, Vectors]:
    """The id of the encoder, the names and the vectors in a file; errors as `read_embeddings`."""
    check_arrays(arrays, _LAYOUTS[UNIT_VERSION], name)
    vectors = arrays["vectors"]
    encoder_id, names = described_names(header, arrays, len(vectors), name)
    if not 1 <= vectors.shape[1] <= MOST_DIMENSIONS:
        raise FeatureFileError(f"'{name}' is damaged: its vectors have {vectors.shape[1]} numbers.")
    return encoder_id, names, vectors  # type: ignore[return-value]


def check_arrays(arrays: Mapping[str, NDArray[np.generic]], wanted: Iterable[str], name: str) -> None:
    """Refuse a file that lacks an array, as a `FeatureFileError`."""
    if missing := [tensor for tensor in wanted if tensor not in arrays]:
        raise FeatureFileError(f"'{name}' is damaged: it has no array {missing[0]}.")


def described_names(
    header: dict[str, object], arrays: Mapping[str, NDArray[np.generic]], count: int, name: str
) -> tuple[str, NameList]:
    """The id of the encoder and the names, of which there must be `count`; errors as `read_embeddings`."""
    encoder_id = header.get("encoder_id")
    if not isinstance(encoder_id, str) or not 0 < len(encoder_id) <= MOST_ID:
        raise FeatureFileError(f"'{name}' is damaged: it does not say what made its vectors.")
    names = NameList(arrays["names"], arrays["name_ends"], name)  # type: ignore[arg-type]
    if len(names) != count:
        raise FeatureFileError(f"'{name}' is damaged: it has {len(names)} names, and {count} vectors.")
    return encoder_id, names


class MergedEmbeddings:
    """The vectors of one or more files as if they were of one, in the order of their names; they stay where they are.

    Attributes:
        encoder_id: of what made all of them.
        names: of all images, sorted.
        dimension: how many numbers a vector has.
        rows: int64 [n], which of all vectors, file after file, each image's is.

    Raises:
        ExtractorMismatchError: different encoders have made the vectors.
        FeatureFileError: no vector at all, an image twice, or a name that is no text.
    """

    def __init__(self, parts: Sequence[Embeddings]) -> None:
        import pyarrow as pa
        import pyarrow.compute as pc

        self.encoder_id = parts[0].encoder_id
        self.dimension = parts[0].vectors.shape[1]
        self._parts = parts
        for part in parts[1:]:
            self._check_alike(part)
        self._begins = np.cumsum([0, *(len(part.vectors) for part in parts)])
        if not self._begins[-1]:
            raise FeatureFileError(f"'{parts[0].source}' has no vector: there is nothing to make an index of.")
        for part in parts:
            try:
                part.names.to_arrow().cast(pa.large_string())
            except pa.ArrowInvalid:
                raise FeatureFileError(f"'{part.source}' is damaged: the name of an image is no text.") from None
        names = pa.concat_arrays([part.names.to_arrow() for part in parts])
        order = pc.sort_indices(names)
        names = names.take(order)
        self.rows = order.to_numpy().astype(np.int64)
        repeated = pc.equal(names[1:], names[:-1]).to_numpy(zero_copy_only=False)
        self.names = NameList.from_arrow(names)
        if repeated.any():
            self._refuse_repeated(int(np.flatnonzero(repeated)[0]))

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def ends(self) -> NDArray[np.int64]:
        """Where each file ends among all vectors, int64 [files]."""
        return self._begins[1:]

    def vectors(self, indices: NDArray[np.integer]) -> NDArray[np.float16]:
        """The vectors float16 [b, d], scaled to length one, of the images at some indices of `names`.

        Raises:
            FeatureFileError: one is not of length one.
        """
        rows = self.rows[indices]
        of = np.searchsorted(self._begins, rows, side="right") - 1
        found = vectors_at(self._parts, rows)
        singles = as_single(found)
        squares = np.einsum("ij,ij->i", singles, singles)
        wrong = ~((np.abs(squares - 1) <= _LARGEST_DEVIATION) | (squares == 0))
        if wrong.any():
            index = int(np.flatnonzero(wrong)[0])
            raise FeatureFileError(
                f"'{self._parts[of[index]].source}' is damaged: the vector of the image "
                f"'{self.names[int(indices[index])]}' is not of length one."
            )
        return found

    def singles(self, indices: NDArray[np.integer]) -> NDArray[np.float32]:
        """The same in single precision."""
        return as_single(self.vectors(indices))

    def _check_alike(self, part: Embeddings) -> None:
        first = self._parts[0]
        if first.images and part.images and first.images != part.images:
            raise ExtractorMismatchError(
                f"The vectors of '{first.source}' are of images {_in_words(first.images)}, and those of "
                f"'{part.source}' of images {_in_words(part.images)}: they are not comparable, make an index of each."
            )
        if (part.encoder_id, part.vectors.shape[1]) != (self.encoder_id, self.dimension):
            raise ExtractorMismatchError(
                f"The vectors of '{first.source}' were made by the encoder {self.encoder_id[:16]}, of {self.dimension} "
                f"numbers, and those of '{part.source}' by {part.encoder_id[:16]}, of {part.vectors.shape[1]}: they "
                "are not comparable, encode the images of one of them again."
            )

    def _refuse_repeated(self, index: int) -> None:
        rows = self.rows[index : index + 2]
        first, second = (self._parts[number].source for number in np.searchsorted(self._begins, rows, "right") - 1)
        where = f"twice in '{first}'" if first == second else f"in '{first}' and in '{second}'"
        raise FeatureFileError(f"The image '{self.names[index]}' is {where}: name each file once, and each image.")


def vectors_at(parts: Sequence[Embeddings], rows: NDArray[np.int64]) -> NDArray[np.float16]:
    """Some vectors of all, file after file, scaled to length one where they are not: float16 [b, d]."""
    begins = np.cumsum([0, *(len(part.vectors) for part in parts)])
    found = np.empty((len(rows), parts[0].vectors.shape[1]), np.float16)
    of = np.searchsorted(begins, rows, side="right") - 1
    for number in np.unique(of):
        some = of == number
        vectors = parts[number].vectors[rows[some] - begins[number]]
        found[some] = vectors if parts[number].unit_length else unit_length(as_single(vectors))
    return found


def _in_words(images: Mapping[str, Any]) -> str:
    low, high = (str(number)[:20] for number in (images.get("range") or ["?", "?"])[:2])
    return f"of {str(images.get('bands'))[:20]} bands of {str(images.get('dtype'))[:20]} from {low} to {high}"
