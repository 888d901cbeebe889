"""The tasks that look at a collection's images: what it consists of, and decoding it once for all."""

from __future__ import annotations

import time

from spacer_like.exceptions import CollectionError
from spacer_like.images.stacks import StackWriter, ids_file
from spacer_like.message_base import ids_beside
from spacer_like.overwriting import task
from spacer_like.rarity.checks import ImageComparison, drawn_indices
from spacer_like.rarity.collection import open_collection
from spacer_like.rarity.messages import (
    CheckCollectionMsg,
    CheckCollectionReturnMsg,
    ConvertCollectionMsg,
    ConvertCollectionReturnMsg,
)
from spacer_like.storage import delete, temporary_file, write_bytes, write_file


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
        # The stack last: who finds it finds its ids too.
        write_file(msg.stack_loc, path, consume=True)
        return ConvertCollectionReturnMsg(
            collection_id=msg.collection_id,
            n_images=len(stored),
            unreadable=collection.unreadable,
            runtime=time.perf_counter() - start,
        )
