"""Extractors that run a network, by ONNX Runtime or torch, built on first use."""

from __future__ import annotations

import ctypes
import os
from abc import abstractmethod
from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import TYPE_CHECKING, ClassVar

from spacer_like.config import settings
from spacer_like.exceptions import ConfigError
from spacer_like.extractors.base import FeatureExtractor
from spacer_like.extractors.preprocessing import PerChannel, Preprocessing
from spacer_like.extras import import_extra, import_if_installed

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import nn

    from spacer_like.extractors.networks import Network
    from spacer_like.extractors.onnx_session import Recipe

# Who overrides one of these builds another network.
_BUILDING_METHODS = ("build_module", "load_weights", "untrained_model")


class NetworkExtractor(FeatureExtractor):
    """Features by a network that is built on first use and kept by the process under its weights' hash.

    On the CPU ONNX Runtime runs it, where it is installed, and torch otherwise; on a GPU torch does.
    """

    BATCH_SIZE = 10
    """Patches that enter the network together, at most; may be set on an instance."""
    PIXEL_MEAN: ClassVar[float] = 0.0
    PIXEL_SCALE: ClassVar[float] = 255.0
    """A pixel p enters the network as (p - PIXEL_MEAN) / PIXEL_SCALE, unless PREPROCESSING is a value that says it for
    each channel."""
    ONNX_VERSION: ClassVar[int | None] = None
    """A number allows ONNX Runtime. Models for it are kept on disk: the number must change with the network's code."""

    _was_fetched_ahead = False

    @abstractmethod
    def build_module(self) -> nn.Module:
        """The network in torch, with its weights, in evaluation mode. Its method `extract_features` takes float32
        [n, 3, CROP_SIZE, CROP_SIZE] to float32 [n, feature_dim]."""

    @property
    def input_size(self) -> int:
        """Width and height in pixels of the squares that enter the network."""
        return self.CROP_SIZE

    @property
    def architecture(self) -> str:
        """The arguments that distinguish this network from others of the same class and weights."""
        return type(self).__name__

    def patches_to_features(self, patch_list: Sequence[NDArray[np.uint8]]) -> tuple[NDArray[np.float32], bool]:
        """Features of crops: float32 [n, feature_dim], and whether weights were fetched from afar.

        Crops of floating-point numbers enter the network as they are.
        """
        return self._begin_network(patch_list)()

    def begin_patches(self, patch_list: Sequence[NDArray[np.uint8]]) -> Callable[[], tuple[NDArray[np.float32], bool]]:
        if type(self).patches_to_features is not NetworkExtractor.patches_to_features:
            # A subclass has its own way.
            return partial(self.patches_to_features, patch_list)
        return self._begin_network(patch_list)

    def _begin_network(self, patch_list: Sequence[NDArray[np.uint8]]) -> Callable[[], tuple[NDArray[np.float32], bool]]:
        import numpy as np

        takes_pixels = np.asarray(patch_list[0]).dtype == np.uint8
        network, loaded_remotely = self._network(takes_pixels)
        loaded_remotely |= self._was_fetched_ahead
        self._was_fetched_ahead = False
        features = network.begin(patch_list, self.BATCH_SIZE)
        return lambda: (features(), loaded_remotely)

    def prepare(self) -> bool:
        loaded_remotely = self._network(takes_pixels=True)[1]
        # The extraction that this was done for still reports it.
        self._was_fetched_ahead |= loaded_remotely
        return loaded_remotely

    def weights_hash(self) -> tuple[str, bool]:
        """The hash of all files of the extractor, which are checked, and whether one was fetched from afar."""
        loaded_remotely = False
        for key, location in self.data_locations.items():
            load = self.load_datastream if location.storage_type == "memory" else self.load_data_into_filesystem
            loaded_remotely |= load(key)[1]
        return "-".join(self._seen_hashes[key] for key in sorted(self.data_locations)), loaded_remotely

    def _network(self, takes_pixels: bool) -> tuple[Network, bool]:
        from spacer_like.extractors import onnx_session
        from spacer_like.extractors.networks import network_cache

        weights, loaded_remotely = self.weights_hash()
        device = self.device()
        uses_onnx = takes_pixels and device == "cpu" and self._allows_onnx() and onnx_session.is_wanted()
        mean, scale = self.mean_and_scale()
        recipe = onnx_session.Recipe(
            network=f"{type(self).__module__}.{self.architecture}/{self.ONNX_VERSION}",
            weights=weights,
            image_size=self.input_size,
            mean=mean,
            scale=scale,
        )
        build = partial(self._build_for_onnx if uses_onnx else self._build_for_torch, recipe)
        return network_cache.get((type(self), recipe, device, uses_onnx), build), loaded_remotely

    def _build_for_onnx(self, recipe: Recipe) -> Network:
        from spacer_like.extractors.onnx_session import kept_network

        if kept := kept_network(recipe):
            return kept
        module = self._checked_module()
        from spacer_like.extractors.onnx_conversion import converted_network

        return converted_network(recipe, module) or self._torch_network(module)

    def _build_for_torch(self, recipe: Recipe) -> Network:
        return self._torch_network(self._checked_module())

    def _checked_module(self) -> nn.Module:
        import_extra("torch", f"Extracting features with {type(self).__name__}", "torch")
        return self.build_module()

    def _torch_network(self, module: nn.Module) -> Network:
        from spacer_like.extractors.networks import TorchNetwork
        from spacer_like.extractors.onnx_conversion import for_inference

        for_inference(module)
        return TorchNetwork(module, self.device(), *self.mean_and_scale())

    def device(self) -> str:
        """Where the network runs, ``cpu`` or ``cuda``; errors as `chosen_device`."""
        return chosen_device()

    def mean_and_scale(self) -> tuple[PerChannel, PerChannel]:
        """The numbers by which a pixel p from 0 to 255 enters the network as (p - mean) / scale."""
        preprocessing = self.PREPROCESSING
        return (
            preprocessing.in_pixels()
            if isinstance(preprocessing, Preprocessing)
            else (self.PIXEL_MEAN, self.PIXEL_SCALE)
        )

    def _allows_onnx(self) -> bool:
        """Whether ONNX_VERSION is declared for the network's own code, and not by a class that it overrides."""
        classes = type(self).__mro__

        def defined_at(name: str) -> int:
            return next((index for index, found in enumerate(classes) if name in vars(found)), len(classes))

        version_at = defined_at("ONNX_VERSION")
        return self.ONNX_VERSION is not None and all(version_at <= defined_at(name) for name in _BUILDING_METHODS)


def chosen_device() -> str:
    """``cpu`` or ``cuda``, by the setting DEVICE.

    Raises:
        ConfigError: the setting has another value, or asks for a GPU where there is none.
    """
    wanted = settings().device
    if wanted == "cpu":
        return "cpu"
    if wanted not in ("auto", "cuda"):
        raise ConfigError(f"DEVICE must be 'auto', 'cpu' or 'cuda', and is '{wanted}'.")
    if _is_cuda_available():
        return "cuda"
    if wanted == "cuda":
        raise ConfigError(
            "DEVICE is 'cuda', but no GPU can be used: set it to 'auto' or 'cpu', or install CUDA's torch."
        )
    return "cpu"


@cache
def _is_cuda_available() -> bool:
    # Importing torch only to hear that there is no GPU would double the start of a process that does not need it.
    if not _has_driver():
        return False
    torch = import_if_installed("torch")
    return torch is not None and bool(torch.cuda.is_available())


def _has_driver() -> bool:
    if os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1"):
        return False
    try:
        ctypes.CDLL("nvcuda.dll" if os.name == "nt" else "libcuda.so.1")
    except OSError:
        return False
    return True
