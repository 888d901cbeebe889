"""Messages of the tasks that look at a collection's images."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, StrictBool, StrictInt
from typing_extensions import Self

from spacer_like.location import DataLocation
from spacer_like.message_base import (
    Answered,
    ReturnMessage,
    Runtime,
    Seed,
    Share,
    Unreadable,
    WritableLocation,
    ids_beside,
)
from spacer_like.rarity.messages.preparation import (
    AnsweredId,
    CollectionId,
    ImagesLocation,
    PreparationMsg,
    Unreadables,
)


class CheckCollectionMsg(PreparationMsg, Answered["CheckCollectionReturnMsg"]):
    """Check whether a collection is empty, or one placeholder for all its tokens (pre-reveal).

    Fields:
        mode: ``exact``: every image is compared; ``sample``: `sample_size` images, drawn with replacement.
        sample_size: number of images drawn in mode ``sample``.
        seed: seed of the images drawn in mode ``sample``.
        threshold: share of the images that the most frequent one must reach for the collection to count as pre-reveal,
            above 0 to 1; 1: all images are equal.
    """

    task: ClassVar[str] = "check_collection"

    collection_id: CollectionId
    images_loc: ImagesLocation
    mode: Literal["exact", "sample"] = "exact"
    sample_size: Annotated[StrictInt, Field(ge=2, le=100_000)] = 10
    seed: Seed = 0
    threshold: Share = 1.0

    @classmethod
    def example(cls) -> Self:
        return cls(collection_id="punks", images_loc=DataLocation("memory", "punks/resized/"))


class CheckCollectionReturnMsg(ReturnMessage):
    """What a collection consists of.

    Fields:
        n_images: number of images that can be decoded; in mode ``sample`` of those drawn.
        n_distinct: number of different images among them, by their pixels after preparation.
        largest_share: share of the most frequent image, 0 to 1; 0 for an empty collection.
        placeholder_token: a token that has the most frequent image; None: no image occurs twice.
        empty: whether there is no image.
        pre_reveal: whether there are two images or more, and `largest_share` reaches the threshold.
        reason: why there is no image; None: there are images.
    """

    collection_id: AnsweredId
    n_images: int
    n_distinct: int
    largest_share: float
    placeholder_token: str | None
    empty: StrictBool
    pre_reveal: StrictBool
    reason: str | None
    unreadable: Unreadables
    runtime: Runtime

    @classmethod
    def example(cls) -> Self:
        return cls(
            collection_id="punks",
            n_images=3,
            n_distinct=2,
            largest_share=2 / 3,
            placeholder_token="7",
            empty=False,
            pre_reveal=False,
            reason=None,
            unreadable=[Unreadable(name="9", reason="cannot identify image file '9'")],
            runtime=0.1,
        )


class ConvertCollectionMsg(PreparationMsg, Answered["ConvertCollectionReturnMsg"]):
    """Decode a collection once for all later steps: pixels and ids as NumPy files, in the order of the token ids.

    Fields:
        stack_loc: where the pixels go, ``.npz`` with arr_0 uint8 [n, size, size, 3].
        ids_loc: where the token ids go, ``.npz`` with arr_0 text [n]; None: ``ids.npz`` beside the stack.
    """

    task: ClassVar[str] = "convert_collection"

    collection_id: CollectionId
    images_loc: ImagesLocation
    stack_loc: WritableLocation
    ids_loc: WritableLocation | None = None

    reads_earlier_outputs: ClassVar[frozenset[str]] = frozenset({"images_loc"})

    def implied_outputs(self) -> dict[str, DataLocation]:
        return {"the ids of stack_loc": ids_beside(self.stack_loc)} if self.ids_loc is None else {}

    @classmethod
    def example(cls) -> Self:
        return cls(
            collection_id="punks",
            images_loc=DataLocation("memory", "punks/resized/"),
            stack_loc=DataLocation("memory", "punks/numpy/pixels.npz"),
        )


class ConvertCollectionReturnMsg(ReturnMessage):
    """Number of images that were decoded.

    Fields:
        n_images: number of images in the stack.
    """

    collection_id: AnsweredId
    n_images: int
    unreadable: Unreadables
    runtime: Runtime

    @classmethod
    def example(cls) -> Self:
        return cls(collection_id="punks", n_images=3, unreadable=[], runtime=0.1)
