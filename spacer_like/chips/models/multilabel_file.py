"""Models of many labels as safetensors: arrays, and a JSON header that says what they are."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spacer_like.chips.models.multilabel_model import HiddenLayer, MultilabelModel
from spacer_like.exceptions import ModelFileError, damage_as
from spacer_like.extractors.resnet_layout import layout_of, weight_shapes
from spacer_like.learning.safetensors_header import read_header

FORMAT = "spacer_like.multilabel_model"
FORMAT_VERSION = 1
_MOST_LAYERS = 8
_MOST_LABELS = 10_000
_SIZES = range(1, 4097)
_PARTS = ("weights", "offsets", "scales", "shifts")
_NETWORK = "network."


def write_model(model: MultilabelModel) -> bytes:
    """The file: tensors ``hidden<i>.weights``, ``.offsets``, ``.scales``, ``.shifts``, ``output.weights``,
    ``output.offsets``, ``network.<name>``, and the header. Equal models give equal bytes.
    """
    from safetensors.numpy import save

    tensors: dict[str, NDArray[Any]] = {"output.weights": model.weights, "output.offsets": model.offsets}
    for number, layer in enumerate(model.hidden):
        tensors |= {f"hidden{number}.{part}": getattr(layer, part) for part in _PARTS}
    tensors |= {f"{_NETWORK}{name}": array for name, array in model.state.items()}
    header = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "labels": list(model.labels),
        "thresholds": model.thresholds.tolist(),
        "layers": [len(layer.offsets) for layer in model.hidden],
        "activation": "relu",
        "size": model.size,
        "extractor_id": model.extractor_id,
        "network": model.network,
        "metrics": dict(model.metrics),
        "versions": dict(model.versions),
    }
    contiguous = {name: np.ascontiguousarray(array) for name, array in sorted(tensors.items())}
    return save(contiguous, {"header": json.dumps(header, sort_keys=True)})


def read_model(data: bytes, name: str) -> MultilabelModel:
    """The model in a file.

    Args:
        name: what errors call the file.

    Raises:
        ModelFileError: a damaged file, or one that holds no model of many labels.
    """
    from safetensors.numpy import load

    with damage_as(ModelFileError, name, f"{name}: the file holds no model of many labels"):
        header = _header(data)
        tensors = load(data)
        count = sum(tensor.startswith("hidden") and tensor.endswith(".weights") for tensor in tensors)
        model = MultilabelModel(
            labels=tuple(header["labels"]),
            thresholds=np.array(header["thresholds"], np.float64),
            hidden=tuple(HiddenLayer(*(tensors[f"hidden{n}.{part}"] for part in _PARTS)) for n in range(count)),
            weights=tensors["output.weights"],
            offsets=tensors["output.offsets"],
            size=header["size"],
            extractor_id=header["extractor_id"],
            network=header["network"],
            state={key.removeprefix(_NETWORK): value for key, value in tensors.items() if key.startswith(_NETWORK)},
            metrics=dict(header["metrics"]),
            versions=dict(header["versions"]),
        )
        _check_header(header, model)
        _check_head(model)
        return model


def _header(data: bytes) -> dict[str, Any]:
    header = read_header(data, FORMAT, FORMAT_VERSION)
    if header["activation"] != "relu":
        raise ValueError("its units are of a kind that this version does not know")
    return header


def _check_header(header: dict[str, Any], model: MultilabelModel) -> None:
    labels, thresholds = model.labels, model.thresholds
    fits = (
        isinstance(header["labels"], list)
        and 0 < len(labels) <= _MOST_LABELS
        and all(isinstance(label, str) and label for label in labels)
    )
    fits = fits and len(set(labels)) == len(labels) == thresholds.size and thresholds.ndim == 1
    # NaN lies not between them either.
    if not fits or not ((thresholds >= 0) & (thresholds <= 1)).all():
        raise ValueError("its labels and thresholds do not fit together")
    if type(model.size) is not int or model.size not in _SIZES:
        raise ValueError(f"its chips would be {str(model.size)[:20]} pixels wide")
    texts = [text for text in (model.extractor_id, model.network) if text is not None]
    if len(texts) != 1 or not isinstance(texts[0], str):
        raise ValueError("it must have either an extractor or a network")


def _check_head(model: MultilabelModel) -> None:
    inputs = _inputs(model)
    fits = 1 <= len(model.hidden) <= _MOST_LAYERS
    outputs = HiddenLayer(model.weights, model.offsets, model.offsets, model.offsets)
    for layer in (*model.hidden, outputs):
        arrays = [getattr(layer, part) for part in _PARTS]
        fits = fits and all(array.dtype == np.float32 for array in arrays)
        fits = fits and layer.weights.ndim == 2 and 0 not in layer.weights.shape
        fits = fits and inputs in (None, layer.weights.shape[0])
        fits = fits and all(array.shape == layer.weights.shape[1:] for array in arrays[1:])
        fits = fits and all(bool(np.isfinite(array).all()) for array in arrays)
        inputs = layer.weights.shape[-1] if fits else None
    if not fits or inputs != len(model.labels):
        raise ValueError("its arrays do not fit together")


def _inputs(model: MultilabelModel) -> int | None:
    """How many numbers the head must take, where the header says it."""
    if model.network is None:
        if model.state:
            raise ValueError("it has a network's weights, and names none")
        return None
    shapes = weight_shapes(model.network)
    if set(model.state) != set(shapes):
        other = min(set(model.state) ^ set(shapes))
        raise ValueError(f"its network has other weights than {model.network}, or lacks some, such as {other[:100]}")
    for name, array in model.state.items():
        if array.dtype != np.float32 or array.shape != shapes[name] or not np.isfinite(array).all():
            raise ValueError(f"its network's {name} are no weights of {model.network}")
    return layout_of(model.network).dimension
