"""Networks of the package timm, with weights out of a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import IO, TYPE_CHECKING, Any

from spacer_like.exceptions import MessageError
from spacer_like.extractors.library_extractor import LibraryExtractor, NetworkFacts
from spacer_like.extractors.preprocessing import Triple
from spacer_like.location import DataLocation

if TYPE_CHECKING:
    from torch import nn

_MOST_PIXELS = 2**12


class TimmExtractor(LibraryExtractor):
    """Features by a network of timm without its last layer, such as ``vit_small_patch14_dinov2``.

    Args:
        data_locations, data_hashes, model: see `LibraryExtractor`.
        size: width and height in pixels of the squares that enter the network.
        mean, std: of the channels, of colours from 0 to 1.
        pooling: how the last layer's positions become one vector, such as ``avg``, ``token`` or ``max``.

    What is None is as timm's configuration of the model's published weights has it, which is read as data.

    Raises:
        MessageError: as `LibraryExtractor`; or an argument that cannot be.
    """

    LIBRARY = "timm"

    def __init__(
        self,
        data_locations: Mapping[str, DataLocation] | None = None,
        data_hashes: Mapping[str, str] | None = None,
        model: str = "",
        size: int | None = None,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        pooling: str | None = None,
    ) -> None:
        super().__init__(data_locations, data_hashes, model)
        if size is not None and (type(size) is not int or not 1 <= size <= _MOST_PIXELS):
            raise MessageError(f"The extractor's size must be an integer from 1 to {_MOST_PIXELS}.")
        if pooling is not None and not isinstance(pooling, str):
            raise MessageError("The extractor's pooling must be a text, such as avg.")
        self.size, self.pooling = size, pooling
        self.mean, self.std = _triple("mean", mean), _triple("std", std)

    def arguments(self) -> dict[str, Any]:
        own = {"size": self.size, "mean": self.mean, "std": self.std, "pooling": self.pooling}
        given = {name: list(value) if isinstance(value, tuple) else value for name, value in own.items()}
        return super().arguments() | {name: value for name, value in given.items() if value is not None}

    def facts(self) -> NetworkFacts:
        from spacer_like.extractors.timm_network import timm_facts

        return timm_facts(self.model, self.size, self.mean, self.std, self.pooling)

    def load_weights(self, weights: IO[bytes]) -> nn.Module:
        from spacer_like.extractors.timm_network import timm_network

        return timm_network(self.model, self.size, self.pooling, weights)


def _triple(name: str, numbers: Sequence[float] | None) -> Triple | None:
    if numbers is None:
        return None
    if not isinstance(numbers, list | tuple) or [type(number) in (int, float) for number in numbers] != [True] * 3:
        raise MessageError(f"The extractor's {name} must be three numbers, of red, green and blue.")
    red, green, blue = map(float, numbers)
    return red, green, blue
