"""The server's two pages, and what is said of its addresses to programs. They load nothing from elsewhere."""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import files
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from spacer_like.config import settings
from spacer_like.http_server.pages import Page
from spacer_like.regression.server.uploads import FIELD, MOST_PIXELS, SECONDS_TO_SEND


class Interval(BaseModel):
    """Where the inclination of nine in ten such galaxies lies, or of another share, in whole degrees."""

    coverage: float = Field(description="The share of galaxies whose inclination lies in its interval.")
    inclination: int = Field(description="Of all networks together, without the bias that the calibration knows.")
    low: int
    high: int


class Answer(BaseModel):
    """What the networks say of an image."""

    model_config = ConfigDict(extra="forbid")

    status: Literal["success"]
    filename: str
    inclinations: dict[str, dict[str, int]] = Field(
        default_factory=dict,
        description="Whole degrees from face-on by group and network, and their summary: mean, median, stdev. Absent "
        "where no network tells inclinations.",
    )
    interval: Interval | None = Field(None, description="Absent where the server has no calibration.")
    rejection_likelihood: dict[str, int | dict[str, int]] = Field(
        default_factory=dict,
        description="Per cent by network, and their summary. Absent where no network tells good galaxies from bad.",
    )
    warnings: list[str] = Field(
        description="Sentences about what casts doubt: a band or a brightness that networks were not trained on, or a "
        "prediction at the end of the scale. May be empty."
    )


class Failure(BaseModel):
    """Why there is no answer."""

    status: Literal["failure"]
    message: str = Field(description="A sentence.")


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
    status: {"description": said, "model": Answer if status == 200 else Failure} for status, said in _STATUSES.items()
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
