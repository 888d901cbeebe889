"""Colours in bins: ten bins for each channel make a thousand colours.

The bins of a channel have the edges 0, 25.5, ..., 255; they are closed on the left, the last one on both sides.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

BINS = 10
COLOURS = BINS**3
CHANNEL_STEPS = (BINS**2, BINS, 1)
"""What a step of one bin in red, green and blue adds to the number of a colour."""


@cache
def bin_of() -> NDArray[np.uint8]:
    """The bin of each 8-bit value, uint8 [256]."""
    return np.minimum(BINS - 1, 2 * np.arange(256) // 51).astype(np.uint8)


@cache
def channel_parts() -> NDArray[np.uint16]:
    """What each value of each channel adds to the number of a colour, uint16 [3, 256]."""
    return np.stack([bin_of().astype(np.uint16) * step for step in CHANNEL_STEPS])


def colours_of(pixels: NDArray[np.uint8]) -> NDArray[np.uint16]:
    """The colours of RGB pixels by number: red bin * 100 + green bin * 10 + blue bin.

    Args:
        pixels: uint8 [..., 3].

    Returns:
        uint16 [...], each below 1000.

    >>> colours_of(np.array([[0, 26, 255]], np.uint8))
    array([19], dtype=uint16)
    """
    red, green, blue = channel_parts()
    colours: NDArray[np.uint16] = red[pixels[..., 0]]
    colours += green[pixels[..., 1]]
    colours += blue[pixels[..., 2]]
    return colours


@cache
def bin_centres() -> NDArray[np.uint8]:
    """The middle of each bin in RGB, uint8 [1000, 3]: whole parts of 25.5 * bin + 12.75."""
    colours = np.arange(COLOURS)
    bins = np.stack([colours // step % BINS for step in CHANNEL_STEPS], axis=1)
    return (25.5 * bins + 12.75).astype(np.uint8)


def hex_colour(colour: int) -> str:
    """The middle of a bin as text.

    >>> hex_colour(19)
    '#0c26f2'
    """
    red, green, blue = bin_centres()[colour].tolist()
    return f"#{red:02x}{green:02x}{blue:02x}"
