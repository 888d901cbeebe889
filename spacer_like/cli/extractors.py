"""Extractors by their names on the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from spacer_like.cli.locations import location
from spacer_like.exceptions import DataNotFoundError, SpacerInputError, nearest

if TYPE_CHECKING:
    from spacer_like.extractors.base import FeatureExtractor

EXTRACTORS = {
    "lite0": ("spacer_like.extractors.efficientnet_lite.EfficientNetLite0Extractor", ()),
    "lite2": ("spacer_like.extractors.efficientnet_lite.EfficientNetLite2Extractor", ()),
    "efficientnet-b0": ("spacer_like.extractors.efficientnet.EfficientNetExtractor", ("weights",)),
    "resnet50": ("spacer_like.extractors.resnet.ResNet50Extractor", ("weights",)),
    "vgg16": ("spacer_like.extractors.vgg16_caffe.VGG16CaffeExtractor", ("weights", "definition")),
}


def extractor_described(kind: str, weights: str | None, definition: str | None) -> dict[str, Any]:
    """The extractor as a message carries it.

    Args:
        kind: one of `EXTRACTORS`, or the dotted path of a registered class.
        weights, definition: paths or URIs of its files, where it needs any.

    Raises:
        SpacerInputError: an unknown name, or a file that is lacking or not asked for.
    """
    given = {name: text for name, text in (("weights", weights), ("definition", definition)) if text is not None}
    if kind not in EXTRACTORS and "." not in kind:
        raise SpacerInputError(
            f"The extractor '{kind}' is unknown: it must be one of {', '.join(EXTRACTORS)}, or a class's dotted path."
            f"{nearest(kind, EXTRACTORS)}"
        )
    class_path, needed = EXTRACTORS.get(kind, (kind, tuple(given)))
    if missing := [name for name in needed if name not in given]:
        raise SpacerInputError(f"The extractor {kind} needs --{missing[0]}, the path or URI of its file.")
    if surplus := [name for name in given if name not in needed]:
        raise SpacerInputError(f"The extractor {kind} takes no --{surplus[0]}.")
    described: dict[str, Any] = {"class_path": class_path}
    if given:
        described["data_locations"] = {name: location(text).serialize() for name, text in given.items()}
    return described


def prepared_extractor(kind: str, weights: str | None, definition: str | None) -> FeatureExtractor:
    """The extractor, ready for the first image: its files are there and are those of its network.

    Args: as `extractor_described`.

    Raises:
        SpacerError: as `extractor_described`; a file that is not there, or not of this network; a missing extra.
    """
    from spacer_like.extractors import FeatureExtractor
    from spacer_like.storage import storage_factory

    extractor = FeatureExtractor.deserialize(extractor_described(kind, weights, definition))
    for loc in extractor.data_locations.values():
        if loc.storage_type == "filesystem":
            try:
                storage_factory("filesystem").size(loc.key)
            except DataNotFoundError:
                raise DataNotFoundError(
                    f"There is no file '{loc.display_name}', which the extractor {kind} needs."
                ) from None
    extractor.prepare()
    return extractor
