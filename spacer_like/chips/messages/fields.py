"""Field types that the messages of the chips family share."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, StrictInt, StrictStr
from typing_extensions import Doc

from spacer_like.message_base import Folder, Location, TextLike

ChipsLocation = Annotated[
    Location,
    Folder(r"(?i).*\.jpe?g|Z\d.*\.parquet"),
    Doc(
        "the chips: a folder of them, a manifest (``.parquet``) of chips that were written or are still in their tile, "
        "or a folder of such manifests."
    ),
]
TreeLocation = Annotated[
    Location,
    Folder(r"(?i).*\.tiff?|.*osm_data.*\.json|(node|way|relation)_tags\.json"),
    Doc("the root of the tree of tiles ``<zone>/<quadkey>/<date>/<acquisition>-visual.tif``."),
]
Zone = Annotated[StrictInt, Field(ge=1, le=60)]
Zoom = Annotated[StrictInt, Field(ge=12, le=22)]
Quadkey = Annotated[StrictStr, TextLike(r"^[0-3]{1,12}$", "a quadkey of 1 to 12 digits from 0 to 3")]
Acquisition = Annotated[
    StrictStr,
    TextLike(
        r"^[A-Za-z0-9][A-Za-z0-9.-]{0,99}$",
        "1 to 100 letters, digits, dots and hyphens, a letter or digit first",
    ),
]
Cell = Annotated[StrictStr, TextLike(r"^[0-3]{12}$", "a quadkey of 12 digits from 0 to 3")]
ChipName = Annotated[StrictStr, Field(min_length=1, max_length=300)]
Label = Annotated[StrictStr, Field(min_length=1, max_length=200)]
Way = Literal["passthrough", "blocks", "strips"]
NoDataClass = Literal["all_data", "partial_data", "no_data"]


def example_extractor() -> dict[str, Any]:
    return {"class_path": "spacer_like.extractors.efficientnet_lite.EfficientNetLite0Extractor"}
