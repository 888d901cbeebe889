"""Pages of one file, on which a person answers: they need no server, and load nothing from anywhere.

All texts go into a page as JSON, which its script shows as text: none is ever read as HTML. Its policy lets nothing run
but that script, and nothing be fetched. What all pages share, their look and how their scripts write and read CSV, lies
here as ``page.css`` and ``page.js``, and stands before a page's own.
"""

from __future__ import annotations

import hashlib
import json
from base64 import b64encode
from collections.abc import Sequence
from functools import cache
from importlib.resources import files

_KEY_BYTES = 16


def filled_page(package: str, stem: str, data: object) -> bytes:
    """The page of the files STEM.html, STEM.css and STEM.js of a package, with the data that its script reads.

    Args:
        package: as ``__package__`` has it.
        data: what JSON holds.
    """
    # Nothing in it may end the element that holds it.
    text = json.dumps(data, separators=(",", ":")).replace("<", "\\u003c")
    style, script = (_part(__package__, "page", kind) + _part(package, stem, kind) for kind in ("css", "js"))
    policy = (
        f"default-src 'none'; img-src data:; style-src '{_hash(style)}'; script-src '{_hash(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    page = _part(package, stem, "html")
    for name, value in (("policy", policy), ("style", style), ("script", script), ("data", text)):
        page = page.replace(f"{{{{{name}}}}}", value, 1)
    return page.encode()


def answers_key(questions: Sequence[Sequence[str]]) -> str:
    """The name under which a browser keeps the answers to these questions: others have another."""
    digest = hashlib.blake2b(json.dumps(questions).encode(), digest_size=_KEY_BYTES).hexdigest()
    return f"spacer-review-{digest}"


def picture_address(jpeg: bytes) -> str:
    """A JPEG as the address of an image in the page."""
    return f"data:image/jpeg;base64,{b64encode(jpeg).decode()}"


def _hash(text: str) -> str:
    """What a policy calls an element with a text."""
    return f"sha256-{b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


@cache
def _part(package: str, stem: str, ending: str) -> str:
    return files(package).joinpath(f"{stem}.{ending}").read_text(encoding="utf-8")
