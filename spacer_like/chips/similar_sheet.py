"""A picture of the chips that look most like a query, with the query first, and distance and coordinates below each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from spacer_like.drawing.class_style import shorten
from spacer_like.drawing.contact_sheet import SheetImage, SheetSection, contact_sheet

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from spacer_like.chips.messages import SimilarChip
    from spacer_like.drawing.figures import Destination

SHOWN = 40
"""Chips that a sheet shows at most."""
PICTURE_SIZE = 160
"""Width and height in pixels that is enough for it."""
LONGEST_QUERY = 46
LONGEST_NAME = 16

Coordinates = tuple[float, float] | None


def similar_sheet(
    query: str,
    query_pixels: NDArray[np.uint8] | None,
    query_centre: Coordinates,
    similar: Sequence[SimilarChip],
    pictures: Mapping[str, NDArray[np.uint8]],
    path: Destination,
) -> None:
    """Draw a query and the chips that look most like it, `SHOWN` at most.

    Args:
        query: its name.
        query_pixels: uint8 [height, width, 3], or None.
        query_centre: longitude and latitude, or None.
        pictures: the chips' pixels by their names; one that is not there is drawn as an empty square.
        path: a file's path or a location; its ending sets the format.

    Raises:
        SpacerInputError: the picture's name has an unknown ending.
        MissingExtraError: matplotlib is not installed.
    """
    shown = similar[:SHOWN]
    images = [
        SheetImage(pictures.get(chip.chip), f"{rank}.  {chip.distance:.3f}", _caption(chip.chip, _centre(chip)))
        for rank, chip in enumerate(shown, 1)
    ]
    first = f", the first {len(shown)} of {len(similar):,}" if len(similar) > len(shown) else ""
    contact_sheet(
        [
            SheetSection(
                shorten(query, LONGEST_QUERY), [SheetImage(query_pixels, "query", _caption(query, query_centre))]
            ),
            SheetSection(f"The most similar{first}", images),
        ],
        path,
        headline="Places that look alike",
        detail="below each: distance, latitude and longitude" if shown else "There is none.",
    )


def _centre(chip: SimilarChip) -> Coordinates:
    return None if chip.longitude is None or chip.latitude is None else (chip.longitude, chip.latitude)


def _caption(name: str, centre: Coordinates) -> str:
    if centre is None:
        return shorten(name, LONGEST_NAME)
    longitude, latitude = centre
    return f"{abs(latitude):.3f}°{'S' if latitude < 0 else 'N'} {abs(longitude):.3f}°{'W' if longitude < 0 else 'E'}"
