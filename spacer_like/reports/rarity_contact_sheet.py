"""The rarest and the commonest images of a collection on one sheet, with rank and score below each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spacer_like.drawing.contact_sheet import SheetImage, SheetSection, contact_sheet
from spacer_like.drawing.figures import Destination
from spacer_like.exceptions import SpacerInputError

SHOWN = 24


class SheetEntry(NamedTuple):
    """An image of the sheet; rank 1 is the rarest, and equal scores share the better rank."""

    token_id: str
    rank: int
    score: float


def sheet_entries(
    tokens: Sequence[str], scores: ArrayLike, shown: int = SHOWN
) -> tuple[list[SheetEntry], list[SheetEntry]]:
    """The `shown` rarest images, the rarest first, and the `shown` commonest, the commonest last.

    No image is in both lists. Images without a score (NaN) are in neither; equal scores keep the order of `tokens`.

    Raises:
        SpacerInputError: there is no score, or not one for each token.
    """
    values = np.asarray(scores, dtype=np.float64)
    if values.shape != (len(tokens),):
        raise SpacerInputError(
            f"There are {len(tokens)} tokens and scores of shape {values.shape}: one each is needed."
        )
    order = np.argsort(-values, kind="stable")
    order = order[~np.isnan(values[order])]
    if not len(order):
        raise SpacerInputError("There is no score to draw.")
    falling = -values[order]
    ranks = np.searchsorted(falling, falling, side="left") + 1
    entries = [
        SheetEntry(str(tokens[index]), int(rank), float(values[index]))
        for index, rank in zip(order.tolist(), ranks.tolist(), strict=True)
    ]
    shown = max(shown, 1)
    return entries[:shown], entries[max(shown, len(entries) - shown) :]


def contact_sheet_picture(
    tokens: Sequence[str],
    scores: ArrayLike,
    images: Mapping[str, NDArray[np.uint8]],
    path: Destination,
    *,
    shown: int = SHOWN,
    score_name: str = "score",
    title: str = "",
) -> tuple[list[SheetEntry], list[SheetEntry]]:
    """Draw the rarest and the commonest images of a collection.

    Args:
        tokens: of all images of the collection.
        scores: [n] theirs.
        images: the pixels, uint8 [height, width, 3], by token; those of `sheet_entries` are needed only. One that is
            not there is drawn as an empty square.
        path: a file's path or a location; its ending sets the format.
        shown: how many of either.
        score_name: which score ranks them.
        title: the collection's name, for the headline.

    Returns:
        What was drawn: the rarest, and the commonest.

    Raises:
        SpacerInputError: as `sheet_entries`, or the picture's name has an unknown ending.
        MissingExtraError: matplotlib is not installed.
    """
    rarest, commonest = sheet_entries(tokens, scores, shown)
    count = int(np.count_nonzero(~np.isnan(np.asarray(scores, dtype=np.float64))))
    contact_sheet(
        [
            SheetSection(name, [_sheet_image(entry, images) for entry in entries])
            for name, entries in (("The rarest", rarest), ("The commonest", commonest))
        ],
        path,
        headline="What is rare and what is common",
        detail=f"{count:,} images ranked; below each: token, rank, {score_name}",
        title=title,
    )
    return rarest, commonest


def _sheet_image(entry: SheetEntry, images: Mapping[str, NDArray[np.uint8]]) -> SheetImage:
    return SheetImage(images.get(entry.token_id), entry.token_id, f"{entry.rank:,}.   {entry.score:#.4g}")
