"""The server's two pages, and what is said of its addresses to programs. They load nothing from elsewhere."""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import files
from typing import Any

from spacer_like.config import settings
from spacer_like.http_server.pages import Page
from spacer_like.regression.server.uploads import FIELD, MOST_PIXELS, SECONDS_TO_SEND

_ANSWER = {
    "type": "object",
    "properties": {
        "status": {"type": "string"},
        "filename": {"type": "string"},
        "inclinations": {"type": "object", "description": "Degrees by group and network, and their summary."},
        "rejection_likelihood": {"type": "object", "description": "Per cent by network, and their summary."},
    },
}
_FAILURE = {"type": "object", "properties": {"status": {"const": "failure"}, "message": {"type": "string"}}}
_STATUSES = {
    200: "The answer.",
    400: "There is no form, or no file in it.",
    408: "The image did not arrive in time.",
    413: "The image has too many bytes or pixels.",
    415: "The file is no PNG, JPEG or GIF.",
    422: "The image cannot be used, such as a damaged one.",
    503: "The server has as many images as it can take.",
}
FORM_SCHEMA: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": [FIELD],
                    "properties": {FIELD: {"type": "string", "format": "binary", "description": "PNG, JPEG or GIF."}},
                }
            }
        },
    }
}
RESPONSES: dict[int | str, dict[str, Any]] = {
    status: {"description": said, "content": {"application/json": {"schema": _ANSWER if status == 200 else _FAILURE}}}
    for status, said in _STATUSES.items()
}


@lru_cache(maxsize=1)
def upload_page() -> Page:
    """The page where an image is sent, and its answer shown beside it."""
    return _made("upload.html")


@lru_cache(maxsize=1)
def api_page() -> Page:
    """The description of the addresses."""
    return _made("api.html")


def _made(name: str) -> Page:
    folder = files(__package__)
    rows = "".join(
        f"<tr><td class='name'>{status}</td><td class='name'>{said}</td></tr>" for status, said in _STATUSES.items()
    )
    html = folder.joinpath(name).read_text(encoding="utf-8")
    for mark, text in (
        ("STYLE", folder.joinpath("page.css").read_text(encoding="utf-8")),
        ("MOST_BYTES", f"{settings().max_upload_bytes:,}"),
        ("MOST_PIXELS", f"{MOST_PIXELS:,}"),
        ("SECONDS", f"{SECONDS_TO_SEND:.0f}"),
        ("STATUSES", rows),
    ):
        html = html.replace(f"[[{mark}]]", text)
    # The picture that is shown is the one that was chosen; it never leaves the browser for that.
    return Page.of(html, images="'self' blob:", forms="'self'")
