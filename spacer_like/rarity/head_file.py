"""Rarity networks as safetensors: arrays, and a JSON header that says what they are."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spacer_like.exceptions import ModelFileError, damage_as
from spacer_like.learning.safetensors_header import read_header
from spacer_like.rarity.dense_head import DenseHead, Layer

FORMAT = "spacer_like.rarity_head"
FORMAT_VERSION = 1
_MOST_LAYERS = 100


def to_safetensors(head: DenseHead) -> bytes:
    """The file: tensors ``layer<i>.weights``, ``layer<i>.offsets``, ``edges``, and the header.

    Equal networks give equal bytes.
    """
    from safetensors.numpy import save

    tensors: dict[str, NDArray[Any]] = {"edges": head.edges}
    for number, (weights, offsets) in enumerate(head.layers):
        tensors[f"layer{number}.weights"] = weights
        tensors[f"layer{number}.offsets"] = offsets
    header = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "layers": [len(offsets) for _, offsets in head.layers[:-1]],
        "n_classes": len(head.edges) - 1,
        "activation": "relu",
        "extractor_id": head.extractor_id,
        "preparation": dict(head.preparation),
        "metrics": dict(head.metrics),
        "versions": dict(head.versions),
    }
    contiguous = {name: np.ascontiguousarray(array) for name, array in tensors.items()}
    return save(contiguous, {"header": json.dumps(header, sort_keys=True)})


def from_safetensors(data: bytes, name: str) -> DenseHead:
    """The rarity network in a file.

    Args:
        name: what errors call the file.

    Raises:
        ModelFileError: a damaged file, or one that holds no rarity network.
    """
    from safetensors.numpy import load

    with damage_as(ModelFileError, name, f"{name}: the file holds no rarity network"):
        header = _header(data)
        tensors = load(data)
        count = sum(tensor.endswith(".weights") for tensor in tensors)
        layers = tuple((tensors[f"layer{n}.weights"], tensors[f"layer{n}.offsets"]) for n in range(count))
        _check(layers, tensors["edges"])
        return DenseHead(
            layers,
            tensors["edges"],
            str(header["extractor_id"]),
            dict(header["preparation"]),
            dict(header["metrics"]),
            dict(header["versions"]),
        )


def _header(data: bytes) -> dict[str, Any]:
    header = read_header(data, FORMAT, FORMAT_VERSION)
    if header["activation"] != "relu":
        raise ValueError("its units are of a kind that this version does not know")
    return header


def _check(layers: tuple[Layer, ...], edges: NDArray[Any]) -> None:
    fits = 2 <= len(layers) <= _MOST_LAYERS and edges.dtype == np.float64 and edges.ndim == 1 and len(edges) >= 3
    inputs = None
    for weights, offsets in layers:
        fits = fits and weights.dtype == offsets.dtype == np.float32 and weights.ndim == 2 and 0 not in weights.shape
        fits = fits and offsets.shape == weights.shape[1:] and inputs in (None, weights.shape[0])
        fits = fits and bool(np.isfinite(weights).all() and np.isfinite(offsets).all())
        inputs = weights.shape[-1] if fits else None
    if not fits or inputs != len(edges) - 1 or not (np.diff(edges) > 0).all():
        raise ValueError("its arrays do not fit together")
