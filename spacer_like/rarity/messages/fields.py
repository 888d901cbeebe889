"""The types of fields that several messages have, each with the bounds that all of them keep."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StrictStr
from typing_extensions import Doc

from spacer_like.location import DataLocation
from spacer_like.message_base import Folder, Location

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


def table_description(loc: DataLocation) -> DataLocation:
    """Where the description of a table (``.npy``) lies: beside it."""
    return DataLocation(loc.storage_type, f"{loc.key}.json", loc.bucket_name)
