"""Field types that messages share, each with its bounds, and how an image becomes a square."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StrictInt, StrictStr
from typing_extensions import Doc

from spacer_like.location import DataLocation
from spacer_like.message_base import ByKeyword, Folder, Location, Message, Unreadable, ids_beside

CollectionId = Annotated[StrictStr, Field(min_length=1, max_length=200), Doc("the collection's id.")]
AnsweredId = Annotated[str, Doc("the collection's id, as in the request.")]
ImagesLocation = Annotated[
    Location,
    Folder(r"(?i)[^.]+|.*\.(jpe?g|png|gif|webp|bmp|tiff?)"),
    Doc(
        "the images: a folder (or prefix) of files named by token id, an archive of such files (``.zip``, "
        "``.tar``, ``.tar.gz``, ``.tgz``), or a stack of `convert_collection` (``.npz``)."
    ),
]
LeftOut = Annotated[list[str], Doc("tokens with an image that have no row in the metadata, and therefore no score.")]
Resample = Literal["bicubic", "nearest", "box", "lanczos"]
_BACKGROUND = r"^(drop|#[0-9a-fA-F]{6})$"


def _checked_background(text: str) -> str:
    # Of a field's own pattern the error would be the pattern, which users need not read.
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


MetadataOfRows = Annotated[
    Location | None,
    Doc(
        "the collection's metadata, CSV without a header: id, rarityScore, rarityRank, url; the table has a row for "
        "each of its rows, and none for other images. None: a row for every image."
    ),
]
Unreadables = Annotated[list[Unreadable], Doc("files of the collection that are no images, with the reasons.")]


def table_description(loc: DataLocation) -> DataLocation:
    """Where the description of a table (``.npy``) lies: beside it."""
    return DataLocation(loc.storage_type, f"{loc.key}.json", loc.bucket_name)
