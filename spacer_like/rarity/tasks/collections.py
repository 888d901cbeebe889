"""The images of a collection, named by their tokens, and the tasks that check them and decode them once for all.

>>> from spacer_like.location import DataLocation
>>> with open_collection(DataLocation("memory", "punks/"), preparation) as collection:  # doctest: +SKIP
...     for tokens, pixels in collection.batches():
...         count(pixels)
...     collection.unreadable
"""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Protocol

from spacer_like.exceptions import CollectionError
from spacer_like.images.sets import ImageSet, Naming, open_set
from spacer_like.images.square import square_into
from spacer_like.images.stacks import StackWriter, ids_file
from spacer_like.message_base import ids_beside
from spacer_like.overwriting import task
from spacer_like.rarity.checks import ImageComparison, drawn_indices
from spacer_like.rarity.messages import (
    CheckCollectionMsg,
    CheckCollectionReturnMsg,
    ConvertCollectionMsg,
    ConvertCollectionReturnMsg,
)
from spacer_like.rarity.metadata import token_id, token_of_file, token_order
from spacer_like.storage import delete, temporary_file, write_bytes, write_file

if TYPE_CHECKING:
    from spacer_like.location import DataLocation

TOKENS = Naming(token_of_file, token_id, token_order, "token")
"""How the images of a collection are named and sorted: numbers first, by value, then the others by their text."""


class Preparation(Protocol):
    """How images become squares: `spacer_like.rarity.messages.PreparationMsg`, or any object with its fields."""

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


@task
def check_collection(msg: CheckCollectionMsg) -> CheckCollectionReturnMsg:
    """Look whether a collection is empty, or one placeholder for all its tokens; an empty one is no error.

    Raises:
        DataNotFoundError: there is no such folder, archive or stack.
        ArchiveError, CollectionError: it is malformed.
    """
    start = time.perf_counter()
    with open_collection(msg.images_loc, msg) as collection:
        indices, weights = None, None
        if msg.mode == "sample":
            drawn = drawn_indices(len(collection.ids), msg.sample_size, msg.seed)
            indices, weights = list(drawn), {collection.ids[index]: times for index, times in drawn.items()}
        comparison = ImageComparison(weights)
        for tokens, pixels in collection.batches(indices=indices):
            comparison.add(tokens, pixels)
        found = comparison.result()
        return CheckCollectionReturnMsg(
            collection_id=msg.collection_id,
            n_images=found.n_images,
            n_distinct=found.n_distinct,
            largest_share=found.largest_share,
            placeholder_token=found.placeholder_token,
            empty=not found.n_images,
            pre_reveal=found.is_pre_reveal(msg.threshold),
            reason=None if found.n_images else collection.reason_for_nothing(),
            unreadable=collection.unreadable,
            runtime=time.perf_counter() - start,
        )


@task
def convert_collection(msg: ConvertCollectionMsg) -> ConvertCollectionReturnMsg:
    """Decode a collection into a stack of pixels, and the ids of its tokens.

    Raises:
        CollectionError: the collection holds no image, or the two results have one location.
        DataNotFoundError, ArchiveError: it is not there, or malformed.
    """
    start = time.perf_counter()
    ids_loc = ids_beside(msg.stack_loc) if msg.ids_loc is None else msg.ids_loc
    stored: list[str] = []
    with open_collection(msg.images_loc, msg) as collection, temporary_file(msg.stack_loc) as path:
        with StackWriter(path, len(collection.ids), msg.size) as writer:
            for tokens, pixels in collection.batches():
                writer.add(pixels)
                stored += tokens
        if not stored:
            raise CollectionError(collection.reason_for_nothing())
        # A stack of before must not stand beside ids that belong to another.
        delete(msg.stack_loc)
        write_bytes(ids_loc, ids_file(stored))
        # The stack last: where it exists, its ids do too.
        write_file(msg.stack_loc, path, consume=True)
        return ConvertCollectionReturnMsg(
            collection_id=msg.collection_id,
            n_images=len(stored),
            unreadable=collection.unreadable,
            runtime=time.perf_counter() - start,
        )
