"""Caffe's definition of VGG16: a check, and the widths of its layers.

Simonyan and Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition" (2014), table 1, column D.
"""

from __future__ import annotations

from dataclasses import dataclass

from spacer_like.exceptions import WeightsError, damage_as
from spacer_like.extractors.prototxt import Message, parse

_CONVOLUTIONS_PER_STAGE = (2, 2, 3, 3, 3)
CONVOLUTIONS = tuple(
    tuple(f"conv{stage}_{number}" for number in range(1, count + 1))
    for stage, count in enumerate(_CONVOLUTIONS_PER_STAGE, start=1)
)
HIDDEN, SCORE = "fc6", "fc7"

# What feeds the network, and what changes nothing when it is used rather than trained.
_IGNORED_KINDS = {"input", "data", "imagedata", "memorydata", "dummydata", "hdf5data", "dropout"}
_CONVOLUTION = {"kernel_size": "3", "pad": "1", "stride": "1", "group": "1", "dilation": "1"}
_CONVOLUTION_DEFAULTS = {"pad": "0", "stride": "1", "group": "1", "dilation": "1"}
_POOLING = {"pool": "MAX", "kernel_size": "2", "pad": "0", "stride": "2"}
_POOLING_DEFAULTS = {"pool": "MAX", "pad": "0", "stride": "1"}


@dataclass(frozen=True)
class Vgg16Definition:
    """Output channels of every layer with weights, and whether an in-place ReLU follows the last layer."""

    widths: dict[str, int]
    score_is_rectified: bool


def read_definition(text: str, image_size: int, name: str = "definition") -> Vgg16Definition:
    """The definition in a deploy file, checked to be VGG16 up to its layer fc7.

    Args:
        name: what errors call the file.

    Raises:
        WeightsError: another network, or no network definition.
    """
    with damage_as(WeightsError, name, f"{name}: it is no network definition of Caffe"):
        return _definition(parse(text), image_size)


def _definition(definition: Message, image_size: int) -> Vgg16Definition:
    layers = [layer for layer in definition.messages("layer") + definition.messages("layers") if not _trains(layer)]
    _check_input(definition, layers, image_size)
    used = [layer for layer in layers if _kind(layer) not in _IGNORED_KINDS]
    widths: dict[str, int] = {}
    expected = _expected_steps()
    for (kind, name), layer in zip(expected, used, strict=False):
        if _kind(layer) != kind or (name and layer.text("name") != name):
            raise _other_network(
                f"there is a layer {layer.text('name')} ({layer.text('type')}) in place of {name or kind}"
            )
        if kind in ("convolution", "innerproduct"):
            widths[name] = _width(layer, kind)
        elif kind == "pooling":
            _check_parameters(layer, "pooling_param", _POOLING, _POOLING_DEFAULTS)
    if len(used) < len(expected):
        raise _other_network(f"it ends before the layer {SCORE}")
    following = used[len(expected)] if len(used) > len(expected) else Message()
    return Vgg16Definition(widths, _kind(following) == "relu" and following.text("top") == SCORE)


def _expected_steps() -> list[tuple[str, str]]:
    """Kind and name of the layers up to fc7; of a ReLU the name does not matter."""
    steps: list[tuple[str, str]] = []
    for stage, names in enumerate(CONVOLUTIONS, start=1):
        for name in names:
            steps += [("convolution", name), ("relu", "")]
        steps.append(("pooling", f"pool{stage}"))
    return [*steps, ("innerproduct", HIDDEN), ("relu", ""), ("innerproduct", SCORE)]


def _kind(layer: Message) -> str:
    """The type of a layer: ``Convolution`` since 2014, ``CONVOLUTION`` before."""
    return layer.text("type").replace("_", "").lower()


def _trains(layer: Message) -> bool:
    return any(rule.text("phase") == "TRAIN" for rule in layer.messages("include"))


def _width(layer: Message, kind: str) -> int:
    if kind == "convolution":
        _check_parameters(layer, "convolution_param", _CONVOLUTION, _CONVOLUTION_DEFAULTS)
    width = layer.message("convolution_param" if kind == "convolution" else "inner_product_param").text("num_output")
    if not width.isdecimal() or int(width) == 0:
        raise _other_network(f"the layer {layer.text('name')} has no num_output")
    return int(width)


def _check_parameters(layer: Message, field: str, wanted: dict[str, str], defaults: dict[str, str]) -> None:
    parameters = layer.message(field)
    for name, value in wanted.items():
        if (given := parameters.text(name, defaults.get(name, ""))) != value:
            raise _other_network(f"the layer {layer.text('name')} has {name} {given or 'missing'} instead of {value}")


def _check_input(definition: Message, layers: list[Message], image_size: int) -> None:
    """Check channels, height and width of the input, where they are given: some definitions take them from data."""
    shapes = [definition.texts("input_dim")]
    shapes += [shape.texts("dim") for shape in definition.messages("input_shape")]
    for layer in layers:
        shapes += [shape.texts("dim") for shape in layer.message("input_param").messages("shape")]
    for shape in shapes:
        if shape and shape[1:] != ["3", str(image_size), str(image_size)]:
            raise _other_network(f"its input is {' x '.join(shape)} instead of n x 3 x {image_size} x {image_size}")


def _other_network(why: str) -> WeightsError:
    return WeightsError(f"The extractor's 'definition' is not that of VGG16: {why}.")
