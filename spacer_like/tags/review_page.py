"""A page on which a person says of images whether they have a tag."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from spacer_like.review.page import answers_key, filled_page, picture_address


class Asked(NamedTuple):
    """An image that a person is asked about.

    Fields:
        tag: the tag in question.
        id, path: of the image.
        kind: why: ``uncertain`` or ``likely``.
        score: probability of the tag.
    """

    tag: str
    id: str
    path: str
    kind: str
    score: float


def review_page(asked: Sequence[Asked], pictures: Mapping[str, bytes]) -> bytes:
    """The page for some images, by their tags.

    Args:
        asked: in the order in which they are shown; images of one tag follow each other.
        pictures: JPEGs by the images' paths; one that is not there is said to be missing.
    """
    numbers: dict[str, int] = {}
    tags: dict[str, list[dict[str, object]]] = {}
    for one in asked:
        number = numbers.setdefault(one.path, len(numbers)) if one.path in pictures else -1
        item = {"id": one.id, "path": one.path, "kind": one.kind, "score": round(one.score, 6), "picture": number}
        tags.setdefault(one.tag, []).append(item)
    data = {
        "key": answers_key([(one.tag, one.id) for one in asked]),
        "tags": [{"tag": tag, "items": items} for tag, items in tags.items()],
        "pictures": [picture_address(pictures[path]) for path in numbers],
    }
    return filled_page(__package__, "review_page", data)
