"""What all requests and answers with images share: how an image becomes a square, and which files are none."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StrictInt, StrictStr

from spacer_like.message_base import Message, ReturnMessage

Resample = Literal["bicubic", "nearest", "box", "lanczos"]


class PreparationMsg(Message):
    """How images of any size and mode become squares of RGB pixels: the fields that all requests with images share.

    Fields:
        size: width and height of the squares in pixels.
        resample: the filter that resizes.
        background: ``drop``: transparency is ignored, the colour beneath it counts; or a colour ``#rrggbb`` that shows
            through it.
    """

    size: Annotated[StrictInt, Field(ge=1, le=512)] = 224
    resample: Resample = "bicubic"
    background: Annotated[StrictStr, Field(pattern=r"^(drop|#[0-9a-fA-F]{6})$"), AfterValidator(str.lower)] = "drop"


class Unreadable(ReturnMessage):
    """A file of a collection that is no image, by its name, with the reason."""

    name: str
    reason: str


Unreadables = list[Unreadable]
