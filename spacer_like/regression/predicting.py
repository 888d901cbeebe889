"""Predictions of trained networks for images, by torch, or of those out of ONNX models by ONNX Runtime.

Networks are built once and kept by the process.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from spacer_like.cores import library_thread_count, thread_count
from spacer_like.exceptions import SpacerInputError
from spacer_like.extractors.network_extractor import chosen_device
from spacer_like.extractors.networks import BatchesUnderWay, NetworkCache
from spacer_like.extractors.onnx_session import OnnxNetwork
from spacer_like.extras import import_extra
from spacer_like.regression.labels import from_target
from spacer_like.regression.onnx_model import onnx_bytes
from spacer_like.regression.regressor import EXTRACTOR, Regressor

if TYPE_CHECKING:
    from torch import Tensor

    from spacer_like.extractors.base import FeatureExtractor

VIEWS = (1, 2, 4)
"""Numbers of turned copies of an image that can be looked at."""
# The three classifiers and twelve regressors of InclinET's service, and as many more.
_KEPT_NETWORKS = 32
# Larger batches leave the processor's cache.
_CPU_BATCH_SIZE = 8
_GPU_BATCH_SIZE = 256

Run = Callable[[NDArray[np.uint8]], NDArray[np.float64]]
"""From images uint8 [n, size, size, 3] to degrees, or to probabilities of being rejected: float64 [n]."""


def predicted(
    regressor: Regressor,
    images: NDArray[np.uint8],
    views: int = 2,
    threads: int | None = None,
    extractor: FeatureExtractor | None = None,
) -> NDArray[np.float64]:
    """Inclinations in degrees, 45 to 90, or of a network of two classes the probability of having none.

    Args:
        regressor: a trained network.
        images: uint8 [n, size, size, 3], not changed.
        views: 1, 2 or 4: view k is turned by k * 360 / views degrees.
        threads: of the processor; None: as the settings say.
        extractor: the one that the network was trained with, if any; None: it is one whose weights come with a package.

    Returns:
        float64 [n, views].

    Raises:
        SpacerInputError: images of another shape or type, or another number of views.
        ModelFileError: the weights do not fit the network.
        ExtractorMismatchError: the extractor is not the one that the network was trained with.
        MissingExtraError: torch, or for an ONNX model ONNX Runtime, is not installed.
    """
    _check(regressor, images, views)
    found = np.empty((len(images), views))
    if regressor.is_onnx:
        for view in range(views if len(images) else 0):
            found[:, view] = _by_onnx(regressor, turned(images, view * 4 // views), threads or thread_count())
        return found
    run = networks.get(regressor.digest, lambda: _built(regressor, extractor))
    on_cpu = chosen_device() == "cpu"
    batch_size = _CPU_BATCH_SIZE if on_cpu else _GPU_BATCH_SIZE
    with _threads(threads):
        for start in range(0, len(images), batch_size):
            some = images[start : start + batch_size]
            # Products of fewer rows are added up in an order that the number of threads decides. One image alone is not
            # made to wait for that.
            filled = _filled(some, batch_size) if on_cpu and len(images) > 1 else some
            for view in range(views):
                found[start : start + batch_size, view] = run(turned(filled, view * 4 // views))[: len(some)]
    return found


def _filled(images: NDArray[np.uint8], count: int) -> NDArray[np.uint8]:
    """Images [n, size, size, 3] with black ones behind them, up to a count."""
    if len(images) == count:
        return images
    return np.concatenate([images, np.zeros((count - len(images), *images.shape[1:]), np.uint8)])


def turned(images: NDArray[np.uint8], quarters: int) -> NDArray[np.uint8]:
    """Images [n, size, size, 3] turned counter-clockwise by quarters of a full turn, copied."""
    return np.array(np.rot90(images, quarters, axes=(1, 2)), order="C")


def _check(regressor: Regressor, images: NDArray[np.uint8], views: int) -> None:
    size = regressor.size
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[1:] != (size, size, 3):
        raise SpacerInputError(
            f"The network takes images of the type uint8 and the shape [n, {size}, {size}, 3], and these are "
            f"{images.dtype} {list(images.shape)}: prepare them in the size {size}."
        )
    if views not in VIEWS:
        raise SpacerInputError(f"An image can be looked at in 1, 2 or 4 views, and not in {views}.")


networks: NetworkCache[Run] = NetworkCache(_KEPT_NETWORKS)
"""Built networks by the digests of their regressors."""
_onnx_networks: NetworkCache[OnnxNetwork] = NetworkCache(_KEPT_NETWORKS)


def _by_onnx(regressor: Regressor, images: NDArray[np.uint8], threads: int) -> NDArray[np.float32]:
    """As `Run`, n above 0; one image at a time on each thread, so that their number makes no difference."""
    network = _onnx_networks.get(regressor.digest, lambda: OnnxNetwork(onnx_bytes(regressor)))
    found: NDArray[np.float32] = BatchesUnderWay(network.run, list(images), 1, threads)()
    return found[:, -1]


def _built(regressor: Regressor, extractor: FeatureExtractor | None) -> Run:
    torch = import_extra("torch", "Predicting inclinations", "torch")
    from spacer_like.regression.backbones import built_on, extractor_for
    from spacer_like.regression.networks import network, set_weights

    features = None
    if regressor.network == EXTRACTOR:
        module, features = built_on(regressor, extractor_for(regressor, extractor))
    else:
        module = network(regressor.network, regressor.size, regressor.n_classes)
        set_weights(module, regressor.weights)
    device = torch.device(chosen_device())
    module = module.eval().requires_grad_(False).to(device)
    module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def run(images: NDArray[np.uint8]) -> NDArray[np.float64]:
        if features is not None:
            inputs = torch.from_numpy(features(images)).to(device)
        else:
            inputs = torch.from_numpy(images).to(device).permute(0, 3, 1, 2) * regressor.input_scale
        with torch.inference_mode():
            return as_predictions(module(inputs), regressor.n_classes)

    return run


def as_predictions(outputs: Tensor, n_classes: int | None) -> NDArray[np.float64]:
    """Degrees, or probabilities of being rejected, float64 [n], of a network's outputs [n, outputs]."""
    values: NDArray[np.float64] = outputs.detach().double().cpu().numpy()
    if n_classes is None:
        return np.asarray(from_target(np.tanh(values[:, 0])), np.float64)
    odds = np.exp(values - values.max(axis=1, keepdims=True))
    return np.asarray(odds[:, 1] / odds.sum(axis=1))


@contextmanager
def _threads(wanted: int | None) -> Iterator[None]:
    """Let torch use so many threads within a block."""
    torch: Any = import_extra("torch", "Predicting inclinations", "torch")
    count, before = wanted or library_thread_count(), torch.get_num_threads()
    if count and count != before:
        torch.set_num_threads(count)
    try:
        yield
    finally:
        if wanted and wanted != before:
            torch.set_num_threads(before)
