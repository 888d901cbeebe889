"""The vectors of several files as if they were of one, in the order of their names."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from spacer_like.embeddings.embeddings_file import Embeddings
from spacer_like.embeddings.names import NameList
from spacer_like.embeddings.search import as_single
from spacer_like.exceptions import ExtractorMismatchError, FeatureFileError

_LARGEST_DEVIATION = 0.01


class MergedEmbeddings:
    """The vectors of one or more files, which stay where they are.

    Attributes:
        encoder_id: of what made all of them.
        names: of all images, sorted.
        dimension: how many numbers a vector has.

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
        self._order = order.to_numpy().astype(np.int64)
        repeated = pc.equal(names[1:], names[:-1]).to_numpy(zero_copy_only=False)
        self.names = NameList.from_arrow(names)
        if repeated.any():
            self._refuse_repeated(int(np.flatnonzero(repeated)[0]))

    def __len__(self) -> int:
        return len(self._order)

    def vectors(self, places: NDArray[np.integer]) -> NDArray[np.float16]:
        """The vectors float16 [b, d] of the images at some places among `names`.

        Raises:
            FeatureFileError: one is not of length one.
        """
        rows = self._order[places]
        found = np.empty((len(rows), self.dimension), np.float16)
        of = np.searchsorted(self._begins, rows, side="right") - 1
        for number in np.unique(of):
            some = of == number
            found[some] = self._parts[number].vectors[rows[some] - self._begins[number]]
        singles = as_single(found)
        squares = np.einsum("ij,ij->i", singles, singles)
        wrong = ~((np.abs(squares - 1) <= _LARGEST_DEVIATION) | (squares == 0))
        if wrong.any():
            place = int(np.flatnonzero(wrong)[0])
            raise FeatureFileError(
                f"'{self._parts[of[place]].source}' is damaged: the vector of the image "
                f"'{self.names[int(places[place])]}' is not of length one."
            )
        return found

    def singles(self, places: NDArray[np.integer]) -> NDArray[np.float32]:
        """The same in single precision."""
        return as_single(self.vectors(places))

    def _check_alike(self, part: Embeddings) -> None:
        first = self._parts[0]
        if (part.encoder_id, part.vectors.shape[1]) != (self.encoder_id, self.dimension):
            raise ExtractorMismatchError(
                f"The vectors of '{first.source}' were made by the encoder {self.encoder_id[:16]}, of {self.dimension} "
                f"numbers, and those of '{part.source}' by {part.encoder_id[:16]}, of {part.vectors.shape[1]}: they "
                "are not comparable, encode the images of one of them again."
            )

    def _refuse_repeated(self, place: int) -> None:
        rows = self._order[place : place + 2]
        first, second = (self._parts[number].source for number in np.searchsorted(self._begins, rows, "right") - 1)
        where = f"twice in '{first}'" if first == second else f"in '{first}' and in '{second}'"
        raise FeatureFileError(f"The image '{self.names[place]}' is {where}: name each file once, and each image.")
