"""What all requests and answers with images share: how an image becomes a square, and which files are none."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StrictInt, StrictStr
from typing_extensions import Doc

from spacer_like.location import DataLocation
from spacer_like.message_base import ByKeyword, Message, Unreadable, ids_beside

Resample = Literal["bicubic", "nearest", "box", "lanczos"]
_BACKGROUND = r"^(drop|#[0-9a-fA-F]{6})$"


def _checked_background(text: str) -> str:
    # A field's own pattern would be told to the user, who need not read patterns.
    if not re.fullmatch(_BACKGROUND, text):
        raise ValueError(f"{text!r} is neither 'drop' nor a colour such as '#ffffff'")
    return text.lower()


Background = Annotated[
    StrictStr, AfterValidator(_checked_background), Field(json_schema_extra={"pattern": _BACKGROUND})
]


class PreparationMsg(Message, metaclass=ByKeyword):
    """How images of any size and mode become squares of RGB pixels: the fields that all requests with images share.

    Fields:
        size: width and height of the squares in pixels.
        resample: the filter that resizes the images: ``bicubic``, ``nearest``, ``box`` or ``lanczos``.
        background: ``drop``: transparency is ignored, and the hidden colour beneath it counts; or a colour ``#rrggbb``
            that shows through transparent pixels.
    """

    size: Annotated[StrictInt, Field(ge=1, le=512)] = 224
    resample: Resample = "bicubic"
    background: Background = "drop"

    def implied_inputs(self) -> dict[str, DataLocation]:
        images: DataLocation | None = getattr(self, "images_loc", None)
        if images is None or not images.filename.lower().endswith(".npz"):
            return {}
        return {"the ids of images_loc": ids_beside(images)}


Unreadables = Annotated[list[Unreadable], Doc("files of the collection that are no images, with the reasons.")]
