"""Places by example on the map: the chips, the answers that people gave, and the ranking by these."""

from __future__ import annotations

import logging
import threading
import time
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np

from spacer_like.chips.chip_drawing import drawn_chips
from spacer_like.chips.chip_source import open_chips
from spacer_like.chips.places_by_example.marks import marks_bytes, read_marks
from spacer_like.chips.places_by_example.outlines import corners_of_chips
from spacer_like.chips.places_by_example.ranking import (
    MOST_MARKS,
    PlaceRanker,
    Ranked,
    Ranking,
    quantiles,
    unmarked,
    vectors_of,
)
from spacer_like.chips.tasks.ranking import merged_vectors, numbers_of_marks, write_ranked
from spacer_like.chips.tasks.score_maps import manifests_in
from spacer_like.exceptions import DataNotFoundError, MessageError
from spacer_like.location import DataLocation
from spacer_like.storage import exists, read_bytes, write_bytes
from spacer_like.tile_server.footprint import to_web_mercator

if TYPE_CHECKING:
    from numpy.typing import NDArray

logger = logging.getLogger(__name__)

MOST_BODY = 2**17
"""Bytes of a request."""
_LISTED = 600
_PICTURE = 160
MARKS, TABLE, MAPS = "marks.csv", "places.parquet", "maps"


@dataclass(frozen=True)
class PlacesOptions:
    """What is looked through.

    Fields:
        embeddings_locs: files of `encode_chips`.
        chips_loc: the chips, with their manifests.
        answers_loc: the folder that answers are kept in, and read from at the start.
    """

    embeddings_locs: Sequence[DataLocation]
    chips_loc: DataLocation
    answers_loc: DataLocation


class Places:
    """The chips of a server, what people answered, and how all chips rank by that.

    Its methods may be called by any number of threads; one at a time changes answers.

    Raises:
        SpacerError: as `rank_places`, of the embeddings, the manifests and the answers.
    """

    def __init__(self, options: PlacesOptions) -> None:
        self._options = options
        merged = merged_vectors(options.embeddings_locs)
        self._names = merged.names
        self._chips = open_chips(options.chips_loc, arrays=None)
        self._ranker = PlaceRanker(vectors_of(merged))
        self._origin, self.outlines = _outlines(corners_of_chips(manifests_in(options.chips_loc), merged.names))
        self._lock = threading.Lock()
        self._marks: dict[int, bool] = {}
        # Without an answer: chips from all over the place, in an order that tells nothing.
        some = np.unique(np.linspace(0, len(merged) - 1, min(len(merged), _LISTED)).astype(np.int64))
        self._some = np.random.default_rng(0).permutation(some)
        if exists(marks_loc := options.answers_loc.below(MARKS)):
            source = f"'{options.embeddings_locs[0].display_name}'"
            told = read_marks(read_bytes(marks_loc), marks_loc.display_name)
            self._marks = numbers_of_marks(told, merged.names, source)

    def __len__(self) -> int:
        return len(self._names)

    def name(self, chip: int) -> str:
        """The name of a chip by its number.

        Raises:
            DataNotFoundError: there is none.
        """
        if not 0 <= chip < len(self):
            raise DataNotFoundError(f"There is no chip number {chip}: there are {len(self):,}, from 0.")
        return self._names[chip]

    def state(self) -> dict[str, Any]:
        """The answers and the ranking, for the page."""
        with self._lock:
            return self._state()

    def mark(self, marks: dict[int, bool]) -> dict[str, Any]:
        """Put these answers in place of all earlier ones, keep them in the file, and rank.

        Raises:
            DataNotFoundError: there is no such chip.
            MessageError: too many answers.
            SpacerError: errors of the storage; the earlier answers stay.
        """
        for chip in marks:
            self.name(chip)
        if len(marks) > MOST_MARKS:
            raise MessageError(f"At most {MOST_MARKS:,} chips may have an answer: a model of labels learns from more.")
        with self._lock:
            by_name = {self._names[chip]: is_yes for chip, is_yes in marks.items()}
            write_bytes(self._options.answers_loc.below(MARKS), marks_bytes(by_name))
            self._marks = dict(marks)
            return self._state()

    def write(self) -> list[str]:
        """Write the ranking as GeoParquet and as maps; returns the names of the files.

        Raises:
            MessageError: there is no answer yet.
            SpacerError: as `write_ranked`.
        """
        with self._lock:
            if not self._marks:
                raise MessageError("Answer first: there is nothing to rank by.")
            ranked = Ranked(self._names, self._ranking(), self._marks)
            options, folder = self._options, self._options.answers_loc
            maps, _ = write_ranked(ranked, options.chips_loc, [folder.below(TABLE)], folder.below(MAPS))
            return [folder.below(TABLE).display_name, *(folder.below(MAPS, one).display_name for one in maps)]

    def picture(self, chip: int) -> bytes:
        """A small JPEG of a chip.

        Raises:
            DataNotFoundError: there is no such chip, or no picture of it.
        """
        from PIL import Image

        name = self.name(chip)
        if name in self._chips:
            for _, pixels in drawn_chips(self._chips, [name], _PICTURE):
                stream = BytesIO()
                Image.fromarray(pixels).save(stream, "JPEG", quality=85)
                return stream.getvalue()
        raise DataNotFoundError(f"There is no picture of the chip number {chip}.")

    def close(self) -> None:
        self._chips.close()

    def _ranking(self) -> Ranking:
        yes, no = ([chip for chip, is_yes in self._marks.items() if is_yes == side] for side in (True, False))
        return self._ranker.rank(yes, no)

    def _state(self) -> dict[str, Any]:
        start = time.perf_counter()
        order, scores, shares, milliseconds = self._some, None, None, None
        if self._marks:
            ranking = self._ranking()
            order, scores = unmarked(ranking, self._marks)[:_LISTED], ranking.scores
            shares = b64encode(quantiles(ranking).tobytes()).decode()
            milliseconds = 1000 * (time.perf_counter() - start)
        return {
            "n_chips": len(self),
            "origin": self._origin,
            "marks": [[chip, is_yes] for chip, is_yes in self._marks.items()],
            "names": [[chip, self._names[chip]] for chip in self._marks],
            "ranked": [
                [chip, self._names[chip], None if scores is None else round(float(scores[chip]), 4)]
                for chip in order.tolist()
            ],
            "shares": shares,
            "milliseconds": milliseconds,
        }


def _outlines(corners: NDArray[np.float64]) -> tuple[list[float], bytes]:
    """The corners of chips in metres of Web Mercator from an origin: the origin, and float32 [n, 4, 2] as bytes.

    They begin in the north-west, and go on counterclockwise.
    """
    xs, ys = to_web_mercator(corners[..., 0], corners[..., 1])
    placed = np.isfinite(xs)
    origin = [float(xs[placed].min()), float(ys[placed].min())] if placed.any() else [0.0, 0.0]
    found = np.stack([xs - origin[0], ys - origin[1]], axis=-1).astype("<f4")
    return origin, found.tobytes()
