"""Training data out of storage: chips as features and pixels."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from spacer_like.chips.band_chips import images_for
from spacer_like.chips.messages.tiles import UnreadableChip
from spacer_like.chips.models.multilabel_model import network_features
from spacer_like.exceptions import CollectionError
from spacer_like.extractors.base import FeatureExtractor, image_features
from spacer_like.message_base import none_of
from spacer_like.storage.unfinished_files import array_or_file

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from spacer_like.chips.chip_source import ChipSource
    from spacer_like.extractors.networks import TorchNetwork


@dataclass(frozen=True, eq=False)
class Gathered:
    """Chips that could be decoded, and the training data made of them.

    Attributes:
        names: [n].
        features: float32 [n, m] of a frozen extractor or network, or None.
        pixels: uint8 [n, size, size, 3] where they are wanted, in memory or in a file; else None.
    """

    names: list[str]
    features: NDArray[np.float32] | None
    pixels: NDArray[np.uint8] | None


def gathered_chips(
    chips: ChipSource,
    names: Sequence[str],
    size: int,
    frozen: FeatureExtractor | TorchNetwork | None,
    wants_pixels: bool,
    resources: ExitStack,
) -> Gathered:
    """Decode chips once for all epochs.

    Args:
        names: those that are wanted.
        frozen: what makes features of them, if anything does.
        wants_pixels: whether pixels are kept; more than the setting TRAINING_MEMORY_BYTES in a temporary file.
        resources: where that file ends with.

    Raises:
        CollectionError: none of them can be decoded.
    """
    pixels = array_or_file((len(names), size, size, 3), np.uint8, resources) if wants_pixels else None
    found: list[str] = []
    features: list[NDArray[np.float32]] = []
    extractor = frozen if isinstance(frozen, FeatureExtractor) else None
    for some, batch in images_for(chips, names, size, extractor):
        if pixels is not None:
            pixels[len(found) : len(found) + len(some)] = batch
        if frozen is not None:
            features.append(_features(frozen, batch))
        found += some
    if not found:
        wanted = set(names)
        failed = [chip for chip in chips.unreadable if chip.name in wanted]
        raise CollectionError(
            none_of(failed or [UnreadableChip.of(names[0], "It is gone.")], f"chip of '{chips.name}'", "be decoded")
        )
    return Gathered(
        found,
        np.concatenate(features) if features else None,
        pixels[: len(found)] if pixels is not None else None,
    )


def _features(frozen: FeatureExtractor | TorchNetwork, pixels: Any) -> NDArray[np.float32]:
    if isinstance(frozen, FeatureExtractor):
        return image_features(frozen, pixels)
    return network_features(frozen, pixels)
