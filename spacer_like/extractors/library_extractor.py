"""Extractors whose networks a library of networks builds by name, with weights out of a file."""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import IO, TYPE_CHECKING, Any, ClassVar, NamedTuple

from spacer_like.exceptions import MessageError, WeightsError, damage_as
from spacer_like.extractors.network_extractor import NetworkExtractor
from spacer_like.extractors.preprocessing import Preprocessing
from spacer_like.location import DataLocation

if TYPE_CHECKING:
    from torch import nn

_LONGEST_NAME = 200


class NetworkFacts(NamedTuple):
    """What a library knows of a network.

    Fields:
        dimension: of its feature vectors.
        preprocessing: that its weights were trained with.
        variant: what else distinguishes its vectors, as JSON values.
    """

    dimension: int
    preprocessing: Preprocessing
    variant: tuple[Any, ...]


class LibraryExtractor(NetworkExtractor, ABC):
    """Features by a network of a library, run by torch. Nothing is ever downloaded: the file ``weights``, a state dict
    of safetensors or ``torch.save``, holds its weights.

    Making, comparing and serialising it loads neither torch nor the library; `feature_dim`, `preprocessing` and
    `extractor_id` ask the library.

    Args:
        data_locations: has ``weights``.
        data_hashes: see `FeatureExtractor`.
        model: the network's name in the library.

    Raises:
        MessageError: no weights are given, or no name.
    """

    DATA_LOCATION_KEYS: ClassVar[list[str]] = ["weights"]
    LIBRARY: ClassVar[str]

    def __init__(
        self,
        data_locations: Mapping[str, DataLocation] | None = None,
        data_hashes: Mapping[str, str] | None = None,
        model: str = "",
    ) -> None:
        if not isinstance(model, str) or not 0 < len(model) <= _LONGEST_NAME:
            raise MessageError(
                f"The extractor {type(self).__name__} needs as model the name of a network of {self.LIBRARY}."
            )
        self.model = model
        if "weights" not in (data_locations or {}):
            raise MessageError(
                f"The extractor {type(self).__name__} downloads nothing: give as weights, in data_locations, the file "
                f"with the weights of {model}, in safetensors or as torch.save writes a state dict."
            )
        super().__init__(data_locations, data_hashes)

    @abstractmethod
    def facts(self) -> NetworkFacts:
        """What the library knows of the network.

        Raises:
            MessageError: it has none of this name, with the nearest; or these arguments do not fit it.
            MissingExtraError: the library is not installed.
        """

    @abstractmethod
    def load_weights(self, weights: IO[bytes]) -> nn.Module:
        """The network with the weights of a file; errors as `TorchExtractor.load_weights`."""

    def arguments(self) -> dict[str, Any]:
        return {**super().arguments(), "model": self.model}

    @property
    def feature_dim(self) -> int:
        return self.facts().dimension

    @property
    def CROP_SIZE(self) -> int:  # type: ignore[override]
        return self.facts().preprocessing.size

    @property
    def PREPROCESSING(self) -> Preprocessing:  # type: ignore[override]
        return self.facts().preprocessing

    @property
    def architecture(self) -> str:
        return json.dumps([type(self).__name__, self.model, *self.facts().variant])

    def build_module(self) -> nn.Module:
        name = self.data_locations["weights"].display_name
        with damage_as(WeightsError, name, f"{name} are no weights of {self.model}"):
            return self.load_weights(self.load_datastream("weights")[0])

    def _id(self, hashes: Mapping[str, str]) -> str:
        own = json.dumps([super()._id(hashes), self.architecture])
        return hashlib.sha256(own.encode()).hexdigest()[:40]
