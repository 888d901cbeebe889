"""The images of a collection, called by their tokens, wherever they live.

>>> from spacer_like.location import DataLocation
>>> with open_collection(DataLocation("memory", "punks/"), preparation) as collection:  # doctest: +SKIP
...     for tokens, pixels in collection.batches():
...         count(pixels)
...     collection.unreadable
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Protocol

from spacer_like.images.sets import ImageSet, Naming, open_set
from spacer_like.images.square import square_into
from spacer_like.rarity.metadata import token_id, token_of_file, token_order

if TYPE_CHECKING:
    from spacer_like.location import DataLocation

TOKENS = Naming(token_of_file, token_id, token_order, "token")
"""How the images of a collection are called: numbers by their value come first, then the others by their text."""


class Preparation(Protocol):
    """How images become squares: `spacer_like.rarity.messages.PreparationMsg`, or whatever has its fields."""

    @property
    def size(self) -> int: ...
    @property
    def resample(self) -> str: ...
    @property
    def background(self) -> str: ...


def open_collection(images_loc: DataLocation, preparation: Preparation, *, or_one: bool = False) -> ImageSet:
    """The collection at a location, whose ids are its tokens; arguments and errors as `open_set`."""
    fill = partial(square_into, resample=preparation.resample, background=preparation.background)
    return open_set(images_loc, fill, preparation.size, TOKENS, or_one=or_one)
