"""An index of images as safetensors: vectors, names, and lists of vectors where it has them; or codes in their place.

The file is mapped: however large it is, a query reads what it looks at. Of the kind ``codes``, the vectors stay in the
files of embeddings.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO, Literal

import numpy as np
from numpy.typing import NDArray

from spacer_like.embeddings.codes import Codebook, CodeSearch, Recall
from spacer_like.embeddings.embeddings_file import (
    NAME_LAYOUTS,
    Embeddings,
    MergedEmbeddings,
    check_arrays,
    described_names,
    described_vectors,
    vectors_at,
)
from spacer_like.embeddings.encoder import check_same_encoder
from spacer_like.embeddings.lists import Lists, ListSearch
from spacer_like.embeddings.names import NameList
from spacer_like.embeddings.search import ExactSearch, Nearest, as_single
from spacer_like.exceptions import FeatureFileError
from spacer_like.mapped_tensors import Layout, TensorWriter, read_tensors
from spacer_like.progress import report

FORMAT = "spacer_like.chip_index"
FORMAT_VERSION = 1
CODES_VERSION = 2
_LIST_LAYOUTS = {
    "centroids": Layout(np.float32, 2),
    "list_ends": Layout(np.int64, 1),
    "members": Layout(np.uint32, 1),
}
_LAYOUTS = {"vectors": Layout(np.float16, 2), **NAME_LAYOUTS, **_LIST_LAYOUTS}
_CODE_LAYOUTS = {
    **NAME_LAYOUTS,
    "part_ends": Layout(np.int64, 1),
    "mean": Layout(np.float32, 1),
    "turn": Layout(np.float32, 2),
    "typical": Layout(np.float32, 2),
    "rows": Layout(np.uint32, 1),
    "codes": Layout(np.uint8, 2),
}
_MOST_CANDIDATES = 10**6
_ROWS_AT_ONCE = 2**14
_MOST_VECTORS = 2**32


class VectorIndex:
    """Vectors of images, to look for the nearest among them.

    Attributes:
        name: what errors call it.
        encoder_id: of what made the vectors.
        names: of the images, sorted; the number of an image is its index among them.
        kind: ``exact``, ``ivf`` or ``codes``.
    """

    kind: Literal["exact", "ivf", "codes"]

    def __init__(
        self, name: str, encoder_id: str, names: NameList, vectors: NDArray[np.float16], lists: Lists | None = None
    ) -> None:
        self.name = name
        self.encoder_id = encoder_id
        self.names = names
        self.kind = "exact" if lists is None else "ivf"
        self._vectors = vectors
        self._lists = None if lists is None else ListSearch(lists, vectors, name)
        self._exact = ExactSearch(vectors, name)

    def __len__(self) -> int:
        return len(self.names)

    @property
    def dimension(self) -> int:
        """How many numbers a vector has."""
        return int(self._vectors.shape[1])

    @property
    def n_lists(self) -> int | None:
        """The number of lists, of the kind ``ivf``."""
        return None if self._lists is None else len(self._lists.lists.ends)

    def prepare(self) -> None:
        """See `ExactSearch.prepare`; the kind ``ivf`` needs none."""
        if self._lists is None:
            self._exact.prepare()

    def vector(self, number: int) -> NDArray[np.float32]:
        """The vector of an image, float32 [d]."""
        row = number
        if self._lists is not None:
            rows = np.flatnonzero(self._lists.lists.members == number)
            if not len(rows):
                raise FeatureFileError(f"'{self.name}' is damaged: no list has the image '{self.names[number]}'.")
            row = int(rows[0])
        vector: NDArray[np.float32] = as_single(self._vectors[row : row + 1])[0]
        return vector

    def search(self, queries: NDArray[np.floating[Any]], k: int, n_probe: int = 16) -> Nearest:
        """The `k` images nearest to each of the queries [m, d]: see `ExactSearch.search` and `ListSearch.search`."""
        if self._lists is None:
            return self._exact.search(queries, k)
        return self._lists.search(queries, k, n_probe)


class CodeIndex(VectorIndex):
    """Codes of images, with the vectors in files of embeddings; see `VectorIndex`.

    Args:
        search: in the order of the names.
        rows: uint32 [n], which of all vectors, file after file, each image's is.
        part_ends: int64 [files], where each file ends among all vectors.
    """

    def __init__(
        self,
        name: str,
        encoder_id: str,
        names: NameList,
        search: CodeSearch,
        rows: NDArray[np.uint32],
        part_ends: NDArray[np.int64],
    ) -> None:
        self.name = name
        self.encoder_id = encoder_id
        self.names = names
        self.kind = "codes"
        self._lists = None
        self._codes = search
        self._rows = rows
        self._part_ends = part_ends
        self._parts: Sequence[Embeddings] = ()

    @property
    def dimension(self) -> int:
        return len(self._codes.codebook.mean)

    def prepare(self) -> None:
        """Nothing is to be prepared."""

    def compare_with(self, parts: Sequence[Embeddings]) -> None:
        """Take the vectors from the files that the index was made of, in the same order, before any search.

        Raises:
            FeatureFileError: none is given, or others than these.
            ExtractorMismatchError: another encoder made the vectors.
        """
        if not parts:
            raise FeatureFileError(
                f"The index '{self.name}' holds codes: name the files of vectors that it was made of, too."
            )
        for part in parts:
            check_same_encoder(part.encoder_id, self.encoder_id, f"'{part.source}'")
        ends = np.cumsum([len(part.vectors) for part in parts])
        if ends.tolist() != self._part_ends.tolist() or parts[0].vectors.shape[1] != self.dimension:
            raise FeatureFileError(
                f"The index '{self.name}' was made of {len(self._part_ends)} files with {len(self)} vectors, and "
                f"{len(parts)} with {ends[-1]} are given, or in another order: name those, or make the index again."
            )
        self._parts = parts

    def vector(self, number: int) -> NDArray[np.float32]:
        vector: NDArray[np.float32] = self._vectors_of(np.array([number]))[0]
        return vector

    def search(self, queries: NDArray[np.floating[Any]], k: int, n_probe: int = 16) -> Nearest:
        """See `CodeSearch.search`."""
        return self._codes.search(queries, k, self._vectors_of)

    def _vectors_of(self, numbers: NDArray[np.int64]) -> NDArray[np.float32]:
        if not self._parts:
            self.compare_with([])
        rows = self._rows[numbers].astype(np.int64)
        if rows.max(initial=0) >= len(self):
            raise FeatureFileError(f"'{self.name}' is damaged: it names vectors that there are none of.")
        of = np.searchsorted(self._part_ends, rows, side="right")
        for number, part, row in zip(numbers.tolist(), of.tolist(), rows.tolist(), strict=True):
            source = self._parts[part]
            name = source.names[row - int(self._part_ends[part - 1] if part else 0)]
            if name != self.names[number]:
                raise FeatureFileError(
                    f"'{source.source}' has changed since the index '{self.name}' was made: make it again."
                )
        return as_single(vectors_at(self._parts, rows))


def write_codes(
    file: BinaryIO, merged: MergedEmbeddings, codebook: Codebook, codes: NDArray[np.uint8], recall: Recall
) -> None:
    """Write an index of the kind ``codes``; the same vectors and codes give the same bytes.

    Args:
        file: seekable and empty.
        codes: in the order of the names.

    Raises:
        FeatureFileError: more vectors than an index may have.
    """
    _check_count(merged)
    writer = TensorWriter(file)
    writer.add("name_ends", [merged.names.ends], np.int64)
    writer.add("part_ends", [merged.ends], np.int64)
    writer.add("mean", [codebook.mean], np.float32)
    for name, array in (("turn", codebook.turn), ("typical", codebook.typical)):
        writer.add(name, [array], np.float32, array.shape[1:])
    writer.add("rows", [merged.rows], np.uint32)
    writer.add("codes", [codes], np.uint8, codes.shape[1:])
    writer.add("names", [merged.names.text], np.uint8)
    header = {"format": FORMAT, "format_version": CODES_VERSION, "kind": "codes", "encoder_id": merged.encoder_id}
    writer.finish(header | {"recall": recall._asdict()})


def _check_count(merged: MergedEmbeddings) -> None:
    if len(merged) >= _MOST_VECTORS:
        raise FeatureFileError(f"An index may have {_MOST_VECTORS - 1} vectors, and there are {len(merged)}.")


def write_index(file: BinaryIO, merged: MergedEmbeddings, lists: Lists | None = None) -> None:
    """Write an index, a part at a time; the same vectors and lists give the same bytes.

    Args:
        file: seekable and empty.
        lists: of the kind ``ivf``; None: the kind ``exact``.

    Raises:
        FeatureFileError: more vectors than an index may have, or one is not of length one.
    """
    _check_count(merged)
    writer = TensorWriter(file)
    # The larger numbers first, so that all lie at multiples of their size.
    writer.add("name_ends", [merged.names.ends], np.int64)
    if lists is not None:
        writer.add("list_ends", [lists.ends], np.int64)
        writer.add("centroids", [lists.centroids], np.float32, (merged.dimension,))
        writer.add("members", [lists.members], np.uint32)
    members = np.arange(len(merged)) if lists is None else lists.members
    writer.add("vectors", _blocks(merged, members), np.float16, (merged.dimension,))
    writer.add("names", [merged.names.text], np.uint8)
    writer.finish(
        {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "kind": "exact" if lists is None else "ivf",
            "encoder_id": merged.encoder_id,
        }
    )


def read_index(file: BinaryIO, name: str) -> VectorIndex:
    """The index in a file, which may be closed afterwards.

    Args:
        name: what errors call it.

    Raises:
        FeatureFileError: a damaged file, or one that holds no index.
    """
    header, arrays = read_tensors(file, name, FORMAT, {FORMAT_VERSION: _LAYOUTS, CODES_VERSION: _CODE_LAYOUTS})
    if header["format_version"] == CODES_VERSION:
        return _code_index(header, arrays, name)
    encoder_id, names, numbers = described_vectors(header, arrays, name)
    vectors: NDArray[np.float16] = numbers  # type: ignore[assignment]
    kind = header.get("kind")
    given = [tensor for tensor in _LIST_LAYOUTS if tensor in arrays]
    if (kind, len(given)) not in (("exact", 0), ("ivf", len(_LIST_LAYOUTS))):
        raise FeatureFileError(f"'{name}' is damaged: its arrays are not those of its kind {str(kind)[:20]!r}.")
    if not len(names):
        raise FeatureFileError(f"'{name}' is damaged: it has no vector.")
    lists = Lists(*(arrays[tensor] for tensor in ("centroids", "list_ends", "members"))) if given else None
    return VectorIndex(name, encoder_id, names, vectors, lists)


def _code_index(header: dict[str, Any], arrays: dict[str, NDArray[Any]], name: str) -> CodeIndex:
    check_arrays(arrays, _CODE_LAYOUTS, name)
    codes, ends = arrays["codes"], arrays["part_ends"]
    encoder_id, names = described_names(header, arrays, len(codes), name)
    recall = header.get("recall")
    candidates = recall.get("candidates") if isinstance(recall, dict) else None
    if type(candidates) is not int or not 1 <= candidates <= _MOST_CANDIDATES:
        raise FeatureFileError(f"'{name}' is damaged: it does not say how many vectors are to be compared.")
    fits = len(codes) and len(arrays["rows"]) == len(codes) and len(ends) and ends[-1] == len(codes)
    if not fits or ends[0] < 0 or (ends[1:] < ends[:-1]).any():
        raise FeatureFileError(f"'{name}' is damaged: its codes and its vectors do not fit together.")
    codebook = Codebook(arrays["mean"], arrays["turn"], arrays["typical"])
    return CodeIndex(name, encoder_id, names, CodeSearch(codebook, codes, candidates, name), arrays["rows"], ends)


def _blocks(merged: MergedEmbeddings, members: NDArray[np.integer]) -> Iterator[NDArray[np.float16]]:
    for begin in range(0, len(members), _ROWS_AT_ONCE):
        block = merged.vectors(members[begin : begin + _ROWS_AT_ONCE])
        yield block
        report("vectors indexed", begin + len(block), len(members))
