"""Classifiers as safetensors: arrays, and a JSON header that says what they are."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spacer_like.exceptions import ModelFileError, damage_as
from spacer_like.learning.classifier import ACTIVATIONS, Classifier, with_checked_arrays
from spacer_like.learning.safetensors_header import read_header

FORMAT = "spacer_like.classifier"
FORMAT_VERSION = 1


def to_safetensors(classifier: Classifier) -> bytes:
    """The file: tensors ``layer<i>.weights``, ``layer<i>.offsets``, ``slopes``, ``offsets``, and the header.

    Equal classifiers give equal bytes.
    """
    from safetensors.numpy import save

    tensors: dict[str, NDArray[Any]] = {"slopes": classifier.slopes, "offsets": classifier.offsets}
    for number, (weights, offsets) in enumerate(classifier.layers):
        tensors[f"layer{number}.weights"] = weights
        tensors[f"layer{number}.offsets"] = offsets
    header = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "kind": classifier.kind,
        "classes": classifier.classes_.tolist(),
        "activation": classifier.activation,
        "parameters": dict(classifier.parameters),
        "extractor_id": classifier.extractor_id,
        "metrics": dict(classifier.metrics),
        "versions": dict(classifier.versions),
    }
    contiguous = {name: np.ascontiguousarray(array) for name, array in tensors.items()}
    return save(contiguous, {"header": json.dumps(header, sort_keys=True)})


def from_safetensors(data: bytes) -> Classifier:
    """The classifier in a file.

    Raises:
        ModelFileError: a damaged file, or one that holds no classifier of ours.
    """
    from safetensors.numpy import load

    with damage_as(ModelFileError, "The file", "The file holds no classifier"):
        header = _header(data)
        tensors = load(data)
        layers = tuple(
            (tensors[f"layer{number}.weights"], tensors[f"layer{number}.offsets"])
            for number in range(sum(name.endswith(".weights") for name in tensors))
        )
        parameters = {
            name: tuple(value) if isinstance(value, list) else value for name, value in header["parameters"].items()
        }
        return with_checked_arrays(
            Classifier(
                header["kind"],
                np.array(header["classes"]),
                layers,
                tensors["slopes"],
                tensors["offsets"],
                header["activation"],
                parameters,
                header["extractor_id"],
                dict(header["metrics"]),
                dict(header["versions"]),
            )
        )


def _header(data: bytes) -> dict[str, Any]:
    header = read_header(data, FORMAT, FORMAT_VERSION)
    if header["kind"] not in ("MLP", "LR") or header["activation"] not in ACTIVATIONS:
        raise ValueError("it is of a kind that this version does not know")
    return header
