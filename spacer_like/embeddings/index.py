"""An index of images as safetensors: vectors, names, and lists of vectors where it has them.

The file is mapped: however large it is, a query reads what it looks at.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO, Literal

import numpy as np
from numpy.typing import NDArray

from spacer_like.embeddings.embeddings_file import NAME_LAYOUTS, MergedEmbeddings, described_vectors
from spacer_like.embeddings.lists import Lists, ListSearch
from spacer_like.embeddings.mapped_tensors import Layout, TensorWriter, read_tensors
from spacer_like.embeddings.names import NameList
from spacer_like.embeddings.search import ExactSearch, Nearest, as_single
from spacer_like.exceptions import FeatureFileError
from spacer_like.progress import report

FORMAT = "spacer_like.chip_index"
FORMAT_VERSION = 1
_LIST_LAYOUTS = {
    "centroids": Layout(np.float32, 2),
    "list_ends": Layout(np.int64, 1),
    "members": Layout(np.uint32, 1),
}
_LAYOUTS = {"vectors": Layout(np.float16, 2), **NAME_LAYOUTS, **_LIST_LAYOUTS}
_ROWS_AT_ONCE = 2**14
_MOST_VECTORS = 2**32


class VectorIndex:
    """Vectors of images, to look for the nearest among them.

    Attributes:
        name: what errors call it.
        encoder_id: of what made the vectors.
        names: of the images, sorted; the number of an image is its index among them.
        kind: ``exact`` or ``ivf``.
    """

    def __init__(
        self, name: str, encoder_id: str, names: NameList, vectors: NDArray[np.float16], lists: Lists | None = None
    ) -> None:
        self.name = name
        self.encoder_id = encoder_id
        self.names = names
        self.kind: Literal["exact", "ivf"] = "exact" if lists is None else "ivf"
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


def write_index(file: BinaryIO, merged: MergedEmbeddings, lists: Lists | None = None) -> None:
    """Write an index, a part at a time; the same vectors and lists give the same bytes.

    Args:
        file: seekable and empty.
        lists: of the kind ``ivf``; None: the kind ``exact``.

    Raises:
        FeatureFileError: more vectors than an index may have, or one is not of length one.
    """
    if len(merged) >= _MOST_VECTORS:
        raise FeatureFileError(f"An index may have {_MOST_VECTORS - 1} vectors, and there are {len(merged)}.")
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
    header, arrays = read_tensors(file, name, FORMAT, {FORMAT_VERSION: _LAYOUTS})
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


def _blocks(merged: MergedEmbeddings, members: NDArray[np.integer]) -> Iterator[NDArray[np.float16]]:
    for begin in range(0, len(members), _ROWS_AT_ONCE):
        block = merged.vectors(members[begin : begin + _ROWS_AT_ONCE])
        yield block
        report("vectors indexed", begin + len(block), len(members))
