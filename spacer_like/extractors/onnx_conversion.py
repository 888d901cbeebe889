"""Conversion of a torch network to a model for ONNX Runtime, with a check that both compute the same."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import nn

from spacer_like.extractors.networks import TorchNetwork
from spacer_like.extractors.onnx_session import OnnxNetwork, Recipe, keep

logger = logging.getLogger(__name__)

# Of the largest feature.
_MAX_RELATIVE_DIFFERENCE = 1e-4
_CHECKED_PATCHES = 2


def converted_network(recipe: Recipe, module: nn.Module) -> OnnxNetwork | None:
    """`module` as a model for ONNX Runtime, which is also kept for later; None where they do not agree.

    The module's weights are rearranged for speed, if it offers that.
    """
    patches = natural_patches(_CHECKED_PATCHES, recipe.image_size)
    expected = TorchNetwork(module, "cpu", recipe.mean, recipe.scale).run(patches)
    for_inference(module)
    try:
        from spacer_like.extractors.onnx_graph import to_onnx

        model = to_onnx(module, recipe.image_size, recipe.mean, recipe.scale).SerializeToString()
        network = OnnxNetwork(model)
        difference = relative_difference(network.run(patches), expected)
    # Whatever goes wrong with the faster way, torch can do it.
    except Exception as error:
        logger.warning("The network %s runs in torch, which is slower: %s", recipe.network, error)
        return None
    if not difference <= _MAX_RELATIVE_DIFFERENCE:
        logger.warning(
            "The network %s runs in torch, because its features in ONNX Runtime differ by %.1e of the largest.",
            recipe.network,
            difference,
        )
        return None
    keep(recipe, model, difference)
    return network


def for_inference(module: nn.Module) -> None:
    """Let a module rearrange its weights for speed, if it can."""
    rearrange: Any = getattr(module, "for_inference", None)
    if rearrange is not None:
        rearrange()


def relative_difference(features: NDArray[np.float32], expected: NDArray[np.float32]) -> float:
    """The largest difference, divided by the largest expected feature."""
    if features.shape != expected.shape:
        return float("inf")
    largest = float(np.abs(expected).max())
    return float(np.abs(features - expected).max()) / largest if largest else float(np.abs(features).max())


def natural_patches(count: int, size: int) -> NDArray[np.uint8]:
    """Images with structure of every scale, as photographs have, uint8 [count, size, size, 3]; always the same ones.

    White noise would not do: it drives a network where no photograph does, and rounding errors grow there.
    """
    random = np.random.default_rng(0)
    total = np.zeros((count, size, size, 3))
    for octave in range(2, 8):
        noise = random.integers(0, 256, (count, 2**octave, 2**octave, 3), dtype=np.uint8)
        smooth = [np.asarray(Image.fromarray(one).resize((size, size), Image.Resampling.BICUBIC)) for one in noise]
        total += np.stack(smooth) / 2.0**octave
    low, high = total.min(), total.max()
    patches: NDArray[np.uint8] = ((total - low) / (high - low) * 255).astype(np.uint8)
    return patches
