"""A trained network that tells a galaxy's inclination, or whether it has one, and its file; torch is not needed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from spacer_like.learning.model_file import Header, ModelFormat, Tensors
from spacer_like.regression.architectures import ARCHITECTURES, LARGEST_SIZE, check_weights, head_shapes, weight_shapes

if TYPE_CHECKING:
    from spacer_like.regression.augmentation import Pool

EXTRACTOR = "extractor"
"""The network's name where an extractor sees the images."""
BACKBONE = "backbone."
"""What the names of an extractor's own weights begin with."""
UNIT_SCALE = 1 / 255
INPUT_SCALES = (UNIT_SCALE, 1.0)
"""What pixels of 0 to 255 may be multiplied by."""
N_CLASSES = 2
"""Of a network that tells galaxies with an inclination, class 0, from others, class 1."""
_MOST_LAYERS = 8
_MOST_FILTERS = 32
_IMAGES_AT_A_TIME = 256
_ID_LENGTH = 40

Pair = tuple[float, float]


@dataclass(frozen=True)
class Domain:
    """What a network has learnt from, so that images that are unlike it can be told.

    Attributes:
        filters: of the images: c for colour, g, r, i.
        n_ids: galaxies.
        means: the mean and the standard deviation, over the images, of the mean of an image's pixels, 0 to 255.
        deviations: the same of the standard deviation of an image's pixels.
    """

    filters: tuple[str, ...]
    n_ids: int
    means: Pair
    deviations: Pair

    @classmethod
    def of(cls, pools: Sequence[Pool]) -> Domain:
        """That of pools, of which one at least has images."""
        found = [brightness(pool.images) for pool in pools]
        means, deviations = (np.concatenate(parts) for parts in zip(*found, strict=True))
        return cls(
            tuple(sorted({str(one) for pool in pools for one in pool.filters.tolist()})),
            len({one for pool in pools for one in pool.ids.tolist()}),
            (float(means.mean()), float(means.std())),
            (float(deviations.mean()), float(deviations.std())),
        )


def brightness(images: NDArray[np.uint8]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The mean and the standard deviation of the pixels of each image [n, size, size, 3]: float64 [n] and [n]."""
    means, deviations = np.empty(len(images)), np.empty(len(images))
    for start in range(0, len(images), _IMAGES_AT_A_TIME):
        part = slice(start, start + _IMAGES_AT_A_TIME)
        pixels = images[part].reshape(len(images[part]), -1)
        means[part], deviations[part] = pixels.mean(axis=1), pixels.std(axis=1)
    return means, deviations


@dataclass(frozen=True, eq=False)
class Regressor:
    """A trained network.

    Attributes:
        network: one of `architectures.ARCHITECTURES`, or ``extractor``.
        size: width and height of the images in pixels.
        n_classes: None: it tells the inclination; 2: it tells galaxies with an inclination from others.
        input_scale: what pixels of 0 to 255 are multiplied by; an extractor has its own way, and ignores it.
        weights: float32 arrays by their names, as `architectures.weight_shapes` lists them; of an extractor those of
            the layers on its features, and ``backbone.<name>`` where it was fine-tuned.
        domain: what it has learnt from; None: not known.
        extractor_id: of the extractor that sees the images, before it was fine-tuned; None: there is none.
        metrics: how good it is.
        versions: of the packages that made it.
        is_onnx: whether it comes out of an ONNX model, which ONNX Runtime runs, and torch is not needed.
    """

    network: str
    size: int
    n_classes: int | None
    input_scale: float
    weights: Mapping[str, NDArray[np.float32]] = field(repr=False)
    domain: Domain | None = None
    extractor_id: str | None = None
    metrics: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    is_onnx: bool = False

    @property
    def units(self) -> tuple[int, ...]:
        """Of the layers between the convolutions, or the extractor's features, and the outputs."""
        return _units(self.weights)

    @cached_property
    def digest(self) -> str:
        """A hash of all that predictions depend on."""
        own = [self.network, self.size, self.n_classes, self.input_scale, self.extractor_id]
        digest = hashlib.sha256(json.dumps(own).encode())
        for name, array in sorted(self.weights.items()):
            digest.update(f"{name} {array.dtype} {array.shape}".encode())
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()[:_ID_LENGTH]


def _units(weights: Mapping[str, NDArray[np.float32]]) -> tuple[int, ...]:
    names = (f"dense{number}.bias" for number in range(_MOST_LAYERS))
    return tuple(len(weights[name]) for name in names if name in weights)


def _parts(model: Regressor) -> tuple[Header, Tensors]:
    header = {
        "network": model.network,
        "size": model.size,
        "n_classes": model.n_classes,
        "input_scale": model.input_scale,
        "domain": None if model.domain is None else asdict(model.domain),
    }
    return header, dict(model.weights)


def _build(header: Header, tensors: Tensors) -> Regressor:
    for array in tensors.values():
        # What is loaded may be shared.
        array.flags.writeable = False
    model = Regressor(
        network=header["network"],
        size=header["size"],
        n_classes=header["n_classes"],
        input_scale=header["input_scale"],
        weights=tensors,
        domain=None if header["domain"] is None else _domain(header["domain"]),
        extractor_id=header["extractor_id"],
        metrics=header["metrics"],
        versions=header["versions"],
    )
    _check(model)
    return model


REGRESSOR = ModelFormat("spacer_like.regressor", 1, "network of inclinations", _parts, _build)


def _check(model: Regressor) -> None:
    """Refuse, as a ValueError, parts that do not go together."""
    if type(model.size) is not int or not 1 <= model.size <= LARGEST_SIZE:
        raise ValueError(f"its images would be {str(model.size)[:20]} pixels wide")
    if not (model.n_classes is None or (type(model.n_classes) is int and model.n_classes == N_CLASSES)):
        raise ValueError(f"it has {str(model.n_classes)[:20]} classes, and can only have {N_CLASSES} or none")
    if type(model.input_scale) is not float or model.input_scale not in INPUT_SCALES:
        raise ValueError(f"it multiplies pixels by {str(model.input_scale)[:20]}")
    if (model.network == EXTRACTOR) != isinstance(model.extractor_id, str):
        raise ValueError("it must have either an extractor or a network of its own")
    if model.network != EXTRACTOR:
        if model.network not in ARCHITECTURES or model.extractor_id is not None:
            raise ValueError(f"its network is {str(model.network)[:50]}, which is unknown")
        check_weights(model.weights, weight_shapes(model.network, model.size, model.n_classes))
        return
    own = {name: array for name, array in model.weights.items() if not name.startswith(BACKBONE)}
    first = own["dense0.weight"]
    check_weights(own, head_shapes(first.shape[1], _units(own), model.n_classes))
    backbone = {name: array for name, array in model.weights.items() if name.startswith(BACKBONE)}
    check_weights(backbone, {name: array.shape for name, array in backbone.items()})


def _domain(entries: Mapping[str, Any]) -> Domain:
    filters, n_ids = entries["filters"], entries["n_ids"]
    texts: list[Any] = filters if isinstance(filters, list) else [None]
    if len(texts) > _MOST_FILTERS or not all(isinstance(one, str) for one in texts):
        raise ValueError("its filters are no texts")
    if type(n_ids) is not int or not 0 <= n_ids < 2**63:
        raise ValueError(f"it has learnt from {str(n_ids)[:20]} galaxies")
    return Domain(tuple(texts), n_ids, _pair(entries["means"]), _pair(entries["deviations"]))


def _pair(numbers: Any) -> Pair:
    mean, deviation = numbers
    if type(mean) is not float or type(deviation) is not float or not np.isfinite(numbers).all():
        raise ValueError("its domain is not of finite numbers")
    return mean, deviation
