"""Weights of Keras as those of our networks: found among a checkpoint's tensors, told from others, and turned.

A convolution of Keras is [rows, columns, channels before, channels], a dense layer [numbers, units]; ours are
[channels, channels before, rows, columns] and [units, numbers]. The first dense layer takes the numbers of the last
block in Keras's order, row, column and channel, and ours in the order channel, row and column.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from spacer_like.exceptions import WeightsError
from spacer_like.regression.architectures import (
    ARCHITECTURES,
    LARGEST_SIZE,
    Architecture,
    architecture_of,
    weight_shapes,
)
from spacer_like.regression.regressor import N_CLASSES

if TYPE_CHECKING:
    from numpy.typing import NDArray

NETWORKS = tuple(name for name, one in ARCHITECTURES.items() if not one.border and not one.is_averaged)
"""The networks that Keras's weights are imported for: those of InclinET."""
_VALUE = "/.ATTRIBUTES/VARIABLE_VALUE"
_PARTS = ("kernel", "bias", "gamma", "beta", "moving_mean", "moving_variance")
# Keras 2 counts the layers that have weights, Keras 3 all.
_LAYER_PART = re.compile(rf"((?:.*/)?(?:layer_with_weights-|_operations/|_layers/))(\d{{1,6}})/_?({'|'.join(_PARTS)})")
# With an optimizer TensorFlow names weights by it, wherever Keras 3 has them as well.
_OPTIMIZED = re.compile(r"(?:.*/)?optimizer/_trainable_variables/(\d{1,6})")
_SLOT = "/.OPTIMIZER_SLOT/"


class KerasLayer(NamedTuple):
    """A layer that has weights.

    Fields:
        name: what errors call it.
        arrays: the kernel and the bias, or a norm's gamma, beta, moving mean and moving variance.
    """

    name: str
    arrays: tuple[NDArray[Any], ...]


class ImportedWeights(NamedTuple):
    """Weights of one of our networks.

    Fields:
        network: its name.
        size: width and height of the images in pixels.
        n_classes: None: it gives one number.
        weights: float32, by the names of `architectures.weight_shapes`.
    """

    network: str
    size: int
    n_classes: int | None
    weights: dict[str, NDArray[np.float32]]


def is_weight(key: str) -> bool:
    """Whether a tensor of a checkpoint is one of a layer's; the slots of an optimizer are none."""
    return key.endswith(_VALUE) and _SLOT not in key and _found(key) is not None


def _found(key: str) -> re.Match[str] | None:
    return _LAYER_PART.fullmatch(key.removesuffix(_VALUE)) or _OPTIMIZED.fullmatch(key.removesuffix(_VALUE))


def layers_of_checkpoint(tensors: Mapping[str, NDArray[Any]], name: str) -> list[KerasLayer]:
    """The layers of a checkpoint of a model of Keras 2 or 3, in their order.

    Args:
        tensors: by their names in the checkpoint.
        name: what errors call the checkpoint.

    Raises:
        WeightsError: it is of several models, or a layer lacks a part.
    """
    layers: dict[int, dict[str, NDArray[Any]]] = {}
    optimized: dict[int, NDArray[Any]] = {}
    models = set()
    for key, array in tensors.items():
        if not is_weight(key):
            continue
        if (match := _LAYER_PART.fullmatch(key.removesuffix(_VALUE))) is not None:
            models.add(match[1])
            layers.setdefault(int(match[2]), {})[match[3]] = array
        elif (match := _OPTIMIZED.fullmatch(key.removesuffix(_VALUE))) is not None:
            optimized[int(match[1])] = array
    if len(models) > 1:
        raise WeightsError(f"{name}: the checkpoint holds several models: {', '.join(sorted(models))[:300]}.")
    (path,) = models or {"layer "}
    norms = [f"{path}{number}" for number in sorted(layers)]
    found = [
        KerasLayer(norm, tuple(layers[number][part] for part in _PARTS if part in layers[number]))
        for norm, number in zip(norms, sorted(layers), strict=True)
    ]
    return _with_optimized(found, [optimized[number] for number in sorted(optimized)], name) if optimized else found


def _with_optimized(norms: list[KerasLayer], arrays: list[NDArray[Any]], name: str) -> list[KerasLayer]:
    """The layers of weights in the order of the optimizer, two and two; of the norms the moments stand elsewhere."""
    if len(arrays) % 2:
        raise WeightsError(f"{name}: its optimizer has {len(arrays)} weights, and layers have two each.")
    found, waiting = [], iter(norms)
    for number in range(0, len(arrays), 2):
        pair = (arrays[number], arrays[number + 1])
        norm = next(waiting, None) if pair[0].ndim == 1 else None
        found.append(KerasLayer(f"optimizer/_trainable_variables/{number}", pair + (norm.arrays if norm else ())))
    return found


def imported_weights(
    layers: Sequence[KerasLayer], name: str, network: str | None = None, size: int | None = None
) -> ImportedWeights:
    """The weights of our network that layers of Keras are.

    Args:
        layers: convolutions, norms and dense layers, each kind in its order.
        name: what errors call the file.
        network: one of `NETWORKS`; None: that of these numbers of channels and units.
        size: width and height of the images; None: of the sizes that lead to these shapes, at most 32 in a row, the one
            that all pools divide: 64, 96, 128 and so on.

    Raises:
        WeightsError: they are those of none of the networks, of another network or another size, or no numbers.
    """
    odd = next((one for one in layers if _kind(one) is None), None)
    if odd is not None:
        shapes = ", ".join(str(array.shape) for array in odd.arrays)
        raise WeightsError(f"{name}: the layer {odd.name} is none of InclinET's: its weights are {shapes}.")
    convolutions, norms, dense = ([one for one in layers if _kind(one) == kind] for kind in ("conv", "norm", "dense"))
    network = _network(convolutions, dense, name) if network is None else network
    size = _size(dense, ARCHITECTURES[network], name) if size is None else size
    _check_count(network, (len(convolutions), len(norms), len(dense)), name)
    side = _side(dense[0], network, size, name)
    n_classes = _n_classes(dense[-1], name)
    groups = (("conv", convolutions), ("norm", norms), ("dense", dense[:-1]))
    names = [*(f"{kind}{number}" for kind, group in groups for number in range(len(group))), "out"]
    weights: dict[str, NDArray[np.float32]] = {}
    for own, layer in zip(names, (*convolutions, *norms, *dense), strict=True):
        weights |= _ours(own, layer)
        _check(layer, own, weights, weight_shapes(network, size, n_classes), name)
    first = weights["dense0.weight"]
    in_rows = first.reshape(len(first), side, side, -1)
    weights["dense0.weight"] = np.ascontiguousarray(in_rows.transpose(0, 3, 1, 2).reshape(first.shape))
    return ImportedWeights(network, size, n_classes, weights)


def _ours(own: str, layer: KerasLayer) -> dict[str, NDArray[np.float32]]:
    """The weights of a layer by their names, turned; of the first dense layer not yet in our order."""
    axes = {"conv": (3, 2, 0, 1), "dense": (1, 0), "norm": (0,)}[_kind(layer) or ""]
    parts = ("weight", "bias", "running_mean", "running_var")
    with np.errstate(over="ignore"):
        return {
            f"{own}.{part}": np.ascontiguousarray(array.transpose(None if number else axes), np.float32)
            for number, (part, array) in enumerate(zip(parts, layer.arrays, strict=False))
        }


def _kind(layer: KerasLayer) -> str | None:
    axes = tuple(array.ndim for array in layer.arrays)
    return {(4, 1): "conv", (2, 1): "dense", (1, 1, 1, 1): "norm"}.get(axes)


def _network(convolutions: Sequence[KerasLayer], dense: Sequence[KerasLayer], name: str) -> str:
    """The network of these channels and units."""
    channels = tuple(one.arrays[0].shape[3] for one in convolutions)
    units = tuple(one.arrays[0].shape[1] for one in dense[:-1])
    for network in NETWORKS:
        known = ARCHITECTURES[network]
        if channels == tuple(made for block in known.blocks for made in block.channels) and units == known.units:
            return network
    raise WeightsError(
        f"{name}: convolutions of {_listed(channels)} channels and dense layers of {_listed(units)} units are those of "
        f"none of the networks {', '.join(NETWORKS)}."
    )


def _n_classes(last: KerasLayer, name: str) -> int | None:
    n_outputs = last.arrays[0].shape[1]
    if n_outputs not in (1, N_CLASSES):
        raise WeightsError(f"{name}: it ends in {n_outputs} units, and only 1 and {N_CLASSES} are known.")
    return None if n_outputs == 1 else N_CLASSES


def _listed(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers[:20])) or "no"


def _size(dense: Sequence[KerasLayer], architecture: Architecture, name: str) -> int:
    """The size of images for which the first dense layer has its shape."""
    n_features = dense[0].arrays[0].shape[0] if dense else 0
    step = math.prod(block.pool for block in architecture.blocks)
    for size in range(step, LARGEST_SIZE + 1, step):
        if architecture.final_size(size) and architecture.n_features(size) == n_features:
            return size
    raise WeightsError(
        f"{name}: the layer {dense[0].name if dense else 'dense'} takes {n_features} numbers, which images of no size "
        "lead to."
    )


def _side(first: KerasLayer, network: str, size: int, name: str) -> int:
    """Width and height of what the first dense layer takes."""
    architecture = architecture_of(network, size)
    found, needed = first.arrays[0].shape[0], architecture.n_features(size)
    if found != needed:
        raise WeightsError(
            f"{name}: the layer {first.name} takes {found} numbers, and images of {size} pixels lead to {needed}."
        )
    return architecture.final_size(size)


def _check_count(network: str, counts: tuple[int, int, int], name: str) -> None:
    """Refuse other numbers of convolutions, norms and dense layers than the network has."""
    architecture = ARCHITECTURES[network]
    blocks = architecture.blocks
    wanted = (
        sum(len(one.channels) for one in blocks),
        sum(one.has_norm for one in blocks),
        len(architecture.units) + 1,
    )
    if counts != wanted:
        found, needed = ("{} convolutions, {} norms and {} dense layers".format(*one) for one in (counts, wanted))
        raise WeightsError(f"{name}: it has {found}, and {network} has {needed}.")


def _check(
    layer: KerasLayer,
    own: str,
    weights: Mapping[str, NDArray[np.float32]],
    shapes: Mapping[str, tuple[int, ...]],
    name: str,
) -> None:
    """Refuse a layer of other shapes than the network's, or of what is no number."""
    for key in (key for key in shapes if key.startswith(f"{own}.")):
        if weights[key].shape != shapes[key]:
            raise WeightsError(
                f"{name}: the layer {layer.name} does not fit {own}: turned as ours, {key} is {weights[key].shape}, "
                f"and must be {shapes[key]}."
            )
        if not np.isfinite(weights[key]).all():
            raise WeightsError(f"{name}: the layer {layer.name} holds what is no number.")
