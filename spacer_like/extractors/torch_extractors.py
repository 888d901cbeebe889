"""Extractors whose weights are a file of ``torch.save``."""

from __future__ import annotations

from abc import ABC
from collections.abc import Callable
from io import BytesIO
from typing import IO, TYPE_CHECKING, Any, ClassVar

from typing_extensions import Self

from spacer_like.exceptions import WeightsError, damage_as
from spacer_like.extractors.network_extractor import NetworkExtractor
from spacer_like.extractors.preprocessing import Preprocessing
from spacer_like.extras import import_extra
from spacer_like.location import DataLocation
from spacer_like.storage import write_bytes

if TYPE_CHECKING:
    from torch import Tensor, nn


def transformation() -> Callable[[Any], Tensor]:
    """A function from an image, or its pixels uint8 [height, width, channels], to float32 [channels, height, width].

    Bytes are divided by 255; other numbers stay as they are. It is what `torchvision.transforms.ToTensor` does.
    """
    import numpy as np
    import torch

    def transform(image: Any) -> Tensor:
        pixels = np.array(image)
        pixels = pixels[:, :, None] if pixels.ndim == 2 else pixels
        tensor = torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)))
        return tensor.to(torch.float32).div(255) if pixels.dtype == np.uint8 else tensor

    return transform


class TorchExtractor(NetworkExtractor, ABC):
    """Features by a torch module. Subclasses override `untrained_model` and `feature_dim`.

    The file ``weights`` holds a dictionary whose entry ``net`` is the module's state dict, maybe stored through
    DataParallel. Other entries are ignored. Pixels enter the module divided by 255.

    >>> class Brightness(TorchExtractor):
    ...     feature_dim = 1
    ...     @staticmethod
    ...     def untrained_model():
    ...         from torch import nn
    ...         class Net(nn.Module):
    ...             def extract_features(self, batch):
    ...                 return batch.mean((1, 2, 3))[:, None]
    ...         return Net()
    """

    DATA_LOCATION_KEYS: ClassVar[list[str]] = ["weights"]
    PREPROCESSING: ClassVar[str | Preprocessing] = "RGB / 255"

    @classmethod
    def untrained_model(cls) -> nn.Module:
        """The network with random weights; it has a method `extract_features(batch)`."""
        raise NotImplementedError

    @classmethod
    def load_weights(cls, weights_datastream: IO[bytes]) -> nn.Module:
        """The network with the weights of a file, in evaluation mode and without gradients.

        Raises:
            WeightsError: no weights file, or weights of another network.
        """
        from spacer_like.extractors.torch_weights import fit, read_state_dict

        return fit(cls.untrained_model(), read_state_dict(weights_datastream, "weights"), "weights")

    def build_module(self) -> nn.Module:
        name = self.data_locations["weights"].display_name
        with damage_as(WeightsError, name, f"{name} are no weights of {type(self).__name__}"):
            return self.load_weights(self.load_datastream("weights")[0])

    @classmethod
    def untrained_instance(cls, data_loc_key: str = "weights") -> Self:
        """An extractor with random weights in the memory storage; for tests."""
        torch = import_extra("torch", f"Making weights for {cls.__name__}", "torch")
        stream = BytesIO()
        torch.save({"net": cls.untrained_model().state_dict()}, stream)
        location = DataLocation("memory", data_loc_key)
        write_bytes(location, stream.getvalue())
        return cls(data_locations={"weights": location})
