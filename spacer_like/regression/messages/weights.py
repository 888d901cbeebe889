"""Messages about weights that come from other programs, and go to them."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, StrictInt
from typing_extensions import Self

from spacer_like.location import DataLocation
from spacer_like.message_base import (
    Answered,
    Location,
    Message,
    ReturnMessage,
    Runtime,
    WritableLocation,
)

KerasNetwork = Literal["model4", "model5", "model6"]
ImageSize = Annotated[StrictInt, Field(ge=1, le=1024)]
_INDEX = ".index"


class ImportKerasWeightsMsg(Message, Answered["ImportKerasWeightsReturnMsg"]):
    """Make a model of weights that TensorFlow and Keras trained. The slots of optimizers are left out.

    Fields:
        input_scale: what the network was trained on: ``unit``, pixels of 0 to 1, or ``raw``, pixels of 0 to 255, as the
            published weights of InclinET were. No file says it.
        model_loc: where the model goes.
        checkpoint_loc: a checkpoint of TensorFlow: its prefix, or its ``.index``; the files ``.data-00000-of-00001``
            and so on are beside it. None: a file is given.
        file_loc: a file of Keras: ``.keras``, or HDF5 of weights or a whole model. None: a checkpoint is given.
        network: what it is; None: what its channels and units say.
        size: width and height of the images that it was trained on, in pixels. None: what a file with the whole model
            says, and otherwise the multiple of 8, of model5 of 32, that its shapes lead to, such as 64, 96 and 128.
    """

    task: ClassVar[str] = "import_keras_weights"

    input_scale: Literal["unit", "raw"]
    model_loc: WritableLocation
    checkpoint_loc: Location | None = None
    file_loc: Location | None = None
    network: KerasNetwork | None = None
    size: ImageSize | None = None

    def implied_inputs(self) -> dict[str, DataLocation]:
        return (
            {} if self.checkpoint_loc is None else {"the checkpoint's index": index_of_checkpoint(self.checkpoint_loc)}
        )

    @classmethod
    def example(cls) -> Self:
        return cls(
            input_scale="raw",
            model_loc=DataLocation("memory", "models/model4.safetensors"),
            checkpoint_loc=DataLocation("memory", "Uset_000_model4_ckpt/2999.ckpt"),
        )


def beside_checkpoint(checkpoint: DataLocation, ending: str) -> DataLocation:
    """The location of a file of a checkpoint, of which the prefix or the index is given."""
    path, mark, query = checkpoint.key.partition("?") if checkpoint.storage_type == "url" else (checkpoint.key, "", "")
    key = f"{path.removesuffix(_INDEX)}{ending}{mark}{query}"
    return DataLocation(checkpoint.storage_type, key, checkpoint.bucket_name)


def index_of_checkpoint(checkpoint: DataLocation) -> DataLocation:
    """The location of a checkpoint's index."""
    return beside_checkpoint(checkpoint, _INDEX)


class ImportKerasWeightsReturnMsg(ReturnMessage):
    """The answer to `ImportKerasWeightsMsg`.

    Fields:
        network: what the weights are those of.
        size: width and height of its images in pixels.
        n_classes: None: it tells the inclination; 2: it tells galaxies with an inclination from others.
        n_weights: the numbers that were read.
    """

    network: str
    size: int
    n_classes: int | None
    n_weights: int
    runtime: Runtime

    @classmethod
    def example(cls) -> Self:
        return cls(network="model4", size=128, n_classes=None, n_weights=1_631_169, runtime=0.2)


class ExportOnnxMsg(Message, Answered["ExportOnnxReturnMsg"]):
    """Make an ONNX model of a network. It predicts in place of the network's own file, without torch.

    The model takes ``pixels``, uint8 [n, size, size, 3], and gives ``inclinations`` in degrees, float32 [n, 1], or of a
    network of two classes ``probabilities`` [n, 2], the second of which is that of a rejected galaxy. Its metadata have
    an entry ``header``, JSON with what the network's file says of it.

    Fields:
        model_loc: the file of a network of its own, and not of one that an extractor sees the images for.
        onnx_loc: where the ONNX model goes.
    """

    task: ClassVar[str] = "export_onnx"

    model_loc: Location
    onnx_loc: WritableLocation

    @classmethod
    def example(cls) -> Self:
        return cls(
            model_loc=DataLocation("memory", "models/model4.safetensors"),
            onnx_loc=DataLocation("memory", "onnx/model4.onnx"),
        )


class ExportOnnxReturnMsg(ReturnMessage):
    """The answer to `ExportOnnxMsg`.

    Fields:
        network: which it is.
        size: width and height of its images in pixels.
        n_classes: None: it tells the inclination; 2: it tells galaxies with an inclination from others.
        n_bytes: of the ONNX model.
    """

    network: str
    size: int
    n_classes: int | None
    n_bytes: int
    runtime: Runtime

    @classmethod
    def example(cls) -> Self:
        return cls(network="model4", size=128, n_classes=None, n_bytes=6_530_000, runtime=0.1)
