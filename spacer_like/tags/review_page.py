"""A page on which a person says of images whether they have a tag: one file of HTML that needs no server.

All texts go into it as JSON, which its script shows as text: none is ever read as HTML. Its policy lets nothing run but
that script, and nothing be fetched from anywhere.
"""

from __future__ import annotations

import hashlib
import json
from base64 import b64encode
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import NamedTuple

_KEY_BYTES = 16


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
        # Answers to other questions are kept elsewhere.
        "key": f"spacer-review-{_digest(asked)}",
        "tags": [{"tag": tag, "items": items} for tag, items in tags.items()],
        "pictures": [f"data:image/jpeg;base64,{b64encode(pictures[path]).decode()}" for path in numbers],
    }
    # Nothing in it may end the element that holds it.
    text = json.dumps(data, separators=(",", ":")).replace("<", "\\u003c")
    style, script = _part("css"), _part("js")
    policy = (
        f"default-src 'none'; img-src data:; style-src '{_hash(style)}'; script-src '{_hash(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    page = _part("html")
    for name, value in (("policy", policy), ("style", style), ("script", script), ("data", text)):
        page = page.replace(f"{{{{{name}}}}}", value, 1)
    return page.encode()


def _digest(asked: Sequence[Asked]) -> str:
    names = json.dumps([(one.tag, one.id) for one in asked])
    return hashlib.blake2b(names.encode(), digest_size=_KEY_BYTES).hexdigest()


def _hash(text: str) -> str:
    """What a policy calls an element with a text."""
    return f"sha256-{b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


@cache
def _part(ending: str) -> str:
    return files(__package__).joinpath(f"review_page.{ending}").read_text(encoding="utf-8")
