"""The tasks that make models of weights of other programs, and models for them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from spacer_like.exceptions import MessageError
from spacer_like.extras import package_versions
from spacer_like.overwriting import NamedLocation, check_also_read, task
from spacer_like.regression.keras_files import KerasFile, read_keras_file
from spacer_like.regression.keras_weights import KerasLayer, imported_weights, is_weight, layers_of_checkpoint
from spacer_like.regression.messages import (
    ExportOnnxMsg,
    ExportOnnxReturnMsg,
    ImportKerasWeightsMsg,
    ImportKerasWeightsReturnMsg,
)
from spacer_like.regression.messages.weights import beside_checkpoint, index_of_checkpoint
from spacer_like.regression.model_sets import regressor_at
from spacer_like.regression.onnx_model import onnx_bytes
from spacer_like.regression.regressor import REGRESSOR, UNIT_SCALE, Regressor
from spacer_like.regression.tensor_bundle import read_bundle, read_bundle_index, shard_name
from spacer_like.storage import read_bytes, write_bytes

if TYPE_CHECKING:
    from spacer_like.location import DataLocation


@task
def import_keras_weights(msg: ImportKerasWeightsMsg) -> ImportKerasWeightsReturnMsg:
    """Make a model of a checkpoint of TensorFlow or a file of Keras.

    Raises:
        MessageError: not exactly one of the two is named, the model would overwrite the checkpoint's data, or the
            network takes no images of this size.
        MissingExtraError: without h5py, which files of Keras need.
        WeightsError: a damaged file, or weights of another network or size.
    """
    start = time.perf_counter()
    if (msg.checkpoint_loc is None) == (msg.file_loc is None):
        raise MessageError("import_keras_weights reads checkpoint_loc or else file_loc: name one of the two.")
    if msg.checkpoint_loc is not None:
        name, found = msg.checkpoint_loc.display_name, KerasFile(_checkpoint(msg, msg.checkpoint_loc), None)
    elif msg.file_loc is not None:
        name, found = msg.file_loc.display_name, read_keras_file(read_bytes(msg.file_loc), msg.file_loc.display_name)
    imported = imported_weights(found.layers, name, msg.network, msg.size or found.size)
    model = Regressor(
        network=imported.network,
        size=imported.size,
        n_classes=imported.n_classes,
        input_scale=UNIT_SCALE if msg.input_scale == "unit" else 1.0,
        weights=imported.weights,
        versions=package_versions("numpy"),
    )
    write_bytes(msg.model_loc, REGRESSOR.to_bytes(model))
    return ImportKerasWeightsReturnMsg(
        network=imported.network,
        size=imported.size,
        n_classes=imported.n_classes,
        n_weights=sum(array.size for array in imported.weights.values()),
        runtime=time.perf_counter() - start,
    )


def _checkpoint(msg: ImportKerasWeightsMsg, loc: DataLocation) -> list[KerasLayer]:
    """The layers of a checkpoint."""
    index_loc = index_of_checkpoint(loc)
    index = read_bundle_index(read_bytes(index_loc), index_loc.display_name)
    parts = [beside_checkpoint(loc, shard_name("", number, index.n_shards)) for number in range(index.n_shards)]
    check_also_read(msg, [NamedLocation("the checkpoint's data", part, False) for part in parts])
    shards = [read_bytes(part) for part in parts]
    return layers_of_checkpoint(read_bundle(index, shards, loc.display_name, is_weight), loc.display_name)


@task
def export_onnx(msg: ExportOnnxMsg) -> ExportOnnxReturnMsg:
    """Make an ONNX model of a network.

    Raises:
        ModelFileError: the file is no network.
        SpacerInputError: an extractor sees its images.
        SpacerError: errors of the storage.
    """
    start = time.perf_counter()
    model = regressor_at(msg.model_loc)
    data = onnx_bytes(model)
    write_bytes(msg.onnx_loc, data)
    return ExportOnnxReturnMsg(
        network=model.network,
        size=model.size,
        n_classes=model.n_classes,
        n_bytes=len(data),
        runtime=time.perf_counter() - start,
    )
