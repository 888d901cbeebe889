"""Image encoders of CLIP models by the package open_clip, with weights out of a file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import IO, TYPE_CHECKING, Any

from spacer_like.exceptions import MessageError
from spacer_like.extractors.library_extractor import LibraryExtractor, NetworkFacts
from spacer_like.location import DataLocation

if TYPE_CHECKING:
    from torch import nn


class OpenClipExtractor(LibraryExtractor):
    """Features by the image encoder of a CLIP model, such as ``ViT-B-32``: what ``encode_image`` gives, not scaled to
    any length (ViT-B-32: 512 numbers).

    OpenAI's models were trained with another activation than the others of the same name, QuickGELU, and weights do not
    tell which is theirs: vectors by the wrong one are silently wrong. So the tag is asked for wherever both exist.

    Args:
        data_locations, data_hashes, model: see `LibraryExtractor`.
        pretrained: the tag that the weights were published under, such as ``openai``, which makes the model the variant
            with QuickGELU; or ``own``: other weights, with the activation that the model's name says.

    Raises:
        MessageError: as `LibraryExtractor`.
    """

    LIBRARY = "open_clip"

    def __init__(
        self,
        data_locations: Mapping[str, DataLocation] | None = None,
        data_hashes: Mapping[str, str] | None = None,
        model: str = "",
        pretrained: str | None = None,
    ) -> None:
        super().__init__(data_locations, data_hashes, model)
        if pretrained is not None and (not isinstance(pretrained, str) or not pretrained):
            raise MessageError("The extractor's pretrained must be a tag of open_clip, such as openai.")
        self.pretrained = pretrained

    def arguments(self) -> dict[str, Any]:
        return super().arguments() | ({} if self.pretrained is None else {"pretrained": self.pretrained})

    def facts(self) -> NetworkFacts:
        from spacer_like.extractors.open_clip_network import open_clip_facts

        return open_clip_facts(self.model, self.pretrained)

    def load_weights(self, weights: IO[bytes]) -> nn.Module:
        from spacer_like.extractors.open_clip_network import open_clip_network

        return open_clip_network(self.model, self.pretrained, weights)
