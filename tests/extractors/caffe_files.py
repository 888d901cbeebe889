"""Caffe's two files of a network of VGG16's form, written by Google's protobuf from Caffe's own field numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

STAGES = [["conv1_1", "conv1_2"], ["conv2_1", "conv2_2"], *([f"conv{s}_{n}" for n in (1, 2, 3)] for s in (3, 4, 5))]
CONVOLUTIONS = [name for stage in STAGES for name in stage]
_TYPES = descriptor_pb2.FieldDescriptorProto
_FIELDS = {
    "BlobShape": [("dim", 1, "TYPE_INT64", True, True)],
    "BlobProto": [
        ("num", 1, "TYPE_INT32", False, False),
        ("channels", 2, "TYPE_INT32", False, False),
        ("height", 3, "TYPE_INT32", False, False),
        ("width", 4, "TYPE_INT32", False, False),
        ("data", 5, "TYPE_FLOAT", True, True),
        ("diff", 6, "TYPE_FLOAT", True, True),
        ("shape", 7, ".BlobShape", False, False),
        ("double_data", 8, "TYPE_DOUBLE", True, True),
    ],
    "UnpackedBlobProto": [("data", 5, "TYPE_FLOAT", True, False), ("shape", 7, ".UnpackedShape", False, False)],
    "UnpackedShape": [("dim", 1, "TYPE_INT64", True, False)],
    "LayerParameter": [
        ("name", 1, "TYPE_STRING", False, False),
        ("type", 2, "TYPE_STRING", False, False),
        ("blobs", 7, ".BlobProto", True, False),
        ("phase", 10, "TYPE_INT32", False, False),
    ],
    "V1LayerParameter": [
        ("bottom", 2, "TYPE_STRING", True, False),
        ("name", 4, "TYPE_STRING", False, False),
        ("type", 5, "TYPE_INT32", False, False),
        ("blobs", 6, ".BlobProto", True, False),
        ("blobs_lr", 7, "TYPE_FLOAT", True, False),
    ],
    "NetParameter": [
        ("name", 1, "TYPE_STRING", False, False),
        ("layers", 2, ".V1LayerParameter", True, False),
        ("layer", 100, ".LayerParameter", True, False),
    ],
}


def _messages() -> dict[str, Any]:
    file = descriptor_pb2.FileDescriptorProto(name="caffe_for_tests.proto", syntax="proto2")
    for name, fields in _FIELDS.items():
        message = file.message_type.add(name=name)
        for field_name, number, kind, repeated, packed in fields:
            field = message.field.add(name=field_name, number=number)
            field.label = _TYPES.LABEL_REPEATED if repeated else _TYPES.LABEL_OPTIONAL
            if kind.startswith("."):
                field.type, field.type_name = _TYPES.TYPE_MESSAGE, kind
            else:
                field.type = getattr(_TYPES, kind)
                if repeated and kind != "TYPE_STRING":
                    field.options.packed = packed
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {name: message_factory.GetMessageClass(pool.FindMessageTypeByName(name)) for name in _FIELDS}


MESSAGES = _messages()


def random_layers(width: int, hidden: int, score: int, image_size: int) -> dict[str, list[np.ndarray]]:
    """Weights and biases in Caffe's order of axes; their size keeps numbers of every layer alike."""
    random = np.random.default_rng(5)
    layers: dict[str, list[np.ndarray]] = {}
    entering = 3
    for name in CONVOLUTIONS:
        weights = random.standard_normal((width, entering, 3, 3)) * (2 / (9 * entering)) ** 0.5
        layers[name] = [weights.astype(np.float32), random.standard_normal(width).astype(np.float32)]
        entering = width
    entering = width * (image_size // 32) ** 2
    for name, leaving in (("fc6", hidden), ("fc7", score)):
        weights = random.standard_normal((leaving, entering)) * (2 / entering) ** 0.5
        layers[name] = [weights.astype(np.float32), random.standard_normal(leaving).astype(np.float32)]
        entering = leaving
    return layers


def caffemodel(layers: dict[str, list[np.ndarray]], dialect: str = "new") -> bytes:
    """The file of weights; `dialect` "new" has LayerParameters and BlobShapes, "old" V1LayerParameters of four axes."""
    net = MESSAGES["NetParameter"](name="VGG_ILSVRC_16_layers")
    for name, arrays in {"data": [], **layers, "prob": []}.items():
        if dialect == "new":
            layer = net.layer.add(name=name, type="InnerProduct" if name.startswith("fc") else "Convolution", phase=1)
        else:
            layer = net.layers.add(name=name, type=4, bottom=["below"], blobs_lr=[1.0, 2.0])
        for array in arrays:
            blob = layer.blobs.add(data=array.ravel())
            if dialect == "new":
                blob.shape.dim.extend(array.shape)
            else:
                axes = (1,) * (4 - array.ndim) + array.shape
                blob.num, blob.channels, blob.height, blob.width = axes
                blob.diff.extend([0.0] * array.size if array.size < 100 else [])
    return net.SerializeToString()


def definition(
    layers: dict[str, list[np.ndarray]], image_size: int, dialect: str = "new", rectified: bool = True
) -> str:
    """The deploy file, as VGG's authors wrote it."""
    new = dialect == "new"
    word = "layer" if new else "layers"
    kinds = {
        "conv": "Convolution" if new else "CONVOLUTION",
        "relu": "ReLU" if new else "RELU",
        "pool": "Pooling" if new else "POOLING",
        "fc": "InnerProduct" if new else "INNER_PRODUCT",
        "drop": "Dropout" if new else "DROPOUT",
    }

    def quoted(kind: str) -> str:
        return f'"{kinds[kind]}"' if new else kinds[kind]

    lines = ['name: "VGG_ILSVRC_16_layers"  # a comment']
    if new:
        lines.append(
            f'layer {{ name: "data" type: "Input" top: "data" input_param {{ shape {{ dim: 10 dim: 3 dim: '
            f"{image_size} dim: {image_size} }} }} }}"
        )
    else:
        lines.append(f'input: "data"\ninput_dim: 10\ninput_dim: 3\ninput_dim: {image_size}\ninput_dim: {image_size}')
    below = "data"
    for number, stage in enumerate(STAGES, start=1):
        for name in stage:
            lines.append(
                f'{word} {{ bottom: "{below}" top: "{name}" name: "{name}" type: {quoted("conv")}\n'
                f"  convolution_param {{ num_output: {len(layers[name][0])} pad: 1 kernel_size: 3 }} }}\n"
                f'{word} {{ bottom: "{name}" top: "{name}" name: "relu{name[4:]}" type: {quoted("relu")} }}'
            )
            below = name
        lines.append(
            f'{word} {{ bottom: "{below}" top: "pool{number}" name: "pool{number}" type: {quoted("pool")}\n'
            "  pooling_param { pool: MAX kernel_size: 2 stride: 2 } }"
        )
        below = f"pool{number}"
    for name in ("fc6", "fc7"):
        lines.append(
            f'{word} {{ bottom: "{below}" top: "{name}" name: "{name}" type: {quoted("fc")} '
            f"inner_product_param {{ num_output: {len(layers[name][0])} }} }}"
        )
        if name == "fc6" or rectified:
            lines.append(f'{word} {{ bottom: "{name}" top: "{name}" name: "relu{name[2:]}" type: {quoted("relu")} }}')
        lines.append(
            f'{word} {{ bottom: "{name}" top: "{name}" name: "drop{name[2:]}" type: {quoted("drop")} '
            "dropout_param { dropout_ratio: 0.5 } }"
        )
        below = name
    lines.append(f'{word} {{ bottom: "fc7" top: "fc8" name: "fc8" type: {quoted("fc")} }}')
    return "\n".join(lines) + "\n"
