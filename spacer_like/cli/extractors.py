"""Extractors by their names on the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from spacer_like.cli.locations import location
from spacer_like.exceptions import DataNotFoundError
from spacer_like.extractors.named import described_extractor

if TYPE_CHECKING:
    from spacer_like.extractors.base import FeatureExtractor


def extractor_described(kind: str, weights: str | None, definition: str | None) -> dict[str, Any]:
    """The extractor as a message carries it.

    Args:
        kind: a name of `spacer_like.extractors.named`.
        weights, definition: paths or URIs of its files, where it needs any.

    Raises:
        SpacerInputError: an unknown name, or a file that is lacking or not asked for.
    """
    given = {
        name: location(text) for name, text in (("weights", weights), ("definition", definition)) if text is not None
    }
    return described_extractor(kind, given)


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
