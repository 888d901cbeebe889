"""Trained networks as ONNX models, for programs that predict without torch and without this package."""

from __future__ import annotations

from typing import cast

import numpy as np
from torch import Tensor, nn

from spacer_like.exceptions import ModelFileError, SpacerInputError
from spacer_like.extractors.onnx_conversion import natural_patches, relative_difference
from spacer_like.extractors.onnx_graph import to_onnx
from spacer_like.extractors.onnx_session import PIXELS
from spacer_like.extras import import_extra
from spacer_like.regression.labels import HIGHEST, LOWEST
from spacer_like.regression.networks import network, set_weights
from spacer_like.regression.predicting import predicted
from spacer_like.regression.regressor import EXTRACTOR, Regressor

INCLINATIONS, PROBABILITIES = "inclinations", "probabilities"
"""The results of a model: degrees [n, 1], or probabilities of the classes [n, 2], of which the second is rejected."""
MOST_DIFFERENCE = 1e-4
"""Between a model's results and torch's, divided by the largest."""
_CHECKED_IMAGES = 2


def onnx_bytes(regressor: Regressor) -> bytes:
    """The ONNX model of a network, from ``pixels`` uint8 [n, size, size, 3] to float32 `INCLINATIONS` or
    `PROBABILITIES`, after a check that ONNX Runtime computes with it what torch does.

    Raises:
        SpacerInputError: an extractor sees the images, and not a network of its own.
        ModelFileError: the model computes something else.
        MissingExtraError: onnx or onnxruntime is not installed.
    """
    if regressor.network == EXTRACTOR:
        raise SpacerInputError(
            f"Only {INCLINATIONS} by a network of its own can become an ONNX model, and this one has an extractor."
        )
    onnxruntime = import_extra("onnxruntime", "Checking an ONNX model", "torch")
    output = INCLINATIONS if regressor.n_classes is None else PROBABILITIES
    model = to_onnx(_Served(regressor).eval(), regressor.size, 0.0, 1 / regressor.input_scale, output)
    data: bytes = model.SerializeToString()
    images = natural_patches(_CHECKED_IMAGES, regressor.size)
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    found = session.run([output], {PIXELS: images})[0][:, -1:]
    expected = predicted(regressor, images, views=1).astype(np.float32)
    difference = relative_difference(found, expected)
    if not difference <= MOST_DIFFERENCE:
        raise ModelFileError(f"The ONNX model computes something else than the network, by {difference:.1e}.")
    return data


class _Served(nn.Module):
    """A trained network with what comes after its outputs."""

    def __init__(self, regressor: Regressor) -> None:
        super().__init__()
        self.network = network(regressor.network, regressor.size, regressor.n_classes)
        set_weights(self.network, regressor.weights)
        self.last: nn.Module
        if regressor.n_classes is not None:
            self.last = nn.Softmax(dim=1)
            return
        degrees = nn.Linear(1, 1)
        half_range = (HIGHEST - LOWEST) / 2
        nn.init.constant_(degrees.weight, half_range)
        nn.init.constant_(degrees.bias, LOWEST + half_range)
        self.last = nn.Sequential(nn.Tanh(), degrees)

    def extract_features(self, pixels: Tensor) -> Tensor:
        return cast(Tensor, self.last(self.network(pixels)))
