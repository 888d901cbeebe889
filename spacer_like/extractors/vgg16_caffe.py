"""VGG16 with weights in Caffe's files, as CoralNet used it first."""

from __future__ import annotations

import mmap
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from spacer_like.exceptions import WeightsError
from spacer_like.extractors.network_extractor import NetworkExtractor
from spacer_like.storage.ordinary_files import open_ordinary
from spacer_like.storage.ownership import why_not_ours

if TYPE_CHECKING:
    from torch import nn


class VGG16CaffeExtractor(NetworkExtractor):
    """Features by VGG16: the 4096 numbers of its layer fc7. Caffe itself is not needed.

    The file ``definition`` is Caffe's deploy file (.prototxt), ``weights`` its .caffemodel.
    """

    DATA_LOCATION_KEYS: ClassVar[list[str]] = ["definition", "weights"]
    PIXEL_MEAN: ClassVar[float] = 128.0
    PIXEL_SCALE: ClassVar[float] = 1.0
    PREPROCESSING = "BGR - 128"
    ONNX_VERSION: ClassVar[int | None] = 1

    @property
    def feature_dim(self) -> int:
        return 4096

    def build_module(self) -> nn.Module:
        from spacer_like.extractors.caffe_weights import read_caffemodel
        from spacer_like.extractors.vgg16_definition import SCORE, read_definition
        from spacer_like.extractors.vgg16_network import build_vgg16

        text = self.load_datastream("definition")[0].getvalue().decode("utf-8", "replace")
        definition = read_definition(text, self.CROP_SIZE, self.data_locations["definition"].display_name)
        if definition.widths[SCORE] != self.feature_dim:
            raise WeightsError(
                f"The extractor's 'definition' is not that of VGG16: its layer {SCORE} has {definition.widths[SCORE]} "
                f"numbers instead of {self.feature_dim}."
            )
        if self.data_locations["weights"].storage_type == "memory":
            data: bytes | mmap.mmap = self.load_datastream("weights")[0].getvalue()
        else:
            path, _ = self.load_data_into_filesystem("weights")
            # What others may write is read once, and checked as it was read.
            ours = self.data_locations["weights"].storage_type == "filesystem" or why_not_ours(path) is None
            data = _mapped(Path(path)) if ours else self.load_datastream("weights")[0].getvalue()
        weights = read_caffemodel(memoryview(data), definition.widths, self.data_locations["weights"].display_name)
        return build_vgg16(definition, weights, self.CROP_SIZE)


def _mapped(path: Path) -> bytes | mmap.mmap:
    """The bytes of a file, memory-mapped; an empty file cannot be mapped."""
    with open_ordinary(path) as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if path.stat().st_size else b""
